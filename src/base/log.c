/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - the logger: level, sink, and redaction of every line. The library's only global state. */
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int max_level = SB_LOG_WARN;
static sb_log_sink *sink_fn; /* under lock */
static void *sink_impl;      /* under lock */

static void sink_stderr(void *impl, sb_log_level level, const char *line)
{
    (void)impl;
    static const char *const names[] = {"error: ", "warning: ", "", ""};
    (void)fprintf(stderr, "smartbulk: %s%s\n", names[level], line);
}

void sb_log_set(sb_log_level max, sb_log_sink *sink, void *impl)
{
    (void)pthread_mutex_lock(&lock);
    atomic_store(&max_level, (int)max);
    sink_fn = sink;
    sink_impl = impl;
    (void)pthread_mutex_unlock(&lock);
}

bool sb_log_enabled(sb_log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void sb_log(sb_log_level level, const char *fmt, ...)
{
    if (!sb_log_enabled(level))
        return;
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        return;
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    bool ok = sb_redact((sb_str){text, (size_t)len}, &line);
    free(text);
    if (!ok)
        return; /* rather no line than one that was not redacted */
    (void)pthread_mutex_lock(&lock);
    (sink_fn ? sink_fn : sink_stderr)(sink_impl, level, sb_buf_cstr(&line));
    (void)pthread_mutex_unlock(&lock);
}
