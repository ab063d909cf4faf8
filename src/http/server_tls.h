/* SPDX-License-Identifier: Apache-2.0 */
/* server_tls.h - a server's certificate and key, which can be replaced while it serves: connections that begin after that
 * get the new one, those there are go on.
 *
 * libmicrohttpd asks for them by a function without an argument of ours: so which server a connection is of is found by
 * the port it came to, in a list that the process has once. Any thread. */
#ifndef SB_HTTP_SERVER_TLS_H
#define SB_HTTP_SERVER_TLS_H

#include <gnutls/abstract.h>

#include "base/buf.h"

typedef struct sb_server_tls sb_server_tls;

/* PEM texts: a chain, the server's own certificate first, and its key. SB_E_USAGE: they cannot be read, or do not belong
 * together. */
sb_status sb_server_tls_new(const char *cert, const char *key, unsigned port, sb_server_tls **out, sb_error *err);
void sb_server_tls_free(sb_server_tls *tls); /* no connection is left; NULL is fine */
SB_DEFINE_FREEP(sb_server_tls)

sb_status sb_server_tls_check(const char *cert, const char *key, sb_error *err); /* could they be used? As above */

/* On failure the old ones stay. */
sb_status sb_server_tls_replace(sb_server_tls *tls, const char *cert, const char *key, sb_error *err);

/* When the current certificate ends, seconds since 1970. */
int64_t sb_server_tls_ends_s(sb_server_tls *tls);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
int sb_server_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names, int ca_count,
                           const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **cert,
                           unsigned *cert_count, gnutls_privkey_t *key);

#endif
