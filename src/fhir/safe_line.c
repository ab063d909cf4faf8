/* SPDX-License-Identifier: Apache-2.0 */
/* safe_line.c - a peer's words made fit for one line. Owns nothing. */
#include "fhir/safe_line.h"

#define ELLIPSIS "\xE2\x80\xA6"

/* Decode one character; its length, or 0 where the bytes are not UTF-8. */
static size_t decode(const unsigned char *p, size_t left, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (len == 0 || len > left)
        return 0;
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *out = c;
    return len;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x2028 || c == 0x2029;
}

/* C0, DEL, C1, and what reorders or hides text: bidi marks, embeddings, isolates, zero width, tags. */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0xFEFF || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || (c >= 0xE0000 && c <= 0xE007F);
}

/* Cut back to a character's start so that an ellipsis fits, and add it. */
static void add_ellipsis(char *out, size_t size, size_t *len)
{
    size_t fit = size - sizeof ELLIPSIS;
    if (*len > fit) {
        *len = fit;
        while (*len > 0 && ((unsigned char)out[*len] & 0xC0) == 0x80)
            (*len)--;
    }
    memcpy(out + *len, ELLIPSIS, sizeof ELLIPSIS);
    *len += sizeof ELLIPSIS - 1;
}

bool sb_safe_line_add(char *out, size_t size, size_t *len, sb_str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t at = 0;
    while (at < text.len) {
        uint32_t c = '?';
        size_t used = decode(p + at, text.len - at, &c);
        const char *add = used > 0 ? text.ptr + at : "?";
        size_t add_len = used > 0 ? used : 1;
        at += used > 0 ? used : 1;
        if (is_space(c)) {
            if (*len == 0 || out[*len - 1] == ' ')
                continue;
            add = " ";
            add_len = 1;
        } else if (is_unsafe(c)) {
            continue;
        }
        if (*len + add_len >= size) {
            add_ellipsis(out, size, len);
            return false;
        }
        memcpy(out + *len, add, add_len);
        *len += add_len;
    }
    out[*len] = '\0';
    return true;
}
