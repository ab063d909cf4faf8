/* SPDX-License-Identifier: Apache-2.0 */
/* test_sealed_key.c - a sealed key opens with its secret and its words, and with nothing else. */
#include "jose_test.h"

#include "jose/sealed_key.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define ABOUT  "1 a-name ES256 10 20"

static sb_status open_with(const sb_buf *sealed, const char *secret, const char *about, const char *alg, sb_key **out)
{
    return sb_key_unseal(sb_buf_str(sealed), sb_str_from(secret), sb_str_from(about), alg, out, NULL);
}

static void seal(const sb_key *key, sb_buf *out)
{
    assert_int_equal(sb_key_seal(key, SB_STR_LIT(SECRET), SB_STR_LIT(ABOUT), out, NULL), SB_OK);
}

static void a_key_of_any_kind_comes_back_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < SB_ARRAY_LEN(all_algs); i++) {
        SB_AUTOPTR(sb_key) key = new_key(all_algs[i], NULL);
        SB_AUTOPTR(sb_key) back = NULL;
        SB_AUTO(sb_buf) sealed = SB_BUF_INIT;
        seal(key, &sealed);
        assert_int_equal(open_with(&sealed, SECRET, ABOUT, all_algs[i], &back), SB_OK);
        assert_true(sb_key_same(key, back) && sb_key_is_private(back));
        assert_string_equal(sb_key_kid(back), sb_key_thumbprint(key));
        SB_AUTOFREE text = sign_text(back, "{}");
        assert_int_equal(judge(text, key, all_algs[i]), SB_OK);
    }
}

static void nothing_else_opens_it(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES256", NULL);
    SB_AUTOPTR(sb_key) back = NULL;
    SB_AUTO(sb_buf) sealed = SB_BUF_INIT;
    seal(key, &sealed);
    assert_int_equal(open_with(&sealed, SECRET "0", ABOUT, "ES256", &back), SB_E_INVALID);
    assert_int_equal(open_with(&sealed, "0123456789abcdef0123456789abcdeF", ABOUT, "ES256", &back), SB_E_INVALID);
    assert_int_equal(open_with(&sealed, SECRET, ABOUT "0", "ES256", &back), SB_E_INVALID);
    assert_int_equal(open_with(&sealed, SECRET, "", "ES256", &back), SB_E_INVALID);
    assert_int_equal(open_with(&sealed, SECRET, ABOUT, "ES384", &back), SB_E_INVALID);
    assert_int_equal(open_with(&sealed, SECRET, ABOUT, "none", &back), SB_E_INVALID);
    assert_null(back);
    assert_int_equal(open_with(&sealed, SECRET, ABOUT, "ES256", &back), SB_OK);
}

static void each_changed_or_missing_byte_is_noticed(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES256", NULL);
    SB_AUTOPTR(sb_key) back = NULL;
    SB_AUTO(sb_buf) sealed = SB_BUF_INIT;
    seal(key, &sealed);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.ptr[i] = (char)(sealed.ptr[i] ^ 1);
        assert_int_equal(open_with(&sealed, SECRET, ABOUT, "ES256", &back), SB_E_INVALID);
        sealed.ptr[i] = (char)(sealed.ptr[i] ^ 1);
    }
    for (size_t len = sealed.len; len-- > 0;) {
        sb_str shorter = {sealed.ptr, len};
        assert_int_equal(sb_key_unseal(shorter, SB_STR_LIT(SECRET), SB_STR_LIT(ABOUT), "ES256", &back, NULL),
                         SB_E_INVALID);
    }
    assert_null(back);
}

static void no_two_are_alike_and_none_shows_the_key(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES256", NULL);
    SB_AUTO(sb_buf) one = SB_BUF_INIT;
    SB_AUTO(sb_buf) two = SB_BUF_INIT;
    seal(key, &one);
    seal(key, &two);
    assert_int_equal(one.len, two.len);
    size_t alike = 0;
    for (size_t i = 0; i < one.len; i++)
        alike += one.ptr[i] == two.ptr[i];
    assert_true(alike < one.len / 8); /* of 166 bytes, half a one by chance */
}

static void a_secret_that_could_be_guessed_or_a_public_key_is_refused(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("ES256", NULL);
    SB_AUTOPTR(sb_key) back = NULL;
    SB_AUTOPTR(sb_key) public_half = NULL;
    SB_AUTO(sb_buf) sealed = SB_BUF_INIT;
    assert_int_not_equal(sb_key_seal(key, SB_STR_LIT("short"), SB_STR_LIT(ABOUT), &sealed, NULL), SB_OK);
    SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
    assert_int_equal(sb_key_from_public_jwk(jwk, &public_half, NULL), SB_OK);
    assert_int_not_equal(sb_key_seal(public_half, SB_STR_LIT(SECRET), SB_STR_LIT(ABOUT), &sealed, NULL), SB_OK);
    assert_int_equal(sealed.len, 0);
    assert_int_equal(open_with(&sealed, SECRET, ABOUT, "ES256", &back), SB_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_of_any_kind_comes_back_as_it_was),
        cmocka_unit_test(nothing_else_opens_it),
        cmocka_unit_test(each_changed_or_missing_byte_is_noticed),
        cmocka_unit_test(no_two_are_alike_and_none_shows_the_key),
        cmocka_unit_test(a_secret_that_could_be_guessed_or_a_public_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
