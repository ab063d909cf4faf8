/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the commands share: their entry points, and how each speaks to the person at the terminal.
 *
 * A command parses its options, calls the public API, prints, and returns the exit code. Data goes to stdout, words to
 * stderr. Client commands include <smartbulk/...> and this header alone. */
#ifndef SB_CLI_CLI_H
#define SB_CLI_CLI_H

#include <stdbool.h>

#include <smartbulk/error.h>

#define EXIT_USAGE 2

/* argv[0] is the command's own name ("export"); the return value is the exit code. */
typedef int cli_command(int argc, char **argv);

cli_command cmd_audit;
cli_command cmd_cancel;
cli_command cmd_clients;
cli_command cmd_export;
cli_command cmd_key;
cli_command cmd_link;
cli_command cmd_load;
cli_command cmd_resume;
cli_command cmd_sandbox;
cli_command cmd_serve;
cli_command cmd_status;
cli_command cmd_token;
cli_command cmd_verify;

/* Print the error to stderr as "smartbulk: what / why / fix" (or as one JSON object when `json`), return its exit code.
 */
int cli_fail(const sb_error *err, bool json);

/* A mistake on the command line: one line that says it, one that names --help. Returns 2. */
int cli_usage(const char *command, const char *fmt, ...) SB_PRINTF(2, 3);

/* Print help text to stdout and return 0; a failed write to stdout is exit code 1. */
int cli_help(const char *text);

/* Flush stdout at the end of a command: a full disk or closed pipe behind it must not look like success. Returns
 * `code`, or 1 when the flush failed. */
int cli_finish(int code);

#endif
