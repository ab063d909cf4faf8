/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_answer.c - real servers' token answers are read; what is no usable token is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "smart/token_answer.h"
#include "smart/token_internal.h"

static void quiet(void *impl, sb_log_level level, const char *line)
{
    (void)impl, (void)level, (void)line;
}

static sb_token *read_ok(const char *body)
{
    sb_token *token = NULL;
    bool has_error = true;
    sb_error err = SB_ERROR_INIT;
    sb_log_set(SB_LOG_DEBUG, quiet, NULL);
    assert_int_equal(sb_token_answer_read(sb_str_from(body), 7, &token, &has_error, &err), SB_OK);
    assert_false(has_error);
    return token;
}

static int64_t lifetime(const char *expires_in)
{
    SB_AUTOFREE body = sb_printf("{\"access_token\":\"t\",\"token_type\":\"bearer\"%s%s}",
                                 expires_in ? ",\"expires_in\":" : "", expires_in ? expires_in : "");
    sb_token *token = read_ok(body);
    int64_t seconds = sb_token_lifetime_ns(token) / SB_NS_PER_S;
    assert_true(sb_token_requested_ns(token) == 7);
    sb_token_release(token);
    return seconds;
}

static void lifetimes_are_read_as_real_servers_write_them(void **state)
{
    (void)state;
    assert_int_equal(lifetime("300"), 300);
    assert_int_equal(lifetime("\"1200\""), 1200); /* REAL-01 */
    assert_int_equal(lifetime("\" 1200.0 \""), 1200);
    assert_int_equal(lifetime("299.7"), 299);
    assert_int_equal(lifetime(NULL), 300); /* TOK-03 */
    assert_int_equal(lifetime("null"), 300);
    assert_int_equal(lifetime("0"), 300); /* absurd ones */
    assert_int_equal(lifetime("-5"), 300);
    assert_int_equal(lifetime("\"soon\""), 300);
    assert_int_equal(lifetime("true"), 300);
    assert_int_equal(lifetime("1e300"), 300);
    assert_int_equal(lifetime("[300]"), 300);
    assert_int_equal(lifetime("1790000000000"), 86400);
    assert_int_equal(lifetime("\"99999999999999999999999\""), 300);
    assert_int_equal(lifetime("2"), 2);
}

static void the_type_is_bearer_in_any_case(void **state)
{
    (void)state;
    sb_token_release(read_ok("{\"access_token\":\"t\",\"token_type\":\"Bearer\"}"));
    sb_token_release(read_ok("{\"access_token\":\"t\",\"token_type\":\"BEARER\"}"));
    sb_token_release(read_ok("{\"access_token\":\"t\"}"));
}

static void the_granted_scope_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *member, *scope;
    } cases[] = {
        {"", NULL},
        {",\"scope\":\"\"", NULL},
        {",\"scope\":null", NULL},
        {",\"scope\":\"system/Patient.rs  system/Claim.rs\"", "system/Patient.rs system/Claim.rs"},
        {",\"scope\":[\"system/Patient.rs\",\"system/Claim.rs\"]", "system/Patient.rs system/Claim.rs"},
        {",\"scope\":\"a\\u001b[31mb\"", NULL},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTOFREE body = sb_printf("{\"access_token\":\"t\",\"token_type\":\"bearer\"%s}", cases[i].member);
        sb_token *token = read_ok(body);
        if (cases[i].scope)
            assert_string_equal(sb_token_scope(token), cases[i].scope);
        else
            assert_null(sb_token_scope(token));
        sb_token_release(token);
    }
}

static void what_is_no_token_is_refused_and_never_quoted(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "<html>SECRET</html>",
        "{\"access_token\":\"\",\"token_type\":\"bearer\"}",
        "{\"access_token\":\"SECRET SECRET\",\"token_type\":\"bearer\"}",
        "{\"access_token\":\"SECRET\\r\\nX: y\",\"token_type\":\"bearer\"}",
        "{\"access_token\":\"SECRET\\u0000\",\"token_type\":\"bearer\"}",
        "{\"access_token\":17,\"token_type\":\"bearer\"}",
        "{\"access_token\":\"SECRET\",\"token_type\":\"mac\"}",
        "{\"access_token\":\"SECRET\",\"token_type\":\"DPoP\"}",
        "{\"access_token\":\"SECRET\",\"token_type\":7}",
        "{\"access_token\":\"SECRET\",\"access_token\":\"SECRET\",\"token_type\":\"bearer\"}",
        "{\"access_token\":\"SECRET\",\"token_type\":\"bearer\"",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        sb_token *token = NULL;
        bool has_error = true;
        sb_error err = SB_ERROR_INIT;
        assert_int_equal(sb_token_answer_read(sb_str_from(bad[i]), 0, &token, &has_error, &err), SB_E_SERVER);
        assert_int_equal(err.code, SB_E_SERVER);
        assert_null(token);
        assert_false(has_error);
        assert_null(strstr(err.why, "SECRET"));
        assert_null(strstr(err.what, "SECRET"));
    }
}

static void an_error_in_a_200_is_noticed(void **state)
{
    (void)state;
    sb_token *token = NULL;
    bool has_error = false;
    assert_int_equal(sb_token_answer_read(SB_STR_LIT("{\"error\":\"invalid_client\"}"), 0, &token, &has_error, NULL),
                     SB_E_SERVER);
    assert_true(has_error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifetimes_are_read_as_real_servers_write_them),
        cmocka_unit_test(the_type_is_bearer_in_any_case),
        cmocka_unit_test(the_granted_scope_is_kept),
        cmocka_unit_test(what_is_no_token_is_refused_and_never_quoted),
        cmocka_unit_test(an_error_in_a_200_is_noticed),
    };
    return cmocka_run_group_tests_name("token answer", tests, NULL, NULL);
}
