/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - where the library's own lines go: warnings, and what it does when asked to tell more.
 *
 * Every line was redacted before it gets here: no tokens, assertions, keys, `patient` values or URL queries. */
#ifndef SMARTBULK_LOG_H
#define SMARTBULK_LOG_H

#include <smartbulk/error.h>

typedef enum sb_log_level { SB_LOG_ERROR, SB_LOG_WARN, SB_LOG_INFO, SB_LOG_DEBUG } sb_log_level;

/* Called under the logger's lock, from any thread: one line at a time, no newline at its end. It must not log. */
typedef void sb_log_sink(void *impl, sb_log_level level, const char *line);

/* Levels above `max` are dropped before they are formatted. The default is SB_LOG_WARN and a sink that writes to stderr,
 * which NULL restores. Any thread; when it returns, the sink before is no longer called. */
SB_PUBLIC void sb_log_set(sb_log_level max, sb_log_sink *sink, void *impl);

#endif
