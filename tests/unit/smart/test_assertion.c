/* SPDX-License-Identifier: Apache-2.0 */
/* test_assertion.c - what is in a client assertion, and what is never twice in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "jose/base64url.h"
#include "smart/assertion.h"

typedef struct parts {
    json_t *header, *claims;
    size_t signature_len;
} parts;

static json_t *decode(sb_str text)
{
    SB_AUTO(sb_buf) bytes = SB_BUF_INIT;
    json_t *json = NULL;
    assert_true(sb_buf_reserve(&bytes, sb_base64url_decoded_len(text.len)));
    assert_true(sb_base64url_decode(text, (unsigned char *)bytes.ptr));
    bytes.len = sb_base64url_decoded_len(text.len);
    assert_int_equal(sb_json_parse_object(sb_buf_str(&bytes), "part", &json, NULL), SB_OK);
    return json;
}

static const sb_assertion_claims usual = {
    .client_id = "client-1",
    .audience = "https://auth.payer.example/token",
    .now_s = 1790000000,
    .lifetime_s = 120,
};

static parts make(const sb_key *key, const sb_assertion_claims *claims)
{
    sb_secret *text = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_str header, payload, signature;
    assert_int_equal(sb_assertion_make(key, claims, &text, &err), SB_OK);
    sb_str rest = sb_secret_str(text);
    assert_true(sb_str_split(&rest, '.', &header));
    assert_true(sb_str_split(&rest, '.', &payload));
    assert_true(sb_str_split(&rest, '.', &signature));
    assert_null(rest.ptr);
    parts p = {decode(header), decode(payload), sb_base64url_decoded_len(signature.len)};
    sb_secret_free(text);
    return p;
}

static void parts_free(parts *p)
{
    json_decref(p->header);
    json_decref(p->claims);
}

static int setup(void **state)
{
    sb_key *key = NULL;
    sb_status status = sb_key_generate("ES384", 0, "kid-1", &key, NULL);
    *state = key;
    return status == SB_OK ? 0 : -1;
}

static int teardown(void **state)
{
    sb_key_free(*state);
    return 0;
}

static void the_smart_profile_is_as_the_standard_says(void **state)
{
    parts p = make(*state, &usual);
    assert_string_equal(sb_json_str(p.header, "alg"), "ES384"); /* AUTH-01 */
    assert_string_equal(sb_json_str(p.header, "kid"), "kid-1");
    assert_string_equal(sb_json_str(p.header, "typ"), "JWT");
    assert_null(json_object_get(p.header, "jku"));
    assert_int_equal(json_object_size(p.header), 3);
    assert_string_equal(sb_json_str(p.claims, "iss"), "client-1"); /* AUTH-02 */
    assert_string_equal(sb_json_str(p.claims, "sub"), "client-1");
    assert_string_equal(sb_json_str(p.claims, "aud"), "https://auth.payer.example/token");
    assert_int_equal(json_integer_value(json_object_get(p.claims, "iat")), 1790000000); /* AUTH-03 */
    assert_int_equal(json_integer_value(json_object_get(p.claims, "exp")), 1790000120);
    assert_int_equal(strlen(sb_json_str(p.claims, "jti")), 36);
    assert_null(json_object_get(p.claims, "nbf"));
    assert_int_equal(p.signature_len, 96);
    parts_free(&p);
}

static void the_rfc7523bis_profile_has_one_audience_and_its_own_type(void **state)
{
    sb_assertion_claims claims = usual;
    claims.profile = SB_PROFILE_RFC7523BIS;
    claims.audience = "https://issuer.example";
    parts p = make(*state, &claims);
    assert_string_equal(sb_json_str(p.header, "typ"), "client-authentication+jwt"); /* AUTH-04 */
    assert_string_equal(sb_json_str(p.claims, "aud"), "https://issuer.example");
    parts_free(&p);
    sb_secret *text = NULL;
    claims.audience = "https://a.example https://b.example";
    assert_int_equal(sb_assertion_make(*state, &claims, &text, NULL), SB_E_USAGE);
    assert_null(text);
}

static void several_audiences_are_an_array(void **state)
{
    sb_assertion_claims claims = usual;
    claims.audience = "https://a.example  https://b.example";
    parts p = make(*state, &claims);
    const json_t *aud = json_object_get(p.claims, "aud");
    assert_int_equal(json_array_size(aud), 2);
    assert_string_equal(json_string_value(json_array_get(aud, 1)), "https://b.example");
    parts_free(&p);
}

static void no_audience_is_no_assertion(void **state)
{
    sb_assertion_claims claims = usual;
    sb_secret *text = NULL;
    claims.audience = " ";
    assert_int_equal(sb_assertion_make(*state, &claims, &text, NULL), SB_E_INTERNAL);
}

static void jku_is_sent_only_when_it_is_registered(void **state)
{
    sb_assertion_claims claims = usual;
    claims.jku = "https://us.example/jwks.json";
    parts p = make(*state, &claims);
    assert_string_equal(sb_json_str(p.header, "jku"), "https://us.example/jwks.json"); /* AUTH-01 */
    parts_free(&p);
}

static void no_jti_comes_twice(void **state)
{
    char seen[50][37];
    for (size_t i = 0; i < SB_ARRAY_LEN(seen); i++) { /* AUTH-05 */
        parts p = make(*state, &usual);
        memcpy(seen[i], sb_json_str(p.claims, "jti"), sizeof(seen[i]));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
        parts_free(&p);
    }
}

#define ASSERTION_TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASSERTION_TEST(the_smart_profile_is_as_the_standard_says),
        ASSERTION_TEST(the_rfc7523bis_profile_has_one_audience_and_its_own_type),
        ASSERTION_TEST(several_audiences_are_an_array),
        ASSERTION_TEST(no_audience_is_no_assertion),
        ASSERTION_TEST(jku_is_sent_only_when_it_is_registered),
        ASSERTION_TEST(no_jti_comes_twice),
    };
    return cmocka_run_group_tests_name("assertion", tests, setup, teardown);
}
