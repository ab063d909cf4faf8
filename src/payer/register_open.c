/* SPDX-License-Identifier: Apache-2.0 */
/* register_open.c - the register of clients, opened by a command beside a serve that may run on the same database. */
#include "payer/auth/client_db.h"
#include "payer/command_stores.h"
#include "payer/ops/register.h"

static void sb_register_parts_cleanup(sb_register_parts *p)
{
    sb_clients_free(p->clients);
    sb_pool_free(p->pool);
    sb_audit_free(p->audit);
    free((void *)(uintptr_t)p->actor);
    free(p->audit_file);
}

sb_status sb_register_open(const sb_register_options *o, sb_register **out, sb_error *err)
{
    SB_AUTO(sb_register_parts) parts = {.clock = sb_clock_system(), .owns = true};
    SB_AUTO(sb_command_stores) stores = SB_COMMAND_STORES_INIT;
    SB_TRY(sb_command_stores_open(o->config, o->database, o->audit_file, o->read_only, &stores, err));
    parts.pool = stores.pool;
    parts.audit = stores.audit;
    parts.audit_file = stores.audit_file;
    stores.pool = NULL;
    stores.audit = NULL;
    stores.audit_file = NULL;
    SB_TRY(sb_clients_db(parts.pool, parts.clock, &parts.clients, err));
    parts.read_only = o->read_only;
    parts.actor = sb_str_dup(sb_str_from(o->actor ? o->actor : "command line"));
    if (!parts.actor)
        return sb_error_nomem(err);
    SB_TRY(sb_register_over(&parts, out, err));
    parts = (sb_register_parts){.owns = false};
    return SB_OK;
}
