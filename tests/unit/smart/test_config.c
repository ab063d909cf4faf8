/* SPDX-License-Identifier: Apache-2.0 */
/* test_config.c - smartbulk.yaml is read as it is documented, and mistakes are named with their line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smart/config.h"

#include "scratch_dir.h"

typedef struct fixture {
    char *dir, *path;
    sb_config *config;
    sb_error err;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    f->dir = scratch_dir_new();
    f->path = f->dir ? sb_path_join(f->dir, "smartbulk.yaml") : NULL;
    *state = f;
    return f->path ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    sb_config_free(f->config);
    scratch_dir_free(f->dir);
    free(f->path);
    free(f);
    return 0;
}

static sb_status load(fixture *f, const char *text)
{
    sb_config_free(f->config);
    assert_int_equal(sb_file_write_atomic(f->path, 0644, sb_str_from(text), NULL), SB_OK);
    return sb_config_load(f->path, &f->config, &f->err);
}

static void a_full_entry_is_read(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, "# payers\n"
                             "payers:\n"
                             "  acme:\n"
                             "    fhir_url: https://fhir.acme.example/r4\n"
                             "    client_id: 0oa8\n"
                             "    key: keys/acme.jwk            # JWK\n"
                             "    scope: system/Patient.rs system/Coverage.rs\n"
                             "    headers: [\"X-Api-Key: abc\", \"X-B: c\"]\n"
                             "    token_hosts:\n"
                             "      - https://files.acme.example\n"
                             "    connections: 4\n"
                             "    clock_skew: -412\n"
                             "    assertion_lifetime: 60\n"
                             "    no_token_cache: true\n"
                             "  \"beta\":\n"
                             "    fhir_url: https://beta.example\n"),
                     SB_OK);
    const sb_payer_config *acme = sb_config_payer(f->config, "acme");
    assert_string_equal(acme->fhir_url, "https://fhir.acme.example/r4");
    assert_string_equal(acme->client_id, "0oa8");
    assert_string_equal(acme->scope, "system/Patient.rs system/Coverage.rs");
    assert_int_equal(acme->headers_count, 2);
    assert_string_equal(acme->headers[1], "X-B: c");
    assert_string_equal(acme->token_hosts[0], "https://files.acme.example");
    assert_int_equal(acme->connections, 4);
    assert_int_equal(acme->clock_skew, -412);
    assert_true(acme->no_token_cache);
    const sb_payer_config *beta = sb_config_payer(f->config, "beta");
    assert_string_equal(beta->fhir_url, "https://beta.example");
    assert_null(beta->key);
    assert_false(beta->no_token_cache);
    assert_null(sb_config_payer(f->config, "gamma"));
    char names[40];
    assert_string_equal(sb_config_names(f->config, names, sizeof(names)), "acme, beta");
}

static void paths_are_relative_to_the_file(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, "payers: {a: {key: k.jwk}}\n"), SB_OK);
    SB_AUTOFREE key = sb_config_resolve(f->config, "keys/k.jwk");
    SB_AUTOFREE want = sb_path_join(f->dir, "keys/k.jwk");
    assert_string_equal(key, want);
    SB_AUTOFREE absolute = sb_config_resolve(f->config, "/etc/k.jwk");
    assert_string_equal(absolute, "/etc/k.jwk");
    SB_AUTOFREE token = sb_config_resolve(f->config, "pkcs11:object=k");
    assert_string_equal(token, "pkcs11:object=k");
}

static void mistakes_are_named_with_their_line(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text, *line, *word;
    } cases[] = {
        {"payers:\n  acme:\n    fhir_url: https://x.example\n    client_di: 7\n", "line 4", "client_di"},
        {"payers:\n  a:\n    connections: many\n", "line 3", "many"},
        {"payers:\n  a:\n    connections: -1\n", "line 3", NULL},
        {"payers:\n  a:\n    connections: 99999999999999999999\n", "line 3", NULL},
        {"payers:\n  a:\n    headers: \"X: y\"\n", "line 3", NULL},
        {"payers:\n  a:\n    key: [x]\n", "line 3", NULL},
        {"payers:\n  a:\n    key: x\n  a:\n    key: y\n", "line 4", "twice"},
        {"payers:\n  a:\n\tkey: x\n", "line 3", NULL},
        {"payers:\n  a: &x\n    key: k\n  b: *x\n", "line 4", "alias"},
        {"payers:\n  a:\n    key: k\nserver:\n  port: 1\n", "line 4", "server"},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        assert_int_equal(load(f, cases[i].text), SB_E_USAGE);
        if (!strstr(f->err.why, cases[i].line) || (cases[i].word && !strstr(f->err.why, cases[i].word)))
            fail_msg("case %zu: %s", i, f->err.why);
    }
}

static void files_without_payers_say_so(void **state)
{
    fixture *f = *state;
    static const char *const texts[] = {"",
                                        "payers:\n",
                                        "payers: {}\n",
                                        "payers: []\n",
                                        "- payers\n",
                                        "payers\n",
                                        "payers: [a, b]\n",
                                        "%YAML 9.9\n",
                                        "\xff\xfe\x00",
                                        "payers: {\"\": {key: k}}\n",
                                        "payers: {a: }\n",
                                        "payers: {a: 7}\n",
                                        "payers: {a: [k]}\n",
                                        "payers: {a: {key: k}}\n---\npayers: {b: {key: k}}\n",
                                        "payers: {a: {key: k}}\npayers: {a: {key: k}}\n",
                                        "payers: {a: {key: k}}\npayers: {b: {key: k}}\n",
                                        "payers: {a: {key: k, key: l}}\n"};
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        sb_status status = load(f, texts[i]);
        if (status != SB_E_USAGE)
            fail_msg("case %zu gave %d", i, (int)status);
    }
}

static void a_missing_file_is_told_apart(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE path = sb_path_join(f->dir, "none.yaml");
    assert_int_equal(sb_config_load(path, &f->config, &f->err), SB_E_NOT_FOUND);
}

#define CONFIG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(a_full_entry_is_read),
        CONFIG_TEST(paths_are_relative_to_the_file),
        CONFIG_TEST(mistakes_are_named_with_their_line),
        CONFIG_TEST(files_without_payers_say_so),
        CONFIG_TEST(a_missing_file_is_told_apart),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
