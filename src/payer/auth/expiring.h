/* SPDX-License-Identifier: Apache-2.0 */
/* expiring.h - a bounded table of digests whose entries end by themselves. When it is full it says so: no live entry
 * ever makes room for another. Time is whatever number the caller passes. Not thread safe: the owner locks. */
#ifndef SB_PAYER_EXPIRING_H
#define SB_PAYER_EXPIRING_H

#include "payer/auth/digest.h"

typedef struct sb_expiring sb_expiring;

/* `free_value` may be NULL; values are freed when they end, are cleared, or with the table. */
sb_status sb_expiring_new(size_t max, void (*free_value)(void *value), sb_expiring **out, sb_error *err);
void sb_expiring_free(sb_expiring *table); /* NULL is fine */
SB_DEFINE_FREEP(sb_expiring)

typedef enum sb_expiring_put_result {
    SB_EXPIRING_ADDED,  /* the value is the table's now */
    SB_EXPIRING_EXISTS, /* there is a live entry of that key; the value stays the caller's, as below */
    SB_EXPIRING_FULL,
    SB_EXPIRING_NOMEM
} sb_expiring_put_result;

/* An entry is live while now < expires. */
sb_expiring_put_result sb_expiring_put(sb_expiring *table, const sb_digest *key, int64_t expires, int64_t now,
                                       void *value);
/* *found tells whether there is a live entry; its value is returned, borrowed until the next call. */
void *sb_expiring_get(sb_expiring *table, const sb_digest *key, int64_t now, bool *found);
void sb_expiring_remove(sb_expiring *table, const sb_digest *key); /* one that is not there is fine */
size_t sb_expiring_clear(sb_expiring *table); /* how many there were, ended ones perhaps included */
size_t sb_expiring_count(const sb_expiring *table);

#endif
