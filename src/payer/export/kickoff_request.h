/* SPDX-License-Identifier: Apache-2.0 */
/* kickoff_request.h - a kick-off's parameters, from a query or from a Parameters resource, as one request for
 * sb_jobs_create(). Sorts them by name; judges only what is about the form: what they mean is the plan's. EXP-02,
 * EXP-03
 */
#ifndef SB_PAYER_KICKOFF_REQUEST_H
#define SB_PAYER_KICKOFF_REQUEST_H

#include <jansson.h>

#include "http/form.h"
#include "payer/export/export_job.h"

typedef struct sb_kickoff_list {
    sb_str *items;
    size_t count, cap;
} sb_kickoff_list;

/* Borrows every text from the query or the document it was read from. */
typedef struct sb_kickoff {
    sb_kickoff_list types, elements, patients, type_filters;
    sb_kickoff_list others; /* names of parameters that are not known here                                    EXP-04 */
    sb_str since, until, output_format, export_type;
    bool davinci; /* set by the caller before: it is $davinci-data-export, which has an exportType            PDEX-02 */
    bool partial;
    sb_export_refusal refusal; /* of one that was refused: why */
} sb_kickoff;

#define SB_KICKOFF_INIT                                                                                                \
    {                                                                                                                  \
        .since = { NULL, 0 }                                                                                           \
    }
void sb_kickoff_cleanup(sb_kickoff *kickoff);

/* SB_E_INVALID (err->http_status 400): a single parameter that is repeated, too many of one, a value of a kind that
 * cannot be it; in a query, also `patient`, which belongs into a body. Then out->refusal says which. */
sb_status sb_kickoff_from_query(const sb_form *query, sb_kickoff *out, sb_error *err);
/* `document` was checked by sb_parameters_parse(). */
sb_status sb_kickoff_from_parameters(const json_t *document, sb_kickoff *out, sb_error *err);

/* Fill what the parameters say; the rest of `request` is the caller's. */
void sb_kickoff_fill(const sb_kickoff *kickoff, sb_job_request *request);

#endif
