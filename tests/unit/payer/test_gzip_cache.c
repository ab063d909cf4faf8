/* SPDX-License-Identifier: Apache-2.0 */
/* test_gzip_cache.c - compressed copies are made apart: nobody waits for one, and what is asked for is bounded. */
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "../smart/fake_clock.h"
#include "base/file.h"
#include "payer/export/gzip_cache.h"

#define ENDLESS ((off_t)1 << 40) /* longer than any test: an hour of work */

typedef struct fixture {
    char *dir;
    fake_clock clock;
    sb_gzip_cache *cache;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    void *dir = NULL;
    if (!f || scratch_make(&dir) != 0)
        return -1;
    f->dir = dir;
    fake_clock_init(&f->clock);
    assert_ok(sb_gzip_cache_new(&f->clock.clock, &f->cache, NULL));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    void *dir = f->dir;
    sb_gzip_cache_free(f->cache);
    free(f);
    return scratch_remove(&dir);
}

/* A file of so many zeros, of which none is on the disk; -1 at its end. */
static int source(const fixture *f, off_t size)
{
    SB_AUTOFREE path = sb_path_join(f->dir, "source");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(fd, size), 0);
    return fd;
}

static bool is_there(fixture *f, int fd, const char *name)
{
    SB_AUTOFREE path = sb_path_join(f->dir, name);
    SB_AUTOFD copy = sb_gzip_cache_open(f->cache, fd, path);
    return copy >= 0;
}

static void a_copy_is_there_once_it_is_made_though_the_source_was_closed(void **state)
{
    fixture *f = *state;
    int fd = source(f, 1 << 20);
    assert_false(is_there(f, fd, "a.gz"));
    (void)close(fd);
    sb_gzip_cache_wait(f->cache);
    assert_true(is_there(f, -1, "a.gz"));
    assert_int_equal(scratch_count(f->dir), 1); /* and nothing beside it */
}

static void nobody_waits_for_one_that_takes_long_nor_does_the_end(void **state)
{
    fixture *f = *state;
    SB_AUTOFD endless = source(f, ENDLESS);
    SB_AUTOFD small = source(f, 4096);
    for (int i = 0; i < 3; i++) {
        assert_false(is_there(f, endless, "endless.gz"));
        assert_false(is_there(f, small, "small.gz"));
    }
    sb_gzip_cache_free(f->cache);
    f->cache = NULL;
    assert_int_equal(scratch_count(f->dir), 0); /* nothing half-made stays */
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *all = opendir("/proc/self/fd");
    assert_non_null(all);
    while (readdir(all))
        count++;
    assert_int_equal(closedir(all), 0);
    return count;
}

static void what_is_wanted_is_bounded(void **state)
{
    fixture *f = *state;
    SB_AUTOFD endless = source(f, ENDLESS);
    SB_AUTOFD small = source(f, 4096);
    char name[32];
    size_t before = count_descriptors();
    assert_false(is_there(f, endless, "endless.gz"));
    for (int i = 0; i < 10 * SB_GZIP_WANTED_MAX; i++) {
        (void)snprintf(name, sizeof(name), "%d.gz", i);
        assert_false(is_there(f, small, name));
    }
    assert_true(count_descriptors() <= before + SB_GZIP_WANTED_MAX + 3);
}

/* So many files that will be asked for: 0.gz, 1.gz, … */
typedef struct coming {
    const fixture *f;
    int source, at, end;
    bool *freed;
} coming;

static bool coming_next(void *impl, int *source_fd, char **path)
{
    coming *c = impl;
    char name[32];
    if (c->at == c->end)
        return false;
    (void)snprintf(name, sizeof(name), "%d.gz", c->at++);
    *source_fd = fcntl(c->source, F_DUPFD_CLOEXEC, 0);
    *path = sb_path_join(c->f->dir, name);
    return *source_fd >= 0 && *path;
}

static void coming_free(void *impl)
{
    coming *c = impl;
    *c->freed = true;
}

static void make_ahead(coming *c)
{
    sb_gzip_cache_ahead(c->f->cache, &(sb_gzip_ahead){coming_next, coming_free, c});
}

static void what_will_be_asked_for_is_there_when_it_is(void **state)
{
    fixture *f = *state;
    SB_AUTOFD small = source(f, 4096);
    bool freed[2] = {false, false};
    coming one = {f, small, 0, 200, &freed[0]}, two = {f, small, 100, 300, &freed[1]};
    make_ahead(&one);
    make_ahead(&two);
    sb_gzip_cache_wait(f->cache);
    assert_int_equal(scratch_count(f->dir), 300);
    assert_true(freed[0] && freed[1] && is_there(f, -1, "0.gz") && is_there(f, -1, "299.gz"));
}

static void what_is_made_ahead_is_bounded_and_goes_with_the_cache(void **state)
{
    fixture *f = *state;
    SB_AUTOFD endless = source(f, ENDLESS);
    bool freed[2 * SB_GZIP_AHEAD_MAX] = {false};
    coming all[2 * SB_GZIP_AHEAD_MAX];
    size_t refused = 0;
    for (size_t i = 0; i < SB_ARRAY_LEN(all); i++) {
        all[i] = (coming){f, endless, (int)i * 10, (int)i * 10 + 10, &freed[i]};
        make_ahead(&all[i]);
        refused += freed[i];
    }
    assert_int_equal(refused, SB_GZIP_AHEAD_MAX);
    sb_gzip_cache_free(f->cache);
    f->cache = NULL;
    for (size_t i = 0; i < SB_ARRAY_LEN(all); i++)
        assert_true(freed[i]);
    assert_int_equal(scratch_count(f->dir), 0);
}

static void an_export_that_is_gone_is_no_failure(void **state)
{
    fixture *f = *state;
    SB_AUTOFD fd = source(f, 4096);
    assert_false(is_there(f, fd, "gone/a.gz"));
    sb_gzip_cache_wait(f->cache);
    assert_false(is_there(f, fd, "b.gz"));
    sb_gzip_cache_wait(f->cache);
    assert_true(is_there(f, fd, "b.gz"));
}

static struct rlimit fill_disk(void)
{
    struct rlimit before;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit none = {0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    return before;
}

static void nothing_is_made_ahead_for_a_disk_that_is_full(void **state)
{
    fixture *f = *state;
    SB_AUTOFD fd = source(f, 4096);
    bool freed = false;
    coming one = {f, fd, 0, 10, &freed};
    struct rlimit before = fill_disk();
    make_ahead(&one);
    sb_gzip_cache_wait(f->cache);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(freed);
    assert_int_equal(one.at, 1); /* it was not tried ten times */
    make_ahead(&one);
    sb_gzip_cache_wait(f->cache);
    assert_int_equal(one.at, 1);
    fake_advance_s(&f->clock, SB_GZIP_AGAIN_S);
    make_ahead(&one);
    sb_gzip_cache_wait(f->cache);
    assert_int_equal(scratch_count(f->dir), 9);
}

static void a_disk_that_is_full_is_not_asked_again_at_once(void **state)
{
    fixture *f = *state;
    SB_AUTOFD fd = source(f, 4096);
    struct rlimit before = fill_disk();
    assert_false(is_there(f, fd, "a.gz"));
    sb_gzip_cache_wait(f->cache);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(is_there(f, fd, "a.gz"));
    sb_gzip_cache_wait(f->cache);
    assert_false(is_there(f, fd, "a.gz"));
    fake_advance_s(&f->clock, SB_GZIP_AGAIN_S);
    assert_false(is_there(f, fd, "a.gz"));
    sb_gzip_cache_wait(f->cache);
    assert_true(is_there(f, fd, "a.gz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(a_copy_is_there_once_it_is_made_though_the_source_was_closed),
        T(nobody_waits_for_one_that_takes_long_nor_does_the_end),
        T(what_is_wanted_is_bounded),
        T(what_will_be_asked_for_is_there_when_it_is),
        T(what_is_made_ahead_is_bounded_and_goes_with_the_cache),
        T(nothing_is_made_ahead_for_a_disk_that_is_full),
        T(an_export_that_is_gone_is_no_failure),
        T(a_disk_that_is_full_is_not_asked_again_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
