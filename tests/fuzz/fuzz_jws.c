/* SPDX-License-Identifier: Apache-2.0 */
/* Compact signatures: what is taken apart is exactly what was sent, and no stranger's text is ever taken for ours. */
#include "fuzz.h"
#include "jose/base64url.h"
#include "jose/jws.h"

static sb_key *keys[3]; /* made at the start: no input can have been signed with them */
static const char *const algs[] = {"ES384", "EdDSA", "RS384"};

static void check_parsed(const sb_jws *jws, sb_str text)
{
    SB_AUTO(sb_buf) again = SB_BUF_INIT;
    FUZZ_REQUIRE("there is an algorithm", jws->alg);
    FUZZ_REQUIRE("no extension is let through",
                 !json_object_get(jws->header, "crit") && !json_object_get(jws->header, "b64"));
    FUZZ_REQUIRE("there is a signature", jws->signature.len > 0);
    FUZZ_REQUIRE("what was signed is the text's beginning",
                 jws->signed_part.ptr == text.ptr && jws->signed_part.len < text.len);
    const char *dot = memchr(text.ptr, '.', text.len);
    FUZZ_REQUIRE("it comes back the same", dot && sb_buf_add(&again, text.ptr, (size_t)(dot + 1 - text.ptr)) &&
                                               sb_base64url_encode(jws->payload.ptr, jws->payload.len, &again) &&
                                               sb_buf_add_char(&again, '.') &&
                                               sb_base64url_encode(jws->signature.ptr, jws->signature.len, &again) &&
                                               sb_str_eq(sb_buf_str(&again), text));
    for (size_t i = 0; i < SB_ARRAY_LEN(keys); i++) {
        sb_error err = SB_ERROR_INIT;
        sb_status status = sb_jws_verify(jws, keys[i], algs[i], &err);
        FUZZ_REQUIRE("nobody signs with our key", status != SB_OK);
        fuzz_check_error(status, &err);
        FUZZ_REQUIRE("nor by what the header says", sb_jws_verify(jws, keys[i], jws->alg, NULL) != SB_OK);
    }
}

/* Ours, with one bit of the text changed by the input, or none. */
static void check_own(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    sb_secret *text = NULL;
    sb_str payload = {(const char *)data, SB_MIN(size, (size_t)1024)};
    size_t at = 0;
    FUZZ_REQUIRE("anything can be signed", sb_jws_sign(keys[1], NULL, payload, &text, NULL) == SB_OK);
    if (size >= 3) {
        at = (size_t)(data[0] | data[1] << 8) % sb_secret_str(text).len;
        sb_secret_data(text)[at] ^= (char)(1 << data[2] % 8);
    }
    sb_status status = sb_jws_parse(sb_secret_str(text), &jws, NULL);
    if (status == SB_OK)
        status = sb_jws_verify(&jws, keys[1], "EdDSA", NULL);
    FUZZ_REQUIRE("what we signed verifies as it was, and not changed", (status == SB_OK) == (size < 3));
    sb_secret_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    SB_AUTOFREE copy = fuzz_cstr(data, size);
    sb_str text = {copy, size};
    sb_error err = SB_ERROR_INIT;
    for (size_t i = 0; i < SB_ARRAY_LEN(keys) && !keys[i]; i++)
        FUZZ_REQUIRE("keys can be made",
                     sb_key_generate(algs[i], algs[i][0] == 'R' ? 2048 : 0, "k", &keys[i], NULL) == SB_OK);
    sb_status status = sb_jws_parse(text, &jws, &err);
    fuzz_check_error(status, &err);
    if (status == SB_OK)
        check_parsed(&jws, text);
    check_own(data, size);
    return 0;
}
