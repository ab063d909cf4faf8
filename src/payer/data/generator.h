/* SPDX-License-Identifier: Apache-2.0 */
/* generator.h - claims of people who never lived, shaped as CARIN Blue Button asks, always the same.
 *
 * Patient, Coverage, ExplanationOfBenefit (inpatient, outpatient, professional, pharmacy, oral), Organization and
 * Practitioner. The same count gives the same bytes on every machine, and patient n is the same whatever the count:
 * each has a random sequence of its own. Names, addresses and numbers are made up; no clock, no locale is read. */
#ifndef SB_PAYER_GENERATOR_H
#define SB_PAYER_GENERATOR_H

#include "payer/data/data.h"

#define SB_GENERATOR_PATIENTS_DEFAULT 100
#define SB_GENERATOR_PATIENTS_MAX     10000000                     /* ids have eight digits; 500 GB is no sandbox */
#define SB_GENERATOR_FILE_BYTES       ((uint64_t)32 * 1024 * 1024) /* what real payers cut at, by order of magnitude */

/* Write `patients` people and all that is theirs to `dir` (made 0700 when missing) as Type.NNN.ndjson files of mode
 * 0600 and at most about `file_bytes` each (0: SB_GENERATOR_FILE_BYTES). Files of these names are replaced, others
 * left: give an empty folder. Memory is one patient's. SB_E_USAGE when `patients` is 0 or above the maximum; SB_E_IO.
 */
sb_status sb_generator_write(const char *dir, uint64_t patients, uint64_t file_bytes, sb_error *err);
/* The same, unless `cancelled` says so now and then: SB_E_INTERRUPTED, and what was written stays. NULL: never. */
sb_status sb_generator_write_unless(const char *dir, uint64_t patients, uint64_t file_bytes,
                                    bool (*cancelled)(void *impl), void *impl, sb_error *err);

#endif
