/* SPDX-License-Identifier: Apache-2.0 */
/* A token endpoint's answer: a token comes out that can go into a header, or an error that does not quote the body. */
#include "fuzz.h"
#include "smart/token_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_token *token = NULL;
    bool has_error = false;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_token_answer_read((sb_str){(const char *)data, size}, 1, &token, &has_error, &err);
    if (status == SB_OK) {
        const char *text = sb_token_text(token);
        FUZZ_REQUIRE("a token has a text", text[0]);
        for (const char *c = text; *c; c++)
            FUZZ_REQUIRE("a token fits a header", *c > 0x20 && *c < 0x7F);
        FUZZ_REQUIRE("its life has an end",
                     sb_token_expires_ns(token) >= 1 &&
                         sb_token_expires_ns(token) <= 1 + SB_TOKEN_LIFETIME_MAX_S * SB_NS_PER_S);
        sb_token_release(token);
        return 0;
    }
    FUZZ_REQUIRE("there is no token with an error", token == NULL);
    if (!has_error)
        fuzz_check_error(status, &err);
    return 0;
}
