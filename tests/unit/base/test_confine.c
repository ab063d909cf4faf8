/* SPDX-License-Identifier: Apache-2.0 */
/* test_confine.c - what a confined process can still do, and what it cannot: each in a child of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <smartbulk/process.h>

#include "base/defs.h"

enum { GOOD = 0, BAD = 1, NO_FILTER = 77 };

typedef int act(void);

/* How the child ended. */
static int confined(act *what)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(sb_process_confine(NULL) == SB_OK ? what() : NO_FILTER);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER) {
        print_message("skipped: this build, or this kernel, takes no filter\n");
        skip();
    }
    return status;
}

static void *nothing(void *impl)
{
    return impl;
}

static int does_what_a_server_does(void)
{
    pthread_t thread;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC), pair[2];
    int web = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
    bool ok = fd >= 0 && web >= 0 && local >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 &&
              pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
    return ok ? GOOD : BAD;
}

static int reaches_for_more(void)
{
    bool refused = socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM;
    refused = refused && mount("none", "/", "tmpfs", 0, NULL) < 0 && errno == EPERM;
    refused = refused && chroot("/") < 0 && errno == EPERM;
    refused = refused && setuid(0) < 0 && errno == EPERM;
    refused = refused && kill(getppid(), 0) < 0 && errno == EPERM;
    return refused ? GOOD : BAD;
}

static int starts_a_program(void)
{
    (void)execl("/bin/true", "true", (char *)NULL);
    return BAD;
}

static int makes_a_process(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(BAD);
    return child < 0 && errno == EPERM ? GOOD : BAD;
}

static int looks_into_another(void)
{
    (void)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    return BAD;
}

static void a_confined_process_serves(void **state)
{
    (void)state;
    assert_int_equal(confined(does_what_a_server_does), GOOD);
}

static void it_gets_nothing_more(void **state)
{
    (void)state;
    assert_int_equal(confined(reaches_for_more), GOOD);
    assert_int_equal(confined(makes_a_process), GOOD);
}

static void it_ends_when_it_is_made_to_attack(void **state)
{
    (void)state;
    int status = confined(starts_a_program);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = confined(looks_into_another);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void *try_a_socket(void *impl)
{
    const int *ready = impl;
    char byte;
    if (read(ready[0], &byte, 1) != 1)
        return NULL;
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM ? impl : NULL;
}

/* A thread that was there before. */
static void all_threads_are_confined(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pthread_t thread;
        int ready[2];
        void *refused = NULL;
        bool made = pipe(ready) == 0 && pthread_create(&thread, NULL, try_a_socket, ready) == 0;
        if (!made || sb_process_confine(NULL) != SB_OK)
            _exit(NO_FILTER);
        bool ok = write(ready[1], "x", 1) == 1 && pthread_join(thread, &refused) == 0 && refused;
        _exit(ok ? GOOD : BAD);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER) {
        print_message("skipped: this build, or this kernel, takes no filter\n");
        skip();
    }
    assert_int_equal(status, GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confined_process_serves),
        cmocka_unit_test(it_gets_nothing_more),
        cmocka_unit_test(it_ends_when_it_is_made_to_attack),
        cmocka_unit_test(all_threads_are_confined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
