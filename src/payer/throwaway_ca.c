/* SPDX-License-Identifier: Apache-2.0 */
/* throwaway_ca.c - two P-256 keys, two certificates, by OpenSSL. */
#include "payer/throwaway_ca.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/random.h"
#include "base/secret.h"

#define BACKDATED_S 3600 /* clocks of the machines that try it differ */

typedef struct issuer {
    EVP_PKEY *ca_key, *key;
    X509 *ca, *cert;
} issuer;

static void issuer_cleanup(issuer *i)
{
    EVP_PKEY_free(i->ca_key);
    EVP_PKEY_free(i->key);
    X509_free(i->ca);
    X509_free(i->cert);
}

void sb_throwaway_cleanup(sb_throwaway *t)
{
    sb_buf_cleanup(&t->ca);
    sb_buf_cleanup(&t->cert);
    sb_buf_wipe(&t->key);
}

static bool add_extension(X509 *cert, X509 *ca, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, ca, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *cert)
{
    unsigned char random[16];
    sb_random_bytes(random, sizeof(random));
    random[0] &= 0x7f; /* a serial number is positive */
    BIGNUM *number = BN_bin2bn(random, sizeof(random), NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

static X509 *make_cert(EVP_PKEY *key, const char *name, X509 *ca, int64_t now_s)
{
    X509 *cert = X509_new();
    bool ok = cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
              ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now_s - BACKDATED_S)) &&
              ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now_s + SB_THROWAWAY_DAYS * INT64_C(86400))) &&
              X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)name,
                                         -1, -1, 0) == 1 &&
              X509_set_issuer_name(cert, X509_get_subject_name(ca ? ca : cert)) == 1 && X509_set_pubkey(cert, key) == 1;
    if (ok)
        return cert;
    X509_free(cert);
    return NULL;
}

static char *alternative_names(const char *host)
{
    unsigned char bytes[16];
    bool numeric = inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
    return sb_printf("DNS:localhost,IP:127.0.0.1,IP:::1,%s:%s", numeric ? "IP" : "DNS", host);
}

static bool issue(issuer *i, const char *host, int64_t now_s)
{
    SB_AUTOFREE names = alternative_names(host);
    i->ca_key = EVP_EC_gen("P-256");
    i->key = EVP_EC_gen("P-256");
    if (!names || !i->ca_key || !i->key)
        return false;
    i->ca = make_cert(i->ca_key, "smartbulk sandbox, thrown away at its end", NULL, now_s);
    if (!i->ca || !add_extension(i->ca, i->ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(i->ca, i->ca, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(i->ca, i->ca, NID_subject_key_identifier, "hash") ||
        X509_sign(i->ca, i->ca_key, EVP_sha256()) == 0)
        return false;
    i->cert = make_cert(i->key, "smartbulk sandbox", i->ca, now_s);
    return i->cert && add_extension(i->cert, i->ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(i->cert, i->ca, NID_key_usage, "critical,digitalSignature") &&
           add_extension(i->cert, i->ca, NID_ext_key_usage, "serverAuth") &&
           add_extension(i->cert, i->ca, NID_authority_key_identifier, "keyid") &&
           add_extension(i->cert, i->ca, NID_subject_alt_name, names) &&
           X509_sign(i->cert, i->ca_key, EVP_sha256()) != 0;
}

static bool take_pem(BIO *bio, bool written, sb_buf *out)
{
    char *bytes = NULL;
    long len = bio && written ? BIO_get_mem_data(bio, &bytes) : 0;
    bool ok = len > 0 && sb_buf_add(out, bytes, (size_t)len);
    BIO_free(bio);
    return ok;
}

static bool write_pem(const issuer *i, sb_throwaway *out)
{
    BIO *ca = BIO_new(BIO_s_mem()), *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_secmem());
    bool ok = take_pem(ca, ca && PEM_write_bio_X509(ca, i->ca) == 1, &out->ca);
    ok &= take_pem(cert, cert && PEM_write_bio_X509(cert, i->cert) == 1, &out->cert);
    ok &= take_pem(key, key && PEM_write_bio_PKCS8PrivateKey(key, i->key, NULL, NULL, 0, NULL, NULL) == 1, &out->key);
    return ok;
}

sb_status sb_throwaway_make(const char *host, int64_t now_s, sb_throwaway *out, sb_error *err)
{
    SB_AUTO(issuer) i = {NULL, NULL, NULL, NULL};
    if (issue(&i, host, now_s) && write_pem(&i, out))
        return SB_OK;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return sb_error_set(err, SB_E_INTERNAL, "a certificate could not be made", "OpenSSL says: %s",
                        "look at the host name: it goes into the certificate", reason ? reason : "nothing");
}
