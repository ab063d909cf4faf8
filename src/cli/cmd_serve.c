/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_serve.c - `smartbulk serve`: a payer's side by its configuration, until it is told to end. */
#include <getopt.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <smartbulk/process.h>
#include <smartbulk/serve.h>

#include "cli.h"
#include "service_manager.h"

static const char help[] =
    "Example: smartbulk serve --config /etc/smartbulk/serve.yaml\n"
    "\n"
    "Runs the payer's side: the authorization server for SMART Backend Services and the export server behind it.\n"
    "The configuration is explained in smartbulk-serve.yaml(5); smartbulk-serve(8) tells how to run it.\n"
    "\n"
    "Usage: smartbulk serve --config FILE [OPTION]...\n"
    "\n"
    "      --config FILE            what to serve, and where\n"
    "      --check-config           say every mistake in it with its line, and end\n"
    "      --json                   on stdout {\"event\":\"ready\",…} when it is ready, and errors as JSON\n"
    "  -q, --quiet                  say nothing but the log and errors\n"
    "\n"
    "Signals: HUP reads the configuration and the certificate again, without dropping a request; INT and TERM end it\n"
    "when the requests under way are done (or `drain` seconds are over). The log goes to stderr.\n"
    "\n"
    "Exit status: 0 ended by a signal, or no mistake; 2 wrong usage or configuration; 1 failed.\n";

enum { OPT_CONFIG = 1000, OPT_CHECK, OPT_JSON };

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"check-config", no_argument, NULL, OPT_CHECK},
    {"json", no_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, 'q'},
    {NULL, 0, NULL, 0},
};

typedef struct serve_args {
    const char *config;
    bool check, json, quiet;
} serve_args;

static int parse(serve_args *a, int argc, char **argv)
{
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "hq", long_options, NULL)) != -1) {
        switch (option) {
        case OPT_CONFIG:
            a->config = optarg;
            break;
        case OPT_CHECK:
            a->check = true;
            break;
        case OPT_JSON:
            a->json = true;
            break;
        case 'q':
            a->quiet = true;
            break;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return cli_usage("serve", "it takes options alone: what is '%s'?", argv[optind]);
    return a->config ? 0 : cli_usage("serve", "--config FILE is missing");
}

/* Checking */

static void print_mistake(void *impl, unsigned long line, const char *text)
{
    const serve_args *a = impl;
    (void)fprintf(stderr, "%s:%lu: %s\n", a->config, line, text);
}

static int check(serve_args *a)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_serve_check(a->config, a->json ? NULL : print_mistake, a, &err) == SB_OK) {
        if (!a->quiet)
            (void)printf("%s: no mistake was found\n", a->config);
        return cli_finish(0);
    }
    if (err.code == SB_E_USAGE && !a->json)
        return EXIT_USAGE; /* all has been said */
    return cli_fail(&err, a->json);
}

/* Running */

static void log_line(void *impl, const char *line)
{
    (void)impl;
    (void)fprintf(stderr, "%s\n", line);
}

/* A connection and the file it is sent are two descriptors each. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* with fewer it serves fewer at once */
}

static int say_ready(const serve_args *a, const sb_serve *s)
{
    if (a->json) {
        json_t *object =
            json_pack("{s:s, s:s, s:i, s:i, s:I}", "event", "ready", "fhirUrl", sb_serve_fhir_url(s), "port",
                      (int)sb_serve_port(s), "adminPort", (int)sb_serve_admin_port(s), "pid", (json_int_t)getpid());
        char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
        (void)printf("%s\n", line ? line : "{}");
        free(line);
        json_decref(object);
    } else if (!a->quiet) {
        (void)printf("smartbulk: serving %s (port %u)\n", sb_serve_fhir_url(s), sb_serve_port(s));
        if (sb_serve_admin_port(s) != 0)
            (void)printf("smartbulk: administration on port %u\n", sb_serve_admin_port(s));
    }
    return cli_finish(0);
}

static void reload(sb_serve *s)
{
    service_manager_say("RELOADING=1");
    (void)sb_serve_reload(s, NULL); /* what was wrong is in the log: it goes on as it was */
    service_manager_say("READY=1");
}

/* Until it is told to end. The signals are blocked in every thread, and taken here one by one; in between the service
 * manager hears that we live. */
static void serve(sb_serve *s, const sigset_t *signals)
{
    for (;;) {
        struct timespec wait = service_manager_interval();
        int number = sigtimedwait(signals, NULL, &wait);
        if (number == SIGHUP)
            reload(s);
        else if (number == SIGINT || number == SIGTERM)
            return;
        service_manager_say("WATCHDOG=1");
    }
}

/* What it may ask of the system, when it has all it needs. Without a filter it serves all the same, and says so. */
static void confine(void)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_process_confine(&err) != SB_OK)
        (void)fprintf(stderr, "smartbulk: %s: %s\n", err.what, err.why);
}

static int run(const serve_args *a)
{
    sigset_t signals;
    sb_error err = SB_ERROR_INIT;
    sb_serve *s = NULL;
    sb_serve_options options = {.config = a->config, .log = log_line};
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0)
        return 1;
    raise_file_limit();
    if (sb_serve_start(&options, &s, &err) != SB_OK)
        return cli_fail(&err, a->json);
    confine();
    int code = say_ready(a, s);
    if (code == 0) {
        service_manager_say("READY=1");
        serve(s, &signals);
        service_manager_say("STOPPING=1");
        sb_serve_stop(s);
    }
    sb_serve_free(s);
    return code;
}

int cmd_serve(int argc, char **argv)
{
    serve_args args = {.config = NULL};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return cli_help(help);
    }
    int code = parse(&args, argc, argv);
    if (code != 0)
        return code;
    return args.check ? check(&args) : run(&args);
}
