/* SPDX-License-Identifier: Apache-2.0 */
/* test_expiring.c - the bounded table, and the replay guards: what is remembered, for how long, and what is refused. */
#include "scratch.h"

#include <pthread.h>
#include <stdatomic.h>

#include "payer/auth/expiring.h"
#include "payer/auth/replay_sqlite.h"

static sb_digest key(unsigned n)
{
    return sb_digest_of((sb_str){(const char *)&n, sizeof(n)});
}

static unsigned freed;

static void count_freed(void *value)
{
    (void)value;
    freed++;
}

static void an_entry_lives_until_its_time(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_expiring) t = NULL;
    bool found;
    int value = 1;
    sb_digest k = key(1), other = key(2);
    assert_ok(sb_expiring_new(10, NULL, &t, NULL));
    assert_int_equal(sb_expiring_put(t, &k, 100, 0, &value), SB_EXPIRING_ADDED);
    assert_ptr_equal(sb_expiring_get(t, &k, 99, &found), &value);
    assert_true(found);
    (void)sb_expiring_get(t, &other, 99, &found);
    assert_false(found);
    assert_null(sb_expiring_get(t, &k, 100, &found));
    assert_false(found);
    assert_int_equal(sb_expiring_count(t), 0);
}

static void a_live_entry_is_not_replaced(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_expiring) t = NULL;
    sb_digest k = key(1);
    assert_ok(sb_expiring_new(10, NULL, &t, NULL));
    assert_int_equal(sb_expiring_put(t, &k, 100, 0, NULL), SB_EXPIRING_ADDED);
    assert_int_equal(sb_expiring_put(t, &k, 500, 99, NULL), SB_EXPIRING_EXISTS);
    assert_int_equal(sb_expiring_put(t, &k, 500, 100, NULL), SB_EXPIRING_ADDED);
}

static void a_full_table_refuses_until_something_ends(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_expiring) t = NULL;
    bool found;
    freed = 0;
    assert_ok(sb_expiring_new(1000, count_freed, &t, NULL));
    for (unsigned i = 0; i < 1000; i++) {
        sb_digest k = key(i);
        assert_int_equal(sb_expiring_put(t, &k, i < 10 ? 50 : 100, 0, &freed), SB_EXPIRING_ADDED);
    }
    sb_digest more = key(5000);
    assert_int_equal(sb_expiring_put(t, &more, 100, 49, &freed), SB_EXPIRING_FULL);
    for (unsigned i = 0; i < 1000; i++) { /* nobody had to make room */
        sb_digest k = key(i);
        (void)sb_expiring_get(t, &k, 49, &found);
        assert_true(found);
    }
    assert_int_equal(sb_expiring_put(t, &more, 100, 50, &freed), SB_EXPIRING_ADDED);
    assert_in_range(freed, 1, 10); /* all that ended, or those in its own bucket: buckets are drawn by chance */
    size_t left = 1001 - freed;
    assert_int_equal(sb_expiring_clear(t), left);
    assert_int_equal(freed, 1001);
}

/* Replay guards: the same promises, wherever they remember */

typedef sb_status open_guard(const char *dir, size_t max, sb_replay **out);

static sb_status open_memory(const char *dir, size_t max, sb_replay **out)
{
    (void)dir;
    return sb_replay_memory(max, out, NULL);
}

static sb_status open_sqlite(const char *dir, size_t max, sb_replay **out)
{
    SB_AUTOFREE path = sb_path_join(dir, "used.db");
    return sb_replay_sqlite(path, max, out, NULL);
}

static const struct {
    const char *name;
    open_guard *open;
} guards[] = {{"memory", open_memory}, {"sqlite", open_sqlite}};

static sb_replay_answer use(sb_replay *r, const char *iss, const char *jti, int64_t expires, int64_t now)
{
    return sb_replay_use(r, sb_str_from(iss), sb_str_from(jti), expires, now, NULL);
}

static void a_jti_is_good_once_for_its_issuer(void **state)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(guards); i++) {
        SB_AUTOPTR(sb_replay) r = NULL;
        assert_ok(guards[i].open(*state, 100, &r));
        assert_int_equal(use(r, "a", "bc", 300, 0), SB_REPLAY_FRESH);
        assert_int_equal(use(r, "a", "bc", 300, 0), SB_REPLAY_SEEN);
        assert_int_equal(use(r, "a", "bc", 400, 299), SB_REPLAY_SEEN);
        assert_int_equal(use(r, "ab", "c", 300, 0), SB_REPLAY_FRESH); /* the same letters, cut elsewhere */
        assert_int_equal(use(r, "b", "bc", 300, 0), SB_REPLAY_FRESH);
    }
}

static void a_full_guard_refuses_and_forgets_nothing(void **state)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(guards); i++) {
        SB_AUTOPTR(sb_replay) r = NULL;
        assert_ok(guards[i].open(*state, 3, &r));
        assert_int_equal(use(r, "a", "1", 100, 0), SB_REPLAY_FRESH);
        assert_int_equal(use(r, "a", "2", 200, 0), SB_REPLAY_FRESH);
        assert_int_equal(use(r, "a", "3", 200, 0), SB_REPLAY_FRESH);
        assert_int_equal(use(r, "a", "4", 200, 99), SB_REPLAY_FULL);
        assert_int_equal(use(r, "a", "1", 200, 99), SB_REPLAY_SEEN);
        assert_int_equal(use(r, "a", "4", 200, 100), SB_REPLAY_FRESH);
        assert_int_equal(use(r, "a", "2", 200, 100), SB_REPLAY_SEEN);
        assert_int_equal(use(r, "a", "5", 200, 100), SB_REPLAY_FULL);
    }
}

/* What was forgotten at 100 would be good again at 50, if time could go back. */
static void a_clock_set_back_makes_nothing_good_again(void **state)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(guards); i++) {
        SB_AUTOPTR(sb_replay) r = NULL;
        assert_ok(guards[i].open(*state, 100, &r));
        assert_int_equal(use(r, "a", "1", 100, 0), SB_REPLAY_FRESH);
        assert_int_equal(use(r, "a", "2", 300, 150), SB_REPLAY_FRESH);
        assert_int_equal(use(r, "a", "1", 100, 50), SB_REPLAY_SEEN);
        assert_int_equal(use(r, "a", "3", 140, 50), SB_REPLAY_SEEN); /* perhaps it was used */
        assert_int_equal(use(r, "a", "4", 160, 50), SB_REPLAY_FRESH);
    }
}

static void the_durable_guard_remembers_over_a_restart(void **state)
{
    sb_replay *r = NULL;
    assert_ok(open_sqlite(*state, 2, &r));
    assert_int_equal(use(r, "a", "1", 100, 10), SB_REPLAY_FRESH);
    assert_int_equal(use(r, "a", "2", 100, 50), SB_REPLAY_FRESH);
    sb_replay_free(r);
    assert_ok(open_sqlite(*state, 2, &r));
    assert_int_equal(use(r, "a", "1", 100, 10), SB_REPLAY_SEEN);
    assert_int_equal(use(r, "a", "3", 100, 10), SB_REPLAY_FULL);
    assert_int_equal(use(r, "a", "4", 45, 10), SB_REPLAY_SEEN); /* the clock read 50 once */
    sb_replay_free(r);
}

static void two_on_one_file_are_one(void **state)
{
    SB_AUTOPTR(sb_replay) a = NULL;
    SB_AUTOPTR(sb_replay) b = NULL;
    assert_ok(open_sqlite(*state, 100, &a));
    assert_ok(open_sqlite(*state, 100, &b));
    assert_int_equal(use(a, "a", "1", 100, 0), SB_REPLAY_FRESH);
    assert_int_equal(use(b, "a", "1", 100, 0), SB_REPLAY_SEEN);
    assert_int_equal(use(b, "a", "2", 100, 0), SB_REPLAY_FRESH);
    assert_int_equal(use(a, "a", "2", 100, 0), SB_REPLAY_SEEN);
}

#define RACERS 8
#define ROUNDS 20

typedef struct race {
    sb_replay *replay;
    pthread_barrier_t line;
    atomic_uint fresh;
} race;

static void *run_race(void *impl)
{
    race *r = impl;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char jti[16];
        (void)snprintf(jti, sizeof(jti), "%u", i);
        (void)pthread_barrier_wait(&r->line);
        if (use(r->replay, "a", jti, 100, 0) == SB_REPLAY_FRESH)
            atomic_fetch_add(&r->fresh, 1);
    }
    return NULL;
}

static void of_many_at_once_one_wins(void **state)
{
    for (size_t g = 0; g < SB_ARRAY_LEN(guards); g++) {
        race r = {.replay = NULL};
        pthread_t threads[RACERS];
        assert_ok(guards[g].open(*state, 1000, &r.replay));
        assert_int_equal(pthread_barrier_init(&r.line, NULL, RACERS), 0);
        for (unsigned i = 0; i < RACERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, run_race, &r), 0);
        for (unsigned i = 0; i < RACERS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(atomic_load(&r.fresh), ROUNDS);
        (void)pthread_barrier_destroy(&r.line);
        sb_replay_free(r.replay);
    }
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_lives_until_its_time),
        cmocka_unit_test(a_live_entry_is_not_replaced),
        cmocka_unit_test(a_full_table_refuses_until_something_ends),
        IN_SCRATCH(a_jti_is_good_once_for_its_issuer),
        IN_SCRATCH(a_full_guard_refuses_and_forgets_nothing),
        IN_SCRATCH(a_clock_set_back_makes_nothing_good_again),
        IN_SCRATCH(the_durable_guard_remembers_over_a_restart),
        IN_SCRATCH(two_on_one_file_are_one),
        IN_SCRATCH(of_many_at_once_one_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
