/* SPDX-License-Identifier: Apache-2.0 */
/* download.c - a run from beginning to end: settle what a crash left, start committer, token desk and workers, hand out
 * pending files, watch for an interruption, and say how it ended. */
#include <fcntl.h>
#include <sched.h>

#include "base/file.h"
#include "export/download_internal.h"
#include "export/settle.h"

#define WATCH_NS            (50 * SB_NS_PER_MS) /* how soon an interruption is seen: by one thread, for all */
#define BOOT_ID_FILE        "/proc/sys/kernel/random/boot_id"
#define DEFAULT_CONNECTIONS 8

const sb_tuning sb_default_tuning = {
    .stall_s = 120, /* a file server may have to fetch the file from an archive first */
    .backoff_first_ms = 500,
    .backoff_cap_ms = 30000,
    .tries_max = 8,           /* some two minutes in all: a server that is started anew */
    .retry_after_max_s = 900, /* a quarter of an hour; a longer answer is a run for tomorrow */
    .resume_min_bytes = (uint64_t)8 * 1024 * 1024,
};

void sb_download_tune(sb_download *download, const sb_tuning *tuning)
{
    download->tuning = *tuning;
}

bool sb_download_stopping(const sb_download *d)
{
    return atomic_load_explicit(&d->stopping, memory_order_relaxed);
}

int64_t sb_download_now(const sb_download *d)
{
    return d->clock->monotonic_ns(d->clock->impl);
}

void sb_download_wake(sb_download *d)
{
    for (unsigned i = 0; i < d->n_workers; i++)
        if (d->workers[i].multi)
            (void)curl_multi_wakeup(d->workers[i].multi);
}

static void wake(void *impl)
{
    sb_download_wake(impl);
}

/* Which run of the machine this is; "" when that is not told: then no part is ever gone on with. */
static void read_boot_id(char out[BOOT_ID_SIZE])
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    out[0] = '\0';
    if (sb_file_read(BOOT_ID_FILE, BOOT_ID_SIZE, &text, NULL) != SB_OK)
        return;
    sb_str id = sb_str_trim(sb_buf_str(&text));
    (void)snprintf(out, BOOT_ID_SIZE, "%.*s", (int)id.len, id.len ? id.ptr : "");
}

static unsigned cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 2;
}

sb_status sb_download_new(const sb_download_options *options, sb_download **out, sb_error *err)
{
    sb_download *d = calloc(1, sizeof(*d));
    *out = NULL;
    if (!d)
        return sb_error_nomem(err);
    d->options = *options;
    d->tuning = sb_default_tuning;
    d->clock = sb_payer_clock(options->payer);
    d->http = sb_payer_http(options->payer);
    d->folder = sb_journal_folder(options->journal);
    d->connections = options->connections ? options->connections : sb_payer_connections(options->payer);
    d->connections = d->connections ? SB_MIN(d->connections, (unsigned)CONNECTIONS_MAX) : DEFAULT_CONNECTIONS;
    d->n_workers = options->threads ? options->threads : cores();
    d->n_workers = SB_MAX(1u, SB_MIN(SB_MIN(d->n_workers, (unsigned)THREADS_MAX), d->connections));
    read_boot_id(d->boot_id);
    (void)pthread_mutex_init(&d->lock, NULL); /* default mutexes: cannot fail on Linux */
    (void)pthread_mutex_init(&d->say_lock, NULL);
    (void)pthread_mutex_init(&d->live_lock, NULL);
    d->workers = calloc(d->n_workers, sizeof(*d->workers));
    if (!d->workers || sb_cond_init(&d->changed) != 0) {
        sb_download_free(d);
        return sb_error_nomem(err);
    }
    *out = d;
    return SB_OK;
}

void sb_download_free(sb_download *d)
{
    if (!d)
        return;
    free(d->workers);
    (void)pthread_cond_destroy(&d->changed);
    (void)pthread_mutex_destroy(&d->lock);
    (void)pthread_mutex_destroy(&d->say_lock);
    (void)pthread_mutex_destroy(&d->live_lock);
    free(d);
}

/* Under lock. */
static sb_status refill(sb_download *d, sb_error *err)
{
    d->queue_at = d->queue_len = 0;
    sb_status status = sb_journal_pending(d->options.journal, d->queue_after, d->queue, QUEUE_MAX, &d->queue_len, err);
    d->queue_dry = d->queue_len == 0;
    if (d->queue_len > 0)
        d->queue_after = d->queue[d->queue_len - 1].id;
    return status;
}

bool sb_download_draw(sb_download *d, sb_journal_file *out, bool *keep)
{
    sb_error err = SB_ERROR_INIT;
    sb_status status = SB_OK;
    bool found = false;
    *keep = false;
    (void)pthread_mutex_lock(&d->lock);
    if (d->queue_at == d->queue_len && !d->queue_dry)
        status = refill(d, &err);
    if (!d->queue_dry && d->queue_at < d->queue_len) {
        *out = d->queue[d->queue_at++];
        found = true;
    }
    for (size_t i = 0; found && i < d->n_resumable; i++)
        *keep |= d->resumable[i] == out->id;
    (void)pthread_mutex_unlock(&d->lock);
    if (status != SB_OK)
        sb_download_fatal(d, status, &err);
    return found;
}

/* A result is durable: tell. From the committer's thread. */
static void on_settled(void *impl, const sb_finished *finished)
{
    sb_download *d = impl;
    const sb_journal_file *file = &finished->file;
    sb_export_event event = {.kind = SB_EXPORT_FILE_DONE,
                             .file = file->name,
                             .type = file->type,
                             .text = file->problem,
                             .bytes = file->bytes,
                             .resources = file->resources,
                             .bad_lines = file->bad_lines};
    bool failed = file->state == SB_FILE_FAILED;
    if (file->state == SB_FILE_REJECTED)
        event.kind = SB_EXPORT_FILE_REJECTED;
    if (failed)
        event.kind = SB_EXPORT_FILE_FAILED;
    if (!failed) /* that was logged when it was seen */
        sb_download_log(d, "download_complete", file, finished->http_status, file->problem);
    sb_download_event(d, &event);
}

static void on_commit_failure(void *impl, sb_status status, const sb_error *err)
{
    sb_download_fatal(impl, status, err);
}

static void forget_last_run(sb_download *d)
{
    d->queue_at = d->queue_len = 0;
    d->queue_after = -1;
    d->queue_dry = d->expired = d->went_well = false;
    d->expired_in_row = d->give_ups_in_row = 0;
    d->n_resumable = 0;
    d->fatal = d->left = SB_OK;
    atomic_store(&d->stopping, false);
    atomic_store(&d->pause_until_ns, 0);
}

static sb_status prepare_workers(sb_download *d, sb_error *err)
{
    sb_status status = SB_OK;
    (void)pthread_mutex_lock(&d->live_lock);
    for (unsigned i = 0; i < d->n_workers && status == SB_OK; i++) {
        unsigned n = d->connections / d->n_workers + (i < d->connections % d->n_workers);
        status = sb_worker_prepare(&d->workers[i], d, n, err);
    }
    (void)pthread_mutex_unlock(&d->live_lock);
    return status;
}

static sb_status start(sb_download *d, sb_error *err)
{
    const sb_committer_options options = {d->options.journal, on_settled, on_commit_failure, d};
    sb_committer *committer = NULL;
    SB_TRY(sb_committer_new(&options, &committer, err));
    (void)pthread_mutex_lock(&d->live_lock);
    d->committer = committer;
    (void)pthread_mutex_unlock(&d->live_lock);
    SB_TRY(prepare_workers(d, err));
    SB_TRY(sb_token_desk_new(d->options.payer, wake, d, &d->desk, err));
    for (unsigned i = 0; i < d->n_workers; i++)
        SB_TRY(sb_worker_start(&d->workers[i], err));
    return SB_OK;
}

/* Until all workers are done. The only thread that looks at the caller's cancel flag, so that the others can sleep. */
static void watch(sb_download *d)
{
    (void)pthread_mutex_lock(&d->lock);
    while (d->workers_running > 0) {
        d->clock->wait_until(d->clock->impl, &d->changed, &d->lock, sb_download_now(d) + WATCH_NS);
        if (!sb_payer_cancelled(d->options.payer) || sb_download_stopping(d))
            continue;
        sb_error err = SB_ERROR_INIT;
        sb_error_set(&err, SB_E_INTERRUPTED, "interrupted", "the downloads were stopped",
                     "`smartbulk resume DIR` goes on where they were");
        (void)pthread_mutex_unlock(&d->lock);
        sb_download_fatal(d, SB_E_INTERRUPTED, &err);
        (void)pthread_mutex_lock(&d->lock);
    }
    (void)pthread_mutex_unlock(&d->lock);
}

/* Threads end before what they use: workers, then the desk that wakes them, then the committer that they feed. */
static void finish(sb_download *d)
{
    for (unsigned i = 0; i < d->n_workers; i++)
        sb_worker_join(&d->workers[i]);
    sb_token_desk_free(d->desk);
    d->desk = NULL;
    sb_committer *committer = d->committer;
    if (committer) {
        sb_download_end_give_ups(d);
        sb_committer_drain(committer);
    }
    (void)pthread_mutex_lock(&d->live_lock);
    d->committer = NULL;
    (void)pthread_mutex_unlock(&d->live_lock);
    sb_committer_free(committer);
    (void)pthread_mutex_lock(&d->live_lock);
    for (unsigned i = 0; i < d->n_workers; i++) {
        d->wire_before += atomic_load(&d->workers[i].wire_bytes);
        sb_worker_cleanup(&d->workers[i]);
    }
    (void)pthread_mutex_unlock(&d->live_lock);
    while (d->queue_at < d->queue_len)
        sb_journal_file_cleanup(&d->queue[d->queue_at++]);
}

sb_status sb_download_run(sb_download *d, sb_download_end *end, sb_error *err)
{
    *end = SB_DOWNLOAD_ALL;
    forget_last_run(d);
    SB_TRY(sb_settle_all(d->options.journal, sb_download_warn, d, err));
    SB_TRY(sb_settle_sweep(d->options.journal, d->boot_id, d->resumable, RESUMABLE_MAX, &d->n_resumable, err));
    sb_status status = start(d, err);
    if (status == SB_OK)
        watch(d);
    else
        atomic_store(&d->stopping, true);
    finish(d);
    SB_TRY(status);
    if (d->fatal == SB_OK && d->expired) { /* whatever else is left comes up again with the new URLs */
        *end = SB_DOWNLOAD_URLS_EXPIRED;
        return SB_OK;
    }
    if (err && (d->fatal != SB_OK || d->left != SB_OK))
        *err = d->fatal != SB_OK ? d->fatal_err : d->left_err;
    return d->fatal != SB_OK ? d->fatal : d->left;
}
