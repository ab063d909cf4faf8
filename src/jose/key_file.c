/* SPDX-License-Identifier: Apache-2.0 */
/* key_file.c - key files: JWK, JWK Set and PEM, private or public; and the private JWK we write.          KEY-01, KEY-02
 *
 * Every refusal names the file and what mends it. What is read of private keys is wiped here. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"
#include "jose/key_internal.h"

#define KEY_FILE_MAX   ((size_t)SB_JWKS_MAX_BYTES * 2) /* a set of private RSA keys is twice that of its public halves */
#define PASSPHRASE_MAX 1024                            /* what OpenSSL itself takes at most is as long */

/* All keys of one file. */
typedef struct key_list {
    sb_key *keys[SB_JWKS_MAX_KEYS];
    size_t count;
    bool has_private;
} key_list;

static void key_list_cleanup(key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        sb_key_free(list->keys[i]);
}

static sb_status refuse(const char *path, const char *what, const char *why, const char *fix, sb_error *err)
{
    return sb_error_set(err, SB_E_USAGE, what, "%s: %s", fix, path, why);
}

/* An error about a key, told of its file; a caller's file is the caller's to mend. */
static sb_status in_file(sb_status status, const char *path, sb_error *err)
{
    if (status == SB_OK || status == SB_E_NOMEM || status == SB_E_IO || !err)
        return status == SB_E_INVALID || status == SB_E_NOT_FOUND ? SB_E_USAGE : status;
    sb_error inner = *err;
    return sb_error_set(err, status == SB_E_INVALID || status == SB_E_NOT_FOUND ? SB_E_USAGE : status, inner.what,
                        "%s: %s", inner.fix, path, inner.why);
}

/* ---- JSON ---- */

static sb_status add_jwk(const json_t *jwk, key_list *list, sb_error *err)
{
    if (list->count == SB_JWKS_MAX_KEYS)
        return sb_error_set(err, SB_E_INVALID, "a key file holds too many keys", "there are more than %d",
                            "keep those that are in use", SB_JWKS_MAX_KEYS);
    SB_TRY(sb_key_from_jwk(jwk, true, &list->keys[list->count], err));
    list->has_private |= sb_key_is_private(list->keys[list->count]);
    list->count++;
    return SB_OK;
}

static sb_status read_json(sb_str text, key_list *list, sb_error *err)
{
    SB_AUTOJSON root = NULL;
    const json_t *jwk;
    size_t i;
    SB_TRY(sb_json_parse_object(text, "the key file", &root, err));
    const json_t *keys = json_object_get(root, "keys");
    if (!keys)
        return add_jwk(root, list, err);
    json_array_foreach (keys, i, jwk) {
        sb_status status = add_jwk(jwk, list, err);
        if (status != SB_OK && status != SB_E_NOT_FOUND) /* kinds that are not ours: RFC 7517 §5 */
            return status;
    }
    if (list->count == 0)
        return sb_error_set(err, SB_E_INVALID, "a key file holds no key",
                            "its 'keys' is empty, or none is of a kind we know", "make a key with `smartbulk key new`");
    return SB_OK;
}

/* ---- PEM ---- */

typedef struct passphrase_state {
    const sb_key_load_options *options;
    bool asked, given;
} passphrase_state;

static int give_passphrase(char *buf, int size, int writing, void *impl)
{
    passphrase_state *state = impl;
    (void)writing;
    bool again = state->asked; /* asked once: a second question means that the first answer was wrong */
    state->asked = true;
    if (again || !state->options->passphrase || size <= 0)
        return -1;
    int len = state->options->passphrase(state->options->passphrase_impl, buf, (size_t)SB_MIN(size, PASSPHRASE_MAX));
    state->given = len >= 0;
    return len;
}

static sb_status explain_pem(const passphrase_state *state, sb_error *err)
{
    if (!state->asked)
        return sb_error_set(err, SB_E_INVALID, "a key file could not be read",
                            "it is PEM, but not a key that is understood",
                            "give a private key in PKCS#8, PKCS#1 or SEC1 form, or a JWK");
    if (!state->options->passphrase)
        return sb_error_set(err, SB_E_INVALID, "a key is encrypted", "there is no passphrase for it",
                            "give --passphrase-file or --passphrase-env, or `passphrase_file` in smartbulk.yaml");
    if (!state->given)
        return sb_error_set(err, SB_E_INVALID, "a key is encrypted", "its passphrase could not be had",
                            "give --passphrase-file or --passphrase-env, or run it at a terminal");
    return sb_error_set(err, SB_E_INVALID, "a key could not be decrypted",
                        "its passphrase is wrong, or the file is damaged",
                        "try `openssl pkey -in FILE -noout` with the same passphrase");
}

static EVP_PKEY *public_from_pem(BIO *bio)
{
    EVP_PKEY *pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    if (pkey || BIO_reset(bio) != 1)
        return pkey;
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    pkey = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return pkey;
}

static sb_status read_pem(sb_str text, const sb_key_load_options *options, key_list *list, sb_error *err)
{
    passphrase_state state = {.options = options};
    const sb_alg *alg = NULL;
    if (options->alg && !(alg = sb_alg_find(options->alg)))
        return sb_error_set(err, SB_E_USAGE, "this algorithm is not supported", "'%.40s' is none of %s",
                            "names are case-sensitive", options->alg, sb_algs_text);
    bool is_private = memmem(text.ptr, text.len, "PRIVATE KEY-----", 16) != NULL;
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len); /* bounded by KEY_FILE_MAX */
    if (!bio)
        return sb_error_nomem(err);
    EVP_PKEY *pkey = is_private ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &state) : public_from_pem(bio);
    BIO_free(bio);
    ERR_clear_error();
    if (!pkey)
        return explain_pem(&state, err);
    SB_TRY(sb_key_wrap(pkey, alg, options->kid, is_private, &list->keys[0], err));
    list->count = 1;
    list->has_private = is_private;
    return SB_OK;
}

/* ---- files ---- */

static sb_status read_keys(const char *path, const sb_key_load_options *options, sb_str text, key_list *list,
                           sb_error *err)
{
    sb_str trimmed = sb_str_trim(text);
    sb_status status;
    if (trimmed.len > 0 && trimmed.ptr[0] == '{')
        status = read_json(trimmed, list, err);
    else if (memmem(text.ptr, text.len, "-----BEGIN ", 11))
        status = read_pem(text, options, list, err);
    else
        return refuse(path, "a key file could not be understood", "it is neither a JWK, nor a JWK Set, nor PEM",
                      "give the file that `smartbulk key new` wrote, or one that `openssl genpkey` did", err);
    return in_file(status, path, err);
}

/* Read a file that may hold private keys: such a one has to be closed to others, a public one need not be. */
static sb_status read_file(const char *path, const sb_key_load_options *options, key_list *list, sb_error *err)
{
    static const sb_key_load_options none = {.kid = NULL};
    sb_buf text = SB_BUF_INIT;
    sb_status status =
        sb_buf_reserve(&text, KEY_FILE_MAX + 64 * 1024) ? SB_OK : sb_error_nomem(err); /* one piece: no copies */
    if (status == SB_OK)
        status = sb_file_read(path, KEY_FILE_MAX, &text, err);
    if (status == SB_E_NOT_FOUND)
        status = refuse(path, "the key file is not there", strerror(ENOENT),
                        "check the path, or make a key: smartbulk key new -o FILE", err);
    else if (status == SB_E_INVALID)
        status = refuse(path, "the key file is too long", "no key is as long as that", "check the path", err);
    if (status == SB_OK)
        status = read_keys(path, options ? options : &none, sb_buf_str(&text), list, err);
    if (status == SB_OK && list->has_private) {
        sb_buf_wipe(&text);
        status = sb_buf_reserve(&text, KEY_FILE_MAX + 64 * 1024) ? SB_OK : sb_error_nomem(err);
        if (status == SB_OK)
            status = sb_file_read_private(path, KEY_FILE_MAX, &text, err); /* refuses what others may read */
    }
    sb_buf_wipe(&text);
    return status;
}

/* Which of them is meant? */
static sb_status choose(const char *path, const key_list *list, const char *kid, size_t *out, sb_error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < list->count; i++) {
        const sb_key *key = list->keys[i];
        if (!sb_key_is_private(key) || (kid && strcmp(sb_key_kid(key), kid) != 0))
            continue;
        found++;
        *out = i;
    }
    if (found == 1)
        return SB_OK;
    if (!list->has_private)
        return refuse(path, "this is no private key", "it holds a public key only, which cannot sign",
                      "give the file of the private key (the one `smartbulk key new` wrote)", err);
    if (found == 0)
        return sb_error_set(err, SB_E_USAGE, "this key is not in the file", "%s holds no private key with kid %.255s",
                            "see its kids with `smartbulk key show FILE`", path, kid);
    return refuse(path, "which key?", "it holds several private keys", "name one: --kid, or `kid` in smartbulk.yaml",
                  err);
}

/* A JWK with an `alg` signs with that; one without, as asked. A kid given for the only key of a file is a choice when it
 * has one, and a name when it has none. */
static sb_status as_asked(const char *path, const sb_key_load_options *options, sb_key *key, sb_error *err)
{
    const sb_alg *alg = options->alg ? sb_alg_find(options->alg) : NULL;
    if (options->alg && !alg)
        return sb_error_set(err, SB_E_USAGE, "this algorithm is not supported", "'%.40s' is none of %s",
                            "names are case-sensitive", options->alg, sb_algs_text);
    if (!alg || alg == key->alg)
        return SB_OK;
    if (key->alg_was_given || !sb_alg_same_kind(alg, key->alg))
        return sb_error_set(err, SB_E_USAGE, "this key is for another algorithm", "%s is for %s, and %s was asked for",
                            "leave the algorithm out, or make a key for it: smartbulk key new --alg", path,
                            key->alg->name, alg->name);
    key->alg = alg;
    key->alg_was_given = true;
    return SB_OK;
}

sb_status sb_key_load(const char *path, const sb_key_load_options *options, sb_key **out, sb_error *err)
{
    static const sb_key_load_options none = {.kid = NULL};
    __attribute__((cleanup(key_list_cleanup))) key_list list = {.count = 0};
    size_t chosen = 0;
    options = options ? options : &none;
    *out = NULL;
    SB_TRY(read_file(path, options, &list, err));
    SB_TRY(choose(path, &list, options->kid, &chosen, err));
    SB_TRY(as_asked(path, options, list.keys[chosen], err));
    *out = list.keys[chosen];
    list.keys[chosen] = NULL;
    return SB_OK;
}

sb_status sb_key_save_new(const sb_key *key, const char *path, sb_error *err)
{
    sb_buf text = SB_BUF_INIT;
    if (!key->is_private)
        return sb_error_set(err, SB_E_USAGE, "this is no private key", "kid %.255s is a public key",
                            "give the private one", key->kid);
    sb_status status = sb_key_private_text(key, &text, err);
    if (status == SB_OK)
        status = sb_file_create_new(path, 0600, sb_buf_str(&text), err);
    sb_buf_wipe(&text);
    return status;
}

sb_status sb_jwks_add_file(sb_jwks *set, const char *path, const sb_key_load_options *options, sb_error *err)
{
    __attribute__((cleanup(key_list_cleanup))) key_list list = {.count = 0};
    SB_TRY(read_file(path, options, &list, err));
    for (size_t i = 0; i < list.count; i++)
        SB_TRY(in_file(sb_jwks_add(set, list.keys[i], err), path, err));
    return SB_OK;
}
