/* SPDX-License-Identifier: Apache-2.0 */
/* The NDJSON validator's promises, one by one: what is a good line, what is wrong with a bad one and where, and that no
 * way of cutting the stream changes any of it.                                                              FILE-02,
 * FILE-03 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fhir/ndjson_state.h"

#define MAX_BAD 16

typedef struct verdict {
    sb_ndjson_counts counts;
    size_t bad_len;
    sb_ndjson_bad_line bad[MAX_BAD];
} verdict;

static void note_bad_line(void *impl, const sb_ndjson_bad_line *bad)
{
    verdict *v = impl;
    assert_true(v->bad_len < MAX_BAD);
    v->bad[v->bad_len++] = *bad;
}

/* What is found in `text` when it is fed cut at `a` and at `b`, or settled there. */
static verdict judge_cut(sb_ndjson *n, sb_ndjson_engine engine, sb_ndjson_options options, sb_str text, size_t a,
                         size_t b, bool settles)
{
    verdict v = {.bad_len = 0};
    sb_error err = SB_ERROR_INIT;
    options.on_bad_line = note_bad_line;
    options.impl = &v;
    assert_int_equal(sb_ndjson_reset(n, &options, &err), SB_OK);
    sb_ndjson_use_engine(n, engine);
    /* copies of exactly the right size: the sanitizer sees any read beyond a piece */
    size_t cut[4] = {0, a, b, text.len};
    for (size_t i = 0; i < 3; i++) {
        size_t len = cut[i + 1] - cut[i];
        char *piece = malloc(len > 0 ? len : 1);
        assert_non_null(piece);
        if (len > 0)
            memcpy(piece, text.ptr + cut[i], len);
        sb_ndjson_feed(n, piece, len);
        free(piece);
        if (settles)
            sb_ndjson_settle(n);
    }
    sb_ndjson_finish(n, &v.counts);
    assert_int_equal(v.counts.bytes, text.len);
    assert_int_equal(v.counts.lines, v.counts.resources + v.counts.bad);
    assert_int_equal(v.counts.bad, v.bad_len);
    return v;
}

static void assert_same(const verdict *x, const verdict *y, int engine, sb_str text, size_t a, size_t b)
{
    bool same =
        x->counts.lines == y->counts.lines && x->counts.resources == y->counts.resources && x->bad_len == y->bad_len;
    for (size_t i = 0; same && i < x->bad_len; i++)
        same = x->bad[i].line == y->bad[i].line && x->bad[i].offset == y->bad[i].offset &&
               x->bad[i].column == y->bad[i].column && x->bad[i].reason == y->bad[i].reason;
    if (!same)
        fail_msg("engine %d, cut at %zu and %zu, changes the verdict of: %.*s", engine, a, b, (int)text.len, text.ptr);
}

/* The verdict, after making sure that no engine and no two cuts change it. */
static verdict judge(sb_ndjson_options options, sb_str text)
{
    SB_AUTOPTR(sb_ndjson) n = NULL;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_ndjson_new(&options, &n, &err), SB_OK);
    verdict whole = judge_cut(n, SB_NDJSON_PLAIN, options, text, 0, text.len, false);
    size_t step = text.len <= 100 ? 1 : text.len / 50;
    for (int engine = SB_NDJSON_PLAIN; engine < SB_NDJSON_ENGINES; engine++)
        for (size_t a = 0; sb_ndjson_has_engine((sb_ndjson_engine)engine) && a <= text.len; a += step)
            for (size_t b = a; b <= text.len; b += step) {
                verdict cut = judge_cut(n, (sb_ndjson_engine)engine, options, text, a, b, false);
                assert_same(&whole, &cut, engine, text, a, b);
                cut = judge_cut(n, (sb_ndjson_engine)engine, options, text, a, b, true);
                assert_same(&whole, &cut, engine, text, a, b);
            }
    return whole;
}

static void expect_counts(sb_str text, uint64_t resources, uint64_t bad)
{
    verdict v = judge((sb_ndjson_options){0}, text);
    if (v.counts.resources != resources || v.counts.bad != bad)
        fail_msg("%zu good and %zu bad in: %.*s", (size_t)v.counts.resources, (size_t)v.counts.bad, (int)text.len,
                 text.ptr);
}

static void expect_bad(sb_ndjson_options options, sb_str text, uint64_t column, sb_ndjson_reason reason)
{
    verdict v = judge(options, text);
    if (v.bad_len != 1)
        fail_msg("%zu bad lines in: %.*s", v.bad_len, (int)text.len, text.ptr);
    if (v.bad[0].reason != reason || v.bad[0].column != column)
        fail_msg("found \"%s\" at %zu, not \"%s\" at %zu, in: %.*s", sb_ndjson_reason_text(v.bad[0].reason),
                 (size_t)v.bad[0].column, sb_ndjson_reason_text(reason), (size_t)column, (int)text.len, text.ptr);
}

#define GOOD(lit)                expect_counts(SB_STR_LIT(lit), 1, 0)
#define BAD(lit, column, reason) expect_bad((sb_ndjson_options){0}, SB_STR_LIT(lit), column, SB_NDJSON_##reason)

static void count_bad(void *impl, const sb_ndjson_bad_line *bad)
{
    *(uint64_t *)impl = bad->line;
}

/* Who hands lines on one by one must not hand on a bad one. */
static void a_line_is_judged_when_it_is_settled(void **state)
{
    (void)state;
    for (int engine = SB_NDJSON_PLAIN; engine < SB_NDJSON_ENGINES; engine++) {
        SB_AUTOPTR(sb_ndjson) n = NULL;
        uint64_t bad = 0;
        sb_ndjson_options options = {.on_bad_line = count_bad, .impl = &bad};
        sb_error err = SB_ERROR_INIT;
        if (!sb_ndjson_has_engine((sb_ndjson_engine)engine))
            continue;
        assert_int_equal(sb_ndjson_new(&options, &n, &err), SB_OK);
        sb_ndjson_use_engine(n, (sb_ndjson_engine)engine);
        for (uint64_t line = 1; line <= 300; line++) {
            char text[400];
            bool is_bad = line % 3 == 0;
            int len = snprintf(text, sizeof(text), "{\"resourceType\":\"A\",\"x\":\"%0*d\"%s\n", (int)line, 0,
                               is_bad ? "" : "}");
            bad = 0;
            sb_ndjson_feed(n, text, (size_t)len);
            sb_ndjson_settle(n);
            assert_int_equal(bad, is_bad ? line : 0);
        }
    }
}

/* A resource around a value or members. */
#define R(value)                  "{\"resourceType\":\"A\",\"x\":" value "}"
#define AT_IN_R(col)              (24 + (col)) /* column of the value's byte `col`, from 1 */
#define ROUND(good)               GOOD(R(good))
#define WRONG(value, col, reason) BAD(R(value), AT_IN_R(col), reason)

static void an_empty_stream_has_no_lines(void **state)
{
    (void)state;
    expect_counts(SB_STR_LIT(""), 0, 0);
    expect_counts(SB_STR_LIT("\n"), 0, 0);
    expect_counts(SB_STR_LIT("\n\r\n  \t\n \n\n"), 0, 0);
    expect_counts(SB_STR_LIT("\xEF\xBB\xBF"), 0, 0);
    expect_counts(SB_STR_LIT("\xEF\xBB\xBF\r\n"), 0, 0);
}

static void ends_of_lines_may_be_lf_crlf_or_missing(void **state)
{
    (void)state;
    GOOD(R("1"));
    GOOD(R("1") "\n");
    GOOD(R("1") "\r\n");
    GOOD(" " R("1") " \t\r");
    expect_counts(SB_STR_LIT(R("1") "\n" R("2") "\r\n\n" R("3")), 3, 0);
    expect_counts(SB_STR_LIT("\xEF\xBB\xBF" R("1") "\n" R("2")), 2, 0);
}

static void a_byte_order_mark_is_for_the_start_alone(void **state)
{
    (void)state;
    verdict v = judge((sb_ndjson_options){0}, SB_STR_LIT(R("1") "\n\xEF\xBB\xBF" R("2") "\n"));
    assert_int_equal(v.counts.bad, 1);
    assert_int_equal(v.bad[0].reason, SB_NDJSON_NOT_AN_OBJECT);
    BAD("\xEF\xBB\xBF\xEF\xBB\xBF" R("1"), 4, NOT_AN_OBJECT);
    BAD("\xEF\xBB", 3, NOT_AN_OBJECT);
    BAD("\xEF" R("1"), 2, NOT_AN_OBJECT);
}

static void bad_lines_are_found_with_number_offset_and_column(void **state)
{
    (void)state;
    verdict v = judge((sb_ndjson_options){0}, SB_STR_LIT(R("1") "\n\n" R("01") "\r\n" R("2") "\n{"));
    assert_int_equal(v.counts.resources, 2);
    assert_int_equal(v.counts.bad, 2);
    assert_int_equal(v.bad[0].line, 3);
    assert_int_equal(v.bad[0].offset, sizeof(R("1") "\n\n") - 1);
    assert_int_equal(v.bad[0].column, AT_IN_R(2));
    assert_int_equal(v.bad[0].reason, SB_NDJSON_BAD_NUMBER);
    assert_int_equal(v.bad[1].line, 5);
    assert_int_equal(v.bad[1].column, 2);
    assert_int_equal(v.bad[1].reason, SB_NDJSON_TRUNCATED);
}

static void a_line_is_one_object(void **state)
{
    (void)state;
    BAD("[]", 1, NOT_AN_OBJECT);
    BAD("1", 1, NOT_AN_OBJECT);
    BAD("\"a\"", 1, NOT_AN_OBJECT);
    BAD("null", 1, NOT_AN_OBJECT);
    BAD(" x", 2, NOT_AN_OBJECT);
    BAD(R("1") R("2"), sizeof R("1"), AFTER_END);
    BAD(R("1") ",", sizeof R("1"), AFTER_END);
    BAD("{\"resourceType\":\"A\"} }", 22, AFTER_END);
}

static void structure_is_checked(void **state)
{
    (void)state;
    ROUND("[]");
    ROUND("{}");
    ROUND("[{},[[]],{\"a\":[{}]}]");
    ROUND(" [ 1 , \"a\" , { \"b\" : [ ] , \"c\" : { } } ] ");
    ROUND("{\"\":\"\"}");
    WRONG("[1,]", 4, UNEXPECTED);
    WRONG("[,1]", 2, UNEXPECTED);
    WRONG("[1 2]", 4, UNEXPECTED);
    WRONG("[1}", 3, UNEXPECTED);
    WRONG("{]", 2, UNEXPECTED);
    WRONG("{\"a\"}", 5, UNEXPECTED);
    WRONG("{\"a\",1}", 5, UNEXPECTED);
    WRONG("{\"a\":}", 6, UNEXPECTED);
    WRONG("{\"a\":1,}", 8, UNEXPECTED);
    WRONG("{\"a\":1 \"b\":2}", 8, UNEXPECTED);
    WRONG("{1:2}", 2, UNEXPECTED);
    WRONG("[\"a\":1]", 5, UNEXPECTED);
    WRONG("{\"a\":\"b\":1}", 9, UNEXPECTED);
    WRONG("{\"a\"::1}", 6, UNEXPECTED);
    WRONG("{,}", 2, UNEXPECTED);
    WRONG("{\"a\":1,\"b\"}", 11, UNEXPECTED);
    WRONG("{\"a\":1,2}", 8, UNEXPECTED);
    WRONG("[\"a\"\"b\"]", 5, UNEXPECTED);
    WRONG("\"a\"1", 4, UNEXPECTED);
    WRONG("1\"a\"", 2, UNEXPECTED);
    WRONG("[]1", 3, UNEXPECTED);
    WRONG("'a'", 1, UNEXPECTED);
    WRONG("\x00", 1, UNEXPECTED);
    WRONG("\x0b 1", 1, UNEXPECTED);
    WRONG("\xC2\xA0 1", 1, UNEXPECTED);
    WRONG("/**/1", 1, UNEXPECTED);
}

static void numbers_are_checked_by_grammar(void **state)
{
    (void)state;
    ROUND("[0,-0,1,-1,10,0.5,-0.0,1e1,1E+1,1.5e-10,0e0,123456789012345678901234567890]");
    ROUND("1e999");
    WRONG("01", 2, BAD_NUMBER);
    WRONG("-01", 3, BAD_NUMBER);
    WRONG("-", 2, BAD_NUMBER);
    WRONG("1.", 3, BAD_NUMBER);
    WRONG("1.e1", 3, BAD_NUMBER);
    WRONG("1e", 3, BAD_NUMBER);
    WRONG("1e+", 4, BAD_NUMBER);
    WRONG("1.5.5", 4, UNEXPECTED);
    WRONG("1e5.5", 4, UNEXPECTED);
    WRONG("1e5e5", 4, UNEXPECTED);
    WRONG("--1", 2, BAD_NUMBER);
    WRONG("+1", 1, UNEXPECTED);
    WRONG(".5", 1, UNEXPECTED);
    WRONG("1-1", 2, UNEXPECTED);
    WRONG("0x10", 2, UNEXPECTED);
    WRONG("1a", 2, UNEXPECTED);
    WRONG("NaN", 1, UNEXPECTED);
    WRONG("Infinity", 1, UNEXPECTED);
}

static void literals_are_spelled_out(void **state)
{
    (void)state;
    ROUND("[true,false,null]");
    ROUND("null");
    WRONG("tru", 4, BAD_LITERAL);
    WRONG("truee", 5, UNEXPECTED);
    WRONG("True", 1, UNEXPECTED);
    WRONG("nul1", 4, BAD_LITERAL);
    WRONG("falsetrue", 6, UNEXPECTED);
    BAD("{\"resourceType\":\"A\",\"x\":fals\n", 29, TRUNCATED);
}

static void strings_and_escapes_are_checked(void **state)
{
    (void)state;
    ROUND("\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e9 \\uABCD \\uabcd\"");
    ROUND("\"\\\\\"");
    ROUND("\"\\\\\\\\\\\"\"");
    ROUND("\"\x7f\"");
    ROUND("\"\\ud83d\\ude00\\uD83D\\uDE00\"");
    WRONG("\"\\x\"", 3, BAD_ESCAPE);
    WRONG("\"\\'\"", 3, BAD_ESCAPE);
    WRONG("\"\\\x00\"", 3, BAD_ESCAPE);
    WRONG("\"\\u00g0\"", 6, BAD_ESCAPE);
    WRONG("\"\\u00\"", 6, BAD_ESCAPE);
    WRONG("\"\\U0041\"", 3, BAD_ESCAPE);
    WRONG("\"\\u0000\"", 7, NUL);
    WRONG("\"\\ud800\"", 8, LONE_SURROGATE);
    WRONG("\"\\udc00\"", 7, LONE_SURROGATE);
    WRONG("\"\\ud83dx\"", 8, LONE_SURROGATE);
    WRONG("\"\\ud83d\\n\"", 9, LONE_SURROGATE);
    WRONG("\"\\ud83d\\ud83d\"", 13, LONE_SURROGATE);
    WRONG("\"\\ud83d\\u0041\"", 13, LONE_SURROGATE);
    WRONG("\"a\tb\"", 3, CONTROL_CHARACTER);
    WRONG("\"a\x00\"", 3, CONTROL_CHARACTER);
    WRONG("\"a\r\"", 3, CONTROL_CHARACTER);
}

static void a_newline_in_a_string_ends_the_line(void **state)
{
    (void)state;
    verdict v = judge((sb_ndjson_options){0}, SB_STR_LIT("{\"resourceType\":\"A\nB\"}\n" R("1")));
    assert_int_equal(v.counts.bad, 2);
    assert_int_equal(v.counts.resources, 1);
    assert_int_equal(v.bad[0].reason, SB_NDJSON_TRUNCATED);
    assert_int_equal(v.bad[1].reason, SB_NDJSON_NOT_AN_OBJECT);
}

static void utf8_is_checked(void **state)
{
    (void)state;
    ROUND(
        "\"\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF\"");
    WRONG("\"\x80\"", 2, BAD_UTF8);
    WRONG("\"\xC0\x80\"", 2, BAD_UTF8);
    WRONG("\"\xC1\xBF\"", 2, BAD_UTF8);
    WRONG("\"\xE0\x9F\xBF\"", 3, BAD_UTF8);
    WRONG("\"\xED\xA0\x80\"", 3, BAD_UTF8);
    WRONG("\"\xF0\x8F\xBF\xBF\"", 3, BAD_UTF8);
    WRONG("\"\xF4\x90\x80\x80\"", 3, BAD_UTF8);
    WRONG("\"\xF5\x80\x80\x80\"", 2, BAD_UTF8);
    WRONG("\"\xFF\"", 2, BAD_UTF8);
    WRONG("\"\xC3\"", 3, BAD_UTF8);
    WRONG("\"\xE2\x82\"", 4, BAD_UTF8);
    WRONG("\"\xF0\x9F\x98\"", 5, BAD_UTF8);
    WRONG("\"\xE2\x82\\n\"", 4, BAD_UTF8);
    BAD("{\"\xC3(\":1}", 4, BAD_UTF8);
}

static void resource_type_is_there_once_and_a_string(void **state)
{
    (void)state;
    GOOD("{\"resourceType\":\"A\"}");
    GOOD("{\"x\":{\"resourceType\":7},\"resourceType\":\"A\",\"y\":[{\"resourceType\":\"B\"}]}");
    GOOD("{\"resource\\u0054ype\":\"A\"}");
    GOOD("{\"\\u0072\\u0065\\u0073\\u006f\\u0075\\u0072\\u0063\\u0065\\u0054\\u0079\\u0070\\u0065\":\"A\"}");
    BAD("{}", 2, NO_RESOURCE_TYPE);
    BAD("{\"id\":\"1\"}", 10, NO_RESOURCE_TYPE);
    BAD("{\"resourcetype\":\"A\"}", 20, NO_RESOURCE_TYPE);
    BAD("{\"resourceTyp\":\"A\",\"resourceTypes\":\"A\"}", 39, NO_RESOURCE_TYPE);
    BAD("{\"x\":{\"resourceType\":\"A\"}}", 26, NO_RESOURCE_TYPE);
    BAD("{\"resourceType\":1}", 17, RESOURCE_TYPE_FORM);
    BAD("{\"resourceType\":null}", 17, RESOURCE_TYPE_FORM);
    BAD("{\"resourceType\":{}}", 17, RESOURCE_TYPE_FORM);
    BAD("{\"resourceType\":\"\"}", 18, RESOURCE_TYPE_FORM);
    BAD("{\"resourceType\":\"A\",\"resourceType\":\"A\"}", 34, TWO_RESOURCE_TYPES);
    BAD("{\"resourceType\":\"A\",\"resource\\u0054ype\":\"A\"}", 39, TWO_RESOURCE_TYPES);
}

static void the_expected_type_is_required(void **state)
{
    (void)state;
    sb_ndjson_options patient = {.resource_type = "Patient"};
    assert_int_equal(judge(patient, SB_STR_LIT("{\"resourceType\":\"Patient\"}")).counts.resources, 1);
    assert_int_equal(judge(patient, SB_STR_LIT("{\"resourceType\":\"\\u0050atient\"}")).counts.resources, 1);
    expect_bad(patient, SB_STR_LIT("{\"resourceType\":\"Patien\"}"), 24, SB_NDJSON_OTHER_RESOURCE_TYPE);
    expect_bad(patient, SB_STR_LIT("{\"resourceType\":\"Patients\"}"), 26, SB_NDJSON_OTHER_RESOURCE_TYPE);
    expect_bad(patient, SB_STR_LIT("{\"resourceType\":\"Coverage\"}"), 26, SB_NDJSON_OTHER_RESOURCE_TYPE);
    expect_bad(patient, SB_STR_LIT("{\"resourceType\":\"\\u1050atient\"}"), 30, SB_NDJSON_OTHER_RESOURCE_TYPE);
}

static void an_id_is_there_where_required_and_a_string(void **state)
{
    (void)state;
    sb_ndjson_options ids = {.require_id = true};
    assert_int_equal(judge(ids, SB_STR_LIT("{\"resourceType\":\"A\",\"id\":\"1\"}")).counts.resources, 1);
    assert_int_equal(judge(ids, SB_STR_LIT("{\"\\u0069d\":\"1\",\"resourceType\":\"A\"}")).counts.resources, 1);
    expect_bad(ids, SB_STR_LIT("{\"resourceType\":\"A\"}"), 20, SB_NDJSON_NO_ID);
    expect_bad(ids, SB_STR_LIT("{\"resourceType\":\"A\",\"x\":{\"id\":\"1\"}}"), 35, SB_NDJSON_NO_ID);
    expect_bad(ids, SB_STR_LIT("{\"id\":\"\",\"resourceType\":\"A\"}"), 8, SB_NDJSON_ID_FORM);
    expect_bad(ids, SB_STR_LIT("{\"id\":1,\"resourceType\":\"A\"}"), 7, SB_NDJSON_ID_FORM);
    expect_bad(ids, SB_STR_LIT("{\"id\":\"1\",\"resourceType\":\"A\",\"id\":\"1\"}"), 33, SB_NDJSON_TWO_IDS);
    BAD("{\"id\":[],\"resourceType\":\"A\"}", 7, ID_FORM);
}

#define BUNDLE(entries) "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":" entries "}"

static void a_deleted_file_holds_deletes_alone(void **state)
{
    (void)state;
    sb_ndjson_options deleted = {.resource_type = "Bundle", .require_deletes = true};
#define DELETES(lit) assert_int_equal(judge(deleted, SB_STR_LIT(lit)).counts.resources, 1)
#define NO_DELETE(lit)                                                                                                 \
    do {                                                                                                               \
        verdict v = judge(deleted, SB_STR_LIT(lit));                                                                   \
        assert_int_equal(v.bad_len, 1);                                                                                \
        assert_int_equal(v.bad[0].reason, SB_NDJSON_NOT_A_DELETE);                                                     \
    } while (0)
    DELETES("{\"resourceType\":\"Bundle\"}");
    DELETES(BUNDLE("[]"));
    DELETES(BUNDLE("[{\"request\":{\"method\":\"DELETE\",\"url\":\"Patient/1\"}}]"));
    DELETES(BUNDLE("[{\"x\":{\"method\":\"GET\"},\"request\":{\"url\":\"Patient/1\",\"method\":\"DELETE\"}},"
                   "{\"request\":{\"m\":[{\"request\":1}],\"method\":\"\\u0044ELETE\"}}]"));
    NO_DELETE(BUNDLE("[{}]"));
    NO_DELETE(BUNDLE("[{\"method\":\"DELETE\"}]"));
    NO_DELETE(BUNDLE("[{\"request\":{}}]"));
    NO_DELETE(BUNDLE("[{\"request\":\"DELETE\"}]"));
    NO_DELETE(BUNDLE("[{\"request\":{\"method\":\"delete\"}}]"));
    NO_DELETE(BUNDLE("[{\"request\":{\"method\":\"PUT\"}}]"));
    NO_DELETE(BUNDLE("[{\"request\":{\"method\":[\"DELETE\"]}}]"));
    NO_DELETE(BUNDLE("[{\"request\":{\"x\":{\"method\":\"DELETE\"}}}]"));
    NO_DELETE(BUNDLE("[{\"request\":{\"method\":\"DELETE\"}},{}]"));
    NO_DELETE(BUNDLE("[{\"request\":{\"method\":\"DELETE\"},\"request\":{\"method\":\"POST\"}}]"));
    NO_DELETE(BUNDLE("[1]"));
    NO_DELETE(BUNDLE("[\"request\"]"));
    NO_DELETE(BUNDLE("{\"request\":{\"method\":\"DELETE\"}}"));
    NO_DELETE(BUNDLE("null"));
}

static void a_line_may_be_as_long_as_the_bound_and_no_longer(void **state)
{
    (void)state;
    sb_ndjson_options bound = {.max_line = sizeof(R("1")) - 1};
    assert_int_equal(judge(bound, SB_STR_LIT(R("1"))).counts.resources, 1);
    assert_int_equal(judge(bound, SB_STR_LIT(R("1") "\n" R("2"))).counts.resources, 2);
    expect_bad(bound, SB_STR_LIT(R("12")), sizeof R("1"), SB_NDJSON_TOO_LONG);
    verdict v = judge(bound, SB_STR_LIT(R("1") " \n" R("2") "\n" R("true")));
    assert_int_equal(v.counts.resources, 1);
    assert_int_equal(v.bad_len, 2);
    assert_int_equal(v.bad[1].line, 3);
    assert_int_equal(v.bad[1].reason, SB_NDJSON_TOO_LONG);
}

/* `levels` arrays around a value, in a resource. */
static void expect_depth(size_t levels, const char *inner, bool good)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&text, "{\"resourceType\":\"A\",\"x\":"));
    for (size_t i = 0; i < levels; i++)
        assert_true(sb_buf_add_char(&text, '['));
    assert_true(sb_buf_add_cstr(&text, inner));
    for (size_t i = 0; i < levels; i++)
        assert_true(sb_buf_add_char(&text, ']'));
    assert_true(sb_buf_add_char(&text, '}'));
    if (good)
        expect_counts(sb_buf_str(&text), 1, 0);
    else
        expect_bad((sb_ndjson_options){0}, sb_buf_str(&text), AT_IN_R(SB_NDJSON_MAX_DEPTH), SB_NDJSON_TOO_DEEP);
}

static void depth_is_bounded_as_jansson_bounds_it(void **state)
{
    (void)state;
    expect_depth(SB_NDJSON_MAX_DEPTH - 1, "", true);
    expect_depth(SB_NDJSON_MAX_DEPTH, "", false);
    expect_depth(SB_NDJSON_MAX_DEPTH - 2, "1", true);
    expect_depth(SB_NDJSON_MAX_DEPTH - 1, "1", false);
}

static void a_type_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",          "Pat ient",  "../etc",
        "Patient\n", "P\xC3\xA9", "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        SB_AUTOPTR(sb_ndjson) n = NULL;
        sb_error err = SB_ERROR_INIT;
        assert_int_equal(sb_ndjson_new(&(sb_ndjson_options){.resource_type = names[i]}, &n, &err), SB_E_INVALID);
        assert_null(n);
    }
}

static void every_reason_has_words(void **state)
{
    (void)state;
    for (int r = SB_NDJSON_NOT_AN_OBJECT; r <= SB_NDJSON_NOT_A_DELETE; r++)
        assert_string_not_equal(sb_ndjson_reason_text((sb_ndjson_reason)r), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_judged_when_it_is_settled),
        cmocka_unit_test(an_empty_stream_has_no_lines),
        cmocka_unit_test(ends_of_lines_may_be_lf_crlf_or_missing),
        cmocka_unit_test(a_byte_order_mark_is_for_the_start_alone),
        cmocka_unit_test(bad_lines_are_found_with_number_offset_and_column),
        cmocka_unit_test(a_line_is_one_object),
        cmocka_unit_test(structure_is_checked),
        cmocka_unit_test(numbers_are_checked_by_grammar),
        cmocka_unit_test(literals_are_spelled_out),
        cmocka_unit_test(strings_and_escapes_are_checked),
        cmocka_unit_test(a_newline_in_a_string_ends_the_line),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(resource_type_is_there_once_and_a_string),
        cmocka_unit_test(the_expected_type_is_required),
        cmocka_unit_test(an_id_is_there_where_required_and_a_string),
        cmocka_unit_test(a_deleted_file_holds_deletes_alone),
        cmocka_unit_test(a_line_may_be_as_long_as_the_bound_and_no_longer),
        cmocka_unit_test(depth_is_bounded_as_jansson_bounds_it),
        cmocka_unit_test(a_type_that_cannot_be_is_refused),
        cmocka_unit_test(every_reason_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
