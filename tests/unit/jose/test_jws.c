/* SPDX-License-Identifier: Apache-2.0 */
/* test_jws.c - what is signed verifies, and nothing else does.                                              AUTH-06 */
#include "jose_test.h"

#include <openssl/bn.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "jose/key_internal.h"

/* header.payload.signature of these, the first two in plain text. */
static char *assemble(const char *header, const char *payload, const void *signature, size_t len)
{
    SB_AUTOFREE h = encoded(header, strlen(header));
    SB_AUTOFREE p = encoded(payload, strlen(payload));
    SB_AUTOFREE s = encoded(signature, len);
    return sb_printf("%s.%s.%s", h, p, s);
}

static char *public_text(const sb_key *key)
{
    SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
    return sb_json_dump(jwk);
}

static void public_pem(const sb_key *key, sb_buf *out)
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key->pkey), 1);
    long len = BIO_get_mem_data(bio, &text);
    assert_true(sb_buf_add(out, text, (size_t)len));
    BIO_free(bio);
}

static char *hmac_signed(const char *header, sb_str secret)
{
    unsigned char digest[64];
    unsigned len = 0;
    SB_AUTOFREE h = encoded(header, strlen(header));
    SB_AUTOFREE input = sb_printf("%s.e30", h);
    const EVP_MD *md = strstr(header, "384") ? EVP_sha384() : EVP_sha256();
    assert_non_null(HMAC(md, secret.ptr, (int)secret.len, (const unsigned char *)input, strlen(input), digest, &len));
    SB_AUTOFREE s = encoded(digest, len);
    return sb_printf("%s.%s", input, s);
}

static void every_algorithm_signs_what_it_verifies(void **state)
{
    (void)state;
    for (size_t i = 0; i < SB_ARRAY_LEN(all_algs); i++) {
        SB_AUTOPTR(sb_key) key = new_key(all_algs[i], "k1");
        SB_AUTOPTR(sb_key) other = new_key(all_algs[i], "k1");
        SB_AUTOFREE text = sign_text(key, "{\"a\":1}");
        assert_int_equal(judge(text, key, all_algs[i]), SB_OK);
        assert_int_equal(judge(text, other, all_algs[i]), SB_E_INVALID);
    }
}

static void the_header_says_algorithm_and_kid_and_what_the_caller_wants(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", "k1");
    SB_AUTOJSON wanted = json_pack("{s:s, s:s}", "typ", "JWT", "alg", "none"); /* alg is not theirs to say */
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    sb_secret *secret = NULL;
    assert_int_equal(sb_jws_sign(key, wanted, SB_STR_LIT("{}"), &secret, NULL), SB_OK);
    assert_int_equal(sb_jws_parse(sb_secret_str(secret), &jws, NULL), SB_OK);
    assert_string_equal(jws.alg, "ES384");
    assert_string_equal(jws.kid, "k1");
    assert_string_equal(sb_json_str(jws.header, "typ"), "JWT");
    assert_int_equal(json_object_size(jws.header), 3);
    sb_secret_free(secret);
}

static void no_key_verifies_by_an_algorithm_that_is_not_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < SB_ARRAY_LEN(all_algs); i++) {
        SB_AUTOPTR(sb_key) key = new_key(all_algs[i], NULL);
        SB_AUTOFREE text = sign_text(key, "{}");
        for (size_t j = 0; j < SB_ARRAY_LEN(all_algs); j++)
            assert_int_equal(judge(text, key, all_algs[j]), i == j ? SB_OK : SB_E_INVALID);
        assert_int_equal(judge(text, key, "none"), SB_E_INVALID);
        assert_int_equal(judge(text, key, "HS256"), SB_E_INVALID);
        assert_int_equal(judge(text, key, ""), SB_E_INVALID);
    }
}

static void none_and_hmac_do_not_exist_in_any_spelling(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", ""};
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        SB_AUTOFREE header = sb_printf("{\"alg\":\"%s\"}", names[i]);
        SB_AUTOFREE text = assemble(header, "{}", "x", 1);
        SB_AUTOFREE h = encoded(header, strlen(header));
        SB_AUTOFREE unsigned_text = sb_printf("%s.e30.", h);
        assert_int_equal(judge(text, key, names[i]), SB_E_INVALID);
        assert_int_equal(judge(text, key, "ES384"), SB_E_INVALID);
        assert_int_equal(judge(unsigned_text, key, names[i]), SB_E_INVALID);
    }
}

/* A verifier that takes the alg of the header and the key of the register verifies this: the public key, which everybody
 * has, as the secret. Also with nothing as the secret, for a key without an alg. */
static void hmac_by_what_everybody_knows_is_no_signature(void **state)
{
    (void)state;
    static const char *const algs[] = {"HS256", "HS384", "RS384", "ES384"};
    for (size_t i = 0; i < 2; i++) {
        SB_AUTOPTR(sb_key) key = new_key(i ? "RS384" : "ES384", NULL);
        SB_AUTOFREE jwk = public_text(key);
        SB_AUTO(sb_buf) pem = SB_BUF_INIT;
        public_pem(key, &pem);
        const sb_str secrets[] = {sb_buf_str(&pem), sb_str_from(jwk), SB_STR_LIT("")};
        for (size_t j = 0; j < SB_ARRAY_LEN(secrets) * SB_ARRAY_LEN(algs); j++) {
            const char *alg = algs[j % SB_ARRAY_LEN(algs)];
            SB_AUTOFREE header = sb_printf("{\"alg\":\"%s\"}", alg);
            SB_AUTOFREE text = hmac_signed(header, secrets[j / SB_ARRAY_LEN(algs)]);
            assert_int_equal(judge(text, key, alg), SB_E_INVALID);
            assert_int_equal(judge(text, key, i ? "RS384" : "ES384"), SB_E_INVALID);
        }
    }
}

static void headers_that_are_not_understood_are_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {"{\"alg\":\"ES384\",\"crit\":[]}",
                                          "{\"alg\":\"ES384\",\"crit\":[\"exp\"]}",
                                          "{\"alg\":\"ES384\",\"b64\":true}",
                                          "{\"alg\":\"ES384\",\"alg\":\"ES384\"}",
                                          "{\"alg\":7}",
                                          "{}",
                                          "[\"ES384\"]",
                                          "\"ES384\"",
                                          "{\"alg\":\"ES384\",\"kid\":1}",
                                          "{\"alg\":\"ES384\"} x",
                                          "{\"alg\":\"ES384\\u0000\"}",
                                          ""};
    for (size_t i = 0; i < SB_ARRAY_LEN(headers); i++) {
        SB_AUTO(sb_jws) jws = SB_JWS_INIT;
        SB_AUTOFREE text = assemble(headers[i], "{}", "x", 1);
        if (sb_jws_parse(sb_str_from(text), &jws, NULL) != SB_E_INVALID)
            fail_msg("%s was accepted", headers[i]);
    }
}

static void a_text_that_has_not_three_parts_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        ".",
                                        "..",
                                        "...",
                                        "a",
                                        "e30.e30",
                                        "eyJhbGciOiJFUzM4NCJ9..",
                                        "eyJhbGciOiJFUzM4NCJ9.e30.",
                                        "eyJhbGciOiJFUzM4NCJ9.e30.e30.e30",
                                        "eyJhbGciOiJFUzM4NCJ9.e3.e30",
                                        "eyJhbGciOiJFUzM4NCJ9.e30=.e30",
                                        " eyJhbGciOiJFUzM4NCJ9.e30.e30"};
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        SB_AUTO(sb_jws) jws = SB_JWS_INIT;
        if (sb_jws_parse(sb_str_from(texts[i]), &jws, NULL) != SB_E_INVALID)
            fail_msg("%s was accepted", texts[i]);
    }
    SB_AUTO(sb_buf) dots = SB_BUF_INIT;
    for (int i = 0; i < 1024 * 1024; i++)
        assert_true(sb_buf_add_char(&dots, '.'));
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    assert_int_equal(sb_jws_parse(sb_buf_str(&dots), &jws, NULL), SB_E_INVALID);
}

/* The parts of a good ES384 text: its signing input, and its 96 signature bytes. */
static void take_apart(const char *text, sb_str *input, unsigned char signature[96])
{
    const char *dot = strrchr(text, '.');
    *input = (sb_str){text, (size_t)(dot - text)};
    assert_int_equal(strlen(dot + 1), 128);
    assert_true(sb_base64url_decode(sb_str_from(dot + 1), signature));
}

static sb_status judge_signature(sb_str input, const void *signature, size_t len, const sb_key *key)
{
    SB_AUTOFREE s = encoded(signature, len);
    SB_AUTOFREE text = sb_printf("%.*s.%s", (int)input.len, input.ptr, s);
    return judge(text, key, "ES384");
}

static void ecdsa_signatures_have_exactly_their_width(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOFREE text = sign_text(key, "{}");
    static unsigned char signature[21830]; /* a signature of that length crashed readers of TLS once */
    sb_str input;
    memset(signature, 0, sizeof(signature));
    take_apart(text, &input, signature);
    assert_int_equal(judge_signature(input, signature, 96, key), SB_OK);
    static const size_t lengths[] = {0, 1, 48, 64, 95, 97, 132, 144, 8000, 21830};
    for (size_t i = 0; i < SB_ARRAY_LEN(lengths); i++)
        assert_int_equal(judge_signature(input, signature, lengths[i], key), SB_E_INVALID);
}

static void ecdsa_halves_are_between_one_and_n(void **state)
{
    (void)state;
    static const char n_hex[] =
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973";
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOFREE text = sign_text(key, "{}");
    unsigned char good[96], bad[96], n[48];
    BIGNUM *bn = NULL;
    sb_str input;
    take_apart(text, &input, good);
    assert_true(BN_hex2bn(&bn, n_hex) > 0 && BN_bn2binpad(bn, n, 48) == 48);
    for (int half = 0; half < 2; half++) {
        memcpy(bad, good, 96);
        memset(bad + 48 * half, 0, 48);
        assert_int_equal(judge_signature(input, bad, 96, key), SB_E_INVALID);
        memcpy(bad + 48 * half, n, 48);
        assert_int_equal(judge_signature(input, bad, 96, key), SB_E_INVALID);
        memset(bad + 48 * half, 0xFF, 48);
        assert_int_equal(judge_signature(input, bad, 96, key), SB_E_INVALID);
    }
    memset(bad, 0, 96); /* r = s = 0: what some libraries took for good */
    assert_int_equal(judge_signature(input, bad, 96, key), SB_E_INVALID);
    BN_free(bn);
}

static void der_is_no_jws_signature(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOFREE text = sign_text(key, "{}");
    unsigned char raw[96], der[200] = {0x30, 0, 0x02, 0x31, 0};
    sb_str input;
    take_apart(text, &input, raw);
    memcpy(der + 5, raw, 48);
    der[53] = 0x02;
    der[54] = 0x31;
    der[55] = 0;
    memcpy(der + 56, raw + 48, 48);
    der[1] = 102;
    assert_int_equal(judge_signature(input, der, 104, key), SB_E_INVALID);
}

static void a_public_key_signs_nothing(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
    SB_AUTOPTR(sb_key) public = NULL;
    sb_secret *secret = NULL;
    assert_int_equal(sb_key_from_public_jwk(jwk, &public, NULL), SB_OK);
    assert_false(sb_key_is_private(public));
    assert_int_equal(sb_jws_sign(public, NULL, SB_STR_LIT("{}"), &secret, NULL), SB_E_USAGE);
    assert_null(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_signs_what_it_verifies),
        cmocka_unit_test(the_header_says_algorithm_and_kid_and_what_the_caller_wants),
        cmocka_unit_test(no_key_verifies_by_an_algorithm_that_is_not_its_own),
        cmocka_unit_test(none_and_hmac_do_not_exist_in_any_spelling),
        cmocka_unit_test(hmac_by_what_everybody_knows_is_no_signature),
        cmocka_unit_test(headers_that_are_not_understood_are_refused),
        cmocka_unit_test(a_text_that_has_not_three_parts_is_refused),
        cmocka_unit_test(ecdsa_signatures_have_exactly_their_width),
        cmocka_unit_test(ecdsa_halves_are_between_one_and_n),
        cmocka_unit_test(der_is_no_jws_signature),
        cmocka_unit_test(a_public_key_signs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
