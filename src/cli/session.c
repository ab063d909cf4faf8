/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - see session.h. The main thread runs the export, the watch redraws and listens. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "default_dir.h"
#include "display.h"
#include "facts.h"
#include "numbers.h"
#include "screen.h"
#include "watch.h"

#define THREADS_MAX 256 /* more than any machine has use for */

const char session_help[] =
    "      --keep-remote            leave the payer's copy; without it the job is deleted there after success\n"
    "      --allow-bad-lines N      a file with at most N bad lines is kept, and they are listed (default 0)\n"
    "      --max-line-bytes SIZE    longer lines are bad (default 256M)\n"
    "      --threads N              working threads (default: one a core)\n"
    "      --json                   events as JSON lines on standard output; see smartbulk-export(1)\n"
    "  -q, --quiet                  say nothing but errors\n"
    "  -v, --verbose                say each file, and what the library does\n";

const char session_exit_help[] =
    "Ctrl-C stops and keeps what is done; Ctrl-C again ends at once. Both can be resumed.\n"
    "\n"
    "Exit status: 0 done; 1 failed here (disk, folder); 2 wrong usage or configuration; 3 the payer refused us;\n"
    "4 the payer failed; 5 the network failed; 6 done in part, see DIR/rejected/; 7 interrupted, resumable.\n";

static int take_threads(session_args *a, const char *command, const char *value)
{
    uint64_t threads = 0;
    if (!number_read(value, THREADS_MAX, &threads) || threads == 0) {
        (void)cli_usage(command, "--threads takes a number from 1 to %d, not '%s'", THREADS_MAX, value);
        return -1;
    }
    a->export_.threads = (unsigned)threads;
    return 1;
}

int session_take(session_args *a, const char *command, int option, const char *value)
{
    switch (option) {
    case 'q':
        a->quiet = true;
        return 1;
    case 'v':
        a->verbose = true;
        return 1;
    case SESSION_OPT_JSON:
        a->json = true;
        return 1;
    case SESSION_OPT_KEEP_REMOTE:
        a->export_.keep_remote = true;
        return 1;
    case SESSION_OPT_THREADS:
        return take_threads(a, command, value);
    case SESSION_OPT_ALLOW_BAD_LINES:
        if (number_read(value, UINT64_MAX, &a->export_.allow_bad_lines))
            return 1;
        (void)cli_usage(command, "--allow-bad-lines takes a number of lines, not '%s'", value);
        return -1;
    case SESSION_OPT_MAX_LINE_BYTES:
        if (size_read(value, INT64_MAX, &a->export_.max_line_bytes) && a->export_.max_line_bytes > 0)
            return 1;
        (void)cli_usage(command, "--max-line-bytes takes a size such as 64M, not '%s'", value);
        return -1;
    default:
        return payer_args_take(&a->payer, command, option, value);
    }
}

static display *open_display(const session_args *a, const sb_payer *payer)
{
    bool live = !a->json && !a->quiet && look_is_live(STDERR_FILENO);
    display_options o = {.kind = a->json    ? DISPLAY_JSON
                                 : a->quiet ? DISPLAY_QUIET
                                 : live     ? DISPLAY_LIVE
                                            : DISPLAY_PLAIN,
                         .verbose = a->verbose,
                         .out = stdout,
                         .err = stderr,
                         .clock = sb_clock_system(),
                         .payer = sb_payer_name(payer),
                         .dir = a->export_.dir};
    return display_new(&o);
}

static sb_log_level log_level(const session_args *a)
{
    return a->quiet ? SB_LOG_ERROR : a->verbose ? SB_LOG_DEBUG : SB_LOG_WARN;
}

/* Says what there is to say at the end, once. */
static int finish(const session_args *a, display *d, const char *payer_word, const sb_export_snapshot *now,
                  sb_status status, const sb_error *err)
{
    bool table = status == SB_OK || status == SB_E_PARTIAL || status == SB_E_INTERRUPTED || now->files > 0 || a->json;
    bool by_name = payer_word && !strstr(payer_word, "://"); /* a URL alone is not enough for the next export */
    if (table)
        display_closing(d, now, status, err, by_name ? payer_word : NULL);
    if (status == SB_OK)
        return cli_finish(0);
    if (status == SB_E_INTERRUPTED && !a->json)
        return cli_finish(sb_status_exit_code(status));
    if (table && !a->json && !a->quiet)
        (void)fputc('\n', stderr);
    int code = cli_fail(err, a->json);
    bool resumable = now->phase == SB_EXPORT_PHASE_NEW || now->phase == SB_EXPORT_PHASE_WAITING;
    if (!table && resumable)
        (void)fprintf(stderr,
                      "  then: smartbulk resume %s, with what was wrong put right by an option;\n"
                      "        for another address or request: export again, into another folder\n",
                      shell_quote(a->export_.dir).text);
    return cli_finish(code);
}

static int run(session_args *a, sb_payer *payer, atomic_bool *cancel, const char *payer_word,
               const sb_export_request *request)
{
    sb_error err = SB_ERROR_INIT;
    sb_export *export_ = NULL;
    static sb_export_snapshot now; /* zero: a new export */
    display *d = open_display(a, payer);
    if (!d)
        return cli_fail(&(sb_error){.code = SB_E_NOMEM, .what = "out of memory"}, a->json);
    sb_log_set(log_level(a), display_log, d);
    watch *w = watch_start(d, cancel);
    a->export_.on_event = display_event;
    a->export_.on_event_impl = d;
    sb_status status = request ? sb_export_start(payer, request, &a->export_, &export_, &err)
                               : sb_export_resume(payer, &a->export_, &export_, &err);
    bool started = status == SB_OK;
    if (started) {
        display_begin(d, request == NULL);
        watch_export(w, export_);
        status = sb_export_run(export_, &err);
        sb_export_snapshot_get(export_, &now);
        watch_export(w, NULL);
    }
    watch_end(w);
    display_end(d);
    sb_log_set(log_level(a), NULL, NULL);
    int code = started ? finish(a, d, payer_word, &now, status, &err) : cli_fail(&err, a->json);
    sb_export_free(export_);
    display_free(d);
    return code;
}

int session_run(session_args *a, const char *payer_word, const sb_export_request *request)
{
    atomic_bool cancel = false;
    sb_error err = SB_ERROR_INIT;
    sb_payer *payer = NULL;
    char *settings = NULL, *made = NULL;
    sb_log_set(log_level(a), NULL, NULL);
    sb_status status = request ? SB_OK : sb_export_settings(a->export_.dir, &settings, &err);
    a->payer.options.settings = settings;
    if (status == SB_OK)
        status = payer_args_open(&a->payer, payer_word, &cancel, &payer, &err);
    if (status == SB_OK && !a->export_.dir) {
        status = default_dir_make(sb_payer_name(payer), &made, &err);
        a->export_.dir = made;
    }
    int code = status == SB_OK ? run(a, payer, &cancel, payer_word, request) : cli_fail(&err, a->json);
    if (made && code == EXIT_USAGE)
        (void)rmdir(made); /* only when nothing came of it: a folder with anything in it stays */
    sb_payer_free(payer);
    free(settings);
    free(made);
    return code;
}

void session_free(session_args *a)
{
    payer_args_free(&a->payer);
}
