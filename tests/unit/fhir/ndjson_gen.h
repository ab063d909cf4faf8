/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_gen.h - lines for tests: random resources that are well-formed, and what is left of them after small
 * accidents.
 *
 * Deterministic: the same seed gives the same lines on every machine. Knows nothing of the validator. */
#ifndef SB_TEST_NDJSON_GEN_H
#define SB_TEST_NDJSON_GEN_H

#include "base/buf.h"

typedef struct gen {
    uint64_t seed;
    sb_buf *out;
    unsigned spaces; /* one in this many places gets white space; 0: none */
    unsigned odd;    /* one in this many string characters is an escape or not ASCII; 0: none */
} gen;

static uint64_t gen_next(gen *g) /* xorshift64* */
{
    g->seed ^= g->seed >> 12;
    g->seed ^= g->seed << 25;
    g->seed ^= g->seed >> 27;
    return g->seed * UINT64_C(2685821657736338717) >> 16;
}

static unsigned gen_below(gen *g, unsigned bound)
{
    return (unsigned)(gen_next(g) % bound);
}

static void gen_add(gen *g, const char *text)
{
    if (!sb_buf_add_cstr(g->out, text))
        abort();
}

static void gen_space(gen *g)
{
    static const char *const spaces[] = {" ", "  ", "\t", "\r",
                                         "                                                     "};
    if (g->spaces > 0 && gen_below(g, g->spaces) == 0)
        gen_add(g, spaces[gen_below(g, SB_ARRAY_LEN(spaces))]);
}

/* A string that begins with `first`. */
static void gen_string_after(gen *g, const char *first)
{
    static const char *const odd[] = {"\\\"",
                                      "\\\\",
                                      "\\/",
                                      "\\b",
                                      "\\f",
                                      "\\n",
                                      "\\r",
                                      "\\t",
                                      "\\u00e9",
                                      "\\uABcd",
                                      "\\u0001",
                                      "\\ud83d\\ude00",
                                      "\\uDBFF\\uDFFF",
                                      "\\uD7FF",
                                      "\\ue000",
                                      "\xC3\xA9",
                                      "\xE2\x82\xAC",
                                      "\xF0\x9F\x98\x80",
                                      "\xED\x9F\xBF",
                                      "\xEF\xBF\xBF",
                                      "\xF4\x8F\xBF\xBF",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      ",",
                                      ":",
                                      " ",
                                      "\x7f",
                                      "\\\\\\\"",
                                      "\\\\\\\\"};
    unsigned len = gen_below(g, 8) == 0 ? gen_below(g, 200) : gen_below(g, 20);
    gen_add(g, "\"");
    gen_add(g, first);
    for (unsigned i = 0; i < len; i++) {
        if (g->odd > 0 && gen_below(g, g->odd) == 0)
            gen_add(g, odd[gen_below(g, SB_ARRAY_LEN(odd))]);
        else
            gen_add(g, (char[]){(char)('a' + gen_below(g, 26)), 0});
    }
    gen_add(g, "\"");
}

static void gen_string(gen *g)
{
    gen_string_after(g, "");
}

static void gen_number(gen *g)
{
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "7",
                                          "-12",
                                          "0.5",
                                          "10.25",
                                          "-0.0",
                                          "1e5",
                                          "1E+10",
                                          "2.5e-3",
                                          "0e0",
                                          "123456789012345678",
                                          "3.14159265358979323846264338327950288419716939937510"};
    gen_add(g, numbers[gen_below(g, SB_ARRAY_LEN(numbers))]);
}

static void gen_value(gen *g, unsigned depth);

static void gen_container(gen *g, unsigned depth)
{
    bool object = gen_below(g, 2) == 0;
    unsigned members = gen_below(g, 6);
    gen_add(g, object ? "{" : "[");
    gen_space(g);
    for (unsigned i = 0; i < members; i++) {
        if (i > 0) {
            gen_add(g, ",");
            gen_space(g);
        }
        if (object) {
            gen_string(g);
            gen_space(g);
            gen_add(g, ":");
            gen_space(g);
        }
        gen_value(g, depth);
        gen_space(g);
    }
    gen_add(g, object ? "}" : "]");
}

static void gen_value(gen *g, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null", "[]", "{}", "\"\""};
    switch (depth > 0 ? gen_below(g, 6) : 3 + gen_below(g, 3)) {
    case 0:
    case 1:
    case 2:
        gen_container(g, depth - 1);
        break;
    case 3:
        gen_string(g);
        break;
    case 4:
        gen_number(g);
        break;
    default:
        gen_add(g, words[gen_below(g, SB_ARRAY_LEN(words))]);
    }
}

/* A good line, without its end: resourceType and id among other members, in any place. */
static void gen_line(gen *g)
{
    static const char *const types[] = {"\"resourceType\":\"Patient\"", "\"resource\\u0054ype\":\"P\\u0061tient\"",
                                        "\"resourceType\" : \"Patient\""};
    static const char *const ids[] = {"\"id\":\"1\"", "\"\\u0069\\u0064\":\"x\"", "\"id\"\t:\t\"\\\"\""};
    unsigned members = gen_below(g, 8), type_at = gen_below(g, members + 1), id_at = gen_below(g, members + 1);
    g->spaces = gen_below(g, 3) == 0 ? 1 + gen_below(g, 6) : 0;
    g->odd = gen_below(g, 3) == 0 ? 1 + gen_below(g, 10) : 0;
    gen_add(g, "{");
    for (unsigned i = 0; i <= members; i++) {
        if (i > 0)
            gen_add(g, ",");
        gen_space(g);
        if (i == type_at) {
            gen_add(g, types[gen_below(g, g->odd > 0 ? SB_ARRAY_LEN(types) : 1)]);
            gen_space(g);
            gen_add(g, ",");
        }
        if (i == id_at) {
            gen_add(g, ids[gen_below(g, g->odd > 0 ? SB_ARRAY_LEN(ids) : 1)]);
            gen_add(g, ",");
            gen_space(g);
        }
        gen_string_after(g, "K"); /* never by chance one of those */
        gen_add(g, ":");
        gen_space(g);
        gen_value(g, 1 + gen_below(g, 6));
        gen_space(g);
    }
    gen_add(g, "}");
    gen_space(g);
}

/* An accident: a byte changed, lost, doubled or slipped in; a stretch lost or repeated; two bytes swapped. */
static void gen_accident(gen *g, size_t from)
{
    static const char likely[] =
        "\"\\{}[]:,0123456789.-+eEtfnu \t\r\n\x00\x01\x1f\x7f\x80\xbf\xc0\xc3\xe0\xed\xf0\xf4\xf5\xff";
    char *p = g->out->ptr + from;
    size_t len = g->out->len - from, at = gen_below(g, (unsigned)len), some = gen_below(g, 9);
    char c = likely[gen_below(g, sizeof likely - 1)];
    some = SB_MIN(some, len - at);
    switch (gen_below(g, 7)) {
    case 0:
        p[at] = c;
        break;
    case 1:
        memmove(p + at, p + at + some, len - at - some);
        g->out->len -= some;
        break;
    case 2:
        if (!sb_buf_reserve(g->out, some + 1))
            abort();
        p = g->out->ptr + from;
        memmove(p + at + some, p + at, len - at);
        g->out->len += some;
        break;
    case 3:
        if (!sb_buf_reserve(g->out, 1))
            abort();
        p = g->out->ptr + from;
        memmove(p + at + 1, p + at, len - at);
        p[at] = c;
        g->out->len++;
        break;
    case 4:
        p[at] = (char)(p[at] ^ 1 << gen_below(g, 8));
        break;
    case 5:
        c = p[at];
        p[at] = p[len - 1 - at];
        p[len - 1 - at] = c;
        break;
    default:
        g->out->len = from + at;
    }
}

#endif
