/* SPDX-License-Identifier: Apache-2.0 */
/* The NDJSON validator against jansson, line by line, and its engines against each other, byte by byte, on thousands of
 * random lines and accidents to them, cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fhir/ndjson_state.h"
#include "ndjson_gen.h"
#include "ndjson_oracle.h"
#include <cmocka.h>

#define MAX_BAD 64

typedef struct verdict {
    sb_ndjson_counts counts;
    size_t bad_len;
    sb_ndjson_bad_line bad[MAX_BAD];
    uint64_t fallbacks;
} verdict;

static void note_bad_line(void *impl, const sb_ndjson_bad_line *bad)
{
    verdict *v = impl;
    if (v->bad_len < MAX_BAD)
        v->bad[v->bad_len++] = *bad;
}

/* Feed `text` in pieces of random length, at most `piece_max`; 0: whole. */
static void judge(sb_ndjson *n, int engine, sb_str text, unsigned piece_max, gen *g, verdict *v)
{
    sb_ndjson_options options = {
        .resource_type = "Patient", .require_id = true, .on_bad_line = note_bad_line, .impl = v};
    sb_error err = SB_ERROR_INIT;
    memset(v, 0, sizeof *v);
    assert_int_equal(sb_ndjson_reset(n, &options, &err), SB_OK);
    sb_ndjson_use_engine(n, (sb_ndjson_engine)engine);
    for (size_t at = 0; at < text.len;) {
        size_t len = piece_max == 0 ? text.len : gen_below(g, piece_max) + 1;
        len = SB_MIN(len, text.len - at);
        sb_ndjson_feed(n, text.ptr + at, len);
        at += len;
    }
    sb_ndjson_finish(n, &v->counts);
    v->fallbacks = n->fallbacks;
}

static void fail_with(const char *what, int engine, unsigned pieces, sb_str text, const verdict *v)
{
    SB_AUTO(sb_buf) shown = SB_BUF_INIT;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        assert_true(c < 0x20 || c >= 0x7F ? sb_buf_printf(&shown, "<%02X>", c) : sb_buf_add_char(&shown, (char)c));
    }
    for (size_t i = 0; i < v->bad_len; i++)
        print_error("line %zu, column %zu: %s\n", (size_t)v->bad[i].line, (size_t)v->bad[i].column,
                    sb_ndjson_reason_text(v->bad[i].reason));
    fail_msg("%s (engine %d, pieces %u): %s", what, engine, pieces, sb_buf_cstr(&shown));
}

/* The same counts, and the same faults at the same places. */
static bool same(const verdict *x, const verdict *y)
{
    bool equal =
        x->counts.lines == y->counts.lines && x->counts.resources == y->counts.resources && x->bad_len == y->bad_len;
    for (size_t i = 0; equal && i < x->bad_len; i++)
        equal = x->bad[i].line == y->bad[i].line && x->bad[i].offset == y->bad[i].offset &&
                x->bad[i].column == y->bad[i].column && x->bad[i].reason == y->bad[i].reason;
    return equal;
}

/* One text, that may by accident have become several lines, with every engine and cut. */
static void expect_agreement(sb_ndjson *n, sb_str text, gen *g, bool good)
{
    static verdict plain, other;
    judge(n, SB_NDJSON_PLAIN, text, 0, g, &plain);
    for (int engine = SB_NDJSON_PLAIN; engine < SB_NDJSON_ENGINES; engine++) {
        static const unsigned pieces[] = {0, 1, 3, 40, 64, 100, 300, 5000};
        for (size_t i = 0; i < SB_ARRAY_LEN(pieces) && sb_ndjson_has_engine((sb_ndjson_engine)engine); i++) {
            judge(n, engine, text, pieces[i], g, &other);
            if (!same(&plain, &other))
                fail_with("another verdict than the plain engine's", engine, pieces[i], text, &other);
            if (good && pieces[i] == 0 && text.len > 1000 && other.fallbacks > 1)
                fail_with("a good line went to the plain engine", engine, 0, text, &other);
        }
    }
    if (good && plain.counts.resources != 1)
        fail_with("a good line was refused", 0, 0, text, &plain);
    if (memchr(text.ptr, '\n', text.len) != NULL || plain.counts.lines == 0)
        return;
    sb_ndjson_reason reason = plain.bad_len > 0 ? plain.bad[0].reason : (sb_ndjson_reason)0;
    int expected = ndjson_oracle(text, reason);
    if (expected >= 0 && expected != (int)plain.counts.resources)
        fail_with("jansson says otherwise", 0, 0, text, &plain);
}

static unsigned rounds(void)
{
    const char *asked = getenv("SB_TEST_ROUNDS"); /* for long runs by hand */
    return asked != NULL ? (unsigned)strtoul(asked, NULL, 10) : 400;
}

static void random_lines_are_judged_as_jansson_does(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_ndjson) n = NULL;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    gen g = {.seed = 20260131, .out = &line};
    assert_int_equal(sb_ndjson_new(NULL, &n, NULL), SB_OK);
    for (unsigned i = 0; i < rounds(); i++) {
        sb_buf_clear(&line);
        gen_line(&g);
        expect_agreement(n, sb_buf_str(&line), &g, true);
    }
}

static void accidents_are_judged_as_jansson_does(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_ndjson) n = NULL;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    gen g = {.seed = 20260201, .out = &line};
    assert_int_equal(sb_ndjson_new(NULL, &n, NULL), SB_OK);
    for (unsigned i = 0; i < rounds() * 4; i++) {
        sb_buf_clear(&line);
        gen_line(&g);
        for (unsigned accidents = 1 + gen_below(&g, 3); accidents > 0 && line.len > 0; accidents--)
            gen_accident(&g, 0);
        expect_agreement(n, sb_buf_str(&line), &g, false);
    }
}

/* Many lines in one stream: what one line leaves behind must not matter to the next. */
static void a_bad_line_leaves_no_trace(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_ndjson) n = NULL;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    gen g = {.seed = 20260202, .out = &text};
    static verdict plain, other;
    assert_int_equal(sb_ndjson_new(NULL, &n, NULL), SB_OK);
    for (unsigned i = 0; i < rounds() / 4; i++) {
        sb_buf_clear(&text);
        for (unsigned lines = 2 + gen_below(&g, 10); lines > 0; lines--) {
            size_t from = text.len;
            gen_line(&g);
            if (gen_below(&g, 2) == 0)
                gen_accident(&g, from);
            gen_add(&g, gen_below(&g, 4) == 0 ? "\r\n" : "\n");
        }
        judge(n, SB_NDJSON_PLAIN, sb_buf_str(&text), 0, &g, &plain);
        for (int engine = SB_NDJSON_PLAIN; engine < SB_NDJSON_ENGINES; engine++)
            for (unsigned piece = 0; sb_ndjson_has_engine((sb_ndjson_engine)engine) && piece < 200; piece += 39) {
                judge(n, engine, sb_buf_str(&text), piece, &g, &other);
                if (!same(&plain, &other))
                    fail_with("another verdict than the plain engine's", engine, piece, sb_buf_str(&text), &other);
            }
    }
}

/* Each wrong thing at each place of a block: lines that differ in the length of a string before it. */
static void faults_are_found_at_every_place_of_a_block(void **state)
{
    (void)state;
    static const char *const tails[] = {"\\u12\"}",
                                        "\\ud83d\"}",
                                        "\\ud83d\\ude00\",\"id\":\"1\"}",
                                        "\\udc00\"}",
                                        "\xC3\xA9\",\"id\":\"1\"}",
                                        "\xE2\x82\"}",
                                        "\xF0\x9F\x98\x80\",\"id\":\"1\"}",
                                        "\xF0\x9F\x98\"}",
                                        "\xFF\"}",
                                        "\\\\\",\"id\":\"1\"}",
                                        "\\\\\\\",\"id\":\"1\"}",
                                        "\",\"id\":\"1\",\"n\":-12.50e+10}",
                                        "\",\"id\":\"1\",\"n\":-}",
                                        "\",\"id\":\"1\",\"n\":01}",
                                        "\",\"id\":\"1\",\"n\":1.}",
                                        "\",\"id\":\"1\",\"n\":1e}",
                                        "\",\"id\":\"1\",\"n\":1e+}",
                                        "\",\"id\":\"1\",\"n\":1.5.5}",
                                        "\",\"id\":\"1\",\"n\":true}",
                                        "\",\"id\":\"1\",\"n\":[false,null]}",
                                        "\",\"id\":\"1\",\"n\":truee}",
                                        "\",\"id\":\"1\",\"n\":nul}",
                                        "\",\"id\":\"1\"  }",
                                        "\",\"id\":\"\"}",
                                        "\",\"id\":1}",
                                        "\",\"id\"  :  \"1\"  }  ",
                                        "\",\"id\":\"1\",\"id\":\"1\"}",
                                        "\",\"\\u0069d\":\"1\"}",
                                        "\",\"id\":\"1\",\"a\":{\"b\":[{},[]]}}",
                                        "\",\"id\":\"1\",\"a\":{\"b\":[{},[]}}}",
                                        "\",\"id\":\"1\",\"a\":[1,\"b\":2]}",
                                        "\",\"id\":\"1\",\"a\":{\"b\":1,2}}",
                                        "\",\"id\":\"1\",\"a\":{\"b\":{},2}}",
                                        "\",\"id\":\"1\",\"a\":[{},\"b\":2]}",
                                        "\",\"id\":\"1\",\"a\":{\"b\":[],\"c\"}}",
                                        "\",\"id\":\"1\",\"a\":{\"b\":[],\"c\",\"d\":1}}",
                                        "\",\"id\":\"1\",\"a\":{\"b\":[],{}}}",
                                        "\",\"id\":\"1\"}}",
                                        "\",\"id\":\"1\"}x",
                                        "\",\"id\":\"1\"},",
                                        "\",\"id\":\"1\",}",
                                        "\",\"id\":\"1\"",
                                        "\",\"id\":\"1",
                                        "\",\"id\":"};
    SB_AUTOPTR(sb_ndjson) n = NULL;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    gen g = {.seed = 20260203, .out = &line};
    assert_int_equal(sb_ndjson_new(NULL, &n, NULL), SB_OK);
    for (size_t i = 0; i < SB_ARRAY_LEN(tails); i++)
        for (unsigned pad = 0; pad < 70; pad++) {
            sb_buf_clear(&line);
            gen_add(&g, "{\"resourceType\":\"Patient\",\"x\":\"");
            for (unsigned j = 0; j < pad; j++)
                gen_add(&g, "x");
            gen_add(&g, tails[i]);
            expect_agreement(n, sb_buf_str(&line), &g, false);
        }
}

static void deep_lines_are_judged_as_jansson_does(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_ndjson) n = NULL;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    gen g = {.seed = 20260204, .out = &line};
    assert_int_equal(sb_ndjson_new(NULL, &n, NULL), SB_OK);
    for (unsigned i = 0; i < 60; i++) {
        /* up and down, arrays and objects in a pattern, now and then one closed by the wrong bracket */
        unsigned depth = 40 + gen_below(&g, i % 3 == 0 ? 2100 : 300), kinds = gen_below(&g, 4);
        sb_buf_clear(&line);
        gen_add(&g, "{\"resourceType\":\"Patient\",\"id\":\"1\",\"x\":");
        for (unsigned d = 0; d < depth; d++)
            gen_add(&g, kinds == 0 || (kinds == 1 && d % 2) || (kinds == 2 && d % 64) ? "[" : "{\"a\":");
        gen_add(&g, "[{},[]]");
        for (unsigned d = depth; d-- > 0;) {
            gen_add(&g, kinds == 0 || (kinds == 1 && d % 2) || (kinds == 2 && d % 64) ? "]" : "}");
            if (gen_below(&g, 40) == 0 && d > 0 && (kinds == 0 || (kinds == 1 && d % 2 == 0)))
                gen_add(&g, ",[1]");
        }
        gen_add(&g, "}");
        if (i % 4 == 0)
            gen_accident(&g, line.len / 3);
        expect_agreement(n, sb_buf_str(&line), &g, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lines_are_judged_as_jansson_does),
        cmocka_unit_test(accidents_are_judged_as_jansson_does),
        cmocka_unit_test(a_bad_line_leaves_no_trace),
        cmocka_unit_test(faults_are_found_at_every_place_of_a_block),
        cmocka_unit_test(deep_lines_are_judged_as_jansson_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
