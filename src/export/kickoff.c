/* SPDX-License-Identifier: Apache-2.0 */
/* kickoff.c - the exchange that begins an export. Owns no state but the journal's facts "kickoff_sent",
 * "poll_url", "kickoff_method" and "uncovered".
 *
 *   cover (TOK-07) ─► capability, method ─► send ─┬─ 2xx + Content-Location ─► accepted
 *        a lost answer ◄── network, 502, 504 ─────┤
 *        wait, send again ◄── 429, 503, transient ┤
 *        the other method ◄── 404, 405, 415, 501 ─┤                                                            EXP-02
 *                                                 └─ else ─► refused, explained */
#include "export/kickoff.h"

#include <stdio.h>

#include <smartbulk/version.h>

#include "base/json.h"
#include "export/capability.h"
#include "export/kickoff_form.h"
#include "export/links.h"
#include "export/remember.h"
#include "fhir/instant.h"
#include "http/retry.h"
#include "smart/foreign_text.h"

#define GET_URL_MAX     4000 /* longer request lines are refused by common servers and proxies (8 KB with headers) */
#define UNSENT_MAX      4    /* connections that failed, in a row: some ten seconds */
#define UNAVAILABLE_MAX 6    /* 503 and the like, in a row */
#define TIMEOUT_S       300  /* some payers gather patients before they answer */
/* Another export of ours is under way (EXP-04): it may take hours, not weeks; then somebody should look. */
#define BUSY_MAX_NS (24 * 3600 * SB_NS_PER_S)

static const sb_wait_bounds unsent_bounds = {.first_ms = 1000, .cap_ms = 10000};
static const sb_wait_bounds unavailable_bounds = {.first_ms = 2000, .cap_ms = 60000, .min_s = 1, .max_s = 600};
static const sb_wait_bounds busy_bounds = {.first_ms = 10000, .cap_ms = 300000, .min_s = 1, .max_s = 3600};

/* One kick-off under way. */
typedef struct kickoff {
    const sb_export_context *context;
    const json_t *request;
    sb_capability capability;
    char *address; /* without query */
    char *url;     /* with it, for GET */
    char *body;    /* for POST */
    bool post;
    bool chosen; /* by us: what works is worth to be remembered */
    unsigned unsent, unavailable;
    int64_t busy_since_ns; /* 0: not busy */
    sb_http_response response;
    sb_outcome outcome; /* of a refusal; all zero: none */
    char says[600];
    const char *uncovered;
} kickoff;

static void kickoff_cleanup(kickoff *k)
{
    free(k->address);
    free(k->url);
    free(k->body);
    sb_http_response_cleanup(&k->response);
}

/* Scopes for types ("Patient, Coverage"), spelt as the payer's own are. */
static bool write_scopes(const char *like, sb_str types, sb_buf *out)
{
    sb_str type;
    const char *right = like && strstr(like, ".read") ? "read" : "rs";
    while (sb_str_split(&types, ',', &type)) {
        type = sb_str_trim(type);
        if (!sb_buf_printf(out, "%ssystem/%.*s.%s", out->len ? " " : "", (int)type.len, type.ptr, right))
            return false;
    }
    return true;
}

static sb_status covers_nothing(const sb_export_context *context, const sb_buf *uncovered, sb_error *err)
{
    SB_AUTO(sb_buf) scopes = SB_BUF_INIT;
    if (!write_scopes(sb_payer_scope(context->payer), sb_buf_str(uncovered), &scopes))
        return sb_error_nomem(err);
    sb_error_set(err, SB_E_AUTH, "the token covers nothing of what is asked for", "it was not granted %.800s", NULL,
                 sb_buf_cstr(uncovered));
    sb_error_fix(err,
                 "ask for a scope that has these types (--scope \"%.300s\"); if the payer does not grant it, have "
                 "them allow it for this client",
                 sb_buf_cstr(&scopes));
    return SB_E_AUTH;
}

/* TOK-07: what the token does not cover is said before the payer leaves it out. */
static sb_status check_cover(const sb_export_context *context, const json_t *request, sb_buf *uncovered, sb_error *err)
{
    size_t n;
    const char **types = sb_request_list(request, "types", &n);
    if (!types)
        return sb_error_nomem(err);
    sb_status status = sb_payer_uncovered_types(context->payer, types, n, uncovered, err);
    free(types);
    SB_TRY(status);
    SB_TRY(sb_journal_set(context->journal, "uncovered", sb_buf_str(uncovered), err)); /* nothing: forgotten */
    if (uncovered->len == 0)
        return SB_OK;
    size_t commas = 0;
    for (size_t i = 0; i < uncovered->len; i++)
        commas += uncovered->ptr[i] == ',';
    if (commas + 1 == n)
        return covers_nothing(context, uncovered, err);
    sb_context_warn(context, "the token does not cover %.400s: the payer may refuse them, or leave them out",
                    sb_buf_cstr(uncovered));
    return SB_OK;
}

static sb_status mark_sent(const kickoff *k, sb_error *err)
{
    char now[SB_INSTANT_SIZE];
    (void)sb_instant_format((sb_instant){sb_context_wall_s(k->context), 0}, now);
    return sb_journal_set(k->context->journal, "kickoff_sent", sb_str_from(now), err);
}

static sb_status unmark_sent(const kickoff *k, sb_error *err)
{
    return sb_journal_set(k->context->journal, "kickoff_sent", SB_STR_NULL, err);
}

static void log_kickoff(const kickoff *k, const sb_error *failure)
{
    const sb_http_response *r = &k->response;
    bool accepted = !failure && r->status >= 200 && r->status < 300;
    json_t *code = accepted    ? json_null()
                   : r->status ? json_integer(r->status)
                               : sb_event_text(sb_status_name(failure ? failure->code : SB_E_INTERNAL));
    json_t *body = failure ? sb_event_text(failure->why) : accepted ? json_null() : sb_event_text(k->says);
    sb_event_log_add(k->context->log, "kickoff",
                     json_pack("{s:o, s:s, s:s, s:s, s:s*, s:o, s:o, s:o, s:o}", "exportUrl", sb_event_url(k->address),
                               "softwareName", "smartbulk", "softwareVersion", sb_version(), "softwareReleaseDate",
                               sb_release_date(), "fhirVersion",
                               k->capability.fhir_version[0] ? k->capability.fhir_version : NULL, "requestParameters",
                               sb_kickoff_shown(k->request), "errorCode", code, "errorBody", body, "responseHeaders",
                               sb_event_headers(&r->headers)));
}

static sb_status send_once(kickoff *k, sb_error *err)
{
    const char *lenient = "respond-async, handling=lenient";
    const sb_http_header prefer = {"Prefer",
                                   json_is_true(json_object_get(k->request, "lenient")) ? lenient : "respond-async"};
    sb_http_request request = {.method = k->post ? "POST" : "GET",
                               .url = k->post ? k->address : k->url,
                               .accept = "application/fhir+json",
                               .headers = &prefer,
                               .n_headers = 1,
                               .redirects = k->post ? SB_HTTP_REDIRECTS_NEVER : SB_HTTP_REDIRECTS_FOLLOW,
                               .timeout_s = TIMEOUT_S};
    if (k->post) {
        request.content_type = "application/fhir+json";
        request.body = sb_str_from(k->body);
    }
    sb_http_response_cleanup(&k->response);
    k->response.unsent = true; /* until the transport says otherwise: a token may be wanted first, and not to be had */
    return sb_context_send(k->context, &request, &k->response, err);
}

static sb_status lost(sb_error *err, const char *why)
{
    return sb_error_set(
        err, SB_E_NETWORK, "the payer's answer to the kick-off was lost",
        "%.700s; the payer may have begun an export all the same, and nobody knows its address",
        "smartbulk resume asks again. A job that was lost ends by itself, but may keep the payer from taking another "
        "(429) until then: ask the payer to delete it if that lasts",
        why);
}

/* The exchange failed. Returns SB_OK when it may be made again, after a wait. */
static sb_status failed_to_send(kickoff *k, const sb_error *inner, sb_error *err)
{
    bool unsent = k->response.unsent;
    log_kickoff(k, inner);
    if (unsent || inner->code == SB_E_AUTH || inner->code == SB_E_USAGE) /* refused: no job was begun */
        SB_TRY(unmark_sent(k, err));
    if (inner->code == SB_E_NETWORK && !unsent)
        return lost(err, inner->why);
    if (inner->code != SB_E_NETWORK || ++k->unsent == UNSENT_MAX) {
        if (err)
            *err = *inner;
        return inner->code;
    }
    int64_t wait_ns = sb_context_wait_ns(&k->response, k->unsent - 1, &unsent_bounds);
    sb_context_tell(k->context, SB_EXPORT_RETRY, inner->what, wait_ns);
    return sb_context_pause(k->context, wait_ns, err);
}

static bool is_lost_in_a_gateway(int status)
{
    return status == 502 || status == 504;
}

/* Wait as told and try again?  *again false: it is a refusal. */
static sb_status wait_if_busy(kickoff *k, bool *again, sb_error *err)
{
    int status = k->response.status;
    bool busy = status == 429;
    int64_t now_ns = sb_context_now_ns(k->context);
    *again = busy || status == 503 || (status >= 500 && sb_outcome_is_transient(&k->outcome));
    if (!*again)
        return SB_OK;
    if (k->busy_since_ns == 0)
        k->busy_since_ns = now_ns;
    if (busy ? now_ns - k->busy_since_ns > BUSY_MAX_NS : ++k->unavailable == UNAVAILABLE_MAX) {
        *again = false;
        return SB_OK;
    }
    int64_t wait_ns = sb_context_wait_ns(&k->response, k->unavailable, busy ? &busy_bounds : &unavailable_bounds);
    char text[700];
    (void)snprintf(text, sizeof(text), "%s (%d)%s%s",
                   busy ? "the payer has another export of ours under way, or wants us to slow down"
                        : "the payer cannot take the export now",
                   status, k->says[0] ? ": " : "", k->says);
    sb_context_tell(k->context, SB_EXPORT_RETRY, text, wait_ns);
    return sb_context_pause(k->context, wait_ns, err);
}

/* EXP-02: not this way, but perhaps the other. */
static bool is_wrong_method(const kickoff *k)
{
    int status = k->response.status;
    return status == 404 || status == 405 || status == 415 || status == 501 ||
           (status == 400 && strcmp(k->outcome.code, "not-supported") == 0);
}

typedef struct refusal {
    int status;
    sb_status code;
    const char *what, *fix;
} refusal;

static const refusal refusals[] = {
    {400, SB_E_USAGE, "the payer refuses a parameter of the export",
     "change the parameter it names; with handling=lenient (--lenient) a payer ignores what it does not support"},
    {403, SB_E_AUTH, "the payer does not allow this export", NULL},
    {404, SB_E_USAGE, "the payer knows no such export",
     "check fhir_url (it ends where /Patient would follow), the level, and the group's id"},
    {405, SB_E_SERVER, "the payer does not offer this export",
     "try another level: --patients, --group ID or --system; see what the payer's documents say"},
    {406, SB_E_SERVER, "the payer does not offer the export in this form",
     "leave the output format out; see what the payer's documents say"},
    {413, SB_E_USAGE, "the payer finds the request too large", "ask for fewer patients at once"},
    {415, SB_E_SERVER, "the payer does not take the request in this form", "ask by the other method (GET or POST)"},
    {422, SB_E_USAGE, "the payer refuses a parameter of the export", "change the parameter it names"},
    {429, SB_E_SERVER, "the payer has been busy with another export of ours for a day",
     "cancel the other export (smartbulk cancel DIR), or ask the payer to delete the job"},
    {501, SB_E_SERVER, "the payer does not offer this export",
     "try another level: --patients, --group ID or --system; see what the payer's documents say"},
};

static sb_status refused(const kickoff *k, sb_error *err)
{
    static const refusal other_4xx = {0, SB_E_SERVER, "the payer refuses the export", "ask the payer what it means"};
    static const refusal other = {0, SB_E_SERVER, "the payer failed to begin the export",
                                  "try again later (smartbulk resume); if it lasts, tell the payer"};
    const refusal *r = k->response.status >= 400 && k->response.status < 500 ? &other_4xx : &other;
    for (size_t i = 0; i < SB_ARRAY_LEN(refusals); i++)
        if (refusals[i].status == k->response.status)
            r = &refusals[i];
    SB_AUTOFREE url = sb_url_redacted(k->address);
    sb_error_set(err, r->code, NULL, "%s %.300s answered %d%s%s", r->fix, k->post ? "POST" : "GET", url ? url : "",
                 k->response.status, k->says[0] ? ": " : "", k->says);
    sb_error_what(err, "%s", r->what);
    if (k->response.status == 403)
        sb_error_fix(err, "ask the payer to allow it for this client%s%.300s\nthe scope that was asked for: %.300s",
                     k->uncovered[0] ? "; the token does not cover " : "", k->uncovered,
                     sb_payer_scope(k->context->payer) ? sb_payer_scope(k->context->payer) : "(the default)");
    if (err)
        err->http_status = k->response.status;
    return r->code;
}

/* A 2xx: where is the job? Written down before anything else is synced: until then a crash means a second job. EXP-04 */
static sb_status accepted(kickoff *k, char **poll_url, sb_error *err)
{
    SB_AUTO(sb_url) base = SB_URL_INIT;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    bool mended;
    const char *location = sb_http_header_get(&k->response.headers, "Content-Location");
    if (!location)
        return sb_error_set(err, SB_E_SERVER, "the payer accepted the export, and did not say where it is",
                            "it answered %d without a Content-Location%s%.300s",
                            "tell the payer; fhir_url may also be that of something else than a bulk data server",
                            k->response.status, k->says[0] ? "; it says: " : "", k->says);
    SB_TRY(sb_url_parse(k->response.url, &base, err));
    SB_TRY(sb_link_resolve(&base, location, "the status URL (Content-Location)", &url, &mended, err));
    SB_TRY(sb_payer_require_trust(k->context->payer, &url, "the export's status", err)); /* USE-03 */
    if (mended)
        sb_context_warn(k->context, "the payer gave its status URL as http; https is used");
    *poll_url = sb_str_dup(sb_str_from(url.text));
    if (!*poll_url)
        return sb_error_nomem(err);
    const sb_fact facts[] = {{"poll_url", sb_str_from(*poll_url)},
                             {"kickoff_method", !k->chosen ? SB_STR_NULL : sb_str_from(k->post ? "POST" : "GET")}};
    return sb_journal_set_all(k->context->journal, facts, SB_ARRAY_LEN(facts), err);
}

/* By this method, until there is an answer that counts. *wrong_method: it is worth to try the other. */
static sb_status try_method(kickoff *k, char **poll_url, bool *wrong_method, sb_error *err)
{
    for (;;) {
        sb_error inner = SB_ERROR_INIT;
        bool again = false;
        *wrong_method = false;
        k->outcome = (sb_outcome){.issues = 0};
        k->says[0] = '\0';
        sb_context_tell(k->context, SB_EXPORT_KICKOFF, k->address, 0);
        SB_TRY(mark_sent(k, err));
        if (send_once(k, &inner) != SB_OK) {
            SB_TRY(failed_to_send(k, &inner, err));
            continue;
        }
        k->unsent = 0;
        if (k->response.status >= 200 && k->response.status < 300) {
            log_kickoff(k, NULL);
            return accepted(k, poll_url, err);
        }
        (void)sb_context_says(k->context, sb_buf_str(&k->response.body), &k->outcome, k->says, sizeof(k->says));
        log_kickoff(k, NULL);
        if (is_lost_in_a_gateway(k->response.status) && !sb_outcome_is_error(&k->outcome)) {
            (void)lost(err, k->response.status == 502 ? "a gateway lost it (502)" : "a gateway gave up waiting (504)");
            if (err)
                err->http_status = k->response.status;
            return SB_E_NETWORK;
        }
        SB_TRY(unmark_sent(k, err)); /* the payer has said no: there is no job */
        SB_TRY(wait_if_busy(k, &again, err));
        if (again)
            continue;
        *wrong_method = is_wrong_method(k);
        return refused(k, err);
    }
}

static sb_status prepare(kickoff *k, sb_error *err)
{
    SB_AUTO(sb_buf) query = SB_BUF_INIT;
    SB_AUTOJSON body = NULL;
    SB_TRY(sb_kickoff_address(k->request, sb_payer_fhir_url(k->context->payer), &k->address, err));
    SB_TRY(sb_kickoff_query(k->request, &query, err));
    SB_TRY(sb_kickoff_body(k->request, k->capability.post_only, &body, err));
    k->url = sb_printf("%s%s%s", k->address, query.len ? "?" : "", sb_buf_cstr(&query));
    k->body = sb_json_dump(body);
    return k->url && k->body ? SB_OK : sb_error_nomem(err);
}

/* Which methods are worth a try, the likelier first. Returns how many. */
static size_t choose_methods(const kickoff *k, sb_export_method methods[2])
{
    const char *wish = sb_json_str(k->request, "method");
    sb_payer *payer = k->context->payer;
    bool patients = json_object_get(k->request, "patients") != NULL;
    if (wish && strcmp(wish, "auto") != 0) {
        methods[0] = strcmp(wish, "post") == 0 ? SB_EXPORT_METHOD_POST : SB_EXPORT_METHOD_GET;
        return 1;
    }
    sb_export_method first = sb_remember_method_get(sb_payer_state_dir(payer), sb_payer_fhir_url(payer));
    if (first == SB_EXPORT_METHOD_AUTO)
        first = k->capability.post_only ? SB_EXPORT_METHOD_POST : SB_EXPORT_METHOD_GET;
    bool too_long = strlen(k->url) > GET_URL_MAX;
    if (patients || too_long)
        first = SB_EXPORT_METHOD_POST;
    methods[0] = first;
    methods[1] = first == SB_EXPORT_METHOD_POST ? SB_EXPORT_METHOD_GET : SB_EXPORT_METHOD_POST;
    return patients || too_long ? 1 : 2; /* a GET without `patient` would be another export */
}

static sb_status run_methods(kickoff *k, char **poll_url, sb_error *err)
{
    sb_export_method methods[2];
    sb_error first = SB_ERROR_INIT, now = SB_ERROR_INIT;
    size_t n = choose_methods(k, methods);
    k->chosen = n == 2;
    for (size_t i = 0; i < n; i++) {
        bool wrong_method;
        k->post = methods[i] == SB_EXPORT_METHOD_POST;
        sb_status status = try_method(k, poll_url, &wrong_method, &now);
        if (status == SB_OK)
            return SB_OK;
        if (i == 0)
            first = now;
        if (!wrong_method) {
            if (err)
                *err = now;
            return now.code;
        }
    }
    if (err) /* neither way: the method that should have worked says more */
        *err = first;
    return first.code;
}

static sb_status warn_of_lost_job(const sb_export_context *context, sb_error *err)
{
    SB_AUTOFREE sent = NULL;
    SB_TRY(sb_journal_get(context->journal, "kickoff_sent", &sent, err));
    if (sent)
        sb_context_warn(context,
                        "a kick-off was sent at %.40s and its answer was lost: the payer may be at work on an export "
                        "that nobody will fetch; it is asked again now",
                        sent);
    return SB_OK;
}

sb_status sb_kickoff(const sb_export_context *context, char **poll_url, sb_error *err)
{
    const json_t *request = context->request;
    __attribute__((cleanup(kickoff_cleanup))) kickoff k = {.context = context, .request = request};
    SB_AUTO(sb_buf) uncovered = SB_BUF_INIT;
    *poll_url = NULL;
    SB_TRY(warn_of_lost_job(context, err));
    SB_TRY(check_cover(context, request, &uncovered, err));
    k.uncovered = sb_buf_cstr(&uncovered);
    SB_TRY(sb_capability_fetch(context->payer, &k.capability, err));
    SB_TRY(prepare(&k, err));
    return run_methods(&k, poll_url, err);
}

sb_status sb_kickoff_remember_method(const sb_export_context *context, sb_error *err)
{
    SB_AUTOFREE method = NULL;
    SB_TRY(sb_journal_get(context->journal, "kickoff_method", &method, err));
    if (method)
        sb_remember_method_set(sb_payer_state_dir(context->payer), sb_payer_fhir_url(context->payer),
                               strcmp(method, "POST") == 0 ? SB_EXPORT_METHOD_POST : SB_EXPORT_METHOD_GET);
    return SB_OK;
}
