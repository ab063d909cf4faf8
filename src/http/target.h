/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - a request's target taken apart: the decoded segments of its path, and its query. Any thread. */
#ifndef SB_HTTP_TARGET_H
#define SB_HTTP_TARGET_H

#include "http/form.h"

#define SB_TARGET_SEGMENTS_MAX 16   /* the deepest route we know has seven */
#define SB_TARGET_FIELDS_MAX   1000 /* a GET names each resource type once and some filters */

typedef struct sb_target {
    char *path;                              /* as it came, without the query; text, fit for a log */
    sb_str segments[SB_TARGET_SEGMENTS_MAX]; /* decoded, none empty, each followed by a NUL and holding none */
    size_t segment_count;
    char *query_text; /* as it came; NULL: none */
    sb_form query;
    char *storage;
} sb_target;

#define SB_TARGET_INIT                                                                                                 \
    {                                                                                                                  \
        .path = NULL                                                                                                   \
    }
void sb_target_cleanup(sb_target *target); /* safe to repeat */

/* Origin form ("/a/b?c=d") or absolute form, whose authority is passed over (TOK-10: it decides nothing). SB_E_INVALID:
 * an empty segment other than the last, "." or "..", an escaped '/' or NUL, a malformed escape, too many segments or
 * fields: nothing that two readers could take for two different things. `out` must be SB_TARGET_INIT. */
sb_status sb_target_parse(sb_str text, sb_target *out, sb_error *err);

/* Is segment `index` this text? */
bool sb_target_at(const sb_target *target, size_t index, const char *text);

#endif
