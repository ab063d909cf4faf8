/* SPDX-License-Identifier: Apache-2.0 */
/* settings_database.c - a path beside the configuration, a URI, or a file that holds one with its password. */
#include "payer/settings_database.h"

#include "base/file.h"
#include "base/secret.h"
#include "payer/state/schema.h"

#define DATABASE_URI_MAX 4096

/* A file with one line: its text without the line's end. */
static sb_status read_secret_line(const char *path, sb_buf *out, sb_error *err)
{
    SB_TRY(sb_file_read_private(path, DATABASE_URI_MAX, out, err));
    sb_str line = sb_str_trim(sb_buf_str(out));
    if (line.len == 0 || !sb_str_is_text(line))
        return sb_error_set(err, SB_E_USAGE, "a file of the configuration cannot be used",
                            "%s: it does not hold exactly one line", "write the one value into it", path);
    memmove(out->ptr, line.ptr, line.len);
    out->ptr[line.len] = '\0';
    out->len = line.len;
    return SB_OK;
}

sb_status sb_settings_pool(const sb_settings *settings, unsigned connections, sb_pool **out, sb_error *err)
{
    SB_AUTO(sb_buf) uri = SB_BUF_INIT;
    SB_AUTOFREE resolved = NULL;
    const char *database = settings->database;
    if (settings->database_file) {
        SB_TRY(read_secret_line(settings->database_file, &uri, err));
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
