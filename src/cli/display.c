/* SPDX-License-Identifier: Apache-2.0 */
/* display.c - the lock, the choice of kind, and what all kinds keep: the names of bad files. */
#include <stdlib.h>
#include <string.h>

#include "display_internal.h"

#define LIVE_TICK_MS 200  /* five pictures a second look alive, and cost nothing */
#define LINE_TICK_MS 1000 /* of lines nobody sees a second; a run that waits for hours should sleep */

int64_t display_now_ns(const display *d)
{
    return d->o.clock->monotonic_ns(d->o.clock->impl);
}

display *display_new(const display_options *options)
{
    static const display_ops *const kinds[] = {&display_live, &display_plain, &display_json, &display_quiet};
    display *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->o = *options;
    d->ops = kinds[options->kind];
    d->screen.fd = fileno(options->err);
    look_detect(d->screen.fd, &d->screen.look);
    if (options->kind != DISPLAY_LIVE && !look_is_live(d->screen.fd))
        d->screen.look.width = 100; /* a log file: no window decides */
    d->started_ns = display_now_ns(d);
    if (pthread_mutex_init(&d->lock, NULL) != 0) {
        look_free(&d->screen.look);
        free(d);
        return NULL;
    }
    return d;
}

void display_free(display *d)
{
    if (!d)
        return;
    free(d->above);
    for (size_t i = 0; i < DISPLAY_NAMED_MAX; i++)
        free(d->bad[i]);
    look_free(&d->screen.look);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}

void display_begin(display *d, bool resumed)
{
    (void)pthread_mutex_lock(&d->lock);
    d->ops->begin(d, resumed);
    (void)pthread_mutex_unlock(&d->lock);
}

static void keep_bad(display *d, const sb_export_event *event)
{
    char text[512];
    said line;
    size_t i = 0;
    if (!event_words(d, event, text, sizeof(text), &line))
        return;
    while (i < DISPLAY_NAMED_MAX && d->bad[i])
        i++;
    if (i < DISPLAY_NAMED_MAX)
        d->bad[i] = strdup(line.text);
    if (i == DISPLAY_NAMED_MAX || !d->bad[i])
        d->bad_more++;
}

void display_event(void *impl, const sb_export_event *event)
{
    display *d = impl;
    (void)pthread_mutex_lock(&d->lock);
    if (event->kind == SB_EXPORT_FILE_REJECTED || event->kind == SB_EXPORT_FILE_FAILED)
        keep_bad(d, event);
    if (!d->ended)
        d->ops->event(d, event);
    (void)pthread_mutex_unlock(&d->lock);
}

void display_log(void *impl, sb_log_level level, const char *line)
{
    display *d = impl;
    (void)pthread_mutex_lock(&d->lock);
    d->ops->log(d, level, line);
    (void)pthread_mutex_unlock(&d->lock);
}

int display_tick_ms(const display *d)
{
    return d->o.kind == DISPLAY_LIVE ? LIVE_TICK_MS : LINE_TICK_MS;
}

void display_tick(display *d, const sb_export_snapshot *now)
{
    (void)pthread_mutex_lock(&d->lock);
    if (now)
        pace_note(&d->pace, display_now_ns(d), now);
    if (!d->ended)
        d->ops->tick(d, now);
    (void)pthread_mutex_unlock(&d->lock);
}

void display_stopping(display *d)
{
    (void)pthread_mutex_lock(&d->lock);
    d->stopping = true;
    d->ops->stopping(d);
    (void)pthread_mutex_unlock(&d->lock);
}

void display_resize(display *d)
{
    (void)pthread_mutex_lock(&d->lock);
    if (d->o.kind == DISPLAY_LIVE)
        (void)screen_resize(&d->screen);
    (void)pthread_mutex_unlock(&d->lock);
}

void display_clear(display *d)
{
    (void)pthread_mutex_lock(&d->lock);
    d->ops->clear(d);
    (void)pthread_mutex_unlock(&d->lock);
}

void display_end(display *d)
{
    (void)pthread_mutex_lock(&d->lock);
    d->ops->clear(d);
    d->ended = true;
    (void)pthread_mutex_unlock(&d->lock);
}

void display_closing(display *d, const sb_export_snapshot *now, sb_status run, const sb_error *err, const char *payer)
{
    (void)pthread_mutex_lock(&d->lock);
    d->ops->closing(d, now, run, err, payer);
    (void)pthread_mutex_unlock(&d->lock);
}

void closing_words(display *d, const sb_export_snapshot *now, sb_status run, const sb_error *err, const char *payer)
{
    (void)err;
    closing what = {.dir = d->o.dir,
                    .payer = payer,
                    .now = now,
                    .bad = d->bad[0] ? (const char *const *)d->bad : NULL,
                    .bad_more = d->bad_more,
                    .ran = true,
                    .stopped = run == SB_E_INTERRUPTED};
    closing_draw(&what, &d->screen.look, d->o.err);
    (void)fflush(d->o.err);
}
