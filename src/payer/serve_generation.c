/* SPDX-License-Identifier: Apache-2.0 */
/* serve_generation.c - a request is answered by what was read last when it began, and by nothing else until its end. */
#include "base/secret.h"
#include "payer/routes/event_line.h"
#include "payer/serve_internal.h"
#include "payer/settings_secret.h"

#define SECRET_MIN 32 /* characters: 128 bits in hex */

/* The life of a generation */

void sb_generation_log(sb_generation *g, const sb_service_event *event)
{
    sb_serve *s = g->serve;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    bool json = g->settings->log_format == SB_LOG_FORMAT_JSON;
    if (!s->log || !g->settings->log_requests || !sb_event_line(event, s->clock->wall_s(s->clock->impl), json, &line))
        return;
    sb_serve_say(s, sb_buf_cstr(&line));
}

static void on_event(void *impl, const sb_service_event *event)
{
    sb_generation_log(impl, event);
}

void sb_generation_release(sb_generation *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) > 1)
        return;
    sb_service_free(g->service);
    sb_portal_free(g->portal);
    sb_guard_free(g->guard);
    free(g->introspectors);
    if (g->settings != g->serve->settings)
        sb_settings_free(g->settings);
    free(g);
}

sb_generation *sb_generation_take(sb_serve *s)
{
    (void)pthread_mutex_lock(&s->current_lock);
    sb_generation *g = s->current;
    (void)atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&s->current_lock);
    return g;
}

/* Requests */

static bool on_begin(void *impl, sb_server_request *request, size_t *body_max, sb_answer *answer)
{
    sb_generation *g = sb_generation_take(impl);
    request->context = g;
    return g->handler.begin(g->handler.impl, request, body_max, answer);
}

static void on_respond(void *impl, sb_server_request *request, sb_answer *answer)
{
    const sb_generation *g = request->context;
    (void)impl;
    g->handler.respond(g->handler.impl, request, answer);
}

/* May come before a request has begun. */
static void on_refuse(void *impl, sb_server_request *request, const char *why, sb_answer *answer)
{
    if (!request->context)
        request->context = sb_generation_take(impl);
    const sb_generation *g = request->context;
    g->handler.refuse(g->handler.impl, request, why, answer);
}

static void on_answered(void *impl, const sb_server_request *request, unsigned status, uint64_t bytes, int64_t took_ns)
{
    const sb_generation *g = request->context;
    (void)impl;
    if (g)
        g->handler.answered(g->handler.impl, request, status, bytes, took_ns);
}

static void on_release(void *impl, sb_server_request *request)
{
    sb_generation *g = request->context;
    (void)impl;
    if (!g)
        return;
    g->handler.release(g->handler.impl, request);
    sb_generation_release(g);
    request->context = NULL;
}

sb_server_handler sb_generations_handler(sb_serve *serve)
{
    return (sb_server_handler){.impl = serve,
                               .begin = on_begin,
                               .respond = on_respond,
                               .refuse = on_refuse,
                               .answered = on_answered,
                               .release = on_release};
}

/* Making one */

static sb_portal_registration portal_registration(sb_registration_mode mode)
{
    switch (mode) {
    case SB_REGISTRATION_OPEN:
        return SB_PORTAL_REGISTRATION_OPEN;
    case SB_REGISTRATION_PENDING:
    case SB_REGISTRATION_TOKEN: /* who is signed in was invited; what they register is looked at all the same */
        return SB_PORTAL_REGISTRATION_PENDING;
    case SB_REGISTRATION_OFF:
        break;
    }
    return SB_PORTAL_REGISTRATION_OFF;
}

static sb_status open_portal(sb_generation *g, sb_error *err)
{
    const sb_serve *s = g->serve;
    const sb_settings *set = g->settings;
    sb_portal_options options = {.base_url = s->base_url,
                                 .store = s->portal_store,
                                 .pool = s->pool,
                                 .open_groups = s->is_demo,
                                 .user_header = set->portal_user_header,
                                 .administrators = set->portal_administrators.items,
                                 .administrator_count = set->portal_administrators.count,
                                 .registration = portal_registration(set->registration),
                                 .registration_scope = set->registration_scope,
                                 .audit_file = s->settings->audit_file,
                                 .token_lifetime_s = s->settings->token_lifetime_s,
                                 .export_keep_s = s->settings->export_keep_s,
                                 .exports_per_client = s->settings->exports_per_client,
                                 .tokens_per_minute = set->tokens_per_minute};
    return set->portal ? sb_portal_new(&options, &g->portal, err) : SB_OK;
}

sb_status sb_serve_guard(const sb_settings *settings, sb_guard **out, sb_error *err)
{
    sb_guard_options options = {.networks = settings->jwks_networks.items,
                                .network_count = settings->jwks_networks.count,
                                .ca_file = settings->jwks_ca_file};
    return sb_guard_new(&options, out, err);
}

sb_status sb_serve_secret_digest(const char *path, const char *what, sb_digest *out, sb_error *err)
{
    SB_AUTO(sb_buf) token = SB_BUF_INIT;
    SB_TRY(sb_settings_secret(path, &token, err));
    bool guessable = token.len < SECRET_MIN;
    *out = sb_digest_of(sb_buf_str(&token));
    sb_buf_wipe(&token);
    if (!guessable)
        return SB_OK;
    return sb_error_set(err, SB_E_USAGE, what, "%s: it has less than %d characters",
                        "make one with: openssl rand -hex 32", path, SECRET_MIN);
}

sb_status sb_serve_registration_token(const sb_settings *settings, sb_digest *out, sb_error *err)
{
    if (settings->registration != SB_REGISTRATION_TOKEN)
        return SB_OK;
    return sb_serve_secret_digest(settings->registration_token_file, "the initial access token could be guessed", out,
                                  err);
}

/* Digests alone are kept of the secrets. */
static sb_status read_introspectors(sb_generation *g, sb_error *err)
{
    const sb_settings *set = g->settings;
    g->introspectors = calloc(set->resource_server_count + 1, sizeof(*g->introspectors));
    if (!g->introspectors)
        return sb_error_nomem(err);
    for (size_t i = 0; i < set->resource_server_count; i++) {
        SB_AUTO(sb_buf) secret = SB_BUF_INIT;
        sb_status status = sb_settings_secret(set->resource_servers[i].secret_file, &secret, err);
        g->introspectors[i] = (sb_introspector){sb_digest_of(sb_str_from(set->resource_servers[i].id)),
                                                sb_digest_of(sb_buf_str(&secret))};
        sb_buf_wipe(&secret);
        SB_TRY(status);
    }
    return SB_OK;
}

static sb_status open_service(sb_generation *g, sb_error *err)
{
    const sb_serve *s = g->serve;
    const sb_settings *set = g->settings;
    sb_service_options options = {.base_url = s->base_url,
                                  .algs = set->algorithms.count ? (const char *const *)set->algorithms.items : NULL,
                                  .clients = s->clients,
                                  .keys = s->keys,
                                  .grants = s->grants,
                                  .server_keys = s->server_keys,
                                  .rates = s->rates,
                                  .introspectors = g->introspectors,
                                  .introspector_count = set->resource_server_count,
                                  .jobs = s->jobs,
                                  .data = s->data,
                                  .groups = s->groups,
                                  .clock = s->clock,
                                  .audit = s->audit,
                                  .metrics = s->metrics,
                                  .failures_burst = set->failures_burst,
                                  .failures_per_minute = set->failures_per_minute,
                                  .registration = set->registration,
                                  .registration_scope = set->registration_scope,
                                  .registration_pending_days = set->registration_pending_days,
                                  .registration_token = &g->registration_token,
                                  .guard = g->guard,
                                  .open_files = s->settings->open_files, /* as the manifests say */
                                  .pages = g->portal ? sb_portal_pages(g->portal) : NULL,
                                  .on_event = on_event,
                                  .on_event_impl = g};
    SB_TRY(sb_service_new(&options, &g->service, err));
    g->handler = sb_service_handler(g->service);
    return SB_OK;
}

sb_status sb_generation_new(sb_serve *s, sb_settings *set, sb_generation **out, sb_error *err)
{
    sb_generation *g = calloc(1, sizeof(*g));
    if (!g)
        return sb_error_nomem(err);
    *g = (sb_generation){.serve = s, .settings = set};
    atomic_init(&g->refs, 1);
    sb_status status = sb_serve_guard(set, &g->guard, err);
    if (status == SB_OK)
        status = sb_serve_registration_token(set, &g->registration_token, err);
    if (status == SB_OK)
        status = read_introspectors(g, err);
    if (status == SB_OK)
        status = open_portal(g, err);
    if (status == SB_OK)
        status = open_service(g, err);
    if (status != SB_OK) {
        sb_portal_free(g->portal);
        sb_guard_free(g->guard);
        free(g->introspectors);
        free(g);
        return status;
    }
    *out = g;
    return SB_OK;
}
