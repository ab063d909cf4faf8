/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_verify.c - `smartbulk verify`: checks every file of an export again, without the payer. Problems are data. */
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include <smartbulk/export.h>

#include "cli.h"
#include "folder_args.h"
#include "human.h"

static const char help[] =
    "Example: smartbulk verify claims\n"
    "\n"
    "Reads every file of a finished export again and compares: size, SHA-256, and that every line is the resource it\n"
    "should be. Lists what is missing, changed, bad or unknown. Needs no network.\n"
    "\n"
    "Usage: smartbulk verify DIR [--json]\n"
    "\n"
    "      --json                   a JSON object for each problem and one for the whole; see smartbulk-verify(1)\n"
    "\n"
    "Exit status: 0 all is as it was verified; 1 it could not be read, or there is none; 2 wrong usage;\n"
    "6 there are problems; 7 interrupted.\n";

static atomic_bool cancel;

/* Nothing is at stake in a check: the flag makes it end at the next block, the second signal at once. */
static void on_signal(int number)
{
    atomic_store(&cancel, true);
    (void)signal(number, SIG_DFL);
}

static void put_json(json_t *object)
{
    if (object)
        (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(object);
}

static void on_problem(void *impl, const char *file, const char *text)
{
    const folder_args *args = impl;
    if (args->json)
        put_json(json_pack("{s:s, s:s, s:s}", "event", "problem", "file", file, "text", text));
    else
        (void)printf("%s: %s\n", file, text);
}

static void put_result(const folder_args *args, const sb_verify_result *r, sb_status status)
{
    if (args->json) {
        put_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:i}", "event", "finish", "dir", args->dir, "files",
                           (json_int_t)r->files, "bytes", (json_int_t)r->bytes, "resources", (json_int_t)r->resources,
                           "problems", (json_int_t)r->problems, "status", sb_status_name(status), "exit",
                           sb_status_exit_code(status)));
        return;
    }
    (void)printf("%s: %s files, %s resources, %s: ", args->dir, human_count(r->files).text,
                 human_count(r->resources).text, human_bytes(r->bytes).text);
    if (r->problems == 0)
        (void)printf("all as they were verified\n");
    else
        (void)printf("%s problem%s\n", human_count(r->problems).text, r->problems == 1 ? "" : "s");
}

int cmd_verify(int argc, char **argv)
{
    folder_args args = {0};
    sb_error err = SB_ERROR_INIT;
    sb_verify_result result = {0};
    int code;
    if (!folder_args_parse(&args, "verify", help, argc, argv, &code))
        return code;
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    sb_status status = sb_export_verify(args.dir, on_problem, &args, &cancel, &result, &err);
    if (status == SB_OK || status == SB_E_PARTIAL)
        put_result(&args, &result, status);
    if (status == SB_OK || (status == SB_E_PARTIAL && result.problems > 0))
        return cli_finish(sb_status_exit_code(status)); /* the problems were listed */
    return cli_fail(&err, args.json);
}
