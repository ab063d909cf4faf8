/* SPDX-License-Identifier: Apache-2.0 */
/* fake_payer.h - a transport that answers from a list, and remembers what it was asked. */
#ifndef SB_TEST_FAKE_PAYER_H
#define SB_TEST_FAKE_PAYER_H

#include <pthread.h>
#include <stdio.h>

#include "http/client.h"

#define FAKE_ANSWERS 64
#define FAKE_SEEN    64

typedef struct fake_answer {
    const char *url;    /* the end of the URL it answers */
    int status;         /* 0: no answer, SB_E_NETWORK */
    const char *body;   /* NULL: empty */
    const char *header; /* one "Name: value", or NULL */
    int64_t date_s;     /* Date; received_s is 1790000000 plus whatever the test sets */
    const char *from;   /* where the answer came from; NULL: the URL */
    bool once;          /* used up by one request */
    bool breaks;        /* it begins as told, and breaks off: SB_E_NETWORK */
    bool used;
} fake_answer;

typedef struct fake_seen {
    char *method, *url, *body, *bearer, *accept, *content_type, *authorization;
    sb_http_redirects redirects;
} fake_seen;

typedef struct fake_payer {
    pthread_mutex_t lock;
    fake_answer answers[FAKE_ANSWERS];
    size_t n_answers;
    fake_seen seen[FAKE_SEEN];
    size_t n_seen;
    int64_t received_s;
    void (*on_request)(void *impl, const sb_http_request *request); /* NULL: none; called without the lock */
    void *on_request_impl;
} fake_payer;

static inline bool fake_ends_with(const char *text, const char *end)
{
    return sb_str_ends_with(sb_str_from(text), sb_str_from(end));
}

static inline char *fake_dup(const char *text)
{
    return text ? sb_str_dup(sb_str_from(text)) : NULL;
}

static inline void fake_remember(fake_payer *p, const sb_http_request *r)
{
    if (p->n_seen == FAKE_SEEN)
        return;
    fake_seen *s = &p->seen[p->n_seen++];
    *s = (fake_seen){fake_dup(r->method),
                     fake_dup(r->url),
                     sb_str_dup(r->body),
                     fake_dup(r->bearer),
                     fake_dup(r->accept),
                     fake_dup(r->content_type),
                     NULL,
                     r->redirects};
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcmp(r->headers[i].name, "Authorization") == 0)
            s->authorization = fake_dup(r->headers[i].value);
}

static inline bool fake_fill(fake_payer *p, const fake_answer *a, const sb_http_request *request, sb_http_response *out)
{
    *out = (sb_http_response){.status = a->status, .date_s = a->date_s, .received_s = p->received_s};
    out->url = fake_dup(a->from ? a->from : request->url);
    bool ok = out->url && sb_buf_add_cstr(&out->body, a->body ? a->body : "");
    const char *colon = a->header ? strstr(a->header, ": ") : NULL;
    if (ok && colon) {
        out->headers.items = calloc(1, sizeof(*out->headers.items));
        out->headers.items[0].name = sb_str_dup((sb_str){a->header, (size_t)(colon - a->header)});
        out->headers.items[0].value = fake_dup(colon + 2);
        out->headers.len = 1;
    }
    return ok;
}

static inline sb_status fake_send(void *impl, const sb_http_request *request, sb_http_response *response, sb_error *err)
{
    fake_payer *p = impl;
    const fake_answer *found = NULL;
    if (p->on_request)
        p->on_request(p->on_request_impl, request);
    (void)pthread_mutex_lock(&p->lock);
    fake_remember(p, request);
    for (size_t i = 0; i < p->n_answers && !found; i++) {
        fake_answer *a = &p->answers[i];
        if (a->used || !fake_ends_with(request->url, a->url))
            continue;
        a->used = a->once;
        found = a;
    }
    static const fake_answer nothing = {.status = 404};
    if (!found)
        found = &nothing;
    sb_status status = SB_OK;
    if (found->status == 0)
        status =
            sb_error_set(err, SB_E_NETWORK, "no connection to the server", "%s: refused", "try again", request->url);
    else if (!fake_fill(p, found, request, response))
        status = SB_E_NOMEM;
    else if (found->breaks)
        status = sb_error_set(err, SB_E_NETWORK, "the connection ended before the answer did", "%s", "try again",
                              request->url);
    (void)pthread_mutex_unlock(&p->lock);
    return status;
}

static inline sb_transport fake_transport(fake_payer *p)
{
    return (sb_transport){p, fake_send};
}

static inline void fake_payer_init(fake_payer *p)
{
    memset(p, 0, sizeof(*p));
    (void)pthread_mutex_init(&p->lock, NULL);
    p->received_s = INT64_C(1790000000);
}

static inline void fake_forget(fake_payer *p)
{
    for (size_t i = 0; i < p->n_seen; i++) {
        fake_seen *s = &p->seen[i];
        char *const texts[] = {s->method, s->url, s->body, s->bearer, s->accept, s->content_type, s->authorization};
        for (size_t k = 0; k < SB_ARRAY_LEN(texts); k++)
            free(texts[k]);
    }
    p->n_seen = 0;
}

static inline void fake_payer_free(fake_payer *p)
{
    fake_forget(p);
    (void)pthread_mutex_destroy(&p->lock);
}

static inline void fake_add(fake_payer *p, fake_answer answer)
{
    (void)pthread_mutex_lock(&p->lock);
    if (p->n_answers < FAKE_ANSWERS)
        p->answers[p->n_answers++] = answer;
    (void)pthread_mutex_unlock(&p->lock);
}

static inline void fake_clear(fake_payer *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->n_answers = 0;
    (void)pthread_mutex_unlock(&p->lock);
}

/* How many requests went to URLs with this end. */
static inline size_t fake_count(fake_payer *p, const char *end)
{
    size_t n = 0;
    (void)pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_seen; i++)
        n += fake_ends_with(p->seen[i].url, end);
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}

/* The last request whose URL has this end; NULL: none. */
static inline const fake_seen *fake_last(const fake_payer *p, const char *end)
{
    for (size_t i = p->n_seen; i-- > 0;)
        if (fake_ends_with(p->seen[i].url, end))
            return &p->seen[i];
    return NULL;
}

#endif
