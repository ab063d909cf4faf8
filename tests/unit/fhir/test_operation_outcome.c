/* SPDX-License-Identifier: Apache-2.0 */
/* What a payer's OperationOutcome tells us, and that its words are safe to show.                        STAT-02,
 * REAL-06 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "fhir/operation_outcome.h"
#include "fhir/safe_line.h"

static sb_outcome parse(const char *body)
{
    sb_outcome out;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_outcome_parse(sb_str_from(body), &out, &err), SB_OK);
    return out;
}

#define OUTCOME(issues)       "{\"resourceType\":\"OperationOutcome\",\"issue\":[" issues "]}"
#define ISSUE(severity, code) "{\"severity\":\"" severity "\",\"code\":\"" code "\"}"

static void the_worst_issue_comes_first(void **state)
{
    (void)state;
    sb_outcome o = parse(OUTCOME("{\"severity\":\"information\",\"code\":\"informational\",\"diagnostics\":\"hello\"},"
                                 "{\"severity\":\"error\",\"code\":\"forbidden\",\"details\":{\"text\":\"no scope\"},"
                                 "\"diagnostics\":\"system/Patient.rs\"}"));
    assert_int_equal(o.severity, SB_OUTCOME_ERROR);
    assert_string_equal(o.code, "forbidden");
    assert_string_equal(o.text, "forbidden: no scope, system/Patient.rs; informational: hello");
    assert_int_equal(o.issues, 2);
    assert_true(sb_outcome_is_error(&o));
    assert_false(sb_outcome_is_transient(&o));
}

static void the_same_words_are_said_once(void **state)
{
    (void)state;
    sb_outcome o = parse(
        OUTCOME("{\"severity\":\"error\",\"code\":\"x\",\"details\":{\"text\":\"gone\"},\"diagnostics\":\"gone\"}"));
    assert_string_equal(o.text, "x: gone");
    o = parse(OUTCOME("{\"severity\":\"error\",\"code\":\"x\",\"details\":{\"coding\":[{\"display\":\"Gone\"}]}}"));
    assert_string_equal(o.text, "x: Gone");
}

static void transient_codes_let_polling_go_on(void **state)
{
    (void)state;
    static const char *const codes[] = {"transient", "lock-error", "no-store", "exception",
                                        "timeout",   "incomplete", "throttled"};
    for (size_t i = 0; i < SB_ARRAY_LEN(codes); i++) {
        SB_AUTOFREE body = sb_printf(OUTCOME("{\"severity\":\"error\",\"code\":\"%s\"}"), codes[i]);
        sb_outcome o = parse(body);
        assert_true(sb_outcome_is_transient(&o));
    }
    static const struct {
        const char *body;
        bool transient;
    } cases[] = {
        {OUTCOME(ISSUE("fatal", "processing")), false},
        {OUTCOME(ISSUE("error", "Transient")), false},
        {OUTCOME(ISSUE("error", "timeout") "," ISSUE("error", "not-found")), false},
        {OUTCOME(ISSUE("error", "timeout") "," ISSUE("information", "informational")), true},
        {OUTCOME(ISSUE("warning", "timeout") "," ISSUE("information", "informational")), false},
        {OUTCOME(ISSUE("warning", "throttled")), true},
        {OUTCOME("{\"code\":\"throttled\"}"), true},
        {OUTCOME("{\"code\":\"processing\"}," ISSUE("warning", "throttled")), false},
        {OUTCOME("{\"severity\":\"error\"}"), false},
        {OUTCOME(""), false},
        {OUTCOME("1,null,[]"), false},
        {"{\"resourceType\":\"OperationOutcome\"}", false},
        {"{\"resourceType\":\"OperationOutcome\",\"issue\":{\"code\":\"timeout\"}}", false},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        sb_outcome o = parse(cases[i].body);
        if (sb_outcome_is_transient(&o) != cases[i].transient)
            fail_msg("transient or not: %s", cases[i].body);
    }
}

static void what_is_no_outcome_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "<html>502</html>",
                                         "[]",
                                         "{}",
                                         "{\"resourceType\":\"Patient\"}",
                                         "{\"resourceType\":1}",
                                         "{\"error\":\"invalid_client\"}"};
    for (size_t i = 0; i < SB_ARRAY_LEN(bodies); i++) {
        sb_outcome out;
        sb_error err = SB_ERROR_INIT;
        assert_int_equal(sb_outcome_parse(sb_str_from(bodies[i]), &out, &err), SB_E_INVALID);
        assert_string_equal(out.text, "");
        assert_string_not_equal(err.what, "");
    }
}

static void a_body_beyond_the_bound_is_not_read(void **state)
{
    (void)state;
    SB_AUTO(sb_buf) body = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&body, OUTCOME("")));
    while (body.len <= SB_OUTCOME_MAX_BYTES)
        assert_true(sb_buf_add_char(&body, ' '));
    sb_outcome out;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_outcome_parse(sb_buf_str(&body), &out, &err), SB_E_INVALID);
    body.len--;
    assert_int_equal(sb_outcome_parse(sb_buf_str(&body), &out, &err), SB_OK);
}

static void words_are_safe_for_a_terminal(void **state)
{
    (void)state;
    sb_outcome o =
        parse(OUTCOME("{\"severity\":\"error\",\"code\":\"a\\u001b[2J\",\"diagnostics\":"
                      "\"one\\r\\n\\ttwo\\u0007 \\u009b31m \\u202egnp.exe\\u2028three\\u007f  caf\\u00e9\"}"));
    assert_string_equal(o.code, "a[2J");
    assert_string_equal(o.text, "a[2J: one two 31m gnp.exe three caf\xC3\xA9");
}

static void long_words_are_cut_at_a_character(void **state)
{
    (void)state;
    for (size_t pad = 0; pad < 4; pad++) {
        SB_AUTO(sb_buf) body = SB_BUF_INIT;
        assert_true(sb_buf_add_cstr(&body, "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"diagnostics\":\""));
        for (size_t i = 0; i < pad; i++)
            assert_true(sb_buf_add_char(&body, 'x'));
        for (size_t i = 0; i < SB_OUTCOME_TEXT_SIZE; i++)
            assert_true(sb_buf_add_cstr(&body, "\xF0\x9F\x98\x80"));
        assert_true(sb_buf_add_cstr(&body, "\"}]}"));
        sb_outcome o;
        sb_error err = SB_ERROR_INIT;
        assert_int_equal(sb_outcome_parse(sb_buf_str(&body), &o, &err), SB_OK);
        assert_true(strlen(o.text) < SB_OUTCOME_TEXT_SIZE && strlen(o.text) > SB_OUTCOME_TEXT_SIZE - 9);
        assert_true(sb_str_ends_with(sb_str_from(o.text), SB_STR_LIT("\x98\x80\xE2\x80\xA6")));
        json_t *valid = json_string(o.text); /* NULL when not UTF-8 */
        assert_non_null(valid);
        json_decref(valid);
    }
}

static void bytes_that_are_not_utf8_become_question_marks(void **state)
{
    (void)state;
    char line[64];
    size_t len = 0;
    assert_true(sb_safe_line_add(line, sizeof line, &len, SB_STR_LIT("a\xFF\xC3(\xED\xA0\x80\xE2\x82")));
    assert_string_equal(line, "a\?\?(\?\?\?\?\?");
    len = 0;
    char small[8];
    assert_true(sb_safe_line_add(small, sizeof small, &len, SB_STR_LIT("1234567")));
    assert_string_equal(small, "1234567");
    assert_false(sb_safe_line_add(small, sizeof small, &len, SB_STR_LIT("8")));
    assert_string_equal(small, "1234\xE2\x80\xA6");
}

static void ours_can_be_read_back(void **state)
{
    (void)state;
    SB_AUTOJSON made = sb_outcome_new(SB_OUTCOME_ERROR, "throttled", "an export is already running");
    assert_non_null(made);
    assert_true(sb_outcome_add(made, SB_OUTCOME_WARNING, "informational", NULL));
    SB_AUTOFREE text = sb_json_dump(made);
    assert_string_equal(
        text,
        "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"throttled\","
        "\"diagnostics\":\"an export is already running\"},{\"severity\":\"warning\",\"code\":\"informational\"}]}");
    sb_outcome o = parse(text);
    assert_true(sb_outcome_is_transient(&o));
    assert_string_equal(o.text, "throttled: an export is already running; informational");
    assert_null(sb_outcome_new(SB_OUTCOME_ERROR, "invalid", "\xFF"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_issue_comes_first),
        cmocka_unit_test(the_same_words_are_said_once),
        cmocka_unit_test(transient_codes_let_polling_go_on),
        cmocka_unit_test(what_is_no_outcome_is_refused),
        cmocka_unit_test(a_body_beyond_the_bound_is_not_read),
        cmocka_unit_test(words_are_safe_for_a_terminal),
        cmocka_unit_test(long_words_are_cut_at_a_character),
        cmocka_unit_test(bytes_that_are_not_utf8_become_question_marks),
        cmocka_unit_test(ours_can_be_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
