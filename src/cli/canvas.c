/* SPDX-License-Identifier: Apache-2.0 */
/* canvas.c - see canvas.h. */
#include "canvas.h"

#include <stdarg.h>
#include <string.h>
#include <wchar.h>

#define PRINTF_MAX 1024 /* several lines of the widest terminal */

/* One character of `text` as the terminal will show it: `bytes` and `len` are set, its columns returned. */
static unsigned next_char(const term_look *look, const char **text, const char **bytes, size_t *len)
{
    static const char unknown[] = "?";
    unsigned char first = (unsigned char)**text;
    *bytes = *text;
    *len = 1;
    if (first < 0x80) {
        *text += 1;
        if (first < 0x20 || first == 0x7f)
            *bytes = unknown;
        return 1;
    }
    wchar_t wide = 0;
    mbstate_t state = {0};
    size_t used = 0;
    int columns = -1;
    if (look->utf8) {
        locale_t before = uselocale(look->utf8);
        used = mbrtowc(&wide, *text, strlen(*text), &state);
        columns = used == 0 || used > 4 ? -1 : wcwidth(wide);
        (void)uselocale(before);
    }
    if (columns >= 0) {
        *text += used;
        *len = used;
        return (unsigned)columns;
    }
    do { /* one mark for a whole sequence that cannot be shown */
        *text += 1;
    } while (((unsigned char)**text & 0xc0) == 0x80);
    *bytes = unknown;
    return 1;
}

unsigned look_columns(const term_look *look, const char *text)
{
    unsigned columns = 0;
    const char *bytes;
    size_t len;
    while (*text)
        columns += next_char(look, &text, &bytes, &len);
    return columns;
}

const char *look_dot(const term_look *look)
{
    return look->utf8 ? " \u00b7 " : ", ";
}

unsigned canvas_left(const canvas *c)
{
    return c->col + 1 < c->look->width ? c->look->width - 1 - c->col : 0;
}

static void style_on(const canvas *c, style how)
{
    static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m"};
    if (c->look->color)
        (void)fputs(codes[how], c->to);
}

static void style_off(const canvas *c, style how)
{
    if (c->look->color && how != STYLE_PLAIN)
        (void)fputs("\033[0m", c->to);
}

static void put_within(canvas *c, const char *text, unsigned room)
{
    const char *bytes;
    size_t len;
    while (*text) {
        unsigned columns = next_char(c->look, &text, &bytes, &len);
        if (columns > room)
            return;
        room -= columns;
        c->col += columns;
        (void)fwrite(bytes, 1, len, c->to);
    }
}

void canvas_put(canvas *c, style how, const char *text)
{
    if (canvas_left(c) == 0)
        return;
    style_on(c, how);
    put_within(c, text, canvas_left(c));
    style_off(c, how);
}

void canvas_printf(canvas *c, style how, const char *fmt, ...)
{
    char text[PRINTF_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    canvas_put(c, how, text);
}

void canvas_to(canvas *c, unsigned col)
{
    while (c->col < col && canvas_left(c) > 0) {
        (void)fputc(' ', c->to);
        c->col++;
    }
}

void canvas_cell(canvas *c, style how, const char *text, unsigned width, bool right)
{
    const char *more = c->look->utf8 ? "\u2026" : "...";
    unsigned columns = look_columns(c->look, text), more_columns = look_columns(c->look, more);
    if (width > canvas_left(c))
        width = canvas_left(c);
    unsigned end = c->col + width;
    if (right && columns < width)
        canvas_to(c, end - columns);
    style_on(c, how);
    if (columns <= width) {
        put_within(c, text, width);
    } else {
        put_within(c, text, width > more_columns ? width - more_columns : 0);
        put_within(c, more, end - c->col);
    }
    style_off(c, how);
    canvas_to(c, end);
}

void canvas_fit(canvas *c, style how, const char *text)
{
    unsigned columns = look_columns(c->look, text), left = canvas_left(c);
    canvas_cell(c, how, text, columns < left ? columns : left, false);
}

static void repeat(canvas *c, style how, const char *text, unsigned n)
{
    style_on(c, how);
    for (unsigned i = 0; i < n; i++)
        (void)fputs(text, c->to);
    style_off(c, how);
    c->col += n;
}

/* A full bar means all of it: whatever is missing, one cell of it stays empty. */
void canvas_bar(canvas *c, style how, unsigned width, double part)
{
    if (width > canvas_left(c))
        width = canvas_left(c);
    part = part > 0 ? part : 0;
    unsigned full = part >= 1 ? width : (unsigned)(part * width);
    repeat(c, how, c->look->utf8 ? "\u2501" : "#", full);
    repeat(c, STYLE_FAINT, c->look->utf8 ? "\u2500" : "-", width - full);
}

void canvas_end(canvas *c)
{
    (void)fputc('\n', c->to);
    c->col = 0;
}
