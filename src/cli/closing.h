/* SPDX-License-Identifier: Apache-2.0 */
/* closing.h - the table at the end of an export, and of `status`: types, files, resources, bytes, time, what was
 * rejected and where, and the command that comes next. Pure. */
#ifndef SB_CLI_CLOSING_H
#define SB_CLI_CLOSING_H

#include <smartbulk/export.h>

#include "canvas.h"

#define CLOSING_NAMED_MAX 20 /* bad files that are named; the rest is counted: a screen, not a scroll */

typedef struct closing {
    const char *dir, *payer; /* payer: as the person would write it in the next command; NULL: not known */
    const sb_export_snapshot *now;
    const char *const *bad; /* sentences about bad files, NULL-terminated; NULL: none are known */
    uint64_t bad_more;      /* how many more there are */
    bool ran;               /* time and rate are of this run */
    bool stopped;           /* it was stopped before its end: resumable */
} closing;

void closing_draw(const closing *what, const term_look *look, FILE *to);

#endif
