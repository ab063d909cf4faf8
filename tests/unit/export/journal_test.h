/* SPDX-License-Identifier: Apache-2.0 */
/* journal_test.h - what tests with a journal begin with: a folder of their own, pages in one line. */
#ifndef SB_TEST_JOURNAL_TEST_H
#define SB_TEST_JOURNAL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../smart/scratch_dir.h"
#include "export/journal.h"

typedef struct fixture {
    char *dir;
    sb_journal *journal;
    sb_error err;
} fixture;

static inline void must(fixture *f, sb_status status)
{
    if (status != SB_OK)
        print_error("%s\n  why: %s\n  fix: %s\n", f->err.what, f->err.why, f->err.fix);
    assert_int_equal(status, SB_OK);
}

static inline void reopen(fixture *f, bool create)
{
    sb_journal_free(f->journal);
    f->journal = NULL;
    must(f, sb_journal_open(f->dir, create, false, &f->journal, &f->err));
}

static inline int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    f->dir = scratch_dir_new();
    *state = f;
    reopen(f, true);
    return 0;
}

static inline int tear_down(void **state)
{
    fixture *f = *state;
    sb_journal_free(f->journal);
    scratch_dir_free(f->dir);
    free(f);
    return 0;
}

typedef struct listed {
    const char *type, *url;
    int64_t count;
} listed;

/* A page of outputs; what it says comes next is `next`. */
static inline sb_status page_status(fixture *f, uint64_t page, const listed *files, size_t n, const char *next)
{
    SB_TRY(sb_journal_page_begin(f->journal, page, &f->err));
    for (size_t i = 0; i < n; i++) {
        sb_status status =
            sb_journal_page_item(f->journal, SB_FILE_OUTPUT, files[i].type, files[i].url, files[i].count, &f->err);
        if (status != SB_OK) {
            sb_journal_page_abort(f->journal);
            return status;
        }
    }
    return sb_journal_page_end(f->journal, true, false, next, &f->err);
}
#define PAGE(f, page, next, ...)                                                                                       \
    page_status(f, page, (const listed[]){__VA_ARGS__}, SB_ARRAY_LEN(((const listed[]){__VA_ARGS__})), next)

/* The row with this id, to be cleaned up. */
typedef struct wanted {
    int64_t id;
    sb_journal_file row;
    bool found;
} wanted;

static inline sb_status copy_if_wanted(void *impl, const sb_journal_file *file, sb_error *err)
{
    wanted *w = impl;
    (void)err;
    if (file->id != w->id)
        return SB_OK;
    w->row = *file;
    w->row.type = sb_str_dup(sb_str_from(file->type));
    w->row.url = sb_str_dup(sb_str_from(file->url));
    w->row.name = sb_str_dup(sb_str_from(file->name));
    w->row.problem = file->problem ? sb_str_dup(sb_str_from(file->problem)) : NULL;
    w->found = true;
    return SB_OK;
}

static inline sb_journal_file row(fixture *f, int64_t id)
{
    wanted w = {.id = id};
    must(f, sb_journal_each(f->journal, copy_if_wanted, &w, &f->err));
    assert_true(w.found);
    return w.row;
}

static inline void record(fixture *f, int64_t id, sb_file_state state, uint64_t bytes, uint64_t resources)
{
    SB_AUTO(sb_journal_file) file = row(f, id);
    file.state = state;
    file.bytes = bytes;
    file.resources = resources;
    must(f, sb_journal_record(f->journal, &file, 1, &f->err));
}

static inline void assert_row(fixture *f, int64_t id, const char *name, const char *url, sb_file_state state)
{
    SB_AUTO(sb_journal_file) file = row(f, id);
    assert_string_equal(file.name, name);
    assert_string_equal(file.url, url);
    assert_int_equal(file.state, state);
}

static inline sb_export_snapshot totals(fixture *f)
{
    sb_export_snapshot snapshot = {.files = 0};
    sb_journal_totals(f->journal, &snapshot);
    return snapshot;
}

#endif
