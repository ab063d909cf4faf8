/* SPDX-License-Identifier: Apache-2.0 */
/* display_plain.c - dated lines for logs: few enough that a week of waiting can be read, and nothing bad left out. And
 * the quiet kind: errors alone. */
#include <string.h>

#include "display_internal.h"
#include "human.h"

#define EVERY_NS (INT64_C(30) * 1000000000) /* progress is told at most so often */

static void put_line(display *d, const char *word, const char *text)
{
    term_look whole = d->screen.look;
    whole.width = ~0U;
    whole.color = false;
    canvas c = {d->o.err, &whole, 0};
    canvas_put(&c, STYLE_PLAIN, human_instant(d->o.clock->wall_s(d->o.clock->impl)).text);
    canvas_put(&c, STYLE_PLAIN, " ");
    canvas_put(&c, STYLE_PLAIN, word);
    canvas_put(&c, STYLE_PLAIN, text);
    canvas_end(&c);
    (void)fflush(d->o.err);
}

/* Is it time to tell something of this kind again? */
static bool due(const display *d, int64_t *told_ns)
{
    int64_t now = display_now_ns(d);
    if (*told_ns != 0 && now - *told_ns < EVERY_NS)
        return false;
    *told_ns = now;
    return true;
}

static bool wanted(display *d, const sb_export_event *e, const char *text)
{
    if (d->o.verbose)
        return true;
    switch (e->kind) {
    case SB_EXPORT_FILE_DONE:
        return false;
    case SB_EXPORT_PROGRESS: /* on change, and not each change */
        if (strcmp(d->told, text) == 0 || !due(d, &d->told_ns))
            return false;
        (void)snprintf(d->told, sizeof(d->told), "%.255s", text);
        return true;
    case SB_EXPORT_RETRY:
        return due(d, &d->retry_told_ns);
    case SB_EXPORT_KICKOFF: /* a payer that is busy for a day is asked many times */
        return due(d, &d->kickoff_told_ns);
    case SB_EXPORT_MANIFEST_PAGE: /* a manifest may have a thousand pages */
        return due(d, &d->page_told_ns);
    case SB_EXPORT_FILE_REJECTED:
    case SB_EXPORT_FILE_FAILED:
        if (d->bad_more == 1)
            put_line(d, "", "more files are bad; the closing table counts them");
        return d->bad_more == 0;
    default:
        return true;
    }
}

static void plain_begin(display *d, bool resumed)
{
    char text[1024];
    (void)snprintf(text, sizeof(text), resumed ? "going on with the export from %s in %s" : "export from %s into %s",
                   d->o.payer, d->o.dir);
    put_line(d, "", text);
}

static void plain_event(display *d, const sb_export_event *e)
{
    char text[1024];
    said line;
    if (event_words(d, e, text, sizeof(text), &line) && wanted(d, e, text))
        put_line(d, line.word, line.text);
}

static void plain_log(display *d, sb_log_level level, const char *text)
{
    static const char *const words[] = {"error: ", "warning: ", "", ""};
    put_line(d, words[level], text);
}

static void plain_tick(display *d, const sb_export_snapshot *now)
{
    char text[sizeof(d->told)];
    if (!now || now->phase != SB_EXPORT_PHASE_DOWNLOAD || now->files == 0)
        return;
    if (d->told_ns == 0) { /* the download begins: the first line comes in half a minute, if it lasts that long */
        (void)due(d, &d->told_ns);
        return;
    }
    if (display_now_ns(d) - d->told_ns < EVERY_NS)
        return;
    double rate = pace_bytes_per_s(&d->pace);
    int64_t left = pace_left_s(&d->pace, now);
    int at = snprintf(text, sizeof(text), "downloading: %s, %s", fact_files(now).text, human_bytes(now->bytes).text);
    if (strncmp(text, d->told, (size_t)at) == 0 && d->told[0])
        return; /* nothing moved: say nothing; a stall is told by its retries */
    if (rate >= 0)
        at += snprintf(text + at, sizeof(text) - (size_t)at, ", %s", human_rate(rate).text);
    if (left >= 0)
        (void)snprintf(text + at, sizeof(text) - (size_t)at, ", about %s left", human_about(left).text);
    (void)due(d, &d->told_ns);
    (void)snprintf(d->told, sizeof(d->told), "%.255s", text);
    put_line(d, "", text);
}

static void plain_stopping(display *d)
{
    put_line(d, "", "stopping; what is done is kept");
}

static void nothing(display *d)
{
    (void)d;
}

const display_ops display_plain = {
    .begin = plain_begin,
    .event = plain_event,
    .log = plain_log,
    .tick = plain_tick,
    .stopping = plain_stopping,
    .clear = nothing,
    .closing = closing_words,
};

static void quiet_begin(display *d, bool resumed)
{
    (void)d, (void)resumed;
}

static void quiet_event(display *d, const sb_export_event *e)
{
    (void)d, (void)e;
}

static void quiet_log(display *d, sb_log_level level, const char *text)
{
    if (level == SB_LOG_ERROR)
        plain_log(d, level, text);
}

static void quiet_tick(display *d, const sb_export_snapshot *now)
{
    (void)d, (void)now;
}

static void quiet_closing(display *d, const sb_export_snapshot *now, sb_status run, const sb_error *err,
                          const char *payer)
{
    (void)now, (void)err, (void)payer;
    if (run == SB_E_INTERRUPTED)
        (void)fprintf(d->o.err, "smartbulk: stopped; to go on: smartbulk resume %s\n", shell_quote(d->o.dir).text);
}

const display_ops display_quiet = {
    .begin = quiet_begin,
    .event = quiet_event,
    .log = quiet_log,
    .tick = quiet_tick,
    .stopping = nothing,
    .clear = nothing,
    .closing = quiet_closing,
};
