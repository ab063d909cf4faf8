/* SPDX-License-Identifier: Apache-2.0 */
/* client_db.c - rows as clients, and the copy of them in memory, which is read again when the register's version in the
 * database is another. Rows that are as they were keep their client: keys are not read again because a stranger registered
 * some. A row that cannot be understood is passed over and said in the log: one damaged client must not shut all others
 * out. */
#include "payer/auth/client_db.h"

#include <pthread.h>

#include "base/log.h"
#include "jose/jwk.h"

typedef struct entry {
    sb_client *client;
    sb_digest row; /* of what it was read from */
} entry;

typedef struct list {
    entry *items; /* by id */
    size_t count, cap;
} list;

typedef struct register_db {
    sb_pool *pool;
    const sb_clock *clock;
    pthread_mutex_t lock;
    list all;
    int64_t version;  /* of what is in memory; -1: nothing yet */
    int64_t asked_ns; /* when the database's version was last asked for; INT64_MIN: ask again */
} register_db;

#define COLUMNS                                                                                                        \
    "id, state, name, contact, jwks, jwks_url, scope, profile, show_reasons, tokens_per_minute, registration_digest,"  \
    " created_s, changed_s, admission, self_changed, registered_from, epoch"

/* Rows */

static void list_cleanup(list *l)
{
    for (size_t i = 0; i < l->count; i++)
        sb_client_free(l->items[i].client);
    free(l->items);
    *l = (list){NULL, 0, 0};
}

static sb_client *look_up(const list *l, sb_str id, sb_digest *row)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        sb_str its = sb_str_from(l->items[middle].client->id);
        int order = memcmp(its.ptr, id.ptr, SB_MIN(its.len, id.len));
        if (order == 0 && its.len == id.len) {
            *row = l->items[middle].row;
            return l->items[middle].client;
        }
        if (order < 0 || (order == 0 && its.len < id.len))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static sb_status read_client(sb_stmt *row, sb_client **out, sb_error *err)
{
    SB_AUTOPTR(sb_jwks) jwks = NULL;
    sb_digest digest;
    sb_str jwks_text = sb_stmt_str(row, 4), registration = sb_stmt_str(row, 10);
    sb_client_spec spec = {.id = sb_stmt_str(row, 0).ptr,
                           .name = sb_stmt_str(row, 2).ptr,
                           .contact = sb_stmt_str(row, 3).ptr,
                           .jwks_url = sb_stmt_str(row, 5).ptr,
                           .scope = sb_stmt_str(row, 6).ptr,
                           .show_reasons = sb_stmt_i64(row, 8) != 0,
                           .tokens_per_minute = (unsigned)sb_stmt_i64(row, 9),
                           .created_s = sb_stmt_i64(row, 11),
                           .changed_s = sb_stmt_i64(row, 12),
                           .self_changed = (unsigned)sb_stmt_i64(row, 14),
                           .registered_from = sb_stmt_i64(row, 15),
                           .epoch = sb_stmt_i64(row, 16)};
    if (!sb_client_state_parse(sb_stmt_str(row, 1).ptr, &spec.state) ||
        !sb_admission_parse(sb_stmt_str(row, 13).ptr, &spec.admission) ||
        !sb_client_profile_parse(sb_stmt_str(row, 7).ptr, &spec.profile))
        return sb_error_set(err, SB_E_INVALID, "a client cannot be read",
                            "its state, admission or profile is not known", "use the smartbulk that wrote it");
    if (registration.len == sizeof(digest.bytes)) {
        memcpy(digest.bytes, registration.ptr, sizeof(digest.bytes));
        spec.registration_digest = &digest;
    }
    if (jwks_text.ptr)
        SB_TRY(sb_jwks_parse(jwks_text, &jwks, NULL, err));
    spec.jwks = jwks;
    SB_TRY(sb_client_new(&spec, out, err));
    jwks = NULL;
    return SB_OK;
}

static bool digest_row(sb_stmt *row, sb_digest *out)
{
    static const int texts[] = {0, 1, 2, 3, 4, 5, 6, 7, 10, 13},
                     numbers[] = {8, 9, 11, 12, 14, 15, 16}; /* of COLUMNS */
    SB_AUTO(sb_buf) all = SB_BUF_INIT;
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        sb_str text = sb_stmt_str(row, texts[i]);
        if (!sb_buf_printf(&all, "%c%zu:", text.ptr ? 't' : 'n', text.len) || !sb_buf_add_str(&all, text))
            return false;
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(numbers); i++) {
        if (!sb_buf_printf(&all, "%lld,", (long long)sb_stmt_i64(row, numbers[i])))
            return false;
    }
    *out = sb_digest_of(sb_buf_str(&all));
    return true;
}

/* The client that this row was and is, or one that is read from it. *out stays NULL when it cannot be understood. */
static sb_status take_row(const list *before, sb_stmt *row, entry *out, sb_error *err)
{
    sb_digest was;
    sb_error reason = SB_ERROR_INIT;
    *out = (entry){.client = NULL};
    if (!digest_row(row, &out->row))
        return sb_error_nomem(err);
    sb_client *known = look_up(before, sb_stmt_str(row, 0), &was);
    if (known && memcmp(&was, &out->row, sizeof(was)) == 0)
        out->client = sb_client_ref(known);
    else if (read_client(row, &out->client, &reason) != SB_OK)
        sb_log(SB_LOG_ERROR, "the client %s is passed over: %s", sb_stmt_str(row, 0).ptr, reason.why);
    return SB_OK;
}

static sb_status add_entry(list *l, const entry *added, sb_error *err)
{
    if (l->count == l->cap) {
        size_t wider = l->cap ? l->cap * 2 : 64;
        entry *items = reallocarray(l->items, wider, sizeof(*items));
        if (!items)
            return sb_error_nomem(err);
        l->items = items;
        l->cap = wider;
    }
    l->items[l->count++] = *added;
    return SB_OK;
}

/* ORDER BY would be by the database's collation: they are sorted here. */
static int compare_entries(const void *a, const void *b)
{
    const entry *left = a, *right = b;
    return strcmp(left->client->id, right->client->id);
}

static sb_status read_all(sb_db *db, const list *before, list *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db, "SELECT " COLUMNS " FROM clients", &stmt, err));
    for (;;) {
        entry taken;
        SB_TRY(sb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        sb_status status = take_row(before, stmt, &taken, err);
        if (status == SB_OK && taken.client)
            status = add_entry(out, &taken, err);
        if (status != SB_OK) {
            sb_client_free(taken.client);
            sb_stmt_reset(stmt);
            return status;
        }
    }
    if (out->count > 0)
        qsort(out->items, out->count, sizeof(*out->items), compare_entries);
    return SB_OK;
}

static sb_status load(register_db *r, sb_db *db, sb_error *err)
{
    list all = {NULL, 0, 0};
    sb_status status = read_all(db, &r->all, &all, err);
    list_cleanup(status == SB_OK ? &r->all : &all);
    if (status == SB_OK)
        r->all = all;
    return status;
}

static sb_status read_version(sb_db *db, int64_t *version, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db, "SELECT version FROM versions WHERE name = 'clients'", &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *version = row ? sb_stmt_i64(stmt, 0) : 0;
    sb_stmt_reset(stmt);
    return SB_OK;
}

/* Under the lock: let what is in memory be at most so old. The version is read before the rows: a change between the two
 * is loaded twice, never missed. */
static sb_status refresh(register_db *r, sb_error *err)
{
    int64_t now = r->clock->monotonic_ns(r->clock->impl), version = 0;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    if (r->version >= 0 && r->asked_ns != INT64_MIN && now - r->asked_ns < SB_CLIENT_DB_STALE_MS * SB_NS_PER_MS)
        return SB_OK;
    SB_TRY(sb_lease_take(&lease, r->pool, err));
    SB_TRY(read_version(lease.db, &version, err));
    if (version != r->version) {
        SB_TRY(load(r, lease.db, err));
        r->version = version;
    }
    r->asked_ns = now;
    return SB_OK;
}

/* Looking */

static sb_status db_find(void *impl, sb_str id, sb_client **out, sb_error *err)
{
    register_db *r = impl;
    sb_digest row;
    *out = NULL;
    (void)pthread_mutex_lock(&r->lock);
    sb_status status = refresh(r, err);
    sb_client *client = status == SB_OK ? look_up(&r->all, id, &row) : NULL;
    if (client)
        *out = sb_client_ref(client);
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

/* Newly read, and a copy of the list: visitors may change the register. */
static sb_status db_each(void *impl, sb_client_visit *visit, void *context, sb_error *err)
{
    register_db *r = impl;
    (void)pthread_mutex_lock(&r->lock);
    r->asked_ns = INT64_MIN;
    sb_status status = refresh(r, err);
    size_t count = status == SB_OK ? r->all.count : 0;
    sb_client **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++)
        copy[i] = sb_client_ref(r->all.items[i].client);
    (void)pthread_mutex_unlock(&r->lock);
    if (!copy)
        return status == SB_OK ? sb_error_nomem(err) : status;
    for (size_t i = 0; i < count; i++) {
        if (status == SB_OK)
            status = visit(context, copy[i], err);
        sb_client_free(copy[i]);
    }
    free(copy);
    return status;
}

/* Changing */

static sb_status bind_client(sb_stmt *stmt, const sb_client *client, sb_error *err)
{
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    SB_AUTOFREE jwks = client->jwks ? sb_jwks_json(client->jwks, false) : NULL;
    if (!sb_scopes_format(&client->scopes, &scope) || (client->jwks && !jwks))
        return sb_error_nomem(err);
    sb_stmt_bind_cstr(stmt, 1, client->id);
    sb_stmt_bind_cstr(stmt, 2, sb_client_state_name(client->state));
    sb_stmt_bind_cstr(stmt, 3, client->name);
    sb_stmt_bind_cstr(stmt, 4, client->contact);
    sb_stmt_bind_cstr(stmt, 5, jwks);
    sb_stmt_bind_cstr(stmt, 6, client->jwks_url);
    sb_stmt_bind_cstr(stmt, 7, sb_buf_cstr(&scope));
    sb_stmt_bind_cstr(stmt, 8, sb_client_profile_name(client->profile));
    sb_stmt_bind_i64(stmt, 9, client->show_reasons);
    sb_stmt_bind_i64(stmt, 10, client->tokens_per_minute);
    const char *digest = client->has_registration ? (const char *)client->registration_digest.bytes : NULL;
    sb_stmt_bind_blob(stmt, 11, (sb_str){digest, digest ? sizeof(client->registration_digest.bytes) : 0});
    sb_stmt_bind_i64(stmt, 12, client->created_s);
    sb_stmt_bind_i64(stmt, 13, client->changed_s);
    sb_stmt_bind_cstr(stmt, 14, sb_admission_name(client->admission));
    sb_stmt_bind_i64(stmt, 15, client->self_changed);
    sb_stmt_bind_i64(stmt, 16, client->registered_from);
    sb_stmt_bind_i64(stmt, 17, client->epoch);
    return SB_OK;
}

static sb_status count_clients(sb_db *db, int64_t *count, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db, "SELECT count(*) FROM clients", &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *count = row ? sb_stmt_i64(stmt, 0) : 0;
    sb_stmt_reset(stmt);
    return SB_OK;
}

static sb_status insert(sb_db *db, const void *subject, sb_error *err)
{
    sb_stmt *stmt = NULL;
    int64_t count = 0;
    SB_TRY(count_clients(db, &count, err));
    if (count >= SB_CLIENT_DB_MAX)
        return sb_error_set(err, SB_E_BUSY, "the client cannot be registered",
                            "there are as many clients as this server keeps (%d)", "remove those that are not needed",
                            SB_CLIENT_DB_MAX);
    SB_TRY(sb_db_cached(db,
                        "INSERT INTO clients (" COLUMNS
                        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
                        " ON CONFLICT (id) DO NOTHING",
                        &stmt, err));
    SB_TRY(bind_client(stmt, subject, err));
    SB_TRY(sb_stmt_run(stmt, err));
    if (sb_db_changes(db) == 0)
        return sb_error_set(err, SB_E_USAGE, "the client cannot be registered", "there is one with this id",
                            "choose another id");
    return SB_OK;
}

typedef struct replacement {
    const sb_client *was; /* NULL: whatever is there */
    const sb_client *client;
} replacement;

/* For good: they are dead by their epoch, too, wherever one is still in memory or on its way here. */
static sb_status end_tokens(sb_db *db, sb_str client_id, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, "DELETE FROM tokens WHERE client_id = ?1 AND revoked = 0", &stmt, err));
    sb_stmt_bind_text(stmt, 1, client_id);
    return sb_stmt_run(stmt, err);
}

static sb_status update_row(sb_db *db, const replacement *r, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db,
                        "UPDATE clients SET state = ?2, name = ?3, contact = ?4, jwks = ?5, jwks_url = ?6, scope = ?7,"
                        " profile = ?8, show_reasons = ?9, tokens_per_minute = ?10, registration_digest = ?11,"
                        " created_s = ?12, changed_s = ?13, admission = ?14, self_changed = ?15,"
                        " registered_from = ?16, epoch = CASE WHEN epoch > ?17 THEN epoch ELSE ?17 END"
                        " WHERE id = ?1 AND (?18 = '' OR (state = ?18 AND changed_s = ?19))",
                        &stmt, err));
    SB_TRY(bind_client(stmt, r->client, err));
    sb_stmt_bind_cstr(stmt, 18, r->was ? sb_client_state_name(r->was->state) : "");
    sb_stmt_bind_i64(stmt, 19, r->was ? r->was->changed_s : 0);
    SB_TRY(sb_stmt_run(stmt, err));
    if (sb_db_changes(db) == 0 && r->was)
        return sb_clients_changed(err);
    return sb_db_changes(db) > 0 ? SB_OK : sb_clients_no_such(err);
}

static sb_status update(sb_db *db, const void *subject, sb_error *err)
{
    const replacement *r = subject;
    SB_TRY(update_row(db, r, err));
    return r->client->state == SB_CLIENT_ACTIVE ? SB_OK : end_tokens(db, sb_str_from(r->client->id), err);
}

typedef struct removal {
    const sb_client *was; /* NULL: whatever is there */
    sb_str id;
} removal;

static sb_status delete_client(sb_db *db, const removal *r, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, "DELETE FROM clients WHERE id = ?1 AND (?2 = '' OR (state = ?2 AND changed_s = ?3))", &stmt,
                        err));
    sb_stmt_bind_text(stmt, 1, r->id);
    sb_stmt_bind_cstr(stmt, 2, r->was ? sb_client_state_name(r->was->state) : "");
    sb_stmt_bind_i64(stmt, 3, r->was ? r->was->changed_s : 0);
    SB_TRY(sb_stmt_run(stmt, err));
    if (sb_db_changes(db) > 0)
        return SB_OK;
    return r->was ? sb_clients_changed(err) : sb_clients_no_such(err);
}

/* Its tokens end with it, and its rosters are nobody's. */
static sb_status delete (sb_db *db, const void *subject, sb_error *err)
{
    const removal *r = subject;
    sb_stmt *stmt = NULL;
    SB_TRY(delete_client(db, r, err));
    SB_TRY(end_tokens(db, r->id, err));
    SB_TRY(sb_db_cached(db, "DELETE FROM roster_clients WHERE client_id = ?1", &stmt, err));
    sb_stmt_bind_text(stmt, 1, r->id);
    return sb_stmt_run(stmt, err);
}

static sb_status write_within(sb_db *db, sb_status (*what)(sb_db *db, const void *subject, sb_error *err),
                              const void *subject, const sb_clients_also *also, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_tx_begin(&tx, db, err));
    SB_TRY(what(db, subject, err));
    SB_TRY(sb_db_cached(db, "UPDATE versions SET version = version + 1 WHERE name = 'clients'", &stmt, err));
    SB_TRY(sb_stmt_run(stmt, err));
    SB_TRY(also ? also->run(also->impl, db, err) : SB_OK);
    return sb_tx_commit(&tx, err);
}

static sb_status change(register_db *r, sb_status (*what)(sb_db *db, const void *subject, sb_error *err),
                        const void *subject, const sb_clients_also *also, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, r->pool, err));
    SB_TRY(write_within(lease.db, what, subject, also, err));
    sb_lease_cleanup(&lease); /* who has the lock may be waiting for a connection */
    (void)pthread_mutex_lock(&r->lock);
    r->asked_ns = INT64_MIN;
    (void)pthread_mutex_unlock(&r->lock);
    return SB_OK;
}

static sb_status db_add(void *impl, sb_client *client, const sb_clients_also *also, sb_error *err)
{
    return change(impl, insert, client, also, err);
}

static sb_status db_replace(void *impl, const sb_client *was, sb_client *client, const sb_clients_also *also,
                            sb_error *err)
{
    return change(impl, update, &(replacement){was, client}, also, err);
}

static sb_status db_remove(void *impl, const sb_client *was, sb_str id, const sb_clients_also *also, sb_error *err)
{
    return change(impl, delete, &(removal){was, id}, also, err);
}

static void db_free(void *impl)
{
    register_db *r = impl;
    list_cleanup(&r->all);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

sb_status sb_clients_db(sb_pool *pool, const sb_clock *clock, sb_clients **out, sb_error *err)
{
    static const sb_clients_ops ops = {
        .find = db_find, .add = db_add, .replace = db_replace, .remove = db_remove, .each = db_each, .free = db_free};
    register_db *r = calloc(1, sizeof(*r));
    if (!r || pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        return sb_error_nomem(err);
    }
    r->pool = pool;
    r->clock = clock;
    r->version = -1;
    r->asked_ns = INT64_MIN;
    return sb_clients_new(&ops, r, out, err);
}
