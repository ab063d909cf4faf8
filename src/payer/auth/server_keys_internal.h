/* SPDX-License-Identifier: Apache-2.0 */
/* server_keys_internal.h - between server_keys.c and the table it reads. Nobody else includes it. */
#ifndef SB_PAYER_SERVER_KEYS_INTERNAL_H
#define SB_PAYER_SERVER_KEYS_INTERNAL_H

#include <stdatomic.h>

#include "payer/auth/server_keys.h"

#define SB_SERVER_KEYS_DAY_S 86400

/* A row. Times are seconds since 1970. */
typedef struct sb_server_key {
    sb_key *key;
    int64_t serial, published_s, signs_from_s, signs_until_s, ends_s;
} sb_server_key;

#define SB_SERVER_KEYS_MAX 32 /* live at once; with a day each there are four */

struct sb_server_keyset {
    sb_server_key keys[SB_SERVER_KEYS_MAX];
    size_t count;
    char *json;
    atomic_uint refs;
};

typedef struct sb_server_keys_table {
    sb_pool *pool;
    const sb_clock *clock;
    sb_str secret;
    int64_t sign_s; /* how long a key signs */
} sb_server_keys_table;

/* Read the live keys, after the next was made, if it is time. The set has one reference. */
sb_status sb_server_keys_table_read(const sb_server_keys_table *table, sb_server_keyset **out, sb_error *err);

#endif
