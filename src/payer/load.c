/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - `smartbulk load`: everything checked, then everything written, then told to the audit log. */
#include <smartbulk/load.h>

#include <stdio.h>

#include "payer/command_stores.h"
#include "payer/data/loader.h"
#include "payer/data/roster_db.h"

typedef struct loading {
    const sb_load_options *o;
    sb_command_stores stores;
    sb_loader loader;
    sb_load_counts *counts;
} loading;

static void loading_cleanup(loading *l)
{
    sb_command_stores_cleanup(&l->stores);
}

/* The audit log */

static sb_status tell(const loading *l, const char *event, const char *group, int64_t members, const char *detail,
                      sb_error *err)
{
    sb_audit_event line = {.event = event,
                           .outcome = "ok",
                           .actor = l->o->actor ? l->o->actor : "command line",
                           .group = group,
                           .members = members,
                           .detail = detail,
                           .durable = true};
    if (sb_audit_add(l->stores.audit, &line))
        return SB_OK;
    return sb_error_set(err, SB_E_IO, "the audit log could not be written",
                        "what was loaded last may not be told there",
                        "make room on its disk, look at its permissions, and load again");
}

static sb_status tell_roster(void *impl, const char *id, uint64_t members, sb_error *err)
{
    return tell(impl, "roster.loaded", id, (int64_t)members, NULL, err);
}

/* What was done to resources and opt-outs, whether all of it was or not. Numbers alone: who it was about is no matter of
 * the log. */
static sb_status tell_counts(const loading *l, const char *how, sb_error *err)
{
    const sb_load_counts *c = l->counts;
    char detail[200];
    if (c->added || c->replaced || c->deleted) {
        (void)snprintf(detail, sizeof(detail), "%s: %llu new, %llu replaced, %llu deleted", how,
                       (unsigned long long)c->added, (unsigned long long)c->replaced, (unsigned long long)c->deleted);
        SB_TRY(tell(l, "data.loaded", NULL, -1, detail, err));
    }
    if (c->opted_out || c->opted_in) {
        (void)snprintf(detail, sizeof(detail), "%s: %llu said no, %llu took that back", how,
                       (unsigned long long)c->opted_out, (unsigned long long)c->opted_in);
        SB_TRY(tell(l, "opt_outs.loaded", NULL, -1, detail, err));
    }
    return SB_OK;
}

/* Files */

static sb_status maybe_file(const loading *l, sb_load_kind kind, const char *path, sb_error *err)
{
    return path ? sb_loader_file(&l->loader, kind, path, err) : SB_OK;
}

/* A client that has lost a roster is shut out of it, told or not. */
static sb_status remove_rosters(const loading *l, sb_error *err)
{
    const char *const *ids = l->o->remove_groups;
    for (size_t i = 0; ids && ids[i] && l->loader.db; i++) {
        SB_AUTO(sb_tx) tx = SB_TX_INIT;
        SB_TRY(sb_tx_begin(&tx, l->loader.db, err));
        SB_TRY(sb_roster_remove(l->loader.db, sb_str_from(ids[i]), err));
        SB_TRY(sb_tx_commit(&tx, err));
        l->counts->rosters_removed++;
        SB_TRY(tell(l, "roster.removed", ids[i], -1, NULL, err));
    }
    return SB_OK;
}

/* Who says no is left out before anything more is let out; who takes that back is let in last. */
static sb_status walk_all(const loading *l, sb_error *err)
{
    const sb_load_options *o = l->o;
    SB_TRY(maybe_file(l, SB_LOAD_OPT_OUTS, o->opt_out_file, err));
    SB_TRY(remove_rosters(l, err));
    SB_TRY(maybe_file(l, SB_LOAD_DELETIONS, o->deleted_file, err));
    if (o->folder)
        SB_TRY(sb_loader_folder(&l->loader, o->folder, err));
    for (size_t i = 0; o->group_files && o->group_files[i]; i++)
        SB_TRY(sb_loader_file(&l->loader, SB_LOAD_ROSTERS, o->group_files[i], err));
    return maybe_file(l, SB_LOAD_OPT_INS, o->opt_in_file, err);
}

static sb_status check_all(loading *l, sb_error *err)
{
    SB_TRY(walk_all(l, err));
    if (l->counts->bad_lines > 0)
        return sb_error_set(err, SB_E_INVALID, "nothing was loaded", "%llu lines are bad", "mend them, and load again",
                            (unsigned long long)l->counts->bad_lines);
    return SB_OK;
}

static sb_status write_all(loading *l, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_error untold = SB_ERROR_INIT;
    SB_TRY(sb_lease_take(&lease, l->stores.pool, err));
    l->loader.db = lease.db;
    sb_status status = walk_all(l, err);
    sb_status told = tell_counts(l, status == SB_OK ? "all" : "stopped half-way", &untold);
    if (status == SB_OK && told != SB_OK) {
        if (err)
            *err = untold;
        return told;
    }
    return status;
}

static sb_status open_stores(loading *l, sb_error *err)
{
    const sb_load_options *o = l->o;
    SB_TRY(sb_command_stores_open(o->config, o->database, o->audit_file, o->check_only, &l->stores, err));
    const sb_settings *set = l->stores.settings;
    if (set && set->data_folder && (o->folder || o->deleted_file))
        return sb_error_set(err, SB_E_USAGE, "resources that are loaded here would never be served",
                            "by this configuration serve reads %s, not the database",
                            "take data.folder out of it, or put the files into that folder and start serve again",
                            set->data_folder);
    return SB_OK;
}

sb_status sb_load(const sb_load_options *options, sb_load_counts *out, sb_error *err)
{
    SB_AUTO(loading) l = {.o = options, .stores = SB_COMMAND_STORES_INIT, .counts = out};
    const sb_clock *clock = sb_clock_system();
    *out = (sb_load_counts){0};
    l.loader = (sb_loader){.now_s = clock->wall_s(clock->impl),
                           .counts = out,
                           .on_bad_line = options->on_bad_line,
                           .on_progress = options->on_progress,
                           .impl = options->impl,
                           .on_roster = tell_roster,
                           .on_roster_impl = &l};
    SB_TRY(open_stores(&l, err));
    SB_TRY(check_all(&l, err));
    return options->check_only ? SB_OK : write_all(&l, err);
}
