/* SPDX-License-Identifier: Apache-2.0 */
/* test_client.c - exchanges with servers of every kind: honest, slow, broken and hostile. */
#include "http_test.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <smartbulk/clock.h>

#include "base/log.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

static void an_answer_arrives_whole(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 2\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-A: 1\r\nx-a: 2\r\n\r\n{}"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    int64_t before = (int64_t)time(NULL);
    assert_int_equal(get_from(http, s, "/a?b=c", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_OK);
    assert_int_equal(r.status, 200);
    assert_string_equal(sb_buf_cstr(&r.body), "{}");
    assert_int_equal(r.date_s, 784111777);
    assert_in_range(r.received_s, before, before + 20);
    assert_string_equal(sb_http_header_get(&r.headers, "CONTENT-type"), "application/json");
    assert_string_equal(sb_http_header_get(&r.headers, "X-A"), "1"); /* the first */
    assert_null(sb_http_header_get(&r.headers, "X"));
    assert_true(has(r.url, "/a?b=c"));
    const char *request = fake_server_request(s, 0);
    assert_true(sb_str_starts_with(sb_str_from(request), SB_STR_LIT("GET /a?b=c HTTP/1.1\r\n")));
    assert_true(has(request, "\r\nAccept: application/json\r\n"));
    assert_true(has(request, "\r\nUser-Agent: smartbulk/"));
    assert_false(has(request, "Authorization"));
    assert_false(has(request, "Cookie"));
    fake_server_stop(s);
}

static void every_status_is_an_answer(void **state)
{
    (void)state;
    SERVER(s, NULL, {"HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nwhat"},
           {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 5\r\n\r\n"}, {"HTTP/1.1 204 Nothing\r\n\r\n"},
           {"HTTP/1.1 302 Away\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    static const int statuses[] = {401, 503, 204, 302};
    for (size_t i = 0; i < SB_ARRAY_LEN(statuses); i++) {
        assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, "token", &r, NULL), SB_OK);
        assert_int_equal(r.status, statuses[i]);
    }
    assert_int_equal(fake_server_requests(s), 4); /* nothing was followed, nothing repeated */
    fake_server_stop(s);
}

static void a_post_carries_its_body_and_headers(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 0\r\n\r\n"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    const sb_http_header extra[] = {{"Prefer", "respond-async"}, {"X-Empty", ""}};
    sb_http_request request = {.method = "POST",
                               .url = fake_server_url(s),
                               .content_type = "application/x-www-form-urlencoded",
                               .body = SB_STR_LIT("a=b&c=d"),
                               .headers = extra,
                               .n_headers = 2,
                               .bearer = "tok"};
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_OK);
    request.body = SB_STR_NULL; /* as REAL-01 asks: a POST without a body */
    request.content_type = NULL;
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_OK);
    const char *first = fake_server_request(s, 0), *second = fake_server_request(s, 1);
    assert_true(has(first, "POST / HTTP/1.1\r\n"));
    assert_true(has(first, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    assert_true(has(first, "\r\n\r\na=b&c=d"));
    assert_true(has(first, "\r\nPrefer: respond-async\r\n"));
    assert_true(has(first, "\r\nX-Empty:"));
    assert_true(has(first, "\r\nAuthorization: Bearer tok\r\n"));
    assert_false(has(first, "Expect"));
    assert_true(has(second, "\r\nContent-Length: 0\r\n"));
    assert_false(has(second, "Content-Type"));
    fake_server_stop(s);
}

static void a_delete_is_a_delete_and_the_next_get_is_a_get(void **state)
{
    (void)state;
    SERVER(s, NULL, {"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {.method = "DELETE", .url = fake_server_url(s), .bearer = "secret-token"};
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_OK);
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, NULL), SB_OK);
    assert_true(has(fake_server_request(s, 0), "DELETE / "));
    assert_true(has(fake_server_request(s, 1), "GET / "));
    assert_false(has(fake_server_request(s, 1), "secret-token")); /* one handle, two exchanges: nothing stays */
    fake_server_stop(s);
}

static void connections_are_kept_for_gets_and_never_reused_for_posts(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 0\r\n\r\n"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    for (int i = 0; i < 5; i++)
        assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, NULL), SB_OK);
    assert_int_equal(fake_server_connections(s), 1);
    sb_http_request request = {.method = "POST", .url = fake_server_url(s), .body = SB_STR_LIT("x")};
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_OK);
    assert_int_equal(fake_server_connections(s), 2); /* a dead idle connection would repeat it by itself    AUTH-05 */
    fake_server_stop(s);
}

static void a_post_on_a_dying_connection_is_not_repeated(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 0\r\n\r\n"}, {"", 0, FAKE_CLOSE});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, NULL), SB_OK);
    sb_http_request request = {.method = "POST", .url = fake_server_url(s), .body = SB_STR_LIT("assertion")};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_NETWORK);
    assert_true(has(err.what, "without an answer"));
    assert_int_equal(fake_server_requests(s), 2);
    fake_server_stop(s);
}

static void a_body_past_its_bound_is_refused(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 1000\r\n\r\n", 1000}, {OK_HEAD "Content-Length: 1001\r\n\r\n", 1001},
           {OK_HEAD "Connection: close\r\n\r\n", 3 * 1024 * 1024, FAKE_CLOSE});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    sb_http_request request = {.method = "GET", .url = fake_server_url(s), .max_body = 1000};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_OK);
    assert_int_equal(r.body.len, 1000);
    assert_int_equal(r.body.ptr[1000], '\0');
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_SERVER);
    assert_true(has(err.why, "1000 bytes"));
    request.max_body = 0; /* 1 MiB */
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_SERVER);
    assert_true(r.body.len <= 1024 * 1024);
    fake_server_stop(s);
}

/* An answer whose gzip body is `n` zeros, in `out`; returns its length. */
static size_t gzip_answer(size_t n, char *out, size_t size)
{
    static unsigned char zeros[64 * 1024];
    size_t head = (size_t)snprintf(out, size, OK_HEAD "Content-Encoding: gzip\r\nConnection: close\r\n\r\n");
    z_stream z = {.next_out = (Bytef *)out + head, .avail_out = (uInt)(size - head)};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    for (size_t done = 0; done < n; done += z.total_in - done) {
        z.next_in = zeros;
        z.avail_in = (uInt)SB_MIN(sizeof(zeros), n - done);
        assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = head + z.total_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return len;
}

static void a_gzip_bomb_stops_at_the_bound(void **state)
{
    (void)state;
    static char small[4096], bomb[256 * 1024];
    size_t small_len = gzip_answer(1000, small, sizeof(small));
    size_t bomb_len = gzip_answer(64 * 1024 * 1024, bomb, sizeof(bomb));
    SERVER(s, NULL, {small, 0, FAKE_CLOSE, small_len}, {bomb, 0, FAKE_CLOSE, bomb_len},
           {OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n", 100});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_OK);
    assert_int_equal(r.body.len, 1000);
    assert_true(has(fake_server_request(s, 0), "\r\nAccept-Encoding: gzip\r\n"));
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_SERVER);
    assert_true(has(err.what, "longer than it can honestly be"));
    assert_true(r.body.cap < 4 * 1024 * 1024);
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_SERVER);
    assert_true(has(err.what, "not proper HTTP")); /* it says gzip, and is not */
    fake_server_stop(s);
}

static void headers_past_their_bounds_are_refused(void **state)
{
    (void)state;
    char *many = malloc(64 * 1024);
    size_t len = (size_t)snprintf(many, 64, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 300; i++)
        len += (size_t)snprintf(many + len, 64, "X-%d: y\r\n", i);
    (void)snprintf(many + len, 64, "Content-Length: 0\r\n\r\n");
    SERVER(s, NULL, {many, 0}, {"HTTP/1.1 200 OK\r\nX-Long: ", 120 * 1024, FAKE_STALL},
           {"HTTP/1.1 200 OK\r\nX-Endless: ", 1024 * 1024, FAKE_STALL});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_SERVER);
    assert_true(has(err.what, "headers"));
    for (int i = 0; i < 2; i++) { /* libcurl calls it a lack of memory: it is the server's doing */
        assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_SERVER);
        assert_true(has(err.why, "head"));
    }
    fake_server_stop(s);
    free(many);
}

static void an_answer_that_libcurl_cannot_decode_is_the_servers_fault(void **state)
{
    (void)state;
    sb_error err;
    assert_int_equal(sb_http_curl_error(CURLE_WRITE_ERROR, "Failed writing received data to disk/application",
                                        "https://payer.example/x", &err),
                     SB_E_SERVER);
    assert_true(has(err.what, "compressed") && has(err.why, "payer.example") && !has(err.why, "disk"));
}

static void endless_interim_answers_are_bounded(void **state)
{
    (void)state;
    static const char interim[] = "HTTP/1.1 103 Early Hints\r\nX-A: 0123456789012345678901234567890123456789\r\n\r\n";
    size_t n = 2000;
    char *many = calloc(n, sizeof(interim));
    for (size_t i = 0; i < n; i++)
        memcpy(many + i * (sizeof(interim) - 1), interim, sizeof(interim) - 1);
    SERVER(s, NULL, {many, 0, FAKE_STALL});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_SERVER);
    assert_true(has(err.what, "headers"));
    fake_server_stop(s);
    free(many);
}

static void headers_cannot_reach_the_terminal(void **state)
{
    (void)state;
    SERVER(s, NULL,
           {"HTTP/1.1 103 Hints\r\nX-Early: 1\r\n\r\n" OK_HEAD
            "X-Progress: \x1b[2J done\x07\r\nX-Fold: a\r\n  b\r\n: nameless\r\nbad name: x\r\n"
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_OK);
    assert_string_equal(sb_http_header_get(&r.headers, "x-progress"), "?[2J done?");
    assert_string_equal(sb_http_header_get(&r.headers, "x-fold"), "a b");
    assert_null(sb_http_header_get(&r.headers, "x-early"));
    assert_null(sb_http_header_get(&r.headers, "x-trailer"));
    assert_null(sb_http_header_get(&r.headers, "bad name"));
    assert_null(sb_http_header_get(&r.headers, ""));
    assert_string_equal(sb_buf_cstr(&r.body), "{}"); /* chunked */
    fake_server_stop(s);
}

static void a_truncated_answer_is_an_error(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 100\r\n\r\n", 50, FAKE_CLOSE},
           {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n64\r\n", 50, FAKE_CLOSE},
           {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 0, FAKE_CLOSE},
           {"HTTP/1.1 200 OK\r\nContent-Le", 0, FAKE_CLOSE}, {"", 0, FAKE_CLOSE});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    for (int i = 0; i < 5; i++)
        assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_NETWORK);
    fake_server_stop(s);
}

static void what_is_not_http_says_so(void **state)
{
    (void)state;
    SERVER(s, NULL, {"SSH-2.0-OpenSSH_9.2\r\n", 0, FAKE_CLOSE},
           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 0, FAKE_CLOSE},
           {"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", 0, FAKE_CLOSE});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_SERVER);
    assert_true(has(err.what, "not proper HTTP"));
    assert_int_not_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_OK);
    assert_int_not_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_OK);
    fake_server_stop(s);
}

static void a_silent_server_is_a_timeout(void **state)
{
    (void)state;
    SERVER(s, NULL, {"", 0, FAKE_STALL}, {OK_HEAD "Content-Length: 100\r\n\r\n", 50, FAKE_STALL});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    sb_http_request request = {.method = "GET", .url = fake_server_url(s), .timeout_s = 1};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_NETWORK);
        assert_true(has(err.what, "in time"));
        assert_true(has(err.why, "127.0.0.1"));
    }
    fake_server_stop(s);
}

typedef struct sink {
    size_t bytes, calls;
    size_t fail_at;
} sink;

static sb_status take(void *impl, sb_str bytes, sb_error *err)
{
    sink *k = impl;
    k->bytes += bytes.len;
    k->calls++;
    if (k->fail_at && k->bytes >= k->fail_at)
        return sb_error_set(err, SB_E_IO, "disk", "full", "mend");
    return SB_OK;
}

static void a_streamed_answer_goes_past_and_only_a_200_does(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 5000000\r\n\r\n", 5000000},
           {"HTTP/1.1 404 Gone\r\nContent-Length: 4\r\n\r\ngone"}, {OK_HEAD "Content-Length: 5000000\r\n\r\n", 5000000},
           {OK_HEAD "Content-Length: 100\r\n\r\n", 50, FAKE_STALL});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    sink k = {0};
    sb_http_request request = {
        .method = "GET", .url = fake_server_url(s), .on_body = take, .on_body_impl = &k, .timeout_s = 1};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_OK);
    assert_int_equal(k.bytes, 5000000);
    assert_int_equal(r.body.len, 0);
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_OK);
    assert_int_equal(k.bytes, 5000000);
    assert_string_equal(sb_buf_cstr(&r.body), "gone");
    k = (sink){.fail_at = 1000};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_IO); /* the sink's own error comes back */
    assert_string_equal(err.what, "disk");
    assert_int_equal(k.calls, 1);
    k = (sink){0};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_NETWORK); /* a stall */
    assert_true(has(err.what, "stopped coming"));
    fake_server_stop(s);
}

/* What is known of an answer when its first bytes come. */
typedef struct early {
    const sb_http_response *response;
    int status;
    char etag[8], url[64];
} early;

static sb_status look(void *impl, sb_str bytes, sb_error *err)
{
    early *e = impl;
    (void)bytes, (void)err;
    e->status = e->response->status;
    (void)snprintf(e->etag, sizeof(e->etag), "%s", sb_http_header_get(&e->response->headers, "ETag"));
    (void)snprintf(e->url, sizeof(e->url), "%s", e->response->url);
    return SB_OK;
}

static void a_streamed_answer_is_known_by_its_head_when_its_body_comes(void **state)
{
    (void)state;
    SERVER(s, NULL, {"HTTP/1.1 307 There\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"},
           {"HTTP/1.1 202 Wait\r\nETag: \"x\"\r\nContent-Length: 2\r\n\r\n{}"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    early e = {.response = &r};
    sb_http_request request = {.method = "GET",
                               .url = fake_server_url(s),
                               .redirects = SB_HTTP_REDIRECTS_FOLLOW,
                               .on_body = look,
                               .on_body_impl = &e};
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_OK);
    assert_int_equal(e.status, 202);
    assert_string_equal(e.etag, "\"x\"");
    assert_true(has(e.url, "/b"));
    fake_server_stop(s);
}

static void it_is_known_whether_a_lost_request_had_left(void **state)
{
    (void)state;
    SERVER(s, NULL, {"", .then = FAKE_CUT});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {.method = "POST", .url = fake_server_url(s), .body = SB_STR_LIT("{}")};
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_E_NETWORK);
    assert_false(r.unsent);
    SB_AUTOFREE gone = sb_printf("%s/", fake_server_url(s));
    request.url = gone;
    fake_server_stop(s);
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_E_NETWORK); /* nobody listens any more */
    assert_true(r.unsent);
}

static void *cancel_soon(void *impl)
{
    (void)usleep(100 * 1000); /* while the other thread waits for an answer that never comes */
    atomic_store((atomic_bool *)impl, true);
    return NULL;
}

static void cancelling_ends_a_request_under_way(void **state)
{
    (void)state;
    SERVER(s, NULL, {"", 0, FAKE_STALL});
    atomic_bool cancel = false;
    sb_http_options options = {.cancel = &cancel};
    SB_AUTOPTR(sb_http) http = NULL;
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    pthread_t thread;
    assert_int_equal(sb_http_new(&options, &http, NULL), SB_OK);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    int64_t began = sb_clock_system()->monotonic_ns(NULL);
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_INTERRUPTED);
    assert_true(sb_clock_system()->monotonic_ns(NULL) - began < 5 * SB_NS_PER_S);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_INTERRUPTED);
    assert_int_equal(fake_server_requests(s), 1); /* the second was never made */
    fake_server_stop(s);
}

static void *many_gets(void *impl)
{
    void **args = impl;
    for (int i = 0; i < 4; i++) {
        SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
        if (get_from(args[0], args[1], "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, NULL) != SB_OK || r.body.len != 2)
            return impl;
    }
    return NULL;
}

static void many_threads_share_one_client(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 2\r\n\r\n{}"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    void *args[] = {http, s};
    pthread_t threads[8];
    for (size_t i = 0; i < SB_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_gets, args), 0);
    for (size_t i = 0; i < SB_ARRAY_LEN(threads); i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(fake_server_requests(s), 32);
    assert_in_range(fake_server_connections(s), 1, 8);
    fake_server_stop(s);
}

static void extra_headers_go_to_their_origin_alone(void **state)
{
    (void)state;
    SERVER(a, NULL, {OK_HEAD "Content-Length: 0\r\n\r\n"});
    SERVER(b, NULL, {OK_HEAD "Content-Length: 0\r\n\r\n"});
    const char *const headers[] = {"X-Api-Key: sesame", "X-Other: 1", NULL};
    sb_http_options options = {.headers = headers, .headers_origin = fake_server_url(a)};
    SB_AUTOPTR(sb_http) http = NULL;
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    assert_int_equal(sb_http_new(&options, &http, NULL), SB_OK);
    assert_int_equal(get_from(http, a, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, NULL), SB_OK);
    assert_int_equal(get_from(http, b, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, NULL), SB_OK);
    assert_true(has(fake_server_request(a, 0), "\r\nX-Api-Key: sesame\r\nX-Other: 1\r\n"));
    assert_false(has(fake_server_request(b, 0), "sesame"));
    fake_server_stop(a);
    fake_server_stop(b);
}

static void wrong_options_are_refused_at_once(void **state)
{
    (void)state;
    sb_http *http = NULL;
    sb_error err;
    const char *const injected[] = {"X-A: b\r\nAuthorization: Bearer x", NULL};
    const char *const no_colon[] = {"X-A", NULL};
    const sb_http_options wrong[] = {
        {.headers = injected, .headers_origin = "https://a.example"},
        {.headers = no_colon, .headers_origin = "https://a.example"},
        {.proxy = "gopher://x"},
        {.ca_file = "/no/such/file"},
        {.ca_file = "/dev/null"},
        {.client_cert = "/no/such/file"},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(wrong); i++) {
        assert_int_equal(sb_http_new(&wrong[i], &http, &err), SB_E_USAGE);
        assert_null(http);
        assert_string_not_equal(err.fix, "");
    }
}

static void no_request_leaves_in_the_clear_or_with_injected_lines(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 0\r\n\r\n"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    static const char *const urls[] = {"http://payer.example/", "http://127.0.0.1.evil.example/",
                                       "http://localhost.evil.example/", "http://10.0.0.1/"};
    for (size_t i = 0; i < SB_ARRAY_LEN(urls); i++) {
        sb_http_request request = {.method = "GET", .url = urls[i], .bearer = "t"};
        assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_USAGE); /* DISC-05 */
    }
    sb_http_request file = {.method = "GET", .url = "file:///etc/passwd"};
    assert_int_equal(sb_http_send(http, &file, &r, &err), SB_E_INVALID);
    const sb_http_header bad = {"X-A", "b\r\nX-B: c"};
    sb_http_request inject = {.method = "GET", .url = fake_server_url(s), .headers = &bad, .n_headers = 1};
    assert_int_equal(sb_http_send(http, &inject, &r, &err), SB_E_INTERNAL);
    sb_http_request token = {.method = "GET", .url = fake_server_url(s), .bearer = "a\r\nX-B: c"};
    assert_int_equal(sb_http_send(http, &token, &r, &err), SB_E_INTERNAL);
    assert_int_equal(fake_server_requests(s), 0);
    fake_server_stop(s);
}

static void nobody_listening_says_so(void **state)
{
    (void)state;
    SERVER(s, NULL, {""});
    char url[64];
    (void)snprintf(url, sizeof(url), "%s/", fake_server_url(s));
    fake_server_stop(s);
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    sb_http_request request = {.method = "GET", .url = url};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_NETWORK);
    assert_true(has(err.why, "Connection refused"));
    assert_true(has(err.fix, "nothing listens"));
    request.url = "https://no-such-host.invalid/";
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_NETWORK);
    assert_true(has(err.why, "no-such-host.invalid:443: name lookup"));
}

static char last_log[16 * 1024];

static void keep_log(void *impl, sb_log_level level, const char *line)
{
    (void)impl, (void)level;
    size_t len = strlen(last_log);
    (void)snprintf(last_log + len, sizeof(last_log) - len, "%s\n", line);
}

static void the_log_tells_what_happened_and_no_secret(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 21\r\n\r\n{\"access_token\":\"abc\"}"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_log_set(SB_LOG_DEBUG, keep_log, NULL);
    assert_int_equal(get_from(http, s, "/x?sig=hush", SB_HTTP_REDIRECTS_NEVER, "tok-hush", &r, NULL), SB_OK);
    sb_log_set(SB_LOG_WARN, NULL, NULL);
    assert_true(has(last_log, "GET http://127.0.0.1"));
    assert_true(has(last_log, ": 200 in "));
    assert_true(has(last_log, "21 bytes"));
    assert_false(has(last_log, "hush"));
    assert_false(has(last_log, "abc"));
    fake_server_stop(s);
}

static void loopback_is_never_sent_to_a_proxy(void **state)
{
    (void)state;
    SERVER(s, NULL, {OK_HEAD "Content-Length: 0\r\n\r\n"});
    SERVER(proxy, NULL, {"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 0, FAKE_CLOSE});
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    SB_AUTOPTR(sb_http) http = NULL;
    sb_error err;
    sb_http_options options = {.proxy = fake_server_url(proxy)};
    assert_int_equal(sb_http_new(&options, &http, NULL), SB_OK);
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, NULL), SB_OK);
    assert_int_equal(fake_server_connections(proxy), 0);
    sb_http_request request = {.method = "GET", .url = "https://payer.example/", .bearer = "tok-hush"};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_NETWORK);
    assert_true(has(err.what, "proxy"));
    assert_true(has(err.fix, "user name and password"));
    assert_true(has(fake_server_request(proxy, 0), "CONNECT payer.example:443"));
    assert_false(has(fake_server_request(proxy, 0), "tok-hush"));
    fake_server_stop(s);
    fake_server_stop(proxy);
}

static void the_environments_proxy_and_its_exceptions_hold(void **state)
{
    (void)state;
    SERVER(proxy, NULL, {"HTTP/1.1 502 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 0, FAKE_CLOSE});
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {.method = "GET", .url = "https://payer.invalid/"};
    assert_int_equal(setenv("https_proxy", fake_server_url(proxy), 1), 0);
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_E_NETWORK);
    assert_int_equal(fake_server_requests(proxy), 1);
    assert_int_equal(setenv("NO_PROXY", "other.example,.invalid", 1), 0);
    SB_AUTOPTR(sb_http) direct = new_http(NULL);
    assert_int_equal(sb_http_send(direct, &request, &r, NULL), SB_E_NETWORK);
    assert_int_equal(fake_server_requests(proxy), 1); /* not asked again */
    assert_int_equal(unsetenv("NO_PROXY"), 0);
    assert_int_equal(unsetenv("https_proxy"), 0);
    fake_server_stop(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_arrives_whole),
        cmocka_unit_test(every_status_is_an_answer),
        cmocka_unit_test(a_post_carries_its_body_and_headers),
        cmocka_unit_test(a_delete_is_a_delete_and_the_next_get_is_a_get),
        cmocka_unit_test(connections_are_kept_for_gets_and_never_reused_for_posts),
        cmocka_unit_test(a_post_on_a_dying_connection_is_not_repeated),
        cmocka_unit_test(a_body_past_its_bound_is_refused),
        cmocka_unit_test(a_gzip_bomb_stops_at_the_bound),
        cmocka_unit_test(headers_past_their_bounds_are_refused),
        cmocka_unit_test(an_answer_that_libcurl_cannot_decode_is_the_servers_fault),
        cmocka_unit_test(endless_interim_answers_are_bounded),
        cmocka_unit_test(headers_cannot_reach_the_terminal),
        cmocka_unit_test(a_truncated_answer_is_an_error),
        cmocka_unit_test(what_is_not_http_says_so),
        cmocka_unit_test(a_silent_server_is_a_timeout),
        cmocka_unit_test(a_streamed_answer_goes_past_and_only_a_200_does),
        cmocka_unit_test(a_streamed_answer_is_known_by_its_head_when_its_body_comes),
        cmocka_unit_test(it_is_known_whether_a_lost_request_had_left),
        cmocka_unit_test(cancelling_ends_a_request_under_way),
        cmocka_unit_test(many_threads_share_one_client),
        cmocka_unit_test(extra_headers_go_to_their_origin_alone),
        cmocka_unit_test(wrong_options_are_refused_at_once),
        cmocka_unit_test(no_request_leaves_in_the_clear_or_with_injected_lines),
        cmocka_unit_test(nobody_listening_says_so),
        cmocka_unit_test(the_log_tells_what_happened_and_no_secret),
        cmocka_unit_test(loopback_is_never_sent_to_a_proxy),
        cmocka_unit_test(the_environments_proxy_and_its_exceptions_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
