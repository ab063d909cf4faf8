/* SPDX-License-Identifier: Apache-2.0 */
/* journal_totals.c - totals by type and in all, in a fixed size. Knows states and types, no SQL but one sum. */
#include <stdio.h>

#include "export/journal_internal.h"

#define OTHERS "(others)" /* the last row takes the types that have none of their own */

static const char *folder_of(sb_file_kind kind)
{
    return kind == SB_FILE_DELETED ? SB_FOLDER_DELETED "/" : kind == SB_FILE_ERROR ? SB_FOLDER_ERROR "/" : "";
}

sb_export_type_totals *sb_export_type_row(sb_export_snapshot *totals, sb_file_kind kind, sb_str type)
{
    char label[SB_EXPORT_TYPE_NAME_MAX + 1];
    if (type.len == 0)
        type = SB_STR_LIT("Unknown");
    (void)snprintf(label, sizeof(label), "%s%.*s", folder_of(kind), (int)SB_MIN(type.len, sizeof(label)), type.ptr);
    for (size_t i = 0; i < totals->n_types; i++)
        if (strcmp(totals->types[i].type, label) == 0)
            return &totals->types[i];
    if (totals->n_types == SB_EXPORT_SNAPSHOT_TYPES)
        return &totals->types[SB_EXPORT_SNAPSHOT_TYPES - 1];
    sb_export_type_totals *row = &totals->types[totals->n_types++];
    *row = (sb_export_type_totals){.files = 0};
    (void)snprintf(row->type, sizeof(row->type), "%s", totals->n_types == SB_EXPORT_SNAPSHOT_TYPES ? OTHERS : label);
    return row;
}

void sb_totals_add(sb_totals *totals, const sb_totals_item *item, uint64_t n)
{
    sb_export_type_totals *row = sb_export_type_row(totals, item->kind, item->type);
    bool done = item->state == SB_FILE_DONE, failed = item->state == SB_FILE_FAILED;
    bool bad = item->state == SB_FILE_REJECTED || failed;
    row->files += n;
    totals->files += n;
    row->files_done += done ? n : 0;
    totals->files_done += done ? n : 0;
    row->files_bad += bad ? n : 0;
    totals->files_bad += bad ? n : 0;
    row->resources_expected += item->count > 0 ? (uint64_t)item->count * n : 0;
    if (item->state == SB_FILE_PENDING || failed)
        return; /* nothing of it is on disk */
    row->resources += item->resources * n;
    totals->resources += item->resources * n;
    row->bytes += item->bytes * n;
    totals->bytes += item->bytes * n;
    totals->bad_lines += item->bad_lines * n;
}

/* One of as many files that are alike in all but their sums: each of them is given with its first. */
static void add_group(sb_totals *totals, const sb_stmt *stmt)
{
    sb_totals_item item = {.kind = (sb_file_kind)sb_stmt_i64(stmt, 0),
                           .state = (sb_file_state)sb_stmt_i64(stmt, 1),
                           .type = sb_stmt_str(stmt, 2)};
    sb_totals_add(totals, &item, (uint64_t)sb_stmt_i64(stmt, 3));
    item.count = sb_stmt_i64(stmt, 4);
    item.bytes = (uint64_t)sb_stmt_i64(stmt, 5);
    item.resources = (uint64_t)sb_stmt_i64(stmt, 6);
    item.bad_lines = (uint64_t)sb_stmt_i64(stmt, 7);
    sb_totals_add(totals, &item, 1);
    item = (sb_totals_item){.kind = item.kind, .state = item.state, .type = item.type};
    sb_totals_add(totals, &item, UINT64_MAX); /* the file that carried the sums was one too many */
}

sb_status sb_journal_sum(sb_journal *journal, sb_totals *out, sb_error *err)
{
    sb_stmt *stmt;
    bool row;
    *out = (sb_totals){.files = 0};
    SB_TRY(sb_journal_stmt(journal, SB_SQL_SUM, &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    while (row) {
        add_group(out, stmt);
        SB_TRY(sb_stmt_step(stmt, &row, err));
    }
    return SB_OK;
}

void sb_journal_publish(sb_journal *journal, const sb_totals *totals)
{
    (void)pthread_mutex_lock(&journal->totals_lock);
    journal->totals = *totals;
    (void)pthread_mutex_unlock(&journal->totals_lock);
}

void sb_journal_totals(sb_journal *journal, sb_export_snapshot *out)
{
    (void)pthread_mutex_lock(&journal->totals_lock);
    const sb_totals *t = &journal->totals;
    out->files = t->files;
    out->files_done = t->files_done;
    out->files_bad = t->files_bad;
    out->resources = t->resources;
    out->bytes = t->bytes;
    out->bad_lines = t->bad_lines;
    out->n_types = t->n_types;
    memcpy(out->types, t->types, sizeof(out->types));
    (void)pthread_mutex_unlock(&journal->totals_lock);
}
