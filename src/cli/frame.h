/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h - the live display's picture of one instant, as lines. Pure: a view in, text out; it owns no terminal. */
#ifndef SB_CLI_FRAME_H
#define SB_CLI_FRAME_H

#include <smartbulk/export.h>

#include "canvas.h"
#include "pace.h"

typedef struct frame_view {
    const char *payer, *dir;
    const sb_export_snapshot *now;
    const pace *pace;
    const char *retry; /* what is tried again, while that is news; NULL: nothing */
    int64_t elapsed_s; /* of this run */
    bool stopping;     /* the person asked to stop */
} frame_view;

/* Draws at most look->rows - 1 lines, each clipped at the width. Returns how many. */
unsigned frame_draw(const frame_view *view, const term_look *look, FILE *to);

#endif
