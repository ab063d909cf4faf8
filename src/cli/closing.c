/* SPDX-License-Identifier: Apache-2.0 */
/* closing.c - see closing.h. */
#include "closing.h"

#include <string.h>

#include "facts.h"
#include "human.h"

#define NUMBER_COL 13 /* "1,204,311,000" */

typedef struct table {
    unsigned name, number;
    bool bad, expected; /* columns that are shown only when they say something */
} table;

static table lay_out(const term_look *look, const sb_export_snapshot *s)
{
    table t = {.name = 8, .number = look->width >= 72 ? NUMBER_COL : 10};
    for (size_t i = 0; i < s->n_types; i++) {
        unsigned name = look_columns(look, s->types[i].type);
        t.name = name > t.name ? name : t.name;
        t.bad |= s->types[i].files_bad > 0;
    }
    unsigned numbers = t.number * (t.bad ? 4 : 3), room = look->width - 1;
    t.name = t.name + numbers <= room ? t.name : room > numbers + 8 ? room - numbers : 8;
    return t;
}

static void row(canvas *c, const table *t, style how, const char *name, const char *const numbers[4], bool bad)
{
    canvas_cell(c, how, name, t->name, false);
    for (int i = 0; i < 4; i++)
        if (i < 3 || t->bad)
            canvas_cell(c, i == 3 && bad ? STYLE_BAD : how, numbers[i], t->number, true);
    canvas_end(c);
}

static void totals_row(canvas *c, const table *t, style how, const char *name, const sb_export_type_totals *n)
{
    human done = human_count(n->files_done), all = human_count(n->files), resources = human_count(n->resources),
          bytes = human_bytes(n->bytes), bad = human_count(n->files_bad);
    fact files;
    (void)snprintf(files.text, sizeof(files.text), n->files_done < n->files ? "%s/%s" : "%s", done.text, all.text);
    row(c, t, how, name, (const char *const[]){files.text, resources.text, bytes.text, bad.text}, n->files_bad > 0);
}

static void types(canvas *c, const sb_export_snapshot *s)
{
    table t = lay_out(c->look, s);
    row(c, &t, STYLE_FAINT, "type", (const char *const[]){"files", "resources", "bytes", "bad files"}, false);
    for (size_t i = 0; i < s->n_types; i++)
        totals_row(c, &t, STYLE_PLAIN, s->types[i].type, &s->types[i]);
    sb_export_type_totals all = {.files = s->files,
                                 .files_done = s->files_done,
                                 .files_bad = s->files_bad,
                                 .resources = s->resources,
                                 .bytes = s->bytes};
    if (s->n_types != 1)
        totals_row(c, &t, STYLE_STRONG, "in all", &all);
}

static void labelled(canvas *c, const char *label, style how, const char *text)
{
    canvas_cell(c, STYLE_FAINT, label, 10, false);
    canvas_put(c, how, text);
    canvas_end(c);
}

static void run_facts(canvas *c, const sb_export_snapshot *s)
{
    int64_t ms = s->elapsed_ns / 1000000;
    fact text;
    int at = ms < 10000 ? snprintf(text.text, sizeof(text.text), "%.1f s", (double)ms / 1000)
                        : snprintf(text.text, sizeof(text.text), "%s", human_duration(ms / 1000).text);
    if (s->wire_bytes > 0 && ms > 0)
        at += snprintf(text.text + at, sizeof(text.text) - (size_t)at, ", %s received, %s",
                       human_bytes(s->wire_bytes).text, human_rate((double)s->wire_bytes * 1000 / (double)ms).text);
    labelled(c, "time", STYLE_PLAIN, text.text);
    if (s->resumed_files > 0)
        labelled(c, "resumed", STYLE_PLAIN, fact_resumed(s).text);
    if (s->token_fetches > 1)
        labelled(c, "token", STYLE_PLAIN, fact_renewals(s).text + strlen("token "));
}

static void bad_files(canvas *c, const closing *what)
{
    const sb_export_snapshot *s = what->now;
    if (s->files_bad == 0 && s->bad_lines == 0)
        return;
    canvas_cell(c, STYLE_FAINT, "bad", 10, false);
    canvas_put(c, STYLE_BAD, fact_bad(s).text);
    (void)fprintf(c->to, "; see %s/rejected/", shell_quote(what->dir).text); /* not clipped: it is to be copied */
    canvas_end(c);
    for (size_t i = 0; what->bad && what->bad[i]; i++)
        (void)fprintf(c->to, "          %s\n", what->bad[i]); /* safe already, and not clipped either */
    if (what->bad_more > 0) {
        canvas_to(c, 10);
        canvas_printf(c, STYLE_PLAIN, "and %s more", human_count(what->bad_more).text);
        canvas_end(c);
    }
}

/* A command is never clipped: it is there to be copied. */
static void command(canvas *c, const char *label, const char *verb, const char *word, const char *rest)
{
    shell_word quoted = shell_quote(word);
    canvas_cell(c, STYLE_FAINT, label, 10, false);
    (void)fprintf(c->to, "smartbulk %s %s%s", verb, quoted.text, rest);
    canvas_end(c);
}

static void next_commands(canvas *c, const closing *what)
{
    switch (what->now->phase) {
    case SB_EXPORT_PHASE_DONE:
        command(c, "next", "verify", what->dir, "");
        if (what->payer)
            command(c, "later", "export", what->payer, " --since last");
        return;
    case SB_EXPORT_PHASE_PARTIAL:
        if (what->now->files_bad > 0)
            command(c, "next", "resume", what->dir, "   (asks again for what is missing)");
        else /* what is missing is not in the payer's list: it cannot be asked for again */
            command(c, "next", "verify", what->dir, "");
        return;
    case SB_EXPORT_PHASE_NEW:
    case SB_EXPORT_PHASE_WAITING:
    case SB_EXPORT_PHASE_DOWNLOAD:
        command(c, what->stopped ? "to go on" : "next", "resume", what->dir, "");
        return;
    case SB_EXPORT_PHASE_FAILED:
    case SB_EXPORT_PHASE_CANCELLED:
        return;
    }
}

void closing_draw(const closing *what, const term_look *look, FILE *to)
{
    canvas c = {to, look, 0};
    const sb_export_snapshot *s = what->now;
    style how = s->phase == SB_EXPORT_PHASE_DONE     ? STYLE_GOOD
                : s->phase == SB_EXPORT_PHASE_FAILED ? STYLE_BAD
                                                     : STYLE_WARN;
    canvas_put(&c, STYLE_STRONG, what->dir);
    canvas_put(&c, STYLE_PLAIN, ": ");
    canvas_put(&c, how, what->stopped ? "stopped; what is done is kept" : phase_words(s->phase));
    canvas_end(&c);
    if (s->files > 0) {
        types(&c, s);
        canvas_end(&c);
    } else if (s->phase == SB_EXPORT_PHASE_DONE) {
        labelled(&c, "files", STYLE_PLAIN, "none: the payer has nothing that matches");
    }
    if (s->transaction_time[0])
        labelled(&c, "as of", STYLE_PLAIN, s->transaction_time);
    if (!what->ran && s->phase == SB_EXPORT_PHASE_WAITING && s->progress[0])
        labelled(&c, "payer", STYLE_PLAIN, s->progress);
    if (what->ran)
        run_facts(&c, s);
    bad_files(&c, what);
    next_commands(&c, what);
}
