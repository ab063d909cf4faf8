/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - the one function that logs, and therefore the one that redacts.
 *
 * Lines go to a sink the program sets (stderr, or the live display). Whatever is logged passes sb_redact() first:
 * bearer tokens, JWS-shaped text, `client_assertion`, `access_token`, secrets, `patient` values and URL query strings
 * are replaced, so that no caller needs to remember to. The logger is the only global of the library. */
#ifndef SB_BASE_LOG_H
#define SB_BASE_LOG_H

#include "base/buf.h"

typedef enum sb_log_level { SB_LOG_ERROR, SB_LOG_WARN, SB_LOG_INFO, SB_LOG_DEBUG } sb_log_level;

/* Called under the logger's lock: one line at a time, no newline at its end. */
typedef void sb_log_sink(void *impl, sb_log_level level, const char *line);

/* The default sink writes to stderr. NULL restores it. Levels above `max` are dropped before they are formatted. */
void sb_log_set(sb_log_level max, sb_log_sink *sink, void *impl);
bool sb_log_enabled(sb_log_level level);
void sb_log(sb_log_level level, const char *fmt, ...) SB_PRINTF(2, 3);

#define sb_log_warn(...)  sb_log(SB_LOG_WARN, __VA_ARGS__)
#define sb_log_info(...)  sb_log(SB_LOG_INFO, __VA_ARGS__)
#define sb_log_debug(...) sb_log(SB_LOG_DEBUG, __VA_ARGS__)

/* Append `text` to `out` with everything secret replaced by "[redacted]". False without memory. */
SB_MUST_USE bool sb_redact(sb_str text, sb_buf *out);

#endif
