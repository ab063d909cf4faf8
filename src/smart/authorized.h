/* SPDX-License-Identifier: Apache-2.0 */
/* authorized.h - a payer's requests with its token: what the export layer calls instead of sb_http_send().
 *
 * Adds the Bearer token when the URL's origin may see it, and turns a 401 into one renewal and one more try that the
 * caller never sees (USE-04). A second 401 with a fresh token is SB_E_AUTH with the likely causes. Thread safe. */
#ifndef SB_SMART_AUTHORIZED_H
#define SB_SMART_AUTHORIZED_H

#include <smartbulk/payer.h>

#include "http/client.h"

/* `request->bearer` must be NULL: it is filled here. Network errors and transient statuses are returned as they are:
 * how often and how long to try again is the caller's subject. SB_E_AUTH is returned for 401; 403 is left to the
 * caller. */
sb_status sb_payer_send(sb_payer *payer, sb_http_request *request, sb_http_response *response, sb_error *err);

/* As above, without token: discovery-like and capability URLs.                                              USE-02 */
sb_status sb_payer_send_plain(sb_payer *payer, sb_http_request *request, sb_http_response *response, sb_error *err);

/* May this URL's origin see the token? The FHIR base's origin and the configured token_hosts.                USE-03 */
bool sb_payer_trusts(const sb_payer *payer, const sb_url *url);
/* SB_E_SERVER naming the origin and the `token_hosts` line that would allow it. */
sb_status sb_payer_require_trust(const sb_payer *payer, const sb_url *url, const char *what, sb_error *err);

/* For the download engine. */
/* Two fresh tokens were refused with this answer, so it is not the token's age: SB_E_AUTH with the likely causes. */
sb_status sb_payer_explain_refusal(sb_payer *payer, const sb_http_request *request, const sb_http_response *response,
                                   sb_error *err);
sb_http *sb_payer_http(sb_payer *payer);
const sb_clock *sb_payer_clock(const sb_payer *payer);
bool sb_payer_cancelled(const sb_payer *payer);

/* Borrowed. What is remembered between exports is by client, in the state folder (NULL: there is none). */
const char *sb_payer_client_id(const sb_payer *payer); /* "" when none is used */
const char *sb_payer_state_dir(const sb_payer *payer);

/* Compare what was granted with what the types need: the uncovered ones, comma separated, appended to `out` (nothing
 * when all are covered or the grant is not known). TOK-07 */
sb_status sb_payer_uncovered_types(sb_payer *payer, const char *const *types, size_t n, sb_buf *out, sb_error *err);

#endif
