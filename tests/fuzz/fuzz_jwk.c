/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from strangers: a set of usable public keys comes out that reads back the same, or an error that shows nothing
 * of theirs. The input is a JWK Set or a single JWK. The same bytes are also tried as our own key file. */
#include <sys/stat.h>

#include "base/json.h"
#include "fuzz.h"
#include "jose/jwk.h"

static void check_key(const sb_key *key)
{
    static const char *const private_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"};
    sb_key *again = NULL;
    SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
    FUZZ_REQUIRE("a key has a kid", sb_key_kid(key)[0] && strlen(sb_key_kid(key)) <= SB_KEY_KID_MAX);
    fuzz_check_shown(sb_key_kid(key));
    FUZZ_REQUIRE("a key has a thumbprint", strlen(sb_key_thumbprint(key)) == 43);
    FUZZ_REQUIRE("a key can be written", jwk);
    for (size_t i = 0; i < SB_ARRAY_LEN(private_members); i++)
        FUZZ_REQUIRE("nothing private is ever published", !json_object_get(jwk, private_members[i]));
    FUZZ_REQUIRE("what is written is read", sb_key_from_public_jwk(jwk, &again, NULL) == SB_OK);
    FUZZ_REQUIRE("and the same", sb_key_same(key, again) && strcmp(sb_key_kid(key), sb_key_kid(again)) == 0 &&
                                     strcmp(sb_key_alg(key), sb_key_alg(again)) == 0);
    sb_key_free(again);
}

static void check_set(sb_str text)
{
    sb_jwks *set = NULL;
    sb_error err = SB_ERROR_INIT;
    size_t passed_over = 0;
    sb_status status = sb_jwks_parse(text, &set, &passed_over, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("a set or an error", (status == SB_OK) == (set != NULL));
    if (!set)
        return;
    FUZZ_REQUIRE("a set has a key", sb_jwks_count(set) > 0);
    FUZZ_REQUIRE("and no more than allowed", sb_jwks_count(set) + passed_over <= SB_JWKS_MAX_KEYS);
    for (size_t i = 0; i < sb_jwks_count(set); i++) {
        const sb_key *key = sb_jwks_at(set, i);
        FUZZ_REQUIRE("a partner's key is public", !sb_key_is_private(key));
        FUZZ_REQUIRE("a kid means one key", sb_jwks_find(set, sb_str_from(sb_key_kid(key))) == key);
        check_key(key);
    }
    sb_jwks_free(set);
}

static void check_single(sb_str text)
{
    SB_AUTOJSON jwk = NULL;
    sb_key *key = NULL;
    sb_error err = SB_ERROR_INIT;
    if (sb_json_parse(text, "a key", &jwk, NULL) != SB_OK)
        return;
    sb_status status = sb_key_from_public_jwk(jwk, &key, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("a key or an error", (status == SB_OK) == (key != NULL));
    if (key)
        check_key(key);
    sb_key_free(key);
}

static void check_file(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH_SIZE];
    int fd = fuzz_file(data, size, path);
    sb_key *key = NULL;
    sb_error err = SB_ERROR_INIT;
    FUZZ_REQUIRE("it is ours alone", fchmod(fd, 0600) == 0);
    sb_status status = sb_key_load(path, NULL, &key, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("a key or an error", (status == SB_OK) == (key != NULL));
    FUZZ_REQUIRE("what signs is private", !key || sb_key_is_private(key));
    if (key)
        check_key(key);
    sb_key_free(key);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_str text = {(const char *)data, size};
    check_set(text);
    check_single(text);
    check_file(data, size);
    return 0;
}
