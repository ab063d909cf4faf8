/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's words, made fit for one line: always UTF-8, never longer than the room, never a control character. */
#include "fhir/safe_line.h"
#include "fuzz.h"
#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[256];
    size_t room = size > 0 ? 4 + data[0] % (sizeof(out) - 4) : sizeof(out), len = 0;
    bool whole = sb_safe_line_add(out, room, &len, (sb_str){(const char *)data, size});
    FUZZ_REQUIRE("the length is the text's, within the room", len < room && out[len] == '\0' && strlen(out) == len);
    fuzz_check_shown(out);
    json_t *string = json_stringn(out, len);
    FUZZ_REQUIRE("the text is UTF-8", string);
    json_decref(string);
    FUZZ_REQUIRE("what was cut shows it", whole || (len >= 3 && memcmp(out + len - 3, "\xE2\x80\xA6", 3) == 0));
    return 0;
}
