/* SPDX-License-Identifier: Apache-2.0 */
/* test_json_scan.c - a large object is found the same however it is cut, in memory that does not grow with it. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/json.h"
#include "export/json_scan.h"

typedef struct seen {
    sb_buf text; /* everything that was told, one line each */
    uint64_t items;
    bool quiet;
    bool stop; /* the callback fails */
} seen;

/* Lists are called l…, what is wanted whole w…; the rest is skipped. */
static sb_status on_name(void *impl, const char *name, sb_scan_want *want, sb_error *err)
{
    (void)impl, (void)err;
    *want = name[0] == 'l' ? SB_SCAN_ITEMS : name[0] == 'w' ? SB_SCAN_WHOLE : SB_SCAN_SKIP;
    return SB_OK;
}

static sb_status tell(seen *s, char mark, const char *name, const json_t *value)
{
    SB_AUTOFREE text = sb_json_dump(value);
    assert_true(sb_buf_printf(&s->text, "%c %s %s\n", mark, name, text));
    return SB_OK;
}

static sb_status on_member(void *impl, const char *name, const json_t *value, sb_error *err)
{
    (void)err;
    return tell(impl, 'w', name, value);
}

static sb_status on_item(void *impl, const char *name, const json_t *item, sb_error *err)
{
    seen *s = impl;
    s->items++;
    if (s->stop)
        return sb_error_set(err, SB_E_BUSY, "stop", "the test says so", "none");
    return s->quiet ? SB_OK : tell(s, 'i', name, item);
}

static sb_status scan(seen *s, sb_str text, size_t step, sb_error *err)
{
    SB_AUTOPTR(sb_scan) scan = NULL;
    const sb_scan_sink sink = {s, on_name, on_member, on_item};
    SB_TRY(sb_scan_new(&sink, "the document", &scan, err));
    for (size_t i = 0; i < text.len; i += step)
        SB_TRY(sb_scan_feed(scan, (sb_str){text.ptr + i, SB_MIN(step, text.len - i)}, err));
    return sb_scan_finish(scan, err);
}

static void assert_seen(sb_str text, const char *want)
{
    for (size_t step = 1; step <= text.len; step++) {
        seen s = {.items = 0};
        sb_error err = SB_ERROR_INIT;
        sb_status status = scan(&s, text, step, &err);
        if (status != SB_OK)
            print_error("%s\n", err.why);
        assert_int_equal(status, SB_OK);
        assert_string_equal(sb_buf_cstr(&s.text), want);
        sb_buf_cleanup(&s.text);
    }
}

static void assert_refused(sb_str text)
{
    char first[1024] = "";
    for (size_t step = 1; step <= text.len; step++) {
        seen s = {.items = 0};
        sb_error err = SB_ERROR_INIT;
        assert_int_equal(scan(&s, text, step, &err), SB_E_INVALID);
        assert_string_equal(err.what, "the document could not be understood");
        if (step == 1)
            (void)snprintf(first, sizeof(first), "%s", err.why);
        assert_string_equal(err.why, first); /* the same place, however it is cut */
        sb_buf_cleanup(&s.text);
    }
}

static void members_and_items_are_found_however_the_stream_is_cut(void **state)
{
    (void)state;
    assert_seen(SB_STR_LIT("{}"), "");
    assert_seen(SB_STR_LIT("\xEF\xBB\xBF \r\n{ \"w1\" : -1.5e3 , \"w2\":null,\"w3\":\"a\\\"]}\\\\\"}\n "),
                "w w1 -1500.0\nw w2 null\nw w3 \"a\\\"]}\\\\\"\n");
    assert_seen(SB_STR_LIT("{\"l1\":[],\"l2\":[ {\"a\":[1,{\"b\":\"}\"}]} , 7,true,\"x\" ],\"l3\":null}"),
                "i l2 {\"a\":[1,{\"b\":\"}\"}]}\ni l2 7\ni l2 true\ni l2 \"x\"\n");
    assert_seen(SB_STR_LIT("{\"skip\":{\"a\":[[\"]\\\"\"],{}]},\"w\":[1],\"skip2\":1,\"s\":\"x\",\"\\u006c\":[2]}"),
                "w w [1]\ni l 2\n");
    assert_seen(SB_STR_LIT("{\"w\":1,\"w\":2}"), "w w 1\nw w 2\n"); /* repetition is the caller's to judge */
}

static void what_is_no_object_is_refused_at_its_place(void **state)
{
    (void)state;
    static const sb_str bad[] = {
        {"[]", 2},
        {"<html>", 6},
        {"\"a\"", 3},
        {"{", 1},
        {"{\"w\"", 4},
        {"{\"w\":1", 6},
        {"{\"w\" 1}", 7},
        {"{\"w\":}", 6},
        {"{,}", 3},
        {"{\"w\":1,}", 8},
        {"{\"w\":1}x", 8},
        {"{\"w\":01}", 8},
        {"{\"w\":tru}", 9},
        {"{\"w\":[1}", 8},
        {"{\"w\":{\"a\":1,\"a\":2}}", 19},
        {"{\"l\":[1,]}", 10},
        {"{\"l\":[,1]}", 10},
        {"{\"l\":[1 2]}", 11},
        {"{\"l\":[1}", 8},
        {"{\"l\":[\"a", 8},
        {"{\"l\":{}}", 8},
        {"{\"l\":7}", 7},
        {"{\"skip\":[}]}", 12},
        {"{\"skip\":[}}", 11},
        {"{\"skip\":]}", 10},
        {"{w:1}", 5},
        {"{\"\\ud800\":1}", 12},
        {"\xEF\xBB{}", 4},
        {"{\"w\":\"\x01\"}", 9},
        {"{\"w\":\"\xff\"}", 9},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++)
        assert_refused(bad[i]);
    seen s = {.items = 0};
    assert_int_equal(scan(&s, SB_STR_LIT(""), 1, NULL), SB_E_INVALID);
}

/* `n` times `c` between two texts. */
static sb_status scan_long(const char *before, char c, size_t n, const char *after)
{
    seen s = {.quiet = true};
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&text, before) && sb_buf_reserve(&text, n));
    memset(text.ptr + text.len, c, n);
    text.len += n;
    assert_true(sb_buf_add_cstr(&text, after));
    sb_status status = scan(&s, sb_buf_str(&text), 4096, &err);
    sb_buf_cleanup(&s.text);
    return status;
}

static void what_is_read_is_bounded_and_what_is_skipped_is_not(void **state)
{
    (void)state;
    assert_int_equal(scan_long("{\"l\":[\"", 'x', SB_SCAN_ITEM_MAX - 2, "\"]}"), SB_OK);
    assert_int_equal(scan_long("{\"l\":[\"", 'x', SB_SCAN_ITEM_MAX - 1, "\"]}"), SB_E_INVALID);
    assert_int_equal(scan_long("{\"w\":\"", 'x', SB_SCAN_WHOLE_MAX - 2, "\"}"), SB_OK);
    assert_int_equal(scan_long("{\"w\":\"", 'x', SB_SCAN_WHOLE_MAX - 1, "\"}"), SB_E_INVALID);
    assert_int_equal(scan_long("{\"", 'x', SB_SCAN_NAME_MAX - 2, "\":1}"), SB_OK);
    assert_int_equal(scan_long("{\"", 'x', SB_SCAN_NAME_MAX - 1, "\":1}"), SB_E_INVALID);
    assert_int_equal(scan_long("{\"skip\":\"", 'x', 8 * SB_SCAN_WHOLE_MAX, "\"}"), SB_OK);
    assert_int_equal(scan_long("{\"w\":", '1', 100, "e99999}"), SB_E_INVALID);
    assert_int_equal(scan_long("{\"skip\":", '[', 1000000, ""), SB_E_INVALID);
    assert_int_equal(scan_long("{\"w\":", '[', 1000000, ""), SB_E_INVALID);
    assert_int_equal(scan_long("{\"l\":[", '{', 1000000, ""), SB_E_INVALID);
    assert_int_equal(scan_long("", ' ', 1000000, "{}"), SB_OK);
}

static void a_callbacks_failure_ends_the_scan(void **state)
{
    (void)state;
    seen s = {.stop = true};
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(scan(&s, SB_STR_LIT("{\"l\":[1,2,3]}"), 3, &err), SB_E_BUSY);
    assert_int_equal(s.items, 1);
}

static void a_million_items_need_no_more_memory_than_ten(void **state)
{
    (void)state;
    static const char item[] =
        "{\"type\":\"ExplanationOfBenefit\",\"url\":\"https://files.payer.example/0123456789\",\"count\":1000},\n";
    seen s = {.quiet = true};
    SB_AUTOPTR(sb_scan) scan = NULL;
    const sb_scan_sink sink = {&s, on_name, on_member, on_item};
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(sb_buf) chunk = SB_BUF_INIT; /* a hundred items at once */
    for (int i = 0; i < 100; i++)
        assert_true(sb_buf_add_cstr(&chunk, item));
    assert_int_equal(sb_scan_new(&sink, "the document", &scan, &err), SB_OK);
    assert_int_equal(sb_scan_feed(scan, SB_STR_LIT("{\"l\":["), &err), SB_OK);
    assert_int_equal(sb_scan_feed(scan, sb_buf_str(&chunk), &err), SB_OK);
    size_t before = mallinfo2().uordblks;
    for (int i = 1; i < 10000; i++)
        assert_int_equal(sb_scan_feed(scan, sb_buf_str(&chunk), &err), SB_OK);
    assert_true(mallinfo2().uordblks <= before + 4096); /* 0 under a sanitizer's allocator */
    assert_int_equal(sb_scan_feed(scan, SB_STR_LIT("1]}"), &err), SB_OK);
    assert_int_equal(sb_scan_finish(scan, &err), SB_OK);
    assert_int_equal(s.items, 1000001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_items_are_found_however_the_stream_is_cut),
        cmocka_unit_test(what_is_no_object_is_refused_at_its_place),
        cmocka_unit_test(what_is_read_is_bounded_and_what_is_skipped_is_not),
        cmocka_unit_test(a_callbacks_failure_ends_the_scan),
        cmocka_unit_test(a_million_items_need_no_more_memory_than_ten),
    };
    return cmocka_run_group_tests_name("export_json_scan", tests, NULL, NULL);
}
