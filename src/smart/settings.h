/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - what holds for one payer: options over the configuration file over defaults, all of it checked.
 *
 * Reads smartbulk.yaml; reads no key and makes no request. */
#ifndef SB_SMART_SETTINGS_H
#define SB_SMART_SETTINGS_H

#include <smartbulk/payer.h>

#include "base/url.h"
#include "smart/token_client.h"

#define SB_CONNECTIONS_DEFAULT 8
#define SB_CONNECTIONS_MAX     64 /* more is an attack on the payer, not a download */

/* Owned; NULL where nothing was given. */
typedef struct sb_settings {
    char *name, *fhir_url; /* never NULL; fhir_url without trailing slash */
    char *config_file;     /* absolute; NULL: nothing came from one */
    char *client_id, *key_file, *kid, *passphrase_file, *scope, *token_url, *audience, *client_secret_file, *jwks_url;
    char *ca_file, *client_cert, *client_cert_key, *proxy;
    char *state_dir; /* NULL: there is no home folder to have one in */
    bool state_dir_is_given;
    char *cache_dir; /* NULL: tokens are not shared */
    char **headers;  /* NULL-terminated, or NULL */
    sb_url origin;   /* of fhir_url */
    sb_url *token_hosts;
    size_t n_token_hosts;
    sb_auth_method method;
    sb_auth_profile profile;
    unsigned connections, assertion_lifetime_s;
    int clock_skew_s;
} sb_settings;

void sb_settings_cleanup(sb_settings *settings);

/* SB_E_USAGE tells what to mend. `out` is zero or was cleaned up. */
sb_status sb_settings_read(const sb_payer_options *options, sb_settings *out, sb_error *err);

/* For sb_payer_settings(): everything but secrets (extra headers may hold one; so may a proxy's URL). malloc'ed; NULL
 * without memory. */
char *sb_settings_json(const sb_settings *settings);

#endif
