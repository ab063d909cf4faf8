/* SPDX-License-Identifier: Apache-2.0 */
/* serve_check.c - what a start would find wrong in a configuration and in the files it names, all at once. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "http/server_tls.h"
#include "payer/serve_internal.h"
#include "payer/settings_database.h"

#define WORDS_MAX   1400 /* what and why of an error */
#define SECRETS_MAX ((size_t)4096)

typedef struct check {
    const sb_settings *settings;
    sb_serve_mistake_fn *each;
    void *impl;
    sb_error *err; /* the first */
    bool wrong;
} check;

static void note(check *c, unsigned long line, const char *key, const sb_error *found)
{
    char text[WORDS_MAX];
    (void)snprintf(text, sizeof(text), "%s: %s: %s", key, found->what, found->why);
    if (c->each)
        c->each(c->impl, line, text);
    if (!c->wrong)
        (void)sb_error_set(c->err, SB_E_USAGE, "the configuration is not right", "%s, line %lu: %s", found->fix,
                           c->settings->path, line, text);
    c->wrong = true;
}

static void check_identity(check *c)
{
    SB_AUTO(sb_buf) cert = SB_BUF_INIT;
    SB_AUTO(sb_buf) key = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    if (!c->settings->tls_certificate)
        return;
    sb_status status = sb_serve_read_identity(c->settings, &cert, &key, &err);
    if (status == SB_OK)
        status = sb_server_tls_check(sb_buf_cstr(&cert), sb_buf_cstr(&key), &err);
    sb_buf_wipe(&key);
    if (status != SB_OK)
        note(c, SB_SETTINGS_LINE(c->settings, tls_certificate), "tls", &err);
}

static void check_secret(check *c, const char *path, unsigned long line, const char *key)
{
    SB_AUTO(sb_buf) secret = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    sb_status status = path ? sb_file_read_private(path, SECRETS_MAX, &secret, &err) : SB_OK;
    sb_buf_wipe(&secret);
    if (status != SB_OK)
        note(c, line, key, &err);
}

static void check_database_file(check *c)
{
    __attribute__((cleanup(sb_buf_wipe))) sb_buf uri = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    if (c->settings->database_file && sb_settings_database_file(c->settings, &uri, &err) != SB_OK)
        note(c, SB_SETTINGS_LINE(c->settings, database_file), "database_file", &err);
}

static void check_secrets(check *c)
{
    const sb_settings *s = c->settings;
    for (size_t i = 0; i < s->resource_server_count; i++)
        check_secret(c, s->resource_servers[i].secret_file, SB_SETTINGS_LINE(s, resource_servers),
                     "auth.resource_servers");
}

static void check_registration_token(check *c)
{
    sb_digest digest;
    sb_error err = SB_ERROR_INIT;
    if (sb_serve_registration_token(c->settings, &digest, &err) != SB_OK)
        note(c, SB_SETTINGS_LINE(c->settings, registration_token_file), "auth.registration_token_file", &err);
}

static void check_admin_token(check *c)
{
    sb_digest digest;
    sb_error err = SB_ERROR_INIT;
    if (sb_serve_admin_token(c->settings, &digest, &err) != SB_OK)
        note(c, SB_SETTINGS_LINE(c->settings, admin_token_file), "admin.token_file", &err);
}

static void check_token_secret(check *c)
{
    SB_AUTO(sb_buf) secret = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    if (c->settings->token_format == SB_TOKEN_JWT && sb_serve_token_secret(c->settings, &secret, &err) != SB_OK)
        note(c, SB_SETTINGS_LINE(c->settings, token_key_file), "auth.token_key_file", &err);
    sb_buf_wipe(&secret);
}

static void check_guard(check *c)
{
    SB_AUTOPTR(sb_guard) guard = NULL;
    sb_error err = SB_ERROR_INIT;
    if (sb_serve_guard(c->settings, &guard, &err) != SB_OK)
        note(c, SB_SETTINGS_LINE(c->settings, jwks_ca_file), "auth.jwks_ca_file", &err);
}

static void check_data(check *c)
{
    sb_error err = SB_ERROR_INIT;
    const char *folder = c->settings->data_folder;
    struct stat st;
    int number = !folder || stat(folder, &st) == 0 ? 0 : errno;
    if (folder && number == 0)
        number = !S_ISDIR(st.st_mode) ? ENOTDIR : access(folder, R_OK | X_OK) == 0 ? 0 : errno;
    if (number != 0) {
        (void)sb_error_errno(&err, "the folder of the data cannot be read", folder, number);
        note(c, SB_SETTINGS_LINE(c->settings, data_folder), "data.folder", &err);
    }
}

sb_status sb_serve_check(const char *config, sb_serve_mistake_fn *each, void *impl, sb_error *err)
{
    SB_AUTOPTR(sb_settings) settings = NULL;
    SB_TRY(sb_settings_load(config, each, impl, &settings, err));
    check c = {.settings = settings, .each = each, .impl = impl, .err = err};
    check_identity(&c);
    check_database_file(&c);
    check_secrets(&c);
    check_registration_token(&c);
    check_admin_token(&c);
    check_token_secret(&c);
    check_guard(&c);
    check_data(&c);
    return c.wrong ? SB_E_USAGE : SB_OK;
}
