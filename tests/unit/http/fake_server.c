/* SPDX-License-Identifier: Apache-2.0 */
/* fake_server.c - see fake_server.h. Aborts where something fails that no test is about. */
#include "fake_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX    64
#define CONNECTIONS_MAX 4096
#define REQUEST_BYTES   (256 * 1024)

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            (void)fprintf(stderr, "fake_server.c:%d: %s\n", __LINE__, #cond);                                          \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct fake_ca {
    EVP_PKEY *key;
    X509 *cert;
    char file[64], client_file[64];
};

struct fake_server {
    SSL_CTX *tls;
    const fake_reply *replies;
    size_t n_replies;
    fake_handler *handler; /* instead of replies */
    void *handler_impl;
    int listener;
    unsigned port;
    char url[64];
    pthread_t acceptor;
    pthread_mutex_t lock;
    pthread_t threads[CONNECTIONS_MAX];
    int fds[CONNECTIONS_MAX]; /* -1 when closed */
    unsigned connections, joined, requests;
    bool held;
    pthread_cond_t released;
    char *texts[REQUESTS_MAX];
};

typedef struct fake_connection {
    fake_server *server;
    unsigned index;
    int fd;
    SSL *ssl;
    bool cut;
} connection;

static void add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    MUST(ext && X509_add_ext(cert, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

/* Signed by `ca`, or by itself when that is NULL. */
static X509 *make_cert(fake_ca *ca, EVP_PKEY *key, const char *name, const fake_cert *how)
{
    X509 *cert = X509_new();
    MUST(cert && X509_set_version(cert, 2) == 1);
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(cert), ca ? 2 : 1) == 1);
    MUST(X509_gmtime_adj(X509_getm_notBefore(cert), how->valid_from_s));
    MUST(X509_gmtime_adj(X509_getm_notAfter(cert), how->valid_from_s + (how->valid_for_s ? how->valid_for_s : 86400)));
    X509_NAME *subject = X509_get_subject_name(cert);
    MUST(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1);
    MUST(X509_set_issuer_name(cert, ca ? X509_get_subject_name(ca->cert) : subject) == 1);
    MUST(X509_set_pubkey(cert, key) == 1);
    add_ext(cert, ca ? ca->cert : cert, NID_basic_constraints, ca ? "CA:FALSE" : "critical,CA:TRUE");
    if (ca)
        add_ext(cert, ca->cert, NID_subject_alt_name, how->names ? how->names : "IP:127.0.0.1,DNS:localhost");
    MUST(X509_sign(cert, ca ? ca->key : key, EVP_sha256()) > 0);
    return cert;
}

static void write_pem(char *path, size_t size, X509 *cert, EVP_PKEY *key)
{
    (void)snprintf(path, size, "/tmp/sb-fake-XXXXXX");
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    MUST(file && PEM_write_X509(file, cert) == 1);
    MUST(!key || PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    MUST(fclose(file) == 0);
}

fake_ca *fake_ca_new(const char *name)
{
    static const fake_cert plain = {.names = NULL};
    fake_ca *ca = calloc(1, sizeof(*ca));
    MUST(ca);
    ca->key = EVP_EC_gen("P-256");
    MUST(ca->key);
    ca->cert = make_cert(NULL, ca->key, name, &plain);
    write_pem(ca->file, sizeof(ca->file), ca->cert, NULL);
    return ca;
}

void fake_ca_free(fake_ca *ca)
{
    (void)unlink(ca->file);
    if (ca->client_file[0])
        (void)unlink(ca->client_file);
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    free(ca);
}

const char *fake_ca_file(const fake_ca *ca)
{
    return ca->file;
}

const char *fake_ca_client_file(fake_ca *ca)
{
    static const fake_cert plain = {.names = "DNS:client"};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    MUST(key && !ca->client_file[0]);
    X509 *cert = make_cert(ca, key, "client", &plain);
    write_pem(ca->client_file, sizeof(ca->client_file), cert, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ca->client_file;
}

static int io_read(connection *c, char *buf, size_t size)
{
    return c->ssl ? SSL_read(c->ssl, buf, (int)size) : (int)recv(c->fd, buf, size, 0);
}

static bool io_write(connection *c, const char *bytes, size_t len)
{
    while (len > 0) {
        int n = c->ssl ? SSL_write(c->ssl, bytes, (int)(len < 65536 ? len : 65536))
                       : (int)send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

bool fake_server_send(fake_connection *c, const void *bytes, size_t len)
{
    return io_write(c, bytes, len);
}

/* Bytes of a whole request at the front of `text`, 0 when it is not whole yet. */
static size_t request_len(const char *text, size_t len)
{
    const char *end = strstr(text, "\r\n\r\n");
    if (text[0] == 0x16) /* a TLS hello on a plain port: as good as a request */
        return len;
    if (!end)
        return 0;
    const char *field = strcasestr(text, "\r\ncontent-length:");
    size_t head = (size_t)(end - text) + 4;
    size_t body = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
    return len >= head + body ? head + body : 0;
}

static bool serve_one(connection *c, char *buf)
{
    size_t len = 0, whole;
    buf[0] = '\0';
    while ((whole = request_len(buf, len)) == 0) {
        int n = len < REQUEST_BYTES ? io_read(c, buf + len, REQUEST_BYTES - len) : 0;
        if (n <= 0)
            return false;
        len += (size_t)n;
        buf[len] = '\0';
    }
    fake_server *s = c->server;
    if (s->handler) {
        int then = s->handler(s->handler_impl, buf, c);
        while (then == FAKE_STALL && io_read(c, buf, 1) > 0)
            continue;
        c->cut = then == FAKE_CUT;
        return then == FAKE_KEEP;
    }
    (void)pthread_mutex_lock(&s->lock);
    unsigned i = s->requests++;
    MUST(i < REQUESTS_MAX);
    s->texts[i] = strndup(buf, whole);
    const fake_reply *reply = &s->replies[i < s->n_replies ? i : s->n_replies - 1];
    (void)pthread_mutex_unlock(&s->lock);
    static const char filler[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    bool ok = io_write(c, reply->bytes, reply->len ? reply->len : strlen(reply->bytes));
    for (size_t left = reply->filler; ok && left > 0; left -= left < 64 ? left : 64)
        ok = io_write(c, filler, left < 64 ? left : 64);
    if (ok && reply->then == FAKE_STALL)
        while (io_read(c, buf, 1) > 0)
            continue;
    c->cut = reply->then == FAKE_CUT;
    return ok && reply->then == FAKE_KEEP;
}

static void *serve(void *arg)
{
    connection *c = arg;
    fake_server *s = c->server;
    char *buf = malloc(REQUEST_BYTES + 1);
    MUST(buf);
    bool ok = true;
    if (s->tls) {
        c->ssl = SSL_new(s->tls);
        MUST(c->ssl && SSL_set_fd(c->ssl, c->fd) == 1);
        ok = SSL_accept(c->ssl) == 1;
    }
    while (ok && serve_one(c, buf))
        continue;
    if (c->ssl) {
        if (ok && !c->cut)
            (void)SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    (void)pthread_mutex_lock(&s->lock);
    s->fds[c->index] = -1;
    (void)pthread_mutex_unlock(&s->lock);
    (void)close(c->fd);
    free(buf);
    free(c);
    return NULL;
}

static void *accept_all(void *arg)
{
    fake_server *s = arg;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;             /* stopped */
        int on = s->handler != NULL; /* a head and a body that a handler sends apart must not wait for each other */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails where the client is gone already */
        (void)pthread_mutex_lock(&s->lock);
        while (s->held)
            (void)pthread_cond_wait(&s->released, &s->lock);
        connection *c = calloc(1, sizeof(*c));
        MUST(c);
        MUST(s->connections < CONNECTIONS_MAX);
        *c = (connection){.server = s, .index = s->connections, .fd = fd};
        s->fds[s->connections] = fd;
        MUST(pthread_create(&s->threads[s->connections], NULL, serve, c) == 0);
        s->connections++;
        (void)pthread_mutex_unlock(&s->lock);
    }
}

static SSL_CTX *server_tls(fake_ca *ca, const fake_cert *cert)
{
    static const fake_cert plain = {.names = NULL};
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    MUST(tls && key);
    X509 *x = make_cert(ca, key, "fake server", cert ? cert : &plain);
    MUST(SSL_CTX_use_certificate(tls, x) == 1 && SSL_CTX_use_PrivateKey(tls, key) == 1);
    if (cert && cert->tls_1_1_only) {
        SSL_CTX_set_security_level(tls, 0); /* OpenSSL's own default would already refuse it */
        MUST(SSL_CTX_set_max_proto_version(tls, TLS1_1_VERSION) == 1);
    }
    if (cert && cert->wants_client_cert) {
        MUST(SSL_CTX_load_verify_file(tls, ca->file) == 1);
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    X509_free(x);
    EVP_PKEY_free(key);
    return tls;
}

static fake_server *start(fake_server *s, fake_ca *ca, const fake_cert *cert)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to sockets that the client closed */
    s->tls = ca ? server_tls(ca, cert) : NULL;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(s->listener >= 0 && bind(s->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    MUST(listen(s->listener, 64) == 0 && getsockname(s->listener, (struct sockaddr *)&address, &len) == 0);
    s->port = ntohs(address.sin_port);
    (void)snprintf(s->url, sizeof(s->url), "%s://127.0.0.1:%u", ca ? "https" : "http", s->port);
    MUST(pthread_mutex_init(&s->lock, NULL) == 0 && pthread_cond_init(&s->released, NULL) == 0);
    MUST(pthread_create(&s->acceptor, NULL, accept_all, s) == 0);
    return s;
}

fake_server *fake_server_start(fake_ca *ca, const fake_cert *cert, const fake_reply *replies, size_t n)
{
    fake_server *s = calloc(1, sizeof(*s));
    MUST(s && n > 0);
    s->replies = replies;
    s->n_replies = n;
    return start(s, ca, cert);
}

fake_server *fake_server_start_handler(fake_ca *ca, fake_handler *handler, void *impl)
{
    fake_server *s = calloc(1, sizeof(*s));
    MUST(s && handler);
    s->handler = handler;
    s->handler_impl = impl;
    return start(s, ca, NULL);
}

void fake_server_hold(fake_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->held = true;
    unsigned first = s->joined, last = s->connections;
    s->joined = last;
    (void)pthread_mutex_unlock(&s->lock);
    for (unsigned i = first; i < last; i++)
        MUST(pthread_join(s->threads[i], NULL) == 0);
}

void fake_server_release(fake_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->held = false;
    (void)pthread_cond_signal(&s->released);
    (void)pthread_mutex_unlock(&s->lock);
}

void fake_server_stop(fake_server *s)
{
    fake_server_release(s);
    (void)shutdown(s->listener, SHUT_RDWR); /* wakes accept() */
    MUST(pthread_join(s->acceptor, NULL) == 0);
    (void)close(s->listener);
    (void)pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->connections; i++)
        if (s->fds[i] >= 0)
            (void)shutdown(s->fds[i], SHUT_RDWR);
    (void)pthread_mutex_unlock(&s->lock);
    for (unsigned i = s->joined; i < s->connections; i++)
        MUST(pthread_join(s->threads[i], NULL) == 0);
    for (unsigned i = 0; i < s->requests; i++)
        free(s->texts[i]);
    SSL_CTX_free(s->tls);
    (void)pthread_cond_destroy(&s->released);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

const char *fake_server_url(const fake_server *server)
{
    return server->url;
}

unsigned fake_server_port(const fake_server *server)
{
    return server->port;
}

unsigned fake_server_requests(fake_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    unsigned n = server->requests;
    (void)pthread_mutex_unlock(&server->lock);
    return n;
}

unsigned fake_server_connections(fake_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    unsigned n = server->connections;
    (void)pthread_mutex_unlock(&server->lock);
    return n;
}

const char *fake_server_request(fake_server *server, unsigned i)
{
    (void)pthread_mutex_lock(&server->lock);
    const char *text = i < server->requests ? server->texts[i] : "";
    (void)pthread_mutex_unlock(&server->lock);
    return text;
}
