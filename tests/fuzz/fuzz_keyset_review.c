/* SPDX-License-Identifier: Apache-2.0 */
/* Key sets that somebody pastes: what is said of them agrees with what the parser takes, every line is bounded, and
 * what holds a private member is known to be leaked. */
#include "base/json.h"
#include "fuzz.h"
#include "payer/portal/keyset_review.h"

static const char *const algs[] = {"ES384", "RS384", NULL};

static void check_lines(const sb_keyset_review *review, bool usable)
{
    FUZZ_REQUIRE("something is said", review->count > 0);
    bool bad = false;
    for (size_t i = 0; i < review->count; i++) {
        const sb_review_line *line = &review->lines[i];
        FUZZ_REQUIRE("a line has a title", line->title[0] && strlen(line->title) < SB_REVIEW_TITLE_SIZE);
        FUZZ_REQUIRE("a line ends", strlen(line->text) < SB_REVIEW_TEXT_SIZE);
        bad = bad || line->mark == SB_REVIEW_BAD;
    }
    FUZZ_REQUIRE("what cannot be used has a line that says so", usable != bad);
}

static void check_leak(sb_str text, const sb_keyset_review *review)
{
    size_t i;
    const json_t *key;
    SB_AUTOJSON root = NULL;
    if (text.len > SB_JWKS_MAX_BYTES || sb_json_parse_object(text, "a set", &root, NULL) != SB_OK)
        return;
    const json_t *keys = json_object_get(root, "keys");
    if (!json_is_array(keys) || json_array_size(keys) > SB_JWKS_MAX_KEYS)
        return;
    json_array_foreach ((json_t *)(uintptr_t)keys, i, key)
        FUZZ_REQUIRE("a private key is called leaked",
                     !json_is_object(key) || !sb_jwk_is_private(key) || review->leaked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_str text = {(const char *)data, size};
    SB_AUTO(sb_keyset_review) review = SB_KEYSET_REVIEW_INIT;
    SB_AUTOPTR(sb_jwks) set = NULL;
    SB_AUTOPTR(sb_jwks) parsed = NULL;
    FUZZ_REQUIRE("there is memory", sb_keyset_review_text(text, algs, &review, &set, NULL) == SB_OK);
    FUZZ_REQUIRE("a set comes of what is usable alone", review.usable == (set != NULL));
    if (sb_jwks_parse(text, &parsed, NULL, NULL) != SB_OK && set) /* but for one bare key */
        FUZZ_REQUIRE("what no set is made of is not usable", sb_jwks_count(set) == 1);
    check_lines(&review, review.usable);
    check_leak(text, &review);
    return 0;
}
