/* SPDX-License-Identifier: Apache-2.0 */
/* databases.h - a promise kept on both kinds of database: a new one for each test, gone after it.
 *
 *   static void a_promise(database *d) { … d->path … }
 *   ON_BOTH(a_promise)       … BOTH(a_promise), … cmocka_run_group_tests(tests, databases_start, databases_stop); */
#ifndef SB_TEST_DATABASES_H
#define SB_TEST_DATABASES_H

#include "postgres.h"

static postgres databases_server;

typedef struct database {
    bool postgres;
    char dir[64];
    char path[POSTGRES_URI_SIZE];
    sb_error err;
} database;

static database *database_new(bool on_postgres)
{
    database *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    d->postgres = on_postgres;
    (void)snprintf(d->dir, sizeof(d->dir), "/tmp/sb-database-XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    if (on_postgres)
        postgres_database(&databases_server, d->path);
    else
        (void)snprintf(d->path, sizeof(d->path), "%s/x.db", d->dir);
    return d;
}

static void database_free(database *d)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[POSTGRES_URI_SIZE + 8];
    for (size_t i = 0; !d->postgres && i < SB_ARRAY_LEN(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", d->path, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(d->dir);
    free(d);
}

static int databases_start(void **state)
{
    (void)state;
    postgres_start(&databases_server);
    return 0;
}

static int databases_stop(void **state)
{
    (void)state;
    postgres_stop(&databases_server);
    return 0;
}

#define ON_BOTH(promise)                                                                                               \
    static void promise##_sqlite(void **state)                                                                         \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        database *d = database_new(false);                                                                             \
        promise(d);                                                                                                    \
        database_free(d);                                                                                              \
    }                                                                                                                  \
    static void promise##_postgresql(void **state)                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        SKIP_WITHOUT_POSTGRES(&databases_server);                                                                      \
        database *d = database_new(true);                                                                              \
        promise(d);                                                                                                    \
        database_free(d);                                                                                              \
    }

#define BOTH(promise) cmocka_unit_test(promise##_sqlite), cmocka_unit_test(promise##_postgresql)

#endif
