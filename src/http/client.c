/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - one payer's connection settings, and its pool of handles with their connections. Makes no exchange itself
 * (exchange.c does). Owns copies of all options; the mutex guards the list of idle handles alone. */
#include <pthread.h>
#include <unistd.h>

#include <smartbulk/version.h>

#include "base/wiped.h"
#include "http/internal.h"

#define IDLE_MAX          16 /* idle handles kept for their connections: as many as polls and tokens ever run at once */
#define CONNECT_TIMEOUT_S 30L
#define EXTRA_HEADERS_MAX 64
#define NO_PROXY_LOOPBACK "localhost,127.0.0.0/8,::1"
#define NO_PROXY_MAX      (16 * 1024) /* an administrator's list, not a peer's: only to have a bound */

struct sb_http {
    char *ca_file, *client_cert, *client_key, *proxy, *no_proxy, *user_agent;
    char **headers;
    size_t n_headers;
    sb_url headers_origin;
    const atomic_bool *cancel;
    pthread_mutex_t lock;
    sb_http_slot *idle; /* under lock */
    size_t n_idle;      /* under lock */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;

/* Tokens and assertions pass through libcurl: what it gives back is wiped. Not so where the program that we are a part of
 * started it before us. */
static void start_curl(void)
{
    curl_started =
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, sb_wiped_free, sb_wiped_realloc, sb_wiped_strdup, calloc);
}

static bool copy_text(const char *from, char **to)
{
    *to = from ? sb_str_dup(sb_str_from(from)) : NULL;
    return !from || *to;
}

/* The environment's exceptions hold, and loopback is one always: a sandbox is never behind a proxy. */
static char *no_proxy_list(void)
{
    const char *env = getenv("no_proxy");
    if (!env || !env[0])
        env = getenv("NO_PROXY");
    if (!env || !env[0] || strlen(env) > NO_PROXY_MAX)
        return sb_printf("%s", NO_PROXY_LOOPBACK);
    if (strcmp(env, "*") == 0)
        return sb_printf("*");
    return sb_printf("%s,%s", NO_PROXY_LOOPBACK, env);
}

static sb_status copy_headers(sb_http *http, const sb_http_options *options, sb_error *err)
{
    if (!options->headers || !options->headers[0])
        return SB_OK;
    if (!options->headers_origin)
        return sb_error_set(err, SB_E_INTERNAL, "extra headers without their origin", "headers_origin is NULL", NULL);
    SB_TRY(sb_url_parse(options->headers_origin, &http->headers_origin, err));
    http->headers = calloc(EXTRA_HEADERS_MAX, sizeof(char *));
    if (!http->headers)
        return sb_error_nomem(err);
    for (const char *const *h = options->headers; *h; h++) {
        const char *colon = strchr(*h, ':');
        if (!colon || colon == *h || !sb_str_is_text(sb_str_from(*h)) || http->n_headers == EXTRA_HEADERS_MAX)
            return sb_error_set(err, SB_E_USAGE, "an extra header cannot be used",
                                "header %zu is not of the form \"Name: value\", or is one of more than %d",
                                "mend `headers` of this payer", http->n_headers + 1, EXTRA_HEADERS_MAX);
        if (!copy_text(*h, &http->headers[http->n_headers]))
            return sb_error_nomem(err);
        http->n_headers++;
    }
    return SB_OK;
}

static sb_status check_proxy(const char *proxy, sb_error *err)
{
    if (!proxy)
        return SB_OK;
    static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://"};
    for (size_t i = 0; i < SB_ARRAY_LEN(schemes); i++)
        if (sb_str_starts_with(sb_str_from(proxy), sb_str_from(schemes[i])))
            return SB_OK;
    if (proxy[0] == '\0' || (!strstr(proxy, "://") && sb_str_is_text(sb_str_from(proxy))))
        return SB_OK; /* "host:port" is http; "" switches the environment's proxy off */
    return sb_error_set(err, SB_E_USAGE, "the proxy's address cannot be used", "its scheme is not known here",
                        "give http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT");
}

sb_status sb_http_new(const sb_http_options *options, sb_http **out, sb_error *err)
{
    (void)pthread_once(&curl_once, start_curl);
    if (curl_started != CURLE_OK)
        return sb_error_set(err, SB_E_INTERNAL, "libcurl cannot be used", "%s", "check the libcurl4 package",
                            curl_easy_strerror(curl_started));
    SB_TRY(check_proxy(options->proxy, err));
    SB_TRY(sb_tls_check_files(options->ca_file, options->client_cert, options->client_key, err));
    SB_AUTOPTR(sb_http) http = calloc(1, sizeof(*http));
    if (!http)
        return sb_error_nomem(err);
    (void)pthread_mutex_init(&http->lock, NULL); /* a default mutex: cannot fail on Linux */
    http->cancel = options->cancel;
    http->no_proxy = no_proxy_list();
    http->user_agent = sb_printf("smartbulk/%s", sb_version());
    if (!http->no_proxy || !http->user_agent || !copy_text(options->ca_file, &http->ca_file) ||
        !copy_text(options->client_cert, &http->client_cert) || !copy_text(options->client_key, &http->client_key) ||
        !copy_text(options->proxy, &http->proxy))
        return sb_error_nomem(err);
    SB_TRY(copy_headers(http, options, err));
    *out = http;
    http = NULL;
    return SB_OK;
}

static void slot_free(sb_http_slot *slot)
{
    curl_easy_cleanup(slot->easy); /* its connections point to slot->tls: they end first */
    free(slot);
}

void sb_http_free(sb_http *http)
{
    if (!http)
        return;
    while (http->idle) {
        sb_http_slot *slot = http->idle;
        http->idle = slot->next;
        slot_free(slot);
    }
    for (size_t i = 0; i < http->n_headers; i++)
        free(http->headers[i]);
    free(http->headers);
    sb_url_cleanup(&http->headers_origin);
    free(http->ca_file);
    free(http->client_cert);
    free(http->client_key);
    free(http->proxy);
    free(http->no_proxy);
    free(http->user_agent);
    (void)pthread_mutex_destroy(&http->lock);
    free(http);
}

bool sb_http_cancelled(const sb_http *http)
{
    return http->cancel && atomic_load(http->cancel);
}

/* Trusted CAs. libcurl caches a parsed CA file between connections, but not while a CA folder is set too: parsing a
 * hundred certificates for each connection costs more than the handshake. */
static CURLcode set_ca(const sb_http *http, CURL *easy)
{
    const char *file = http->ca_file;
    if (!file) {
        const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
        file = info->cainfo && access(info->cainfo, R_OK) == 0 ? info->cainfo : NULL;
    }
    if (!file)
        return CURLE_OK; /* libcurl's own defaults */
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    return rc != CURLE_OK ? rc : curl_easy_setopt(easy, CURLOPT_CAINFO, file);
}

static CURLcode set_client_cert(const sb_http *http, CURL *easy)
{
    if (!http->client_cert)
        return CURLE_OK;
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_SSLCERT, http->client_cert);
    return rc != CURLE_OK || !http->client_key ? rc : curl_easy_setopt(easy, CURLOPT_SSLKEY, http->client_key);
}

static CURLcode set_proxy(const sb_http *http, CURL *easy)
{
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_NOPROXY, http->no_proxy);
    if (rc == CURLE_OK && http->proxy)
        rc = curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's headers are not the answer's */
    return rc;
}

sb_status sb_http_prepare(sb_http *http, CURL *easy, sb_error *err)
{
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2}, /* or later                                            DISC-05 */
        {CURLOPT_SSL_VERIFYPEER, 1},
        {CURLOPT_SSL_VERIFYHOST, 2},
        {CURLOPT_FOLLOWLOCATION, 0},
        {CURLOPT_NETRC, CURL_NETRC_IGNORED},
        {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
        {CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S},
        {CURLOPT_TCP_KEEPALIVE, 1},
        {CURLOPT_QUICK_EXIT, 1}, /* a slow name server does not hold up an interrupted program */
        /* HTTP/2 would put parallel files on one connection with one window; HTTP/1.1 gives each its own. */
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    };
    CURLcode rc = CURLE_OK;
    for (size_t i = 0; i < SB_ARRAY_LEN(numbers) && rc == CURLE_OK; i++)
        rc = curl_easy_setopt(easy, numbers[i].option, numbers[i].value);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_USERAGENT, http->user_agent);
    if (rc == CURLE_OK)
        rc = set_ca(http, easy);
    if (rc == CURLE_OK)
        rc = set_client_cert(http, easy);
    if (rc == CURLE_OK)
        rc = set_proxy(http, easy);
    if (rc == CURLE_OK)
        return SB_OK;
    return sb_error_set(err, SB_E_INTERNAL, "libcurl cannot be set up", "%s",
                        "check the libcurl4 package (7.87 or later)", curl_easy_strerror(rc));
}

sb_status sb_http_extra_headers(sb_http *http, const sb_url *url, struct curl_slist **list, sb_error *err)
{
    if (http->n_headers == 0 || !sb_url_same_origin(url, &http->headers_origin))
        return SB_OK;
    for (size_t i = 0; i < http->n_headers; i++) {
        struct curl_slist *grown = curl_slist_append(*list, http->headers[i]);
        if (!grown)
            return sb_error_nomem(err);
        *list = grown;
    }
    return SB_OK;
}

sb_status sb_http_slot_get(sb_http *http, sb_http_slot **out, sb_error *err)
{
    (void)pthread_mutex_lock(&http->lock);
    sb_http_slot *slot = http->idle;
    if (slot) {
        http->idle = slot->next;
        http->n_idle--;
    }
    (void)pthread_mutex_unlock(&http->lock);
    if (!slot) {
        slot = calloc(1, sizeof(*slot));
        if (!slot)
            return sb_error_nomem(err);
        slot->easy = curl_easy_init();
        if (!slot->easy) {
            free(slot);
            return sb_error_nomem(err);
        }
    }
    sb_status status = sb_http_prepare(http, slot->easy, err);
    if (status != SB_OK) {
        slot_free(slot);
        return status;
    }
    sb_tls_watch(slot->easy, &slot->tls);
    slot->detail[0] = '\0';
    (void)curl_easy_setopt(slot->easy, CURLOPT_ERRORBUFFER, slot->detail);
    *out = slot;
    return SB_OK;
}

void sb_http_slot_put(sb_http *http, sb_http_slot *slot)
{
    curl_easy_reset(slot->easy); /* forgets the request, keeps connections, sessions and names */
    (void)pthread_mutex_lock(&http->lock);
    bool keep = http->n_idle < IDLE_MAX;
    if (keep) {
        slot->next = http->idle;
        http->idle = slot;
        http->n_idle++;
    }
    (void)pthread_mutex_unlock(&http->lock);
    if (!keep)
        slot_free(slot);
}

static sb_status transport_send(void *impl, const sb_http_request *request, sb_http_response *response, sb_error *err)
{
    return sb_http_send(impl, request, response, err);
}

sb_transport sb_http_transport(sb_http *http)
{
    return (sb_transport){http, transport_send};
}
