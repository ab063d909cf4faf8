/* SPDX-License-Identifier: Apache-2.0 */
/* proxies.h - which address a request comes from, when it came through proxies: what X-Forwarded-For says is believed as
 * far as it was written by proxies that are trusted, and no further.                                        TOK-10
 *
 * Constant once made: any thread. */
#ifndef SB_HTTP_PROXIES_H
#define SB_HTTP_PROXIES_H

#include <netinet/in.h>

#include "base/buf.h"

#define SB_PROXIES_MAX 64

typedef struct sb_proxies sb_proxies;

/* Networks as "10.1.2.3", "10.0.0.0/8", "fd00::/8". SB_E_USAGE: one is none. */
sb_status sb_proxies_new(char *const *networks, size_t count, sb_proxies **out, sb_error *err);
void sb_proxies_free(sb_proxies *proxies); /* NULL is fine */
SB_DEFINE_FREEP(sb_proxies)

/* Is this address one of them? NULL: there are none. */
bool sb_proxies_trust(const sb_proxies *proxies, const char *address);

/* `peer` is whom the connection is with; it becomes the client's address. `forwarded` are the X-Forwarded-For headers in
 * their order: read from the end, the first that is not a trusted proxy is the client. What is no address ends it. */
void sb_proxies_resolve(const sb_proxies *proxies, const sb_str *forwarded, size_t count, char peer[INET6_ADDRSTRLEN]);

#endif
