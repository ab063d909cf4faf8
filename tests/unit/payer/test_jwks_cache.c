/* SPDX-License-Identifier: Apache-2.0 */
/* test_jwks_cache.c - key sets by URL: how often they are fetched, how long they are believed, who waits.    AUTH-08 */
#include "scratch.h"

#include "../smart/fake_clock.h"
#include "payer/auth/jwks_cache.h"

#define URL     "https://client.example/jwks"
#define OTHER   "https://slow.example/jwks"
#define SLOW    "https://slow2.example/jwks"
#define WAITING 2

typedef struct fixture {
    fake_clock clock;
    sb_jwks_cache *cache;
    sb_key *old, *new;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    const sb_key *served; /* what the web has now; NULL: it is down */
    const char *text;     /* instead */
    bool has_max_age, closed;
    unsigned max_age_s;
    atomic_uint fetches, inside, busy;
} fixture;

/* The web: holds fetches of slow hosts up while it is closed. */
static sb_status web(void *impl, const char *url, sb_jwks_answer *out, sb_error *err)
{
    fixture *f = impl;
    sb_jwks *set = NULL;
    (void)atomic_fetch_add(&f->fetches, 1);
    (void)atomic_fetch_add(&f->inside, 1);
    (void)pthread_mutex_lock(&f->lock);
    while (f->closed && strncmp(url, "https://slow", 12) == 0)
        (void)pthread_cond_wait(&f->opened, &f->lock);
    const sb_key *served = f->served;
    const char *text = f->text;
    out->has_max_age = f->has_max_age;
    out->max_age_s = f->max_age_s;
    (void)pthread_mutex_unlock(&f->lock);
    (void)atomic_fetch_sub(&f->inside, 1);
    if (text)
        return sb_buf_add_cstr(&out->body, text) ? SB_OK : SB_E_NOMEM;
    if (!served)
        return sb_error_set(err, SB_E_NETWORK, "the URL cannot be fetched", "the web is down", "mend it");
    assert_ok(sb_jwks_new(&set, NULL));
    assert_ok(sb_jwks_add(set, served, NULL));
    SB_AUTOFREE json = sb_jwks_json(set, false);
    assert_true(sb_buf_add_cstr(&out->body, json));
    sb_jwks_free(set);
    return SB_OK;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    if (!f || pthread_mutex_init(&f->lock, NULL) != 0 || pthread_cond_init(&f->opened, NULL) != 0)
        return -1;
    fake_clock_init(&f->clock);
    assert_ok(sb_key_generate("ES384", 0, "old", &f->old, NULL));
    assert_ok(sb_key_generate("ES384", 0, "new", &f->new, NULL));
    f->served = f->old;
    sb_jwks_fetcher fetcher = {f, web};
    assert_ok(sb_jwks_cache_new(&fetcher, &f->clock.clock, WAITING, &f->cache, NULL));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sb_jwks_cache_free(f->cache);
    sb_key_free(f->old);
    sb_key_free(f->new);
    (void)pthread_cond_destroy(&f->opened);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void serve(fixture *f, const sb_key *key, const char *text)
{
    (void)pthread_mutex_lock(&f->lock);
    f->served = key;
    f->text = text;
    (void)pthread_mutex_unlock(&f->lock);
}

static void close_web(fixture *f, bool closed)
{
    (void)pthread_mutex_lock(&f->lock);
    f->closed = closed;
    (void)pthread_cond_broadcast(&f->opened);
    (void)pthread_mutex_unlock(&f->lock);
}

/* Is there a key of that kid at that URL? */
static bool has_key(fixture *f, const char *kid)
{
    SB_AUTOPTR(sb_keyset) set = NULL;
    assert_ok(sb_jwks_cache_find(f->cache, URL, sb_str_from(kid), &set, NULL));
    return sb_jwks_find(set->jwks, sb_str_from(kid)) != NULL;
}

static sb_status find(fixture *f, const char *url, const char *kid, sb_error *err)
{
    SB_AUTOPTR(sb_keyset) set = NULL;
    return sb_jwks_cache_find(f->cache, url, sb_str_from(kid), &set, err);
}

static void a_set_is_fetched_once_while_it_is_fresh(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 5; i++)
        assert_true(has_key(f, "old"));
    fake_advance_s(&f->clock, SB_JWKS_FRESH_DEFAULT_S / 4 * 3 - 1);
    assert_true(has_key(f, "old"));
    assert_int_equal(f->fetches, 1);
}

static void what_its_server_says_counts_within_bounds(void **state)
{
    fixture *f = *state;
    f->has_max_age = true;
    f->max_age_s = 0;
    assert_true(has_key(f, "old"));
    serve(f, f->new, NULL);
    fake_advance_s(&f->clock, SB_JWKS_FRESH_MIN_S / 4 * 3 - 1);
    assert_true(has_key(f, "old"));
    f->max_age_s = 1000000;
    fake_advance_s(&f->clock, SB_JWKS_FRESH_MIN_S);
    assert_false(has_key(f, "old")); /* withdrawn */
    assert_int_equal(f->fetches, 2);
    serve(f, f->old, NULL);
    fake_advance_s(&f->clock, SB_JWKS_FRESH_MAX_S);
    assert_false(has_key(f, "new"));
    assert_int_equal(f->fetches, 3);
}

static void an_unknown_kid_is_looked_for_once_in_a_while(void **state)
{
    fixture *f = *state;
    assert_true(has_key(f, "old"));
    for (int i = 0; i < 1000; i++) { /* made-up ones cost its server nothing */
        char kid[32];
        (void)snprintf(kid, sizeof(kid), "made-up-%d", i);
        assert_false(has_key(f, kid));
    }
    assert_int_equal(f->fetches, 1); /* just fetched */
    serve(f, f->new, NULL);
    fake_advance_s(&f->clock, SB_JWKS_AGAIN_S - 1);
    assert_false(has_key(f, "new"));
    fake_advance_s(&f->clock, 1);
    assert_true(has_key(f, "new"));
    assert_int_equal(f->fetches, 2);
}

static void before_its_end_it_is_fetched_by_nobody_who_waits(void **state)
{
    fixture *f = *state;
    assert_true(has_key(f, "old"));
    fake_advance_s(&f->clock, SB_JWKS_FRESH_DEFAULT_S - 1);
    assert_true(has_key(f, "old"));
    assert_true(eventually(f->fetches == 2 && f->inside == 0));
    fake_advance_s(&f->clock, SB_JWKS_FRESH_DEFAULT_S / 2);
    assert_true(has_key(f, "old"));
    assert_int_equal(f->fetches, 2);
}

static void a_server_that_is_down_is_forgiven_for_an_hour(void **state)
{
    fixture *f = *state;
    sb_error err = SB_ERROR_INIT;
    assert_true(has_key(f, "old"));
    serve(f, NULL, NULL);
    fake_advance_s(&f->clock, SB_JWKS_FRESH_DEFAULT_S);
    assert_true(has_key(f, "old"));
    assert_true(has_key(f, "old"));
    assert_int_equal(f->fetches, 2);
    fake_advance_s(&f->clock, SB_JWKS_STALE_S - 1);
    assert_true(has_key(f, "old"));
    fake_advance_s(&f->clock, 1);
    assert_int_equal(find(f, URL, "old", &err), SB_E_NETWORK);
    assert_string_equal(err.why, "the web is down");
    serve(f, f->old, NULL);
    fake_advance_s(&f->clock, SB_JWKS_AGAIN_S);
    assert_true(has_key(f, "old"));
}

static void what_is_no_key_set_is_told_and_not_asked_for_again(void **state)
{
    fixture *f = *state;
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_keyset) set = NULL;
    serve(f, NULL, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}");
    assert_int_equal(find(f, URL, "old", &err), SB_E_INVALID);
    assert_non_null(strstr(err.why, "key 1 of 1"));
    assert_int_equal(sb_jwks_cache_check(f->cache, URL, &set, &err), SB_E_INVALID);
    assert_int_equal(f->fetches, 1);
    serve(f, f->old, NULL);
    fake_advance_s(&f->clock, SB_JWKS_AGAIN_S);
    assert_ok(sb_jwks_cache_check(f->cache, URL, &set, &err));
    assert_int_equal(f->fetches, 2);
}

static void who_checks_is_told_of_now_not_of_before(void **state)
{
    fixture *f = *state;
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_keyset) set = NULL;
    assert_true(has_key(f, "old"));
    serve(f, NULL, NULL);
    fake_advance_s(&f->clock, SB_JWKS_AGAIN_S);
    assert_int_equal(sb_jwks_cache_check(f->cache, URL, &set, &err), SB_E_NETWORK);
    assert_true(has_key(f, "old")); /* the one before goes on being good */
}

/* Threads */

static void *ask_slow(void *impl)
{
    fixture *f = impl;
    sb_status status = find(f, OTHER, "old", NULL);
    (void)atomic_fetch_add(&f->busy, status == SB_E_BUSY);
    return (void *)(uintptr_t)(status + 1); /* never NULL */
}

static void *ask_slow_too(void *impl)
{
    return (void *)(uintptr_t)(find(impl, SLOW, "old", NULL) + 1);
}

static sb_status joined(pthread_t thread)
{
    void *got = NULL;
    assert_int_equal(pthread_join(thread, &got), 0);
    return (sb_status)((uintptr_t)got - 1);
}

static void one_fetches_and_others_of_the_same_url_are_told_to_come_back(void **state)
{
    fixture *f = *state;
    sb_error err = SB_ERROR_INIT;
    pthread_t first;
    close_web(f, true);
    assert_int_equal(pthread_create(&first, NULL, ask_slow, f), 0);
    assert_true(eventually(f->inside == 1));
    for (int i = 0; i < 10; i++)
        assert_int_equal(find(f, OTHER, "old", &err), SB_E_BUSY); /* at once: the web is closed */
    assert_true(has_key(f, "old"));                               /* of another URL, meanwhile */
    close_web(f, false);
    assert_ok(joined(first));
    assert_ok(find(f, OTHER, "old", NULL));
    assert_int_equal(f->fetches, 2);
}

static void slow_hosts_hold_up_no_more_than_may_wait(void **state)
{
    fixture *f = *state;
    pthread_t first, second;
    assert_true(has_key(f, "old"));
    close_web(f, true);
    assert_int_equal(pthread_create(&first, NULL, ask_slow, f), 0);
    assert_int_equal(pthread_create(&second, NULL, ask_slow_too, f), 0);
    assert_true(eventually(f->inside == WAITING));
    assert_int_equal(find(f, "https://slow3.example/jwks", "old", NULL), SB_E_BUSY);
    assert_int_equal(find(f, "https://another.example/jwks", "old", NULL), SB_E_BUSY);
    fake_advance_s(&f->clock, SB_JWKS_FRESH_DEFAULT_S);
    assert_int_equal(find(f, URL, "new", NULL), SB_E_BUSY);
    assert_true(has_key(f, "old")); /* it should be fetched again, and does until it can be */
    close_web(f, false);
    assert_ok(joined(first));
    assert_ok(joined(second));
    assert_ok(find(f, "https://another.example/jwks", "old", NULL));
}

static void a_url_that_failed_is_left_alone_for_a_while(void **state)
{
    fixture *f = *state;
    serve(f, NULL, NULL);
    for (int i = 0; i < 10; i++)
        assert_int_equal(find(f, URL, "old", NULL), SB_E_NETWORK);
    assert_int_equal(f->fetches, 1);
    fake_advance_s(&f->clock, SB_JWKS_AGAIN_S);
    assert_int_equal(find(f, URL, "old", NULL), SB_E_NETWORK);
    assert_int_equal(f->fetches, 2);
}

static void more_urls_than_are_kept_throw_the_oldest_out(void **state)
{
    fixture *f = *state;
    char url[64];
    assert_true(has_key(f, "old"));
    for (int i = 0; i < SB_JWKS_CACHE_MAX; i++) {
        fake_advance_ns(&f->clock, 1);
        (void)snprintf(url, sizeof(url), "https://c%d.example/", i);
        assert_ok(find(f, url, "old", NULL));
    }
    unsigned before = f->fetches;
    assert_ok(find(f, url, "old", NULL));
    assert_int_equal(f->fetches, before);
    assert_true(has_key(f, "old"));
    assert_int_equal(f->fetches, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_set_is_fetched_once_while_it_is_fresh, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_its_server_says_counts_within_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_kid_is_looked_for_once_in_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(before_its_end_it_is_fetched_by_nobody_who_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_is_down_is_forgiven_for_an_hour, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_key_set_is_told_and_not_asked_for_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_checks_is_told_of_now_not_of_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_fetches_and_others_of_the_same_url_are_told_to_come_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(slow_hosts_hold_up_no_more_than_may_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_url_that_failed_is_left_alone_for_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_urls_than_are_kept_throw_the_oldest_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
