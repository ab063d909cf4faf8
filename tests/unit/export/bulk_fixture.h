/* SPDX-License-Identifier: Apache-2.0 */
/* bulk_fixture.h - a payer that answers what a test tells it to, in time that jumps, and an export's context over it. */
#ifndef SB_TEST_BULK_FIXTURE_H
#define SB_TEST_BULK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../smart/fake_clock.h"
#include "../smart/scratch_dir.h"
#include "base/log.h"
#include "export/context.h"
#include "smart/payer_internal.h"

#define BASE     "https://fhir.payer.example/r4"
#define POLL_URL BASE "/status/1"

/* One answer. `url` is the end of the URLs it is for, before their query; NULL: all. The first that fits is given. */
typedef struct bulk_answer {
    const char *method; /* NULL: any */
    const char *url;
    int status;       /* 0: no answer at all */
    bool unsent;      /* with status 0: nothing had left */
    const char *body; /* NULL: empty */
    const char *headers[4];
    unsigned times; /* it is given so often; 0: for ever */
    unsigned given;
    bool cut; /* the body breaks off at its end: SB_E_NETWORK */
} bulk_answer;

typedef struct bulk_seen {
    char *method, *url, *body, *bearer, *prefer;
} bulk_seen;

#define BULK_MAX 4096

typedef struct bulk_payer {
    pthread_mutex_t lock;
    bulk_answer answers[64];
    size_t n_answers;
    bulk_seen seen[BULK_MAX];
    size_t n_seen;
    _Atomic unsigned tokens;
    size_t chunk; /* streamed bodies come in pieces of this size */
    int64_t date_s;
    void (*on_request)(void *impl, const sb_http_request *request); /* before it is answered */
    void *on_request_impl;
} bulk_payer;

typedef struct fixture {
    fake_clock clock;
    pthread_t owner; /* time jumps when this thread waits; a token's renewal only looks */
    bulk_payer payer_side;
    char *dir, *state, *key_file;
    sb_payer *payer;
    sb_payer_options options;
    atomic_bool cancel;
    sb_journal *journal;
    sb_event_log *log;
    sb_export_context context;
    sb_error err;
    char events[64 * 1024]; /* one line each: "kind text seconds" */
    size_t events_len;
} fixture;

static inline char *bulk_dup(const char *text)
{
    return text ? sb_str_dup(sb_str_from(text)) : NULL;
}

static inline void bulk_remember(bulk_payer *p, const sb_http_request *r)
{
    if (p->n_seen == BULK_MAX)
        return;
    bulk_seen *s = &p->seen[p->n_seen++];
    *s = (bulk_seen){bulk_dup(r->method), bulk_dup(r->url), sb_str_dup(r->body), bulk_dup(r->bearer), NULL};
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcmp(r->headers[i].name, "Prefer") == 0)
            s->prefer = bulk_dup(r->headers[i].value);
}

static inline bool bulk_fits(const bulk_answer *a, const sb_http_request *r)
{
    sb_str url = {r->url, strcspn(r->url, "?")};
    return (a->times == 0 || a->given < a->times) && (!a->method || strcmp(a->method, r->method) == 0) &&
           (!a->url || sb_str_ends_with(url, sb_str_from(a->url)) || strcmp(a->url, r->url) == 0);
}

static inline void bulk_head(bulk_payer *p, const bulk_answer *a, const sb_http_request *r, sb_http_response *out)
{
    sb_http_response_cleanup(out);
    out->status = a->status;
    out->url = bulk_dup(r->url);
    out->date_s = p->date_s;
    out->received_s = INT64_C(1790000000);
    out->headers.items = calloc(SB_ARRAY_LEN(a->headers), sizeof(*out->headers.items));
    for (size_t i = 0; i < SB_ARRAY_LEN(a->headers) && a->headers[i]; i++) {
        const char *colon = strstr(a->headers[i], ": ");
        out->headers.items[i].name = sb_str_dup((sb_str){a->headers[i], (size_t)(colon - a->headers[i])});
        out->headers.items[i].value = bulk_dup(colon + 2);
        out->headers.len++;
    }
}

static inline sb_status bulk_answer_with(bulk_payer *p, const bulk_answer *a, const sb_http_request *r,
                                         sb_http_response *out, sb_error *err)
{
    sb_str body = sb_str_from(a->body ? a->body : "");
    if (a->status == 0) {
        out->unsent = a->unsent;
        return sb_error_set(err, SB_E_NETWORK, "no connection to the server", "%s: refused", "try again", "the payer");
    }
    bulk_head(p, a, r, out);
    if (!r->on_body || (a->status != 200 && a->status != 202))
        return sb_buf_add_str(&out->body, body) ? SB_OK : sb_error_nomem(err);
    for (size_t i = 0; i < body.len; i += p->chunk)
        SB_TRY(r->on_body(r->on_body_impl, (sb_str){body.ptr + i, SB_MIN(p->chunk, body.len - i)}, err));
    if (a->cut)
        return sb_error_set(err, SB_E_NETWORK, "the answer was cut off", "in the middle", "try again");
    return SB_OK;
}

/* "tok1", "tok2" …, good for a day each: a jump of the clock must not outrun a renewal. */
static inline sb_status bulk_token(bulk_payer *p, const sb_http_request *request, sb_http_response *response,
                                   sb_error *err)
{
    char body[100];
    (void)snprintf(body, sizeof(body), "{\"access_token\":\"tok%u\",\"token_type\":\"bearer\",\"expires_in\":86400}",
                   atomic_fetch_add(&p->tokens, 1) + 1);
    const bulk_answer token = {.status = 200, .body = body};
    return bulk_answer_with(p, &token, request, response, err);
}

static inline sb_status bulk_send(void *impl, const sb_http_request *request, sb_http_response *response, sb_error *err)
{
    bulk_payer *p = impl;
    static const bulk_answer nothing = {.status = 404};
    if (strcmp(request->url, "https://auth.payer.example/token") == 0)
        return bulk_token(p, request, response, err);
    (void)pthread_mutex_lock(&p->lock);
    if (p->on_request)
        p->on_request(p->on_request_impl, request);
    bulk_remember(p, request);
    bulk_answer found = nothing;
    for (size_t i = 0; i < p->n_answers; i++)
        if (bulk_fits(&p->answers[i], request)) {
            p->answers[i].given++;
            found = p->answers[i];
            break;
        }
    (void)pthread_mutex_unlock(&p->lock);
    return bulk_answer_with(p, &found, request, response, err);
}

static inline void answers(fixture *f, bulk_answer answer)
{
    assert_true(f->payer_side.n_answers < SB_ARRAY_LEN(f->payer_side.answers));
    f->payer_side.answers[f->payer_side.n_answers++] = answer;
}

static inline void forget_answers(fixture *f)
{
    f->payer_side.n_answers = 0;
}

static inline void forget_seen(fixture *f)
{
    for (size_t i = 0; i < f->payer_side.n_seen; i++) {
        bulk_seen *s = &f->payer_side.seen[i];
        char *const texts[] = {s->method, s->url, s->body, s->bearer, s->prefer};
        for (size_t k = 0; k < SB_ARRAY_LEN(texts); k++)
            free(texts[k]);
    }
    f->payer_side.n_seen = 0;
}

/* How many requests had this method (NULL: any) and this end of their URL before the query. */
static inline size_t asked(const fixture *f, const char *method, const char *end)
{
    size_t n = 0;
    for (size_t i = 0; i < f->payer_side.n_seen; i++) {
        const bulk_seen *s = &f->payer_side.seen[i];
        sb_str url = {s->url, strcspn(s->url, "?")};
        n += (!method || strcmp(method, s->method) == 0) && sb_str_ends_with(url, sb_str_from(end));
    }
    return n;
}

/* The last of them; the test fails when there is none. */
static inline const bulk_seen *last_asked(const fixture *f, const char *end)
{
    for (size_t i = f->payer_side.n_seen; i-- > 0;) {
        sb_str url = {f->payer_side.seen[i].url, strcspn(f->payer_side.seen[i].url, "?")};
        if (sb_str_ends_with(url, sb_str_from(end)))
            return &f->payer_side.seen[i];
    }
    fail_msg("nobody asked for %s", end);
    return NULL;
}

static inline void keep_event(void *impl, const sb_export_event *event)
{
    static const char *const names[] = {
        [SB_EXPORT_KICKOFF] = "kickoff",    [SB_EXPORT_ACCEPTED] = "accepted",
        [SB_EXPORT_PROGRESS] = "progress",  [SB_EXPORT_MANIFEST_PAGE] = "page",
        [SB_EXPORT_FILE_DONE] = "done",     [SB_EXPORT_FILE_REJECTED] = "rejected",
        [SB_EXPORT_FILE_FAILED] = "failed", [SB_EXPORT_RETRY] = "retry",
        [SB_EXPORT_WARNING] = "warning",    [SB_EXPORT_REMOTE_DELETED] = "deleted",
    };
    fixture *f = impl;
    size_t left = sizeof(f->events) - f->events_len;
    int n = snprintf(f->events + f->events_len, left, "%s|%s|%u\n", names[event->kind], event->text ? event->text : "",
                     event->seconds);
    f->events_len += SB_MIN((size_t)n, left - 1);
}

static inline bool told(const fixture *f, const char *part)
{
    return strstr(f->events, part) != NULL;
}

static inline void forget_events(fixture *f)
{
    f->events_len = 0;
    f->events[0] = '\0';
}

static inline void must(fixture *f, sb_status status)
{
    if (status != SB_OK)
        print_error("%s\n  why: %s\n  fix: %s\n", f->err.what, f->err.why, f->err.fix);
    assert_int_equal(status, SB_OK);
}

/* It failed so, and says what, why, and what to do, without the token. */
static inline void must_fail(const fixture *f, sb_status status, sb_status want, const char *why)
{
    assert_int_equal(status, want);
    assert_int_equal(f->err.code, want);
    assert_true(f->err.what[0] && f->err.why[0] && f->err.fix[0]);
    if (!strstr(f->err.why, why) && !strstr(f->err.what, why) && !strstr(f->err.fix, why))
        fail_msg("\"%s\" is not in: %s / %s / %s", why, f->err.what, f->err.why, f->err.fix);
}

static inline void open_payer(fixture *f)
{
    const sb_transport transport = {&f->payer_side, bulk_send};
    sb_payer_free(f->payer);
    f->payer = NULL;
    must(f, sb_payer_new_over(&f->options, &transport, &f->payer, &f->err));
}

static inline void bulk_wait_until(void *impl, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    fixture *f = (fixture *)impl; /* the clock is its first member */
    int64_t ns = deadline_ns - fake_monotonic_ns(impl);
    if (!pthread_equal(pthread_self(), f->owner)) {
        fake_wait_until(impl, cond, mutex, deadline_ns);
    } else if (ns > 0) {
        fake_advance_ns(&f->clock, ns);
        (void)atomic_fetch_add(&f->clock.waited_ns, ns);
    }
}

/* A payer and a scratch folder; no journal yet. */
static inline int set_up_payer(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    sb_key *key = NULL;
    *state = f;
    fake_clock_init(&f->clock);
    f->clock.clock.wait_until = bulk_wait_until;
    f->owner = pthread_self();
    (void)pthread_mutex_init(&f->payer_side.lock, NULL);
    f->payer_side.chunk = 7;
    f->dir = scratch_dir_new();
    f->state = scratch_dir_new();
    f->key_file = sb_path_join(f->state, "key.jwk");
    must(f, sb_key_generate("ES384", 0, NULL, &key, &f->err));
    must(f, sb_key_save_new(key, f->key_file, &f->err));
    sb_key_free(key);
    f->options = (sb_payer_options){.fhir_url = BASE,
                                    .client_id = "client-1",
                                    .key_file = f->key_file,
                                    .token_url = "https://auth.payer.example/token",
                                    .scope = "system/*.rs",
                                    .no_token_cache = true,
                                    .state_dir = f->state,
                                    .clock = &f->clock.clock,
                                    .cancel = &f->cancel};
    open_payer(f);
    return 0;
}

/* And a journal with its context: for the steps below sb_export. */
static inline int set_up(void **state)
{
    if (set_up_payer(state) != 0)
        return -1;
    fixture *f = *state;
    must(f, sb_journal_open(f->dir, true, false, &f->journal, &f->err));
    must(f, sb_event_log_open(sb_journal_folder(f->journal), &f->clock.clock, "id", &f->log, &f->err));
    f->context = (sb_export_context){f->payer, f->journal, f->log, NULL, keep_event, f};
    return 0;
}

static inline int tear_down(void **state)
{
    fixture *f = *state;
    sb_event_log_free(f->log);
    sb_journal_free(f->journal);
    sb_payer_free(f->payer);
    forget_seen(f);
    (void)pthread_mutex_destroy(&f->payer_side.lock);
    scratch_dir_free(f->dir);
    scratch_dir_free(f->state);
    free(f->key_file);
    free(f);
    return 0;
}

static inline char *read_text(const fixture *f, const char *name)
{
    sb_buf text = SB_BUF_INIT;
    SB_AUTOFREE path = sb_path_join(f->dir, name);
    if (sb_file_read(path, 64 << 20, &text, NULL) != SB_OK)
        return sb_printf("%s", "");
    return sb_buf_steal(&text);
}

static inline void assert_fact(fixture *f, sb_journal *journal, const char *name, const char *want)
{
    SB_AUTOFREE value = NULL;
    must(f, sb_journal_get(journal, name, &value, &f->err));
    if (want)
        assert_string_equal(value, want);
    else
        assert_null(value);
}

#define OUTCOME(severity, code, words)                                                                                 \
    "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"" severity "\",\"code\":\"" code                \
    "\",\"diagnostics\":\"" words "\"}]}"

#endif
