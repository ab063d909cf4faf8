/* SPDX-License-Identifier: Apache-2.0 */
/* test_human.c - numbers as people read and write them, slips and what was meant, words for a shell, forecasts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/facts.h"
#include "cli/human.h"
#include "cli/numbers.h"
#include "cli/pace.h"
#include "cli/suggest.h"

static void bytes_have_three_digits(void **state)
{
    (void)state;
    assert_string_equal(human_bytes(0).text, "0 B");
    assert_string_equal(human_bytes(999).text, "999 B");
    assert_string_equal(human_bytes(1000).text, "1.00 kB");
    assert_string_equal(human_bytes(9994).text, "9.99 kB");
    assert_string_equal(human_bytes(9996).text, "10.0 kB");
    assert_string_equal(human_bytes(99960).text, "100 kB");
    assert_string_equal(human_bytes(999499).text, "999 kB");
    assert_string_equal(human_bytes(999500).text, "1.00 MB");
    assert_string_equal(human_bytes(3120000000).text, "3.12 GB");
    assert_string_equal(human_bytes(UINT64_MAX).text, "18.4 EB");
    assert_string_equal(human_rate(-1).text, "0 B/s");
    assert_string_equal(human_rate(212e6).text, "212 MB/s");
}

static void counts_have_commas(void **state)
{
    (void)state;
    assert_string_equal(human_count(0).text, "0");
    assert_string_equal(human_count(999).text, "999");
    assert_string_equal(human_count(1000).text, "1,000");
    assert_string_equal(human_count(1204311).text, "1,204,311");
    assert_string_equal(human_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

static void durations_have_two_units(void **state)
{
    (void)state;
    assert_string_equal(human_duration(-5).text, "0 s");
    assert_string_equal(human_duration(59).text, "59 s");
    assert_string_equal(human_duration(60).text, "1 min");
    assert_string_equal(human_duration(124).text, "2 min 4 s");
    assert_string_equal(human_duration(3 * 3600 + 12 * 60 + 59).text, "3 h 12 min");
    assert_string_equal(human_duration(86400 * 21 + 7200).text, "21 d 2 h");
    assert_string_equal(human_about(3).text, "10 s");
    assert_string_equal(human_about(44).text, "40 s");
    assert_string_equal(human_about(58).text, "1 min");
    assert_string_equal(human_about(600).text, "10 min");
    assert_string_equal(human_about(7000).text, "2 h");
    assert_string_equal(human_about(86400 * 3).text, "3 d");
    assert_string_equal(human_instant(0).text, "1970-01-01T00:00:00Z");
}

static void numbers_are_digits_alone(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(number_read("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX);
    assert_true(number_read("0", 5, &n) && n == 0);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1x", "18446744073709551616", "0x10"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(number_read(bad[i], UINT64_MAX, &n));
    assert_false(number_read("6", 5, &n));
    assert_false(number_read("10", 9, &n));
}

static void sizes_have_units(void **state)
{
    (void)state;
    uint64_t n = 0;
    assert_true(size_read("1048576", INT64_MAX, &n) && n == 1048576);
    assert_true(size_read("1024k", INT64_MAX, &n) && n == 1048576);
    assert_true(size_read("1M", INT64_MAX, &n) && n == 1048576);
    assert_true(size_read("1MiB", INT64_MAX, &n) && n == 1048576);
    assert_true(size_read("1MB", INT64_MAX, &n) && n == 1000000);
    assert_true(size_read("2G", INT64_MAX, &n) && n == UINT64_C(2) << 30);
    static const char *const bad[] = {"", "M", "1X", "1MBx", "1 M", "-1M", "9999999999T", "1Mi"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(size_read(bad[i], INT64_MAX, &n));
}

static void a_slip_is_understood(void **state)
{
    (void)state;
    static const char *const names[] = {"patients", "patient", "type", "type-filter", "to", "since", "export"};
    const size_t n = sizeof(names) / sizeof(names[0]);
    assert_string_equal(suggest("pateints", names, n), "patients");
    assert_string_equal(suggest("tpye", names, n), "type");
    assert_string_equal(suggest("typefilter", names, n), "type-filter");
    assert_string_equal(suggest("exprot", names, n), "export");
    assert_string_equal(suggest("ot", names, n), "to");
    assert_null(suggest("frobnicate", names, n));
    assert_null(suggest("", names, 4));
    assert_null(suggest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", names, n));
}

static void a_folder_is_quoted_for_the_shell(void **state)
{
    (void)state;
    assert_string_equal(shell_quote("claims/2026-11").text, "claims/2026-11");
    assert_string_equal(shell_quote("my claims").text, "'my claims'");
    assert_string_equal(shell_quote("it's").text, "'it'\\''s'");
    assert_string_equal(shell_quote("").text, "''");
    char longest[9000];
    memset(longest, '\'', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    size_t len = strlen(shell_quote(longest).text);
    assert_true(len < sizeof(shell_word));
    assert_int_equal(shell_quote(longest).text[len - 1], '\'');
}

static sb_export_snapshot downloading(uint64_t files, uint64_t done, uint64_t resources, uint64_t expected)
{
    sb_export_snapshot s = {.phase = SB_EXPORT_PHASE_DOWNLOAD, .files = files, .files_done = done, .n_types = 1};
    s.resources = s.types[0].resources = resources;
    s.types[0].resources_expected = expected;
    s.types[0].files = files;
    s.bytes = resources * 1000;
    return s;
}

#define S INT64_C(1000000000)

static void a_forecast_has_grounds_or_is_not_made(void **state)
{
    (void)state;
    pace p = {0};
    sb_export_snapshot s = downloading(10, 0, 0, 1000);
    assert_true(pace_bytes_per_s(&p) < 0);
    for (int t = 0; t <= 4; t++) {
        s = downloading(10, 0, (uint64_t)t * 10, 1000);
        pace_note(&p, t * S, &s);
        assert_int_equal(pace_left_s(&p, &s), -1); /* too early */
    }
    assert_true(pace_bytes_per_s(&p) == 10000);
    s = downloading(10, 0, 100, 1000);
    pace_note(&p, 5 * S, &s);
    int64_t left = pace_left_s(&p, &s);
    assert_true(left >= 40 && left <= 50);
    s = downloading(10, 10, 1000, 1000);
    assert_int_equal(pace_left_s(&p, &s), -1); /* nothing is left */
}

static void without_counts_files_must_have_come_lately(void **state)
{
    (void)state;
    pace p = {0};
    sb_export_snapshot s = downloading(100, 0, 0, 0);
    for (int t = 0; t <= 8; t++) {
        s = downloading(100, t == 8 ? 2 : 0, (uint64_t)t, 0);
        pace_note(&p, t * S / 2 * 2, &s);
    }
    assert_int_equal(pace_left_s(&p, &s), -1); /* two files are no ground */
    s = downloading(100, 10, 9, 0);
    pace_note(&p, 10 * S, &s);
    assert_int_equal(pace_left_s(&p, &s), 90);
}

static void a_stop_is_not_counted_as_slowness(void **state)
{
    (void)state;
    pace p = {0};
    sb_export_snapshot s = {0};
    for (int t = 0; t <= 100; t++) { /* the ring goes round */
        s = downloading(10, 0, (uint64_t)t * 10, 100000);
        pace_note(&p, t * S, &s);
    }
    assert_true(pace_bytes_per_s(&p) == 10000);
    s = downloading(10, 0, 1010, 100000);
    pace_note(&p, 4000 * S, &s);
    assert_true(pace_bytes_per_s(&p) < 0);
    assert_int_equal(pace_left_s(&p, &s), -1);
}

static void only_all_is_all(void **state)
{
    (void)state;
    assert_true(pace_part(0, 0, 0, 0) == 0);
    assert_true(pace_part(1000, 1000, 1, 2) < 1);
    assert_true(pace_part(5000, 1000, 0, 2) < 1);
    assert_true(pace_part(500, 1000, 2, 2) == 1);
    assert_true(pace_part(500, 1000, 0, 2) == 0.5);
    assert_true(pace_part(0, 0, 1, 4) == 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_three_digits),
        cmocka_unit_test(counts_have_commas),
        cmocka_unit_test(durations_have_two_units),
        cmocka_unit_test(numbers_are_digits_alone),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(a_slip_is_understood),
        cmocka_unit_test(a_folder_is_quoted_for_the_shell),
        cmocka_unit_test(a_forecast_has_grounds_or_is_not_made),
        cmocka_unit_test(without_counts_files_must_have_come_lately),
        cmocka_unit_test(a_stop_is_not_counted_as_slowness),
        cmocka_unit_test(only_all_is_all),
    };
    return cmocka_run_group_tests_name("cli_human", tests, NULL, NULL);
}
