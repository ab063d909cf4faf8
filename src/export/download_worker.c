/* SPDX-License-Identifier: Apache-2.0 */
/* download_worker.c - one thread, its curl_multi, and its transfers: each goes from socket to disk here, without a lock
 * and without a copy to another thread. Owns all of them.
 *
 * The multi handle goes before the transfers: its connections point to their TLS notes. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "export/download_internal.h"
#include "export/download_names.h"
#include "http/headers.h"

#define WAIT_MAX_MS 60000 /* what there is to wait for wakes us; this is for what cannot happen */

void sb_transfer_idle(sb_transfer *t)
{
    (void)pthread_mutex_lock(&t->worker->lock);
    t->state = TRANSFER_IDLE;
    sb_journal_file_cleanup(&t->file);
    (void)pthread_mutex_unlock(&t->worker->lock);
    if (t->content.file) { /* what can be gone on with later is left as it is */
        int part_fd, list_fd;
        sb_error err = SB_ERROR_INIT;
        sb_bad_lines_discard(&t->content.bad);
        if (sb_part_flush(&t->content.part, &err) != SB_OK)
            sb_download_fatal(t->worker->download, err.code, &err);
        sb_content_release(&t->content, &part_fd, &list_fd);
        sb_fd_cleanup(&part_fd);
    }
}

void sb_transfer_again(sb_transfer *t, int64_t delay_ns)
{
    t->state = delay_ns > 0 ? TRANSFER_BACKOFF : TRANSFER_START;
    t->due_ns = sb_download_now(t->worker->download) + delay_ns;
}

static void stop(sb_transfer *t, sb_status status, const sb_error *err)
{
    sb_download_fatal(t->worker->download, status, err);
}

/* The part of an earlier run is gone through first; then its end is asked for. */
static sb_status open_part(sb_transfer *t, bool keep, sb_error *err)
{
    sb_download *d = t->worker->download;
    SB_AUTO(sb_journal_part) known = {.id = 0};
    struct stat st = {.st_size = 0};
    char name[SB_PART_NAME_SIZE];
    int fd_raw = -1;
    t->recorded = keep; /* so that the journal forgets it, should another file come */
    if (!keep)
        return sb_content_begin(&t->content, &t->file, 0, err);
    SB_TRY(sb_journal_part_get(d->options.journal, t->file.id, &known, err));
    sb_name_of_part(t->file.id, name);
    SB_TRY(sb_folder_open_file(d->folder, name, O_RDONLY | O_CREAT, &fd_raw, err));
    SB_AUTOFD fd = fd_raw;
    if (fstat(fd, &st) != 0)
        return sb_error_errno(err, "a part could not be examined", name, errno);
    if (!known.validator || strlen(known.validator) >= sizeof(t->validator) || st.st_size <= 0)
        return sb_content_begin(&t->content, &t->file, 0, err);
    (void)snprintf(t->validator, sizeof(t->validator), "%s", known.validator);
    t->encoded = (uint64_t)st.st_size;
    t->state = TRANSFER_REREAD;
    if (pread(fd, &t->last_byte, 1, st.st_size - 1) != 1)
        return sb_error_errno(err, "a part could not be read back", name, errno);
    return sb_content_begin(&t->content, &t->file, t->encoded, err);
}

/* Its URL is none that we ask. */
static void never_asked(sb_transfer *t, const sb_error *err)
{
    sb_content_discard(&t->content);
    sb_download_log(t->worker->download, "download_error", &t->file, 0, err->why);
    sb_download_fail_file(t->worker->download, &t->file, 0, err);
    sb_transfer_idle(t);
}

static void begin(sb_transfer *t, const sb_journal_file *file, bool keep)
{
    sb_error err = SB_ERROR_INIT;
    (void)pthread_mutex_lock(&t->worker->lock);
    t->file = *file;
    t->state = TRANSFER_START;
    (void)pthread_mutex_unlock(&t->worker->lock);
    t->tries = t->refusals = t->token_tries = 0;
    t->validator[0] = '\0';
    t->encoded = 0;
    t->due_ns = 0;
    sb_status status = open_part(t, keep, &err);
    if (status == SB_OK)
        sb_download_log(t->worker->download, "download_request", &t->file, 0, NULL);
    if (status != SB_OK) {
        stop(t, status, &err);
    } else if (sb_transfer_first_hop(t, &err) != SB_OK) {
        never_asked(t, &err);
    }
}

static void reread(sb_transfer *t)
{
    sb_error err = SB_ERROR_INIT;
    bool more = false;
    sb_status status = sb_content_reread(&t->content, &more, &err);
    if (status == SB_OK) {
        t->state = more ? TRANSFER_REREAD : TRANSFER_START;
        return;
    }
    if (status != SB_E_NOT_FOUND) {
        stop(t, status, &err);
        return;
    }
    t->status = SB_OK; /* somebody made it shorter: from the beginning */
    sb_transfer_forget_validator(t);
    t->state = TRANSFER_START;
}

/* It cannot even be asked for. */
static void not_asked(sb_transfer *t, sb_status status, const sb_error *err)
{
    sb_download *d = t->worker->download;
    if (sb_url_require_secure(&t->url, "", NULL) != SB_OK) { /* plain http to another machine DISC-05 */
        never_asked(t, err);
    } else if (status == SB_E_SERVER && !sb_payer_trusts(d->options.payer, &t->url)) { /* USE-03 */
        sb_content_discard(&t->content);
        sb_download_leave(d, status, err);
        sb_transfer_idle(t);
    } else {
        stop(t, status, err); /* no token can be had */
    }
}

static void ask(sb_transfer *t)
{
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_transfer_request(t, &err);
    if (status != SB_OK)
        not_asked(t, status, &err);
}

/* One step for a transfer that libcurl does not have. True: there is more to do at once. */
static bool step(sb_transfer *t)
{
    sb_download *d = t->worker->download;
    sb_journal_file file;
    bool keep;
    int64_t now = sb_download_now(d), pause = atomic_load(&d->pause_until_ns);
    switch (t->state) {
    case TRANSFER_IDLE:
        if (t->worker->dry || !sb_download_draw(d, &file, &keep)) {
            t->worker->dry = true;
            return false;
        }
        begin(t, &file, keep);
        return true;
    case TRANSFER_REREAD:
        reread(t);
        return true;
    case TRANSFER_BACKOFF:
        if (now < t->due_ns)
            return false;
        t->state = TRANSFER_START;
        return true;
    case TRANSFER_START:
        if (now < pause)
            return false;
        ask(t);
        return t->state == TRANSFER_IDLE; /* else it runs, or waits for a token */
    case TRANSFER_RUNNING:
        break;
    }
    return false;
}

/* All transfers that can be moved on; *active: there is any that is not idle. */
static bool step_all(sb_worker *w, bool *active)
{
    bool more = false;
    *active = false;
    for (unsigned i = 0; i < w->n && !sb_download_stopping(w->download); i++) {
        more |= step(&w->transfers[i]);
        *active |= w->transfers[i].state != TRANSFER_IDLE;
    }
    return more;
}

static void take_results(sb_worker *w)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(w->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode rc = message->data.result;
        char *private = NULL;
        (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        (void)curl_multi_remove_handle(w->multi, easy);
        sb_transfer_judge((sb_transfer *)(void *)private, rc);
    }
}

/* Until a socket is ready, somebody wakes us, or a wait is over. */
static int wait_ms(const sb_worker *w)
{
    const sb_download *d = w->download;
    int64_t now = sb_download_now(d), pause = atomic_load(&d->pause_until_ns), due = now + WAIT_MAX_MS * SB_NS_PER_MS;
    for (unsigned i = 0; i < w->n; i++) {
        const sb_transfer *t = &w->transfers[i];
        if (t->state == TRANSFER_BACKOFF)
            due = SB_MIN(due, t->due_ns);
        if (t->state == TRANSFER_START && pause > now)
            due = SB_MIN(due, pause);
    }
    return (int)((SB_MAX(due - now, INT64_C(0)) + SB_NS_PER_MS - 1) / SB_NS_PER_MS);
}

static void fail_multi(sb_worker *w, CURLMcode rc)
{
    sb_error err = SB_ERROR_INIT;
    sb_error_set(&err, SB_E_INTERNAL, "libcurl failed", "%s", "check the libcurl4 package", curl_multi_strerror(rc));
    sb_download_fatal(w->download, SB_E_INTERNAL, &err);
}

static void *serve(void *impl)
{
    sb_worker *w = impl;
    bool active = true;
    while (!sb_download_stopping(w->download)) {
        int running;
        CURLMcode rc = curl_multi_perform(w->multi, &running);
        take_results(w);
        bool more = step_all(w, &active);
        if (!active && !more)
            break;
        if (rc == CURLM_OK && !more) /* returns at once when a request was added */
            rc = curl_multi_poll(w->multi, NULL, 0, wait_ms(w), NULL);
        if (rc != CURLM_OK)
            fail_multi(w, rc);
    }
    (void)pthread_mutex_lock(&w->download->lock);
    w->download->workers_running--;
    (void)pthread_cond_broadcast(&w->download->changed);
    (void)pthread_mutex_unlock(&w->download->lock);
    return NULL;
}

sb_status sb_worker_prepare(sb_worker *w, sb_download *d, unsigned n, sb_error *err)
{
    w->download = d;
    (void)pthread_mutex_init(&w->lock, NULL); /* cannot fail on Linux */
    w->multi = curl_multi_init();
    w->transfers = w->multi ? calloc(n, sizeof(*w->transfers)) : NULL;
    if (!w->transfers)
        return sb_error_nomem(err);
    (void)curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)n * 2); /* redirects lead to a second host */
    for (; w->n < n; w->n++) {
        sb_transfer *t = &w->transfers[w->n];
        t->worker = w;
        sb_status status = sb_content_init(&t->content, d->folder, d->options.max_line_bytes, err);
        if (status == SB_OK)
            status = sb_transfer_set_up(t, err);
        if (status != SB_OK) {
            w->n++; /* half made: to be cleaned up, too */
            return status;
        }
    }
    return SB_OK;
}

sb_status sb_worker_start(sb_worker *w, sb_error *err)
{
    sb_download *d = w->download;
    (void)pthread_mutex_lock(&d->lock);
    w->started = pthread_create(&w->thread, NULL, serve, w) == 0;
    d->workers_running += w->started;
    (void)pthread_mutex_unlock(&d->lock);
    if (w->started)
        return SB_OK;
    return sb_error_set(err, SB_E_NOMEM, "a thread could not be started", "pthread_create failed",
                        "raise the limit on processes (ulimit -u)");
}

void sb_worker_join(sb_worker *w)
{
    if (w->started)
        (void)pthread_join(w->thread, NULL);
    w->started = false;
}

/* What was under way stays where a later run can go on with it, or goes. */
static void end_transfer(sb_transfer *t)
{
    if (t->easy) {
        if (t->state == TRANSFER_RUNNING)
            (void)curl_multi_remove_handle(t->worker->multi, t->easy);
        sb_transfer_forget_request(t);
        curl_easy_cleanup(t->easy);
    }
    if (t->content.file && (!t->recorded || sb_part_flush(&t->content.part, NULL) != SB_OK))
        sb_content_discard(&t->content);
    sb_bad_lines_discard(&t->content.bad);
    sb_content_cleanup(&t->content);
    sb_journal_file_cleanup(&t->file);
    sb_url_cleanup(&t->url);
    sb_http_headers_clear(&t->headers);
    sb_buf_cleanup(&t->words);
}

void sb_worker_cleanup(sb_worker *w)
{
    if (!w->download)
        return;
    for (unsigned i = 0; i < w->n; i++)
        end_transfer(&w->transfers[i]);
    (void)curl_multi_cleanup(w->multi); /* before the notes that its connections point to; NULL is refused politely */
    free(w->transfers);
    (void)pthread_mutex_destroy(&w->lock);
    *w = (sb_worker){.n = 0};
}
