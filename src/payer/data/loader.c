/* SPDX-License-Identifier: Apache-2.0 */
/* loader.c - a walk over a file, a piece of it a transaction. */
#include "payer/data/loader.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "payer/data/checked_lines.h"
#include "payer/data/data_table.h"
#include "payer/data/fhir_types.h"
#include "payer/data/line.h"
#include "payer/data/line_reader.h"
#include "payer/data/roster_db.h"

/* A transaction holds SQLite's only write lock, which tokens wait for: some ten milliseconds of work at most. */
#define PIECE_LINES 1000
#define PIECE_BYTES ((size_t)4 * 1024 * 1024)

typedef struct walk {
    const sb_loader *loader;
    sb_load_kind kind;
    const char *path;
    sb_tx tx;
    size_t lines, bytes; /* in this piece */
    sb_line_space space;
} walk;

/* Pieces */

static sb_status piece_begin(walk *w, sb_error *err)
{
    return w->tx.db ? SB_OK : sb_tx_begin(&w->tx, w->loader->db, err);
}

static sb_status piece_end(walk *w, sb_error *err)
{
    const sb_loader *l = w->loader;
    if (w->tx.db)
        SB_TRY(sb_tx_commit(&w->tx, err));
    w->lines = w->bytes = 0;
    if (l->on_progress && !l->on_progress(l->impl, l->counts))
        return sb_error_set(err, SB_E_INTERRUPTED, "the loading was stopped", "it was asked to",
                            "load again: what is there already is not harmed");
    return SB_OK;
}

static sb_status bad_line(void *impl, uint64_t number, const char *why, sb_error *err)
{
    const walk *w = impl;
    const sb_loader *l = w->loader;
    if (l->db) /* it was good when it was checked */
        return sb_error_set(err, SB_E_INVALID, "a line cannot be loaded", "%s line %llu: %s",
                            "leave the files alone while they are loaded, and load again", w->path,
                            (unsigned long long)number, why);
    l->counts->bad_lines++;
    if (l->on_bad_line)
        l->on_bad_line(l->impl, w->path, number, why);
    return SB_OK;
}

static sb_status line_done(walk *w, size_t bytes, sb_error *err)
{
    w->lines++;
    w->bytes += bytes;
    w->loader->counts->bytes += bytes + 1;
    return w->lines >= PIECE_LINES || w->bytes >= PIECE_BYTES ? piece_end(w, err) : SB_OK;
}

/* What a line is */

static sb_status do_resource(walk *w, uint64_t number, sb_str content, sb_error *err)
{
    sb_load_counts *counts = w->loader->counts;
    sb_data_line line;
    sb_str type;
    sb_error reason = SB_ERROR_INIT;
    bool is_new;
    if (sb_line_read(content, &w->space, &type, &line, &reason) != SB_OK)
        return bad_line(w, number, reason.why, err);
    if (!sb_fhir_type_known(type))
        return bad_line(w, number, "its resourceType is none of FHIR R4", err);
    if (!w->loader->db)
        return SB_OK;
    SB_TRY(piece_begin(w, err));
    SB_TRY(sb_table_put(w->loader->db, type, &line, &is_new, err));
    *(is_new ? &counts->added : &counts->replaced) += 1;
    return SB_OK;
}

static sb_status put_roster(walk *w, const json_t *group, sb_error *err)
{
    const sb_loader *l = w->loader;
    uint64_t members = json_array_size(json_object_get(group, "member"));
    SB_TRY(piece_begin(w, err));
    SB_TRY(sb_roster_put(l->db, group, l->now_s, err));
    if (l->on_roster)
        SB_TRY(l->on_roster(l->on_roster_impl, sb_json_str(group, "id"), members, err));
    l->counts->rosters++;
    l->counts->members += members;
    return piece_end(w, err);
}

static sb_status do_roster(walk *w, uint64_t number, sb_str content, sb_error *err)
{
    SB_AUTOJSON group = NULL;
    sb_error reason = SB_ERROR_INIT;
    sb_status status = sb_json_parse_object(content, "the group", &group, &reason);
    if (status == SB_OK)
        status = sb_roster_check(group, &reason);
    if (status == SB_E_INVALID)
        return bad_line(w, number, reason.why, err);
    if (status != SB_OK)
        return sb_error_nomem(err);
    return w->loader->db ? put_roster(w, group, err) : SB_OK;
}

static sb_status do_deletion(walk *w, uint64_t number, sb_str content, sb_error *err)
{
    const sb_loader *l = w->loader;
    sb_str id = content, type;
    bool there = false;
    if (!memchr(content.ptr, '/', content.len) || !sb_str_split(&id, '/', &type) || !sb_fhir_type_known(type) ||
        id.len == 0 || id.len > SB_DATA_ID_MAX || memchr(id.ptr, '/', id.len) || !sb_str_is_text(id))
        return bad_line(w, number, "it is not a type and an id, such as Patient/123", err);
    if (!l->db)
        return SB_OK;
    SB_TRY(piece_begin(w, err));
    SB_TRY(sb_table_delete(l->db, type, id, l->now_s * 1000000, &there, err));
    l->counts->deleted += there;
    return SB_OK;
}

static sb_status do_patient(walk *w, uint64_t number, sb_str content, sb_error *err)
{
    const sb_loader *l = w->loader;
    static const sb_str mark = SB_STR_LIT("Patient/");
    sb_str id = sb_str_starts_with(content, mark) ? (sb_str){content.ptr + mark.len, content.len - mark.len} : content;
    if (id.len == 0 || id.len > SB_DATA_ID_MAX || memchr(id.ptr, '/', id.len) || !sb_str_is_text(id))
        return bad_line(w, number, "it is not a patient's id, such as Patient/123", err);
    if (!l->db)
        return SB_OK;
    SB_TRY(piece_begin(w, err));
    if (w->kind == SB_LOAD_OPT_OUTS) {
        SB_TRY(sb_opt_out_add(l->db, id, l->now_s, err));
        l->counts->opted_out++;
        return SB_OK;
    }
    sb_status status = sb_opt_out_remove(l->db, id, err);
    l->counts->opted_in += status == SB_OK;
    return status == SB_E_NOT_FOUND ? SB_OK : status; /* who did not say no need not take it back */
}

static sb_status visit(void *impl, uint64_t number, sb_str content, sb_error *err)
{
    walk *w = impl;
    sb_status (*const does[])(walk *, uint64_t, sb_str, sb_error *) = {[SB_LOAD_RESOURCES] = do_resource,
                                                                       [SB_LOAD_ROSTERS] = do_roster,
                                                                       [SB_LOAD_DELETIONS] = do_deletion,
                                                                       [SB_LOAD_OPT_OUTS] = do_patient,
                                                                       [SB_LOAD_OPT_INS] = do_patient};
    SB_TRY(does[w->kind](w, number, content, err));
    return line_done(w, content.len, err);
}

/* Files */

static sb_status plain_lines(walk *w, int fd, sb_error *err)
{
    SB_AUTO(sb_line_reader) reader;
    sb_line_reader_init(&reader, fd, w->path);
    reader.sums = false;
    for (;;) {
        sb_str line;
        bool more;
        SB_TRY(sb_line_reader_next(&reader, &line, &more, err));
        if (!more)
            return SB_OK;
        sb_str content = sb_line_reader_content(&reader, line);
        if (content.len > 0)
            SB_TRY(visit(w, reader.line, content, err));
    }
}

static void walk_cleanup(walk *w)
{
    sb_tx_cleanup(&w->tx);
}

sb_status sb_loader_file(const sb_loader *loader, sb_load_kind kind, const char *path, sb_error *err)
{
    SB_AUTO(walk) w = {.loader = loader, .kind = kind, .path = path};
    SB_AUTOFD fd = -1;
    struct stat st;
    sb_checked_visitor visitor = {visit, bad_line, &w};
    SB_TRY(sb_open_regular(path, &fd, &st, err));
    if (kind == SB_LOAD_RESOURCES || kind == SB_LOAD_ROSTERS)
        SB_TRY(sb_checked_lines(fd, path, &visitor, NULL, err));
    else
        SB_TRY(plain_lines(&w, fd, err));
    return piece_end(&w, err);
}

#define EXPORT_MARK ".smartbulk" /* what `smartbulk export` made holds this, and … */
#define EXPORT_LOG  "log.ndjson" /* … this beside the resources */

static int is_ndjson(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && sb_str_ends_with(sb_str_from(entry->d_name), SB_STR_LIT(".ndjson"));
}

static bool is_export(const char *dir)
{
    SB_AUTOFREE mark = sb_path_join(dir, EXPORT_MARK);
    return mark && access(mark, F_OK) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

sb_status sb_loader_folder(const sb_loader *loader, const char *dir, sb_error *err)
{
    struct dirent **names = NULL;
    sb_status status = SB_OK;
    bool exported = is_export(dir);
    int count = scandir(dir, &names, is_ndjson, by_name);
    if (count < 0)
        return sb_error_errno(err, "the data folder could not be opened", dir, errno);
    if (count == 0)
        status = sb_error_set(err, SB_E_USAGE, "there is no data to load", "%s holds no file that ends in .ndjson",
                              "give a folder of NDJSON files", dir);
    for (int i = 0; status == SB_OK && i < count; i++) {
        if (exported && strcmp(names[i]->d_name, EXPORT_LOG) == 0)
            continue;
        SB_AUTOFREE path = sb_path_join(dir, names[i]->d_name);
        status = path ? sb_loader_file(loader, SB_LOAD_RESOURCES, path, err) : sb_error_nomem(err);
    }
    free_names(names, count);
    return status;
}
