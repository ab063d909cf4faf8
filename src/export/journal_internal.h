/* SPDX-License-Identifier: Apache-2.0 */
/* journal_internal.h - the journal from inside: what its files share. Nobody else includes it. */
#ifndef SB_EXPORT_JOURNAL_INTERNAL_H
#define SB_EXPORT_JOURNAL_INTERNAL_H

#include <pthread.h>

#include "export/journal.h"
#include "store/db.h"

/* Totals are a snapshot of which nothing else is filled: a fixed size, however many types a manifest names. */
typedef sb_export_snapshot sb_totals;

/* What one file adds to them. */
typedef struct sb_totals_item {
    sb_file_kind kind;
    sb_file_state state;
    sb_str type;
    int64_t count;
    uint64_t bytes, resources, bad_lines;
} sb_totals_item;
/* Count `n` (modulo 2^64, so that UINT64_MAX takes it out again) of such files. */
void sb_totals_add(sb_totals *totals, const sb_totals_item *item, uint64_t n);

/* The fact that files were taken for the same because they were listed in the same places. */
#define MATCHED_BY_PLACE "matched_by_place"

typedef enum sb_journal_sql {
    SB_SQL_FACT_SET,
    SB_SQL_FACT_FORGET,
    SB_SQL_FACT_GET,
    SB_SQL_PAGES,
    SB_SQL_NEXT_PAGE,
    SB_SQL_PAGE_PUT,
    SB_SQL_NEXT_ID,
    SB_SQL_NAME_NUMBER,
    SB_SQL_FILE_ADD,
    SB_SQL_INCOMING_ADD,
    SB_SQL_INCOMING_EACH,
    SB_SQL_IS_LISTED,
    SB_SQL_INCOMING_CLEAR,
    SB_SQL_REFRESH_COUNTS,
    SB_SQL_KNOWN_EACH,
    SB_SQL_TAKE_BY_PATH,
    SB_SQL_TAKE_BY_PLACE,
    SB_SQL_REFRESH,
    SB_SQL_PENDING,
    SB_SQL_UNSETTLED,
    SB_SQL_EACH,
    SB_SQL_FILE_TOTALS,
    SB_SQL_RECORD,
    SB_SQL_RETRY_FAILED,
    SB_SQL_HAS_NAME,
    SB_SQL_SAME_TWICE,
    SB_SQL_SUM,
    SB_SQL_PART_SET,
    SB_SQL_PART_FORGET,
    SB_SQL_PART_GET,
    SB_SQL_COUNT
} sb_journal_sql;

struct sb_journal {
    sb_folder *folder;
    pthread_mutex_t lock; /* held from page_begin to page_end or page_abort too */
    /* Under lock. */
    sb_db *db;
    sb_stmt *stmts[SB_SQL_COUNT]; /* prepared when first needed */
    struct {
        sb_tx tx;
        uint64_t page, items;
        bool known; /* a refresh: items are collected in `incoming` first */
        int64_t next_id;
        sb_totals draft;
    } page;
    /* Under lock for those who write, and under totals_lock for those who do that or read. */
    pthread_mutex_t totals_lock;
    sb_totals totals;
};

/* The statement, reset and without bindings. Under lock. */
sb_status sb_journal_stmt(sb_journal *journal, sb_journal_sql which, sb_stmt **out, sb_error *err);
/* The first column of its only row (0 without one), then reset. */
sb_status sb_journal_step_i64(sb_stmt *stmt, int64_t *out, sb_error *err);

/* Add up all rows anew. Under lock. */
sb_status sb_journal_sum(sb_journal *journal, sb_totals *out, sb_error *err);
/* What was committed just now becomes visible to sb_journal_totals(). Under lock. */
void sb_journal_publish(sb_journal *journal, const sb_totals *totals);

#endif
