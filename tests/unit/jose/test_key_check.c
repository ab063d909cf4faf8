/* SPDX-License-Identifier: Apache-2.0 */
/* test_key_check.c - keys that are well-formed, and no keys: numbers that are damaged, mixed, or meant to deceive. */
#include "jose_test.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "jose/key_internal.h"

#define MEMBER_MAX 2048 /* characters of the longest number, and more */

static const char *const private_members[] = {"d", "p", "q", "dp", "dq", "qi"};

static json_t *private_jwk(const char *alg)
{
    SB_AUTOPTR(sb_key) key = new_key(alg, NULL);
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    json_t *jwk = NULL;
    assert_int_equal(sb_key_private_text(key, &text, NULL), SB_OK);
    assert_int_equal(sb_json_parse_object(sb_buf_str(&text), "key", &jwk, NULL), SB_OK);
    assert_int_equal(json_object_del(jwk, "kid"), 0);
    return jwk;
}

static void make_public(json_t *jwk)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(private_members); i++)
        (void)json_object_del(jwk, private_members[i]);
}

static void set_bytes(json_t *jwk, const char *member, const unsigned char *bytes, size_t len)
{
    SB_AUTOFREE text = encoded(bytes, len);
    assert_int_equal(json_object_set_new(jwk, member, json_string(text)), 0);
}

static sb_status load(const json_t *jwk, bool private_too)
{
    sb_key *key = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_key_from_jwk(jwk, private_too, &key, &err);
    assert_true(status == SB_OK || (err.what[0] && err.why[0] && err.fix[0]));
    sb_key_free(key);
    return status;
}

/* Another character in the middle of a number. */
static void damage(json_t *jwk, const char *member)
{
    char text[MEMBER_MAX] = "";
    const char *whole = sb_json_str(jwk, member);
    size_t len = strlen(whole);
    assert_true(len < sizeof(text));
    memcpy(text, whole, len);
    text[len / 2] = text[len / 2] == 'A' ? 'B' : 'A';
    assert_int_equal(json_object_set_new(jwk, member, json_string(text)), 0);
}

static void an_rsa_exponent_is_odd_and_neither_tiny_nor_huge(void **state)
{
    static const char *const wrong[] = {"AA", "AQ", "Ag", "BA", "AQAAAAAAAAAB"};
    (void)state;
    SB_AUTOJSON jwk = private_jwk("RS384");
    make_public(jwk);
    assert_int_equal(load(jwk, false), SB_OK);
    for (size_t i = 0; i < SB_ARRAY_LEN(wrong); i++) {
        assert_int_equal(json_object_set_new(jwk, "e", json_string(wrong[i])), 0);
        assert_int_equal(load(jwk, false), SB_E_INVALID);
    }
    assert_int_equal(json_object_set_new(jwk, "e", json_string("Aw")), 0); /* 3: old, and allowed */
    assert_int_equal(load(jwk, false), SB_OK);
}

static void a_damaged_private_number_is_found_whichever_it_is(void **state)
{
    (void)state;
    SB_AUTOJSON jwk = private_jwk("RS384");
    assert_int_equal(load(jwk, true), SB_OK);
    for (size_t i = 0; i < SB_ARRAY_LEN(private_members); i++) {
        SB_AUTOJSON changed = json_deep_copy(jwk);
        damage(changed, private_members[i]);
        assert_int_equal(load(changed, true), SB_E_INVALID);
    }
}

static void an_rsa_key_may_come_with_d_alone(void **state)
{
    (void)state;
    SB_AUTOJSON jwk = private_jwk("RS384");
    SB_AUTOJSON d = json_incref(json_object_get(jwk, "d"));
    make_public(jwk);
    assert_int_equal(json_object_set(jwk, "d", d), 0);
    assert_int_equal(load(jwk, true), SB_OK);
    damage(jwk, "d");
    assert_int_equal(load(jwk, true), SB_E_INVALID);
}

static void halves_of_two_keys_are_no_key(void **state)
{
    static const char *const algs[] = {"ES384", "ES256", "EdDSA", "RS384"};
    static const char *const members[] = {"n", "x", "y"};
    (void)state;
    for (size_t i = 0; i < SB_ARRAY_LEN(algs); i++) {
        SB_AUTOJSON jwk = private_jwk(algs[i]);
        SB_AUTOJSON other = private_jwk(algs[i]);
        for (size_t k = 0; k < SB_ARRAY_LEN(members); k++)
            if (json_object_get(other, members[k]))
                assert_int_equal(json_object_set(jwk, members[k], json_object_get(other, members[k])), 0);
        assert_int_equal(load(jwk, true), SB_E_INVALID);
    }
}

static void a_point_off_its_curve_is_refused(void **state)
{
    static const char *const algs[] = {"ES384", "ES256"};
    unsigned char all_ones[SB_EC_WIDTH_MAX], zero[SB_EC_WIDTH_MAX] = {0};
    (void)state;
    memset(all_ones, 0xFF, sizeof(all_ones)); /* not below p */
    for (size_t i = 0; i < SB_ARRAY_LEN(algs); i++) {
        SB_AUTOJSON jwk = private_jwk(algs[i]);
        size_t width = i == 0 ? 48 : 32;
        make_public(jwk);
        assert_int_equal(load(jwk, false), SB_OK);
        SB_AUTOJSON damaged = json_deep_copy(jwk);
        damage(damaged, "y");
        assert_int_equal(load(damaged, false), SB_E_INVALID);
        set_bytes(jwk, "x", all_ones, width);
        assert_int_equal(load(jwk, false), SB_E_INVALID);
        set_bytes(jwk, "x", zero, width);
        set_bytes(jwk, "y", zero, width);
        assert_int_equal(load(jwk, false), SB_E_INVALID);
    }
}

/* y of each point whose order divides 8, little-endian; of y = 1 and 0 also the encodings with p added. */
static const char *const small_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void from_hex(const char *hex, unsigned char out[32])
{
    for (size_t i = 0; i < 32; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
}

static void an_ed25519_key_is_a_point_of_large_order(void **state)
{
    unsigned char y[32];
    (void)state;
    SB_AUTOJSON jwk = private_jwk("EdDSA");
    make_public(jwk);
    assert_int_equal(load(jwk, false), SB_OK);
    for (size_t i = 0; i < SB_ARRAY_LEN(small_order); i++) {
        for (unsigned sign = 0; sign <= 0x80; sign += 0x80) {
            from_hex(small_order[i], y);
            y[31] |= (unsigned char)sign;
            set_bytes(jwk, "x", y, sizeof(y));
            assert_int_equal(load(jwk, false), SB_E_INVALID);
        }
    }
    for (unsigned small = 2; small < 12; small++) { /* 2, 7, 8 and 11 are none */
        bool is_point = small != 2 && small != 7 && small != 8 && small != 11;
        memset(y, 0, sizeof(y));
        y[0] = (unsigned char)small;
        set_bytes(jwk, "x", y, sizeof(y));
        assert_int_equal(load(jwk, false), is_point ? SB_OK : SB_E_INVALID);
    }
}

/* As CVE-2020-0601 had it: what looks like P-384 and is spelled out may be of another base point. */
static void a_curve_that_is_spelled_out_is_refused(void **state)
{
    sb_key *key = NULL;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp384r1"), *read = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    (void)state;
    assert_int_equal(EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT),
                     1);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
    read = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    assert_non_null(read);
    assert_int_equal(sb_key_wrap(read, NULL, NULL, true, &key, NULL), SB_E_INVALID);
    BIO_free(bio);
    assert_int_equal(EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_GROUP), 1);
    assert_int_equal(sb_key_wrap(pkey, NULL, NULL, true, &key, NULL), SB_OK);
    sb_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_rsa_exponent_is_odd_and_neither_tiny_nor_huge),
        cmocka_unit_test(a_damaged_private_number_is_found_whichever_it_is),
        cmocka_unit_test(an_rsa_key_may_come_with_d_alone),
        cmocka_unit_test(halves_of_two_keys_are_no_key),
        cmocka_unit_test(a_point_off_its_curve_is_refused),
        cmocka_unit_test(an_ed25519_key_is_a_point_of_large_order),
        cmocka_unit_test(a_curve_that_is_spelled_out_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
