/* SPDX-License-Identifier: Apache-2.0 */
/* test_committer.c - what is finished becomes durable in groups, in its place, and counted all the while. */
#include <fcntl.h>
#include <pthread.h>

#include "../smart/fake_clock.h"
#include "export/committer.h"
#include "export/download_names.h"
#include "journal_test.h"

typedef struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hold, holding; /* the first result is not taken before the test says so */
    unsigned settled, failures;
    sb_file_state last;
    sb_error err;
} told;

static void on_settled(void *impl, const sb_finished *finished)
{
    told *t = impl;
    (void)pthread_mutex_lock(&t->lock);
    t->settled++;
    t->last = finished->file.state;
    t->holding = t->hold;
    (void)pthread_cond_broadcast(&t->changed);
    while (t->hold)
        (void)pthread_cond_wait(&t->changed, &t->lock);
    (void)pthread_mutex_unlock(&t->lock);
}

static void on_failure(void *impl, sb_status status, const sb_error *err)
{
    told *t = impl;
    (void)status;
    (void)pthread_mutex_lock(&t->lock);
    t->failures++;
    t->err = *err;
    (void)pthread_mutex_unlock(&t->lock);
}

static sb_committer *start(fixture *f, told *t)
{
    sb_committer *committer = NULL;
    const sb_committer_options options = {f->journal, on_settled, on_failure, t};
    *t = (told){.settled = 0};
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_cond_init(&t->changed, NULL);
    must(f, sb_committer_new(&options, &committer, &f->err));
    return committer;
}

/* File `id`, complete as a part. */
static void put(fixture *f, sb_committer *committer, int64_t id, const char *text)
{
    SB_AUTO(sb_part) part = SB_PART_INIT;
    sb_finished finished = {.file = row(f, id), .part_fd = -1, .list_fd = -1, .http_status = 200};
    char name[SB_PART_NAME_SIZE];
    sb_name_of_part(id, name);
    must(f, sb_part_open(&part, sb_journal_folder(f->journal), name, 0, &f->err));
    must(f, sb_part_add(&part, sb_str_from(text), &f->err));
    must(f, sb_part_flush(&part, &f->err));
    sb_part_release(&part, &finished.part_fd);
    finished.file.state = SB_FILE_KEEPING;
    finished.file.bytes = strlen(text);
    finished.file.resources = 1;
    sb_committer_put(committer, &finished);
}

static void three_files(fixture *f)
{
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}, {"Patient", "https://p.example/2", 1},
                 {"Patient", "https://p.example/3", 1}));
}

static uint64_t bytes_seen(fixture *f, sb_committer *committer)
{
    sb_export_snapshot s = totals(f);
    sb_committer_live(committer, &s);
    assert_int_equal(s.types[0].bytes, s.bytes);
    return s.bytes;
}

static void what_waits_is_counted_until_the_journal_counts_it(void **state)
{
    fixture *f = *state;
    told t;
    three_files(f);
    sb_committer *committer = start(f, &t);
    t.hold = true;
    put(f, committer, 0, "abc");
    (void)pthread_mutex_lock(&t.lock);
    while (!t.holding)
        (void)pthread_cond_wait(&t.changed, &t.lock);
    (void)pthread_mutex_unlock(&t.lock);
    put(f, committer, 1, "defgh"); /* the committer is busy: they wait */
    put(f, committer, 2, "");
    assert_int_equal(totals(f).bytes, 3);
    assert_int_equal(bytes_seen(f, committer), 8);
    (void)pthread_mutex_lock(&t.lock);
    t.hold = false;
    (void)pthread_cond_broadcast(&t.changed);
    (void)pthread_mutex_unlock(&t.lock);
    sb_committer_drain(committer);
    assert_int_equal(bytes_seen(f, committer), 8);
    assert_int_equal(totals(f).files_done, 3);
    assert_int_equal(t.settled, 3);
    assert_int_equal(t.last, SB_FILE_DONE);
    sb_committer_free(committer);
}

static void after_a_failure_nothing_more_is_recorded_and_nobody_waits(void **state)
{
    fixture *f = *state;
    told t;
    three_files(f);
    SB_AUTOFREE path = sb_path_join(f->dir, "Patient.000.ndjson");
    must(f, sb_file_create_new(path, 0600, SB_STR_LIT("a stranger's"), &f->err));
    sb_committer *committer = start(f, &t);
    put(f, committer, 0, "abc");
    assert_true(eventually(({
        (void)pthread_mutex_lock(&t.lock);
        unsigned failures = t.failures;
        (void)pthread_mutex_unlock(&t.lock);
        failures == 1;
    })));
    for (int i = 0; i < 300; i++) /* more than it would ever hold */
        put(f, committer, 1, "x");
    sb_committer_free(committer);
    assert_int_equal(t.settled, 0);
    assert_int_equal(t.err.code, SB_E_USAGE);
    SB_AUTO(sb_journal_file) first = row(f, 0);
    assert_int_equal(first.state, SB_FILE_KEEPING); /* a later run goes on from here */
}

static void a_part_that_could_not_be_synced_is_not_believed_later(void **state)
{
    fixture *f = *state;
    told t;
    char etag[] = "\"v1\"", boot[] = "b";
    const sb_journal_part known = {.id = 0, .validator = etag, .boot_id = boot};
    char name[SB_PART_NAME_SIZE];
    int pipe_fds[2], fd = -1;
    three_files(f);
    must(f, sb_journal_part_set(f->journal, &known, &f->err));
    sb_name_of_part(0, name);
    must(f, sb_folder_open_file(sb_journal_folder(f->journal), name, O_RDWR | O_CREAT, &fd, &f->err));
    (void)close(fd);
    assert_int_equal(pipe(pipe_fds), 0); /* cannot be synced */
    sb_committer *committer = start(f, &t);
    sb_finished finished = {.file = row(f, 0), .part_fd = pipe_fds[0], .list_fd = -1, .http_status = 200};
    finished.file.state = SB_FILE_KEEPING;
    sb_committer_put(committer, &finished);
    sb_committer_free(committer);
    (void)close(pipe_fds[1]);
    assert_int_equal(t.failures, 1);
    assert_int_equal(t.err.code, SB_E_IO);
    assert_int_equal(sb_folder_open_file(sb_journal_folder(f->journal), name, O_RDONLY, &fd, NULL), SB_E_NOT_FOUND);
    SB_AUTO(sb_journal_part) part = {.id = 0};
    must(f, sb_journal_part_get(f->journal, 0, &part, &f->err));
    assert_null(part.validator);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_waits_is_counted_until_the_journal_counts_it),
        T(a_part_that_could_not_be_synced_is_not_believed_later),
        T(after_a_failure_nothing_more_is_recorded_and_nobody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
