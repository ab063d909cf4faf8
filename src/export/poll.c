/* SPDX-License-Identifier: Apache-2.0 */
/* poll.c - the rules of polling, each in one place. Owns no state but the journal's facts "progress" and "next_poll". */
#include "export/poll.h"

#include <stdio.h>

#include "base/json.h"
#include "fhir/instant.h"
#include "smart/foreign_text.h"

#define TROUBLES_MAX     10 /* with the backoff below: a quarter of an hour without one sensible answer */
#define JOB_ERRORS_MAX   3  /* a 5xx that names a lasting error is the job's; said three times it is believed */
#define PROGRESS_SHOWN   128
#define TRANSIENT_MAX_NS (24 * 3600 * SB_NS_PER_S) /* "try again" for a day: somebody should look (resumable) */

/* Between polls: never more often than once a second, and once an hour even if the payer says next year; jobs expire
 * within hours of being done. */
static const sb_wait_bounds working_bounds = {.first_ms = 1000, .cap_ms = 60000, .min_s = 1, .max_s = 3600};
typedef struct poll_state {
    unsigned waits;             /* without Retry-After, for the backoff */
    unsigned troubles;          /* failures in a row */
    int64_t transient_since_ns; /* 0: not */
} poll_state;

static const sb_wait_bounds trouble_bounds = {.first_ms = 1000, .cap_ms = 300000, .min_s = 1, .max_s = 3600};

/* Tell, remember for `smartbulk status`, wait. */
static sb_status wait_for_payer(const sb_export_context *context, const char *progress, int64_t wait_ns, sb_error *err)
{
    char safe[PROGRESS_SHOWN], when[SB_INSTANT_SIZE];
    int64_t next_s = sb_context_wall_s(context) + wait_ns / SB_NS_PER_S;
    (void)sb_foreign_text(sb_str_from(progress), safe, sizeof(safe));
    const sb_fact facts[] = {{"progress", sb_str_from(safe)},
                             {"next_poll", sb_str_from(sb_instant_format((sb_instant){next_s, 0}, when))}};
    SB_TRY(sb_journal_set_all(context->journal, facts, SB_ARRAY_LEN(facts), err));
    sb_context_tell(context, SB_EXPORT_PROGRESS, safe, wait_ns);
    return sb_context_pause(context, wait_ns, err);
}

static json_t *header_text(const sb_manifest_answer *answer, const char *name)
{
    return sb_event_text(sb_http_header_get(&answer->response.headers, name));
}

static void log_progress(const sb_export_context *context, const sb_manifest_answer *answer)
{
    sb_event_log_add(context->log, "status_progress",
                     json_pack("{s:o, s:o, s:o}", "body", sb_event_text(answer->says[0] ? answer->says : NULL),
                               "xProgress", header_text(answer, "X-Progress"), "retryAfter",
                               header_text(answer, "Retry-After")));
}

static void log_error(const sb_export_context *context, const sb_manifest_answer *answer, int code, const char *message)
{
    static const sb_http_headers none = {.len = 0};
    sb_event_log_add(context->log, "status_error",
                     json_pack("{s:o, s:o, s:o, s:o}", "body", sb_event_text(answer ? answer->says : NULL), "code",
                               code ? json_integer(code) : json_null(), "message", sb_event_text(message),
                               "responseHeaders", sb_event_headers(answer ? &answer->response.headers : &none)));
}

static sb_status job_failed(const sb_manifest_answer *answer, sb_error *err)
{
    sb_error_set(err, SB_E_SERVER, "the payer's export job failed", "its status is %d%s%s",
                 "begin a new export in another folder; if it fails again, tell the payer, or ask for less at once "
                 "(--type, --since)",
                 answer->status, answer->says[0] ? ": " : ", without a word of why", answer->says);
    if (err)
        err->http_status = answer->status;
    return SB_E_SERVER;
}

static sb_status job_gone(const sb_manifest_answer *answer, sb_error *err)
{
    sb_error_set(err, SB_E_SERVER, "the payer does not have this export any more", "its status is %d%s%s",
                 "it was deleted, or has expired: begin a new export in another folder", answer->status,
                 answer->says[0] ? ": " : "", answer->says);
    if (err)
        err->http_status = answer->status;
    return SB_E_SERVER;
}

static sb_status not_allowed(const sb_manifest_answer *answer, sb_error *err)
{
    sb_error_set(err, SB_E_AUTH, "the payer does not let us see this export", "its status is %d%s%s",
                 "is it the client that began it? If it is, ask the payer; then resume", answer->status,
                 answer->says[0] ? ": " : "", answer->says);
    if (err)
        err->http_status = answer->status;
    return SB_E_AUTH;
}

static sb_status no_sensible_answer(const sb_manifest_answer *answer, sb_error *err)
{
    sb_error_set(err, SB_E_SERVER, "the export's status could not be had", "the payer answers %d, again and again%s%s",
                 "the job may live on: smartbulk resume asks again; if it lasts, tell the payer", answer->status,
                 answer->says[0] ? ": " : "", answer->says);
    if (err)
        err->http_status = answer->status;
    return SB_E_SERVER;
}

/* Wait and ask again, for it is neither progress nor the end. */
static sb_status wait_and_retry(const sb_export_context *context, const sb_manifest_answer *answer, unsigned attempt,
                                sb_error *err)
{
    char text[700];
    int64_t wait_ns = sb_context_wait_ns(&answer->response, attempt, &trouble_bounds);
    (void)snprintf(text, sizeof(text), "the export's status could not be had (%d)%s%s", answer->status,
                   answer->says[0] ? ": " : "", answer->says);
    sb_context_tell(context, SB_EXPORT_RETRY, text, wait_ns);
    return sb_context_pause(context, wait_ns, err);
}

static sb_status is_working(const sb_export_context *context, poll_state *state, const sb_manifest_answer *answer,
                            sb_error *err)
{
    const char *progress = sb_http_header_get(&answer->response.headers, "X-Progress");
    int64_t wait_ns = sb_context_wait_ns(&answer->response, state->waits, &working_bounds);
    bool told = sb_http_header_get(&answer->response.headers, "Retry-After") != NULL;
    *state = (poll_state){.waits = told ? 0 : state->waits + 1};
    log_progress(context, answer);
    return wait_for_payer(context, progress ? progress : "", wait_ns, err);
}

/* "The status could not be had" is not "the job failed".                                                     STAT-02 */
static sb_status is_transient(const sb_export_context *context, poll_state *state, const sb_manifest_answer *answer,
                              sb_error *err)
{
    int64_t now_ns = sb_context_now_ns(context);
    if (state->transient_since_ns == 0)
        state->transient_since_ns = now_ns;
    if (now_ns - state->transient_since_ns > TRANSIENT_MAX_NS)
        return no_sensible_answer(answer, err);
    return wait_and_retry(context, answer, state->waits++, err);
}

/* What to do with an answer that is no page. SB_OK: waited, ask again. */
static sb_status poll_again(const sb_export_context *context, poll_state *state, const sb_manifest_answer *answer,
                            sb_job_verdict *verdict, sb_error *err)
{
    int status = answer->status;
    bool named = answer->outcome.issues > 0 && status != 200;
    *verdict = SB_JOB_LIVES;
    if (status == 202)
        return is_working(context, state, answer, err);
    log_error(context, answer, status, answer->says);
    if (status == 429)
        return wait_and_retry(context, answer, state->waits++, err);
    if (sb_outcome_is_transient(&answer->outcome) || (status == 200 && !sb_outcome_is_error(&answer->outcome)))
        return is_transient(context, state, answer, err);
    if (status == 404 || status == 410) {
        *verdict = SB_JOB_GONE;
        return job_gone(answer, err);
    }
    if (status == 403)
        return not_allowed(answer, err);
    state->troubles++;
    if (status >= 500 && state->troubles < (named ? JOB_ERRORS_MAX : TROUBLES_MAX))
        return wait_and_retry(context, answer, state->troubles - 1, err);
    if (status >= 500 && !named)
        return no_sensible_answer(answer, err);
    *verdict = SB_JOB_FAILED; /* REAL-06: also a 200 with an OperationOutcome that is an error */
    return job_failed(answer, err);
}

/* The same for an exchange that failed. */
static sb_status after_failure(const sb_export_context *context, poll_state *state, const sb_error *failure,
                               sb_error *err)
{
    static const sb_http_response nothing = SB_HTTP_RESPONSE_INIT;
    log_error(context, NULL, failure->http_status, failure->why);
    if (failure->code != SB_E_NETWORK || ++state->troubles == TROUBLES_MAX) {
        if (err)
            *err = *failure;
        return failure->code;
    }
    int64_t wait_ns = sb_context_wait_ns(&nothing, state->troubles - 1, &trouble_bounds);
    sb_context_tell(context, SB_EXPORT_RETRY, failure->what, wait_ns);
    return sb_context_pause(context, wait_ns, err);
}

sb_status sb_poll(const sb_export_context *context, const char *url, uint64_t page, sb_manifest_found *found,
                  sb_job_verdict *verdict, sb_error *err)
{
    SB_AUTO(sb_manifest_answer) answer = SB_MANIFEST_ANSWER_INIT;
    poll_state state = {.waits = 0};
    *verdict = SB_JOB_LIVES;
    for (;;) {
        sb_error failure = SB_ERROR_INIT;
        if (sb_manifest_get(context, url, page, &answer, &failure) != SB_OK) {
            SB_TRY(after_failure(context, &state, &failure, err));
            continue;
        }
        if (answer.is_page)
            break;
        SB_TRY(poll_again(context, &state, &answer, verdict, err));
    }
    *found = answer.found;
    answer.found = (sb_manifest_found)SB_MANIFEST_FOUND_INIT;
    return SB_OK;
}
