/* SPDX-License-Identifier: Apache-2.0 */
/* json_scan.h - the members of one large JSON object, while it streams by.
 *
 * For manifests of 100,000 files and CapabilityStatements of many MB: the object itself is never in memory, only one of
 * its members, or one item of a list, at a time, and each of those is bounded. How the stream is cut never changes what
 * is found. Knows nothing of manifests. One thread's. */
#ifndef SB_EXPORT_JSON_SCAN_H
#define SB_EXPORT_JSON_SCAN_H

#include <jansson.h>

#include "base/buf.h"

#define SB_SCAN_ITEM_MAX  (64 * 1024)   /* an item is a URL (16 KB at most), a type, a count and extensions */
#define SB_SCAN_WHOLE_MAX (1024 * 1024) /* members that are no long lists: links, instants, the request's URL */
#define SB_SCAN_NAME_MAX  256           /* raw bytes of a member's name: FHIR's longest has 50 */
#define SB_SCAN_DEPTH_MAX 512           /* nesting of what is skipped; what is read has jansson's own bound */

typedef enum sb_scan_want {
    SB_SCAN_SKIP,  /* any length; its brackets and strings are checked, nothing else */
    SB_SCAN_WHOLE, /* at once: on_member */
    SB_SCAN_ITEMS, /* a list: each item as it comes, on_item; null counts as an empty list */
} sb_scan_want;

/* `name` and `value` are borrowed for the call. A callback's failure ends the scan and is returned as it is. */
typedef struct sb_scan_sink {
    void *impl;
    /* A member begins. Called once for each, in order. */
    sb_status (*on_name)(void *impl, const char *name, sb_scan_want *want, sb_error *err);
    sb_status (*on_member)(void *impl, const char *name, const json_t *value, sb_error *err);
    sb_status (*on_item)(void *impl, const char *name, const json_t *item, sb_error *err);
} sb_scan_sink;

typedef struct sb_scan sb_scan;

/* `what` names the document in errors ("the payer's manifest"); borrowed, as the sink, for the scan's life. */
sb_status sb_scan_new(const sb_scan_sink *sink, const char *what, sb_scan **out, sb_error *err);
/* The next bytes. SB_E_INVALID, with the place, for what is no JSON object, holds an item beyond the bounds, or a
 * member of the wrong kind; after a failure only free may follow. */
sb_status sb_scan_feed(sb_scan *scan, sb_str bytes, sb_error *err);
/* The stream has ended: SB_E_INVALID when the object has not. */
sb_status sb_scan_finish(sb_scan *scan, sb_error *err);
void sb_scan_free(sb_scan *scan); /* NULL is fine */
SB_DEFINE_FREEP(sb_scan)

#endif
