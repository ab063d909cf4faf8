/* SPDX-License-Identifier: Apache-2.0 */
/* registration.c - reads metadata member by member. A member that is known and not as it must be is refused, never
 * guessed at. */
#include "payer/auth/registration.h"

#include "base/json.h"

void sb_registration_cleanup(sb_registration *registration)
{
    free(registration->name);
    free(registration->contact);
    free(registration->scope);
    free(registration->jwks_url);
    sb_jwks_free(registration->jwks);
    *registration = (sb_registration)SB_REGISTRATION_INIT;
}

static sb_status bad(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_INVALID, "the client cannot be registered", "%s", "correct its metadata", why);
}

/* A member that is text or missing (null counts as missing); *out is `by_default` when missing. */
static bool text_member(const json_t *object, const char *name, const char *by_default, const char **out)
{
    const json_t *value = json_object_get(object, name);
    *out = value && !json_is_null(value) ? sb_json_str(object, name) : by_default;
    return *out != NULL;
}

/* Is `list` (which may be missing) a list that holds `value`? */
static bool holds(const json_t *list, const char *value)
{
    size_t i;
    const json_t *item;
    if (!list || json_is_null(list))
        return true;
    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), value) == 0)
            return true;
    }
    return false;
}

static sb_status check_method(const json_t *metadata, const sb_registration_policy *policy, sb_error *err)
{
    const char *method, *signing;
    if (!text_member(metadata, "token_endpoint_auth_method", "private_key_jwt", &method) ||
        strcmp(method, "private_key_jwt") != 0)
        return bad(err, "token_endpoint_auth_method is private_key_jwt here");
    if (!holds(json_object_get(metadata, "grant_types"), "client_credentials"))
        return bad(err, "grant_types must hold client_credentials");
    if (!text_member(metadata, "token_endpoint_auth_signing_alg", policy->algs[0], &signing))
        return bad(err, "token_endpoint_auth_signing_alg is no text");
    for (const char *const *alg = policy->algs; *alg; alg++) {
        if (strcmp(*alg, signing) == 0)
            return SB_OK;
    }
    return bad(err, "token_endpoint_auth_signing_alg is none that is allowed here");
}

static bool is_label(const char *text)
{
    return strlen(text) <= SB_CLIENT_NAME_MAX && sb_str_is_text(sb_str_from(text));
}

/* The first that fits of contacts, which are addresses to write to. */
static sb_status read_contact(const json_t *metadata, sb_registration *out, sb_error *err)
{
    const json_t *list = json_object_get(metadata, "contacts"), *item;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    size_t i;
    if (list && !json_is_null(list) && !json_is_array(list))
        return bad(err, "contacts is no list");
    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        if (!json_is_string(item) || !is_label(json_string_value(item)))
            return bad(err, "contacts are short lines of text");
        size_t more = json_string_length(item) + (text.len ? 2 : 0);
        if (text.len + more <= SB_CLIENT_NAME_MAX &&
            !sb_buf_printf(&text, "%s%s", text.len ? ", " : "", json_string_value(item)))
            return sb_error_nomem(err);
    }
    out->contact = sb_buf_steal(&text);
    return out->contact ? SB_OK : sb_error_nomem(err);
}

static sb_status read_texts(const json_t *metadata, sb_registration *out, sb_error *err)
{
    const char *name;
    if (!text_member(metadata, "client_name", "", &name) || !is_label(name))
        return bad(err, "client_name is a line of text of at most 255 bytes");
    out->name = sb_str_dup(sb_str_from(name));
    return out->name ? read_contact(metadata, out, err) : sb_error_nomem(err);
}

static sb_status read_keys(const json_t *metadata, const sb_registration_policy *policy, sb_registration *out,
                           sb_error *err)
{
    const json_t *set = json_object_get(metadata, "jwks"), *url = json_object_get(metadata, "jwks_uri");
    bool has_set = set && !json_is_null(set), has_url = url && !json_is_null(url);
    const char *text = sb_json_str(metadata, "jwks_uri");
    if (has_set && has_url)
        return bad(err, "jwks and jwks_uri must not both be there (RFC 7591)");
    if (has_set) {
        SB_AUTOFREE json = json_is_object(set) ? sb_json_dump(set) : NULL;
        return json ? sb_jwks_parse(sb_str_from(json), &out->jwks, NULL, err) : bad(err, "jwks is no JWK Set");
    }
    if (!has_url)
        return bad(err, "the keys are missing: send jwks_uri, or the public key set itself as jwks");
    if (!policy->guard)
        return bad(err, "this server fetches no jwks_uri; send the key set itself as jwks");
    if (!text)
        return bad(err, "jwks_uri is no text");
    sb_status status = sb_guard_check_url(policy->guard, text, err);
    if (status != SB_OK)
        return status;
    out->jwks_url = sb_str_dup(sb_str_from(text));
    return out->jwks_url ? SB_OK : sb_error_nomem(err);
}

/* What it asks for, as far as it may have it. */
sb_status sb_registration_clip(const char *text, const char *most_text, char **out, sb_error *err)
{
    SB_AUTO(sb_buf) clipped = SB_BUF_INIT;
    SB_AUTO(sb_scopes) asked = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) most = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) both = SB_SCOPES_INIT;
    SB_TRY(sb_scopes_parse(text, &asked, err));
    SB_TRY(sb_scopes_check_configured(&asked, err));
    SB_TRY(sb_scopes_parse(most_text, &most, err));
    SB_TRY(sb_scopes_intersect(&asked, &most, &both, err));
    if (both.len == 0)
        return bad(err, "nothing of this scope can be had here");
    if (!sb_scopes_format(&both, &clipped))
        return sb_error_nomem(err);
    *out = sb_buf_steal(&clipped);
    return *out ? SB_OK : sb_error_nomem(err);
}

static sb_status read_scope(const json_t *metadata, const sb_registration_policy *policy, sb_registration *out,
                            sb_error *err)
{
    const char *text;
    if (!text_member(metadata, "scope", policy->scope, &text))
        return bad(err, "scope is no text");
    return sb_registration_clip(text, policy->scope, &out->scope, err);
}

sb_status sb_registration_read(const json_t *metadata, const sb_registration_policy *policy, sb_registration *out,
                               sb_error *err)
{
    SB_TRY(check_method(metadata, policy, err));
    SB_TRY(read_texts(metadata, out, err));
    SB_TRY(read_scope(metadata, policy, out, err));
    return read_keys(metadata, policy, out, err);
}

static bool add_keys(json_t *body, const sb_client *client)
{
    if (client->jwks_url)
        return json_object_set_new(body, "jwks_uri", json_string(client->jwks_url)) == 0;
    SB_AUTOFREE text = sb_jwks_json(client->jwks, false);
    return text && json_object_set_new(body, "jwks", json_loads(text, 0, NULL)) == 0;
}

json_t *sb_registration_json(const sb_client *client)
{
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    if (!sb_scopes_format(&client->scopes, &scope))
        return NULL;
    json_t *body =
        json_pack("{s:s, s:I, s:s, s:s, s:[s], s:[], s:s, s:s}", "client_id", client->id, "client_id_issued_at",
                  (json_int_t)client->created_s, "client_name", client->name, "token_endpoint_auth_method",
                  "private_key_jwt", "grant_types", "client_credentials", "response_types", "scope",
                  sb_buf_cstr(&scope), "client_state", sb_client_state_name(client->state));
    bool ok = body && add_keys(body, client);
    if (ok && client->contact[0])
        ok = json_object_set_new(body, "contacts", json_pack("[s]", client->contact)) == 0;
    if (ok)
        return body;
    json_decref(body);
    return NULL;
}
