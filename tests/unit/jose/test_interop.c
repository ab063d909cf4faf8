/* SPDX-License-Identifier: Apache-2.0 */
/* test_interop.c - signatures in both directions against an independent implementation: Debian's program `jose`. */
#include "jose_test.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

#include "../smart/scratch_dir.h"

/* What it knows of ours: EdDSA is not among it. */
static const char *const algs[] = {"ES384", "RS384", "ES256", "RS256", "PS384"};

typedef struct fixture {
    char *dir, *private_file, *public_file, *text_file, *out_file;
    bool there;
} fixture;

/* Run it, output to a file; its exit status, or -1. */
static int run(const char *out, const char *const *argv)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen(out, "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(126);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}
#define RUN(out, ...) run((out), (const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->dir = scratch_dir_new();
    if (!f->dir)
        return -1;
    f->private_file = sb_path_join(f->dir, "private.jwk");
    f->public_file = sb_path_join(f->dir, "public.jwk");
    f->text_file = sb_path_join(f->dir, "text");
    f->out_file = sb_path_join(f->dir, "out");
    f->there = RUN("/dev/null", "jose", "alg") == 0;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char *const files[] = {f->private_file, f->public_file, f->text_file, f->out_file};
    for (size_t i = 0; i < SB_ARRAY_LEN(files); i++) {
        (void)unlink(files[i]);
        free(files[i]);
    }
    scratch_dir_free(f->dir);
    free(f);
    return 0;
}

static void need(const fixture *f)
{
    if (f->there)
        return;
    print_message("skipped: the program `jose` is not there (scripts/setup test installs it)\n");
    skip();
}

static void put(const char *path, const char *text)
{
    (void)unlink(path);
    assert_int_equal(sb_file_create_new(path, 0600, sb_str_from(text), NULL), SB_OK);
}

static char *take(const char *path)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_int_equal(sb_file_read(path, 65536, &text, NULL), SB_OK);
    return sb_str_dup(sb_str_trim(sb_buf_str(&text)));
}

static void it_verifies_what_we_sign(void **state)
{
    fixture *f = *state;
    need(f);
    for (size_t i = 0; i < SB_ARRAY_LEN(algs); i++) {
        SB_AUTOPTR(sb_key) key = new_key(algs[i], NULL);
        SB_AUTOPTR(sb_key) other = new_key(algs[i], NULL);
        SB_AUTOFREE text = sign_text(key, "{\"sub\":\"client\"}");
        SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
        SB_AUTOJSON wrong = sb_key_to_public_jwk(other);
        SB_AUTOFREE jwk_text = sb_json_dump(jwk);
        SB_AUTOFREE wrong_text = sb_json_dump(wrong);
        put(f->text_file, text);
        put(f->public_file, jwk_text);
        assert_int_equal(RUN(f->out_file, "jose", "jws", "ver", "-i", f->text_file, "-k", f->public_file, "-O-"), 0);
        SB_AUTOFREE payload = take(f->out_file);
        assert_string_equal(payload, "{\"sub\":\"client\"}");
        put(f->public_file, wrong_text);
        assert_int_not_equal(RUN(f->out_file, "jose", "jws", "ver", "-i", f->text_file, "-k", f->public_file), 0);
    }
}

static void we_verify_what_it_signs_with_keys_it_made(void **state)
{
    fixture *f = *state;
    need(f);
    for (size_t i = 0; i < SB_ARRAY_LEN(algs); i++) {
        SB_AUTOPTR(sb_key) key = NULL;
        SB_AUTOFREE wish = sb_printf("{\"alg\":\"%s\"}", algs[i]);
        SB_AUTOFREE signature = sb_printf("{\"protected\":{\"alg\":\"%s\"}}", algs[i]);
        put(f->text_file, "{\"sub\":\"client\"}");
        (void)unlink(f->private_file);
        assert_int_equal(RUN("/dev/null", "jose", "jwk", "gen", "-i", wish, "-o", f->private_file), 0);
        assert_int_equal(chmod(f->private_file, 0600), 0);
        assert_int_equal(
            RUN(f->out_file, "jose", "jws", "sig", "-I", f->text_file, "-k", f->private_file, "-s", signature, "-c"),
            0);
        sb_error err = SB_ERROR_INIT;
        if (sb_key_load(f->private_file, NULL, &key, &err) != SB_OK)
            fail_msg("%s: %s", err.what, err.why);
        SB_AUTOFREE text = take(f->out_file);
        assert_int_equal(judge(text, key, algs[i]), SB_OK);
    }
}

static void it_computes_the_same_thumbprints(void **state)
{
    fixture *f = *state;
    need(f);
    for (size_t i = 0; i < SB_ARRAY_LEN(algs); i++) {
        SB_AUTOPTR(sb_key) key = new_key(algs[i], NULL);
        SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
        SB_AUTOFREE text = sb_json_dump(jwk);
        put(f->public_file, text);
        assert_int_equal(RUN(f->out_file, "jose", "jwk", "thp", "-a", "S256", "-i", f->public_file), 0);
        SB_AUTOFREE thumbprint = take(f->out_file);
        assert_string_equal(thumbprint, sb_key_thumbprint(key));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_verifies_what_we_sign, setup, teardown),
        cmocka_unit_test_setup_teardown(we_verify_what_it_signs_with_keys_it_made, setup, teardown),
        cmocka_unit_test_setup_teardown(it_computes_the_same_thumbprints, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
