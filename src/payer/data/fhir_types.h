/* SPDX-License-Identifier: Apache-2.0 */
/* fhir_types.h - the names of FHIR R4's resource types. */
#ifndef SB_PAYER_FHIR_TYPES_H
#define SB_PAYER_FHIR_TYPES_H

#include "payer/data/data.h"

/* Is there such a resource type in FHIR R4? sb_data_type_in_compartment() is answered here too. */
bool sb_fhir_type_known(sb_str name);
/* Is it about no patient, so that it may accompany anybody's data (Organization, Practitioner …)? */
bool sb_fhir_type_shared(sb_str name);
/* All of them, in alphabetical order. */
size_t sb_fhir_type_count(void);
const char *sb_fhir_type_at(size_t index);

#endif
