/* SPDX-License-Identifier: Apache-2.0 */
/* id.h - the ids of resources, where they become a segment of a URL's path. */
#ifndef SB_FHIR_ID_H
#define SB_FHIR_ID_H

#include "base/buf.h"

#define SB_FHIR_ID_MAX 128 /* FHIR allows 64; real payers go a little beyond */

/* FHIR's letters, digits, '-' and '.' (R4 §2.24.0.1), and '_' and '~', which some payers' ids have: nothing that any
 * server could take for more than a name. "." and ".." are steps of a path, and none. */
bool sb_fhir_is_id(sb_str text);

#endif
