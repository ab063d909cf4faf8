/* SPDX-License-Identifier: Apache-2.0 */
/* oauth_error.c - what each refusal usually means, most likely cause first. Owns no state. */
#include "smart/oauth_error.h"

#include <stdio.h>

#include "base/json.h"
#include "http/retry.h"
#include "smart/foreign_text.h"
#include "smart/scopes.h"

#define SKEW_TOLD_S     30  /* servers tolerate 15 to 60 s; under 30 the clock is not the first suspect */
#define SKEW_FATAL_S    180 /* beyond it no server takes a two-minute assertion; under it there may be another cause */
#define ASSERTION_MAX_S 300 /* AUTH-02 */
#define CODE_MAX        63  /* fits err->oauth_code */

/* One refusal while it is being explained. */
typedef struct refusal {
    const sb_oauth_request *sent;
    const sb_http_response *answer;
    char code[CODE_MAX + 1];
    char says[420]; /* the server's own words, safe; ` the payer says: "…"` or "" */
    sb_buf fix;     /* bounded by err->fix's size */
} refusal;

static bool is_oauth_code(const char *code)
{
    for (const char *p = code; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' ||
              *p == '-' || *p == '.'))
            return false;
    return code[0] != '\0' && strlen(code) <= CODE_MAX;
}

/* `error` and `error_description` of the answer; both stay empty when it is no OAuth answer. */
static void read_answer(refusal *r)
{
    char shown[360];
    SB_AUTOJSON json = NULL;
    if (sb_json_parse_object(sb_buf_str(&r->answer->body), "the answer", &json, NULL) != SB_OK)
        return;
    const char *code = sb_json_str(json, "error");
    const char *description = sb_json_str(json, "error_description");
    if (code && is_oauth_code(code))
        (void)snprintf(r->code, sizeof(r->code), "%s", code);
    if (description && sb_foreign_text(sb_str_from(description), shown, sizeof(shown))[0])
        (void)snprintf(r->says, sizeof(r->says), "the payer says: \"%s\"", shown);
}

/* One more line of advice; one that does not fit is left out whole. */
static void advise(refusal *r, const char *fmt, ...) SB_PRINTF(2, 3);
static void advise(refusal *r, const char *fmt, ...)
{
    char line[600];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    size_t before = r->fix.len;
    if (len < 0 || (size_t)len >= sizeof(line))
        return;
    if ((before > 0 && !sb_buf_add_char(&r->fix, '\n')) || !sb_buf_add_cstr(&r->fix, line))
        r->fix.len = before;
}

static sb_status finish(refusal *r, sb_status status, const char *what, const char *why, sb_error *err)
{
    bool both = why[0] && r->says[0], neither = !why[0] && !r->says[0];
    sb_error_set(err, status, NULL, "%s%s%s", NULL, why, both ? "; " : "",
                 neither ? "its token endpoint says no more than that" : r->says);
    if (err) {
        err->http_status = r->answer->status;
        (void)snprintf(err->oauth_code, sizeof(err->oauth_code), "%s", r->code);
    }
    sb_error_what(err, "%s (%d%s%s)", what, r->answer->status, r->code[0] ? " " : "", r->code);
    sb_error_fix(err, "%.*s", (int)r->fix.len, sb_buf_cstr(&r->fix));
    return status;
}

bool sb_oauth_clock_ahead(const sb_oauth_request *sent, const sb_http_response *answer, int64_t *seconds)
{
    if (answer->date_s == 0)
        return false;
    *seconds = answer->received_s + sent->clock_skew_s - answer->date_s;
    return true;
}

static bool advertises_not(const refusal *r, const char *member, const char *value)
{
    bool known = false;
    return r->sent->discovery && value && !sb_discovery_lists(r->sent->discovery, member, value, &known) && known;
}

static void advise_assertion(refusal *r);

static sb_status clock_is_wrong(refusal *r, int64_t ahead, sb_error *err)
{
    char why[200], whose[60] = "this machine's clock is";
    long long skew = (long long)(r->sent->clock_skew_s - ahead);
    if (r->sent->clock_skew_s != 0) /* then the setting is as likely wrong as the clock, and may be all that is */
        (void)snprintf(whose, sizeof(whose), "with `clock_skew: %d` our time is", r->sent->clock_skew_s);
    if (ahead > 0)
        (void)snprintf(why, sizeof(why), "%s %lld s ahead of the payer's; an assertion may live %d s", whose,
                       (long long)ahead, ASSERTION_MAX_S);
    else
        (void)snprintf(why, sizeof(why), "%s %lld s behind the payer's; our assertion lives %u s", whose,
                       (long long)-ahead, r->sent->lifetime_s);
    if (r->sent->clock_skew_s != 0)
        advise(r, "give `clock_skew: %lld` for this payer%s", skew,
               skew > -SKEW_TOLD_S && skew < SKEW_TOLD_S ? ": this machine's clock is right" : "");
    else
        advise(r, "set the clock (timedatectl set-ntp true), or give `clock_skew: %lld` for this payer", skew);
    if (ahead < SKEW_FATAL_S && ahead > -SKEW_FATAL_S) {
        advise(r, "if it is not that, the likeliest first:");
        advise_assertion(r);
    }
    return finish(r, SB_E_AUTH, "the payer refused our client assertion", why, err);
}

/* The causes of invalid_client, in the order that this payer and what it advertises make likely. */
static void advise_assertion(refusal *r)
{
    const sb_oauth_request *sent = r->sent;
    char list[160];
    bool alg_unknown = advertises_not(r, "token_endpoint_auth_signing_alg_values_supported", sent->alg);
    if (alg_unknown)
        advise(r, "- our key signs with %s; the payer takes %s: make a key for that (smartbulk key new --alg …)",
               sent->alg,
               sb_discovery_list_text(sent->discovery, "token_endpoint_auth_signing_alg_values_supported", list,
                                      sizeof(list)));
    if (advertises_not(r, "token_endpoint_auth_methods_supported", "private_key_jwt"))
        advise(r, "- the payer advertises no private_key_jwt but %s: ask for a client of that kind",
               sb_discovery_list_text(sent->discovery, "token_endpoint_auth_methods_supported", list, sizeof(list)));
    if (sent->jwks_url)
        advise(r,
               "- the payer cannot fetch %.200s: it must be public https with a valid certificate, and hold kid %.80s "
               "(curl it from outside)",
               sent->jwks_url, sent->kid);
    else
        advise(r,
               "- our key (kid %.80s, %.20s) is not registered there, or under another kid, or its JWKS URL cannot be "
               "fetched: compare with `smartbulk key show`",
               sent->kid, sent->alg);
    advise(r, "- the client id is wrong, or not yet active: %.120s", sent->client_id ? sent->client_id : "(none)");
    const char *issuer = sent->discovery ? sent->discovery->issuer : NULL;
    if (sent->audience && sent->token_url && strcmp(sent->audience, sent->token_url) != 0)
        advise(r, "- the audience is not what it expects: we sent %.120s; the usual one is the token endpoint itself",
               sent->audience);
    else if (issuer && sent->audience && strcmp(issuer, sent->audience) != 0)
        advise(r, "- it wants another audience: try --audience issuer (%.120s)", issuer);
    else
        advise(r, "- it wants another audience than its token endpoint: ask, and give it as audience");
}

static sb_status explain_client(refusal *r, sb_error *err)
{
    int64_t ahead = 0;
    if (!r->sent->kid) {
        advise(r,
               "check the client id, and the secret in client_secret_file: it may have been rotated or have expired");
        return finish(r, SB_E_AUTH, "the payer refused our client id and secret", "", err);
    }
    if (sb_oauth_clock_ahead(r->sent, r->answer, &ahead) && (ahead >= SKEW_TOLD_S || ahead <= -SKEW_TOLD_S))
        return clock_is_wrong(r, ahead, err);
    advise(r, "the likely causes, the likeliest first:");
    advise_assertion(r);
    return finish(r, SB_E_AUTH, "the payer refused our client assertion",
                  r->says[0] ? "" : "it does not say why; both clocks agree as far as can be seen", err);
}

/* What of our scope the payer does not advertise; "" when it advertises no list, or all. */
static void unknown_scopes(const refusal *r, char *out, size_t size)
{
    SB_AUTO(sb_scopes) asked = SB_SCOPES_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_BOUNDED(size - 1);
    bool known = false;
    out[0] = '\0';
    if (!r->sent->discovery || sb_scopes_parse(r->sent->scope, &asked, NULL) != SB_OK)
        return;
    for (size_t i = 0; i < asked.len; i++) {
        const char *scope = asked.items[i].text;
        if (sb_discovery_lists(r->sent->discovery, "scopes_supported", scope, &known) || !known)
            continue;
        if ((text.len > 0 && !sb_buf_add_char(&text, ' ')) || !sb_buf_add_cstr(&text, scope))
            break;
    }
    (void)snprintf(out, size, "%s", sb_buf_cstr(&text));
}

static sb_status explain_scope(refusal *r, sb_error *err)
{
    char unknown[300], advertised[360], why[600];
    const char *scope = r->sent->scope && r->sent->scope[0] ? r->sent->scope : "(none)";
    (void)snprintf(why, sizeof(why), "we asked for %.400s", scope);
    unknown_scopes(r, unknown, sizeof(unknown));
    if (unknown[0])
        advise(r, "not advertised there: %s", unknown);
    if (r->sent->discovery &&
        sb_discovery_list_text(r->sent->discovery, "scopes_supported", advertised, sizeof(advertised))[0])
        advise(r, "advertised: %s", advertised);
    advise(r, "ask only for what this client was approved for: give scope (--scope \"system/Patient.rs …\"); "
              "v1 servers read .read where v2 ones read .rs");
    return finish(r, SB_E_AUTH, "the payer refused our scope", why, err);
}

static sb_status explain_redirect(refusal *r, sb_error *err)
{
    char to[300], why[900];
    const char *location = sb_http_header_get(&r->answer->headers, "Location");
    SB_AUTOFREE shown = location ? sb_url_redacted(location) : NULL;
    (void)sb_foreign_text(sb_str_from(shown), to, sizeof(to));
    (void)snprintf(why, sizeof(why),
                   "%.300s wants to send us to %s; an assertion that is sent elsewhere is a credential given away",
                   r->sent->token_url, to[0] ? to : "an unnamed place"); /* AUTH-09 */
    advise(r, "ask the payer for its real token endpoint and give it as token_url (--token-url URL)");
    return finish(r, SB_E_SERVER, "the token endpoint answered with a redirect, which is never followed", why, err);
}

/* No OAuth error in it: a proxy's page, a wrong address, an overloaded server. */
static sb_status explain_other(refusal *r, sb_error *err)
{
    char why[400];
    int status = r->answer->status;
    (void)snprintf(why, sizeof(why), "%.300s answered %d without an OAuth error", r->sent->token_url, status);
    if (status == 401 || status == 403) {
        advise(r, "a gateway may stand before it: check client certificate, extra headers and address allow-lists");
        advise(r, "or the client is not known: check client id and key with the payer");
        return finish(r, SB_E_AUTH, "the payer refused our token request", why, err);
    }
    if (status == 400) {
        advise(r, "check client id, key, scope and audience with the payer: it does not say which is wrong");
        return finish(r, SB_E_AUTH, "the payer refused our token request", why, err);
    }
    if (status == 404 || status == 405 || status == 410) {
        advise(r, "check the token endpoint: this address takes no token requests (--token-url URL)");
        return finish(r, SB_E_SERVER, "the token endpoint is not where it should be", why, err);
    }
    if (status == 429 || status >= 500)
        advise(r, "try again later; if it stays, tell the payer");
    else
        advise(r, "check the token endpoint: this may not be one (--token-url URL)");
    return finish(r, SB_E_SERVER, "the payer's token endpoint failed", why, err);
}

static sb_status explain_code(refusal *r, sb_error *err)
{
    const char *code = r->code;
    char why[400] = "";
    if (strcmp(code, "invalid_client") == 0 || strcmp(code, "invalid_grant") == 0)
        return explain_client(r, err);
    if (strcmp(code, "invalid_scope") == 0)
        return explain_scope(r, err);
    if (strcmp(code, "unauthorized_client") == 0) {
        advise(r, "the client is known but may not do this: ask the payer whether it is approved, for production, and "
                  "for backend services (client_credentials)");
        return finish(r, SB_E_AUTH, "the payer does not let this client have tokens", why, err);
    }
    if (strcmp(code, "unsupported_grant_type") == 0) {
        (void)snprintf(why, sizeof(why), "%.300s takes no client_credentials", r->sent->token_url);
        advise(r, "check the token endpoint: people's log-ins may have another one than backend services");
        return finish(r, SB_E_AUTH, "the payer offers no backend services at this token endpoint", why, err);
    }
    if (strcmp(code, "temporarily_unavailable") == 0 || strcmp(code, "server_error") == 0 || r->answer->status >= 500) {
        advise(r, "try again later; if it stays, tell the payer");
        return finish(r, SB_E_SERVER, "the payer's token endpoint failed", why, err);
    }
    if (strcmp(code, "invalid_request") == 0 && r->sent->kid)
        return explain_client(r, err); /* many servers say so of an assertion they do not like */
    advise(r, "ask the payer what it means: it is its own word");
    return finish(r, SB_E_AUTH, "the payer refused our token request", why, err);
}

sb_status sb_oauth_error_explain(const sb_oauth_request *sent, const sb_http_response *answer, sb_error *err)
{
    refusal r = {.sent = sent, .answer = answer, .fix = SB_BUF_BOUNDED(sizeof(err->fix) - 1)};
    sb_status status;
    read_answer(&r);
    if (answer->status >= 300 && answer->status < 400)
        status = explain_redirect(&r, err);
    else
        status = r.code[0] ? explain_code(&r, err) : explain_other(&r, err);
    sb_buf_cleanup(&r.fix);
    return status;
}
