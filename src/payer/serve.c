/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - puts a payer together by its configuration: database, clients, tokens, data, jobs, servers; and takes it
 * apart again. Knows no protocol: routes/ has those. */
#include "payer/serve_internal.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "fhir/instant.h"
#include "payer/data/data_table.h"
#include "payer/data/groups_db.h"
#include "payer/settings_database.h"
#include "payer/settings_keys.h"

#define TOKENS_MAX      4000000 /* live at once: at 300 s, 13000 a second; some 200 bytes each */
#define USED_MAX        4000000 /* assertions that could still be used: the same reasoning */
#define KEYS_WAITING    2       /* for hosts that may be slow on purpose: the rest serve whose keys are here */
#define CERTIFICATE_MAX ((size_t)256 * 1024) /* a chain of a dozen certificates */

/* The log */

void sb_serve_say(sb_serve *s, const char *line)
{
    (void)pthread_mutex_lock(&s->log_lock);
    s->log(s->log_impl, line);
    (void)pthread_mutex_unlock(&s->log_lock);
}

/* The library's own words, which were redacted. */
static void on_words(void *impl, sb_log_level level, const char *words)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    sb_serve *s = impl;
    char time[SB_INSTANT_SIZE];
    (void)sb_instant_format((sb_instant){s->clock->wall_s(s->clock->impl), 0}, time);
    if (!atomic_load(&s->log_json)) {
        SB_AUTOFREE text = sb_printf("%s %s: %s", time, names[level], words);
        sb_serve_say(s, text ? text : words);
        return;
    }
    SB_AUTOJSON object =
        json_pack("{s:s, s:s, s:s, s:s}", "time", time, "event", "log", "level", names[level], "message", words);
    SB_AUTOFREE line = object ? sb_json_dump(object) : NULL;
    sb_serve_say(s, line ? line : words); /* rather a line of another form than none */
}

void sb_serve_log_by(sb_serve *s, const sb_settings *settings)
{
    atomic_store(&s->log_json, settings->log_format == SB_LOG_FORMAT_JSON);
    if (s->log && !s->is_demo)
        sb_log_set((sb_log_level)settings->log_level, on_words, s);
}

/* What is kept */

/* A key set by URL, within what the configuration allows now.                                               AUTH-08 */
static sb_status fetch_keys(void *impl, const char *url, sb_jwks_answer *out, sb_error *err)
{
    sb_generation *g = sb_generation_take(impl);
    sb_guarded_answer answer = SB_GUARDED_ANSWER_INIT;
    sb_status status = sb_guarded_get(g->guard, url, "application/json", SB_JWKS_MAX_BYTES, &answer, err);
    sb_generation_release(g);
    *out = (sb_jwks_answer){.body = answer.body, .has_max_age = answer.has_max_age, .max_age_s = answer.max_age_s};
    return status;
}

static sb_status open_keys(sb_serve *s, sb_error *err)
{
    sb_jwks_fetcher fetcher = {.impl = s, .fetch = fetch_keys};
    unsigned waiting = SB_MIN((unsigned)KEYS_WAITING, SB_MAX(s->settings->threads / 2, 1u));
    return sb_jwks_cache_new(&fetcher, s->clock, waiting, &s->keys, err);
}

static sb_status open_stores(sb_serve *s, sb_error *err)
{
    const sb_settings *set = s->settings;
    unsigned admin =
        set->admin_listen ? SB_SERVE_ADMIN_THREADS + 1 : 0; /* waits for nobody who serves, nor they for it */
    SB_TRY(sb_settings_pool(set, set->threads + set->export_workers + 2 + admin, &s->pool, err));
    SB_TRY(sb_clients_db(s->pool, s->clock, &s->clients, err));
    SB_TRY(open_keys(s, err));
    SB_TRY(sb_portal_store_new(s->pool, s->clock, &s->portal_store, err));
    sb_grants_db_options grants = {.pool = s->pool,
                                   .clients = s->clients,
                                   .clock = s->clock,
                                   .lifetime_s = s->settings->token_lifetime_s,
                                   .tokens_max = TOKENS_MAX,
                                   .used_max = USED_MAX};
    sb_grants *kept = NULL;
    SB_TRY(sb_grants_db(&grants, &kept, err));
    if (s->settings->token_format == SB_TOKEN_JWT)
        return sb_serve_signed_tokens(s, kept, &s->grants, err);
    s->grants = kept;
    return SB_OK;
}

static sb_status open_data(sb_serve *s, sb_error *err)
{
    const char *folder = s->settings->data_folder;
    SB_TRY(folder ? sb_data_ndjson_open(folder, &s->data, err) : sb_data_table_open(s->pool, &s->data, err));
    if (!s->is_demo)
        return sb_groups_db(s->pool, s->clock, &s->groups, err);
    SB_TRY(sb_rosters_sandbox(s->data, &s->rosters, err));
    return sb_groups_sandbox(s->rosters, &s->groups, err);
}

/* What comes of an export after its kick-off was answered.                                                  PDEX-08 */
static bool on_export_end(void *impl, const sb_job_end *end)
{
    sb_serve *s = impl;
    sb_audit_event event = {.event = end->error ? "export.failed" : "export.finished",
                            .outcome = end->error ? "failed" : "ok",
                            .reason = end->error ? "not_exported" : NULL,
                            .client = end->client,
                            .group = end->group,
                            .job = end->id,
                            .members = end->members,
                            .durable = true};
    return sb_audit_add(s->audit, &event);
}

static sb_status open_audit(sb_serve *s, sb_error *err)
{
    const char *file = s->settings->audit_file;
    return file ? sb_audit_open(file, false, s->clock, &s->audit, err) : SB_OK;
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
                            .per_client_kept = set->exports_per_client_kept,
                            .keep_seconds = set->export_keep_s,
                            .retry_after_s = set->export_retry_after_s,
                            .file_bytes = set->export_file_bytes,
                            .min_seconds = s->demo.job_seconds,
                            .open_files = set->open_files,
                            .on_end = on_export_end,
                            .on_end_impl = s};
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

sb_status sb_serve_read_identity(const sb_settings *set, sb_buf *cert, sb_buf *key, sb_error *err)
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
                                .per_address = set->connections_per_address,
                                .proxies = s->proxies,
                                .file_rate = s->demo.file_rate,
                                .drain_ms = set->drain_s * 1000};
    (void)sb_settings_split_listen(set->listen, address, &server.port); /* was checked */
    if (set->tls_certificate) {
        SB_TRY(sb_serve_read_identity(set, cert, key, err));
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
    sb_server_handler handler = sb_generations_handler(s);
    SB_TRY(sb_generation_new(s, s->settings, &s->current, err));
    s->fhir_url = sb_str_dup(sb_str_from(sb_service_fhir_url(s->current->service)));
    if (!s->fhir_url)
        return sb_error_nomem(err);
    SB_TRY(sb_server_start(s->server, &handler, err));
    sb_serve_note_certificate(s);
    return SB_OK;
}

/* Beginning and end */

static sb_status serve_new(const sb_serve_options *options, sb_serve **out, sb_error *err)
{
    sb_serve *s = calloc(1, sizeof(*s));
    if (!s || pthread_mutex_init(&s->log_lock, NULL) != 0) {
        free(s);
        return sb_error_nomem(err);
    }
    if (pthread_mutex_init(&s->current_lock, NULL) != 0) {
        (void)pthread_mutex_destroy(&s->log_lock);
        free(s);
        return sb_error_nomem(err);
    }
    s->clock = options->clock ? options->clock : sb_clock_system();
    s->log = options->log;
    s->log_impl = options->log_impl;
    *out = s;
    return SB_OK;
}

static sb_status open_all(sb_serve *s, sb_error *err)
{
    const sb_serve_demo *demo = &s->demo;
    SB_TRY(sb_serve_admin_listen(s, err));
    SB_TRY(listen_on(s, err)); /* before the data, which may take long: an address that is taken is found now */
    SB_TRY(demo->make_data ? demo->make_data(demo->impl, err) : SB_OK);
    SB_TRY(open_audit(s, err));
    SB_TRY(sb_metrics_new(s->clock, &s->metrics, err));
    SB_TRY(sb_rates_new(s->clock, s->settings->tokens_per_minute, &s->rates, err));
    SB_TRY(open_stores(s, err));
    SB_TRY(demo->add_clients ? demo->add_clients(demo->impl, s->clients, err) : SB_OK);
    SB_TRY(open_data(s, err));
    SB_TRY(open_jobs(s, err));
    SB_TRY(start_serving(s, err));
    SB_TRY(sb_serve_keeper_start(s, err));
    return sb_serve_admin_start(s, err); /* last: what is ready is ready whole */
}

sb_status sb_serve_start_with(const sb_serve_options *options, sb_settings *settings, const sb_serve_demo *demo,
                              sb_serve **out, sb_error *err)
{
    SB_AUTOPTR(sb_settings) ours = settings;
    SB_AUTOPTR(sb_serve) s = NULL;
    SB_TRY(serve_new(options, &s, err));
    s->settings = ours;
    ours = NULL;
    s->is_demo = true;
    s->demo = *demo;
    SB_TRY(open_all(s, err));
    *out = s;
    s = NULL;
    return SB_OK;
}

sb_status sb_serve_start(const sb_serve_options *options, sb_serve **out, sb_error *err)
{
    SB_AUTOPTR(sb_serve) s = NULL;
    SB_TRY(serve_new(options, &s, err));
    s->config = sb_str_dup(sb_str_from(options->config));
    if (!s->config)
        return sb_error_nomem(err);
    SB_TRY(sb_settings_load(s->config, NULL, NULL, &s->settings, err));
    sb_serve_log_by(s, s->settings);
    SB_TRY(open_all(s, err));
    sb_log(SB_LOG_INFO, "serving %s on port %u", s->fhir_url, s->port);
    *out = s;
    s = NULL;
    return SB_OK;
}

void sb_serve_stop(sb_serve *s)
{
    sb_serve_keeper_stop(s);
    sb_serve_admin_ending(s);
    sb_server_free(s->server);
    s->server = NULL;
    sb_serve_admin_stop(s); /* last: who watches sees the end */
}

void sb_serve_free(sb_serve *s)
{
    if (!s)
        return;
    sb_serve_stop(s);
    if (s->log && !s->is_demo)
        sb_log_set(SB_LOG_WARN, NULL, NULL);
    sb_jwks_cache_free(s->keys); /* first: its thread takes the generation that is current */
    sb_generation_release(s->current);
    sb_jobs_free(s->jobs);
    sb_grants_free(s->grants);
    sb_server_keys_free(s->server_keys);
    sb_rates_free(s->rates);
    sb_clients_free(s->clients);
    sb_groups_free(s->groups);
    sb_rosters_free(s->rosters);
    sb_data_free(s->data);
    sb_audit_free(s->audit);
    sb_metrics_free(s->metrics);
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
    return serve->admin_port;
}
