/* SPDX-License-Identifier: Apache-2.0 */
/* content.c - see content.h.
 *
 *   feed ──► (gunzip) ──► digest ──► SHA-256, NDJSON validator, head ──► part
 *   reread ───────────────► digest                                      (it is on disk already)             FILE-02 */
#include "export/content.h"

#include <stdio.h>

#include "export/download_names.h"

#define REREAD_STEP ((size_t)256 * 1024) /* the part's own buffer, idle meanwhile */

sb_status sb_content_init(sb_content *content, sb_folder *folder, uint64_t max_line_bytes, sb_error *err)
{
    *content = (sb_content){.folder = folder, .max_line_bytes = max_line_bytes, .part = SB_PART_INIT};
    content->bad.part = (sb_part)SB_PART_INIT;
    content->head.max = SB_CONTENT_HEAD;
    content->hash = EVP_MD_CTX_new();
    if (!content->hash)
        return sb_error_nomem(err);
    /* the algorithm is looked up once; for each file it is only begun again */
    SB_TRY(sb_sha256_begin(content->hash, err));
    return sb_ndjson_new(NULL, &content->ndjson, err);
}

void sb_content_cleanup(sb_content *content)
{
    sb_part_cleanup(&content->part);
    sb_part_cleanup(&content->bad.part);
    sb_ndjson_free(content->ndjson);
    EVP_MD_CTX_free(content->hash);
    sb_gunzip_free(content->gunzip);
    sb_buf_cleanup(&content->head);
    content->ndjson = NULL;
    content->hash = NULL;
    content->gunzip = NULL;
    content->file = NULL;
}

static void on_bad_line(void *impl, const sb_ndjson_bad_line *bad)
{
    sb_content *content = impl;
    if (content->status == SB_OK)
        content->status = sb_bad_lines_add(&content->bad, bad, content->err);
}

sb_ndjson_options sb_content_rules(const sb_journal_file *file, uint64_t max_line_bytes)
{
    const char *type = file->type[0] && !file->any_type ? file->type : NULL;
    if (file->kind == SB_FILE_DELETED)
        type = "Bundle";
    if (file->kind == SB_FILE_ERROR)
        type = "OperationOutcome";
    return (sb_ndjson_options){.resource_type = type,
                               .require_id = file->kind == SB_FILE_OUTPUT,
                               .require_deletes = file->kind == SB_FILE_DELETED,
                               .max_line = (size_t)max_line_bytes};
}

static sb_status begin_judging(sb_content *content, sb_error *err)
{
    const sb_journal_file *file = content->file;
    sb_ndjson_options options = sb_content_rules(file, content->max_line_bytes);
    options.on_bad_line = on_bad_line;
    options.impl = content;
    sb_bad_lines_discard(&content->bad);
    sb_bad_lines_begin(&content->bad, content->folder, file->id);
    sb_buf_clear(&content->head);
    content->status = SB_OK;
    atomic_store_explicit(&content->bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&content->resources, 0, memory_order_relaxed);
    SB_TRY(sb_sha256_again(content->hash, err));
    return sb_ndjson_reset(content->ndjson, &options, err);
}

sb_status sb_content_begin(sb_content *content, const sb_journal_file *file, uint64_t keep, sb_error *err)
{
    char name[SB_PART_NAME_SIZE];
    content->file = file;
    content->gzip = false;
    sb_name_of_part(file->id, name);
    SB_TRY(begin_judging(content, err));
    return sb_part_open(&content->part, content->folder, name, keep, err);
}

static sb_status digest(sb_content *content, sb_str bytes, sb_error *err)
{
    sb_ndjson_counts counts;
    size_t room = SB_CONTENT_HEAD - content->head.len;
    if (room > 0 && !sb_buf_add(&content->head, bytes.ptr, SB_MIN(room, bytes.len)))
        return sb_error_nomem(err);
    SB_TRY(sb_sha256_add(content->hash, bytes, err));
    content->err = err;
    sb_ndjson_feed(content->ndjson, bytes.ptr, bytes.len);
    sb_ndjson_so_far(content->ndjson, &counts);
    atomic_store_explicit(&content->bytes, counts.bytes, memory_order_relaxed);
    atomic_store_explicit(&content->resources, counts.resources, memory_order_relaxed);
    return content->status;
}

sb_status sb_content_reread(sb_content *content, bool *more, sb_error *err)
{
    uint64_t done = atomic_load_explicit(&content->bytes, memory_order_relaxed), left = content->part.size - done;
    size_t n = 0;
    if (left > 0)
        SB_TRY(sb_part_read(&content->part, done, content->part.buffer, (size_t)SB_MIN(left, (uint64_t)REREAD_STEP), &n,
                            err));
    if (left > 0 && n == 0)
        return sb_error_set(err, SB_E_NOT_FOUND, "a part is shorter than it was", "%s", "resume once more",
                            content->part.name);
    SB_TRY(digest(content, (sb_str){content->part.buffer, n}, err));
    *more = left > n;
    return SB_OK;
}

sb_status sb_content_restart(sb_content *content, bool gzip, sb_error *err)
{
    if (gzip && !content->gunzip)
        SB_TRY(sb_gunzip_new(&content->gunzip, err));
    if (gzip)
        sb_gunzip_reset(content->gunzip);
    content->gzip = gzip;
    if (atomic_load_explicit(&content->bytes, memory_order_relaxed) == 0 && content->part.size == 0)
        return SB_OK; /* it is as it was begun */
    SB_TRY(begin_judging(content, err));
    return sb_part_restart(&content->part, err);
}

static sb_status take_decoded(void *impl, sb_str bytes, sb_error *err)
{
    sb_content *content = impl;
    SB_TRY(digest(content, bytes, err));
    return sb_part_add(&content->part, bytes, err);
}

sb_status sb_content_feed(sb_content *content, sb_str bytes, sb_error *err)
{
    if (content->gzip)
        return sb_gunzip_feed(content->gunzip, bytes, take_decoded, content, err);
    return take_decoded(content, bytes, err);
}

sb_status sb_content_finish(sb_content *content, sb_ndjson_counts *counts, char sha256[SB_SHA256_HEX_SIZE],
                            sb_error *err)
{
    if (content->gzip)
        SB_TRY(sb_gunzip_finish(content->gunzip, err));
    content->err = err;
    sb_ndjson_finish(content->ndjson, counts);
    SB_TRY(content->status);
    atomic_store_explicit(&content->resources, counts->resources, memory_order_relaxed);
    SB_TRY(sb_sha256_finish(content->hash, sha256, err));
    SB_TRY(sb_bad_lines_finish(&content->bad, err));
    return sb_part_flush(&content->part, err);
}

void sb_content_discard(sb_content *content)
{
    sb_part_discard(&content->part);
    sb_bad_lines_discard(&content->bad);
    content->file = NULL;
}

void sb_content_release(sb_content *content, int *part_fd, int *list_fd)
{
    sb_part_release(&content->part, part_fd);
    sb_part_release(&content->bad.part, list_fd);
    content->file = NULL;
}
