/* SPDX-License-Identifier: Apache-2.0 */
/* display.h - tells a person, or a program, what an export does while it does it.
 *
 * Four kinds: a live picture on a terminal; plain dated lines for logs; JSON events; nothing but errors. Events and log
 * lines may come from any thread and never wait for a terminal; display_tick() and what follows it are called by one
 * thread. Knows nothing of the export but its events and snapshots. */
#ifndef SB_CLI_DISPLAY_H
#define SB_CLI_DISPLAY_H

#include <stdio.h>

#include <smartbulk/clock.h>
#include <smartbulk/export.h>
#include <smartbulk/log.h>

#include "canvas.h"

typedef enum display_kind { DISPLAY_LIVE, DISPLAY_PLAIN, DISPLAY_JSON, DISPLAY_QUIET } display_kind;

typedef struct display display;

typedef struct display_options {
    display_kind kind;
    bool verbose;          /* each file and the library's own lines too */
    FILE *out, *err;       /* data and words; borrowed */
    const sb_clock *clock; /* borrowed */
    const char *payer;     /* borrowed, as is dir */
    const char *dir;
} display_options;

display *display_new(const display_options *options); /* NULL without memory */
void display_free(display *d);                        /* NULL is fine */

/* Any thread. `impl` is the display: an sb_export_options.on_event and an sb_log_sink. */
void display_event(void *impl, const sb_export_event *event);
void display_log(void *impl, sb_log_level level, const char *line);

void display_begin(display *d, bool resumed); /* once, before all else */

int display_tick_ms(const display *d); /* how often it wants the next; any thread */

/* So often; `now` is NULL before there is an export. */
void display_tick(display *d, const sb_export_snapshot *now);
void display_stopping(display *d); /* the person asked to stop: say that it was heard */
void display_resize(display *d);
void display_clear(display *d); /* leaves a clean terminal, before the process stops or ends; a tick draws again */

/* The end: what is waiting is written, and nothing more is drawn. */
void display_end(display *d);

/* Closing words; after display_end(). `run` is what sb_export_run() returned, `err` its error. `payer_word` is how the
 * person named the payer, or NULL. */
void display_closing(display *d, const sb_export_snapshot *now, sb_status run, const sb_error *err,
                     const char *payer_word);

#endif
