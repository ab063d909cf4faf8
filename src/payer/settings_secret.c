/* SPDX-License-Identifier: Apache-2.0 */
/* settings_secret.c - one line of a private file. */
#include "payer/settings_secret.h"

#include "base/file.h"

sb_status sb_settings_secret(const char *path, sb_buf *out, sb_error *err)
{
    SB_TRY(sb_file_read_private(path, SB_SETTINGS_SECRET_MAX, out, err));
    sb_str line = sb_str_trim(sb_buf_str(out));
    if (line.len == 0 || !sb_str_is_text(line))
        return sb_error_set(err, SB_E_USAGE, "a file of the configuration cannot be used",
                            "%s: it does not hold exactly one line", "write the one value into it", path);
    memmove(out->ptr, line.ptr, line.len);
    out->ptr[line.len] = '\0';
    out->len = line.len;
    return SB_OK;
}
