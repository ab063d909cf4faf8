/* SPDX-License-Identifier: Apache-2.0 */
/* canvas.h - lines for a terminal: text in columns, clipped at the width, with styles and bars.
 *
 * Counts columns, not bytes, so that no line ever wraps. Whatever is put down is made safe: control characters become
 * '?', and so does what is not ASCII where the terminal's character set is not UTF-8. Writes to a FILE, usually one in
 * memory; knows nothing of cursors. */
#ifndef SB_CLI_CANVAS_H
#define SB_CLI_CANVAS_H

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>

#include <smartbulk/error.h>

typedef struct term_look {
    unsigned width; /* columns of the terminal; the last one stays empty, as writing there may wrap */
    unsigned rows;
    locale_t utf8; /* NULL: ASCII alone */
    bool color;
} term_look;

typedef enum style { STYLE_PLAIN, STYLE_STRONG, STYLE_FAINT, STYLE_GOOD, STYLE_WARN, STYLE_BAD } style;

typedef struct canvas {
    FILE *to;
    const term_look *look;
    unsigned col; /* where the next character goes */
} canvas;

/* Text behind the last column is dropped; `canvas_printf` formats at most 1 KiB. */
void canvas_put(canvas *c, style how, const char *text);
void canvas_printf(canvas *c, style how, const char *fmt, ...) SB_PRINTF(3, 4);
/* Like canvas_put, in exactly `width` columns: cut with "…" or padded (`right`: on its left). */
void canvas_cell(canvas *c, style how, const char *text, unsigned width, bool right);
void canvas_fit(canvas *c, style how, const char *text); /* cut with "…" at the end of the line */
void canvas_to(canvas *c, unsigned col);                 /* blanks up to that column */
void canvas_bar(canvas *c, style how, unsigned width, double part);
void canvas_end(canvas *c); /* ends the line */

unsigned canvas_left(const canvas *c);                          /* columns that are left on this line */
unsigned look_columns(const term_look *look, const char *text); /* columns that a text takes */
const char *look_dot(const term_look *look);                    /* between facts on a line: " · " or ", " */

#endif
