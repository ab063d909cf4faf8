/* SPDX-License-Identifier: Apache-2.0 */
/* group_commit.c - a queue; the first in it writes a round for all that are in it then.
 *
 *   come ──► first, and nobody writes? ──yes──► write a round ──► wake the first of the queue, and all who were written
 *                      │ no                          ▲
 *                      └──► wait ──► woken: written? ──no──┘
 *                                             └──yes──► go
 *
 * Each waits for itself alone: a round that ends wakes whom it was for and who writes the next, and nobody to no end. */
#include "store/group_commit.h"

#include <errno.h>
#include <pthread.h>

struct sb_group {
    sb_group_run *run;
    void *impl;
    pthread_mutex_t lock;
    bool writing; /* somebody is at it, or was woken to be */
    sb_group_item *head, **tail;
};

sb_status sb_group_new(sb_group_run *run, void *impl, sb_group **out, sb_error *err)
{
    sb_group *group = calloc(1, sizeof(*group));
    if (!group || pthread_mutex_init(&group->lock, NULL) != 0) {
        free(group);
        return sb_error_nomem(err);
    }
    group->run = run;
    group->impl = impl;
    group->tail = &group->head;
    *out = group;
    return SB_OK;
}

void sb_group_free(sb_group *group)
{
    if (!group)
        return;
    (void)pthread_mutex_destroy(&group->lock);
    free(group);
}

/* True: nobody writes, so that the caller does. */
static bool enqueue(sb_group *group, sb_group_item *item)
{
    (void)pthread_mutex_lock(&group->lock);
    bool writes = !group->writing;
    *group->tail = item;
    group->tail = &item->next;
    group->writing = true;
    (void)pthread_mutex_unlock(&group->lock);
    return writes;
}

static size_t take_round(sb_group *group, sb_group_item *items[SB_GROUP_MAX])
{
    size_t count = 0;
    (void)pthread_mutex_lock(&group->lock);
    while (group->head && count < SB_GROUP_MAX) {
        items[count++] = group->head;
        group->head = group->head->next;
    }
    if (!group->head)
        group->tail = &group->head;
    (void)pthread_mutex_unlock(&group->lock);
    return count;
}

/* Who writes the next round; NULL: nobody has to. */
static sb_group_item *next_writer(sb_group *group)
{
    (void)pthread_mutex_lock(&group->lock);
    sb_group_item *next = group->head;
    group->writing = next != NULL;
    (void)pthread_mutex_unlock(&group->lock);
    return next;
}

/* By the first of the queue: its own item is in the round. Items are gone as soon as their callers were woken. */
static void write_round(sb_group *group, const sb_group_item *own)
{
    sb_group_item *items[SB_GROUP_MAX];
    size_t count = take_round(group, items);
    group->run(group->impl, items, count);
    sb_group_item *next = next_writer(group);
    if (next)
        (void)sem_post(&next->wake);
    for (size_t i = 0; i < count; i++) {
        if (items[i] != own) {
            items[i]->done = true;
            (void)sem_post(&items[i]->wake);
        }
    }
}

void sb_group_write(sb_group *group, sb_group_item *item)
{
    item->next = NULL;
    item->done = false;
    (void)sem_init(&item->wake, 0, 0); /* cannot fail: it is private, and 0 */
    if (!enqueue(group, item)) {
        while (sem_wait(&item->wake) != 0 && errno == EINTR)
            continue;
    }
    if (!item->done)
        write_round(group, item);
    (void)sem_destroy(&item->wake);
}
