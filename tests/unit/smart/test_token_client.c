/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_client.c - the token request as the payer sees it, and the retries that are worth it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/secret.h"
#include "smart/token_client.h"
#include "smart/token_internal.h"

#include "fake_clock.h"
#include "fake_payer.h"
#include "scratch_dir.h"

#define TOKEN "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":300,\"scope\":\"system/Patient.rs\"}"

typedef struct fixture {
    fake_clock clock;
    fake_payer payer;
    char *dir;
    sb_key *key;
    sb_secret *secret;
    sb_token_client_options options;
    sb_token_client *client;
    sb_token *token;
    sb_error err;
    atomic_bool cancel;
    char logged[4000];
} fixture;

static void keep_log(void *impl, sb_log_level level, const char *line)
{
    fixture *f = impl;
    size_t len = strlen(f->logged);
    if (level <= SB_LOG_WARN)
        (void)snprintf(f->logged + len, sizeof(f->logged) - len, "%s\n", line);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    sb_log_set(SB_LOG_DEBUG, keep_log, f);
    fake_clock_init(&f->clock);
    f->clock.jumps = true;
    fake_payer_init(&f->payer);
    f->dir = scratch_dir_new();
    f->options = (sb_token_client_options){
        .transport = fake_transport(&f->payer),
        .clock = &f->clock.clock,
        .cancel = &f->cancel,
        .wish = {.fhir_url = "https://fhir.payer.example/r4",
                 .client_id = "client-1",
                 .token_url = "https://auth.payer.example/token",
                 .scope = "system/Patient.rs system/Coverage.rs",
                 .wants_scope = true,
                 .wants_audience = true,
                 .state_dir = f->dir},
        .assertion_lifetime_s = 120,
    };
    return sb_key_generate("ES384", 0, "kid-1", &f->key, NULL) == SB_OK && f->dir ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    sb_log_set(SB_LOG_WARN, NULL, NULL);
    sb_token_release(f->token);
    sb_token_client_free(f->client);
    sb_key_free(f->key);
    sb_secret_free(f->secret);
    fake_payer_free(&f->payer);
    scratch_dir_free(f->dir);
    free(f);
    return 0;
}

static sb_status fetch(fixture *f, bool renewal)
{
    f->options.key = f->key;
    f->options.secret = f->secret;
    if (!f->client)
        assert_int_equal(sb_token_client_new(&f->options, &f->client, NULL), SB_OK);
    sb_token_provider provider = sb_token_client_provider(f->client);
    sb_token_release(f->token);
    f->token = NULL;
    return provider.fetch(provider.impl, renewal, &f->token, &f->err);
}

static void answers(fixture *f, int status, const char *body)
{
    fake_add(&f->payer, (fake_answer){.url = "/token", .status = status, .body = body});
}

static void answers_once(fixture *f, int status, const char *body, const char *header)
{
    fake_add(&f->payer, (fake_answer){.url = "/token", .status = status, .body = body, .header = header, .once = true});
}

static void the_request_is_as_the_standard_says(void **state)
{
    fixture *f = *state;
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK);
    assert_string_equal(sb_token_text(f->token), "abc");
    const fake_seen *seen = fake_last(&f->payer, "/token"); /* TOK-01 */
    assert_string_equal(seen->method, "POST");
    assert_string_equal(seen->content_type, "application/x-www-form-urlencoded");
    assert_string_equal(seen->accept, "application/json");
    assert_null(seen->authorization);
    assert_null(seen->bearer);
    assert_int_equal(seen->redirects, SB_HTTP_REDIRECTS_NEVER); /* AUTH-09 */
    assert_ptr_equal(strstr(seen->body, "grant_type=client_credentials&"), seen->body);
    assert_non_null(strstr(seen->body, "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A"
                                       "jwt-bearer&client_assertion=eyJ"));
    assert_non_null(strstr(seen->body, "&scope=system%2FPatient.rs%20system%2FCoverage.rs"));
    assert_null(strstr(seen->body, "client_id"));
}

static void each_try_has_an_assertion_of_its_own(void **state)
{
    fixture *f = *state;
    answers_once(f, 503, NULL, NULL);
    answers_once(f, 0, NULL, NULL); /* the connection broke: the answer may have been lost */
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK);
    assert_int_equal(f->payer.n_seen, 3); /* TOK-05 */
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(f->payer.seen[i].body, f->payer.seen[k].body); /* AUTH-05 */
}

static void an_answer_that_breaks_off_is_asked_for_again(void **state)
{
    fixture *f = *state;
    fake_add(&f->payer, (fake_answer){.url = "/token", .status = 200, .body = "{\"acc", .once = true, .breaks = true});
    fake_add(&f->payer, (fake_answer){.url = "/token", .status = 401, .body = "{", .once = true, .breaks = true});
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK); /* TOK-05 */
    assert_int_equal(f->payer.n_seen, 3);
}

static void a_first_refusal_is_final(void **state)
{
    fixture *f = *state;
    static const int statuses[] = {400, 401, 403, 404, 500, 302};
    for (size_t i = 0; i < SB_ARRAY_LEN(statuses); i++) {
        fake_clear(&f->payer);
        fake_forget(&f->payer);
        answers(f, statuses[i], "{\"error\":\"invalid_client\"}");
        assert_int_not_equal(fetch(f, false), SB_OK);
        assert_int_equal(f->err.http_status, statuses[i]);
        assert_int_equal(f->payer.n_seen, 1);
    }
}

static void a_renewal_survives_a_passing_400(void **state)
{
    fixture *f = *state;
    answers_once(f, 400, NULL, NULL);
    answers_once(f, 400, NULL, NULL);
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, true), SB_OK); /* REAL-10 */
    assert_int_equal(f->payer.n_seen, 3);
    fake_clear(&f->payer);
    fake_forget(&f->payer);
    answers(f, 400, NULL);
    assert_int_equal(fetch(f, true), SB_E_AUTH);
    assert_int_equal(f->payer.n_seen, 3); /* a few, not many */
    fake_clear(&f->payer);
    fake_forget(&f->payer);
    answers(f, 401, NULL);
    assert_int_equal(fetch(f, true), SB_E_AUTH);
    assert_int_equal(f->payer.n_seen, 1);
}

static void retry_after_is_obeyed_within_reason(void **state)
{
    fixture *f = *state;
    answers_once(f, 429, NULL, "Retry-After: 20");
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK);
    assert_true(f->clock.waited_ns >= 20 * SB_NS_PER_S);
    fake_clear(&f->payer);
    fake_forget(&f->payer);
    answers(f, 429, NULL);
    f->payer.answers[0].header = "Retry-After: 3600";
    f->clock.waited_ns = 0;
    assert_int_equal(fetch(f, false), SB_E_SERVER); /* an hour is not waited for in silence */
    assert_true(f->clock.waited_ns == 0);
    assert_int_equal(f->payer.n_seen, 1);
}

static void a_payer_that_is_down_is_given_up_soon(void **state)
{
    fixture *f = *state;
    answers(f, 0, NULL);
    assert_int_equal(fetch(f, false), SB_E_NETWORK);
    assert_int_equal(f->payer.n_seen, 3);
    assert_true(f->clock.waited_ns < 10 * SB_NS_PER_S);
    fake_forget(&f->payer);
    assert_int_equal(fetch(f, true), SB_E_NETWORK);
    assert_int_equal(f->payer.n_seen, 5);
}

static void cancelling_ends_the_wait(void **state)
{
    fixture *f = *state;
    answers(f, 503, NULL);
    atomic_store(&f->cancel, true);
    assert_int_equal(fetch(f, false), SB_E_INTERRUPTED);
    assert_int_equal(f->payer.n_seen, 1);
}

static void the_life_counts_from_before_the_request(void **state)
{
    fixture *f = *state;
    answers(f, 200, TOKEN);
    int64_t before = fake_monotonic_ns(&f->clock);
    assert_int_equal(fetch(f, false), SB_OK);
    assert_true(sb_token_requested_ns(f->token) == before);
}

static void a_narrow_grant_is_warned_of_once(void **state)
{
    fixture *f = *state;
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK);
    assert_non_null(strstr(f->logged, "granted less than was asked for")); /* TOK-07 */
    f->logged[0] = '\0';
    assert_int_equal(fetch(f, true), SB_OK);
    assert_string_equal(f->logged, "");
    assert_string_equal(sb_token_scope(f->token), "system/Patient.rs");
}

static void nothing_secret_is_logged(void **state)
{
    fixture *f = *state;
    answers_once(f, 503, "{\"error\":\"x\",\"error_description\":\"eyJhbGciOiJFUzM4NCJ9.e30.c2ln\"}", NULL);
    answers(f, 400, "{\"error\":\"invalid_client\",\"error_description\":\"client_assertion=eyJhbGciOi.x.y is bad\"}");
    assert_int_equal(fetch(f, false), SB_E_AUTH);
    assert_null(strstr(f->logged, "eyJ"));
    assert_null(strstr(f->err.why, "eyJ"));
}

static void an_error_that_calls_itself_200_is_a_refusal(void **state)
{
    fixture *f = *state;
    answers(f, 200, "{\"error\":\"invalid_scope\"}");
    assert_int_equal(fetch(f, false), SB_E_AUTH);
    assert_string_equal(f->err.oauth_code, "invalid_scope");
    fake_clear(&f->payer);
    answers(f, 200, "<html>maintenance</html>");
    assert_int_equal(fetch(f, false), SB_E_SERVER);
}

static void basic_with_no_scope_has_an_empty_body(void **state)
{
    fixture *f = *state;
    f->options.method = SB_AUTH_CLIENT_SECRET_BASIC;
    f->options.wish.scope = NULL;
    f->options.wish.wants_scope = f->options.wish.wants_audience = false;
    f->options.wish.client_id = "my id";
    assert_int_equal(sb_secret_new(SB_STR_LIT("s:cret/+"), &f->secret, NULL), SB_OK);
    answers(f, 200, "{\"access_token\":\"abc\",\"token_type\":\"bearer\",\"expires_in\":\"1200\"}");
    assert_int_equal(fetch(f, false), SB_OK); /* REAL-01 */
    const fake_seen *seen = fake_last(&f->payer, "/token");
    assert_string_equal(seen->body, "");
    assert_string_equal(seen->accept, "application/json");
    assert_string_equal(seen->authorization, "Basic bXklMjBpZDpzJTNBY3JldCUyRiUyQg=="); /* my%20id:s%3Acret%2F%2B */
    assert_int_equal(sb_token_lifetime_ns(f->token) / SB_NS_PER_S, 1200);
}

static void basic_with_a_scope_asks_for_it(void **state)
{
    fixture *f = *state;
    f->options.method = SB_AUTH_CLIENT_SECRET_BASIC;
    f->options.wish.wants_audience = false;
    assert_int_equal(sb_secret_new(SB_STR_LIT("secret"), &f->secret, NULL), SB_OK);
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK);
    assert_string_equal(fake_last(&f->payer, "/token")->body,
                        "grant_type=client_credentials&scope=system%2FPatient.rs%20system%2FCoverage.rs");
}

static void a_client_secret_that_the_payer_repeats_is_not_shown(void **state)
{
    fixture *f = *state;
    f->options.method = SB_AUTH_CLIENT_SECRET_BASIC;
    f->options.wish.wants_audience = false;
    assert_int_equal(sb_secret_new(SB_STR_LIT("correct-horse"), &f->secret, NULL), SB_OK);
    answers(f, 401, "{\"error\":\"invalid_client\",\"error_description\":\"it is not correct-horse here\"}");
    assert_int_equal(fetch(f, false), SB_E_AUTH);
    assert_non_null(strstr(f->err.why, "it is not *"));
    assert_null(strstr(f->err.why, "correct-horse"));
}

static void discovery_is_asked_once(void **state)
{
    fixture *f = *state;
    f->options.wish.token_url = NULL;
    fake_add(&f->payer, (fake_answer){.url = "/smart-configuration",
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"https://auth.payer.example/token\"}"});
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK);
    assert_int_equal(fetch(f, true), SB_OK);
    assert_int_equal(fake_count(&f->payer, "/smart-configuration"), 1);
    assert_string_equal(sb_token_client_agreement(f->client)->audience, "https://auth.payer.example/token");
}

static void a_pinned_payer_that_moves_gets_no_assertion(void **state)
{
    fixture *f = *state;
    f->options.wish.token_url = NULL;
    fake_add(&f->payer, (fake_answer){.url = "/smart-configuration",
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"https://auth.payer.example/token\"}"});
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK);
    sb_token_client_free(f->client); /* the next run */
    f->client = NULL;
    fake_clear(&f->payer);
    fake_forget(&f->payer);
    fake_add(&f->payer, (fake_answer){.url = "/smart-configuration",
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"https://evil.example/token\"}"});
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_E_AUTH); /* AUTH-04 */
    assert_int_equal(fake_count(&f->payer, "/token"), 0);
}

static void a_payer_that_was_unreachable_is_discovered_later(void **state)
{
    fixture *f = *state;
    f->options.wish.token_url = NULL;
    fake_add(&f->payer, (fake_answer){.url = "/smart-configuration", .status = 0});
    assert_int_equal(fetch(f, false), SB_E_NETWORK);
    assert_null(sb_token_client_agreement(f->client));
    fake_clear(&f->payer);
    fake_add(&f->payer, (fake_answer){.url = "/smart-configuration",
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"https://auth.payer.example/token\"}"});
    answers(f, 200, TOKEN);
    assert_int_equal(fetch(f, false), SB_OK);
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(the_request_is_as_the_standard_says),
        CLIENT_TEST(each_try_has_an_assertion_of_its_own),
        CLIENT_TEST(an_answer_that_breaks_off_is_asked_for_again),
        CLIENT_TEST(a_first_refusal_is_final),
        CLIENT_TEST(a_renewal_survives_a_passing_400),
        CLIENT_TEST(retry_after_is_obeyed_within_reason),
        CLIENT_TEST(a_payer_that_is_down_is_given_up_soon),
        CLIENT_TEST(cancelling_ends_the_wait),
        CLIENT_TEST(the_life_counts_from_before_the_request),
        CLIENT_TEST(a_narrow_grant_is_warned_of_once),
        CLIENT_TEST(nothing_secret_is_logged),
        CLIENT_TEST(a_client_secret_that_the_payer_repeats_is_not_shown),
        CLIENT_TEST(an_error_that_calls_itself_200_is_a_refusal),
        CLIENT_TEST(basic_with_no_scope_has_an_empty_body),
        CLIENT_TEST(basic_with_a_scope_asks_for_it),
        CLIENT_TEST(discovery_is_asked_once),
        CLIENT_TEST(a_pinned_payer_that_moves_gets_no_assertion),
        CLIENT_TEST(a_payer_that_was_unreachable_is_discovered_later),
    };
    return cmocka_run_group_tests_name("token client", tests, NULL, NULL);
}
