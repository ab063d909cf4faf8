/* SPDX-License-Identifier: Apache-2.0 */
/* line.h - what a data source must know of one resource: type, id, patient, meta.lastUpdated.
 *
 * For lines whose grammar has been checked. Knows nothing of files. */
#ifndef SB_PAYER_LINE_H
#define SB_PAYER_LINE_H

#include "payer/data/data.h"
#include "payer/data/line_patients.h"

/* Room for the members that were written with escapes, and for the patient: the first of those whom it is about. */
typedef struct sb_line_space {
    char type[SB_DATA_ID_MAX];
    char id[SB_DATA_ID_MAX];
    char patient[SB_DATA_ID_MAX];
    size_t patient_len;
} sb_line_space;

/* Read one resource. `out` borrows from `json` and `space`. SB_E_INVALID, with the reason as err->why, when its type is
 * not the name of one (a capital, then letters, 64 at most), it has no id of 1 to SB_DATA_ID_MAX characters, or a
 * lastUpdated that is no instant. */
sb_status sb_line_read(sb_str json, sb_line_space *space, sb_str *type, sb_data_line *out, sb_error *err);

#endif
