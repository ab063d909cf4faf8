/* SPDX-License-Identifier: Apache-2.0 */
/* token_load.c - load for a token endpoint: assertions signed beforehand, sent over kept connections, each once.
 *
 *   bench-token-load --port P --token-url URL --client ID --key FILE --requests N [--connections C] [--rate R]
 *
 * Without a rate, each connection sends its next request when the answer to its last is there (closed loop): what can be
 * had at most. With one, requests are due R a second whatever the answers do (open loop), and a latency begins when its
 * request was due: a server that stalls cannot hide it. Prints one JSON object; cpu_us is what a request
 * cost the load itself, signing left out. HTTP/1.1 to 127.0.0.1, without TLS. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <smartbulk/key.h>

#include "base/buf.h"
#include "smart/assertion.h"

#define SIGNERS     2
#define LIFETIME_S  240
#define ANSWER_MAX  8192
#define CONNECT_MAX 4096

typedef struct options {
    unsigned port;
    const char *token_url, *client, *key;
    size_t requests, connections;
    double rate;
} options;

typedef struct connection {
    int fd;
    size_t request; /* of `requests`; SIZE_MAX: none under way */
    size_t sent, got;
    int64_t began_ns;
    char answer[ANSWER_MAX];
} connection;

typedef struct load {
    options o;
    sb_key *key;
    sb_buf *texts; /* whole requests */
    int64_t *latencies_ns;
    size_t next, answered, ok;
    int64_t start_ns, start_cpu_ns;
    int epoll;
    connection *connections;
} load;

static int64_t read_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * SB_NS_PER_S + now.tv_nsec;
}

static int64_t now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

/* Signing */

typedef struct signer {
    pthread_t thread;
    load *l;
    size_t first;
} signer;

static void sign_one(load *l, sb_buf *out)
{
    SB_AUTO(sb_buf) body = SB_BUF_INIT;
    sb_secret *assertion = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_assertion_claims claims = {
        .client_id = l->o.client, .audience = l->o.token_url, .now_s = (int64_t)time(NULL), .lifetime_s = LIFETIME_S};
    if (sb_assertion_make(l->key, &claims, &assertion, &err) != SB_OK)
        give_up("an assertion could not be made: %s", err.why);
    bool ok = sb_buf_printf(&body,
                            "grant_type=client_credentials&client_assertion_type="
                            "urn%%3Aietf%%3Aparams%%3Aoauth%%3Aclient-assertion-type%%3Ajwt-bearer"
                            "&scope=system%%2F*.rs&client_assertion=%.*s",
                            (int)sb_secret_str(assertion).len, sb_secret_str(assertion).ptr) &&
              sb_buf_printf(out,
                            "POST /token HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: application/json\r\n"
                            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
                            l->o.port, body.len, sb_buf_cstr(&body));
    sb_secret_free(assertion);
    if (!ok)
        give_up("out of memory");
}

static void *sign_some(void *impl)
{
    signer *s = impl;
    for (size_t i = s->first; i < s->l->o.requests; i += SIGNERS)
        sign_one(s->l, &s->l->texts[i]);
    return NULL;
}

static void sign_all(load *l)
{
    signer signers[SIGNERS];
    for (size_t i = 0; i < SIGNERS; i++) {
        signers[i] = (signer){.l = l, .first = i};
        if (pthread_create(&signers[i].thread, NULL, sign_some, &signers[i]) != 0)
            give_up("no thread");
    }
    for (size_t i = 0; i < SIGNERS; i++)
        (void)pthread_join(signers[i].thread, NULL);
}

/* Sending */

static void open_connection(load *l, connection *c)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)l->o.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->request = SIZE_MAX;
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        give_up("cannot connect: %s", strerror(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        give_up("a connection could not be set up: %s", strerror(errno));
}

/* A request is smaller than a socket's buffer, which is empty: so one write takes it. */
static void send_next(load *l, connection *c)
{
    const sb_buf *text = &l->texts[l->next];
    c->request = l->next++;
    c->got = 0;
    c->began_ns = l->o.rate > 0 ? l->start_ns + (int64_t)((double)c->request / l->o.rate * 1e9) : now_ns();
    if (send(c->fd, text->ptr, text->len, MSG_NOSIGNAL) != (ssize_t)text->len)
        give_up("a request could not be sent whole");
}

/* Length of the answer that begins in `c`; 0: not all of its head is there. */
static size_t answer_length(const connection *c)
{
    const char *end = memmem(c->answer, c->got, "\r\n\r\n", 4);
    const char *length = end ? memmem(c->answer, (size_t)(end - c->answer), "Content-Length: ", 16) : NULL;
    if (!end)
        return 0;
    if (!length)
        give_up("an answer has no length");
    return (size_t)(end - c->answer) + 4 + strtoul(length + 16, NULL, 10);
}

static void take_answer(load *l, connection *c)
{
    l->latencies_ns[l->answered++] = now_ns() - c->began_ns;
    l->ok += c->got > 12 && memcmp(c->answer + 9, "200", 3) == 0;
    c->request = SIZE_MAX;
}

/* True: the answer is whole. */
static bool receive_some(load *l, connection *c)
{
    ssize_t n = recv(c->fd, c->answer + c->got, sizeof(c->answer) - c->got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0)
        give_up("the server closed a connection");
    c->got += (size_t)n;
    size_t length = answer_length(c);
    if (length > sizeof(c->answer))
        give_up("an answer is too long");
    if (length == 0 || c->got < length)
        return false;
    take_answer(l, c);
    return true;
}

/* How many requests may have been sent by now. */
static size_t due(const load *l)
{
    if (l->o.rate <= 0)
        return l->o.requests;
    double due_now = (double)(now_ns() - l->start_ns) / 1e9 * l->o.rate + 1;
    return SB_MIN((size_t)due_now, l->o.requests);
}

static void send_what_is_due(load *l)
{
    size_t until = due(l);
    for (size_t i = 0; i < l->o.connections && l->next < until; i++) {
        if (l->connections[i].request == SIZE_MAX)
            send_next(l, &l->connections[i]);
    }
}

static void run(load *l)
{
    struct epoll_event events[256];
    l->start_ns = now_ns();
    l->start_cpu_ns = read_ns(CLOCK_PROCESS_CPUTIME_ID);
    while (l->answered < l->o.requests) {
        send_what_is_due(l);
        int n = epoll_wait(l->epoll, events, SB_ARRAY_LEN(events), l->o.rate > 0 ? 1 : -1);
        for (int i = 0; i < n; i++) {
            connection *c = events[i].data.ptr;
            if (receive_some(l, c) && l->next < due(l))
                send_next(l, c);
        }
    }
}

/* Figures */

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void print(load *l)
{
    double took_s = (double)(now_ns() - l->start_ns) / 1e9;
    double cpu_us = (double)(read_ns(CLOCK_PROCESS_CPUTIME_ID) - l->start_cpu_ns) / 1e3;
    qsort(l->latencies_ns, l->answered, sizeof(int64_t), compare);
    (void)printf(
        "{\"requests\": %zu, \"ok\": %zu, \"per_s\": %.1f, \"cpu_us\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
        "\"max_ms\": %.3f}\n",
        l->answered, l->ok, (double)l->answered / took_s, cpu_us / (double)l->answered,
        (double)l->latencies_ns[l->answered / 2] / 1e6, (double)l->latencies_ns[l->answered * 99 / 100] / 1e6,
        (double)l->latencies_ns[l->answered - 1] / 1e6);
}

static options read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},     {"token-url", required_argument, NULL, 'u'},
        {"client", required_argument, NULL, 'c'},   {"key", required_argument, NULL, 'k'},
        {"requests", required_argument, NULL, 'n'}, {"connections", required_argument, NULL, 'x'},
        {"rate", required_argument, NULL, 'r'},     {NULL, 0, NULL, 0}};
    options o = {.connections = 64};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'p':
            o.port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'u':
            o.token_url = optarg;
            break;
        case 'c':
            o.client = optarg;
            break;
        case 'k':
            o.key = optarg;
            break;
        case 'n':
            o.requests = strtoul(optarg, NULL, 10);
            break;
        case 'x':
            o.connections = strtoul(optarg, NULL, 10);
            break;
        case 'r':
            o.rate = strtod(optarg, NULL);
            break;
        default:
            exit(2);
        }
    }
    if (!o.port || !o.token_url || !o.client || !o.key || !o.requests || !o.connections || o.connections > CONNECT_MAX)
        give_up("--port, --token-url, --client, --key and --requests are needed");
    return o;
}

int main(int argc, char **argv)
{
    load l = {.o = read_options(argc, argv)};
    sb_error err = SB_ERROR_INIT;
    if (sb_key_load(l.o.key, NULL, &l.key, &err) != SB_OK)
        give_up("%s: %s", err.what, err.why);
    l.texts = calloc(l.o.requests, sizeof(*l.texts));
    l.latencies_ns = calloc(l.o.requests, sizeof(*l.latencies_ns));
    l.connections = calloc(l.o.connections, sizeof(*l.connections));
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!l.texts || !l.latencies_ns || !l.connections || l.epoll < 0)
        give_up("out of memory");
    sign_all(&l);
    for (size_t i = 0; i < l.o.connections; i++)
        open_connection(&l, &l.connections[i]);
    run(&l);
    print(&l);
    sb_key_free(l.key);
    return 0;
}
