/* SPDX-License-Identifier: Apache-2.0 */
/* base64url.h - RFC 4648 §5 without padding, as JOSE has it (RFC 7515 §2): one text for one value, and no other. KEY-03
 *
 * Decoding is strict: no padding, no white space, no other alphabet, no stray bits in the last character; so that two
 * different texts never mean the same bytes. Any thread. */
#ifndef SB_JOSE_BASE64URL_H
#define SB_JOSE_BASE64URL_H

#include "base/buf.h"

/* Characters that `len` bytes take. */
static inline size_t sb_base64url_encoded_len(size_t len)
{
    return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}
/* Bytes in a text of `len` characters (of which no length is 1 mod 4: decode refuses it). */
static inline size_t sb_base64url_decoded_len(size_t len)
{
    return len / 4 * 3 + (len % 4 ? len % 4 - 1 : 0);
}

/* Write exactly sb_base64url_encoded_len(len) characters, no NUL. */
void sb_base64url_encode_to(const void *bytes, size_t len, char *out);
SB_MUST_USE bool sb_base64url_encode(const void *bytes, size_t len, sb_buf *out); /* append; false without memory */

/* Write exactly sb_base64url_decoded_len(text.len) bytes; false (and `out` is garbage) when `text` is not base64url. */
SB_MUST_USE bool sb_base64url_decode(sb_str text, unsigned char *out);

#endif
