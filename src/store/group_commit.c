/* SPDX-License-Identifier: Apache-2.0 */
/* group_commit.c - a queue, and one thread of those that wait in it at work.
 *
 *   come ──► queued ──► nobody writes? ──yes──► write a round ──► my item in it? ──yes──► go
 *              ▲             │ no                                   │ no
 *              └── wait ◄────┴──────────────────────────────────────┘ */
#include "store/group_commit.h"

#include <pthread.h>

struct sb_group {
    sb_group_run *run;
    void *impl;
    pthread_mutex_t lock;
    pthread_cond_t round; /* one has ended */
    bool writing;
    sb_group_item *head, **tail;
};

sb_status sb_group_new(sb_group_run *run, void *impl, sb_group **out, sb_error *err)
{
    sb_group *group = calloc(1, sizeof(*group));
    if (!group || pthread_mutex_init(&group->lock, NULL) != 0) {
        free(group);
        return sb_error_nomem(err);
    }
    if (pthread_cond_init(&group->round, NULL) != 0) {
        (void)pthread_mutex_destroy(&group->lock);
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
    (void)pthread_cond_destroy(&group->round);
    (void)pthread_mutex_destroy(&group->lock);
    free(group);
}

/* Under the lock, which is let go while the round is written. */
static void write_round(sb_group *group)
{
    sb_group_item *items[SB_GROUP_MAX];
    size_t count = 0;
    while (group->head && count < SB_GROUP_MAX) {
        items[count++] = group->head;
        group->head = group->head->next;
    }
    if (!group->head)
        group->tail = &group->head;
    group->writing = true;
    (void)pthread_mutex_unlock(&group->lock);
    group->run(group->impl, items, count);
    (void)pthread_mutex_lock(&group->lock);
    group->writing = false;
    for (size_t i = 0; i < count; i++)
        items[i]->done = true;
    (void)pthread_cond_broadcast(&group->round);
}

void sb_group_write(sb_group *group, sb_group_item *item)
{
    *item = (sb_group_item){NULL, false};
    (void)pthread_mutex_lock(&group->lock);
    *group->tail = item;
    group->tail = &item->next;
    while (!item->done) {
        if (group->writing)
            (void)pthread_cond_wait(&group->round, &group->lock);
        else
            write_round(group);
    }
    (void)pthread_mutex_unlock(&group->lock);
}
