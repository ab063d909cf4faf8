/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - who may ask for tokens: clients, and the register that finds them.                       KEY-05, KEY-07
 *
 * A client is constant once made, and counted: who found one keeps it as long as it likes, whatever happens to the
 * register. Where clients are kept is behind a table of functions: in memory here, in a database when a payer runs for
 * longer than a trial. */
#ifndef SB_PAYER_CLIENT_H
#define SB_PAYER_CLIENT_H

#include <stdatomic.h>

#include "jose/jwk.h"
#include "smart/scopes.h"

#define SB_CLIENT_ID_MAX   255 /* bytes; ids we draw have 36 */
#define SB_CLIENT_NAME_MAX 255

typedef struct sb_client {
    char *id;
    char *name;       /* for people; may be "" */
    char *jwks_url;   /* the registered JWKS URL; NULL: the set itself was registered */
    sb_jwks *jwks;    /* never NULL */
    sb_scopes scopes; /* what it may have at most                                                    TOK-08, EXP-06 */
    atomic_uint refs;
} sb_client;

/* Takes `jwks` over when it succeeds, copies the rest. SB_E_INVALID: an id that is empty, too long or not printable
 * ASCII, a name too long, or a scope that is malformed or for people. */
sb_status sb_client_new(const char *id, const char *name, const char *scope, sb_jwks *jwks, sb_client **out,
                        sb_error *err);
sb_client *sb_client_ref(sb_client *client);
void sb_client_free(sb_client *client); /* lets go of one reference; NULL is fine */
SB_DEFINE_FREEP(sb_client)

typedef struct sb_clients_ops {
    /* *out is a reference, or NULL: there is none. */
    sb_status (*find)(void *impl, sb_str id, sb_client **out, sb_error *err);
    /* SB_E_USAGE: the id is taken. SB_E_BUSY: there are as many as there may be. Keeps a reference of its own. */
    sb_status (*add)(void *impl, sb_client *client, sb_error *err);
    void (*free)(void *impl);
} sb_clients_ops;

typedef struct sb_clients sb_clients;

/* Takes `impl` over, also on failure. For those who implement a register. */
sb_status sb_clients_new(const sb_clients_ops *ops, void *impl, sb_clients **out, sb_error *err);
void sb_clients_free(sb_clients *clients); /* NULL is fine */
SB_DEFINE_FREEP(sb_clients)

/* Any thread. */
sb_status sb_clients_find(sb_clients *clients, sb_str id, sb_client **out, sb_error *err);
sb_status sb_clients_add(sb_clients *clients, sb_client *client, sb_error *err);

/* A register in memory, of at most `max` clients. */
sb_status sb_clients_memory(size_t max, sb_clients **out, sb_error *err);

#endif
