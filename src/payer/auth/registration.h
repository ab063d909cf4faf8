/* SPDX-License-Identifier: Apache-2.0 */
/* registration.h - what a client says of itself when it registers (RFC 7591), judged: names, keys, scope. Knows no
 * request and no register.                                                                           KEY-05, KEY-07 */
#ifndef SB_PAYER_REGISTRATION_H
#define SB_PAYER_REGISTRATION_H

#include "http/guarded.h"
#include "payer/auth/client.h"

typedef enum sb_registration_mode {
    SB_REGISTRATION_OFF,     /* by the operator alone */
    SB_REGISTRATION_PENDING, /* anybody may ask; a person approves */
    SB_REGISTRATION_TOKEN,   /* who has an initial access token is in                                        RFC 7591 */
    SB_REGISTRATION_OPEN,    /* anybody is in at once: for demonstrations */
} sb_registration_mode;

typedef struct sb_registration_policy {
    const char *scope;       /* the most that anybody may have */
    const char *const *algs; /* what assertions may be signed with, NULL-terminated */
    const sb_guard *guard;   /* says which URLs may be fetched; NULL: no jwks_uri */
} sb_registration_policy;

/* Metadata that is fine. Owned. */
typedef struct sb_registration {
    char *name, *contact, *scope, *jwks_url; /* scope: what was asked for and may be had */
    sb_jwks *jwks;                           /* this or jwks_url */
} sb_registration;

#define SB_REGISTRATION_INIT                                                                                           \
    {                                                                                                                  \
        .jwks = NULL                                                                                                   \
    }
void sb_registration_cleanup(sb_registration *registration);

/* SB_E_INVALID: `why` says what is wrong, for the client's engineer. What is not known is passed over (RFC 7591 §2). */
sb_status sb_registration_read(const json_t *metadata, const sb_registration_policy *policy, sb_registration *out,
                               sb_error *err);

/* Of the scope that is asked for, what `most` gives; malloc'ed. SB_E_INVALID as above. */
sb_status sb_registration_clip(const char *asked, const char *most, char **out, sb_error *err);

/* What is registered, as metadata (RFC 7591 §3.2.1), without the tokens; NULL without memory. */
json_t *sb_registration_json(const sb_client *client);

#endif
