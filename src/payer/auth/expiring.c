/* SPDX-License-Identifier: Apache-2.0 */
/* expiring.c - chained buckets. A bucket is chosen by a secret multiplier, so that nobody who chooses keys can choose
 * one bucket for all. What has ended goes when its bucket is touched, and everywhere when the table is full. */
#include "payer/auth/expiring.h"

#include "base/random.h"

#define BUCKET_BITS_MIN 6
#define BUCKET_BITS_MAX 24 /* 128 MB of pointers: beyond, chains grow instead */

typedef struct entry {
    struct entry *next;
    sb_digest key;
    int64_t expires;
    void *value;
} entry;

struct sb_expiring {
    entry **buckets;
    unsigned bits; /* there are 1 << bits buckets */
    uint64_t multiplier;
    size_t count, max;
    int64_t earliest; /* nothing ends before */
    void (*free_value)(void *value);
};

sb_status sb_expiring_new(size_t max, void (*free_value)(void *value), sb_expiring **out, sb_error *err)
{
    sb_expiring *table = calloc(1, sizeof(*table));
    if (!table)
        return sb_error_nomem(err);
    table->max = max;
    table->free_value = free_value;
    table->earliest = INT64_MAX;
    sb_random_bytes(&table->multiplier, sizeof(table->multiplier));
    table->multiplier |= 1;
    for (table->bits = BUCKET_BITS_MIN; ((size_t)1 << table->bits) < max / 2 && table->bits < BUCKET_BITS_MAX;)
        table->bits++;
    table->buckets = calloc((size_t)1 << table->bits, sizeof(entry *));
    if (!table->buckets) {
        free(table);
        return sb_error_nomem(err);
    }
    *out = table;
    return SB_OK;
}

static entry **bucket_of(const sb_expiring *table, const sb_digest *key)
{
    uint64_t word;
    memcpy(&word, key->bytes, sizeof(word));
    return &table->buckets[(word * table->multiplier) >> (64 - table->bits)];
}

static void drop(sb_expiring *table, entry **at)
{
    entry *e = *at;
    *at = e->next;
    if (table->free_value)
        table->free_value(e->value);
    free(e);
    table->count--;
}

static void drop_ended(sb_expiring *table, entry **at, int64_t now)
{
    while (*at) {
        if ((*at)->expires <= now) {
            drop(table, at);
        } else {
            table->earliest = SB_MIN(table->earliest, (*at)->expires);
            at = &(*at)->next;
        }
    }
}

static void sweep(sb_expiring *table, int64_t now)
{
    if (now < table->earliest)
        return; /* so a full table is not looked through at every request */
    table->earliest = INT64_MAX;
    for (size_t i = 0; i < (size_t)1 << table->bits; i++)
        drop_ended(table, &table->buckets[i], now);
}

static entry *find(const sb_expiring *table, const sb_digest *key)
{
    for (entry *e = *bucket_of(table, key); e; e = e->next) {
        if (memcmp(&e->key, key, sizeof(*key)) == 0)
            return e;
    }
    return NULL;
}

sb_expiring_put_result sb_expiring_put(sb_expiring *table, const sb_digest *key, int64_t expires, int64_t now,
                                       void *value)
{
    entry **bucket = bucket_of(table, key);
    drop_ended(table, bucket, now);
    if (find(table, key))
        return SB_EXPIRING_EXISTS;
    if (table->count >= table->max)
        sweep(table, now);
    if (table->count >= table->max)
        return SB_EXPIRING_FULL;
    entry *e = malloc(sizeof(*e));
    if (!e)
        return SB_EXPIRING_NOMEM;
    *e = (entry){*bucket, *key, expires, value};
    *bucket = e;
    table->count++;
    table->earliest = SB_MIN(table->earliest, expires);
    return SB_EXPIRING_ADDED;
}

void *sb_expiring_get(sb_expiring *table, const sb_digest *key, int64_t now, bool *found)
{
    drop_ended(table, bucket_of(table, key), now);
    entry *e = find(table, key);
    *found = e != NULL;
    return e ? e->value : NULL;
}

void sb_expiring_remove(sb_expiring *table, const sb_digest *key)
{
    for (entry **at = bucket_of(table, key); *at; at = &(*at)->next) {
        if (memcmp(&(*at)->key, key, sizeof(*key)) == 0) {
            drop(table, at);
            return;
        }
    }
}

size_t sb_expiring_clear(sb_expiring *table)
{
    size_t count = table->count;
    for (size_t i = 0; i < (size_t)1 << table->bits; i++) {
        while (table->buckets[i])
            drop(table, &table->buckets[i]);
    }
    table->earliest = INT64_MAX;
    return count;
}

size_t sb_expiring_count(const sb_expiring *table)
{
    return table->count;
}

void sb_expiring_free(sb_expiring *table)
{
    if (!table)
        return;
    (void)sb_expiring_clear(table);
    free(table->buckets);
    free(table);
}
