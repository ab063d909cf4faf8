/* SPDX-License-Identifier: Apache-2.0 */
/* event_line.c - events made into lines. What a stranger chose (method, path, client id) is made safe first. */
#include "payer/routes/event_line.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/log.h"
#include "fhir/instant.h"
#include "fhir/safe_line.h"

#define PATH_MAX_SHOWN 512 /* our own longest has some 150 */

typedef struct safe {
    char method[32], path[PATH_MAX_SHOWN], client[SB_CLIENT_ID_MAX * 2];
} safe;

static void make_safe(const sb_service_event *event, safe *out)
{
    size_t len = 0;
    *out = (safe){.method = ""};
    (void)sb_safe_line_add(out->method, sizeof(out->method), &len, sb_str_from(event->method));
    len = 0;
    (void)sb_safe_line_add(out->path, sizeof(out->path), &len, event->path);
    len = 0;
    (void)sb_safe_line_add(out->client, sizeof(out->client), &len, sb_str_from(event->client));
}

static char *json_line(const sb_service_event *event, const safe *s, const char *time)
{
    SB_AUTOJSON object =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:s}", "time", time, "event", "request", "method", s->method,
                  "path", s->path, "status", (int)event->status, "bytes", (json_int_t)event->bytes, "ms",
                  (json_int_t)(event->took_ns / SB_NS_PER_MS), "peer", event->peer);
    if (!object || (s->client[0] && json_object_set_new(object, "client", json_string(s->client)) != 0) ||
        (event->reason[0] && json_object_set_new(object, "reason", json_string(event->reason)) != 0))
        return NULL;
    return sb_json_dump(object);
}

static char *text_line(const sb_service_event *event, const safe *s, const char *time)
{
    return sb_printf("%s %s %s %u %" PRIu64 " B %" PRId64 " ms%s%s%s%s%s", time, s->method, s->path, event->status,
                     event->bytes, event->took_ns / SB_NS_PER_MS, s->client[0] ? " client " : "", s->client,
                     event->reason[0] ? " (" : "", event->reason, event->reason[0] ? ")" : "");
}

bool sb_event_line(const sb_service_event *event, int64_t now_s, bool json, sb_buf *out)
{
    char time[SB_INSTANT_SIZE];
    safe s;
    make_safe(event, &s);
    (void)sb_instant_format((sb_instant){now_s, 0}, time);
    SB_AUTOFREE line = json ? json_line(event, &s, time) : text_line(event, &s, time);
    return line && sb_redact(sb_str_from(line), out);
}
