/* SPDX-License-Identifier: Apache-2.0 */
/* data_ndjson.c - a folder of NDJSON files as a data source.
 *
 * One pass at the start checks every line and keeps a few numbers a file; nothing is kept of a line. A scan reads the
 * file again. A file that changes after the start is noticed by its size, time and inode, and no longer served: hashes
 * and counts that were promised would be wrong. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "payer/data/checked_lines.h"
#include "payer/data/data.h"
#include "payer/data/line.h"
#include "payer/data/line_reader.h"

#define FILES_MAX 1000000 /* more would not fit a manifest that anybody reads */

/* What tells that a file is still the one that was indexed. */
typedef struct identity {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec modified;
} identity;

typedef struct ndjson_file {
    char *path;
    char *name;
    char type[SB_DATA_ID_MAX + 1]; /* "" when the file holds no resource */
    identity identity;
    sb_data_part part;
} ndjson_file;

typedef struct ndjson_folder {
    ndjson_file *files; /* by type, then by name */
    size_t file_count;
    sb_data_part *parts; /* of files[i]: what the types point into */
    sb_data_type *types;
    size_t type_count;
} ndjson_folder;

static void folder_free(void *impl)
{
    ndjson_folder *folder = impl;
    for (size_t i = 0; i < folder->file_count; i++) {
        free(folder->files[i].path);
        free(folder->files[i].name);
    }
    free(folder->files);
    free(folder->parts);
    free(folder->types);
    free(folder);
}

static void folder_freep(ndjson_folder **folder)
{
    if (*folder)
        folder_free(*folder);
}

/* Listing */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const ndjson_file *)a)->name, ((const ndjson_file *)b)->name);
}

static int compare_types(const void *a, const void *b)
{
    int order = strcmp(((const ndjson_file *)a)->type, ((const ndjson_file *)b)->type);
    return order ? order : compare_names(a, b);
}

static sb_status add_file(ndjson_folder *folder, size_t *cap, const char *dir, const char *name, sb_error *err)
{
    if (folder->file_count == FILES_MAX)
        return sb_error_set(err, SB_E_USAGE, "the data folder holds too many files", "%s holds more than %d", NULL, dir,
                            FILES_MAX);
    if (folder->file_count == *cap) {
        size_t more = *cap ? *cap * 2 : 16;
        ndjson_file *files = reallocarray(folder->files, more, sizeof(*files));
        if (!files)
            return sb_error_nomem(err);
        folder->files = files;
        *cap = more;
    }
    ndjson_file file = {.path = sb_path_join(dir, name), .name = sb_str_dup(sb_str_from(name))};
    folder->files[folder->file_count++] = file; /* counted, so that it is freed */
    return file.path && file.name ? SB_OK : sb_error_nomem(err);
}

static sb_status list_files(ndjson_folder *folder, const char *dir, sb_error *err)
{
    DIR *listing = opendir(dir);
    if (!listing) {
        int errnum = errno;
        sb_error_errno(err, "the data folder could not be opened", dir, errnum);
        return SB_E_IO;
    }
    sb_status status = SB_OK;
    size_t cap = 0;
    while (status == SB_OK) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (!entry) {
            if (errno != 0)
                status = sb_error_errno(err, "the data folder could not be read", dir, errno);
            break;
        }
        sb_str name = sb_str_from(entry->d_name);
        if (name.ptr[0] != '.' && sb_str_ends_with(name, SB_STR_LIT(".ndjson")))
            status = add_file(folder, &cap, dir, entry->d_name, err);
    }
    (void)closedir(listing);
    if (status == SB_OK && folder->file_count == 0)
        return sb_error_set(err, SB_E_USAGE, "there is no data to serve", "%s holds no file that ends in .ndjson",
                            "give a folder of NDJSON files, one resource type a file", dir);
    if (status == SB_OK)
        qsort(folder->files, folder->file_count, sizeof(*folder->files), compare_names);
    return status;
}

/* Indexing */

typedef struct indexer {
    ndjson_file *file;
    sb_line_space space;
} indexer;

static sb_status refuse_line(const ndjson_file *file, uint64_t line, const char *why, sb_error *err)
{
    return sb_error_set(err, SB_E_INVALID, "the data folder holds a line that cannot be served", "%s line %llu: %s",
                        "mend or remove that line, or move the file out of the folder", file->path,
                        (unsigned long long)line, why);
}

static void count_line(sb_data_part *part, const sb_data_line *line)
{
    part->resources++;
    if (line->updated_us == SB_UPDATED_NONE) {
        part->all_dated = false;
        return;
    }
    part->newest_us = SB_MAX(part->newest_us, line->updated_us);
    part->oldest_us = part->oldest_us == SB_UPDATED_NONE ? line->updated_us : SB_MIN(part->oldest_us, line->updated_us);
}

static sb_status index_line(void *impl, uint64_t number, sb_str content, sb_error *err)
{
    indexer *ix = impl;
    ndjson_file *file = ix->file;
    sb_data_line line;
    sb_str type;
    sb_error reason = SB_ERROR_INIT;
    if (sb_line_read(content, &ix->space, &type, &line, &reason) != SB_OK)
        return refuse_line(file, number, reason.why, err);
    if (file->type[0] == '\0')
        memcpy(file->type, type.ptr, type.len); /* the space it was read into is smaller */
    if (!sb_str_eq(type, sb_str_from(file->type))) {
        char why[SB_DATA_ID_MAX * 2 + 64];
        (void)snprintf(why, sizeof(why), "it is a %.*s, and the lines before it are each a %s", (int)type.len, type.ptr,
                       file->type);
        return refuse_line(file, number, why, err);
    }
    count_line(&file->part, &line);
    return SB_OK;
}

static sb_status index_bad_line(void *impl, uint64_t number, const char *why, sb_error *err)
{
    return refuse_line(((const indexer *)impl)->file, number, why, err);
}

static identity identity_of(const struct stat *st)
{
    return (identity){st->st_dev, st->st_ino, st->st_size, st->st_mtim};
}

static bool identity_eq(const identity *a, const identity *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec;
}

static sb_status index_file(ndjson_file *file, sb_error *err)
{
    SB_AUTOFD fd = -1;
    struct stat st;
    SB_TRY(sb_open_regular(file->path, &fd, &st, err));
    file->identity = identity_of(&st);
    file->part = (sb_data_part){.name = file->name,
                                .bytes = (uint64_t)st.st_size,
                                .modified_s = st.st_mtim.tv_sec,
                                .oldest_us = SB_UPDATED_NONE,
                                .newest_us = SB_UPDATED_NONE,
                                .all_dated = true,
                                .is_file = true};
    indexer ix = {.file = file};
    sb_checked_visitor visitor = {index_line, index_bad_line, &ix};
    unsigned long checksum;
    SB_TRY(sb_checked_lines(fd, file->path, &visitor, &checksum, err));
    /* from the content, so that copies on several machines agree; and the time, which real changes move */
    (void)snprintf(file->part.etag, sizeof(file->part.etag), "%llx-%llx-%08lx", (unsigned long long)st.st_size,
                   (unsigned long long)st.st_mtim.tv_sec * 1000000000ull + (unsigned long long)st.st_mtim.tv_nsec,
                   checksum);
    return SB_OK;
}

/* Files without any resource have no type and nothing to give. */
static void drop_empty(ndjson_folder *folder)
{
    size_t kept = 0;
    for (size_t i = 0; i < folder->file_count; i++) {
        ndjson_file *file = &folder->files[i];
        if (file->part.resources > 0) {
            folder->files[kept++] = *file;
            continue;
        }
        sb_log_warn("%s holds no resource and is not served", file->path);
        free(file->path);
        free(file->name);
    }
    folder->file_count = kept;
}

static sb_status group_by_type(ndjson_folder *folder, sb_error *err)
{
    drop_empty(folder);
    if (folder->file_count > 0)
        qsort(folder->files, folder->file_count, sizeof(*folder->files), compare_types);
    folder->parts = calloc(folder->file_count + 1, sizeof(*folder->parts));
    folder->types = calloc(SB_DATA_TYPES_MAX, sizeof(*folder->types));
    if (!folder->parts || !folder->types)
        return sb_error_nomem(err);
    sb_data_type *type = NULL;
    for (size_t i = 0; i < folder->file_count; i++) {
        const ndjson_file *file = &folder->files[i];
        folder->parts[i] = file->part;
        if (!type || strcmp(type->name, file->type) != 0) {
            if (folder->type_count == SB_DATA_TYPES_MAX)
                return refuse_line(file, 1, "the folder holds more resource types than FHIR has", err);
            type = &folder->types[folder->type_count++];
            *type = (sb_data_type){.name = file->type,
                                   .in_compartment = sb_data_type_in_compartment(sb_str_from(file->type)),
                                   .parts = &folder->parts[i]};
        }
        type->part_count++;
        type->resources += file->part.resources;
    }
    return SB_OK;
}

/* Serving */

static const sb_data_type *folder_types(void *impl, size_t *count)
{
    const ndjson_folder *folder = impl;
    *count = folder->type_count;
    return folder->types;
}

static sb_status folder_open(void *impl, const sb_data_type *type, size_t part, int *out, sb_error *err)
{
    const ndjson_folder *folder = impl;
    const ndjson_file *file = &folder->files[(size_t)(type->parts - folder->parts) + part];
    SB_AUTOFD fd = -1;
    struct stat st;
    SB_TRY(sb_open_regular(file->path, &fd, &st, err));
    identity now = identity_of(&st);
    if (!identity_eq(&now, &file->identity))
        return sb_error_set(err, SB_E_IO, "a data file has changed since the start", "%s is not the file it was",
                            "start the server again to serve the new one", file->path);
    *out = fd;
    fd = -1;
    return SB_OK;
}

static sb_status folder_scan(void *impl, const sb_data_type *type, size_t part, sb_data_visit *visit, void *context,
                             sb_error *err)
{
    SB_AUTOFD fd = -1;
    SB_TRY(folder_open(impl, type, part, &fd, err));
    SB_AUTO(sb_line_reader) reader;
    sb_line_reader_init(&reader, fd, type->parts[part].name);
    reader.sums = false; /* it was summed when it was indexed */
    sb_line_space space;
    for (;;) {
        sb_str line;
        bool more;
        SB_TRY(sb_line_reader_next(&reader, &line, &more, err));
        if (!more)
            return SB_OK;
        sb_str content = sb_line_reader_content(&reader, line);
        if (content.len == 0)
            continue;
        sb_data_line resource;
        sb_str type_name;
        SB_TRY(sb_line_read(content, &space, &type_name, &resource, err));
        SB_TRY(visit(context, &resource, err));
    }
}

sb_status sb_data_ndjson_open(const char *dir, sb_data **out, sb_error *err)
{
    static const sb_data_ops ops = {folder_types, folder_scan, folder_open, folder_free};
    __attribute__((cleanup(folder_freep))) ndjson_folder *folder = calloc(1, sizeof(*folder));
    if (!folder)
        return sb_error_nomem(err);
    SB_TRY(list_files(folder, dir, err));
    for (size_t i = 0; i < folder->file_count; i++)
        SB_TRY(index_file(&folder->files[i], err));
    SB_TRY(group_by_type(folder, err));
    if (folder->file_count == 0)
        return sb_error_set(err, SB_E_USAGE, "there is no data to serve", "the .ndjson files in %s are all empty",
                            "give a folder of NDJSON files, one resource type a file", dir);
    ndjson_folder *impl = folder;
    folder = NULL; /* the source owns it now, also when it cannot be made */
    return sb_data_new(&ops, impl, out, err);
}
