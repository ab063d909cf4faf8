/* SPDX-License-Identifier: Apache-2.0 */
/* settings_database.c - a path beside the configuration, a URI, or a file that holds one with its password. */
#include "payer/settings_database.h"

#include "base/secret.h"
#include "payer/settings_secret.h"
#include "payer/state/schema.h"
#include "store/postgres_uri.h"

sb_status sb_settings_database_file(const sb_settings *settings, sb_buf *out, sb_error *err)
{
    SB_AUTOFREE where = NULL;
    bool verify;
    SB_TRY(sb_settings_secret(settings->database_file, out, err));
    if (sb_postgres_is_uri(sb_buf_cstr(out)) && sb_postgres_uri(sb_buf_cstr(out), &where, &verify) != SB_E_USAGE)
        return SB_OK;
    return sb_error_set(
        err, SB_E_USAGE, "a file of the configuration cannot be used",
        "%s: it does not hold a URI of PostgreSQL, or libpq does not understand it",
        "write postgresql://USER:PASSWORD@HOST/DATABASE into it; in a password / is %2F, ? is %3F, @ is "
        "%40; a file of SQLite's is named by `database`",
        settings->database_file);
}

sb_status sb_settings_pool(const sb_settings *settings, unsigned connections, sb_pool **out, sb_error *err)
{
    __attribute__((cleanup(sb_buf_wipe))) sb_buf uri = SB_BUF_INIT;
    SB_AUTOFREE resolved = NULL;
    const char *database = settings->database;
    if (settings->database_file) {
        SB_TRY(sb_settings_database_file(settings, &uri, err));
        database = sb_buf_cstr(&uri);
    }
    if (!strstr(database, "://") && database[0] != '/') { /* a file beside the configuration */
        resolved = sb_settings_resolve(settings, database);
        if (!resolved)
            return sb_error_nomem(err);
        database = resolved;
    }
    return sb_payer_pool(database, connections, out, err);
}
