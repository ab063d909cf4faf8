/* SPDX-License-Identifier: Apache-2.0 */
/* key_internal.h - an sb_key from inside. For src/jose alone. */
#ifndef SB_JOSE_KEY_INTERNAL_H
#define SB_JOSE_KEY_INTERNAL_H

#include "jose/jwk.h"

typedef enum sb_kty { SB_KTY_RSA, SB_KTY_EC, SB_KTY_OKP } sb_kty;

#define SB_EC_WIDTH_MAX  48                        /* bytes of a P-384 coordinate */
#define SB_RSA_BYTES_MAX (SB_KEY_RSA_BITS_MAX / 8) /* of a modulus */
#define SB_RSA_E_MAX     8 /* bytes of a public exponent: everybody's has 3; OpenSSL refuses more than 8 */

/* An algorithm that we sign and verify with. A constant. */
typedef struct sb_alg {
    const char *name; /* JWA */
    sb_kty kty;
    const char *crv;       /* EC, OKP: of the JWK; NULL: RSA */
    const char *group;     /* OpenSSL's name of the curve */
    const char *digest;    /* NULL: EdDSA has its own */
    bool pss;              /* RSASSA-PSS, salt as long as the digest (RFC 7518 §3.5) */
    unsigned width;        /* EC: bytes of a coordinate, and of r and of s; OKP: of the public key */
    const uint8_t *n_less; /* EC: n - 1 of the curve, big-endian: the greatest r or s; NULL else */
} sb_alg;

struct sb_key {
    const sb_alg *alg;
    bool alg_was_given; /* by the JWK itself: then it holds; else any algorithm of its kind may be asked for */
    bool kid_was_given;
    bool is_private;
    char *kid;
    char thumbprint[44]; /* 32 bytes in base64url, and a NUL */
    char kind[24];
    EVP_PKEY *pkey;
    EVP_MD_CTX
    *verifier; /* a public key's, set up for `alg` once, and copied for each signature; NULL: a private key */
};

const sb_alg *sb_alg_find(const char *name);               /* NULL: none of ours */
const sb_alg *sb_alg_default(sb_kty kty, const char *crv); /* the usual one of its kind; NULL: no such curve */
bool sb_alg_same_kind(const sb_alg *a, const sb_alg *b);   /* kty and curve */
extern const char sb_algs_text[];                          /* all names, for messages */

/* A key of `pkey`, which it takes over, also on failure. `alg` NULL: the usual one. `kid` NULL: the thumbprint. Checks
 * kind, size, exponent and kid, and with a private key that both halves are one. SB_E_INVALID. */
sb_status sb_key_wrap(EVP_PKEY *pkey, const sb_alg *alg, const char *kid, bool is_private, sb_key **out, sb_error *err);

sb_status sb_key_check_kid(const char *kid, sb_error *err);
/* Size, exponent, a point of its curve. SB_E_INVALID. */
sb_status sb_key_check_public(const sb_key *key, sb_error *err);
/* Do the numbers belong together, and does the public half verify what the private signs? SB_E_INVALID. */
sb_status sb_key_check_private(const sb_key *key, sb_error *err);
/* Ed25519: a point of the curve in its one encoding, and none of the few under which anything can be made to verify. */
bool sb_ed25519_is_point(const unsigned char y[32]);

/* The public numbers, big-endian. RSA: n, e without leading zeros; EC: x, y of full width; OKP: x alone. */
typedef struct sb_public_numbers {
    unsigned char first[SB_RSA_BYTES_MAX], second[SB_RSA_BYTES_MAX];
    size_t first_len, second_len; /* second_len 0: there is none */
} sb_public_numbers;
bool sb_key_public_numbers(const EVP_PKEY *pkey, const sb_alg *alg, sb_public_numbers *out);

/* What verifies one signature by this key and algorithm. NULL: it cannot be had. */
EVP_MD_CTX *sb_verifier_new(EVP_PKEY *pkey, const sb_alg *alg);

/* A public-only copy, with the same kid and alg. */
sb_status sb_key_public_copy(const sb_key *key, sb_key **out, sb_error *err);

/* A JWK of either kind. A private one only where `private_too`; else its private members make it SB_E_INVALID.
 * SB_E_NOT_FOUND: a kind, curve, algorithm or use that is not ours, otherwise perhaps fine (RFC 7517 §5). */
sb_status sb_key_from_jwk(const json_t *jwk, bool private_too, sb_key **out, sb_error *err);

/* The private JWK as text, 0 or more members as sb_key_to_public_jwk and the private ones. */
sb_status sb_key_private_text(const sb_key *key, sb_buf *out, sb_error *err); /* the caller wipes `out` */

#endif
