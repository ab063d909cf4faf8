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
#include "base/key_memory.h"
#include "base/secret.h"
#include "jose/key_internal.h"

#define KEY_FILE_MAX   ((size_t)SB_JWKS_MAX_BYTES * 2) /* a set of private RSA keys is twice that of its public halves */
#define PASSPHRASE_MAX 1024                            /* what OpenSSL itself takes at most is as long */

/* All keys of one file. */
typedef struct key_list {
    sb_key *keys[SB_JWKS_MAX_KEYS];
    size_t count;
    bool has_private;
    bool is_set; /* with kids that choose; the kid of a key that comes alone may be ours to give */
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
    list->is_set = true;
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

static bool is_pem(sb_str text)
{
    return text.len > 0 && memmem(text.ptr, text.len, "-----BEGIN ", 11) != NULL;
}

static size_t count_private(sb_str text)
{
    static const char end[] = "PRIVATE KEY-----";
    size_t found = 0;
    for (const char *at = text.ptr;
         at && (at = memmem(at, text.len - (size_t)(at - text.ptr), end, sizeof(end) - 1)) != NULL; at++)
        found++;
    return (found + 1) / 2; /* BEGIN and END */
}

static sb_status read_pem(sb_str text, const sb_key_load_options *options, key_list *list, sb_error *err)
{
    passphrase_state state = {.options = options};
    const sb_alg *alg = NULL;
    if (options->alg && !(alg = sb_alg_find(options->alg)))
        return sb_error_set(err, SB_E_USAGE, "this algorithm is not supported", "'%.40s' is none of %s",
                            "names are case-sensitive", options->alg, sb_algs_text);
    size_t private_keys = count_private(text);
    bool is_private = private_keys > 0;
    if (private_keys > 1)
        return sb_error_set(err, SB_E_INVALID, "which key?", "it holds %zu private keys, and PEM has no names for them",
                            "put each into a file of its own", private_keys);
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len); /* bounded by KEY_FILE_MAX */
    if (!bio)
        return sb_error_nomem(err);
    SB_KEY_WORK(is_private);
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
    else if (is_pem(trimmed))
        status = read_pem(trimmed, options, list, err);
    else
        return refuse(path, "a key file could not be understood", "it is neither a JWK, nor a JWK Set, nor PEM",
                      "give the file that `smartbulk key new` wrote, or one that `openssl genpkey` did", err);
    return in_file(status, path, err);
}

/* *refusal: why it may hold no private key; its code is SB_OK when it may. */
static sb_status read_text(const char *path, sb_buf *text, sb_error *refusal, sb_error *err)
{
    if (!sb_buf_reserve(text, KEY_FILE_MAX + 64 * 1024)) /* one piece: no copies are left behind */
        return sb_error_nomem(err);
    sb_status status = sb_file_read_private(path, KEY_FILE_MAX, text, refusal);
    if (status == SB_E_USAGE)
        status = sb_file_read(path, KEY_FILE_MAX, text, err);
    else if (status != SB_OK && err)
        *err = *refusal;
    if (status == SB_E_NOT_FOUND)
        return refuse(path, "the key file is not there", strerror(ENOENT),
                      "check the path, or make a key: smartbulk key new -o FILE", err);
    if (status == SB_E_INVALID)
        return refuse(path, "the key file is too long", "no key is as long as that", "check the path", err);
    return status;
}

/* Read a file that may hold private keys: such a one has to be closed to others, a public one need not be. It is the
 * file that was looked at which is read, and nobody is asked for the passphrase of one that will be refused. */
static sb_status read_file(const char *path, const sb_key_load_options *options, key_list *list, sb_error *err)
{
    sb_buf text = SB_BUF_INIT;
    sb_error refusal = SB_ERROR_INIT;
    sb_status status = read_text(path, &text, &refusal, err);
    bool is_refused = refusal.code != SB_OK && status == SB_OK && count_private(sb_buf_str(&text)) > 0;
    if (status == SB_OK && !is_refused)
        status = read_keys(path, options, sb_buf_str(&text), list, err);
    sb_buf_wipe(&text);
    if (status != SB_OK || refusal.code == SB_OK || !(is_refused || list->has_private))
        return status;
    if (err)
        *err = refusal;
    return SB_E_USAGE;
}

/* Is it the one that was asked for? A kid given for a key that comes alone and has none is a name for it. */
static bool is_meant(const key_list *list, const sb_key *key, const char *kid)
{
    return !kid || strcmp(key->kid, kid) == 0 || (!list->is_set && !key->kid_was_given);
}

static sb_status choose(const char *path, const key_list *list, const char *kid, size_t *out, sb_error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!list->keys[i]->is_private || !is_meant(list, list->keys[i], kid))
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

/* A JWK with an `alg` signs with that; one without, as asked. */
static sb_status set_alg(const char *path, const char *name, sb_key *key, sb_error *err)
{
    const sb_alg *alg = sb_alg_find(name);
    if (!alg)
        return sb_error_set(err, SB_E_USAGE, "this algorithm is not supported", "'%.40s' is none of %s",
                            "names are case-sensitive", name, sb_algs_text);
    if (alg == key->alg)
        return SB_OK;
    if (key->alg_was_given || !sb_alg_same_kind(alg, key->alg))
        return sb_error_set(err, SB_E_USAGE, "this key is for another algorithm", "%s is for %s, and %s was asked for",
                            "leave the algorithm out, or make a key for it: smartbulk key new --alg", path,
                            key->alg->name, alg->name);
    key->alg = alg;
    key->alg_was_given = true;
    return SB_OK;
}

static sb_status set_kid(const char *path, const char *kid, sb_key *key, sb_error *err)
{
    if (strcmp(key->kid, kid) == 0)
        return SB_OK;
    SB_TRY(in_file(sb_key_check_kid(kid, err), path, err));
    char *copy = sb_str_dup(sb_str_from(kid));
    if (!copy)
        return sb_error_nomem(err);
    free(key->kid);
    key->kid = copy;
    key->kid_was_given = true;
    return SB_OK;
}

static sb_status as_asked(const char *path, const sb_key_load_options *options, sb_key *key, sb_error *err)
{
    if (options->alg)
        SB_TRY(set_alg(path, options->alg, key, err));
    return options->kid ? set_kid(path, options->kid, key, err) : SB_OK;
}

static const sb_key_load_options no_options = {.kid = NULL};

sb_status sb_key_load(const char *path, const sb_key_load_options *options, sb_key **out, sb_error *err)
{
    __attribute__((cleanup(key_list_cleanup))) key_list list = {.count = 0};
    size_t chosen = 0;
    options = options ? options : &no_options;
    *out = NULL;
    SB_TRY(read_file(path, options, &list, err));
    SB_TRY(choose(path, &list, options->kid, &chosen, err));
    SB_TRY(as_asked(path, options, list.keys[chosen], err));
    *out = list.keys[chosen];
    list.keys[chosen] = NULL;
    return SB_OK;
}

sb_status sb_jwks_add_file(sb_jwks *set, const char *path, const sb_key_load_options *options, sb_error *err)
{
    __attribute__((cleanup(key_list_cleanup))) key_list list = {.count = 0};
    size_t added = 0;
    options = options ? options : &no_options;
    SB_TRY(read_file(path, options, &list, err));
    for (size_t i = 0; i < list.count; i++) {
        if (!is_meant(&list, list.keys[i], options->kid))
            continue;
        SB_TRY(as_asked(path, options, list.keys[i], err));
        SB_TRY(in_file(sb_jwks_add(set, list.keys[i], err), path, err));
        added++;
    }
    if (added > 0)
        return SB_OK;
    return sb_error_set(err, SB_E_USAGE, "this key is not in the file", "%s holds no key with kid %.255s",
                        "see its kids with `smartbulk key show FILE`", path, options->kid);
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
