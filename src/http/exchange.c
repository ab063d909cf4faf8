/* SPDX-License-Identifier: Apache-2.0 */
/* exchange.c - one request and its complete answer: sb_http_send(). Redirects are followed here, one policed hop at a
 * time; no retry. Owns the exchange's state on its stack, and a handle lent from the pool.          USE-03, AUTH-09 */
#include <stdio.h>

#include <smartbulk/clock.h>

#include "base/log.h"
#include "base/secret.h"
#include "http/headers.h"
#include "http/internal.h"
#include "http/retry.h"

#define DEFAULT_BODY_MAX  (1024 * 1024) /* discovery, tokens, errors: a kilobyte or ten each */
#define DEFAULT_TIMEOUT_S 60
#define REDIRECTS_MAX     5
#define STALL_BYTES_PER_S 1L /* slower than this for the whole time-out is a stall */

typedef struct exchange {
    sb_http *http;
    sb_http_slot *slot;
    const sb_http_request *request;
    sb_http_response *response;
    sb_error *err;
    sb_status status;    /* why a callback stopped the transfer; `err` is filled then */
    size_t header_bytes; /* of all heads of this hop: endless 1xx answers are bounded too */
    bool head_done;      /* what follows are trailers, or the next head */
    bool sent;           /* of any hop's request, at least a byte left */
    bool peer_closed;    /* TLS said that the answer's end is the server's own */
    uint64_t body_bytes;
    int64_t deadline_ns;
    sb_url url;       /* of this hop */
    bool credentials; /* may this hop see the token? Once lost, never again */
} exchange;

static inline void slistp_wipe(struct curl_slist **list)
{
    for (struct curl_slist *line = *list; line; line = line->next)
        sb_wipe(line->data, strlen(line->data)); /* the token is in one of them */
    curl_slist_free_all(*list);
    *list = NULL;
}

void sb_http_response_cleanup(sb_http_response *response)
{
    sb_http_headers_clear(&response->headers);
    sb_buf_wipe(&response->body); /* it may hold a token */
    free(response->url);
    *response = (sb_http_response)SB_HTTP_RESPONSE_INIT;
}

void sb_http_response_hide(sb_http_response *response, sb_str secret)
{
    sb_http_headers_hide(&response->headers, secret);
    sb_secret_hide(response->body.ptr, response->body.len, secret);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool follows(const exchange *x, int status)
{
    return x->request->redirects == SB_HTTP_REDIRECTS_FOLLOW && strcmp(x->request->method, "GET") == 0 &&
           is_redirect(status) && sb_http_header_get(&x->response->headers, "Location");
}

static int status_now(const exchange *x)
{
    long status = 0;
    (void)curl_easy_getinfo(x->slot->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *impl)
{
    exchange *x = impl;
    sb_str line = {bytes, size * n};
    bool blank = sb_str_trim(line).len == 0;
    if (x->body_bytes > 0)
        return line.len; /* trailers: nothing here looks at them */
    if (sb_str_starts_with(line, SB_STR_LIT("HTTP/"))) {
        sb_http_headers_clear(&x->response->headers);
        x->head_done = false;
        x->header_bytes += line.len;
    } else if (blank) {
        x->head_done = true;
    } else if (!x->head_done) {
        x->status = sb_http_headers_add(&x->response->headers, line, &x->header_bytes, x->err);
    }
    return x->status == SB_OK ? line.len : 0;
}

/* Grows by copying and wiping: realloc would leave parts of a token behind in freed memory. */
static sb_status add_to_body(sb_buf *body, sb_str bytes, sb_error *err)
{
    if (body->len + bytes.len + 1 > body->cap) {
        sb_buf grown = SB_BUF_INIT;
        if (!sb_buf_reserve(&grown, SB_MAX(body->cap * 2, body->len + bytes.len)))
            return sb_error_nomem(err);
        if (body->len > 0)
            memcpy(grown.ptr, body->ptr, body->len);
        grown.len = body->len;
        sb_buf_wipe(body);
        *body = grown;
    }
    return sb_buf_add_str(body, bytes) ? SB_OK : sb_error_nomem(err);
}

static sb_status take_body(exchange *x, sb_str bytes)
{
    const sb_http_request *request = x->request;
    int status = status_now(x);
    bool streamed = request->on_body && (status == 200 || status == 202);
    uint64_t max = request->max_body ? request->max_body : streamed ? UINT64_MAX : DEFAULT_BODY_MAX;
    if (bytes.len > max - SB_MIN(x->body_bytes, max))
        return sb_error_set(x->err, SB_E_SERVER, "the server's answer is longer than it can honestly be",
                            "%s sent more than %llu bytes", "check that the URL is the right one", x->url.host,
                            (unsigned long long)max);
    x->body_bytes += bytes.len;
    x->response->status = status;
    if (streamed)
        return request->on_body(request->on_body_impl, bytes, x->err);
    return follows(x, status) ? SB_OK : add_to_body(&x->response->body, bytes, x->err);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *impl)
{
    exchange *x = impl;
    if (size * n == 0)
        return 0;
    x->status = take_body(x, (sb_str){bytes, size * n});
    return x->status == SB_OK ? size * n : 0;
}

static int on_progress(void *impl, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    (void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
    exchange *x = impl;
    x->peer_closed |= sb_tls_peer_closed(x->slot->easy);
    return sb_http_cancelled(x->http) ? 1 : 0;
}

static sb_status add_header(struct curl_slist **list, const char *name, const char *value, sb_error *err)
{
    if (!sb_str_is_text(sb_str_from(name)) || !sb_str_is_text(sb_str_from(value)))
        return sb_error_set(err, SB_E_INTERNAL, "a request header is not sendable", "it holds control characters",
                            NULL);
    sb_buf line = SB_BUF_INIT;
    /* libcurl: "Name:" alone would remove the header, "Name;" sends it empty */
    bool ok = value[0] ? sb_buf_printf(&line, "%s: %s", name, value) : sb_buf_printf(&line, "%s;", name);
    struct curl_slist *grown = ok ? curl_slist_append(*list, line.ptr) : NULL;
    sb_buf_wipe(&line);
    if (!grown)
        return sb_error_nomem(err);
    *list = grown;
    return SB_OK;
}

/* Headers that say nothing of who we are: the only ones a foreign origin gets. */
static bool may_leave_origin(const char *name)
{
    static const char *const harmless[] = {"Accept-Encoding", "Cache-Control", "If-Match", "If-Modified-Since",
                                           "If-None-Match",   "If-Range",      "Prefer",   "Range"};
    for (size_t i = 0; i < SB_ARRAY_LEN(harmless); i++)
        if (sb_str_eq_nocase(sb_str_from(name), sb_str_from(harmless[i])))
            return true;
    return false;
}

static sb_status build_headers(exchange *x, struct curl_slist **list, bool *own_encoding)
{
    const sb_http_request *request = x->request;
    struct curl_slist *none = curl_slist_append(*list, "Expect:"); /* no round trip before a body */
    if (!none)
        return sb_error_nomem(x->err);
    *list = none;
    if (request->accept)
        SB_TRY(add_header(list, "Accept", request->accept, x->err));
    if (request->content_type) {
        SB_TRY(add_header(list, "Content-Type", request->content_type, x->err));
    } else { /* libcurl would call every POST a form */
        none = curl_slist_append(*list, "Content-Type:");
        if (!none)
            return sb_error_nomem(x->err);
    }
    for (size_t i = 0; i < request->n_headers; i++) {
        const sb_http_header *header = &request->headers[i];
        if (!x->credentials && !may_leave_origin(header->name))
            continue;
        *own_encoding |= sb_str_eq_nocase(sb_str_from(header->name), SB_STR_LIT("Accept-Encoding"));
        SB_TRY(add_header(list, header->name, header->value, x->err));
    }
    if (request->bearer && x->credentials) {
        sb_buf value = SB_BUF_INIT;
        bool ok = sb_buf_printf(&value, "Bearer %s", request->bearer);
        sb_status status = ok ? add_header(list, "Authorization", value.ptr, x->err) : sb_error_nomem(x->err);
        sb_buf_wipe(&value);
        SB_TRY(status);
    }
    return x->credentials ? sb_http_extra_headers(x->http, &x->url, list, x->err) : SB_OK;
}

static CURLcode set_method(CURL *easy, const sb_http_request *request)
{
    bool post = strcmp(request->method, "POST") == 0;
    if (strcmp(request->method, "GET") == 0)
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    CURLcode rc = CURLE_OK;
    if (post || request->body.len > 0) {
        rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        if (rc == CURLE_OK) /* borrowed, not copied: an assertion stays where its owner wipes it */
            rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.ptr ? request->body.ptr : "");
        /* libcurl repeats a request by itself when an idle connection turns out to be dead. For a POST that would be
         * the same assertion twice, or two exports: each gets a connection that was never idle.              AUTH-05 */
        if (rc == CURLE_OK)
            rc = curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    if (rc == CURLE_OK && !post)
        rc = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    return rc;
}

static CURLcode set_limits(exchange *x, int64_t now_ns)
{
    CURL *easy = x->slot->easy;
    if (x->request->on_body) {
        CURLcode rc = curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
        unsigned stall_s = x->request->timeout_s ? x->request->timeout_s : DEFAULT_TIMEOUT_S;
        return rc != CURLE_OK ? rc : curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)stall_s);
    }
    int64_t left_ms = SB_MAX((x->deadline_ns - now_ns) / SB_NS_PER_MS, INT64_C(1)); /* 0 would be for ever */
    return curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
}

static CURLcode set_callbacks(exchange *x)
{
    CURL *easy = x->slot->easy;
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_XFERINFODATA, x);
    return rc != CURLE_OK ? rc : curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

static void log_hop(const exchange *x, CURLcode rc, int64_t began_ns)
{
    if (!sb_log_enabled(SB_LOG_DEBUG))
        return;
    SB_AUTOFREE url = sb_url_redacted(x->url.text);
    int64_t ms = (sb_clock_system()->monotonic_ns(NULL) - began_ns) / SB_NS_PER_MS;
    sb_log_debug("%s %s: %d%s%s in %lld ms, %llu bytes", x->request->method, url ? url : "", x->response->status,
                 rc == CURLE_OK ? "" : " ", rc == CURLE_OK ? "" : curl_easy_strerror(rc), (long long)ms,
                 (unsigned long long)x->body_bytes);
}

static sb_status set_up_hop(exchange *x, struct curl_slist **list, int64_t now_ns)
{
    bool own_encoding = false;
    CURL *easy = x->slot->easy;
    SB_TRY(build_headers(x, list, &own_encoding));
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_URL, x->url.text);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *list);
    if (rc == CURLE_OK && !own_encoding)
        rc = curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    if (rc == CURLE_OK)
        rc = set_method(easy, x->request);
    if (rc == CURLE_OK)
        rc = set_limits(x, now_ns);
    if (rc == CURLE_OK)
        rc = set_callbacks(x);
    return sb_http_curl_error(rc, NULL, x->url.text, x->err);
}

/* An answer without length and chunks ends with its connection, and libcurl does not ask who ended that: over TLS only
 * the peer's close_notify proves that nothing was cut off. JSON ends by itself, so that whole bodies need no proof. */
static bool was_cut(const exchange *x)
{
    const sb_http_headers *headers = &x->response->headers;
    return x->request->on_body && x->body_bytes > 0 && strcmp(x->url.scheme, "https") == 0 && !x->peer_closed &&
           !sb_http_header_get(headers, "Content-Length") && !sb_http_header_get(headers, "Transfer-Encoding");
}

/* libcurl's text says that connecting failed, and leaves out why. */
static void add_os_error(sb_http_slot *slot)
{
    long number = 0;
    char text[128];
    (void)curl_easy_getinfo(slot->easy, CURLINFO_OS_ERRNO, &number);
    size_t len = strlen(slot->detail);
    if (number > 0)
        (void)snprintf(slot->detail + len, sizeof(slot->detail) - len, "%s%s", len ? ": " : "",
                       strerror_r((int)number, text, sizeof(text)));
}

static bool something_was_sent(CURL *easy)
{
    long bytes = 0;
    return curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &bytes) != CURLE_OK || bytes > 0;
}

/* One request to x->url, and its answer into x->response. */
static sb_status one_hop(exchange *x)
{
    __attribute__((cleanup(slistp_wipe))) struct curl_slist *list = NULL;
    int64_t began_ns = sb_clock_system()->monotonic_ns(NULL);
    sb_http_response_cleanup(x->response);
    x->header_bytes = 0;
    x->head_done = x->peer_closed = false;
    x->body_bytes = 0;
    x->slot->detail[0] = '\0';
    x->response->url = sb_str_dup(sb_str_from(x->url.text)); /* here, for on_body to see */
    if (!x->response->url)
        return sb_error_nomem(x->err);
    SB_TRY(set_up_hop(x, &list, began_ns));
    CURLcode rc = curl_easy_perform(x->slot->easy);
    x->sent |= something_was_sent(x->slot->easy);
    rc = sb_http_true_code(rc, x->slot->easy, x->head_done, x->slot->detail);
    (void)curl_easy_setopt(x->slot->easy, CURLOPT_HTTPHEADER, NULL); /* the list is wiped and freed now */
    if (rc == CURLE_OK && (!x->head_done || was_cut(x))) /* libcurl takes a head that was cut off for a whole answer */
        rc = CURLE_PARTIAL_FILE;
    if (rc == CURLE_OK)
        x->response->status = status_now(x);
    if (rc == CURLE_COULDNT_CONNECT)
        add_os_error(x->slot);
    log_hop(x, rc, began_ns);
    if (x->status != SB_OK)
        return x->status;
    SB_TRY(sb_http_explain(rc, x->slot->detail, x->url.text, &x->slot->tls, x->err));
    const char *date = sb_http_header_get(&x->response->headers, "Date");
    if (!date || !sb_http_date_parse(sb_str_from(date), &x->response->date_s))
        x->response->date_s = 0;
    x->response->received_s = sb_clock_system()->wall_s(NULL);
    return SB_OK;
}

static sb_status run(exchange *x)
{
    for (unsigned hops = 0;; hops++) {
        if (sb_http_cancelled(x->http))
            return sb_http_curl_error(CURLE_ABORTED_BY_CALLBACK, NULL, x->url.text, x->err);
        SB_TRY(one_hop(x));
        if (!follows(x, x->response->status))
            return SB_OK;
        if (hops == REDIRECTS_MAX)
            return sb_error_set(x->err, SB_E_SERVER, "the server redirects in circles", "%s: more than %d redirects",
                                "tell the payer: its URL leads nowhere", x->url.host, REDIRECTS_MAX);
        SB_AUTO(sb_url) next = SB_URL_INIT;
        bool same_origin;
        SB_TRY(sb_http_redirect(&x->url, sb_http_header_get(&x->response->headers, "Location"), &next, &same_origin,
                                x->err));
        x->credentials = x->credentials && same_origin;
        sb_url_cleanup(&x->url);
        x->url = next;
        next = (sb_url)SB_URL_INIT;
    }
}

sb_status sb_http_send(sb_http *http, const sb_http_request *request, sb_http_response *response, sb_error *err)
{
    unsigned timeout_s = request->timeout_s ? request->timeout_s : DEFAULT_TIMEOUT_S;
    exchange x = {.http = http, .request = request, .response = response, .err = err, .credentials = true};
    x.deadline_ns = sb_clock_system()->monotonic_ns(NULL) + timeout_s * SB_NS_PER_S;
    sb_http_response_cleanup(response);
    sb_status status = sb_url_parse(request->url, &x.url, err);
    if (status == SB_OK)
        status = sb_url_require_secure(&x.url, "the address", err); /* DISC-05 */
    if (status == SB_OK)
        status = sb_http_slot_get(http, &x.slot, err);
    if (status == SB_OK) {
        status = run(&x);
        response->unsent = !x.sent;
        sb_http_slot_put(http, x.slot);
    }
    sb_url_cleanup(&x.url);
    return status;
}
