/* SPDX-License-Identifier: Apache-2.0 */
/* agreement.h - what holds between us and a payer: which token endpoint, which audience, which scope.
 *
 * Out of what the user configured, what the payer advertises and what was pinned, in that order of weight. Asks the
 * payer only for what the user left open. Knows nothing of keys and tokens. */
#ifndef SB_SMART_AGREEMENT_H
#define SB_SMART_AGREEMENT_H

#include "http/client.h"
#include "smart/discovery.h"
#include "smart/pin.h"

typedef enum sb_auth_profile {
    SB_PROFILE_SMART,      /* aud: the token endpoint; typ: JWT                                               AUTH-02 */
    SB_PROFILE_RFC7523BIS, /* aud: the issuer alone; typ: client-authentication+jwt                           AUTH-04 */
} sb_auth_profile;

/* What the user said; all borrowed for the call. */
typedef struct sb_agreement_wish {
    const char *fhir_url, *client_id;
    const char *token_url; /* NULL: as discovered */
    const char *audience;  /* NULL: by profile; "issuer"; or one or more URIs, space separated */
    const char *scope;     /* NULL: by types */
    const char *const *types;
    size_t n_types;
    sb_auth_profile profile;
    bool wants_scope;    /* false: none is sent unless configured                                             REAL-01 */
    bool wants_audience; /* false: no assertion is made */
    const char *state_dir;
} sb_agreement_wish;

typedef struct sb_agreement {
    char *token_url;
    char *audience; /* one or more, space separated; "" when no assertion is made */
    char *scope;    /* "" when none is asked for */
    bool scope_is_default;
    sb_discovery discovery; /* empty when nothing had to be asked */
} sb_agreement;

#define SB_AGREEMENT_INIT                                                                                              \
    {                                                                                                                  \
        .token_url = NULL                                                                                              \
    }

void sb_agreement_cleanup(sb_agreement *agreement);

/* Discover what is open, compare with the pin, decide. Errors of discovery are returned only when the payer's word was
 * needed; SB_E_AUTH when the pin says otherwise. */
sb_status sb_agreement_reach(const sb_transport *transport, const sb_agreement_wish *wish, sb_agreement *out,
                             sb_error *err);

/* A token came by it: pin it. */
sb_status sb_agreement_confirm(const sb_agreement *agreement, const sb_agreement_wish *wish, sb_error *err);

#endif
