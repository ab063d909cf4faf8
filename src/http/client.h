/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - HTTP requests with bounded answers, on libcurl.
 *
 * One sb_http holds a payer's connection settings (CA, client certificate, proxy) and a pool of connections. It knows
 * nothing of tokens' lifetimes, FHIR or exports. TLS 1.2 or later, certificates verified, http and https only; libcurl
 * follows no redirect by itself: the policy is here (USE-03, AUTH-09). Thread safe but for new and free. */
#ifndef SB_HTTP_CLIENT_H
#define SB_HTTP_CLIENT_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/url.h"

typedef struct sb_http sb_http;

typedef struct sb_http_options {
    const char *ca_file; /* PEM; NULL: the system's */
    const char *client_cert, *client_key;
    const char *proxy;
    const char *const *headers; /* "Name: value", NULL-terminated, sent with each request to `headers_origin` alone */
    const char *headers_origin; /* a URL of that origin */
    const atomic_bool *cancel;  /* borrowed; may be NULL */
} sb_http_options;

sb_status sb_http_new(const sb_http_options *options, sb_http **out, sb_error *err);
void sb_http_free(sb_http *http);
SB_DEFINE_FREEP(sb_http)

typedef struct sb_http_header {
    const char *name, *value;
} sb_http_header;

/* Answer headers, names as received; bounded in number and size. */
typedef struct sb_http_headers {
    struct {
        char *name, *value;
    } * items;
    size_t len;
} sb_http_headers;
/* The first header of that name (case-insensitive), or NULL. */
const char *sb_http_header_get(const sb_http_headers *headers, const char *name);

typedef enum sb_http_redirects {
    SB_HTTP_REDIRECTS_NEVER, /* a 3xx is returned as it is: the token POST                                    AUTH-09 */
    SB_HTTP_REDIRECTS_FOLLOW /* GET only, at most 5, never https to http, credentials only to the same origin USE-03 */
} sb_http_redirects;

typedef struct sb_http_request {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *url;
    const char *accept;
    const char *content_type; /* with `body` */
    sb_str body;
    const sb_http_header *headers;
    size_t n_headers;
    const char *bearer; /* access token; only ever sent to the origin of `url`; NULL: none */
    sb_http_redirects redirects;
    size_t max_body;    /* a longer answer is SB_E_SERVER; 0: 1 MiB */
    unsigned timeout_s; /* of the whole exchange; 0: 60. Streamed answers: of a stall instead */
    /* When set, the body of a 200 or 202 answer goes here as it comes, instead of into response->body. The answer's
     * status, headers and url are in `response` by then. */
    sb_status (*on_body)(void *impl, sb_str bytes, sb_error *err);
    void *on_body_impl;
    /* When set, called when the exchange is over with the token that went along: a peer may repeat it in its answer, and
     * whoever kept some of that to show it must blot it out. Takes on_body_impl. */
    void (*on_token)(void *impl, sb_str token);
} sb_http_request;

typedef struct sb_http_response {
    int status;
    sb_http_headers headers;
    sb_buf body;        /* NUL-terminated after its end */
    char *url;          /* where the answer came from, after redirects */
    int64_t date_s;     /* the answer's `Date`, 0 when it had none: for clock skew */
    int64_t received_s; /* our wall clock when it came */
    bool unsent;        /* with a failure: nothing of the request left, so that it may be sent again without harm */
} sb_http_response;

#define SB_HTTP_RESPONSE_INIT                                                                                          \
    {                                                                                                                  \
        .status = 0                                                                                                    \
    }
void sb_http_response_cleanup(sb_http_response *response);
/* Blot out a secret that the peer repeats, in headers and body: they are shown and logged. */
void sb_http_response_hide(sb_http_response *response, sb_str secret);

/* Make one exchange, no retry. SB_OK for any complete HTTP answer, whatever its status. SB_E_NETWORK: no answer (why
 * names the host, the phase and the cause); SB_E_INTERRUPTED: cancelled; SB_E_SERVER: too long, not HTTP, a forbidden
 * redirect. */
sb_status sb_http_send(sb_http *http, const sb_http_request *request, sb_http_response *response, sb_error *err);

/* What sb_http_send is to its callers, so that tests put their own payer in its place. */
typedef struct sb_transport {
    void *impl;
    sb_status (*send)(void *impl, const sb_http_request *request, sb_http_response *response, sb_error *err);
} sb_transport;
sb_transport sb_http_transport(sb_http *http);

/* For the download engine, which drives its own curl_multi: set TLS, protocols, proxy, user agent on a fresh handle (no
 * redirects followed, no signals). `headers_origin` headers are the caller's to add: sb_http_extra_headers(). */
sb_status sb_http_prepare(sb_http *http, CURL *easy, sb_error *err);
/* The configured extra headers if `url` is of their origin, as a curl list to append to; NULL when there are none. */
sb_status sb_http_extra_headers(sb_http *http, const sb_url *url, struct curl_slist **list, sb_error *err);
/* Words for a transfer that libcurl ended: SB_E_NETWORK, SB_E_SERVER (bad answer) or SB_E_INTERRUPTED. */
sb_status sb_http_curl_error(CURLcode code, const char *detail, const char *url, sb_error *err);
/* What libcurl meant: it calls a header line that is longer than it takes a lack of memory. `detail` is the handle's error
 * buffer; `head_done`: the answer's head came to its end. */
CURLcode sb_http_true_code(CURLcode code, CURL *easy, bool head_done, char detail[CURL_ERROR_SIZE]);
/* One redirect step by the policy above: resolves `location` against `from`; SB_E_SERVER for a forbidden one.
 * *keep_credentials tells whether the token may go along (same origin).                                      USE-03 */
sb_status sb_http_redirect(const sb_url *from, const char *location, sb_url *to, bool *keep_credentials, sb_error *err);

#endif
