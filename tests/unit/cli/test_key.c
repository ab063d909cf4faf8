/* SPDX-License-Identifier: Apache-2.0 */
/* test_key.c - `smartbulk key` as a person or a script meets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "remove_tree.h"

static const char *program; /* the one under test */

typedef struct fixture {
    char dir[64];
    char out[16384], err[16384];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/sb-key-XXXXXX");
    return mkdtemp(f->dir) && chdir(f->dir) == 0 && setenv("SB", program, 1) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    remove_tree(f->dir);
    free(f);
    return 0;
}

static void slurp(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    (void)fclose(file);
}

/* `command` is a shell's, with the program as "$SB". Returns the exit code. */
static int run(fixture *f, const char *command)
{
    char line[1024];
    (void)snprintf(line, sizeof(line), "{ %s\n} >out 2>err </dev/null", command);
    int status = system(line);
    assert_true(WIFEXITED(status));
    slurp("out", f->out, sizeof(f->out));
    slurp("err", f->err, sizeof(f->err));
    return WEXITSTATUS(status);
}

static void assert_nothing_private(const char *text)
{
    static const char *const members[] = {"\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\"", "PRIVATE"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        assert_null(strstr(text, members[i]));
}

static void a_new_key_is_closed_to_others_and_only_its_public_half_is_shown(void **state)
{
    fixture *f = *state;
    struct stat st;
    assert_int_equal(run(f, "umask 0; \"$SB\" key new"), 0);
    json_t *set = json_loads(f->out, 0, NULL); /* data on stdout, words on stderr */
    assert_int_equal(json_array_size(json_object_get(set, "keys")), 1);
    json_decref(set);
    assert_nothing_private(f->out);
    assert_nothing_private(f->err);
    assert_non_null(strstr(f->err, "smartbulk-key.jwk"));
    assert_int_equal(stat("smartbulk-key.jwk", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_file_that_is_there_is_never_written_over(void **state)
{
    fixture *f = *state;
    assert_int_equal(run(f, "echo mine >smartbulk-key.jwk; \"$SB\" key new"), 2);
    assert_string_equal(f->out, "");
    assert_int_equal(run(f, "ln -s elsewhere link; \"$SB\" key new -o link"), 2);
    assert_int_equal(run(f, "cat smartbulk-key.jwk; test ! -e elsewhere"), 0);
    assert_string_equal(f->out, "mine\n");
}

static void sets_are_merged_and_hold_nothing_private(void **state)
{
    fixture *f = *state;
    assert_int_equal(
        run(f, "\"$SB\" key new --kid old -o a.jwk && \"$SB\" key new --alg RS384 --bits 2048 --kid new -o b.jwk"), 0);
    assert_int_equal(run(f, "\"$SB\" key jwks --compact a.jwk b.jwk a.jwk"), 0);
    assert_nothing_private(f->out);
    json_t *set = json_loads(f->out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(set, "keys")), 2);
    json_decref(set);
    assert_int_equal(
        run(f, "\"$SB\" key jwks a.jwk >public.json && chmod 644 public.json && \"$SB\" key jwks public.json"), 0);
    assert_int_equal(run(f, "\"$SB\" key new --kid old -o c.jwk >x && \"$SB\" key jwks a.jwk c.jwk"), 2);
    assert_non_null(strstr(f->err, "same kid"));
    assert_int_equal(run(f, "chmod 644 a.jwk; \"$SB\" key jwks a.jwk"), 2);
    assert_non_null(strstr(f->err, "chmod 600 a.jwk"));
    assert_string_equal(f->out, "");
}

static void show_tells_what_is_public(void **state)
{
    fixture *f = *state;
    assert_int_equal(run(f, "\"$SB\" key new --alg EdDSA --kid mine -o a.jwk && \"$SB\" key show --json a.jwk"), 0);
    assert_int_equal(run(f, "\"$SB\" key show --json a.jwk"), 0);
    json_t *list = json_loads(f->out, 0, NULL), *key = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(key, "kid")), "mine");
    assert_string_equal(json_string_value(json_object_get(key, "alg")), "EdDSA");
    assert_string_equal(json_string_value(json_object_get(key, "kind")), "OKP Ed25519");
    assert_int_equal(json_string_length(json_object_get(key, "thumbprint")), 43);
    assert_int_equal(json_object_size(key), 4);
    json_decref(list);
    assert_int_equal(run(f, "\"$SB\" key show a.jwk"), 0);
    assert_non_null(strstr(f->out, "EdDSA (OKP Ed25519)"));
    assert_nothing_private(f->out);
}

static void mistakes_are_usage_and_name_the_way_out(void **state)
{
    fixture *f = *state;
    static const char *const commands[] = {
        "\"$SB\" key",
        "\"$SB\" key old",
        "\"$SB\" key new --alg none",
        "\"$SB\" key new --alg es384",
        "\"$SB\" key new --bits 3072",
        "\"$SB\" key new --alg RS384 --bits 1024",
        "\"$SB\" key new --alg RS384 --bits -2048",
        "\"$SB\" key new --alg RS384 --bits 3072x",
        "\"$SB\" key new --kid 'two words'",
        "\"$SB\" key new --json",
        "\"$SB\" key new file",
        "\"$SB\" key jwks",
        "\"$SB\" key jwks missing.jwk",
        "\"$SB\" key jwks --json x",
        "\"$SB\" key show",
        "\"$SB\" key show a b",
        "\"$SB\" key show --compact x",
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (run(f, commands[i]) != 2)
            fail_msg("not refused as usage: %s", commands[i]);
        assert_string_equal(f->out, "");
        assert_true(strstr(f->err, "--help") || strstr(f->err, "fix:"));
        assert_int_equal(access("smartbulk-key.jwk", F_OK), -1);
    }
}

static void a_full_disk_behind_stdout_is_no_success(void **state)
{
    fixture *f = *state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_int_equal(run(f, "\"$SB\" key new -o a.jwk >/dev/full"), 1);
}

static void a_passphrase_comes_from_a_file_or_the_environment(void **state)
{
    fixture *f = *state;
    if (run(f, "command -v openssl") != 0) {
        print_message("skipped: there is no openssl program to encrypt a key with\n");
        skip();
    }
    assert_int_equal(
        run(f, "head -c 18 /dev/urandom | base64 >pass && chmod 600 pass && openssl genpkey -algorithm EC -pkeyopt "
               "ec_paramgen_curve:P-384 -aes256 -pass file:pass -out a.pem && chmod 600 a.pem"),
        0);
    assert_int_equal(run(f, "\"$SB\" key jwks --passphrase-file pass a.pem"), 0);
    assert_nothing_private(f->out);
    assert_int_equal(run(f, "P=$(cat pass) \"$SB\" key show --passphrase-env P a.pem"), 0);
    assert_int_equal(run(f, "P=wrong \"$SB\" key show --passphrase-env P a.pem"), 2);
    assert_null(strstr(f->err, "wrong\n"));
    assert_int_equal(run(f, "setsid \"$SB\" key show a.pem"), 2); /* nobody to ask: it says so and does not wait */
    assert_int_equal(run(f, "chmod 644 pass; \"$SB\" key show --passphrase-file pass a.pem"), 2);
}

static void each_help_begins_with_an_example(void **state)
{
    fixture *f = *state;
    static const char *const commands[] = {"\"$SB\" key --help", "\"$SB\" key new --help", "\"$SB\" key jwks --help",
                                           "\"$SB\" key show --help"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        assert_int_equal(run(f, commands[i]), 0);
        assert_int_equal(strncmp(f->out, "Example: smartbulk key ", 23), 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_key_is_closed_to_others_and_only_its_public_half_is_shown, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_there_is_never_written_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sets_are_merged_and_hold_nothing_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(show_tells_what_is_public, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mistakes_are_usage_and_name_the_way_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_behind_stdout_is_no_success, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_passphrase_comes_from_a_file_or_the_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_help_begins_with_an_example, set_up, tear_down),
    };
    program = argc > 1 ? argv[1] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
