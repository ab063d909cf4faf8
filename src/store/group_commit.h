/* SPDX-License-Identifier: Apache-2.0 */
/* group_commit.h - many callers' small writes in one transaction: one sync of the disk for all who wait.       AUTH-10
 *
 * Who comes while nobody is writing writes, for itself and for all who came meanwhile; who comes while somebody is writing
 * waits for the next round. So one caller alone waits for nobody, and a crowd costs one commit a round. Any thread. */
#ifndef SB_STORE_GROUP_COMMIT_H
#define SB_STORE_GROUP_COMMIT_H

#include <semaphore.h>

#include "base/defs.h"

#define SB_GROUP_MAX 256 /* a round's items: more would make the first of them wait for the last */

/* The head of the caller's own structure. */
typedef struct sb_group_item {
    struct sb_group_item *next; /* the queue's */
    sem_t wake;                 /* likewise: once, when it was written or is to write */
    bool done;                  /* likewise */
} sb_group_item;

typedef struct sb_group sb_group;

/* `run` is called with at most SB_GROUP_MAX items, in the order they came, by one thread at a time: it writes them all,
 * and leaves in each how it went. */
typedef void sb_group_run(void *impl, sb_group_item **items, size_t count);

sb_status sb_group_new(sb_group_run *run, void *impl, sb_group **out, sb_error *err);
void sb_group_free(sb_group *group); /* nobody is waiting; NULL is fine */
SB_DEFINE_FREEP(sb_group)

/* Returns when `run` has had the item. */
void sb_group_write(sb_group *group, sb_group_item *item);

#endif
