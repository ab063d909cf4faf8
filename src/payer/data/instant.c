/* SPDX-License-Identifier: Apache-2.0 */
/* instant.c - between fhir/instant.h and one number. Owns no state. */
#include "payer/data/instant.h"

sb_status sb_instant_parse_us(sb_str text, int64_t *out, sb_error *err)
{
    sb_instant instant;
    SB_TRY(sb_instant_parse(text, &instant, err));
    *out = instant.s * SB_US_PER_S + instant.ns / 1000; /* years 1 to 9999 fit thirty times */
    return SB_OK;
}

const char *sb_instant_format_us(int64_t us, char out[SB_INSTANT_SIZE])
{
    int64_t up = us + 999, s = up / SB_US_PER_S, rest = up % SB_US_PER_S;
    if (rest < 0) {
        rest += SB_US_PER_S;
        s--;
    }
    return sb_instant_format((sb_instant){s, (int32_t)(rest * 1000)}, out); /* which cuts below the millisecond */
}
