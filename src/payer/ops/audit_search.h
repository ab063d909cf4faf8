/* SPDX-License-Identifier: Apache-2.0 */
/* audit_search.h - events of an audit log that somebody looks for, the newest first, a bounded piece of the file at a
 * time. Reads beside the process that writes. Any thread.                                                   PDEX-08 */
#ifndef SB_PAYER_AUDIT_SEARCH_H
#define SB_PAYER_AUDIT_SEARCH_H

#include <jansson.h>

#include "base/buf.h"

#define SB_AUDIT_SEARCH_MAX   1000                         /* events of one call: more nobody reads on a page */
#define SB_AUDIT_SEARCH_BYTES ((uint64_t)64 * 1024 * 1024) /* looked through by one call: a tenth of a second */

/* All that are given must fit: texts are compared whole, but `event`, of which the first part is enough ("export").
 * NULL or "": any. Borrowed. */
typedef struct sb_audit_query {
    const char *event, *outcome, *reason, *client, *actor, *group, *job, *peer;
    int64_t since_s, until_s; /* seconds since 1970, until_s not included; 0: any */
    uint64_t before;          /* go on with what an earlier call left: its `next`; 0: from the end of the file */
    size_t limit;             /* 0, or more than SB_AUDIT_SEARCH_MAX: that */
} sb_audit_query;

/* One event, with all members of its line. `believed`: its hash is that of its words. Anything but SB_OK ends it. */
typedef sb_status sb_audit_found(void *context, const json_t *event, bool believed, sb_error *err);

/* *next: where to go on, for there may be more; 0: that was all. SB_E_NOT_FOUND, SB_E_IO. */
sb_status sb_audit_search(const char *path, const sb_audit_query *query, sb_audit_found *found, void *context,
                          uint64_t *next, sb_error *err);

#endif
