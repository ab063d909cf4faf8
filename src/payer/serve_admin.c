/* SPDX-License-Identifier: Apache-2.0 */
/* serve_admin.c - the listener for who watches and administers, beside the one for clients: on a loopback address; or on
 * another, with TLS and a token. */
#include "base/log.h"
#include "base/secret.h"
#include "payer/serve_internal.h"
#include "payer/settings_keys.h"

#define THREADS     2  /* watchers are few, and one that waits for the database does not hold up the other */
#define CONNECTIONS 64 /* the same */

static sb_status make_server(sb_serve *s, const char *address, unsigned port, sb_error *err)
{
    SB_AUTO(sb_buf) cert = SB_BUF_INIT;
    SB_AUTO(sb_buf) key = SB_BUF_INIT;
    sb_server_options server = {
        .address = address, .port = port, .threads = THREADS, .connections = CONNECTIONS, .drain_ms = 1000};
    sb_status status = SB_OK;
    if (!sb_settings_is_loopback(address)) {
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
    SB_TRY(sb_serve_admin_token(s->settings, &s->admin_token, err));
    SB_TRY(make_server(s, address, port, err));
    s->admin_port = sb_server_port(s->admin_server);
    return SB_OK;
}

static int64_t certificate_ends_s(void *impl)
{
    return sb_server_certificate_ends_s(impl);
}

sb_status sb_serve_admin_start(sb_serve *s, sb_error *err)
{
    sb_admin_options options = {.pool = s->pool,
                                .clients = s->clients,
                                .jobs = s->jobs,
                                .audit = s->audit,
                                .audit_file = s->settings->audit_file,
                                .metrics = s->metrics,
                                .clock = s->clock,
                                .exports_folder = s->settings->exports_folder,
                                .token_lifetime_s = s->settings->token_lifetime_s,
                                .token = s->settings->admin_token_file ? &s->admin_token : NULL,
                                .certificate_ends_s = certificate_ends_s,
                                .impl = s->server};
    if (!s->admin_server)
        return SB_OK;
    SB_TRY(sb_admin_new(&options, &s->admin, err));
    sb_server_handler handler = sb_admin_handler(s->admin);
    SB_TRY(sb_server_start(s->admin_server, &handler, err));
    sb_log(SB_LOG_INFO, "administration on port %u", s->admin_port);
    return SB_OK;
}

void sb_serve_admin_stop(sb_serve *s)
{
    sb_server_free(s->admin_server);
    sb_admin_free(s->admin);
    s->admin_server = NULL;
    s->admin = NULL;
}
