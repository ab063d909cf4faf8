/* SPDX-License-Identifier: Apache-2.0 */
/* random.c - getrandom(2) and what is made of it. Owns no state. */
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

void sb_random_bytes(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort(); /* no randomness: every key and jti made from here on would be a lie */
        p += n;
        len -= (size_t)n;
    }
}

uint64_t sb_random_below(uint64_t bound)
{
    if (bound == 0)
        return 0;
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound; /* rejecting the tail keeps it uniform */
    uint64_t value;
    do {
        sb_random_bytes(&value, sizeof(value));
    } while (value >= limit);
    return value % bound;
}

void sb_random_uuid(char out[SB_UUID_SIZE])
{
    unsigned char b[16];
    sb_random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    (void)snprintf(out, SB_UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}
