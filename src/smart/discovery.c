/* SPDX-License-Identifier: Apache-2.0 */
/* discovery.c - SMART configuration first, CapabilityStatement second. Owns no state; what it returns is the caller's.
 */
#include "smart/discovery.h"

#include "base/json.h"
#include "base/log.h"
#include "smart/foreign_text.h"

#define CONFIGURATION_MAX (1024 * 1024)      /* 5 KB is usual; the longest lists of scopes stay under 100 KB */
#define CAPABILITIES_MAX  (16 * 1024 * 1024) /* large vendors' CapabilityStatements run to 5 MB */
#define REQUEST_TIMEOUT_S 60
#define ACCEPT_JSON       "application/json"
#define ACCEPT_FHIR       "application/fhir+json"
#define OAUTH_URIS        "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

void sb_discovery_cleanup(sb_discovery *discovery)
{
    free(discovery->token_url);
    free(discovery->issuer);
    json_decref(discovery->document);
    *discovery = (sb_discovery)SB_DISCOVERY_INIT;
}

/* The token endpoint decides who gets our assertion: absolute, and https; plain http on loopback if the document came
 * that way itself. */
static sb_status take_token_url(const char *text, const char *document_url, char **out, sb_error *err)
{
    SB_AUTO(sb_url) from = SB_URL_INIT;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    SB_TRY(sb_url_parse(document_url, &from, err));
    if (sb_url_resolve(&from, text, &url, err) != SB_OK) { /* DISC-03 */
        char shown[200];
        return sb_error_set(err, SB_E_SERVER, "the payer names a token endpoint that is no URL", "token_endpoint is %s",
                            "tell the payer, or give token_url for this payer",
                            sb_foreign_text(sb_str_from(text), shown, sizeof(shown)));
    }
    bool less_secure =
        strcmp(url.scheme, "http") == 0 && (strcmp(from.scheme, "http") != 0 || !sb_url_is_loopback(&from));
    if (less_secure || sb_url_require_secure(&url, "token_endpoint", NULL) != SB_OK)
        return sb_error_set(err, SB_E_SERVER, "the payer names a token endpoint that is not https",
                            "token_endpoint is %.300s; an assertion sent there is open to all", /* DISC-05 */
                            "tell the payer; behind a TLS proxy its own address is configured wrong. Or give token_url",
                            url.text);
    *out = url.text;
    url.text = NULL;
    return SB_OK;
}

sb_status sb_discovery_parse(sb_str body, const char *url, sb_discovery *out, sb_error *err)
{
    SB_AUTO(sb_discovery) found = SB_DISCOVERY_INIT;
    if (sb_json_parse_object(body, "the payer's SMART configuration", &found.document, err) != SB_OK) {
        if (err)
            err->code = SB_E_SERVER;
        return SB_E_SERVER;
    }
    const char *token_url = sb_json_str(found.document, "token_endpoint");
    if (!token_url)
        return sb_error_set(err, SB_E_SERVER, "the payer's SMART configuration is not complete",
                            "%.300s has no token_endpoint", "tell the payer, or give token_url for this payer", url);
    SB_TRY(take_token_url(token_url, url, &found.token_url, err));
    const char *issuer = sb_json_str(found.document, "issuer");
    if (issuer && !(found.issuer = sb_str_dup(sb_str_from(issuer))))
        return sb_error_nomem(err);
    sb_discovery_cleanup(out);
    *out = found;
    found = (sb_discovery)SB_DISCOVERY_INIT;
    return SB_OK;
}

/* The valueUri of the nested extension "token"; NULL when this extension has none. */
static const char *token_in_extension(const json_t *extension)
{
    const char *url = sb_json_str(extension, "url");
    size_t i;
    json_t *inner;
    if (!url || strcmp(url, OAUTH_URIS) != 0)
        return NULL;
    json_array_foreach (json_object_get(extension, "extension"), i, inner) {
        const char *name = sb_json_str(inner, "url"), *value = sb_json_str(inner, "valueUri");
        if (name && value && strcmp(name, "token") == 0)
            return value;
    }
    return NULL;
}

static const char *token_in_capabilities(const json_t *statement) /* DISC-04 */
{
    size_t i, k;
    json_t *rest, *extension;
    json_array_foreach (json_object_get(statement, "rest"), i, rest) {
        const json_t *security = json_object_get(rest, "security");
        json_array_foreach (json_object_get(security, "extension"), k, extension) {
            const char *found = token_in_extension(extension);
            if (found)
                return found;
        }
    }
    return NULL;
}

static sb_status get(const sb_transport *transport, const char *base, const char *path, const char *accept,
                     size_t max_body, sb_http_response *response, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    SB_TRY(sb_url_join(&url, base, path, err)); /* DISC-01: with or without a trailing slash */
    const sb_http_request request = {
        .method = "GET",
        .url = url.text,
        .accept = accept,
        .bearer = NULL, /* DISC-01: no credentials */
        .redirects = SB_HTTP_REDIRECTS_FOLLOW,
        .max_body = max_body,
        .timeout_s = REQUEST_TIMEOUT_S,
    };
    SB_TRY(transport->send(transport->impl, &request, response, err));
    if (response->url)
        return SB_OK;
    response->url = sb_str_dup(sb_str_from(url.text));
    return response->url ? SB_OK : sb_error_nomem(err);
}

static sb_status try_configuration(const sb_transport *transport, const char *base, sb_discovery *out, sb_error *err)
{
    SB_AUTO(sb_http_response) response = SB_HTTP_RESPONSE_INIT;
    SB_TRY(get(transport, base, ".well-known/smart-configuration", ACCEPT_JSON, CONFIGURATION_MAX, &response, err));
    if (response.status == 200)
        return sb_discovery_parse(sb_buf_str(&response.body), response.url, out, err);
    sb_error_set(err, SB_E_SERVER, "the payer's SMART configuration could not be read", "%.300s answered %d",
                 "check fhir_url: it is the address that ends where /Patient would follow", response.url,
                 response.status);
    if (err)
        err->http_status = response.status;
    return SB_E_SERVER;
}

static sb_status try_capabilities(const sb_transport *transport, const char *base, sb_discovery *out, sb_error *err)
{
    SB_AUTO(sb_http_response) response = SB_HTTP_RESPONSE_INIT;
    SB_AUTO(sb_discovery) found = SB_DISCOVERY_INIT;
    SB_AUTOJSON statement = NULL;
    SB_TRY(get(transport, base, "metadata", ACCEPT_FHIR, CAPABILITIES_MAX, &response, err));
    if (response.status != 200)
        return sb_error_set(err, SB_E_SERVER, "the payer's CapabilityStatement could not be read", "%.300s answered %d",
                            "check fhir_url", response.url, response.status);
    SB_TRY(sb_json_parse_object(sb_buf_str(&response.body), "the payer's CapabilityStatement", &statement, err));
    const char *token_url = token_in_capabilities(statement);
    if (!token_url)
        return sb_error_set(err, SB_E_SERVER, "the payer names no token endpoint", "%.300s has no oauth-uris extension",
                            "give token_url for this payer", response.url);
    SB_TRY(take_token_url(token_url, response.url, &found.token_url, err));
    sb_discovery_cleanup(out);
    *out = found;
    found = (sb_discovery)SB_DISCOVERY_INIT;
    return SB_OK;
}

sb_status sb_discovery_fetch(const sb_transport *transport, const char *fhir_url, sb_discovery *out, sb_error *err)
{
    sb_error first = SB_ERROR_INIT, second = SB_ERROR_INIT;
    sb_status status = try_configuration(transport, fhir_url, out, &first);
    if (status == SB_E_SERVER) {
        sb_log_info("%s: %s; looking into the CapabilityStatement", first.what, first.why);
        status = try_capabilities(transport, fhir_url, out, &second);
        if (status == SB_OK)
            return SB_OK;
        if (status == SB_E_SERVER || status == SB_E_INVALID) { /* the first failure is the one to mend */
            sb_error_set(err, SB_E_SERVER, first.what, "%s; and as to the CapabilityStatement: %s",
                         "check fhir_url: it is the address that ends where /Patient would follow.\n"
                         "If it is right, ask the payer for its token endpoint and give it as token_url",
                         first.why, second.why);
            if (err)
                err->http_status = first.http_status;
            return SB_E_SERVER;
        }
        first = second;
    }
    if (status != SB_OK && err)
        *err = first;
    return status;
}

bool sb_discovery_lists(const sb_discovery *discovery, const char *member, const char *value, bool *known)
{
    const json_t *list = json_object_get(discovery->document, member);
    size_t i;
    json_t *item;
    if (known)
        *known = json_is_array(list);
    json_array_foreach (list, i, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), value) == 0)
            return true;
    }
    return false;
}

const char *sb_discovery_list_text(const sb_discovery *discovery, const char *member, char *out, size_t size)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(discovery->document, member), i, item) {
        if (text.len > size)
            break;
        if (json_is_string(item) &&
            ((text.len > 0 && !sb_buf_add_cstr(&text, ", ")) || !sb_buf_add_cstr(&text, json_string_value(item))))
            break; /* a shorter list is shown */
    }
    return sb_foreign_text(sb_buf_str(&text), out, size);
}

bool sb_discovery_wants_v2(const sb_discovery *discovery)
{
    return sb_discovery_lists(discovery, "capabilities", "permission-v2", NULL) &&
           !sb_discovery_lists(discovery, "capabilities", "permission-v1", NULL);
}
