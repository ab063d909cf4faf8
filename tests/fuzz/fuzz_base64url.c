/* SPDX-License-Identifier: Apache-2.0 */
/* base64url: one text for one value, both ways, against a plain reckoning of our own. */
#include "fuzz.h"
#include "jose/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool is_plainly_base64url(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0' || !strchr(alphabet, text[i]))
            return false;
    if (len % 4 == 0)
        return true;
    unsigned stray = (unsigned)(strchr(alphabet, text[len - 1]) - alphabet) & (len % 4 == 2 ? 15U : 3U);
    return len % 4 != 1 && stray == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTO(sb_buf) again = SB_BUF_INIT;
    FUZZ_REQUIRE("anything can be encoded", sb_base64url_encode(data, size, &text));
    FUZZ_REQUIRE("to the length that was told", text.len == sb_base64url_encoded_len(size));
    FUZZ_REQUIRE("in the alphabet alone", is_plainly_base64url((const uint8_t *)sb_buf_cstr(&text), text.len));
    unsigned char *bytes = malloc(size + 1); /* exactly what is told to be needed, in both directions */
    FUZZ_REQUIRE("there is memory", bytes && sb_base64url_decoded_len(text.len) == size);
    FUZZ_REQUIRE("and decoded to the same", sb_base64url_decode(sb_buf_str(&text), bytes));
    FUZZ_REQUIRE("bytes", size == 0 || memcmp(bytes, data, size) == 0);
    free(bytes);

    size_t len = sb_base64url_decoded_len(size);
    bytes = malloc(len + (len == 0));
    bool is_good = bytes && sb_base64url_decode((sb_str){(const char *)data, size}, bytes);
    FUZZ_REQUIRE("what is one is read, and nothing else is", is_good == is_plainly_base64url(data, size));
    if (is_good) {
        FUZZ_REQUIRE("it can be encoded again", sb_base64url_encode(bytes, len, &again));
        FUZZ_REQUIRE("to the very same text", again.len == size && (size == 0 || memcmp(again.ptr, data, size) == 0));
    }
    free(bytes);
    return 0;
}
