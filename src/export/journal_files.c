/* SPDX-License-Identifier: Apache-2.0 */
/* journal_files.c - the journal's rows of files: read in batches, recorded in groups. Knows no page's making. */
#include <stdio.h>

#include "export/journal_internal.h"

#define EACH_BATCH 64 /* rows read under one hold of the lock: some 20 KB */

void sb_journal_file_cleanup(sb_journal_file *file)
{
    free(file->type);
    free(file->url);
    free(file->name);
    free(file->problem);
    *file = (sb_journal_file){.id = 0};
}

static bool dup_column(const sb_stmt *stmt, int column, char **out)
{
    *out = sb_str_dup(sb_stmt_str(stmt, column));
    return *out != NULL;
}

/* A row as FILE_COLUMNS of journal.c lists it. */
static sb_status read_row(const sb_stmt *stmt, sb_journal_file *out, sb_error *err)
{
    *out = (sb_journal_file){.id = sb_stmt_i64(stmt, 0),
                             .kind = (sb_file_kind)sb_stmt_i64(stmt, 1),
                             .state = (sb_file_state)sb_stmt_i64(stmt, 2),
                             .needs_token = sb_stmt_i64(stmt, 6) != 0,
                             .any_type = sb_stmt_i64(stmt, 7) != 0,
                             .count = sb_stmt_i64(stmt, 8),
                             .bytes = (uint64_t)sb_stmt_i64(stmt, 9),
                             .resources = (uint64_t)sb_stmt_i64(stmt, 10),
                             .bad_lines = (uint64_t)sb_stmt_i64(stmt, 11)};
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", sb_stmt_str(stmt, 12).ptr);
    if (dup_column(stmt, 3, &out->type) && dup_column(stmt, 4, &out->url) && dup_column(stmt, 5, &out->name) &&
        (sb_stmt_is_null(stmt, 13) || dup_column(stmt, 13, &out->problem)))
        return SB_OK;
    sb_journal_file_cleanup(out);
    return sb_error_nomem(err);
}

static void cleanup_all(sb_journal_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sb_journal_file_cleanup(&files[i]);
}

static sb_status read_rows(sb_journal *journal, sb_journal_sql which, int64_t after_id, sb_journal_file *out,
                           size_t max, size_t *n, sb_error *err)
{
    sb_stmt *stmt;
    bool row;
    SB_TRY(sb_journal_stmt(journal, which, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, after_id);
    sb_stmt_bind_i64(stmt, 2, (int64_t)max);
    sb_status status = sb_stmt_step(stmt, &row, err);
    while (status == SB_OK && row) {
        status = read_row(stmt, &out[*n], err);
        *n += status == SB_OK;
        if (status == SB_OK)
            status = sb_stmt_step(stmt, &row, err);
    }
    sb_stmt_reset(stmt);
    if (status != SB_OK) {
        cleanup_all(out, *n);
        *n = 0;
    }
    return status;
}

static sb_status read_batch(sb_journal *journal, sb_journal_sql which, int64_t after_id, sb_journal_file *out,
                            size_t max, size_t *n, sb_error *err)
{
    *n = 0;
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = read_rows(journal, which, after_id, out, max, n, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

sb_status sb_journal_pending(sb_journal *journal, int64_t after_id, sb_journal_file *out, size_t max, size_t *n,
                             sb_error *err)
{
    return read_batch(journal, SB_SQL_PENDING, after_id, out, max, n, err);
}

sb_status sb_journal_unsettled(sb_journal *journal, int64_t after_id, sb_journal_file *out, size_t max, size_t *n,
                               sb_error *err)
{
    return read_batch(journal, SB_SQL_UNSETTLED, after_id, out, max, n, err);
}

sb_status sb_journal_files(sb_journal *journal, int64_t after_id, sb_journal_file *out, size_t max, size_t *n,
                           sb_error *err)
{
    return read_batch(journal, SB_SQL_EACH, after_id, out, max, n, err);
}

/* The lock is not held while the callback runs: it may use the journal, and take its time. */
sb_status sb_journal_each(sb_journal *journal, sb_status (*fn)(void *impl, const sb_journal_file *file, sb_error *err),
                          void *impl, sb_error *err)
{
    sb_journal_file batch[EACH_BATCH];
    int64_t after_id = -1;
    size_t n;
    do {
        SB_TRY(read_batch(journal, SB_SQL_EACH, after_id, batch, EACH_BATCH, &n, err));
        sb_status status = SB_OK;
        for (size_t i = 0; i < n && status == SB_OK; i++)
            status = fn(impl, &batch[i], err);
        if (n > 0)
            after_id = batch[n - 1].id;
        cleanup_all(batch, n);
        SB_TRY(status);
    } while (n == EACH_BATCH);
    return SB_OK;
}

/* Take the row as it is out of the totals, and put what it becomes into them. */
static sb_status recount(sb_journal *journal, const sb_journal_file *file, sb_totals *draft, sb_error *err)
{
    sb_stmt *stmt;
    bool row;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_FILE_TOTALS, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, file->id);
    SB_TRY(sb_stmt_step(stmt, &row, err));
    if (!row)
        return sb_error_set(err, SB_E_INTERNAL, "a result came for a file that is not known", "file %lld",
                            "please report this", (long long)file->id);
    sb_totals_item it = {.kind = (sb_file_kind)sb_stmt_i64(stmt, 0),
                         .state = (sb_file_state)sb_stmt_i64(stmt, 1),
                         .type = sb_stmt_str(stmt, 2),
                         .count = sb_stmt_i64(stmt, 3),
                         .bytes = (uint64_t)sb_stmt_i64(stmt, 4),
                         .resources = (uint64_t)sb_stmt_i64(stmt, 5),
                         .bad_lines = (uint64_t)sb_stmt_i64(stmt, 6)};
    sb_totals_add(draft, &it, UINT64_MAX);
    it.state = file->state;
    it.bytes = file->bytes;
    it.resources = file->resources;
    it.bad_lines = file->bad_lines;
    sb_totals_add(draft, &it, 1);
    sb_stmt_reset(stmt);
    return SB_OK;
}

static sb_status record_one(sb_journal *journal, const sb_journal_file *file, sb_totals *draft, sb_error *err)
{
    sb_stmt *stmt;
    SB_TRY(recount(journal, file, draft, err));
    SB_TRY(sb_journal_stmt(journal, SB_SQL_RECORD, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, file->id);
    sb_stmt_bind_i64(stmt, 2, file->state);
    sb_stmt_bind_i64(stmt, 3, (int64_t)file->bytes);
    sb_stmt_bind_i64(stmt, 4, (int64_t)file->resources);
    sb_stmt_bind_i64(stmt, 5, (int64_t)file->bad_lines);
    sb_stmt_bind_cstr(stmt, 6, file->sha256);
    sb_stmt_bind_cstr(stmt, 7, file->problem);
    SB_TRY(sb_stmt_run(stmt, err));
    if (file->state == SB_FILE_PENDING)
        return SB_OK;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_PART_FORGET, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, file->id);
    return sb_stmt_run(stmt, err);
}

static sb_status record(sb_journal *journal, const sb_journal_file *files, size_t n, sb_error *err)
{
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    sb_totals draft = journal->totals;
    SB_TRY(sb_tx_begin(&tx, journal->db, err));
    for (size_t i = 0; i < n; i++)
        SB_TRY(record_one(journal, &files[i], &draft, err));
    SB_TRY(sb_tx_commit(&tx, err));
    sb_journal_publish(journal, &draft);
    return SB_OK;
}

sb_status sb_journal_record(sb_journal *journal, const sb_journal_file *files, size_t n, sb_error *err)
{
    if (n == 0)
        return SB_OK;
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = record(journal, files, n, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

static sb_status retry_failed(sb_journal *journal, sb_error *err)
{
    sb_stmt *stmt;
    sb_totals totals;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_RETRY_FAILED, &stmt, err));
    SB_TRY(sb_stmt_run(stmt, err));
    SB_TRY(sb_journal_sum(journal, &totals, err));
    sb_journal_publish(journal, &totals);
    return SB_OK;
}

sb_status sb_journal_retry_failed(sb_journal *journal, sb_error *err)
{
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = retry_failed(journal, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}

static sb_status has_name(sb_journal *journal, const char *name, bool *found, sb_error *err)
{
    sb_stmt *stmt;
    int64_t count;
    SB_TRY(sb_journal_stmt(journal, SB_SQL_HAS_NAME, &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, name);
    SB_TRY(sb_journal_step_i64(stmt, &count, err));
    *found = count > 0;
    return SB_OK;
}

sb_status sb_journal_has_name(sb_journal *journal, const char *name, bool *found, sb_error *err)
{
    *found = false;
    (void)pthread_mutex_lock(&journal->lock);
    sb_status status = has_name(journal, name, found, err);
    (void)pthread_mutex_unlock(&journal->lock);
    return status;
}
