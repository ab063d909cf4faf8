/* SPDX-License-Identifier: Apache-2.0 */
/* data_table.c - resources in a database. What a line must be known for lies in columns beside its text, so that nothing
 * is parsed again. */
#include "payer/data/data_table.h"

#include "payer/data/fhir_types.h"
#include "payer/data/line_patients.h"

/* What one piece of a scan holds in memory, or one resource. A round trip for less would cost more than it carries. */
#define PIECE_BYTES ((size_t)4 * 1024 * 1024)
#define FIRST_ROWS  64 /* of the first piece: later ones take as many as a piece holds by the measure of the last */

typedef struct table {
    sb_pool *pool;
    sb_data_part *parts; /* of types[i] */
    sb_data_type *types;
    size_t type_count;
} table;

static void table_free(void *impl)
{
    table *t = impl;
    free(t->parts);
    free(t->types);
    free(t);
}

static const sb_data_type *table_types(void *impl, size_t *count)
{
    const table *t = impl;
    *count = t->type_count;
    return t->types;
}

/* Scanning */

typedef struct row {
    size_t at;                /* in the piece's bytes: id, patient, json, one after the other */
    size_t id, patient, json; /* their lengths */
    int64_t updated_us;
} row;

typedef struct piece {
    sb_buf bytes;
    row *rows;
    size_t count, cap;
} piece;

static void piece_cleanup(piece *p)
{
    sb_buf_cleanup(&p->bytes);
    free(p->rows);
}

static sb_status piece_add(piece *p, const sb_stmt *stmt, sb_error *err)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        row *rows = reallocarray(p->rows, cap, sizeof(*rows));
        if (!rows)
            return sb_error_nomem(err);
        p->rows = rows;
        p->cap = cap;
    }
    sb_str id = sb_stmt_str(stmt, 0), patient = sb_stmt_str(stmt, 1), json = sb_stmt_str(stmt, 3);
    p->rows[p->count] = (row){p->bytes.len, id.len, patient.len, json.len, sb_stmt_i64(stmt, 2)};
    if (!sb_buf_add_str(&p->bytes, id) || !sb_buf_add_str(&p->bytes, patient) || !sb_buf_add_str(&p->bytes, json))
        return sb_error_nomem(err);
    p->count++;
    return SB_OK;
}

#define COLUMNS "id, patient, updated_us, json"

/* PostgreSQL sends all rows of an answer at once, so it is asked for no more than a piece; SQLite is stopped at one. */
static const char sqlite_piece[] = "SELECT " COLUMNS " FROM resources WHERE type = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
static const char postgres_piece[] =
    "SELECT " COLUMNS " FROM (SELECT " COLUMNS ", sum(octet_length(json)) OVER (ORDER BY id) - octet_length(json)"
    " AS before FROM (SELECT " COLUMNS " FROM resources WHERE type = ?1 AND id > ?2 ORDER BY id LIMIT ?3) AS next)"
    " AS counted WHERE before < ?4 ORDER BY id";

static sb_status read_piece(const table *t, const char *type, sb_str after, size_t rows, piece *p, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    SB_TRY(sb_lease_take(&lease, t->pool, err));
    bool postgres = sb_db_kind_of(lease.db) == SB_DB_POSTGRESQL;
    SB_TRY(sb_db_cached(lease.db, postgres ? postgres_piece : sqlite_piece, &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, type);
    sb_stmt_bind_text(stmt, 2, after);
    sb_stmt_bind_i64(stmt, 3, (int64_t)rows);
    if (postgres)
        sb_stmt_bind_i64(stmt, 4, (int64_t)PIECE_BYTES);
    sb_status status = SB_OK;
    for (;;) {
        bool more = false;
        status = sb_stmt_step(stmt, &more, err);
        if (status != SB_OK || !more)
            break;
        status = piece_add(p, stmt, err);
        if (status != SB_OK || (!postgres && p->bytes.len >= PIECE_BYTES))
            break;
    }
    sb_stmt_reset(stmt);
    return status;
}

static sb_status visit_piece(const piece *p, sb_data_visit *visit, void *context, sb_error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        const row *r = &p->rows[i];
        const char *at = p->bytes.ptr + r->at;
        sb_data_line line = {.id = {at, r->id},
                             .patient = {at + r->id, r->patient},
                             .json = {at + r->id + r->patient, r->json},
                             .updated_us = r->updated_us};
        SB_TRY(visit(context, &line, err));
    }
    return SB_OK;
}

static sb_status table_scan(void *impl, const sb_data_type *type, size_t part, sb_data_visit *visit, void *context,
                            sb_error *err)
{
    SB_AUTO(piece) p = {.count = 0};
    SB_AUTO(sb_buf) after = SB_BUF_INIT; /* an empty id is nobody's: everything is after it */
    size_t rows = FIRST_ROWS;
    (void)part;
    if (!sb_buf_reserve(&after, SB_DATA_ID_MAX))
        return sb_error_nomem(err);
    for (;;) {
        p.count = 0;
        sb_buf_clear(&p.bytes);
        SB_TRY(read_piece(impl, type->name, (sb_str){after.ptr, after.len}, rows, &p, err));
        if (p.count == 0)
            return SB_OK;
        SB_TRY(visit_piece(&p, visit, context, err));
        rows = PIECE_BYTES / (p.bytes.len / p.count + 1) + 1;
        const row *last = &p.rows[p.count - 1];
        sb_buf_clear(&after);
        if (!sb_buf_add(&after, p.bytes.ptr + last->at, last->id))
            return sb_error_nomem(err);
    }
}

/* Deletions */

#define DELETIONS_PIECE 4096 /* some 100 bytes each */

/* One after the other in `text`: type, id, patient, others. */
typedef struct deletion_row {
    size_t at, type, id, patient, others; /* where it begins; lengths */
    int64_t deleted_us;
} deletion_row;

typedef struct deletion_piece {
    sb_buf text;
    deletion_row rows[DELETIONS_PIECE];
    size_t count;
} deletion_piece;

static sb_status add_deletion(deletion_piece *p, const sb_stmt *stmt, sb_error *err)
{
    sb_str type = sb_stmt_str(stmt, 0), id = sb_stmt_str(stmt, 1), patient = sb_stmt_str(stmt, 2),
           others = sb_stmt_str(stmt, 4);
    p->rows[p->count++] = (deletion_row){p->text.len, type.len, id.len, patient.len, others.len, sb_stmt_i64(stmt, 3)};
    bool ok = sb_buf_add_str(&p->text, type) && sb_buf_add_str(&p->text, id) && sb_buf_add_str(&p->text, patient) &&
              sb_buf_add_str(&p->text, others);
    return ok ? SB_OK : sb_error_nomem(err);
}

static sb_status read_deletions(const table *t, int64_t after_us, int64_t until_us, sb_str after_type, sb_str after_id,
                                deletion_piece *p, sb_error *err)
{
    static const char sql[] = "SELECT type, id, patient, deleted_us, others FROM deleted_resources"
                              " WHERE deleted_us > ?1 AND deleted_us <= ?2 AND (type > ?3 OR (type = ?3 AND id > ?4))"
                              " ORDER BY type, id LIMIT ?5";
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    sb_status status = SB_OK;
    SB_TRY(sb_lease_take(&lease, t->pool, err));
    SB_TRY(sb_db_cached(lease.db, sql, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, after_us);
    sb_stmt_bind_i64(stmt, 2, until_us);
    sb_stmt_bind_text(stmt, 3, after_type);
    sb_stmt_bind_text(stmt, 4, after_id);
    sb_stmt_bind_i64(stmt, 5, DELETIONS_PIECE);
    for (bool more = true; status == SB_OK;) {
        status = sb_stmt_step(stmt, &more, err);
        if (status != SB_OK || !more)
            break;
        status = add_deletion(p, stmt, err);
    }
    sb_stmt_reset(stmt);
    return status;
}

static sb_data_deletion deletion_at(const deletion_piece *p, size_t i)
{
    const deletion_row *r = &p->rows[i];
    const char *at = p->text.ptr + r->at;
    return (sb_data_deletion){.type = {at, r->type},
                              .id = {at + r->type, r->id},
                              .patient = {at + r->type + r->id, r->patient},
                              .others = {at + r->type + r->id + r->patient, r->others},
                              .deleted_us = r->deleted_us};
}

static void deletion_piece_freep(deletion_piece **p)
{
    if (*p)
        sb_buf_cleanup(&(*p)->text);
    free(*p);
}

/* In pieces, from behind the last of the one before: the visitor is given no statement that is open. */
static sb_status table_deletions(void *impl, int64_t after_us, int64_t until_us, sb_data_deletion_visit *visit,
                                 void *context, sb_error *err)
{
    __attribute__((cleanup(deletion_piece_freep))) deletion_piece *p = calloc(1, sizeof(*p));
    SB_AUTO(sb_buf) last = SB_BUF_INIT;
    size_t type_len = 0;
    if (!p || !sb_buf_reserve(&last, SB_DATA_ID_MAX))
        return sb_error_nomem(err);
    do {
        sb_str type = {last.ptr, type_len}, id = {last.ptr + type_len, last.len - type_len};
        p->count = 0;
        sb_buf_clear(&p->text);
        SB_TRY(read_deletions(impl, after_us, until_us, type, id, p, err));
        for (size_t i = 0; i < p->count; i++) {
            sb_data_deletion one = deletion_at(p, i);
            SB_TRY(visit(context, &one, err));
        }
        if (p->count > 0) {
            sb_data_deletion one = deletion_at(p, p->count - 1);
            sb_buf_clear(&last);
            if (!sb_buf_add_str(&last, one.type) || !sb_buf_add_str(&last, one.id))
                return sb_error_nomem(err);
            type_len = one.type.len;
        }
    } while (p->count == DELETIONS_PIECE);
    return SB_OK;
}

static sb_status table_open(void *impl, const sb_data_type *type, size_t part, int *fd, sb_error *err)
{
    (void)impl, (void)type, (void)part, (void)fd;
    return sb_error_set(err, SB_E_INTERNAL, "a part of the data is no file", "it is a table", "please report this");
}

sb_status sb_data_table_open(sb_pool *pool, sb_data **out, sb_error *err)
{
    static const sb_data_ops ops = {table_types, table_scan, table_open, table_free, table_deletions};
    size_t count = sb_fhir_type_count();
    table *t = calloc(1, sizeof(*t));
    if (!t)
        return sb_error_nomem(err);
    *t = (table){.pool = pool,
                 .parts = calloc(count, sizeof(*t->parts)),
                 .types = calloc(count, sizeof(*t->types)),
                 .type_count = count};
    if (!t->parts || !t->types) {
        table_free(t);
        return sb_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = sb_fhir_type_at(i);
        t->parts[i] = (sb_data_part){
            .name = "resources", .oldest_us = SB_UPDATED_NONE, .newest_us = SB_UPDATED_NONE, .all_dated = false};
        t->types[i] = (sb_data_type){.name = name,
                                     .in_compartment = sb_data_type_in_compartment(sb_str_from(name)),
                                     .parts = &t->parts[i],
                                     .part_count = 1};
    }
    return sb_data_new(&ops, t, out, err);
}

/* Changing */

static sb_status touch(sb_db *db, const char *sql, sb_str type, sb_str id, int64_t *changes, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_text(stmt, 1, type);
    sb_stmt_bind_text(stmt, 2, id);
    SB_TRY(sb_stmt_run(stmt, err));
    *changes = sb_db_changes(db);
    return SB_OK;
}

static sb_status write_row(sb_db *db, const char *sql, sb_str type, const sb_data_line *line, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_text(stmt, 1, type);
    sb_stmt_bind_text(stmt, 2, line->id);
    sb_stmt_bind_text(stmt, 3, line->patient.ptr ? line->patient : SB_STR_LIT(""));
    sb_stmt_bind_i64(stmt, 4, line->updated_us);
    sb_stmt_bind_text(stmt, 5, line->json);
    return sb_stmt_run(stmt, err);
}

sb_status sb_table_put(sb_db *db, sb_str type, const sb_data_line *line, bool *is_new, sb_error *err)
{
    static const char insert[] = "INSERT INTO resources (type, id, patient, updated_us, json)"
                                 " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (type, id) DO NOTHING";
    static const char update[] =
        "UPDATE resources SET patient = ?3, updated_us = ?4, json = ?5 WHERE type = ?1 AND id = ?2";
    static const char forget[] = "DELETE FROM deleted_resources WHERE type = ?1 AND id = ?2";
    int64_t forgotten;
    SB_TRY(write_row(db, insert, type, line, err));
    *is_new = sb_db_changes(db) > 0;
    if (!*is_new)
        return write_row(db, update, type, line, err);
    return touch(db, forget, type, line->id, &forgotten, err); /* one that is there is not among the deleted */
}

typedef struct other_search {
    sb_str first;
    sb_buf *out;
    bool ok;
} other_search;

static bool add_other(void *impl, sb_str id)
{
    other_search *s = impl;
    if (!sb_str_eq(id, s->first))
        s->ok = (s->out->len == 0 || sb_buf_add_char(s->out, '/')) && sb_buf_add_str(s->out, id);
    return s->ok;
}

/* Whom it is about besides the first: when it is gone, its text is too. */
static sb_status find_others(sb_db *db, sb_str type, sb_str id, sb_buf *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool there;
    if (!sb_line_has_many_patients(type))
        return SB_OK;
    SB_TRY(sb_db_cached(db, "SELECT patient, json FROM resources WHERE type = ?1 AND id = ?2", &stmt, err));
    sb_stmt_bind_text(stmt, 1, type);
    sb_stmt_bind_text(stmt, 2, id);
    SB_TRY(sb_stmt_step(stmt, &there, err));
    if (!there)
        return SB_OK;
    other_search s = {sb_stmt_str(stmt, 0), out, true};
    sb_line_patients(sb_stmt_str(stmt, 1), type, add_other, &s);
    sb_stmt_reset(stmt);
    return s.ok ? SB_OK : sb_error_nomem(err);
}

sb_status sb_table_delete(sb_db *db, sb_str type, sb_str id, int64_t deleted_us, bool *was_there, sb_error *err)
{
    static const char remember[] =
        "INSERT INTO deleted_resources (type, id, patient, deleted_us, others) SELECT type, id, patient, ?3, ?4"
        " FROM resources WHERE type = ?1 AND id = ?2 ON CONFLICT (type, id) DO UPDATE SET patient = excluded.patient,"
        " deleted_us = excluded.deleted_us, others = excluded.others";
    static const char take_out[] = "DELETE FROM resources WHERE type = ?1 AND id = ?2";
    SB_AUTO(sb_buf) others = SB_BUF_INIT;
    sb_stmt *stmt = NULL;
    int64_t changes;
    SB_TRY(find_others(db, type, id, &others, err));
    SB_TRY(sb_db_cached(db, remember, &stmt, err));
    sb_stmt_bind_text(stmt, 1, type);
    sb_stmt_bind_text(stmt, 2, id);
    sb_stmt_bind_i64(stmt, 3, deleted_us);
    sb_stmt_bind_text(stmt, 4, others.len > 0 ? sb_buf_str(&others) : SB_STR_LIT(""));
    SB_TRY(sb_stmt_run(stmt, err));
    SB_TRY(touch(db, take_out, type, id, &changes, err));
    *was_there = changes > 0;
    return SB_OK;
}
