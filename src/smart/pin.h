/* SPDX-License-Identifier: Apache-2.0 */
/* pin.h - what was agreed with a payer when a token first came: its token endpoint, the audience, the issuer.
 *
 * A malicious or hijacked FHIR server can publish another server's token endpoint and have us sign assertions that are
 * good there (AUTH-04). So the first success is written down, and a later discovery that says something else stops us.
 * One small file a payer and client, 0600, in the state folder. Knows nothing of HTTP. */
#ifndef SB_SMART_PIN_H
#define SB_SMART_PIN_H

#include "base/buf.h"

/* Who agreed, and what; all borrowed. `issuer` may be NULL. */
typedef struct sb_pin {
    const char *fhir_url, *client_id;
    const char *token_url, *audience, *issuer;
    bool token_url_is_configured; /* a person said so: that outweighs what was pinned */
    bool issuer_is_moot;          /* neither the token endpoint nor the audience is the payer's word */
} sb_pin;

/* Compare with the pin of this payer, if there is one. SB_E_AUTH when something else was agreed, and how to accept it;
 * SB_E_USAGE for a pin file that is open to others or is none of ours. */
sb_status sb_pin_check(const char *state_dir, const sb_pin *now, sb_error *err);

/* A token came: write down what was agreed, unless it is there already. */
sb_status sb_pin_save(const char *state_dir, const sb_pin *agreed, sb_error *err);

#endif
