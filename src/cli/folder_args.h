/* SPDX-License-Identifier: Apache-2.0 */
/* folder_args.h - the command line of the commands that look at one folder and need no payer: DIR and --json. */
#ifndef SB_CLI_FOLDER_ARGS_H
#define SB_CLI_FOLDER_ARGS_H

#include <stdbool.h>

typedef struct folder_args {
    const char *dir;
    bool json;
} folder_args;

/* True: go on. False: *code is the exit code; help was printed, or the mistake. */
bool folder_args_parse(folder_args *args, const char *command, const char *help, int argc, char **argv, int *code);

#endif
