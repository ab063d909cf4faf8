/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_token.c - `smartbulk token`: an access token for scripts, on stdout and nowhere else. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "payer_args.h"

#define MIN_LEFT_DEFAULT_S 60    /* a script does something first */
#define MIN_LEFT_MAX_S     86400 /* no payer's tokens live longer */

static const char help_head[] =
    "Example: curl -H \"$(smartbulk token acme --header)\" https://fhir.acme.example/r4/Group\n"
    "\n"
    "Prints an access token. Runs share it by a file that you alone can read, until it nears its end.\n"
    "\n"
    "Usage: smartbulk token PAYER [OPTION]...\n"
    "\n"
    "PAYER is a name in smartbulk.yaml or a FHIR base URL.\n"
    "\n"
    "      --header                 print \"Authorization: Bearer …\", for curl -H\n"
    "      --json                   print access_token, token_type, expires_in and scope as JSON\n"
    "      --min-left S             seconds that the token is to be good for at least (default 60)\n"
    "      --add-header 'N: V'      as --header of the other commands: sent with each request to the payer\n"
    "\n";

static const char help_tail[] = "\n"
                                "Exit status: 0 done; 2 wrong usage or configuration; 3 the payer refused us;\n"
                                "4 the payer failed; 5 the network failed.\n";

typedef struct token_args {
    payer_args payer;
    bool json, header;
    unsigned min_left_s;
    bool min_left_given;
} token_args;

enum { TOKEN_OPT_JSON = 1000, TOKEN_OPT_HEADER, TOKEN_OPT_MIN_LEFT };

/* --header is ours: the first of two long options with one name is the one that is found. */
static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, TOKEN_OPT_JSON},
    {"header", no_argument, NULL, TOKEN_OPT_HEADER},
    {"min-left", required_argument, NULL, TOKEN_OPT_MIN_LEFT},
    {"add-header", required_argument, NULL, PAYER_OPT_HEADER},
    PAYER_ARGS_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

/* 0, or the exit code of a mistake that was reported. */
static int take_min_left(token_args *a, const char *value)
{
    char *end = NULL;
    unsigned long number = value[0] >= '0' && value[0] <= '9' ? strtoul(value, &end, 10) : 0;
    if (!end || *end != '\0' || number > MIN_LEFT_MAX_S)
        return cli_usage("token", "--min-left takes a number of seconds of at most %d, not '%s'", MIN_LEFT_MAX_S,
                         value);
    a->min_left_s = (unsigned)number;
    a->min_left_given = true;
    return 0;
}

static int parse(token_args *a, int argc, char **argv)
{
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        int taken = payer_args_take(&a->payer, "token", option, optarg);
        if (taken == 1)
            continue;
        if (option == TOKEN_OPT_JSON)
            a->json = true;
        else if (option == TOKEN_OPT_HEADER)
            a->header = true;
        else if (option != TOKEN_OPT_MIN_LEFT || take_min_left(a, optarg) != 0)
            return EXIT_USAGE;
    }
    if (optind >= argc)
        return cli_usage("token", "which payer? Give its name in smartbulk.yaml or its FHIR base URL");
    if (optind + 1 < argc)
        return cli_usage("token", "one payer at a time: what is '%s'?", argv[optind + 1]);
    if (a->json && a->header)
        return cli_usage("token", "choose one of --json and --header");
    return 0;
}

static long long left_s(const sb_token *token)
{
    const sb_clock *clock = sb_clock_system();
    int64_t left_ns = sb_token_expires_ns(token) - clock->monotonic_ns(clock->impl);
    return left_ns > 0 ? left_ns / 1000000000 : 0;
}

/* The freshest token there is may live shorter than was wished. Who wished it is told, and gets the token. */
static void tell_if_short(const token_args *a, const sb_token *token)
{
    long long left = left_s(token);
    if (a->min_left_given && left + 1 < (long long)a->min_left_s) /* 1: what getting it took, and the rounding */
        (void)fprintf(
            stderr,
            "smartbulk: the token is good for %lld s, not for the %u s of --min-left: this payer's tokens live "
            "no longer\n",
            left, a->min_left_s);
}

static int print_json(sb_payer *payer, const sb_token *token)
{
    const char *granted = sb_token_scope(token), *asked = sb_payer_scope(payer);
    json_t *object = json_pack("{s:s, s:s, s:I, s:s*}", "access_token", sb_token_text(token), "token_type", "bearer",
                               "expires_in", (json_int_t)left_s(token), "scope",
                               granted             ? granted
                               : asked && asked[0] ? asked /* RFC 6749 §5.1: not said means as asked */
                                                   : NULL);
    int code = object && json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF ? 0 : 1;
    json_decref(object);
    return cli_finish(code);
}

static int print(const token_args *a, sb_payer *payer, const sb_token *token)
{
    tell_if_short(a, token);
    if (a->json)
        return print_json(payer, token);
    int written = printf(a->header ? "Authorization: Bearer %s\n" : "%s\n", sb_token_text(token));
    return cli_finish(written > 0 ? 0 : 1);
}

static int run(token_args *a, const char *name)
{
    sb_error err = SB_ERROR_INIT;
    sb_payer *payer = NULL;
    sb_token *token = NULL;
    sb_status status = payer_args_open(&a->payer, name, NULL, &payer, &err);
    if (status == SB_OK)
        status = sb_payer_token(payer, a->min_left_s, &token, &err);
    if (status == SB_OK && !token)
        status = sb_error_set(&err, SB_E_USAGE, "this payer needs no token", "its auth is none",
                              "send requests to it as they are");
    int code = status == SB_OK ? print(a, payer, token) : cli_fail(&err, a->json);
    sb_token_release(token);
    sb_payer_free(payer);
    return code;
}

int cmd_token(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(help_head, stdout);
            (void)fputs(payer_args_help, stdout);
            return cli_help(help_tail);
        }
    token_args args = {.min_left_s = MIN_LEFT_DEFAULT_S};
    int code = parse(&args, argc, argv);
    if (code == 0)
        code = run(&args, argv[optind]);
    payer_args_free(&args.payer);
    return code;
}
