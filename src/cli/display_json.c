/* SPDX-License-Identifier: Apache-2.0 */
/* display_json.c - one JSON object a line on stdout. Its names are an interface: smartbulk-export(1) documents them;
 * add, never rename. */
#include <time.h>

#include "display_internal.h"
#include "human.h"

#define EVERY_NS (INT64_C(5) * 1000000000) /* between two snapshots of one phase */

static json_t *text_or_null(const char *text)
{
    json_t *value = text ? json_string(text) : NULL;
    return value ? value : json_null();
}

static json_t *number(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

/* Takes `event`, whose members may be missing when memory was short: a line is left out rather than torn. */
static void put_event(display *d, const char *name, json_t *event)
{
    json_t *whole =
        json_pack("{s:s, s:s}", "event", name, "time", human_instant(d->o.clock->wall_s(d->o.clock->impl)).text);
    if (whole && event && json_object_update(whole, event) == 0) {
        (void)json_dumpf(whole, d->o.out, JSON_COMPACT);
        (void)fputc('\n', d->o.out);
        (void)fflush(d->o.out);
    }
    json_decref(whole);
    json_decref(event);
}

static json_t *type_json(const sb_export_type_totals *t)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "type", t->type, "files", number(t->files), "filesDone",
                     number(t->files_done), "filesBad", number(t->files_bad), "resources", number(t->resources),
                     "resourcesExpected", t->resources_expected ? number(t->resources_expected) : json_null(), "bytes",
                     number(t->bytes));
}

json_t *snapshot_json(const sb_export_snapshot *s)
{
    json_t *types = json_array();
    for (size_t i = 0; types && i < s->n_types; i++)
        if (json_array_append_new(types, type_json(&s->types[i])) != 0) {
            json_decref(types);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "phase",
                     phase_name(s->phase), "progress", text_or_null(s->progress[0] ? s->progress : NULL),
                     "transactionTime", text_or_null(s->transaction_time[0] ? s->transaction_time : NULL), "files",
                     number(s->files), "filesDone", number(s->files_done), "filesBad", number(s->files_bad),
                     "filesResumed", number(s->resumed_files), "resources", number(s->resources), "bytes",
                     number(s->bytes), "wireBytes", number(s->wire_bytes), "badLines", number(s->bad_lines),
                     "tokensFetched", number(s->token_fetches), "elapsedMs",
                     number((uint64_t)(s->elapsed_ns > 0 ? s->elapsed_ns : 0) / 1000000), "types", types);
}

static void json_begin(display *d, bool resumed)
{
    put_event(d, "start", json_pack("{s:s, s:s, s:b}", "dir", d->o.dir, "payer", d->o.payer, "resumed", resumed));
}

static void json_event(display *d, const sb_export_event *e)
{
    const char *text = e->text ? e->text : "", *file = e->file ? e->file : "";
    switch (e->kind) {
    case SB_EXPORT_KICKOFF:
        put_event(d, "kickoff", json_pack("{s:s}", "url", text));
        return;
    case SB_EXPORT_ACCEPTED:
        put_event(d, "accepted", json_object());
        return;
    case SB_EXPORT_PROGRESS:
        put_event(d, "progress", json_pack("{s:s, s:i}", "text", text, "nextPollSeconds", (int)e->seconds));
        return;
    case SB_EXPORT_MANIFEST_PAGE:
        put_event(d, "manifest_page", json_pack("{s:o, s:s}", "files", number(e->files), "transactionTime", text));
        return;
    case SB_EXPORT_FILE_DONE:
        put_event(d, "file_done",
                  json_pack("{s:s, s:o, s:o, s:o}", "file", file, "type", text_or_null(e->type), "bytes",
                            number(e->bytes), "resources", number(e->resources)));
        return;
    case SB_EXPORT_FILE_REJECTED:
        put_event(d, "file_rejected",
                  json_pack("{s:s, s:o, s:o, s:s}", "file", file, "type", text_or_null(e->type), "badLines",
                            number(e->bad_lines), "reason", text));
        return;
    case SB_EXPORT_FILE_FAILED:
        put_event(d, "file_failed",
                  json_pack("{s:s, s:o, s:s}", "file", file, "type", text_or_null(e->type), "reason", text));
        return;
    case SB_EXPORT_RETRY:
        put_event(d, "retry", json_pack("{s:s, s:i}", "text", text, "afterSeconds", (int)e->seconds));
        return;
    case SB_EXPORT_WARNING:
        put_event(d, "warning", json_pack("{s:s}", "text", text));
        return;
    case SB_EXPORT_REMOTE_DELETED:
        put_event(d, "remote_deleted", json_object());
        return;
    }
}

static void json_log(display *d, sb_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    put_event(d, "log", json_pack("{s:s, s:s}", "level", names[level], "text", line));
}

static void json_tick(display *d, const sb_export_snapshot *now)
{
    int64_t now_ns = display_now_ns(d);
    if (!now || now->phase != SB_EXPORT_PHASE_DOWNLOAD || (d->told_ns != 0 && now_ns - d->told_ns < EVERY_NS))
        return;
    d->told_ns = now_ns;
    put_event(d, "snapshot", snapshot_json(now));
}

static void json_stopping(display *d)
{
    put_event(d, "stopping", json_object());
}

static void json_clear(display *d)
{
    (void)d;
}

static void json_closing(display *d, const sb_export_snapshot *now, sb_status run, const sb_error *err,
                         const char *payer)
{
    (void)payer;
    json_t *finish = snapshot_json(now);
    if (finish) {
        (void)json_object_set_new(finish, "dir", json_string(d->o.dir));
        (void)json_object_set_new(finish, "status", json_string(run == SB_OK ? "ok" : sb_status_name(run)));
        (void)json_object_set_new(finish, "exit", json_integer(sb_status_exit_code(run)));
        (void)json_object_set_new(
            finish, "error",
            run == SB_OK ? json_null()
                         : json_pack("{s:s, s:s, s:s}", "what", err->what, "why", err->why, "fix", err->fix));
    }
    put_event(d, "finish", finish);
}

const display_ops display_json = {
    .begin = json_begin,
    .event = json_event,
    .log = json_log,
    .tick = json_tick,
    .stopping = json_stopping,
    .clear = json_clear,
    .closing = json_closing,
};
