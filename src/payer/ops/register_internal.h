/* SPDX-License-Identifier: Apache-2.0 */
/* register_internal.h - what looking at the register and changing it share. Nobody else includes it. */
#ifndef SB_PAYER_REGISTER_OPS_INTERNAL_H
#define SB_PAYER_REGISTER_OPS_INTERNAL_H

#include "payer/ops/register.h"

struct sb_register {
    sb_register_parts p;
};

/* A client's view, for `each`; NULL is fine. */
sb_status sb_register_view(sb_register *reg, const sb_client *client, sb_client_info_fn *each, void *impl,
                           sb_error *err);
/* As it is at this moment. SB_E_NOT_FOUND. */
sb_status sb_register_find(sb_register *reg, const char *id, sb_client **out, sb_error *err);

#endif
