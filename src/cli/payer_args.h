/* SPDX-License-Identifier: Apache-2.0 */
/* payer_args.h - the options that say which payer and who we are, shared by every client command. */
#ifndef SB_CLI_PAYER_ARGS_H
#define SB_CLI_PAYER_ARGS_H

#include <getopt.h>

#include <smartbulk/payer.h>

#include "list.h"
#include "passphrase.h"

typedef struct payer_args {
    sb_payer_options options; /* strings point into argv */
    sb_key_load_options key_load;
    string_list token_hosts, headers;
    cli_passphrase passphrase;
} payer_args;

enum {
    PAYER_OPT_CLIENT_ID = 2000,
    PAYER_OPT_KEY,
    PAYER_OPT_KID,
    PAYER_OPT_SCOPE,
    PAYER_OPT_TOKEN_URL,
    PAYER_OPT_AUDIENCE,
    PAYER_OPT_AUTH,
    PAYER_OPT_PROFILE,
    PAYER_OPT_CLIENT_SECRET_FILE,
    PAYER_OPT_JWKS_URL,
    PAYER_OPT_CA_FILE,
    PAYER_OPT_CLIENT_CERT,
    PAYER_OPT_CLIENT_CERT_KEY,
    PAYER_OPT_PROXY,
    PAYER_OPT_TOKEN_HOST,
    PAYER_OPT_HEADER,
    PAYER_OPT_CONNECTIONS,
    PAYER_OPT_CONFIG,
    PAYER_OPT_STATE_DIR,
    PAYER_OPT_NO_TOKEN_CACHE,
    PAYER_OPT_PASSPHRASE_FILE,
    PAYER_OPT_PASSPHRASE_ENV,
    PAYER_OPT_CLOCK_SKEW,
    PAYER_OPT_ASSERTION_LIFETIME,
};

#define PAYER_ARGS_LONG_OPTIONS                                                                                        \
    {"client-id", required_argument, NULL, PAYER_OPT_CLIENT_ID}, {"key", required_argument, NULL, PAYER_OPT_KEY},      \
        {"kid", required_argument, NULL, PAYER_OPT_KID}, {"scope", required_argument, NULL, PAYER_OPT_SCOPE},          \
        {"token-url", required_argument, NULL, PAYER_OPT_TOKEN_URL},                                                   \
        {"audience", required_argument, NULL, PAYER_OPT_AUDIENCE}, {"auth", required_argument, NULL, PAYER_OPT_AUTH},  \
        {"profile", required_argument, NULL, PAYER_OPT_PROFILE},                                                       \
        {"client-secret-file", required_argument, NULL, PAYER_OPT_CLIENT_SECRET_FILE},                                 \
        {"jwks-url", required_argument, NULL, PAYER_OPT_JWKS_URL},                                                     \
        {"ca-file", required_argument, NULL, PAYER_OPT_CA_FILE},                                                       \
        {"client-cert", required_argument, NULL, PAYER_OPT_CLIENT_CERT},                                               \
        {"client-cert-key", required_argument, NULL, PAYER_OPT_CLIENT_CERT_KEY},                                       \
        {"proxy", required_argument, NULL, PAYER_OPT_PROXY},                                                           \
        {"token-host", required_argument, NULL, PAYER_OPT_TOKEN_HOST},                                                 \
        {"header", required_argument, NULL, PAYER_OPT_HEADER},                                                         \
        {"connections", required_argument, NULL, PAYER_OPT_CONNECTIONS},                                               \
        {"config", required_argument, NULL, PAYER_OPT_CONFIG},                                                         \
        {"state-dir", required_argument, NULL, PAYER_OPT_STATE_DIR},                                                   \
        {"no-token-cache", no_argument, NULL, PAYER_OPT_NO_TOKEN_CACHE},                                               \
        {"passphrase-file", required_argument, NULL, PAYER_OPT_PASSPHRASE_FILE},                                       \
        {"passphrase-env", required_argument, NULL, PAYER_OPT_PASSPHRASE_ENV},                                         \
        {"clock-skew", required_argument, NULL, PAYER_OPT_CLOCK_SKEW},                                                 \
    {                                                                                                                  \
        "assertion-lifetime", required_argument, NULL, PAYER_OPT_ASSERTION_LIFETIME                                    \
    }

extern const char payer_args_help[];

/* 1: taken; 0: not one of these options; -1: a bad value, already reported for `command`. */
int payer_args_take(payer_args *args, const char *command, int option, const char *value);

/* The payer that `name` (in smartbulk.yaml, or a FHIR base URL; NULL: options.settings alone) and the options describe.
 */
sb_status payer_args_open(payer_args *args, const char *name, const atomic_bool *cancel, sb_payer **out, sb_error *err);

void payer_args_free(payer_args *args);

#endif
