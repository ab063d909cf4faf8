/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_load.c - `smartbulk load`: puts members' data, rosters and opt-outs where `smartbulk serve` has them. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <smartbulk/load.h>

#include "actor.h"
#include "cli.h"
#include "human.h"
#include "list.h"
#include "suggest.h"

#define BAD_LINES_SHOWN 20 /* a screen of them; the count tells of the rest */

static const char help[] =
    "Example: smartbulk load --config serve.yaml --groups rosters.ndjson --opt-outs opted-out.txt claims\n"
    "\n"
    "Puts members' data, rosters and opt-outs into the database of 'smartbulk serve', while it runs. Every line is\n"
    "checked before the first is written; loading again is harmless.\n"
    "\n"
    "Usage: smartbulk load WHERE [OPTION]... [FOLDER]\n"
    "\n"
    "FOLDER holds *.ndjson files of FHIR R4 resources. One that is there already is replaced, by its type and id.\n"
    "\n"
    "Where to:\n"
    "      --config FILE            what serve runs by; or\n"
    "      --database WHERE         its database: a file, or postgresql://... without a password\n"
    "      --audit FILE             the audit log to write into (default with --config: its audit log's name and\n"
    "                               .commands)\n"
    "\n"
    "What:\n"
    "      --groups FILE            rosters: NDJSON of Group resources; each replaces the one with its id; may be "
    "given\n"
    "                               several times\n"
    "      --remove-group ID        a roster that is no more; may be given several times\n"
    "      --deleted FILE           resources to be taken out, and told as deleted: lines 'Patient/123'\n"
    "      --opt-outs FILE          members who say no from now on: lines 'Patient/123' or '123'\n"
    "      --opt-ins FILE           members who take that back\n"
    "      --check                  check all of it, write nothing\n"
    "      --json                   counts as a JSON object on stdout, and errors as JSON\n"
    "\n"
    "Exit status: 0 done; 1 failed; 2 wrong usage or configuration; 7 stopped.\n";

enum {
    OPT_CONFIG = 1000,
    OPT_DATABASE,
    OPT_AUDIT,
    OPT_GROUPS,
    OPT_REMOVE_GROUP,
    OPT_DELETED,
    OPT_OPT_OUTS,
    OPT_OPT_INS,
    OPT_CHECK,
    OPT_JSON
};

static const struct option long_options[] = {{"help", no_argument, NULL, 'h'},
                                             {"config", required_argument, NULL, OPT_CONFIG},
                                             {"database", required_argument, NULL, OPT_DATABASE},
                                             {"audit", required_argument, NULL, OPT_AUDIT},
                                             {"groups", required_argument, NULL, OPT_GROUPS},
                                             {"remove-group", required_argument, NULL, OPT_REMOVE_GROUP},
                                             {"deleted", required_argument, NULL, OPT_DELETED},
                                             {"opt-outs", required_argument, NULL, OPT_OPT_OUTS},
                                             {"opt-ins", required_argument, NULL, OPT_OPT_INS},
                                             {"check", no_argument, NULL, OPT_CHECK},
                                             {"json", no_argument, NULL, OPT_JSON},
                                             {NULL, 0, NULL, 0}};

typedef struct load_args {
    sb_load_options o;
    string_list groups, remove;
    bool json, shows_progress;
    uint64_t bad_lines;
} load_args;

static int take(load_args *a, int option, char **argv)
{
    switch (option) {
    case OPT_CONFIG:
        a->o.config = optarg;
        return 0;
    case OPT_DATABASE:
        a->o.database = optarg;
        return 0;
    case OPT_AUDIT:
        a->o.audit_file = optarg;
        return 0;
    case OPT_GROUPS:
        return list_add(&a->groups, optarg) ? 0 : cli_usage("load", "out of memory");
    case OPT_REMOVE_GROUP:
        return list_add(&a->remove, optarg) ? 0 : cli_usage("load", "out of memory");
    case OPT_DELETED:
        a->o.deleted_file = optarg;
        return 0;
    case OPT_OPT_OUTS:
        a->o.opt_out_file = optarg;
        return 0;
    case OPT_OPT_INS:
        a->o.opt_in_file = optarg;
        return 0;
    case OPT_CHECK:
        a->o.check_only = true;
        return 0;
    case OPT_JSON:
        a->json = true;
        return 0;
    default:
        return suggest_option("load", option, argv, long_options);
    }
}

static int check(load_args *a, int argc, char **argv)
{
    const sb_load_options *o = &a->o;
    if (!o->config == !o->database)
        return cli_usage("load", "where to? Give --config or --database");
    if (optind + 1 < argc)
        return cli_usage("load", "one folder at a time: what is '%s'?", argv[optind + 1]);
    if (optind < argc)
        a->o.folder = argv[optind];
    a->o.group_files = list_view(&a->groups);
    a->o.remove_groups = list_view(&a->remove);
    if (!o->folder && !o->group_files && !o->remove_groups && !o->deleted_file && !o->opt_out_file && !o->opt_in_file)
        return cli_usage("load", "what is to be loaded? Give a folder, --groups, --opt-outs ...");
    return 0;
}

/* True: go on. False: *code is the exit code. */
static bool parse(load_args *a, int argc, char **argv, int *code)
{
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h')
            return *code = cli_help(help), false;
        if ((*code = take(a, option, argv)) != 0)
            return false;
    }
    return (*code = check(a, argc, argv)) == 0;
}

static void wipe_progress(const load_args *a)
{
    if (a->shows_progress)
        (void)fputs("\r\033[K", stderr);
}

static void on_bad_line(void *impl, const char *file, uint64_t line, const char *why)
{
    load_args *a = impl;
    if (a->bad_lines++ >= BAD_LINES_SHOWN)
        return;
    wipe_progress(a);
    (void)fprintf(stderr, "%s line %" PRIu64 ": %s\n", file, line, why);
}

static bool on_progress(void *impl, const sb_load_counts *c)
{
    const load_args *a = impl;
    if (a->shows_progress)
        (void)fprintf(stderr, "\r\033[K%s checked and written, %s resources so far", human_bytes(c->bytes).text,
                      human_count(c->added + c->replaced + c->deleted).text);
    return true;
}

/* Numbers */

static void print_json(const sb_load_counts *c)
{
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "added", (json_int_t)c->added, "replaced",
                  (json_int_t)c->replaced, "deleted", (json_int_t)c->deleted, "rosters", (json_int_t)c->rosters,
                  "members", (json_int_t)c->members, "rostersRemoved", (json_int_t)c->rosters_removed, "optedOut",
                  (json_int_t)c->opted_out, "optedIn", (json_int_t)c->opted_in);
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (line)
        (void)printf("%s\n", line);
    free(line);
    json_decref(object);
}

static void print_count(uint64_t count, const char *one, const char *many)
{
    if (count > 0)
        (void)printf("%s %s\n", human_count(count).text, count == 1 ? one : many);
}

static void print_words(const load_args *a, const sb_load_counts *c)
{
    if (a->o.check_only) {
        (void)printf("no line is bad; nothing was written\n");
        return;
    }
    print_count(c->added, "resource is new", "resources are new");
    print_count(c->replaced, "resource was replaced", "resources were replaced");
    print_count(c->deleted, "resource was deleted", "resources were deleted");
    if (c->rosters > 0)
        (void)printf("%s %s loaded, with %s %s\n", human_count(c->rosters).text,
                     c->rosters == 1 ? "roster was" : "rosters were", human_count(c->members).text,
                     c->members == 1 ? "member" : "members");
    print_count(c->rosters_removed, "roster was removed", "rosters were removed");
    print_count(c->opted_out, "member says no from now on", "members say no from now on");
    print_count(c->opted_in, "member took a no back", "members took a no back");
    if (c->added + c->replaced + c->deleted + c->rosters + c->rosters_removed + c->opted_out + c->opted_in == 0)
        (void)printf("nothing had to be changed\n");
}

static int run(load_args *a)
{
    char actor[ACTOR_SIZE];
    sb_error err = SB_ERROR_INIT;
    sb_load_counts counts;
    actor_name(actor);
    a->o.actor = actor;
    a->o.on_bad_line = on_bad_line;
    a->o.on_progress = on_progress;
    a->o.impl = a;
    a->shows_progress = !a->json && isatty(STDERR_FILENO);
    sb_status status = sb_load(&a->o, &counts, &err);
    wipe_progress(a);
    if (a->bad_lines > BAD_LINES_SHOWN)
        (void)fprintf(stderr, "... and %" PRIu64 " more\n", a->bad_lines - BAD_LINES_SHOWN);
    if (a->json)
        print_json(&counts);
    else if (status == SB_OK)
        print_words(a, &counts);
    return status == SB_OK ? cli_finish(0) : cli_fail(&err, a->json);
}

int cmd_load(int argc, char **argv)
{
    load_args a = {.o = SB_LOAD_OPTIONS_INIT};
    int code;
    if (parse(&a, argc, argv, &code))
        code = run(&a);
    list_free(&a.groups);
    list_free(&a.remove);
    return code;
}
