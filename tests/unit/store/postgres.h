/* SPDX-License-Identifier: Apache-2.0 */
/* postgres.h - a PostgreSQL of a test's own: a cluster in a temporary folder, on a socket there, that ends with the
 * test, whatever happens to it. Where there is no PostgreSQL, tests skip and say so.
 *
 *   static int set_up_group(void **state) { postgres_start(&server); … }
 *   SKIP_WITHOUT_POSTGRES(&server);   postgres_database(&server, uri); */
#ifndef SB_TEST_POSTGRES_H
#define SB_TEST_POSTGRES_H

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

#define POSTGRES_NOBODY   65534 /* a server refuses to run as root; this user and group are on every Debian */
#define POSTGRES_URI_SIZE 256
#define POSTGRES_PATIENCE 60 /* seconds that a server may take to start, under a sanitizer's load */
#define POSTGRES_PAUSE_NS (5 * 1000 * 1000)

typedef struct postgres {
    char dir[64]; /* "": there is none */
    char bin[128];
    pid_t pid;
    unsigned databases;
} postgres;

/* In a child: somebody who may run a server, and who dies with the test. */
static void postgres_become(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(POSTGRES_NOBODY) != 0 || setuid(POSTGRES_NOBODY) != 0))
        _exit(127);
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
}

static pid_t postgres_spawn(const postgres *pg, const char *const argv[], const char *log)
{
    char program[192];
    (void)snprintf(program, sizeof(program), "%s/%s", pg->bin, argv[0]);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    postgres_become();
    if (!freopen(log, "a", stdout) || !freopen(log, "a", stderr) || chdir(pg->dir) != 0)
        _exit(127);
    (void)execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static bool postgres_find(postgres *pg)
{
    glob_t found;
    bool there = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0;
    if (there) {
        sb_str path = sb_str_from(found.gl_pathv[found.gl_pathc - 1]);
        (void)snprintf(pg->bin, sizeof(pg->bin), "%.*s", (int)(path.len - strlen("/initdb")), path.ptr);
    }
    globfree(&found);
    return there;
}

static void postgres_wait_ready(const postgres *pg)
{
    char uri[POSTGRES_URI_SIZE];
    struct timespec pause = {0, POSTGRES_PAUSE_NS};
    time_t end = time(NULL) + POSTGRES_PATIENCE;
    (void)snprintf(uri, sizeof(uri), "postgresql:///postgres?host=%s&user=sb", pg->dir);
    while (PQping(uri) != PQPING_OK) {
        assert_true(time(NULL) < end && kill(pg->pid, 0) == 0);
        (void)nanosleep(&pause, NULL);
    }
}

static void postgres_serve(postgres *pg)
{
    char data[96], log[96];
    (void)snprintf(data, sizeof(data), "%s/data", pg->dir);
    (void)snprintf(log, sizeof(log), "%s/server.log", pg->dir);
    const char *argv[] = {"postgres",
                          "-D",
                          data,
                          "-k",
                          pg->dir,
                          "-c",
                          "listen_addresses=",
                          "-c",
                          "fsync=off",
                          "-c",
                          "shared_buffers=16MB",
                          NULL};
    pg->pid = postgres_spawn(pg, argv, log);
    assert_true(pg->pid > 0);
    postgres_wait_ready(pg);
}

/* Fills `pg`; its `dir` is empty when there is no PostgreSQL here. */
static void postgres_start(postgres *pg)
{
    int status = 0;
    char log[96];
    *pg = (postgres){.pid = 0};
    if (!postgres_find(pg))
        return;
    (void)snprintf(pg->dir, sizeof(pg->dir), "/tmp/sb-postgres-XXXXXX");
    assert_non_null(mkdtemp(pg->dir));
    if (geteuid() == 0)
        assert_return_code(chown(pg->dir, POSTGRES_NOBODY, POSTGRES_NOBODY), errno);
    (void)snprintf(log, sizeof(log), "%s/initdb.log", pg->dir);
    const char *argv[] = {"initdb", "-D", "data", "-A",         "trust",     "-U",
                          "sb",     "-E", "UTF8", "--locale=C", "--no-sync", NULL};
    pid_t pid = postgres_spawn(pg, argv, log);
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    postgres_serve(pg);
}

static void postgres_end(const postgres *pg)
{
    int status;
    (void)kill(pg->pid, SIGQUIT);
    (void)waitpid(pg->pid, &status, 0);
}

/* As when its machine goes down and up: every connection is lost, what was committed is there. */
static SB_UNUSED void postgres_restart(postgres *pg)
{
    postgres_end(pg);
    postgres_serve(pg);
}

static SB_UNUSED void postgres_stop(postgres *pg)
{
    int status;
    if (!pg->dir[0])
        return;
    postgres_end(pg);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execlp("rm", "rm", "-rf", pg->dir, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(pid, &status, 0);
    pg->dir[0] = '\0';
}

/* A new, empty database. */
static SB_UNUSED void postgres_database(postgres *pg, char uri[POSTGRES_URI_SIZE])
{
    char sql[64];
    (void)snprintf(uri, POSTGRES_URI_SIZE, "postgresql:///postgres?host=%s&user=sb", pg->dir);
    PGconn *connection = PQconnectdb(uri);
    (void)snprintf(sql, sizeof(sql), "CREATE DATABASE t%u", ++pg->databases);
    PGresult *result = PQexec(connection, sql);
    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    PQfinish(connection);
    (void)snprintf(uri, POSTGRES_URI_SIZE, "postgresql:///t%u?host=%s&user=sb", pg->databases, pg->dir);
}

#define SKIP_WITHOUT_POSTGRES(pg)                                                                                      \
    do {                                                                                                               \
        if (!(pg)->dir[0]) {                                                                                           \
            print_message("skipped: there is no PostgreSQL on this machine (package postgresql)\n");                   \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

#endif
