/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - an HTTP server on libmicrohttpd: requests come to a handler whole and within bounds, answers are buffers
 * or files.
 *
 * Knows nothing of FHIR or OAuth. Every connection has a time to send its request in, whatever trickles (slow loris);
 * head, body, connections and header lines are bounded. Threads: the handler is called from any of the server's
 * threads, several at once; a thread serves many connections, so a handler that blocks holds up others of its thread.
 */
#ifndef SB_HTTP_SERVER_H
#define SB_HTTP_SERVER_H

#include <netinet/in.h>

#include "http/proxies.h"
#include "http/target.h"

typedef struct sb_server sb_server;

#define SB_SERVER_HEADERS_MAX 100 /* browsers send twenty */
#define SB_ANSWER_HEADERS_MAX 16

typedef struct sb_server_header {
    const char *name;
    sb_str value;
} sb_server_header;

typedef struct sb_server_request {
    const char *method;
    const char *raw_target;          /* as it came, whatever it is: not fit to be shown */
    sb_target target;                /* empty when it could not be read */
    const sb_server_header *headers; /* in their order */
    size_t header_count;
    sb_str body;                 /* whole, in respond(); followed by a NUL */
    char peer[INET6_ADDRSTRLEN]; /* the client's address: as trusted proxies tell it, if it came through one */
    bool from_proxy;             /* the connection is a trusted proxy's, which strips what only it may say */
    void *user;                  /* the handler's: release() frees it */
    void *context; /* of who put the handler together, if begin() was wrapped: which generation of it, say */
} sb_server_request;

size_t sb_server_header_count(const sb_server_request *request, const char *name);
/* The first of that name; empty: none. */
sb_str sb_server_header_first(const sb_server_request *request, const char *name);
/* Is this true of any header of that name? For lists (Accept, Prefer), which may come in several lines. */
bool sb_server_header_any(const sb_server_request *request, const char *name, bool (*is)(sb_str value, const void *of),
                          const void *of);

typedef struct sb_answer {
    unsigned status;
    const char *content_type; /* a constant; NULL: none */
    sb_buf body;              /* the answer's, unless there is a file */
    int fd;                   /* >= 0: a file, of which Range and conditions choose; closed by the server */
    uint64_t size;
    char etag[64]; /* strong, with its quotes; "": none */
    int64_t modified_s;
    struct {
        const char *name; /* a constant */
        char *value;
    } headers[SB_ANSWER_HEADERS_MAX];
    size_t header_count;
    uint64_t rate; /* bytes a second; the server's own. 0: as fast as can be */
    bool broken;   /* a header could not be kept: the answer becomes a 500 */
} sb_answer;

#define SB_ANSWER_INIT                                                                                                 \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }
void sb_answer_cleanup(sb_answer *answer); /* back to SB_ANSWER_INIT; safe to repeat */

/* Add a header. A value with control characters, one too many, or no memory makes the answer `broken`. */
void sb_answer_header(sb_answer *answer, const char *name, const char *fmt, ...) SB_PRINTF(3, 4);

typedef struct sb_server_handler {
    void *impl;
    /* The head is there. True: go on, and take a body of at most *body_max bytes (0: none). False: `answer` is filled,
     * the body does not matter. */
    bool (*begin)(void *impl, sb_server_request *request, size_t *body_max, sb_answer *answer);
    /* All is there: fill `answer`. */
    void (*respond)(void *impl, sb_server_request *request, sb_answer *answer);
    /* The server refuses by itself: 400 malformed, 413 body too long, 431 too many headers, 500 no memory. `status` is
     * set, the handler may add a body. NULL: none is added. */
    void (*refuse)(void *impl, sb_server_request *request, const char *why, sb_answer *answer);
    /* Before an answer goes out: for the log. `status` and `bytes` are those sent, Range included. May be NULL. */
    void (*answered)(void *impl, const sb_server_request *request, unsigned status, uint64_t bytes, int64_t took_ns);
    void (*release)(void *impl, sb_server_request *request); /* the end of each request; may be NULL */
} sb_server_handler;

typedef struct sb_server_options {
    const char *address;    /* numeric; NULL: 127.0.0.1 */
    unsigned port;          /* 0: a free one */
    const char *cert, *key; /* PEM texts; NULL: plain HTTP */
    unsigned threads;       /* 0: 4 */
    unsigned connections;   /* 0: 1024 */
    unsigned per_address;   /* connections of one address, but a proxy's (server_peers.h); 0: no limit of its own */
    unsigned idle_s;        /* of silence, in either direction, before a connection is closed; 0: 60 */
    unsigned receive_ms;    /* from connecting, or from the last answer, to the end of the next request; 0: 60000 */
    uint64_t file_rate; /* bytes a second of each file that is sent, for trials; a thread a connection then. 0: all */
    const sb_proxies *proxies; /* whose X-Forwarded-For is believed; NULL: nobody's. Borrowed until the end */
    unsigned drain_ms;         /* how long the end waits for requests under way; 0: 2000 */
} sb_server_options;

#define SB_SERVER_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        .address = NULL                                                                                                \
    }

/* Take the address: from now on clients can connect, and wait. Texts are copied. SB_E_USAGE: it cannot be had. */
sb_status sb_server_new(const sb_server_options *options, sb_server **out, sb_error *err);
unsigned sb_server_port(const sb_server *server);
/* Begin to answer. SB_E_USAGE: key and certificate cannot be used. */
sb_status sb_server_start(sb_server *server, const sb_server_handler *handler, sb_error *err);
/* Another certificate and key from now on; connections there are keep theirs. SB_E_USAGE: they cannot be used, the old
 * ones stay; or the server has no TLS. */
sb_status sb_server_replace_certificate(sb_server *server, const char *cert, const char *key, sb_error *err);
/* When its certificate ends, seconds since 1970; 0: it has none. */
int64_t sb_server_certificate_ends_s(const sb_server *server);
/* Takes no more connections, waits for requests under way (not longer than drain_ms), then ends. NULL is fine. */
void sb_server_free(sb_server *server);
SB_DEFINE_FREEP(sb_server)

#endif
