/* SPDX-License-Identifier: Apache-2.0 */
/* test_server.c - the server as clients meet it, polite and otherwise, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/file.h"
#include "http/server.h"

#define BODY_MAX 1000

typedef struct fixture {
    sb_server *server;
    atomic_uint answered, released, responded;
    unsigned last_status;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool entered, go; /* /wait: respond() was entered; it may go on */
} fixture;

/* The handler: /echo gives the body back, /file a file, /refuse is refused at its head, /wait waits. */

static bool on_begin(void *impl, sb_server_request *request, size_t *body_max, sb_answer *answer)
{
    (void)impl;
    *body_max = BODY_MAX;
    if (!sb_target_at(&request->target, 0, "refuse"))
        return true;
    answer->status = 401;
    return false;
}

static void give_file(sb_answer *answer)
{
    char path[] = "/tmp/sb-test-XXXXXX";
    answer->fd = mkstemp(path);
    assert_true(answer->fd >= 0);
    (void)unlink(path);
    assert_int_equal(write(answer->fd, "0123456789", 10), 10);
    answer->status = 200;
    answer->size = 10;
    answer->content_type = "text/plain";
    (void)snprintf(answer->etag, sizeof(answer->etag), "\"v1\"");
}

#define BIG ((size_t)32 * 1024 * 1024) /* more than sockets hold */

static void give_big_file(sb_answer *answer)
{
    give_file(answer);
    assert_int_equal(ftruncate(answer->fd, BIG), 0);
    answer->size = BIG;
}

static void wait_for_go(fixture *f)
{
    (void)pthread_mutex_lock(&f->lock);
    f->entered = true;
    (void)pthread_cond_broadcast(&f->wake);
    while (!f->go)
        (void)pthread_cond_wait(&f->wake, &f->lock);
    (void)pthread_mutex_unlock(&f->lock);
}

static void on_respond(void *impl, sb_server_request *request, sb_answer *answer)
{
    fixture *f = impl;
    atomic_fetch_add(&f->responded, 1);
    if (sb_target_at(&request->target, 0, "file")) {
        give_file(answer);
        return;
    }
    if (sb_target_at(&request->target, 0, "big")) {
        give_big_file(answer);
        return;
    }
    if (sb_target_at(&request->target, 0, "wait"))
        wait_for_go(f);
    answer->status = 200;
    answer->content_type = "text/plain";
    sb_answer_header(answer, "X-Peer", "%s", request->peer);
    if (sb_target_at(&request->target, 0, "broken"))
        sb_answer_header(answer, "X-Split", "a\r\nSet-Cookie: b");
    assert_true(
        sb_buf_printf(&answer->body, "%s %s q=%zu ", request->method, request->target.path, request->target.query.len));
    assert_true(sb_buf_add_str(&answer->body, request->body));
}

static void on_refuse(void *impl, sb_server_request *request, const char *why, sb_answer *answer)
{
    (void)impl, (void)request;
    assert_true(sb_buf_add_cstr(&answer->body, why));
}

static void on_answered(void *impl, const sb_server_request *request, unsigned status, uint64_t bytes, int64_t took_ns)
{
    fixture *f = impl;
    (void)request, (void)bytes, (void)took_ns;
    (void)pthread_mutex_lock(&f->lock);
    f->last_status = status;
    (void)pthread_mutex_unlock(&f->lock);
    atomic_fetch_add(&f->answered, 1);
}

static void on_release(void *impl, sb_server_request *request)
{
    (void)request;
    atomic_fetch_add(&((fixture *)impl)->released, 1);
}

static fixture *start_by(sb_server_options options)
{
    fixture *f = calloc(1, sizeof(*f));
    sb_error err = SB_ERROR_INIT;
    sb_server_handler handler = {f, on_begin, on_respond, on_refuse, on_answered, on_release};
    assert_non_null(f);
    assert_int_equal(pthread_mutex_init(&f->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&f->wake, NULL), 0);
    assert_int_equal(sb_server_new(&options, &f->server, &err), SB_OK);
    if (sb_server_start(f->server, &handler, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return f;
}

static fixture *start_at(unsigned receive_ms, uint64_t file_rate)
{
    return start_by(
        (sb_server_options){.threads = 2, .receive_ms = receive_ms, .drain_ms = 10000, .file_rate = file_rate});
}

static fixture *start(unsigned receive_ms)
{
    return start_at(receive_ms, 0);
}

static int set_up(void **state)
{
    *state = start(0);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sb_server_free(f->server);
    assert_int_equal(atomic_load(&f->released) >= atomic_load(&f->answered), 1);
    (void)pthread_cond_destroy(&f->wake);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

/* A client that says exactly what it is told to */

static int dial_from(const fixture *f, in_addr_t from)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)sb_server_port(f->server))};
    struct timeval limit = {20, 0};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static int dial(const fixture *f)
{
    return dial_from(f, INADDR_LOOPBACK);
}

static void say(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has hung up: what it said is read next */
        bytes += n;
        len -= (size_t)n;
    }
}

/* All until the server closes (or has sent `enough`, if that is not NULL). */
static char *hear(int fd, const char *enough)
{
    SB_AUTO(sb_buf) heard = SB_BUF_INIT;
    char chunk[4096];
    for (;;) {
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
        if (n <= 0)
            break;
        assert_true(sb_buf_add(&heard, chunk, (size_t)n));
        if (enough && strstr(sb_buf_cstr(&heard), enough))
            break;
    }
    return sb_buf_steal(&heard);
}

static size_t count_rest(int fd)
{
    char chunk[65536];
    size_t count = 0;
    for (ssize_t n; (n = recv(fd, chunk, sizeof(chunk), 0)) > 0;)
        count += (size_t)n;
    return count;
}

static char *ask(const fixture *f, const char *request)
{
    SB_AUTOFD fd = dial(f);
    say(fd, request, strlen(request));
    return hear(fd, NULL);
}

#define HEAD_END "Host: h\r\nConnection: close\r\n\r\n"

static void expect_in(const fixture *f, const char *request, const char *part)
{
    SB_AUTOFREE answer = ask(f, request);
    if (!strstr(answer, part))
        fail_msg("'%s' is not in the answer to '%.60s': '%s'", part, request, answer);
}

/* Polite */

static void a_request_comes_whole(void **state)
{
    expect_in(*state, "GET /echo?a=1&b=2 HTTP/1.1\r\n" HEAD_END, "GET /echo q=2 ");
    expect_in(*state, "GET /echo HTTP/1.1\r\n" HEAD_END, "X-Peer: 127.0.0.1");
    expect_in(*state, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HEAD_END "hello", "POST /echo q=0 hello");
    expect_in(*state,
              "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD_END "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
              "POST /echo q=0 hello");
    expect_in(*state, "DELETE /echo HTTP/1.1\r\n" HEAD_END, "DELETE /echo");
}

static void a_connection_serves_many_requests(void **state)
{
    fixture *f = *state;
    SB_AUTOFD fd = dial(f);
    for (int i = 0; i < 3; i++) {
        static const char request[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
        say(fd, request, strlen(request));
        SB_AUTOFREE answer = hear(fd, "q=0 abc");
        assert_non_null(strstr(answer, "200 OK"));
    }
    assert_int_equal(atomic_load(&f->answered), 3);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    SB_AUTOFREE answer = ask(*state, "GET /echo/1 HTTP/1.1\r\nHost: h\r\n\r\nGET /echo/2 HTTP/1.1\r\n" HEAD_END);
    const char *first = strstr(answer, "GET /echo/1"), *second = strstr(answer, "GET /echo/2");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
}

static void a_file_goes_out_whole_or_by_range(void **state)
{
    expect_in(*state, "GET /file HTTP/1.1\r\n" HEAD_END, "\r\n\r\n0123456789");
    expect_in(*state, "GET /file HTTP/1.1\r\n" HEAD_END, "ETag: \"v1\"");
    expect_in(*state, "GET /file HTTP/1.1\r\n" HEAD_END, "Accept-Ranges: bytes");
    expect_in(*state, "GET /file HTTP/1.1\r\nRange: bytes=2-4\r\n" HEAD_END, "206 Partial");
    expect_in(*state, "GET /file HTTP/1.1\r\nRange: bytes=2-4\r\n" HEAD_END, "Content-Range: bytes 2-4/10");
    expect_in(*state, "GET /file HTTP/1.1\r\nRange: bytes=2-4\r\n" HEAD_END, "\r\n\r\n234");
    expect_in(*state, "GET /file HTTP/1.1\r\nRange: bytes=7-\r\nIf-Range: \"v1\"\r\n" HEAD_END, "\r\n\r\n789");
    expect_in(*state, "GET /file HTTP/1.1\r\nRange: bytes=7-\r\nIf-Range: \"v0\"\r\n" HEAD_END, "\r\n\r\n0123456789");
    expect_in(*state, "GET /file HTTP/1.1\r\nRange: bytes=10-\r\n" HEAD_END, "416 ");
    expect_in(*state, "GET /file HTTP/1.1\r\nRange: bytes=10-\r\n" HEAD_END, "Content-Range: bytes */10");
    expect_in(*state, "GET /file HTTP/1.1\r\nIf-None-Match: \"v1\"\r\n" HEAD_END, "304 ");
}

static void a_head_says_what_a_get_would(void **state)
{
    SB_AUTOFREE answer = ask(*state, "HEAD /file HTTP/1.1\r\n" HEAD_END);
    assert_non_null(strstr(answer, "200 OK"));
    assert_non_null(strstr(answer, "Content-Length: 10"));
    assert_null(strstr(answer, "0123456789"));
}

static void an_answer_at_the_head_comes_before_any_body(void **state)
{
    fixture *f = *state;
    expect_in(f, "GET /refuse HTTP/1.1\r\n" HEAD_END, "401 Unauthorized");
    expect_in(f, "POST /refuse HTTP/1.1\r\nContent-Length: 5\r\n" HEAD_END "hello", "401 Unauthorized");
    expect_in(f, "POST /refuse HTTP/1.1\r\nContent-Length: 99999999\r\n" HEAD_END, "401 Unauthorized");
    expect_in(f, "POST /refuse HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" HEAD_END, "401 Unauthorized");
    assert_int_equal(atomic_load(&f->responded), 0);
}

/* Impolite */

static void a_body_that_is_too_long_is_413(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) chunked = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&chunked, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD_END));
    for (int i = 0; i < 300; i++)
        assert_true(sb_buf_add_cstr(&chunked, "4\r\naaaa\r\n"));
    assert_true(sb_buf_add_cstr(&chunked, "0\r\n\r\n"));
    SB_AUTO(sb_buf) short_of_it = SB_BUF_INIT; /* short enough to be read and dropped */
    assert_true(sb_buf_add_cstr(&short_of_it, "POST /echo HTTP/1.1\r\nContent-Length: 1001\r\n" HEAD_END));
    for (int i = 0; i < 1001; i++)
        assert_true(sb_buf_add_char(&short_of_it, 'a'));
    expect_in(f, sb_buf_cstr(&short_of_it), "413 ");
    expect_in(f, "POST /echo HTTP/1.1\r\nContent-Length: 99999999999\r\n" HEAD_END, "413 ");
    expect_in(f, sb_buf_cstr(&chunked), "413 ");
    assert_int_equal(atomic_load(&f->responded), 0);
}

static void a_body_without_end_is_cut_off(void **state)
{
    fixture *f = *state;
    SB_AUTOFD fd = dial(f);
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char chunk[] = "8\r\naaaaaaaa\r\n";
    say(fd, head, strlen(head));
    size_t sent = 0;
    while (sent < 64 * 1024 * 1024 && send(fd, chunk, strlen(chunk), MSG_NOSIGNAL) > 0)
        sent += strlen(chunk);
    assert_true(sent < 64 * 1024 * 1024);
    assert_int_equal(atomic_load(&f->responded), 0);
}

static void framing_that_says_two_things_is_400(void **state)
{
    fixture *f = *state;
    expect_in(f, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" HEAD_END "0\r\n\r\n",
              "400 ");
    expect_in(f, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n" HEAD_END "hello", "400 ");
    expect_in(f, "POST /echo HTTP/1.1\r\nContent-Length: abc\r\n" HEAD_END, "400 ");
    expect_in(f, "POST /echo HTTP/1.1\r\nContent-Length: -5\r\n" HEAD_END, "400 ");
    expect_in(f, "POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n" HEAD_END "0\r\n\r\n", "400 ");
    assert_int_equal(atomic_load(&f->responded), 0);
}

static void a_malformed_target_is_400(void **state)
{
    fixture *f = *state;
    expect_in(f, "GET /a/../b HTTP/1.1\r\n" HEAD_END, "400 ");
    expect_in(f, "GET /a%2fb HTTP/1.1\r\n" HEAD_END, "400 ");
    expect_in(f, "GET /a%00 HTTP/1.1\r\n" HEAD_END, "400 ");
    expect_in(f, "GET /a?b=%zz HTTP/1.1\r\n" HEAD_END, "400 ");
    assert_int_equal(atomic_load(&f->responded), 0);
}

static void what_is_not_http_reaches_nobody(void **state)
{
    fixture *f = start(50); /* some of it may go on for all the server knows: it ends when its time is over */
    static const char *const garbage[] = {"\r\n\r\n\r\n\r\n", "\x16\x03\x01\x02\x01\x01", "GET\r\n\r\n",
                                          "GET / HTTP/9.9\r\n\r\n", "GET /echo HTTP/1.1\r\n\r\n" /* no Host */};
    for (size_t i = 0; i < SB_ARRAY_LEN(garbage); i++) {
        SB_AUTOFD fd = dial(f);
        say(fd, garbage[i], strlen(garbage[i]));
        (void)shutdown(fd, SHUT_WR);
        SB_AUTOFREE answer = hear(fd, NULL);
        if (strstr(answer, "200 OK"))
            fail_msg("garbage %zu was answered: %s", i, answer);
    }
    assert_int_equal(atomic_load(&f->responded), 0);
    void *own = f;
    (void)tear_down(&own);
    (void)state;
}

static void a_giant_head_is_refused(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) request = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&request, "GET /echo HTTP/1.1\r\nX-Big: "));
    for (int i = 0; i < 100000; i++)
        assert_true(sb_buf_add_char(&request, 'a'));
    assert_true(sb_buf_add_cstr(&request, "\r\n" HEAD_END));
    SB_AUTOFREE answer = ask(f, sb_buf_cstr(&request));
    assert_null(strstr(answer, "200 OK"));
    assert_int_equal(atomic_load(&f->responded), 0);
}

static void too_many_headers_are_431(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) request = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&request, "GET /echo HTTP/1.1\r\n"));
    for (int i = 0; i < 150; i++)
        assert_true(sb_buf_add_cstr(&request, "A: b\r\n"));
    assert_true(sb_buf_add_cstr(&request, HEAD_END));
    expect_in(f, sb_buf_cstr(&request), "431 ");
    assert_int_equal(atomic_load(&f->responded), 0);
}

/* More than libmicrohttpd's own list of fields has room for, and more than a target may have. */
static void many_query_fields_are_ours_to_judge(void **state)
{
    static const struct {
        unsigned fields;
        const char *answer;
    } cases[] = {{300, "GET /echo q=300 "}, {1000, "GET /echo q=1000 "}, {1001, "400 "}, {5000, "400 "}};
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTO(sb_buf) request = SB_BUF_INIT;
        assert_true(sb_buf_add_cstr(&request, "GET /echo?a"));
        for (unsigned n = 1; n < cases[i].fields; n++)
            assert_true(sb_buf_add_cstr(&request, "&a"));
        assert_true(sb_buf_add_cstr(&request, " HTTP/1.1\r\n" HEAD_END));
        expect_in(*state, sb_buf_cstr(&request), cases[i].answer);
    }
}

static void a_header_cannot_be_split_by_its_value(void **state)
{
    SB_AUTOFREE answer = ask(*state, "GET /broken HTTP/1.1\r\n" HEAD_END);
    assert_non_null(strstr(answer, "500 "));
    assert_null(strstr(answer, "Set-Cookie"));
}

/* Slow */

static void who_says_nothing_is_closed(void **state)
{
    fixture *f = start(50);
    SB_AUTOFD fd = dial(f);
    SB_AUTOFREE answer = hear(fd, NULL);
    assert_string_equal(answer, "");
    void *own = f;
    (void)tear_down(&own);
    (void)state;
}

/* Each byte comes well within any idle time: it is the whole that takes too long. */
static void who_trickles_is_closed(void **state)
{
    fixture *f = start(50);
    SB_AUTOFD fd = dial(f);
    struct pollfd heard = {fd, POLLIN, 0};
    unsigned sent = 0;
    say(fd, "GET /echo?", 10);
    for (; sent < 100000 && poll(&heard, 1, 1) == 0; sent++)
        say(fd, "a", 1);
    char byte;
    assert_true(sent < 100000);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    assert_int_equal(atomic_load(&f->responded), 0);
    void *own = f;
    (void)tear_down(&own);
    (void)state;
}

static void who_is_between_requests_for_too_long_is_closed(void **state)
{
    fixture *f = start(50);
    SB_AUTOFD fd = dial(f);
    say(fd, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 31);
    SB_AUTOFREE answer = hear(fd, NULL); /* until it is closed */
    assert_non_null(strstr(answer, "200 OK"));
    void *own = f;
    (void)tear_down(&own);
    (void)state;
}

static void a_file_that_is_sent_slowly_is_the_same_file(void **state)
{
    fixture *f = start_at(0, 100);
    expect_in(f, "GET /file HTTP/1.1\r\n" HEAD_END, "\r\n\r\n0123456789");
    expect_in(f, "GET /file HTTP/1.1\r\nRange: bytes=2-4\r\n" HEAD_END, "\r\n\r\n234");
    expect_in(f, "GET /file HTTP/1.1\r\n" HEAD_END, "Content-Length: 10");
    expect_in(f, "GET /echo HTTP/1.1\r\n" HEAD_END, "GET /echo");
    void *own = f;
    (void)tear_down(&own);
    (void)state;
}

/* Many */

#define KEPT_OPEN "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"

/* It stays open. */
static bool is_served(int fd)
{
    say(fd, KEPT_OPEN, strlen(KEPT_OPEN));
    SB_AUTOFREE answer = hear(fd, "GET /echo");
    return strstr(answer, "200 OK") != NULL;
}

static void an_address_that_has_its_connections_gets_no_more_and_others_do(void **state)
{
    fixture *f = start_by((sb_server_options){.threads = 2, .per_address = 2});
    SB_AUTOFD first = dial(f);
    SB_AUTOFD second = dial(f);
    SB_AUTOFD third = -1;
    (void)state;
    assert_true(is_served(first) && is_served(second));
    third = dial(f);
    assert_false(is_served(third));
    SB_AUTOFD other = dial_from(f, INADDR_LOOPBACK + 1);
    assert_true(is_served(other));
    sb_fd_cleanup(&first);
    bool served = false; /* once the server has seen that it is closed */
    for (unsigned i = 0; !served && i < 100000; i++) {
        SB_AUTOFD next = dial(f);
        served = is_served(next);
    }
    assert_true(served);
    void *own = f;
    (void)tear_down(&own);
}

static void a_trusted_proxy_has_as_many_as_it_needs(void **state)
{
    char address[] = "127.0.0.1", *addresses[] = {address};
    SB_AUTOPTR(sb_proxies) proxies = NULL;
    int fds[5];
    (void)state;
    assert_int_equal(sb_proxies_new(addresses, 1, &proxies, NULL), SB_OK);
    fixture *f = start_by((sb_server_options){.threads = 2, .per_address = 2, .proxies = proxies});
    for (size_t i = 0; i < SB_ARRAY_LEN(fds); i++) {
        fds[i] = dial(f);
        assert_true(is_served(fds[i]));
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
    void *own = f;
    (void)tear_down(&own);
}

/* The end */

static void *end_server(void *impl)
{
    sb_server_free(((fixture *)impl)->server);
    return NULL;
}

static void the_end_waits_for_who_is_being_answered(void **state)
{
    fixture *f = *state;
    SB_AUTOFD fd = dial(f);
    pthread_t ender;
    static const char request[] = "GET /wait HTTP/1.1\r\n" HEAD_END;
    say(fd, request, strlen(request));
    (void)pthread_mutex_lock(&f->lock);
    while (!f->entered)
        (void)pthread_cond_wait(&f->wake, &f->lock);
    (void)pthread_mutex_unlock(&f->lock);
    assert_int_equal(pthread_create(&ender, NULL, end_server, f), 0);
    (void)pthread_mutex_lock(&f->lock);
    f->go = true;
    (void)pthread_cond_broadcast(&f->wake);
    (void)pthread_mutex_unlock(&f->lock);
    SB_AUTOFREE answer = hear(fd, NULL);
    assert_int_equal(pthread_join(ender, NULL), 0);
    f->server = NULL;
    assert_non_null(strstr(answer, "GET /wait"));
}

static void the_end_waits_for_a_file_that_is_on_its_way(void **state)
{
    fixture *f = *state;
    SB_AUTOFD fd = dial(f);
    pthread_t ender;
    static const char request[] = "GET /big HTTP/1.1\r\n" HEAD_END;
    say(fd, request, strlen(request));
    SB_AUTOFREE begun = hear(fd, "0123456789");
    assert_int_equal(pthread_create(&ender, NULL, end_server, f), 0);
    bool served = true;
    for (int i = 0; i < 10000 && served; i++) { /* once the end has begun, nobody else is */
        SB_AUTOFREE answer = ask(f, "GET /echo HTTP/1.1\r\n" HEAD_END);
        served = answer[0] != '\0';
    }
    assert_false(served);
    assert_true(count_rest(fd) > BIG - 8192);
    assert_int_equal(pthread_join(ender, NULL), 0);
    f->server = NULL;
}

static void a_port_that_is_taken_is_named(void **state)
{
    fixture *f = *state;
    sb_error err = SB_ERROR_INIT;
    sb_server *second = NULL;
    sb_server_options options = {.port = sb_server_port(f->server)};
    assert_int_equal(sb_server_new(&options, &second, &err), SB_E_USAGE);
    assert_non_null(strstr(err.why, "in use"));
    options = (sb_server_options){.address = "not-an-address"};
    assert_int_equal(sb_server_new(&options, &second, &err), SB_E_USAGE);
    assert_null(second);
}

static void a_key_that_is_none_is_refused_at_the_start(void **state)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_server) server = NULL;
    sb_server_options options = {.cert = "no certificate", .key = "no key"};
    sb_server_handler handler = {*state, on_begin, on_respond, on_refuse, on_answered, on_release};
    assert_int_equal(sb_server_new(&options, &server, &err), SB_OK);
    assert_int_equal(sb_server_start(server, &handler, &err), SB_E_USAGE);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_request_comes_whole),
        SERVED(a_connection_serves_many_requests),
        SERVED(pipelined_requests_are_answered_in_order),
        SERVED(a_file_goes_out_whole_or_by_range),
        SERVED(a_head_says_what_a_get_would),
        SERVED(an_answer_at_the_head_comes_before_any_body),
        SERVED(a_body_that_is_too_long_is_413),
        SERVED(a_body_without_end_is_cut_off),
        SERVED(framing_that_says_two_things_is_400),
        SERVED(a_malformed_target_is_400),
        cmocka_unit_test(what_is_not_http_reaches_nobody),
        SERVED(a_giant_head_is_refused),
        SERVED(too_many_headers_are_431),
        SERVED(many_query_fields_are_ours_to_judge),
        SERVED(a_header_cannot_be_split_by_its_value),
        cmocka_unit_test(who_says_nothing_is_closed),
        cmocka_unit_test(who_trickles_is_closed),
        cmocka_unit_test(who_is_between_requests_for_too_long_is_closed),
        cmocka_unit_test(a_file_that_is_sent_slowly_is_the_same_file),
        cmocka_unit_test(an_address_that_has_its_connections_gets_no_more_and_others_do),
        cmocka_unit_test(a_trusted_proxy_has_as_many_as_it_needs),
        SERVED(the_end_waits_for_who_is_being_answered),
        SERVED(the_end_waits_for_a_file_that_is_on_its_way),
        SERVED(a_port_that_is_taken_is_named),
        SERVED(a_key_that_is_none_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
