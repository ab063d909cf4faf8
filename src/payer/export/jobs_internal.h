/* SPDX-License-Identifier: Apache-2.0 */
/* jobs_internal.h - what the files of the job manager share: export_job.c (asking, watching), job_work.c (the threads),
 * job_read.c (manifests and files). Nobody else includes it. */
#ifndef SB_PAYER_JOBS_INTERNAL_H
#define SB_PAYER_JOBS_INTERNAL_H

#include "payer/data/instant.h"
#include "payer/export/export_output.h"
#include "payer/export/gzip_cache.h"
#include "payer/export/job_folders.h"
#include "payer/export/job_record.h"
#include "payer/export/job_request.h"
#include "payer/export/job_table.h"

#define SB_JOBS_WORKERS_MAX 64
#define SB_JOBS_HELD_MAX    16 /* lists of files kept in memory for who fetches: 7 MB each for 100,000 files */

/* What a worker is doing. */
typedef struct sb_attempt {
    char id[SB_JOB_ID_SIZE];
    char owner[SB_JOB_OWNER_SIZE];
    sb_output_progress progress;
} sb_attempt;

/* A job that is done, with its list of files: constant, counted. */
typedef struct sb_held {
    char id[SB_JOB_ID_SIZE];
    sb_job_row row;
    sb_kept_request kept;
    sb_record record;
    unsigned refs;      /* under the lock */
    int64_t checked_ns; /* when its row was last seen; INT64_MIN: no longer believed */
    uint64_t used;      /* the greater, the later */
    size_t ahead;       /* so many of its files are being compressed, or were */
} sb_held;

struct sb_jobs {
    sb_jobs_options options; /* with defaults filled in; state_dir is ours */
    char *state_dir;
    sb_job_folders folders;
    int lock_fd;       /* without a pool of others: of the folder */
    sb_pool *own_pool; /* without one of others */
    sb_gzip_cache *gzip;
    pthread_mutex_t lock; /* of all below; never held during SQL */
    pthread_cond_t wake;  /* work, or the end */
    pthread_cond_t beat;  /* the end */
    pthread_t threads[SB_JOBS_WORKERS_MAX + 1];
    unsigned thread_count;
    bool stop;
    uint64_t news; /* counts kick-offs: who found no work before the last one looks again */
    int64_t last_created_us;
    sb_attempt *attempts[SB_JOBS_WORKERS_MAX]; /* NULL: idle */
    sb_held *held[SB_JOBS_HELD_MAX];           /* NULL: free */
    uint64_t uses;
};

static inline void sb_jobs_enter(sb_jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->lock);
}

static inline void sb_jobs_leave(sb_jobs *jobs)
{
    (void)pthread_mutex_unlock(&jobs->lock);
}

static inline int64_t sb_jobs_now_ns(const sb_jobs *jobs)
{
    return jobs->options.clock->monotonic_ns(jobs->options.clock->impl);
}

static inline int64_t sb_jobs_wall_s(const sb_jobs *jobs)
{
    return jobs->options.clock->wall_s(jobs->options.clock->impl);
}

void sb_jobs_draw(char id[SB_JOB_ID_SIZE]); /* 128 random bits */
/* What others see: a job that was worked off before its time is still under way. */
sb_job_state sb_jobs_state_at(const sb_jobs *jobs, const sb_job_row *row, int64_t now_s);
sb_status sb_jobs_members(const sb_jobs *jobs, const sb_job_request *request, sb_members *out, sb_error *err);
/* It is gone, or changed hands: workers stop, its files and what is in memory go. */
void sb_jobs_forget(sb_jobs *jobs, const char *id);

sb_status sb_jobs_start_threads(sb_jobs *jobs, sb_error *err); /* job_work.c */
void sb_jobs_stop_threads(sb_jobs *jobs);
void sb_jobs_drop_held(sb_jobs *jobs, const char *id); /* job_read.c; under the lock. NULL: all */

#endif
