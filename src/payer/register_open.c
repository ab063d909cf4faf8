/* SPDX-License-Identifier: Apache-2.0 */
/* register_open.c - the register of clients, opened by a command beside a serve that may run on the same database. */
#include <unistd.h>

#include "payer/auth/client_db.h"
#include "payer/ops/register.h"
#include "payer/settings_database.h"
#include "payer/state/schema.h"

static void sb_register_parts_cleanup(sb_register_parts *p)
{
    sb_clients_free(p->clients);
    sb_pool_free(p->pool);
    sb_audit_free(p->audit);
    free((void *)(uintptr_t)p->actor);
    free(p->audit_file);
}

/* The audit log that a command writes, beside that of serve; NULL in *out: none. */
static sb_status name_audit(const sb_register_options *o, const sb_settings *settings, char **out, sb_error *err)
{
    *out = NULL;
    if (o->audit_file)
        *out = sb_str_dup(sb_str_from(o->audit_file));
    else if (settings && settings->audit_file)
        *out = sb_printf("%s" SB_REGISTER_AUDIT_SUFFIX, settings->audit_file);
    else
        return SB_OK;
    return *out ? SB_OK : sb_error_nomem(err);
}

/* Not made when it is missing: a name that is misspelt would be a new, empty register. */
static sb_status open_database(const char *database, sb_pool **out, sb_error *err)
{
    bool is_uri = strncmp(database, "postgresql://", 13) == 0 || strncmp(database, "postgres://", 11) == 0;
    if (!is_uri && access(database, F_OK) != 0)
        return sb_error_set(err, SB_E_NOT_FOUND, "the payer's database is not there", "%s does not exist",
                            "start smartbulk serve once, which makes it; or look at the spelling", database);
    return sb_payer_pool(database, 1, out, err);
}

sb_status sb_register_open(const sb_register_options *o, sb_register **out, sb_error *err)
{
    SB_AUTO(sb_register_parts) parts = {.clock = sb_clock_system(), .owns = true};
    SB_AUTOPTR(sb_settings) settings = NULL;
    if (!o->config == !o->database)
        return sb_error_set(err, SB_E_USAGE, "the register cannot be opened", "it is by a configuration or a database",
                            "give one of both");
    if (o->config)
        SB_TRY(sb_settings_load(o->config, NULL, NULL, &settings, err));
    SB_TRY(settings ? sb_settings_pool(settings, 1, &parts.pool, err) : open_database(o->database, &parts.pool, err));
    SB_TRY(sb_clients_db(parts.pool, parts.clock, &parts.clients, err));
    SB_TRY(name_audit(o, settings, &parts.audit_file, err));
    parts.read_only = o->read_only;
    if (parts.audit_file && !o->read_only)
        SB_TRY(sb_audit_open(parts.audit_file, true, parts.clock, &parts.audit, err));
    parts.actor = sb_str_dup(sb_str_from(o->actor ? o->actor : "command line"));
    if (!parts.actor)
        return sb_error_nomem(err);
    SB_TRY(sb_register_over(&parts, out, err));
    parts = (sb_register_parts){.owns = false};
    return SB_OK;
}
