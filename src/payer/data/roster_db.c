/* SPDX-License-Identifier: Apache-2.0 */
/* roster_db.c - rosters as rows. Every statement of an administrator's; what clients are shown is read elsewhere. */
#include "payer/data/roster_db.h"

#include "base/json.h"

#define RESOURCE_MAX ((size_t)64 * 1024) /* of a Group without its members; a page of a list holds some fifty */

static sb_status run(sb_db *db, const char *sql, sb_str first, sb_str second, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_text(stmt, 1, first);
    if (second.ptr)
        sb_stmt_bind_text(stmt, 2, second);
    return sb_stmt_run(stmt, err);
}

static sb_status exists(sb_db *db, const char *sql, sb_str key, bool *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_text(stmt, 1, key);
    SB_TRY(sb_stmt_step(stmt, out, err));
    sb_stmt_reset(stmt);
    return SB_OK;
}

static sb_status not_found(sb_error *err, const char *what, const char *why, const char *fix)
{
    return sb_error_set(err, SB_E_NOT_FOUND, what, "%s", fix, why);
}

/* Putting */

/* The Group as it is shown, without what changes: who is in it, and how many. */
static sb_status without_members(const json_t *group, char **out, sb_error *err)
{
    SB_AUTOJSON rest = json_object();
    const char *name;
    json_t *value;
    if (!rest)
        return sb_error_nomem(err);
    json_object_foreach ((json_t *)(uintptr_t)group, name, value) { /* which changes nothing of it */
        if (strcmp(name, "member") == 0 || strcmp(name, "quantity") == 0)
            continue;
        if (json_object_set(rest, name, value) != 0)
            return sb_error_nomem(err);
    }
    *out = sb_json_dump(rest);
    if (!*out)
        return sb_error_nomem(err);
    if (strlen(*out) > RESOURCE_MAX)
        return sb_error_set(err, SB_E_INVALID, "the group cannot be used",
                            "without its members it is longer than %zu KiB", "leave out what clients need not see",
                            RESOURCE_MAX / 1024);
    return SB_OK;
}

static sb_status put_row(sb_db *db, const sb_group_resource *group, const char *resource, int64_t now_s, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db,
                        "INSERT INTO rosters (id, name, resource, changed_s) VALUES (?1, ?2, ?3, ?4)"
                        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, resource = excluded.resource,"
                        " changed_s = excluded.changed_s",
                        &stmt, err));
    sb_stmt_bind_text(stmt, 1, group->id);
    sb_stmt_bind_cstr(stmt, 2, group->name);
    sb_stmt_bind_cstr(stmt, 3, resource);
    sb_stmt_bind_i64(stmt, 4, now_s);
    return sb_stmt_run(stmt, err);
}

static sb_status put_identifiers(sb_db *db, const sb_group_resource *group, sb_error *err)
{
    for (size_t i = 0; i < sb_group_identifier_count(group); i++) {
        sb_group_identifier identifier;
        sb_stmt *stmt = NULL;
        SB_TRY(sb_group_identifier_at(group, i, &identifier, err));
        SB_TRY(sb_db_cached(db, "INSERT INTO roster_identifiers (roster_id, system, value) VALUES (?1, ?2, ?3)", &stmt,
                            err));
        sb_stmt_bind_text(stmt, 1, group->id);
        sb_stmt_bind_cstr(stmt, 2, identifier.system);
        sb_stmt_bind_cstr(stmt, 3, identifier.value);
        SB_TRY(sb_stmt_run(stmt, err));
    }
    return SB_OK;
}

static sb_status put_members(sb_db *db, const sb_group_resource *group, sb_error *err)
{
    static const char sql[] = "INSERT INTO roster_members (roster_id, patient_id, from_s, until_s)"
                              " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (roster_id, patient_id) DO UPDATE SET"
                              " from_s = CASE WHEN excluded.from_s < roster_members.from_s"
                              " THEN excluded.from_s ELSE roster_members.from_s END,"
                              " until_s = CASE WHEN excluded.until_s > roster_members.until_s"
                              " THEN excluded.until_s ELSE roster_members.until_s END";
    for (size_t i = 0; i < sb_group_member_count(group); i++) {
        sb_group_member member;
        sb_stmt *stmt = NULL;
        SB_TRY(sb_group_member_at(group, i, &member, err));
        if (member.inactive)
            continue;
        SB_TRY(sb_db_cached(db, sql, &stmt, err));
        sb_stmt_bind_text(stmt, 1, group->id);
        sb_stmt_bind_text(stmt, 2, member.patient);
        sb_stmt_bind_i64(stmt, 3, member.from_s);
        sb_stmt_bind_i64(stmt, 4, member.until_s);
        SB_TRY(sb_stmt_run(stmt, err));
    }
    return SB_OK;
}

sb_status sb_roster_check(const json_t *group, sb_error *err)
{
    sb_group_resource read;
    SB_AUTOFREE resource = NULL;
    SB_TRY(sb_group_read(group, &read, err));
    SB_TRY(without_members(group, &resource, err));
    for (size_t i = 0; i < sb_group_identifier_count(&read); i++) {
        sb_group_identifier identifier;
        SB_TRY(sb_group_identifier_at(&read, i, &identifier, err));
    }
    for (size_t i = 0; i < sb_group_member_count(&read); i++) {
        sb_group_member member;
        SB_TRY(sb_group_member_at(&read, i, &member, err));
    }
    return SB_OK;
}

/* The row is written first: two who put the same roster wait for each other there. */
sb_status sb_roster_put(sb_db *db, const json_t *group, int64_t now_s, sb_error *err)
{
    sb_group_resource read;
    SB_AUTOFREE resource = NULL;
    SB_TRY(sb_group_read(group, &read, err));
    SB_TRY(without_members(group, &resource, err));
    SB_TRY(put_row(db, &read, resource, now_s, err));
    SB_TRY(run(db, "DELETE FROM roster_identifiers WHERE roster_id = ?1", read.id, SB_STR_NULL, err));
    SB_TRY(run(db, "DELETE FROM roster_members WHERE roster_id = ?1", read.id, SB_STR_NULL, err));
    SB_TRY(put_identifiers(db, &read, err));
    return put_members(db, &read, err);
}

sb_status sb_roster_remove(sb_db *db, sb_str id, sb_error *err)
{
    SB_TRY(run(db, "DELETE FROM roster_clients WHERE roster_id = ?1", id, SB_STR_NULL, err));
    SB_TRY(run(db, "DELETE FROM roster_members WHERE roster_id = ?1", id, SB_STR_NULL, err));
    SB_TRY(run(db, "DELETE FROM roster_identifiers WHERE roster_id = ?1", id, SB_STR_NULL, err));
    SB_TRY(run(db, "DELETE FROM rosters WHERE id = ?1", id, SB_STR_NULL, err));
    return sb_db_changes(db) > 0 ? SB_OK
                                 : not_found(err, "the roster cannot be removed", "there is none with this id",
                                             "look at the spelling of its id");
}

/* Giving and taking */

sb_status sb_roster_give(sb_db *db, const char *client, sb_str roster, sb_error *err)
{
    static const char what[] = "the roster cannot be given to the client";
    bool there = sb_str_eq(roster, SB_STR_LIT(SB_ROSTER_ALL));
    if (!there)
        SB_TRY(exists(db, "SELECT 1 FROM rosters WHERE id = ?1", roster, &there, err));
    if (!there)
        return not_found(err, what, "there is no roster with this id", "load it first (smartbulk load --groups)");
    SB_TRY(exists(db, "SELECT 1 FROM clients WHERE id = ?1", sb_str_from(client), &there, err));
    if (!there)
        return not_found(err, what, "there is no client with this id",
                         "list the clients, and look at the spelling (smartbulk clients list)");
    return run(db, "INSERT INTO roster_clients (client_id, roster_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
               sb_str_from(client), roster, err);
}

sb_status sb_roster_take(sb_db *db, const char *client, sb_str roster, sb_error *err)
{
    SB_TRY(run(db, "DELETE FROM roster_clients WHERE client_id = ?1 AND roster_id = ?2", sb_str_from(client), roster,
               err));
    return sb_db_changes(db) > 0 ? SB_OK
                                 : not_found(err, "the roster cannot be taken from the client", "it has not got it",
                                             "look at what it has (smartbulk clients show)");
}

/* Looking */

sb_status sb_roster_each(sb_db *db, sb_roster_visit *visit, void *context, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db,
                        "SELECT r.id, r.name, (SELECT count(*) FROM roster_members m WHERE m.roster_id = r.id),"
                        " (SELECT count(*) FROM roster_members m JOIN opt_outs o ON o.patient_id = m.patient_id"
                        " WHERE m.roster_id = r.id), r.changed_s FROM rosters r ORDER BY r.id",
                        &stmt, err));
    for (;;) {
        SB_TRY(sb_stmt_step(stmt, &row, err));
        if (!row)
            return SB_OK;
        sb_roster_row one = {.id = sb_stmt_str(stmt, 0).ptr,
                             .name = sb_stmt_str(stmt, 1).ptr,
                             .members = sb_stmt_i64(stmt, 2),
                             .opted_out = sb_stmt_i64(stmt, 3),
                             .changed_s = sb_stmt_i64(stmt, 4)};
        sb_status status = visit(context, &one, err);
        if (status != SB_OK) {
            sb_stmt_reset(stmt);
            return status;
        }
    }
}

static sb_status each_name(sb_db *db, const char *sql, sb_str key, sb_roster_name_visit *visit, void *context,
                           sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_text(stmt, 1, key);
    for (;;) {
        SB_TRY(sb_stmt_step(stmt, &row, err));
        if (!row)
            return SB_OK;
        sb_status status = visit(context, sb_stmt_str(stmt, 0).ptr, err);
        if (status != SB_OK) {
            sb_stmt_reset(stmt);
            return status;
        }
    }
}

sb_status sb_roster_each_of_client(sb_db *db, const char *client, sb_roster_name_visit *visit, void *context,
                                   sb_error *err)
{
    return each_name(db, "SELECT roster_id FROM roster_clients WHERE client_id = ?1 ORDER BY roster_id",
                     sb_str_from(client), visit, context, err);
}

sb_status sb_roster_each_client(sb_db *db, sb_str roster, sb_roster_name_visit *visit, void *context, sb_error *err)
{
    return each_name(db,
                     "SELECT DISTINCT client_id FROM roster_clients WHERE roster_id = ?1"
                     " OR roster_id = '" SB_ROSTER_ALL "' ORDER BY client_id",
                     roster, visit, context, err);
}

/* Opting out */

sb_status sb_opt_out_add(sb_db *db, sb_str patient, int64_t now_s, sb_error *err)
{
    sb_stmt *stmt = NULL;
    if (patient.len == 0 || patient.len > SB_DATA_ID_MAX || !sb_str_is_text(patient))
        return sb_error_set(err, SB_E_INVALID, "the opt-out cannot be kept", "that is no patient's logical id",
                            "give the id as it is in the Patient resource");
    SB_TRY(sb_db_cached(db, "INSERT INTO opt_outs (patient_id, since_s) VALUES (?1, ?2) ON CONFLICT DO NOTHING", &stmt,
                        err));
    sb_stmt_bind_text(stmt, 1, patient);
    sb_stmt_bind_i64(stmt, 2, now_s);
    return sb_stmt_run(stmt, err);
}

sb_status sb_opt_out_remove(sb_db *db, sb_str patient, sb_error *err)
{
    SB_TRY(run(db, "DELETE FROM opt_outs WHERE patient_id = ?1", patient, SB_STR_NULL, err));
    return sb_db_changes(db) > 0 ? SB_OK
                                 : not_found(err, "the opt-out cannot be taken back", "this member has not opted out",
                                             "look at the spelling of the id");
}

sb_status sb_opt_out_count(sb_db *db, int64_t *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db, "SELECT count(*) FROM opt_outs", &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *out = row ? sb_stmt_i64(stmt, 0) : 0;
    sb_stmt_reset(stmt);
    return SB_OK;
}
