/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - what we must know of certificates: is a given file usable, and what did a server's handshake show. */
#ifndef SB_HTTP_TLS_H
#define SB_HTTP_TLS_H

#include "http/client.h"

/* What a handshake showed of the server's certificates, kept so that their refusal can be explained. Texts are
 * printable ASCII; "" when not known. */
typedef struct sb_tls_note {
    char not_before[40], not_after[40]; /* of the certificate that was refused */
    char issuer[160];                   /* of the certificate that was refused */
    char names[256];                    /* hosts that the server's own certificate is for */
} sb_tls_note;

/* SB_E_USAGE when a file cannot be read or holds no PEM certificate, or when key and certificate are no pair. Each may
 * be NULL; without `key` the key is in `cert`. */
sb_status sb_tls_check_files(const char *ca_file, const char *cert, const char *key, sb_error *err);

/* Have `easy`'s handshakes write into `note`, which must outlive the handle and its connections. */
void sb_tls_watch(CURL *easy, sb_tls_note *note);

#endif
