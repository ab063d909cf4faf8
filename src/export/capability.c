/* SPDX-License-Identifier: Apache-2.0 */
/* capability.c - reads three members of {base}/metadata. Owns no state. */
#include "export/capability.h"

#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "export/json_scan.h"
#include "smart/authorized.h"

#define STATEMENT_MAX ((size_t)64 * 1024 * 1024) /* the largest we know of has 6 MB */
#define STALL_S       15                         /* it is a hint: not worth a longer wait */

typedef struct reader {
    sb_scan *scan;
    const sb_http_response *response;
    sb_capability *out;
    bool has_4, has_earlier;
} reader;

static sb_status on_name(void *impl, const char *name, sb_scan_want *want, sb_error *err)
{
    (void)impl, (void)err;
    if (strcmp(name, "fhirVersion") == 0)
        *want = SB_SCAN_WHOLE;
    else if (strcmp(name, "instantiates") == 0 || strcmp(name, "implementationGuide") == 0)
        *want = SB_SCAN_ITEMS;
    return SB_OK;
}

static sb_status on_member(void *impl, const char *name, const json_t *value, sb_error *err)
{
    reader *r = impl;
    (void)name, (void)err;
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strspn(text, "0123456789.-abcdefghijklmnopqrstuvwxyz") == strlen(text) &&
        strlen(text) < sizeof(r->out->fhir_version))
        (void)snprintf(r->out->fhir_version, sizeof(r->out->fhir_version), "%s", text);
    return SB_OK;
}

/* "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data|4.0.0"; without a version it is an early one. */
static sb_status on_item(void *impl, const char *name, const json_t *item, sb_error *err)
{
    reader *r = impl;
    (void)name, (void)err;
    const char *text = json_is_string(item) ? json_string_value(item) : "";
    if (!sb_str_starts_with(sb_str_from(text), SB_STR_LIT("http://hl7.org/fhir/uv/bulkdata/")))
        return SB_OK;
    const char *version = strchr(text, '|');
    if (version && version[1] == '4' && (version[2] == '.' || version[2] == '\0'))
        r->has_4 = true;
    else
        r->has_earlier = true;
    return SB_OK;
}

static sb_status on_body(void *impl, sb_str bytes, sb_error *err)
{
    reader *r = impl;
    return r->response->status == 200 ? sb_scan_feed(r->scan, bytes, err) : SB_OK;
}

sb_status sb_capability_fetch(sb_payer *payer, sb_capability *out, sb_error *err)
{
    SB_AUTO(sb_http_response) response = SB_HTTP_RESPONSE_INIT;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    SB_AUTOPTR(sb_scan) scan = NULL;
    sb_error inner = SB_ERROR_INIT;
    *out = (sb_capability){.post_only = false};
    reader r = {.response = &response, .out = out};
    const sb_scan_sink sink = {&r, on_name, on_member, on_item};
    SB_TRY(sb_url_join(&url, sb_payer_fhir_url(payer), "metadata", err));
    SB_TRY(sb_scan_new(&sink, "the payer's CapabilityStatement", &scan, err));
    r.scan = scan;
    sb_http_request request = {.method = "GET",
                               .url = url.text,
                               .accept = "application/fhir+json",
                               .redirects = SB_HTTP_REDIRECTS_FOLLOW,
                               .max_body = STATEMENT_MAX,
                               .timeout_s = STALL_S,
                               .on_body = on_body,
                               .on_body_impl = &r};
    sb_status status = sb_payer_send_plain(payer, &request, &response, &inner);
    if (status == SB_E_INTERRUPTED || status == SB_E_NOMEM) {
        if (err)
            *err = inner;
        return status;
    }
    if (status == SB_OK && response.status == 200)
        status = sb_scan_finish(scan, &inner);
    if (status != SB_OK)
        sb_log_info("the payer's CapabilityStatement is of no use: %s: %s", inner.what, inner.why);
    out->post_only = r.has_4 && !r.has_earlier;
    return SB_OK;
}
