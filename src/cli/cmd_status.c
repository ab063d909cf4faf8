/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_status.c - `smartbulk status`: where an export stands, read from its folder; nothing is asked of the payer. */
#include <stdio.h>
#include <unistd.h>

#include <smartbulk/export.h>

#include "cli.h"
#include "closing.h"
#include "display_internal.h"
#include "folder_args.h"
#include "screen.h"

static const char help[] =
    "Example: smartbulk status claims\n"
    "\n"
    "Shows where the export in a folder stands, also while another process works on it. Asks nothing of the payer.\n"
    "\n"
    "Usage: smartbulk status DIR [--json]\n"
    "\n"
    "      --json                   one JSON object; see smartbulk-status(1)\n"
    "\n"
    "Exit status: 0 it was read, whatever it says; 1 it could not be read, or there is none; 2 wrong usage.\n";

static int print_json(const char *dir, const sb_export_snapshot *now)
{
    json_t *object = snapshot_json(now);
    int code = object && json_object_set_new(object, "dir", json_string(dir)) == 0 &&
                       json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF
                   ? 0
                   : 1;
    json_decref(object);
    return cli_finish(code);
}

int cmd_status(int argc, char **argv)
{
    static sb_export_snapshot now;
    folder_args args = {0};
    sb_error err = SB_ERROR_INIT;
    term_look look;
    int code;
    if (!folder_args_parse(&args, "status", help, argc, argv, &code))
        return code;
    if (sb_export_status(args.dir, &now, &err) != SB_OK)
        return cli_fail(&err, args.json);
    if (args.json)
        return print_json(args.dir, &now);
    closing what = {.dir = args.dir, .now = &now};
    look_detect(STDOUT_FILENO, &look);
    closing_draw(&what, &look, stdout);
    look_free(&look);
    return cli_finish(0);
}
