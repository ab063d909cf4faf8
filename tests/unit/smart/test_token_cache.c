/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_cache.c - runs share a token by a file that nobody else can read, and never a dead or refused one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>

#include "base/log.h"
#include "smart/token_cache.h"
#include "smart/token_internal.h"

#include "fake_clock.h"
#include "scratch_dir.h"

typedef struct fixture {
    fake_clock clock;
    char *dir, *cache_dir;
    _Atomic unsigned requests;
    sb_status fail;
    _Atomic unsigned inside, most_inside;
    bool slow;
} fixture;

static void quiet(void *impl, sb_log_level level, const char *line)
{
    (void)impl, (void)level, (void)line;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    sb_log_set(SB_LOG_DEBUG, quiet, NULL);
    fake_clock_init(&f->clock);
    f->dir = scratch_dir_new();
    f->cache_dir = f->dir ? sb_path_join(f->dir, "tokens") : NULL;
    *state = f;
    return f->cache_dir ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    scratch_dir_free(f->dir);
    free(f->cache_dir);
    free(f);
    return 0;
}

static sb_status inner_fetch(void *impl, bool renewal, sb_token **out, sb_error *err)
{
    fixture *f = impl;
    char text[40];
    (void)renewal;
    unsigned inside = atomic_fetch_add(&f->inside, 1) + 1;
    if (inside > atomic_load(&f->most_inside))
        atomic_store(&f->most_inside, inside);
    unsigned n = atomic_fetch_add(&f->requests, 1) + 1;
    if (f->slow)
        (void)nanosleep(&(struct timespec){0, 30 * 1000000}, NULL); /* so that others come meanwhile */
    (void)atomic_fetch_sub(&f->inside, 1);
    if (f->fail != SB_OK)
        return sb_error_set(err, f->fail, "no", "no", "no");
    (void)snprintf(text, sizeof(text), "token-%u", n);
    return sb_token_new(text, strlen(text), fake_monotonic_ns(&f->clock), 300, "system/*.rs", out, err);
}

/* A run of the program: its own cache object over the same folder. */
static sb_token_cache *run_begins(fixture *f, const char *scope)
{
    sb_token_cache *cache = NULL;
    const char *const key[] = {"https://fhir.payer.example", "client-1", scope, "thumb", NULL};
    const sb_token_cache_options options = {.dir = f->cache_dir, .key = key, .clock = &f->clock.clock};
    sb_token_provider inner = {f, inner_fetch, NULL};
    assert_int_equal(sb_token_cache_new(&options, inner, &cache, NULL), SB_OK);
    return cache;
}

static sb_token *get(sb_token_cache *cache)
{
    sb_token *token = NULL;
    sb_token_provider provider = sb_token_cache_provider(cache);
    assert_int_equal(provider.fetch(provider.impl, false, &token, NULL), SB_OK);
    return token;
}

static void assert_run_gets(fixture *f, const char *text)
{
    sb_token_cache *cache = run_begins(f, "s");
    sb_token *token = get(cache);
    assert_string_equal(sb_token_text(token), text);
    assert_true(sb_token_expires_ns(token) > fake_monotonic_ns(&f->clock));
    sb_token_release(token);
    sb_token_cache_free(cache);
}

static char *cache_file(fixture *f)
{
    glob_t found;
    SB_AUTOFREE pattern = sb_printf("%s/*.json", f->cache_dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    char *path = sb_str_dup(sb_str_from(found.gl_pathv[0]));
    globfree(&found);
    return path;
}

static void the_next_run_uses_the_same_token(void **state)
{
    fixture *f = *state;
    struct stat st;
    assert_run_gets(f, "token-1");
    SB_AUTOFREE path = cache_file(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(f->cache_dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    fake_advance_s(&f->clock, 100);
    assert_run_gets(f, "token-1");
    assert_int_equal(f->requests, 1);
}

static void its_life_goes_on_counting(void **state)
{
    fixture *f = *state;
    assert_run_gets(f, "token-1");
    fake_advance_s(&f->clock, 200);
    sb_token_cache *cache = run_begins(f, "s");
    sb_token *token = get(cache);
    int64_t left = sb_token_expires_ns(token) - fake_monotonic_ns(&f->clock);
    assert_true(left > 97 * SB_NS_PER_S && left <= 100 * SB_NS_PER_S);
    assert_string_equal(sb_token_scope(token), "system/*.rs");
    sb_token_release(token);
    sb_token_cache_free(cache);
}

static void a_token_in_its_last_quarter_is_replaced(void **state)
{
    fixture *f = *state;
    assert_run_gets(f, "token-1");
    fake_advance_s(&f->clock, 230);
    assert_run_gets(f, "token-2");
    fake_advance_s(&f->clock, 400);
    assert_run_gets(f, "token-3");
}

static void an_aging_token_is_better_than_none(void **state)
{
    fixture *f = *state;
    assert_run_gets(f, "token-1");
    fake_advance_s(&f->clock, 230);
    f->fail = SB_E_NETWORK;
    assert_run_gets(f, "token-1");
    fake_advance_s(&f->clock, 70);
    sb_token_cache *cache = run_begins(f, "s");
    sb_token *token = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_token_provider provider = sb_token_cache_provider(cache);
    assert_int_equal(provider.fetch(provider.impl, false, &token, &err), SB_E_NETWORK);
    assert_int_equal(err.code, SB_E_NETWORK);
    sb_token_cache_free(cache);
}

static void who_asks_again_wants_another(void **state)
{
    fixture *f = *state;
    sb_token_cache *cache = run_begins(f, "s");
    sb_token *first = get(cache), *second = get(cache);
    assert_string_equal(sb_token_text(first), "token-1");
    assert_string_equal(sb_token_text(second), "token-2");
    sb_token_release(first);
    sb_token_release(second);
    sb_token_cache_free(cache);
}

static void a_refused_token_is_taken_out_of_the_file(void **state)
{
    fixture *f = *state;
    sb_token_cache *cache = run_begins(f, "s");
    sb_token *first = get(cache);
    sb_token_cache_reject(cache, first);
    assert_run_gets(f, "token-2");
    sb_token_cache_reject(cache, first); /* the other run's newer one stays */
    assert_run_gets(f, "token-2");
    sb_token_release(first);
    sb_token_cache_free(cache);
}

static void other_scopes_have_other_tokens(void **state)
{
    fixture *f = *state;
    assert_run_gets(f, "token-1");
    sb_token_cache *cache = run_begins(f, "other");
    sb_token *token = get(cache);
    assert_string_equal(sb_token_text(token), "token-2");
    sb_token_release(token);
    sb_token_cache_free(cache);
}

static void a_file_open_to_others_is_not_believed_and_replaced(void **state)
{
    fixture *f = *state;
    struct stat st;
    assert_run_gets(f, "token-1");
    SB_AUTOFREE path = cache_file(f);
    assert_int_equal(chmod(path, 0640), 0);
    assert_run_gets(f, "token-2");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_run_gets(f, "token-2");
}

static void a_folder_open_to_others_is_not_used(void **state)
{
    fixture *f = *state;
    assert_int_equal(mkdir(f->cache_dir, 0700), 0);
    assert_int_equal(chmod(f->cache_dir, 0777), 0);
    assert_run_gets(f, "token-1");
    assert_run_gets(f, "token-2");
    assert_int_equal(rmdir(f->cache_dir), 0); /* nothing was left in it */
}

static void a_cache_that_cannot_be_written_costs_no_token(void **state)
{
    fixture *f = *state;
    assert_true(scratch_write(f->dir, "tokens", 0600, "a file where the folder should be"));
    assert_run_gets(f, "token-1");
    assert_run_gets(f, "token-2");
}

static void damaged_files_are_replaced(void **state)
{
    fixture *f = *state;
    static const char *const damaged[] = {
        "",
        "{",
        "[]",
        "{\"access_token\":\"x\"}",
        "{\"access_token\":\"x\",\"requested_s\":1790000000}",
        "{\"access_token\":\"x\",\"requested_s\":\"1790000000\",\"lifetime_s\":300}",
        "{\"access_token\":\"x\",\"requested_s\":-1,\"lifetime_s\":300}",
        "{\"access_token\":\"x\",\"requested_s\":1790000000,\"lifetime_s\":9223372036854775807}",
        "{\"access_token\":\"x y\",\"requested_s\":1790000000,\"lifetime_s\":300}",
        "{\"access_token\":\"\",\"requested_s\":1790000000,\"lifetime_s\":300}",
        "{\"access_token\":\"x\",\"requested_s\":9223372036854775807,\"lifetime_s\":300}",
    };
    assert_run_gets(f, "token-1");
    SB_AUTOFREE path = cache_file(f);
    for (unsigned i = 0; i < SB_ARRAY_LEN(damaged); i++) {
        char want[20];
        assert_int_equal(sb_file_write_atomic(path, 0600, sb_str_from(damaged[i]), NULL), SB_OK);
        (void)snprintf(want, sizeof(want), "token-%u", i + 2);
        assert_run_gets(f, want);
    }
}

static void a_clock_that_went_back_costs_a_request_not_a_dead_token(void **state)
{
    fixture *f = *state;
    assert_run_gets(f, "token-1");
    (void)atomic_fetch_sub(&f->clock.wall_s, 3600);
    assert_run_gets(f, "token-2"); /* token-1 is from the future */
    (void)atomic_fetch_add(&f->clock.wall_s, 7200);
    assert_run_gets(f, "token-3"); /* token-2 looks long dead */
}

static void *one_run(void *arg)
{
    fixture *f = arg;
    sb_token_cache *cache = run_begins(f, "s");
    sb_token *token = get(cache);
    sb_token_release(token);
    sb_token_cache_free(cache);
    return NULL;
}

static void runs_that_start_together_make_one_request(void **state)
{
    fixture *f = *state;
    pthread_t threads[8];
    f->slow = true;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_run, f), 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(f->requests, 1);
    assert_int_equal(f->most_inside, 1);
}

#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(the_next_run_uses_the_same_token),
        CACHE_TEST(its_life_goes_on_counting),
        CACHE_TEST(a_token_in_its_last_quarter_is_replaced),
        CACHE_TEST(an_aging_token_is_better_than_none),
        CACHE_TEST(who_asks_again_wants_another),
        CACHE_TEST(a_refused_token_is_taken_out_of_the_file),
        CACHE_TEST(other_scopes_have_other_tokens),
        CACHE_TEST(a_file_open_to_others_is_not_believed_and_replaced),
        CACHE_TEST(a_folder_open_to_others_is_not_used),
        CACHE_TEST(a_cache_that_cannot_be_written_costs_no_token),
        CACHE_TEST(damaged_files_are_replaced),
        CACHE_TEST(a_clock_that_went_back_costs_a_request_not_a_dead_token),
        CACHE_TEST(runs_that_start_together_make_one_request),
    };
    return cmocka_run_group_tests_name("token cache", tests, NULL, NULL);
}
