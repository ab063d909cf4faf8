/* SPDX-License-Identifier: Apache-2.0 */
/* payer_args.c - reads the options of payer_args.h. Checks that numbers are numbers; what they mean is the library's.
 */
#include "payer_args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char payer_args_help[] =
    "Which payer, and who we are (each can be in smartbulk.yaml instead):\n"
    "      --client-id ID           the client id that the payer's portal shows\n"
    "      --key FILE               our private key: JWK, JWK Set or PEM\n"
    "      --kid ID                 which key of a set\n"
    "      --passphrase-file FILE   of an encrypted key; else --passphrase-env NAME, else you are asked\n"
    "      --scope SCOPES           such as \"system/Patient.rs system/Coverage.rs\" (default: by the types wanted)\n"
    "      --token-url URL          the token endpoint (default: as the payer advertises)\n"
    "      --audience URI           of the assertion (default: the token endpoint; \"issuer\": the payer's issuer)\n"
    "      --auth METHOD            private_key_jwt (default), client_secret_basic, none\n"
    "      --profile NAME           smart (default), rfc7523bis\n"
    "      --client-secret-file F   for client_secret_basic\n"
    "      --jwks-url URL           where our public keys are registered; sent as jku\n"
    "      --assertion-lifetime S   60 to 240 (default 120)\n"
    "      --clock-skew S           seconds that the payer's clock is ahead of ours; negative: behind\n"
    "      --ca-file FILE           the payer's own CA, PEM\n"
    "      --client-cert FILE       client certificate, with --client-cert-key FILE\n"
    "      --proxy URL              proxy (default: https_proxy)\n"
    "      --header 'NAME: VALUE'   sent with each request to the payer; may be repeated\n"
    "      --token-host ORIGIN      another server that may see the token; may be repeated\n"
    "      --connections N          parallel downloads, 1 to 64 (default 8)\n"
    "      --config FILE            instead of smartbulk.yaml\n"
    "      --state-dir DIR          for pins and shared tokens (default ~/.local/state/smartbulk)\n"
    "      --no-token-cache         do not share the token with other runs\n";

static int take_number(const char *command, const char *option, const char *value, long min, long max, long *out)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < min || number > max) {
        (void)cli_usage(command, "%s takes a whole number from %ld to %ld, not '%s'", option, min, max, value);
        return -1;
    }
    *out = number;
    return 1;
}

static int take_list(const char *command, string_list *list, const char *value)
{
    if (list_add(list, value))
        return 1;
    (void)cli_usage(command, "out of memory");
    return -1;
}

/* Where a plain text option goes; NULL: not one of them. */
static const char **text_option(payer_args *args, int option)
{
    sb_payer_options *o = &args->options;
    const struct {
        int option;
        const char **to;
    } texts[] = {
        {PAYER_OPT_CLIENT_ID, &o->client_id},
        {PAYER_OPT_KEY, &o->key_file},
        {PAYER_OPT_KID, &args->key_load.kid},
        {PAYER_OPT_SCOPE, &o->scope},
        {PAYER_OPT_TOKEN_URL, &o->token_url},
        {PAYER_OPT_AUDIENCE, &o->audience},
        {PAYER_OPT_AUTH, &o->auth},
        {PAYER_OPT_PROFILE, &o->profile},
        {PAYER_OPT_CLIENT_SECRET_FILE, &o->client_secret_file},
        {PAYER_OPT_JWKS_URL, &o->jwks_url},
        {PAYER_OPT_CA_FILE, &o->ca_file},
        {PAYER_OPT_CLIENT_CERT, &o->client_cert},
        {PAYER_OPT_CLIENT_CERT_KEY, &o->client_cert_key},
        {PAYER_OPT_PROXY, &o->proxy},
        {PAYER_OPT_CONFIG, &o->config_file},
        {PAYER_OPT_STATE_DIR, &o->state_dir},
        {PAYER_OPT_PASSPHRASE_FILE, &args->passphrase.file},
        {PAYER_OPT_PASSPHRASE_ENV, &args->passphrase.env},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].option == option)
            return texts[i].to;
    return NULL;
}

int payer_args_take(payer_args *args, const char *command, int option, const char *value)
{
    long number = 0;
    int taken;
    const char **text = text_option(args, option);
    if (text) {
        *text = value;
        return 1;
    }
    switch (option) {
    case PAYER_OPT_TOKEN_HOST:
        return take_list(command, &args->token_hosts, value);
    case PAYER_OPT_HEADER:
        return take_list(command, &args->headers, value);
    case PAYER_OPT_NO_TOKEN_CACHE:
        args->options.no_token_cache = true;
        return 1;
    case PAYER_OPT_CONNECTIONS:
        taken = take_number(command, "--connections", value, 1, 64, &number);
        args->options.connections = (unsigned)number;
        return taken;
    case PAYER_OPT_CLOCK_SKEW:
        taken = take_number(command, "--clock-skew", value, -86400, 86400, &number);
        args->options.clock_skew_s = (int)number;
        return taken;
    case PAYER_OPT_ASSERTION_LIFETIME:
        taken = take_number(command, "--assertion-lifetime", value, 60, 240, &number);
        args->options.assertion_lifetime_s = (unsigned)number;
        return taken;
    default:
        return 0;
    }
}

sb_status payer_args_open(payer_args *args, const char *name, const atomic_bool *cancel, sb_payer **out, sb_error *err)
{
    sb_payer_options *o = &args->options;
    bool is_url = name && strstr(name, "://");
    o->name = is_url ? NULL : name;
    o->fhir_url = is_url ? name : o->fhir_url;
    o->token_hosts = list_view(&args->token_hosts);
    o->headers = list_view(&args->headers);
    o->cancel = cancel;
    o->passphrase_file = args->passphrase.file || args->passphrase.env ? "" : NULL; /* this outweighs the file's */
    args->key_load.passphrase = cli_passphrase_get;
    args->key_load.passphrase_impl = &args->passphrase;
    o->key_load = &args->key_load;
    sb_status status = sb_payer_new(o, out, err);
    cli_passphrase_forget(&args->passphrase);
    return status;
}

void payer_args_free(payer_args *args)
{
    list_free(&args->token_hosts);
    list_free(&args->headers);
}
