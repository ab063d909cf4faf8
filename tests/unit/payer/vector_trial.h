/* SPDX-License-Identifier: Apache-2.0 */
/* vector_trial.h - the service that a vector of the token endpoint is sent to: its client, its keys, its limits, its
 * stores in memory or in a database, all as the vector says. Closed again, nothing of it is left. */
#ifndef SB_TEST_VECTOR_TRIAL_H
#define SB_TEST_VECTOR_TRIAL_H

#include <smartbulk/audit.h>

#include "service_fixture.h"

#include "../store/databases.h"
#include "payer/auth/client_db.h"
#include "payer/auth/grants_db.h"
#include "payer/auth/rates.h"
#include "payer/auth/refusal.h"
#include "payer/state/schema.h"
#include "vector_assertion.h"

#define CLIENT "partner"

/* One vector's service. */
typedef struct trial {
    fixture *f;
    const json_t *vector;
    vector_client client;
    sb_service *service, *of_fixture;
    database *database; /* NULL: stores are in memory */
    sb_pool *pool;
    sb_clients *clients, *broken; /* one that cannot be read */
    sb_replay *replay;
    sb_grants *grants;
    sb_audit *audit;
    char *audit_path;
    sb_rates *rates;
    sb_jwks_cache *keys;
    const char *algs[8];
    char *last; /* the assertion that was sent last */
    reply reply;
} trial;

static const json_t *member(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

static unsigned number(const json_t *object, const char *name)
{
    return (unsigned)json_integer_value(member(object, name));
}

/* The server */

static sb_status fetch_served(void *impl, const char *url, sb_jwks_answer *out, sb_error *err)
{
    const json_t *server = member(((const trial *)impl)->vector, "server");
    const char *what = sb_json_str(server, "key_sets");
    sb_jwks *set = NULL;
    (void)url;
    if (strcmp(what, "unreachable") == 0)
        return sb_error_set(err, SB_E_NETWORK, "the URL cannot be fetched", "the web is down", "mend it");
    if (strcmp(what, "no set") == 0)
        return sb_buf_add_cstr(&out->body, "<html>sign in</html>") ? SB_OK : SB_E_NOMEM;
    assert_string_equal(what, "served");
    assert_ok(sb_jwks_new(&set, NULL));
    assert_ok(sb_jwks_add(set, vector_key(VECTOR_KEY), NULL));
    SB_AUTOFREE json = sb_jwks_json(set, false);
    sb_jwks_free(set);
    return sb_buf_add_cstr(&out->body, json) ? SB_OK : SB_E_NOMEM;
}

static sb_status find_fails(void *impl, sb_str id, sb_client **out, sb_error *err)
{
    (void)impl, (void)id, (void)out;
    return sb_error_set(err, SB_E_IO, "the register cannot be read", "its disk is gone", "mend it");
}

static void free_nothing(void *impl)
{
    (void)impl;
}

static void add_client(trial *t, sb_client_spec *spec, const json_t *key_names)
{
    SB_AUTOPTR(sb_client) made = NULL;
    if (!spec->jwks_url)
        assert_ok(sb_jwks_new(&spec->jwks, NULL));
    for (size_t i = 0; i < json_array_size(key_names); i++)
        assert_ok(sb_jwks_add(spec->jwks, vector_key(json_string_value(json_array_get(key_names, i))), NULL));
    assert_ok(sb_client_new(spec, &made, NULL));
    assert_ok(sb_clients_add(t->clients, made, NULL));
}

static void add_partner(trial *t)
{
    const json_t *client = member(t->vector, "client"), *keys = member(client, "keys");
    const char *scope = sb_json_str(client, "scope"), *state = sb_json_str(client, "state");
    const char *profile = sb_json_str(client, "profile");
    SB_AUTOJSON usual = json_pack("[s]", VECTOR_KEY);
    sb_client_spec spec = {.id = CLIENT,
                           .scope = scope ? scope : "system/*.rs",
                           .jwks_url = sb_json_str(client, "jwks_url"),
                           .state = SB_CLIENT_ACTIVE,
                           .show_reasons = json_is_true(member(client, "show_reasons")),
                           .tokens_per_minute = number(client, "tokens_per_minute")};
    assert_true(!state || sb_client_state_parse(state, &spec.state));
    assert_true(!profile || sb_client_profile_parse(profile, &spec.profile));
    add_client(t, &spec, spec.jwks_url ? NULL : keys ? keys : usual);
}

/* Whose name and key are not the partner's to use. */
static void add_other(trial *t)
{
    SB_AUTOJSON keys = json_pack("[s]", "stranger " VECTOR_KEY);
    sb_client_spec spec = {.id = "other", .scope = "system/*.rs", .state = SB_CLIENT_ACTIVE};
    add_client(t, &spec, keys);
}

static void open_in_database(trial *t, size_t replay_max, size_t tokens_max)
{
    const sb_clock *clock = &t->f->clock.clock;
    assert_ok(sb_payer_pool(t->database->path, 2, &t->pool, NULL));
    assert_ok(sb_clients_db(t->pool, clock, &t->clients, NULL));
    sb_grants_db_options options = {.pool = t->pool,
                                    .clients = t->clients,
                                    .clock = clock,
                                    .lifetime_s = LIFETIME,
                                    .tokens_max = tokens_max,
                                    .used_max = replay_max};
    assert_ok(sb_grants_db(&options, &t->grants, NULL));
}

static void open_in_memory(trial *t, size_t replay_max, size_t tokens_max)
{
    assert_ok(sb_clients_memory(2, &t->clients, NULL));
    assert_ok(sb_replay_memory(replay_max, &t->replay, NULL));
    assert_ok(sb_grants_memory(&t->f->clock.clock, LIFETIME, tokens_max, t->clients, t->replay, &t->grants, NULL));
}

static void open_stores(trial *t, const json_t *server)
{
    static const sb_clients_ops broken = {.find = find_fails, .free = free_nothing};
    const sb_clock *clock = &t->f->clock.clock;
    unsigned replay_max = number(server, "replay_max"), tokens_max = number(server, "tokens_max");
    (t->database ? open_in_database : open_in_memory)(t, replay_max ? replay_max : 1000,
                                                      tokens_max ? tokens_max : 1000);
    assert_ok(sb_clients_new(&broken, NULL, &t->broken, NULL));
    assert_ok(sb_audit_open(t->audit_path, false, clock, &t->audit, NULL));
    assert_ok(sb_rates_new(clock, number(server, "tokens_per_minute"), &t->rates, NULL));
}

static void choose_algs(trial *t, const json_t *algs)
{
    assert_true(json_array_size(algs) < SB_ARRAY_LEN(t->algs));
    for (size_t i = 0; i < json_array_size(algs); i++)
        t->algs[i] = json_string_value(json_array_get(algs, i));
}

static void choose_key_sets(trial *t, const char *key_sets)
{
    sb_jwks_fetcher fetcher = {t, fetch_served};
    unsigned waiting_max = key_sets && strcmp(key_sets, "busy") == 0 ? 0 : 4;
    if (key_sets)
        assert_ok(sb_jwks_cache_new(&fetcher, &t->f->clock.clock, waiting_max, &t->keys, NULL));
}

static void open_service(trial *t, const json_t *server)
{
    sb_service_options options = t->f->options;
    options.audit = t->audit;
    options.rates = t->rates;
    options.failures_burst = options.failures_per_minute = number(server, "failures_burst");
    options.grants = t->grants;
    options.keys = t->keys;
    options.algs = member(server, "algs") ? t->algs : NULL;
    options.clients = json_is_true(member(server, "register_broken")) ? t->broken : t->clients;
    assert_ok(sb_service_new(&options, &t->service, NULL));
    t->of_fixture = t->f->service;
    t->f->service = t->service;
}

static void trial_open(trial *t, fixture *f, const json_t *vector, database *d)
{
    const json_t *server = member(vector, "server");
    const char *profile = sb_json_str(member(vector, "client"), "profile");
    bool bis = profile && strcmp(profile, "rfc7523bis") == 0;
    *t = (trial){.f = f, .vector = vector, .database = d, .reply = {.answer = SB_ANSWER_INIT}};
    t->audit_path = sb_path_join(f->dir, "audit.ndjson");
    (void)unlink(t->audit_path);
    open_stores(t, server);
    choose_algs(t, member(server, "algs"));
    choose_key_sets(t, sb_json_str(server, "key_sets"));
    add_partner(t);
    add_other(t);
    open_service(t, server);
    t->client = (vector_client){.id = CLIENT,
                                .aud = bis ? BASE : TOKEN_URL,
                                .typ = bis ? "client-authentication+jwt" : "JWT",
                                .now_s = fake_wall_s(&f->clock)};
}

static void trial_close(trial *t)
{
    t->f->service = t->of_fixture;
    sb_service_free(t->service);
    sb_jwks_cache_free(t->keys);
    sb_grants_free(t->grants);
    sb_replay_free(t->replay);
    sb_clients_free(t->clients);
    sb_clients_free(t->broken);
    sb_pool_free(t->pool);
    sb_audit_free(t->audit);
    sb_rates_free(t->rates);
    reply_cleanup(&t->reply);
    free(t->audit_path);
    free(t->last);
}

#endif
