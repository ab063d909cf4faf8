/* SPDX-License-Identifier: Apache-2.0 */
/* file_host.h - a file server over fake_server.h that is as honest, slow, broken or hostile as each file of it says,
 * and remembers how it was asked. */
#ifndef SB_TEST_FILE_HOST_H
#define SB_TEST_FILE_HOST_H

#include <pthread.h>
#include <stdint.h>

#include "../http/fake_server.h"

#define HOSTED_MAX 128

typedef struct hosted {
    const char *path; /* "/f/1"; a query is not looked at */
    const char *bytes;
    size_t len;                  /* 0: up to the NUL */
    const char *etag, *modified; /* header values; NULL: none */
    bool gzip;                   /* `bytes` is gzip, and is said to be */
    bool chunked, until_close;   /* instead of a Content-Length */
    bool no_ranges;
    size_t range_lie;    /* of a range so few bytes are sent, though all are promised (chunked); 0: what is promised */
    bool no_conditions;  /* If-Range is not looked at */
    size_t range_len;    /* no more than so many bytes of a range at once; 0: all of it */
    const char *headers; /* more of them, each with its CRLF */

    int status; /* not 0: this is answered, with `words`, and the first `times` only when that is not 0 */
    unsigned times;
    const char *words;

    /* After so many bytes of a body the connection ends, with the first `cuts` answers. */
    size_t cut_after;
    unsigned cuts;
    int cut_how;     /* FAKE_CLOSE, FAKE_CUT, FAKE_STALL */
    size_t too_many; /* bytes of garbage behind it, after its Content-Length */
    bool needs_token;

    unsigned requests, ranges; /* seen */
    bool saw_token, saw_extra;
    char last_range[64], last_accept_encoding[64];
} hosted;

typedef struct file_host {
    fake_server *server;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    hosted files[HOSTED_MAX];
    unsigned n;
    char token[64]; /* the one that is accepted */
    unsigned requests, refused, running, most_running;
    unsigned hold_until; /* answer nothing before so many requests are there at once; 0: at once */
    void (*on_request)(void *impl, struct file_host *host, hosted *file); /* under lock; NULL: none */
    void *on_request_impl;
} file_host;

void file_host_start(file_host *host, fake_ca *ca);
unsigned file_host_requests(file_host *host); /* so far: for who gave up while some are under way */
void file_host_stop(file_host *host);
/* `file` is copied; what it points to is borrowed. */
hosted *file_host_add(file_host *host, const hosted *file);
/* "http://127.0.0.1:1234/f/1", malloc'ed. */
char *file_host_url(const file_host *host, const char *path);

#endif
