/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - finds the command and calls it. Knows nothing of what commands do. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <smartbulk/process.h>
#include <smartbulk/version.h>

#include "cli.h"
#include "suggest.h"

static const struct {
    const char *name;
    cli_command *run;
    const char *summary;
} commands[] = {
    {"export", cmd_export, "get a payer's data into a folder"},
    {"resume", cmd_resume, "go on with an export that was stopped"},
    {"status", cmd_status, "show where an export stands"},
    {"verify", cmd_verify, "check the files of an export again, offline"},
    {"cancel", cmd_cancel, "give an export up, at the payer too"},
    {"key", cmd_key, "make, show and publish keys"},
    {"token", cmd_token, "print an access token, for scripts"},
    {"sandbox", cmd_sandbox, "run a payer to try things on"},
    {"serve", cmd_serve, "run a payer's side: let partners in, export to them"},
    {"link", cmd_link, "let a person in at the portal of serve"},
    {"load", cmd_load, "put data, rosters and opt-outs where serve has them"},
    {"clients", cmd_clients, "keep the register of a payer's clients"},
    {"audit", cmd_audit, "check the payer's log of who was let in"},
    {NULL, NULL, NULL},
};

static const char help_head[] =
    "Example: smartbulk export https://fhir.payer.example/r4 --client-id ID --key acme.jwk --patients --to claims\n"
    "\n"
    "Gets a payer's claims in bulk: SMART Backend Services authorization, then FHIR Bulk Data export.\n"
    "\n"
    "Usage: smartbulk COMMAND [OPTION]...\n"
    "\n"
    "Commands:\n";

static const char help_tail[] =
    "\n"
    "'smartbulk COMMAND --help' tells more of each. 'smartbulk --version' prints the version.\n"
    "\n"
    "Exit status: 0 done; 1 failed; 2 wrong usage or configuration; 3 the payer refused us;\n"
    "4 the payer failed; 5 the network failed; 6 done in part; 7 interrupted, resumable.\n";

static void print_help(FILE *to)
{
    (void)fputs(help_head, to);
    for (size_t i = 0; commands[i].name; i++)
        (void)fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void)fputs(help_tail, to);
}

static int unknown(const char *word)
{
    const char *names[sizeof(commands) / sizeof(commands[0])];
    size_t n = 0;
    for (; commands[n].name; n++)
        names[n] = commands[n].name;
    const char *meant = suggest(word, names, n);
    if (meant)
        (void)fprintf(stderr, "smartbulk: there is no command '%s'; did you mean '%s'?\n", word, meant);
    else
        (void)fprintf(stderr, "smartbulk: there is no command '%s'\n", word);
    (void)fprintf(stderr, "Try 'smartbulk --help'.\n");
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    sb_process_harden();
    (void)umask(077);               /* what a library makes too; our own files and folders have modes of their own */
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write, which is checked; not a silent death */
    (void)signal(SIGXFSZ, SIG_IGN); /* so is a file that reached the limit of its size (ulimit -f) */
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("smartbulk %s\n", sb_version());
        return cli_finish(0);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return cli_finish(0);
    }
    for (size_t i = 0; commands[i].name; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return unknown(argv[1]);
}
