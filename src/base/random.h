/* SPDX-License-Identifier: Apache-2.0 */
/* random.h - random bytes from the kernel, and identifiers made of them. Any thread. */
#ifndef SB_BASE_RANDOM_H
#define SB_BASE_RANDOM_H

#include "base/defs.h"

/* Fill with bytes fit for keys and nonces (getrandom). Never returns with less: a kernel without randomness aborts us,
 * because there is no safe way to go on. */
void sb_random_bytes(void *out, size_t len);

/* A uniform number in [0, bound). `bound` 0 gives 0. For jitter and for sampling. */
uint64_t sb_random_below(uint64_t bound);

/* RFC 9562 UUID version 4, 122 random bits, 36 characters and a NUL.                                       AUTH-02 */
#define SB_UUID_SIZE 37
void sb_random_uuid(char out[SB_UUID_SIZE]);

#endif
