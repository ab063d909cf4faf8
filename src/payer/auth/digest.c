/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - by OpenSSL's SHA-256. */
#include "payer/auth/digest.h"

#include <openssl/sha.h>

sb_digest sb_digest_of(sb_str text)
{
    sb_digest out;
    (void)SHA256((const unsigned char *)(text.len ? text.ptr : ""), text.len, out.bytes);
    return out;
}

/* Digests have one length, so where the first ends is plain. */
sb_digest sb_digest_of_pair(sb_str a, sb_str b)
{
    sb_digest both[2] = {sb_digest_of(a), sb_digest_of(b)};
    return sb_digest_of((sb_str){(const char *)both, sizeof(both)});
}
