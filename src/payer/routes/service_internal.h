/* SPDX-License-Identifier: Apache-2.0 */
/* service_internal.h - what the routes of the service share. Nobody else includes it. */
#ifndef SB_PAYER_SERVICE_INTERNAL_H
#define SB_PAYER_SERVICE_INTERNAL_H

#include "payer/auth/assertion_check.h"
#include "payer/auth/failures.h"
#include "payer/routes/answers.h"
#include "payer/routes/bearer.h"
#include "payer/routes/knocks.h"
#include "payer/routes/route_match.h"
#include "payer/routes/service.h"

#define SB_PAGE_ROOT     "portal"
#define SB_DECISION_PATH "/authorize-request" /* and behind it, from Envoy, the path that it asks about */

struct sb_service {
    sb_service_options o;
    char *base_url, *fhir_url, *token_url, *register_url, *introspect_url, *revoke_url, *jwks_url;
    sb_assertion_checker *checker;
    sb_failures *failures, *registrations;
    sb_knocks knocks; /* audit_hook.c: what strangers were refused for, and is not told yet */
    bool has_knocks;
    atomic_uint_fast64_t requests, token_requests, tokens_issued, tokens_refused, unauthorized, exports, files, bytes;
};

/* What is known of a request: its `user`. Routes fill in what the audit log is to know; the texts it takes are ours. */
typedef struct sb_visit {
    const struct sb_route *route; /* NULL: none fits */
    sb_grant *grant;              /* NULL: no token was needed */
    char client[SB_CLIENT_ID_MAX + 1];
    bool is_stranger;                 /* `client` is what somebody says, and no client that we know of */
    const char *reason;               /* a constant; NULL: none */
    const char *audit;                /* a constant: this is an event for the audit log, "export.started"; NULL: no */
    char group[SB_DATA_ID_MAX + 1];   /* the roster it was about; "": none */
    char job[SB_JOB_ID_SIZE];         /* the export; "": none */
    char actor[SB_CLIENT_ID_MAX + 1]; /* who did it, when it was a person of the portal; "": nobody */
    char detail[256];                 /* words of ours, or made safe: "types Patient, Coverage" */
    int64_t members;                  /* how many members it was about; SB_VISIT_MEMBERS_UNKNOWN */
} sb_visit;

#define SB_VISIT_MEMBERS_UNKNOWN (-1)

typedef void sb_route_fn(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer);

typedef enum sb_route_access {
    SB_ROUTE_BEARER, /* with a good access token alone                                                       USE-06 */
    SB_ROUTE_OPEN,   /* for everybody, or the route sees to it itself */
} sb_route_access;

/* Where a route answers: route_match.h. */
typedef struct sb_route {
    const char *method;
    const char *path; /* "fhir/Group/" "*" "/$export" */
    sb_route_fn *run;
    size_t body_max;
    sb_route_access access;
    const char *name; /* for logs and metrics: a constant word, "token", "kickoff", "file" … */
} sb_route;

/* The routes of one subject, in a file of their own; the last has no method. */
extern const sb_route sb_oauth_routes[]; /* oauth_routes.c: the authorization server */
extern const sb_route sb_fhir_routes[];  /* fhir_routes.c: the export server */

/* Is the request's bearer token good for this route? False: `answer` says no.                               USE-06 */
bool sb_bearer_check(sb_service *service, const sb_server_request *request, sb_visit *visit, sb_answer *answer);
/* Have the audit log told of a request whose answer is ready. False: that failed; the answer is empty but for its status,
 * 503, and wants words. */
SB_MUST_USE bool sb_audit_visit(sb_service *service, const sb_server_request *request, sb_visit *visit,
                                sb_answer *answer);
/* What was counted and not told yet is told: the end of the service. */
void sb_audit_end(sb_service *service);
/* 403: the token covers too little. */
void sb_bearer_insufficient(sb_visit *visit, sb_answer *answer, const char *needed);

sb_route_fn sb_route_smart_configuration, sb_route_metadata, sb_route_token, sb_route_register, sb_route_decision;
sb_route_fn sb_route_registration_get, sb_route_registration_put, sb_route_registration_delete;
sb_route_fn sb_route_server_metadata, sb_route_introspect, sb_route_revoke, sb_route_jwks;
sb_route_fn sb_route_groups, sb_route_group, sb_route_kickoff_get, sb_route_kickoff_post;
sb_route_fn sb_route_job_status, sb_route_job_delete, sb_route_job_file;

#endif
