/* SPDX-License-Identifier: Apache-2.0 */
/* ed25519.c - is this a public key of Ed25519 (RFC 8032 §5.1.3)? OpenSSL 3.0 takes any 32 bytes. */
#include <openssl/bn.h>

#include "jose/key_internal.h"

/* The curve is -x² + y² = 1 + d x² y² with d = -121665/121666. */
#define D_ABOVE 121665
#define D_BELOW 121666

/* x² = (y² - 1) / (d y² + 1) has a root where (y² - 1)(121666 - 121665 y²) · 121666 is a square. */
static bool has_x(const BIGNUM *y, const BIGNUM *p, BN_CTX *ctx)
{
    BIGNUM *yy = BN_CTX_get(ctx), *above = BN_CTX_get(ctx), *below = BN_CTX_get(ctx);
    if (!below || BN_mod_sqr(yy, y, p, ctx) != 1 || !BN_copy(above, yy) || BN_sub_word(above, 1) != 1 ||
        !BN_copy(below, yy) || BN_mul_word(below, D_ABOVE) != 1)
        return false;
    BN_set_negative(below, 1);
    return BN_add_word(below, D_BELOW) == 1 && BN_mul_word(below, D_BELOW) == 1 &&
           BN_mod_mul(above, above, below, p, ctx) == 1 && BN_kronecker(above, p, ctx) == 1;
}

/* Points whose order divides 8: whatever is signed, some signature verifies under them. Their y is 0, ±1, or one of
 * two that are given in full; of these 0 and ±1 are refused with their x, which is 0 or the root of -1. */
static bool is_of_small_order(const BIGNUM *y, const BIGNUM *p, BN_CTX *ctx)
{
    static const char *const order_8[] = {
        "05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826",
        "7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7",
    };
    BIGNUM *other = BN_CTX_get(ctx);
    bool found =
        !other || BN_is_zero(y) || BN_is_one(y) || BN_sub(other, p, BN_value_one()) != 1 || BN_cmp(y, other) == 0;
    for (size_t i = 0; !found && i < SB_ARRAY_LEN(order_8); i++)
        found = BN_hex2bn(&other, order_8[i]) == 0 || BN_cmp(y, other) == 0;
    return found;
}

bool sb_ed25519_is_point(const unsigned char y_bytes[32])
{
    unsigned char without_sign[32];
    BN_CTX *ctx = BN_CTX_new();
    if (!ctx)
        return false;
    BN_CTX_start(ctx);
    BIGNUM *p = BN_CTX_get(ctx), *y = BN_CTX_get(ctx);
    memcpy(without_sign, y_bytes, sizeof(without_sign));
    without_sign[31] &= 0x7F; /* the sign of x */
    bool ok = y && BN_set_bit(p, 255) == 1 && BN_sub_word(p, 19) == 1 &&
              BN_lebin2bn(without_sign, sizeof(without_sign), y) && BN_cmp(y, p) < 0 && !is_of_small_order(y, p, ctx) &&
              has_x(y, p, ctx);
    BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    return ok;
}
