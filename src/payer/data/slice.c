/* SPDX-License-Identifier: Apache-2.0 */
/* slice.c - a walk over JSON text. Owns no state. */
#include "payer/data/slice.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* `p` is after the opening quote; returns the closing quote, or `end`. */
static const char *string_end(const char *p, const char *end)
{
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote)
            return end;
        const char *slash = quote;
        while (slash > p && slash[-1] == '\\')
            slash--;
        if ((quote - slash) % 2 == 0)
            return quote;
        p = quote + 1; /* what precedes it is a complete escape: counting may begin anew here */
    }
    return end;
}

/* `p` is at an opening brace or bracket; returns the place after its partner, or `end`. */
static const char *container_end(const char *p, const char *end)
{
    size_t depth = 0;
    for (; p < end; p++) {
        switch (*p) {
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return p + 1;
            break;
        case '"':
            p = string_end(p + 1, end);
            if (p == end)
                return end;
            break;
        default:
            break;
        }
    }
    return end;
}

static const char *value_end(const char *p, const char *end)
{
    if (p == end)
        return end;
    if (*p == '{' || *p == '[')
        return container_end(p, end);
    if (*p == '"') {
        p = string_end(p + 1, end);
        return p < end ? p + 1 : end;
    }
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !is_space(*p))
        p++;
    return p;
}

static void keep_rest(sb_str *rest, const char *p, const char *end)
{
    p = skip_space(p, end);
    if (p < end && *p == ',')
        p++;
    *rest = (sb_str){p, (size_t)(end - p)};
}

bool sb_slice_enter(sb_str value, char kind, sb_str *rest)
{
    value = sb_str_trim(value);
    if (value.len < 2 || value.ptr[0] != kind || value.ptr[value.len - 1] != (kind == '{' ? '}' : ']'))
        return false;
    *rest = (sb_str){value.ptr + 1, value.len - 2};
    return true;
}

bool sb_slice_element(sb_str *rest, sb_str *value)
{
    if (rest->len == 0)
        return false;
    const char *end = rest->ptr + rest->len;
    const char *p = skip_space(rest->ptr, end);
    const char *stop = value_end(p, end);
    if (stop == p)
        return false;
    *value = (sb_str){p, (size_t)(stop - p)};
    keep_rest(rest, stop, end);
    return true;
}

bool sb_slice_member(sb_str *rest, sb_str *name, sb_str *value)
{
    if (rest->len == 0)
        return false;
    const char *end = rest->ptr + rest->len;
    const char *p = skip_space(rest->ptr, end);
    if (p == end || *p != '"')
        return false;
    const char *quote = string_end(p + 1, end);
    if (quote == end)
        return false;
    *name = (sb_str){p + 1, (size_t)(quote - p - 1)};
    p = skip_space(quote + 1, end);
    if (p == end || *p != ':')
        return false;
    p = skip_space(p + 1, end);
    const char *stop = value_end(p, end);
    if (stop == p)
        return false;
    *value = (sb_str){p, (size_t)(stop - p)};
    keep_rest(rest, stop, end);
    return true;
}

bool sb_slice_find(sb_str object, sb_str name, sb_str *value)
{
    sb_str rest, key;
    if (!sb_slice_enter(object, '{', &rest))
        return false;
    while (sb_slice_member(&rest, &key, value)) {
        if (sb_str_eq(key, name))
            return true;
    }
    return false;
}

static int hex4(const char *p)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* The character that an escape at `p` (after the backslash) stands for, and how long the escape is; 0: none for us. */
static char unescape(const char *p, size_t left, size_t *used)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    *used = 1;
    if (left == 0)
        return '\0';
    if (*p == 'u') {
        int code = left >= 5 ? hex4(p + 1) : -1;
        *used = 5;
        return code > 0 && code < 0x80 ? (char)code : '\0';
    }
    const char *at = memchr(from, *p, sizeof(from) - 1);
    return at ? to[at - from] : '\0';
}

bool sb_slice_text(sb_str value, char *space, size_t size, sb_str *text)
{
    if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"')
        return false;
    sb_str raw = {value.ptr + 1, value.len - 2};
    *text = raw;
    if (!memchr(raw.ptr, '\\', raw.len))
        return true;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '\\') {
            size_t used;
            c = unescape(raw.ptr + i + 1, raw.len - i - 1, &used);
            if (c == '\0')
                return false;
            i += used;
        }
        if (len == size)
            return false;
        space[len++] = c;
    }
    *text = (sb_str){space, len};
    return true;
}
