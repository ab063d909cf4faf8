/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_sandbox.c - `smartbulk sandbox`: a payer to try things on, until it is interrupted. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <smartbulk/sandbox.h>

#include "cli.h"

static const char help[] =
    "Example: smartbulk sandbox --tls --patients 1000\n"
    "\n"
    "Runs a payer to try things on: it registers clients, checks their assertions, lets tokens expire, exports claims\n"
    "of people who never lived. Says how to use it, then serves until Ctrl-C.\n"
    "\n"
    "Usage: smartbulk sandbox [OPTION]...\n"
    "\n"
    "Data:\n"
    "      --patients N             people to make up (default 100); the same number gives the same data everywhere\n"
    "      --data DIR               serve the *.ndjson files of this folder instead, byte for byte\n"
    "      --file-bytes N           cut files that are made at about this size (default 32 MiB)\n"
    "\n"
    "Server:\n"
    "      --port N                 port to listen on (default: a free one)\n"
    "      --address A              numeric address to listen on (default 127.0.0.1; others only with --tls)\n"
    "      --base-url URL           how clients reach it, where that is not by address and port\n"
    "      --tls                    serve https, with a CA made now and thrown away at the end\n"
    "      --threads N              threads that answer (default 4)\n"
    "      --state-dir DIR          keep clients, tokens, used assertions and exports there, over restarts (default:\n"
    "                               a folder of its own, removed at the end)\n"
    "\n"
    "Clients and tokens:\n"
    "      --client-id ID --jwks FILE   know this client from the start: FILE is its JWK Set, or its key\n"
    "      --scope SCOPE            what that client may have (default \"system/*.rs\")\n"
    "      --no-registration        let no other clients register\n"
    "      --token-lifetime S       seconds that a token is good for (default 300)\n"
    "\n"
    "Exports:\n"
    "      --job-seconds S          an export takes at least this long (default 0)\n"
    "      --keep-seconds S         finished exports are kept this long (default 3600)\n"
    "      --file-rate N            send each file at N bytes a second, to try out interruptions\n"
    "      --open-files             files need no token, and refuse one, as with presigned URLs\n"
    "\n"
    "Output:\n"
    "      --json                   one JSON object a line: on stdout {\"event\":\"ready\",…} when it is ready and\n"
    "                               {\"event\":\"summary\",…} at the end, on stderr one a request with -v\n"
    "      --ready-file FILE        write that ready line to FILE, too, whole or not at all; removed at the end\n"
    "  -v, --verbose                one line a request, on stderr\n"
    "  -q, --quiet                  say nothing but errors (and what --json says)\n"
    "\n"
    "Signals: INT and TERM end it, with two seconds for requests under way; USR1 revokes all tokens at once.\n"
    "\n"
    "Exit status: 0 ended by a signal; 2 wrong usage; 1 failed.\n";

enum {
    OPT_PATIENTS = 1000,
    OPT_DATA,
    OPT_FILE_BYTES,
    OPT_FILE_RATE,
    OPT_PORT,
    OPT_ADDRESS,
    OPT_BASE_URL,
    OPT_TLS,
    OPT_THREADS,
    OPT_STATE_DIR,
    OPT_CLIENT_ID,
    OPT_JWKS,
    OPT_SCOPE,
    OPT_NO_REGISTRATION,
    OPT_TOKEN_LIFETIME,
    OPT_JOB_SECONDS,
    OPT_KEEP_SECONDS,
    OPT_OPEN_FILES,
    OPT_JSON,
    OPT_READY_FILE,
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"patients", required_argument, NULL, OPT_PATIENTS},
    {"data", required_argument, NULL, OPT_DATA},
    {"file-bytes", required_argument, NULL, OPT_FILE_BYTES},
    {"file-rate", required_argument, NULL, OPT_FILE_RATE},
    {"port", required_argument, NULL, OPT_PORT},
    {"address", required_argument, NULL, OPT_ADDRESS},
    {"base-url", required_argument, NULL, OPT_BASE_URL},
    {"tls", no_argument, NULL, OPT_TLS},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"client-id", required_argument, NULL, OPT_CLIENT_ID},
    {"jwks", required_argument, NULL, OPT_JWKS},
    {"scope", required_argument, NULL, OPT_SCOPE},
    {"no-registration", no_argument, NULL, OPT_NO_REGISTRATION},
    {"token-lifetime", required_argument, NULL, OPT_TOKEN_LIFETIME},
    {"job-seconds", required_argument, NULL, OPT_JOB_SECONDS},
    {"keep-seconds", required_argument, NULL, OPT_KEEP_SECONDS},
    {"open-files", no_argument, NULL, OPT_OPEN_FILES},
    {"json", no_argument, NULL, OPT_JSON},
    {"ready-file", required_argument, NULL, OPT_READY_FILE},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {NULL, 0, NULL, 0},
};

typedef struct sandbox_args {
    sb_sandbox_options options; /* texts point into argv */
    const char *ready_file;
    bool json, verbose, quiet;
} sandbox_args;

/* Options */

static bool read_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (!end || *end != '\0' || errno != 0 || number < min || number > max) {
        (void)cli_usage("sandbox", "--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'", name, min, max,
                        text);
        return false;
    }
    *out = number;
    return true;
}

static bool read_unsigned(const char *name, const char *text, unsigned min, unsigned max, unsigned *out)
{
    uint64_t number;
    if (!read_number(name, text, min, max, &number))
        return false;
    *out = (unsigned)number;
    return true;
}

static bool take_number(sb_sandbox_options *o, int option, const char *value)
{
    switch (option) {
    case OPT_PATIENTS:
        return read_number("patients", value, 1, 10000000, &o->patients);
    case OPT_FILE_BYTES:
        return read_number("file-bytes", value, 1, UINT64_C(1) << 40, &o->file_bytes);
    case OPT_FILE_RATE:
        return read_number("file-rate", value, 1, UINT64_C(1) << 40, &o->file_rate);
    case OPT_PORT:
        return read_unsigned("port", value, 0, 65535, &o->port);
    case OPT_THREADS:
        return read_unsigned("threads", value, 1, 64, &o->threads);
    case OPT_TOKEN_LIFETIME:
        return read_unsigned("token-lifetime", value, 1, 86400, &o->token_lifetime_s);
    case OPT_JOB_SECONDS:
        return read_unsigned("job-seconds", value, 0, 86400, &o->job_seconds);
    case OPT_KEEP_SECONDS:
        return read_unsigned("keep-seconds", value, 1, 31536000, &o->keep_seconds);
    default:
        return false; /* getopt has said it */
    }
}

static bool take_text(sandbox_args *a, int option, const char *value)
{
    const struct {
        int option;
        const char **to;
    } texts[] = {
        {OPT_DATA, &a->options.data_dir},       {OPT_ADDRESS, &a->options.address},
        {OPT_BASE_URL, &a->options.base_url},   {OPT_STATE_DIR, &a->options.state_dir},
        {OPT_CLIENT_ID, &a->options.client_id}, {OPT_JWKS, &a->options.jwks_file},
        {OPT_SCOPE, &a->options.client_scope},  {OPT_READY_FILE, &a->ready_file},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].option == option) {
            *texts[i].to = value;
            return true;
        }
    }
    return false;
}

static bool take_flag(sandbox_args *a, int option)
{
    const struct {
        int option;
        bool *to;
    } flags[] = {
        {OPT_TLS, &a->options.tls},
        {OPT_NO_REGISTRATION, &a->options.no_registration},
        {OPT_OPEN_FILES, &a->options.open_files},
        {OPT_JSON, &a->json},
        {'v', &a->verbose},
        {'q', &a->quiet},
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].option == option) {
            *flags[i].to = true;
            return true;
        }
    }
    return false;
}

static int parse(sandbox_args *a, int argc, char **argv)
{
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "hvq", long_options, NULL)) != -1) {
        if (!take_flag(a, option) && !take_text(a, option, optarg) && !take_number(&a->options, option, optarg))
            return EXIT_USAGE;
    }
    if (optind < argc)
        return cli_usage("sandbox", "it takes options alone: what is '%s'?", argv[optind]);
    return 0;
}

/* Saying what is there */

static json_t *ready_object(const sandbox_args *a, const sb_sandbox *s, const char *link)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:s, s:I}", "event", "ready", "fhirUrl", sb_sandbox_fhir_url(s),
                               "registerUrl", sb_sandbox_register_url(s), "port", (int)sb_sandbox_port(s), "dataDir",
                               sb_sandbox_data_dir(s), "pid", (json_int_t)getpid());
    if (object)
        (void)json_object_set_new(object, "portalLink", json_string(link));
    if (object && sb_sandbox_ca_file(s))
        (void)json_object_set_new(object, "caFile", json_string(sb_sandbox_ca_file(s)));
    if (object && a->options.client_id)
        (void)json_object_set_new(object, "clientId", json_string(a->options.client_id));
    return object;
}

/* Whole or not at all: who waits for the file never reads half of it. */
static int write_ready_file(const char *path, const char *line)
{
    char temporary[4096];
    int len = snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid());
    FILE *file = len > 0 && (size_t)len < sizeof(temporary) ? fopen(temporary, "wxe") : NULL;
    bool ok = file && fprintf(file, "%s\n", line) > 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (ok && rename(temporary, path) == 0)
        return 0;
    (void)fprintf(stderr, "smartbulk: %s could not be written: %s\n", path, strerror(errno));
    if (file)
        (void)unlink(temporary);
    return 1;
}

static void print_how_to(const sandbox_args *a, const sb_sandbox *s, const char *link)
{
    const char *ca = sb_sandbox_ca_file(s), *id = a->options.client_id;
    (void)printf("A payer to try is ready.\n\n"
                 "  FHIR base URL  %s\n"
                 "  data           %s\n"
                 "  groups         all, first-half, second-half\n",
                 sb_sandbox_fhir_url(s), sb_sandbox_data_dir(s));
    if (ca)
        (void)printf("  CA file        %s\n", ca);
    (void)printf("  portal         %s\n", link);
    if (!id) {
        (void)printf("\nMake a key and register it (the answer has your client_id):\n\n"
                     "  smartbulk key new -o sandbox.jwk\n"
                     "  curl%s%s -H 'Content-Type: application/json' \\\n"
                     "    -d \"{\\\"jwks\\\": $(smartbulk key jwks sandbox.jwk)}\" %s\n",
                     ca ? " --cacert " : "", ca ? ca : "", sb_sandbox_register_url(s));
    }
    (void)printf("\nExport:\n\n"
                 "  smartbulk export %s --client-id %s --key %s%s%s --patients --to claims\n\n"
                 "Ctrl-C ends it.\n",
                 sb_sandbox_fhir_url(s), id ? id : "CLIENT_ID", id ? "YOUR.jwk" : "sandbox.jwk",
                 ca ? " --ca-file " : "", ca ? ca : "");
    (void)fflush(stdout);
}

static int say_ready(const sandbox_args *a, const sb_sandbox *s)
{
    sb_error err = SB_ERROR_INIT;
    char *link = NULL;
    if (sb_sandbox_portal_link(s, &link, &err) != SB_OK)
        return cli_fail(&err, a->json);
    json_t *object = ready_object(a, s, link);
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
    int code = line ? 0 : 1;
    if (line && a->json) {
        (void)printf("%s\n", line);
        code = cli_finish(0);
    } else if (!a->quiet) {
        print_how_to(a, s, link);
    }
    if (code == 0 && a->ready_file)
        code = write_ready_file(a->ready_file, line);
    free(link);
    free(line);
    json_decref(object);
    return code;
}

static int say_summary(const sandbox_args *a, const sb_sandbox *s)
{
    sb_sandbox_counts c;
    sb_sandbox_count(s, &c);
    if (a->json) {
        json_t *object = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "event", "summary", "requests",
                                   (json_int_t)c.requests, "tokenRequests", (json_int_t)c.token_requests,
                                   "tokensIssued", (json_int_t)c.tokens_issued, "tokensRefused",
                                   (json_int_t)c.tokens_refused, "unauthorized", (json_int_t)c.unauthorized, "exports",
                                   (json_int_t)c.exports, "files", (json_int_t)c.files, "bytes", (json_int_t)c.bytes);
        if (object)
            (void)json_dumpf(object, stdout, JSON_COMPACT);
        (void)putchar('\n');
        json_decref(object);
    } else if (!a->quiet) {
        (void)printf("\n%" PRIu64 " requests: %" PRIu64 " tokens issued, %" PRIu64 " refused; %" PRIu64
                     " exports, %" PRIu64 " file requests, %" PRIu64 " bytes\n",
                     c.requests, c.tokens_issued, c.tokens_refused, c.exports, c.files, c.bytes);
    }
    return cli_finish(0);
}

/* Running */

static void log_line(void *impl, const char *line)
{
    (void)impl;
    (void)fprintf(stderr, "%s\n", line);
}

static void revoke_tokens(const sandbox_args *a, sb_sandbox *s)
{
    size_t count = sb_sandbox_revoke_tokens(s);
    if (a->json)
        (void)fprintf(stderr, "{\"event\":\"revoked\",\"tokens\":%zu}\n", count);
    else if (!a->quiet)
        (void)fprintf(stderr, "smartbulk: tokens revoked: %zu\n", count);
}

/* A connection and the file it is sent are two descriptors each; many systems begin with 1024 for all. */
#define FILES_WANTED 8192

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_WANTED)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* with fewer it serves fewer at once */
}

/* Until it is told to end. The signals are blocked in every thread, and taken here one by one. */
static void serve(const sandbox_args *a, sb_sandbox *s, const sigset_t *signals)
{
    int number = 0;
    while (sigwait(signals, &number) == 0 && number == SIGUSR1)
        revoke_tokens(a, s);
}

/* While data is being made nobody waits for signals, but those that came are seen: they stay until serve() takes them. */
static bool was_told_to_end(void *impl)
{
    sigset_t pending;
    (void)impl;
    return sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
                                         sigismember(&pending, SIGHUP) == 1);
}

static int run(sandbox_args *a)
{
    sigset_t signals;
    sb_error err = SB_ERROR_INIT;
    sb_sandbox *s = NULL;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP); /* its terminal is gone */
    (void)sigaddset(&signals, SIGUSR1);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0)
        return 1;
    raise_file_limit();
    a->options.log = a->verbose ? log_line : NULL;
    a->options.log_json = a->json;
    a->options.cancelled = was_told_to_end;
    if (sb_sandbox_start(&a->options, &s, &err) != SB_OK)
        return err.code == SB_E_INTERRUPTED ? 0 : cli_fail(&err, a->json);
    int code = say_ready(a, s);
    if (code == 0) {
        serve(a, s, &signals);
        sb_sandbox_stop(s); /* what was under way counts, too */
        code = say_summary(a, s);
    }
    if (a->ready_file)
        (void)unlink(a->ready_file);
    sb_sandbox_free(s);
    return code;
}

int cmd_sandbox(int argc, char **argv)
{
    sandbox_args args = {.options = SB_SANDBOX_OPTIONS_INIT};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return cli_help(help);
    }
    int code = parse(&args, argc, argv);
    return code == 0 ? run(&args) : code;
}
