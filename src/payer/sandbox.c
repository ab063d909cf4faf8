/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - puts a payer together: data, groups, jobs, clients, tokens, a server; and takes it apart again. Knows no
 * protocol: service.h has those. */
#include <smartbulk/sandbox.h>

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/url.h"
#include "payer/auth/replay_sqlite.h"
#include "payer/data/generator.h"
#include "payer/export/tree.h"
#include "payer/portal/portal.h"
#include "payer/routes/event_line.h"
#include "payer/routes/service.h"
#include "payer/state/schema.h"
#include "payer/throwaway_ca.h"

#define LIFETIME_S          300
#define CLIENTS_MAX         1000    /* that register themselves; each keeps up to 64 KB of keys */
#define TOKENS_MAX          100000  /* live at once; some 20 MB */
#define USED_MAX            1000000 /* assertions, of the last five minutes: 3000 a second */
#define FAILURES_BURST      1000    /* a test suite's worth */
#define FAILURES_PER_SECOND 100     /* 60 ms of a core for P-384 */
#define WORKERS             2
#define KEEP_S              3600
#define PORTAL_CONNECTIONS  2

struct sb_sandbox {
    char *dir; /* ours to write in */
    bool keep_dir;
    int lock_fd;
    char *data_dir, *made_dir, *ca_file, *base_url;
    const sb_clock *clock;
    sb_data *data;
    sb_rosters *rosters;
    sb_groups *groups;
    sb_jobs *jobs;
    sb_clients *clients;
    sb_replay *replay;
    sb_grants *grants;
    sb_pool *pool; /* the portal's */
    sb_portal_store *portal_store;
    sb_portal *portal;
    sb_service *service;
    sb_server *server; /* NULL once it is stopped */
    unsigned port;
    sb_sandbox_log_fn *log;
    void *log_impl;
    bool log_json;
    pthread_mutex_t log_lock;
};

SB_DEFINE_FREEP(sb_sandbox)

/* The log */

static void on_event(void *impl, const sb_service_event *event)
{
    sb_sandbox *s = impl;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    if (!s->log || !sb_event_line(event, s->clock->wall_s(s->clock->impl), s->log_json, &line))
        return;
    (void)pthread_mutex_lock(&s->log_lock);
    s->log(s->log_impl, sb_buf_cstr(&line));
    (void)pthread_mutex_unlock(&s->log_lock);
}

/* Options */

static sb_status bad(sb_error *err, const char *why, const char *fix)
{
    return sb_error_set(err, SB_E_USAGE, "the sandbox cannot be started", "%s", fix, why);
}

static sb_status check_options(const sb_sandbox_options *o, sb_error *err)
{
    if (o->data_dir && o->patients)
        return bad(err, "both a number of patients and a folder of data are given", "choose one");
    if (!o->client_id != !o->jwks_file)
        return bad(err, "a client id and its key set belong together", "give both, or let clients register");
    if (o->client_scope && !o->client_id)
        return bad(err, "a scope is given for no client", "give a client id and its key set, too");
    if (o->no_registration && !o->client_id)
        return bad(err, "nobody could ever get a token: registration is off and no client is given",
                   "give a client id and its key set");
    if (o->port > 65535)
        return bad(err, "a port is at most 65535", "choose another, or 0 for a free one");
    return SB_OK;
}

/* Folders and data */

static sb_status open_dir(sb_sandbox *s, const sb_sandbox_options *o, sb_error *err)
{
    if (o->state_dir) {
        s->dir = sb_str_dup(sb_str_from(o->state_dir));
        s->keep_dir = true;
        SB_TRY(s->dir ? sb_dir_make(s->dir, 0700, err) : sb_error_nomem(err));
    } else {
        const char *tmp = getenv("TMPDIR");
        s->dir = sb_printf("%s/smartbulk-sandbox-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
        if (!s->dir)
            return sb_error_nomem(err);
        if (!mkdtemp(s->dir)) {
            sb_status status = sb_error_errno(err, "a folder for the sandbox could not be made", s->dir, errno);
            sb_charp_cleanup(&s->dir); /* not ours to remove */
            return status;
        }
    }
    SB_AUTOFREE lock = sb_path_join(s->dir, "sandbox.lock");
    return lock ? sb_file_lock(lock, false, &s->lock_fd, err) : sb_error_nomem(err);
}

static sb_status open_data(sb_sandbox *s, const sb_sandbox_options *o, sb_error *err)
{
    if (o->data_dir) {
        s->data_dir = sb_str_dup(sb_str_from(o->data_dir));
    } else {
        s->data_dir = sb_path_join(s->dir, "data");
        s->made_dir = s->data_dir ? sb_str_dup(sb_str_from(s->data_dir)) : NULL;
    }
    if (!s->data_dir || (!o->data_dir && !s->made_dir))
        return sb_error_nomem(err);
    if (s->made_dir) {
        sb_tree_remove(s->made_dir); /* of a predecessor that was killed */
        SB_TRY(sb_generator_write_unless(s->made_dir, o->patients ? o->patients : SB_GENERATOR_PATIENTS_DEFAULT,
                                         o->file_bytes, o->cancelled, o->cancelled_impl, err));
    }
    SB_TRY(sb_data_ndjson_open(s->data_dir, &s->data, err));
    SB_TRY(sb_rosters_sandbox(s->data, &s->rosters, err));
    return sb_groups_sandbox(s->rosters, &s->groups, err);
}

/* What is kept */

static sb_status add_client(sb_sandbox *s, const sb_sandbox_options *o, sb_error *err)
{
    SB_AUTOPTR(sb_jwks) jwks = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    SB_TRY(sb_jwks_new(&jwks, err));
    SB_TRY(sb_jwks_add_file(jwks, o->jwks_file, NULL, err));
    sb_client_spec spec = {.id = o->client_id,
                           .scope = o->client_scope ? o->client_scope : SB_SERVICE_SCOPES_MAX,
                           .jwks = jwks,
                           .state = SB_CLIENT_ACTIVE};
    SB_TRY(sb_client_new(&spec, &client, err));
    jwks = NULL;
    return sb_clients_add(s->clients, client, err);
}

static sb_status open_stores(sb_sandbox *s, const sb_sandbox_options *o, sb_error *err)
{
    SB_TRY(sb_clients_memory(CLIENTS_MAX, &s->clients, err));
    if (o->client_id)
        SB_TRY(add_client(s, o, err));
    SB_AUTOFREE path = o->state_dir ? sb_path_join(s->dir, "used-assertions.db") : NULL;
    if (o->state_dir && !path)
        return sb_error_nomem(err);
    SB_TRY(path ? sb_replay_sqlite(path, USED_MAX, &s->replay, err) : sb_replay_memory(USED_MAX, &s->replay, err));
    return sb_grants_memory(s->clock, o->token_lifetime_s ? o->token_lifetime_s : LIFETIME_S, TOKENS_MAX, s->clients,
                            s->replay, &s->grants, err);
}

static sb_status open_jobs(sb_sandbox *s, const sb_sandbox_options *o, sb_error *err)
{
    sb_jobs_options jobs = {.state_dir = s->dir,
                            .data = s->data,
                            .groups = s->groups,
                            .clock = s->clock,
                            .workers = WORKERS,
                            .min_seconds = o->job_seconds,
                            .keep_seconds = o->keep_seconds,
                            .file_bytes = o->file_bytes,
                            .open_files = o->open_files};
    return sb_jobs_new(&jobs, &s->jobs, err);
}

/* The server */

static sb_status make_certificate(sb_sandbox *s, const char *host, sb_throwaway *t, sb_error *err)
{
    SB_TRY(sb_throwaway_make(host, s->clock->wall_s(s->clock->impl), t, err));
    s->ca_file = sb_path_join(s->dir, "ca.pem");
    return s->ca_file ? sb_file_write_atomic(s->ca_file, 0644, sb_buf_str(&t->ca), err) : sb_error_nomem(err);
}

static sb_status name_base_url(sb_sandbox *s, const sb_sandbox_options *o, const char *address, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    const char *scheme = o->tls ? "https" : "http";
    bool v6 = strchr(address, ':') != NULL;
    s->base_url = o->base_url ? sb_str_dup(sb_str_from(o->base_url))
                              : sb_printf("%s://%s%s%s:%u", scheme, v6 ? "[" : "", address, v6 ? "]" : "", s->port);
    if (!s->base_url)
        return sb_error_nomem(err);
    for (size_t len = strlen(s->base_url); len > 0 && s->base_url[len - 1] == '/'; len--)
        s->base_url[len - 1] = '\0';
    if (sb_url_parse(s->base_url, &url, NULL) != SB_OK || strcmp(url.path, "/") != 0 || url.query)
        return bad(err, "the base URL is not a scheme and a host", "write it as https://payer.example");
    return sb_url_require_secure(&url, "base_url", err);
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static sb_status check_address(const sb_sandbox_options *o, const char *address, sb_error *err)
{
    if (!o->tls && !is_loopback(address))
        return bad(err, "without TLS it would send tokens and claims over a network for all to read",
                   "add --tls, or leave the address out"); /* DISC-05 */
    if (!o->base_url && (strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0))
        return bad(err, "it listens on every address, and cannot know by which one clients come",
                   "say so: --base-url https://HOST:PORT");
    return SB_OK;
}

static sb_status open_server(sb_sandbox *s, const sb_sandbox_options *o, sb_error *err)
{
    const char *address = o->address ? o->address : "127.0.0.1";
    SB_AUTO(sb_throwaway) t = SB_THROWAWAY_INIT;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    SB_TRY(check_address(o, address, err));
    if (o->base_url)
        SB_TRY(sb_url_parse(o->base_url, &url, err));
    if (o->tls)
        SB_TRY(make_certificate(s, o->base_url ? url.host : address, &t, err));
    sb_server_options server = {.address = address,
                                .port = o->port,
                                .cert = o->tls ? sb_buf_cstr(&t.cert) : NULL,
                                .key = o->tls ? sb_buf_cstr(&t.key) : NULL,
                                .file_rate = o->file_rate,
                                .threads = o->threads};
    SB_TRY(sb_server_new(&server, &s->server, err));
    s->port = sb_server_port(s->server);
    return name_base_url(s, o, address, err);
}

static sb_status open_portal(sb_sandbox *s, const sb_sandbox_options *o, sb_error *err)
{
    SB_AUTOFREE path = sb_path_join(s->dir, "portal.db");
    if (!path)
        return sb_error_nomem(err);
    SB_TRY(sb_payer_pool(path, PORTAL_CONNECTIONS, &s->pool, err));
    SB_TRY(sb_portal_store_new(s->pool, s->clock, &s->portal_store, err));
    sb_portal_options options = {.base_url = s->base_url,
                                 .store = s->portal_store,
                                 .registration =
                                     o->no_registration ? SB_PORTAL_REGISTRATION_OFF : SB_PORTAL_REGISTRATION_OPEN,
                                 .token_lifetime_s = sb_grants_lifetime_s(s->grants),
                                 .export_keep_s = o->keep_seconds ? o->keep_seconds : KEEP_S};
    return sb_portal_new(&options, &s->portal, err);
}

static sb_status open_service(sb_sandbox *s, const sb_sandbox_options *o, sb_error *err)
{
    sb_service_options options = {.base_url = s->base_url,
                                  .clients = s->clients,
                                  .grants = s->grants,
                                  .jobs = s->jobs,
                                  .data = s->data,
                                  .groups = s->groups,
                                  .clock = s->clock,
                                  .failures_burst = FAILURES_BURST,
                                  .failures_per_second = FAILURES_PER_SECOND,
                                  .registration = !o->no_registration,
                                  .open_files = o->open_files,
                                  .pages = sb_portal_pages(s->portal),
                                  .on_event = on_event,
                                  .on_event_impl = s};
    SB_TRY(sb_service_new(&options, &s->service, err));
    sb_server_handler handler = sb_service_handler(s->service);
    return sb_server_start(s->server, &handler, err);
}

sb_status sb_sandbox_start(const sb_sandbox_options *options, sb_sandbox **out, sb_error *err)
{
    SB_TRY(check_options(options, err));
    sb_sandbox *bare = calloc(1, sizeof(*bare));
    if (!bare || pthread_mutex_init(&bare->log_lock, NULL) != 0) {
        free(bare);
        return sb_error_nomem(err);
    }
    SB_AUTOPTR(sb_sandbox) s = bare;
    s->lock_fd = -1;
    s->clock = options->clock ? options->clock : sb_clock_system();
    s->log = options->log;
    s->log_impl = options->log_impl;
    s->log_json = options->log_json;
    SB_TRY(open_dir(s, options, err));
    SB_TRY(open_server(s, options, err)); /* before the data, which may take long: a port that is taken is found now */
    SB_TRY(open_data(s, options, err));
    SB_TRY(open_stores(s, options, err));
    SB_TRY(open_jobs(s, options, err));
    SB_TRY(open_portal(s, options, err));
    SB_TRY(open_service(s, options, err));
    *out = s;
    s = NULL;
    return SB_OK;
}

/* The end */

/* With a folder of its own, all of it; in a given one, what was made. Not when somebody else has the lock. */
static void clean_up(sb_sandbox *s)
{
    if (s->lock_fd < 0)
        return;
    if (s->made_dir)
        sb_tree_remove(s->made_dir);
    if (s->ca_file)
        (void)unlink(s->ca_file);
    if (!s->keep_dir)
        sb_tree_remove(s->dir);
}

void sb_sandbox_stop(sb_sandbox *s)
{
    sb_server_free(s->server);
    s->server = NULL;
}

void sb_sandbox_free(sb_sandbox *s)
{
    if (!s)
        return;
    sb_sandbox_stop(s);
    sb_service_free(s->service);
    sb_portal_free(s->portal);
    sb_portal_store_free(s->portal_store);
    sb_pool_free(s->pool);
    sb_jobs_free(s->jobs);
    sb_grants_free(s->grants);
    sb_replay_free(s->replay);
    sb_clients_free(s->clients);
    sb_groups_free(s->groups);
    sb_rosters_free(s->rosters);
    sb_data_free(s->data);
    clean_up(s);
    sb_fd_cleanup(&s->lock_fd);
    free(s->dir);
    free(s->data_dir);
    free(s->made_dir);
    free(s->ca_file);
    free(s->base_url);
    (void)pthread_mutex_destroy(&s->log_lock);
    free(s);
}

/* Asking */

const char *sb_sandbox_fhir_url(const sb_sandbox *sandbox)
{
    return sb_service_fhir_url(sandbox->service);
}

unsigned sb_sandbox_port(const sb_sandbox *sandbox)
{
    return sandbox->port;
}

const char *sb_sandbox_register_url(const sb_sandbox *sandbox)
{
    return sb_service_register_url(sandbox->service);
}

const char *sb_sandbox_ca_file(const sb_sandbox *sandbox)
{
    return sandbox->ca_file;
}

const char *sb_sandbox_data_dir(const sb_sandbox *sandbox)
{
    return sandbox->data_dir;
}

sb_status sb_sandbox_portal_link(const sb_sandbox *sandbox, char **out, sb_error *err)
{
    char secret[SB_PORTAL_SECRET_SIZE];
    sb_portal_person person;
    SB_TRY(sb_portal_person_set(&person, SB_PORTAL_ADMINISTRATOR, SB_STR_LIT("sandbox"), err));
    SB_TRY(sb_portal_link_new(sandbox->portal_store, &person, SB_PORTAL_LINK_MAX_S, secret, err));
    *out = sb_portal_link_url(sandbox->base_url, secret);
    return *out ? SB_OK : sb_error_nomem(err);
}

size_t sb_sandbox_revoke_tokens(sb_sandbox *sandbox)
{
    return sb_grants_revoke_all(sandbox->grants);
}

void sb_sandbox_count(const sb_sandbox *sandbox, sb_sandbox_counts *out)
{
    sb_service_counts c;
    sb_service_count(sandbox->service, &c);
    *out = (sb_sandbox_counts){.requests = c.requests,
                               .token_requests = c.token_requests,
                               .tokens_issued = c.tokens_issued,
                               .tokens_refused = c.tokens_refused,
                               .unauthorized = c.unauthorized,
                               .exports = c.exports,
                               .files = c.files,
                               .bytes = c.bytes};
}
