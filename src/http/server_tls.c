/* SPDX-License-Identifier: Apache-2.0 */
/* server_tls.c - identities are kept until their server ends, for GnuTLS borrows them as long as a session lives; a
 * certificate is replaced every few weeks, and takes some KB. */
#include "http/server_tls.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>
#include <pthread.h>

#include "base/secret.h"

#define CHAIN_MAX 16 /* certificates; real chains have two to four */

typedef struct identity {
    struct identity *before;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
} identity;

struct sb_server_tls {
    sb_server_tls *next;
    unsigned port;
    identity *current; /* and those before it */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sb_server_tls *all;

static sb_status bad(sb_error *err, const char *why, const char *fix)
{
    return sb_error_set(err, SB_E_USAGE, "the server's certificate cannot be used", "%s", fix, why);
}

static void identity_free(identity *id)
{
    for (unsigned i = 0; i < id->count; i++)
        gnutls_pcert_deinit(&id->chain[i]);
    if (id->key)
        gnutls_privkey_deinit(id->key);
    free(id);
}

static gnutls_datum_t datum(const char *text)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)}; /* it is only read */
}

/* Same public key on both sides? */
static bool belong_together(const identity *id)
{
    unsigned char of_cert[64], of_key[64];
    size_t cert_len = sizeof(of_cert), key_len = sizeof(of_key);
    gnutls_pubkey_t public = NULL;
    if (gnutls_pubkey_init(&public) != 0)
        return false;
    bool same = gnutls_pubkey_import_privkey(public, id->key, 0, 0) == 0 &&
                gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, of_key, &key_len) == 0 &&
                gnutls_pubkey_get_key_id(id->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_cert, &cert_len) == 0 &&
                cert_len == key_len && memcmp(of_cert, of_key, key_len) == 0;
    gnutls_pubkey_deinit(public);
    return same;
}

static sb_status identity_read(identity *id, const char *cert, const char *key, sb_error *err)
{
    gnutls_datum_t cert_text = datum(cert), key_text = datum(key);
    unsigned count = CHAIN_MAX;
    if (gnutls_pcert_list_import_x509_raw(id->chain, &count, &cert_text, GNUTLS_X509_FMT_PEM, 0) != 0)
        return bad(err, "it is not a chain of 1 to 16 certificates in PEM", "look at it: openssl x509 -in FILE -text");
    id->count = count;
    if (gnutls_privkey_init(&id->key) != 0)
        return sb_error_nomem(err);
    if (gnutls_privkey_import_x509_raw(id->key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0) != 0)
        return bad(err, "its key is not a private key in PEM without a passphrase",
                   "look at it: openssl pkey -in FILE");
    if (!belong_together(id))
        return bad(err, "key and certificate do not belong together",
                   "let the first certificate of the file be the one made for this key");
    return SB_OK;
}

static sb_status identity_new(const char *cert, const char *key, identity **out, sb_error *err)
{
    identity *id = calloc(1, sizeof(*id));
    if (!id)
        return sb_error_nomem(err);
    sb_status status = identity_read(id, cert, key, err);
    if (status == SB_OK)
        *out = id;
    else
        identity_free(id);
    return status;
}

sb_status sb_server_tls_new(const char *cert, const char *key, unsigned port, sb_server_tls **out, sb_error *err)
{
    sb_server_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return sb_error_nomem(err);
    tls->port = port;
    sb_status status = identity_new(cert, key, &tls->current, err);
    if (status != SB_OK) {
        free(tls);
        return status;
    }
    (void)pthread_mutex_lock(&lock);
    tls->next = all;
    all = tls;
    (void)pthread_mutex_unlock(&lock);
    *out = tls;
    return SB_OK;
}

void sb_server_tls_free(sb_server_tls *tls)
{
    if (!tls)
        return;
    (void)pthread_mutex_lock(&lock);
    for (sb_server_tls **at = &all; *at; at = &(*at)->next) {
        if (*at == tls) {
            *at = tls->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    while (tls->current) {
        identity *before = tls->current->before;
        identity_free(tls->current);
        tls->current = before;
    }
    free(tls);
}

sb_status sb_server_tls_check(const char *cert, const char *key, sb_error *err)
{
    identity *id = NULL;
    SB_TRY(identity_new(cert, key, &id, err));
    identity_free(id);
    return SB_OK;
}

sb_status sb_server_tls_replace(sb_server_tls *tls, const char *cert, const char *key, sb_error *err)
{
    identity *id = NULL;
    SB_TRY(identity_new(cert, key, &id, err));
    (void)pthread_mutex_lock(&lock);
    id->before = tls->current;
    tls->current = id;
    (void)pthread_mutex_unlock(&lock);
    return SB_OK;
}

int64_t sb_server_tls_ends_s(sb_server_tls *tls)
{
    gnutls_x509_crt_t crt = NULL;
    int64_t ends_s = 0;
    (void)pthread_mutex_lock(&lock);
    identity *id = tls->current; /* lives as long as the server */
    (void)pthread_mutex_unlock(&lock);
    if (gnutls_pcert_export_x509(&id->chain[0], &crt) == 0) {
        ends_s = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
        gnutls_x509_crt_deinit(crt);
    }
    return SB_MAX(ends_s, 0);
}

/* 0: it cannot be told. */
static unsigned port_of(gnutls_session_t session)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof(address);
    if (getsockname(gnutls_transport_get_int(session), &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

int sb_server_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names, int ca_count,
                           const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **cert,
                           unsigned *cert_count, gnutls_privkey_t *key)
{
    unsigned port = port_of(session);
    identity *id = NULL;
    (void)ca_names, (void)ca_count, (void)algorithms, (void)algorithm_count;
    (void)pthread_mutex_lock(&lock);
    for (const sb_server_tls *tls = all; tls && !id; tls = tls->next)
        id = tls->port == port ? tls->current : NULL;
    (void)pthread_mutex_unlock(&lock);
    if (!id)
        return -1;
    *cert = id->chain;
    *cert_count = id->count;
    *key = id->key;
    return 0;
}
