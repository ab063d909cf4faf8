/* SPDX-License-Identifier: Apache-2.0 */
/* error.c - filling, printing and naming of errors. Owns no state. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"

/* Copy text into a fixed field; a cut never leaves half a UTF-8 sequence behind. */
static void trim_utf8(char *text, size_t size)
{
    size_t len = strlen(text);
    if (len + 1 < size)
        return;
    while (len > 0 && ((unsigned char)text[len - 1] & 0xC0) == 0x80)
        len--;
    if (len > 0 && (unsigned char)text[len - 1] >= 0xC0)
        len--;
    text[len] = '\0';
}

static void put(char *field, size_t size, const char *text)
{
    (void)snprintf(field, size, "%s", text ? text : "");
    trim_utf8(field, size);
}

#undef sb_error_set /* an analyzer's view of it */
sb_status sb_error_set(sb_error *err, sb_status code, const char *what, const char *why, const char *fix, ...)
{
    if (!err)
        return code;
    va_list args;
    char text[sizeof(err->why)] = "";
    va_start(args, fix);
    if (why)
        (void)vsnprintf(text, sizeof(text), why, args); /* args may point into *err: it is filled only below */
    va_end(args);
    *err = (sb_error){.code = code};
    put(err->what, sizeof(err->what), what);
    put(err->why, sizeof(err->why), text);
    put(err->fix, sizeof(err->fix), fix);
    return code;
}

void sb_error_what(sb_error *err, const char *fmt, ...)
{
    if (!err)
        return;
    va_list args;
    char text[sizeof(err->what)];
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    put(err->what, sizeof(err->what), text);
}

void sb_error_fix(sb_error *err, const char *fmt, ...)
{
    if (!err)
        return;
    va_list args;
    char text[sizeof(err->fix)];
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    put(err->fix, sizeof(err->fix), text);
}

const char *sb_error_format(const sb_error *err, char *buf, size_t size)
{
    if (size == 0)
        return buf;
    const char *what = err->what[0] ? err->what : sb_status_name(err->code);
    size_t used = (size_t)snprintf(buf, size, "%s\n", what);
    if (err->why[0] && used < size)
        used += (size_t)snprintf(buf + used, size - used, "  why: %s\n", err->why);
    const char *line = err->fix;
    for (bool first = true; *line && used < size; first = false) {
        size_t len = strcspn(line, "\n");
        used += (size_t)snprintf(buf + used, size - used, "%s%.*s\n", first ? "  fix: " : "       ", (int)len, line);
        line += len + (line[len] == '\n');
    }
    trim_utf8(buf, size);
    return buf;
}

static const struct {
    const char *name;
    int exit_code;
} statuses[] = {
    [SB_OK] = {"ok", 0},
    [SB_E_USAGE] = {"usage", 2},
    [SB_E_AUTH] = {"refused", 3},
    [SB_E_SERVER] = {"payer", 4},
    [SB_E_NETWORK] = {"network", 5},
    [SB_E_PARTIAL] = {"partial", 6},
    [SB_E_INTERRUPTED] = {"interrupted", 7},
    [SB_E_IO] = {"io", 1},
    [SB_E_BUSY] = {"busy", 1},
    [SB_E_NOT_FOUND] = {"not-found", 1},
    [SB_E_INVALID] = {"invalid", 1},
    [SB_E_NOMEM] = {"memory", 1},
    [SB_E_INTERNAL] = {"internal", 1},
};

const char *sb_status_name(sb_status status)
{
    return (size_t)status < SB_ARRAY_LEN(statuses) ? statuses[status].name : "unknown";
}

int sb_status_exit_code(sb_status status)
{
    return (size_t)status < SB_ARRAY_LEN(statuses) ? statuses[status].exit_code : 1;
}
