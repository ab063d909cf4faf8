/* SPDX-License-Identifier: Apache-2.0 */
/* retry.h - when to try again, and how long to wait first. Owns no state but the caller's. Any thread. */
#ifndef SB_HTTP_RETRY_H
#define SB_HTTP_RETRY_H

#include "http/client.h"

/* 429, 502, 503, 504: the same request may succeed later.                                                   TOK-05 */
bool sb_http_status_is_transient(int status);

/* Seconds to wait by `Retry-After` (delta or HTTP-date against `now_s`), clamped to [0, max_s]. False when there is
 * none or it is garbage. A delta that is really epoch milliseconds or seconds is read as that date. STAT-01 */
bool sb_http_retry_after(const sb_http_headers *headers, int64_t now_s, unsigned max_s, unsigned *seconds);

/* RFC 9110 §5.6.7, all three forms. False when it is none. */
bool sb_http_date_parse(sb_str text, int64_t *seconds);
/* IMF-fixdate of `seconds`, such as "Sun, 06 Nov 1994 08:49:37 GMT". */
#define SB_HTTP_DATE_SIZE 30
void sb_http_date_format(int64_t seconds, char out[SB_HTTP_DATE_SIZE]);

/* Exponential backoff with full jitter above a floor: attempt 0 waits in [first/2, first], doubling up to `cap_ms`. */
int64_t sb_backoff_ns(unsigned attempt, unsigned first_ms, unsigned cap_ms);

#endif
