/* SPDX-License-Identifier: Apache-2.0 */
/* What is logged: a secret after any text whatever is replaced, and nothing steers a terminal. */
#include "base/log.h"
#include "fuzz.h"

#define SECRET "sEcReT-tOkEn-0123456789"

/* One after another, behind the input and white space. */
static const char *const planted[] = {
    "Bearer " SECRET,
    "Authorization: Bearer " SECRET,
    "access_token=" SECRET,
    "\"access_token\": \"" SECRET "\"",
    "client_assertion=eyJhbGciOiJFUzM4NCJ9." SECRET ".c2ln",
    "eyJhbGciOiJFUzM4NCJ9." SECRET ".c2ln",
    "https://files.example/a?X-Signature=" SECRET,
    "https://files.example/\xC3\xA9?name=\xC3\xA9&X-Signature=" SECRET,
    "https://files.example/a#access_token=" SECRET,
    "HTTPS://files.example/a?X-Signature=" SECRET,
};

static void check(sb_str text)
{
    SB_AUTO(sb_buf) once = SB_BUF_INIT;
    FUZZ_REQUIRE("there is memory", sb_redact(text, &once) && sb_buf_add_char(&once, '\0'));
    FUZZ_REQUIRE("no secret is logged", !memmem(once.ptr, once.len, SECRET, strlen(SECRET)));
    for (size_t i = 0; i + 1 < once.len; i++)
        FUZZ_REQUIRE("no control character is logged", (unsigned char)once.ptr[i] >= 0x20 && once.ptr[i] != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = {' ', '\n', '\t'};
    if (memmem(data, size, SECRET, strlen(SECRET)))
        return 0; /* libFuzzer reads our constants too */
    for (size_t i = 0; i < SB_ARRAY_LEN(planted); i++) {
        SB_AUTO(sb_buf) text = SB_BUF_INIT;
        FUZZ_REQUIRE("there is memory", sb_buf_add(&text, data, size));
        for (size_t k = 0; k < text.len; k++)
            if (text.ptr[k] == '"')
                text.ptr[k] = '\''; /* an open quote before ours turns inside and outside round: no promise then */
        FUZZ_REQUIRE("there is memory", sb_buf_add_char(&text, separators[size % sizeof(separators)]) &&
                                            sb_buf_add_cstr(&text, planted[i]));
        check(sb_buf_str(&text));
    }
    SB_AUTO(sb_buf) alone = SB_BUF_INIT;
    FUZZ_REQUIRE("there is memory", sb_redact((sb_str){(const char *)data, size}, &alone));
    return 0;
}
