/* SPDX-License-Identifier: Apache-2.0 */
/* event_line.c - events made into lines. What a stranger chose (method, path, client id) is made safe first. */
#include "payer/routes/event_line.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/log.h"
#include "fhir/instant.h"
#include "fhir/safe_line.h"
#include "payer/data/fhir_types.h"
#include "payer/export/export_job.h"

#define PATH_MAX_SHOWN 512 /* our own longest has some 150 */
#define WORD_MAX       40  /* "oauth-authorization-server" has 26; a token 43 at least */

typedef struct safe {
    char method[32], path[PATH_MAX_SHOWN], client[SB_CLIENT_ID_MAX * 2];
} safe;

/* Letters and a little more, and no number: a word of an address, and no id. */
static bool is_word(sb_str segment)
{
    static const char of_words[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_$";
    size_t i = 0;
    while (i < segment.len && memchr(of_words, segment.ptr[i], sizeof(of_words) - 1))
        i++;
    return i == segment.len && i <= WORD_MAX;
}

/* Behind which names of ours may stand: routes, operations, rosters. Behind any other, as a resource's type, stands whom
 * it is about. */
static bool is_ours(sb_str segment)
{
    static const char *const ours[] = {"",       "fhir",  ".well-known", "authorize-request", "Group",
                                       "portal", "admin", "client",      "clients",           "exports"};
    for (size_t i = 0; i < SB_ARRAY_LEN(ours); i++) {
        if (sb_str_eq(segment, sb_str_from(ours[i])))
            return true;
    }
    return false;
}

/* "ExplanationOfBenefit.000.ndjson" */
static bool is_file_name(sb_str segment)
{
    const char *dot = memchr(segment.ptr, '.', segment.len);
    return dot && is_word((sb_str){segment.ptr, (size_t)(dot - segment.ptr)}) && segment.len <= SB_JOB_FILE_NAME_MAX &&
           sb_str_ends_with(segment, SB_STR_LIT(".ndjson"));
}

/* What may be shown: by where it stands, for an id can look like anything, and a client's token, put there by mistake, may
 * stand anywhere. */
static bool is_harmless(sb_str segment, sb_str before)
{
    if (sb_fhir_type_known(segment))
        return true;
    if (segment.len > 0 && (segment.ptr[0] == '$' || segment.ptr[0] == '_'))
        return is_word(segment);
    if (sb_str_eq(before, SB_STR_LIT("jobs")))
        return sb_jobs_is_id(segment);
    return sb_jobs_is_id(before) ? is_file_name(segment) : is_ours(before) && is_word(segment);
}

static void show_path(sb_str path, char *out, size_t size)
{
    size_t len = 0;
    sb_str segment, before = SB_STR_NULL;
    for (bool first = true; sb_str_split(&path, '/', &segment); first = false) {
        if (!first && !sb_safe_line_add(out, size, &len, SB_STR_LIT("/")))
            return;
        before = is_harmless(segment, before) ? segment : SB_STR_LIT("…");
        if (!sb_safe_line_add(out, size, &len, before))
            return;
    }
}

static void make_safe(const sb_service_event *event, safe *out)
{
    size_t len = 0;
    *out = (safe){.method = ""};
    (void)sb_safe_line_add(out->method, sizeof(out->method), &len, sb_str_from(event->method));
    show_path(event->path, out->path, sizeof(out->path));
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
