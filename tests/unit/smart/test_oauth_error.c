/* SPDX-License-Identifier: Apache-2.0 */
/* test_oauth_error.c - a refusal tells a person what to do, and a server's words cannot harm the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smart/oauth_error.h"

#include "fake_payer.h"

#define TOKEN_URL "https://auth.payer.example/token"
#define NOW       INT64_C(1790000000)

static sb_discovery discovery_of(const char *body)
{
    sb_discovery d = SB_DISCOVERY_INIT;
    assert_int_equal(sb_discovery_parse(sb_str_from(body), "https://fhir.payer.example/r4", &d, NULL), SB_OK);
    return d;
}

static const sb_oauth_request usual = {
    .token_url = TOKEN_URL,
    .client_id = "client-1",
    .audience = TOKEN_URL,
    .scope = "system/Patient.rs system/Coverage.rs",
    .kid = "kid-1",
    .alg = "ES384",
    .lifetime_s = 120,
};

static sb_error explain(const sb_oauth_request *sent, fake_answer answer)
{
    fake_payer payer;
    fake_payer_init(&payer);
    sb_http_response response = SB_HTTP_RESPONSE_INIT;
    const sb_http_request request = {.method = "POST", .url = TOKEN_URL};
    sb_error err = SB_ERROR_INIT;
    assert_true(fake_fill(&payer, &answer, &request, &response));
    sb_status status = sb_oauth_error_explain(sent, &response, &err);
    assert_int_equal(status, err.code);
    assert_int_equal(err.http_status, answer.status);
    sb_http_response_cleanup(&response);
    fake_payer_free(&payer);
    return err;
}

static void a_clock_that_is_ahead_is_named_with_its_size(void **state)
{
    (void)state;
    char text[2600];
    sb_error err =
        explain(&usual, (fake_answer){.status = 401, .body = "{\"error\":\"invalid_client\"}", .date_s = NOW - 412});
    assert_int_equal(err.code, SB_E_AUTH);
    assert_string_equal(err.oauth_code, "invalid_client");
    assert_string_equal(sb_error_format(&err, text, sizeof(text)),
                        "the payer refused our client assertion (401 invalid_client)\n"
                        "  why: this machine's clock is 412 s ahead of the payer's; an assertion may live 300 s\n"
                        "  fix: set the clock (timedatectl set-ntp true), or give `clock_skew: -412` for this payer\n");
}

static void a_clock_that_is_behind_is_named_too_and_a_configured_skew_is_counted(void **state)
{
    (void)state;
    sb_error err =
        explain(&usual, (fake_answer){.status = 400, .body = "{\"error\":\"invalid_client\"}", .date_s = NOW + 500});
    assert_non_null(strstr(err.why, "500 s behind the payer's"));
    assert_non_null(strstr(err.fix, "`clock_skew: 500`"));
    sb_oauth_request sent = usual;
    sent.clock_skew_s = 500; /* now the assertion's clock is right: it is something else */
    err = explain(&sent, (fake_answer){.status = 400, .body = "{\"error\":\"invalid_client\"}", .date_s = NOW + 500});
    assert_null(strstr(err.why, "clock is"));
    sent.clock_skew_s = 100;
    err = explain(&sent, (fake_answer){.status = 400, .body = "{\"error\":\"invalid_client\"}", .date_s = NOW + 500});
    assert_non_null(strstr(err.fix, "`clock_skew: 500`"));
}

static void a_skew_that_is_set_wrong_is_not_blamed_on_the_clock(void **state)
{
    (void)state;
    sb_oauth_request sent = usual;
    sent.clock_skew_s = -1000;
    sb_error err =
        explain(&sent, (fake_answer){.status = 401, .body = "{\"error\":\"invalid_client\"}", .date_s = NOW});
    assert_non_null(strstr(err.why, "with `clock_skew: -1000` our time is 1000 s behind the payer's"));
    assert_null(strstr(err.why, "this machine's clock"));
    assert_string_equal(err.fix, "give `clock_skew: 0` for this payer: this machine's clock is right");
}

static void invalid_client_lists_the_likely_causes_in_order(void **state)
{
    (void)state;
    sb_discovery d = discovery_of("{\"token_endpoint\":\"" TOKEN_URL "\",\"issuer\":\"https://issuer.example\","
                                  "\"token_endpoint_auth_signing_alg_values_supported\":[\"RS384\"]}");
    sb_oauth_request sent = usual;
    sent.discovery = &d;
    sb_error err = explain(&sent, (fake_answer){.status = 401,
                                                .body = "{\"error\":\"invalid_client\",\"error_description\":\"no\"}",
                                                .date_s = NOW + 2});
    const char *alg = strstr(err.fix, "ES384; the payer takes RS384");
    const char *key = strstr(err.fix, "kid kid-1");
    const char *id = strstr(err.fix, "client id is wrong, or not yet active: client-1");
    const char *aud = strstr(err.fix, "--audience issuer (https://issuer.example)");
    assert_true(alg && key && id && aud);
    assert_true(alg < key && key < id && id < aud);
    assert_string_equal(err.why, "the payer says: \"no\"");
    sent.discovery = NULL;
    sent.jwks_url = "https://us.example/jwks.json";
    err = explain(&sent, (fake_answer){.status = 401, .body = "{\"error\":\"invalid_client\"}"});
    assert_non_null(strstr(err.fix, "cannot fetch https://us.example/jwks.json"));
    sb_discovery_cleanup(&d);
}

static void a_refused_secret_is_not_called_an_assertion(void **state)
{
    (void)state;
    sb_oauth_request sent = usual;
    sent.kid = sent.alg = NULL;
    sb_error err = explain(&sent, (fake_answer){.status = 401, .body = "{\"error\":\"invalid_client\"}"});
    assert_null(strstr(err.what, "assertion"));
    assert_non_null(strstr(err.fix, "client_secret_file"));
}

static void invalid_scope_says_which_and_what_there_is(void **state)
{
    (void)state;
    sb_discovery d = discovery_of("{\"token_endpoint\":\"" TOKEN_URL "\","
                                  "\"scopes_supported\":[\"system/Patient.rs\",\"system/Claim.rs\"]}");
    sb_oauth_request sent = usual;
    sent.discovery = &d;
    sb_error err = explain(&sent, (fake_answer){.status = 400, .body = "{\"error\":\"invalid_scope\"}"});
    assert_int_equal(err.code, SB_E_AUTH);
    assert_non_null(strstr(err.why, "system/Patient.rs system/Coverage.rs"));
    assert_non_null(strstr(err.fix, "not advertised there: system/Coverage.rs\n"));
    assert_non_null(strstr(err.fix, "advertised: system/Patient.rs, system/Claim.rs"));
    sb_discovery_cleanup(&d);
}

static void a_redirect_is_an_error_that_says_so(void **state)
{
    (void)state;
    sb_error err = explain(&usual, (fake_answer){.status = 307, .header = "Location: https://evil.example/t?x=secret"});
    assert_int_equal(err.code, SB_E_SERVER); /* AUTH-09 */
    assert_non_null(strstr(err.what, "redirect"));
    assert_non_null(strstr(err.why, "evil.example"));
    assert_null(strstr(err.why, "secret"));
}

static void each_code_has_its_own_advice(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        sb_status code;
        const char *what;
    } cases[] = {
        {400, "{\"error\":\"unauthorized_client\"}", SB_E_AUTH, "does not let this client"},
        {400, "{\"error\":\"unsupported_grant_type\"}", SB_E_AUTH, "no backend services"},
        {400, "{\"error\":\"invalid_grant\"}", SB_E_AUTH, "client assertion"},
        {400, "{\"error\":\"invalid_request\"}", SB_E_AUTH, "client assertion"},
        {503, "{\"error\":\"temporarily_unavailable\"}", SB_E_SERVER, "token endpoint failed"},
        {500, "{\"error\":\"odd\"}", SB_E_SERVER, "token endpoint failed"},
        {400, "{\"error\":\"their_own\"}", SB_E_AUTH, "refused our token request"},
        {400, "", SB_E_AUTH, "refused our token request"},
        {401, "<html>", SB_E_AUTH, "refused our token request"},
        {403, "[]", SB_E_AUTH, "refused our token request"},
        {404, "nope", SB_E_SERVER, "not where it should be"},
        {405, NULL, SB_E_SERVER, "not where it should be"},
        {502, "bad gateway", SB_E_SERVER, "token endpoint failed"},
        {429, NULL, SB_E_SERVER, "token endpoint failed"},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        sb_error err = explain(&usual, (fake_answer){.status = cases[i].status, .body = cases[i].body});
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.what, cases[i].what));
        assert_true(err.fix[0] != '\0');
    }
}

static void the_servers_words_are_made_safe(void **state)
{
    (void)state;
    SB_AUTO(sb_buf) body = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&body, "{\"error\":\"invalid_client\",\"error_description\":\"\\u001b]0;pwned\\u0007 "
                                       "eyJhbGciOiJFUzM4NCJ9.eyJpc3MiOiJ4In0.c2ln \\u202e"));
    for (int i = 0; i < 2000; i++)
        assert_true(sb_buf_add_cstr(&body, "word "));
    assert_true(sb_buf_add_cstr(&body, "\"}"));
    sb_error err = explain(&usual, (fake_answer){.status = 401, .body = body.ptr});
    assert_null(strchr(err.why, 0x1b));
    assert_null(strchr(err.why, 0x07));
    assert_null(strstr(err.why, "eyJ"));
    assert_null(strstr(err.why, "\xE2\x80\xAE"));
    assert_true(strlen(err.why) < 600);
    err = explain(&usual, (fake_answer){.status = 401, .body = "{\"error\":\"bad\\u001b[31mcode\"}"});
    assert_string_equal(err.oauth_code, "");
    assert_null(strchr(err.what, 0x1b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_is_ahead_is_named_with_its_size),
        cmocka_unit_test(a_clock_that_is_behind_is_named_too_and_a_configured_skew_is_counted),
        cmocka_unit_test(a_skew_that_is_set_wrong_is_not_blamed_on_the_clock),
        cmocka_unit_test(invalid_client_lists_the_likely_causes_in_order),
        cmocka_unit_test(a_refused_secret_is_not_called_an_assertion),
        cmocka_unit_test(invalid_scope_says_which_and_what_there_is),
        cmocka_unit_test(a_redirect_is_an_error_that_says_so),
        cmocka_unit_test(each_code_has_its_own_advice),
        cmocka_unit_test(the_servers_words_are_made_safe),
    };
    return cmocka_run_group_tests_name("oauth error", tests, NULL, NULL);
}
