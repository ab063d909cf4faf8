/* SPDX-License-Identifier: Apache-2.0 */
/* command_stores.c - found by serve's configuration, or by the database's own name. */
#include "payer/command_stores.h"

#include <unistd.h>

#include "payer/ops/register.h"
#include "payer/settings_database.h"
#include "payer/state/schema.h"
#include "store/postgres_uri.h"

void sb_command_stores_cleanup(sb_command_stores *s)
{
    sb_pool_free(s->pool);
    sb_audit_free(s->audit);
    sb_settings_free(s->settings);
    free(s->audit_file);
    *s = (sb_command_stores)SB_COMMAND_STORES_INIT;
}

static sb_status name_audit(const char *audit_file, sb_command_stores *s, sb_error *err)
{
    if (audit_file)
        s->audit_file = sb_str_dup(sb_str_from(audit_file));
    else if (s->settings && s->settings->audit_file)
        s->audit_file = sb_printf("%s" SB_REGISTER_AUDIT_SUFFIX, s->settings->audit_file);
    else
        return SB_OK;
    return s->audit_file ? SB_OK : sb_error_nomem(err);
}

/* Not made when it is missing: a name that is misspelt would be a new, empty register. */
static sb_status open_database(const char *database, sb_pool **out, sb_error *err)
{
    if (sb_postgres_uri_has_password(database)) /* not repeated */
        return sb_error_set(
            err, SB_E_USAGE, "a password does not belong on a command line",
            "everybody on this machine can read it there",
            "leave it out, and write it into ~/.pgpass; or put the whole URI into a file (chmod 600), name "
            "that as database_file in a configuration, and give --config");
    if (!sb_postgres_is_uri(database) && access(database, F_OK) != 0)
        return sb_error_set(err, SB_E_NOT_FOUND, "the payer's database is not there", "%s does not exist",
                            "start smartbulk serve once, which makes it; or look at the spelling", database);
    return sb_payer_pool(database, 1, out, err);
}

sb_status sb_command_stores_open(const char *config, const char *database, const char *audit_file, bool read_only,
                                 sb_command_stores *out, sb_error *err)
{
    SB_AUTO(sb_command_stores) s = SB_COMMAND_STORES_INIT;
    if (!config == !database)
        return sb_error_set(err, SB_E_USAGE, "the payer's database cannot be opened",
                            "it is by a configuration or a database", "give one of both");
    if (config)
        SB_TRY(sb_settings_load(config, NULL, NULL, &s.settings, err));
    SB_TRY(config ? sb_settings_pool(s.settings, 1, &s.pool, err) : open_database(database, &s.pool, err));
    SB_TRY(name_audit(audit_file, &s, err));
    if (s.audit_file && !read_only)
        SB_TRY(sb_audit_open(s.audit_file, true, sb_clock_system(), &s.audit, err));
    *out = s;
    s = (sb_command_stores)SB_COMMAND_STORES_INIT;
    return SB_OK;
}
