/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_plain.c - RFC 8259 read a byte at a time, in portable C: the engine that defines what is right.
 *
 * It may stop after any byte and go on in the next piece. Each scanner below reads as long as its own kind of state
 * lasts; sb_ndjson_plain_run() hands over between them. None of them ever passes a newline: wherever one stands, it
 * ends the line. Where a fault is found is part of the contract: the faster engines fall back to this one to say so. */
#include "fhir/ndjson_state.h"

/* What a byte inside a string is. */
enum { IN_TEXT, IN_QUOTE, IN_SLASH, IN_CONTROL, IN_LEAD2, IN_LEAD3, IN_LEAD4, IN_STRAY };

static uint8_t string_class(uint8_t c)
{
    if (c == '"')
        return IN_QUOTE;
    if (c == '\\')
        return IN_SLASH;
    if (c < 0x20)
        return IN_CONTROL;
    if (c < 0x80)
        return IN_TEXT;
    if (c < 0xC2 || c > 0xF4) /* continuation bytes, overlong C0 and C1, beyond U+10FFFF */
        return IN_STRAY;
    return c < 0xE0 ? IN_LEAD2 : c < 0xF0 ? IN_LEAD3 : IN_LEAD4;
}

static void fault_if_any(sb_ndjson *n, const uint8_t *p, sb_ndjson_reason reason)
{
    if (reason != NO_FAULT)
        sb_ndjson_fault(n, p, reason);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* A sequence begins: RFC 3629 §4 narrows the second byte after E0, ED, F0 and F4. */
static void utf8_begins(sb_ndjson *n, uint8_t lead)
{
    n->at = AT_UTF8;
    n->utf8_left = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    n->utf8_low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    n->utf8_high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
}

static void utf8_byte(sb_ndjson *n, const uint8_t *p)
{
    if (*p < n->utf8_low || *p > n->utf8_high) {
        sb_ndjson_fault(n, p, SB_NDJSON_BAD_UTF8);
        return;
    }
    n->utf8_low = 0x80;
    n->utf8_high = 0xBF;
    if (--n->utf8_left == 0)
        n->at = AT_STRING;
}

static void string_ends(sb_ndjson *n, const uint8_t *p)
{
    if (n->string_is_key) {
        n->at = AT_COLON;
        n->m.member = MEMBER_OTHER;
        if (n->m.capturing)
            fault_if_any(n, p, sb_ndjson_key_ends(n, n->capture, n->m.captured));
    } else {
        n->at = AT_AFTER_VALUE;
        if (n->m.capturing)
            fault_if_any(n, p, sb_ndjson_string_value_ends(n, n->capture, n->m.captured));
    }
}

/* One byte of an escape, after its backslash. */
static void escape_byte(sb_ndjson *n, const uint8_t *p)
{
    if (*p == 'u') {
        n->at = AT_HEX;
        n->hex_left = 4;
        n->code_unit = 0;
        n->pair_open = false;
    } else if (*p != 0 && strchr("\"\\/bfnrt", *p) != NULL) {
        n->at = AT_STRING;
    } else {
        sb_ndjson_fault(n, p, SB_NDJSON_BAD_ESCAPE);
    }
}

static void hex_byte(sb_ndjson *n, const uint8_t *p)
{
    uint8_t low = *p | 0x20;
    if (is_digit(*p))
        n->code_unit = n->code_unit * 16 + (*p - '0');
    else if (low >= 'a' && low <= 'f')
        n->code_unit = n->code_unit * 16 + (low - 'a' + 10u);
    else {
        sb_ndjson_fault(n, p, SB_NDJSON_BAD_ESCAPE);
        return;
    }
    if (--n->hex_left > 0)
        return;
    bool high = n->code_unit >= 0xD800 && n->code_unit <= 0xDBFF;
    bool low_half = n->code_unit >= 0xDC00 && n->code_unit <= 0xDFFF;
    if (low_half != n->pair_open)
        sb_ndjson_fault(n, p, SB_NDJSON_LONE_SURROGATE);
    else if (n->code_unit == 0)
        sb_ndjson_fault(n, p, SB_NDJSON_NUL);
    else
        n->at = high ? AT_PAIR_SLASH : AT_STRING;
}

/* After the first half of a pair: \u, then digits again. */
static void pair_byte(sb_ndjson *n, const uint8_t *p)
{
    if (*p != (n->at == AT_PAIR_SLASH ? '\\' : 'u')) {
        sb_ndjson_fault(n, p, SB_NDJSON_LONE_SURROGATE);
    } else if (n->at == AT_PAIR_SLASH) {
        n->at = AT_PAIR_U;
    } else {
        n->at = AT_HEX;
        n->hex_left = 4;
        n->code_unit = 0;
        n->pair_open = true;
    }
}

/* The byte at `p` ends a run of plain text in a string. */
static void string_byte(sb_ndjson *n, const uint8_t *p)
{
    switch (string_class(*p)) {
    case IN_QUOTE:
        string_ends(n, p);
        break;
    case IN_SLASH:
        n->at = AT_ESCAPE;
        break;
    case IN_CONTROL:
        sb_ndjson_fault(n, p, SB_NDJSON_CONTROL_CHARACTER);
        break;
    case IN_STRAY:
        sb_ndjson_fault(n, p, SB_NDJSON_BAD_UTF8);
        break;
    default:
        utf8_begins(n, *p);
    }
}

static const uint8_t *skip_text(const uint8_t *p, const uint8_t *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
        /* a top bit where a byte is: a quote, a backslash, below 0x20, or not ASCII. Borrows may add a false one above
         * a true one, never hide one, and the loop below looks again. */
        if (((quote - ones) | (slash - ones) | (w - ones * 0x20) | w) & tops)
            break;
        p += 8;
    }
    while (p < end && string_class(*p) == IN_TEXT)
        p++;
    return p;
}

static const uint8_t *run_string(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *from = p; /* of what is to be captured */
    while (p < end && n->at >= AT_STRING && n->at <= AT_UTF8) {
        if (n->at == AT_STRING)
            p = skip_text(p, end);
        if (p == end || *p == '\n')
            break;
        bool closes = n->at == AT_STRING && *p == '"';
        if (closes && n->m.capturing)
            sb_ndjson_capture(n, from, (size_t)(p - from));
        if (n->at == AT_STRING)
            string_byte(n, p);
        else if (n->at == AT_UTF8)
            utf8_byte(n, p);
        else if (n->at == AT_ESCAPE)
            escape_byte(n, p);
        else if (n->at == AT_HEX)
            hex_byte(n, p);
        else
            pair_byte(n, p);
        p++;
    }
    if (n->at >= AT_STRING && n->at <= AT_UTF8 && n->m.capturing)
        sb_ndjson_capture(n, from, (size_t)(p - from));
    return p;
}

/* The state that the byte `c` leads to from within a number; AT_AFTER_VALUE when it does not belong to it, AT_SKIP when
 * it cannot follow. */
static sb_ndjson_at number_next(sb_ndjson_at at, uint8_t c)
{
    bool digit = is_digit(c), e = c == 'e' || c == 'E';
    switch (at) {
    case AT_MINUS:
        return c == '0' ? AT_ZERO : digit ? AT_INTEGER : AT_SKIP;
    case AT_ZERO:
        return digit ? AT_SKIP : c == '.' ? AT_POINT : e ? AT_E : AT_AFTER_VALUE;
    case AT_INTEGER:
        return digit ? AT_INTEGER : c == '.' ? AT_POINT : e ? AT_E : AT_AFTER_VALUE;
    case AT_POINT:
        return digit ? AT_FRACTION : AT_SKIP;
    case AT_FRACTION:
        return digit ? AT_FRACTION : e ? AT_E : AT_AFTER_VALUE;
    case AT_E:
        return digit ? AT_EXPONENT : c == '+' || c == '-' ? AT_E_SIGN : AT_SKIP;
    case AT_E_SIGN:
        return digit ? AT_EXPONENT : AT_SKIP;
    default:
        return digit ? AT_EXPONENT : AT_AFTER_VALUE;
    }
}

static const uint8_t *run_number(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    for (; p < end && *p != '\n'; p++) {
        sb_ndjson_at next = number_next(n->at, *p);
        if (next == AT_SKIP)
            sb_ndjson_fault(n, p, SB_NDJSON_BAD_NUMBER);
        n->at = next;
        if (next == AT_SKIP || next == AT_AFTER_VALUE)
            break; /* this byte is the structure's to judge */
    }
    return p;
}

static const uint8_t *run_literal(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    for (; p < end && *p != '\n' && *n->literal != '\0'; p++, n->literal++)
        if (*p != (uint8_t)*n->literal) {
            sb_ndjson_fault(n, p, SB_NDJSON_BAD_LITERAL);
            return p;
        }
    if (*n->literal == '\0')
        n->at = AT_AFTER_VALUE;
    return p;
}

static void container_begins(sb_ndjson *n, const uint8_t *p)
{
    uint64_t bit = UINT64_C(1) << (n->depth % 64);
    uint64_t *word = &n->is_object[n->depth / 64 + 1];
    *word = *p == '{' ? *word | bit : *word & ~bit;
    n->depth++;
    n->at = *p == '{' ? AT_KEY_OR_END : AT_ELEMENT_OR_END;
}

static void container_ends(sb_ndjson *n, const uint8_t *p)
{
    if (sb_ndjson_in_object(n) != (*p == '}')) {
        sb_ndjson_fault(n, p, SB_NDJSON_UNEXPECTED);
        return;
    }
    n->at = n->depth == 1 ? AT_DONE : AT_AFTER_VALUE;
    if (n->depth <= n->watched_depth)
        fault_if_any(n, p, sb_ndjson_container_ends(n));
    n->depth--;
}

static void scalar_begins(sb_ndjson *n, const uint8_t *p)
{
    switch (*p) {
    case '"':
        n->at = AT_STRING;
        sb_ndjson_string_begins(n, false);
        break;
    case '-':
        n->at = AT_MINUS;
        break;
    case '0':
        n->at = AT_ZERO;
        break;
    case 't':
    case 'f':
    case 'n':
        n->at = AT_LITERAL;
        n->literal = *p == 't' ? "rue" : *p == 'f' ? "alse" : "ull";
        break;
    default:
        if (is_digit(*p))
            n->at = AT_INTEGER;
        else
            sb_ndjson_fault(n, p, SB_NDJSON_UNEXPECTED);
    }
}

static void value_byte(sb_ndjson *n, const uint8_t *p)
{
    if (n->depth >= SB_NDJSON_MAX_DEPTH) {
        sb_ndjson_fault(n, p, SB_NDJSON_TOO_DEEP);
        return;
    }
    bool container = *p == '{' || *p == '[';
    if (n->depth <= n->watched_depth)
        fault_if_any(n, p, sb_ndjson_value_begins(n, (char)*p));
    if (n->at == AT_SKIP)
        return;
    if (container)
        container_begins(n, p);
    else
        scalar_begins(n, p);
}

static void key_byte(sb_ndjson *n, const uint8_t *p)
{
    if (*p == '"') {
        n->at = AT_STRING;
        sb_ndjson_string_begins(n, true);
    } else {
        sb_ndjson_fault(n, p, SB_NDJSON_UNEXPECTED);
    }
}

static void after_value_byte(sb_ndjson *n, const uint8_t *p)
{
    if (*p == ',')
        n->at = sb_ndjson_in_object(n) ? AT_KEY : AT_VALUE;
    else if (*p == '}' || *p == ']')
        container_ends(n, p);
    else
        sb_ndjson_fault(n, p, SB_NDJSON_UNEXPECTED);
}

static void line_byte(sb_ndjson *n, const uint8_t *p)
{
    if (*p == '{') {
        container_begins(n, p);
    } else if (*p == 0xEF && n->offset + (uint64_t)(p - n->fed) == 0) {
        n->at = AT_BOM;
        n->bom_left = 2;
    } else {
        sb_ndjson_fault(n, p, SB_NDJSON_NOT_AN_OBJECT);
    }
}

static void bom_byte(sb_ndjson *n, const uint8_t *p)
{
    if (*p != (n->bom_left == 2 ? 0xBB : 0xBF))
        sb_ndjson_fault(n, p, SB_NDJSON_NOT_AN_OBJECT);
    else if (--n->bom_left == 0)
        n->at = AT_LINE;
}

static void structure_byte(sb_ndjson *n, const uint8_t *p)
{
    switch (n->at) {
    case AT_LINE:
        line_byte(n, p);
        break;
    case AT_KEY_OR_END:
        if (*p == '}')
            container_ends(n, p);
        else
            key_byte(n, p);
        break;
    case AT_KEY:
        key_byte(n, p);
        break;
    case AT_COLON:
        if (*p == ':')
            n->at = AT_VALUE;
        else
            sb_ndjson_fault(n, p, SB_NDJSON_UNEXPECTED);
        break;
    case AT_ELEMENT_OR_END:
        if (*p == ']') {
            container_ends(n, p);
            break;
        }
        value_byte(n, p);
        break;
    case AT_VALUE:
        value_byte(n, p);
        break;
    case AT_AFTER_VALUE:
        after_value_byte(n, p);
        break;
    default: /* AT_DONE */
        sb_ndjson_fault(n, p, SB_NDJSON_AFTER_END);
    }
}

static const uint8_t *run_structure(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    while (p < end && n->at < AT_STRING && *p != '\n') {
        if (*p != ' ' && *p != '\t' && *p != '\r')
            structure_byte(n, p);
        p++;
    }
    return p;
}

static const uint8_t *run_bom(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    for (; p < end && *p != '\n' && n->at == AT_BOM; p++)
        bom_byte(n, p);
    return p;
}

const uint8_t *sb_ndjson_plain_run(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p != '\n') {
        if (n->at < AT_STRING) {
            p = run_structure(n, p, end);
        } else if (n->at <= AT_UTF8) {
            p = run_string(n, p, end);
        } else if (n->at <= AT_EXPONENT) {
            p = run_number(n, p, end);
        } else if (n->at == AT_LITERAL) {
            p = run_literal(n, p, end);
        } else if (n->at == AT_BOM) {
            p = run_bom(n, p, end);
        } else {
            const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
            return newline != NULL ? newline : end;
        }
    }
    return p;
}
