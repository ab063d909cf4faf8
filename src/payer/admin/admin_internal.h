/* SPDX-License-Identifier: Apache-2.0 */
/* admin_internal.h - what the files of the admin listener share. Nobody else includes it. */
#ifndef SB_PAYER_ADMIN_INTERNAL_H
#define SB_PAYER_ADMIN_INTERNAL_H

#include <jansson.h>
#include <pthread.h>

#include "base/json.h"
#include "payer/admin/admin.h"

#define SB_ADMIN_ACTOR "admin listener" /* in the audit log: who reaches it is not known by name */

struct sb_admin {
    sb_admin_options o;
    pthread_mutex_t ready_lock; /* readiness is found out by one at a time, and kept for a moment */
    int64_t ready_ns;           /* when it was found out; 0: never */
    json_t *ready;              /* what was found out */
    bool is_ready;
};

typedef void sb_admin_route(sb_admin *admin, sb_server_request *request, sb_answer *answer);

void sb_admin_json(sb_answer *answer, unsigned status, const json_t *json);
/* {"error": …}; `why` is ours. */
void sb_admin_refuse(sb_answer *answer, unsigned status, const char *why);
/* By its kind: 404, 400, 503 or 500, with its words: whoever administers may read them. */
void sb_admin_error(sb_answer *answer, const sb_error *err);

sb_admin_route sb_admin_healthz, sb_admin_readyz, sb_admin_metrics;
sb_admin_route sb_admin_clients, sb_admin_client, sb_admin_approve, sb_admin_suspend, sb_admin_remove;
sb_admin_route sb_admin_rosters, sb_admin_exports, sb_admin_export_delete, sb_admin_audit;

#endif
