/* SPDX-License-Identifier: Apache-2.0 */
/* client_request.h - a request in which a client authenticates by an assertion: what the token and the revocation
 * endpoint have in common. Each step that fails has filled the answer.                               TOK-04, AUTH-06 */
#ifndef SB_PAYER_CLIENT_REQUEST_H
#define SB_PAYER_CLIENT_REQUEST_H

#include "payer/routes/service_internal.h"

typedef struct sb_client_request {
    sb_service *service;
    const sb_server_request *request;
    sb_visit *visit;
    sb_answer *answer;
    sb_form form;
    sb_assertion_good good; /* once it is authenticated */
} sb_client_request;

void sb_client_request_cleanup(sb_client_request *r);

bool sb_client_request_read(sb_client_request *r);         /* the form, of an address that may still fail */
bool sb_client_request_check(sb_client_request *r);        /* nothing twice, nothing in the URL */
bool sb_client_request_authenticate(sb_client_request *r); /* the client, and that it is good; not yet used up */
/* A client that is proved and asks too often waits; nobody else can make it wait: what a used assertion takes of its
 * allowance, sb_client_request_used_up() gives back. */
bool sb_client_request_take(sb_client_request *r);
/* Of a parameter that was sent once; empty: not sent, or sent without a value, which is the same (RFC 6749 §3.1). */
sb_str sb_client_request_field(const sb_client_request *r, const char *name);

/* Keyed for sb_issue.used: (iss, jti). */
sb_digest sb_client_request_used(const sb_client_request *r);
/* Was the assertion used up, and what came with it done? After sb_client_request_take(). */
bool sb_client_request_used_up(sb_client_request *r, sb_issue_answer answer);

/* It is refused, for its own fault: that counts for its address.                                            AUTH-11 */
void sb_client_request_refused(sb_client_request *r, sb_refusal refusal);

/* Refusals; all return false. Those that are the request's own fault count for its address.                  AUTH-11 */
bool sb_client_request_bad(sb_client_request *r, sb_refusal refusal, const char *code);
bool sb_client_request_invalid(sb_client_request *r, sb_refusal refusal);
bool sb_client_request_unavailable(sb_client_request *r, sb_refusal refusal);

#endif
