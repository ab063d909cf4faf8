/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - the configuration file of `smartbulk serve`: read and checked whole, every mistake with its line.
 *
 * docs/serve.yaml is the file with every key explained. Secrets are never in it: it names files that hold them. Knows
 * nothing of what the settings are for; opens none of the files it names. */
#ifndef SB_PAYER_SETTINGS_H
#define SB_PAYER_SETTINGS_H

#include "base/buf.h"
#include "payer/auth/registration.h"

#define SB_SETTINGS_LIST_MAX 64 /* of each list: proxies, algorithms, resource servers */
#define SB_SETTINGS_KEYS_MAX 64

typedef enum sb_token_format { SB_TOKEN_OPAQUE, SB_TOKEN_JWT } sb_token_format;
typedef enum sb_log_format { SB_LOG_FORMAT_JSON, SB_LOG_FORMAT_TEXT } sb_log_format;

typedef struct sb_settings_list {
    char **items;
    size_t count;
} sb_settings_list;

/* Who may ask for introspection.                                                                            RFC 7662 */
typedef struct sb_resource_server {
    char *id, *secret_file;
} sb_resource_server;

/* Paths are absolute, or relative to the configuration file's folder and resolved; texts that were not given are NULL. */
typedef struct sb_settings {
    char *base_url; /* how clients reach it                                                                  TOK-10 */
    char *listen;   /* numeric address and port */
    char *tls_certificate, *tls_key;
    char *database, *database_file;   /* SQLite's path or a URI; or a file that holds one (with its password) */
    sb_settings_list trusted_proxies; /* addresses and networks whose X-Forwarded-For is believed */
    unsigned threads, connections, connections_per_address, drain_s;

    char *admin_listen, *admin_token_file;

    sb_registration_mode registration;
    char *registration_token_file;
    char *registration_scope;           /* what who registers may have at most */
    unsigned registration_pending_days; /* how long who registers waits for a person at most */
    sb_settings_list algorithms;
    unsigned token_lifetime_s;
    sb_token_format token_format;
    char *token_key_file; /* what the keys that sign tokens are sealed by */
    char *token_audience; /* of signed ones; NULL: the FHIR base */
    unsigned token_key_days;
    unsigned tokens_per_minute;                   /* of one client; 0: no limit */
    unsigned failures_burst, failures_per_minute; /* of one address                                          AUTH-11 */
    sb_settings_list jwks_networks; /* private networks where JWKS URLs may be                            AUTH-08 */
    char *jwks_ca_file;
    sb_resource_server *resource_servers;
    size_t resource_server_count;

    char *data_folder; /* NULL: the database's tables */
    char *exports_folder;
    unsigned export_keep_s, exports_per_client, exports_per_client_kept, export_workers, export_retry_after_s;
    uint64_t export_file_bytes;
    bool open_files;

    char *audit_file;
    sb_log_format log_format;
    int log_level; /* an sb_log_level */
    bool log_requests;

    bool portal;
    char *portal_user_header;               /* a trusted proxy's: who is signed in */
    sb_settings_list portal_administrators; /* of those, who may administer */

    char *path;                                /* of the file itself */
    unsigned long lines[SB_SETTINGS_KEYS_MAX]; /* where each key is, in the order of settings_keys.c; 0: not given */
} sb_settings;

/* The line of the key that is kept in this member; 1 when it was not given. */
#define SB_SETTINGS_LINE(settings, member) sb_settings_line_at(settings, offsetof(sb_settings, member))
unsigned long sb_settings_line_at(const sb_settings *settings, size_t offset);

/* One mistake: where and what, for a person. */
typedef void sb_settings_mistake(void *impl, unsigned long line, const char *text);

/* What holds where nothing is given; `path` is where relative ones begin. NULL without memory. */
sb_settings *sb_settings_new(const char *path);
/* Read `path` and check it whole: `each` (may be NULL) hears of every mistake, `err` has the first. SB_E_USAGE: there
 * are mistakes; SB_E_NOT_FOUND; SB_E_IO. */
sb_status sb_settings_load(const char *path, sb_settings_mistake *each, void *impl, sb_settings **out, sb_error *err);
/* A path relative to the file's folder, malloc'ed; NULL without memory. */
char *sb_settings_resolve(const sb_settings *settings, const char *path);
void sb_settings_free(sb_settings *settings); /* NULL is fine */
SB_DEFINE_FREEP(sb_settings)

#endif
