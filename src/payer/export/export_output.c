/* SPDX-License-Identifier: Apache-2.0 */
/* export_output.c - scanning what must be scanned, and cutting it into files. */
#include "payer/export/export_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

#define WRITE_BYTES ((size_t)256 * 1024) /* one write for many lines */
#define CANCEL_MASK 0xFFu                /* look whether to stop at every 256th line */

void sb_outputs_cleanup(sb_outputs *outputs)
{
    free(outputs->items);
    *outputs = (sb_outputs)SB_OUTPUTS_INIT;
}

void sb_output_name(const sb_output *output, char name[SB_JOB_FILE_NAME_MAX])
{
    (void)snprintf(name, SB_JOB_FILE_NAME_MAX, "%.64s.%03u.ndjson", output->type->name, output->number);
}

/* Where `name` stands to an output: by type, then by number, as they are sorted. */
static int compare_name(sb_str type, uint64_t number, const sb_output *output)
{
    sb_str its = sb_str_from(output->type->name);
    size_t len = SB_MIN(type.len, its.len);
    int order = len ? memcmp(type.ptr, its.ptr, len) : 0;
    if (order != 0 || type.len != its.len)
        return order ? order : (type.len > its.len) - (type.len < its.len);
    return (number > output->number) - (number < output->number);
}

const sb_output *sb_outputs_find(const sb_outputs *outputs, sb_str name)
{
    sb_str rest = name, type, digits;
    uint64_t number;
    if (!sb_str_split(&rest, '.', &type) || !sb_str_split(&rest, '.', &digits) ||
        !sb_str_to_u64(digits, UINT32_MAX, &number))
        return NULL;
    size_t low = 0, high = outputs->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const sb_output *it = &outputs->items[middle];
        int order = compare_name(type, number, it);
        if (order == 0) {
            char its[SB_JOB_FILE_NAME_MAX];
            sb_output_name(it, its);
            return sb_str_eq(sb_str_from(its), name) ? it : NULL; /* "Patient.0.ndjson" is not its name */
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* One type at work. */
typedef struct writer {
    const sb_plan *plan;
    const sb_data_type *type;
    const char *dir;
    uint64_t file_bytes;
    sb_output_progress *progress;
    sb_outputs *outputs;
    sb_output file; /* in progress; resources is 0 when there is none */
    unsigned next_number;
    int fd;
    char *path;
    sb_buf text; /* not yet written to it */
    sb_buf cut;
    unsigned lines;
} writer;

static void writer_cleanup(writer *w)
{
    sb_fd_cleanup(&w->fd);
    sb_charp_cleanup(&w->path);
    sb_buf_cleanup(&w->text);
    sb_buf_cleanup(&w->cut);
}

static sb_status add_output(sb_outputs *outputs, const sb_output *output, sb_error *err)
{
    if (outputs->count == outputs->cap) {
        size_t cap = outputs->cap ? outputs->cap * 2 : 16;
        sb_output *items = reallocarray(outputs->items, cap, sizeof(*items));
        if (!items)
            return sb_error_nomem(err);
        outputs->items = items;
        outputs->cap = cap;
    }
    outputs->items[outputs->count++] = *output;
    return SB_OK;
}

static sb_status flush(writer *w, sb_error *err)
{
    if (w->text.len > 0)
        SB_TRY(sb_file_write_all(w->fd, w->path, sb_buf_str(&w->text), err));
    sb_buf_clear(&w->text);
    return SB_OK;
}

static sb_status begin_file(writer *w, sb_error *err)
{
    char name[SB_JOB_FILE_NAME_MAX];
    w->file = (sb_output){.type = w->type, .number = w->next_number++};
    sb_output_name(&w->file, name);
    w->path = sb_path_join(w->dir, name);
    if (!w->path)
        return sb_error_nomem(err);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return w->fd >= 0 ? SB_OK : sb_error_errno(err, "an export file could not be created", w->path, errno);
}

static sb_status end_file(writer *w, sb_error *err)
{
    if (w->file.resources == 0)
        return SB_OK;
    SB_TRY(flush(w, err));
    sb_fd_cleanup(&w->fd);
    sb_charp_cleanup(&w->path);
    sb_output done = w->file;
    w->file.resources = 0;
    return add_output(w->outputs, &done, err);
}

static sb_status take_line(void *context, const sb_data_line *line, sb_error *err)
{
    writer *w = context;
    if ((++w->lines & CANCEL_MASK) == 0 && atomic_load_explicit(&w->progress->cancel, memory_order_relaxed))
        return sb_error_set(err, SB_E_INTERRUPTED, "the export was stopped", "it was cancelled", NULL);
    atomic_fetch_add_explicit(&w->progress->done, line->json.len + 1, memory_order_relaxed);
    if (!sb_plan_wants(w->plan, w->type, line))
        return SB_OK;
    sb_str text = line->json;
    if (sb_plan_cuts(w->plan, w->type)) {
        sb_buf_clear(&w->cut);
        if (!sb_plan_cut(w->plan, w->type, line->json, &w->cut))
            return sb_error_nomem(err);
        text = sb_buf_str(&w->cut);
    }
    if (w->file.resources > 0 && w->file.bytes + text.len + 1 > w->file_bytes)
        SB_TRY(end_file(w, err));
    if (w->file.resources == 0)
        SB_TRY(begin_file(w, err));
    if (!sb_buf_add_str(&w->text, text) || !sb_buf_add_char(&w->text, '\n'))
        return sb_error_nomem(err);
    w->file.resources++;
    w->file.bytes += text.len + 1;
    return w->text.len < WRITE_BYTES ? SB_OK : flush(w, err);
}

static sb_status write_part(writer *w, const sb_data *data, size_t index, sb_error *err)
{
    const sb_data_part *part = &w->type->parts[index];
    switch (sb_plan_part_use(w->plan, w->type, index)) {
    case SB_PART_SKIP:
        return SB_OK;
    case SB_PART_SCAN:
        return sb_data_scan(data, w->type, index, take_line, w, err);
    case SB_PART_WHOLE:
        break;
    }
    SB_TRY(end_file(w, err)); /* what was scanned before keeps its place before it */
    sb_output whole = {.type = w->type,
                       .number = w->next_number++,
                       .source = true,
                       .part = index,
                       .resources = part->resources,
                       .bytes = part->bytes};
    return add_output(w->outputs, &whole, err);
}

static sb_status write_type(writer *w, const sb_data *data, sb_error *err)
{
    for (size_t i = 0; i < w->type->part_count; i++) {
        if (atomic_load_explicit(&w->progress->cancel, memory_order_relaxed))
            return sb_error_set(err, SB_E_INTERRUPTED, "the export was stopped", "it was cancelled", NULL);
        SB_TRY(write_part(w, data, i, err));
    }
    return end_file(w, err);
}

static uint64_t bytes_to_scan(const sb_plan *plan)
{
    uint64_t total = 0;
    for (size_t i = 0; i < sb_plan_type_count(plan); i++) {
        const sb_data_type *type = sb_plan_type(plan, i);
        for (size_t j = 0; j < type->part_count; j++)
            total += sb_plan_part_use(plan, type, j) == SB_PART_SCAN ? type->parts[j].bytes : 0;
    }
    return total;
}

sb_status sb_outputs_write(const sb_plan *plan, const sb_data *data, const char *dir, uint64_t file_bytes,
                           sb_output_progress *progress, sb_outputs *out, sb_error *err)
{
    atomic_store_explicit(&progress->total, bytes_to_scan(plan), memory_order_relaxed);
    for (size_t i = 0; i < sb_plan_type_count(plan); i++) {
        SB_AUTO(writer)
        w = {.plan = plan,
             .type = sb_plan_type(plan, i),
             .dir = dir,
             .file_bytes = file_bytes,
             .progress = progress,
             .outputs = out,
             .fd = -1};
        SB_TRY(write_type(&w, data, err));
    }
    return SB_OK;
}
