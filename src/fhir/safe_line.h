/* SPDX-License-Identifier: Apache-2.0 */
/* safe_line.h - a peer's words made fit for one line of a person's terminal or log.
 *
 * What a payer sends as diagnostics ends up on screens: escape sequences, line breaks and the characters that reorder
 * text (Unicode bidi controls) must not get there. Knows nothing of JSON. Any thread. */
#ifndef SB_FHIR_SAFE_LINE_H
#define SB_FHIR_SAFE_LINE_H

#include "base/buf.h"

/* Append `text` to the string of length *len in out[size]: runs of white space become one space, control characters and
 * bidi controls vanish, bytes that are not UTF-8 become '?'. When it does not fit it is cut at a character and ends in
 * "…". Always NUL-terminated; false when it was cut. `size` is at least 4. */
bool sb_safe_line_add(char *out, size_t size, size_t *len, sb_str text);

#endif
