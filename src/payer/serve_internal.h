/* SPDX-License-Identifier: Apache-2.0 */
/* serve_internal.h - what the files that make up a payer share. Nobody else includes it.
 *
 *   serve.c              puts the parts together and takes them apart
 *   serve_generation.c   one reading of the configuration, and the service made of it
 *   serve_admin.c        the listener for who administers
 *   serve_keeper.c       takes away what has had its time
 *   serve_reload.c       from one generation to the next
 *   serve_tokens.c       tokens that are signed, where the configuration asks for them */
#ifndef SB_PAYER_SERVE_INTERNAL_H
#define SB_PAYER_SERVE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <smartbulk/serve.h>

#include "http/guarded.h"
#include "payer/admin/admin.h"
#include "payer/auth/client_db.h"
#include "payer/auth/grants_db.h"
#include "payer/auth/grants_jwt.h"
#include "payer/ops/audit.h"
#include "payer/portal/portal.h"
#include "payer/routes/service.h"
#include "payer/settings.h"

/* One reading of the configuration and the service made of it. A request keeps the one that it began with. */
typedef struct sb_generation {
    sb_serve *serve;
    sb_settings *settings;
    sb_guard *guard;              /* whose key sets may be fetched from where */
    sb_portal *portal;            /* NULL: there is none */
    sb_digest registration_token; /* the initial one's, where one is asked for */
    sb_service *service;
    sb_server_handler handler;
    sb_introspector *introspectors; /* of the settings' resource servers */
    atomic_uint refs;
} sb_generation;

/* What a demonstration has that no configuration can ask for. Hooks may be NULL. */
typedef struct sb_serve_demo {
    unsigned job_seconds;                              /* an export takes at least this long */
    uint64_t file_rate;                                /* of each file, bytes a second; 0: all there is */
    sb_status (*make_data)(void *impl, sb_error *err); /* the address is taken, nothing is opened yet */
    sb_status (*add_clients)(void *impl, sb_clients *clients, sb_error *err); /* before anybody is answered */
    void *impl;
} sb_serve_demo;

typedef struct sb_serve_keeper sb_serve_keeper;

struct sb_serve {
    char *config; /* NULL: the settings are not of a file */
    bool is_demo;
    sb_serve_demo demo;
    const sb_clock *clock;
    sb_serve_log_fn *log; /* NULL: none */
    void *log_impl;
    pthread_mutex_t log_lock;
    atomic_bool log_json;  /* the library's own words, too */
    sb_settings *settings; /* of the start: addresses, folders, the database */
    pthread_mutex_t current_lock;
    sb_generation *current;
    sb_pool *pool;
    sb_audit *audit; /* NULL: none is kept */
    sb_metrics *metrics;
    sb_data *data;
    sb_rosters *rosters;
    sb_groups *groups;
    sb_jobs *jobs;
    sb_clients *clients;
    sb_jwks_cache *keys;
    sb_server_keys *server_keys; /* NULL: tokens are opaque */
    sb_grants *grants;
    sb_rates *rates;
    sb_portal_store *portal_store;
    sb_proxies *proxies;
    sb_server *server; /* NULL once it is stopped */
    unsigned port;
    sb_admin *admin; /* NULL, as its server: there is none */
    sb_ready *ready;
    sb_server *admin_server;
    sb_serve_keeper *keeper;            /* NULL before the start, and at the end */
    _Atomic int64_t certificate_ends_s; /* since 1970; 0: there is none */
    bool admin_is_local;                /* it listens on a loopback address */
    unsigned admin_port;
    char *base_url, *fhir_url;
};

SB_DEFINE_FREEP(sb_serve)

/* By settings that were made, not read: taken over, also on failure. `options->config` is not looked at. With `demo` every
 * client may use all the groups that the data has, and the log is of requests alone. */
sb_status sb_serve_start_with(const sb_serve_options *options, sb_settings *settings, const sb_serve_demo *demo,
                              sb_serve **out, sb_error *err);

void sb_serve_log_by(sb_serve *serve, const sb_settings *settings); /* its level and form, from now on */
void sb_serve_say(sb_serve *serve, const char *line);               /* into the log; any thread */

/* Takes the settings over when it succeeds. */
sb_status sb_generation_new(sb_serve *serve, sb_settings *settings, sb_generation **out, sb_error *err);
sb_generation *sb_generation_take(sb_serve *serve); /* the current one */
void sb_generation_release(sb_generation *generation);
void sb_generation_log(sb_generation *generation, const sb_service_event *event); /* into the log, as it says */
/* Gives each request to the generation that is current when it begins. */
sb_server_handler sb_generations_handler(sb_serve *serve);

/* Certificate and key that the settings name; the caller wipes `key`, also on failure. */
sb_status sb_serve_read_identity(const sb_settings *settings, sb_buf *cert, sb_buf *key, sb_error *err);
#define SB_SERVE_ADMIN_THREADS 4 /* one that waits for the database does not hold up the others */
/* Where the settings ask for an admin listener: take its address; begin to answer; go by another reading of the
 * settings, and the token they ask for; say that the end is near; end. */
sb_status sb_serve_admin_listen(sb_serve *serve, sb_error *err);
sb_status sb_serve_admin_start(sb_serve *serve, sb_error *err);
void sb_serve_admin_by(sb_serve *serve, const sb_settings *settings, const sb_digest *token);
void sb_serve_note_certificate(sb_serve *serve); /* another is in use from now on */
void sb_serve_admin_ending(sb_serve *serve);
void sb_serve_admin_stop(sb_serve *serve);
/* The token that the settings ask for; `out` stays as it is without one. SB_E_USAGE: it cannot be used. */
sb_status sb_serve_admin_token(const sb_settings *settings, sb_digest *out, sb_error *err);
/* A secret of a file, by its digest. SB_E_USAGE: it could be guessed, or others may read it. `what` is for errors. */
sb_status sb_serve_secret_digest(const char *path, const char *what, sb_digest *out, sb_error *err);

sb_status sb_serve_keeper_start(sb_serve *serve, sb_error *err);
void sb_serve_keeper_stop(sb_serve *serve); /* again is fine */

/* What key sets by URL may be fetched from. */
sb_status sb_serve_guard(const sb_settings *settings, sb_guard **out, sb_error *err);
/* Of the initial access token, where the settings ask for one; else `out` stays as it is. SB_E_USAGE: there is none that
 * could be used. */
sb_status sb_serve_registration_token(const sb_settings *settings, sb_digest *out, sb_error *err);

/* Of what seals the keys that sign tokens: the caller wipes `out`. SB_E_USAGE: there is none that could be used. */
sb_status sb_serve_token_secret(const sb_settings *settings, sb_buf *out, sb_error *err);
/* The grants whose tokens are signed, over those beneath, which it takes over, also on failure. */
sb_status sb_serve_signed_tokens(sb_serve *serve, sb_grants *beneath, sb_grants **out, sb_error *err);

#endif
