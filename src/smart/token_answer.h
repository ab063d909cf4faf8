/* SPDX-License-Identifier: Apache-2.0 */
/* token_answer.h - a token endpoint's 200 answer, read leniently where real servers stray and strictly where it
 * matters.
 */
#ifndef SB_SMART_TOKEN_ANSWER_H
#define SB_SMART_TOKEN_ANSWER_H

#include <smartbulk/token.h>

#include "base/buf.h"

#define SB_TOKEN_LIFETIME_DEFAULT_S 300   /* TOK-03 */
#define SB_TOKEN_LIFETIME_MAX_S     86400 /* what says more is believed for a day; a 401 ends it sooner */

/* Read `body`; `requested_ns` is when it was asked for. SB_E_SERVER, never quoting the body, when there is no usable
 * token in it. *has_error tells that it holds an OAuth `error` instead: for oauth_error.h.                     TOK-03
 */
sb_status sb_token_answer_read(sb_str body, int64_t requested_ns, sb_token **out, bool *has_error, sb_error *err);

#endif
