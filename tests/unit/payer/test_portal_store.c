/* SPDX-License-Identifier: Apache-2.0 */
/* test_portal_store.c - links that let in once, sessions that end, and whose clients are, on both databases. */
#include "payer/portal/portal_store.h"

#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "payer/state/schema.h"

#include <pthread.h>

#define assert_ok(status) assert_int_equal((status), SB_OK)

typedef struct store {
    fake_clock clock;
    sb_pool *pool;
    sb_portal_store *store;
} store;

static void begin(store *s, const database *d)
{
    fake_clock_init(&s->clock);
    assert_ok(sb_payer_pool(d->path, 4, &s->pool, NULL));
    assert_ok(sb_portal_store_new(s->pool, &s->clock.clock, &s->store, NULL));
}

static void end(store *s)
{
    sb_portal_store_free(s->store);
    sb_pool_free(s->pool);
}

static sb_portal_person person(const char *who, sb_portal_role role)
{
    sb_portal_person p;
    assert_ok(sb_portal_person_set(&p, role, sb_str_from(who), NULL));
    return p;
}

static void a_link_lets_in_once_and_not_for_long(database *d)
{
    store s;
    char secret[SB_PORTAL_SECRET_SIZE], late[SB_PORTAL_SECRET_SIZE];
    sb_portal_person jane = person("jane", SB_PORTAL_ADMINISTRATOR), out;
    begin(&s, d);
    assert_ok(sb_portal_link_new(s.store, &jane, 60, secret, NULL));
    assert_ok(sb_portal_link_new(s.store, &jane, 60, late, NULL));
    assert_string_not_equal(secret, late);
    assert_ok(sb_portal_link_look(s.store, sb_str_from(secret), &out, NULL));
    assert_ok(sb_portal_link_use(s.store, sb_str_from(secret), &out, NULL));
    assert_string_equal(out.who, "jane");
    assert_int_equal(out.role, SB_PORTAL_ADMINISTRATOR);
    assert_int_equal(sb_portal_link_use(s.store, sb_str_from(secret), &out, NULL), SB_E_NOT_FOUND);
    assert_int_equal(sb_portal_link_look(s.store, sb_str_from(secret), &out, NULL), SB_E_NOT_FOUND);
    fake_advance_s(&s.clock, 60);
    assert_int_equal(sb_portal_link_use(s.store, sb_str_from(late), &out, NULL), SB_E_NOT_FOUND);
    assert_int_equal(sb_portal_link_use(s.store, SB_STR_LIT(""), &out, NULL), SB_E_NOT_FOUND);
    end(&s);
}

typedef struct racer {
    store *s;
    const char *secret;
    sb_status status;
} racer;

static void *use(void *impl)
{
    racer *r = impl;
    sb_portal_person out;
    r->status = sb_portal_link_use(r->s->store, sb_str_from(r->secret), &out, NULL);
    return NULL;
}

static void of_many_who_use_a_link_at_once_one_gets_in(database *d)
{
    store s;
    char secret[SB_PORTAL_SECRET_SIZE];
    sb_portal_person jane = person("jane", SB_PORTAL_PARTNER);
    racer racers[4];
    pthread_t threads[SB_ARRAY_LEN(racers)];
    size_t in = 0;
    begin(&s, d);
    assert_ok(sb_portal_link_new(s.store, &jane, 60, secret, NULL));
    for (size_t i = 0; i < SB_ARRAY_LEN(racers); i++) {
        racers[i] = (racer){&s, secret, SB_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &racers[i]), 0);
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(racers); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        in += racers[i].status == SB_OK;
    }
    assert_int_equal(in, 1);
    end(&s);
}

static void a_session_lasts_a_working_day_or_until_it_is_ended(database *d)
{
    store s;
    char one[SB_PORTAL_SECRET_SIZE], two[SB_PORTAL_SECRET_SIZE];
    sb_portal_person jane = person("jane", SB_PORTAL_PARTNER), out;
    size_t ended = 0;
    begin(&s, d);
    assert_ok(sb_portal_session_new(s.store, &jane, one, NULL));
    assert_ok(sb_portal_session_new(s.store, &jane, two, NULL));
    assert_ok(sb_portal_session_end(s.store, sb_str_from(one), NULL));
    assert_int_equal(sb_portal_session_find(s.store, sb_str_from(one), &out, NULL), SB_E_NOT_FOUND);
    fake_advance_s(&s.clock, SB_PORTAL_SESSION_S - 1);
    assert_ok(sb_portal_session_find(s.store, sb_str_from(two), &out, NULL));
    fake_advance_s(&s.clock, 1);
    assert_int_equal(sb_portal_session_find(s.store, sb_str_from(two), &out, NULL), SB_E_NOT_FOUND);
    assert_ok(sb_portal_session_new(s.store, &jane, one, NULL));
    assert_ok(sb_portal_link_new(s.store, &jane, 60, two, NULL));
    assert_ok(sb_portal_revoke(s.store, "jane", &ended, NULL));
    assert_int_equal(ended, 2);
    assert_int_equal(sb_portal_session_find(s.store, sb_str_from(one), &out, NULL), SB_E_NOT_FOUND);
    assert_int_equal(sb_portal_link_use(s.store, sb_str_from(two), &out, NULL), SB_E_NOT_FOUND);
    end(&s);
}

static void a_person_has_so_many_sessions_and_no_more(database *d)
{
    store s;
    char first[SB_PORTAL_SECRET_SIZE], others[SB_PORTAL_SECRET_SIZE], next[SB_PORTAL_SECRET_SIZE];
    sb_portal_person jane = person("jane", SB_PORTAL_PARTNER), mary = person("mary", SB_PORTAL_PARTNER), out;
    begin(&s, d);
    assert_ok(sb_portal_session_new(s.store, &mary, others, NULL));
    assert_ok(sb_portal_session_new(s.store, &jane, first, NULL));
    for (int i = 0; i < 20; i++) {
        fake_advance_s(&s.clock, 1);
        assert_ok(sb_portal_session_new(s.store, &jane, next, NULL));
    }
    assert_int_equal(sb_portal_session_find(s.store, sb_str_from(first), &out, NULL), SB_E_NOT_FOUND);
    assert_ok(sb_portal_session_find(s.store, sb_str_from(next), &out, NULL));
    assert_ok(sb_portal_session_find(s.store, sb_str_from(others), &out, NULL));
    end(&s);
}

static void nothing_that_lets_in_is_kept_as_it_is(database *d)
{
    store s;
    char secret[SB_PORTAL_SECRET_SIZE];
    sb_portal_person jane = person("jane", SB_PORTAL_PARTNER);
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt;
    bool row = false;
    begin(&s, d);
    assert_ok(sb_portal_session_new(s.store, &jane, secret, NULL));
    assert_ok(sb_lease_take(&lease, s.pool, NULL));
    assert_ok(sb_db_cached(lease.db, "SELECT digest FROM portal_sessions", &stmt, NULL));
    assert_ok(sb_stmt_step(stmt, &row, NULL));
    assert_true(row);
    assert_int_equal(sb_stmt_str(stmt, 0).len, 32);
    assert_null(memmem(sb_stmt_str(stmt, 0).ptr, 32, secret, 8));
    sb_stmt_reset(stmt);
    sb_lease_cleanup(&lease);
    end(&s);
}

static void a_client_is_whose_it_was_made_last(database *d)
{
    store s;
    bool owns = true;
    sb_client client = {.id = (char[]){"c1"}, .created_s = 5}, again = {.id = (char[]){"c1"}, .created_s = 6};
    SB_AUTO(sb_portal_owned) owned = SB_PORTAL_OWNED_INIT;
    begin(&s, d);
    assert_ok(sb_portal_own(s.store, "jane", &client, NULL));
    assert_ok(sb_portal_owns(s.store, "mary", &client, &owns, NULL));
    assert_false(owns);
    assert_ok(sb_portal_owns(s.store, "jane", &again, &owns, NULL));
    assert_false(owns);
    assert_ok(sb_portal_owns(s.store, "jane", &client, &owns, NULL));
    assert_true(owns);
    assert_ok(sb_portal_own(s.store, "mary", &again, NULL));
    assert_ok(sb_portal_owns(s.store, "jane", &client, &owns, NULL));
    assert_false(owns);
    assert_ok(sb_portal_owned_of(s.store, "mary", &owned, NULL));
    assert_int_equal(owned.count, 1);
    assert_string_equal(owned.items[0].client_id, "c1");
    assert_int_equal(owned.items[0].created_s, 6);
    end(&s);
}

static void nobodys_name_is_refused(void **state)
{
    (void)state;
    sb_portal_person p;
    char longest[SB_PORTAL_WHO_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    sb_str bad[] = {SB_STR_LIT(""), SB_STR_LIT("a\nb"), SB_STR_LIT("a\0b"), {longest, sizeof(longest)}};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++)
        assert_int_equal(sb_portal_person_set(&p, SB_PORTAL_PARTNER, bad[i], NULL), SB_E_USAGE);
    assert_ok(sb_portal_person_set(&p, SB_PORTAL_PARTNER, (sb_str){longest, SB_PORTAL_WHO_MAX}, NULL));
}

ON_BOTH(a_link_lets_in_once_and_not_for_long)
ON_BOTH(of_many_who_use_a_link_at_once_one_gets_in)
ON_BOTH(a_session_lasts_a_working_day_or_until_it_is_ended)
ON_BOTH(a_person_has_so_many_sessions_and_no_more)
ON_BOTH(nothing_that_lets_in_is_kept_as_it_is)
ON_BOTH(a_client_is_whose_it_was_made_last)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_link_lets_in_once_and_not_for_long),
        BOTH(of_many_who_use_a_link_at_once_one_gets_in),
        BOTH(a_session_lasts_a_working_day_or_until_it_is_ended),
        BOTH(a_person_has_so_many_sessions_and_no_more),
        BOTH(nothing_that_lets_in_is_kept_as_it_is),
        BOTH(a_client_is_whose_it_was_made_last),
        cmocka_unit_test(nobodys_name_is_refused),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
