/* SPDX-License-Identifier: Apache-2.0 */
/* Instants and dates: what is read is written and read again as the same moment. */
#include "fhir/instant.h"
#include "fuzz.h"
#include "payer/data/instant.h"

static void check_instant(sb_str text)
{
    char out[SB_INSTANT_SIZE];
    sb_instant at, again;
    int64_t us;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_instant_parse(text, &at, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("both readers agree on what an instant is",
                 (sb_instant_parse_us(text, &us, NULL) == SB_OK) == (status == SB_OK));
    if (status != SB_OK)
        return;
    FUZZ_REQUIRE("nanoseconds are within a second", at.ns >= 0 && at.ns < SB_NS_PER_S);
    FUZZ_REQUIRE("microseconds are the same moment", us == at.s * SB_US_PER_S + at.ns / 1000);
    FUZZ_REQUIRE("what is written can be read",
                 sb_instant_parse(sb_str_from(sb_instant_format(at, out)), &again, &err) == SB_OK);
    if (strcmp(out, "0001-01-01T00:00:00.000Z") != 0 && strcmp(out, "9999-12-31T23:59:59.999Z") != 0)
        FUZZ_REQUIRE("as the same millisecond", again.s == at.s && again.ns == at.ns / 1000000 * 1000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_instant first, after;
    sb_error err = SB_ERROR_INIT;
    sb_str text = {(const char *)data, size};
    check_instant(text);
    sb_status status = sb_instant_parse_period(text, &first, &after, &err);
    fuzz_check_error(status, &err);
    if (status == SB_OK)
        FUZZ_REQUIRE("a period ends after it began", sb_instant_compare(first, after) < 0);
    return 0;
}
