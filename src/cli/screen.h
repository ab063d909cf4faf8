/* SPDX-License-Identifier: Apache-2.0 */
/* screen.h - a terminal on which a few lines are redrawn in place.
 *
 * The cursor is never hidden and always rests at the start of the line below the picture, so that whatever ends the
 * process, SIGKILL included, leaves a terminal that is fit for the next prompt. Each change is one write. Used by one
 * thread. */
#ifndef SB_CLI_SCREEN_H
#define SB_CLI_SCREEN_H

#include "canvas.h"

#define SCREEN_LINES_MAX 24

typedef struct screen {
    int fd;
    term_look look;
    unsigned lines;                     /* of the picture that stands */
    unsigned columns[SCREEN_LINES_MAX]; /* that each of them takes: narrowing the window wraps it */
} screen;

/* What the environment says of the terminal behind `fd`: width, character set, NO_COLOR. Not a terminal: 80 columns
 * without colours. `look_free` gives the locale back. */
void look_detect(int fd, term_look *out);
void look_free(term_look *look);
bool look_is_live(int fd); /* a terminal that can move its cursor */

bool screen_resize(screen *s); /* asks the terminal for its size: after SIGWINCH. True when it changed. */

/* Put `above` (whole lines, may be "") over the picture, where they stay, and `picture` in place of the one that
 * stands. False, with nothing written, while the terminal takes no output (Ctrl-S) or is somebody else's (`bg`). */
bool screen_show(screen *s, const char *above, const char *picture);

#endif
