/* SPDX-License-Identifier: Apache-2.0 */
/* postgres_uri.h - where a URI of libpq leads, as far as that decides how its server is to be trusted. */
#ifndef SB_STORE_POSTGRES_URI_H
#define SB_STORE_POSTGRES_URI_H

#include "base/buf.h"

/* *where (malloc'ed) names it for messages, without user and password. *verify: it may lead to another machine, and neither
 * it nor the environment says how TLS is used: so it must be used well. SB_E_USAGE: libpq does not understand it. */
sb_status sb_postgres_uri(const char *uri, char **where, bool *verify);
bool sb_postgres_is_uri(const char *text); /* by its scheme: else it is a file's name */
/* Does it hold a password? `uri` may be anything, a path too. */
bool sb_postgres_uri_has_password(const char *uri);

#endif
