/* SPDX-License-Identifier: Apache-2.0 */
/* admin_internal.h - what the files of the admin listener share. Nobody else includes it. */
#ifndef SB_PAYER_ADMIN_INTERNAL_H
#define SB_PAYER_ADMIN_INTERNAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/json.h"
#include "payer/admin/admin.h"

#define SB_ADMIN_ACTOR "admin listener" /* in the audit log: who reaches it is not known by name */

struct sb_admin {
    sb_admin_options o;
    pthread_mutex_t lock; /* of the token */
    bool has_token;
    sb_digest token;
    atomic_bool ending;
    _Atomic int64_t refused_s;     /* admin_guard.c: when a refusal was last told to the audit log */
    atomic_uint_fast64_t left_out; /* and how many were not, since */
};

/* One request: its `user`. */
typedef struct sb_admin_turn {
    sb_admin *admin;
    const sb_server_request *request;
    sb_answer *answer;
    const struct sb_admin_route *route; /* NULL: none fits */
    const char *reason;                 /* why not: a constant word, for log and metrics; NULL: it was done */
    bool trusted;                       /* may see and do all there is */
} sb_admin_turn;

typedef void sb_admin_fn(sb_admin_turn *turn);

typedef struct sb_admin_route {
    const char *method, *path; /* routes/route_match.h */
    sb_admin_fn *run;
    bool is_open;     /* without a token it answers, too: the least there is to say */
    const char *name; /* for log and metrics: a constant word */
} sb_admin_route;

/* May this request be answered? False: the answer says no. Sets turn->trusted.                         admin_guard.c */
bool sb_admin_may(sb_admin_turn *turn);

void sb_admin_json(sb_admin_turn *turn, unsigned status, const json_t *json);
/* {"error": …}; `reason` is a constant word, `why` is ours. */
void sb_admin_refuse(sb_admin_turn *turn, unsigned status, const char *reason, const char *why);
/* By its kind: 404, 409, 400 or 503, with its words: whoever administers may read them. */
void sb_admin_error(sb_admin_turn *turn, const sb_error *err);
/* Of the query; NULL: it is not there. */
const char *sb_admin_asked(const sb_admin_turn *turn, const char *name);

sb_admin_fn sb_admin_healthz, sb_admin_readyz, sb_admin_metrics;
sb_admin_fn sb_admin_clients, sb_admin_client, sb_admin_approve, sb_admin_suspend, sb_admin_remove;
sb_admin_fn sb_admin_rosters, sb_admin_exports, sb_admin_export_delete, sb_admin_audit;

#endif
