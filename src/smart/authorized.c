/* SPDX-License-Identifier: Apache-2.0 */
/* authorized.c - requests with the token, and the one silent second try that a 401 earns. Owns no state. */
#include "smart/authorized.h"

#include <stdio.h>

#include "base/log.h"
#include "base/secret.h"
#include "fhir/operation_outcome.h"
#include "smart/foreign_text.h"
#include "smart/payer_internal.h"
#include "smart/scopes.h"
#include "smart/token_internal.h"

#define MIN_LEFT_S 10 /* a request is on its way for seconds; the token is checked at its start (USE-05) */
#define TRIES_MAX  4  /* two, and more only for tokens that died on the way: lifetimes of seconds exist in tests */

sb_http *sb_payer_http(sb_payer *payer)
{
    return payer->http;
}

const sb_clock *sb_payer_clock(const sb_payer *payer)
{
    return payer->clock;
}

bool sb_payer_cancelled(const sb_payer *payer)
{
    return payer->cancel && atomic_load(payer->cancel);
}

const char *sb_payer_client_id(const sb_payer *payer)
{
    return payer->settings.client_id ? payer->settings.client_id : "";
}

const char *sb_payer_state_dir(const sb_payer *payer)
{
    return payer->settings.state_dir;
}

bool sb_payer_trusts(const sb_payer *payer, const sb_url *url)
{
    const sb_settings *s = &payer->settings;
    if (sb_url_same_origin(url, &s->origin))
        return true;
    for (size_t i = 0; i < s->n_token_hosts; i++)
        if (sb_url_same_origin(url, &s->token_hosts[i]))
            return true;
    return false;
}

sb_status sb_payer_require_trust(const sb_payer *payer, const sb_url *url, const char *what, sb_error *err)
{
    if (sb_payer_trusts(payer, url))
        return SB_OK;
    const sb_url *own = &payer->settings.origin;
    bool v6 = strchr(url->host, ':') != NULL;
    sb_error_set(err, SB_E_SERVER, NULL,
                 "%s://%.200s:%u is not the payer's own origin (%s://%.200s:%u), so it may not see the token", NULL,
                 url->scheme, url->host, url->port, own->scheme, own->host, own->port); /* USE-03 */
    sb_error_what(err, "%s is on another server, and needs the token", what);
    sb_error_fix(err,
                 "if the payer says that this server is its own, allow it for this payer:\n"
                 "token_hosts: [\"%s://%s%.200s%s:%u\"]   (--token-host %s://%s%.200s%s:%u)",
                 url->scheme, v6 ? "[" : "", url->host, v6 ? "]" : "", url->port, url->scheme, v6 ? "[" : "", url->host,
                 v6 ? "]" : "", url->port);
    return SB_E_SERVER;
}

sb_status sb_payer_send_plain(sb_payer *payer, sb_http_request *request, sb_http_response *response, sb_error *err)
{
    request->bearer = NULL; /* USE-02 */
    return payer->transport.send(payer->transport.impl, request, response, err);
}

/* error="…" of WWW-Authenticate (RFC 6750 §3), if it is there and looks like a code. */
static void challenge_error(const sb_http_response *response, char *out, size_t size)
{
    const char *header = sb_http_header_get(&response->headers, "WWW-Authenticate");
    const char *at = header ? strstr(header, "error=\"") : NULL;
    out[0] = '\0';
    if (!at)
        return;
    at += strlen("error=\"");
    size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    if (len < size && at[len] == '"')
        (void)snprintf(out, size, "%.*s", (int)len, at);
}

sb_status sb_payer_explain_refusal(sb_payer *payer, const sb_http_request *request, const sb_http_response *response,
                                   sb_error *err)
{
    sb_outcome outcome;
    char code[64], says[300] = "";
    SB_AUTOFREE url = sb_url_redacted(request->url);
    const char *token_url = sb_payer_token_url(payer);
    if (sb_outcome_parse(sb_buf_str(&response->body), &outcome, NULL) == SB_OK)
        (void)sb_foreign_text(sb_str_from(outcome.text), says, sizeof(says));
    challenge_error(response, code, sizeof(code));
    sb_error_set(err, SB_E_AUTH, NULL, "%.300s refused a fresh token%s%s%s%s%s%s", NULL, url ? url : "it",
                 code[0] ? ": " : "", code, says[0] ? "; it says: \"" : "", says, says[0] ? "\"" : "",
                 strcmp(code, "insufficient_scope") == 0 ? "; the granted scope is too small" : "");
    sb_error_what(err, "the payer does not accept its own token (%d)", response->status);
    sb_error_fix(err,
                 "the likely causes, the likeliest first:\n"
                 "- the token endpoint (%.200s) belongs to another environment than fhir_url: sandbox and production?\n"
                 "- the client is not approved for this address or this data: ask the payer\n"
                 "- the scope is too small: %.200s",
                 token_url ? token_url : "as configured", sb_payer_scope(payer) ? sb_payer_scope(payer) : "(default)");
    if (err) {
        err->http_status = response->status;
        (void)snprintf(err->oauth_code, sizeof(err->oauth_code), "%s", code);
    }
    return SB_E_AUTH;
}

/* A redirect led to an origin that never saw the token: its 401 says nothing of it. */
static bool came_from_elsewhere(const sb_http_response *response, const sb_url *asked)
{
    SB_AUTO(sb_url) from = SB_URL_INIT;
    return response->url && sb_url_parse(response->url, &from, NULL) == SB_OK && !sb_url_same_origin(&from, asked);
}

static sb_status refused_without_token(const sb_payer *payer, const sb_http_request *request,
                                       const sb_http_response *response, const sb_url *url, sb_error *err)
{
    SB_AUTOFREE from = sb_url_redacted(response->url ? response->url : request->url);
    if (payer->settings.method == SB_AUTH_NONE)
        return sb_error_set(err, SB_E_AUTH, "the payer wants a token, and none was configured", "%.300s answered 401",
                            "leave out `auth: none` and give a client id and a key", from ? from : "it");
    if (!sb_payer_trusts(payer, url) && sb_payer_require_trust(payer, url, "what was asked for", err) != SB_OK) {
        if (err)
            err->code = SB_E_AUTH;
    } else {
        (void)sb_error_set(err, SB_E_AUTH, "a server that the payer redirected to refused us",
                           "%.300s answered 401; the token is never sent to another server", /* USE-03 */
                           "tell the payer: its redirect should lead to a URL that needs no token", from ? from : "it");
    }
    if (err)
        err->http_status = response->status;
    return SB_E_AUTH;
}

static bool has_expired(const sb_payer *payer, const sb_token *token)
{
    return payer->clock->monotonic_ns(payer->clock->impl) >= sb_token_expires_ns(token);
}

/* A peer may repeat the token in its answer, all of which may be shown or logged. */
static void hide_token(const sb_http_request *request, sb_str token, sb_http_response *response, sb_error *err)
{
    sb_http_response_hide(response, token);
    if (err)
        sb_secret_hide(err->why, strlen(err->why), token);
    if (request->on_token)
        request->on_token(request->on_body_impl, token);
}

/* With a token each time, until one is accepted or it is clear that none will be.                             USE-04 */
static sb_status send_with_token(sb_payer *payer, sb_http_request *request, const sb_url *url,
                                 sb_http_response *response, sb_error *err)
{
    unsigned refusals = 0;
    for (unsigned tries = 1;; tries++) {
        __attribute__((cleanup(sb_token_freep))) sb_token *token = NULL;
        SB_TRY(sb_payer_token(payer, MIN_LEFT_S, &token, err));
        request->bearer = sb_token_text(token);
        sb_status status = payer->transport.send(payer->transport.impl, request, response, err);
        request->bearer = NULL;
        hide_token(request, sb_str_from(sb_token_text(token)), response, status == SB_OK ? NULL : err);
        if (status != SB_OK || response->status != 401)
            return status;
        if (came_from_elsewhere(response, url))
            return refused_without_token(payer, request, response, url, err);
        refusals += !has_expired(payer, token);
        sb_payer_reject_token(payer, token);
        if (refusals >= 2 || tries >= TRIES_MAX)
            return sb_payer_explain_refusal(payer, request, response, err);
        sb_log_info("the payer refused the token; getting a new one");
        sb_http_response_cleanup(response);
    }
}

sb_status sb_payer_send(sb_payer *payer, sb_http_request *request, sb_http_response *response, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    SB_TRY(sb_url_parse(request->url, &url, err));
    if (payer->settings.method != SB_AUTH_NONE && sb_payer_trusts(payer, &url))
        return send_with_token(payer, request, &url, response, err);
    SB_TRY(sb_payer_send_plain(payer, request, response, err));
    return response->status == 401 ? refused_without_token(payer, request, response, &url, err) : SB_OK;
}

/* What was granted: the token's word, else what was asked (RFC 6749 §5.1), else not known. */
static sb_status granted_scopes(sb_payer *payer, sb_scopes *out, sb_error *err)
{
    __attribute__((cleanup(sb_token_freep))) sb_token *token = NULL;
    SB_TRY(sb_payer_token(payer, 0, &token, err));
    const char *text = token ? sb_token_scope(token) : NULL;
    if (token && !text)
        text = sb_payer_scope(payer) ? sb_payer_scope(payer) : payer->settings.scope;
    return sb_scopes_parse(text, out, err);
}

sb_status sb_payer_uncovered_types(sb_payer *payer, const char *const *types, size_t n, sb_buf *out, sb_error *err)
{
    SB_AUTO(sb_scopes) granted = SB_SCOPES_INIT;
    bool known = false, first = true;
    SB_TRY(granted_scopes(payer, &granted, err));
    for (size_t i = 0; i < granted.len; i++) /* a payer with scopes of its own says nothing that we could compare */
        known = known || granted.items[i].kind == SB_SCOPE_SYSTEM;
    for (size_t i = 0; i < n && known; i++) {
        if (sb_scopes_cover(&granted, types[i], SB_SCOPE_EXPORT) != SB_SCOPE_COVERS_NOT)
            continue;
        if ((!first && !sb_buf_add_cstr(out, ", ")) || !sb_buf_add_cstr(out, types[i]))
            return sb_error_nomem(err);
        first = false;
    }
    return SB_OK;
}
