/* SPDX-License-Identifier: Apache-2.0 */
/* job_withdraw.c - the rows are taken away; whoever has the folder sweeps up what belonged to them. */
#include "payer/export/job_withdraw.h"

#include "payer/data/idset.h"
#include "payer/export/job_request.h"

/* May the export hold members of that roster? One whose request cannot be read may. */
static bool may_hold(sb_str request, const char *client, sb_str roster)
{
    SB_AUTO(sb_kept_request) kept = SB_KEPT_REQUEST_INIT;
    if (sb_str_eq(roster, SB_STR_LIT("*")) || sb_kept_request_load(request, client, &kept, NULL) != SB_OK)
        return true;
    return kept.request.level != SB_JOB_GROUP || sb_str_eq(kept.request.group_id, roster);
}

static sb_status find_theirs(sb_db *db, const char *client, sb_str roster, sb_idset *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool got = true;
    SB_TRY(sb_db_cached(db, "SELECT id, request FROM jobs WHERE client_id = ?1", &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, client);
    for (;;) {
        SB_TRY(sb_stmt_step(stmt, &got, err));
        if (!got)
            return SB_OK;
        if (may_hold(sb_stmt_str(stmt, 1), client, roster) && !sb_idset_add(out, sb_stmt_str(stmt, 0))) {
            sb_stmt_reset(stmt);
            return sb_error_nomem(err);
        }
    }
}

sb_status sb_jobs_withdraw(sb_db *db, const char *client, sb_str roster, sb_error *err)
{
    SB_AUTOPTR(sb_idset) ids = sb_idset_new();
    if (!ids)
        return sb_error_nomem(err);
    SB_TRY(find_theirs(db, client, roster, ids, err));
    for (size_t i = 0; i < sb_idset_size(ids); i++) {
        sb_stmt *stmt = NULL;
        SB_TRY(sb_db_cached(db, "DELETE FROM jobs WHERE id = ?1", &stmt, err));
        sb_stmt_bind_text(stmt, 1, sb_idset_at(ids, i));
        SB_TRY(sb_stmt_run(stmt, err));
    }
    return SB_OK;
}
