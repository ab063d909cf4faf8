/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - SHA-256 of texts, for keys of tables: fixed in size, and telling nothing of the text. */
#ifndef SB_PAYER_DIGEST_H
#define SB_PAYER_DIGEST_H

#include "base/buf.h"

typedef struct sb_digest {
    unsigned char bytes[32];
} sb_digest;

sb_digest sb_digest_of(sb_str text);
/* Of two texts, unambiguously: ("a", "bc") and ("ab", "c") differ.                                          AUTH-10 */
sb_digest sb_digest_of_pair(sb_str a, sb_str b);

#endif
