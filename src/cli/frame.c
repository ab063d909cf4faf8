/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c - see frame.h.
 *
 *   acme: downloading and checking                                          2 min 4 s
 *     ExplanationOfBenefit  ━━━━━━━━━━━━━━━━━━━━━───────────────  14 of 32    3.12 GB
 *     Patient               ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    1 of 1    4.02 MB
 *     15 of 33 files · about 2 min left · 212 MB/s · 3.12 GB · token renewed 3 times
 *     Ctrl-C stops; 'smartbulk resume claims' goes on
 */
#include "frame.h"

#include <string.h>

#include "facts.h"
#include "human.h"

#define WIDTH_MAX    100 /* wider is hard to read across */
#define INDENT       2
#define TYPES_ROWS   13 /* more rows than that are no longer calm */
#define OTHER_LINES  3  /* head, facts, hint */
#define NAME_MAX_COL 24 /* "ExplanationOfBenefit" and most others fit */
#define BAR_MIN      6
#define BYTES_COL    9 /* "1,023 PB" never; "9.99 GB" mostly */

static void head(canvas *c, const frame_view *v)
{
    human elapsed = human_duration(v->elapsed_s);
    unsigned end = c->look->width - 1, taken = look_columns(c->look, elapsed.text) + 2;
    const char *words = v->stopping ? "stopping" : phase_words(v->now->phase);
    unsigned name = look_columns(c->look, v->payer), most = end > taken + 34 ? end - taken - 34 : 8;
    canvas_cell(c, STYLE_STRONG, v->payer, name < most ? name : most, false); /* the words matter more than the name */
    canvas_printf(c, STYLE_PLAIN, ": %s", words);
    if (c->col + taken <= end) {
        canvas_to(c, end + 2 - taken);
        canvas_put(c, STYLE_FAINT, elapsed.text);
    }
    canvas_end(c);
}

/* One fact behind another; one that does not fit is left out. */
static void add_fact(canvas *c, style how, const char *text)
{
    const char *dot = look_dot(c->look);
    bool first = c->col <= INDENT;
    if (text[0] == '\0' || look_columns(c->look, text) + (first ? 0 : look_columns(c->look, dot)) > canvas_left(c))
        return;
    if (!first)
        canvas_put(c, STYLE_FAINT, dot);
    canvas_put(c, how, text);
}

static void facts(canvas *c, const frame_view *v)
{
    const sb_export_snapshot *s = v->now;
    double rate = pace_bytes_per_s(v->pace);
    int64_t left = pace_left_s(v->pace, s);
    fact text;
    canvas_to(c, INDENT);
    if (s->phase == SB_EXPORT_PHASE_WAITING && s->next_poll_s > 0 && !v->stopping) {
        (void)snprintf(text.text, sizeof(text.text), "next poll in %s", human_duration(s->next_poll_s).text);
        add_fact(c, STYLE_PLAIN, text.text);
    }
    if (s->files > 0)
        add_fact(c, STYLE_PLAIN, fact_files(s).text);
    add_fact(c, STYLE_BAD, fact_bad(s).text);
    if (left >= 0 && !v->stopping) {
        (void)snprintf(text.text, sizeof(text.text), "about %s left", human_about(left).text);
        add_fact(c, STYLE_PLAIN, text.text);
    }
    if (rate >= 0 && s->phase == SB_EXPORT_PHASE_DOWNLOAD)
        add_fact(c, STYLE_PLAIN, human_rate(rate).text);
    if (s->bytes > 0)
        add_fact(c, STYLE_PLAIN, human_bytes(s->bytes).text);
    add_fact(c, STYLE_FAINT, fact_renewals(s).text);
    add_fact(c, STYLE_FAINT, fact_resumed(s).text);
    canvas_end(c);
}

static void hint(canvas *c, const frame_view *v)
{
    canvas_to(c, INDENT);
    if (v->stopping) {
        canvas_put(c, STYLE_WARN, "what is done is kept; Ctrl-C again ends at once");
    } else if (v->retry) {
        canvas_fit(c, STYLE_WARN, v->retry);
    } else {
        fact text;
        shell_word dir = shell_quote(v->dir);
        (void)snprintf(text.text, sizeof(text.text), "Ctrl-C stops; 'smartbulk resume %.120s' goes on", dir.text);
        bool fits = strlen(dir.text) <= 120 && look_columns(c->look, text.text) <= canvas_left(c);
        canvas_put(c, STYLE_FAINT, fits ? text.text : "Ctrl-C stops; resume goes on");
    }
    canvas_end(c);
}

static void payer_says(canvas *c, const frame_view *v)
{
    canvas_to(c, INDENT);
    if (v->now->progress[0]) {
        canvas_put(c, STYLE_PLAIN, "it says: ");
        canvas_fit(c, STYLE_PLAIN, v->now->progress);
    } else {
        canvas_put(c, STYLE_FAINT, "it does not say how far it is");
    }
    canvas_end(c);
}

typedef struct columns {
    unsigned name, bar, count, bytes; /* 0: not shown */
} columns;

static void count_text(const sb_export_type_totals *t, bool wide, fact *out)
{
    (void)snprintf(out->text, sizeof(out->text), wide ? "%s of %s" : "%s/%s", human_count(t->files_done).text,
                   human_count(t->files).text);
}

/* Widths that hold for all types, shown or not, so that rows do not move when others come. */
static columns lay_out(const term_look *look, const sb_export_snapshot *s)
{
    columns w = {0};
    bool wide = look->width >= 64;
    for (size_t i = 0; i < s->n_types; i++) {
        sb_export_type_totals all = s->types[i];
        fact count;
        all.files_done = all.files;
        count_text(&all, wide, &count);
        unsigned name = look_columns(look, s->types[i].type), digits = look_columns(look, count.text);
        w.name = name > w.name ? name : w.name;
        w.count = digits > w.count ? digits : w.count;
    }
    w.name = w.name < NAME_MAX_COL ? w.name : NAME_MAX_COL;
    w.bytes = wide ? BYTES_COL : 0;
    unsigned room = look->width - 1, taken = INDENT + w.name + 2 + w.count + 2 + (w.bytes ? w.bytes + 2 : 0);
    if (room < taken + BAR_MIN && w.name > 16) { /* long names give way to the bar */
        unsigned missing = taken + BAR_MIN - room;
        unsigned give = missing < w.name - 16 ? missing : w.name - 16;
        w.name -= give;
        taken -= give;
    }
    w.bar = room >= taken + BAR_MIN ? room - taken : 0;
    return w;
}

static void type_row(canvas *c, const columns *w, const sb_export_type_totals *t)
{
    fact count;
    bool done = t->files_done >= t->files;
    count_text(t, w->bytes > 0, &count);
    canvas_to(c, INDENT);
    canvas_cell(c, STYLE_PLAIN, t->type, w->name, false);
    canvas_put(c, STYLE_PLAIN, "  ");
    if (w->bar > 0) {
        canvas_bar(c,
                   t->files_bad ? STYLE_BAD
                   : done       ? STYLE_GOOD
                                : STYLE_PLAIN,
                   w->bar, pace_part(t->resources, t->resources_expected, t->files_done, t->files));
        canvas_put(c, STYLE_PLAIN, "  ");
    }
    canvas_cell(c, STYLE_PLAIN, count.text, w->count, true);
    if (w->bytes > 0) {
        canvas_put(c, STYLE_PLAIN, "  ");
        canvas_cell(c, STYLE_PLAIN, human_bytes(t->bytes).text, w->bytes, true);
    }
    canvas_end(c);
}

/* When there are too many types for the screen the finished ones are left out first. Returns the lines drawn. */
static unsigned type_rows(canvas *c, const frame_view *v, unsigned room)
{
    const sb_export_snapshot *s = v->now;
    columns w = lay_out(c->look, s);
    unsigned shown = 0, finished_shown;
    size_t unfinished = 0;
    if (s->n_types > room && room > 0)
        room--; /* for the line that counts the others */
    for (size_t i = 0; i < s->n_types; i++)
        unfinished += s->types[i].files_done < s->types[i].files;
    finished_shown = unfinished < room ? room - (unsigned)unfinished : 0;
    for (size_t i = 0; i < s->n_types && shown < room; i++) {
        bool finished = s->types[i].files_done >= s->types[i].files;
        if (finished && finished_shown == 0)
            continue;
        finished_shown -= finished;
        type_row(c, &w, &s->types[i]);
        shown++;
    }
    if (shown < s->n_types) {
        size_t more = s->n_types - shown;
        canvas_to(c, INDENT);
        canvas_printf(c, STYLE_FAINT, "and %zu more type%s", more, more == 1 ? "" : "s");
        canvas_end(c);
        shown++;
    }
    return shown;
}

unsigned frame_draw(const frame_view *view, const term_look *window, FILE *to)
{
    term_look look = *window;
    canvas c = {to, &look, 0};
    unsigned lines = OTHER_LINES;
    look.width = look.width < WIDTH_MAX ? look.width : WIDTH_MAX;
    if (look.rows < 6) { /* no room for a picture: one line that says it */
        facts(&c, view);
        return 1;
    }
    head(&c, view);
    if (view->now->phase == SB_EXPORT_PHASE_WAITING) {
        payer_says(&c, view);
        lines++;
    }
    if (view->now->n_types > 0) {
        unsigned room = look.rows - 1 - lines;
        lines += type_rows(&c, view, room < TYPES_ROWS ? room : TYPES_ROWS);
    }
    facts(&c, view);
    hint(&c, view);
    return lines;
}
