/* SPDX-License-Identifier: Apache-2.0 */
/* test_grants_db.c - tokens and used assertions in a database: one token an assertion, whoever asks where and when. */
#include <pthread.h>

#include "payer/auth/client_db.h"
#include "payer/auth/grants_db.h"

#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "payer/state/schema.h"

#define TOKEN_SIZE      44 /* 256 bits in base64url, and a NUL */
#define LIFETIME_S      300
#define CLOCKS_DIFFER_S 60 /* so far may two processes' clocks be apart */

/* One process of those that share a database. */
typedef struct process {
    fake_clock clock;
    sb_pool *pool;
    sb_clients *clients;
    sb_grants *grants;
} process;

static void open_grants(process *p, sb_clients *clients, size_t tokens_max, size_t used_max)
{
    sb_grants_db_options options = {.pool = p->pool,
                                    .clients = clients,
                                    .clock = &p->clock.clock,
                                    .lifetime_s = LIFETIME_S,
                                    .tokens_max = tokens_max,
                                    .used_max = used_max};
    assert_int_equal(sb_grants_db(&options, &p->grants, NULL), SB_OK);
}

static void begin_bounded(process *p, const database *d, size_t tokens_max, size_t used_max)
{
    fake_clock_init(&p->clock);
    assert_int_equal(sb_payer_pool(d->path, 4, &p->pool, NULL), SB_OK);
    assert_int_equal(sb_clients_db(p->pool, &p->clock.clock, &p->clients, NULL), SB_OK);
    open_grants(p, p->clients, tokens_max, used_max);
}

static void begin(process *p, const database *d)
{
    begin_bounded(p, d, 1000, 1000);
}

static void end(process *p)
{
    sb_grants_free(p->grants);
    sb_clients_free(p->clients);
    sb_pool_free(p->pool);
}

static sb_client *make(sb_client_state state)
{
    sb_client *client = NULL;
    sb_client_spec spec = {
        .id = "acme", .scope = "system/*.rs", .jwks_url = "https://acme.example/jwks", .state = state, .created_s = 1};
    assert_int_equal(sb_client_new(&spec, &client, NULL), SB_OK);
    return client;
}

static void add_client(process *p)
{
    SB_AUTOPTR(sb_client) client = make(SB_CLIENT_ACTIVE);
    assert_int_equal(sb_clients_add(p->clients, client, NULL), SB_OK);
}

static sb_issue_answer ask_for(process *p, sb_client *client, const char *jti, int64_t dead_s, char token[TOKEN_SIZE])
{
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    assert_int_equal(sb_scopes_parse("system/Patient.rs", &scopes, NULL), SB_OK);
    sb_issue issue = {.client = client,
                      .scopes = &scopes,
                      .used = sb_digest_of_pair(SB_STR_LIT("acme"), sb_str_from(jti)),
                      .dead_s = dead_s};
    SB_AUTO(sb_buf) drawn = SB_BUF_INIT;
    sb_issue_answer answer = sb_grants_issue(p->grants, &issue, &drawn);
    (void)snprintf(token, TOKEN_SIZE, "%s", sb_buf_cstr(&drawn));
    return answer;
}

static sb_issue_answer ask_until(process *p, const char *jti, int64_t dead_s, char token[TOKEN_SIZE])
{
    SB_AUTOPTR(sb_client) client = make(SB_CLIENT_ACTIVE);
    return ask_for(p, client, jti, dead_s, token);
}

static sb_issue_answer ask(process *p, const char *jti, char token[TOKEN_SIZE])
{
    return ask_until(p, jti, fake_wall_s(&p->clock) + 200, token);
}

static bool good_at(process *p, const char *token)
{
    SB_AUTOPTR(sb_grant) grant = NULL;
    assert_int_equal(sb_grants_find(p->grants, sb_str_from(token), &grant, NULL), SB_OK);
    if (!grant)
        return false;
    assert_string_equal(grant->client->id, "acme");
    assert_int_equal(sb_scopes_cover(&grant->scopes, "Patient", SB_SCOPE_EXPORT), SB_SCOPE_COVERS_ALL);
    assert_int_equal(sb_scopes_cover(&grant->scopes, "Coverage", SB_SCOPE_EXPORT), SB_SCOPE_COVERS_NOT);
    assert_int_equal(grant->expires_s - grant->issued_s, LIFETIME_S + 1); /* no less than it says */
    return true;
}

static void a_token_of_one_process_is_good_at_the_others_and_after_a_restart(database *d)
{
    process here, there;
    char token[TOKEN_SIZE];
    begin(&here, d);
    begin(&there, d);
    add_client(&here);
    assert_int_equal(ask(&here, "1", token), SB_ISSUE_DONE);
    assert_true(good_at(&here, token) && good_at(&there, token));
    assert_false(good_at(&there, "no-such-token"));
    end(&here);
    begin(&here, d);
    assert_true(good_at(&here, token));
    end(&here);
    end(&there);
}

static void an_assertion_used_anywhere_is_used_everywhere(database *d)
{
    process here, there;
    char token[TOKEN_SIZE];
    begin(&here, d);
    begin(&there, d);
    add_client(&here);
    assert_int_equal(ask(&here, "1", token), SB_ISSUE_DONE);
    assert_int_equal(ask(&here, "1", token), SB_ISSUE_REPLAYED);
    assert_int_equal(ask(&there, "1", token), SB_ISSUE_REPLAYED);
    assert_int_equal(ask(&there, "2", token), SB_ISSUE_DONE);
    end(&there);
    begin(&there, d);
    assert_int_equal(ask(&there, "2", token), SB_ISSUE_REPLAYED);
    end(&here);
    end(&there);
}

/* A crowd */

#define CROWD 48

typedef struct racer {
    pthread_t thread;
    process *at;
    const char *jti;
    sb_issue_answer answer;
} racer;

static void *race(void *impl)
{
    racer *r = impl;
    char token[TOKEN_SIZE];
    r->answer = ask(r->at, r->jti, token);
    return NULL;
}

static void of_a_crowd_with_one_assertion_one_gets_a_token(database *d)
{
    process processes[3];
    racer racers[CROWD];
    static const char *const jtis[] = {"x", "y"};
    unsigned won[2] = {0, 0};
    for (size_t i = 0; i < SB_ARRAY_LEN(processes); i++)
        begin(&processes[i], d);
    add_client(&processes[0]);
    for (size_t i = 0; i < CROWD; i++) {
        racers[i] = (racer){.at = &processes[i % 3], .jti = jtis[i / 3 % 2]};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < CROWD; i++) {
        (void)pthread_join(racers[i].thread, NULL);
        assert_true(racers[i].answer == SB_ISSUE_DONE || racers[i].answer == SB_ISSUE_REPLAYED);
        won[i / 3 % 2] += racers[i].answer == SB_ISSUE_DONE;
    }
    assert_true(won[0] == 1 && won[1] == 1);
    for (size_t i = 0; i < SB_ARRAY_LEN(processes); i++)
        end(&processes[i]);
}

static void all_of_a_crowd_with_good_assertions_get_tokens(database *d)
{
    process p;
    racer racers[CROWD];
    char names[CROWD][8];
    begin(&p, d);
    add_client(&p);
    for (size_t i = 0; i < CROWD; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "j%zu", i);
        racers[i] = (racer){.at = &p, .jti = names[i]};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < CROWD; i++) {
        (void)pthread_join(racers[i].thread, NULL);
        assert_int_equal(racers[i].answer, SB_ISSUE_DONE);
    }
    end(&p);
}

/* Ends */

static void a_token_ends_with_its_time(database *d)
{
    process p;
    char token[TOKEN_SIZE];
    begin(&p, d);
    add_client(&p);
    assert_int_equal(ask(&p, "1", token), SB_ISSUE_DONE);
    fake_advance_s(&p.clock, LIFETIME_S);
    assert_true(good_at(&p, token));
    fake_advance_s(&p.clock, 1);
    assert_false(good_at(&p, token));
    end(&p);
}

static void a_revoked_token_is_dead_at_once_here_and_soon_elsewhere(database *d)
{
    process here, there;
    char token[TOKEN_SIZE];
    begin(&here, d);
    begin(&there, d);
    add_client(&here);
    assert_int_equal(ask(&here, "1", token), SB_ISSUE_DONE);
    assert_true(good_at(&here, token) && good_at(&there, token));
    assert_true(sb_grants_revoke(here.grants, sb_str_from(token), SB_STR_LIT("another")));
    assert_true(good_at(&here, token));
    assert_true(sb_grants_revoke(here.grants, sb_str_from(token), SB_STR_LIT("acme")));
    assert_false(good_at(&here, token));
    fake_advance_s(&there.clock, SB_GRANT_STALE_S);
    assert_false(good_at(&there, token));
    assert_int_equal(ask(&here, "2", token), SB_ISSUE_DONE);
    assert_int_equal(sb_grants_revoke_all(here.grants), 1);
    assert_false(good_at(&here, token));
    end(&here);
    end(&there);
}

static void a_suspended_client_has_no_token(database *d)
{
    process p;
    char token[TOKEN_SIZE];
    begin(&p, d);
    add_client(&p);
    assert_int_equal(ask(&p, "1", token), SB_ISSUE_DONE);
    assert_true(good_at(&p, token));
    SB_AUTOPTR(sb_client) suspended = make(SB_CLIENT_SUSPENDED);
    assert_int_equal(sb_clients_replace(p.clients, suspended, NULL), SB_OK);
    assert_false(good_at(&p, token));
    assert_int_equal(sb_clients_remove(p.clients, SB_STR_LIT("acme"), NULL), SB_OK);
    assert_false(good_at(&p, token));
    end(&p);
}

/* It as it is, but for its state. */
static void turn(process *p, sb_client_state state)
{
    SB_AUTOPTR(sb_client) before = NULL;
    SB_AUTOPTR(sb_client) after = NULL;
    SB_AUTOFREE scope = NULL;
    sb_client_spec spec;
    assert_int_equal(sb_clients_find_now(p->clients, "acme", &before, NULL), SB_OK);
    assert_int_equal(sb_client_respec(before, &scope, &spec, NULL), SB_OK);
    spec.state = state;
    assert_int_equal(sb_client_new(&spec, &after, NULL), SB_OK);
    assert_int_equal(sb_clients_replace_if(p->clients, before, after, NULL), SB_OK);
}

/* Processes of two versions, while the new one is put in: as the first version's program wrote them. */
static void a_token_of_a_process_of_before_is_good_until_a_suspension(database *d)
{
    process p;
    char token[TOKEN_SIZE];
    begin(&p, d);
    add_client(&p);
    SB_AUTOPTR(sb_client) is = NULL;
    assert_int_equal(sb_clients_find(p.clients, SB_STR_LIT("acme"), &is, NULL), SB_OK);
    assert_int_equal(ask_for(&p, is, "1", fake_wall_s(&p.clock) + 200, token), SB_ISSUE_DONE);
    {
        SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
        assert_int_equal(sb_lease_take(&lease, p.pool, NULL), SB_OK);
        assert_int_equal(sb_db_exec(lease.db, "UPDATE tokens SET epoch = 0", NULL), SB_OK);
    }
    assert_true(good_at(&p, token));
    turn(&p, SB_CLIENT_SUSPENDED);
    turn(&p, SB_CLIENT_ACTIVE);
    assert_false(good_at(&p, token));
    end(&p);
}

static void tokens_from_before_a_suspension_are_dead_for_good(database *d)
{
    process here, there;
    char before[TOKEN_SIZE], late[TOKEN_SIZE], after[TOKEN_SIZE];
    begin(&here, d);
    begin(&there, d);
    add_client(&here);
    SB_AUTOPTR(sb_client) was = NULL;
    SB_AUTOPTR(sb_client) is = NULL;
    assert_int_equal(sb_clients_find(there.clients, SB_STR_LIT("acme"), &was, NULL), SB_OK);
    int64_t dead_s = fake_wall_s(&here.clock) + 200;
    assert_int_equal(ask_for(&here, was, "1", dead_s, before), SB_ISSUE_DONE);
    assert_true(good_at(&here, before) && good_at(&there, before));
    turn(&here, SB_CLIENT_SUSPENDED);
    turn(&here, SB_CLIENT_ACTIVE);
    assert_int_equal(ask_for(&there, was, "2", dead_s, late), SB_ISSUE_DONE); /* it had not heard of it */
    assert_int_equal(sb_clients_find_now(here.clients, "acme", &is, NULL), SB_OK);
    assert_int_equal(ask_for(&here, is, "3", dead_s, after), SB_ISSUE_DONE);
    assert_false(good_at(&here, before) || good_at(&here, late));
    assert_true(good_at(&here, after) && good_at(&there, after)); /* which has not heard of it yet */
    fake_advance_s(&there.clock, SB_GRANT_STALE_S);
    assert_false(good_at(&there, before) || good_at(&there, late));
    assert_true(good_at(&there, after));
    turn(&here, SB_CLIENT_PENDING);
    assert_int_equal(sb_grants_revoke_all(here.grants), 0); /* nothing is left of it */
    end(&here);
    end(&there);
}

static void tokens_of_a_removed_client_are_not_those_of_one_with_its_id(database *d)
{
    process p;
    char before[TOKEN_SIZE], late[TOKEN_SIZE];
    begin(&p, d);
    add_client(&p);
    assert_int_equal(ask(&p, "1", before), SB_ISSUE_DONE);
    assert_true(good_at(&p, before));
    SB_AUTOPTR(sb_client) was = NULL;
    SB_AUTOPTR(sb_client) next = NULL;
    assert_int_equal(sb_clients_find(p.clients, SB_STR_LIT("acme"), &was, NULL), SB_OK);
    assert_int_equal(sb_clients_remove(p.clients, SB_STR_LIT("acme"), NULL), SB_OK);
    assert_int_equal(ask_for(&p, was, "2", fake_wall_s(&p.clock) + 200, late), SB_ISSUE_DONE);
    sb_client_spec spec = {.id = "acme",
                           .scope = "system/*.rs",
                           .jwks_url = "https://acme.example/jwks",
                           .state = SB_CLIENT_ACTIVE,
                           .created_s = 2};
    assert_int_equal(sb_client_new(&spec, &next, NULL), SB_OK);
    assert_int_equal(sb_clients_add(p.clients, next, NULL), SB_OK);
    assert_false(good_at(&p, before) || good_at(&p, late));
    end(&p);
}

static void a_full_store_refuses_and_forgets_nothing_that_lives(database *d)
{
    process p;
    char token[TOKEN_SIZE], other[TOKEN_SIZE];
    begin_bounded(&p, d, 100, 2);
    add_client(&p);
    assert_int_equal(ask(&p, "1", token), SB_ISSUE_DONE);
    assert_int_equal(ask(&p, "2", other), SB_ISSUE_DONE);
    assert_int_equal(ask(&p, "3", other), SB_ISSUE_REPLAY_FULL);
    assert_int_equal(ask(&p, "1", other), SB_ISSUE_REPLAY_FULL);
    assert_true(good_at(&p, token));
    fake_advance_s(&p.clock, 200 + CLOCKS_DIFFER_S); /* the assertions are dead at each process */
    assert_int_equal(ask(&p, "3", other), SB_ISSUE_DONE);
    end(&p);
    begin_bounded(&p, d, 1, 100);
    fake_advance_s(&p.clock, 200);
    assert_int_equal(ask(&p, "4", token), SB_ISSUE_TOKENS_FULL);
    end(&p);
}

/* Rounds forget a bounded number each; they go on until nothing is left, though the second is the same. */
static void what_ended_all_at_once_makes_room_for_as_many(database *d)
{
    enum { MANY = 100 };
    process p;
    char token[TOKEN_SIZE], jti[32];
    begin_bounded(&p, d, 10 * MANY, MANY);
    add_client(&p);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            (void)snprintf(jti, sizeof(jti), "%d-%d", round, i);
            assert_int_equal(ask(&p, jti, token), SB_ISSUE_DONE);
        }
        assert_int_equal(ask(&p, "more", token), SB_ISSUE_REPLAY_FULL);
        fake_advance_s(&p.clock, 200 + CLOCKS_DIFFER_S);
    }
    end(&p);
}

static void a_clock_that_is_set_back_makes_nothing_good_again(database *d)
{
    process p;
    char token[TOKEN_SIZE];
    begin(&p, d);
    add_client(&p);
    assert_int_equal(ask(&p, "1", token), SB_ISSUE_DONE);
    fake_advance_s(&p.clock, 200 + CLOCKS_DIFFER_S);
    assert_int_equal(ask(&p, "2", token), SB_ISSUE_DONE); /* and "1" is forgotten */
    atomic_fetch_sub(&p.clock.wall_s, 200 + CLOCKS_DIFFER_S);
    assert_int_equal(ask(&p, "1", token), SB_ISSUE_REPLAYED);
    end(&p);
    begin(&p, d); /* its clock is set back, too */
    assert_int_equal(ask(&p, "1", token), SB_ISSUE_REPLAYED);
    end(&p);
}

/* Dead by one clock, alive by another: what is forgotten by the first would be good again at the second. */
static void an_assertion_stays_used_where_the_clock_is_behind(database *d)
{
    process ahead, behind;
    char token[TOKEN_SIZE];
    begin(&ahead, d);
    begin(&behind, d);
    add_client(&ahead);
    atomic_fetch_add(&ahead.clock.wall_s, CLOCKS_DIFFER_S - 1);
    int64_t dead_s = fake_wall_s(&behind.clock) + 200;
    assert_int_equal(ask_until(&behind, "1", dead_s, token), SB_ISSUE_DONE);
    fake_advance_s(&ahead.clock, 199);
    fake_advance_s(&behind.clock, 199);
    assert_int_equal(ask(&ahead, "2", token), SB_ISSUE_DONE); /* and forgets what is dead */
    assert_int_equal(ask_until(&behind, "1", dead_s, token), SB_ISSUE_REPLAYED);
    end(&ahead);
    end(&behind);
}

/* A register in front of another: just when the client of a token is looked for, the token is revoked. */
typedef struct revoker {
    process *p;
    const char *token; /* NULL: nothing is revoked */
} revoker;

static sb_status find_and_revoke(void *impl, sb_str id, sb_client **out, sb_error *err)
{
    revoker *r = impl;
    const char *token = r->token;
    r->token = NULL;
    if (token)
        assert_true(sb_grants_revoke(r->p->grants, sb_str_from(token), SB_STR_LIT("acme")));
    return sb_clients_find(r->p->clients, id, out, err);
}

static void free_nothing(void *impl)
{
    (void)impl;
}

static void a_token_that_is_revoked_while_it_is_looked_up_is_dead_after_that(database *d)
{
    static const sb_clients_ops ops = {.find = find_and_revoke, .free = free_nothing};
    process p;
    char token[TOKEN_SIZE];
    begin(&p, d);
    add_client(&p);
    revoker r = {&p, NULL};
    sb_clients *front = NULL;
    sb_grants_free(p.grants);
    assert_int_equal(sb_clients_new(&ops, &r, &front, NULL), SB_OK);
    open_grants(&p, front, 1000, 1000);
    assert_int_equal(ask(&p, "1", token), SB_ISSUE_DONE);
    r.token = token;
    (void)good_at(&p, token); /* it was, when that began */
    assert_null(r.token);
    assert_false(good_at(&p, token));
    end(&p);
    sb_clients_free(front);
}

static void without_its_database_nobody_is_let_in(void **state)
{
    (void)state;
    SKIP_WITHOUT_POSTGRES(&databases_server);
    process p;
    char token[TOKEN_SIZE], other[TOKEN_SIZE];
    database *d = database_new(true);
    begin(&p, d);
    add_client(&p);
    assert_int_equal(ask(&p, "1", token), SB_ISSUE_DONE);
    postgres_end(&databases_server);
    assert_int_equal(ask(&p, "2", other), SB_ISSUE_FAILED);
    SB_AUTOPTR(sb_grant) grant = NULL;
    assert_int_not_equal(sb_grants_find(p.grants, sb_str_from(token), &grant, NULL), SB_OK); /* not "unknown" */
    assert_null(grant);
    postgres_serve(&databases_server);
    assert_true(good_at(&p, token));
    assert_int_equal(ask(&p, "2", other), SB_ISSUE_DONE);
    end(&p);
    database_free(d);
}

ON_BOTH(a_token_of_one_process_is_good_at_the_others_and_after_a_restart)
ON_BOTH(an_assertion_used_anywhere_is_used_everywhere)
ON_BOTH(of_a_crowd_with_one_assertion_one_gets_a_token)
ON_BOTH(all_of_a_crowd_with_good_assertions_get_tokens)
ON_BOTH(a_token_ends_with_its_time)
ON_BOTH(a_revoked_token_is_dead_at_once_here_and_soon_elsewhere)
ON_BOTH(a_suspended_client_has_no_token)
ON_BOTH(a_token_of_a_process_of_before_is_good_until_a_suspension)
ON_BOTH(tokens_from_before_a_suspension_are_dead_for_good)
ON_BOTH(tokens_of_a_removed_client_are_not_those_of_one_with_its_id)
ON_BOTH(a_full_store_refuses_and_forgets_nothing_that_lives)
ON_BOTH(what_ended_all_at_once_makes_room_for_as_many)
ON_BOTH(a_clock_that_is_set_back_makes_nothing_good_again)
ON_BOTH(an_assertion_stays_used_where_the_clock_is_behind)
ON_BOTH(a_token_that_is_revoked_while_it_is_looked_up_is_dead_after_that)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_token_of_one_process_is_good_at_the_others_and_after_a_restart),
        BOTH(an_assertion_used_anywhere_is_used_everywhere),
        BOTH(of_a_crowd_with_one_assertion_one_gets_a_token),
        BOTH(all_of_a_crowd_with_good_assertions_get_tokens),
        BOTH(a_token_ends_with_its_time),
        BOTH(a_revoked_token_is_dead_at_once_here_and_soon_elsewhere),
        BOTH(a_suspended_client_has_no_token),
        BOTH(a_token_of_a_process_of_before_is_good_until_a_suspension),
        BOTH(tokens_from_before_a_suspension_are_dead_for_good),
        BOTH(tokens_of_a_removed_client_are_not_those_of_one_with_its_id),
        BOTH(a_full_store_refuses_and_forgets_nothing_that_lives),
        BOTH(what_ended_all_at_once_makes_room_for_as_many),
        BOTH(a_clock_that_is_set_back_makes_nothing_good_again),
        BOTH(an_assertion_stays_used_where_the_clock_is_behind),
        BOTH(a_token_that_is_revoked_while_it_is_looked_up_is_dead_after_that),
        cmocka_unit_test(without_its_database_nobody_is_let_in),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
