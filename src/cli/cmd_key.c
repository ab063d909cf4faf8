/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_key.c - `smartbulk key`: our keys made, shown, and published as a JWK Set. Nothing private is ever printed. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <smartbulk/key.h>

#include "cli.h"
#include "passphrase.h"

#define KEY_FILE_DEFAULT "smartbulk-key.jwk"

static const char help_all[] =
    "Example: smartbulk key new -o acme.jwk >acme-public.json\n"
    "\n"
    "Makes the key that a payer knows us by, and shows its public half for registration.\n"
    "\n"
    "Usage: smartbulk key new [OPTION]...          make a key\n"
    "       smartbulk key jwks [OPTION]... FILE... print the public JWK Set of key files, merged\n"
    "       smartbulk key show [OPTION]... FILE    print kid, algorithm and thumbprint\n"
    "\n"
    "'smartbulk key new --help' and so on tell more.\n";

static const char help_new[] =
    "Example: smartbulk key new -o acme.jwk >acme-public.json\n"
    "\n"
    "Makes a private key, writes it as a JWK to a new file that only you can read, and prints the public JWK Set to\n"
    "register with the payer. An existing file is never overwritten.\n"
    "\n"
    "Usage: smartbulk key new [OPTION]...\n"
    "\n"
    "      --alg ALG                ES384 (default) or RS384, which every payer accepts; or ES256, RS256, PS384, "
    "EdDSA\n"
    "      --bits N                 of an RSA key: 2048 to 8192 (default 3072)\n"
    "      --kid ID                 the key's name (default: its RFC 7638 thumbprint)\n"
    "  -o, --output FILE            where to write it (default " KEY_FILE_DEFAULT ")\n"
    "\n"
    "Exit status: 0 done; 1 failed; 2 wrong usage.\n";

static const char help_jwks[] =
    "Example: smartbulk key jwks old.jwk new.jwk >jwks.json\n"
    "\n"
    "Prints one JWK Set with the public halves of all keys in the files. Publish old and new together when you change\n"
    "keys, and sign with the new one only after the payer has had time to fetch the set.\n"
    "\n"
    "Usage: smartbulk key jwks [OPTION]... FILE...\n"
    "\n"
    "FILE is a JWK, a JWK Set or PEM, public or private.\n"
    "\n"
    "      --passphrase-file FILE   of encrypted keys; else --passphrase-env NAME, else you are asked\n"
    "      --compact                on one line\n"
    "\n"
    "Exit status: 0 done; 1 failed; 2 wrong usage, or a file that cannot be used.\n";

static const char help_show[] =
    "Example: smartbulk key show acme.jwk\n"
    "\n"
    "Prints what is public of each key in a file.\n"
    "\n"
    "Usage: smartbulk key show [OPTION]... FILE\n"
    "\n"
    "      --json                   as a JSON array of objects with kid, alg, kind, thumbprint\n"
    "      --passphrase-file FILE   of an encrypted key; else --passphrase-env NAME, else you are asked\n"
    "\n"
    "Exit status: 0 done; 1 failed; 2 wrong usage, or a file that cannot be used.\n";

enum { OPT_ALG = 1000, OPT_BITS, OPT_KID, OPT_PASSPHRASE_FILE, OPT_PASSPHRASE_ENV, OPT_COMPACT, OPT_JSON };

typedef struct key_args {
    const char *alg, *kid, *output;
    unsigned bits;
    cli_passphrase passphrase;
    bool compact, json;
} key_args;

/* One of the options of all three; false: a mistake that was reported. */
static bool take(key_args *a, const char *command, int option, const char *value)
{
    char *end = NULL;
    switch (option) {
    case OPT_ALG:
        a->alg = value;
        return true;
    case OPT_KID:
        a->kid = value;
        return true;
    case 'o':
        a->output = value;
        return true;
    case OPT_PASSPHRASE_FILE:
        a->passphrase.file = value;
        return true;
    case OPT_PASSPHRASE_ENV:
        a->passphrase.env = value;
        return true;
    case OPT_COMPACT:
        a->compact = true;
        return true;
    case OPT_JSON:
        a->json = true;
        return true;
    case OPT_BITS:
        a->bits = value[0] >= '1' && value[0] <= '9' && strlen(value) <= 5 ? (unsigned)strtoul(value, &end, 10) : 0;
        if (end && *end == '\0')
            return true;
        (void)cli_usage(command, "--bits takes a number of bits, not '%s'", value);
        return false;
    default:
        (void)fprintf(stderr, "Try 'smartbulk %s --help'.\n", command); /* getopt said what is wrong */
        return false;
    }
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static bool parse(key_args *a, const char *command, int argc, char **argv, const char *shorts,
                  const struct option *longs)
{
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, shorts, longs, NULL)) != -1)
        if (!take(a, command, option, optarg))
            return false;
    return true;
}

static int print_set(const sb_jwks *set, bool pretty)
{
    char *text = sb_jwks_json(set, pretty);
    int written = text ? printf("%s\n", text) : -1;
    free(text);
    return cli_finish(written > 0 ? 0 : 1);
}

static int print_key(const sb_key *key)
{
    sb_error err = SB_ERROR_INIT;
    sb_jwks *set = NULL;
    sb_status status = sb_jwks_new(&set, &err);
    if (status == SB_OK)
        status = sb_jwks_add(set, key, &err);
    int code = status == SB_OK ? print_set(set, true) : cli_fail(&err, false);
    sb_jwks_free(set);
    return code;
}

static int key_new(int argc, char **argv)
{
    static const struct option longs[] = {{"alg", required_argument, NULL, OPT_ALG},
                                          {"bits", required_argument, NULL, OPT_BITS},
                                          {"kid", required_argument, NULL, OPT_KID},
                                          {"output", required_argument, NULL, 'o'},
                                          {NULL, 0, NULL, 0}};
    key_args a = {.alg = "ES384", .output = KEY_FILE_DEFAULT};
    sb_error err = SB_ERROR_INIT;
    sb_key *key = NULL;
    if (wants_help(argc, argv))
        return cli_help(help_new);
    if (!parse(&a, "key new", argc, argv, "o:", longs))
        return EXIT_USAGE;
    if (optind < argc)
        return cli_usage("key new", "what is '%s'? The file to write goes after -o", argv[optind]);
    sb_status status = sb_key_generate(a.alg, a.bits, a.kid, &key, &err);
    if (status == SB_OK)
        status = sb_key_save_new(key, a.output, &err);
    int code = status == SB_OK ? print_key(key) : cli_fail(&err, false);
    if (code == 0)
        (void)fprintf(
            stderr,
            "The private key is in %s: keep it, and show it to nobody. The JWK Set above is its public half:\n"
            "register it with the payer.\n",
            a.output);
    sb_key_free(key);
    return code;
}

#define FILE_LONGS                                                                                                     \
    {"passphrase-file", required_argument, NULL, OPT_PASSPHRASE_FILE},                                                 \
    {                                                                                                                  \
        "passphrase-env", required_argument, NULL, OPT_PASSPHRASE_ENV                                                  \
    }

/* The public keys of the files that are left in argv. */
static sb_status read_files(key_args *a, int argc, char **argv, sb_jwks **out, sb_error *err)
{
    const sb_key_load_options load = {.passphrase = cli_passphrase_get, .passphrase_impl = &a->passphrase};
    sb_status status = sb_jwks_new(out, err);
    for (int i = optind; i < argc && status == SB_OK; i++)
        status = sb_jwks_add_file(*out, argv[i], &load, err);
    cli_passphrase_forget(&a->passphrase);
    return status;
}

static int key_jwks(int argc, char **argv)
{
    static const struct option longs[] = {FILE_LONGS, {"compact", no_argument, NULL, OPT_COMPACT}, {NULL, 0, NULL, 0}};
    key_args a = {.alg = NULL};
    sb_error err = SB_ERROR_INIT;
    sb_jwks *set = NULL;
    if (wants_help(argc, argv))
        return cli_help(help_jwks);
    if (!parse(&a, "key jwks", argc, argv, "", longs))
        return EXIT_USAGE;
    if (optind >= argc)
        return cli_usage("key jwks", "which key files?");
    sb_status status = read_files(&a, argc, argv, &set, &err);
    int code = status == SB_OK ? print_set(set, !a.compact) : cli_fail(&err, false);
    sb_jwks_free(set);
    return code;
}

static int show_json(const sb_jwks *set)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sb_jwks_count(set); i++) {
        const sb_key *key = sb_jwks_at(set, i);
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s, s:s}", "kid", sb_key_kid(key), "alg", sb_key_alg(key),
                                              "kind", sb_key_kind(key), "thumbprint", sb_key_thumbprint(key)));
    }
    bool ok = json_array_size(list) == sb_jwks_count(set) && json_dumpf(list, stdout, JSON_COMPACT) == 0;
    json_decref(list);
    return cli_finish(ok && putchar('\n') != EOF ? 0 : 1);
}

static int show_text(const sb_jwks *set)
{
    for (size_t i = 0; i < sb_jwks_count(set); i++) {
        const sb_key *key = sb_jwks_at(set, i);
        (void)printf("%skid         %s\nalgorithm   %s (%s)\nthumbprint  %s\n", i ? "\n" : "", sb_key_kid(key),
                     sb_key_alg(key), sb_key_kind(key), sb_key_thumbprint(key));
    }
    return cli_finish(0);
}

static int key_show(int argc, char **argv)
{
    static const struct option longs[] = {FILE_LONGS, {"json", no_argument, NULL, OPT_JSON}, {NULL, 0, NULL, 0}};
    key_args a = {.alg = NULL};
    sb_error err = SB_ERROR_INIT;
    sb_jwks *set = NULL;
    if (wants_help(argc, argv))
        return cli_help(help_show);
    if (!parse(&a, "key show", argc, argv, "", longs))
        return EXIT_USAGE;
    if (optind != argc - 1)
        return cli_usage("key show", optind >= argc ? "which key file?" : "one file at a time");
    sb_status status = read_files(&a, argc, argv, &set, &err);
    int code = status != SB_OK ? cli_fail(&err, a.json) : a.json ? show_json(set) : show_text(set);
    sb_jwks_free(set);
    return code;
}

int cmd_key(int argc, char **argv)
{
    static const struct {
        const char *name;
        cli_command *run;
    } parts[] = {{"new", key_new}, {"jwks", key_jwks}, {"show", key_show}};
    for (size_t i = 0; argc > 1 && i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcmp(argv[1], parts[i].name) == 0)
            return parts[i].run(argc - 1, argv + 1);
    if (wants_help(argc, argv))
        return cli_help(help_all);
    return argc > 1 ? cli_usage("key", "there is no 'key %s': new, jwks or show", argv[1])
                    : cli_usage("key", "what with keys? new, jwks or show");
}
