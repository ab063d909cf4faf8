/* SPDX-License-Identifier: Apache-2.0 */
/* download_live.c - what is under way, for a display that looks ten times a second. The transfers only store numbers of
 * their own; nobody waits for a display but at a file's beginning and end. */
#include "export/download_internal.h"

static void add_transfer(const sb_transfer *t, sb_export_snapshot *out)
{
    uint64_t bytes = atomic_load_explicit(&t->content.bytes, memory_order_relaxed);
    uint64_t resources = atomic_load_explicit(&t->content.resources, memory_order_relaxed);
    if (!t->file.type)
        return; /* it has no file */
    sb_export_type_totals *row = sb_export_type_row(out, t->file.kind, sb_str_from(t->file.type));
    row->bytes += bytes;
    row->resources += resources;
    out->bytes += bytes;
    out->resources += resources;
    out->active++;
}

void sb_download_live(const sb_download *download, sb_export_snapshot *out)
{
    sb_download *d = (sb_download *)(uintptr_t)download; /* its locks are not part of what it promises to leave alone */
    out->active = 0;
    (void)pthread_mutex_lock(&d->live_lock);
    for (unsigned i = 0; i < d->n_workers && d->workers; i++) {
        sb_worker *w = &d->workers[i];
        (void)pthread_mutex_lock(&w->lock);
        for (unsigned k = 0; k < w->n; k++)
            add_transfer(&w->transfers[k], out);
        (void)pthread_mutex_unlock(&w->lock);
        out->wire_bytes += atomic_load_explicit(&w->wire_bytes, memory_order_relaxed);
    }
    if (d->committer)
        sb_committer_live(d->committer, out);
    out->wire_bytes += d->wire_before;
    (void)pthread_mutex_unlock(&d->live_lock);
}
