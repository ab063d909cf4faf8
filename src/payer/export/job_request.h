/* SPDX-License-Identifier: Apache-2.0 */
/* job_request.h - a kick-off as it is kept until its export runs, perhaps in another process: JSON of our own. Knows no
 * database. */
#ifndef SB_PAYER_JOB_REQUEST_H
#define SB_PAYER_JOB_REQUEST_H

#include <jansson.h>

#include "payer/export/export_job.h"

/* The whole of it, as malloc'ed text. Holds members' ids: it is kept no longer than until the export has run. */
sb_status sb_job_request_save(const sb_job_request *request, char **out, sb_error *err);

/* What was kept: `request` borrows from the rest. */
typedef struct sb_kept_request {
    sb_job_request request;
    json_t *document;
    sb_str *texts; /* of all lists */
    sb_scopes scopes;
} sb_kept_request;

#define SB_KEPT_REQUEST_INIT                                                                                           \
    {                                                                                                                  \
        .document = NULL                                                                                               \
    }
void sb_kept_request_cleanup(sb_kept_request *kept);

/* SB_E_INVALID: it is not what sb_job_request_save() makes. `client_id` is borrowed as well. */
sb_status sb_kept_request_load(sb_str text, const char *client_id, sb_kept_request *out, sb_error *err);
/* What is needed of it once the export has run, without members and searches; malloc'ed. */
sb_status sb_kept_request_shorten(const sb_kept_request *kept, char **out, sb_error *err);

#endif
