/* SPDX-License-Identifier: Apache-2.0 */
/* register.h - the register of <smartbulk/clients.h> over stores that are open already: for the administration of a serve
 * that runs. */
#ifndef SB_PAYER_REGISTER_H
#define SB_PAYER_REGISTER_H

#include <smartbulk/clients.h>

#include "base/defs.h"
#include "payer/auth/client.h"
#include "payer/ops/audit.h"
#include "store/pool.h"

/* Behind the name of serve's audit file: where the command line's changes are told, for a chain has one writer. */
#define SB_REGISTER_AUDIT_SUFFIX ".commands"

/* All borrowed for the register's life, unless it owns them: then they go with it. */
typedef struct sb_register_parts {
    sb_pool *pool;
    sb_clients *clients;
    sb_audit *audit; /* NULL: none is kept */
    const sb_clock *clock;
    const char *actor, *peer; /* NULL: none */
    char *audit_file;         /* owned in any case; NULL: none */
    bool read_only;
    bool owns; /* pool, clients, audit and actor */
} sb_register_parts;

/* Takes what it owns over when it succeeds. */
sb_status sb_register_over(const sb_register_parts *parts, sb_register **out, sb_error *err);

/* sb_register_approve() for who looked at the client before: only if `is_same` says of the client as it is now that it is
 * what was looked at. One that waits may change itself meanwhile, keys and all. SB_E_BUSY: it is not.         RFC 7592 */
sb_status sb_register_approve_seen(sb_register *reg, const char *id, const sb_client_change *change,
                                   bool (*is_same)(void *impl, const sb_client *client), void *impl, sb_error *err);
SB_DEFINE_FREEP(sb_register)

#endif
