/* SPDX-License-Identifier: Apache-2.0 */
/* own_clients.h - the clients that belong to who is signed in, and no others: what a partner's pages show is found
 * through here. Another's client is to them not there.                                                                */
#ifndef SB_PAYER_OWN_CLIENTS_H
#define SB_PAYER_OWN_CLIENTS_H

#include "payer/portal/portal_internal.h"

typedef struct sb_own_clients {
    sb_client **items; /* the newest first; references */
    size_t count;
} sb_own_clients;

#define SB_OWN_CLIENTS_INIT                                                                                            \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }
void sb_own_clients_cleanup(sb_own_clients *own); /* safe to repeat */

/* `out` is SB_OWN_CLIENTS_INIT. A client that another process changed may be shown some seconds late. */
sb_status sb_own_clients_load(const sb_turn *turn, sb_own_clients *out, sb_error *err);
/* As the database has it now. *out is a reference. SB_E_NOT_FOUND: there is none, or it is another's: as much work is done, and the same is said. */
sb_status sb_own_client_find(const sb_turn *turn, const char *id, sb_client **out, sb_error *err);

#endif
