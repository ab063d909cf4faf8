/* SPDX-License-Identifier: Apache-2.0 */
/* Answer headers: bounded in number and size, and no value steers a terminal. */
#include "fuzz.h"
#include "http/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_http_headers headers = {NULL, 0};
    sb_str rest = {(const char *)data, size}, line;
    sb_error err = SB_ERROR_INIT;
    sb_status status = SB_OK;
    size_t bytes = 0, held = 0;
    while (status == SB_OK && sb_str_split(&rest, '\n', &line))
        status = sb_http_headers_add(&headers, line, &bytes, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("their number is bounded", headers.len <= SB_HTTP_HEADERS_MAX);
    for (size_t i = 0; i < headers.len; i++) {
        held += strlen(headers.items[i].name) + strlen(headers.items[i].value);
        fuzz_check_shown(headers.items[i].name);
        fuzz_check_shown(headers.items[i].value);
        FUZZ_REQUIRE("each is found by its name", sb_http_header_get(&headers, headers.items[i].name));
    }
    FUZZ_REQUIRE("their size is bounded", held <= 2 * SB_HTTP_HEADER_BYTES_MAX);
    sb_http_headers_clear(&headers);
    return 0;
}
