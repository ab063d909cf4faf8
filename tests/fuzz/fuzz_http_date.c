/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP dates in all three forms: what is read is written and read again as the same second. */
#include "fuzz.h"
#include "http/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[SB_HTTP_DATE_SIZE];
    int64_t at, again;
    if (!sb_http_date_parse((sb_str){(const char *)data, size}, &at))
        return 0;
    sb_http_date_format(at, out);
    FUZZ_REQUIRE("what is written can be read", sb_http_date_parse(sb_str_from(out), &again));
    FUZZ_REQUIRE("as the same second", at == again);
    return 0;
}
