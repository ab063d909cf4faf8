/* SPDX-License-Identifier: Apache-2.0 */
/* test_settings.c - the configuration of serve: all that is wrong is said, with its line; what is right arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "payer/settings.h"
#include "payer/settings_keys.h"

#define BASE                                                                                                           \
    "base_url: https://payer.example\nlisten: 127.0.0.1:0\ndatabase: payer.db\nexports: {folder: /var/exports}\n"

typedef struct mistakes {
    char text[8192];
    unsigned count;
} mistakes;

static void note(void *impl, unsigned long line, const char *text)
{
    mistakes *m = impl;
    size_t len = strlen(m->text);
    m->count++;
    (void)snprintf(m->text + len, sizeof(m->text) - len, "%lu: %s\n", line, text);
}

static sb_status load(const char *yaml, mistakes *m, sb_settings **out, sb_error *err)
{
    char path[] = "/tmp/sb-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(sb_file_write_all(fd, path, sb_str_from(yaml), NULL), SB_OK);
    (void)close(fd);
    *m = (mistakes){.count = 0};
    sb_status status = sb_settings_load(path, note, m, out, err);
    (void)unlink(path);
    return status;
}

/* Exactly this one mistake. */
static void expect(const char *yaml, const char *mistake)
{
    mistakes m;
    sb_settings *s = NULL;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(load(yaml, &m, &s, &err), SB_E_USAGE);
    if (m.count != 1 || !strstr(m.text, mistake))
        fail_msg("wanted '%s', got %u:\n%s", mistake, m.count, m.text);
    assert_non_null(strstr(err.why, "line "));
}

static void what_is_not_given_has_a_default(void **state)
{
    (void)state;
    mistakes m;
    SB_AUTOPTR(sb_settings) s = NULL;
    assert_int_equal(load(BASE, &m, &s, NULL), SB_OK);
    assert_int_equal(m.count, 0);
    assert_int_equal(s->token_lifetime_s, 300);
    assert_int_equal(s->registration, SB_REGISTRATION_OFF);
    assert_true(s->portal && s->log_requests);
    assert_null(s->data_folder);
}

static void every_kind_of_value_arrives(void **state)
{
    (void)state;
    mistakes m;
    SB_AUTOPTR(sb_settings) s = NULL;
    assert_int_equal(load(BASE "trusted_proxies: [127.0.0.1, 'fd00::/8']\n"
                               "auth:\n  registration: pending\n  algorithms: [RS384]\n  token_format: jwt\n"
                               "  token_key_file: seal\n"
                               "  resource_servers:\n  - {id: hapi, secret_file: secret}\n"
                               "data: {folder: claims}\nlog: {format: text, requests: false}\n",
                          &m, &s, NULL),
                     SB_OK);
    assert_int_equal(s->trusted_proxies.count, 2);
    assert_string_equal(s->trusted_proxies.items[1], "fd00::/8");
    assert_int_equal(s->registration, SB_REGISTRATION_PENDING);
    assert_int_equal(s->token_format, SB_TOKEN_JWT);
    assert_string_equal(s->token_key_file, "/tmp/seal");
    assert_int_equal(s->token_key_days, 30);
    assert_int_equal(s->registration_pending_days, 14);
    assert_null(s->token_audience);
    assert_string_equal(s->algorithms.items[0], "RS384");
    assert_int_equal(s->resource_server_count, 1);
    assert_string_equal(s->resource_servers[0].id, "hapi");
    assert_string_equal(s->resource_servers[0].secret_file, "/tmp/secret"); /* beside the file */
    assert_string_equal(s->data_folder, "/tmp/claims");
    assert_string_equal(s->exports_folder, "/var/exports");
    assert_true(s->log_format == SB_LOG_FORMAT_TEXT && !s->log_requests);
}

/* Those that take a restart and differ, as section.name. */
static void kept_of(const char *before, const char *after, char *out, size_t size)
{
    mistakes m;
    SB_AUTOPTR(sb_settings) a = NULL;
    SB_AUTOPTR(sb_settings) b = NULL;
    assert_int_equal(load(before, &m, &a, NULL), SB_OK);
    assert_int_equal(load(after, &m, &b, NULL), SB_OK);
    out[0] = '\0';
    for (size_t i = 0; i < sb_settings_key_count; i++) {
        size_t len = strlen(out);
        if (sb_settings_keys[i].restart && sb_settings_differ(&sb_settings_keys[i], a, b))
            (void)snprintf(out + len, size - len, "%s.%s ", sb_settings_keys[i].section, sb_settings_keys[i].name);
    }
}

static void what_takes_a_restart_is_told_from_what_does_not(void **state)
{
    (void)state;
    char kept[256];
    kept_of(BASE, BASE, kept, sizeof(kept));
    assert_string_equal(kept, "");
    kept_of(BASE, BASE "auth: {algorithms: [ES384], registration: open}\nlog: {level: debug}\n", kept, sizeof(kept));
    assert_string_equal(kept, "");
    kept_of(
        BASE "trusted_proxies: [127.0.0.1]\nthreads: 2\n",
        BASE
        "trusted_proxies: [127.0.0.2]\nthreads: 3\nauth: {token_format: jwt, token_key_file: k}\naudit: {file: a}\n",
        kept, sizeof(kept));
    assert_string_equal(kept, ".trusted_proxies .threads auth.token_format auth.token_key_file audit.file ");
}

static void each_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    expect(BASE "auth:\n  token_format: jwt\n",
           "6: auth.token_format is jwt: give auth.token_key_file, too: what seals its keys");
    expect(BASE "thraeds: 4\n", "5: there is no key 'thraeds' here; is 'threads' meant?");
    expect(BASE "token_lifetime: 4\n", "5: there is no key 'token_lifetime' here; is 'auth.token_lifetime' meant?");
    expect(BASE "threads: many\n", "5: threads takes a whole number from 1 to 64, not 'many'");
    expect(BASE "threads: [1]\n", "5: threads takes a whole number");
    expect(BASE "auth:\n  registration: maybe\n", "6: registration is one of: off, pending, token, open");
    expect(BASE "auth:\n  algorithms: [none]\n", "6: auth.algorithms: 'none' is none that is offered");
    expect(BASE "auth:\n  algorithms: [HS256]\n", "6: auth.algorithms: 'HS256'");
    expect(BASE "auth:\n  algorithms: RS384\n", "6: algorithms is a list");
    expect(BASE "auth: off\n", "5: auth is a group of keys");
    expect(BASE "auth:\n  registration: token\n", "6: auth.registration is token: give");
    expect(BASE "auth:\n  registration_scope: user/*.rs\n", "6: auth.registration_scope");
    expect(BASE "auth:\n  resource_servers: [{id: x}]\n", "6: a resource server needs");
    expect(BASE "portal: {enabled: perhaps}\n", "5: enabled is true or false");
    expect(BASE "portal: {user_header: X-User}\n", "5: portal.user_header is believed of a trusted proxy alone");
    expect(BASE "trusted_proxies: [10.0.0.0/33]\n", "5: trusted_proxies: '10.0.0.0/33' is no address");
    expect(BASE "threads: 1\nthreads: 2\n", "6: threads is given twice: the first time in line 5");
    expect(BASE "admin: {listen: '0.0.0.0:1'}\n", "5: admin.listen is a loopback address");
    expect(BASE "tls: {certificate: a.pem}\n", "tls.certificate and tls.key belong together");
    expect(BASE "a: [\n", "this is not YAML");
    expect(BASE "\"a\\e[31m\": 1\n", "there is no key 'a?[31m' here");
}

static void what_is_missing_is_named_all_at_once(void **state)
{
    (void)state;
    mistakes m;
    sb_settings *s = NULL;
    assert_int_equal(load("threads: 1\n", &m, &s, NULL), SB_E_USAGE);
    assert_non_null(strstr(m.text, "base_url is missing"));
    assert_non_null(strstr(m.text, "listen is missing"));
    assert_non_null(strstr(m.text, "database is missing"));
    assert_non_null(strstr(m.text, "exports.folder is missing"));
}

static void members_data_is_not_sent_in_clear(void **state)
{
    (void)state;
    expect("base_url: https://p.example\nlisten: 0.0.0.0:80\ndatabase: x\nexports: {folder: e}\n",
           "2: without tls it would send");
    expect("base_url: http://p.example\nlisten: 127.0.0.1:80\ndatabase: x\nexports: {folder: e}\n",
           "1: base_url is https");
}

static void a_password_in_the_file_is_refused_and_not_repeated(void **state)
{
    (void)state;
    mistakes m;
    sb_settings *s = NULL;
    sb_error err = SB_ERROR_INIT;
    static const char *const uris[] = {"postgresql://sb:hunter2@db/x", "postgresql://db/x?password=hunter2",
                                       "postgresql://sb:hunter2?@db/x", "host=db password = hunter2"};
    for (size_t i = 0; i < SB_ARRAY_LEN(uris); i++) {
        SB_AUTOFREE yaml = sb_printf("base_url: https://p.example\nlisten: 127.0.0.1:80\ndatabase: '%s'\n"
                                     "exports: {folder: e}\n",
                                     uris[i]);
        assert_int_equal(load(yaml, &m, &s, &err), SB_E_USAGE);
        assert_non_null(strstr(m.text, "3: a password does not belong here"));
        assert_null(strstr(m.text, "hunter2"));
        assert_null(strstr(err.why, "hunter2"));
    }
}

static void every_key_is_found_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sb_settings_key_count; i++)
        assert_int_equal(sb_settings_find_key(sb_settings_keys[i].section, sb_str_from(sb_settings_keys[i].name)), i);
}

/* docs/serve.yaml: as it stands, and with every comment taken from a key. */
static void the_documented_file_is_right_and_names_every_key(void **state)
{
    (void)state;
    mistakes m = {.count = 0};
    SB_AUTOPTR(sb_settings) s = NULL;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    if (sb_settings_load(SB_TEST_DOCS "/serve.yaml", note, &m, &s, &err) != SB_OK)
        fail_msg("%s", m.text);
    assert_int_equal(sb_file_read(SB_TEST_DOCS "/serve.yaml", 1 << 20, &text, NULL), SB_OK);
    for (size_t i = 0; i < sb_settings_key_count; i++) {
        char key[80];
        (void)snprintf(key, sizeof(key), "%s:", sb_settings_keys[i].name);
        if (!strstr(sb_buf_cstr(&text), key))
            fail_msg("docs/serve.yaml does not explain %s.%s", sb_settings_keys[i].section, sb_settings_keys[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_has_a_default),
        cmocka_unit_test(every_kind_of_value_arrives),
        cmocka_unit_test(what_takes_a_restart_is_told_from_what_does_not),
        cmocka_unit_test(each_mistake_is_named_with_its_line),
        cmocka_unit_test(what_is_missing_is_named_all_at_once),
        cmocka_unit_test(members_data_is_not_sent_in_clear),
        cmocka_unit_test(a_password_in_the_file_is_refused_and_not_repeated),
        cmocka_unit_test(every_key_is_found_by_its_name),
        cmocka_unit_test(the_documented_file_is_right_and_names_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
