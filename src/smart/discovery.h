/* SPDX-License-Identifier: Apache-2.0 */
/* discovery.h - what a payer says of its authorization server: where tokens are, what it understands.
 *
 * Reads the SMART configuration, or the CapabilityStatement of older servers. Makes requests without credentials. Knows
 * nothing of keys, pins or what the user configured. */
#ifndef SB_SMART_DISCOVERY_H
#define SB_SMART_DISCOVERY_H

#include <jansson.h>

#include "http/client.h"

typedef struct sb_discovery {
    char *token_url;  /* absolute, https or loopback; never NULL after success */
    char *issuer;     /* NULL: not advertised */
    json_t *document; /* the SMART configuration; NULL when it came from the CapabilityStatement            DISC-04 */
} sb_discovery;

#define SB_DISCOVERY_INIT                                                                                              \
    {                                                                                                                  \
        NULL, NULL, NULL                                                                                               \
    }

void sb_discovery_cleanup(sb_discovery *discovery);

/* Ask `{fhir_url}/.well-known/smart-configuration`, else `{fhir_url}/metadata`. SB_E_SERVER when neither names a usable
 * token endpoint (err says what each answered), SB_E_NETWORK when there was no answer.                DISC-01 … DISC-05
 * Badly advertised capabilities are no error (REAL-08). */
sb_status sb_discovery_fetch(const sb_transport *transport, const char *fhir_url, sb_discovery *out, sb_error *err);

/* Read a SMART configuration that came from `url`.                                                     DISC-02, DISC-03
 */
sb_status sb_discovery_parse(sb_str body, const char *url, sb_discovery *out, sb_error *err);

/* Does the list `member` (such as "capabilities") hold `value`? `*known` (may be NULL) tells whether there is such a
 * list at all: some servers leave it out (REAL-08). */
bool sb_discovery_lists(const sb_discovery *discovery, const char *member, const char *value, bool *known);

/* The list `member` as text for a person, comma separated, made safe, bounded by `size`; "" when there is none. */
const char *sb_discovery_list_text(const sb_discovery *discovery, const char *member, char *out, size_t size);

/* Ask for scopes in v2 spelling? Only when permission-v2 is advertised and permission-v1 is not.              REAL-09
 */
bool sb_discovery_wants_v2(const sb_discovery *discovery);

#endif
