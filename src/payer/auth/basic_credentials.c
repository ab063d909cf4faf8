/* SPDX-License-Identifier: Apache-2.0 */
/* basic_credentials.c - base64 with its padding, read strictly, and what is in it. */
#include "payer/auth/basic_credentials.h"

#include "base/secret.h"
#include "base/url.h"
#include "jose/base64url.h"

#define CREDENTIALS_MAX 4096 /* an id and a secret, percent-encoded, in base64 */

static const sb_str scheme = SB_STR_LIT("basic ");

/* Cut off the padding. False: there is more of it, or less, than the length asks for. */
static bool cut_padding(sb_str *text)
{
    size_t whole = text->len;
    while (text->len > 0 && whole - text->len < 2 && text->ptr[text->len - 1] == '=')
        text->len--;
    return whole % 4 == 0;
}

/* By way of the other alphabet. */
static bool decode_base64(sb_str text, sb_buf *out)
{
    char other[CREDENTIALS_MAX];
    if (!cut_padding(&text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        other[i] = c == '+' ? '-' : c == '/' ? '_' : c == '-' || c == '_' ? '*' : c; /* '*' is in neither */
    }
    size_t len = sb_base64url_decoded_len(text.len);
    bool ok = sb_buf_reserve(out, len + 1) && sb_base64url_decode((sb_str){other, text.len}, (unsigned char *)out->ptr);
    sb_wipe(other, sizeof(other));
    if (!ok)
        return false;
    out->len = len;
    out->ptr[len] = '\0';
    return true;
}

bool sb_basic_read(sb_str header, sb_buf *id, sb_buf *secret)
{
    SB_AUTO(sb_buf) plain = SB_BUF_INIT;
    sb_str rest, name = SB_STR_NULL;
    if (header.len > CREDENTIALS_MAX || header.len < scheme.len ||
        !sb_str_eq_nocase((sb_str){header.ptr, scheme.len}, scheme))
        return false;
    sb_str text = sb_str_trim((sb_str){header.ptr + scheme.len, header.len - scheme.len});
    bool ok = decode_base64(text, &plain);
    rest = sb_buf_str(&plain);
    ok = ok && memchr(rest.ptr ? rest.ptr : "", ':', rest.len) && sb_str_split(&rest, ':', &name) &&
         sb_url_decode(name, true, id) && sb_url_decode(rest, true, secret);
    sb_buf_wipe(&plain);
    return ok;
}
