/* SPDX-License-Identifier: Apache-2.0 */
/* service.h - the payer's side as one HTTP handler: authorization server and export server, over what they are given.
 *
 *   /token  /register  /jwks                            OAuth: RFC 6749 errors
 *   /fhir/.well-known/smart-configuration  metadata     open to all
 *   /fhir/$export  Patient/$export  Group/{id}/$export  with a token from here on: OperationOutcome errors
 *   /fhir/Group  Group/{id}
 *   /fhir/jobs/{id}  /fhir/jobs/{id}/{file}
 *
 * Holds no socket: the server of http/ calls it, and so can tests. What it keeps (clients, used assertions, tokens,
 * jobs) is behind interfaces and passed in. Addresses come from the configuration, never from a request (TOK-10). */
#ifndef SB_PAYER_SERVICE_H
#define SB_PAYER_SERVICE_H

#include "http/server.h"
#include "payer/auth/client.h"
#include "payer/auth/grants.h"
#include "payer/auth/jwks_cache.h"
#include "payer/auth/rates.h"
#include "payer/auth/registration.h"
#include "payer/auth/server_keys.h"
#include "payer/export/export_job.h"
#include "payer/ops/audit.h"
#include "payer/ops/metrics.h"

#define SB_FHIR_ROOT            "fhir" /* below the base URL */
#define SB_PENDING_DAYS_DEFAULT 14
#define SB_SERVICE_SCOPES_MAX   "system/*.rs" /* what anybody may have at most: nothing here is written to */

typedef struct sb_service sb_service;

/* One line of the log, machine-readable in parts. Borrowed for the call. */
typedef struct sb_service_event {
    const char *method;
    sb_str path; /* as it came, without its query; not fit to be shown as it is */
    const char *peer;
    unsigned status;
    uint64_t bytes;
    int64_t took_ns;
    const char *route;  /* what answered: "token", "kickoff" …; "": nothing is there */
    const char *client; /* proved; or, where a reason is given, perhaps only claimed; "": none */
    const char *reason; /* sb_refusal_name(), or another constant word; "": none */
} sb_service_event;

typedef struct sb_service_counts {
    uint64_t requests, token_requests, tokens_issued, tokens_refused, unauthorized, exports, files, bytes;
} sb_service_counts;

/* Pages for people, which portal/ puts on top. */
typedef struct sb_service_pages {
    const struct sb_route *routes; /* under /portal, and "/"; the last has no method */
    /* A request that no page answers: `status` is in the answer, Allow may be. */
    void (*refuse)(void *impl, const sb_server_request *request, const char *why, sb_answer *answer);
    void *impl;
} sb_service_pages;

/* A FHIR server that may ask about tokens, by the digests of its id and its secret.                          RFC 7662 */
typedef struct sb_introspector {
    sb_digest id, secret;
} sb_introspector;

typedef struct sb_service_options {
    const char *base_url;    /* scheme and authority, such as "https://127.0.0.1:8443", no slash at its end; copied */
    const char *const *algs; /* NULL-terminated: what assertions may be signed with; NULL: RS384 and ES384 */
    sb_clients *clients;     /* borrowed for the service's life, as are all of these */
    sb_jwks_cache *keys;     /* of clients registered by URL; NULL: they get no tokens                        AUTH-08 */
    sb_grants *grants;
    sb_server_keys *server_keys; /* that sign access tokens; NULL: none does                               RFC 9068 */
    sb_jobs *jobs;
    const sb_data *data;
    const sb_groups *groups;
    const sb_clock *clock;
    sb_audit *audit;                      /* told of every event before its answer goes out; NULL: none is kept */
    sb_metrics *metrics;                  /* NULL: nothing is counted there */
    sb_rates *rates;                      /* how often clients may ask for tokens; NULL: there is no limit */
    const sb_introspector *introspectors; /* NULL: nobody may introspect */
    size_t introspector_count;
    unsigned failures_burst;            /* failed authentications of one address: at once, and over time; 0: no limit */
    unsigned failures_per_minute;       /* AUTH-11 */
    sb_registration_mode registration;  /* may clients register themselves?                                   KEY-07 */
    unsigned registration_pending_days; /* who waits for a person longer is forgotten; 0: SB_PENDING_DAYS_DEFAULT */
    const char *registration_scope;     /* what they may have at most; NULL: SB_SERVICE_SCOPES_MAX */
    const sb_digest *registration_token; /* SB_REGISTRATION_TOKEN: of the initial access token */
    const sb_guard *guard;               /* says which JWKS URLs may be registered; NULL: none */
    bool open_files; /* files are fetched without a token; with one they are refused                       USE-02 */
    const sb_service_pages *pages;                               /* NULL: none */
    void (*on_event)(void *impl, const sb_service_event *event); /* any thread; may be NULL */
    void *on_event_impl;
} sb_service_options;

sb_status sb_service_new(const sb_service_options *options, sb_service **out, sb_error *err);
void sb_service_free(sb_service *service); /* NULL is fine */
SB_DEFINE_FREEP(sb_service)

sb_server_handler sb_service_handler(sb_service *service);
const char *sb_service_fhir_url(const sb_service *service);
const char *sb_service_register_url(const sb_service *service);
/* Take away what has had its time: clients that waited too long for a person. To be called now and then; any thread. */
void sb_service_sweep(sb_service *service);
void sb_service_count(const sb_service *service, sb_service_counts *out);

#endif
