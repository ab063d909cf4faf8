/* SPDX-License-Identifier: Apache-2.0 */
/* alg.c - the algorithms we know. `none` and HS* are not among them, and so cannot be asked for by anybody. KEY-01 */
#include "jose/key_internal.h"

/* n - 1 of FIPS 186-4 D.1.2.3 and D.1.2.4 */
static const uint8_t p256_n_less[32] = {0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF,
                                        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17,
                                        0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x50};
static const uint8_t p384_n_less[48] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                        0xC7, 0x63, 0x4D, 0x81, 0xF4, 0x37, 0x2D, 0xDF, 0x58, 0x1A, 0x0D, 0xB2,
                                        0x48, 0xB0, 0xA7, 0x7A, 0xEC, 0xEC, 0x19, 0x6A, 0xCC, 0xC5, 0x29, 0x72};

const char sb_algs_text[] = "ES384, RS384, ES256, RS256, PS384, EdDSA";

/* The first of a kind is its usual one. */
static const sb_alg algs[] = {
    {"ES384", SB_KTY_EC, "P-384", "secp384r1", "SHA384", false, 48, p384_n_less},
    {"RS384", SB_KTY_RSA, NULL, NULL, "SHA384", false, 0, NULL},
    {"ES256", SB_KTY_EC, "P-256", "prime256v1", "SHA256", false, 32, p256_n_less},
    {"RS256", SB_KTY_RSA, NULL, NULL, "SHA256", false, 0, NULL},
    {"PS384", SB_KTY_RSA, NULL, NULL, "SHA384", true, 0, NULL},
    {"EdDSA", SB_KTY_OKP, "Ed25519", "ED25519", NULL, false, 32, NULL},
};

const sb_alg *sb_alg_find(const char *name)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(algs); i++)
        if (strcmp(algs[i].name, name) == 0)
            return &algs[i];
    return NULL;
}

const sb_alg *sb_alg_default(sb_kty kty, const char *crv)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(algs); i++)
        if (algs[i].kty == kty && (kty == SB_KTY_RSA || (crv && strcmp(algs[i].crv, crv) == 0)))
            return &algs[i];
    return NULL;
}

bool sb_alg_same_kind(const sb_alg *a, const sb_alg *b)
{
    return a->kty == b->kty && (a->kty == SB_KTY_RSA || strcmp(a->crv, b->crv) == 0);
}
