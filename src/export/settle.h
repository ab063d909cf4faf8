/* SPDX-License-Identifier: Apache-2.0 */
/* settle.h - puts judged files in their places, and at the beginning of a run what a crash left half-way.
 *
 * Why a kill, or a power cut, at any instant does no harm. For each file this is the order of things, and each step is
 * on disk before the next begins (the committer does many files in one step):
 *
 *   1  the part is written                        row PENDING      .smartbulk/parts/ID.part (and ID.bad)
 *   2  fdatasync of the part and of its list
 *   3  the row says KEEPING or REJECTING, with counts and hash     (a transaction, synced)
 *   4  rename to its place, never over a file     (and of the list of bad lines)
 *   5  fsync of the folders renamed into
 *   6  the row says DONE or REJECTED              (a transaction, synced)
 *
 *   crash before 3   The row is PENDING. The part is begun anew, or gone on with when its validator is known and the
 *                    machine has not been started since (boot id): what the kernel had taken survives a kill, and after
 *                    a power cut no part is believed. Nothing is in the file's place: renaming comes later.
 *   crash in 3       SQLite: the whole group says KEEPING, or none does.
 *   crash in 3…6     The row says KEEPING, so the part is whole and on disk (2), and is either still a part or in its
 *                    place (4 is one rename a file). Whichever it is, settling goes on with 4, which is done when it
 *                    was done, then 5 and 6. That a file in the place is ours, and not somebody's that was there
 *                    before, is known by its size and SHA-256, which the row has.
 *   crash after 6    The row says DONE; it says so only after 5, so that the file is in its place for good.
 *
 * So a file is never fetched again once its row says KEEPING, nothing is ever in a place that was not judged, and what
 * is recorded DONE is on disk. Two things in the same place cannot be: renames never replace. */
#ifndef SB_EXPORT_SETTLE_H
#define SB_EXPORT_SETTLE_H

#include "export/journal.h"

/* The folders that something was renamed into, to be made durable together. */
#define SB_PLACES_MAX 16
typedef struct sb_places {
    int fds[SB_PLACES_MAX]; /* borrowed of the folder */
    size_t n;
} sb_places;

/* Step 4 for a row that says KEEPING or REJECTING; done already is fine, if what is in the place is what the row says.
 * SB_E_NOT_FOUND when it is neither a part nor in its place. SB_E_USAGE: another file is in the way. */
sb_status sb_settle_place(sb_folder *folder, const sb_journal_file *file, sb_places *places, sb_error *err);
/* Step 5. */
sb_status sb_settle_sync(sb_folder *folder, const sb_places *places, sb_error *err);
/* What a row that says so becomes when it is in its place. */
static inline sb_file_state sb_settled(sb_file_state state)
{
    return state == SB_FILE_KEEPING ? SB_FILE_DONE : state == SB_FILE_REJECTING ? SB_FILE_REJECTED : state;
}

/* Settle all that a crash left. `warn` is told of files that got lost, which are fetched again. */
sb_status sb_settle_all(sb_journal *journal, void (*warn)(void *impl, const char *text), void *impl, sb_error *err);

/* Remove the parts that nobody can go on with. Up to `max` ids of those that are left go to `ids`. */
sb_status sb_settle_sweep(sb_journal *journal, const char *boot_id, int64_t *ids, size_t max, size_t *n, sb_error *err);

#endif
