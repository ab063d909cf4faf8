/* SPDX-License-Identifier: Apache-2.0 */
/* instant.h - instants as one number, microseconds since 1970: what is kept and compared for every resource. */
#ifndef SB_PAYER_INSTANT_H
#define SB_PAYER_INSTANT_H

#include "fhir/instant.h"

#define SB_US_PER_S INT64_C(1000000)

/* As sb_instant_parse; digits beyond microseconds are cut off. */
sb_status sb_instant_parse_us(sb_str text, int64_t *out, sb_error *err);

/* "2026-01-31T12:00:00.000Z": milliseconds, rounded up, so that what was stamped within it is not after it.  FILE-08 */
const char *sb_instant_format_us(int64_t us, char out[SB_INSTANT_SIZE]);

#endif
