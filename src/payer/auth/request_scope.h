/* SPDX-License-Identifier: Apache-2.0 */
/* request_scope.h - what a request to somebody else's FHIR server needs a token to cover: method and target in, resource
 * type and rights out. For the decision endpoint; knows no token and no answer.
 *
 * FHIR's RESTful interactions are known one by one. What is not known needs what nobody has: a server that learns a new
 * operation is not open by it. No state; any thread. */
#ifndef SB_PAYER_REQUEST_SCOPE_H
#define SB_PAYER_REQUEST_SCOPE_H

#include "http/target.h"
#include "smart/scopes.h"

#define SB_REQUEST_TYPES_MAX 160 /* an export's _type: FHIR R4 has 148 */

typedef enum sb_request_access {
    SB_REQUEST_OPEN,   /* what everybody may read: metadata and smart-configuration */
    SB_REQUEST_SCOPED, /* a token that covers `rights` on all of `types` */
    SB_REQUEST_NEVER,  /* not an interaction that is let through: batches, unknown operations, what is not FHIR */
} sb_request_access;

typedef struct sb_request_need {
    sb_request_access access;
    unsigned rights;                    /* SB_SCOPE_READ … */
    sb_str types[SB_REQUEST_TYPES_MAX]; /* "Patient", "*"; borrowed from the target */
    size_t type_count;
} sb_request_need;

/* `base` are the segments before the resource type ("/fhir", "/r4/fhir", ""), as they are in the target. */
void sb_request_scope(const char *method, const sb_target *target, const sb_target *base, sb_request_need *out);
/* Do these scopes cover it, in full? A scope with a search limit (?…) does not: what it lets through cannot be seen
 * from a request. */
bool sb_request_covered(const sb_request_need *need, const sb_scopes *scopes);

#endif
