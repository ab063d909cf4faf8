/* SPDX-License-Identifier: Apache-2.0 */
/* download_internal.h - the download engine from inside: what its files share. Nobody else but its tests includes it.
 *
 *   download.c          options, the run from beginning to end, the shared queue of pending files
 *   download_ends.c     what files that did not come mean for the run
 *   download_worker.c   a thread, its curl_multi and its transfers
 *   download_request.c  a transfer's request: token, headers, range
 *   download_answer.c   a transfer's answer as it comes in: head, body
 *   download_verdict.c  what to make of it when it has come: keep, reject, try again, give up
 *   download_live.c     numbers for the display                                                                    */
#ifndef SB_EXPORT_DOWNLOAD_INTERNAL_H
#define SB_EXPORT_DOWNLOAD_INTERNAL_H

#include <pthread.h>

#include "export/committer.h"
#include "export/content.h"
#include "export/download.h"
#include "export/token_desk.h"
#include "http/client.h"
#include "http/tls.h"
#include "smart/authorized.h"

#define CONNECTIONS_MAX 256 /* more is no use to one payer, and descriptors are few */
#define THREADS_MAX     64
#define QUEUE_MAX       128 /* pending rows read ahead at once: some 40 KB */
#define RESUMABLE_MAX   256 /* parts of an earlier run: it had no more connections than that */
#define REDIRECTS_MAX   5
/* So many files in a row that could not be had, and none that could: the payer is down. When it gave us files before, a
 * part of them may just be broken, and there are others behind it. */
#define GIVE_UPS_AT_FIRST 8
#define GIVE_UPS_MAX      64
#define EXPIRED_MAX       8 /* so many expired URLs in a row: the others are, too */
#define BOOT_ID_SIZE      40
#define VALIDATOR_MAX     256 /* honest ETags have 20 to 70 characters */

/* Times and sizes that tests make small. */
typedef struct sb_tuning {
    unsigned stall_s; /* no answer, or hardly a byte, for so long: the transfer is given up */
    unsigned backoff_first_ms, backoff_cap_ms;
    unsigned tries_max;         /* of a file that makes no progress */
    unsigned retry_after_max_s; /* a payer may ask for this much patience at once */
    uint64_t resume_min_bytes;  /* smaller parts are not worth a row in the journal */
} sb_tuning;

typedef enum sb_transfer_state {
    TRANSFER_IDLE,    /* has no file */
    TRANSFER_REREAD,  /* going through the part of an earlier run */
    TRANSFER_START,   /* wants to ask; waits for a token when there is none */
    TRANSFER_RUNNING, /* with libcurl */
    TRANSFER_BACKOFF  /* until due_ns */
} sb_transfer_state;

typedef enum sb_body { BODY_NONE, BODY_FILE, BODY_WORDS } sb_body;

typedef struct sb_worker sb_worker;

/*            draw                      token                    answer judged
 *   IDLE ──► (REREAD) ──► START ─────► RUNNING ─────► IDLE (kept, rejected, failed, left pending)
 *                           ▲            │
 *                           ├────────────┤ redirect, new token, not the same file any more
 *                           └── BACKOFF ◄┘ worth another try                                                        */
typedef struct sb_transfer {
    sb_worker *worker;
    CURL *easy;
    sb_tls_note tls; /* connections point to it: it lives as long as the worker */
    char detail[CURL_ERROR_SIZE];
    sb_transfer_state state;
    sb_journal_file file; /* owned, but in IDLE */
    sb_content content;
    int64_t due_ns;
    unsigned tries, refusals, token_tries, hops;
    sb_url url;       /* of this hop */
    bool credentials; /* may this hop see the token? Once lost, lost until the file's own URL is asked again */

    /* What we have of the file, for If-Range: nothing when `validator` is "".                       FILE-05, FILE-06 */
    char validator[VALIDATOR_MAX];
    uint64_t encoded; /* bytes received of it, in the coding it comes in */
    char last_byte;   /* of those: a range begins with it, so that it is never empty */
    bool recorded;    /* the journal knows the validator */
    uint64_t encoded_at_start;

    /* The request. */
    struct curl_slist *list;
    sb_token *token; /* that went along */
    uint64_t range_from;
    bool ranged;
    uint64_t total; /* bytes of the whole file in its coding, as a 206 says; 0: it was no 206 */

    /* The answer. */
    sb_http_headers headers;
    size_t header_bytes;
    bool head_done, peer_closed, until_close, skip_one, not_the_same;
    bool lasting; /* what is wrong with the answer will be wrong with the next one */
    sb_body body;
    uint64_t body_bytes;
    sb_buf words;
    sb_status status; /* why a callback stopped it; `err` is filled then */
    sb_error err;
} sb_transfer;

struct sb_worker {
    sb_download *download;
    pthread_t thread;
    CURLM *multi;
    sb_transfer *transfers;
    unsigned n;
    bool started;
    bool dry; /* there was no file left to draw */
    pthread_mutex_t
        lock; /* what the display reads of transfers: taken when a file begins and ends, and by the display */
    _Atomic uint64_t wire_bytes;
};

struct sb_download {
    sb_download_options options;
    sb_tuning tuning;
    const sb_clock *clock;
    sb_http *http;
    sb_folder *folder;
    char boot_id[BOOT_ID_SIZE];
    unsigned connections, n_workers;
    sb_worker *workers;
    sb_committer *committer;        /* while it runs */
    sb_token_desk *desk;            /* while it runs */
    uint64_t wire_before;           /* of runs that have ended; under live_lock */
    _Atomic int64_t pause_until_ns; /* the payer asked for patience: nothing is begun before */
    atomic_bool stopping;
    pthread_mutex_t say_lock;  /* one event, one log line at a time */
    pthread_mutex_t live_lock; /* `committer` and `workers` come and go under it, for the display */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    sb_journal_file queue[QUEUE_MAX];
    size_t queue_at, queue_len;
    int64_t queue_after;
    bool queue_dry;
    int64_t resumable[RESUMABLE_MAX];
    size_t n_resumable;
    unsigned workers_running;
    sb_status fatal; /* the first; `fatal_err` tells */
    sb_error fatal_err;
    sb_status left; /* why some stay pending: the worst reason */
    sb_error left_err;
    bool expired, went_well;
    unsigned expired_in_row, give_ups_in_row;
    struct sb_give_up {
        sb_journal_file file;
        int http_status;
    } give_ups[GIVE_UPS_MAX]; /* the payer failed for them: they become FAILED when others do come */
    size_t n_give_ups;
    sb_error give_up_err; /* of the last of them */
};

/* --- download.c: the queue and the run --- */
/* The next pending file. False: there is none, or none is to be begun. `keep`: its part can be gone on with. */
bool sb_download_draw(sb_download *download, sb_journal_file *out, bool *keep);
bool sb_download_stopping(const sb_download *download);
int64_t sb_download_now(const sb_download *download);
void sb_download_wake(sb_download *download);

/* --- download_ends.c --- */
void sb_download_fatal(sb_download *download, sb_status status, const sb_error *err);
void sb_download_leave(sb_download *download, sb_status status, const sb_error *err); /* one file stays pending */
void sb_download_expired(sb_download *download);
/* One file came: what the payer failed at before was about those files alone. */
void sb_download_went_well(sb_download *download);
/* The payer does not give us this file. It becomes FAILED when others come, and stays pending when none does. `lasting`:
 * the payer is up, and says that this will not change. Takes the file over. */
void sb_download_give_up(sb_download *download, sb_journal_file *file, int http_status, bool lasting,
                         const sb_error *err);
void sb_download_end_give_ups(sb_download *download); /* when all workers are done */
/* No answer for this file, time and again: it stays pending. */
void sb_download_unreachable(sb_download *download, const sb_error *err);
/* This file cannot be had, whatever others do: it becomes FAILED. Takes the file over. */
void sb_download_fail_file(sb_download *download, sb_journal_file *file, int http_status, const sb_error *err);
void sb_download_event(sb_download *download, const sb_export_event *event);
void sb_download_log(sb_download *download, const char *event_id, const sb_journal_file *file, int http_status,
                     const char *message);
void sb_download_warn(void *download, const char *text);

/* --- download_worker.c --- */
/* All workers are prepared before the first one starts, and all are joined before the first one is cleaned up: they
 * wake each other. */
sb_status sb_worker_prepare(sb_worker *worker, sb_download *download, unsigned n, sb_error *err);
sb_status sb_worker_start(sb_worker *worker, sb_error *err);
void sb_worker_join(sb_worker *worker);
void sb_worker_cleanup(sb_worker *worker); /* one that was only zeroed is fine */
/* The transfer's file goes its way; the transfer is free for another. Its parts are the caller's business before. */
void sb_transfer_idle(sb_transfer *transfer);
/* Ask again: now, or after a while. */
void sb_transfer_again(sb_transfer *transfer, int64_t delay_ns);

/* --- download_request.c --- */
/* Go to RUNNING if all is there. SB_OK with the state unchanged: a token is awaited. */
sb_status sb_transfer_request(sb_transfer *transfer, sb_error *err);
sb_status sb_transfer_set_up(sb_transfer *transfer, sb_error *err); /* once: what all its requests have in common */
/* The file's own URL, with its token, anew. */
sb_status sb_transfer_first_hop(sb_transfer *transfer, sb_error *err);
void sb_transfer_forget_request(sb_transfer *transfer);

/* --- download_answer.c --- */
size_t sb_transfer_on_header(char *bytes, size_t size, size_t n, void *impl);
size_t sb_transfer_on_body(char *bytes, size_t size, size_t n, void *impl);
int sb_transfer_on_progress(void *impl, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow);
int sb_transfer_http_status(const sb_transfer *transfer);
/* The answer's head is all there, or there is no body: what will the body be? */
sb_status sb_transfer_begin_body(sb_transfer *transfer);
/* Nothing of what we have is of any use any more. */
void sb_transfer_forget_validator(sb_transfer *transfer);

/* --- download_verdict.c --- */
/* libcurl is done with it. */
void sb_transfer_judge(sb_transfer *transfer, CURLcode rc);
/* A step of ours failed. */
void sb_transfer_failed(sb_transfer *transfer, sb_status status, const sb_error *err);

void sb_download_tune(sb_download *download, const sb_tuning *tuning); /* for tests, before run */
extern const sb_tuning sb_default_tuning;

#endif
