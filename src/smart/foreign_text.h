/* SPDX-License-Identifier: Apache-2.0 */
/* foreign_text.h - words of a server, made fit to be shown: redacted, bounded, unable to steer a terminal. */
#ifndef SB_SMART_FOREIGN_TEXT_H
#define SB_SMART_FOREIGN_TEXT_H

#include "base/buf.h"

/* Write `text` into `out` (`size` bytes with the NUL, at least 4) and return `out`. Secrets become "[redacted]";
 * controls and characters that reorder a line vanish; what is too long is cut at a
 * character and ends in "…". NULL without text gives "". Any thread. */
const char *sb_foreign_text(sb_str text, char *out, size_t size);

#endif
