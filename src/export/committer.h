/* SPDX-License-Identifier: Apache-2.0 */
/* committer.h - makes finished files durable, many with one commit, and puts them in their places.
 *
 * One thread. What it is given while it waits for the disk becomes the next group. The order of things, and why it is
 * safe, is settle.h's. Knows nothing of HTTP. */
#ifndef SB_EXPORT_COMMITTER_H
#define SB_EXPORT_COMMITTER_H

#include "export/journal.h"

typedef struct sb_committer sb_committer;

/* A file that was judged: `file.state` is what is to become of it: KEEPING, REJECTING (with descriptors of the part
 * and, or -1, of the list of bad lines) or FAILED (without). */
typedef struct sb_finished {
    sb_journal_file file;
    int part_fd, list_fd;
    int http_status;
} sb_finished;
void sb_finished_cleanup(sb_finished *finished);

typedef struct sb_committer_options {
    sb_journal *journal;
    /* Its result is durable; from the committer's thread. */
    void (*on_settled)(void *impl, const sb_finished *finished);
    /* It could not go on: nothing more will become durable. From the committer's thread. */
    void (*on_failure)(void *impl, sb_status status, const sb_error *err);
    void *impl;
} sb_committer_options;

sb_status sb_committer_new(const sb_committer_options *options, sb_committer **out, sb_error *err);
/* Take a finished file over. Waits while too many are waiting: the disk sets the pace. After a failure it is let go: a
 * later run finds it as it finds what a crash left. */
void sb_committer_put(sb_committer *committer, sb_finished *finished);
/* Wait until all that was put is durable. */
void sb_committer_drain(sb_committer *committer);
void sb_committer_free(sb_committer *committer); /* drains; NULL is fine */
SB_DEFINE_FREEP(sb_committer)

/* Add what is not in the journal's totals yet. Any thread. */
void sb_committer_live(sb_committer *committer, sb_export_snapshot *out);

#endif
