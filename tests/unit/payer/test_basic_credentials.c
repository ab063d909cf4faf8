/* SPDX-License-Identifier: Apache-2.0 */
/* test_basic_credentials.c - what HTTP Basic says, and what is no such thing.                  RFC 7617, RFC 6749 §2.3.1 */
#include "scratch.h"

#include <string.h>

#include "payer/auth/basic_credentials.h"

static bool is_read(const char *header, const char *id, const char *secret)
{
    SB_AUTO(sb_buf) got_id = SB_BUF_INIT;
    SB_AUTO(sb_buf) got_secret = SB_BUF_INIT;
    if (!sb_basic_read(sb_str_from(header), &got_id, &got_secret))
        return false;
    assert_string_equal(sb_buf_cstr(&got_id), id);
    assert_string_equal(sb_buf_cstr(&got_secret), secret);
    return true;
}

static void id_and_secret_are_read(void **state)
{
    (void)state;
    assert_true(is_read("Basic aWQ6c2VjcmV0", "id", "secret"));
    assert_true(is_read("bAsIc   aWQ6c2VjcmV0  ", "id", "secret"));
    assert_true(is_read("Basic aWQ6YTpi", "id", "a:b"));          /* at the first colon */
    assert_true(is_read("Basic YSUzQWI6YyUyMGQ=", "a:b", "c d")); /* each is form-encoded */
    assert_true(is_read("Basic aWQ6Pz8/Pj4+", "id",
                        "?"
                        "?"
                        "?>>>"));               /* the alphabet with '+' and '/' */
    assert_true(is_read("Basic Og==", "", "")); /* nobody's, but it is well-formed */
}

static void what_is_no_base64_of_two_words_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "Basic",
        "Basic ",
        "Bearer aWQ6c2VjcmV0",
        "BasicaWQ6c2VjcmV0",
        "Basic aWRzZWNyZXQ=", /* no colon */
        "Basic Og",           /* no padding */
        "Basic Og=",
        "Basic Og===",
        "Basic aWQ6c2VjcmV0====",
        "Basic aWQ6Pz8_Pj4-", /* the other alphabet */
        "Basic aWQ6 c2VjcmV0",
        "Basic aWQ6c2VjcmV*",
        "Basic YTolemQ=", /* a:%zd */
        "Basic Oh==",     /* bits that stand for nothing */
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        if (is_read(bad[i], "", ""))
            fail_msg("'%s' was read", bad[i]);
    }
}

static void what_is_longer_than_credentials_are_is_not_read(void **state)
{
    (void)state;
    char header[4200];
    memset(header, 'A', sizeof(header));
    memcpy(header, "Basic Og", 8);
    header[4098] = '\0';
    assert_false(is_read(header, "", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_and_secret_are_read),
        cmocka_unit_test(what_is_no_base64_of_two_words_is_refused),
        cmocka_unit_test(what_is_longer_than_credentials_are_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
