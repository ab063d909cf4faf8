/* SPDX-License-Identifier: Apache-2.0 */
/* test_jwk.c - keys as JSON: written bare, read with suspicion.                                  KEY-01 … KEY-04, AUTH-08 */
#include "jose_test.h"

static json_t *public_jwk(const char *alg, const char *kid)
{
    SB_AUTOPTR(sb_key) key = new_key(alg, kid);
    json_t *jwk = sb_key_to_public_jwk(key);
    assert_non_null(jwk);
    return jwk;
}

/* What becomes of that JWK with one member replaced (`value` is taken over; NULL: removed). */
static sb_status with_member(const json_t *jwk, const char *member, json_t *value, sb_error *err)
{
    SB_AUTOJSON changed = json_deep_copy(jwk);
    SB_AUTOPTR(sb_key) key = NULL;
    if (value)
        assert_int_equal(json_object_set_new(changed, member, value), 0);
    else
        (void)json_object_del(changed, member);
    return sb_key_from_public_jwk(changed, &key, err);
}

static void a_public_jwk_holds_bare_members_and_how_it_is_used(void **state)
{
    (void)state;
    static const char *const members[][6] = {{"crv", "x", "y"}, {"n", "e"}, {"crv", "x", "y"},
                                             {"n", "e"},        {"n", "e"}, {"crv", "x"}};
    for (size_t i = 0; i < SB_ARRAY_LEN(all_algs); i++) {
        SB_AUTOJSON jwk = public_jwk(all_algs[i], "k");
        size_t n = 0;
        for (; members[i][n]; n++)
            assert_true(json_is_string(json_object_get(jwk, members[i][n])));
        assert_int_equal(json_object_size(jwk), n + 5); /* kty, kid, use, alg, key_ops: KEY-02 */
        assert_string_equal(sb_json_str(jwk, "use"), "sig");
        assert_string_equal(sb_json_str(jwk, "alg"), all_algs[i]);
        assert_string_equal(json_string_value(json_array_get(json_object_get(jwk, "key_ops"), 0)), "verify");
    }
}

static void coordinates_keep_their_zeros(void **state)
{
    (void)state;
    bool seen = false;
    for (int i = 0; i < 4000 && !seen; i++) { /* one in 128 keys has a zero byte in front of x or y */
        SB_AUTOJSON jwk = public_jwk("ES256", "k");
        unsigned char x[32], y[32];
        assert_int_equal(strlen(sb_json_str(jwk, "x")), 43); /* KEY-03: 32 bytes, always */
        assert_int_equal(strlen(sb_json_str(jwk, "y")), 43);
        assert_true(sb_base64url_decode(sb_str_from(sb_json_str(jwk, "x")), x));
        assert_true(sb_base64url_decode(sb_str_from(sb_json_str(jwk, "y")), y));
        seen = x[0] == 0 || y[0] == 0;
    }
    assert_true(seen);
}

static void a_private_member_makes_a_public_jwk_unusable(void **state)
{
    (void)state;
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"};
    SB_AUTOJSON jwk = public_jwk("ES384", "k");
    for (size_t i = 0; i < SB_ARRAY_LEN(members); i++) {
        sb_error err;
        assert_int_equal(with_member(jwk, members[i], json_string("AQAB"), &err), SB_E_INVALID);
        assert_non_null(strstr(err.why, "private"));
    }
}

static void malformed_members_are_refused(void **state)
{
    (void)state;
    SB_AUTOJSON ec = public_jwk("ES384", "k");
    SB_AUTOJSON rsa = public_jwk("RS384", "k");
    const char *x = sb_json_str(ec, "x");
    SB_AUTOFREE short_x = sb_str_dup((sb_str){x, 63});
    SB_AUTOFREE long_x = sb_printf("AAAA%s", x);
    SB_AUTOFREE padded_x = sb_printf("%s=", x);
    assert_int_equal(with_member(ec, "use", json_string("sig"), NULL), SB_OK); /* as it is, it is fine */
    const struct {
        const json_t *jwk;
        const char *member;
        json_t *value;
    } cases[] = {
        {ec, "x", json_string(short_x)},
        {ec, "x", json_string(long_x)},
        {ec, "x", json_string(padded_x)},
        {ec, "x", json_string(sb_json_str(ec, "y"))}, /* not on the curve */
        {ec, "x", json_string("")},
        {ec, "x", json_integer(1)},
        {ec, "y", NULL},
        {ec, "crv", json_string("P-256")},
        {ec, "crv", NULL},
        {ec, "kty", NULL},
        {ec, "kty", json_string("RSA")},
        {ec, "alg", json_string("RS384")},
        {ec, "alg", json_string("ES256")},
        {ec, "alg", json_integer(1)},
        {ec, "kid", json_integer(1)},
        {ec, "kid", json_string("")},
        {ec, "kid", json_string("a b")},
        {ec, "kid", json_string("a\nb")},
        {ec, "kid", json_string("\xc3\xa9")},
        {ec, "use", json_string("enc")},
        {ec, "use", json_integer(1)},
        {ec, "key_ops", json_pack("[s]", "encrypt")},
        {ec, "key_ops", json_array()},
        {rsa, "n", json_string("")},
        {rsa, "n", NULL},
        {rsa, "e", json_string("AQ")},
        /* 1 */ {rsa, "e", json_string("Ag")},
        {rsa, "e", json_string("AAEAAQABAAEAAQ")},
        {rsa, "e", NULL},
        {rsa, "alg", json_string("ES384")},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++)
        if (with_member(cases[i].jwk, cases[i].member, cases[i].value, NULL) != SB_E_INVALID)
            fail_msg("case %zu: a JWK with a wrong '%s' was accepted", i, cases[i].member);
}

static void weak_and_huge_rsa_keys_are_refused(void **state)
{
    (void)state;
    SB_AUTOJSON rsa = public_jwk("RS384", "k");
    unsigned char n[2048];
    memset(n, 0xFF, sizeof(n));
    static const size_t sizes[] = {64, 128, 255, 1025, 2048};
    for (size_t i = 0; i < SB_ARRAY_LEN(sizes); i++) {
        SB_AUTOFREE text = encoded(n, sizes[i]);
        assert_int_equal(with_member(rsa, "n", json_string(text), NULL), SB_E_INVALID);
    }
    n[255] = 0xFE; /* even */
    SB_AUTOFREE even = encoded(n, 256);
    assert_int_equal(with_member(rsa, "n", json_string(even), NULL), SB_E_INVALID);
    sb_key *key = NULL;
    assert_int_equal(sb_key_generate("RS384", 1024, NULL, &key, NULL), SB_E_USAGE);
    assert_int_equal(sb_key_generate("RS384", 8200, NULL, &key, NULL), SB_E_USAGE);
    assert_int_equal(sb_key_generate("ES384", 2048, NULL, &key, NULL), SB_E_USAGE);
    assert_int_equal(sb_key_generate("HS256", 0, NULL, &key, NULL), SB_E_USAGE);
    assert_int_equal(sb_key_generate("ES384", 0, "two words", &key, NULL), SB_E_USAGE);
    assert_null(key);
}

static void without_a_kid_the_thumbprint_is_it(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    assert_string_equal(sb_key_kid(key), sb_key_thumbprint(key)); /* KEY-04 */
    assert_int_equal(strlen(sb_key_kid(key)), 43);
}

static sb_status parse_set(json_t *keys, size_t *passed_over, sb_jwks **out, sb_error *err)
{
    SB_AUTOJSON root = json_pack("{s:o}", "keys", keys);
    SB_AUTOFREE text = sb_json_dump(root);
    return sb_jwks_parse(sb_str_from(text), out, passed_over, err);
}

static void keys_of_unknown_kinds_are_passed_over(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_jwks) set = NULL;
    size_t passed_over = 0;
    json_t *keys =
        json_pack("[o, {s:s, s:s, s:s}, {s:s}, {s:s, s:s, s:s, s:s}]", public_jwk("ES384", "a"), "kty", "EC", "crv",
                  "secp256k1", "kid", "b", "kty", "AKP", "kty", "OKP", "crv", "X25519", "x", "AA", "kid", "c");
    assert_int_equal(parse_set(keys, &passed_over, &set, NULL), SB_OK);
    assert_int_equal(sb_jwks_count(set), 1);
    assert_int_equal(passed_over, 3);
    assert_non_null(sb_jwks_find(set, SB_STR_LIT("a")));
    assert_null(sb_jwks_find(set, SB_STR_LIT("b")));
}

static void a_set_is_refused_for_any_key_that_is_wrong(void **state)
{
    (void)state;
    json_t *leaked = public_jwk("ES384", "b"), *nameless = public_jwk("ES384", "b");
    assert_int_equal(json_object_set_new(leaked, "d", json_string("AA")), 0);
    assert_int_equal(json_object_del(nameless, "kid"), 0);
    json_t *cases[] = {
        json_pack("[o, o]", public_jwk("ES384", "a"), public_jwk("ES384", "a")), /* which of the two is a? */
        json_pack("[o, o]", public_jwk("ES384", "a"), leaked),
        json_pack("[o, o]", public_jwk("ES384", "a"), nameless),
        json_pack("[o, s]", public_jwk("ES384", "a"), "key"),
        json_array(),
        json_pack("[{s:s, s:s}]", "kty", "oct", "kid", "a"),
        json_pack("[{s:s, s:s, s:s}]", "kty", "oct", "kid", "a", "k", "AA"), /* a secret that was given away */
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTOPTR(sb_jwks) set = NULL;
        sb_error err;
        if (parse_set(cases[i], NULL, &set, &err) != SB_E_INVALID)
            fail_msg("set %zu was accepted", i);
        assert_string_not_equal(err.why, "");
    }
    SB_AUTOPTR(sb_jwks) set = NULL;
    static const char *const texts[] = {
        "", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]", "null", "{\"keys\":[],\"keys\":[]}"};
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++)
        assert_int_equal(sb_jwks_parse(sb_str_from(texts[i]), &set, NULL, NULL), SB_E_INVALID);
}

static void a_set_has_bounds(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_jwks) set = NULL;
    json_t *many = json_array();
    for (int i = 0; i <= SB_JWKS_MAX_KEYS; i++)
        assert_int_equal(json_array_append_new(many, json_pack("{s:s}", "kty", "AKP")), 0);
    assert_int_equal(parse_set(many, NULL, &set, NULL), SB_E_INVALID);
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    for (int i = 0; i <= SB_JWKS_MAX_BYTES; i++)
        assert_true(sb_buf_add_char(&text, ' '));
    assert_int_equal(sb_jwks_parse(sb_buf_str(&text), &set, NULL, NULL), SB_E_INVALID);
}

static void our_own_set_takes_a_key_once_and_a_kid_once(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_jwks) set = NULL;
    SB_AUTOPTR(sb_key) a = new_key("ES384", "a");
    SB_AUTOPTR(sb_key) b = new_key("RS384", "b");
    SB_AUTOPTR(sb_key) imposter = new_key("ES384", "a");
    assert_int_equal(sb_jwks_new(&set, NULL), SB_OK);
    assert_int_equal(sb_jwks_add(set, a, NULL), SB_OK);
    assert_int_equal(sb_jwks_add(set, b, NULL), SB_OK);
    assert_int_equal(sb_jwks_add(set, a, NULL), SB_OK);
    assert_int_equal(sb_jwks_add(set, imposter, NULL), SB_E_USAGE);
    assert_int_equal(sb_jwks_count(set), 2);
    assert_false(sb_key_is_private(sb_jwks_at(set, 0)));
    assert_null(sb_jwks_at(set, 2));
    SB_AUTOJSON other_use = sb_key_to_public_jwk(b);
    SB_AUTOPTR(sb_key) same_key = NULL;
    assert_int_equal(json_object_set_new(other_use, "alg", json_string("PS384")), 0);
    assert_int_equal(sb_key_from_public_jwk(other_use, &same_key, NULL), SB_OK);
    assert_int_equal(sb_jwks_add(set, same_key, NULL), SB_E_USAGE); /* would go unpublished, and silently so */
    SB_AUTOFREE text = sb_jwks_json(set, false);
    SB_AUTOPTR(sb_jwks) again = NULL;
    assert_null(strstr(text, "\"d\""));
    assert_int_equal(sb_jwks_parse(sb_str_from(text), &again, NULL, NULL), SB_OK);
    assert_int_equal(sb_jwks_count(again), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_public_jwk_holds_bare_members_and_how_it_is_used),
        cmocka_unit_test(coordinates_keep_their_zeros),
        cmocka_unit_test(a_private_member_makes_a_public_jwk_unusable),
        cmocka_unit_test(malformed_members_are_refused),
        cmocka_unit_test(weak_and_huge_rsa_keys_are_refused),
        cmocka_unit_test(without_a_kid_the_thumbprint_is_it),
        cmocka_unit_test(keys_of_unknown_kinds_are_passed_over),
        cmocka_unit_test(a_set_is_refused_for_any_key_that_is_wrong),
        cmocka_unit_test(a_set_has_bounds),
        cmocka_unit_test(our_own_set_takes_a_key_once_and_a_kid_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
