/* SPDX-License-Identifier: Apache-2.0 */
/* base64url.c - see the header. Private keys pass through here: no branch and no table depends on what the bytes are,
 * and decoding looks at every character whatever was found before, so that neither time nor cache tells of them. */
#include "jose/base64url.h"

/* All ones where low <= c <= high, else 0. For values below 256. */
static unsigned in_range(unsigned c, unsigned low, unsigned high)
{
    return 0U - ((((low - 1U - c) & (c - high - 1U)) >> 8) & 1U);
}

static char char_of(unsigned value) /* of 6 bits */
{
    return (char)((in_range(value, 0, 25) & (value + 'A')) | (in_range(value, 26, 51) & (value - 26U + 'a')) |
                  (in_range(value, 52, 61) & (value - 52U + '0')) | (in_range(value, 62, 62) & '-') |
                  (in_range(value, 63, 63) & '_'));
}

/* 0 to 63; 64 or more for what is none of the alphabet. */
static unsigned value_of(unsigned char c)
{
    unsigned value = (in_range(c, 'A', 'Z') & (c - 'A' + 1U)) | (in_range(c, 'a', 'z') & (c - 'a' + 27U)) |
                     (in_range(c, '0', '9') & (c - '0' + 53U)) | (in_range(c, '-', '-') & 63U) |
                     (in_range(c, '_', '_') & 64U);
    return (value - 1U) & 127U;
}

void sb_base64url_encode_to(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    for (; len >= 3; len -= 3, in += 3) {
        unsigned group = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];
        *out++ = char_of(group >> 18);
        *out++ = char_of(group >> 12 & 63U);
        *out++ = char_of(group >> 6 & 63U);
        *out++ = char_of(group & 63U);
    }
    if (len == 0)
        return;
    unsigned group = (unsigned)in[0] << 16 | (len == 2 ? (unsigned)in[1] << 8 : 0);
    *out++ = char_of(group >> 18);
    *out++ = char_of(group >> 12 & 63U);
    if (len == 2)
        *out++ = char_of(group >> 6 & 63U);
}

bool sb_base64url_encode(const void *bytes, size_t len, sb_buf *out)
{
    size_t text = sb_base64url_encoded_len(len);
    if (!sb_buf_reserve(out, text))
        return false;
    sb_base64url_encode_to(bytes, len, out->ptr + out->len);
    out->len += text;
    out->ptr[out->len] = '\0';
    return true;
}

bool sb_base64url_decode(sb_str text, unsigned char *out)
{
    unsigned wrong = text.len % 4 == 1, group = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned value = value_of((unsigned char)text.ptr[i]);
        wrong |= value & 64U;
        group = group << 6 | (value & 63U);
        if (i % 4 == 3) {
            *out++ = (unsigned char)(group >> 16);
            *out++ = (unsigned char)(group >> 8);
            *out++ = (unsigned char)group;
            group = 0;
        }
    }
    if (text.len % 4 == 2) {
        wrong |= group & 15U; /* bits that belong to no byte: another text for the same bytes */
        *out++ = (unsigned char)(group >> 4);
    } else if (text.len % 4 == 3) {
        wrong |= group & 3U;
        *out++ = (unsigned char)(group >> 10);
        *out++ = (unsigned char)(group >> 2);
    }
    return wrong == 0;
}
