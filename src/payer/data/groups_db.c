/* SPDX-License-Identifier: Apache-2.0 */
/* groups_db.c - what a client may see of the rosters, asked of the database each time. */
#include "payer/data/groups_db.h"

#include "base/json.h"
#include "payer/data/roster_db.h"

typedef struct kept {
    sb_pool *pool;
    const sb_clock *clock;
} kept;

/* Which rosters a client (?1) has been given, and who is in one at a moment (?2), opted out or not. */
#define IS_GIVEN                                                                                                       \
    "EXISTS (SELECT 1 FROM roster_clients c WHERE c.client_id = ?1 AND (c.roster_id = r.id OR c.roster_id = "          \
    "'" SB_ROSTER_ALL "'))"
#define IS_MEMBER "m.from_s <= ?2 AND m.until_s > ?2"
#define SAID_NO   "EXISTS (SELECT 1 FROM opt_outs o WHERE o.patient_id = m.patient_id)"
#define HOW_MANY                                                                                                       \
    "(SELECT count(*) FROM roster_members m WHERE m.roster_id = r.id AND " IS_MEMBER " AND NOT " SAID_NO ")"

static int64_t now_s(const kept *k)
{
    return k->clock->wall_s(k->clock->impl);
}

/* The Group as it was loaded, and how many are in it now. */
static sb_status read_group(const sb_stmt *stmt, json_t **out, sb_error *err)
{
    SB_AUTOJSON group = NULL;
    SB_TRY(sb_json_parse_object(sb_stmt_str(stmt, 0), "a roster in the database", &group, err));
    if (json_object_set_new(group, "quantity", json_integer((json_int_t)sb_stmt_i64(stmt, 1))) != 0)
        return sb_error_nomem(err);
    *out = json_incref(group);
    return SB_OK;
}

/* One */

static sb_status find(sb_db *db, const kept *k, const char *client, sb_str id, json_t **out, sb_error *err)
{
    static const char sql[] = "SELECT r.resource, " HOW_MANY " FROM rosters r WHERE r.id = ?3 AND " IS_GIVEN;
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, client);
    sb_stmt_bind_i64(stmt, 2, now_s(k));
    sb_stmt_bind_text(stmt, 3, id);
    SB_TRY(sb_stmt_step(stmt, &row, err));
    sb_status status = row ? read_group(stmt, out, err) : sb_groups_not_found(err);
    sb_stmt_reset(stmt);
    return status;
}

static sb_status add_member(const sb_stmt *stmt, json_t *members, sb_error *err)
{
    SB_AUTOFREE reference = sb_printf("Patient/%s", sb_stmt_str(stmt, 0).ptr);
    json_t *member = reference ? json_pack("{s:{s:s}}", "entity", "reference", reference) : NULL;
    return member && json_array_append_new(members, member) == 0 ? SB_OK : sb_error_nomem(err);
}

static sb_status list_members(sb_db *db, const kept *k, sb_str id, size_t max, json_t *group, sb_error *err)
{
    static const char sql[] = "SELECT m.patient_id FROM roster_members m WHERE m.roster_id = ?1 AND " IS_MEMBER
                              " AND NOT " SAID_NO " ORDER BY m.patient_id LIMIT ?3";
    SB_AUTOJSON members = json_array();
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_text(stmt, 1, id);
    sb_stmt_bind_i64(stmt, 2, now_s(k));
    sb_stmt_bind_i64(stmt, 3, (int64_t)max);
    for (bool row = true;;) {
        SB_TRY(sb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        sb_status status = add_member(stmt, members, err);
        if (status != SB_OK) {
            sb_stmt_reset(stmt);
            return status;
        }
    }
    if (json_array_size(members) > 0 && json_object_set(group, "member", members) != 0)
        return sb_error_nomem(err);
    return SB_OK;
}

static sb_status db_get(void *impl, const char *client, sb_str id, size_t members_max, json_t **out, sb_error *err)
{
    const kept *k = impl;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTOJSON group = NULL;
    SB_TRY(sb_lease_take(&lease, k->pool, err));
    SB_TRY(find(lease.db, k, client, id, &group, err));
    if (members_max > 0)
        SB_TRY(list_members(lease.db, k, id, members_max, group, err));
    *out = json_incref(group);
    return SB_OK;
}

/* Searching */

/* A token of a search (FHIR R4 §3.1.1.4.10): "value", "system|value", "|value" for one without a system, and "system|"
 * for any of a system. */
typedef struct token {
    sb_str system, value;
    bool any_system, any_value;
} token;

static token read_token(sb_str text)
{
    token t = {.value = text, .any_system = true};
    if (text.len > 0 && memchr(text.ptr, '|', text.len)) {
        (void)sb_str_split(&t.value, '|', &t.system);
        t.any_system = false;
    }
    t.any_value = t.value.len == 0;
    return t;
}

static bool coding_fits(const token *t, const json_t *coding)
{
    const char *system = sb_json_str(coding, "system"), *code = sb_json_str(coding, "code");
    return (t->any_system || sb_str_eq(t->system, sb_str_from(system ? system : ""))) &&
           (t->any_value || (code && sb_str_eq(t->value, sb_str_from(code))));
}

static bool has_characteristic(const json_t *group, sb_str wanted)
{
    token t = read_token(wanted);
    size_t i, j;
    json_t *one, *coding;
    if (wanted.len == 0)
        return true;
    json_array_foreach (json_object_get(group, "characteristic"), i, one) {
        json_array_foreach (json_object_get(json_object_get(one, "code"), "coding"), j, coding) {
            if (coding_fits(&t, coding))
                return true;
        }
    }
    return false;
}

static sb_status ask_search(sb_db *db, const kept *k, const char *client, const sb_group_search *search, sb_stmt **out,
                            sb_error *err)
{
    static const char sql[] =
        "SELECT r.resource, " HOW_MANY " FROM rosters r WHERE " IS_GIVEN " AND r.id > ?3 AND (?4 = '' OR r.name = ?4)"
        " AND (?5 = 0 OR EXISTS (SELECT 1 FROM roster_identifiers i WHERE i.roster_id = r.id"
        " AND (?6 = 1 OR i.system = ?7) AND (?8 = 1 OR i.value = ?9))) ORDER BY r.id";
    token t = read_token(search->identifier);
    SB_TRY(sb_db_cached(db, sql, out, err));
    sb_stmt_bind_cstr(*out, 1, client);
    sb_stmt_bind_i64(*out, 2, now_s(k));
    sb_stmt_bind_text(*out, 3, search->after.ptr ? search->after : SB_STR_LIT(""));
    sb_stmt_bind_text(*out, 4, search->name.ptr ? search->name : SB_STR_LIT(""));
    sb_stmt_bind_i64(*out, 5, search->identifier.len > 0);
    sb_stmt_bind_i64(*out, 6, t.any_system);
    sb_stmt_bind_text(*out, 7, t.system.ptr ? t.system : SB_STR_LIT(""));
    sb_stmt_bind_i64(*out, 8, t.any_value);
    sb_stmt_bind_text(*out, 9, t.value.ptr ? t.value : SB_STR_LIT(""));
    return SB_OK;
}

static sb_status db_search(void *impl, const char *client, const sb_group_search *search, json_t *resources,
                           sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    sb_status status = SB_OK;
    SB_TRY(sb_lease_take(&lease, ((const kept *)impl)->pool, err));
    SB_TRY(ask_search(lease.db, impl, client, search, &stmt, err));
    while (status == SB_OK && json_array_size(resources) < search->max) {
        SB_AUTOJSON group = NULL;
        bool row = false;
        status = sb_stmt_step(stmt, &row, err);
        if (status != SB_OK || !row)
            break;
        status = read_group(stmt, &group, err);
        if (status == SB_OK && has_characteristic(group, search->characteristic) &&
            json_array_append(resources, group) != 0)
            status = sb_error_nomem(err);
    }
    sb_stmt_reset(stmt);
    return status;
}

/* Who is in it */

static sb_status collect(sb_stmt *stmt, sb_idset **out, sb_error *err)
{
    SB_AUTOPTR(sb_idset) set = sb_idset_new();
    if (!set)
        return sb_error_nomem(err);
    for (bool row = true;;) {
        SB_TRY(sb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        if (!sb_idset_add(set, sb_stmt_str(stmt, 0))) {
            sb_stmt_reset(stmt);
            return sb_error_nomem(err);
        }
    }
    sb_idset_seal(set);
    *out = set;
    set = NULL;
    return SB_OK;
}

static sb_status read_ids(sb_db *db, const kept *k, const char *client, sb_str roster, sb_idset **out, sb_error *err)
{
    static const char of_one[] =
        "SELECT m.patient_id FROM roster_members m WHERE m.roster_id = ?1 AND m.from_s <= ?2 AND m.until_s > ?2";
    static const char of_all_given[] =
        "SELECT m.patient_id FROM roster_members m JOIN roster_clients c ON c.roster_id = m.roster_id"
        " WHERE c.client_id = ?1 AND " IS_MEMBER;
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, roster.len > 0 ? of_one : of_all_given, &stmt, err));
    sb_stmt_bind_text(stmt, 1, roster.len > 0 ? roster : sb_str_from(client));
    sb_stmt_bind_i64(stmt, 2, now_s(k));
    return collect(stmt, out, err);
}

/* None is NULL: then nobody has to be looked for. */
static sb_status read_opt_outs(sb_db *db, sb_idset **out, sb_error *err)
{
    SB_AUTOPTR(sb_idset) set = NULL;
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, "SELECT patient_id FROM opt_outs", &stmt, err));
    SB_TRY(collect(stmt, &set, err));
    if (sb_idset_size(set) == 0)
        return SB_OK;
    *out = set;
    set = NULL;
    return SB_OK;
}

typedef enum given { GIVEN_NOTHING, GIVEN_SOME, GIVEN_ALL } given;

static sb_status what_is_given(sb_db *db, const char *client, given *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db,
                        "SELECT count(*), sum(CASE WHEN roster_id = '" SB_ROSTER_ALL "' THEN 1 ELSE 0 END)"
                        " FROM roster_clients WHERE client_id = ?1",
                        &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, client);
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *out = !row || sb_stmt_i64(stmt, 0) == 0 ? GIVEN_NOTHING : sb_stmt_i64(stmt, 1) > 0 ? GIVEN_ALL : GIVEN_SOME;
    sb_stmt_reset(stmt);
    return SB_OK;
}

static sb_status db_members(void *impl, const char *client, sb_str id, sb_members *out, sb_error *err)
{
    const kept *k = impl;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_members) members = SB_MEMBERS_INIT;
    given what = GIVEN_SOME;
    SB_TRY(sb_lease_take(&lease, k->pool, err));
    if (id.len > 0) {
        json_t *group = NULL;
        SB_TRY(find(lease.db, k, client, id, &group, err));
        json_decref(group);
    } else {
        SB_TRY(what_is_given(lease.db, client, &what, err));
    }
    if (what == GIVEN_NOTHING)
        return sb_groups_none(err);
    if (what == GIVEN_SOME)
        SB_TRY(read_ids(lease.db, k, client, id, &members.own_ids, err));
    SB_TRY(read_opt_outs(lease.db, &members.own_opted_out, err));
    members.ids = members.own_ids;
    members.opted_out = members.own_opted_out;
    *out = members;
    members = (sb_members)SB_MEMBERS_INIT;
    return SB_OK;
}

static sb_status db_any(void *impl, const char *client, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    given what;
    SB_TRY(sb_lease_take(&lease, ((const kept *)impl)->pool, err));
    SB_TRY(what_is_given(lease.db, client, &what, err));
    return what == GIVEN_NOTHING ? sb_groups_none(err) : SB_OK;
}

static void db_free(void *impl)
{
    free(impl);
}

sb_status sb_groups_db(sb_pool *pool, const sb_clock *clock, sb_groups **out, sb_error *err)
{
    static const sb_groups_ops ops = {db_get, db_search, db_members, db_any, db_free};
    kept *k = calloc(1, sizeof(*k));
    if (!k)
        return sb_error_nomem(err);
    *k = (kept){pool, clock};
    return sb_groups_new(&ops, k, out, err);
}
