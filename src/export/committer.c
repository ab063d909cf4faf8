/* SPDX-License-Identifier: Apache-2.0 */
/* committer.c - see committer.h. Owns its thread and what waits for it.
 *
 *   waiting ──► group: fdatasync ──► [journal: DONE of the group before, KEEPING of this one] ──► rename, fsync ──┐
 *      ▲                                                                                                        │
 *      └── the next group gathers meanwhile                 journal: DONE at once when nothing is waiting ◄───────┘
 *
 * So a group costs one sync of the journal, one of each folder (that of the parts too), and those of its files, which
 * run in parallel because all of them were begun first: an ext4 commit serves the whole group. */
#include "export/committer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/file.h"
#include "export/download_names.h"
#include "export/settle.h"

#define GROUP_MAX 256 /* as many descriptors are held open, twice: well below the usual 1024 */

struct sb_committer {
    sb_committer_options options;
    sb_folder *folder;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    sb_finished waiting[GROUP_MAX];
    size_t n_waiting;
    bool closing, busy, failed;
    size_t n_unrecorded; /* so many of `group` are not in the journal's totals yet */
    /* The thread's own; `group` is looked at under lock for the display. */
    sb_finished group[GROUP_MAX];
    size_t n_group;
    sb_finished placed[GROUP_MAX]; /* in their places, and not recorded so yet */
    size_t n_placed;
    sb_journal_file rows[2 * GROUP_MAX]; /* for one transaction; borrows the files' texts */
};

void sb_finished_cleanup(sb_finished *finished)
{
    if (finished->part_fd >= 0)
        (void)close(finished->part_fd);
    if (finished->list_fd >= 0)
        (void)close(finished->list_fd);
    finished->part_fd = finished->list_fd = -1;
    sb_journal_file_cleanup(&finished->file);
}

static sb_status sync_fd(int fd, const sb_finished *finished, sb_error *err)
{
    if (fd < 0 || fdatasync(fd) == 0)
        return SB_OK;
    return sb_error_errno(err, "a file could not be made durable", finished->file.name, errno);
}

static sb_status sync_group(sb_committer *c, sb_error *err)
{
    for (size_t i = 0; i < c->n_group && c->n_group > 1; i++)
        if (c->group[i].part_fd >= 0) /* advice: begin with all before waiting for the first */
            (void)sync_file_range(c->group[i].part_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    for (size_t i = 0; i < c->n_group; i++) {
        SB_TRY(sync_fd(c->group[i].part_fd, &c->group[i], err));
        SB_TRY(sync_fd(c->group[i].list_fd, &c->group[i], err));
    }
    return sb_folder_sync(c->folder, SB_FOLDER_PARTS "/x", err); /* the parts' names: the journal will rely on them */
}

/* One transaction: what is in its place by now, and what is durable as a part by now. */
static sb_status record(sb_committer *c, sb_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_placed; i++) {
        c->rows[n] = c->placed[i].file;
        c->rows[n].state = sb_settled(c->rows[n].state);
        n++;
    }
    for (size_t i = 0; i < c->n_group; i++)
        c->rows[n++] = c->group[i].file;
    SB_TRY(sb_journal_record(c->options.journal, c->rows, n, err));
    (void)pthread_mutex_lock(&c->lock);
    c->n_unrecorded = 0;
    (void)pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < c->n_placed; i++) {
        c->placed[i].file.state = sb_settled(c->placed[i].file.state);
        c->options.on_settled(c->options.impl, &c->placed[i]);
        sb_finished_cleanup(&c->placed[i]);
    }
    c->n_placed = 0;
    return SB_OK;
}

static sb_status place_group(sb_committer *c, sb_error *err)
{
    sb_places places = {.n = 0};
    for (size_t i = 0; i < c->n_group; i++)
        if (c->group[i].file.state != SB_FILE_FAILED)
            SB_TRY(sb_settle_place(c->folder, &c->group[i].file, &places, err));
    SB_TRY(sb_settle_sync(c->folder, &places, err));
    for (size_t i = 0; i < c->n_group; i++) {
        sb_finished *f = &c->group[i];
        if (f->part_fd >= 0)
            (void)close(f->part_fd); /* synced, with success */
        if (f->list_fd >= 0)
            (void)close(f->list_fd);
        f->part_fd = f->list_fd = -1;
        c->placed[c->n_placed++] = *f;
    }
    (void)pthread_mutex_lock(&c->lock);
    c->n_group = 0;
    (void)pthread_mutex_unlock(&c->lock);
    return SB_OK;
}

/* A disk that could not take a part in may have lost any piece of it, and the kernel says so only once: the next sync
 * would succeed. What cannot be removed now is removed by the next run, for no validator vouches for it. */
static void remove_parts(sb_committer *c)
{
    char name[SB_PART_NAME_SIZE];
    for (size_t i = 0; i < c->n_group; i++) {
        const sb_journal_part none = {.id = c->group[i].file.id};
        sb_name_of_part(none.id, name);
        (void)sb_journal_part_set(c->options.journal, &none, NULL);
        (void)sb_folder_remove(c->folder, name, NULL);
    }
}

static sb_status commit_group(sb_committer *c, sb_error *err)
{
    sb_status synced = sync_group(c, err);
    if (synced != SB_OK)
        remove_parts(c);
    SB_TRY(synced);
    SB_TRY(record(c, err));
    return place_group(c, err);
}

static void drop(sb_finished *files, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        sb_finished_cleanup(&files[i]);
    *n = 0;
}

/* Under lock: what waits becomes the group. False when there is nothing more to do. */
static bool next_group(sb_committer *c)
{
    while (c->n_waiting == 0 && !c->closing && (c->n_placed == 0 || c->failed)) {
        c->busy = false;
        (void)pthread_cond_broadcast(&c->changed);
        (void)pthread_cond_wait(&c->changed, &c->lock);
    }
    if (c->n_waiting == 0 && c->n_placed == 0)
        return false;
    c->busy = true;
    memcpy(c->group, c->waiting, c->n_waiting * sizeof(c->waiting[0]));
    c->n_group = c->n_unrecorded = c->n_waiting;
    c->n_waiting = 0;
    (void)pthread_cond_broadcast(&c->changed); /* there is room again */
    return true;
}

static void *serve(void *impl)
{
    sb_committer *c = impl;
    (void)pthread_mutex_lock(&c->lock);
    while (next_group(c)) {
        sb_error err = SB_ERROR_INIT;
        bool failed = c->failed;
        (void)pthread_mutex_unlock(&c->lock);
        sb_status status = failed ? SB_OK : commit_group(c, &err);
        if (status != SB_OK)
            c->options.on_failure(c->options.impl, status, &err);
        (void)pthread_mutex_lock(&c->lock);
        c->failed |= status != SB_OK;
        if (c->failed) {
            drop(c->group, &c->n_group);
            drop(c->placed, &c->n_placed);
            c->n_unrecorded = 0;
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    return NULL;
}

sb_status sb_committer_new(const sb_committer_options *options, sb_committer **out, sb_error *err)
{
    sb_committer *c = calloc(1, sizeof(*c));
    if (!c)
        return sb_error_nomem(err);
    c->options = *options;
    c->folder = sb_journal_folder(options->journal);
    (void)pthread_mutex_init(&c->lock, NULL); /* cannot fail on Linux, nor can the next */
    (void)pthread_cond_init(&c->changed, NULL);
    if (pthread_create(&c->thread, NULL, serve, c) != 0) {
        free(c);
        return sb_error_set(err, SB_E_NOMEM, "a thread could not be started", "pthread_create failed",
                            "raise the limit on processes (ulimit -u)");
    }
    *out = c;
    return SB_OK;
}

void sb_committer_put(sb_committer *c, sb_finished *finished)
{
    (void)pthread_mutex_lock(&c->lock);
    while (c->n_waiting == GROUP_MAX && !c->failed)
        (void)pthread_cond_wait(&c->changed, &c->lock);
    if (c->failed) {
        sb_finished_cleanup(finished);
    } else {
        c->waiting[c->n_waiting++] = *finished;
        (void)pthread_cond_broadcast(&c->changed);
    }
    (void)pthread_mutex_unlock(&c->lock);
    *finished = (sb_finished){.part_fd = -1, .list_fd = -1};
}

void sb_committer_drain(sb_committer *c)
{
    (void)pthread_mutex_lock(&c->lock);
    while (c->n_waiting > 0 || c->busy)
        (void)pthread_cond_wait(&c->changed, &c->lock);
    (void)pthread_mutex_unlock(&c->lock);
}

void sb_committer_free(sb_committer *c)
{
    if (!c)
        return;
    (void)pthread_mutex_lock(&c->lock);
    c->closing = true;
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
    (void)pthread_join(c->thread, NULL);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static void add(const sb_finished *files, size_t n, sb_export_snapshot *out)
{
    for (size_t i = 0; i < n; i++) {
        const sb_journal_file *file = &files[i].file;
        if (file->state == SB_FILE_FAILED)
            continue;
        sb_export_type_totals *row = sb_export_type_row(out, file->kind, sb_str_from(file->type));
        row->bytes += file->bytes;
        row->resources += file->resources;
        out->bytes += file->bytes;
        out->resources += file->resources;
    }
}

void sb_committer_live(sb_committer *c, sb_export_snapshot *out)
{
    (void)pthread_mutex_lock(&c->lock);
    add(c->waiting, c->n_waiting, out);
    add(c->group, SB_MIN(c->n_group, c->n_unrecorded), out);
    (void)pthread_mutex_unlock(&c->lock);
}
