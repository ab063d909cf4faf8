/* SPDX-License-Identifier: Apache-2.0 */
/* job_table.h - exports as rows of the table `jobs`: the queue that several processes work off, what was asked for, and
 * what came of it.
 *
 * Who takes a row becomes its owner until its lease ends, and puts the end off while it works (a heartbeat). When it
 * does not, the row is anybody's again: so a process may die at any moment, and its exports are made by others. An owner
 * that was only slow finds that the row is no longer its, and throws its work away. Times are the wall clock's, of
 * machines that agree within SB_LEASE_SECONDS / 2. Knows no folder and no plan. Any thread. */
#ifndef SB_PAYER_JOB_TABLE_H
#define SB_PAYER_JOB_TABLE_H

#include "payer/export/export_job.h"
#include "store/pool.h"

#define SB_LEASE_SECONDS    60 /* a process that stood still for so long is believed dead */
#define SB_LEASE_BEAT_S     5  /* several may be lost before that */
#define SB_JOB_ATTEMPTS_MAX 5  /* by owners that died over it: then it is the export that kills them */
#define SB_JOB_OWNER_SIZE   48 /* "3.", 128 random bits in hex: the third attempt, and whose */

typedef struct sb_job_row {
    char id[SB_JOB_ID_SIZE];
    char owner[SB_JOB_OWNER_SIZE]; /* "": none */
    char *client, *request, *outputs;
    sb_job_state state;
    int64_t created_us, transaction_us;
    uint64_t done, total;
    int64_t finished_s, expires_s;
    sb_error error;
} sb_job_row;

#define SB_JOB_ROW_INIT                                                                                                \
    {                                                                                                                  \
        .id = ""                                                                                                       \
    }
void sb_job_row_cleanup(sb_job_row *row);

typedef struct sb_job_limits {
    unsigned per_client, per_client_kept, max_jobs, min_seconds; /* as in sb_jobs_options */
} sb_job_limits;

/* Add a row that is queued, unless there are too many: SB_E_BUSY, http_status 429 or 503.            EXP-04, STAT-08 */
sb_status sb_job_table_add(sb_pool *pool, const sb_job_row *row, const sb_job_limits *limits, int64_t now_s,
                           sb_error *err);

/* Take the oldest that is queued or whose owner is dead; *got: there was one. `token` makes its owner, which out->owner
 * then is. Free of locks and writes when there is none. */
sb_status sb_job_table_take(sb_pool *pool, const char *token, int64_t now_s, sb_job_row *out, bool *got, sb_error *err);
unsigned sb_job_attempts(const sb_job_row *row); /* its owners so far, but those who gave it back */
/* Still at work. *ours: it was not deleted, and nobody else has it. */
sb_status sb_job_table_beat(sb_pool *pool, const char *id, const char *owner, int64_t now_s, uint64_t done,
                            uint64_t total, bool *ours, sb_error *err);
/* Done or failed: `row` has its state, request, outputs, error and times. *ours as above: else nothing was written. */
sb_status sb_job_table_finish(sb_pool *pool, const sb_job_row *row, bool *ours, sb_error *err);
/* Give it back to the queue: its owner ends. */
sb_status sb_job_table_give_back(sb_pool *pool, const char *id, const char *owner, sb_error *err);

/* The client's (NULL: anybody's) if it has not expired. SB_E_NOT_FOUND (404) alike for all who may not see it. Outputs
 * are left out (NULL) unless wanted: they may be long. */
sb_status sb_job_table_find(sb_pool *pool, sb_str id, const char *client, int64_t now_s, bool outputs, sb_job_row *out,
                            sb_error *err);
sb_status sb_job_table_delete(sb_pool *pool, sb_str id, const char *client, int64_t now_s, sb_error *err);

typedef sb_status sb_job_table_visit(void *context, const sb_job_row *row, sb_error *err);
/* Every row of the client (NULL: of all), from the oldest, without outputs. */
sb_status sb_job_table_each(sb_pool *pool, const char *client, sb_job_table_visit *visit, void *context, sb_error *err);

/* Take expired rows away; calls `gone` for each, when they are. */
sb_status sb_job_table_expire(sb_pool *pool, int64_t now_s, void (*gone)(void *context, const char *id), void *context,
                              sb_error *err);
/* The ids of all rows. */
sb_status sb_job_table_ids(sb_pool *pool, sb_idset *out, sb_error *err);

/* 404, with the one text for all who may not see it. */
sb_status sb_job_not_found(sb_error *err);
#ifdef __clang_analyzer__ /* as for sb_error_set */
#define sb_job_not_found(err) ((void)(sb_job_not_found)(err), SB_E_NOT_FOUND)
#endif

#endif
