/* SPDX-License-Identifier: Apache-2.0 */
/* display_internal.h - what the kinds of display share. Each kind is a table of functions, called under the lock. */
#ifndef SB_CLI_DISPLAY_INTERNAL_H
#define SB_CLI_DISPLAY_INTERNAL_H

#include <jansson.h>
#include <pthread.h>

#include "closing.h"
#include "display.h"
#include "facts.h"
#include "pace.h"
#include "screen.h"

#define DISPLAY_NAMED_MAX CLOSING_NAMED_MAX /* bad files that are told one by one */

/* Something to say: a line of words, and how bad it is. */
typedef struct said {
    style how;
    const char *word; /* "warning: "; "" */
    const char *text;
} said;

typedef struct display_ops {
    void (*begin)(display *d, bool resumed);
    void (*event)(display *d, const sb_export_event *event);
    void (*log)(display *d, sb_log_level level, const char *line);
    void (*tick)(display *d, const sb_export_snapshot *now);
    void (*stopping)(display *d);
    void (*clear)(display *d);
    void (*closing)(display *d, const sb_export_snapshot *now, sb_status run, const sb_error *err, const char *payer);
} display_ops;

extern const display_ops display_live, display_plain, display_json, display_quiet;

struct display {
    display_options o;
    const display_ops *ops;
    pthread_mutex_t lock;
    pace pace;
    bool stopping, ended;
    /* Bad files, for the closing table. */
    char *bad[DISPLAY_NAMED_MAX + 1];
    uint64_t bad_more;
    /* Live. */
    screen screen; /* its look serves the others too */
    char *above;   /* lines that wait for the next tick; NULL: none */
    size_t above_len;
    uint64_t above_dropped;
    char retry[256];
    int64_t retry_until_ns;
    int64_t started_ns;
    /* Plain and JSON: what was told last, and when. */
    char told[256];
    int64_t told_ns, retry_told_ns, page_told_ns, kickoff_told_ns;
};

int64_t display_now_ns(const display *d);

/* An event in words. False when it is nothing for this display: routine without `verbose`. */
bool event_words(const display *d, const sb_export_event *event, char *text, size_t size, said *out);

/* A snapshot's members, for `status --json` and the events "snapshot" and "finish". NULL without memory. */
json_t *snapshot_json(const sb_export_snapshot *s);

/* The closing table that live and plain displays share. */
void closing_words(display *d, const sb_export_snapshot *now, sb_status run, const sb_error *err, const char *payer);

#endif
