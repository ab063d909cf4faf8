/* SPDX-License-Identifier: Apache-2.0 */
/* retry.c - which answers are worth another try, and how long to wait before it. Owns no state. */
#include "http/retry.h"

#include "base/random.h"

/* A delta of thirty years is a date in seconds; one of three thousand is a date in milliseconds; and past the year
 * 5138 it is neither.                                                                                        STAT-01 */
#define EPOCH_S_MIN  INT64_C(1000000000)
#define EPOCH_MS_MIN INT64_C(100000000000)
#define EPOCH_MS_MAX INT64_C(100000000000000)

bool sb_http_status_is_transient(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

bool sb_http_retry_after(const sb_http_headers *headers, int64_t now_s, unsigned max_s, unsigned *seconds)
{
    const char *text = sb_http_header_get(headers, "Retry-After");
    if (!text)
        return false;
    sb_str value = sb_str_trim(sb_str_from(text));
    uint64_t number;
    int64_t wait;
    if (sb_str_to_u64(value, EPOCH_MS_MAX, &number)) {
        wait = (int64_t)number;
        if (wait >= EPOCH_MS_MIN)
            wait = wait / 1000 - now_s;
        else if (wait >= EPOCH_S_MIN)
            wait -= now_s;
    } else if (sb_http_date_parse(value, &wait)) {
        wait -= now_s;
    } else {
        return false;
    }
    *seconds = (unsigned)SB_MAX(INT64_C(0), SB_MIN(wait, (int64_t)max_s));
    return true;
}

int64_t sb_backoff_ns(unsigned attempt, unsigned first_ms, unsigned cap_ms)
{
    uint64_t top = SB_MIN((uint64_t)first_ms << SB_MIN(attempt, 31u), (uint64_t)cap_ms) * (uint64_t)SB_NS_PER_MS;
    uint64_t floor = top / 2;
    return (int64_t)(floor + sb_random_below(top - floor + 1));
}
