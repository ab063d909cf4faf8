/* SPDX-License-Identifier: Apache-2.0 */
/* test_registration.c - registration as a payer has it: who may, who waits for a person, keys at a URL; and what a client may
 * change of it afterwards.                                                                 RFC 7591, RFC 7592, KEY-07 */
#include "service_fixture.h"

#define JSON_TYPE "Content-Type: application/json\n"
#define INITIAL   "initial-access-token-of-at-least-32-characters"
#define URL       "https://client.example/jwks"

typedef struct web {
    sb_guard *guard;
    sb_jwks_cache *cache;
    const sb_key *served; /* NULL: down */
    unsigned fetches;
} web;

static web the_web;

static sb_status fetch(void *impl, const char *url, sb_jwks_answer *out, sb_error *err)
{
    web *w = impl;
    (void)url;
    w->fetches++;
    if (!w->served)
        return sb_error_set(err, SB_E_SERVER, "the URL cannot be fetched", "it answers 404", "mend it");
    SB_AUTOJSON jwk = sb_key_to_public_jwk(w->served);
    SB_AUTOJSON set = json_pack("{s:[O]}", "keys", jwk);
    SB_AUTOFREE text = sb_json_dump(set);
    return sb_buf_add_cstr(&out->body, text) ? SB_OK : SB_E_NOMEM;
}

static int set_up_web(void **state)
{
    if (set_up(state) != 0)
        return -1;
    fixture *f = *state;
    the_web = (web){.served = f->other};
    sb_jwks_fetcher fetcher = {&the_web, fetch};
    assert_ok(sb_guard_new(&(sb_guard_options){.network_count = 0}, &the_web.guard, NULL));
    assert_ok(sb_jwks_cache_new(&fetcher, &f->clock.clock, 4, &the_web.cache, NULL));
    f->options.guard = the_web.guard;
    f->options.keys = the_web.cache;
    fixture_reopen(f);
    return 0;
}

static int tear_down_web(void **state)
{
    int result = tear_down(state);
    sb_jwks_cache_free(the_web.cache);
    sb_guard_free(the_web.guard);
    return result;
}

static void use_mode(fixture *f, sb_registration_mode mode)
{
    static sb_digest token;
    token = sb_digest_of(SB_STR_LIT(INITIAL));
    f->options.registration = mode;
    f->options.registration_token = &token;
    fixture_reopen(f);
}

/* Metadata with a key set, patched. */
static char *metadata_of(const sb_key *key, const char *patch)
{
    SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
    SB_AUTOJSON metadata = json_pack("{s:{s:[O]}}", "jwks", "keys", jwk);
    return sb_json_dump(forge_patched(metadata, patch, 0));
}

static void post(fixture *f, const char *authorization, const char *patch, reply *out)
{
    SB_AUTOFREE body = metadata_of(f->other, patch);
    SB_AUTOFREE headers = sb_printf(JSON_TYPE "%s", authorization);
    send_to(f, "POST", "/register", headers, sb_str_from(body), out);
}

/* A token for that client, signed with `other`: the status of the answer. */
static unsigned token_status(fixture *f, const char *id)
{
    SB_AUTO(reply) r = REPLY_INIT;
    forge by = forge_of(f, 2);
    by.client_id = id;
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    ask_token(f, assertion, "system/Patient.rs", &r);
    return r.status;
}

static void set_state(fixture *f, const char *id, sb_client_state state)
{
    SB_AUTOFREE scope = NULL;
    sb_client_spec spec;
    SB_AUTOPTR(sb_client) old = NULL;
    SB_AUTOPTR(sb_client) new = NULL;
    assert_ok(sb_clients_find(f->clients, sb_str_from(id), &old, NULL));
    assert_ok(sb_client_respec(old, &scope, &spec, NULL));
    spec.state = state;
    spec.admission = SB_ADMISSION_PERSON;
    spec.self_changed = 0;
    spec.changed_s++;
    assert_ok(sb_client_new(&spec, &new, NULL));
    assert_ok(sb_clients_replace(f->clients, new, NULL));
}

static unsigned group_status(fixture *f, const char *token)
{
    SB_AUTO(reply) r = REPLY_INIT;
    get(f, "/fhir/Group", token, &r);
    return r.status;
}

static void tokens_from_before_a_suspension_are_dead_for_good(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE before = bearer(f, 1, "system/*.rs");
    assert_int_equal(group_status(f, before), 200);
    set_state(f, "client-1", SB_CLIENT_SUSPENDED);
    assert_int_equal(group_status(f, before), 401);
    set_state(f, "client-1", SB_CLIENT_ACTIVE);
    SB_AUTOFREE after = bearer(f, 1, "system/*.rs");
    assert_int_equal(group_status(f, after), 200);
    assert_int_equal(group_status(f, before), 401);
}

/* Who may */

static void who_asks_waits_for_a_person(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    use_mode(f, SB_REGISTRATION_PENDING);
    post(f, "", "{\"client_name\":\"An ACO\"}", &r);
    assert_int_equal(r.status, 201);
    assert_string_equal(f->reason, "registration_pending");
    SB_AUTOFREE id = reply_member(&r, "client_id");
    SB_AUTOFREE says = reply_member(&r, "client_state");
    assert_string_equal(says, "pending");
    assert_int_equal(token_status(f, id), 401);
    assert_string_equal(f->reason, "client_pending");
    set_state(f, id, SB_CLIENT_ACTIVE);
    assert_int_equal(token_status(f, id), 200);
    set_state(f, id, SB_CLIENT_SUSPENDED);
    assert_int_equal(token_status(f, id), 401);
    assert_string_equal(f->reason, "client_suspended");
}

static void the_initial_token_lets_in_and_nothing_else_does(void **state)
{
    fixture *f = *state;
    static const char *const wrong[] = {"",
                                        "Authorization: Bearer \n",
                                        "Authorization: Bearer " INITIAL "x\n",
                                        "Authorization: Basic " INITIAL "\n",
                                        "Authorization: " INITIAL "\n",
                                        "Authorization: Bearer " INITIAL "\nAuthorization: Bearer " INITIAL "\n"};
    SB_AUTO(reply) r = REPLY_INIT;
    use_mode(f, SB_REGISTRATION_TOKEN);
    for (size_t i = 0; i < SB_ARRAY_LEN(wrong); i++) {
        post(f, wrong[i], NULL, &r);
        assert_int_equal(r.status, 401);
        assert_non_null(reply_header(&r, "WWW-Authenticate"));
        assert_null(strstr(r.body, INITIAL));
    }
    post(f, "Authorization: Bearer " INITIAL "\n", NULL, &r);
    assert_int_equal(r.status, 201);
    SB_AUTOFREE id = reply_member(&r, "client_id");
    assert_int_equal(token_status(f, id), 200);
}

static void a_mode_that_asks_for_a_token_it_does_not_have_lets_nobody_in(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->options.registration = SB_REGISTRATION_TOKEN;
    f->options.registration_token = NULL;
    fixture_reopen(f);
    post(f, "Authorization: Bearer " INITIAL "\n", NULL, &r);
    assert_int_equal(r.status, 401);
}

static void one_address_registers_so_often_and_no_more(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    use_mode(f, SB_REGISTRATION_PENDING);
    for (int i = 0; i < 20; i++) {
        post(f, "", "{\"scope\":7}", &r);
        assert_int_equal(r.status, 400);
    }
    post(f, "", NULL, &r);
    assert_int_equal(r.status, 429);
    assert_non_null(reply_header(&r, "Retry-After"));
    f->peer = "198.51.100.7";
    post(f, "", NULL, &r);
    assert_int_equal(r.status, 201);
    SB_AUTOFREE one = forge_assertion(&f->forge, NULL, NULL); /* tokens are another matter */
    f->peer = NULL;
    ask_token(f, one, "system/Patient.rs", &r);
    assert_int_equal(r.status, 200);
}

/* From one network after another, at a pace that no limit of rates sees. */
static unsigned register_slowly(fixture *f, const char *peer)
{
    SB_AUTO(reply) r = REPLY_INIT;
    f->peer = peer;
    fake_advance_s(&f->clock, 60);
    post(f, "", NULL, &r);
    return r.status;
}

static void one_network_does_not_keep_all_others_from_registering(void **state)
{
    fixture *f = *state;
    static const char *const same[] = {"2001:db8:7:7::1", "2001:db8:7:7:ffff::2"};
    use_mode(f, SB_REGISTRATION_PENDING);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(register_slowly(f, same[i % 2]), 201);
    assert_int_equal(register_slowly(f, same[0]), 503);
    assert_string_equal(f->reason, "registration_unavailable");
    assert_int_equal(register_slowly(f, "2001:db8:7:8::1"), 201);
    assert_int_equal(register_slowly(f, "192.0.2.7"), 201);
}

static sb_status count_one(void *context, sb_client *client, sb_error *err)
{
    (void)err;
    *(size_t *)context += client->state == SB_CLIENT_PENDING;
    return SB_OK;
}

static size_t count_waiting(fixture *f)
{
    size_t count = 0;
    assert_ok(sb_clients_each(f->clients, count_one, &count, NULL));
    return count;
}

static void who_waits_for_too_long_is_forgotten(void **state)
{
    fixture *f = *state;
    use_mode(f, SB_REGISTRATION_PENDING);
    assert_int_equal(register_slowly(f, "192.0.2.7"), 201);
    fake_advance_s(&f->clock, 14 * 86400 - 61);
    assert_int_equal(register_slowly(f, "192.0.2.8"), 201);
    assert_int_equal(count_waiting(f), 2);
    assert_int_equal(register_slowly(f, "192.0.2.9"), 201);
    assert_int_equal(count_waiting(f), 2);
    f->options.registration_pending_days = 1;
    use_mode(f, SB_REGISTRATION_PENDING);
    assert_int_equal(register_slowly(f, "192.0.2.7"), 201);
    fake_advance_s(&f->clock, 86400);
    assert_int_equal(register_slowly(f, "192.0.2.8"), 201);
    assert_int_equal(count_waiting(f), 1);
}

static void who_waits_for_too_long_is_forgotten_though_nobody_else_registers(void **state)
{
    fixture *f = *state;
    use_mode(f, SB_REGISTRATION_PENDING);
    assert_int_equal(register_slowly(f, "192.0.2.7"), 201);
    fake_advance_s(&f->clock, 14 * 86400 - 61);
    sb_service_sweep(f->service);
    assert_int_equal(count_waiting(f), 1);
    fake_advance_s(&f->clock, 61);
    sb_service_sweep(f->service);
    assert_int_equal(count_waiting(f), 0);
}

static void nobody_gets_more_than_is_configured(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->options.registration_scope = "system/Patient.rs system/Coverage.rs";
    use_mode(f, SB_REGISTRATION_OPEN);
    post(f, "", "{\"scope\":\"system/*.rs\"}", &r);
    SB_AUTOFREE all = reply_member(&r, "scope");
    assert_string_equal(all, "system/Patient.rs system/Coverage.rs");
    post(f, "", NULL, &r);
    SB_AUTOFREE none = reply_member(&r, "scope");
    assert_string_equal(none, "system/Patient.rs system/Coverage.rs");
    post(f, "", "{\"scope\":\"system/ExplanationOfBenefit.rs\"}", &r);
    assert_int_equal(r.status, 400);
}

/* Keys at a URL */

static void keys_at_a_url_are_looked_at_on_the_spot(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    post(f, "", "{\"jwks\":null,\"jwks_uri\":\"" URL "\"}", &r);
    assert_int_equal(r.status, 201);
    assert_int_equal(the_web.fetches, 1);
    SB_AUTOFREE uri = reply_member(&r, "jwks_uri");
    SB_AUTOFREE id = reply_member(&r, "client_id");
    assert_string_equal(uri, URL);
    assert_int_equal(token_status(f, id), 200);
    assert_int_equal(the_web.fetches, 1);
    the_web.served = NULL;
    post(f, "", "{\"jwks\":null,\"jwks_uri\":\"https://other.example/jwks\"}", &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "404"));
}

static void for_a_stranger_nothing_is_fetched(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    use_mode(f, SB_REGISTRATION_PENDING);
    post(f, "", "{\"jwks\":null,\"jwks_uri\":\"" URL "\"}", &r);
    assert_int_equal(r.status, 201);
    SB_AUTOFREE id = reply_member(&r, "client_id");
    assert_int_equal(token_status(f, id), 401);
    assert_int_equal(the_web.fetches, 0);
    set_state(f, id, SB_CLIENT_ACTIVE);
    assert_int_equal(token_status(f, id), 200);
    assert_int_equal(the_web.fetches, 1);
}

static void a_url_or_a_set_that_makes_no_sense_is_refused(void **state)
{
    fixture *f = *state;
    static const char *const patches[] = {
        "{\"jwks_uri\":\"" URL "\"}", /* and jwks */
        "{\"jwks\":null,\"jwks_uri\":\"http://client.example/jwks\"}",
        "{\"jwks\":null,\"jwks_uri\":\"https://127.0.0.1/jwks\"}",
        "{\"jwks\":null,\"jwks_uri\":\"https://169.254.169.254/\"}",
        "{\"jwks\":null,\"jwks_uri\":\"https://u:p@client.example/\"}",
        "{\"jwks\":null,\"jwks_uri\":\"file:///etc/passwd\"}",
        "{\"jwks\":null,\"jwks_uri\":\"\"}",
        "{\"jwks\":null,\"jwks_uri\":7}",
        "{\"jwks\":null,\"jwks_uri\":[\"" URL "\"]}",
        "{\"jwks\":null}",
        "{\"jwks\":\"{}\"}",
        "{\"contacts\":\"a@b.example\"}",
        "{\"contacts\":[7]}",
        "{\"contacts\":[\"a\\nb\"]}",
        "{\"client_name\":\"a\\u001bb\"}",
        "{\"token_endpoint_auth_signing_alg\":\"RS256\"}",
        "{\"token_endpoint_auth_signing_alg\":\"none\"}",
        "{\"token_endpoint_auth_signing_alg\":7}",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(patches); i++) {
        SB_AUTO(reply) r = REPLY_INIT;
        f->peer = i % 2 ? "192.0.2.9" : "192.0.2.10"; /* within the limit of each address */
        post(f, "", patches[i], &r);
        if (r.status != 400 || !strstr(r.body, "invalid_client_metadata"))
            fail_msg("%s: %u %s", patches[i], r.status, r.body);
    }
    assert_int_equal(the_web.fetches, 0);
}

/* Afterwards */

typedef struct registered {
    char *id, *path, *token;
} registered;

static void registered_cleanup(registered *it)
{
    free(it->id);
    free(it->path);
    free(it->token);
}

static void register_one(fixture *f, const char *patch, registered *out)
{
    SB_AUTO(reply) r = REPLY_INIT;
    post(f, "", patch, &r);
    assert_int_equal(r.status, 201);
    SB_AUTOFREE url = reply_member(&r, "registration_client_uri");
    SB_AUTOFREE token = reply_member(&r, "registration_access_token");
    assert_true(strlen(token) > 40);
    out->id = reply_member(&r, "client_id");
    out->path = sb_printf("/register/%s", out->id);
    out->token = sb_printf("Authorization: Bearer %s\n", token);
    assert_true(sb_str_starts_with(sb_str_from(url), SB_STR_LIT(BASE "/register/")));
}

static unsigned put(fixture *f, const registered *it, const sb_key *key, const char *patch, reply *out)
{
    SB_AUTOJSON base = json_pack("{s:s}", "client_id", it->id);
    SB_AUTOFREE text = metadata_of(key, NULL);
    SB_AUTOJSON whole = json_loads(text, 0, NULL);
    assert_int_equal(json_object_update(whole, base), 0);
    SB_AUTOFREE body = sb_json_dump(forge_patched(whole, patch, 0));
    SB_AUTOFREE headers = sb_printf(JSON_TYPE "%s", it->token);
    send_to(f, "PUT", it->path, headers, sb_str_from(body), out);
    return out->status;
}

static void a_client_reads_changes_and_ends_its_registration(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(registered) it = {NULL, NULL, NULL};
    register_one(f, "{\"scope\":\"system/Patient.rs\",\"contacts\":[\"a@b.example\",\"c@d.example\"]}", &it);
    get(f, it.path, it.token, &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "a@b.example, c@d.example"));
    assert_string_equal(reply_header(&r, "Cache-Control"), "no-store");
    assert_int_equal(token_status(f, it.id), 200);
    assert_int_equal(put(f, &it, f->rsa, "{\"client_name\":\"New\"}", &r), 200);
    assert_int_equal(token_status(f, it.id), 401); /* that key is no longer registered */
    assert_int_equal(put(f, &it, f->other, NULL, &r), 200);
    assert_int_equal(token_status(f, it.id), 200);
    send_to(f, "DELETE", it.path, it.token, SB_STR_NULL, &r);
    assert_int_equal(r.status, 204);
    assert_int_equal(token_status(f, it.id), 401);
    get(f, it.path, it.token, &r);
    assert_int_equal(r.status, 401);
}

static void a_change_never_widens_what_was_agreed(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(registered) it = {NULL, NULL, NULL};
    use_mode(f, SB_REGISTRATION_PENDING);
    register_one(f, "{\"scope\":\"system/Patient.rs system/Coverage.rs\"}", &it);
    assert_int_equal(put(f, &it, f->other, "{\"scope\":\"system/*.rs\",\"client_state\":\"active\"}", &r), 200);
    SB_AUTOFREE scope = reply_member(&r, "scope");
    SB_AUTOFREE says = reply_member(&r, "client_state");
    assert_string_equal(scope, "system/Patient.rs system/Coverage.rs");
    assert_string_equal(says, "pending");
    assert_int_equal(put(f, &it, f->other, "{\"scope\":\"system/Patient.rs\"}", &r), 200);
    assert_int_equal(put(f, &it, f->other, "{\"scope\":\"system/Coverage.rs\"}", &r), 400);
    set_state(f, it.id, SB_CLIENT_SUSPENDED);
    assert_int_equal(put(f, &it, f->other, NULL, &r), 403);
    send_to(f, "DELETE", it.path, it.token, SB_STR_NULL, &r);
    assert_int_equal(r.status, 403);
}

static unsigned bearer_status(fixture *f, const char *headers)
{
    SB_AUTO(reply) r = REPLY_INIT;
    get(f, "/fhir/jobs/none", headers, &r); /* 404, to who may ask */
    return r.status;
}

/* "Authorization: Bearer …" with a token for that client, signed with `other`; malloc'ed. */
static char *bearer_of(fixture *f, const char *id)
{
    SB_AUTO(reply) r = REPLY_INIT;
    forge by = forge_of(f, 2);
    by.client_id = id;
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    ask_token(f, assertion, "system/Patient.rs", &r);
    assert_int_equal(r.status, 200);
    SB_AUTOFREE token = reply_member(&r, "access_token");
    return sb_printf("Authorization: Bearer %s\n", token);
}

static void expect_state(fixture *f, const char *id, sb_client_state state, unsigned self_changed)
{
    SB_AUTOPTR(sb_client) now = NULL;
    assert_ok(sb_clients_find(f->clients, sb_str_from(id), &now, NULL));
    assert_int_equal(now->state, state);
    assert_int_equal(now->self_changed, self_changed);
}

#define METADATA "\"client_name\":\"An ACO\",\"contacts\":[\"it@aco.example\"],\"scope\":\"system/Patient.rs\""

static void who_was_approved_and_changes_keys_or_name_waits_again(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *patch;
        unsigned changed;
    } cases[] = {{"{" METADATA ",\"jwks\":null,\"jwks_uri\":\"" URL "\"}", SB_CLIENT_KEYS},
                 {"{" METADATA ",\"client_name\":\"Another\"}", SB_CLIENT_NAME},
                 {"{" METADATA ",\"contacts\":[\"mallory@rival.example\"]}", SB_CLIENT_CONTACT},
                 {"{\"scope\":\"system/Patient.rs\"}", SB_CLIENT_NAME | SB_CLIENT_CONTACT}};
    SB_AUTO(registered) it = {NULL, NULL, NULL};
    use_mode(f, SB_REGISTRATION_PENDING);
    register_one(f, "{" METADATA "}", &it);
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTO(reply) r = REPLY_INIT;
        assert_int_equal(put(f, &it, f->other, "{" METADATA "}", &r), 200); /* back to what it was */
        set_state(f, it.id, SB_CLIENT_ACTIVE);
        SB_AUTOFREE bearer = bearer_of(f, it.id);
        assert_int_equal(bearer_status(f, bearer), 404);
        assert_int_equal(put(f, &it, f->other, cases[i].patch, &r), 200);
        assert_string_equal(f->reason, "registration_pending");
        SB_AUTOFREE says = reply_member(&r, "client_state");
        assert_string_equal(says, "pending");
        expect_state(f, it.id, SB_CLIENT_PENDING, cases[i].changed);
        assert_int_equal(bearer_status(f, bearer), 401);
        assert_int_equal(token_status(f, it.id), 401);
        assert_string_equal(f->reason, "client_pending");
    }
}

static void keys_that_are_swapped_after_the_approval_get_no_token(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(registered) it = {NULL, NULL, NULL};
    use_mode(f, SB_REGISTRATION_OPEN); /* what a person confirmed is so, however others come in */
    register_one(f, NULL, &it);
    set_state(f, it.id, SB_CLIENT_ACTIVE);
    assert_int_equal(put(f, &it, f->rsa, NULL, &r), 200);
    expect_state(f, it.id, SB_CLIENT_PENDING, SB_CLIENT_KEYS);
    assert_int_equal(put(f, &it, f->other, "{\"client_name\":\"x\"}", &r), 200); /* and what it changes is all told */
    expect_state(f, it.id, SB_CLIENT_PENDING, SB_CLIENT_KEYS | SB_CLIENT_NAME);
}

static void who_was_approved_and_changes_nothing_that_was_looked_at_stays(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(registered) it = {NULL, NULL, NULL};
    use_mode(f, SB_REGISTRATION_PENDING);
    register_one(f, "{\"scope\":\"system/Patient.rs system/Coverage.rs\"}", &it);
    set_state(f, it.id, SB_CLIENT_ACTIVE);
    assert_int_equal(put(f, &it, f->other, NULL, &r), 200);
    assert_int_equal(put(f, &it, f->other, "{\"scope\":\"system/Patient.rs\"}", &r), 200);
    expect_state(f, it.id, SB_CLIENT_ACTIVE, 0);
    assert_int_equal(token_status(f, it.id), 200);
}

static void whom_nobody_looked_at_changes_its_keys_and_stays(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(registered) it = {NULL, NULL, NULL};
    use_mode(f, SB_REGISTRATION_OPEN);
    register_one(f, NULL, &it);
    assert_int_equal(put(f, &it, f->rsa, NULL, &r), 200);
    expect_state(f, it.id, SB_CLIENT_ACTIVE, 0);
}

static void what_the_server_said_is_not_sent_back(void **state)
{
    fixture *f = *state;
    static const char *const patches[] = {"{\"client_id\":null}",
                                          "{\"client_id\":\"client-1\"}",
                                          "{\"registration_access_token\":\"x\"}",
                                          "{\"registration_client_uri\":\"x\"}",
                                          "{\"client_secret\":\"x\"}",
                                          "{\"client_secret_expires_at\":0}",
                                          "{\"client_id_issued_at\":0}"};
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(registered) it = {NULL, NULL, NULL};
    register_one(f, NULL, &it);
    for (size_t i = 0; i < SB_ARRAY_LEN(patches); i++)
        assert_int_equal(put(f, &it, f->other, patches[i], &r), 400);
}

static void another_clients_registration_is_not_there(void **state)
{
    fixture *f = *state;
    static const char *const methods[] = {"GET", "PUT", "DELETE"};
    SB_AUTO(registered) one = {NULL, NULL, NULL};
    SB_AUTO(registered) two = {NULL, NULL, NULL};
    register_one(f, NULL, &one);
    register_one(f, NULL, &two);
    const char *const paths[] = {two.path, "/register/client-1", "/register/nobody"};
    const char *const tokens[] = {one.token, "", "Authorization: Bearer x\n"};
    for (size_t m = 0; m < SB_ARRAY_LEN(methods); m++) {
        for (size_t i = 0; i < SB_ARRAY_LEN(paths); i++) {
            for (size_t k = 0; k < SB_ARRAY_LEN(tokens); k++) {
                SB_AUTO(reply) r = REPLY_INIT;
                send_to(f, methods[m], paths[i], tokens[k], SB_STR_NULL, &r);
                assert_int_equal(r.status, 401);
                assert_string_equal(f->client, "");
            }
        }
    }
}

static void a_change_does_not_undo_a_suspension(void **state)
{
    fixture *f = *state;
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(registered) it = {NULL, NULL, NULL};
    SB_AUTOPTR(sb_client) was = NULL;
    SB_AUTOPTR(sb_client) now = NULL;
    register_one(f, NULL, &it);
    assert_ok(sb_clients_find(f->clients, sb_str_from(it.id), &was, NULL));
    set_state(f, it.id, SB_CLIENT_SUSPENDED);
    assert_int_equal(sb_clients_replace_if(f->clients, was, was, &err), SB_E_BUSY);
    assert_ok(sb_clients_find(f->clients, sb_str_from(it.id), &now, NULL));
    assert_int_equal(now->state, SB_CLIENT_SUSPENDED);
}

#define WITH_WEB(test) cmocka_unit_test_setup_teardown(test, set_up_web, tear_down_web)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WEB(tokens_from_before_a_suspension_are_dead_for_good),
        WITH_WEB(who_asks_waits_for_a_person),
        WITH_WEB(the_initial_token_lets_in_and_nothing_else_does),
        WITH_WEB(a_mode_that_asks_for_a_token_it_does_not_have_lets_nobody_in),
        WITH_WEB(one_address_registers_so_often_and_no_more),
        WITH_WEB(one_network_does_not_keep_all_others_from_registering),
        WITH_WEB(who_waits_for_too_long_is_forgotten),
        WITH_WEB(who_waits_for_too_long_is_forgotten_though_nobody_else_registers),
        WITH_WEB(nobody_gets_more_than_is_configured),
        WITH_WEB(keys_at_a_url_are_looked_at_on_the_spot),
        WITH_WEB(for_a_stranger_nothing_is_fetched),
        WITH_WEB(a_url_or_a_set_that_makes_no_sense_is_refused),
        WITH_WEB(a_client_reads_changes_and_ends_its_registration),
        WITH_WEB(a_change_never_widens_what_was_agreed),
        WITH_WEB(who_was_approved_and_changes_keys_or_name_waits_again),
        WITH_WEB(keys_that_are_swapped_after_the_approval_get_no_token),
        WITH_WEB(who_was_approved_and_changes_nothing_that_was_looked_at_stays),
        WITH_WEB(whom_nobody_looked_at_changes_its_keys_and_stays),
        WITH_WEB(what_the_server_said_is_not_sent_back),
        WITH_WEB(another_clients_registration_is_not_there),
        WITH_WEB(a_change_does_not_undo_a_suspension),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
