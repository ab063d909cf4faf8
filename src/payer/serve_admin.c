/* SPDX-License-Identifier: Apache-2.0 */
/* serve_admin.c - the listener for who watches and administers, beside the one for clients: on a loopback address; or on
 * another, with TLS and a token. It is of no generation: who administers is not cut off by what is read again. */
#include <stdio.h>

#include "base/log.h"
#include "base/secret.h"
#include "payer/serve_internal.h"
#include "payer/settings_keys.h"

#define CONNECTIONS 64 /* watchers are few */

static sb_status make_server(sb_serve *s, const char *address, unsigned port, sb_error *err)
{
    SB_AUTO(sb_buf) cert = SB_BUF_INIT;
    SB_AUTO(sb_buf) key = SB_BUF_INIT;
    sb_server_options server = {.address = address,
                                .port = port,
                                .threads = SB_SERVE_ADMIN_THREADS,
                                .connections = CONNECTIONS,
                                .drain_ms = 1000};
    sb_status status = SB_OK;
    s->admin_is_local = sb_settings_is_loopback(address);
    if (!s->admin_is_local) {
        status = sb_serve_read_identity(s->settings, &cert, &key, err);
        server.cert = sb_buf_cstr(&cert);
        server.key = sb_buf_cstr(&key);
    }
    if (status == SB_OK)
        status = sb_server_new(&server, &s->admin_server, err);
    sb_buf_wipe(&key);
    return status;
}

sb_status sb_serve_admin_token(const sb_settings *settings, sb_digest *out, sb_error *err)
{
    if (!settings->admin_token_file)
        return SB_OK;
    return sb_serve_secret_digest(settings->admin_token_file, "the administration's token could be guessed", out, err);
}

sb_status sb_serve_admin_listen(sb_serve *s, sb_error *err)
{
    char address[INET6_ADDRSTRLEN];
    unsigned port;
    if (!s->settings->admin_listen)
        return SB_OK;
    (void)sb_settings_split_listen(s->settings->admin_listen, address, &port); /* was checked */
    SB_TRY(make_server(s, address, port, err));
    s->admin_port = sb_server_port(s->admin_server);
    return SB_OK;
}

/* What it is told */

static int64_t certificate_ends_s(void *impl)
{
    const sb_serve *s = impl;
    return atomic_load(&s->certificate_ends_s);
}

/* Kept, for the server may have ended when somebody asks. */
void sb_serve_note_certificate(sb_serve *s)
{
    atomic_store(&s->certificate_ends_s, sb_server_certificate_ends_s(s->server));
}

/* What this server proves itself with, and signs with where it signs. */
static bool keys_are_good(void *impl, char why[SB_READY_WHY_SIZE])
{
    sb_serve *s = impl;
    int64_t ends_s = certificate_ends_s(s), now_s = s->clock->wall_s(s->clock->impl);
    SB_AUTOPTR(sb_server_keyset) set = s->server_keys ? sb_server_keys_take(s->server_keys) : NULL;
    if (ends_s > 0 && now_s >= ends_s)
        (void)snprintf(why, SB_READY_WHY_SIZE, "the TLS certificate has ended: put a new one in its place, and reload");
    else if (set && !sb_server_keyset_signer(set, now_s))
        (void)snprintf(why, SB_READY_WHY_SIZE, "no key signs access tokens now: the log says why none was made");
    return !why[0];
}

static void on_event(void *impl, const sb_service_event *event)
{
    sb_generation *g = sb_generation_take(impl);
    sb_generation_log(g, event);
    sb_generation_release(g);
}

static sb_status make_admin(sb_serve *s, sb_error *err)
{
    sb_ready_options ready = {.pool = s->pool,
                              .audit = s->audit,
                              .exports_folder = s->settings->exports_folder,
                              .clock = s->clock,
                              .keys = keys_are_good,
                              .keys_impl = s};
    SB_TRY(sb_ready_new(&ready, &s->ready, err));
    sb_admin_options options = {.ready = s->ready,
                                .pool = s->pool,
                                .clients = s->clients,
                                .jobs = s->jobs,
                                .audit = s->audit,
                                .audit_file = s->settings->audit_file,
                                .metrics = s->metrics,
                                .clock = s->clock,
                                .exports_folder = s->settings->exports_folder,
                                .certificate_ends_s = certificate_ends_s,
                                .on_event = on_event,
                                .impl = s};
    return sb_admin_new(&options, &s->admin, err);
}

sb_status sb_serve_admin_start(sb_serve *s, sb_error *err)
{
    sb_digest token;
    if (!s->admin_server)
        return SB_OK;
    SB_TRY(sb_serve_admin_token(s->settings, &token, err));
    SB_TRY(make_admin(s, err));
    sb_serve_admin_by(s, s->settings, &token);
    sb_server_handler handler = sb_admin_handler(s->admin);
    SB_TRY(sb_server_start(s->admin_server, &handler, err));
    sb_log(SB_LOG_INFO, "administration on port %u", s->admin_port);
    return SB_OK;
}

void sb_serve_admin_by(sb_serve *s, const sb_settings *settings, const sb_digest *token)
{
    if (!s->admin)
        return;
    if (settings->admin_token_file || s->admin_is_local)
        sb_admin_set_token(s->admin, settings->admin_token_file ? token : NULL);
    else /* it still listens where the token was asked for */
        sb_log(SB_LOG_WARN, "admin.token_file is gone: until a restart the token stays as it was");
}

/* The end */

void sb_serve_admin_ending(sb_serve *s)
{
    if (s->admin)
        sb_admin_set_ending(s->admin);
}

void sb_serve_admin_stop(sb_serve *s)
{
    sb_server_free(s->admin_server);
    sb_admin_free(s->admin);
    sb_ready_free(s->ready);
    s->admin_server = NULL;
    s->admin = NULL;
    s->ready = NULL;
}
