/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - connections and requests: how they begin, what is refused before anybody is asked, how they end.
 *
 *   connect ──► RECEIVING ──► whole request ──► respond() ──► answer goes out ──► RECEIVING …
 *                   │  receive_ms over, idle, malformed          │ client gone, end of the server
 *                   └──────────────► closed ◄────────────────────┘
 *
 * A request that is refused at its head has its body read and dropped when it is short, so that the client reads our
 * answer instead of a reset connection; a long one is cut off. */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <smartbulk/clock.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "http/server_answer.h"
#include "http/server_peers.h"
#include "http/server_tls.h"
#include "http/server_watch.h"

#define ADDRESS     "127.0.0.1"
#define THREADS     4
#define THREADS_MAX 64
#define CONNECTIONS 1024
#define IDLE_S      60
#define RECEIVE_MS  60000
#define DRAIN_MS    2000
/* Request line and headers must fit: twice what proxies pass on by default (nginx, Apache: 8 KB). All of it is held while a
 * connection is open. */
#define MEMORY_PER_CLIENT ((size_t)16 * 1024)
#define DISCARD_MAX       ((size_t)64 * 1024) /* of an unwanted body: what a socket's buffers hold anyway */
#define LISTEN_BACKLOG    512
#define TLS_PRIORITIES    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" /* DISC-05 */

struct sb_server {
    sb_server_options options; /* with defaults filled in; texts are ours */
    sb_server_handler handler;
    char *address, *cert, *key;
    int listen_fd;
    unsigned port;
    struct MHD_Daemon *daemon;
    sb_server_tls *tls; /* NULL: plain */
    sb_watch *watch;
    sb_peers *peers; /* NULL: no limit */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* under_way became 0 */
    unsigned under_way;
    atomic_bool draining; /* no more connections; those there are end with their answer */
    char last_words[256]; /* libmicrohttpd's: why it could not be started */
};

typedef struct connection {
    sb_watched watched;
    sb_peer *peer; /* NULL: not counted */
    char *uri;     /* of the request under way, as it came */
} connection;

typedef struct exchange {
    sb_server *server;
    connection *connection;
    sb_server_request request;
    sb_server_header headers[SB_SERVER_HEADERS_MAX];
    sb_buf body;
    size_t body_max, dropped;
    sb_answer answer;
    bool decided; /* `answer` is filled */
    int64_t began_ns;
} exchange;

static int64_t now_ns(void)
{
    const sb_clock *clock = sb_clock_system();
    return clock->monotonic_ns(clock->impl);
}

/* Headers */

size_t sb_server_header_count(const sb_server_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += sb_str_eq_nocase(sb_str_from(request->headers[i].name), sb_str_from(name));
    return count;
}

sb_str sb_server_header_first(const sb_server_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (sb_str_eq_nocase(sb_str_from(request->headers[i].name), sb_str_from(name)))
            return request->headers[i].value;
    }
    return (sb_str){"", 0};
}

bool sb_server_header_any(const sb_server_request *request, const char *name, bool (*is)(sb_str value, const void *of),
                          const void *of)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (sb_str_eq_nocase(sb_str_from(request->headers[i].name), sb_str_from(name)) &&
            is(request->headers[i].value, of))
            return true;
    }
    return false;
}

/* The life of a request */

static void exchange_free(exchange *x)
{
    const sb_server_handler *handler = &x->server->handler;
    if (handler->release)
        handler->release(handler->impl, &x->request);
    sb_target_cleanup(&x->request.target);
    sb_buf_wipe(&x->body); /* it may hold an assertion */
    sb_answer_cleanup(&x->answer);
    free(x);
}

static void count_under_way(sb_server *server, int by)
{
    (void)pthread_mutex_lock(&server->lock);
    server->under_way += (unsigned)by;
    if (server->under_way == 0)
        (void)pthread_cond_signal(&server->idle);
    (void)pthread_mutex_unlock(&server->lock);
}

static connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* Through trusted proxies: as they tell it.                                                                  TOK-10 */
static void look_through_proxies(const sb_proxies *proxies, sb_server_request *request)
{
    sb_str forwarded[SB_SERVER_HEADERS_MAX];
    size_t count = 0;
    if (!sb_proxies_trust(proxies, request->peer))
        return;
    request->from_proxy = true;
    for (size_t i = 0; i < request->header_count; i++) {
        if (sb_str_eq_nocase(sb_str_from(request->headers[i].name), SB_STR_LIT("X-Forwarded-For")))
            forwarded[count++] = request->headers[i].value;
    }
    sb_proxies_resolve(proxies, forwarded, count, request->peer);
}

static void name_peer(struct MHD_Connection *mhd, char peer[INET6_ADDRSTRLEN])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    peer[0] = '\0';
    if (!info || !info->client_addr)
        return;
    if (info->client_addr->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr, peer,
                        INET6_ADDRSTRLEN);
    else if (info->client_addr->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)info->client_addr)->sin6_addr, peer,
                        INET6_ADDRSTRLEN);
}

static void refuse(exchange *x, unsigned status, const char *why)
{
    const sb_server_handler *handler = &x->server->handler;
    sb_answer_cleanup(&x->answer);
    x->answer.status = status;
    x->decided = true;
    if (handler->refuse)
        handler->refuse(handler->impl, &x->request, why, &x->answer);
}

static enum MHD_Result send_answer(exchange *x, struct MHD_Connection *mhd)
{
    const sb_server_handler *handler = &x->server->handler;
    sb_sent sent;
    sb_watch_off(x->server->watch, &x->connection->watched);
    if (atomic_load(&x->server->draining))
        sb_answer_header(&x->answer, "Connection", "close");
    x->answer.rate = x->server->options.file_rate;
    sb_answer_settle(&x->request, &x->answer, &sent);
    if (handler->answered)
        handler->answered(handler->impl, &x->request, sent.status, sent.bytes, now_ns() - x->began_ns);
    return sb_answer_queue(mhd, &x->request, &x->answer, &sent) ? MHD_YES : MHD_NO;
}

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    exchange *x = cls;
    (void)kind;
    if (x->request.header_count == SB_SERVER_HEADERS_MAX) {
        refuse(x, 431, "the request has too many headers");
        return MHD_NO;
    }
    x->headers[x->request.header_count++] = (sb_server_header){name, sb_str_from(value ? value : "")};
    return MHD_YES;
}

/* What two readers could understand differently is how requests are smuggled: RFC 9112 §6.3. */
static bool framing_is_plain(const sb_server_request *request)
{
    size_t lengths = sb_server_header_count(request, "Content-Length");
    size_t codings = sb_server_header_count(request, "Transfer-Encoding");
    return lengths + codings <= 1 &&
           (codings == 0 ||
            sb_str_eq_nocase(sb_server_header_first(request, "Transfer-Encoding"), SB_STR_LIT("chunked")));
}

/* Will it have more body than we would read just to drop it? */
static bool long_body_follows(const sb_server_request *request)
{
    uint64_t length;
    sb_str text = sb_server_header_first(request, "Content-Length");
    if (sb_server_header_count(request, "Transfer-Encoding") > 0 || sb_server_header_count(request, "Expect") > 0)
        return true;
    return text.len > 0 && !sb_str_to_u64(text, DISCARD_MAX, &length);
}

static bool body_too_long(const exchange *x)
{
    uint64_t length;
    sb_str text = sb_server_header_first(&x->request, "Content-Length");
    return text.len > 0 && !sb_str_to_u64(text, x->body_max, &length);
}

static void judge_head(exchange *x, struct MHD_Connection *mhd)
{
    const sb_server_handler *handler = &x->server->handler;
    sb_error err = SB_ERROR_INIT;
    name_peer(mhd, x->request.peer);
    (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, take_header, x);
    if (x->decided)
        return;
    look_through_proxies(x->server->options.proxies, &x->request);
    if (!framing_is_plain(&x->request))
        refuse(x, 400, "the length of the request's body is said twice, or in a way that is not known here");
    else if (sb_target_parse(sb_str_from(x->request.raw_target), &x->request.target, &err) != SB_OK)
        refuse(x, err.code == SB_E_NOMEM ? 500 : 400, err.why);
    else if (!handler->begin(handler->impl, &x->request, &x->body_max, &x->answer))
        x->decided = true;
    else if (body_too_long(x))
        refuse(x, 413, "the request's body is too long");
    x->body.max = x->body_max;
}

static enum MHD_Result begin(sb_server *server, struct MHD_Connection *mhd, const char *method, void **con_cls)
{
    connection *c = connection_of(mhd);
    exchange *x = c ? calloc(1, sizeof(*x)) : NULL;
    if (!x)
        return MHD_NO;
    *con_cls = x;
    *x = (exchange){.server = server, .connection = c, .answer = SB_ANSWER_INIT, .began_ns = now_ns()};
    x->request.method = method;
    x->request.raw_target = c->uri ? c->uri : "";
    x->request.headers = x->headers;
    count_under_way(server, 1);
    judge_head(x, mhd);
    return x->decided && long_body_follows(&x->request) ? send_answer(x, mhd) : MHD_YES;
}

static enum MHD_Result take_body(exchange *x, const char *data, size_t *size)
{
    sb_str bytes = {data, *size};
    *size = 0;
    if (!x->decided && bytes.len > x->body_max - x->body.len)
        refuse(x, 413, "the request's body is too long");
    else if (!x->decided && !sb_buf_add_str(&x->body, bytes))
        refuse(x, 500, "the server has no memory left");
    if (!x->decided)
        return MHD_YES;
    x->dropped += bytes.len;
    return x->dropped <= DISCARD_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **con_cls)
{
    sb_server *server = cls;
    exchange *x = *con_cls;
    (void)url, (void)version; /* what is parsed is the target as it came */
    if (!x)
        return begin(server, mhd, method, con_cls);
    if (*size > 0)
        return take_body(x, data, size);
    if (!x->decided) {
        sb_watch_off(server->watch, &x->connection->watched);
        x->request.body = sb_buf_str(&x->body);
        server->handler.respond(server->handler.impl, &x->request, &x->answer);
        x->decided = true;
    }
    return send_answer(x, mhd);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls, enum MHD_RequestTerminationCode how)
{
    sb_server *server = cls;
    exchange *x = *con_cls;
    (void)mhd, (void)how;
    if (!x)
        return;
    *con_cls = NULL;
    sb_watch_on(server->watch, &x->connection->watched);
    exchange_free(x);
    count_under_way(server, -1);
}

/* The life of a connection */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    connection *c = connection_of(mhd);
    (void)cls;
    if (c) {
        free(c->uri);
        c->uri = sb_str_dup(sb_str_from(uri));
    }
    /* The query is ours to take apart (http/target.h). libmicrohttpd would keep its fields in the memory of the connection,
     * and where they do not fit it answers nobody before the time-out; so it is left none. The text is its own, which it
     * cuts up as soon as this returns. */
    char *query = strchr(uri, '?');
    if (query)
        query[1] = '\0';
    return NULL; /* not the exchange: a request whose headers are malformed is never presented, nor ended */
}

static enum MHD_Result may_connect(void *cls, const struct sockaddr *peer, socklen_t len)
{
    sb_server *server = cls;
    (void)len;
    if (atomic_load(&server->draining))
        return MHD_NO;
    return !server->peers || sb_peers_has_room(server->peers, peer) ? MHD_YES : MHD_NO;
}

/* Counted here and not in may_connect(), after which libmicrohttpd may fail without a word. */
static void count_peer(sb_server *server, struct MHD_Connection *mhd, connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (server->peers && info && info->client_addr)
        c->peer = sb_peers_enter(server->peers, info->client_addr);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    sb_server *server = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        connection *c = info ? calloc(1, sizeof(*c)) : NULL;
        *context = c; /* NULL: begin() closes it */
        if (!c)
            return;
        c->watched.fd = info->connect_fd;
        count_peer(server, mhd, c);
        sb_watch_on(server->watch, &c->watched);
        return;
    }
    connection *c = *context;
    if (!c)
        return;
    sb_watch_off(server->watch, &c->watched);
    sb_peers_leave(server->peers, c->peer);
    free(c->uri);
    free(c);
    *context = NULL;
}

__attribute__((format(printf, 2, 0))) static void on_words(void *cls, const char *fmt, va_list args)
{
    sb_server *server = cls;
    char text[sizeof(server->last_words)];
    (void)vsnprintf(text, sizeof(text), fmt, args);
    sb_str line = sb_str_trim(sb_str_from(text));
    sb_log_debug("http server: %.*s", (int)line.len, line.ptr);
    (void)pthread_mutex_lock(&server->lock);
    (void)snprintf(server->last_words, sizeof(server->last_words), "%.*s", (int)line.len, line.ptr);
    (void)pthread_mutex_unlock(&server->lock);
}

/* Beginning and end */

static void fill_defaults(sb_server_options *o)
{
    o->threads = o->threads ? SB_MIN(o->threads, (unsigned)THREADS_MAX) : THREADS;
    o->connections = SB_MAX(o->connections ? o->connections : CONNECTIONS, o->threads); /* one each, at least */
    o->idle_s = o->idle_s ? o->idle_s : IDLE_S;
    o->receive_ms = o->receive_ms ? o->receive_ms : RECEIVE_MS;
    o->drain_ms = o->drain_ms ? o->drain_ms : DRAIN_MS;
}

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static bool read_address(const char *text, unsigned port, address *out, socklen_t *len)
{
    *out = (address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)}};
    *len = sizeof(out->v6);
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1)
        return true;
    *out = (address){.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
    *len = sizeof(out->v4);
    return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1;
}

static sb_status cannot_listen(const sb_server_options *o, int number, sb_error *err)
{
    return sb_error_set(err, SB_E_USAGE, "the server cannot listen", "%s port %u: %s",
                        number == EADDRINUSE ? "choose another port, or 0 for a free one"
                                             : "choose an address of this machine and a port you may use",
                        o->address, o->port, strerror(number));
}

static sb_status listen_on(sb_server *server, sb_error *err)
{
    const sb_server_options *o = &server->options;
    address a;
    socklen_t len;
    if (o->port > 65535 || !read_address(o->address, o->port, &a, &len))
        return cannot_listen(o, EINVAL, err);
    SB_AUTOFD fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 || bind(fd, &a.any, len) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0 || getsockname(fd, &a.any, &len) != 0)
        return cannot_listen(o, errno, err);
    server->port = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
    server->listen_fd = fd;
    fd = -1;
    return SB_OK;
}

static sb_status start_daemon(sb_server *server, sb_error *err)
{
    const sb_server_options *o = &server->options;
    unsigned mode =
        o->file_rate > 0 ? MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION : MHD_USE_EPOLL_INTERNAL_THREAD;
    unsigned flags = mode | MHD_USE_ITC | MHD_USE_ERROR_LOG | (o->cert ? MHD_USE_TLS : 0);
    struct MHD_OptionItem extra[4];
    size_t n = 0;
    if (o->threads > 1 && o->file_rate == 0)
        extra[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)o->threads, NULL};
    if (o->cert) {
        extra[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)sb_server_tls_retrieve};
        extra[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES};
    }
    extra[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    int listen_fd = server->listen_fd;
    server->listen_fd = -1; /* libmicrohttpd closes it, at its end or when it cannot start */
    server->daemon =
        MHD_start_daemon(flags, 0, may_connect, server, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_words,
                         server, MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT, o->connections,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_PER_CLIENT, MHD_OPTION_CONNECTION_TIMEOUT,
                         o->idle_s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
                         server, MHD_OPTION_ARRAY, extra, MHD_OPTION_END);
    if (!server->daemon)
        return sb_error_set(err, SB_E_USAGE, "the server could not be started", "%s",
                            "look at the certificate and key, and at the limits of this machine (ulimit -n)",
                            server->last_words[0] ? server->last_words : strerror(errno));
    return SB_OK;
}

static sb_status copy_texts(sb_server *server, const sb_server_options *o, sb_error *err)
{
    server->options.address = server->address = sb_str_dup(sb_str_from(o->address ? o->address : ADDRESS));
    if (o->cert && o->key) {
        server->options.cert = server->cert = sb_str_dup(sb_str_from(o->cert));
        server->options.key = server->key = sb_str_dup(sb_str_from(o->key));
    }
    bool all = server->address && (!o->cert || (server->cert && server->key));
    return all ? SB_OK : sb_error_nomem(err);
}

sb_status sb_server_new(const sb_server_options *options, sb_server **out, sb_error *err)
{
    sb_server *bare = calloc(1, sizeof(*bare));
    if (!bare || pthread_mutex_init(&bare->lock, NULL) != 0) {
        free(bare);
        return sb_error_nomem(err);
    }
    if (sb_cond_init(&bare->idle) != 0) {
        (void)pthread_mutex_destroy(&bare->lock);
        free(bare);
        return sb_error_nomem(err);
    }
    SB_AUTOPTR(sb_server) server = bare;
    server->listen_fd = -1;
    server->options = *options;
    SB_TRY(copy_texts(server, options, err));
    fill_defaults(&server->options);
    SB_TRY(listen_on(server, err));
    *out = server;
    server = NULL;
    return SB_OK;
}

sb_status sb_server_start(sb_server *server, const sb_server_handler *handler, sb_error *err)
{
    server->handler = *handler;
    SB_TRY(sb_watch_new(server->options.receive_ms, &server->watch, err));
    if (server->options.per_address > 0)
        SB_TRY(sb_peers_new(server->options.per_address, server->options.proxies, &server->peers, err));
    if (server->cert)
        SB_TRY(sb_server_tls_new(server->cert, server->key, server->port, &server->tls, err));
    return start_daemon(server, err);
}

sb_status sb_server_replace_certificate(sb_server *server, const char *cert, const char *key, sb_error *err)
{
    if (!server->tls)
        return sb_error_set(err, SB_E_USAGE, "the server's certificate cannot be replaced",
                            "it was started without TLS", "start it again");
    return sb_server_tls_replace(server->tls, cert, key, err);
}

int64_t sb_server_certificate_ends_s(const sb_server *server)
{
    return server->tls ? sb_server_tls_ends_s(server->tls) : 0;
}

unsigned sb_server_port(const sb_server *server)
{
    return server->port;
}

static void drain(sb_server *server)
{
    const sb_clock *clock = sb_clock_system();
    int64_t deadline = now_ns() + (int64_t)server->options.drain_ms * SB_NS_PER_MS;
    (void)pthread_mutex_lock(&server->lock);
    while (server->under_way > 0 && now_ns() < deadline)
        clock->wait_until(clock->impl, &server->idle, &server->lock, deadline);
    (void)pthread_mutex_unlock(&server->lock);
}

void sb_server_free(sb_server *server)
{
    if (!server)
        return;
    if (server->daemon) {
        atomic_store(&server->draining, true); /* MHD_quiesce_daemon() races with its own threads in 0.9.75 */
        drain(server);
        MHD_stop_daemon(server->daemon);
    }
    sb_fd_cleanup(&server->listen_fd);
    sb_watch_free(server->watch);
    sb_peers_free(server->peers);
    sb_server_tls_free(server->tls);
    (void)pthread_cond_destroy(&server->idle);
    (void)pthread_mutex_destroy(&server->lock);
    if (server->key)
        sb_wipe(server->key, strlen(server->key));
    free(server->address);
    free(server->cert);
    free(server->key);
    free(server);
}
