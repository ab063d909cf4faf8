/* SPDX-License-Identifier: Apache-2.0 */
/* test_error.c - errors reach a person whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <smartbulk/error.h>

static void an_error_prints_its_three_parts(void **state)
{
    (void)state;
    sb_error err = SB_ERROR_INIT;
    char text[512];
    assert_int_equal(sb_error_set(&err, SB_E_AUTH, "the payer refused us", "it answered %d", "do this\nor that", 401),
                     SB_E_AUTH);
    assert_string_equal(sb_error_format(&err, text, sizeof(text)), "the payer refused us\n"
                                                                   "  why: it answered 401\n"
                                                                   "  fix: do this\n"
                                                                   "       or that\n");
}

static void an_error_may_quote_itself(void **state)
{
    (void)state;
    sb_error err = SB_ERROR_INIT;
    sb_error_set(&err, SB_E_IO, "first", "cause", NULL);
    sb_error_set(&err, SB_E_SERVER, "second", "after: %s", NULL, err.what);
    assert_string_equal(err.why, "after: first");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    sb_error err = SB_ERROR_INIT;
    char text[2000];
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xC3\xA9", 2); /* é */
    text[1998] = '\0';
    sb_error_set(&err, SB_E_IO, text, "%s", text, text);
    assert_int_equal(strlen(err.what) % 2, 0);
    assert_int_equal(strlen(err.why) % 2, 0);
    assert_true(strlen(err.what) >= sizeof(err.what) - 3);
}

static void every_status_has_an_exit_code_and_a_name(void **state)
{
    (void)state;
    for (int s = SB_OK; s <= SB_E_INTERNAL; s++) {
        assert_in_range(sb_status_exit_code((sb_status)s), s == SB_OK ? 0 : 1, 7);
        assert_string_not_equal(sb_status_name((sb_status)s), "unknown");
    }
    assert_int_equal(sb_status_exit_code(SB_E_AUTH), 3);
    assert_int_equal(sb_status_exit_code(SB_E_PARTIAL), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_prints_its_three_parts),
        cmocka_unit_test(an_error_may_quote_itself),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(every_status_has_an_exit_code_and_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
