/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - a payer's side with a configuration made for trying things: data that is made up, a certificate of its own,
 * everybody may register. What it serves with is what `smartbulk serve` serves with (serve.c). */
#include <smartbulk/sandbox.h>

#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/url.h"
#include "payer/data/generator.h"
#include "payer/export/tree.h"
#include "payer/serve_internal.h"
#include "payer/throwaway_ca.h"

#define THREADS             4
#define CONNECTIONS         1024
#define DRAIN_S             2
#define FAILURES_BURST      1000 /* a test suite's worth */
#define FAILURES_PER_MINUTE 6000 /* each 60 ms of a core for P-384 */
#define KEEP_S              3600
#define FILE_BYTES          ((uint64_t)32 * 1024 * 1024)

struct sb_sandbox {
    sb_sandbox_options o; /* borrowed: while it starts */
    char *dir;            /* ours to write in */
    bool keep_dir;
    int lock_fd;
    char *data_dir, *made_dir, *ca_file, *cert_file, *key_file;
    sb_serve *serve;
};

SB_DEFINE_FREEP(sb_sandbox)

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

static sb_status name_data(sb_sandbox *s, sb_error *err)
{
    s->data_dir = s->o.data_dir ? sb_str_dup(sb_str_from(s->o.data_dir)) : sb_path_join(s->dir, "data");
    s->made_dir = s->data_dir && !s->o.data_dir ? sb_str_dup(sb_str_from(s->data_dir)) : NULL;
    return s->data_dir && (s->o.data_dir || s->made_dir) ? SB_OK : sb_error_nomem(err);
}

static sb_status make_data(void *impl, sb_error *err)
{
    sb_sandbox *s = impl;
    const sb_sandbox_options *o = &s->o;
    if (!s->made_dir)
        return SB_OK;
    sb_tree_remove(s->made_dir); /* of a predecessor that was killed */
    return sb_generator_write_unless(s->made_dir, o->patients ? o->patients : SB_GENERATOR_PATIENTS_DEFAULT,
                                     o->file_bytes, o->cancelled, o->cancelled_impl, err);
}

/* The client that is known from the start; one that is remembered is made as it is now. */
static sb_status add_client(void *impl, sb_clients *clients, sb_error *err)
{
    const sb_sandbox_options *o = &((sb_sandbox *)impl)->o;
    SB_AUTOPTR(sb_jwks) jwks = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTOPTR(sb_client) known = NULL;
    if (!o->client_id)
        return SB_OK;
    SB_TRY(sb_jwks_new(&jwks, err));
    SB_TRY(sb_jwks_add_file(jwks, o->jwks_file, NULL, err));
    sb_client_spec spec = {.id = o->client_id,
                           .scope = o->client_scope ? o->client_scope : SB_SERVICE_SCOPES_MAX,
                           .jwks = jwks,
                           .state = SB_CLIENT_ACTIVE};
    SB_TRY(sb_client_new(&spec, &client, err));
    jwks = NULL;
    SB_TRY(sb_clients_find(clients, sb_str_from(o->client_id), &known, err));
    return known ? sb_clients_replace(clients, client, err) : sb_clients_add(clients, client, err);
}

/* Addresses */

/* A file of its own for the certificate, for its key, and for who made it. */
static sb_status make_certificate(sb_sandbox *s, const char *host, sb_error *err)
{
    SB_AUTO(sb_throwaway) t = SB_THROWAWAY_INIT;
    const sb_clock *clock = s->o.clock ? s->o.clock : sb_clock_system();
    SB_TRY(sb_throwaway_make(host, clock->wall_s(clock->impl), &t, err));
    s->ca_file = sb_path_join(s->dir, "ca.pem");
    s->cert_file = sb_path_join(s->dir, "certificate.pem");
    s->key_file = sb_path_join(s->dir, "key.pem");
    if (!s->ca_file || !s->cert_file || !s->key_file)
        return sb_error_nomem(err);
    SB_TRY(sb_file_write_atomic(s->key_file, 0600, sb_buf_str(&t.key), err));
    SB_TRY(sb_file_write_atomic(s->cert_file, 0644, sb_buf_str(&t.cert), err));
    return sb_file_write_atomic(s->ca_file, 0644, sb_buf_str(&t.ca), err);
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

/* How clients come: its host is the certificate's. */
static sb_status check_base_url(const sb_sandbox_options *o, sb_url *url, sb_error *err)
{
    if (!o->base_url)
        return SB_OK;
    if (sb_url_parse(o->base_url, url, NULL) != SB_OK || strcmp(url->path, "/") != 0 || url->query)
        return bad(err, "the base URL is not a scheme and a host", "write it as https://payer.example");
    return sb_url_require_secure(url, "base_url", err);
}

static sb_status name_addresses(sb_sandbox *s, sb_settings *set, sb_error *err)
{
    const sb_sandbox_options *o = &s->o;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    const char *address = o->address ? o->address : "127.0.0.1";
    bool v6 = strchr(address, ':') != NULL;
    SB_TRY(check_address(o, address, err));
    SB_TRY(check_base_url(o, &url, err));
    if (o->tls)
        SB_TRY(make_certificate(s, o->base_url ? url.host : address, err));
    SB_AUTOFREE host = sb_printf("%s%s%s", v6 ? "[" : "", address, v6 ? "]" : "");
    if (!host)
        return sb_error_nomem(err);
    set->listen = sb_printf("%s:%u", host, o->port);
    set->base_url = o->base_url ? sb_str_dup(sb_str_from(o->base_url))
                                : sb_printf("%s://%s:%u", o->tls ? "https" : "http", host, o->port);
    set->tls_certificate = o->tls ? sb_str_dup(sb_str_from(s->cert_file)) : NULL;
    set->tls_key = o->tls ? sb_str_dup(sb_str_from(s->key_file)) : NULL;
    bool all = set->listen && set->base_url && (!o->tls || (set->tls_certificate && set->tls_key));
    return all ? SB_OK : sb_error_nomem(err);
}

/* The configuration */

static sb_status name_folders(const sb_sandbox *s, sb_settings *set, sb_error *err)
{
    set->data_folder = sb_str_dup(sb_str_from(s->data_dir));
    set->exports_folder = sb_path_join(s->dir, "exports");
    set->database = sb_path_join(s->dir, "payer.db");
    return set->data_folder && set->exports_folder && set->database ? SB_OK : sb_error_nomem(err);
}

/* Where others cannot reach it, key sets may be on this machine, too: of `smartbulk key serve`.               AUTH-08 */
static sb_status allow_loopback(const sb_sandbox_options *o, sb_settings *set, sb_error *err)
{
    static const char *const networks[] = {"127.0.0.0/8", "::1"};
    if (o->address && !is_loopback(o->address))
        return SB_OK;
    set->jwks_networks.items = calloc(SB_ARRAY_LEN(networks), sizeof(char *));
    for (size_t i = 0; set->jwks_networks.items && i < SB_ARRAY_LEN(networks); i++) {
        set->jwks_networks.items[i] = sb_str_dup(sb_str_from(networks[i]));
        if (!set->jwks_networks.items[i])
            return sb_error_nomem(err);
        set->jwks_networks.count++;
    }
    return set->jwks_networks.items ? SB_OK : sb_error_nomem(err);
}

static void set_limits(const sb_sandbox_options *o, sb_settings *set)
{
    set->threads = o->threads ? o->threads : THREADS;
    set->connections = CONNECTIONS;
    set->connections_per_address = 0; /* all of them are its one user's */
    set->drain_s = DRAIN_S;
    set->registration = o->no_registration ? SB_REGISTRATION_OFF : SB_REGISTRATION_OPEN;
    set->token_lifetime_s = o->token_lifetime_s ? o->token_lifetime_s : set->token_lifetime_s;
    set->tokens_per_minute = 0;
    set->failures_burst = FAILURES_BURST;
    set->failures_per_minute = FAILURES_PER_MINUTE;
    set->exports_per_client = 0;
    set->export_retry_after_s = 1;
    set->export_keep_s = o->keep_seconds ? o->keep_seconds : KEEP_S;
    set->export_file_bytes = o->file_bytes ? o->file_bytes : FILE_BYTES;
    set->open_files = o->open_files;
    set->log_format = o->log_json ? SB_LOG_FORMAT_JSON : SB_LOG_FORMAT_TEXT;
}

static sb_status make_settings(sb_sandbox *s, sb_settings **out, sb_error *err)
{
    SB_AUTOPTR(sb_settings) set = sb_settings_new("sandbox");
    if (!set)
        return sb_error_nomem(err);
    set_limits(&s->o, set);
    SB_TRY(allow_loopback(&s->o, set, err));
    SB_TRY(name_folders(s, set, err));
    SB_TRY(name_addresses(s, set, err));
    *out = set;
    set = NULL;
    return SB_OK;
}

static sb_status start_serving(sb_sandbox *s, sb_error *err)
{
    sb_settings *settings = NULL;
    sb_serve_options options = {.log = s->o.log, .log_impl = s->o.log_impl, .clock = s->o.clock};
    sb_serve_demo demo = {.job_seconds = s->o.job_seconds,
                          .file_rate = s->o.file_rate,
                          .make_data = make_data,
                          .add_clients = add_client,
                          .impl = s};
    SB_TRY(make_settings(s, &settings, err));
    return sb_serve_start_with(&options, settings, &demo, &s->serve, err);
}

sb_status sb_sandbox_start(const sb_sandbox_options *options, sb_sandbox **out, sb_error *err)
{
    SB_TRY(check_options(options, err));
    SB_AUTOPTR(sb_sandbox) s = calloc(1, sizeof(*s));
    if (!s)
        return sb_error_nomem(err);
    s->lock_fd = -1;
    s->o = *options;
    SB_TRY(open_dir(s, options, err));
    SB_TRY(name_data(s, err));
    SB_TRY(start_serving(s, err));
    s->o = (sb_sandbox_options)SB_SANDBOX_OPTIONS_INIT; /* what it points to was lent for the start */
    *out = s;
    s = NULL;
    return SB_OK;
}

/* The end */

/* With a folder of its own, all of it; in a given one, what is made anew each time. Not when somebody else has the lock. */
static void clean_up(sb_sandbox *s)
{
    const char *const files[] = {s->ca_file, s->cert_file, s->key_file};
    if (s->lock_fd < 0)
        return;
    if (s->made_dir)
        sb_tree_remove(s->made_dir);
    for (size_t i = 0; i < SB_ARRAY_LEN(files); i++) {
        if (files[i])
            (void)unlink(files[i]);
    }
    if (!s->keep_dir)
        sb_tree_remove(s->dir);
}

void sb_sandbox_stop(sb_sandbox *s)
{
    sb_serve_stop(s->serve);
}

void sb_sandbox_free(sb_sandbox *s)
{
    if (!s)
        return;
    sb_serve_free(s->serve);
    clean_up(s);
    sb_fd_cleanup(&s->lock_fd);
    free(s->dir);
    free(s->data_dir);
    free(s->made_dir);
    free(s->ca_file);
    free(s->cert_file);
    free(s->key_file);
    free(s);
}

/* Asking */

static const sb_service *service(const sb_sandbox *sandbox)
{
    return sandbox->serve->current->service; /* the only one: it is never read again */
}

const char *sb_sandbox_fhir_url(const sb_sandbox *sandbox)
{
    return sb_serve_fhir_url(sandbox->serve);
}

unsigned sb_sandbox_port(const sb_sandbox *sandbox)
{
    return sb_serve_port(sandbox->serve);
}

const char *sb_sandbox_register_url(const sb_sandbox *sandbox)
{
    return sb_service_register_url(service(sandbox));
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
    SB_TRY(sb_portal_link_new(sandbox->serve->portal_store, &person, SB_PORTAL_LINK_MAX_S, secret, err));
    *out = sb_portal_link_url(sandbox->serve->base_url, secret);
    return *out ? SB_OK : sb_error_nomem(err);
}

size_t sb_sandbox_revoke_tokens(sb_sandbox *sandbox)
{
    return sb_grants_revoke_all(sandbox->serve->grants);
}

void sb_sandbox_count(const sb_sandbox *sandbox, sb_sandbox_counts *out)
{
    sb_service_counts c;
    sb_service_count(service(sandbox), &c);
    *out = (sb_sandbox_counts){.requests = c.requests,
                               .token_requests = c.token_requests,
                               .tokens_issued = c.tokens_issued,
                               .tokens_refused = c.tokens_refused,
                               .unauthorized = c.unauthorized,
                               .exports = c.exports,
                               .files = c.files,
                               .bytes = c.bytes};
}
