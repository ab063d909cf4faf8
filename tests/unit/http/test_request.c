/* SPDX-License-Identifier: Apache-2.0 */
/* test_request.c - how a server reads what a client writes: targets, forms, header lists, ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/accept.h"
#include "http/conditional.h"
#include "http/target.h"

static sb_str text(const char *s)
{
    return sb_str_from(s);
}

/* Targets */

static void a_path_is_cut_into_decoded_segments(void **state)
{
    (void)state;
    SB_AUTO(sb_target) t = SB_TARGET_INIT;
    assert_int_equal(sb_target_parse(text("/fhir/Group/a%20b/$export?_type=Patient&x=1%2B1+2"), &t, NULL), SB_OK);
    assert_int_equal(t.segment_count, 4);
    assert_true(sb_target_at(&t, 0, "fhir"));
    assert_true(sb_target_at(&t, 2, "a b"));
    assert_true(sb_target_at(&t, 3, "$export"));
    assert_false(sb_target_at(&t, 4, ""));
    assert_string_equal(t.path, "/fhir/Group/a%20b/$export");
    assert_string_equal(t.query_text, "_type=Patient&x=1%2B1+2");
    assert_int_equal(t.query.len, 2);
    assert_string_equal(sb_form_find(&t.query, "x")->value.ptr, "1+1 2");
}

static void a_slash_at_the_end_and_an_absolute_form_mean_the_same(void **state)
{
    (void)state;
    static const char *const same[] = {"/fhir/metadata", "/fhir/metadata/", "http://other.example/fhir/metadata",
                                       "https://other.example:99/fhir/metadata/"};
    for (size_t i = 0; i < SB_ARRAY_LEN(same); i++) {
        SB_AUTO(sb_target) t = SB_TARGET_INIT;
        assert_int_equal(sb_target_parse(text(same[i]), &t, NULL), SB_OK);
        assert_int_equal(t.segment_count, 2);
        assert_true(sb_target_at(&t, 1, "metadata"));
        assert_null(t.query_text);
    }
}

static void a_root_has_no_segments(void **state)
{
    (void)state;
    static const char *const roots[] = {"/", "", "http://host.example", "/?a=b"};
    for (size_t i = 0; i < SB_ARRAY_LEN(roots); i++) {
        SB_AUTO(sb_target) t = SB_TARGET_INIT;
        assert_int_equal(sb_target_parse(text(roots[i]), &t, NULL), SB_OK);
        assert_int_equal(t.segment_count, 0);
    }
}

static void what_two_readers_could_read_differently_is_not_read(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/a//b",  "//a",      "/a/../b",  "/a/./b", "/a/%2e%2e/b",
        "/a%2fb", "/a%00b",   "/a%zzb",   "/a%4",   "fhir/metadata",
        "*",      "/a?x=%zz", "/a?x=%00", "/a\tb",  "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        SB_AUTO(sb_target) t = SB_TARGET_INIT;
        if (sb_target_parse(text(bad[i]), &t, NULL) != SB_E_INVALID)
            fail_msg("'%s' was read", bad[i]);
        assert_null(t.path);
    }
}

/* Forms */

static void a_form_keeps_order_and_repetitions(void **state)
{
    (void)state;
    SB_AUTO(sb_form) f = SB_FORM_INIT;
    assert_int_equal(sb_form_parse(text("a=1&&b=&c&a=2%26"), 10, &f, NULL), SB_OK);
    assert_int_equal(f.len, 4);
    assert_int_equal(sb_form_count(&f, "a"), 2);
    assert_string_equal(f.items[0].value.ptr, "1");
    assert_string_equal(f.items[1].value.ptr, "");
    assert_string_equal(f.items[2].name.ptr, "c");
    assert_string_equal(f.items[3].value.ptr, "2&");
    assert_null(sb_form_find(&f, "d"));
    assert_int_equal(sb_form_parse(SB_STR_NULL, 10, &f, NULL), SB_OK);
    assert_int_equal(f.len, 0);
}

static void a_form_has_only_so_many_fields(void **state)
{
    (void)state;
    SB_AUTO(sb_form) f = SB_FORM_INIT;
    assert_int_equal(sb_form_parse(text("a=1&b=2&c=3"), 3, &f, NULL), SB_OK);
    assert_int_equal(sb_form_parse(text("a=1&b=2&c=3&d=4"), 3, &f, NULL), SB_E_INVALID);
    assert_int_equal(f.len, 0);
}

/* Header lists */

static void accept_is_decided_by_the_most_specific_range(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool admits;
    } cases[] = {
        {"", true},
        {"*/*", true},
        {"application/*", true},
        {"application/fhir+json", true},
        {"Application/FHIR+JSON;q=0.1", true},
        {"text/html, application/fhir+json", true},
        {"text/html", false},
        {"text/*", false},
        {"*/*;q=0", false},
        {"application/fhir+json;q=0, */*", false},
        {"*/*;q=0, application/*;q=0.001", true},
        {"application/fhir+json; q=0.0", false},
        {"application/fhir+json;fhirVersion=4.0", true},
        {"application/fhir", false},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        if (sb_accept_media(text(cases[i].accept), "application/fhir+json") != cases[i].admits)
            fail_msg("'%s'", cases[i].accept);
    }
}

static void gzip_is_sent_to_those_alone_who_take_it(void **state)
{
    (void)state;
    assert_true(sb_accept_coding(text("gzip"), "gzip"));
    assert_true(sb_accept_coding(text("deflate, GZIP;q=0.5"), "gzip"));
    assert_true(sb_accept_coding(text("*"), "gzip"));
    assert_false(sb_accept_coding(text(""), "gzip"));
    assert_false(sb_accept_coding(text("gzip;q=0"), "gzip"));
    assert_false(sb_accept_coding(text("gzip;q=0, *"), "gzip"));
    assert_false(sb_accept_coding(text("identity"), "gzip"));
}

static void preferences_are_found_by_name_and_value(void **state)
{
    (void)state;
    assert_true(sb_prefer_has(text("respond-async"), "respond-async", NULL));
    assert_true(sb_prefer_has(text("handling=lenient, Respond-Async; wait=10"), "respond-async", NULL));
    assert_true(sb_prefer_has(text("respond-async, handling = \"lenient\""), "handling", "lenient"));
    assert_false(sb_prefer_has(text("respond-async, handling=strict"), "handling", "lenient"));
    assert_false(sb_prefer_has(text("respond-asynchronously"), "respond-async", NULL));
    assert_false(sb_prefer_has(text("lenient"), "handling", "lenient"));
    assert_false(sb_prefer_has(text(""), "respond-async", NULL));
}

static void a_content_type_is_known_by_its_name(void **state)
{
    (void)state;
    assert_true(sb_content_type_is(text("application/json"), "application/json"));
    assert_true(sb_content_type_is(text(" Application/JSON ; charset=utf-8"), "application/json"));
    assert_false(sb_content_type_is(text("application/jsonp"), "application/json"));
    assert_false(sb_content_type_is(SB_STR_NULL, "application/json"));
}

/* Ranges */

static const sb_entity entity = {1000, "\"tag\"", 784111777};

static void expect(const char *range, const char *if_range, unsigned status, uint64_t first, uint64_t length)
{
    sb_selection s;
    sb_conditions c = {.range = text(range), .if_range = text(if_range)};
    sb_conditional_select(&entity, &c, &s);
    if (s.status != status || s.first != first || s.length != length)
        fail_msg("%s / %s: %u %llu+%llu", range, if_range, s.status, (unsigned long long)s.first,
                 (unsigned long long)s.length);
}

static void a_range_selects_its_bytes(void **state)
{
    (void)state;
    expect("", "", 200, 0, 1000);
    expect("bytes=0-", "", 206, 0, 1000);
    expect("bytes=0-0", "", 206, 0, 1);
    expect("bytes=999-", "", 206, 999, 1);
    expect("bytes=10-19", "\"tag\"", 206, 10, 10);
    expect("bytes=900-5000", "", 206, 900, 100);
    expect("bytes=-100", "", 206, 900, 100);
    expect("bytes=-5000", "", 206, 0, 1000);
    expect("Bytes = 5-5", "", 206, 5, 1);
}

static void a_range_beyond_the_end_is_416(void **state)
{
    (void)state;
    expect("bytes=1000-", "", 416, 0, 0);
    expect("bytes=1000-2000", "", 416, 0, 0);
    expect("bytes=-0", "", 416, 0, 0);
}

static void a_malformed_or_double_range_gets_the_whole(void **state)
{
    (void)state;
    static const char *const whole[] = {"bytes=",
                                        "bytes=-",
                                        "bytes=a-b",
                                        "bytes=5-4",
                                        "bytes=1-2,5-6",
                                        "lines=1-2",
                                        "bytes",
                                        "0-5",
                                        "bytes=+1-5",
                                        "bytes=1 - 5",
                                        "bytes=--5",
                                        "bytes=1-2-3",
                                        "bytes=99999999999999999999-"};
    for (size_t i = 0; i < SB_ARRAY_LEN(whole); i++)
        expect(whole[i], "", 200, 0, 1000);
}

static void a_range_of_another_version_gets_the_whole(void **state)
{
    (void)state;
    expect("bytes=10-19", "\"other\"", 200, 0, 1000);
    expect("bytes=10-19", "W/\"tag\"", 200, 0, 1000);
    expect("bytes=10-19", "Sun, 06 Nov 1994 08:49:37 GMT", 200, 0, 1000);
    expect("bytes=5000-", "\"other\"", 200, 0, 1000); /* not 416: that range was of another file */
}

static unsigned status_for(sb_conditions c)
{
    sb_selection s;
    sb_conditional_select(&entity, &c, &s);
    return s.status;
}

static void who_has_it_already_gets_304(void **state)
{
    (void)state;
    assert_int_equal(status_for((sb_conditions){.if_none_match = text("\"tag\"")}), 304);
    assert_int_equal(status_for((sb_conditions){.if_none_match = text("\"a\", W/\"tag\"")}), 304);
    assert_int_equal(status_for((sb_conditions){.if_none_match = text("*")}), 304);
    assert_int_equal(status_for((sb_conditions){.if_none_match = text("\"a\"")}), 200);
    sb_str date = text("Sun, 06 Nov 1994 08:49:37 GMT"), earlier = text("Sun, 06 Nov 1994 08:49:36 GMT");
    assert_int_equal(status_for((sb_conditions){.if_modified_since = date}), 304);
    assert_int_equal(status_for((sb_conditions){.if_modified_since = earlier}), 200);
    assert_int_equal(status_for((sb_conditions){.if_modified_since = date, .if_none_match = text("\"a\"")}), 200);
}

static void nothing_has_no_range(void **state)
{
    (void)state;
    const sb_entity empty = {0, "\"e\"", 0};
    sb_selection s;
    sb_conditions c = {.range = text("bytes=0-")};
    sb_conditional_select(&empty, &c, &s);
    assert_int_equal(s.status, 416);
    c = (sb_conditions){.range = SB_STR_NULL};
    sb_conditional_select(&empty, &c, &s);
    assert_int_equal(s.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_cut_into_decoded_segments),
        cmocka_unit_test(a_slash_at_the_end_and_an_absolute_form_mean_the_same),
        cmocka_unit_test(a_root_has_no_segments),
        cmocka_unit_test(what_two_readers_could_read_differently_is_not_read),
        cmocka_unit_test(a_form_keeps_order_and_repetitions),
        cmocka_unit_test(a_form_has_only_so_many_fields),
        cmocka_unit_test(accept_is_decided_by_the_most_specific_range),
        cmocka_unit_test(gzip_is_sent_to_those_alone_who_take_it),
        cmocka_unit_test(preferences_are_found_by_name_and_value),
        cmocka_unit_test(a_content_type_is_known_by_its_name),
        cmocka_unit_test(a_range_selects_its_bytes),
        cmocka_unit_test(a_range_beyond_the_end_is_416),
        cmocka_unit_test(a_malformed_or_double_range_gets_the_whole),
        cmocka_unit_test(a_range_of_another_version_gets_the_whole),
        cmocka_unit_test(who_has_it_already_gets_304),
        cmocka_unit_test(nothing_has_no_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
