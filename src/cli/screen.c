/* SPDX-License-Identifier: Apache-2.0 */
/* screen.c - see screen.h. Speaks the handful of control sequences that every terminal since the VT100 knows. */
#include "screen.h"

#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80
#define WIDTH_MIN     20   /* narrower is a mistake of the terminal's: lines would say nothing */
#define WIDTH_MAX     1000 /* wider is a mistake too */
#define ROWS_DEFAULT  24

static void find_size(int fd, term_look *out)
{
    struct winsize size;
    out->width = WIDTH_DEFAULT;
    out->rows = ROWS_DEFAULT;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        return;
    if (size.ws_col > 0)
        out->width = size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
    if (size.ws_row > 0)
        out->rows = size.ws_row;
}

void look_detect(int fd, term_look *out)
{
    const char *no_color = getenv("NO_COLOR");
    *out = (term_look){0};
    find_size(fd, out);
    out->color = look_is_live(fd) && !(no_color && no_color[0]);
    locale_t user = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (user && strcmp(nl_langinfo_l(CODESET, user), "UTF-8") == 0)
        out->utf8 = user;
    else if (user)
        freelocale(user);
}

void look_free(term_look *look)
{
    if (look->utf8)
        freelocale(look->utf8);
    look->utf8 = NULL;
}

bool look_is_live(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && term && term[0] && strcmp(term, "dumb") != 0;
}

bool screen_resize(screen *s)
{
    unsigned width = s->look.width, rows = s->look.rows;
    find_size(s->fd, &s->look);
    return s->look.width != width || s->look.rows != rows;
}

static bool takes_output(const screen *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};
    pid_t owner = tcgetpgrp(s->fd);
    return (owner < 0 || owner == getpgrp()) && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EAGAIN) { /* somebody made the terminal non-blocking */
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            if (poll(&p, 1, 1000) > 0)
                continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false; /* the terminal is gone: SIGHUP says so in its own way */
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* Rows that the picture takes now: lines drawn for a wider window were wrapped when it became narrower. */
static unsigned rows_taken(const screen *s)
{
    unsigned rows = 0;
    for (unsigned i = 0; i < s->lines; i++)
        rows += s->columns[i] > s->look.width ? (s->columns[i] + s->look.width - 1) / s->look.width : 1;
    return rows;
}

/* The columns of a line of our own making: text and colour sequences (ESC [ … m). */
static unsigned line_columns(const term_look *look, const char *line, size_t len)
{
    char plain[1024];
    size_t at = 0;
    for (size_t i = 0; i < len && at + 1 < sizeof(plain); i++) {
        if (line[i] == '\033') {
            while (i < len && line[i] != 'm')
                i++;
            continue;
        }
        plain[at++] = line[i];
    }
    plain[at] = '\0';
    return look_columns(look, plain);
}

/* Each line clears what stood behind it: overwriting does not flicker, erasing first does. */
static void put_picture(screen *s, const char *picture, FILE *to)
{
    s->lines = 0;
    while (*picture && s->lines < SCREEN_LINES_MAX) {
        size_t len = strcspn(picture, "\n");
        s->columns[s->lines++] = line_columns(&s->look, picture, len);
        (void)fwrite(picture, 1, len, to);
        (void)fputs("\033[K\r\n", to);
        picture += len + (picture[len] == '\n');
    }
}

bool screen_show(screen *s, const char *above, const char *picture)
{
    char *text = NULL;
    size_t len = 0;
    if (!takes_output(s))
        return false;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return false;
    unsigned up = rows_taken(s);
    (void)fputc('\r', to);
    if (up > 0)
        (void)fprintf(to, "\033[%uA", up);
    if (above[0])
        (void)fprintf(to, "\033[J%s", above);
    put_picture(s, picture, to);
    (void)fputs("\033[J", to); /* what a longer picture, or the person's keys, left below */
    bool ok = fclose(to) == 0 && write_all(s->fd, text, len);
    free(text);
    return ok;
}
