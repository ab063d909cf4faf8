/* SPDX-License-Identifier: Apache-2.0 */
/* Cache-Control: whatever a server sends, how long its answer may be kept is a number within bounds. */
#include "fuzz.h"
#include "http/cache_control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned seconds = 0, again = 0;
    sb_str value = {(const char *)data, size};
    bool says = sb_cache_control_max_age(value, &seconds);
    FUZZ_REQUIRE("it is bounded", seconds <= SB_CACHE_AGE_MAX_S);
    FUZZ_REQUIRE("and said once for all", sb_cache_control_max_age(value, &again) == says && again == seconds);
    return 0;
}
