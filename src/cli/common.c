/* SPDX-License-Identifier: Apache-2.0 */
/* common.c - how commands report errors, mistakes and help. Knows no command. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static void print_json_error(const sb_error *err)
{
    json_t *object = json_pack("{s:s, s:i, s:s, s:s, s:s}", "error", sb_status_name(err->code), "exit",
                               sb_status_exit_code(err->code), "what", err->what, "why", err->why, "fix", err->fix);
    if (object && err->http_status)
        (void)json_object_set_new(object, "httpStatus", json_integer(err->http_status));
    if (object && err->oauth_code[0])
        (void)json_object_set_new(object, "oauthError", json_string(err->oauth_code));
    if (object)
        (void)json_dumpf(object, stderr, JSON_COMPACT);
    (void)fputc('\n', stderr);
    json_decref(object);
}

int cli_fail(const sb_error *err, bool json)
{
    char text[sizeof(sb_error) + 64];
    if (json)
        print_json_error(err);
    else
        (void)fprintf(stderr, "smartbulk: %s", sb_error_format(err, text, sizeof(text)));
    return sb_status_exit_code(err->code);
}

int cli_usage(const char *command, const char *fmt, ...)
{
    va_list args;
    (void)fprintf(stderr, "smartbulk %s: ", command);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "\nTry 'smartbulk %s --help'.\n", command);
    return EXIT_USAGE;
}

int cli_help(const char *text)
{
    (void)fputs(text, stdout);
    return cli_finish(0);
}

int cli_finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    (void)fprintf(stderr, "smartbulk: the output could not be written: %s\n", strerror(errno));
    return code ? code : 1;
}
