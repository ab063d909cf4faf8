/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c - growing and cutting bytes. Owns only what each sb_buf owns. */
#include "base/buf.h"

#include <stdio.h>
#include <strings.h>

bool sb_str_eq_nocase(sb_str a, sb_str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

bool sb_str_starts_with(sb_str s, sb_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

bool sb_str_ends_with(sb_str s, sb_str suffix)
{
    return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

sb_str sb_str_trim(sb_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool sb_str_is_text(sb_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7F)
            return false;
    return true;
}

bool sb_str_split(sb_str *rest, char sep, sb_str *token)
{
    if (!rest->ptr)
        return false;
    const char *end = rest->len ? memchr(rest->ptr, sep, rest->len) : NULL;
    if (!end) {
        *token = *rest;
        *rest = SB_STR_NULL;
        return true;
    }
    *token = (sb_str){rest->ptr, (size_t)(end - rest->ptr)};
    *rest = (sb_str){end + 1, rest->len - token->len - 1};
    return true;
}

bool sb_str_to_u64(sb_str s, uint64_t max, uint64_t *out)
{
    if (s.len == 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (value > (max - SB_MIN(digit, max)) / 10 || value * 10 > max - digit)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

void sb_hex(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[from[i] >> 4];
        out[2 * i + 1] = digits[from[i] & 15];
    }
    out[2 * len] = '\0';
}

char *sb_str_dup(sb_str s)
{
    char *copy = malloc(s.len + 1);
    if (!copy)
        return NULL;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

void sb_buf_cleanup(sb_buf *buf)
{
    free(buf->ptr);
    buf->ptr = NULL;
    buf->len = buf->cap = 0;
}

char *sb_buf_steal(sb_buf *buf)
{
    if (!sb_buf_reserve(buf, 0))
        return NULL;
    char *text = buf->ptr;
    text[buf->len] = '\0';
    buf->ptr = NULL;
    buf->len = buf->cap = 0;
    return text;
}

bool sb_buf_reserve(sb_buf *buf, size_t extra)
{
    if (extra > SIZE_MAX - buf->len - 1)
        return false;
    size_t need = buf->len + extra;
    if (buf->max && need > buf->max)
        return false;
    if (buf->ptr && need + 1 <= buf->cap)
        return true;
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < need + 1)
        cap = cap > SIZE_MAX / 2 ? need + 1 : cap * 2;
    char *ptr = realloc(buf->ptr, cap);
    if (!ptr)
        return false;
    buf->ptr = ptr;
    buf->cap = cap;
    buf->ptr[buf->len] = '\0';
    return true;
}

bool sb_buf_add(sb_buf *buf, const void *bytes, size_t len)
{
    if (!sb_buf_reserve(buf, len))
        return false;
    if (len > 0)
        memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    buf->ptr[buf->len] = '\0';
    return true;
}

bool sb_buf_add_str(sb_buf *buf, sb_str s)
{
    return sb_buf_add(buf, s.ptr, s.len);
}

bool sb_buf_add_cstr(sb_buf *buf, const char *text)
{
    return sb_buf_add(buf, text, strlen(text));
}

bool sb_buf_add_char(sb_buf *buf, char c)
{
    return sb_buf_add(buf, &c, 1);
}

bool sb_buf_printf(sb_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    bool ok = len >= 0 && sb_buf_reserve(buf, (size_t)len);
    if (ok) {
        (void)vsnprintf(buf->ptr + buf->len, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return ok;
}

char *sb_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    return len < 0 ? NULL : text;
}
