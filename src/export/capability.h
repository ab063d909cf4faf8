/* SPDX-License-Identifier: Apache-2.0 */
/* capability.h - what a payer's CapabilityStatement says of bulk export. Asked for without credentials, read as it
 * streams by (they run to many MB), and never needed: a server that has none, or a bad one, is asked all the same
 * (REAL-08). */
#ifndef SB_EXPORT_CAPABILITY_H
#define SB_EXPORT_CAPABILITY_H

#include <smartbulk/payer.h>

#include "base/buf.h"

typedef struct sb_capability {
    bool post_only;        /* it has Bulk Data 4 and no earlier version: POST, no comma lists                  EXP-02 */
    char fhir_version[16]; /* "4.0.1"; "" when not known */
} sb_capability;

/* SB_OK whatever the answer was; SB_E_INTERRUPTED, SB_E_NOMEM. */
sb_status sb_capability_fetch(sb_payer *payer, sb_capability *out, sb_error *err);

#endif
