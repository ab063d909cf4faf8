/* SPDX-License-Identifier: Apache-2.0 */
/* export_job.h - bulk exports as a payer runs them: asked for, worked off by threads, polled, read, deleted, expired.
 *
 *            create()          a worker takes it         all files written, and min_seconds over
 *   (none) ───────────► QUEUED ────────────────► RUNNING ────────────────► DONE ──Expires──► (none)
 *                          ▲ │    its owner dies    │ └──────────────────► FAILED ──Expires──► (none)
 *                          └─┼──────────────────────┤
 *                            └───── delete() ───────┴─► (none), from any state
 *
 * They are rows of a database and files of a folder: with a pool and a folder that several processes share, a job is
 * asked for at one, worked off at another and polled and fetched at any, and all survive a restart. Without a pool
 * everything is this process's, and goes with it.
 *
 * Whoever asks is named by a client id, and a job is its creator's alone: to everybody else it is not there. What a
 * client may have is decided by the types that its token covers (the caller passes them) and by its groups: at the
 * kick-off, and again when the job runs, with the members of that moment. Knows nothing of HTTP; where an error means
 * one particular answer, err->http_status says which (400, 403, 404, 429, 503).
 *
 * All functions may be called from any thread. */
#ifndef SB_PAYER_EXPORT_JOB_H
#define SB_PAYER_EXPORT_JOB_H

#include <smartbulk/clock.h>

#include "payer/data/groups.h"
#include "payer/export/export_refusal.h"
#include "smart/scopes.h"
#include "store/pool.h"

#define SB_JOB_ID_SIZE       33    /* 128 random bits in hex, and a NUL: the id cannot be guessed */
#define SB_JOB_FILE_NAME_MAX 96    /* Type.NNN.ndjson: a type has at most 64 letters */
#define SB_JOB_LIST_MAX      10000 /* entries of `patient`, `_type`, `_elements` in one request: a whole roster's worth */

typedef struct sb_jobs sb_jobs;

/* How an export ended, for the audit log. Borrowed for the call. */
typedef struct sb_job_end {
    const char *id, *client;
    const char *group;     /* "": none */
    const sb_error *error; /* NULL: it is done */
    int64_t members;       /* how many it may be about; < 0: not known                                    PDEX-08 */
    uint64_t files, resources;
} sb_job_end;

typedef struct sb_jobs_options {
    const char *state_dir;    /* files; made 0700 when missing; copied. Without a pool: locked, one process a folder */
    sb_pool *pool;            /* the payer's database, shared with other processes that have the same folder; borrowed.
                              NULL: a database of its own in the folder, that goes with it */
    const sb_data *data;      /* borrowed for the life of the manager, as are the next two */
    const sb_groups *groups;  /* which clients may have which members */
    const sb_clock *clock;    /* NULL: the system's */
    unsigned workers;         /* threads; 0: 1 */
    unsigned min_seconds;     /* a job is under way at least this long, as at a real payer */
    unsigned per_client;      /* exports one client may have under way; 0: no limit. Beyond: 429     EXP-04, STAT-08 */
    unsigned per_client_kept; /* exports kept for one client, finished ones included; 0: 100. Beyond: 429 */
    unsigned max_jobs;        /* jobs kept in all, finished ones included; 0: 1000. Beyond: 503 */
    unsigned keep_seconds;    /* from finished to Expires; 0: 3600 */
    unsigned retry_after_s;   /* what a poller is told to wait; 0: 1 */
    unsigned manifest_files;  /* files of one partial manifest; 0: 1000 */
    uint64_t file_bytes;      /* filtered output is cut here; 0: 32 MiB. Source files are given as they are */
    bool open_files;          /* manifest says requiresAccessToken false                                     USE-02 */
    /* From a worker's thread, before anybody else hears of it; of one export perhaps several times, when processes die over
     * it. False: it could not be told, so the export fails. May be NULL. */
    bool (*on_end)(void *impl, const sb_job_end *end);
    void *on_end_impl;
} sb_jobs_options;

#define SB_JOBS_OPTIONS_INIT                                                                                           \
    {                                                                                                                  \
        .state_dir = NULL                                                                                              \
    }

/* Starts the threads. Without a pool it first clears what a killed predecessor left. Names in the folder other than
 * `jobs`, `gzip`, `lock` and `jobs.db` are the caller's. SB_E_BUSY: another process has the folder. */
sb_status sb_jobs_new(const sb_jobs_options *options, sb_jobs **out, sb_error *err);
/* Stops the threads; jobs under way go back into the queue. Without a pool it removes all that it made (but the empty
 * `lock`). Nobody else is using it. NULL is fine. */
void sb_jobs_free(sb_jobs *jobs);
SB_DEFINE_FREEP(sb_jobs)

/* Is it of the form of the ids we give? Anything else is nobody's job, and may be a secret at the wrong place. */
bool sb_jobs_is_id(sb_str text);

typedef enum sb_job_level { SB_JOB_SYSTEM, SB_JOB_PATIENT, SB_JOB_GROUP } sb_job_level; /* EXP-01 */

/* A list of texts as they came (decoded, but not yet judged): sb_jobs_create() judges them. */
typedef struct sb_job_list {
    const sb_str *items;
    size_t count;
} sb_job_list;

/* A kick-off. Everything is borrowed for the call. Lists that are empty mean "not given". */
typedef struct sb_job_request {
    const char *client_id;   /* whose job it is */
    const char *request_url; /* what the manifest repeats as `request` */
    sb_job_level level;
    sb_str group_id;         /* for SB_JOB_GROUP; one that the client may not use is 404                      PDEX-07 */
    const sb_scopes *scopes; /* the token's, with their search limits; NULL: everything. A _type that they do not cover
                                 is 403, and what their limits do not let through is not given           EXP-06 */
    sb_job_list types;       /* _type, one a item; empty: all that level, source and token offer */
    sb_job_list elements;    /* _elements: "status", "Patient.birthDate" */
    sb_job_list patients;    /* patient: "Patient/123" */
    sb_job_list type_filters; /* _typeFilter, raw: "ExplanationOfBenefit?service-date=ge2025-01-01" */
    sb_job_list others;   /* names of parameters that the caller does not know: refused, or passed over if lenient */
    sb_str since, until;  /* _since, _until: instants; empty: not given */
    sb_str output_format; /* _outputFormat; empty: NDJSON                                         EXP-03, STAT-08 */
    sb_str export_type; /* exportType of $davinci-data-export; empty: not given                               PDEX-03 */
    bool partial;       /* allowPartialManifests: a long list of files may come in pages                      STAT-04 */
    bool lenient;       /* Prefer: handling=lenient: what is not supported is passed over, and said in a file of
                             the manifest's `error` list, instead of 400                                  EXP-04 */
} sb_job_request;

#define SB_JOB_REQUEST_INIT                                                                                            \
    {                                                                                                                  \
        .level = SB_JOB_SYSTEM                                                                                         \
    }

/* What a refusal means to others than the asker. */
typedef struct sb_job_refusal {
    sb_export_refusal why;
    unsigned retry_after_s; /* for 429 and 503 */
} sb_job_refusal;

/* Check the request and queue the job; `id` names it from now on. The error's http_status is the answer: 400 a
 * parameter is wrong or not supported, 403 a type the token does not cover, 404 no such group, 429 too many under way,
 * 503 too many jobs in all; then `refusal` is filled in too. */
sb_status sb_jobs_create(sb_jobs *jobs, const sb_job_request *request, char id[SB_JOB_ID_SIZE], sb_job_refusal *refusal,
                         sb_error *err);

typedef enum sb_job_state { SB_JOB_QUEUED, SB_JOB_RUNNING, SB_JOB_DONE, SB_JOB_FAILED } sb_job_state;
const char *sb_job_state_name(sb_job_state state); /* "queued", "running", "done", "failed" */

typedef struct sb_job_status {
    sb_job_state state;
    unsigned percent;   /* 0 to 99 while under way, 100 when done */
    char progress[100]; /* for X-Progress: plain text under 100 characters                                 STAT-01 */
    unsigned retry_after_s; /* for Retry-After while under way */
    int64_t expires_s;      /* done or failed: when it goes away, seconds since 1970; else 0 */
    sb_error error;         /* failed: why (for the payer's log; tell the client no paths) */
} sb_job_status;

/* SB_E_NOT_FOUND (404) for a job that is unknown, deleted, expired, or somebody else's: all the same answer.  STAT-07
 */
sb_status sb_jobs_status(sb_jobs *jobs, const char *client_id, sb_str job_id, sb_job_status *out, sb_error *err);

/* The manifest of a job that is DONE, as JSON text. File URLs are `job_url` + "/" + name. Where the request allowed
 * partial manifests, one of several: `page` counts from 0, and its `link` leads to `job_url` + "?page=" + the next. transactionTime is the
 * moment the request was taken, or the data's newest meta.lastUpdated if that is later: as `_since` of the next export
 * it repeats nothing and skips nothing. SB_E_NOT_FOUND (404), SB_E_BUSY when not yet done.            STAT-04, FILE-08
 */
sb_status sb_jobs_manifest(sb_jobs *jobs, const char *client_id, sb_str job_id, unsigned page, const char *job_url,
                           sb_buf *out, sb_error *err);

#define SB_JOB_FILE_GZIP_TAG "-gz\"" /* how the ETag of a compressed one ends */

/* An open output file. `fd` stays readable whatever happens to the job. */
typedef struct sb_job_file {
    int fd;             /* -1: none */
    uint64_t size;      /* of the bytes behind fd: compressed ones when `gzip` */
    bool gzip;          /* the bytes are gzip: answer Content-Encoding: gzip */
    int64_t modified_s; /* for Last-Modified */
    char etag[64]; /* strong, with its quotes; differs between plain and gzip                              FILE-05 */
    const char *content_type; /* a constant */
} sb_job_file;

#define SB_JOB_FILE_INIT                                                                                               \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }
void sb_job_file_cleanup(sb_job_file *file); /* closes; safe to repeat */

/* Open an output or error file of a DONE job by the name the manifest gave it. With `gzip` the compressed form if
 * it is there: the manifest has it made, else the first call, by a thread of its own, and nobody waits for it; small
 * files stay plain. SB_E_NOT_FOUND
 * (404) also for a name that is not in the manifest; SB_E_IO (500). With open_files, `client_id` may be NULL: whoever
 * knows the job's id may read its files.                                                                    USE-02 */
sb_status sb_jobs_file_open(sb_jobs *jobs, const char *client_id, sb_str job_id, sb_str name, bool gzip,
                            sb_job_file *out, sb_error *err);

/* Until no file is being compressed: for tests. */
void sb_jobs_wait_compressed(sb_jobs *jobs);

/* May a token of these scopes read files of this type of the job? (NULL: files that tell of every type of it.) One that covers the type in full may; one with search
 * limits, when the export was limited as much: what is in the files was chosen by the limits of the token that asked for
 * them; one that may read all of it has all scopes that it was asked for with. SB_E_NOT_FOUND (404).      EXP-06 */
sb_status sb_jobs_file_covered(sb_jobs *jobs, const char *client_id, sb_str job_id, const char *type,
                               const sb_scopes *scopes, bool *covered, sb_error *err);

/* Cancel the job or give its files up; whosever it is, if client_id is NULL (for who administers). Descriptors that are
 * open stay good. SB_E_NOT_FOUND (404).                                                                     STAT-07 */
sb_status sb_jobs_delete(sb_jobs *jobs, const char *client_id, sb_str job_id, sb_error *err);

/* One job as who administers sees it. Borrowed for the call. */
typedef struct sb_job_summary {
    const char *id, *client;
    const char *group; /* "": none */
    sb_job_state state;
    unsigned percent;
    int64_t created_s, finished_s, expires_s; /* 0: not yet */
    const char *why;                          /* it failed; else "" */
} sb_job_summary;

typedef sb_status sb_job_visit(void *context, const sb_job_summary *job, sb_error *err);
/* All jobs of a client (NULL: of all), from the oldest; at most max_jobs there are. Anything but SB_OK ends it. */
sb_status sb_jobs_each(sb_jobs *jobs, const char *client_id, sb_job_visit *visit, void *context, sb_error *err);

/* Remove what has expired; a thread does this too, and every call above looks at Expires by itself. */
void sb_jobs_sweep(sb_jobs *jobs);

#endif
