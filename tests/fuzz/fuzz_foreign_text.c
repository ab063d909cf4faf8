/* SPDX-License-Identifier: Apache-2.0 */
/* A server's words for a person: nothing of a token, nothing that steers a terminal. */
#include "fuzz.h"
#include "smart/foreign_text.h"

#define SECRET "sEcReT-tOkEn-0123456789"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[512];
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    if (strstr(sb_foreign_text((sb_str){(const char *)data, size}, out, sizeof(out)), SECRET))
        return 0; /* libFuzzer reads our constants too, and hides characters in them */
    FUZZ_REQUIRE("there is memory", sb_buf_add_cstr(&text, "Bearer " SECRET " ") && sb_buf_add(&text, data, size));
    const char *shown = sb_foreign_text(sb_buf_str(&text), out, sizeof(out));
    FUZZ_REQUIRE("it is what was asked to be filled", shown == out && strlen(out) < sizeof(out));
    fuzz_check_shown(out);
    FUZZ_REQUIRE("a token is not shown", !strstr(out, SECRET));
    return 0;
}
