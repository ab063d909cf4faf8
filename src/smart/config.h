/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - smartbulk.yaml: what each payer's client knows of it, as it was written. Checks the form, not the sense.
 *
 * Unknown keys are errors: a misspelt `ca_flie` must not silently mean the system's CAs. Knows nothing of options. */
#ifndef SB_SMART_CONFIG_H
#define SB_SMART_CONFIG_H

#include "base/buf.h"

/* One entry under `payers:`. NULL, 0 and false: not given. */
typedef struct sb_payer_config {
    char *fhir_url, *client_id, *key, *kid, *passphrase_file, *scope, *token_url, *audience, *auth, *profile;
    char *client_secret_file, *jwks_url, *ca_file, *client_cert, *client_cert_key, *proxy, *state_dir;
    char **headers, **token_hosts;
    unsigned headers_count, token_hosts_count;
    unsigned connections, assertion_lifetime;
    int clock_skew;
    bool no_token_cache;
} sb_payer_config;

typedef struct sb_config sb_config;

/* Read `path`; NULL: the first there is of $SMARTBULK_CONFIG, ./smartbulk.yaml, ~/.config/smartbulk/smartbulk.yaml.
 * SB_E_USAGE with the line for what is not understood; SB_E_NOT_FOUND when there is none. */
sb_status sb_config_load(const char *path, sb_config **out, sb_error *err);
void sb_config_free(sb_config *config);
static inline void sb_config_freep(sb_config **config)
{
    sb_config_free(*config);
    *config = NULL;
}

/* The entry of that name, borrowed; NULL: none. */
const sb_payer_config *sb_config_payer(const sb_config *config, const char *name);
/* All names, for a message: "acme, beta", at most `size` bytes. */
const char *sb_config_names(const sb_config *config, char *out, size_t size);
const char *sb_config_path(const sb_config *config);
/* `path` relative to the configuration file's folder, malloc'ed ("~/" is the home folder; pkcs11: is left alone). */
char *sb_config_resolve(const sb_config *config, const char *path);

#endif
