/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - the truth about one export folder: what was asked, which files there are, which are done.
 *
 * SQLite in DIR/.smartbulk/journal.db, WAL, synchronous=FULL: what a call returned SB_OK for survives a power cut. Rows
 * hold file URLs (capabilities: the database is 0600) but never tokens or keys. Thread safe: one lock inside. */
#ifndef SB_EXPORT_JOURNAL_H
#define SB_EXPORT_JOURNAL_H

#include "base/buf.h"
#include <smartbulk/export.h>

typedef struct sb_journal sb_journal;

/* `create`: SB_E_USAGE when there is one already. Else SB_E_NOT_FOUND when there is none. `read_only`: no lock is
 * taken. */
sb_status sb_journal_open(const char *dir, bool create, bool read_only, sb_journal **out, sb_error *err);
void sb_journal_free(sb_journal *journal);
SB_DEFINE_FREEP(sb_journal)

/* Facts by name: "phase", "request", "settings", "poll_url", "transaction_time", "manifest_head", "next_page" … */
sb_status sb_journal_set(sb_journal *journal, const char *name, sb_str value, sb_error *err);
sb_status sb_journal_get(sb_journal *journal, const char *name, char **out, sb_error *err); /* *out NULL: not set */

typedef enum sb_file_kind { SB_FILE_OUTPUT, SB_FILE_DELETED, SB_FILE_ERROR } sb_file_kind;
typedef enum sb_file_state {
    SB_FILE_PENDING,
    SB_FILE_DONE,     /* in its place, fsynced, verified */
    SB_FILE_REJECTED, /* in rejected/ with its list of bad lines */
    SB_FILE_FAILED    /* could not be had: `problem` says why */
} sb_file_state;

typedef struct sb_journal_file {
    int64_t id; /* its place in the manifest, over all pages, from 0: also what makes its name */
    sb_file_kind kind;
    sb_file_state state;
    char *type; /* manifest's `type`; "" when it gave none */
    char *url;
    char *name;       /* path below DIR, "ExplanationOfBenefit.000.ndjson", "deleted/…" */
    bool needs_token; /* the page's requiresAccessToken                                           USE-01, USE-02 */
    bool any_type;    /* organizeOutputBy: lines may be of any type                                      FILE-03 */
    int64_t count;    /* of the manifest; -1: not given */
    uint64_t bytes, resources, bad_lines;
    char sha256[65];
    char *problem; /* NULL: none */
} sb_journal_file;
void sb_journal_file_cleanup(sb_journal_file *file);

/* One manifest page's files and what follows it, in one transaction: ids and names are given out here. `next_page`
 * NULL: it was the last. A page that is known already (the manifest was asked for again) only refreshes URLs of its
 * files that are not done: matched by position.                                                       STAT-05, STAT-06,
 * FILE-04 */
sb_status sb_journal_add_page(sb_journal *journal, uint64_t page, sb_journal_file *files, size_t n,
                              const char *next_page, sb_error *err);

/* Up to `max` pending files with id > `after_id`, in order, into `out` (each to be cleaned up). */
sb_status sb_journal_pending(sb_journal *journal, int64_t after_id, sb_journal_file *out, size_t max, size_t *n,
                             sb_error *err);
/* Record results (state, bytes, resources, bad_lines, sha256, problem of each) in one transaction. */
sb_status sb_journal_record(sb_journal *journal, const sb_journal_file *files, size_t n, sb_error *err);
/* Forget the results of failed files, so that a resume tries them again. */
sb_status sb_journal_retry_failed(sb_journal *journal, sb_error *err);
/* Every file in order, to a callback; stops on its first failure. */
sb_status sb_journal_each(sb_journal *journal, sb_status (*fn)(void *impl, const sb_journal_file *file, sb_error *err),
                          void *impl, sb_error *err);
/* Totals by type and in all, by SQL: fills files*, resources*, bytes, bad_lines, types[] of the snapshot. */
sb_status sb_journal_totals(sb_journal *journal, sb_export_snapshot *out, sb_error *err);

#endif
