/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - the one function that logs, and therefore the one that redacts.
 *
 * Lines go to a sink the program sets (stderr, or the live display). Whatever is logged passes sb_redact() first:
 * bearer tokens, JWS-shaped text, `client_assertion`, `access_token`, secrets, `patient` values and URL query strings
 * are replaced, so that no caller needs to remember to. The logger is the only global of the library. */
#ifndef SB_BASE_LOG_H
#define SB_BASE_LOG_H

#include <smartbulk/log.h>

#include "base/buf.h"

bool sb_log_enabled(sb_log_level level);
void sb_log(sb_log_level level, const char *fmt, ...) SB_PRINTF(2, 3);

#define sb_log_warn(...)  sb_log(SB_LOG_WARN, __VA_ARGS__)
#define sb_log_info(...)  sb_log(SB_LOG_INFO, __VA_ARGS__)
#define sb_log_debug(...) sb_log(SB_LOG_DEBUG, __VA_ARGS__)

/* Append `text` to `out` with everything secret replaced by "[redacted]". False without memory. */
SB_MUST_USE bool sb_redact(sb_str text, sb_buf *out);

#endif
