/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_clients.c - `smartbulk clients`: who may ask `smartbulk serve` for tokens, by which keys, and for which rosters. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor.h"
#include "cli.h"
#include "clients_show.h"
#include "list.h"
#include "numbers.h"
#include "suggest.h"

#define TOKENS_PER_MINUTE_MAX 1000000
#define DAYS_MAX              36500 /* a century */
#define DAY_S                 86400

static const char help_all[] =
    "Example: smartbulk clients add --config serve.yaml --id acme --jwks acme-public.json --group acme-roster\n"
    "\n"
    "Keeps the register of clients of 'smartbulk serve', while it runs: it sees a change within two seconds.\n"
    "\n"
    "Usage: smartbulk clients list [OPTION]...           who there is\n"
    "       smartbulk clients show [OPTION]... ID        all of one client\n"
    "       smartbulk clients add [OPTION]...            register a client, active at once\n"
    "       smartbulk clients approve [OPTION]... ID     let in one that registered itself, or was suspended\n"
    "       smartbulk clients suspend [OPTION]... ID     its tokens end at once; its exports stay\n"
    "       smartbulk clients set [OPTION]... ID         change scope, rosters, limits\n"
    "       smartbulk clients rotate [OPTION]... ID      other keys: those of the file or URL, and no others\n"
    "       smartbulk clients remove [OPTION]... ID      forget it, with its tokens\n"
    "       smartbulk clients remove [OPTION]... --pending --older-than DAYS\n"
    "                                                    all that wait for so long, and never were approved\n"
    "\n"
    "Which register:\n"
    "      --config FILE            what serve runs by; or\n"
    "      --database WHERE         its database: a file, or postgresql://... without a password\n"
    "      --audit FILE             the audit log to write what is changed into (default with --config: its audit\n"
    "                               log's name and .commands)\n"
    "\n"
    "Of one that registered itself, to approve it, what its people told you by another way:\n"
    "      --thumbprint T           of its key; one for each key that it has\n"
    "      --keys-at URL            or where its keys are, if it registered a URL\n"
    "\n"
    "Of a client:\n"
    "      --jwks FILE              its public keys: a JWK Set, a JWK or PEM\n"
    "      --jwks-url URL           or where its JWK Set is, https\n"
    "      --scope SCOPE            what it may have at most (default 'system/*.rs')\n"
    "      --group ID               a roster it may use; may be given several times; '*' is all\n"
    "      --no-group ID            a roster it may no longer use (set)\n"
    "      --name TEXT, --contact TEXT   for people\n"
    "      --profile NAME           of its assertions: smart (default) or rfc7523bis\n"
    "      --tokens-per-minute N    0: as the configuration says\n"
    "      --show-reasons, --hide-reasons   tell it on the wire why it is refused, while it is set up; or no longer\n"
    "      --keep-registration      (rotate) who registered it can still change it, by its token\n"
    "      --id ID                  (add) default: one is drawn\n"
    "      --state STATE            (list) pending, active or suspended\n"
    "      --json                   JSON objects on stdout, and errors as JSON\n"
    "\n"
    "Exit status: 0 done; 1 failed; 2 wrong usage or configuration.\n";

enum {
    OPT_CONFIG = 1000,
    OPT_DATABASE,
    OPT_AUDIT,
    OPT_JWKS,
    OPT_JWKS_URL,
    OPT_SCOPE,
    OPT_GROUP,
    OPT_NO_GROUP,
    OPT_NAME,
    OPT_CONTACT,
    OPT_PROFILE,
    OPT_TOKENS,
    OPT_SHOW_REASONS,
    OPT_HIDE_REASONS,
    OPT_ID,
    OPT_STATE,
    OPT_THUMBPRINT,
    OPT_KEYS_AT,
    OPT_KEEP_REGISTRATION,
    OPT_PENDING,
    OPT_OLDER_THAN,
    OPT_JSON
};

static const struct option long_options[] = {{"help", no_argument, NULL, 'h'},
                                             {"config", required_argument, NULL, OPT_CONFIG},
                                             {"database", required_argument, NULL, OPT_DATABASE},
                                             {"audit", required_argument, NULL, OPT_AUDIT},
                                             {"jwks", required_argument, NULL, OPT_JWKS},
                                             {"jwks-url", required_argument, NULL, OPT_JWKS_URL},
                                             {"scope", required_argument, NULL, OPT_SCOPE},
                                             {"group", required_argument, NULL, OPT_GROUP},
                                             {"no-group", required_argument, NULL, OPT_NO_GROUP},
                                             {"name", required_argument, NULL, OPT_NAME},
                                             {"contact", required_argument, NULL, OPT_CONTACT},
                                             {"profile", required_argument, NULL, OPT_PROFILE},
                                             {"tokens-per-minute", required_argument, NULL, OPT_TOKENS},
                                             {"show-reasons", no_argument, NULL, OPT_SHOW_REASONS},
                                             {"hide-reasons", no_argument, NULL, OPT_HIDE_REASONS},
                                             {"id", required_argument, NULL, OPT_ID},
                                             {"state", required_argument, NULL, OPT_STATE},
                                             {"thumbprint", required_argument, NULL, OPT_THUMBPRINT},
                                             {"keys-at", required_argument, NULL, OPT_KEYS_AT},
                                             {"keep-registration", no_argument, NULL, OPT_KEEP_REGISTRATION},
                                             {"pending", no_argument, NULL, OPT_PENDING},
                                             {"older-than", required_argument, NULL, OPT_OLDER_THAN},
                                             {"json", no_argument, NULL, OPT_JSON},
                                             {NULL, 0, NULL, 0}};

/* What each part takes: of options about a client, and an ID. */
enum {
    KEYS = 1,
    WORDS = 2,
    GIVE = 4,
    TAKE = 8,
    NEW = 16,
    STATE = 32,
    ID = 64,
    LOOKS = 128,
    SEEN = 256,
    KEEP = 512,
    MANY = 1024
};

typedef struct clients_args clients_args;
typedef sb_status clients_run(sb_register *reg, clients_args *a, sb_error *err);

typedef struct part {
    const char *name;
    clients_run *run;
    unsigned takes;
    const char *done; /* what is said at the end; NULL: nothing */
} part;

struct clients_args {
    const part *part;
    sb_register_options open;
    sb_client_change change;
    string_list give, take, thumbprints;
    sb_client_seen seen;
    const char *id, *state, *jwks_file;
    bool pending, has_days, json;
    uint64_t days;
};

/* The command line */

static unsigned needs(int option)
{
    switch (option) {
    case OPT_JWKS:
    case OPT_JWKS_URL:
        return KEYS;
    case OPT_GROUP:
        return GIVE;
    case OPT_NO_GROUP:
        return TAKE;
    case OPT_ID:
        return NEW;
    case OPT_STATE:
        return STATE;
    case OPT_THUMBPRINT:
    case OPT_KEYS_AT:
        return SEEN;
    case OPT_KEEP_REGISTRATION:
        return KEEP;
    case OPT_PENDING:
    case OPT_OLDER_THAN:
        return MANY;
    case OPT_SCOPE:
    case OPT_NAME:
    case OPT_CONTACT:
    case OPT_PROFILE:
    case OPT_TOKENS:
    case OPT_SHOW_REASONS:
    case OPT_HIDE_REASONS:
        return WORDS;
    default:
        return 0;
    }
}

static bool take_list(int option, clients_args *a)
{
    string_list *list = option == OPT_GROUP ? &a->give : option == OPT_NO_GROUP ? &a->take : &a->thumbprints;
    return list_add(list, optarg);
}

/* Options that are a text, and where it goes. */
static const char **text_of(int option, clients_args *a)
{
    switch (option) {
    case OPT_CONFIG:
        return &a->open.config;
    case OPT_DATABASE:
        return &a->open.database;
    case OPT_AUDIT:
        return &a->open.audit_file;
    case OPT_JWKS:
        return &a->jwks_file;
    case OPT_JWKS_URL:
        return &a->change.jwks_url;
    case OPT_SCOPE:
        return &a->change.scope;
    case OPT_NAME:
        return &a->change.name;
    case OPT_CONTACT:
        return &a->change.contact;
    case OPT_PROFILE:
        return &a->change.profile;
    case OPT_ID:
        return &a->id;
    case OPT_STATE:
        return &a->state;
    case OPT_KEYS_AT:
        return &a->seen.jwks_url;
    default:
        return NULL;
    }
}

/* 0: go on; else the exit code. */
static int take(clients_args *a, const char *command, int option, char **argv)
{
    uint64_t number;
    unsigned need = needs(option);
    const char **text = text_of(option, a);
    if (need && !(need & a->part->takes))
        return cli_usage(command, "'%s' takes no such option", argv[optind - 1]);
    if (text) {
        *text = optarg;
        return 0;
    }
    switch (option) {
    case OPT_GROUP:
    case OPT_NO_GROUP:
    case OPT_THUMBPRINT:
        return take_list(option, a) ? 0 : cli_usage(command, "out of memory");
    case OPT_TOKENS:
        if (!number_read(optarg, TOKENS_PER_MINUTE_MAX, &number))
            return cli_usage(command, "--tokens-per-minute takes a number up to %d, not '%s'", TOKENS_PER_MINUTE_MAX,
                             optarg);
        a->change.tokens_per_minute = (int64_t)number;
        return 0;
    case OPT_SHOW_REASONS:
    case OPT_HIDE_REASONS:
        a->change.show_reasons = option == OPT_SHOW_REASONS;
        return 0;
    case OPT_KEEP_REGISTRATION:
        a->change.keep_registration = true;
        return 0;
    case OPT_PENDING:
        a->pending = true;
        return 0;
    case OPT_OLDER_THAN:
        a->has_days = number_read(optarg, DAYS_MAX, &a->days);
        return a->has_days
                   ? 0
                   : cli_usage(command, "--older-than takes days, a number up to %d, not '%s'", DAYS_MAX, optarg);
    case OPT_JSON:
        a->json = true;
        return 0;
    default:
        return suggest_option(command, option, argv, long_options);
    }
}

static int check(clients_args *a, const char *command, int argc, char **argv)
{
    bool takes_id = a->part->takes & ID && !a->pending;
    if (!a->open.config == !a->open.database)
        return cli_usage(command, "which register? Give --config or --database");
    if (takes_id && optind >= argc)
        return cli_usage(command, "which client? Give its id");
    if (optind + (takes_id ? 1 : 0) < argc)
        return cli_usage(command, "what is '%s'?", argv[optind + (takes_id ? 1 : 0)]);
    if ((a->part->takes & KEYS) && !a->jwks_file == !a->change.jwks_url)
        return cli_usage(command, "its keys: give --jwks or --jwks-url");
    if (a->pending != a->has_days)
        return cli_usage(command, "those that wait, and for how long? Give --pending and --older-than");
    if (a->thumbprints.len > 0 && a->seen.jwks_url)
        return cli_usage(command, "its keys are at a URL, or they are not: give --thumbprint or --keys-at");
    if (takes_id)
        a->id = argv[optind];
    a->seen.thumbprints = list_view(&a->thumbprints);
    a->change.give = list_view(&a->give);
    a->change.take = list_view(&a->take);
    return 0;
}

/* True: go on. False: *code is the exit code. */
static bool parse(clients_args *a, const char *command, int argc, char **argv, int *code)
{
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h')
            return *code = cli_help(help_all), false;
        if ((*code = take(a, command, option, argv)) != 0)
            return false;
    }
    return (*code = check(a, command, argc, argv)) == 0;
}

/* The parts */

static sb_status on_client(void *impl, const sb_client_info *client, sb_error *err)
{
    const clients_args *a = impl;
    (void)err;
    if (a->json)
        clients_show_json(client);
    else
        clients_show_all(client);
    return SB_OK;
}

static sb_status on_row(void *impl, const sb_client_info *client, sb_error *err)
{
    const clients_args *a = impl;
    (void)err;
    if (a->json)
        clients_show_json(client);
    else
        clients_show_row(client);
    return SB_OK;
}

static sb_status run_list(sb_register *reg, clients_args *a, sb_error *err)
{
    return sb_register_each(reg, a->state, on_row, a, err);
}

static sb_status run_show(sb_register *reg, clients_args *a, sb_error *err)
{
    return sb_register_show(reg, a->id, on_client, a, err);
}

static sb_status run_add(sb_register *reg, clients_args *a, sb_error *err)
{
    return sb_register_add(reg, a->id, &a->change, on_client, a, err);
}

static bool changes_something(const clients_args *a)
{
    const sb_client_change *c = &a->change;
    return c->name || c->contact || c->scope || c->profile || c->jwks || c->jwks_url || c->show_reasons >= 0 ||
           c->tokens_per_minute >= 0 || a->give.len > 0 || a->take.len > 0;
}

static sb_status run_change(sb_register *reg, clients_args *a, sb_error *err)
{
    if (!changes_something(a))
        return sb_error_set(err, SB_E_USAGE, "nothing was changed", "no option says what is to change",
                            "smartbulk clients --help lists them");
    return sb_register_change(reg, a->id, &a->change, err);
}

static sb_status run_approve(sb_register *reg, clients_args *a, sb_error *err)
{
    bool seen = a->seen.thumbprints || a->seen.jwks_url;
    return sb_register_approve(reg, a->id, changes_something(a) ? &a->change : NULL, seen ? &a->seen : NULL, err);
}

static sb_status run_suspend(sb_register *reg, clients_args *a, sb_error *err)
{
    return sb_register_suspend(reg, a->id, err);
}

static sb_status run_remove(sb_register *reg, clients_args *a, sb_error *err)
{
    size_t count = 0;
    if (!a->pending)
        return sb_register_remove(reg, a->id, err);
    sb_status status = sb_register_remove_pending(reg, (int64_t)a->days * DAY_S, &count, err);
    if (a->json)
        (void)printf("{\"removed\":%zu}\n", count);
    else
        (void)printf("%zu %s removed\n", count, count == 1 ? "client was" : "clients were");
    return status;
}

static const part parts[] = {{"list", run_list, STATE | LOOKS, NULL},
                             {"show", run_show, ID | LOOKS, NULL},
                             {"add", run_add, KEYS | WORDS | GIVE | NEW, NULL},
                             {"approve", run_approve, WORDS | GIVE | ID | SEEN, "is active"},
                             {"suspend", run_suspend, ID, "is suspended; it has no token any more"},
                             {"set", run_change, WORDS | GIVE | TAKE | ID, "is changed"},
                             {"rotate", run_change, KEYS | ID | KEEP, "has these keys from now on, and no others"},
                             {"remove", run_remove, ID | MANY, "is removed, with its tokens"}};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

static sb_status read_keys(clients_args *a, sb_jwks **out, sb_error *err)
{
    if (!a->jwks_file)
        return SB_OK;
    sb_status status = sb_jwks_new(out, err);
    if (status == SB_OK)
        status = sb_jwks_add_file(*out, a->jwks_file, NULL, err);
    a->change.jwks = *out;
    return status;
}

static int run(clients_args *a)
{
    char actor[ACTOR_SIZE];
    sb_error err = SB_ERROR_INIT;
    sb_register *reg = NULL;
    sb_jwks *jwks = NULL;
    actor_name(actor);
    a->open.actor = actor;
    a->open.read_only = a->part->takes & LOOKS;
    sb_status status = read_keys(a, &jwks, &err);
    if (status == SB_OK)
        status = sb_register_open(&a->open, &reg, &err);
    if (status == SB_OK)
        status = a->part->run(reg, a, &err);
    if (status == SB_OK && a->part->done && !a->pending && !a->json)
        (void)printf("%s %s\n", a->id, a->part->done);
    if (status == SB_OK && !a->open.read_only && !sb_register_audit_file(reg))
        (void)fprintf(stderr,
                      "smartbulk: this stands in no audit log: give --audit, or --config of one that has one\n");
    sb_register_free(reg);
    sb_jwks_free(jwks);
    return status == SB_OK ? cli_finish(0) : cli_fail(&err, a->json);
}

int cmd_clients(int argc, char **argv)
{
    const char *names[PARTS];
    char command[64];
    int code;
    for (size_t i = 0; i < PARTS; i++)
        names[i] = parts[i].name;
    if (argc < 2)
        return cli_usage("clients", "list, show, add, approve, suspend, set, rotate or remove?");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cli_help(help_all);
    for (size_t i = 0; i < PARTS; i++) {
        if (strcmp(argv[1], parts[i].name) != 0)
            continue;
        clients_args a = {.part = &parts[i], .open = SB_REGISTER_OPTIONS_INIT, .change = SB_CLIENT_CHANGE_INIT};
        (void)snprintf(command, sizeof(command), "clients %s", parts[i].name);
        if (parse(&a, command, argc - 1, argv + 1, &code))
            code = run(&a);
        list_free(&a.give);
        list_free(&a.take);
        list_free(&a.thumbprints);
        return code;
    }
    const char *meant = suggest(argv[1], names, PARTS);
    return meant ? cli_usage("clients", "there is no 'clients %s'; did you mean '%s'?", argv[1], meant)
                 : cli_usage("clients", "there is no 'clients %s'", argv[1]);
}
