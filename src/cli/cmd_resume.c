/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_resume.c - `smartbulk resume`: goes on with the export in a folder. The payer is the one the folder remembers. */
#include <stdio.h>

#include "cli.h"
#include "session.h"
#include "suggest.h"

static const char help_head[] =
    "Example: smartbulk resume claims\n"
    "\n"
    "Goes on with an export that was stopped, killed or cut off: asks only for what is missing. Also after an error,\n"
    "with what was wrong put right. What is done and verified is never fetched again.\n"
    "\n"
    "Usage: smartbulk resume DIR [OPTION]...\n"
    "\n"
    "The folder knows the payer, the request and who we are; an option below outweighs what it remembers.\n"
    "\n";

static const struct option long_options[] = {SESSION_LONG_OPTIONS, PAYER_ARGS_LONG_OPTIONS, {NULL, 0, NULL, 0}};

static int help(void)
{
    (void)printf("%s%s\n%s\n", help_head, session_help, payer_args_help);
    return cli_help(session_exit_help);
}

int cmd_resume(int argc, char **argv)
{
    session_args args = {.export_ = SB_EXPORT_OPTIONS_INIT};
    int option, code = 0;
    optind = 1;
    opterr = 0;
    while (code == 0 && (option = getopt_long(argc, argv, SESSION_SHORT_OPTIONS, long_options, NULL)) != -1) {
        if (option == 'h') {
            session_free(&args);
            return help();
        }
        int taken = session_take(&args, "resume", option, optarg);
        if (taken != 1)
            code = taken == 0 ? suggest_option("resume", option, argv, long_options) : EXIT_USAGE;
    }
    if (code == 0 && optind >= argc)
        code = cli_usage("resume", "which export? Give its folder");
    else if (code == 0 && optind + 1 < argc)
        code = cli_usage("resume", "one folder at a time: what is '%s'?", argv[optind + 1]);
    if (code == 0) {
        args.export_.dir = argv[optind];
        code = session_run(&args, NULL, NULL);
    }
    session_free(&args);
    return code;
}
