/* SPDX-License-Identifier: Apache-2.0 */
/* default_dir.c - see default_dir.h. */
#include "default_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TRIES      1000 /* exports of one payer on one day */
#define NAME_BYTES 128  /* of the payer's name: a file name has 255 */

/* A name that needs no quotes in a shell and cannot be taken for an option or a hidden file. */
static void safe_name(const char *payer, char out[NAME_BYTES + 1])
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t at = 0;
    for (; *payer && at < NAME_BYTES; payer++)
        out[at++] = strchr(fine, *payer) ? *payer : '-';
    out[at] = '\0';
    if (at == 0 || out[0] == '.' || out[0] == '-')
        (void)snprintf(out, NAME_BYTES + 1, "payer");
}

sb_status default_dir_make(const char *payer, char **out, sb_error *err)
{
    char name[NAME_BYTES + 1], day[16], path[NAME_BYTES + 32];
    time_t now = time(NULL);
    struct tm tm;
    safe_name(payer, name);
    if (!localtime_r(&now, &tm) || strftime(day, sizeof(day), "%Y-%m-%d", &tm) == 0)
        (void)snprintf(day, sizeof(day), "export");
    for (int i = 1; i <= TRIES; i++) {
        if (i == 1)
            (void)snprintf(path, sizeof(path), "%s-%s", name, day);
        else
            (void)snprintf(path, sizeof(path), "%s-%s-%d", name, day, i);
        if (mkdir(path, 0700) == 0) {
            *out = strdup(path);
            return *out ? SB_OK : sb_error_set(err, SB_E_NOMEM, "out of memory", "an allocation failed", "try again");
        }
        if (errno != EEXIST)
            return sb_error_set(err, SB_E_IO, "the export's folder could not be made", "%s: %s",
                                "name one that can be written with --to DIR", path, strerror(errno));
    }
    return sb_error_set(err, SB_E_USAGE, "no folder name is left for this payer and day",
                        "%s exists, as do those before", "name the folder with --to DIR", path);
}
