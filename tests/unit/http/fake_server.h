/* SPDX-License-Identifier: Apache-2.0 */
/* fake_server.h - a TCP or TLS server that says exactly what a test tells it to, and remembers what it was asked.
 *
 * Listens on 127.0.0.1, a thread a connection. Knows just enough HTTP to find the end of a request. Certificates are
 * made at run time by a CA that lives as long as the test. */
#ifndef SB_TEST_FAKE_SERVER_H
#define SB_TEST_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fake_reply {
    const char *bytes; /* sent as they are, once a whole request has come */
    size_t filler;     /* then so many 'x' */
    /* cut: close without a word, of TLS neither; stall: silence until the peer goes away */
    enum { FAKE_KEEP, FAKE_CLOSE, FAKE_CUT, FAKE_STALL } then;
    size_t len; /* of `bytes` when they hold NULs; 0: up to the NUL */
} fake_reply;

typedef struct fake_cert {
    const char *names;              /* subjectAltName, such as "IP:127.0.0.1,DNS:localhost"; NULL: that */
    long valid_from_s, valid_for_s; /* from now; for 0: a day */
    bool wants_client_cert;
    bool tls_1_1_only;
} fake_cert;

typedef struct fake_ca fake_ca;
fake_ca *fake_ca_new(const char *name);
void fake_ca_free(fake_ca *ca);              /* removes its files */
const char *fake_ca_file(const fake_ca *ca); /* PEM, its certificate */
/* A client certificate of this CA and its key, PEM in one file. */
const char *fake_ca_client_file(fake_ca *ca);

typedef struct fake_server fake_server;
/* Answers the n-th request with the n-th reply, and those after with the last. `ca` NULL: plain TCP. `replies` is
 * borrowed. */
fake_server *fake_server_start(fake_ca *ca, const fake_cert *cert, const fake_reply *replies, size_t n);
/* Or by a function, from one thread a connection: it answers `request` with fake_server_send(), as often as it likes,
 * and returns what then (FAKE_KEEP …). Such requests are not remembered. */
typedef struct fake_connection fake_connection;
typedef int fake_handler(void *impl, const char *request, fake_connection *connection);
fake_server *fake_server_start_handler(fake_ca *ca, fake_handler *handler, void *impl);
bool fake_server_send(fake_connection *connection, const void *bytes, size_t len); /* false: the peer is gone */

/* For tests that fork: wait until all connections have ended (the clients have to be gone), and begin none until
 * released. Then no thread of the server is inside malloc, whose locks the child would inherit locked. */
void fake_server_hold(fake_server *server);
void fake_server_release(fake_server *server);

void fake_server_stop(fake_server *server);
const char *fake_server_url(const fake_server *server); /* "http(s)://127.0.0.1:port", no slash at its end */
unsigned fake_server_port(const fake_server *server);
unsigned fake_server_requests(fake_server *server);
unsigned fake_server_connections(fake_server *server);
/* The i-th request as received, body included; "" when there was none. Valid until the server is stopped. */
const char *fake_server_request(fake_server *server, unsigned i);

#endif
