/* SPDX-License-Identifier: Apache-2.0 */
/* folder_args.c - see folder_args.h. */
#include "folder_args.h"

#include <getopt.h>

#include "cli.h"
#include "suggest.h"

bool folder_args_parse(folder_args *args, const char *command, const char *help, int argc, char **argv, int *code)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h')
            return *code = cli_help(help), false;
        if (option != 'j')
            return *code = suggest_option(command, option, argv, options), false;
        args->json = true;
    }
    if (optind >= argc)
        return *code = cli_usage(command, "which export? Give its folder"), false;
    if (optind + 1 < argc)
        return *code = cli_usage(command, "one folder at a time: what is '%s'?", argv[optind + 1]), false;
    args->dir = argv[optind];
    return true;
}
