/* SPDX-License-Identifier: Apache-2.0 */
/* server_peers.h - how many connections each address has, so that none takes them all. An IPv6 address stands for its /64,
 * which is one customer's; trusted proxies, who bring everybody, are not counted. Any thread. */
#ifndef SB_HTTP_SERVER_PEERS_H
#define SB_HTTP_SERVER_PEERS_H

#include <sys/socket.h>

#include "http/proxies.h"

typedef struct sb_peers sb_peers;
typedef struct sb_peer sb_peer; /* an address that has connections */

/* `each`: what one may have. `proxies` is borrowed, may be NULL. */
sb_status sb_peers_new(unsigned each, const sb_proxies *proxies, sb_peers **out, sb_error *err);
void sb_peers_free(sb_peers *peers); /* everybody has left; NULL is fine */
SB_DEFINE_FREEP(sb_peers)

/* May this address have one more? Who asks, and only then enters, exceeds the limit by no more than one a thread. */
bool sb_peers_has_room(sb_peers *peers, const struct sockaddr *address);
/* It has one more: give the answer to leave(). NULL: it is not counted. */
sb_peer *sb_peers_enter(sb_peers *peers, const struct sockaddr *address);
void sb_peers_leave(sb_peers *peers, sb_peer *peer); /* NULL is fine */

#endif
