/* SPDX-License-Identifier: Apache-2.0 */
/* jwk.h - keys as JSON (RFC 7517, 7518 §6, 8037), for those who get them from somewhere else than a file.
 *
 * What comes from a network or a registration is public, or it is refused: a partner who sends us a private key has
 * leaked it. Any thread. */
#ifndef SB_JOSE_JWK_H
#define SB_JOSE_JWK_H

#include <jansson.h>
#include <openssl/evp.h>

#include <smartbulk/key.h>

#include "base/buf.h"

SB_DEFINE_FREEP(sb_key)
SB_DEFINE_FREEP(sb_jwks)

#define SB_JWKS_MAX_BYTES (64 * 1024) /* AUTH-08; 40 RSA-4096 keys fit */
#define SB_JWKS_MAX_KEYS  100

/* A public JWK as JSON. SB_E_INVALID: not a key of a kind we know, off its curve, with a private member, malformed, or
 * too weak (KEY-01). `alg` missing: the usual one for its kind. `kid` missing: the thumbprint. A `use` other than "sig"
 * and `key_ops` without "verify" (or "sign") are refused. */
sb_status sb_key_from_public_jwk(const json_t *jwk, sb_key **out, sb_error *err);
/* The same of an entry of a set: SB_E_NOT_FOUND for a kind, curve, algorithm or use that we do not know, which sets pass
 * over (RFC 7517 §5). */
sb_status sb_key_from_set_entry(const json_t *jwk, sb_key **out, sb_error *err);
/* Does it hold a private member, or a symmetric key? Whoever sent it has given it away. */
bool sb_jwk_is_private(const json_t *jwk);
/* Bare members and use, alg, key_ops, kid. The caller owns it; NULL without memory.                           KEY-02 */
json_t *sb_key_to_public_jwk(const sb_key *key);

/* A JWK Set from a registration or a JWKS URL, within the bounds. Keys of kinds, curves, algorithms or uses we do not
 * know are passed over (RFC 7517 §5) and counted in *passed_over (may be NULL); a private member anywhere, a key that
 * is malformed or too weak, a kid that occurs twice or is missing where there are several keys, or a set of no usable
 * key: SB_E_INVALID, and `why` names the key by its place and the reason. */
sb_status sb_jwks_parse(sb_str json, sb_jwks **out, size_t *passed_over, sb_error *err);

/* The one key with that kid, borrowed; NULL: none. */
const sb_key *sb_jwks_find(const sb_jwks *set, sb_str kid);

/* May it verify what is signed with this algorithm: its own; or, when its JWK named none, any of its kind and curve? */
bool sb_key_fits_alg(const sb_key *key, const char *alg);
/* Same public key, whatever kid and alg. */
bool sb_key_same(const sb_key *a, const sb_key *b);

/* Borrowed. For jws.c and for TLS. */
EVP_PKEY *sb_key_evp(const sb_key *key);

#endif
