/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - small JSON documents, by jansson, with the bounds that foreign documents need.
 *
 * For documents that fit in memory (tokens, discovery, JWK Sets, one resource). NDJSON is validated by fhir/ndjson.h.
 */
#ifndef SB_BASE_JSON_H
#define SB_BASE_JSON_H

#include <jansson.h>

#include "base/buf.h"

static inline void sb_json_cleanup(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}
#define SB_AUTOJSON __attribute__((cleanup(sb_json_cleanup))) json_t *

/* One JSON value, the whole of `text`, duplicate members refused, nesting bounded (jansson's 2048).
 * SB_E_INVALID with line and column; `what` names the document ("the payer's token answer"). */
sb_status sb_json_parse(sb_str text, const char *what, json_t **out, sb_error *err);
sb_status sb_json_parse_object(sb_str text, const char *what, json_t **out, sb_error *err);

/* A string member, borrowed; NULL when missing, of another type, or holding a NUL. */
const char *sb_json_str(const json_t *object, const char *member);
/* Compact text, members in their order; malloc'ed; NULL without memory. */
char *sb_json_dump(const json_t *json);

#endif
