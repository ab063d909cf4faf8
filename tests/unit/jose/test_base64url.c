/* SPDX-License-Identifier: Apache-2.0 */
/* test_base64url.c - one text for one value, and no other.                                        KEY-03, RFC 4648 §10 */
#include "jose_test.h"

#include "base/random.h"

static bool decodes(const char *text, size_t len, unsigned char *out)
{
    return sb_base64url_decode((sb_str){text, len}, out);
}

static void the_rfcs_examples_hold(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};
    for (size_t i = 0; i < SB_ARRAY_LEN(pairs); i++) {
        unsigned char out[16];
        SB_AUTOFREE text = encoded(pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(text, pairs[i][1]);
        assert_true(decodes(text, strlen(text), out));
        assert_int_equal(sb_base64url_decoded_len(strlen(text)), strlen(pairs[i][0]));
        assert_memory_equal(out, pairs[i][0], strlen(pairs[i][0]));
    }
}

static void what_is_encoded_decodes_to_itself_at_any_length(void **state)
{
    (void)state;
    unsigned char bytes[200], out[200];
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        sb_random_bytes(bytes, len);
        SB_AUTOFREE text = encoded(bytes, len);
        assert_int_equal(strlen(text), sb_base64url_encoded_len(len));
        assert_int_equal(sb_base64url_decoded_len(strlen(text)), len);
        assert_true(decodes(text, strlen(text), out));
        assert_memory_equal(out, bytes, len);
    }
}

static void every_character_outside_the_alphabet_is_refused(void **state)
{
    (void)state;
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char out[3];
    for (int c = 0; c < 256; c++) {
        char text[4] = {'A', (char)c, 'A', 'A'};
        assert_int_equal(decodes(text, 4, out), c != 0 && strchr(good, c) != NULL);
    }
}

static void no_other_text_means_the_same_bytes(void **state)
{
    (void)state;
    unsigned char out[8];
    static const char *const refused[] = {"Zg==",   "Zm8=",  "Zh",    "Zm9",  "A",   "AAAAA",
                                          "Zm9v\n", " Zm9v", "Zm 9v", "Zm+v", "Zm/v"};
    for (size_t i = 0; i < SB_ARRAY_LEN(refused); i++)
        assert_false(decodes(refused[i], strlen(refused[i]), out));
    assert_true(decodes("Zm8", 3, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfcs_examples_hold),
        cmocka_unit_test(what_is_encoded_decodes_to_itself_at_any_length),
        cmocka_unit_test(every_character_outside_the_alphabet_is_refused),
        cmocka_unit_test(no_other_text_means_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
