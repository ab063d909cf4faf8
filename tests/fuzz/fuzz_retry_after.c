/* SPDX-License-Identifier: Apache-2.0 */
/* Retry-After: whatever a payer sends, the wait is within bounds. */
#include "fuzz.h"
#include "http/headers.h"
#include "http/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned maxima[] = {0, 1, 300, 86400, UINT32_MAX};
    sb_http_headers headers = {NULL, 0};
    sb_error err = SB_ERROR_INIT;
    size_t bytes = 0;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    FUZZ_REQUIRE("there is memory", sb_buf_add_cstr(&line, "Retry-After: ") && sb_buf_add(&line, data, size));
    if (sb_http_headers_add(&headers, sb_buf_str(&line), &bytes, &err) == SB_OK) {
        for (size_t i = 0; i < SB_ARRAY_LEN(maxima); i++) {
            unsigned seconds = 0;
            if (sb_http_retry_after(&headers, 1790000000, maxima[i], &seconds))
                FUZZ_REQUIRE("no wait is longer than allowed", seconds <= maxima[i]);
        }
    }
    sb_http_headers_clear(&headers);
    return 0;
}
