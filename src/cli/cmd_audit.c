/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_audit.c - `smartbulk audit`: an audit log checked, and its head printed. Problems are data. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <smartbulk/audit.h>

#include "cli.h"
#include "human.h"
#include "list.h"
#include "suggest.h"

static const char help_all[] =
    "Example: smartbulk audit verify /var/log/smartbulk/audit.ndjson\n"
    "\n"
    "Checks the log of who was let in, and what they took. Each line vouches for all lines before it.\n"
    "\n"
    "Usage: smartbulk audit verify [OPTION]... FILE...   check every line\n"
    "       smartbulk audit head [--json] FILE           print number and hash of the last line\n"
    "\n"
    "'smartbulk audit verify --help' and so on tell more.\n";

static const char help_verify[] =
    "Example: smartbulk audit verify audit.ndjson.1 audit.ndjson --head "
    "1204:5f70bf18a086007016e948b04aed3b82103a36...\n"
    "\n"
    "Reads audit logs and checks every line: its hash, its number, and that it goes on from the line before. Needs no\n"
    "configuration, no database and not the machine that wrote them. Parts of one log are given in their order.\n"
    "\n"
    "Usage: smartbulk audit verify [OPTION]... FILE...\n"
    "\n"
    "      --head NUMBER:HASH       a head that was noted earlier must be in it: tells whether the log was cut off or\n"
    "                               written anew since then; may be given several times\n"
    "      --json                   a JSON object for each problem and one for the whole; see smartbulk-audit(1)\n"
    "\n"
    "Exit status: 0 all lines are as they were written; 1 a file cannot be read; 2 wrong usage; 6 there are problems;\n"
    "7 interrupted.\n";

static const char help_head[] = "Example: smartbulk audit head audit.ndjson >>/mnt/elsewhere/heads\n"
                                "\n"
                                "Prints NUMBER:HASH of the last line. Noted where the writer of the log cannot write "
                                "(a ticket, another machine), it\n"
                                "proves later that nothing before it was changed: smartbulk audit verify --head.\n"
                                "\n"
                                "Usage: smartbulk audit head [--json] FILE\n"
                                "\n"
                                "Exit status: 0 done; 1 the file cannot be read or holds no line; 2 wrong usage.\n";

typedef struct audit_args {
    string_list heads;
    char **files;
    int file_count;
    bool json;
    size_t chains;
    const char *chain_file; /* of the first chain, which is told of by itself if there is another */
    char chain_head[SB_AUDIT_POINT_SIZE];
} audit_args;

static atomic_bool cancel;

/* Nothing is at stake in a check: the flag makes it end soon, the second signal at once. */
static void on_signal(int number)
{
    atomic_store(&cancel, true);
    (void)signal(number, SIG_DFL);
}

/* True: go on. False: *code is the exit code. */
static bool parse(audit_args *args, const char *command, const char *help, bool with_head, int argc, char **argv,
                  int *code)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"head", required_argument, NULL, 'H'},
                                            {NULL, 0, NULL, 0}};
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h')
            return *code = cli_help(help), false;
        if (option == 'H' && !with_head)
            return *code = cli_usage(command, "--head is for 'audit verify'"), false;
        if (option == 'H' && !list_add(&args->heads, optarg))
            return *code = cli_usage(command, "out of memory"), false;
        if (option != 'j' && option != 'H')
            return *code = suggest_option(command, option, argv, options), false;
        args->json = args->json || option == 'j';
    }
    args->files = argv + optind;
    args->file_count = argc - optind;
    if (args->file_count == 0)
        return *code = cli_usage(command, "which audit log? Give its file"), false;
    return true;
}

static void put_json(json_t *object)
{
    if (object)
        (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(object);
}

static void on_problem(void *impl, const char *file, uint64_t line, const char *text)
{
    const audit_args *args = impl;
    if (args->json)
        put_json(json_pack("{s:s, s:s, s:I, s:s}", "event", "problem", "file", file, "line", (json_int_t)line, "text",
                           text));
    else if (line > 0)
        (void)printf("%s:%" PRIu64 ": %s\n", file, line, text);
    else
        (void)printf("%s: %s\n", file, text);
}

static void put_head(const char *file, const char *head)
{
    (void)printf("head %s of %s\n", head, file);
}

static void on_chain(void *impl, const char *file, uint64_t lines, const char *head)
{
    audit_args *args = impl;
    if (args->json) {
        put_json(json_pack("{s:s, s:s, s:I, s:s}", "event", "chain", "file", file, "lines", (json_int_t)lines, "head",
                           head));
    } else if (args->chains == 0) {
        args->chain_file = file;
        (void)snprintf(args->chain_head, sizeof(args->chain_head), "%s", head);
    } else {
        if (args->chains == 1)
            put_head(args->chain_file, args->chain_head);
        put_head(file, head);
    }
    args->chains++;
}

static void put_words(const audit_args *args, const sb_audit_verify_result *r)
{
    (void)printf("%s line%s", human_count(r->lines).text, r->lines == 1 ? "" : "s");
    if (r->first[0])
        (void)printf(" from %s to %s", r->first, r->last);
    if (r->problems == 0)
        (void)printf(": all as they were written\n");
    else
        (void)printf(": %s problem%s\n", human_count(r->problems).text, r->problems == 1 ? "" : "s");
    if (r->goes_on[0])
        (void)printf("goes on from %s, in a file that was not given\n", r->goes_on);
    if (r->unfinished > 0)
        (void)printf("%" PRIu64 " bytes of an unfinished line at the end: it is being written, or a crash cut it off\n",
                     r->unfinished);
    if (args->chains == 1)
        (void)printf("head %s\n", r->head);
}

static void put_result(const audit_args *args, const sb_audit_verify_result *r, sb_status status)
{
    if (!args->json) {
        put_words(args, r);
        return;
    }
    put_json(json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:i}", "event", "finish", "lines",
                       (json_int_t)r->lines, "problems", (json_int_t)r->problems, "unfinished",
                       (json_int_t)r->unfinished, "first", r->first, "last", r->last, "head", r->head, "goesOn",
                       r->goes_on, "status", sb_status_name(status), "exit", sb_status_exit_code(status)));
}

static int run_verify(int argc, char **argv)
{
    audit_args args = {.json = false};
    sb_error err = SB_ERROR_INIT;
    sb_audit_verify_result result;
    int code;
    if (parse(&args, "audit verify", help_verify, true, argc, argv, &code)) {
        (void)signal(SIGINT, on_signal);
        (void)signal(SIGTERM, on_signal);
        sb_status status = sb_audit_verify((const char *const *)args.files, (size_t)args.file_count,
                                           list_view(&args.heads), on_problem, on_chain, &args, &cancel, &result, &err);
        if (status == SB_OK || status == SB_E_PARTIAL) { /* the problems were listed */
            put_result(&args, &result, status);
            code = cli_finish(sb_status_exit_code(status));
        } else {
            code = cli_fail(&err, args.json);
        }
    }
    list_free(&args.heads);
    return code;
}

static int run_head(int argc, char **argv)
{
    audit_args args = {.json = false};
    sb_error err = SB_ERROR_INIT;
    char head[SB_AUDIT_POINT_SIZE], time[40];
    int code;
    if (!parse(&args, "audit head", help_head, false, argc, argv, &code))
        return code;
    if (args.file_count > 1)
        return cli_usage("audit head", "one file at a time: what is '%s'?", args.files[1]);
    if (sb_audit_head_of(args.files[0], head, time, &err) != SB_OK)
        return cli_fail(&err, args.json);
    if (args.json)
        put_json(json_pack("{s:s, s:s}", "head", head, "time", time));
    else
        (void)printf("%s\n", head);
    return cli_finish(0);
}

int cmd_audit(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "verify") == 0)
        return run_verify(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "head") == 0)
        return run_head(argc - 1, argv + 1);
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return cli_help(help_all);
    return argc >= 2 ? cli_usage("audit", "there is no 'audit %s'; it is verify or head", argv[1])
                     : cli_usage("audit", "verify or head?");
}
