/* SPDX-License-Identifier: Apache-2.0 */
/* Instants and dates mean the same to us as to everybody else: checked against the C library's calendar. EXP-03,
 * FILE-08 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "fhir/instant.h"

static void expect(const char *text, int64_t s, int32_t ns)
{
    sb_instant got;
    sb_error err = SB_ERROR_INIT;
    if (sb_instant_parse(sb_str_from(text), &got, &err) != SB_OK)
        fail_msg("refused: %s", text);
    if (got.s != s || got.ns != ns)
        fail_msg("%s is %lld.%09d, not %lld.%09d", text, (long long)got.s, (int)got.ns, (long long)s, (int)ns);
}

static void instants_are_read(void **state)
{
    (void)state;
    expect("1970-01-01T00:00:00Z", 0, 0);
    expect("2026-01-31T00:00:00.000Z", 1769817600, 0);
    expect("2026-01-31T15:04:05.123456789Z", 1769871845, 123456789);
    expect("2026-01-31T15:04:05.1234567899999Z", 1769871845, 123456789);
    expect("2026-01-31T15:04:05.5-05:00", 1769871845 + 5 * 3600, 500000000);
    expect("2026-01-31T15:04:05+05:30", 1769871845 - 5 * 3600 - 1800, 0);
    expect("2026-01-31T15:04:05+0000", 1769871845, 0);
    expect("2026-01-31t15:04:05z", 1769871845, 0);
    expect("2024-02-29T00:00:00Z", 1709164800, 0);
    expect("2000-02-29T00:00:00Z", 951782400, 0);
    expect("1969-12-31T23:59:59.999Z", -1, 999000000);
    expect("0001-01-01T00:00:00Z", -62135596800, 0);
    expect("9999-12-31T23:59:59Z", 253402300799, 0);
    expect("2026-01-31T00:00:00+14:00", 1769817600 - 14 * 3600, 0);
}

static void a_leap_second_is_the_next_minute(void **state)
{
    (void)state;
    expect("2016-12-31T23:59:60Z", 1483228800, 0);
    expect("2016-12-31T23:59:60.5Z", 1483228800, 500000000);
}

static void what_is_no_instant_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "now",
        "2026",
        "2026-01",
        "2026-01-31",
        "2026-01-31T",
        "2026-01-31T15",
        "2026-01-31T15:04",
        "2026-01-31T15:04Z",
        "2026-01-31T15:04:05",
        "2026-01-31T15:04:05.Z",
        "2026-01-31T15:04:05Z ",
        " 2026-01-31T15:04:05Z",
        "2026-01-31 15:04:05Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T23:60:00Z",
        "2026-01-31T23:59:61Z",
        "2026-01-31T23:59:59+14:01",
        "2026-01-31T23:59:59+15:00",
        "2026-01-31T23:59:59+05:60",
        "2026-01-31T23:59:59+05",
        "2026-01-31T23:59:59ZZ",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:60Z",
        "-2026-01-31T00:00:00Z",
        "+2026-01-31T00:00:00Z",
        "12026-01-31T00:00:00Z",
        "1769817600",
        "2026-01-31T00:00:00\x1b[2JZ",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        sb_instant got;
        sb_error err = SB_ERROR_INIT;
        if (sb_instant_parse(sb_str_from(texts[i]), &got, &err) != SB_E_INVALID)
            fail_msg("accepted: %s", texts[i]);
        assert_true(sb_str_is_text(sb_str_from(err.why)));
    }
}

static void nothing_is_read_beyond_the_text(void **state)
{
    (void)state;
    const char *whole = "2026-01-31T15:04:05.123-05:00";
    for (size_t len = 0; len <= strlen(whole); len++) {
        char *exact = malloc(len > 0 ? len : 1); /* the sanitizer watches its end */
        assert_non_null(exact);
        if (len > 0)
            memcpy(exact, whole, len);
        sb_instant got;
        sb_status status = sb_instant_parse((sb_str){exact, len}, &got, NULL);
        assert_int_equal(status, len == strlen(whole) ? SB_OK : SB_E_INVALID);
        free(exact);
    }
}

static void expect_period(const char *text, const char *first, const char *after)
{
    sb_instant a, b;
    char shown[SB_INSTANT_SIZE];
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_instant_parse_period(sb_str_from(text), &a, &b, &err), SB_OK);
    assert_string_equal(sb_instant_format(a, shown), first);
    assert_string_equal(sb_instant_format(b, shown), after);
    assert_true(sb_instant_compare(a, b) < 0);
}

static void a_date_is_a_period_in_utc(void **state)
{
    (void)state;
    expect_period("2026", "2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z");
    expect_period("2026-12", "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z");
    expect_period("2024-02", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z");
    expect_period("2026-01-31", "2026-01-31T00:00:00.000Z", "2026-02-01T00:00:00.000Z");
    expect_period("2026-01-31T23:59:59Z", "2026-01-31T23:59:59.000Z", "2026-02-01T00:00:00.000Z");
    expect_period("2026-01-31T23:59:59.99-05:00", "2026-02-01T04:59:59.990Z", "2026-02-01T05:00:00.000Z");
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_instant_parse_period(SB_STR_LIT("2026-1"), NULL, NULL, &err), SB_E_INVALID);
    assert_int_equal(sb_instant_parse_period(SB_STR_LIT("2026-"), NULL, NULL, &err), SB_E_INVALID);
    assert_int_equal(sb_instant_parse_period(SB_STR_LIT("2026-01-"), NULL, NULL, &err), SB_E_INVALID);
    assert_int_equal(sb_instant_parse_period(SB_STR_LIT("last"), NULL, NULL, &err), SB_E_INVALID);
    assert_int_equal(sb_instant_parse_period(SB_STR_LIT("2026-01-31"), NULL, NULL, &err), SB_OK);
}

static void the_calendar_is_the_c_librarys(void **state)
{
    (void)state;
    /* 97 days less a bit: meets every month, leap years and both ends over ten thousand years */
    for (int64_t s = -62135596800; s <= 253402300799; s += 97 * 86400 - 4567) {
        char ours[SB_INSTANT_SIZE], theirs[64];
        struct tm tm;
        time_t t = (time_t)s;
        assert_non_null(gmtime_r(&t, &tm));
        assert_true(strftime(theirs, sizeof theirs, "-%m-%dT%H:%M:%S.000Z", &tm) > 0);
        sb_instant_format((sb_instant){s, 999999}, ours);
        assert_string_equal(ours + 4, theirs);
        expect(ours, s, 0);
    }
}

static void instants_beyond_the_calendar_are_clamped(void **state)
{
    (void)state;
    char shown[SB_INSTANT_SIZE];
    assert_string_equal(sb_instant_format((sb_instant){INT64_MIN, 0}, shown), "0001-01-01T00:00:00.000Z");
    assert_string_equal(sb_instant_format((sb_instant){INT64_MAX, 5}, shown), "9999-12-31T23:59:59.999Z");
}

static void instants_are_compared_to_the_nanosecond(void **state)
{
    (void)state;
    assert_true(sb_instant_compare((sb_instant){1, 0}, (sb_instant){1, 1}) < 0);
    assert_true(sb_instant_compare((sb_instant){2, 0}, (sb_instant){1, 999999999}) > 0);
    assert_int_equal(sb_instant_compare((sb_instant){-1, 5}, (sb_instant){-1, 5}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_read),
        cmocka_unit_test(a_leap_second_is_the_next_minute),
        cmocka_unit_test(what_is_no_instant_is_refused),
        cmocka_unit_test(nothing_is_read_beyond_the_text),
        cmocka_unit_test(a_date_is_a_period_in_utc),
        cmocka_unit_test(the_calendar_is_the_c_librarys),
        cmocka_unit_test(instants_beyond_the_calendar_are_clamped),
        cmocka_unit_test(instants_are_compared_to_the_nanosecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
