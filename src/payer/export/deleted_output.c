/* SPDX-License-Identifier: Apache-2.0 */
/* deleted_output.c - deletions gathered into Bundles, and Bundles into files. Holds one Bundle and a file's text of at
 * most FLUSH_BYTES in memory. */
#include "payer/export/deleted_output.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/json.h"

#define BUNDLE_ENTRIES 100                 /* one transaction of who applies them */
#define FLUSH_BYTES    ((size_t)64 * 1024) /* one write for many Bundles */

typedef struct writer {
    const sb_plan *plan;
    const char *dir;
    uint64_t file_bytes;
    sb_deleted_list *list;
    int fd; /* of the last file of the list; -1: none is open */
    char *path;
    sb_buf bundle, text;
    unsigned entries;
} writer;

static void writer_cleanup(writer *w)
{
    sb_fd_cleanup(&w->fd);
    sb_charp_cleanup(&w->path);
    sb_buf_cleanup(&w->bundle);
    sb_buf_cleanup(&w->text);
}

void sb_deleted_list_cleanup(sb_deleted_list *list)
{
    free(list->items);
    *list = (sb_deleted_list)SB_DELETED_LIST_INIT;
}

static sb_status begin_file(writer *w, sb_error *err)
{
    sb_deleted_file *items = reallocarray(w->list->items, w->list->count + 1, sizeof(*items));
    if (!items)
        return sb_error_nomem(err);
    w->list->items = items;
    items[w->list->count] = (sb_deleted_file){0, 0};
    w->path = sb_printf("%s/deleted.%03zu.ndjson", w->dir, w->list->count++);
    if (!w->path)
        return sb_error_nomem(err);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return w->fd >= 0 ? SB_OK : sb_error_errno(err, "an export file could not be created", w->path, errno);
}

static sb_status flush(writer *w, sb_error *err)
{
    if (w->fd < 0 || w->text.len == 0)
        return SB_OK;
    SB_TRY(sb_file_write_all(w->fd, w->path, sb_buf_str(&w->text), err));
    sb_buf_clear(&w->text);
    return SB_OK;
}

static sb_status end_file(writer *w, sb_error *err)
{
    SB_TRY(flush(w, err));
    sb_fd_cleanup(&w->fd);
    sb_charp_cleanup(&w->path);
    return SB_OK;
}

static sb_status end_bundle(writer *w, sb_error *err)
{
    if (w->entries == 0)
        return SB_OK;
    if (w->fd >= 0 && w->list->items[w->list->count - 1].bytes >= w->file_bytes)
        SB_TRY(end_file(w, err));
    if (w->fd < 0)
        SB_TRY(begin_file(w, err));
    size_t before = w->text.len;
    if (!sb_buf_printf(&w->text, "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[%s]}\n",
                       sb_buf_cstr(&w->bundle)))
        return sb_error_nomem(err);
    sb_deleted_file *file = &w->list->items[w->list->count - 1];
    file->bundles++;
    file->bytes += w->text.len - before;
    sb_buf_clear(&w->bundle);
    w->entries = 0;
    return w->text.len < FLUSH_BYTES ? SB_OK : flush(w, err);
}

static sb_status take(void *context, const sb_data_deletion *deletion, sb_error *err)
{
    writer *w = context;
    if (!sb_plan_wants_deletion(w->plan, deletion))
        return SB_OK;
    SB_AUTOFREE url =
        sb_printf("%.*s/%.*s", (int)deletion->type.len, deletion->type.ptr, (int)deletion->id.len, deletion->id.ptr);
    SB_AUTOJSON entry = url ? json_pack("{s:{s:s, s:s}}", "request", "method", "DELETE", "url", url) : NULL;
    SB_AUTOFREE text = entry ? sb_json_dump(entry) : NULL;
    if (!text || !sb_buf_printf(&w->bundle, "%s%s", w->entries > 0 ? "," : "", text))
        return sb_error_nomem(err);
    return ++w->entries < BUNDLE_ENTRIES ? SB_OK : end_bundle(w, err);
}

sb_status sb_deleted_write(const sb_plan *plan, const sb_data *data, const char *dir, uint64_t file_bytes,
                           sb_deleted_list *out, sb_error *err)
{
    int64_t after_us, until_us;
    SB_AUTO(writer) w = {.plan = plan, .dir = dir, .file_bytes = file_bytes, .list = out, .fd = -1};
    if (!sb_plan_wants_deletions(plan, &after_us, &until_us))
        return SB_OK;
    SB_TRY(sb_data_deletions(data, after_us, until_us, take, &w, err));
    SB_TRY(end_bundle(&w, err));
    return end_file(&w, err);
}
