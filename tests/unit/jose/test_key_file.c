/* SPDX-License-Identifier: Apache-2.0 */
/* test_key_file.c - key files of every kind, and every way in which they are refused.                      KEY-01 */
#include "jose_test.h"

#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#include "../smart/scratch_dir.h"

typedef struct fixture {
    char *dir, *path;
    const char *passphrase; /* what is answered; NULL: none */
    int asked;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->dir = scratch_dir_new();
    f->path = f->dir ? sb_path_join(f->dir, "key") : NULL;
    return f->path ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    (void)unlink(f->path);
    scratch_dir_free(f->dir);
    free(f->path);
    free(f);
    return 0;
}

static int answer(void *impl, char *buf, size_t size)
{
    fixture *f = impl;
    f->asked++;
    if (!f->passphrase)
        return -1;
    assert_true(strlen(f->passphrase) <= size);
    memcpy(buf, f->passphrase, strlen(f->passphrase));
    return (int)strlen(f->passphrase);
}

static void put(fixture *f, const char *text, mode_t mode)
{
    (void)unlink(f->path);
    assert_int_equal(sb_file_create_new(f->path, mode, sb_str_from(text), NULL), SB_OK);
}

static sb_status load(fixture *f, const char *kid, const char *alg, sb_key **out, sb_error *err)
{
    sb_key_load_options options = {.kid = kid, .alg = alg, .passphrase = answer, .passphrase_impl = f};
    return sb_key_load(f->path, &options, out, err);
}

static void refused(fixture *f, const char *kid, const char *alg, const char *said)
{
    sb_error err = SB_ERROR_INIT;
    sb_key *key = NULL;
    assert_int_equal(load(f, kid, alg, &key, &err), SB_E_USAGE);
    assert_null(key);
    if (!strstr(err.what, said) && !strstr(err.why, said))
        fail_msg("'%s' is said neither in '%s' nor in '%s'", said, err.what, err.why);
    assert_string_not_equal(err.fix, "");
}

typedef enum pem_form { PKCS8, ENCRYPTED, TRADITIONAL, PUBLIC } pem_form;

/* PEM of a key, made now. */
static char *pem_of(const sb_key *key, pem_form form, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    EVP_PKEY *pkey = sb_key_evp(key);
    int ok = form == PKCS8         ? PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
             : form == ENCRYPTED   ? PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_256_cbc(), passphrase,
                                                                   (int)strlen(passphrase), NULL, NULL)
             : form == TRADITIONAL ? PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL)
                                   : PEM_write_bio_PUBKEY(bio, pkey);
    assert_int_equal(ok, 1);
    long len = BIO_get_mem_data(bio, &text);
    char *copy = sb_str_dup((sb_str){text, (size_t)len});
    BIO_free(bio);
    return copy;
}

static void a_saved_key_is_the_same_when_loaded_and_closed_to_others(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < SB_ARRAY_LEN(all_algs); i++) {
        SB_AUTOPTR(sb_key) key = new_key(all_algs[i], "my-kid");
        SB_AUTOPTR(sb_key) again = NULL;
        struct stat st;
        (void)unlink(f->path);
        assert_int_equal(sb_key_save_new(key, f->path, NULL), SB_OK);
        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(load(f, NULL, NULL, &again, NULL), SB_OK);
        assert_true(sb_key_same(key, again));
        assert_string_equal(sb_key_kid(again), "my-kid");
        assert_string_equal(sb_key_alg(again), all_algs[i]);
        SB_AUTOFREE text = sign_text(again, "{}");
        assert_int_equal(judge(text, key, all_algs[i]), SB_OK);
        assert_int_equal(sb_key_save_new(key, f->path, NULL), SB_E_USAGE); /* never over an existing file */
    }
}

static void pem_of_every_form_is_read(void **state)
{
    fixture *f = *state;
    f->passphrase = "correct horse";
    for (size_t i = 0; i < SB_ARRAY_LEN(all_algs); i++)
        for (pem_form form = PKCS8; form <= TRADITIONAL; form++) {
            if (form == TRADITIONAL && all_algs[i][1] == 'd')
                continue; /* Ed25519 has no form but PKCS#8 */
            SB_AUTOPTR(sb_key) key = new_key(all_algs[i], NULL);
            SB_AUTOFREE text = pem_of(key, form, f->passphrase);
            SB_AUTOPTR(sb_key) again = NULL;
            put(f, text, 0600);
            assert_int_equal(load(f, "registered", all_algs[i], &again, NULL), SB_OK);
            assert_true(sb_key_same(key, again));
            assert_string_equal(sb_key_kid(again), "registered");
            assert_string_equal(sb_key_alg(again), all_algs[i]);
        }
}

static void an_encrypted_key_needs_its_passphrase_and_asks_once(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOPTR(sb_key) again = NULL;
    SB_AUTOFREE text = pem_of(key, ENCRYPTED, "right");
    sb_error err;
    put(f, text, 0600);
    f->passphrase = "wrong";
    refused(f, NULL, NULL, "passphrase is wrong");
    assert_int_equal(f->asked, 1);
    f->passphrase = NULL;
    refused(f, NULL, NULL, "could not be had");
    assert_int_equal(sb_key_load(f->path, NULL, &again, &err), SB_E_USAGE); /* nobody to ask */
    assert_non_null(strstr(err.fix, "--passphrase-file"));
    f->passphrase = "right";
    assert_int_equal(load(f, NULL, NULL, &again, NULL), SB_OK);
}

static void a_key_that_others_may_read_is_refused_with_the_chmod(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOFREE text = pem_of(key, PKCS8, NULL);
    SB_AUTO(sb_buf) jwk = SB_BUF_INIT;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0644, 0666};
    assert_int_equal(sb_key_save_new(key, f->path, NULL), SB_OK);
    assert_int_equal(sb_file_read(f->path, 10000, &jwk, NULL), SB_OK);
    for (size_t i = 0; i < 2 * SB_ARRAY_LEN(modes); i++) {
        sb_error err;
        sb_key *loaded = NULL;
        SB_AUTOPTR(sb_jwks) set = NULL;
        put(f, i % 2 ? text : sb_buf_cstr(&jwk), modes[i / 2]);
        assert_int_equal(load(f, NULL, NULL, &loaded, &err), SB_E_USAGE);
        assert_non_null(strstr(err.fix, "chmod"));
        assert_int_equal(sb_jwks_new(&set, NULL), SB_OK);
        assert_int_equal(sb_jwks_add_file(set, f->path, NULL, &err), SB_E_USAGE); /* not for its public half either */
        assert_non_null(strstr(err.fix, "chmod"));
    }
}

static void a_public_key_cannot_sign_but_can_be_published(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOFREE text = pem_of(key, PUBLIC, NULL);
    SB_AUTOPTR(sb_jwks) set = NULL;
    put(f, text, 0644);
    refused(f, NULL, NULL, "public key");
    assert_int_equal(sb_jwks_new(&set, NULL), SB_OK);
    assert_int_equal(sb_jwks_add_file(set, f->path, NULL, NULL), SB_OK);
    assert_true(sb_key_same(sb_jwks_at(set, 0), key));
}

static void of_a_set_the_kid_chooses(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) set = SB_BUF_INIT;
    SB_AUTOPTR(sb_key) a = new_key("ES384", "a");
    SB_AUTOPTR(sb_key) b = new_key("ES384", "b");
    SB_AUTOPTR(sb_key) chosen = NULL;
    SB_AUTO(sb_buf) first = SB_BUF_INIT;
    SB_AUTO(sb_buf) second = SB_BUF_INIT;
    SB_AUTOFREE other = sb_path_join(f->dir, "other");
    assert_int_equal(sb_key_save_new(a, f->path, NULL), SB_OK);
    assert_int_equal(sb_key_save_new(b, other, NULL), SB_OK);
    assert_int_equal(sb_file_read(f->path, 10000, &first, NULL), SB_OK);
    assert_int_equal(sb_file_read(other, 10000, &second, NULL), SB_OK);
    assert_int_equal(unlink(other), 0);
    assert_true(sb_buf_printf(&set, "{\"keys\":[%s,%s]}", sb_buf_cstr(&first), sb_buf_cstr(&second)));
    put(f, sb_buf_cstr(&set), 0600);
    refused(f, NULL, NULL, "several private keys");
    refused(f, "c", NULL, "no private key with kid c");
    assert_int_equal(load(f, "b", NULL, &chosen, NULL), SB_OK);
    assert_true(sb_key_same(chosen, b));
    refused(f, "b", "RS384", "is for ES384");
}

static void a_kid_names_a_lone_key_without_one_and_chooses_otherwise(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_key) named = new_key("ES384", "a");
    SB_AUTOPTR(sb_key) loaded = NULL;
    SB_AUTOPTR(sb_jwks) set = NULL;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    const sb_key_load_options registered = {.kid = "registered"};
    assert_int_equal(sb_key_save_new(named, f->path, NULL), SB_OK);
    refused(f, "registered", NULL, "no private key with kid registered");
    assert_int_equal(sb_file_read(f->path, 10000, &text, NULL), SB_OK);
    SB_AUTOJSON jwk = json_loads(sb_buf_cstr(&text), 0, NULL);
    assert_int_equal(json_object_del(jwk, "kid"), 0);
    SB_AUTOFREE nameless = sb_json_dump(jwk);
    put(f, nameless, 0600);
    assert_int_equal(load(f, "registered", NULL, &loaded, NULL), SB_OK);
    assert_string_equal(sb_key_kid(loaded), "registered");
    assert_int_equal(sb_jwks_new(&set, NULL), SB_OK);
    assert_int_equal(sb_jwks_add_file(set, f->path, &registered, NULL), SB_OK);
    assert_non_null(sb_jwks_find(set, SB_STR_LIT("registered")));
    refused(f, "two\nlines", NULL, "kid is unusable");
}

static void of_a_published_set_the_kid_chooses_too(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_jwks) all = NULL;
    SB_AUTOPTR(sb_jwks) set = NULL;
    SB_AUTOPTR(sb_key) a = new_key("ES384", "a");
    SB_AUTOPTR(sb_key) b = new_key("ES384", "b");
    const sb_key_load_options wanted = {.kid = "b"}, missing = {.kid = "c"};
    assert_int_equal(sb_jwks_new(&all, NULL), SB_OK);
    assert_int_equal(sb_jwks_new(&set, NULL), SB_OK);
    assert_int_equal(sb_jwks_add(all, a, NULL), SB_OK);
    assert_int_equal(sb_jwks_add(all, b, NULL), SB_OK);
    SB_AUTOFREE text = sb_jwks_json(all, true);
    put(f, text, 0644);
    assert_int_equal(sb_jwks_add_file(set, f->path, &missing, NULL), SB_E_USAGE);
    assert_int_equal(sb_jwks_add_file(set, f->path, &wanted, NULL), SB_OK);
    assert_int_equal(sb_jwks_count(set), 1);
    assert_true(sb_key_same(sb_jwks_at(set, 0), b));
}

static void what_openssl_puts_around_a_key_does_not_matter(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOPTR(sb_key) other = new_key("RS384", NULL);
    SB_AUTOPTR(sb_key) loaded = NULL;
    SB_AUTOFREE ec = pem_of(key, TRADITIONAL, NULL);
    SB_AUTOFREE rsa = pem_of(other, PKCS8, NULL);
    SB_AUTOFREE public = pem_of(key, PUBLIC, NULL);
    /* `openssl ecparam -genkey` begins with the curve, and others write text in front */
    SB_AUTOFREE with_curve =
        sb_printf("secp384r1\r\n-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n%s", ec);
    SB_AUTOFREE with_public = sb_printf("%s%s", public, ec);
    SB_AUTOFREE two = sb_printf("%s%s", ec, rsa);
    put(f, with_curve, 0600);
    assert_int_equal(load(f, NULL, NULL, &loaded, NULL), SB_OK);
    assert_true(sb_key_same(loaded, key));
    sb_key_free(loaded);
    loaded = NULL;
    put(f, with_public, 0600);
    assert_int_equal(load(f, NULL, NULL, &loaded, NULL), SB_OK);
    assert_true(sb_key_same(loaded, key));
    put(f, two, 0600);
    refused(f, NULL, NULL, "holds 2 private keys"); /* the first is as likely the wrong one */
}

static void the_old_encrypted_form_is_read_too(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_key) key = new_key("RS384", NULL);
    SB_AUTOPTR(sb_key) loaded = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, sb_key_evp(key), EVP_aes_128_cbc(),
                                                          (const unsigned char *)"right", 5, NULL, NULL),
                     1);
    long len = BIO_get_mem_data(bio, &bytes);
    SB_AUTOFREE text = sb_str_dup((sb_str){bytes, (size_t)len});
    BIO_free(bio);
    assert_non_null(strstr(text, "DEK-Info"));
    put(f, text, 0600);
    f->passphrase = "wrong";
    refused(f, NULL, NULL, "passphrase is wrong");
    f->passphrase = "right";
    assert_int_equal(load(f, NULL, NULL, &loaded, NULL), SB_OK);
    assert_true(sb_key_same(loaded, key));
}

static void nobody_is_asked_for_the_passphrase_of_a_file_that_is_refused(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_key) key = new_key("ES384", NULL);
    SB_AUTOFREE text = pem_of(key, ENCRYPTED, "right");
    f->passphrase = "right";
    put(f, text, 0644);
    refused(f, NULL, NULL, "mode 0644");
    assert_int_equal(f->asked, 0);
}

static void no_refusal_steers_the_terminal_or_quotes_a_key(void **state)
{
    fixture *f = *state;
    static const char *const texts[] = {
        "{\"kty\":\"\\u001b]0;title\\u0007\"}",
        "{\"kty\":\"EC\",\"crv\":\"\\u001b[2J\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\",\"alg\":\"\\u009b\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\",\"use\":\"\\n\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\",\"d\":\"c2VjcmV0\",\"x\":\"c2VjcmV0\",\"y\":\"c2VjcmV0\"}",
        "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}",
        "{\"kty\":\"EC\",\"d\":\"c2VjcmV0\" c2VjcmV0",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        sb_error err = SB_ERROR_INIT;
        sb_key *key = NULL;
        put(f, texts[i], 0600);
        assert_int_equal(load(f, NULL, NULL, &key, &err), SB_E_USAGE);
        for (const char *c = err.why; *c; c++)
            assert_true((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7F);
        assert_null(strstr(err.why, "c2VjcmV0"));
    }
}

static void halves_that_are_not_one_key_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const swapped[] = {"ES384", "RS384", "EdDSA"};
    for (size_t i = 0; i < SB_ARRAY_LEN(swapped); i++) {
        SB_AUTOPTR(sb_key) a = new_key(swapped[i], "a");
        SB_AUTOPTR(sb_key) b = new_key(swapped[i], "a");
        SB_AUTO(sb_buf) text = SB_BUF_INIT;
        (void)unlink(f->path);
        assert_int_equal(sb_key_save_new(a, f->path, NULL), SB_OK);
        assert_int_equal(sb_file_read(f->path, 10000, &text, NULL), SB_OK);
        SB_AUTOJSON jwk = json_loads(sb_buf_cstr(&text), 0, NULL);
        SB_AUTOJSON public = sb_key_to_public_jwk(b);
        assert_int_equal(json_object_update_existing(jwk, public), 0);
        SB_AUTOFREE mixed = sb_json_dump(jwk);
        put(f, mixed, 0600);
        refused(f, NULL, NULL, "public half");
    }
}

static void files_that_are_no_keys_say_so(void **state)
{
    fixture *f = *state;
    (void)unlink(f->path);
    refused(f, NULL, NULL, "not there");
    put(f, "", 0600);
    refused(f, NULL, NULL, "neither a JWK");
    put(f, "ssh-rsa AAAA", 0600);
    refused(f, NULL, NULL, "neither a JWK");
    put(f, "{\"kty\":\"EC\"", 0600);
    refused(f, NULL, NULL, "could not be understood");
    put(f, "{\"keys\":[]}", 0600);
    refused(f, NULL, NULL, "holds no key");
    put(f, "{\"kty\":\"oct\",\"k\":\"AAAA\"}", 0600);
    refused(f, NULL, NULL, "oct");
    put(f, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
    refused(f, NULL, NULL, "not a key that is understood");
    SB_AUTO(sb_buf) huge = SB_BUF_INIT;
    for (int i = 0; i < 300000; i++)
        assert_true(sb_buf_add_char(&huge, '{'));
    put(f, sb_buf_cstr(&huge), 0600);
    refused(f, NULL, NULL, "too long");
}

static void weak_keys_are_refused_wherever_they_come_from(void **state)
{
    fixture *f = *state;
    EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, weak, NULL, NULL, 0, NULL, NULL), 1);
    (void)BIO_write(bio, "", 1);
    (void)BIO_get_mem_data(bio, &text);
    put(f, text, 0600);
    refused(f, NULL, NULL, "too weak");
    BIO_free(bio);
    EVP_PKEY_free(weak);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_saved_key_is_the_same_when_loaded_and_closed_to_others, setup, teardown),
        cmocka_unit_test_setup_teardown(pem_of_every_form_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(an_encrypted_key_needs_its_passphrase_and_asks_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_others_may_read_is_refused_with_the_chmod, setup, teardown),
        cmocka_unit_test_setup_teardown(a_public_key_cannot_sign_but_can_be_published, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_set_the_kid_chooses, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kid_names_a_lone_key_without_one_and_chooses_otherwise, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_published_set_the_kid_chooses_too, setup, teardown),
        cmocka_unit_test_setup_teardown(what_openssl_puts_around_a_key_does_not_matter, setup, teardown),
        cmocka_unit_test_setup_teardown(the_old_encrypted_form_is_read_too, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_asked_for_the_passphrase_of_a_file_that_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(no_refusal_steers_the_terminal_or_quotes_a_key, setup, teardown),
        cmocka_unit_test_setup_teardown(halves_that_are_not_one_key_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_are_no_keys_say_so, setup, teardown),
        cmocka_unit_test_setup_teardown(weak_keys_are_refused_wherever_they_come_from, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
