/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - appends events to log.ndjson. Owns the file's descriptor; the mutex keeps events whole. */
#include "export/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/url.h"
#include "fhir/instant.h"
#include "smart/foreign_text.h"

#define TEXT_MAX 2048        /* of a payer's body or message: a person's screen of it */
#define TORN_MAX (64 * 1024) /* no event is longer: a URL of 16 KB, a few texts of 2 KB */

struct sb_event_log {
    const sb_clock *clock;
    char *export_id;
    pthread_mutex_t lock; /* guards the rest */
    int fd;
    bool torn;   /* the last write was cut short: the next begins a line of its own */
    bool failed; /* and that was said */
};

/* Cut off what a crash left of a line. The bytes before the last newline are whole events. */
static sb_status cut_torn_line(int fd, sb_error *err)
{
    char tail[4096];
    off_t size = lseek(fd, 0, SEEK_END), end = size;
    bool found = size == 0;
    while (end > 0 && !found && size - end < TORN_MAX) {
        size_t len = (size_t)SB_MIN((off_t)sizeof(tail), end);
        if (pread(fd, tail, len, end - (off_t)len) != (ssize_t)len)
            return sb_error_errno(err, "the export's log could not be read", SB_EVENT_LOG_NAME, errno);
        const char *newline = memrchr(tail, '\n', len);
        found = newline != NULL;
        end -= newline ? (off_t)(len - 1 - (size_t)(newline - tail)) : (off_t)len;
    }
    found = found || end == 0;
    if (size < 0 || (found && end < size && ftruncate(fd, end) != 0))
        return sb_error_errno(err, "the export's log could not be mended", SB_EVENT_LOG_NAME, errno);
    return SB_OK; /* a line longer than any of ours is somebody else's: the next event ends it */
}

static bool ends_with_newline(int fd)
{
    char last = '\n';
    off_t size = lseek(fd, 0, SEEK_END);
    return size <= 0 || (pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

sb_status sb_event_log_open(sb_folder *folder, const sb_clock *clock, const char *export_id, sb_event_log **out,
                            sb_error *err)
{
    SB_AUTOFD fd = -1;
    *out = NULL;
    SB_TRY(sb_folder_open_file(folder, SB_EVENT_LOG_NAME, O_RDWR | O_CREAT | O_APPEND, &fd, err));
    SB_TRY(cut_torn_line(fd, err));
    sb_event_log *log = calloc(1, sizeof(*log));
    if (!log)
        return sb_error_nomem(err);
    log->clock = clock;
    log->export_id = sb_str_dup(sb_str_from(export_id));
    if (!log->export_id) {
        free(log);
        return sb_error_nomem(err);
    }
    (void)pthread_mutex_init(&log->lock, NULL); /* a default mutex: cannot fail on Linux */
    log->torn = !ends_with_newline(fd);
    log->fd = fd;
    fd = -1;
    *out = log;
    return SB_OK;
}

void sb_event_log_free(sb_event_log *log)
{
    if (!log)
        return;
    (void)close(log->fd);
    (void)pthread_mutex_destroy(&log->lock);
    free(log->export_id);
    free(log);
}

/* Under lock: one write, so that nothing comes between. */
static void append(sb_event_log *log, sb_str line)
{
    ssize_t n;
    do {
        n = write(log->fd, line.ptr, line.len);
    } while (n < 0 && errno == EINTR);
    bool whole = n == (ssize_t)line.len;
    if (n > 0)
        log->torn = !whole;
    if (!whole && !log->failed)
        sb_log_warn("%s could not be written: %s", SB_EVENT_LOG_NAME, n < 0 ? strerror(errno) : "the disk is full");
    log->failed = !whole;
}

void sb_event_log_add(sb_event_log *log, const char *event_id, json_t *detail)
{
    SB_AUTOJSON owned = detail ? detail : json_object();
    char when[SB_INSTANT_SIZE];
    if (!log)
        return;
    (void)sb_instant_format((sb_instant){log->clock->wall_s(log->clock->impl), 0}, when);
    SB_AUTOJSON event = json_pack("{s:s, s:s, s:s, s:O}", "exportId", log->export_id, "timestamp", when, "eventId",
                                  event_id, "eventDetail", owned);
    SB_AUTOFREE text = event ? sb_json_dump(event) : NULL;
    (void)pthread_mutex_lock(&log->lock);
    SB_AUTOFREE line = text ? sb_printf("%s%s\n", log->torn ? "\n" : "", text) : NULL;
    if (line)
        append(log, sb_str_from(line));
    else
        sb_log_warn("an event is missing from %s: out of memory", SB_EVENT_LOG_NAME);
    (void)pthread_mutex_unlock(&log->lock);
}

json_t *sb_event_body(sb_str body)
{
    char text[TEXT_MAX];
    return body.len == 0 ? json_null() : json_string(sb_foreign_text(body, text, sizeof(text)));
}

json_t *sb_event_text(const char *text)
{
    return text ? sb_event_body(sb_str_from(text)) : json_null();
}

json_t *sb_event_url(const char *url)
{
    SB_AUTOFREE redacted = url ? sb_url_redacted(url) : NULL;
    return redacted ? json_string(redacted) : json_null();
}

json_t *sb_event_headers(const sb_http_headers *headers)
{
    static const char *const shown[] = {"Content-Length",   "Content-Type",   "Date",         "Expires",
                                        "Retry-After",      "Server",         "X-Request-Id", "X-Correlation-Id",
                                        "X-Amzn-RequestId", "X-Export-Status"};
    json_t *out = json_object();
    for (size_t i = 0; i < SB_ARRAY_LEN(shown) && out; i++) {
        const char *value = sb_http_header_get(headers, shown[i]);
        if (value)
            (void)json_object_set_new(out, shown[i], sb_event_text(value));
    }
    return out;
}
