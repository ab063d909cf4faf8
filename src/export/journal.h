/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - the truth about one export folder: what was asked, which files there are, which are done.
 *
 * SQLite in DIR/.smartbulk/journal.db, WAL, synchronous=FULL: what a call returned SB_OK for survives a power cut. Rows
 * hold file URLs (capabilities: the database is 0600) but never tokens or keys. Thread safe: one lock inside. */
#ifndef SB_EXPORT_JOURNAL_H
#define SB_EXPORT_JOURNAL_H

#include "base/buf.h"
#include "export/folder.h"
#include <smartbulk/export.h>

typedef struct sb_journal sb_journal;

/* `create`: SB_E_USAGE when there is one already (unless it holds nothing: a run was killed before its first fact).
 * Else SB_E_NOT_FOUND when there is none. `read_only`: no lock is taken. */
sb_status sb_journal_open(const char *dir, bool create, bool read_only, sb_journal **out, sb_error *err);
void sb_journal_free(sb_journal *journal);
SB_DEFINE_FREEP(sb_journal)

/* The folder it lies in, held open (and locked, unless read_only). Borrowed. */
sb_folder *sb_journal_folder(sb_journal *journal);

/* Facts by name: "phase", "request", "settings", "poll_url", "transaction_time", "manifest_head", "next_page" … */
typedef struct sb_fact {
    const char *name;
    sb_str value; /* SB_STR_NULL: forget it */
} sb_fact;
sb_status sb_journal_set(sb_journal *journal, const char *name, sb_str value, sb_error *err);
/* All or none of them, in one transaction. */
sb_status sb_journal_set_all(sb_journal *journal, const sb_fact *facts, size_t n, sb_error *err);
sb_status sb_journal_get(sb_journal *journal, const char *name, char **out, sb_error *err); /* *out NULL: not set */

typedef enum sb_file_kind { SB_FILE_OUTPUT, SB_FILE_DELETED, SB_FILE_ERROR } sb_file_kind;
typedef enum sb_file_state {
    SB_FILE_PENDING,
    SB_FILE_DONE,     /* in its place, fsynced, verified */
    SB_FILE_REJECTED, /* in rejected/ with its list of bad lines */
    SB_FILE_FAILED,   /* could not be had: `problem` says why */
    SB_FILE_KEEPING,  /* judged and durable as a part; about to be put in its place: a resume does it      */
    SB_FILE_REJECTING /* likewise, about to be put into rejected/ */
} sb_file_state;      /* stored: never renumber */

typedef struct sb_journal_file {
    int64_t id; /* its place in the manifest, over all pages, from 0: also what makes its name */
    sb_file_kind kind;
    sb_file_state state;
    char *type; /* manifest's `type`; "" when it gave none, or none that can be a resource type */
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

/* Is this text fit to be a resource type, and so to be a part of a file name? 1 to 64 ASCII letters. */
bool sb_file_type_is_safe(const char *type);

/* One manifest page, item by item, in one transaction: ids and names are given out here, and memory does not grow with
 * the page. Of each item kind, type, url and count are taken; a type that is not safe becomes "" (file name
 * "Unknown.000.ndjson", any resource type is let in: the caller warns). `needs_token` and `any_type` hold for the page,
 * known at its end. `next_page` NULL: it was the last.
 *
 * A page that is known already (the manifest was asked for again) only refreshes URLs of its files that are not done:
 * matched by URL path when the paths are those we know, else by position; new items are added. SB_E_SERVER when the
 * payer now lists other files.                                                             STAT-05, STAT-06, FILE-04
 *
 * From begin to end or abort the journal is this thread's alone. After a failed step only abort may follow. */
sb_status sb_journal_page_begin(sb_journal *journal, uint64_t page, sb_error *err);
sb_status sb_journal_page_item(sb_journal *journal, sb_file_kind kind, const char *type, const char *url, int64_t count,
                               sb_error *err);
/* Is that very item (kind, type, whole URL) on the page already, or on one before? sb_journal_page_pass_over() leaves the
 * next one out: its place stays empty, so that the page is known again when it is asked for again. */
sb_status sb_journal_page_is_listed(sb_journal *journal, sb_file_kind kind, const char *type, const char *url,
                                    bool *listed, sb_error *err);
void sb_journal_page_pass_over(sb_journal *journal);
/* A fact that holds with the page: written in its transaction. */
sb_status sb_journal_page_fact(sb_journal *journal, const char *name, sb_str value, sb_error *err);
sb_status sb_journal_page_end(sb_journal *journal, bool needs_token, bool any_type, const char *next_page,
                              sb_error *err); /* ends the transaction in any case */
void sb_journal_page_abort(sb_journal *journal);

/* The same for a page that is in memory: needs_token and any_type are those of the first file. */
sb_status sb_journal_add_page(sb_journal *journal, uint64_t page, const sb_journal_file *files, size_t n,
                              const char *next_page, sb_error *err);

/* How far the manifest is known: the number of pages, and what the last of them said comes next (NULL: nothing). */
sb_status sb_journal_pages(sb_journal *journal, uint64_t *pages, char **next_page, sb_error *err);

/* Up to `max` pending files with id > `after_id`, in order, into `out` (each to be cleaned up). */
sb_status sb_journal_pending(sb_journal *journal, int64_t after_id, sb_journal_file *out, size_t max, size_t *n,
                             sb_error *err);
/* Likewise those that are KEEPING or REJECTING: what a crash left between judgement and rename. */
sb_status sb_journal_unsettled(sb_journal *journal, int64_t after_id, sb_journal_file *out, size_t max, size_t *n,
                               sb_error *err);
/* Record results (state, bytes, resources, bad_lines, sha256, problem of each) in one transaction. */
sb_status sb_journal_record(sb_journal *journal, const sb_journal_file *files, size_t n, sb_error *err);
/* Forget the results of failed files, so that a resume tries them again. */
sb_status sb_journal_retry_failed(sb_journal *journal, sb_error *err);
/* Every file in order, to a callback; stops on its first failure. */
sb_status sb_journal_each(sb_journal *journal, sb_status (*fn)(void *impl, const sb_journal_file *file, sb_error *err),
                          void *impl, sb_error *err);
/* Up to `max` files of any state with id > `after_id`, in order, into `out` (each to be cleaned up). */
sb_status sb_journal_files(sb_journal *journal, int64_t after_id, sb_journal_file *out, size_t max, size_t *n,
                           sb_error *err);
/* Is there a file of this name? */
sb_status sb_journal_has_name(sb_journal *journal, const char *name, bool *found, sb_error *err);
/* Files whose URLs changed altogether are known by their places in the manifest. Should the payer have listed them in
 * another order, one came twice and another not at all: *name, malloc'ed, is one whose content is another's too. NULL:
 * there is none, or nothing was matched by place.                                                        STAT-06 */
sb_status sb_journal_came_twice(sb_journal *journal, char **name, sb_error *err);
/* Totals by type ("Patient", "deleted/Bundle", "error/OperationOutcome") and in all: fills files*, resources*, bytes,
 * bad_lines, types[] of the snapshot. Kept in memory: cheap at any number of files, callable from a display. */
void sb_journal_totals(sb_journal *journal, sb_export_snapshot *out);
/* The row of a snapshot that files of this kind and type are counted in, added when it is missing; the last row takes
 * all that have none of their own. */
sb_export_type_totals *sb_export_type_row(sb_export_snapshot *snapshot, sb_file_kind kind, sb_str type);

/* What proves that a part on disk is the beginning of the same file (FILE-06): known for large files alone. */
typedef struct sb_journal_part {
    int64_t id;
    char *validator; /* strong ETag with its quotes, or a Last-Modified date: what If-Range takes */
    char *boot_id;   /* of the machine's run it was written in: after a crash of the machine a part proves nothing */
} sb_journal_part;
void sb_journal_part_cleanup(sb_journal_part *part);
/* Survives our own end, not the machine's, for nothing would be proved then: it waits for no disk. A validator NULL
 * forgets the part; a result for its file does too. */
sb_status sb_journal_part_set(sb_journal *journal, const sb_journal_part *part, sb_error *err);
/* SB_OK with part->validator NULL when nothing is known. */
sb_status sb_journal_part_get(sb_journal *journal, int64_t id, sb_journal_part *part, sb_error *err);

#endif
