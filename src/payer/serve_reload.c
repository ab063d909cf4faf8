/* SPDX-License-Identifier: Apache-2.0 */
/* serve_reload.c - the configuration is read again: what holds from now on, and what takes a new start. */
#include "base/log.h"
#include "base/secret.h"
#include "payer/serve_internal.h"
#include "payer/settings_keys.h"

static void say_kept(const char *section, const char *name)
{
    sb_log(SB_LOG_WARN, "%s%s%s is another now: that takes a restart; it stays as it was", section,
           section[0] && name[0] ? "." : "", name);
}

static void say_what_is_kept(const sb_settings *old, const sb_settings *new)
{
    for (size_t i = 0; i < sb_settings_key_count; i++) {
        const sb_settings_key *key = &sb_settings_keys[i];
        if (key->restart && sb_settings_differ(key, old, new))
            say_kept(key->section, key->name);
    }
}

static sb_status replace_certificate(sb_serve *s, const sb_settings *set, sb_error *err)
{
    SB_AUTO(sb_buf) cert = SB_BUF_INIT;
    SB_AUTO(sb_buf) key = SB_BUF_INIT;
    if (!s->settings->tls_certificate != !set->tls_certificate)
        say_kept("tls", "");
    if (!s->settings->tls_certificate || !set->tls_certificate)
        return SB_OK;
    sb_status status = sb_serve_read_identity(set, &cert, &key, err);
    if (status == SB_OK)
        status = sb_server_replace_certificate(s->server, sb_buf_cstr(&cert), sb_buf_cstr(&key), err);
    if (status == SB_OK && s->admin_server && sb_server_certificate_ends_s(s->admin_server) > 0)
        status = sb_server_replace_certificate(s->admin_server, sb_buf_cstr(&cert), sb_buf_cstr(&key), err);
    if (status == SB_OK)
        sb_serve_note_certificate(s);
    sb_buf_wipe(&key);
    return status;
}

static sb_status reload(sb_serve *s, sb_error *err)
{
    SB_AUTOPTR(sb_settings) settings = NULL;
    sb_generation *next = NULL;
    sb_digest admin_token;
    if (!s->config)
        return sb_error_set(err, SB_E_USAGE, "the configuration cannot be read again", "it is not of a file",
                            "start again with other options");
    SB_TRY(sb_settings_load(s->config, NULL, NULL, &settings, err));
    SB_TRY(sb_serve_admin_token(settings, &admin_token, err));
    SB_TRY(sb_generation_new(s, settings, &next, err));
    settings = NULL;                                                      /* the generation's */
    sb_status status = s->audit ? sb_audit_reopen(s->audit, err) : SB_OK; /* after a rotation: the new file */
    if (status == SB_OK)
        status = replace_certificate(s, next->settings, err);
    if (status != SB_OK) {
        sb_generation_release(next);
        return status;
    }
    say_what_is_kept(s->settings, next->settings);
    (void)pthread_mutex_lock(&s->current_lock);
    sb_generation *before = s->current;
    s->current = next;
    (void)pthread_mutex_unlock(&s->current_lock);
    sb_serve_admin_by(s, next->settings, &admin_token);
    sb_rates_set(s->rates, next->settings->tokens_per_minute);
    sb_serve_log_by(s, next->settings); /* the caller's thread alone takes it away again */
    sb_generation_release(before);
    sb_log(SB_LOG_INFO, "the configuration was read again");
    return SB_OK;
}

sb_status sb_serve_reload(sb_serve *s, sb_error *err)
{
    sb_error local = SB_ERROR_INIT, *found = err ? err : &local;
    sb_status status = reload(s, found);
    if (status != SB_OK)
        sb_log(SB_LOG_ERROR, "all stays as it was: %s: %s", found->what, found->why);
    return status;
}
