/* SPDX-License-Identifier: Apache-2.0 */
/* test_keyset_review.c - each problem of a key set is named, and what is said agrees with what can be registered. */
#include "scratch.h"

#include "payer/portal/keyset_review.h"

static const char *const algs[] = {"ES384", "RS384", NULL};

static char *public_member(const char *alg, const char *kid, const char *more)
{
    sb_key *key = NULL;
    sb_jwks *set = NULL;
    assert_ok(sb_key_generate(alg, 0, kid, &key, NULL));
    assert_ok(sb_jwks_new(&set, NULL));
    assert_ok(sb_jwks_add(set, key, NULL));
    SB_AUTOFREE all = sb_jwks_json(set, false);
    sb_key_free(key);
    sb_jwks_free(set);
    const char *begin = strchr(all, '[') + 1; /* {"keys":[{…}]}: the one */
    return sb_printf("{%s%.*s", more, (int)(strrchr(all, ']') - begin - 1), begin + 1);
}

/* Lines as "mark title | text\n", marks as characters. */
static void look(const char *text, const char *const *allowed, sb_buf *out, bool *usable)
{
    static const char marks[] = {'+', '!', '-'};
    SB_AUTO(sb_keyset_review) review = SB_KEYSET_REVIEW_INIT;
    SB_AUTOPTR(sb_jwks) set = NULL;
    assert_ok(sb_keyset_review_text(sb_str_from(text), allowed, &review, &set, NULL));
    assert_int_equal(review.usable, set != NULL);
    sb_buf_clear(out);
    for (size_t i = 0; i < review.count; i++)
        assert_true(sb_buf_printf(out, "%c %s | %s\n", marks[review.lines[i].mark], review.lines[i].title,
                                  review.lines[i].text));
    *usable = review.usable;
}

static void expect(const char *text, bool usable, const char *const *parts)
{
    SB_AUTO(sb_buf) out = SB_BUF_INIT;
    bool is_usable = !usable;
    look(text, algs, &out, &is_usable);
    for (; *parts; parts++)
        assert_contains(sb_buf_cstr(&out), *parts);
    assert_int_equal(is_usable, usable);
}

#define EXPECT(text, usable, ...) expect(text, usable, (const char *const[]){__VA_ARGS__, NULL})

static void what_is_no_set_is_called_what_it_is(void **state)
{
    (void)state;
    EXPECT("", false, "- This is no JSON");
    EXPECT("keys", false, "- This is no JSON", "smartbulk key jwks FILE");
    EXPECT("[]", false, "- This is no JWK Set");
    EXPECT("3", false, "- This is no JWK Set");
    EXPECT("{\"keys\":{}}", false, "- This is no JWK Set");
    EXPECT("{\"keys\":[]}", false, "- A JWK Set holds no key that can be used");
    EXPECT("{\"keys\":[1]}", false, "- Key 1 cannot be used");
    EXPECT("-----BEGIN PUBLIC KEY-----\nAA", false, "- This is PEM, not a JWK Set");
    EXPECT("-----BEGIN EC PRIVATE KEY-----\nAA", false, "- This is a private or secret key");
}

static void every_key_gets_its_line_good_or_bad(void **state)
{
    (void)state;
    SB_AUTOFREE good = public_member("ES384", "k1", "");
    SB_AUTOFREE other = public_member("ES384", "k1", "");
    SB_AUTOFREE weak_alg = public_member("ES256", "k2", "");
    SB_AUTOFREE text =
        sb_printf("{\"keys\":[%s,%s,%s,{\"kty\":\"EC\",\"crv\":\"P-521\"},{\"kty\":\"RSA\",\"n\":\"AQAB\","
                  "\"e\":\"AQAB\",\"kid\":\"r\"},{\"kty\":\"oct\",\"k\":\"AA\"}]}",
                  good, other, weak_alg);
    EXPECT(text, false, "+ Key 1: EC P-384 for ES384, kid k1 | \n",
           "- Key 2: EC P-384 for ES384, kid k1 | Its kid is that of another key",
           "! Key 3: EC P-256 for ES256, kid k2 | It signs ES256, which is not accepted here (ES384, RS384 is)",
           "! Key 4 is passed over | Its crv is 'P-521'", "- Key 5 cannot be used | It has 17 bits",
           "- Key 6 is a private or secret key");
}

static void a_set_that_works_but_in_part_can_be_registered(void **state)
{
    (void)state;
    SB_AUTOFREE good = public_member("ES384", "k1", "");
    SB_AUTOFREE es256 = public_member("ES256", "k2", "");
    SB_AUTOFREE both = sb_printf("{\"keys\":[%s,%s,{\"kty\":\"EC\",\"crv\":\"P-521\",\"kid\":\"k3\"}]}", good, es256);
    SB_AUTOFREE none = sb_printf("{\"keys\":[%s]}", es256);
    EXPECT(both, true, "+ Key 1", "! Key 2", "! Key 3");
    EXPECT(none, false, "! Key 1", "- None of these keys may sign here");
    EXPECT(good, true, "+ This is one key; it is taken as a set of one", "+ Key 1");
}

static void several_keys_need_their_kids(void **state)
{
    (void)state;
    SB_AUTO(sb_buf) with = SB_BUF_INIT;
    SB_AUTOFREE one = public_member("ES384", "k1", "");
    SB_AUTOFREE two = public_member("ES384", "k2", "");
    char *kid = strstr(two, "\"kid\"");
    memcpy(kid, "\"xxx\"", 5); /* a member that nobody knows */
    SB_AUTOFREE both = sb_printf("{\"keys\":[%s,%s]}", one, two);
    EXPECT(both, false, "+ Key 1", "- Key 2", "It has no kid");
    EXPECT(two, true, "+ Key 1");
}

static void too_much_is_not_looked_at(void **state)
{
    (void)state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&text, "{\"keys\":["));
    for (int i = 0; i < SB_JWKS_MAX_KEYS + 1; i++)
        assert_true(sb_buf_printf(&text, "%s{\"kty\":\"oct\"}", i ? "," : ""));
    assert_true(sb_buf_add_cstr(&text, "]}"));
    EXPECT(sb_buf_cstr(&text), false, "- These are too many keys | The set has 101; at most 100 are taken");
    while (text.len <= SB_JWKS_MAX_BYTES)
        assert_true(sb_buf_add_cstr(&text, "                                                                "));
    EXPECT(sb_buf_cstr(&text), false, "- This is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_set_is_called_what_it_is),
        cmocka_unit_test(every_key_gets_its_line_good_or_bad),
        cmocka_unit_test(a_set_that_works_but_in_part_can_be_registered),
        cmocka_unit_test(several_keys_need_their_kids),
        cmocka_unit_test(too_much_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
