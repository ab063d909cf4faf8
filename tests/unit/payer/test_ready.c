/* SPDX-License-Identifier: Apache-2.0 */
/* test_ready.c - readiness: each thing that a payer needs is tried, and what hangs hangs nobody who asks. */
#include "payer/admin/ready.h"

#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "payer/state/schema.h"

#include <dirent.h>
#include <sys/stat.h>

typedef struct bench {
    fake_clock clock;
    sb_pool *pool;
    sb_ready *ready;
    char exports[POSTGRES_URI_SIZE];
    bool keys_good;
} bench;

static bool on_keys(void *impl, char why[SB_READY_WHY_SIZE])
{
    const bench *b = impl;
    (void)snprintf(why, SB_READY_WHY_SIZE, "%s", b->keys_good ? "" : "there are none");
    return b->keys_good;
}

static void begin(bench *b, const database *d)
{
    *b = (bench){.keys_good = true};
    fake_clock_init(&b->clock);
    atomic_store(&b->clock.wall_s, (int64_t)time(NULL)); /* a database server has a clock of its own */
    (void)snprintf(b->exports, sizeof(b->exports), "%s/exports", d->dir);
    assert_int_equal(mkdir(b->exports, 0700), 0);
    assert_int_equal(sb_payer_pool(d->path, 1, &b->pool, NULL), SB_OK);
    sb_ready_options options = {
        .pool = b->pool, .exports_folder = b->exports, .clock = &b->clock.clock, .keys = on_keys, .keys_impl = b};
    assert_int_equal(sb_ready_new(&options, &b->ready, NULL), SB_OK);
}

static void end(bench *b)
{
    sb_ready_free(b->ready);
    sb_pool_free(b->pool);
    assert_int_equal(rmdir(b->exports), 0); /* no trial is left in it */
}

/* After what was found before has grown old. */
static void ask(bench *b, sb_ready_report *r)
{
    fake_advance_s(&b->clock, 1);
    sb_ready_ask(b->ready, r);
}

/* The names of what is not well: "clock exports". */
static const char *unwell(bench *b)
{
    static char names[64];
    sb_ready_report r;
    ask(b, &r);
    assert_false(r.late);
    names[0] = '\0';
    for (size_t i = 0; i < SB_READY_CHECKS; i++) {
        size_t len = strlen(names);
        assert_int_equal(r.checks[i].ok, r.checks[i].why[0] == '\0');
        if (!r.checks[i].ok)
            (void)snprintf(names + len, sizeof(names) - len, "%s%s", len ? " " : "", sb_ready_name((sb_ready_check)i));
    }
    assert_int_equal(r.all, names[0] == '\0');
    return names;
}

static void each_thing_that_is_amiss_is_named_until_it_is_well_again(database *d)
{
    bench b;
    begin(&b, d);
    assert_string_equal(unwell(&b), "");
    b.keys_good = false;
    assert_string_equal(unwell(&b), "keys");
    b.keys_good = true;
    assert_int_equal(rmdir(b.exports), 0);
    assert_string_equal(unwell(&b), "exports");
    assert_int_equal(mkdir(b.exports, 0700), 0);
    assert_string_equal(unwell(&b), "");
    end(&b);
}
ON_BOTH(each_thing_that_is_amiss_is_named_until_it_is_well_again)

static void a_clock_that_went_back_or_is_another_than_the_databases_is_not_ready(database *d)
{
    bench b;
    begin(&b, d);
    int64_t now_s = (int64_t)time(NULL);
    assert_string_equal(unwell(&b), "");
    atomic_store(&b.clock.wall_s, now_s - 10); /* it was set right */
    assert_string_equal(unwell(&b), "");
    atomic_store(&b.clock.wall_s, now_s - 3600);
    assert_string_equal(unwell(&b), "clock");
    atomic_store(&b.clock.wall_s, now_s);
    assert_string_equal(unwell(&b), "");
    atomic_store(&b.clock.wall_s, now_s + 3600); /* only a server has one to compare with */
    assert_string_equal(unwell(&b), d->postgres ? "clock" : "");
    end(&b);
}
ON_BOTH(a_clock_that_went_back_or_is_another_than_the_databases_is_not_ready)

static void a_clock_that_was_never_set_is_not_ready(database *d)
{
    bench b;
    begin(&b, d);
    atomic_store(&b.clock.wall_s, INT64_C(86400)); /* 1970: a machine without a battery */
    assert_string_equal(unwell(&b), "clock");
    end(&b);
}
ON_BOTH(a_clock_that_was_never_set_is_not_ready)

static void what_was_found_is_told_for_a_second(database *d)
{
    bench b;
    sb_ready_report r;
    begin(&b, d);
    ask(&b, &r);
    b.keys_good = false;
    sb_ready_ask(b.ready, &r);
    assert_true(r.all);
    ask(&b, &r);
    assert_false(r.all);
    end(&b);
}
ON_BOTH(what_was_found_is_told_for_a_second)

static bool is_late_at_once(bench *b)
{
    sb_ready_report r;
    int64_t waited_ns = atomic_load(&b->clock.waited_ns);
    ask(b, &r);
    return r.late && atomic_load(&b->clock.waited_ns) == waited_ns;
}

static bool is_well(bench *b)
{
    sb_ready_report r;
    atomic_store(&b->clock.wall_s, (int64_t)time(NULL)); /* it went ahead while somebody asked */
    ask(b, &r);
    return r.all;
}

static void what_hangs_is_said_and_found_when_it_goes_on(database *d)
{
    bench b;
    sb_ready_report r;
    begin(&b, d);
    ask(&b, &r);
    assert_true(r.all);
    sb_lease lease = SB_LEASE_INIT;
    assert_int_equal(sb_lease_take(&lease, b.pool, NULL), SB_OK); /* the only one: who wants another waits */
    b.clock.jumps = true;                                         /* whoever waits for a time has waited */
    ask(&b, &r);
    assert_true(r.late);
    assert_false(r.all);
    assert_true(eventually(is_late_at_once(&b))); /* that it hangs is known: nobody waits any more */
    b.clock.jumps = false;
    sb_lease_cleanup(&lease);
    assert_true(eventually(is_well(&b)));
    end(&b);
}
ON_BOTH(what_hangs_is_said_and_found_when_it_goes_on)

static void execute(sb_pool *pool, const char *sql)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    assert_int_equal(sb_lease_take(&lease, pool, NULL), SB_OK);
    assert_int_equal(sb_db_exec(lease.db, sql, NULL), SB_OK);
}

static void a_database_that_takes_no_row_is_not_ready_and_its_failures_are_counted(database *d)
{
    bench b;
    sb_pool_counts counts;
    begin(&b, d);
    execute(b.pool, "ALTER TABLE versions RENAME TO moved");
    assert_string_equal(unwell(&b), "database");
    execute(b.pool, "ALTER TABLE moved RENAME TO versions");
    assert_string_equal(unwell(&b), "");
    sb_pool_count(b.pool, &counts);
    assert_int_equal(counts.errors, 1);
    assert_int_equal(counts.open, 1);
    assert_int_equal(counts.lent, 0);
    end(&b);
}
ON_BOTH(a_database_that_takes_no_row_is_not_ready_and_its_failures_are_counted)

static void clients_and_exports_are_counted_by_their_state(database *d)
{
    bench b;
    sb_ready_report r;
    begin(&b, d);
    execute(b.pool,
            "INSERT INTO clients (id, state, name, contact, scope, profile, show_reasons, tokens_per_minute,"
            " created_s, changed_s) VALUES ('a', 'pending', '', '', '', 'smart', 0, 0, 1, 1),"
            " ('b', 'active', '', '', '', 'smart', 0, 0, 1, 1), ('c', 'active', '', '', '', 'smart', 0, 0, 1, 1)");
    execute(b.pool,
            "INSERT INTO jobs (id, client_id, state, request, created_us, transaction_us, owner, lease_us, done,"
            " total, finished_s, expires_s) VALUES ('1', 'a', 'queued', '', 9000000, 0, '', 0, 0, 0, 0, 0),"
            " ('2', 'a', 'queued', '', 7000000, 0, '', 0, 0, 0, 0, 0),"
            " ('3', 'a', 'failed', '', 1000000, 0, '', 0, 0, 0, 0, 0)");
    ask(&b, &r);
    assert_true(r.counted);
    assert_int_equal(r.counts.clients_pending, 1);
    assert_int_equal(r.counts.clients_active, 2);
    assert_int_equal(r.counts.clients_suspended, 0);
    assert_int_equal(r.counts.jobs_queued, 2);
    assert_int_equal(r.counts.jobs_failed, 1);
    assert_int_equal(r.counts.oldest_queued_s, 7);
    end(&b);
}
ON_BOTH(clients_and_exports_are_counted_by_their_state)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(each_thing_that_is_amiss_is_named_until_it_is_well_again),
        BOTH(a_clock_that_went_back_or_is_another_than_the_databases_is_not_ready),
        BOTH(a_clock_that_was_never_set_is_not_ready),
        BOTH(what_was_found_is_told_for_a_second),
        BOTH(what_hangs_is_said_and_found_when_it_goes_on),
        BOTH(a_database_that_takes_no_row_is_not_ready_and_its_failures_are_counted),
        BOTH(clients_and_exports_are_counted_by_their_state),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
