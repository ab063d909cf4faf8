/* SPDX-License-Identifier: Apache-2.0 */
/* download_ends.c - what single files that did not come mean for the run, and the telling of what happens.
 *
 * One bad file must not stop a hundred thousand good ones; and a payer that is down must not turn a hundred thousand
 * files into failures, one after the other. So what the payer failed at is only held against the file when another file
 * came meanwhile; and when several in a row could not be had and none could, the run ends with all of them pending. */
#include "export/download_internal.h"

static void copy_error(sb_error *to, const sb_error *from, sb_status status)
{
    *to = *from;
    to->code = status;
}

void sb_download_fatal(sb_download *d, sb_status status, const sb_error *err)
{
    (void)pthread_mutex_lock(&d->lock);
    if (d->fatal == SB_OK) {
        d->fatal = status;
        copy_error(&d->fatal_err, err, status);
    }
    atomic_store(&d->stopping, true);
    (void)pthread_cond_broadcast(&d->changed);
    (void)pthread_mutex_unlock(&d->lock);
    sb_download_wake(d);
}

/* Under lock. A host that needs our permission comes before a network that may be back tomorrow. */
static void note_left(sb_download *d, sb_status status, const sb_error *err)
{
    if (d->left == SB_OK || (d->left == SB_E_NETWORK && status == SB_E_SERVER)) {
        d->left = status;
        copy_error(&d->left_err, err, status);
    }
}

void sb_download_leave(sb_download *d, sb_status status, const sb_error *err)
{
    (void)pthread_mutex_lock(&d->lock);
    note_left(d, status, err);
    (void)pthread_mutex_unlock(&d->lock);
}

void sb_download_expired(sb_download *d)
{
    (void)pthread_mutex_lock(&d->lock);
    d->expired = true;
    if (++d->expired_in_row >= EXPIRED_MAX)
        d->queue_dry = true; /* no more are begun; those under way may end */
    (void)pthread_mutex_unlock(&d->lock);
}

void sb_download_fail_file(sb_download *d, sb_journal_file *file, int http_status, const sb_error *err)
{
    sb_finished finished = {.http_status = http_status, .part_fd = -1, .list_fd = -1};
    free(file->problem);
    file->problem = sb_printf("%s: %s", err->what, err->why); /* without memory: no words, but FAILED all the same */
    finished.file = *file;
    finished.file.state = SB_FILE_FAILED;
    finished.file.bytes = finished.file.resources = finished.file.bad_lines = 0;
    finished.file.sha256[0] = '\0';
    *file = (sb_journal_file){.id = 0};
    sb_committer_put(d->committer, &finished);
}

void sb_download_went_well(sb_download *d)
{
    struct sb_give_up lost[GIVE_UPS_MAX];
    (void)pthread_mutex_lock(&d->lock);
    size_t n = d->n_give_ups;
    memcpy(lost, d->give_ups, n * sizeof(lost[0]));
    d->n_give_ups = 0;
    d->give_ups_in_row = d->expired_in_row = 0;
    d->went_well = true;
    (void)pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        sb_finished finished = {.file = lost[i].file, .http_status = lost[i].http_status, .part_fd = -1, .list_fd = -1};
        sb_committer_put(d->committer, &finished);
    }
}

/* Under lock: one more that could not be had. True: it is enough. */
static bool enough(sb_download *d)
{
    return ++d->give_ups_in_row >= (d->went_well ? GIVE_UPS_MAX : GIVE_UPS_AT_FIRST);
}

void sb_download_give_up(sb_download *d, sb_journal_file *file, int http_status, bool lasting, const sb_error *err)
{
    (void)pthread_mutex_lock(&d->lock);
    if (lasting && d->went_well) {
        (void)pthread_mutex_unlock(&d->lock);
        sb_download_fail_file(d, file, http_status, err);
        return;
    }
    if (d->n_give_ups < GIVE_UPS_MAX) { /* else it is enough already, and they all stay pending */
        struct sb_give_up *lost = &d->give_ups[d->n_give_ups++];
        free(file->problem);
        file->problem = sb_printf("%s: %s", err->what, err->why);
        file->state = SB_FILE_FAILED;
        file->bytes = file->resources = file->bad_lines = 0;
        file->sha256[0] = '\0';
        lost->file = *file;
        lost->http_status = http_status;
        *file = (sb_journal_file){.id = 0};
    }
    copy_error(&d->give_up_err, err, SB_E_SERVER);
    bool stop = enough(d);
    (void)pthread_mutex_unlock(&d->lock);
    if (stop)
        sb_download_fatal(d, SB_E_SERVER, err);
}

void sb_download_unreachable(sb_download *d, const sb_error *err)
{
    (void)pthread_mutex_lock(&d->lock);
    note_left(d, SB_E_NETWORK, err);
    bool stop = enough(d);
    (void)pthread_mutex_unlock(&d->lock);
    if (stop)
        sb_download_fatal(d, SB_E_NETWORK, err);
}

void sb_download_end_give_ups(sb_download *d)
{
    if (d->n_give_ups > 0 && d->went_well && d->fatal == SB_OK)
        sb_download_went_well(d);
    else if (d->n_give_ups > 0)
        sb_download_leave(d, SB_E_SERVER, &d->give_up_err);
    for (size_t i = 0; i < d->n_give_ups; i++)
        sb_journal_file_cleanup(&d->give_ups[i].file);
    d->n_give_ups = 0;
}

void sb_download_event(sb_download *d, const sb_export_event *event)
{
    if (!d->options.on_event)
        return;
    (void)pthread_mutex_lock(&d->say_lock);
    d->options.on_event(d->options.on_event_impl, event);
    (void)pthread_mutex_unlock(&d->say_lock);
}

void sb_download_log(sb_download *d, const char *event_id, const sb_journal_file *file, int http_status,
                     const char *message)
{
    if (!d->options.on_log)
        return;
    (void)pthread_mutex_lock(&d->say_lock);
    d->options.on_log(d->options.on_log_impl, event_id, file, http_status, message);
    (void)pthread_mutex_unlock(&d->say_lock);
}

void sb_download_warn(void *impl, const char *text)
{
    const sb_export_event event = {.kind = SB_EXPORT_WARNING, .text = text};
    sb_download_event(impl, &event);
}
