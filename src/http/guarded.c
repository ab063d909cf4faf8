/* SPDX-License-Identifier: Apache-2.0 */
/* guarded.c - one libcurl handle a fetch, whose sockets are opened here: the address that is judged is the one that is
 * connected to. */
#include "http/guarded.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/cache_control.h"
#include "http/headers.h"
#include "http/internal.h"
#include "http/network.h"

struct sb_guard {
    sb_http *http;
    size_t count;
    sb_network networks[SB_GUARDED_NETWORKS_MAX];
};

typedef struct fetch {
    const sb_guard *guard;
    CURL *easy;
    size_t max;
    bool judged, connected; /* some address was looked at; one of them was allowed */
    sb_http_headers headers;
    size_t header_bytes;
    sb_status status;
    sb_error *err;
    sb_buf *body;
} fetch;

sb_status sb_guard_new(const sb_guard_options *options, sb_guard **out, sb_error *err)
{
    sb_http_options http = {.ca_file = options->ca_file, .proxy = ""}; /* none, whatever the environment says */
    SB_AUTOPTR(sb_guard) guard = calloc(1, sizeof(*guard));
    if (!guard)
        return sb_error_nomem(err);
    for (size_t i = 0; i < options->network_count; i++) {
        if (i == SB_GUARDED_NETWORKS_MAX || !sb_network_parse(options->networks[i], &guard->networks[i]))
            return sb_error_set(err, SB_E_USAGE, "the networks where key sets may be cannot be used",
                                "one of them is no address and no network, or there are more than %d",
                                "write them as 10.1.2.3, 10.0.0.0/8, fd00::/8", SB_GUARDED_NETWORKS_MAX);
        guard->count++;
    }
    SB_TRY(sb_http_new(&http, &guard->http, err));
    *out = guard;
    guard = NULL;
    return SB_OK;
}

void sb_guard_free(sb_guard *guard)
{
    if (!guard)
        return;
    sb_http_free(guard->http);
    free(guard);
}

static bool is_allowed(const sb_guard *guard, const sb_address *address)
{
    for (size_t i = 0; i < guard->count; i++) {
        if (sb_network_holds(&guard->networks[i], address))
            return true;
    }
    return sb_address_is_public(address);
}

/* One text for a host without an address and one whose addresses are not to be spoken to: else a stranger could ask us
 * which names there are inside. */
static sb_status not_public(sb_error *err)
{
    return sb_error_set(err, SB_E_NETWORK, "the URL cannot be fetched",
                        "its host has no address on the public Internet that this server could find",
                        "check the host's name; a private address must be allowed by this server's operator");
}

static sb_status bad_url(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_INVALID, "the URL cannot be used", "%s", "give an https URL of a public host", why);
}

static sb_status parse_url(const sb_guard *guard, const char *text, sb_url *url, sb_error *err)
{
    sb_address address;
    if (strlen(text) > SB_GUARDED_URL_MAX)
        return bad_url(err, "it is longer than 2048 bytes");
    if (strchr(text, '#'))
        return bad_url(err, "it has a fragment");
    if (sb_url_parse(text, url, NULL) != SB_OK)
        return bad_url(err, "it is no absolute URL, or holds a user name");
    if (strcmp(url->scheme, "https") != 0 && !sb_url_is_loopback(url))
        return bad_url(err, "it is not https");
    if (sb_address_parse(sb_str_from(url->host), &address) && !is_allowed(guard, &address))
        return bad_url(err, "its host is an address that is not on the public Internet");
    return SB_OK;
}

sb_status sb_guard_check_url(const sb_guard *guard, const char *text, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    return parse_url(guard, text, &url, err);
}

/* What libcurl calls */

static curl_socket_t on_socket(void *impl, curlsocktype purpose, struct curl_sockaddr *to)
{
    fetch *f = impl;
    sb_address address;
    f->judged = true;
    if (purpose != CURLSOCKTYPE_IPCXN || !sb_address_of(&to->addr, &address) || !is_allowed(f->guard, &address))
        return CURL_SOCKET_BAD;
    f->connected = true;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t on_header(char *bytes, size_t size, size_t n, void *impl)
{
    fetch *f = impl;
    sb_str line = {bytes, size * n};
    if (sb_str_starts_with(line, SB_STR_LIT("HTTP/")))
        sb_http_headers_clear(&f->headers);
    else
        f->status = sb_http_headers_add(&f->headers, line, &f->header_bytes, f->err);
    return f->status == SB_OK ? line.len : 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *impl)
{
    fetch *f = impl;
    size_t len = size * n;
    if (len > f->max - f->body->len)
        f->status = sb_error_set(f->err, SB_E_SERVER, "the URL's document is too long", "it has more than %zu bytes",
                                 "publish the keys that are in use alone", f->max);
    else if (!sb_buf_add(f->body, bytes, len))
        f->status = sb_error_nomem(f->err);
    return f->status == SB_OK ? len : 0;
}

static sb_status set_up(fetch *f, const sb_url *url, struct curl_slist *headers)
{
    SB_TRY(sb_http_prepare(f->guard->http, f->easy, f->err));
    CURLcode rc = curl_easy_setopt(f->easy, CURLOPT_URL, url->text);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, headers);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, SB_GUARDED_TIMEOUT_S * 1000L);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETDATA, f);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, on_header);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(f->easy, CURLOPT_HEADERDATA, f);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_body);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
    return sb_http_curl_error(rc, NULL, url->text, f->err);
}

/* The answer */

static sb_status judge_status(const fetch *f)
{
    long status = 0;
    (void)curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return SB_OK;
    return sb_error_set(f->err, SB_E_SERVER, "the URL cannot be fetched", "it answers %ld%s",
                        "let it answer 200 to anybody, without a redirect", status,
                        status >= 300 && status < 400 ? ", and redirects are not followed" : "");
}

static void read_age(const fetch *f, sb_guarded_answer *out)
{
    const char *control = sb_http_header_get(&f->headers, "Cache-Control");
    const char *age_text = sb_http_header_get(&f->headers, "Age");
    uint64_t age = 0;
    out->has_max_age = control && sb_cache_control_max_age(sb_str_from(control), &out->max_age_s);
    if (out->has_max_age && age_text && sb_str_to_u64(sb_str_from(age_text), SB_CACHE_AGE_MAX_S, &age))
        out->max_age_s -= (unsigned)SB_MIN(age, (uint64_t)out->max_age_s);
}

static sb_status perform(fetch *f, const sb_url *url, sb_guarded_answer *out)
{
    sb_tls_note note = {.verify_error = 0};
    char detail[CURL_ERROR_SIZE] = "";
    sb_tls_watch(f->easy, &note);
    (void)curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, detail);
    CURLcode rc = curl_easy_perform(f->easy);
    (void)curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, NULL);
    if (f->status != SB_OK)
        return f->status;
    if (rc == CURLE_COULDNT_RESOLVE_HOST || (rc != CURLE_OK && f->judged && !f->connected))
        return not_public(f->err);
    SB_TRY(sb_http_explain(rc, detail, url->text, &note, f->err));
    SB_TRY(judge_status(f));
    read_age(f, out);
    return SB_OK;
}

static inline void slistp_free(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

sb_status sb_guarded_get(const sb_guard *guard, const char *text, const char *accept, size_t max,
                         sb_guarded_answer *out, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    __attribute__((cleanup(slistp_free))) struct curl_slist *headers = NULL;
    fetch f = {.guard = guard, .max = max, .status = SB_OK, .err = err, .body = &out->body};
    SB_TRY(parse_url(guard, text, &url, err));
    SB_AUTOFREE line = sb_printf("Accept: %s", accept);
    headers = line ? curl_slist_append(NULL, line) : NULL;
    f.easy = curl_easy_init();
    sb_status status = headers && f.easy ? set_up(&f, &url, headers) : sb_error_nomem(err);
    if (status == SB_OK)
        status = perform(&f, &url, out);
    curl_easy_cleanup(f.easy);
    sb_http_headers_clear(&f.headers);
    return status;
}
