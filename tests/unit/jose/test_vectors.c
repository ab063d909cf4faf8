/* SPDX-License-Identifier: Apache-2.0 */
/* test_vectors.c - the facts of RFC 7515, 7517, 7520, 7638 and 8037, as tests/vectors/jose.json holds them. */
#include "jose_test.h"

static int load(void **state)
{
    *state = json_load_file(SB_TEST_VECTORS "/jose.json", JSON_REJECT_DUPLICATES, NULL);
    return *state ? 0 : -1;
}

static int unload(void **state)
{
    json_decref(*state);
    return 0;
}

static sb_key *key_of(const json_t *entry)
{
    sb_key *key = NULL;
    assert_int_equal(sb_key_from_public_jwk(json_object_get(entry, "jwk"), &key, NULL), SB_OK);
    return key;
}

static void the_rfcs_signatures_are_good(void **state)
{
    const json_t *entry;
    size_t i;
    json_array_foreach (json_object_get(*state, "good"), i, entry) {
        SB_AUTOPTR(sb_key) key = key_of(entry);
        if (judge(sb_json_str(entry, "jws"), key, sb_json_str(entry, "alg")) != SB_OK)
            fail_msg("%s does not verify", sb_json_str(entry, "source"));
    }
    assert_int_equal(i, 5);
}

static void with_one_bit_changed_anywhere_they_are_not(void **state)
{
    const json_t *entry;
    size_t i;
    json_array_foreach (json_object_get(*state, "good"), i, entry) {
        SB_AUTOPTR(sb_key) key = key_of(entry);
        SB_AUTOFREE text = sb_str_dup(sb_str_from(sb_json_str(entry, "jws")));
        for (size_t at = 0; at < strlen(text); at += 7) { /* every character takes a while with RSA */
            char was = text[at];
            text[at] = was == 'A' ? 'B' : 'A';
            assert_int_not_equal(judge(text, key, sb_json_str(entry, "alg")), SB_OK);
            text[at] = was;
        }
    }
}

static void the_rfcs_thumbprints_come_out(void **state)
{
    const json_t *entry;
    size_t i;
    json_array_foreach (json_object_get(*state, "thumbprints"), i, entry) {
        SB_AUTOPTR(sb_key) key = key_of(entry);
        assert_string_equal(sb_key_thumbprint(key), sb_json_str(entry, "thumbprint"));
    }
    assert_int_equal(i, 2);
}

static void the_rfcs_set_is_read_and_its_encryption_key_passed_over(void **state)
{
    const json_t *set = json_object_get(*state, "set");
    SB_AUTOFREE text = sb_json_dump(json_object_get(set, "jwks"));
    SB_AUTOPTR(sb_jwks) jwks = NULL;
    size_t passed_over = 0;
    assert_int_equal(sb_jwks_parse(sb_str_from(text), &jwks, &passed_over, NULL), SB_OK);
    assert_int_equal(sb_jwks_count(jwks), json_integer_value(json_object_get(set, "usable")));
    assert_int_equal(passed_over, json_integer_value(json_object_get(set, "passed_over")));
    assert_non_null(sb_jwks_find(jwks, sb_str_from(sb_json_str(set, "kid"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfcs_signatures_are_good),
        cmocka_unit_test(with_one_bit_changed_anywhere_they_are_not),
        cmocka_unit_test(the_rfcs_thumbprints_come_out),
        cmocka_unit_test(the_rfcs_set_is_read_and_its_encryption_key_passed_over),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
