/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_source.c - the promises of token.h, with a clock and a provider that the tests own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "smart/token_internal.h"

#include "fake_clock.h"

/* A payer that issues token-1, token-2, … until it is told otherwise. */
typedef struct fixture {
    fake_clock clock;
    sb_token_source *source;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    /* under lock */
    sb_status fail; /* SB_OK: issue tokens */
    unsigned lifetime_s;
    const char *same_text; /* issue this text each time, if set */
    bool closed;           /* answers wait until it is opened */
    int64_t answer_takes_s;
    unsigned requests, issued, now_inside, most_inside, renewals;
    bool freed;
} fixture;

static sb_status payer_fetch(void *impl, bool renewal, sb_token **out, sb_error *err)
{
    fixture *f = impl;
    (void)pthread_mutex_lock(&f->lock);
    f->requests++;
    f->renewals += renewal;
    f->now_inside++;
    f->most_inside = SB_MAX(f->most_inside, f->now_inside);
    (void)pthread_cond_broadcast(&f->moved);
    while (f->closed)
        (void)pthread_cond_wait(&f->moved, &f->lock);
    int64_t asked = fake_monotonic_ns(&f->clock);
    fake_advance_s(&f->clock, f->answer_takes_s);
    char text[64];
    sb_status status = f->fail;
    if (status == SB_OK) {
        f->issued++;
        (void)snprintf(text, sizeof(text), "token-%u", f->issued);
        status = sb_token_new(f->same_text ? f->same_text : text, strlen(f->same_text ? f->same_text : text), asked,
                              f->lifetime_s, "system/*.rs", out, err);
    } else {
        (void)sb_error_set(err, status, "the payer says no", "test %u", "none", f->requests);
    }
    f->now_inside--;
    (void)pthread_mutex_unlock(&f->lock);
    return status;
}

static void payer_free(void *impl)
{
    ((fixture *)impl)->freed = true;
}

static unsigned payer_requests(fixture *f)
{
    (void)pthread_mutex_lock(&f->lock);
    unsigned n = f->requests;
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

static void payer_fails(fixture *f, sb_status status)
{
    (void)pthread_mutex_lock(&f->lock);
    f->fail = status;
    (void)pthread_mutex_unlock(&f->lock);
}

static void payer_closed(fixture *f, bool closed)
{
    (void)pthread_mutex_lock(&f->lock);
    f->closed = closed;
    (void)pthread_cond_broadcast(&f->moved);
    (void)pthread_mutex_unlock(&f->lock);
}

static void quiet(void *impl, sb_log_level level, const char *line)
{
    (void)impl;
    (void)level;
    (void)line;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    sb_log_set(SB_LOG_DEBUG, quiet, NULL);
    fake_clock_init(&f->clock);
    f->lifetime_s = 300;
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->moved, NULL);
    sb_token_provider provider = {f, payer_fetch, payer_free};
    *state = f;
    return sb_token_source_new(provider, &f->clock.clock, &f->source, NULL) == SB_OK ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    sb_token_source_free(f->source);
    assert_true(f->freed);
    assert_true(f->most_inside <= 1); /* in no test at all are two requests made at once */
    (void)pthread_cond_destroy(&f->moved);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void assert_gets(fixture *f, unsigned min_left_s, const char *text)
{
    sb_token *token = NULL;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_token_source_get(f->source, min_left_s, &token, &err), SB_OK);
    assert_string_equal(sb_token_text(token), text);
    sb_token_release(token);
}

static sb_status get_fails(fixture *f)
{
    sb_token *token = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_token_source_get(f->source, 0, &token, &err);
    assert_null(token);
    assert_int_equal(err.code, status);
    return status;
}

static void reject(fixture *f)
{
    sb_token *token = NULL;
    assert_int_equal(sb_token_source_get(f->source, 0, &token, NULL), SB_OK);
    sb_token_source_reject(f->source, token);
    sb_token_release(token);
}

typedef struct worker {
    pthread_t thread;
    fixture *f;
    sb_token *token;
    sb_status status;
    atomic_bool *go;
} worker;

static void *worker_get(void *arg)
{
    worker *w = arg;
    w->status = sb_token_source_get(w->f->source, 0, &w->token, NULL);
    return NULL;
}

static void *worker_reject(void *arg)
{
    worker *w = arg;
    sb_token_source_reject(w->f->source, w->token);
    sb_token_release(w->token);
    return worker_get(w);
}

static void start(fixture *f, worker *w, size_t n, void *(*run)(void *))
{
    for (size_t i = 0; i < n; i++) {
        w[i].f = f;
        assert_int_equal(pthread_create(&w[i].thread, NULL, run, &w[i]), 0);
    }
}

static void join(worker *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pthread_join(w[i].thread, NULL), 0);
}

static void nothing_is_asked_before_the_first_get(void **state)
{
    fixture *f = *state;
    assert_int_equal(payer_requests(f), 0);
    assert_int_equal(sb_token_source_fetches(f->source), 0);
    assert_gets(f, 0, "token-1");
    assert_int_equal(payer_requests(f), 1);
    assert_int_equal(sb_token_source_fetches(f->source), 1);
    assert_int_equal(f->renewals, 0);
}

static void many_waiters_one_request(void **state)
{
    fixture *f = *state;
    worker w[64] = {0};
    payer_closed(f, true);
    start(f, w, 64, worker_get);
    assert_true(eventually(payer_requests(f) == 1));
    payer_closed(f, false);
    join(w, 64);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(w[i].status, SB_OK);
        assert_string_equal(sb_token_text(w[i].token), "token-1");
        sb_token_release(w[i].token);
    }
    assert_int_equal(payer_requests(f), 1);
}

static void the_token_is_renewed_in_the_background_from_three_quarters_of_its_life(void **state)
{
    fixture *f = *state;
    assert_gets(f, 0, "token-1");
    fake_advance_s(&f->clock, 224);
    (void)nanosleep(&(struct timespec){0, 20 * 1000000}, NULL); /* twenty looks at the clock */
    assert_int_equal(payer_requests(f), 1);
    fake_advance_s(&f->clock, 32); /* 256: past the jitter too */
    assert_true(eventually(sb_token_source_fetches(f->source) == 2));
    assert_gets(f, 0, "token-2");
    assert_int_equal(f->renewals, 1);
}

static void nobody_waits_for_a_renewal(void **state)
{
    fixture *f = *state;
    assert_gets(f, 0, "token-1");
    payer_closed(f, true);
    fake_advance_s(&f->clock, 299); /* one second of life left, the renewal hangs */
    assert_true(eventually(payer_requests(f) == 2));
    assert_gets(f, 0, "token-1");
    payer_closed(f, false);
    assert_true(eventually(sb_token_source_fetches(f->source) == 2));
    assert_gets(f, 0, "token-2");
}

static void an_expired_token_is_never_handed_out(void **state)
{
    fixture *f = *state;
    assert_gets(f, 0, "token-1");
    payer_fails(f, SB_E_NETWORK);
    fake_advance_s(&f->clock, 299);
    assert_true(eventually(payer_requests(f) >= 2));
    assert_gets(f, 0, "token-1");
    fake_advance_s(&f->clock, 1); /* the very instant of expiry */
    assert_int_equal(get_fails(f), SB_E_NETWORK);
    payer_fails(f, SB_OK);
    fake_advance_s(&f->clock, 60);
    assert_gets(f, 0, "token-2");
}

static void the_life_of_a_token_counts_from_the_moment_it_was_asked_for(void **state)
{
    fixture *f = *state;
    f->answer_takes_s = 100;
    assert_gets(f, 0, "token-1");
    f->answer_takes_s = 0;
    payer_fails(f, SB_E_NETWORK);
    fake_advance_s(&f->clock, 200);
    assert_int_equal(get_fails(f), SB_E_NETWORK);
}

static void a_token_that_is_dead_on_arrival_is_the_payers_fault(void **state)
{
    fixture *f = *state;
    f->answer_takes_s = 301;
    assert_int_equal(get_fails(f), SB_E_SERVER);
    assert_int_equal(payer_requests(f), 1);
}

static void a_failed_fetch_is_told_to_all_who_wait_and_not_repeated_by_them(void **state)
{
    fixture *f = *state;
    worker w[32] = {0};
    payer_closed(f, true);
    payer_fails(f, SB_E_AUTH);
    start(f, w, 32, worker_get);
    assert_true(eventually(payer_requests(f) == 1));
    payer_closed(f, false);
    join(w, 32);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(w[i].status, SB_E_AUTH);
    assert_int_equal(payer_requests(f), 1);
    assert_int_equal(get_fails(f), SB_E_AUTH); /* still remembered */
    assert_int_equal(payer_requests(f), 1);
    payer_fails(f, SB_OK);
    fake_advance_s(&f->clock, 6); /* and forgotten */
    assert_gets(f, 0, "token-1");
}

static void a_401_drops_exactly_that_token(void **state)
{
    fixture *f = *state;
    sb_token *first = NULL;
    assert_int_equal(sb_token_source_get(f->source, 0, &first, NULL), SB_OK);
    sb_token_source_reject(f->source, first);
    assert_gets(f, 0, "token-2");
    sb_token_source_reject(f->source, first); /* a late 401 to the old one */
    assert_gets(f, 0, "token-2");
    assert_int_equal(payer_requests(f), 2);
    assert_string_equal(sb_token_text(first), "token-1"); /* who holds it may still look */
    sb_token_release(first);
}

static void sixteen_401s_cost_one_request(void **state)
{
    fixture *f = *state;
    worker w[16] = {0};
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(sb_token_source_get(f->source, 0, &w[i].token, NULL), SB_OK);
    start(f, w, 16, worker_reject);
    join(w, 16);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(w[i].status, SB_OK);
        assert_string_equal(sb_token_text(w[i].token), "token-2");
        sb_token_release(w[i].token);
    }
    assert_int_equal(payer_requests(f), 2);
}

static void a_401_during_a_renewal_waits_for_that_renewal(void **state)
{
    fixture *f = *state;
    sb_token *first = NULL;
    worker w[4] = {0};
    assert_int_equal(sb_token_source_get(f->source, 0, &first, NULL), SB_OK);
    payer_closed(f, true);
    fake_advance_s(&f->clock, 260);
    assert_true(eventually(payer_requests(f) == 2));
    sb_token_source_reject(f->source, first);
    start(f, w, 4, worker_get);
    payer_closed(f, false);
    join(w, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(sb_token_text(w[i].token), "token-2");
        sb_token_release(w[i].token);
    }
    sb_token_release(first);
    assert_int_equal(payer_requests(f), 2);
}

static void a_refused_text_is_never_handed_out_again(void **state)
{
    fixture *f = *state;
    f->same_text = "always-the-same";
    reject(f);
    assert_int_equal(get_fails(f), SB_E_AUTH);
    assert_int_equal(payer_requests(f), 3); /* asked once more, then believed */
    f->same_text = NULL;
    fake_advance_s(&f->clock, 6);
    assert_gets(f, 0, "token-4");
}

static void a_refusal_on_renewal_is_told_only_when_the_old_token_is_dead(void **state)
{
    fixture *f = *state;
    assert_gets(f, 0, "token-1");
    payer_fails(f, SB_E_AUTH);
    fake_advance_s(&f->clock, 256);
    assert_true(eventually(payer_requests(f) == 2));
    assert_gets(f, 0, "token-1");
    fake_advance_s(&f->clock, 44);
    assert_int_equal(get_fails(f), SB_E_AUTH);
}

static void failed_renewals_back_off(void **state)
{
    fixture *f = *state;
    f->lifetime_s = 3600;
    assert_gets(f, 0, "token-1");
    payer_fails(f, SB_E_NETWORK);
    fake_advance_s(&f->clock, 3600 * 86 / 100);
    assert_true(eventually(payer_requests(f) == 2));
    unsigned before = payer_requests(f);
    for (int i = 0; i < 120; i++) { /* two minutes, second by second */
        fake_advance_s(&f->clock, 1);
        (void)nanosleep(&(struct timespec){0, 3 * 1000000}, NULL);
        assert_gets(f, 0, "token-1");
    }
    unsigned tries = payer_requests(f) - before;
    assert_in_range(tries, 3, 20); /* 1, 2, 4, 8, 16, 30, 30 … s, each halved at most by jitter */
    payer_fails(f, SB_OK);
    fake_advance_s(&f->clock, 31);
    assert_true(eventually(sb_token_source_fetches(f->source) == 2));
}

static void who_needs_more_time_than_is_left_waits_for_a_new_token(void **state)
{
    fixture *f = *state;
    assert_gets(f, 100, "token-1");
    fake_advance_s(&f->clock, 150);
    assert_gets(f, 100, "token-1");
    assert_gets(f, 200, "token-2");
    assert_gets(f, 100, "token-2");
    assert_int_equal(payer_requests(f), 2);
}

static void who_needs_more_time_than_is_left_gets_the_old_token_when_there_is_no_other(void **state)
{
    fixture *f = *state;
    assert_gets(f, 0, "token-1");
    fake_advance_s(&f->clock, 150);
    payer_fails(f, SB_E_SERVER);
    for (int i = 0; i < 10; i++)
        assert_gets(f, 200, "token-1");
    assert_int_equal(payer_requests(f), 2);
}

static void a_life_shorter_than_what_is_asked_for_is_no_error(void **state)
{
    fixture *f = *state;
    f->lifetime_s = 60;
    for (int i = 0; i < 10; i++)
        assert_gets(f, 120, "token-1");
    assert_int_equal(payer_requests(f), 1);
}

static void an_idle_source_stops_asking(void **state)
{
    fixture *f = *state;
    assert_gets(f, 0, "token-1");
    for (int i = 0; i < 240; i++) { /* two hours, half a minute at a time */
        fake_advance_s(&f->clock, 30);
        (void)nanosleep(&(struct timespec){0, 4 * 1000000}, NULL);
    }
    unsigned requests = payer_requests(f);
    assert_in_range(requests, 2, 8); /* a quarter of an hour's worth */
    sb_token *token = NULL;
    assert_int_equal(sb_token_source_get(f->source, 0, &token, NULL), SB_OK);
    assert_int_equal(payer_requests(f), requests + 1);
    sb_token_release(token);
}

static atomic_bool stop_hammering;

static void *hammer(void *arg)
{
    fixture *f = arg;
    uintptr_t wrong = 0;
    while (!atomic_load(&stop_hammering)) {
        sb_token *token = NULL;
        if (sb_token_source_get(f->source, 0, &token, NULL) != SB_OK)
            continue;
        wrong += strncmp(sb_token_text(token), "token-", 6) != 0;
        sb_token *again = sb_token_ref(token);
        sb_token_release(token);
        wrong += sb_token_text(again)[0] != 't';
        sb_token_release(again);
    }
    return (void *)wrong;
}

static void tokens_stay_whole_while_threads_race_with_renewals_and_401s(void **state)
{
    fixture *f = *state;
    pthread_t threads[8];
    atomic_store(&stop_hammering, false);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, f), 0);
    for (int i = 0; i < 60; i++) {
        if (i % 3 == 0)
            reject(f);
        fake_advance_s(&f->clock, 77);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    atomic_store(&stop_hammering, true);
    for (size_t i = 0; i < 8; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

static void a_source_that_is_freed_waits_for_its_renewal(void **state)
{
    fixture *f = *state;
    assert_gets(f, 0, "token-1");
    fake_advance_s(&f->clock, 290);
    assert_true(eventually(payer_requests(f) == 2)); /* the teardown frees it, maybe in the midst */
}

static void a_token_with_characters_that_no_header_may_carry_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {{"", 0}, {"a b", 3}, {"a\nb", 3}, {"a\0b", 3}, {"a\x7f", 2}, {"\xc3\xa9", 2}, {"a\"b", 3}, {"a,b", 3}};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        sb_token *token = NULL;
        sb_error err = SB_ERROR_INIT;
        assert_int_equal(sb_token_new(bad[i].text, bad[i].len, 0, 300, NULL, &token, &err), SB_E_INVALID);
        assert_null(token);
    }
}

static void a_token_knows_its_times_and_scope(void **state)
{
    (void)state;
    sb_token *token = NULL;
    assert_int_equal(sb_token_new("abc+/=", 6, 5, 4000000000u, NULL, &token, NULL), SB_OK);
    assert_null(sb_token_scope(token));
    assert_true(sb_token_requested_ns(token) == 5);
    assert_true(sb_token_expires_ns(token) == INT64_C(4000000000) * SB_NS_PER_S + 5);
    sb_token *other = sb_token_ref_shard(token, 7);
    sb_token_release(token);
    assert_string_equal(sb_token_text(other), "abc+/=");
    assert_int_equal(sb_token_new("x", 1, INT64_MAX - 3, 300, "system/*.rs", &token, NULL), SB_OK);
    assert_true(sb_token_expires_ns(token) == INT64_MAX);
    assert_string_equal(sb_token_scope(token), "system/*.rs");
    assert_false(sb_token_same(token, other));
    sb_token_release(token);
    sb_token_release(other);
}

#define SOURCE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOURCE_TEST(nothing_is_asked_before_the_first_get),
        SOURCE_TEST(many_waiters_one_request),
        SOURCE_TEST(the_token_is_renewed_in_the_background_from_three_quarters_of_its_life),
        SOURCE_TEST(nobody_waits_for_a_renewal),
        SOURCE_TEST(an_expired_token_is_never_handed_out),
        SOURCE_TEST(the_life_of_a_token_counts_from_the_moment_it_was_asked_for),
        SOURCE_TEST(a_token_that_is_dead_on_arrival_is_the_payers_fault),
        SOURCE_TEST(a_failed_fetch_is_told_to_all_who_wait_and_not_repeated_by_them),
        SOURCE_TEST(a_401_drops_exactly_that_token),
        SOURCE_TEST(sixteen_401s_cost_one_request),
        SOURCE_TEST(a_401_during_a_renewal_waits_for_that_renewal),
        SOURCE_TEST(a_refused_text_is_never_handed_out_again),
        SOURCE_TEST(a_refusal_on_renewal_is_told_only_when_the_old_token_is_dead),
        SOURCE_TEST(failed_renewals_back_off),
        SOURCE_TEST(who_needs_more_time_than_is_left_waits_for_a_new_token),
        SOURCE_TEST(who_needs_more_time_than_is_left_gets_the_old_token_when_there_is_no_other),
        SOURCE_TEST(a_life_shorter_than_what_is_asked_for_is_no_error),
        SOURCE_TEST(an_idle_source_stops_asking),
        SOURCE_TEST(tokens_stay_whole_while_threads_race_with_renewals_and_401s),
        SOURCE_TEST(a_source_that_is_freed_waits_for_its_renewal),
        cmocka_unit_test(a_token_with_characters_that_no_header_may_carry_is_refused),
        cmocka_unit_test(a_token_knows_its_times_and_scope),
    };
    return cmocka_run_group_tests_name("token source", tests, NULL, NULL);
}
