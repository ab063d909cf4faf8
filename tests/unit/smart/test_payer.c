/* SPDX-License-Identifier: Apache-2.0 */
/* test_payer.c - what is said of a payer is checked before any request, and put together in the right order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

#include "payer_fixture.h"

static void assert_mistake(fixture *f, const char *says)
{
    assert_int_equal(fixture_open(f), SB_E_USAGE);
    assert_int_equal(f->err.code, SB_E_USAGE);
    assert_true(f->err.fix[0] != '\0');
    if (!strstr(f->err.what, says) && !strstr(f->err.why, says) && !strstr(f->err.fix, says))
        fail_msg("'%s' is not in: %s / %s / %s", says, f->err.what, f->err.why, f->err.fix);
    assert_int_equal(f->fake.n_seen, 0);
}

static void mistakes_are_told_before_any_request(void **state)
{
    fixture *f = *state;
    const sb_payer_options good = f->options;
    static const char *const bad_header[] = {"no colon", NULL};
    static const char *const bad_host[] = {"http://files.example", NULL};
    const struct {
        sb_payer_options change;
        const char *says;
    } cases[] = {
        {{.fhir_url = "ftp://x"}, "fhir_url"},
        {{.fhir_url = "fhir.payer.example"}, "fhir_url"},
        {{.fhir_url = "http://fhir.payer.example/r4"}, "https"}, /* DISC-05 */
        {{.fhir_url = "https://u:p@fhir.payer.example/r4"}, "fhir_url"},
        {{.fhir_url = "https://fhir.payer.example/r4?x=1"}, "leave out"},
        {{.client_id = ""}, "client id"},
        {{.key_file = "/nonexistent/key.jwk"}, "/nonexistent/key.jwk"},
        {{.scope = "patient/*.read"}, "system/*.read"}, /* TOK-06 */
        {{.scope = "system/Patient.sr"}, "order"},
        {{.auth = "basic"}, "client_secret_basic"},
        {{.auth = "client_secret_basic"}, "--client-secret-file"},
        {{.profile = "fapi"}, "rfc7523bis"},
        {{.token_url = "http://auth.payer.example"}, "https"},
        {{.jwks_url = "jwks.json"}, "jwks_url"},
        {{.audience = ""}, "audience"},
        {{.assertion_lifetime_s = 300}, "60 to 240"}, /* AUTH-05 */
        {{.assertion_lifetime_s = 59}, "60 to 240"},
        {{.clock_skew_s = 90000}, "timedatectl"},
        {{.connections = 65}, "1 to 64"},
        {{.token_hosts = bad_host}, "https"},
        {{.headers = bad_header}, "header"},
        {{.name = "acme", .config_file = "/nonexistent/smartbulk.yaml"}, "/nonexistent/smartbulk.yaml"},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        const sb_payer_options *c = &cases[i].change;
        f->options = good;
#define CHANGE(field) f->options.field = c->field ? c->field : good.field
        CHANGE(name);
        CHANGE(config_file);
        CHANGE(fhir_url);
        CHANGE(client_id);
        CHANGE(key_file);
        CHANGE(scope);
        CHANGE(auth);
        CHANGE(profile);
        CHANGE(token_url);
        CHANGE(jwks_url);
        CHANGE(audience);
        CHANGE(assertion_lifetime_s);
        CHANGE(clock_skew_s);
        CHANGE(connections);
        CHANGE(token_hosts);
        CHANGE(headers);
        if (c->key_file && access(c->key_file, F_OK) != 0) { /* the key's own words are jose's */
            assert_int_not_equal(fixture_open(f), SB_OK);
            continue;
        }
        assert_mistake(f, cases[i].says);
    }
}

static void missing_things_are_asked_for(void **state)
{
    fixture *f = *state;
    const sb_payer_options good = f->options;
    f->options.fhir_url = NULL;
    assert_mistake(f, "FHIR base URL");
    f->options = good;
    f->options.client_id = NULL;
    assert_mistake(f, "--client-id");
    f->options = good;
    f->options.key_file = NULL;
    assert_mistake(f, "smartbulk key new");
}

static void a_token_comes_by_discovery_and_the_default_scope(void **state)
{
    fixture *f = *state;
    static const char *const types[] = {"Patient", "Coverage", "Patient"};
    static const char *const wrong[] = {"patient"};
    static const char *const another[] = {"Claim"};
    sb_token *token = NULL;
    fixture_issues(f, TOKEN_BODY("abc"), false);
    assert_int_equal(fixture_open(f), SB_OK);
    assert_string_equal(sb_payer_fhir_url(f->payer), BASE);
    assert_string_equal(sb_payer_name(f->payer), "fhir.payer.example");
    assert_int_equal(sb_payer_connections(f->payer), 8);
    assert_int_equal(f->fake.n_seen, 0);
    assert_null(sb_payer_token_url(f->payer));
    assert_null(sb_payer_scope(f->payer));
    assert_int_equal(sb_payer_want_types(f->payer, wrong, 1, &f->err), SB_E_USAGE);
    assert_int_equal(sb_payer_want_types(f->payer, types, 3, &f->err), SB_OK);
    assert_int_equal(sb_payer_token(f->payer, 0, &token, &f->err), SB_OK);
    assert_string_equal(sb_token_text(token), "abc");
    assert_string_equal(sb_payer_scope(f->payer), "system/Patient.rs system/Coverage.rs");
    assert_string_equal(sb_payer_token_url(f->payer), "https://auth.payer.example/token");
    assert_int_equal(sb_payer_token_fetches(f->payer), 1);
    assert_int_equal(sb_payer_want_types(f->payer, types, 3, &f->err), SB_OK); /* a resume: no news */
    assert_int_equal(sb_payer_want_types(f->payer, another, 1, &f->err), SB_E_INTERNAL);
    sb_token_release(token);
}

static void without_authorization_there_is_no_token(void **state)
{
    fixture *f = *state;
    sb_token *token = NULL;
    f->options = (sb_payer_options){.fhir_url = BASE, .auth = "none"};
    assert_int_equal(fixture_open(f), SB_OK);
    assert_int_equal(sb_payer_token(f->payer, 0, &token, &f->err), SB_OK);
    assert_null(token);
    assert_int_equal(sb_payer_token_fetches(f->payer), 0);
    assert_int_equal(f->fake.n_seen, 0);
}

static void a_secret_is_read_from_a_private_file_alone(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE path = sb_path_join(f->dir, "secret");
    sb_token *token = NULL;
    f->options.auth = "client_secret_basic";
    f->options.client_secret_file = path;
    f->options.key_file = NULL;
    assert_true(scratch_write(f->dir, "secret", 0644, "s3cret\n"));
    assert_mistake(f, "chmod 600");
    assert_true(scratch_write(f->dir, "secret", 0600, "\n"));
    assert_mistake(f, "empty");
    assert_true(scratch_write(f->dir, "secret", 0600, "s3cret\n"));
    fixture_issues(f, TOKEN_BODY("abc"), false);
    assert_int_equal(fixture_open(f), SB_OK);
    assert_int_equal(sb_payer_token(f->payer, 0, &token, &f->err), SB_OK);
    assert_string_equal(fake_last(&f->fake, "/token")->authorization, "Basic Y2xpZW50LTE6czNjcmV0");
    sb_token_release(token);
}

static void options_outweigh_the_configuration(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE config = sb_path_join(f->dir, "smartbulk.yaml");
    SB_AUTOFREE text = sb_printf("payers:\n"
                                 "  acme:\n"
                                 "    fhir_url: %s\n"
                                 "    client_id: from-file\n"
                                 "    key: key.jwk\n"
                                 "    scope: system/Claim.rs\n"
                                 "    connections: 3\n"
                                 "    headers: [\"X-Key: secret-api-key\"]\n"
                                 "    token_hosts: [files.payer.example]\n",
                                 BASE);
    assert_true(scratch_write(f->dir, "smartbulk.yaml", 0600, text));
    f->options.fhir_url = NULL;
    f->options.key_file = NULL; /* relative to the file */
    f->options.client_id = "from-option";
    f->options.name = "acme";
    f->options.config_file = config;
    fixture_issues(f, TOKEN_BODY("abc"), false);
    assert_int_equal(fixture_open(f), SB_OK);
    assert_string_equal(sb_payer_name(f->payer), "acme");
    assert_int_equal(sb_payer_connections(f->payer), 3);
    assert_string_equal(f->payer->settings.client_id, "from-option");
    assert_string_equal(f->payer->settings.scope, "system/Claim.rs");
    f->options.name = "beta";
    assert_int_equal(fixture_open(f), SB_E_USAGE);
    assert_non_null(strstr(f->err.why, "it has: acme"));
}

static void a_later_run_finds_everything_but_secrets(void **state)
{
    fixture *f = *state;
    static const char *const headers[] = {"X-Key: secret-api-key", NULL};
    static const char *const hosts[] = {"files.payer.example", NULL};
    f->options.headers = headers;
    f->options.token_hosts = hosts;
    f->options.proxy = "http://user:secret-password@proxy.example:3128";
    f->options.scope = "system/Claim.rs";
    f->options.audience = "issuer";
    f->options.clock_skew_s = -7;
    f->options.assertion_lifetime_s = 60;
    assert_int_equal(fixture_open(f), SB_OK);
    SB_AUTOFREE saved = sb_payer_settings(f->payer);
    assert_null(strstr(saved, "secret-"));
    f->options = (sb_payer_options){.settings = saved, .clock = &f->clock.clock, .client_id = "another"};
    assert_int_equal(fixture_open(f), SB_OK);
    const sb_settings *s = &f->payer->settings;
    assert_string_equal(s->fhir_url, BASE);
    assert_string_equal(s->client_id, "another");
    assert_string_equal(s->key_file, f->key_file);
    assert_string_equal(s->scope, "system/Claim.rs");
    assert_string_equal(s->audience, "issuer");
    assert_int_equal(s->clock_skew_s, -7);
    assert_int_equal(s->assertion_lifetime_s, 60);
    assert_int_equal(s->n_token_hosts, 1);
    assert_string_equal(s->token_hosts[0].host, "files.payer.example");
    assert_null(s->cache_dir);
    assert_string_equal(s->state_dir, f->dir);
    f->options.settings = "{\"fhir_url\":";
    assert_int_not_equal(fixture_open(f), SB_OK);
}

static void a_later_run_reads_a_changed_configuration(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE config = sb_path_join(f->dir, "smartbulk.yaml");
    assert_true(scratch_write(f->dir, "smartbulk.yaml", 0600,
                              "payers:\n  acme:\n    fhir_url: " BASE "\n    client_id: one\n    key: key.jwk\n"));
    f->options = (sb_payer_options){.name = "acme", .config_file = config, .state_dir = f->dir};
    assert_int_equal(fixture_open(f), SB_OK);
    SB_AUTOFREE saved = sb_payer_settings(f->payer);
    assert_true(scratch_write(f->dir, "smartbulk.yaml", 0600,
                              "payers:\n  acme:\n    fhir_url: " BASE "\n    client_id: two\n    key: key.jwk\n"));
    f->options = (sb_payer_options){.settings = saved};
    assert_int_equal(fixture_open(f), SB_OK);
    assert_string_equal(f->payer->settings.client_id, "two");
    assert_int_equal(unlink(config), 0); /* gone: what was saved stands alone */
    assert_int_equal(fixture_open(f), SB_OK);
    assert_string_equal(f->payer->settings.client_id, "one");
    assert_string_equal(sb_payer_name(f->payer), "acme");
}

static void two_runs_share_a_token(void **state)
{
    fixture *f = *state;
    sb_token *token = NULL;
    f->options.no_token_cache = false;
    fixture_issues(f, TOKEN_BODY("one"), true);
    fixture_issues(f, TOKEN_BODY("two"), false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fixture_open(f), SB_OK);
        assert_int_equal(sb_payer_token(f->payer, 60, &token, &f->err), SB_OK);
        assert_string_equal(sb_token_text(token), "one");
        sb_token_release(token);
    }
    assert_int_equal(sb_payer_token(f->payer, 0, &token, &f->err), SB_OK);
    sb_payer_reject_token(f->payer, token); /* from the file too */
    sb_token_release(token);
    assert_int_equal(fixture_open(f), SB_OK);
    assert_int_equal(sb_payer_token(f->payer, 0, &token, &f->err), SB_OK);
    assert_string_equal(sb_token_text(token), "two");
    sb_token_release(token);
}

static void who_needs_longer_than_the_shared_token_lives_gets_a_new_one(void **state)
{
    fixture *f = *state;
    sb_token *token = NULL;
    f->options.no_token_cache = false;
    fixture_issues(f, TOKEN_BODY("one"), true);
    fixture_issues(f, TOKEN_BODY("two"), false);
    assert_int_equal(fixture_open(f), SB_OK);
    assert_int_equal(sb_payer_token(f->payer, 0, &token, &f->err), SB_OK);
    sb_token_release(token);
    fake_advance_s(&f->clock, 200);
    assert_int_equal(fixture_open(f), SB_OK);
    assert_int_equal(sb_payer_token(f->payer, 150, &token, &f->err), SB_OK);
    assert_string_equal(sb_token_text(token), "two");
    sb_token_release(token);
}

#define PAYER_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAYER_TEST(mistakes_are_told_before_any_request),
        PAYER_TEST(missing_things_are_asked_for),
        PAYER_TEST(a_token_comes_by_discovery_and_the_default_scope),
        PAYER_TEST(without_authorization_there_is_no_token),
        PAYER_TEST(a_secret_is_read_from_a_private_file_alone),
        PAYER_TEST(options_outweigh_the_configuration),
        PAYER_TEST(a_later_run_finds_everything_but_secrets),
        PAYER_TEST(a_later_run_reads_a_changed_configuration),
        PAYER_TEST(two_runs_share_a_token),
        PAYER_TEST(who_needs_longer_than_the_shared_token_lives_gets_a_new_one),
    };
    return cmocka_run_group_tests_name("payer", tests, NULL, NULL);
}
