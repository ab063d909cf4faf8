/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_cancel.c - `smartbulk cancel`: tells the payer that its work is no longer wanted (STAT-07). */
#include <stdio.h>
#include <stdlib.h>

#include <smartbulk/export.h>

#include "cli.h"
#include "payer_args.h"
#include "suggest.h"

static const char help_head[] =
    "Example: smartbulk cancel claims\n"
    "\n"
    "Gives an export up: the payer is told to delete its job and files, the folder is marked cancelled.\n"
    "What was downloaded stays; of a finished export only the payer's copy goes. To stop an export that is running,\n"
    "press Ctrl-C there first.\n"
    "\n"
    "Usage: smartbulk cancel DIR [OPTION]...\n"
    "\n"
    "The folder knows the payer and who we are; an option below outweighs what it remembers.\n"
    "\n"
    "      --json                   say failures as JSON\n"
    "\n";

static const char help_tail[] = "\n"
                                "Exit status: 0 done; 1 failed, or no export there; 2 wrong usage; 3 the payer refused "
                                "us;\n4 the payer failed; 5 the network failed.\n";

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, PAYER_ARGS_LONG_OPTIONS, {NULL, 0, NULL, 0}};

/* Of an export that was done, only the payer's copy is gone. */
static void say(sb_export *export_, const char *dir)
{
    sb_export_snapshot now;
    sb_export_snapshot_get(export_, &now);
    bool finished = now.phase == SB_EXPORT_PHASE_DONE || now.phase == SB_EXPORT_PHASE_PARTIAL;
    (void)fprintf(stderr, "%s: %s\n", dir,
                  finished ? "it was finished already and stays as it is; the payer keeps no copy"
                           : "cancelled; what was downloaded is still there");
}

static int run(payer_args *args, const char *dir, bool json)
{
    sb_error err = SB_ERROR_INIT;
    sb_export_options options = SB_EXPORT_OPTIONS_INIT;
    sb_payer *payer = NULL;
    sb_export *export_ = NULL;
    char *settings = NULL;
    options.dir = dir;
    sb_status status = sb_export_settings(dir, &settings, &err);
    args->options.settings = settings;
    if (status == SB_OK)
        status = payer_args_open(args, NULL, NULL, &payer, &err);
    if (status == SB_OK)
        status = sb_export_resume(payer, &options, &export_, &err);
    if (status == SB_OK)
        status = sb_export_cancel(export_, &err);
    int code = status == SB_OK ? 0 : cli_fail(&err, json);
    if (status == SB_OK && json)
        (void)printf("{\"event\":\"finish\",\"status\":\"ok\",\"exit\":0}\n");
    else if (status == SB_OK)
        say(export_, dir);
    sb_export_free(export_);
    sb_payer_free(payer);
    free(settings);
    return cli_finish(code);
}

int cmd_cancel(int argc, char **argv)
{
    payer_args args = {.options = SB_PAYER_OPTIONS_INIT};
    bool json = false;
    int option, code = 0;
    optind = 1;
    opterr = 0;
    while (code == 0 && (option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h') {
            payer_args_free(&args);
            (void)printf("%s%s", help_head, payer_args_help);
            return cli_help(help_tail);
        }
        if (option == 'j') {
            json = true;
            continue;
        }
        int taken = payer_args_take(&args, "cancel", option, optarg);
        if (taken != 1)
            code = taken == 0 ? suggest_option("cancel", option, argv, long_options) : EXIT_USAGE;
    }
    if (code == 0 && optind >= argc)
        code = cli_usage("cancel", "which export? Give its folder");
    else if (code == 0 && optind + 1 < argc)
        code = cli_usage("cancel", "one folder at a time: what is '%s'?", argv[optind + 1]);
    if (code == 0)
        code = run(&args, argv[optind], json);
    payer_args_free(&args);
    return code;
}
