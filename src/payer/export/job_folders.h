/* SPDX-License-Identifier: Apache-2.0 */
/* job_folders.h - where exports' files lie, and how they go away:
 *
 *   STATE/jobs/{job}/{attempt}/Type.NNN.ndjson      an attempt is one worker's; what it leaves behind is nobody's
 *   STATE/gzip/{etag}.gz                            compressed copies of the source's own files, for all jobs
 *
 * A file that somebody is sending is locked (flock, shared): it stays until that ends. Several processes may share the
 * folder. Knows no database. */
#ifndef SB_PAYER_JOB_FOLDERS_H
#define SB_PAYER_JOB_FOLDERS_H

#include "payer/export/export_job.h"

typedef struct sb_job_folders {
    char *jobs, *gzip;
} sb_job_folders;

void sb_job_folders_cleanup(sb_job_folders *folders);
/* Made where missing; ours and 0700 from now on. SB_E_USAGE: a link or somebody else's is in the way. */
sb_status sb_job_folders_open(const char *state_dir, sb_job_folders *out, sb_error *err);
void sb_job_folders_clear(const sb_job_folders *folders); /* all of it: nobody else has any of it */

/* "JOBS/{job}/{attempt}", malloc'ed; NULL without memory. */
char *sb_job_folders_attempt(const sb_job_folders *folders, const char *job, sb_str attempt);
/* Make its folder, and the job's above it. */
sb_status sb_job_folders_make(const sb_job_folders *folders, const char *job, const char *attempt, sb_error *err);
/* A descriptor of a file in it, through no symbolic link; -1 and errno. */
int sb_job_folders_read(const sb_job_folders *folders, const char *job, sb_str attempt, const char *name);
/* Have all files of an attempt on disk, so that they are still there after a power cut. */
sb_status sb_job_folders_sync(const char *attempt_dir, sb_error *err);

/* Remove a job's attempts: all of them, or all but `keep`. What is being sent stays, for the next time. */
void sb_job_folders_bury(const sb_job_folders *folders, const char *job, const char *keep);

/* The jobs that have a folder. Called for each; false ends it. */
typedef bool sb_job_folder_visit(void *context, const char *job);
void sb_job_folders_each(const sb_job_folders *folders, sb_job_folder_visit *visit, void *context);

/* Remove compressed copies that are of no part of `data`, and halves of copies that a killed process left. */
void sb_job_folders_clean_gzip(const sb_job_folders *folders, const sb_data *data, int64_t now_s);

/* Say that a file is being sent, for as long as the descriptor is open. */
void sb_job_file_reading(int fd);

#endif
