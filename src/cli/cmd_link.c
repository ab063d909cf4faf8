/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_link.c - `smartbulk link`: lets a person in at the portal of `smartbulk serve`, or out again. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <smartbulk/link.h>

#include "cli.h"

#define CLIENTS_MAX 64 /* options of one command line */

static const char help[] =
    "Example: smartbulk link --config /etc/smartbulk/serve.yaml jane@aco.example\n"
    "\n"
    "Prints a link that signs a person in at the portal, once. Give it to them alone: whoever opens it first is in.\n"
    "\n"
    "Usage: smartbulk link --config FILE [OPTION]... WHO\n"
    "\n"
    "WHO is an e-mail address or a user name: it stands in the audit log, and the clients it registers are its own.\n"
    "\n"
    "      --config FILE            what serve runs by\n"
    "      --administrator          may approve and suspend clients, and search the audit log\n"
    "      --client ID              this client becomes theirs to look at; may be given several times\n"
    "      --minutes N              the link is good for so long (default 60, at most 10080)\n"
    "      --revoke                 make no link: end every link and session of WHO\n"
    "      --json                   {\"url\":…} on stdout, and errors as JSON\n"
    "\n"
    "Exit status: 0 done; 1 failed; 2 wrong usage or configuration.\n";

enum { OPT_CONFIG = 1000, OPT_ADMINISTRATOR, OPT_CLIENT, OPT_MINUTES, OPT_REVOKE, OPT_JSON };

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"administrator", no_argument, NULL, OPT_ADMINISTRATOR},
    {"client", required_argument, NULL, OPT_CLIENT},
    {"minutes", required_argument, NULL, OPT_MINUTES},
    {"revoke", no_argument, NULL, OPT_REVOKE},
    {"json", no_argument, NULL, OPT_JSON},
    {NULL, 0, NULL, 0},
};

typedef struct link_args {
    sb_link_options options;
    const char *clients[CLIENTS_MAX];
    bool revoke, json;
} link_args;

static int take_minutes(link_args *a, const char *text)
{
    char *end = NULL;
    unsigned long minutes = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (!end || *end != '\0' || minutes < 1 || minutes > 10080)
        return cli_usage("link", "--minutes takes a number from 1 to 10080, not '%s'", text);
    a->options.minutes = (unsigned)minutes;
    return 0;
}

static int take(link_args *a, int option, const char *value)
{
    switch (option) {
    case OPT_CONFIG:
        a->options.config = value;
        return 0;
    case OPT_ADMINISTRATOR:
        a->options.administrator = true;
        return 0;
    case OPT_CLIENT:
        if (a->options.client_count == CLIENTS_MAX)
            return cli_usage("link", "at most %d clients at once", CLIENTS_MAX);
        a->clients[a->options.client_count++] = value;
        return 0;
    case OPT_MINUTES:
        return take_minutes(a, value);
    case OPT_REVOKE:
        a->revoke = true;
        return 0;
    case OPT_JSON:
        a->json = true;
        return 0;
    default:
        return EXIT_USAGE; /* getopt has said it */
    }
}

static int parse(link_args *a, int argc, char **argv)
{
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        int code = take(a, option, optarg);
        if (code != 0)
            return code;
    }
    if (!a->options.config)
        return cli_usage("link", "--config FILE is missing");
    if (optind + 1 != argc)
        return cli_usage("link", "it takes one name: who is to be let in?");
    if (a->revoke && (a->options.administrator || a->options.client_count || a->options.minutes))
        return cli_usage("link", "--revoke goes with no option of a link");
    a->options.who = argv[optind];
    a->options.clients = a->clients;
    return 0;
}

static int revoke(const link_args *a)
{
    sb_error err = SB_ERROR_INIT;
    size_t ended = 0;
    if (sb_link_revoke(a->options.config, a->options.who, &ended, &err) != SB_OK)
        return cli_fail(&err, a->json);
    if (a->json)
        (void)printf("{\"ended\":%zu}\n", ended);
    else
        (void)printf("%zu links and sessions of %s are ended\n", ended, a->options.who);
    return cli_finish(0);
}

static int make(const link_args *a)
{
    sb_error err = SB_ERROR_INIT;
    char *url = NULL;
    if (sb_link_new(&a->options, &url, &err) != SB_OK)
        return cli_fail(&err, a->json);
    json_t *object = a->json ? json_pack("{s:s}", "url", url) : NULL;
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
    (void)printf("%s\n", line ? line : url);
    free(line);
    json_decref(object);
    free(url);
    return cli_finish(0);
}

int cmd_link(int argc, char **argv)
{
    link_args args = {.json = false};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return cli_help(help);
    }
    int code = parse(&args, argc, argv);
    if (code != 0)
        return code;
    return args.revoke ? revoke(&args) : make(&args);
}
