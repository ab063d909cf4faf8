/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - one run of an export at the terminal, as `export` and `resume` share it: options, display, signals, the
 * run itself, the closing words. */
#ifndef SB_CLI_SESSION_H
#define SB_CLI_SESSION_H

#include <smartbulk/export.h>

#include "payer_args.h"

typedef struct session_args {
    payer_args payer;
    sb_export_options export_;
    bool json, quiet, verbose;
} session_args;

enum {
    SESSION_OPT_KEEP_REMOTE = 3000,
    SESSION_OPT_ALLOW_BAD_LINES,
    SESSION_OPT_MAX_LINE_BYTES,
    SESSION_OPT_THREADS,
    SESSION_OPT_JSON,
};

#define SESSION_SHORT_OPTIONS ":hqv" /* the colon: we say what is wrong, not getopt */

#define SESSION_LONG_OPTIONS                                                                                           \
    {"help", no_argument, NULL, 'h'}, {"keep-remote", no_argument, NULL, SESSION_OPT_KEEP_REMOTE},                     \
        {"allow-bad-lines", required_argument, NULL, SESSION_OPT_ALLOW_BAD_LINES},                                     \
        {"max-line-bytes", required_argument, NULL, SESSION_OPT_MAX_LINE_BYTES},                                       \
        {"threads", required_argument, NULL, SESSION_OPT_THREADS}, {"json", no_argument, NULL, SESSION_OPT_JSON},      \
        {"quiet", no_argument, NULL, 'q'},                                                                             \
    {                                                                                                                  \
        "verbose", no_argument, NULL, 'v'                                                                              \
    }

extern const char session_help[]; /* the options above */
extern const char session_exit_help[];

/* Takes the payer's options too. 1: taken; 0: not one of these; -1: a bad value, already reported. */
int session_take(session_args *args, const char *command, int option, const char *value);

/* Run an export: a new one (`request`, `payer_word` as the person gave it, export_.dir or NULL for a name that is free)
 * or, with `request` NULL, the one in export_.dir. Returns the exit code. */
int session_run(session_args *args, const char *payer_word, const sb_export_request *request);

void session_free(session_args *args);

#endif
