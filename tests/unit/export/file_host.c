/* SPDX-License-Identifier: Apache-2.0 */
/* file_host.c - see file_host.h. */
#include "file_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool field(const char *request, const char *name, char *out, size_t size)
{
    char key[64];
    (void)snprintf(key, sizeof(key), "\r\n%s: ", name);
    const char *at = strcasestr(request, key);
    out[0] = '\0';
    if (!at)
        return false;
    at += strlen(key);
    (void)snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

static hosted *find(file_host *h, const char *request)
{
    const char *path = request + 4; /* "GET " */
    size_t len = strcspn(path, " ?");
    for (unsigned i = 0; i < h->n; i++)
        if (strlen(h->files[i].path) == len && strncmp(h->files[i].path, path, len) == 0)
            return &h->files[i];
    return NULL;
}

typedef struct answer {
    char head[2048];
    const char *body;
    size_t len, cut, garbage;
    int how;
    bool chunked, has_body, after;
} answer;

static void words(answer *a, int status, const char *headers, const char *text)
{
    (void)snprintf(a->head, sizeof(a->head), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n", status,
                   headers ? headers : "", text ? strlen(text) : 0);
    a->body = text;
    a->len = text ? strlen(text) : 0;
    a->cut = SIZE_MAX;
}

/* From which byte on: what a Range asks for, when it may have it. SIZE_MAX: it may not. */
static size_t range_from(const hosted *f, const char *request)
{
    char range[64], condition[128];
    if (f->no_ranges || !field(request, "Range", range, sizeof(range)))
        return 0;
    const char *validator = f->etag ? f->etag : f->modified;
    if (!f->no_conditions && field(request, "If-Range", condition, sizeof(condition)) &&
        (!validator || strcmp(condition, validator) != 0))
        return 0;
    size_t from = strtoul(range + strlen("bytes="), NULL, 10);
    return from < f->len ? from : SIZE_MAX;
}

static void content(answer *a, hosted *f, const char *request)
{
    char length[64] = "", range[96] = "", condition[128];
    size_t from = range_from(f, request);
    if (from == SIZE_MAX) {
        words(a, 416, NULL, NULL);
        return;
    }
    bool partial = !f->no_ranges && field(request, "Range", condition, sizeof(condition)) &&
                   (from > 0 || (field(request, "If-Range", condition, sizeof(condition)) && f->etag &&
                                 strcmp(condition, f->etag) == 0));
    size_t len = f->len - from;
    if (partial && f->range_len && f->range_len < len)
        len = f->range_len;
    if (!f->chunked && !f->until_close)
        (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n", len);
    if (partial)
        (void)snprintf(range, sizeof(range), "Content-Range: bytes %zu-%zu/%zu\r\n", from, from + len - 1, f->len);
    (void)snprintf(a->head, sizeof(a->head),
                   "HTTP/1.1 %s\r\nContent-Type: application/fhir+ndjson\r\nDate: Mon, 21 Sep 2026 12:00:00 GMT\r\n"
                   "%s%s%s%s%s%s%s%s%s%s%s\r\n",
                   partial ? "206 Partial Content" : "200 OK", length, range,
                   f->chunked ? "Transfer-Encoding: chunked\r\n" : "", f->gzip ? "Content-Encoding: gzip\r\n" : "",
                   f->etag ? "ETag: " : "", f->etag ? f->etag : "", f->etag ? "\r\n" : "",
                   f->modified ? "Last-Modified: " : "", f->modified ? f->modified : "", f->modified ? "\r\n" : "",
                   f->headers ? f->headers : "");
    a->body = f->bytes + from;
    a->len = partial && f->range_lie && f->range_lie < len ? f->range_lie : len;
    a->chunked = f->chunked;
    a->garbage = f->too_many;
    a->how = f->until_close ? FAKE_CLOSE : FAKE_KEEP;
    a->cut = SIZE_MAX;
    if (f->cuts > 0) {
        f->cuts--;
        a->cut = f->cut_after;
        a->how = f->cut_how;
    }
}

static bool token_is_fine(file_host *h, const hosted *f, const char *request)
{
    char got[128], wanted[96];
    (void)snprintf(wanted, sizeof(wanted), "Bearer %s", h->token);
    return !f->needs_token || (field(request, "Authorization", got, sizeof(got)) && strcmp(got, wanted) == 0);
}

/* Under lock. */
static void choose(file_host *h, const char *request, answer *a)
{
    char text[256];
    hosted *f = find(h, request);
    if (!f) {
        words(a, 404, NULL, NULL);
        return;
    }
    if (h->on_request)
        h->on_request(h->on_request_impl, h, f);
    f->requests++;
    f->saw_token |= field(request, "Authorization", text, sizeof(text));
    f->saw_extra |= field(request, "X-Extra", text, sizeof(text));
    f->ranges += field(request, "Range", f->last_range, sizeof(f->last_range));
    (void)field(request, "Accept-Encoding", f->last_accept_encoding, sizeof(f->last_accept_encoding));
    if (!token_is_fine(h, f, request)) {
        h->refused++;
        words(a, 401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n", NULL);
    } else if (f->status && (f->times == 0 || f->requests <= f->times)) {
        words(a, f->status, f->headers, f->words);
    } else {
        content(a, f, request);
    }
}

static bool send_body(fake_connection *c, const char *bytes, size_t len, bool chunked)
{
    char size[32];
    while (chunked && len > 0) {
        size_t n = len < 1000 ? len : 1000;
        int head = snprintf(size, sizeof(size), "%zx\r\n", n);
        if (!fake_server_send(c, size, (size_t)head) || !fake_server_send(c, bytes, n) ||
            !fake_server_send(c, "\r\n", 2))
            return false;
        bytes += n;
        len -= n;
    }
    return len == 0 || fake_server_send(c, bytes, len);
}

static int handle(void *impl, const char *request, fake_connection *c)
{
    file_host *h = impl;
    answer a = {.how = FAKE_KEEP};
    (void)pthread_mutex_lock(&h->lock);
    h->requests++;
    h->running++;
    h->most_running = h->running > h->most_running ? h->running : h->most_running;
    (void)pthread_cond_broadcast(&h->changed);
    while (h->hold_until && h->most_running < h->hold_until)
        (void)pthread_cond_wait(&h->changed, &h->lock);
    choose(h, request, &a);
    (void)pthread_mutex_unlock(&h->lock);
    size_t len = a.len < a.cut ? a.len : a.cut;
    bool cut = a.cut != SIZE_MAX;
    bool ok = fake_server_send(c, a.head, strlen(a.head)) && send_body(c, a.body, len, a.chunked);
    if (ok && a.chunked && !cut)
        ok = fake_server_send(c, "0\r\n\r\n", 5);
    for (size_t i = 0; ok && i < a.garbage; i++)
        ok = fake_server_send(c, "x", 1);
    (void)pthread_mutex_lock(&h->lock);
    h->running--;
    (void)pthread_mutex_unlock(&h->lock);
    return ok ? a.how : FAKE_CUT;
}

void file_host_start(file_host *h, fake_ca *ca)
{
    memset(h, 0, sizeof(*h));
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_cond_init(&h->changed, NULL);
    (void)snprintf(h->token, sizeof(h->token), "token-1");
    h->server = fake_server_start_handler(ca, handle, h);
}

unsigned file_host_requests(file_host *h)
{
    (void)pthread_mutex_lock(&h->lock);
    unsigned requests = h->requests;
    (void)pthread_mutex_unlock(&h->lock);
    return requests;
}

void file_host_stop(file_host *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->hold_until = 0;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    fake_server_stop(h->server);
    (void)pthread_mutex_destroy(&h->lock);
    (void)pthread_cond_destroy(&h->changed);
}

hosted *file_host_add(file_host *h, const hosted *file)
{
    if (h->n == HOSTED_MAX)
        abort();
    hosted *f = &h->files[h->n];
    *f = *file;
    if (f->len == 0 && f->bytes)
        f->len = strlen(f->bytes);
    h->n++;
    return f;
}

char *file_host_url(const file_host *h, const char *path)
{
    char url[512];
    (void)snprintf(url, sizeof(url), "%s%s", fake_server_url(h->server), path);
    return strdup(url);
}
