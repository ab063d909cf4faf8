/* SPDX-License-Identifier: Apache-2.0 */
/* payer.h - one payer as its client sees it: what was agreed (address, client id, key, scopes), and the way to a token.
 *
 * Made from options (command line) or from a name in smartbulk.yaml with options on top. An sb_payer makes no request
 * before it needs one; it may be shared by any number of threads. */
#ifndef SMARTBULK_PAYER_H
#define SMARTBULK_PAYER_H

#include <stdatomic.h>

#include <smartbulk/clock.h>
#include <smartbulk/error.h>
#include <smartbulk/key.h>
#include <smartbulk/token.h>

typedef struct sb_payer sb_payer;

/* All pointers are borrowed for the call and copied. NULL or 0 means: the configuration's value, else the default. */
typedef struct sb_payer_options {
    const char *name;        /* in smartbulk.yaml; NULL: no entry, fhir_url must be given */
    const char *config_file; /* NULL: $SMARTBULK_CONFIG, ./smartbulk.yaml, ~/.config/smartbulk/smartbulk.yaml */
    const char *fhir_url;    /* FHIR base URL; trailing slash or not                                        DISC-01 */
    const char *client_id;
    const char *key_file;  /* JWK, JWK Set or PEM; relative paths in a file are relative to that file */
    const char *scope;     /* space separated; default: system/{Type}.read or .rs by what is advertised      REAL-09 */
    const char *token_url; /* overrides discovery                                                           DISC-04 */
    const char *audience;  /* `aud` of the assertion; default: the token URL; "issuer": the advertised one  AUTH-04 */
    const char *auth;      /* "private_key_jwt" (default), "client_secret_basic" (REAL-01), "none" */
    const char *profile;   /* "smart" (default) or "rfc7523bis"                                             AUTH-04 */
    const char *client_secret_file; /* for client_secret_basic; 0600 */
    const char *jwks_url;           /* registered JWKS URL: sent as `jku`                                   AUTH-01 */
    const char *ca_file, *client_cert, *client_cert_key, *proxy;
    const char *const *token_hosts; /* NULL-terminated: other origins that may see the token                USE-03 */
    const char *const *headers;     /* NULL-terminated "Name: value" for every request to the payer */
    unsigned connections;           /* parallel downloads; default 8 */
    unsigned assertion_lifetime_s;  /* 60 to 240; default 120                                               AUTH-05 */
    int clock_skew_s;               /* added to the wall clock in assertions */
    bool no_token_cache;            /* do not share tokens between runs */
    const char *state_dir;          /* pins and caches; default $XDG_STATE_HOME/smartbulk, ~/.local/state/smartbulk */
    const char *settings;           /* sb_payer_settings() of an earlier run, below everything given here; NULL: none */
    const char *passphrase_file;    /* of an encrypted key_file, 0600; "": ignore the configuration's */
    const sb_key_load_options *key_load; /* kid, and a callback for when there is no passphrase_file; NULL: none */
    const sb_clock *clock;               /* NULL: the system's; borrowed for the payer's life */
    const atomic_bool *cancel; /* when it becomes true, requests under way end with SB_E_INTERRUPTED; borrowed */
} sb_payer_options;

#define SB_PAYER_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

/* Check the options, read the configuration and the key; no request is made. SB_E_USAGE tells what to mend. */
SB_PUBLIC sb_status sb_payer_new(const sb_payer_options *options, sb_payer **out, sb_error *err);
SB_PUBLIC void sb_payer_free(sb_payer *payer);

SB_PUBLIC const char *sb_payer_fhir_url(const sb_payer *payer); /* without trailing slash */
SB_PUBLIC const char *sb_payer_name(const sb_payer *payer);     /* the configured name, else the host */
SB_PUBLIC unsigned sb_payer_connections(const sb_payer *payer);

/* What a later run needs to talk to this payer again (`resume`): JSON with addresses, client id, absolute paths; no
 * secret itself. malloc'ed, the caller frees it; NULL without memory. */
SB_PUBLIC char *sb_payer_settings(const sb_payer *payer);

/* Add resource types the scope must cover when the user gave none; call before the first request.    TOK-06, REAL-09 */
SB_PUBLIC sb_status sb_payer_want_types(sb_payer *payer, const char *const *types, size_t n, sb_error *err);

/* A token for scripts, and what every request uses: sb_token_source_get() of this payer's source, discovery first.
 * With auth "none": SB_OK and *out NULL. */
SB_PUBLIC sb_status sb_payer_token(sb_payer *payer, unsigned min_left_s, sb_token **out, sb_error *err);
SB_PUBLIC void sb_payer_reject_token(sb_payer *payer, const sb_token *refused);
SB_PUBLIC uint64_t sb_payer_token_fetches(const sb_payer *payer);
SB_PUBLIC const char *sb_payer_token_url(sb_payer *payer); /* NULL before discovery */
/* The scope that is asked for; known after discovery, NULL before. Borrowed. */
SB_PUBLIC const char *sb_payer_scope(sb_payer *payer);

#endif
