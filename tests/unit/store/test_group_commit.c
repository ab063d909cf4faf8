/* SPDX-License-Identifier: Apache-2.0 */
/* test_group_commit.c - who writes, for whom, and that nobody is left waiting. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/group_commit.h"

#define THREADS 24
#define TIMES   500

typedef struct note {
    sb_group_item item;
    int written;
} note;

typedef struct book {
    sb_group *group;
    atomic_int at_it; /* rounds under way */
    int rounds, notes, largest;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int waiting; /* callers that are on their way into the queue */
    bool held;   /* a round is to wait until it is let go */
    bool in_round;
} book;

static void write_notes(void *impl, sb_group_item **items, size_t count)
{
    book *b = impl;
    assert_int_equal(atomic_fetch_add(&b->at_it, 1), 0);
    assert_in_range(count, 1, SB_GROUP_MAX);
    for (size_t i = 0; i < count; i++)
        ((note *)items[i])->written++;
    (void)pthread_mutex_lock(&b->lock);
    b->rounds++;
    b->notes += (int)count;
    b->largest = SB_MAX(b->largest, (int)count);
    b->in_round = true;
    (void)pthread_cond_broadcast(&b->changed);
    while (b->held)
        (void)pthread_cond_wait(&b->changed, &b->lock);
    b->in_round = false;
    (void)pthread_mutex_unlock(&b->lock);
    (void)atomic_fetch_sub(&b->at_it, 1);
}

static void open_book(book *b)
{
    *b = (book){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    assert_int_equal(sb_group_new(write_notes, b, &b->group, NULL), SB_OK);
}

static void *write_many(void *impl)
{
    book *b = impl;
    for (int i = 0; i < TIMES; i++) {
        note n = {.written = 0};
        sb_group_write(b->group, &n.item);
        assert_int_equal(n.written, 1);
    }
    return NULL;
}

static void *write_one(void *impl)
{
    book *b = impl;
    note n = {.written = 0};
    (void)pthread_mutex_lock(&b->lock);
    b->waiting++;
    (void)pthread_cond_broadcast(&b->changed);
    (void)pthread_mutex_unlock(&b->lock);
    sb_group_write(b->group, &n.item);
    assert_int_equal(n.written, 1);
    return NULL;
}

static void one_alone_waits_for_nobody(void **state)
{
    (void)state;
    book b;
    open_book(&b);
    assert_null(write_one(&b));
    assert_null(write_one(&b));
    assert_int_equal(b.rounds, 2);
    sb_group_free(b.group);
}

static void each_of_a_crowd_is_written_once_and_by_one_at_a_time(void **state)
{
    (void)state;
    book b;
    pthread_t threads[THREADS];
    open_book(&b);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &b), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(b.notes, THREADS * TIMES);
    assert_in_range(b.largest, 1, THREADS);
    sb_group_free(b.group);
}

/* While the first is at it, the others come; however many the rounds are that they are written in, the first is not in
 * them, and none is forgotten. */
static void who_comes_during_a_round_is_in_a_later_one(void **state)
{
    (void)state;
    book b;
    pthread_t first, others[THREADS];
    open_book(&b);
    b.held = true;
    assert_int_equal(pthread_create(&first, NULL, write_one, &b), 0);
    (void)pthread_mutex_lock(&b.lock);
    while (!b.in_round)
        (void)pthread_cond_wait(&b.changed, &b.lock);
    (void)pthread_mutex_unlock(&b.lock);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&others[i], NULL, write_one, &b), 0);
    (void)pthread_mutex_lock(&b.lock);
    while (b.waiting < THREADS + 1)
        (void)pthread_cond_wait(&b.changed, &b.lock);
    assert_int_equal(b.notes, 1);
    b.held = false;
    (void)pthread_cond_broadcast(&b.changed);
    (void)pthread_mutex_unlock(&b.lock);
    assert_int_equal(pthread_join(first, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(others[i], NULL), 0);
    assert_int_equal(b.notes, THREADS + 1);
    assert_in_range(b.rounds, 2, THREADS + 1);
    sb_group_free(b.group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alone_waits_for_nobody),
        cmocka_unit_test(each_of_a_crowd_is_written_once_and_by_one_at_a_time),
        cmocka_unit_test(who_comes_during_a_round_is_in_a_later_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
