/* SPDX-License-Identifier: Apache-2.0 */
/* key.h - our keys and their public halves: made, read, written, published as a JWK Set.          KEY-01 … KEY-06
 *
 * Algorithms by their JWA names: ES384 (P-384), RS384, ES256, RS256, PS384, EdDSA (Ed25519). A key belongs to one
 * algorithm. Private parts never leave this library but into a private file (sb_key_save_new). Knows nothing of tokens,
 * payers or HTTP. A key is constant once made: any thread may use it. A set is one thread's while it is being filled.
 */
#ifndef SMARTBULK_KEY_H
#define SMARTBULK_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <smartbulk/error.h>

#define SB_KEY_RSA_BITS_DEFAULT 3072
#define SB_KEY_RSA_BITS_MIN     2048 /* KEY-01 */
#define SB_KEY_RSA_BITS_MAX     8192 /* beyond, one signature takes a good part of a second */
#define SB_KEY_KID_MAX          255  /* bytes of a kid: nobody's is longer, and it goes into every assertion */

typedef struct sb_key sb_key;

/* Write the passphrase of an encrypted key into buf[size] and return its length; -1: there is none. The caller wipes
 * `buf`. */
typedef int sb_passphrase_fn(void *impl, char *buf, size_t size);

/* All borrowed for the call. */
typedef struct sb_key_load_options {
    const char *kid; /* which key of a set; for a PEM file, the kid it is registered under. NULL: the only
                        private key of the set; the file's own kid, else the thumbprint            KEY-04 */
    const char *alg; /* what it is to sign with; NULL: the file's own `alg`, else the usual one for its kind
                        (RSA: RS384; P-384: ES384; P-256: ES256; Ed25519: EdDSA) */
    sb_passphrase_fn *passphrase; /* asked once, for an encrypted PEM alone; NULL: such a file is refused */
    void *passphrase_impl;
} sb_key_load_options;

/* Make a key. `rsa_bits` 0: the default; for other kinds it must be 0. `kid` NULL: the RFC 7638 thumbprint (KEY-04).
 * SB_E_USAGE for an unknown algorithm, a size beyond the bounds, or a kid that is empty, too long or not printable. */
SB_PUBLIC sb_status sb_key_generate(const char *alg, unsigned rsa_bits, const char *kid, sb_key **out, sb_error *err);

/* Read the private key to sign with: a JWK, a JWK Set, or PEM (PKCS#8, PKCS#1, SEC1, encrypted or not). `options` may
 * be NULL. SB_E_USAGE, with the fix, for a file that is missing, readable by others, public only, too weak, of another
 * algorithm than asked, inconsistent (public half not of the private), or encrypted without a (right) passphrase. */
SB_PUBLIC sb_status sb_key_load(const char *path, const sb_key_load_options *options, sb_key **out, sb_error *err);

/* Write the private JWK to a new file, 0600, fsynced; never over an existing one (SB_E_USAGE). */
SB_PUBLIC sb_status sb_key_save_new(const sb_key *key, const char *path, sb_error *err);

SB_PUBLIC void sb_key_free(sb_key *key); /* wipes; NULL is fine */

/* Borrowed; never NULL. */
SB_PUBLIC const char *sb_key_kid(const sb_key *key);
SB_PUBLIC const char *sb_key_alg(const sb_key *key);        /* "ES384" */
SB_PUBLIC const char *sb_key_thumbprint(const sb_key *key); /* RFC 7638, SHA-256, base64url                   KEY-04 */
SB_PUBLIC const char *sb_key_kind(const sb_key *key);       /* for people: "RSA 3072", "EC P-384", "OKP Ed25519" */
SB_PUBLIC bool sb_key_is_private(const sb_key *key);

/* A set of public keys: what is registered with a payer, and what a payer knows of its clients.                KEY-02
 */
typedef struct sb_jwks sb_jwks;

SB_PUBLIC sb_status sb_jwks_new(sb_jwks **out, sb_error *err);
SB_PUBLIC void sb_jwks_free(sb_jwks *set); /* NULL is fine */

/* Add the public half. The same key under the same kid again is fine; another key under a kid that is taken:
 * SB_E_USAGE, for a kid must be unique in the set (KEY-02). */
SB_PUBLIC sb_status sb_jwks_add(sb_jwks *set, const sb_key *key, sb_error *err);

/* Add all keys of a file: JWK, JWK Set or PEM, public or private; of a private key (whose file must be private) the
 * public half is taken. SB_E_USAGE as sb_key_load() and sb_jwks_add(). */
SB_PUBLIC sb_status sb_jwks_add_file(sb_jwks *set, const char *path, const sb_key_load_options *options, sb_error *err);

SB_PUBLIC size_t sb_jwks_count(const sb_jwks *set);
/* Borrowed, public only, in the order of adding; NULL beyond the end. */
SB_PUBLIC const sb_key *sb_jwks_at(const sb_jwks *set, size_t index);

/* The set as JSON, bare members only: kty, kid, use, alg, key_ops and n, e or crv, x, y (KEY-02). malloc'ed, the caller
 * frees it; NULL without memory. `pretty`: indented for people. Nothing private can be in it: it is made from the
 * public halves' numbers, never copied from a file. */
SB_PUBLIC char *sb_jwks_json(const sb_jwks *set, bool pretty);

#endif
