/* SPDX-License-Identifier: Apache-2.0 */
/* display_live.c - the picture on a terminal. Events only leave notes and lines; the tick draws: a terminal that is
 * slow or stopped (Ctrl-S) never holds up a download. */
#include <stdlib.h>
#include <string.h>

#include "display_internal.h"
#include "frame.h"

#define ABOVE_MAX     (256 * 1024) /* waiting lines while the terminal takes none */
#define RETRY_SHOWN_S 4            /* a note about a retry is news for so long at least */
#define NS_PER_S      INT64_C(1000000000)

static void append_above(display *d, const char *text, size_t len)
{
    char *grown = d->above_len + len > ABOVE_MAX ? NULL : realloc(d->above, d->above_len + len + 1);
    if (!grown) {
        d->above_dropped++;
        return;
    }
    memcpy(grown + d->above_len, text, len + 1);
    d->above = grown;
    d->above_len += len;
}

static void add_above(display *d, const said *line)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return;
    term_look whole = d->screen.look;
    whole.width = ~0U; /* these lines may wrap: they are never redrawn */
    canvas c = {to, &whole, 0};
    canvas_put(&c, line->how, line->word);
    canvas_put(&c, STYLE_PLAIN, line->text);
    canvas_end(&c);
    if (fclose(to) == 0 && d->ended)
        (void)fputs(text, d->o.err); /* nothing draws any more */
    else if (text)
        append_above(d, text, len);
    free(text);
}

static void note_retry(display *d, const char *text, unsigned seconds)
{
    (void)snprintf(d->retry, sizeof(d->retry), "%.255s", text);
    d->retry_until_ns = display_now_ns(d) + (seconds > RETRY_SHOWN_S ? seconds : RETRY_SHOWN_S) * NS_PER_S;
}

static void live_begin(display *d, bool resumed)
{
    (void)d, (void)resumed; /* the picture says it */
}

static void live_event(display *d, const sb_export_event *e)
{
    char text[1024];
    said line;
    bool bad = e->kind == SB_EXPORT_FILE_REJECTED || e->kind == SB_EXPORT_FILE_FAILED;
    if (!event_words(d, e, text, sizeof(text), &line))
        return;
    if (e->kind == SB_EXPORT_RETRY)
        note_retry(d, text, e->seconds);
    if (bad && d->bad_more > 0 && !d->o.verbose) {
        if (d->bad_more == 1)
            add_above(d, &(said){STYLE_PLAIN, "", "more files are bad; the picture counts them"});
        return;
    }
    if (bad || e->kind == SB_EXPORT_WARNING || d->o.verbose)
        add_above(d, &line);
}

static void live_log(display *d, sb_log_level level, const char *text)
{
    static const said words[] = {
        {STYLE_BAD, "error: ", ""}, {STYLE_WARN, "warning: ", ""}, {STYLE_FAINT, "", ""}, {STYLE_FAINT, "", ""}};
    said line = {words[level].how, words[level].word, text};
    add_above(d, &line);
}

static char *draw(display *d, const sb_export_snapshot *now)
{
    char *text = NULL;
    size_t len = 0;
    int64_t now_ns = display_now_ns(d);
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return NULL;
    frame_view view = {.payer = d->o.payer,
                       .dir = d->o.dir,
                       .now = now,
                       .pace = &d->pace,
                       .retry = now_ns < d->retry_until_ns ? d->retry : NULL,
                       .elapsed_s = (now_ns - d->started_ns) / NS_PER_S,
                       .stopping = d->stopping};
    (void)frame_draw(&view, &d->screen.look, to);
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Hand what waits to the terminal, with `picture` below it. */
static void show(display *d, const char *picture)
{
    if (d->above_dropped > 0 && d->above_len < ABOVE_MAX / 2) {
        char text[64];
        int len = snprintf(text, sizeof(text), "%llu lines were left out here\n", (unsigned long long)d->above_dropped);
        d->above_dropped = 0;
        append_above(d, text, (size_t)len);
    }
    if (!screen_show(&d->screen, d->above ? d->above : "", picture))
        return;
    free(d->above);
    d->above = NULL;
    d->above_len = 0;
}

static void live_tick(display *d, const sb_export_snapshot *now)
{
    static const sb_export_snapshot nothing = {.phase = SB_EXPORT_PHASE_NEW};
    char *picture = draw(d, now ? now : &nothing);
    if (picture)
        show(d, picture);
    free(picture);
}

static void live_stopping(display *d)
{
    (void)d; /* the next tick says it */
}

static void live_clear(display *d)
{
    show(d, "");
}

const display_ops display_live = {
    .begin = live_begin,
    .event = live_event,
    .log = live_log,
    .tick = live_tick,
    .stopping = live_stopping,
    .clear = live_clear,
    .closing = closing_words,
};
