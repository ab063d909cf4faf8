/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c - checks certificate files before the first request, and watches handshakes so that a refused certificate can
 * be explained. Decides nothing: OpenSSL and libcurl do. Owns no state but the caller's note. */
#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline void ctxp_cleanup(SSL_CTX **ctx)
{
    SSL_CTX_free(*ctx);
}

static sb_status bad_file(sb_error *err, const char *what, const char *path, const char *fix)
{
    char text[128];
    unsigned long code = ERR_peek_error(); /* the first one: a missing file's errno comes before what followed */
    const char *why = ERR_SYSTEM_ERROR(code) ? strerror_r(ERR_GET_REASON(code), text, sizeof(text))
                                             : ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return sb_error_set(err, SB_E_USAGE, what, "%s: %s", fix, path, why ? why : "it is not what it should be");
}

/* We have nobody to ask here, and OpenSSL would ask the terminal by itself. */
static int no_passphrase(char *buf, int size, int for_writing, void *impl)
{
    (void)buf, (void)size, (void)for_writing, (void)impl;
    return 0;
}

sb_status sb_tls_check_files(const char *ca_file, const char *cert, const char *key, sb_error *err)
{
    __attribute__((cleanup(ctxp_cleanup))) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return sb_error_nomem(err);
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (ca_file && SSL_CTX_load_verify_file(ctx, ca_file) != 1)
        return bad_file(err, "the CA file cannot be used", ca_file, "give a readable file of PEM certificates");
    if (!cert)
        return SB_OK;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return bad_file(err, "the client certificate cannot be used", cert,
                        "give a readable PEM file: the certificate, then those that lead to its CA");
    if (SSL_CTX_use_PrivateKey_file(ctx, key ? key : cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return bad_file(err, "the client certificate's key cannot be used", key ? key : cert,
                        "give the PEM key that belongs to the certificate, without passphrase and with mode 0600");
    return SB_OK;
}

/* Peers choose these bytes: what is not printable ASCII becomes '?'. */
static void copy_printable(char *out, size_t size, const char *bytes, size_t len)
{
    size_t n = SB_MIN(len, size - 1);
    for (size_t i = 0; i < n; i++)
        out[i] = bytes[i] >= 0x20 && bytes[i] < 0x7F ? bytes[i] : '?';
    out[n] = '\0';
}

static void note_time(char *out, size_t size, const ASN1_TIME *time)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio && ASN1_TIME_print(bio, time) == 1) {
        long len = BIO_get_mem_data(bio, &text);
        copy_printable(out, size, text, len > 0 ? (size_t)len : 0);
    }
    BIO_free(bio);
}

static void note_names(sb_tls_note *note, X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    SB_AUTO(sb_buf) list = SB_BUF_BOUNDED(sizeof(note->names) - 1);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) { /* -1 for NULL */
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        const char *text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
        int len = ASN1_STRING_length(name->d.dNSName);
        if (!sb_buf_printf(&list, "%s%.*s", list.len ? ", " : "", len, text))
            break; /* the first ones tell enough */
    }
    copy_printable(note->names, sizeof(note->names), sb_buf_cstr(&list), list.len);
    GENERAL_NAMES_free(names);
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    sb_tls_note *note = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    if (!note || !cert)
        return ok;
    if (X509_STORE_CTX_get_error_depth(store) == 0)
        note_names(note, cert);
    if (!ok) {
        note->verify_error = X509_STORE_CTX_get_error(store);
        char issuer[sizeof(note->issuer)] = "";
        X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof(issuer));
        copy_printable(note->issuer, sizeof(note->issuer), issuer, strlen(issuer));
        note_time(note->not_before, sizeof(note->not_before), X509_get0_notBefore(cert));
        note_time(note->not_after, sizeof(note->not_after), X509_get0_notAfter(cert));
    }
    return ok; /* what OpenSSL found stands */
}

/* Called when the server asks for a client certificate and none is configured. */
static int on_client_cert(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
    (void)cert, (void)key;
    sb_tls_note *note = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (note)
        note->wanted_client_cert = true;
    return 0; /* go on without: it may be optional */
}

static CURLcode on_ssl_ctx(CURL *easy, void *ssl_ctx, void *impl)
{
    (void)easy;
    SSL_CTX *ctx = ssl_ctx;
    SSL_CTX_set_app_data(ctx, impl);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_client_cert_cb(ctx, on_client_cert);
    return CURLE_OK;
}

void sb_tls_watch(CURL *easy, sb_tls_note *note)
{
    *note = (sb_tls_note){0};
    /* Best effort: with another TLS library below libcurl the explanations are shorter, the checks the same. */
    if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx) == CURLE_OK)
        (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, note);
}

bool sb_tls_peer_closed(CURL *easy)
{
    struct curl_tlssessioninfo *info = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info || !info->internals ||
        info->backend != CURLSSLBACKEND_OPENSSL)
        return false;
    return (SSL_get_shutdown(info->internals) & SSL_RECEIVED_SHUTDOWN) != 0;
}
