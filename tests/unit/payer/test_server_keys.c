/* SPDX-License-Identifier: Apache-2.0 */
/* test_server_keys.c - the keys that sign access tokens: over months, at several processes, and in a database that
 * somebody else wrote to. */
#include <pthread.h>

#include "payer/auth/server_keys.h"

#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "base/json.h"
#include "payer/state/schema.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define DAY_S  86400
#define DAYS   30

/* One process of those that share a database. */
typedef struct process {
    fake_clock clock;
    sb_pool *pool;
    sb_server_keys *keys;
} process;

static sb_status try_open(process *p, const char *secret, sb_error *err)
{
    sb_server_keys_options options = {
        .pool = p->pool, .clock = &p->clock.clock, .secret = sb_str_from(secret), .sign_days = DAYS};
    return sb_server_keys_new(&options, &p->keys, err);
}

static void begin_without_keys(process *p, const database *d)
{
    *p = (process){.keys = NULL};
    fake_clock_init(&p->clock);
    assert_int_equal(sb_payer_pool(d->path, 4, &p->pool, NULL), SB_OK);
}

static void begin(process *p, const database *d)
{
    begin_without_keys(p, d);
    assert_int_equal(try_open(p, SECRET, NULL), SB_OK);
}

static void end(process *p)
{
    sb_server_keys_free(p->keys);
    sb_pool_free(p->pool);
}

typedef struct name {
    char text[SB_KEY_KID_MAX + 1];
} name;

/* Who signs at a process now; "": nobody. */
static name signer(process *p)
{
    SB_AUTOPTR(sb_server_keyset) set = sb_server_keys_take(p->keys);
    const sb_key *key = sb_server_keyset_signer(set, fake_wall_s(&p->clock));
    name out = {""};
    if (key)
        (void)snprintf(out.text, sizeof(out.text), "%s", sb_key_kid(key));
    return out;
}

static bool same(name a, name b)
{
    return strcmp(a.text, b.text) == 0;
}

static sb_jwks *published(process *p)
{
    sb_jwks *jwks = NULL;
    SB_AUTOPTR(sb_server_keyset) set = sb_server_keys_take(p->keys);
    const char *text = sb_server_keyset_json(set);
    assert_null(strstr(text, "\"d\""));
    if (strcmp(text, "{\"keys\":[]}") != 0)
        assert_int_equal(sb_jwks_parse(sb_str_from(text), &jwks, NULL, NULL), SB_OK);
    return jwks;
}

static size_t published_count(process *p)
{
    SB_AUTOPTR(sb_jwks) jwks = published(p);
    return jwks ? sb_jwks_count(jwks) : 0;
}

static bool is_published(process *p, name kid)
{
    SB_AUTOPTR(sb_jwks) jwks = published(p);
    return jwks && sb_jwks_find(jwks, sb_str_from(kid.text)) != NULL;
}

static sb_status knows(process *p, name kid, bool *known)
{
    SB_AUTOPTR(sb_server_keyset) set = NULL;
    const sb_key *key = NULL;
    sb_status status = sb_server_keys_find(p->keys, sb_str_from(kid.text), &set, &key, NULL);
    *known = key != NULL;
    assert_true(!key == !set);
    return status;
}

static bool is_known(process *p, name kid)
{
    bool known;
    assert_int_equal(knows(p, kid, &known), SB_OK);
    return known;
}

static void execute(process *p, const char *sql)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    assert_int_equal(sb_lease_take(&lease, p->pool, NULL), SB_OK);
    assert_int_equal(sb_db_exec(lease.db, sql, NULL), SB_OK);
}

static void the_first_key_signs_at_once_and_outlives_a_restart(database *d)
{
    process p;
    begin(&p, d);
    name first = signer(&p);
    assert_true(first.text[0] && is_published(&p, first) && published_count(&p) == 1);
    end(&p);
    begin(&p, d);
    assert_true(same(signer(&p), first));
    end(&p);
}

/* Hour by hour for a hundred days: each signer was published an hour at least before, and is for two hours after. */
static void a_key_is_published_before_it_signs_and_until_its_last_token_has_ended(database *d)
{
    process p;
    name now = {""}, seen[3] = {{""}};
    int changes = 0, since = 0;
    begin(&p, d);
    now = signer(&p);
    for (int hour = 0; hour < 100 * 24; hour++, since++) {
        SB_AUTOPTR(sb_jwks) before = published(&p);
        fake_advance_s(&p.clock, 3600);
        name next = signer(&p);
        assert_true(next.text[0]);
        if (!same(next, now)) {
            assert_non_null(sb_jwks_find(before, sb_str_from(next.text)));
            assert_in_range(since, DAYS * 24 - 1, DAYS * 24 + 1);
            seen[changes++] = now;
            now = next;
            since = 0;
        }
        if (changes > 0 && since < 2)
            assert_true(is_published(&p, seen[changes - 1]) && is_known(&p, seen[changes - 1]));
        assert_in_range(published_count(&p), 1, 3);
    }
    assert_int_equal(changes, 3);
    assert_false(is_published(&p, seen[0]) || is_known(&p, seen[0]));
    end(&p);
}

static void the_next_key_is_there_a_day_before(database *d)
{
    process p;
    begin(&p, d);
    name first = signer(&p);
    fake_advance_s(&p.clock, (DAYS - 1) * DAY_S - 1);
    assert_int_equal(published_count(&p), 1);
    fake_advance_s(&p.clock, SB_SERVER_KEYS_STALE_S);
    assert_int_equal(published_count(&p), 2);
    assert_true(same(signer(&p), first));
    fake_advance_s(&p.clock, DAY_S);
    assert_false(same(signer(&p), first));
    end(&p);
}

/* Nobody was there to publish the next one: the old one signs on, until that has been seen for an hour. */
static void after_a_pause_the_old_key_signs_until_the_new_one_has_been_seen(database *d)
{
    process p;
    begin(&p, d);
    name first = signer(&p);
    end(&p);
    begin_without_keys(&p, d);
    fake_advance_s(&p.clock, DAYS * DAY_S + DAY_S / 2);
    assert_int_equal(try_open(&p, SECRET, NULL), SB_OK);
    assert_int_equal(published_count(&p), 2);
    assert_true(same(signer(&p), first));
    fake_advance_s(&p.clock, 3599);
    assert_true(same(signer(&p), first));
    fake_advance_s(&p.clock, 1);
    assert_false(same(signer(&p), first));
    end(&p);
}

static void after_a_long_pause_a_new_key_signs_at_once(database *d)
{
    process p;
    begin(&p, d);
    name first = signer(&p);
    end(&p);
    begin_without_keys(&p, d);
    fake_advance_s(&p.clock, 400LL * DAY_S);
    assert_int_equal(try_open(&p, SECRET, NULL), SB_OK);
    assert_true(signer(&p).text[0] && !same(signer(&p), first));
    assert_int_equal(published_count(&p), 1);
    assert_false(is_known(&p, first));
    end(&p);
}

/* Processes */

#define CROWD 6

typedef struct starter {
    pthread_t thread;
    process p;
    sb_status status;
} starter;

static void *start(void *impl)
{
    starter *s = impl;
    s->status = try_open(&s->p, SECRET, NULL);
    return NULL;
}

static void processes_that_start_at_once_agree_on_one_key(database *d)
{
    starter crowd[CROWD];
    for (size_t i = 0; i < CROWD; i++)
        begin_without_keys(&crowd[i].p, d);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, start, &crowd[i]), 0);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(pthread_join(crowd[i].thread, NULL), 0);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(crowd[i].status, SB_OK);
        assert_true(same(signer(&crowd[i].p), signer(&crowd[0].p)));
        assert_int_equal(published_count(&crowd[i].p), 1);
    }
    for (size_t i = 0; i < CROWD; i++)
        end(&crowd[i].p);
}

/* Months in which each makes the next key when it comes to it. */
static void processes_agree_on_each_key_that_follows(database *d)
{
    process here, there;
    begin(&here, d);
    begin(&there, d);
    for (int day = 0; day < 70; day++) {
        process *first = day % 2 ? &here : &there, *second = day % 2 ? &there : &here;
        fake_advance_s(&here.clock, DAY_S);
        fake_advance_s(&there.clock, DAY_S);
        (void)sb_server_keyset_free(sb_server_keys_take(first->keys));
        assert_true(same(signer(first), signer(second)));
        assert_int_equal(published_count(&here), published_count(&there));
    }
    end(&here);
    end(&there);
}

/* A key that another process had to make and use at once is found when its name comes up; names that strangers make up do
 * not have the database asked each time. */
static void a_name_that_is_not_known_is_looked_for_once_a_second(database *d)
{
    process here, there;
    begin(&here, d);
    begin(&there, d);
    execute(&here, "DELETE FROM server_keys");
    fake_advance_s(&here.clock, SB_SERVER_KEYS_STALE_S);
    name made = signer(&here);
    name invented = {"invented"};
    assert_false(is_known(&there, invented)); /* which finds the new one, too */
    assert_true(is_known(&there, made));
    execute(&here, "DELETE FROM server_keys");
    fake_advance_s(&here.clock, SB_SERVER_KEYS_STALE_S);
    made = signer(&here);
    assert_false(is_known(&there, made)); /* within the second */
    fake_advance_s(&there.clock, 1);
    assert_true(is_known(&there, made));
    end(&here);
    end(&there);
}

/* Who signs and who verifies while keys come and go. */
typedef struct user {
    pthread_t thread;
    process *p;
    atomic_bool *over;
    unsigned signers;
} user;

static void *use_keys(void *impl)
{
    user *u = impl;
    while (!atomic_load(u->over))
        u->signers += signer(u->p).text[0] != 0;
    return NULL;
}

/* Sets are kept until all is over: libcrypto is not built for ThreadSanitizer, which would see its objects go and not how
 * it counts who holds them. */
static void keys_change_under_who_uses_them(database *d)
{
    process p;
    user users[CROWD];
    sb_server_keyset *sets[70];
    atomic_bool over;
    atomic_init(&over, false);
    begin(&p, d);
    for (size_t i = 0; i < CROWD; i++) {
        users[i] = (user){.p = &p, .over = &over};
        assert_int_equal(pthread_create(&users[i].thread, NULL, use_keys, &users[i]), 0);
    }
    sets[0] = sb_server_keys_take(p.keys);
    for (size_t day = 1; day < SB_ARRAY_LEN(sets); day++) {
        fake_advance_s(&p.clock, DAY_S);
        while ((sets[day] = sb_server_keys_take(p.keys)) == sets[day - 1]) /* another thread is reading it */
            sb_server_keyset_free(sets[day]);
        assert_non_null(sb_server_keyset_signer(sets[day], fake_wall_s(&p.clock)));
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(pthread_join(users[i].thread, NULL), 0);
    for (size_t i = 0; i < SB_ARRAY_LEN(sets); i++)
        sb_server_keyset_free(sets[i]);
    end(&p);
}

/* What others did to the database */

static void a_key_whose_row_is_deleted_is_believed_no_more(database *d)
{
    process p;
    begin(&p, d);
    name first = signer(&p);
    execute(&p, "DELETE FROM server_keys");
    fake_advance_s(&p.clock, SB_SERVER_KEYS_STALE_S);
    assert_false(is_known(&p, first));
    assert_true(signer(&p).text[0] && !same(signer(&p), first));
    end(&p);
}

static void a_key_of_another_secret_is_neither_used_nor_replaced(database *d)
{
    process p, other;
    sb_error err = SB_ERROR_INIT;
    begin(&p, d);
    begin_without_keys(&other, d);
    assert_int_equal(try_open(&other, "another secret of more than 32 characters", &err), SB_E_USAGE);
    assert_non_null(strstr(err.fix, "auth.token_key_file"));
    fake_advance_s(&p.clock, SB_SERVER_KEYS_STALE_S);
    assert_int_equal(published_count(&p), 1);
    end(&other);
    end(&p);
}

/* Each column is bound to the sealed key; else whoever can write to the database makes an old key live, or a weak one. */
static void a_row_that_was_changed_is_not_believed(database *d)
{
    static const char *const changes[] = {
        "UPDATE server_keys SET ends_s = ends_s + 1",
        "UPDATE server_keys SET signs_from_s = signs_from_s - 1",
        "UPDATE server_keys SET signs_until_s = signs_until_s + 1",
        "UPDATE server_keys SET published_s = published_s - 1",
        "UPDATE server_keys SET serial = serial + 1",
        "UPDATE server_keys SET kid = 'another'",
        "UPDATE server_keys SET alg = 'ES384'",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(changes); i++) {
        process p, again;
        begin(&p, d);
        name first = signer(&p);
        execute(&p, changes[i]);
        begin_without_keys(&again, d);
        assert_int_equal(try_open(&again, SECRET, NULL), SB_E_USAGE);
        fake_advance_s(&p.clock, SB_SERVER_KEYS_STALE_S);
        assert_true(same(signer(&p), first)); /* who runs goes on with what it has */
        execute(&p, "DELETE FROM server_keys");
        end(&again);
        end(&p);
    }
}

static void without_its_database_it_goes_on_with_the_keys_it_has(void **state)
{
    (void)state;
    SKIP_WITHOUT_POSTGRES(&databases_server);
    process p;
    bool known;
    name invented = {"invented"};
    database *d = database_new(true);
    begin(&p, d);
    name first = signer(&p);
    postgres_end(&databases_server);
    fake_advance_s(&p.clock, SB_SERVER_KEYS_STALE_S);
    assert_true(same(signer(&p), first) && is_known(&p, first));
    assert_int_not_equal(knows(&p, invented, &known), SB_OK); /* not "unknown" */
    assert_int_equal(knows(&p, invented, &known), SB_E_BUSY);
    postgres_serve(&databases_server);
    fake_advance_s(&p.clock, SB_SERVER_KEYS_STALE_S);
    assert_true(same(signer(&p), first));
    assert_false(is_known(&p, invented));
    end(&p);
    database_free(d);
}

ON_BOTH(the_first_key_signs_at_once_and_outlives_a_restart)
ON_BOTH(a_key_is_published_before_it_signs_and_until_its_last_token_has_ended)
ON_BOTH(the_next_key_is_there_a_day_before)
ON_BOTH(after_a_pause_the_old_key_signs_until_the_new_one_has_been_seen)
ON_BOTH(after_a_long_pause_a_new_key_signs_at_once)
ON_BOTH(processes_that_start_at_once_agree_on_one_key)
ON_BOTH(processes_agree_on_each_key_that_follows)
ON_BOTH(a_name_that_is_not_known_is_looked_for_once_a_second)
ON_BOTH(keys_change_under_who_uses_them)
ON_BOTH(a_key_whose_row_is_deleted_is_believed_no_more)
ON_BOTH(a_key_of_another_secret_is_neither_used_nor_replaced)
ON_BOTH(a_row_that_was_changed_is_not_believed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(the_first_key_signs_at_once_and_outlives_a_restart),
        BOTH(a_key_is_published_before_it_signs_and_until_its_last_token_has_ended),
        BOTH(the_next_key_is_there_a_day_before),
        BOTH(after_a_pause_the_old_key_signs_until_the_new_one_has_been_seen),
        BOTH(after_a_long_pause_a_new_key_signs_at_once),
        BOTH(processes_that_start_at_once_agree_on_one_key),
        BOTH(processes_agree_on_each_key_that_follows),
        BOTH(a_name_that_is_not_known_is_looked_for_once_a_second),
        BOTH(keys_change_under_who_uses_them),
        BOTH(a_key_whose_row_is_deleted_is_believed_no_more),
        BOTH(a_key_of_another_secret_is_neither_used_nor_replaced),
        BOTH(a_row_that_was_changed_is_not_believed),
        cmocka_unit_test(without_its_database_it_goes_on_with_the_keys_it_has),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
