/* SPDX-License-Identifier: Apache-2.0 */
/* instant.h - FHIR instants as microseconds since 1970-01-01T00:00:00Z. No clock, no time zone data, no locale. */
#ifndef SB_PAYER_INSTANT_H
#define SB_PAYER_INSTANT_H

#include "base/buf.h"

#define SB_US_PER_S INT64_C(1000000)

/* "2026-01-31T12:00:00Z", with or without a fraction (digits beyond microseconds are cut off), any offset to 14:00.
 * SB_E_INVALID for anything else: a date alone is no instant. */
sb_status sb_instant_parse_us(sb_str text, int64_t *out, sb_error *err);

/* "2026-01-31T12:00:00.000Z": milliseconds, rounded up, so that what was stamped within it is not after it. */
#define SB_INSTANT_SIZE 32
void sb_instant_format_us(int64_t us, char out[SB_INSTANT_SIZE]);

#endif
