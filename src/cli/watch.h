/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - the thread that redraws the display and hears the signals while an export runs.
 *
 * The first SIGINT, SIGTERM or SIGHUP sets the cancel flag, so that the export stops between two commits; the second
 * ends the process as if nobody had asked. SIGTSTP, SIGCONT and SIGWINCH leave a terminal that looks right. Signals are
 * read from a descriptor: no code of ours runs in a handler. */
#ifndef SB_CLI_WATCH_H
#define SB_CLI_WATCH_H

#include <stdatomic.h>

#include "display.h"

typedef struct watch watch;

/* Call before any other thread starts: they inherit the blocked signals. NULL when the system has no descriptors or
 * threads left; signals then act as they always do. `display` and `cancel` are borrowed until watch_end(). */
watch *watch_start(display *display_, atomic_bool *cancel);

/* From now on ticks look at this export; NULL: at none (call it before the export is freed). */
void watch_export(watch *w, sb_export *export_);

void watch_end(watch *w); /* waits for the thread, gives the signals back; NULL is fine */

#endif
