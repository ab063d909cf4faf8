/* SPDX-License-Identifier: Apache-2.0 */
/* line_patients.h - whom a resource is about, and whom it names at all.
 *
 * For lines whose grammar has been checked. Knows nothing of groups, exports or files. */
#ifndef SB_PAYER_LINE_PATIENTS_H
#define SB_PAYER_LINE_PATIENTS_H

#include "payer/data/idset.h"

#define SB_REFERENCE_MAX 512 /* a reference is a URL and an id: longer ones are no patient's */

/* The id in a reference to a patient ("Patient/1", "https://host/fhir/Patient/1/_history/2"); empty when it is none. */
sb_str sb_line_patient_id(sb_str reference);

/* The patients whom a resource is about, as R4's compartment of a patient has it: `patient`, `beneficiary`, `subject`,
 * and what some types have instead. A Patient is not about himself here: his id says who he is.
 *
 * Calls `visit` for each id, which it may keep no longer than the call; it returns false to end the walk. */
typedef bool sb_line_patient_visit(void *impl, sb_str id);
void sb_line_patients(sb_str json, sb_str type, sb_line_patient_visit *visit, void *impl);

/* The same for who walks over the members of a resource anyway: each is noted, as it comes; then the patients are had.
 * Borrows the values. */
#define SB_LINE_PLACES 9
typedef struct sb_line_references {
    sb_str values[SB_LINE_PLACES];
} sb_line_references;
void sb_line_references_note(sb_line_references *references, sb_str name, sb_str value);
void sb_line_references_patients(const sb_line_references *references, sb_str type, sb_line_patient_visit *visit,
                                 void *impl);

/* May a resource of this type be about several patients? */
bool sb_line_has_many_patients(sb_str type);

/* Does any reference in it, to whatever end, lead to one of them? In doubt (no memory): yes. */
bool sb_line_mentions(sb_str json, const sb_idset *patients);

#endif
