/* SPDX-License-Identifier: Apache-2.0 */
/* test_retry.c - dates, Retry-After in all its nonsense, and how long backoff may last. */
#include "http_test.h"

#include "http/retry.h"

#define NOW INT64_C(1785542400) /* 2026-08-01T00:00:00Z */

/* sb_http_retry_after() for one value; -1 when it finds none. */
static long wait_for(const char *value, unsigned max_s)
{
    sb_http_response r = SB_HTTP_RESPONSE_INIT;
    unsigned seconds = 12345;
    r.headers.items = calloc(1, sizeof(r.headers.items[0]));
    assert_non_null(r.headers.items);
    r.headers.items[0].name = sb_printf("retry-after");
    r.headers.items[0].value = sb_printf("%s", value);
    r.headers.len = 1;
    bool found = sb_http_retry_after(&r.headers, NOW, max_s, &seconds);
    sb_http_response_cleanup(&r);
    return found ? (long)seconds : -1;
}

static void retry_after_is_read_in_both_forms(void **state)
{
    (void)state;
    assert_int_equal(wait_for("0", 600), 0);
    assert_int_equal(wait_for("120", 600), 120);
    assert_int_equal(wait_for("  7 ", 600), 7);
    assert_int_equal(wait_for("Sat, 01 Aug 2026 00:02:00 GMT", 600), 120);
    assert_int_equal(wait_for("Saturday, 01-Aug-26 00:02:00 GMT", 600), 120);
    assert_int_equal(wait_for("Sat Aug  1 00:02:00 2026", 600), 120);
}

static void retry_after_is_clamped(void **state)
{
    (void)state;
    assert_int_equal(wait_for("601", 600), 600);
    assert_int_equal(wait_for("999999999", 600), 600);
    assert_int_equal(wait_for("Sat, 01 Aug 2099 00:00:00 GMT", 600), 600);
    assert_int_equal(wait_for("Sun, 06 Nov 1994 08:49:37 GMT", 600), 0); /* past */
    assert_int_equal(wait_for("Fri, 31 Dec 9999 23:59:59 GMT", 4294967295u), 4294967295);
}

static void epoch_times_in_place_of_deltas_are_read_as_dates(void **state)
{
    (void)state;
    assert_int_equal(wait_for("1785542460", 600), 60);    /* seconds */
    assert_int_equal(wait_for("1785542460000", 600), 60); /* milliseconds, as the reference server sends   STAT-01 */
    assert_int_equal(wait_for("1785542300", 600), 0);     /* past */
    assert_int_equal(wait_for("1785542300999", 600), 0);
}

static void nonsense_is_as_if_there_were_none(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         "-5",
                                         "+5",
                                         "1.5",
                                         "soon",
                                         "5s",
                                         "0x10",
                                         "5, 6",
                                         "99999999999999999999999999999",
                                         "100000000000001",
                                         "Sat, 32 Aug 2026 00:02:00 GMT",
                                         "Sat, 01 Aug 2026 00:02:00",
                                         "2026-08-01T00:02:00Z",
                                         "\xff\xfe"};
    for (size_t i = 0; i < SB_ARRAY_LEN(values); i++)
        assert_int_equal(wait_for(values[i], 600), -1);
    sb_http_headers none = {NULL, 0};
    unsigned seconds;
    assert_false(sb_http_retry_after(&none, NOW, 600, &seconds));
}

static int64_t date(const char *text)
{
    int64_t seconds = -1;
    return sb_http_date_parse(sb_str_from(text), &seconds) ? seconds : INT64_MIN;
}

static void dates_are_read_in_all_three_forms(void **state)
{
    (void)state;
    assert_true(date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
    assert_true(date("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777);
    assert_true(date("Sun Nov  6 08:49:37 1994") == 784111777);
    assert_true(date("Thu, 01 Jan 1970 00:00:00 GMT") == 0);
    assert_true(date("Wed, 31 Dec 1969 23:59:59 GMT") == -1);
    assert_true(date("Thu, 29 Feb 2024 12:00:00 GMT") == 1709208000);
    assert_true(date("Tue, 29 Feb 2000 00:00:00 GMT") == 951782400);
    assert_true(date("Sat, 31 Dec 2016 23:59:60 GMT") == 1483228799); /* a leap second */
    assert_true(date("Tuesday, 19-Jan-38 03:14:08 GMT") == INT64_C(2147483648));
    assert_true(date("  Sun, 06 Nov 1994 08:49:37 GMT\t") == 784111777);
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "Sun",
        "Sun,",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "1994-11-06T08:49:37Z",
        "784111777",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++)
        assert_true(date(texts[i]) == INT64_MIN);
}

static void every_cut_of_a_date_is_refused_without_reading_past_it(void **state)
{
    (void)state;
    static const char *const whole[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < SB_ARRAY_LEN(whole); i++)
        for (size_t len = 0; len < strlen(whole[i]); len++) {
            char *exact = malloc(len + 1); /* the sanitizer watches its end */
            memcpy(exact, whole[i], len);
            int64_t seconds;
            assert_false(sb_http_date_parse((sb_str){exact, len}, &seconds));
            free(exact);
        }
}

static void dates_go_out_and_come_back(void **state)
{
    (void)state;
    char text[SB_HTTP_DATE_SIZE];
    sb_http_date_format(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    for (int64_t t = INT64_C(-62167219200); t <= INT64_C(253402300799); t += INT64_C(86399) * 397) {
        int64_t back;
        sb_http_date_format(t, text);
        assert_true(sb_http_date_parse(sb_str_from(text), &back));
        assert_true(back == t);
    }
    sb_http_date_format(INT64_MAX, text);
    assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    sb_http_date_format(INT64_MIN, text);
    assert_string_equal(text, "Sat, 01 Jan 0000 00:00:00 GMT");
}

static void backoff_doubles_up_to_its_cap_and_never_sleeps_less_than_half(void **state)
{
    (void)state;
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        uint64_t top = attempt < 4 ? 1000u << attempt : 10000;
        bool low = false, high = false;
        for (int i = 0; i < 200; i++) {
            int64_t ns = sb_backoff_ns(attempt, 1000, 10000);
            assert_true(ns >= (int64_t)(top / 2) * SB_NS_PER_MS && ns <= (int64_t)top * SB_NS_PER_MS);
            low |= ns < (int64_t)(top * 5 / 8) * SB_NS_PER_MS;
            high |= ns > (int64_t)(top * 7 / 8) * SB_NS_PER_MS;
        }
        assert_true(low && high); /* spread, not in step: 200 draws miss a quarter once in 10^24 */
    }
    assert_true(sb_backoff_ns(0, 0, 1000) == 0);
    assert_true(sb_backoff_ns(UINT32_MAX, UINT32_MAX, UINT32_MAX) <= UINT32_MAX * SB_NS_PER_MS);
    assert_true(sb_backoff_ns(31, UINT32_MAX, UINT32_MAX) >= UINT32_MAX / 2 * SB_NS_PER_MS);
}

static void transient_statuses_are_the_four(void **state)
{
    (void)state;
    for (int status = 0; status < 600; status++)
        assert_int_equal(sb_http_status_is_transient(status),
                         status == 429 || status == 502 || status == 503 || status == 504);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_read_in_both_forms),
        cmocka_unit_test(retry_after_is_clamped),
        cmocka_unit_test(epoch_times_in_place_of_deltas_are_read_as_dates),
        cmocka_unit_test(nonsense_is_as_if_there_were_none),
        cmocka_unit_test(dates_are_read_in_all_three_forms),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(every_cut_of_a_date_is_refused_without_reading_past_it),
        cmocka_unit_test(dates_go_out_and_come_back),
        cmocka_unit_test(backoff_doubles_up_to_its_cap_and_never_sleeps_less_than_half),
        cmocka_unit_test(transient_statuses_are_the_four),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
