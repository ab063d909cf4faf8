/* SPDX-License-Identifier: Apache-2.0 */
/* jws.h - compact JSON Web Signatures (RFC 7515 §7.1): signed with our keys, taken apart, verified with theirs.
 *
 * Verification is by an algorithm the caller names, never by what the header says alone: `none` and HS* do not exist
 * here. Knows nothing of claims. Any thread. */
#ifndef SB_JOSE_JWS_H
#define SB_JOSE_JWS_H

#include <jansson.h>

#include <smartbulk/key.h>

#include "base/buf.h"
#include "base/secret.h"

#define SB_JWS_MAX_BYTES (16 * 1024) /* an assertion has 800 bytes, one with an x5c header 6 KB */

/* Sign `payload`. `header` holds what the caller wants in it (typ, jku); `alg` and `kid` of the key are put in front.
 * The text is a credential, hence a secret. */
sb_status sb_jws_sign(const sb_key *key, const json_t *header, sb_str payload, sb_secret **out, sb_error *err);

/* A compact JWS taken apart, not verified. Owned: sb_jws_cleanup. */
typedef struct sb_jws {
    json_t *header;     /* an object without duplicate members */
    const char *alg;    /* borrowed from header; never NULL */
    const char *kid;    /* the same; NULL: none */
    sb_buf payload;     /* decoded */
    sb_str signed_part; /* borrowed from the text that was parsed */
    sb_buf signature;   /* decoded */
} sb_jws;
#define SB_JWS_INIT                                                                                                    \
    {                                                                                                                  \
        .header = NULL                                                                                                 \
    }
void sb_jws_cleanup(sb_jws *jws);

/* Three parts of strict base64url within SB_JWS_MAX_BYTES, a JSON object as header with a string `alg`, and `kid` a
 * string if there; else SB_E_INVALID. A `crit` member is refused, whatever it holds (RFC 7515 §4.1.11: we understand no
 * extension), as is `b64`. `text` must outlive `out`.                                                        AUTH-06 */
sb_status sb_jws_parse(sb_str text, sb_jws *out, sb_error *err);

/* Is the signature good? `alg` is what the caller allows and must be both the header's and fit the key (kty and curve).
 * ECDSA: r and s of exact width, in 1 … n−1, looked at before any conversion. RSA: signature as long as the modulus.
 * SB_E_INVALID: no.                                                                                   AUTH-06, KEY-03
 */
sb_status sb_jws_verify(const sb_jws *jws, const sb_key *key, const char *alg, sb_error *err);
/* Is the signature as long as this key's are? One that is not is refused without any arithmetic. */
bool sb_jws_length_fits(const sb_jws *jws, const sb_key *key);

#endif
