/* SPDX-License-Identifier: Apache-2.0 */
/* settings_database.c - a path beside the configuration, a URI, or a file that holds one with its password. */
#include "payer/settings_database.h"

#include "base/secret.h"
#include "payer/settings_secret.h"
#include "payer/state/schema.h"

sb_status sb_settings_pool(const sb_settings *settings, unsigned connections, sb_pool **out, sb_error *err)
{
    SB_AUTO(sb_buf) uri = SB_BUF_INIT;
    SB_AUTOFREE resolved = NULL;
    const char *database = settings->database;
    if (settings->database_file) {
        SB_TRY(sb_settings_secret(settings->database_file, &uri, err));
        database = sb_buf_cstr(&uri);
    }
    if (!strstr(database, "://") && database[0] != '/') { /* a file beside the configuration */
        resolved = sb_settings_resolve(settings, database);
        if (!resolved)
            return sb_error_nomem(err);
        database = resolved;
    }
    sb_status status = sb_payer_pool(database, connections, out, err);
    sb_buf_wipe(&uri);
    return status;
}
