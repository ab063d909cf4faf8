/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - puts a payer together by its configuration: database, clients, tokens, data, jobs, servers; and takes it
 * apart again. Knows no protocol: routes/ has those. */
#include <smartbulk/serve.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "fhir/instant.h"
#include "payer/auth/client_db.h"
#include "payer/auth/grants_db.h"
#include "payer/portal/portal.h"
#include "payer/routes/event_line.h"
#include "payer/routes/service.h"
#include "payer/settings.h"
#include "payer/settings_database.h"
#include "payer/settings_keys.h"

#define TOKENS_MAX      1000000              /* live at once: at 300 s, 3300 a second */
#define USED_MAX        1000000              /* assertions that could still be used: the same reasoning */
#define CERTIFICATE_MAX ((size_t)256 * 1024) /* a chain of a dozen certificates */

/* One reading of the configuration and the service made of it. A request keeps the one that it began with. */
typedef struct generation {
    sb_serve *serve;
    sb_settings *settings;
    sb_portal *portal; /* NULL: there is none */
    sb_service *service;
    sb_server_handler handler;
    atomic_uint refs;
} generation;

struct sb_serve {
    char *config;
    const sb_clock *clock;
    sb_serve_log_fn *log;
    void *log_impl;
    pthread_mutex_t log_lock;
    sb_settings *settings; /* of the start: addresses, folders, the database */
    pthread_mutex_t current_lock;
    generation *current;
    sb_pool *pool;
    sb_data *data;
    sb_rosters *rosters;
    sb_groups *groups;
    sb_jobs *jobs;
    sb_clients *clients;
    sb_grants *grants;
    sb_portal_store *portal_store;
    sb_proxies *proxies;
    sb_server *server; /* NULL once it is stopped */
    unsigned port;
    char *base_url, *fhir_url;
};

SB_DEFINE_FREEP(sb_serve)

/* The log */

static void say(sb_serve *s, const char *line)
{
    (void)pthread_mutex_lock(&s->log_lock);
    s->log(s->log_impl, line);
    (void)pthread_mutex_unlock(&s->log_lock);
}

static void on_event(void *impl, const sb_service_event *event)
{
    generation *g = impl;
    sb_serve *s = g->serve;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    bool json = g->settings->log_format == SB_LOG_FORMAT_JSON;
    if (!s->log || !g->settings->log_requests || !sb_event_line(event, s->clock->wall_s(s->clock->impl), json, &line))
        return;
    say(s, sb_buf_cstr(&line));
}

/* The library's own words, which were redacted. */
static void on_words(void *impl, sb_log_level level, const char *words)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    sb_serve *s = impl;
    char time[SB_INSTANT_SIZE];
    (void)sb_instant_format((sb_instant){s->clock->wall_s(s->clock->impl), 0}, time);
    if (s->settings && s->settings->log_format == SB_LOG_FORMAT_TEXT) {
        SB_AUTOFREE text = sb_printf("%s %s: %s", time, names[level], words);
        say(s, text ? text : words);
        return;
    }
    SB_AUTOJSON object =
        json_pack("{s:s, s:s, s:s, s:s}", "time", time, "event", "log", "level", names[level], "message", words);
    SB_AUTOFREE line = object ? sb_json_dump(object) : NULL;
    say(s, line ? line : words); /* rather a line of another form than none */
}

/* Generations */

static void generation_release(generation *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) > 1)
        return;
    sb_service_free(g->service);
    sb_portal_free(g->portal);
    if (g->settings != g->serve->settings)
        sb_settings_free(g->settings);
    free(g);
}

static generation *generation_take(sb_serve *s)
{
    (void)pthread_mutex_lock(&s->current_lock);
    generation *g = s->current;
    (void)atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&s->current_lock);
    return g;
}

static bool on_begin(void *impl, sb_server_request *request, size_t *body_max, sb_answer *answer)
{
    generation *g = generation_take(impl);
    request->context = g;
    return g->handler.begin(g->handler.impl, request, body_max, answer);
}

static void on_respond(void *impl, sb_server_request *request, sb_answer *answer)
{
    const generation *g = request->context;
    (void)impl;
    g->handler.respond(g->handler.impl, request, answer);
}

/* May come before a request has begun. */
static void on_refuse(void *impl, sb_server_request *request, const char *why, sb_answer *answer)
{
    if (!request->context)
        request->context = generation_take(impl);
    const generation *g = request->context;
    g->handler.refuse(g->handler.impl, request, why, answer);
}

static void on_answered(void *impl, const sb_server_request *request, unsigned status, uint64_t bytes, int64_t took_ns)
{
    const generation *g = request->context;
    (void)impl;
    if (g)
        g->handler.answered(g->handler.impl, request, status, bytes, took_ns);
}

static void on_release(void *impl, sb_server_request *request)
{
    generation *g = request->context;
    (void)impl;
    if (!g)
        return;
    g->handler.release(g->handler.impl, request);
    generation_release(g);
    request->context = NULL;
}

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

static sb_status open_portal(generation *g, sb_error *err)
{
    const sb_serve *s = g->serve;
    const sb_settings *set = g->settings;
    sb_portal_options options = {.base_url = s->base_url,
                                 .store = s->portal_store,
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

static sb_status open_service(generation *g, sb_error *err)
{
    const sb_serve *s = g->serve;
    const sb_settings *set = g->settings;
    sb_service_options options = {.base_url = s->base_url,
                                  .clients = s->clients,
                                  .grants = s->grants,
                                  .jobs = s->jobs,
                                  .data = s->data,
                                  .groups = s->groups,
                                  .clock = s->clock,
                                  .failures_burst = set->failures_burst,
                                  .failures_per_second = SB_MAX(set->failures_per_minute / 60, 1u),
                                  .registration = set->registration != SB_REGISTRATION_OFF,
                                  .open_files = set->open_files,
                                  .pages = g->portal ? sb_portal_pages(g->portal) : NULL,
                                  .on_event = on_event,
                                  .on_event_impl = g};
    SB_TRY(sb_service_new(&options, &g->service, err));
    g->handler = sb_service_handler(g->service);
    return SB_OK;
}

static sb_status generation_new(sb_serve *s, sb_settings *set, generation **out, sb_error *err)
{
    generation *g = calloc(1, sizeof(*g));
    if (!g)
        return sb_error_nomem(err);
    *g = (generation){.serve = s, .settings = set};
    atomic_init(&g->refs, 1);
    sb_status status = open_portal(g, err);
    if (status == SB_OK)
        status = open_service(g, err);
    if (status != SB_OK) {
        sb_portal_free(g->portal);
        free(g);
        return status;
    }
    *out = g;
    return SB_OK;
}

/* What is kept */

static sb_status open_stores(sb_serve *s, sb_error *err)
{
    const sb_settings *set = s->settings;
    SB_TRY(sb_settings_pool(set, set->threads + set->export_workers + 2, &s->pool, err));
    SB_TRY(sb_clients_db(s->pool, s->clock, &s->clients, err));
    SB_TRY(sb_portal_store_new(s->pool, s->clock, &s->portal_store, err));
    sb_grants_db_options grants = {.pool = s->pool,
                                   .clients = s->clients,
                                   .clock = s->clock,
                                   .lifetime_s = s->settings->token_lifetime_s,
                                   .tokens_max = TOKENS_MAX,
                                   .used_max = USED_MAX};
    return sb_grants_db(&grants, &s->grants, err);
}

static sb_status open_data(sb_serve *s, sb_error *err)
{
    SB_TRY(sb_data_ndjson_open(s->settings->data_folder, &s->data, err));
    SB_TRY(sb_rosters_sandbox(s->data, &s->rosters, err));
    return sb_groups_sandbox(s->rosters, &s->groups, err);
}

static sb_status open_jobs(sb_serve *s, sb_error *err)
{
    const sb_settings *set = s->settings;
    sb_jobs_options jobs = {.state_dir = set->exports_folder,
                            .pool = s->pool,
                            .data = s->data,
                            .groups = s->groups,
                            .clock = s->clock,
                            .workers = set->export_workers,
                            .per_client = set->exports_per_client,
                            .keep_seconds = set->export_keep_s,
                            .retry_after_s = set->export_retry_after_s,
                            .file_bytes = set->export_file_bytes,
                            .open_files = set->open_files};
    SB_TRY(sb_dir_make(set->exports_folder, 0700, err));
    return sb_jobs_new(&jobs, &s->jobs, err);
}

/* The server */

/* Port 0 is whichever it listens on. */
static sb_status name_base_url(sb_serve *s, sb_error *err)
{
    sb_str text = sb_str_from(s->settings->base_url);
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    if (sb_str_ends_with(text, SB_STR_LIT(":0")))
        s->base_url = sb_printf("%.*s%u", (int)text.len - 1, text.ptr, s->port);
    else
        s->base_url = sb_str_dup(text);
    return s->base_url ? SB_OK : sb_error_nomem(err);
}

static sb_status read_identity(const sb_settings *set, sb_buf *cert, sb_buf *key, sb_error *err)
{
    SB_TRY(sb_file_read(set->tls_certificate, CERTIFICATE_MAX, cert, err));
    return sb_file_read_private(set->tls_key, CERTIFICATE_MAX, key, err);
}

static sb_status make_server(sb_serve *s, sb_buf *cert, sb_buf *key, sb_error *err)
{
    const sb_settings *set = s->settings;
    char address[INET6_ADDRSTRLEN];
    sb_server_options server = {.address = address,
                                .threads = set->threads,
                                .connections = set->connections,
                                .proxies = s->proxies,
                                .drain_ms = set->drain_s * 1000};
    (void)sb_settings_split_listen(set->listen, address, &server.port); /* was checked */
    if (set->tls_certificate) {
        SB_TRY(read_identity(set, cert, key, err));
        server.cert = sb_buf_cstr(cert);
        server.key = sb_buf_cstr(key);
    }
    return sb_server_new(&server, &s->server, err);
}

static sb_status listen_on(sb_serve *s, sb_error *err)
{
    SB_AUTO(sb_buf) cert = SB_BUF_INIT;
    SB_AUTO(sb_buf) key = SB_BUF_INIT;
    const sb_settings_list *trusted = &s->settings->trusted_proxies;
    SB_TRY(sb_proxies_new(trusted->items, trusted->count, &s->proxies, err));
    sb_status status = make_server(s, &cert, &key, err);
    sb_buf_wipe(&key);
    SB_TRY(status);
    s->port = sb_server_port(s->server);
    return name_base_url(s, err);
}

static sb_status start_serving(sb_serve *s, sb_error *err)
{
    static const sb_server_handler handler = {
        .begin = on_begin, .respond = on_respond, .refuse = on_refuse, .answered = on_answered, .release = on_release};
    sb_server_handler ours = handler;
    ours.impl = s;
    SB_TRY(generation_new(s, s->settings, &s->current, err));
    s->fhir_url = sb_str_dup(sb_str_from(sb_service_fhir_url(s->current->service)));
    if (!s->fhir_url)
        return sb_error_nomem(err);
    return sb_server_start(s->server, &ours, err);
}

/* Reading the configuration again */

static void say_kept(const char *name)
{
    sb_log(SB_LOG_WARN, "%s is another now: that takes a restart; it stays as it was", name);
}

static bool differs(const char *a, const char *b)
{
    return !a != !b || (a && strcmp(a, b) != 0);
}

/* What only a new start changes. */
static void say_what_is_kept(const sb_settings *old, const sb_settings *new)
{
    const struct {
        const char *name;
        bool changed;
    } all[] = {
        {"base_url", differs(old->base_url, new->base_url)},
        {"listen", differs(old->listen, new->listen)},
        {"database", differs(old->database, new->database) || differs(old->database_file, new->database_file)},
        {"admin.listen", differs(old->admin_listen, new->admin_listen)},
        {"data.folder", differs(old->data_folder, new->data_folder)},
        {"exports.folder", differs(old->exports_folder, new->exports_folder)},
        {"audit.file", differs(old->audit_file, new->audit_file)},
        {"auth.token_lifetime", old->token_lifetime_s != new->token_lifetime_s},
        {"auth.token_format", old->token_format != new->token_format},
        {"threads", old->threads != new->threads},
        {"connections", old->connections != new->connections},
        {"exports.workers", old->export_workers != new->export_workers},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(all); i++) {
        if (all[i].changed)
            say_kept(all[i].name);
    }
}

static sb_status replace_certificate(sb_serve *s, const sb_settings *set, sb_error *err)
{
    SB_AUTO(sb_buf) cert = SB_BUF_INIT;
    SB_AUTO(sb_buf) key = SB_BUF_INIT;
    if (!s->settings->tls_certificate != !set->tls_certificate)
        say_kept("tls");
    if (!s->settings->tls_certificate || !set->tls_certificate)
        return SB_OK;
    sb_status status = read_identity(set, &cert, &key, err);
    if (status == SB_OK)
        status = sb_server_replace_certificate(s->server, sb_buf_cstr(&cert), sb_buf_cstr(&key), err);
    sb_buf_wipe(&key);
    return status;
}

sb_status sb_serve_reload(sb_serve *s, sb_error *err)
{
    SB_AUTOPTR(sb_settings) settings = NULL;
    generation *next = NULL;
    SB_TRY(sb_settings_load(s->config, NULL, NULL, &settings, err));
    SB_TRY(generation_new(s, settings, &next, err));
    settings = NULL; /* the generation's */
    sb_status status = replace_certificate(s, next->settings, err);
    if (status != SB_OK) {
        generation_release(next);
        return status;
    }
    say_what_is_kept(s->settings, next->settings);
    (void)pthread_mutex_lock(&s->current_lock);
    generation *before = s->current;
    s->current = next;
    (void)pthread_mutex_unlock(&s->current_lock);
    generation_release(before);
    sb_log(SB_LOG_INFO, "the configuration was read again");
    return SB_OK;
}

/* Beginning and end */

sb_status sb_serve_check(const char *config, sb_serve_mistake_fn *each, void *impl, sb_error *err)
{
    SB_AUTOPTR(sb_settings) settings = NULL;
    return sb_settings_load(config, each, impl, &settings, err);
}

sb_status sb_serve_start(const sb_serve_options *options, sb_serve **out, sb_error *err)
{
    sb_serve *bare = calloc(1, sizeof(*bare));
    if (!bare || pthread_mutex_init(&bare->log_lock, NULL) != 0) {
        free(bare);
        return sb_error_nomem(err);
    }
    if (pthread_mutex_init(&bare->current_lock, NULL) != 0) {
        (void)pthread_mutex_destroy(&bare->log_lock);
        free(bare);
        return sb_error_nomem(err);
    }
    SB_AUTOPTR(sb_serve) s = bare;
    s->clock = options->clock ? options->clock : sb_clock_system();
    s->log = options->log;
    s->log_impl = options->log_impl;
    s->config = sb_str_dup(sb_str_from(options->config));
    if (!s->config)
        return sb_error_nomem(err);
    if (s->log)
        sb_log_set(SB_LOG_INFO, on_words, s);
    SB_TRY(sb_settings_load(s->config, NULL, NULL, &s->settings, err));
    SB_TRY(listen_on(s, err)); /* before the data, which may take long: an address that is taken is found now */
    SB_TRY(open_stores(s, err));
    SB_TRY(open_data(s, err));
    SB_TRY(open_jobs(s, err));
    SB_TRY(start_serving(s, err));
    sb_log(SB_LOG_INFO, "serving %s on port %u", s->fhir_url, s->port);
    *out = s;
    s = NULL;
    return SB_OK;
}

void sb_serve_stop(sb_serve *s)
{
    sb_server_free(s->server);
    s->server = NULL;
}

void sb_serve_free(sb_serve *s)
{
    if (!s)
        return;
    sb_serve_stop(s);
    if (s->log)
        sb_log_set(SB_LOG_WARN, NULL, NULL);
    generation_release(s->current);
    sb_jobs_free(s->jobs);
    sb_grants_free(s->grants);
    sb_clients_free(s->clients);
    sb_groups_free(s->groups);
    sb_rosters_free(s->rosters);
    sb_data_free(s->data);
    sb_portal_store_free(s->portal_store);
    sb_pool_free(s->pool);
    sb_proxies_free(s->proxies);
    sb_settings_free(s->settings);
    free(s->config);
    free(s->base_url);
    free(s->fhir_url);
    (void)pthread_mutex_destroy(&s->current_lock);
    (void)pthread_mutex_destroy(&s->log_lock);
    free(s);
}

const char *sb_serve_fhir_url(const sb_serve *serve)
{
    return serve->fhir_url;
}

unsigned sb_serve_port(const sb_serve *serve)
{
    return serve->port;
}

unsigned sb_serve_admin_port(const sb_serve *serve)
{
    (void)serve;
    return 0;
}
