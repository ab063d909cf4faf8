/* SPDX-License-Identifier: Apache-2.0 */
/* instant.h - FHIR's instant, dateTime and date: read, compared, and written as RFC 3339 in UTC.
 *                                                                                                      EXP-03, FILE-08
 *
 * Proleptic Gregorian, years 0001 to 9999, as FHIR has them; no time zone database, no locale. Any thread. */
#ifndef SB_FHIR_INSTANT_H
#define SB_FHIR_INSTANT_H

#include "base/buf.h"

typedef struct sb_instant {
    int64_t s;  /* since 1970-01-01T00:00:00Z, without leap seconds; may be negative */
    int32_t ns; /* 0 … 999,999,999 */
} sb_instant;

/* "2026-01-31T00:00:00.000Z" and a NUL */
#define SB_INSTANT_SIZE 25

/* A FHIR instant: date, time with seconds, zone. Digits after the nanosecond are dropped; second 60 is the next
 * minute's 0 (a leap second has no number of its own in `s`). Beyond FHIR, what servers really send as transactionTime
 * is read too: `t` and `z`, and zones without a colon (+0000). Else SB_E_INVALID. */
sb_status sb_instant_parse(sb_str text, sb_instant *out, sb_error *err);

/* What a person means by an instant, "2026-01-31", "2026-01" or "2026": the period from *first to just before *after
 * (either may be NULL). An instant with a fraction of n digits lasts one unit of its last digit, at least a nanosecond;
 * without one, a second. Dates are days in UTC, not of this machine's zone: the same command means the same everywhere,
 * and in the Americas a day in UTC begins earlier, so that `--since` brings a few hours too much, never too little. For
 * `--since` take *first, for `--until` *after. */
sb_status sb_instant_parse_period(sb_str text, sb_instant *first, sb_instant *after, sb_error *err);

/* RFC 3339 in UTC with milliseconds (what is finer is cut off, so it is never later than the truth); beyond the years
 * 0001 to 9999 the nearest that can be written. Returns `out`. */
const char *sb_instant_format(sb_instant instant, char out[SB_INSTANT_SIZE]);

/* < 0, 0 or > 0, as `a` is before, at or after `b`. */
static inline int sb_instant_compare(sb_instant a, sb_instant b)
{
    if (a.s != b.s)
        return a.s < b.s ? -1 : 1;
    return (a.ns > b.ns) - (a.ns < b.ns);
}

#endif
