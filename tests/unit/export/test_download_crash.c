/* SPDX-License-Identifier: Apache-2.0 */
/* test_download_crash.c - killed before and after every write, sync and rename of a run, the next run makes the same
 * bytes of it, fetching nothing again that was complete; and the order of syncs and renames is that of settle.h, so that
 * a power cut does no more harm than a kill.
 *
 * The system calls that change the disk are ours here: this program's definitions come before libc's, for SQLite too. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "download_test.h"

#define OURS __attribute__((visibility("default")))

static atomic_uint calls, kill_at; /* 0: never */

/* What happened to files, by inode, for the test of the order. */
#define TRACED_MAX 256
static struct traced {
    ino_t inode;
    bool dirty;         /* written since it was last synced */
    unsigned synced_at; /* in order of events */
} traced[TRACED_MAX];
static size_t n_traced;
static bool tracing;
static unsigned events, wal_synced_at, renames, folders_synced, bad_order;
static unsigned unsynced_renames; /* since a folder was synced */
static ino_t wal_inode;
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;

static void point(void)
{
    unsigned at = atomic_load(&kill_at);
    if (at != 0 && atomic_fetch_add(&calls, 1) + 1 == at)
        (void)kill(getpid(), SIGKILL);
}

static struct traced *trace_of(ino_t inode)
{
    for (size_t i = 0; i < n_traced; i++)
        if (traced[i].inode == inode)
            return &traced[i];
    if (n_traced == TRACED_MAX)
        abort();
    traced[n_traced] = (struct traced){.inode = inode};
    return &traced[n_traced++];
}

static void trace_write(int fd)
{
    struct stat st;
    if (!tracing || fstat(fd, &st) != 0)
        return;
    (void)pthread_mutex_lock(&trace_lock);
    trace_of(st.st_ino)->dirty = true;
    (void)pthread_mutex_unlock(&trace_lock);
}

static void trace_sync(int fd)
{
    struct stat st;
    if (!tracing || fstat(fd, &st) != 0)
        return;
    (void)pthread_mutex_lock(&trace_lock);
    events++;
    if (S_ISDIR(st.st_mode)) {
        unsynced_renames = 0;
        folders_synced++;
    } else {
        struct traced *t = trace_of(st.st_ino);
        t->dirty = false;
        t->synced_at = events;
        if (st.st_ino == wal_inode) {
            wal_synced_at = events;
            bad_order += unsynced_renames > 0; /* a transaction between the renames and the folder's sync */
        }
    }
    (void)pthread_mutex_unlock(&trace_lock);
}

static void trace_rename(int fd, const char *name)
{
    struct stat st;
    if (!tracing || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    (void)pthread_mutex_lock(&trace_lock);
    const struct traced *t = trace_of(st.st_ino);
    events++;
    renames++;
    unsynced_renames++;
    /* the part is on disk, and after that the journal's word about it */
    bad_order += t->dirty || (st.st_size > 0 && t->synced_at == 0) || wal_synced_at < t->synced_at;
    (void)pthread_mutex_unlock(&trace_lock);
}

OURS int fdatasync(int fd)
{
    point();
    int rc = (int)syscall(SYS_fdatasync, fd);
    trace_sync(fd);
    point();
    return rc;
}

OURS int fsync(int fd)
{
    point();
    int rc = (int)syscall(SYS_fsync, fd);
    trace_sync(fd);
    point();
    return rc;
}

OURS int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    point();
    trace_rename(from_fd, from);
    int rc = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
    point();
    return rc;
}

OURS ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    point();
    ssize_t n = syscall(SYS_pwrite64, fd, bytes, len, offset);
    trace_write(fd);
    point();
    return n;
}

#define GOOD "{\"resourceType\":\"Patient\",\"id\":\"c\"}\n"
#define BAD  "{\"resourceType\":\"Patient\",\"id\":\"c\",}\n"

typedef struct world {
    engine *e;
    char *many, *folder;
    size_t len;
} world;

static void host_files(world *w)
{
    file_host *h = &w->e->host;
    w->many = keep(w->e, patients(20000, &w->len));
    file_host_add(h, &(hosted){.path = "/1", .bytes = GOOD});
    file_host_add(h, &(hosted){.path = "/2", .bytes = GOOD BAD GOOD});
    file_host_add(h, &(hosted){.path = "/3", .bytes = BAD BAD GOOD});
    file_host_add(h, &(hosted){.path = "/4", .bytes = ""});
    file_host_add(h, &(hosted){.path = "/5", .bytes = w->many, .len = w->len, .etag = "\"v\""});
    w->e->options.allow_bad_lines = 1;
    w->e->options.connections = 2;
}

/* A fresh folder with these files listed, and closed again. */
static void fresh(world *w)
{
    engine *e = w->e;
    static unsigned number;
    SB_AUTOFREE name = sb_printf("%s/out-%u", e->base.dir, number++);
    static const char *const paths[] = {"/1", "/2", "/3", "/4", "/5"};
    sb_journal_free(e->base.journal);
    e->base.journal = NULL;
    must(&e->base, sb_journal_open(name, true, false, &e->base.journal, &e->base.err));
    e->listed = 0;
    for (unsigned i = 0; i < 5; i++)
        list(e, (listing){.type = "Patient", .path = paths[i]});
    sb_journal_free(e->base.journal);
    e->base.journal = NULL;
    free(w->folder);
    w->folder = sb_str_dup(sb_str_from(name));
}

static void open_again(world *w)
{
    engine *e = w->e;
    must(&e->base, sb_journal_open(w->folder, false, false, &e->base.journal, &e->base.err));
    e->options.journal = e->base.journal;
}

static void assert_all_there(world *w)
{
    engine *e = w->e;
    assert_content(e, "Patient.000.ndjson", GOOD, strlen(GOOD));
    assert_content(e, "Patient.001.ndjson", GOOD BAD GOOD, strlen(GOOD BAD GOOD));
    assert_content(e, "rejected/Patient.002.ndjson", BAD BAD GOOD, strlen(BAD BAD GOOD));
    assert_content(e, "Patient.003.ndjson", "", 0);
    assert_content(e, "Patient.004.ndjson", w->many, w->len);
    assert_true(is_there(e, "rejected/Patient.001.ndjson.bad-lines.ndjson"));
    assert_true(is_there(e, "rejected/Patient.002.ndjson.bad-lines.ndjson"));
    for (int64_t id = 0; id < 5; id++)
        assert_state(e, id, id == 2 ? SB_FILE_REJECTED : SB_FILE_DONE);
    no_parts_are_left(e);
}

/* True: the run came to its end before it was killed. */
static bool killed_at(world *w, unsigned at)
{
    engine *e = w->e;
    fake_server_hold(e->host.server);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child != 0)
        fake_server_release(e->host.server);
    if (child == 0) {
        open_again(w);
        engine_open_payer(e);
        atomic_store(&kill_at, at);
        _exit(run(e) == SB_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    else
        assert_int_equal(WTERMSIG(status), SIGKILL);
    return WIFEXITED(status);
}

/* How many rows say by now that their file need not be fetched again. */
static unsigned settled_files(engine *e, bool complete[5])
{
    unsigned n = 0;
    for (int64_t id = 0; id < 5; id++) {
        SB_AUTO(sb_journal_file) file = row(&e->base, id);
        complete[id] = file.state != SB_FILE_PENDING;
        n += complete[id];
    }
    return n;
}

static void killed_anywhere_the_next_run_ends_with_the_same_bytes(void **state)
{
    world w = {.e = *state};
    engine *e = w.e;
    unsigned at = 1, half_way = 0;
    bool ended = false;
    host_files(&w);
    for (; !ended; at++) {
        bool complete[5];
        fresh(&w);
        ended = killed_at(&w, at);
        open_again(&w);
        half_way += settled_files(e, complete) % 5 != 0;
        for (unsigned i = 0; i < 5; i++)
            e->host.files[i].requests = 0;
        run_all(e);
        assert_all_there(&w);
        for (unsigned i = 0; i < 5; i++)
            assert_true(!complete[i] || e->host.files[i].requests == 0); /* never fetched again */
    }
    assert_true(at > 40);
    assert_true(half_way > 0);
    free(w.folder);
}

static void killed_again_and_again_it_still_ends_with_the_same_bytes(void **state)
{
    world w = {.e = *state};
    unsigned runs = 0;
    host_files(&w);
    fresh(&w);
    while (!killed_at(&w, 30 + runs % 7)) /* enough for some progress each time */
        assert_true(++runs < 100);
    open_again(&w);
    assert_all_there(&w);
    assert_true(runs > 0);
    free(w.folder);
}

static void nothing_is_put_in_its_place_before_it_and_the_journals_word_are_on_disk(void **state)
{
    world w = {.e = *state};
    engine *e = w.e;
    struct stat st;
    host_files(&w);
    fresh(&w);
    open_again(&w);
    SB_AUTOFREE wal = sb_printf("%s/.smartbulk/journal.db-wal", w.folder);
    assert_int_equal(stat(wal, &st), 0);
    wal_inode = st.st_ino;
    tracing = true;
    run_all(e);
    tracing = false;
    assert_int_equal(renames, 7); /* five files, two lists */
    assert_true(folders_synced > 0);
    assert_int_equal(unsynced_renames, 0);
    assert_int_equal(bad_order, 0);
    assert_all_there(&w);
    free(w.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TE(killed_anywhere_the_next_run_ends_with_the_same_bytes),
        TE(killed_again_and_again_it_still_ends_with_the_same_bytes),
        TE(nothing_is_put_in_its_place_before_it_and_the_journals_word_are_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
