/* SPDX-License-Identifier: Apache-2.0 */
/* test_key_memory.c - a private key, of whichever kind and size, is of the secure heap, and leaves nothing there. */
#include "jose_test.h"

#include <openssl/crypto.h>

#include "base/key_memory.h"
#include "jose/key_internal.h"

#define ROOM ((size_t)1024 * 1024)

/* Twice: what OpenSSL keeps for good (of algorithms that it looked up) it has after the first time. */
static size_t used_by_one_more(const char *alg, unsigned bits)
{
    size_t before = 0;
    for (int i = 0; i < 2; i++) {
        before = CRYPTO_secure_used();
        SB_AUTOPTR(sb_key) key = NULL;
        assert_int_equal(sb_key_generate(alg, bits, NULL, &key, NULL), SB_OK);
        SB_AUTOFREE text = sign_text(key, "{}");
        assert_true(CRYPTO_secure_used() >= before + 32);
    }
    return CRYPTO_secure_used() - before;
}

static void a_key_that_is_given_back_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(used_by_one_more("RS384", 2048), 0);
    assert_int_equal(used_by_one_more("ES384", 0), 0);
    assert_int_equal(used_by_one_more("EdDSA", 0), 0);
}

/* Else keys would find no room there, and lie on the ordinary heap. */
static void what_is_kept_for_good_leaves_half_of_the_room(void **state)
{
    (void)state;
    assert_int_equal(used_by_one_more("RS384", 3072), 0);
    assert_in_range(CRYPTO_secure_used(), 1, ROOM / 2);
}

static void what_is_public_takes_none_of_it(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_key) key = new_key("RS384", NULL);
    SB_AUTOPTR(sb_key) copy = NULL;
    size_t before = CRYPTO_secure_used();
    assert_int_equal(sb_key_public_copy(key, &copy, NULL), SB_OK);
    assert_int_equal(CRYPTO_secure_used(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_is_given_back_leaves_nothing),
        cmocka_unit_test(what_is_kept_for_good_leaves_half_of_the_room),
        cmocka_unit_test(what_is_public_takes_none_of_it),
    };
    sb_key_memory_init(); /* before anything of OpenSSL's */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
