/* SPDX-License-Identifier: Apache-2.0 */
/* conditional.h - which bytes of a file a request gets: Range, If-Range, If-None-Match, If-Modified-Since (RFC 9110
 * §13, §14). Decides; sends nothing. Any thread. FILE-05 */
#ifndef SB_HTTP_CONDITIONAL_H
#define SB_HTTP_CONDITIONAL_H

#include "base/buf.h"

/* A representation: what would be sent whole. */
typedef struct sb_entity {
    uint64_t size;
    const char *etag; /* strong, with its quotes; NULL: none */
    int64_t modified_s;
} sb_entity;

/* Values of a request's headers; empty: not sent. */
typedef struct sb_conditions {
    sb_str range, if_range, if_none_match, if_modified_since;
} sb_conditions;

typedef struct sb_selection {
    unsigned status; /* 200 whole; 206 a part; 304 not changed; 416 no such part */
    uint64_t first;  /* 200 and 206: offset and length of what is sent */
    uint64_t length;
} sb_selection;

/* One range is served; several in one request (which nobody needs, and which cost a server dear) get the whole. A Range
 * that is malformed, or whose If-Range does not fit, gets the whole too: RFC 9110 §14.2. */
void sb_conditional_select(const sb_entity *entity, const sb_conditions *conditions, sb_selection *out);

#endif
