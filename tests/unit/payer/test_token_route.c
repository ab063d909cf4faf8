/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_route.c - the token endpoint, registration and discovery: who gets a token, who does not, and what each is
 * told.                                                                              TOK-02, TOK-04, AUTH-06, AUTH-10 */
#include "service_fixture.h"

/* Tokens */

static void a_good_request_gets_a_token(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, NULL);
    ask_token(f, assertion, "system/Patient.read", &r);
    assert_int_equal(r.status, 200);
    SB_AUTOJSON body = json_loads(r.body, 0, NULL);
    assert_int_equal(strlen(sb_json_str(body, "access_token")), 43); /* 256 bits in base64url */
    assert_string_equal(sb_json_str(body, "token_type"), "bearer");
    assert_true(json_is_integer(json_object_get(body, "expires_in"))); /* TOK-10 */
    assert_int_equal(json_integer_value(json_object_get(body, "expires_in")), LIFETIME);
    assert_string_equal(sb_json_str(body, "scope"), "system/Patient.read");
    assert_string_equal(reply_header(&r, "Cache-Control"), "no-store");
    assert_string_equal(reply_header(&r, "Pragma"), "no-cache");
    assert_string_equal(f->reason, "granted");
    assert_string_equal(f->client, "client-1");
}

static void expect_form(fixture *f, const char *headers, const char *form, unsigned status, const char *error)
{
    SB_AUTO(reply) r = REPLY_INIT;
    send_to(f, "POST", "/token", headers, sb_str_from(form), &r);
    SB_AUTOFREE got = reply_member(&r, "error");
    if (r.status != status || strcmp(got, error) != 0)
        fail_msg("'%.100s': %u %s (%s), not %u %s", form, r.status, got, f->reason, status, error);
    assert_string_equal(reply_header(&r, "Cache-Control"), "no-store");
    assert_string_equal(reply_header(&r, "Pragma"), "no-cache");
    assert_int_equal(status == 401, reply_header(&r, "WWW-Authenticate") != NULL); /* TOK-04 */
    assert_null(strstr(r.body, f->reason));
}

static void a_malformed_request_is_refused_by_the_name_its_mistake_has(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *form, *error;
        unsigned status;
    } cases[] = {
        {"", "invalid_request", 400},
        {"grant_type=", "invalid_request", 400},
        {"grant_type=password", "unsupported_grant_type", 400},
        {"grant_type=password&grant_type=password&client_secret=x", "unsupported_grant_type", 400},
        {"grant_type=CLIENT_CREDENTIALS", "unsupported_grant_type", 400},
        {"grant_type=client_credentials", "invalid_client", 401},
        {"grant_type=client_credentials&grant_type=client_credentials", "invalid_request", 400},
        {"grant_type=client_credentials&scope=a&scope=a", "invalid_request", 400},
        {"grant_type=client_credentials&x=1&x=2", "invalid_request", 400},
        {"grant_type=client_credentials&client_assertion=a", "invalid_request", 400},
        {"grant_type=client_credentials&client_assertion=a&client_assertion_type=x", "invalid_request", 400},
        {"grant_type=client_credentials&client_assertion_type=" JWT_TYPE, "invalid_client", 401},
        {"grant_type=client_credentials&client_id=client-1&client_secret=s", "invalid_client", 401},
        {"grant_type=client_credentials&client_secret=s&client_assertion=a&client_assertion_type=" JWT_TYPE,
         "invalid_request", 400},
        {"grant_type=client_credentials&client_assertion=a.b.c&client_assertion_type=" JWT_TYPE, "invalid_client", 401},
        {"grant_type=client_credentials&client_assertion=&client_assertion_type=" JWT_TYPE, "invalid_client", 401},
        {"grant_type=%zz", "invalid_request", 400},
        {"grant_type=client_credentials%00", "invalid_request", 400},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++)
        expect_form(f, FORM, cases[i].form, cases[i].status, cases[i].error);
}

static void a_form_is_known_by_its_content_type(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, NULL);
    SB_AUTOFREE form = token_form(assertion, "system/*.read");
    expect_form(f, NULL, form, 400, "invalid_request");
    expect_form(f, "Content-Type: application/json\n", form, 400, "invalid_request");
    SB_AUTO(reply) r = REPLY_INIT;
    send_to(f, "POST", "/token", "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\n", sb_str_from(form),
            &r);
    assert_int_equal(r.status, 200);
}

static void two_ways_of_authenticating_are_one_too_many(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, NULL);
    SB_AUTOFREE form = token_form(assertion, "system/*.read");
    expect_form(f, FORM "Authorization: Basic YTpi\n", form, 400, "invalid_request");
    SB_AUTO(reply) r = REPLY_INIT;
    send_to(f, "POST", "/token", FORM "Authorization: Basic YTpi\n", SB_STR_LIT("grant_type=client_credentials"), &r);
    assert_int_equal(r.status, 401);
    assert_contains(reply_header(&r, "WWW-Authenticate"), "Basic");
    send_to(f, "POST", "/token", FORM, sb_str_from(form), &r); /* and the assertion was not used up */
    assert_int_equal(r.status, 200);
}

static void parameters_in_the_url_are_refused(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, NULL);
    SB_AUTOFREE form = token_form(assertion, "system/*.read");
    send_to(f, "POST", "/token?x=1", FORM, sb_str_from(form), &r);
    assert_int_equal(r.status, 400);
    get(f, "/token?grant_type=client_credentials", NULL, &r);
    assert_int_equal(r.status, 405);
    assert_string_equal(reply_header(&r, "Allow"), "POST");
}

static void every_failed_authentication_reads_the_same(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *header, *claims, *reason;
    } cases[] = {
        {"{\"alg\":\"none\"}", NULL, "alg_not_allowed"},
        {"{\"kid\":\"x\"}", NULL, "key_unknown"},
        {NULL, "{\"iss\":\"nobody\",\"sub\":\"nobody\"}", "client_unknown"},
        {NULL, "{\"exp\":1}", "expired"},
        {NULL, "{\"aud\":\"https://other.example\"}", "aud_wrong"},
        {NULL, "{\"jti\":null}", "jti_missing"},
    };
    SB_AUTOFREE first = NULL;
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTO(reply) r = REPLY_INIT;
        SB_AUTOFREE assertion = forge_assertion(&f->forge, cases[i].header, cases[i].claims);
        ask_token(f, assertion, "system/*.read", &r);
        assert_int_equal(r.status, 401);
        assert_string_equal(f->reason, cases[i].reason);
        if (!first)
            first = sb_str_dup(sb_str_from(r.body));
        assert_string_equal(r.body, first);
    }
}

/* Replay */

static void an_assertion_is_good_once(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, NULL);
    ask_token(f, assertion, "system/*.read", &r);
    assert_int_equal(r.status, 200);
    ask_token(f, assertion, "system/*.read", &r);
    assert_int_equal(r.status, 401);
    assert_string_equal(f->reason, "jti_replayed");
}

/* Of `peer`: the token's scope, or another that nobody has, or a revocation. */
static void send_used(fixture *f, const char *peer, const char *assertion, const char *scope)
{
    SB_AUTO(reply) r = REPLY_INIT;
    f->peer = peer;
    if (scope) {
        ask_token(f, assertion, scope, &r);
        return;
    }
    SB_AUTOFREE form = sb_printf("token=x&client_assertion_type=" JWT_TYPE "&client_assertion=%s", assertion);
    send_to(f, "POST", "/revoke", FORM, sb_str_from(form), &r);
}

static void expect_token(fixture *f, const char *peer, unsigned status, const char *reason)
{
    SB_AUTOFREE fresh = forge_assertion(&f->forge, NULL, NULL);
    SB_AUTO(reply) r = REPLY_INIT;
    f->peer = peer;
    ask_token(f, fresh, "system/*.read", &r);
    if (r.status != status || strcmp(f->reason, reason) != 0)
        fail_msg("%u for '%s', not %u for '%s'", r.status, f->reason, status, reason);
}

static void a_used_assertion_takes_nothing_of_its_clients_allowance(void **state)
{
    fixture *f = *state;
    static const char *const scopes[] = {"system/*.read", "user/*.read", NULL};
    SB_AUTOPTR(sb_rates) rates = NULL;
    assert_ok(sb_rates_new(&f->clock.clock, 3, &rates, NULL));
    f->options.rates = rates;
    f->options.failures_burst = 20;
    f->options.failures_per_minute = 60;
    fixture_reopen(f);
    SB_AUTOFREE used = forge_assertion(&f->forge, NULL, NULL);
    send_used(f, "192.0.2.1", used, "system/*.read");
    assert_string_equal(f->reason, "granted");
    for (int i = 0; i < 20; i++)
        send_used(f, "198.51.100.1", used, scopes[i % 3]);
    send_used(f, "198.51.100.1", used, "system/*.read"); /* his address waits: AUTH-11 */
    assert_string_equal(f->reason, "too_many_failures");
    expect_token(f, "192.0.2.1", 200, "granted");
    expect_token(f, "192.0.2.1", 200, "granted");
    expect_token(f, "192.0.2.1", 429, "rate_exceeded");
    f->options.rates = NULL;
    fixture_reopen(f);
}

static void revocations_are_of_the_clients_allowance(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_rates) rates = NULL;
    assert_ok(sb_rates_new(&f->clock.clock, 3, &rates, NULL));
    f->options.rates = rates;
    fixture_reopen(f);
    for (int i = 0; i < 4; i++) {
        SB_AUTOFREE fresh = forge_assertion(&f->forge, NULL, NULL);
        send_used(f, "192.0.2.1", fresh, NULL);
        assert_int_equal(strcmp(f->reason, "rate_exceeded") == 0, i == 3);
    }
    f->options.rates = NULL;
    fixture_reopen(f);
}

static void another_clients_jti_is_another(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    forge theirs = forge_of(f, 2);
    SB_AUTOFREE one = forge_assertion(&f->forge, NULL, "{\"jti\":\"same\"}");
    SB_AUTOFREE two = forge_assertion(&theirs, NULL, "{\"jti\":\"same\"}");
    ask_token(f, one, "system/*.read", &r);
    assert_int_equal(r.status, 200);
    ask_token(f, two, "system/Patient.read", &r);
    assert_int_equal(r.status, 200);
}

/* Whatever is wrong with a request, the jti in it stays good for the right one. */
static void a_bad_request_never_burns_a_good_jti(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    forge evil = f->forge;
    evil.key = f->other;
    SB_AUTOFREE forged = forge_assertion(&evil, NULL, "{\"jti\":\"one\"}");
    SB_AUTOFREE late = forge_assertion(&f->forge, NULL, "{\"jti\":\"one\",\"exp\":\"@-60\"}");
    SB_AUTOFREE good = forge_assertion(&f->forge, NULL, "{\"jti\":\"one\"}");
    ask_token(f, forged, "system/*.read", &r);
    assert_string_equal(f->reason, "signature_invalid");
    ask_token(f, late, "system/*.read", &r);
    assert_string_equal(f->reason, "expired");
    ask_token(f, good, "user/*.read", &r);
    assert_string_equal(f->reason, "scope_not_allowed");
    ask_token(f, good, "", &r);
    assert_string_equal(f->reason, "scope_not_allowed");
    ask_token(f, good, "system/*.read", &r);
    assert_int_equal(r.status, 200);
}

#define RACERS 8

typedef struct racer {
    fixture *f;
    const char *assertion;
    pthread_barrier_t *line;
    unsigned status;
} racer;

static void *run_racer(void *impl)
{
    racer *r = impl;
    SB_AUTO(reply) out = REPLY_INIT;
    (void)pthread_barrier_wait(r->line);
    ask_token(r->f, r->assertion, "system/*.read", &out);
    r->status = out.status;
    return NULL;
}

static void of_two_at_once_one_wins(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 10; round++) {
        pthread_barrier_t line;
        pthread_t threads[RACERS];
        racer racers[RACERS];
        unsigned won = 0;
        SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, NULL);
        assert_int_equal(pthread_barrier_init(&line, NULL, RACERS), 0);
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (racer){f, assertion, &line, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, run_racer, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            won += racers[i].status == 200;
        }
        assert_int_equal(won, 1);
        (void)pthread_barrier_destroy(&line);
    }
}

static void a_full_guard_says_come_back(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->replay_max = 1;
    fixture_reopen(f);
    SB_AUTOFREE one = forge_assertion(&f->forge, NULL, NULL);
    SB_AUTOFREE two = forge_assertion(&f->forge, NULL, NULL);
    ask_token(f, one, "system/*.read", &r);
    assert_int_equal(r.status, 200);
    ask_token(f, two, "system/*.read", &r);
    assert_int_equal(r.status, 503);
    assert_contains(r.body, "temporarily_unavailable");
    assert_non_null(reply_header(&r, "Retry-After"));
    assert_string_equal(f->reason, "replay_store_full");
    ask_token(f, one, "system/*.read", &r); /* and nothing was forgotten */
    assert_string_equal(f->reason, "jti_replayed");
    fake_advance_s(&f->clock, 120 + 15);
    f->forge.now_s = fake_wall_s(&f->clock);
    SB_AUTOFREE three = forge_assertion(&f->forge, NULL, NULL);
    ask_token(f, three, "system/*.read", &r);
    assert_int_equal(r.status, 200);
}

static void no_more_tokens_than_there_is_room_for(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->grants_max = 1;
    fixture_reopen(f);
    SB_AUTOFREE first = bearer(f, 1, "system/*.read");
    SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, NULL);
    ask_token(f, assertion, "system/*.read", &r);
    assert_int_equal(r.status, 503);
    assert_string_equal(f->reason, "token_store_full");
    get(f, "/fhir/Group", first, &r); /* who had one keeps it */
    assert_int_equal(r.status, 200);
}

/* Failures */

static void expect_try(fixture *f, const char *peer, const char *assertion, unsigned status)
{
    SB_AUTO(reply) r = REPLY_INIT;
    f->peer = peer;
    ask_token(f, assertion, "system/*.read", &r);
    if (r.status != status)
        fail_msg("%s: %u (%s), not %u", peer, r.status, f->reason, status);
    assert_int_equal(r.status == 429, reply_header(&r, "Retry-After") != NULL);
}

/* By one assertion of its own. */
static void expect_another(fixture *f, const char *peer, const char *header, unsigned status)
{
    forge by = forge_of(f, 1);
    SB_AUTOFREE assertion = forge_assertion(&by, header, NULL);
    expect_try(f, peer, assertion, status);
}

static void an_address_that_fails_too_often_waits(void **state)
{
    fixture *f = *state;
    f->options.failures_burst = 3;
    f->options.failures_per_minute = 60;
    fixture_reopen(f);
    SB_AUTOFREE bad = forge_assertion(&f->forge, "{\"alg\":\"none\"}", NULL);
    SB_AUTOFREE good = forge_assertion(&f->forge, NULL, NULL);
    SB_AUTOFREE later = forge_assertion(&f->forge, NULL, NULL);
    for (int i = 0; i < 3; i++)
        expect_try(f, "192.0.2.1", bad, 401);
    expect_try(f, "192.0.2.1", bad, 429); /* AUTH-11: not looked at */
    expect_try(f, "192.0.2.1", good, 429);
    assert_string_equal(f->reason, "too_many_failures");
    expect_another(f, "192.0.2.2", NULL, 200); /* the client is not locked out */
    fake_advance_s(&f->clock, 1);
    expect_try(f, "192.0.2.1", later, 200); /* nor is the address, for long; a good try takes nothing */
    expect_try(f, "192.0.2.1", bad, 401);
    expect_try(f, "192.0.2.1", bad, 429);
}

static void the_addresses_of_one_network_are_one(void **state)
{
    fixture *f = *state;
    f->options.failures_burst = 2;
    f->options.failures_per_minute = 60;
    fixture_reopen(f);
    SB_AUTOFREE bad = forge_assertion(&f->forge, "{\"alg\":\"none\"}", NULL);
    expect_try(f, "2001:db8:1:2::1", bad, 401);
    expect_try(f, "2001:db8:1:2:ffff::2", bad, 401);
    expect_try(f, "2001:db8:1:2:1234::3", bad, 429);
    expect_another(f, "2001:db8:1:3::1", "{\"alg\":\"none\"}", 401);
}

static void an_ipv4_address_is_one_though_it_comes_by_an_ipv6_socket(void **state)
{
    fixture *f = *state;
    f->options.failures_burst = 2;
    f->options.failures_per_minute = 60;
    fixture_reopen(f);
    SB_AUTOFREE bad = forge_assertion(&f->forge, "{\"alg\":\"none\"}", NULL);
    expect_try(f, "::ffff:192.0.2.1", bad, 401);
    expect_try(f, "192.0.2.1", bad, 401);
    expect_try(f, "::ffff:192.0.2.1", bad, 429);
    expect_another(f, "::ffff:192.0.2.2", NULL, 200);
}

/* Scopes */

static void expect_scope(fixture *f, int client, const char *asked, const char *granted)
{
    SB_AUTO(reply) r = REPLY_INIT;
    forge by = forge_of(f, client);
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    ask_token(f, assertion, asked, &r);
    SB_AUTOFREE scope = reply_member(&r, "scope");
    SB_AUTOFREE error = reply_member(&r, "error");
    if (granted ? strcmp(scope, granted) != 0 : r.status != 400 || strcmp(error, "invalid_scope") != 0)
        fail_msg("'%s': %u '%s' %s", asked, r.status, scope, error);
}

static void granted_is_what_is_asked_for_and_allowed(void **state)
{
    fixture *f = *state;
    expect_scope(f, 1, "system/Patient.read system/Coverage.rs", "system/Patient.read system/Coverage.rs");
    expect_scope(f, 1, "system/*.*", "system/*.read");
    expect_scope(f, 1, "system/Patient.cruds", "system/Patient.rs");
    expect_scope(f, 2, "system/*.read", "system/Patient.read system/Coverage.read");
    expect_scope(f, 2, "system/Patient.rs system/Group.rs", "system/Patient.rs");
    expect_scope(f, 1, "system/Patient.read user/Patient.read openid", "system/Patient.read");
    expect_scope(f, 2, "system/Group.rs", NULL);
    expect_scope(f, 1, "user/*.read", NULL);
    expect_scope(f, 1, "system/Patient.write", NULL);
    expect_scope(f, 1, "system/Patient", NULL);
    expect_scope(f, 1, "system/Patient.read system/Patient.sr", NULL); /* malformed */
    expect_scope(f, 1, "", NULL);
}

/* Registration */

#define JSON_TYPE "Content-Type: application/json\n"

static char *registration(const sb_key *key, const char *patch)
{
    SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
    SB_AUTOJSON metadata = json_pack("{s:{s:[O]}}", "jwks", "keys", jwk);
    return sb_json_dump(forge_patched(metadata, patch, 0));
}

static void who_registers_gets_tokens(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE body =
        registration(f->other, "{\"client_name\":\"An ACO\",\"scope\":\"system/Patient.* system/Coverage.rs\","
                               "\"grant_types\":[\"client_credentials\"]}");
    send_to(f, "POST", "/register", JSON_TYPE, sb_str_from(body), &r);
    assert_int_equal(r.status, 201);
    SB_AUTOFREE id = reply_member(&r, "client_id");
    SB_AUTOFREE scope = reply_member(&r, "scope");
    assert_string_equal(scope, "system/Patient.read system/Coverage.rs"); /* to write was not to be had */
    assert_contains(r.body, "\"jwks\":{\"keys\":[");
    assert_null(strstr(r.body, "\"d\""));
    forge by = f->forge;
    by.client_id = id;
    by.key = f->other;
    by.kid = "other";
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    ask_token(f, assertion, "system/*.read", &r);
    assert_int_equal(r.status, 200);
}

static void a_registration_that_makes_no_sense_is_refused(void **state)
{
    fixture *f = *state;
    static const char *const patches[] = {
        "{\"jwks\":null}",
        "{\"jwks\":{}}",
        "{\"jwks\":{\"keys\":[]}}",
        "{\"jwks\":null,\"jwks_uri\":\"https://client.example/jwks\"}",
        "{\"jwks_uri\":\"https://client.example/jwks\"}",
        "{\"token_endpoint_auth_method\":\"client_secret_basic\"}",
        "{\"token_endpoint_auth_method\":7}",
        "{\"grant_types\":[\"authorization_code\"]}",
        "{\"grant_types\":\"client_credentials\"}",
        "{\"client_name\":7}",
        "{\"scope\":\"user/*.read\"}",
        "{\"scope\":\"system/Patient.write\"}",
        "{\"scope\":\"\"}",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(patches); i++) {
        SB_AUTO(reply) r = REPLY_INIT;
        SB_AUTOFREE body = registration(f->other, patches[i]);
        send_to(f, "POST", "/register", JSON_TYPE, sb_str_from(body), &r);
        if (r.status != 400 || !strstr(r.body, "invalid_client_metadata"))
            fail_msg("%s: %u %s", patches[i], r.status, r.body);
    }
    static const char *const bodies[] = {"", "[]", "{", "null", "{\"jwks\":{\"keys\":[]},\"jwks\":{\"keys\":[]}}"};
    for (size_t i = 0; i < SB_ARRAY_LEN(bodies); i++) {
        SB_AUTO(reply) r = REPLY_INIT;
        send_to(f, "POST", "/register", JSON_TYPE, sb_str_from(bodies[i]), &r);
        assert_int_equal(r.status, 400);
    }
}

static void who_registers_a_private_key_is_told(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOJSON jwk = sb_key_to_public_jwk(f->other);
    assert_int_equal(json_object_set_new(jwk, "d", json_string("AQAB")), 0);
    SB_AUTOJSON metadata = json_pack("{s:{s:[O]}}", "jwks", "keys", jwk);
    SB_AUTOFREE body = sb_json_dump(metadata);
    send_to(f, "POST", "/register", JSON_TYPE, sb_str_from(body), &r);
    assert_int_equal(r.status, 400);
    assert_null(strstr(r.body, "AQAB"));
}

static void registration_ends_somewhere_and_can_be_off(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE body = registration(f->other, NULL);
    for (int i = 0; i < 58; i++) {     /* of sixty, two are there */
        fake_advance_s(&f->clock, 60); /* not too many at once */
        send_to(f, "POST", "/register", JSON_TYPE, sb_str_from(body), &r);
        assert_int_equal(r.status, 201);
    }
    send_to(f, "POST", "/register", JSON_TYPE, sb_str_from(body), &r);
    assert_int_equal(r.status, 503);
    f->options.registration = SB_REGISTRATION_OFF;
    fixture_reopen(f);
    send_to(f, "POST", "/register", JSON_TYPE, sb_str_from(body), &r);
    assert_int_equal(r.status, 403);
    get(f, "/fhir/.well-known/smart-configuration", NULL, &r);
    assert_null(strstr(r.body, "registration_endpoint"));
}

/* Discovery */

static void our_own_client_finds_its_way(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    get(f, "/fhir/.well-known/smart-configuration", NULL, &r);
    assert_int_equal(r.status, 200);
    SB_AUTOJSON document = json_loads(r.body, 0, NULL);
    assert_string_equal(sb_json_str(document, "token_endpoint"), TOKEN_URL);
    assert_string_equal(sb_json_str(document, "registration_endpoint"), BASE "/register");
    static const char *const members[] = {"grant_types_supported", "token_endpoint_auth_methods_supported",
                                          "token_endpoint_auth_signing_alg_values_supported", "scopes_supported",
                                          "capabilities"};
    for (size_t i = 0; i < SB_ARRAY_LEN(members); i++) /* DISC-02 */
        assert_true(json_array_size(json_object_get(document, members[i])) > 0);
    get(f, "/fhir/metadata", NULL, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.answer.content_type, "application/fhir+json");
    assert_contains(r.body, "oauth-uris");
    assert_contains(r.body, "\"valueUri\":\"" TOKEN_URL "\"");
    assert_contains(r.body, "OperationDefinition/group-export");
    get(f, "/fhir/", NULL, &r);
    assert_int_equal(r.status, 401);
    get(f, "/nothing", NULL, &r);
    assert_int_equal(r.status, 404);
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(a_good_request_gets_a_token),
        WITH_SERVICE(a_malformed_request_is_refused_by_the_name_its_mistake_has),
        WITH_SERVICE(a_form_is_known_by_its_content_type),
        WITH_SERVICE(two_ways_of_authenticating_are_one_too_many),
        WITH_SERVICE(parameters_in_the_url_are_refused),
        WITH_SERVICE(every_failed_authentication_reads_the_same),
        WITH_SERVICE(an_assertion_is_good_once),
        WITH_SERVICE(a_used_assertion_takes_nothing_of_its_clients_allowance),
        WITH_SERVICE(revocations_are_of_the_clients_allowance),
        WITH_SERVICE(another_clients_jti_is_another),
        WITH_SERVICE(a_bad_request_never_burns_a_good_jti),
        WITH_SERVICE(of_two_at_once_one_wins),
        WITH_SERVICE(a_full_guard_says_come_back),
        WITH_SERVICE(no_more_tokens_than_there_is_room_for),
        WITH_SERVICE(an_address_that_fails_too_often_waits),
        WITH_SERVICE(the_addresses_of_one_network_are_one),
        WITH_SERVICE(an_ipv4_address_is_one_though_it_comes_by_an_ipv6_socket),
        WITH_SERVICE(granted_is_what_is_asked_for_and_allowed),
        WITH_SERVICE(who_registers_gets_tokens),
        WITH_SERVICE(a_registration_that_makes_no_sense_is_refused),
        WITH_SERVICE(who_registers_a_private_key_is_told),
        WITH_SERVICE(registration_ends_somewhere_and_can_be_off),
        WITH_SERVICE(our_own_client_finds_its_way),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
