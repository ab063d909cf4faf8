/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - bytes nobody may read later: tokens, assertions, passphrases, private keys as text.
 *
 * Memory of its own pages: locked against swap where the limit allows, left out of core dumps, wiped when freed.
 * Never formatted: there is no function that prints one, and the logger takes no sb_secret. */
#ifndef SB_BASE_SECRET_H
#define SB_BASE_SECRET_H

#include "base/buf.h"

typedef struct sb_secret sb_secret;

/* A copy of `bytes`, NUL-terminated beyond its length. The caller still wipes its own copy. */
sb_status sb_secret_new(sb_str bytes, sb_secret **out, sb_error *err);
/* `len` zero bytes to be filled through sb_secret_data(). */
sb_status sb_secret_alloc(size_t len, sb_secret **out, sb_error *err);
void sb_secret_free(sb_secret *secret); /* wipes; NULL is fine */
SB_DEFINE_FREEP(sb_secret)

sb_str sb_secret_str(const sb_secret *secret);
char *sb_secret_data(sb_secret *secret);
void sb_secret_truncate(sb_secret *secret, size_t len); /* shorter only; wipes the rest */

/* Wipe memory so that the compiler cannot leave it out. */
void sb_wipe(void *ptr, size_t len);
/* Wipe a buffer's whole capacity, then free it. */
void sb_buf_wipe(sb_buf *buf);
/* Blot out every place where `secret` stands in `text`: what a peer repeats of what we sent it must not be shown. */
void sb_secret_hide(char *text, size_t len, sb_str secret);
/* True when equal; takes as long for any difference. */
bool sb_secret_equal(const void *a, const void *b, size_t len);

#endif
