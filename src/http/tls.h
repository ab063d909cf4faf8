/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - what we must know of certificates: is a given file usable, and what did a server's handshake show. */
#ifndef SB_HTTP_TLS_H
#define SB_HTTP_TLS_H

#include "http/client.h"

/* What a handshake showed of the server's certificates, kept so that their refusal can be explained. Texts are
 * printable ASCII; "" when not known. */
typedef struct sb_tls_note {
    long verify_error;                  /* X509_V_ERR_…; 0 when OpenSSL was content */
    bool wanted_client_cert;            /* the server asked for one and we have none */
    char not_before[40], not_after[40]; /* of the certificate that was refused */
    char issuer[160];                   /* of the certificate that was refused */
    char names[256];                    /* hosts that the server's own certificate is for */
} sb_tls_note;

/* SB_E_USAGE when a file cannot be read or holds no PEM certificate, or when key and certificate are no pair. Each may
 * be NULL; without `key` the key is in `cert`. */
sb_status sb_tls_check_files(const char *ca_file, const char *cert, const char *key, sb_error *err);

/* Have `easy`'s handshakes write into `note`, which must outlive the handle and its connections. */
void sb_tls_watch(CURL *easy, sb_tls_note *note);
/* sb_http_curl_error() with what the handshake showed; `note` may be NULL. */
sb_status sb_http_explain(CURLcode code, const char *detail, const char *url, const sb_tls_note *note, sb_error *err);

/* Has the peer said by TLS that it sends no more? Without that a connection's end may be anybody's doing. To be asked
 * while the transfer has its connection, as in a progress callback; false without TLS. */
bool sb_tls_peer_closed(CURL *easy);

#endif
