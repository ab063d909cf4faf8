/* SPDX-License-Identifier: Apache-2.0 */
/* register_internal.h - what registering (RFC 7591) and managing a registration (RFC 7592) share. */
#ifndef SB_PAYER_REGISTER_INTERNAL_H
#define SB_PAYER_REGISTER_INTERNAL_H

#include "payer/auth/registration.h"
#include "payer/routes/service_internal.h"

#define SB_REGISTRATION_TOKEN_SIZE 44 /* 256 bits in base64url, and a NUL */

/* A request's metadata, read; and its key set fetched, if it is at a URL and the client is one that was let in: for
 * strangers this server fetches nothing. False: `answer` says why not. */
bool sb_register_read(sb_service *service, const sb_server_request *request, sb_visit *visit, const char *scope_max,
                      bool may_fetch, json_t **metadata, sb_registration *out, sb_answer *answer);
/* Keep a client of this registration, whose keys go over to it. `peer` is the address of who registers it; `token` (NULL:
 * none) is the digest of what it manages itself by. SB_E_BUSY: too many wait for approval already, or too many of that
 * network, or there are as many clients as there may be. */
sb_status sb_registration_keep(const sb_service *service, sb_registration *registration, sb_client_state state,
                               const char *peer, const sb_digest *token, sb_client **out, sb_error *err);
/* 400 invalid_client_metadata, for a mistake; else as the next. */
void sb_register_refuse(sb_visit *visit, sb_answer *answer, const sb_error *err);
/* 503 for a failure of ours, whose cause the log is told. */
void sb_register_unavailable(sb_visit *visit, sb_answer *answer, const sb_error *err);
/* A token that is missing or wrong, for registering or for a registration, known or not. */
void sb_register_unauthorized(sb_service *service, const sb_server_request *request, sb_visit *visit,
                              sb_answer *answer);
/* Is this address to wait? True: `answer` says so. */
bool sb_register_too_often(sb_failures *failures, const sb_server_request *request, sb_visit *visit, sb_answer *answer);
/* The client's metadata, with its token and its address (RFC 7592 §3). */
void sb_register_answer(const sb_service *service, unsigned status, const sb_client *client, const char *token,
                        sb_answer *answer);
bool sb_register_token_is(sb_str token, const sb_digest *want); /* in constant time */

#endif
