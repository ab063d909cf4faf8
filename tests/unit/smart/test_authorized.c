/* SPDX-License-Identifier: Apache-2.0 */
/* test_authorized.c - the token goes where it may, and a 401 costs one renewal that nobody sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/secret.h"
#include "payer_fixture.h"

static int setup(void **state)
{
    static const char *const hosts[] = {"https://files.payer.example:8443", NULL};
    int rc = fixture_setup(state);
    fixture *f = *state;
    if (rc != 0)
        return rc;
    f->options.token_hosts = hosts;
    return fixture_open(f) == SB_OK ? 0 : -1;
}

static void issue_two(fixture *f)
{
    fixture_issues(f, TOKEN_BODY("one"), true);
    fixture_issues(f, TOKEN_BODY("two"), false);
}

/* A resource server: 401 to this token, 200 to any other. Answers are chosen by the URL's end, so the request hook
 * changes what "/data" says. */
static void refuse_one(void *impl, const sb_http_request *request)
{
    fixture *f = impl;
    (void)pthread_mutex_lock(&f->fake.lock);
    for (size_t i = 0; i < f->fake.n_answers; i++)
        if (strcmp(f->fake.answers[i].url, "/data") == 0 && request->bearer)
            f->fake.answers[i].status = strcmp(request->bearer, "one") == 0 ? 401 : 200;
    (void)pthread_mutex_unlock(&f->fake.lock);
}

static sb_status send_to(fixture *f, const char *url, int *status)
{
    SB_AUTO(sb_http_response) response = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {.method = "GET", .url = url};
    sb_status rc = sb_payer_send(f->payer, &request, &response, &f->err);
    assert_null(request.bearer);
    *status = response.status;
    return rc;
}

static void the_payers_own_origin_sees_the_token(void **state)
{
    fixture *f = *state;
    int status = 0;
    issue_two(f);
    fake_add(&f->fake, (fake_answer){.url = "/data", .status = 200});
    assert_int_equal(send_to(f, BASE "/data", &status), SB_OK); /* USE-01 */
    assert_int_equal(status, 200);
    assert_string_equal(fake_last(&f->fake, "/data")->bearer, "one");
    assert_int_equal(send_to(f, "https://files.payer.example:8443/data", &status), SB_OK);
    assert_string_equal(fake_last(&f->fake, "/data")->bearer, "one");
}

static void no_other_origin_sees_it(void **state)
{
    fixture *f = *state;
    int status = 0;
    static const char *const others[] = {
        "https://evil.example/data",           "http://fhir.payer.example/data",
        "https://fhir.payer.example:444/data", "https://fhir.payer.example.evil.example/data",
        "https://files.payer.example/data", /* the token host has another port */
    };
    issue_two(f);
    fake_add(&f->fake, (fake_answer){.url = "/data", .status = 200});
    for (size_t i = 0; i < SB_ARRAY_LEN(others); i++) {
        assert_int_equal(send_to(f, others[i], &status), SB_OK);
        assert_null(fake_last(&f->fake, "/data")->bearer); /* USE-03 */
    }
}

static void trust_that_is_missing_is_explained_with_the_line_that_gives_it(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    assert_int_equal(sb_url_parse("https://other.example/x", &url, NULL), SB_OK);
    assert_int_equal(sb_payer_require_trust(f->payer, &url, "the status URL", &f->err), SB_E_SERVER);
    assert_non_null(strstr(f->err.fix, "token_hosts: [\"https://other.example:443\"]"));
    int status = 0;
    fake_add(&f->fake, (fake_answer){.url = "/x", .status = 401});
    assert_int_equal(send_to(f, "https://other.example/x", &status), SB_E_AUTH);
    assert_non_null(strstr(f->err.fix, "token_hosts"));
}

static void a_401_costs_one_renewal_that_nobody_sees(void **state)
{
    fixture *f = *state;
    int status = 0;
    issue_two(f);
    fake_add(&f->fake, (fake_answer){.url = "/data", .status = 401});
    f->fake.on_request = refuse_one;
    f->fake.on_request_impl = f;
    assert_int_equal(send_to(f, BASE "/data", &status), SB_OK); /* USE-04 */
    assert_int_equal(status, 200);
    assert_string_equal(fake_last(&f->fake, "/data")->bearer, "two");
    assert_int_equal(fake_count(&f->fake, "/data"), 2);
    assert_int_equal(sb_payer_token_fetches(f->payer), 2);
}

static void *one_request(void *arg)
{
    fixture *f = arg;
    int status = 0;
    sb_http_response response = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {.method = "GET", .url = BASE "/data"};
    sb_status rc = sb_payer_send(f->payer, &request, &response, NULL);
    status = response.status;
    sb_http_response_cleanup(&response);
    return (void *)(uintptr_t)(rc == SB_OK && status == 200);
}

static sb_status by_token(void *impl, const sb_http_request *request, sb_http_response *response, sb_error *err)
{
    fixture *f = impl;
    if (!fake_ends_with(request->url, "/data"))
        return fake_send(&f->fake, request, response, err);
    response->status = request->bearer && strcmp(request->bearer, "two") == 0 ? 200 : 401;
    return SB_OK;
}

static void a_storm_of_401s_costs_one_token_request(void **state)
{
    fixture *f = *state;
    pthread_t threads[16];
    sb_token *token = NULL;
    issue_two(f);
    assert_int_equal(sb_payer_token(f->payer, 0, &token, &f->err), SB_OK); /* all have "one" */
    sb_token_release(token);
    f->payer->transport = (sb_transport){f, by_token};
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_request, f), 0);
    for (size_t i = 0; i < 16; i++) {
        void *ok = NULL;
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_non_null(ok);
    }
    assert_int_equal(fake_count(&f->fake, "/token"), 2);
}

static void a_second_401_with_a_fresh_token_is_a_real_refusal(void **state)
{
    fixture *f = *state;
    int status = 0;
    issue_two(f);
    fake_add(&f->fake,
             (fake_answer){.url = "/data",
                           .status = 401,
                           .header = "WWW-Authenticate: Bearer realm=\"x\", error=\"insufficient_scope\"",
                           .body = "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\","
                                   "\"code\":\"login\",\"diagnostics\":\"not \\u001b[31mallowed\"}]}"});
    assert_int_equal(send_to(f, BASE "/data", &status), SB_E_AUTH);
    assert_int_equal(fake_count(&f->fake, "/data"), 2);
    assert_int_equal(f->err.http_status, 401);
    assert_string_equal(f->err.oauth_code, "insufficient_scope");
    assert_non_null(strstr(f->err.why, "allowed"));
    assert_null(strchr(f->err.why, 0x1b));
}

static void what_is_no_401_is_the_callers(void **state)
{
    fixture *f = *state;
    static const int statuses[] = {202, 403, 404, 429, 500, 503};
    issue_two(f);
    for (size_t i = 0; i < SB_ARRAY_LEN(statuses); i++) {
        char url[100];
        int status = 0;
        (void)snprintf(url, sizeof(url), BASE "/s%d", statuses[i]);
        fake_add(&f->fake, (fake_answer){.url = strrchr(url, '/'), .status = statuses[i]});
        assert_int_equal(send_to(f, url, &status), SB_OK);
        assert_int_equal(status, statuses[i]);
        fake_forget(&f->fake);
        f->fake.n_answers--; /* its url was on our stack */
    }
    fake_add(&f->fake, (fake_answer){.url = "/gone", .status = 0});
    int status = 0;
    assert_int_equal(send_to(f, BASE "/gone", &status), SB_E_NETWORK);
}

static void a_401_from_where_a_redirect_led_says_nothing_of_the_token(void **state)
{
    fixture *f = *state;
    int status = 0;
    issue_two(f);
    fake_add(&f->fake, (fake_answer){.url = "/data", .status = 401, .from = "https://store.example/presigned?sig=x"});
    assert_int_equal(send_to(f, BASE "/data", &status), SB_E_AUTH);
    assert_int_equal(fake_count(&f->fake, "/data"), 1);
    assert_int_equal(sb_payer_token_fetches(f->payer), 1);
    assert_non_null(strstr(f->err.why, "store.example"));
    assert_null(strstr(f->err.why, "sig=x"));
}

static void plain_requests_never_carry_it(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_http_response) response = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {.method = "GET", .url = BASE "/data", .bearer = "mistake"};
    fake_add(&f->fake, (fake_answer){.url = "/data", .status = 401});
    assert_int_equal(sb_payer_send_plain(f->payer, &request, &response, &f->err), SB_OK); /* USE-02 */
    assert_null(fake_last(&f->fake, "/data")->bearer);
    assert_int_equal(response.status, 401);
}

static void a_payer_without_authorization_that_wants_some_is_told(void **state)
{
    fixture *f = *state;
    int status = 0;
    f->options = (sb_payer_options){.fhir_url = BASE, .auth = "none"};
    assert_int_equal(fixture_open(f), SB_OK);
    fake_add(&f->fake, (fake_answer){.url = "/data", .status = 401});
    assert_int_equal(send_to(f, BASE "/data", &status), SB_E_AUTH);
    assert_non_null(strstr(f->err.fix, "auth: none"));
}

static void assert_uncovered(fixture *f, const char *body, const char *want)
{
    static const char *const types[] = {"Patient", "Coverage", "ExplanationOfBenefit"};
    SB_AUTO(sb_buf) out = SB_BUF_INIT;
    fake_clear(&f->fake);
    fake_add(&f->fake, (fake_answer){.url = "/smart-configuration",
                                     .status = 200,
                                     .body = "{\"token_endpoint\":\"https://auth.payer.example/token\"}"});
    fixture_issues(f, body, false);
    assert_int_equal(fixture_open(f), SB_OK);
    assert_int_equal(sb_payer_uncovered_types(f->payer, types, 3, &out, &f->err), SB_OK);
    assert_string_equal(sb_buf_cstr(&out), want);
}

#define GRANT(scope) "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":300,\"scope\":\"" scope "\"}"

static void types_that_the_grant_lacks_are_named(void **state)
{
    fixture *f = *state;
    assert_uncovered(f, GRANT("system/*.rs"), ""); /* TOK-07 */
    assert_uncovered(f, GRANT("system/Patient.rs"), "Coverage, ExplanationOfBenefit");
    assert_uncovered(f, GRANT("system/Patient.read system/Coverage.r"), "Coverage, ExplanationOfBenefit");
    assert_uncovered(f, GRANT("bulk:all"), ""); /* not comparable */
    assert_uncovered(f, TOKEN_BODY("a"), "");   /* as asked: all */
    f->options.scope = "system/Coverage.rs";
    assert_uncovered(f, TOKEN_BODY("a"), "Patient, ExplanationOfBenefit"); /* as asked: too little */
}

static void a_token_that_the_payer_repeats_is_not_shown(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_http_response) response = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {.method = "GET", .url = BASE "/data"};
    fixture_issues(f, TOKEN_BODY("top-secret-token"), false);
    fake_add(&f->fake, (fake_answer){.url = "/data", .status = 400, .body = "top-secret-token, or top-secret-token?"});
    assert_int_equal(sb_payer_send(f->payer, &request, &response, &f->err), SB_OK);
    assert_string_equal(response.body.ptr, "****************, or ****************?");
}

static sb_status streamed(void *impl, const sb_http_request *request, sb_http_response *response, sb_error *err)
{
    if (!fake_ends_with(request->url, "/data"))
        return fake_send(&((fixture *)impl)->fake, request, response, err);
    SB_TRY(request->on_body(request->on_body_impl, sb_str_from(request->bearer), err));
    return sb_error_set(err, SB_E_SERVER, "no manifest", "it begins with: %s", "tell the payer", request->bearer);
}

static sb_status keep(void *impl, sb_str bytes, sb_error *err)
{
    (void)err;
    return sb_buf_add_str(impl, bytes) ? SB_OK : SB_E_NOMEM;
}

static void blot_out(void *impl, sb_str token)
{
    sb_buf *kept = impl;
    sb_secret_hide(kept->ptr, kept->len, token);
}

static void a_token_in_headers_errors_and_streams_is_not_shown(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_http_response) response = SB_HTTP_RESPONSE_INIT;
    SB_AUTO(sb_buf) kept = SB_BUF_INIT;
    sb_http_request request = {.method = "GET", .url = BASE "/data", .on_body = keep, .on_token = blot_out};
    request.on_body_impl = &kept;
    fixture_issues(f, TOKEN_BODY("top-secret-token"), false);
    fake_add(&f->fake, (fake_answer){.url = "/data", .status = 202, .header = "X-Progress: 1 of top-secret-token"});
    assert_int_equal(sb_payer_send(f->payer, &request, &response, &f->err), SB_OK);
    assert_string_equal(sb_http_header_get(&response.headers, "X-Progress"), "1 of ****************");
    f->payer->transport = (sb_transport){f, streamed};
    assert_int_equal(sb_payer_send(f->payer, &request, &response, &f->err), SB_E_SERVER);
    assert_string_equal(f->err.why, "it begins with: ****************");
    assert_string_equal(kept.ptr, "****************");
}

#define AUTHORIZED_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTHORIZED_TEST(the_payers_own_origin_sees_the_token),
        AUTHORIZED_TEST(no_other_origin_sees_it),
        AUTHORIZED_TEST(trust_that_is_missing_is_explained_with_the_line_that_gives_it),
        AUTHORIZED_TEST(a_401_costs_one_renewal_that_nobody_sees),
        AUTHORIZED_TEST(a_storm_of_401s_costs_one_token_request),
        AUTHORIZED_TEST(a_second_401_with_a_fresh_token_is_a_real_refusal),
        AUTHORIZED_TEST(what_is_no_401_is_the_callers),
        AUTHORIZED_TEST(a_401_from_where_a_redirect_led_says_nothing_of_the_token),
        AUTHORIZED_TEST(plain_requests_never_carry_it),
        AUTHORIZED_TEST(a_payer_without_authorization_that_wants_some_is_told),
        AUTHORIZED_TEST(a_token_that_the_payer_repeats_is_not_shown),
        AUTHORIZED_TEST(a_token_in_headers_errors_and_streams_is_not_shown),
        AUTHORIZED_TEST(types_that_the_grant_lacks_are_named),
    };
    return cmocka_run_group_tests_name("authorized", tests, NULL, NULL);
}
