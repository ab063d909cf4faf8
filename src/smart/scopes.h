/* SPDX-License-Identifier: Apache-2.0 */
/* scopes.h - SMART backend scopes: read, written, compared. For the client (ask, compare with what was granted) and for
 * the payer (granted = asked ∩ pre-authorised). Knows nothing of requests. No state; any thread.
 *
 *   v1  system/Patient.read  system/Patient.write; a star stands for all types, and for both permissions
 *   v2  system/Patient.rs    system/Observation.rs?category=laboratory     letters c r u d s, in that order
 *   anything else (PDEX-06's operation URLs, system/bulk-submit) is kept as it is and compared as text. */
#ifndef SB_SMART_SCOPES_H
#define SB_SMART_SCOPES_H

#include "base/buf.h"

#define SB_SCOPES_MAX_TEXT (64 * 1024) /* 150 resource types, each with some search limits, stay far below */
#define SB_SCOPES_MAX      1024        /* items in one scope string; the same reasoning */

enum {
    SB_SCOPE_CREATE = 1,
    SB_SCOPE_READ = 2,
    SB_SCOPE_UPDATE = 4,
    SB_SCOPE_DELETE = 8,
    SB_SCOPE_SEARCH = 16,
    SB_SCOPE_EXPORT = SB_SCOPE_READ | SB_SCOPE_SEARCH /* what a bulk export of a type needs */
};

typedef enum sb_scope_kind {
    SB_SCOPE_SYSTEM, /* system/Type.rights */
    SB_SCOPE_OTHER,  /* a scope of another shape, opaque */
    SB_SCOPE_PERSON, /* patient/… or user/…: not for a program without a person                            TOK-06 */
    SB_SCOPE_MALFORMED, /* system/… that no version of SMART allows; `problem` says why */
} sb_scope_kind;

typedef struct sb_scope {
    sb_scope_kind kind;
    char *text;          /* as it was written */
    char *type;          /* SB_SCOPE_SYSTEM: "Patient" or "*" */
    char *query;         /* SB_SCOPE_SYSTEM: after '?'; NULL: none */
    unsigned rights;     /* SB_SCOPE_SYSTEM: SB_SCOPE_CREATE … */
    bool v1;             /* SB_SCOPE_SYSTEM: written .read, .write or .* */
    const char *problem; /* SB_SCOPE_MALFORMED: a constant */
} sb_scope;

typedef struct sb_scopes {
    sb_scope *items;
    size_t len;
} sb_scopes;

#define SB_SCOPES_INIT                                                                                                 \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }

void sb_scopes_cleanup(sb_scopes *scopes);

/* Read a space separated list; repeated items are kept once. SB_E_INVALID for characters outside RFC 6749 §3.3 and for
 * lists beyond the bounds; an item that makes no sense is no error but SB_SCOPE_MALFORMED. NULL reads as empty. */
sb_status sb_scopes_parse(const char *text, sb_scopes *out, sb_error *err);

/* Write them as a space separated list. False without memory. */
SB_MUST_USE bool sb_scopes_format(const sb_scopes *scopes, sb_buf *out);

/* What a person configured for a backend client: SB_E_USAGE for person scopes and malformed ones, with the right
 * spelling, before the server has to.                                                                       TOK-06 */
sb_status sb_scopes_check_configured(const sb_scopes *scopes, sb_error *err);

typedef enum sb_scope_cover {
    SB_SCOPE_COVERS_NOT,
    SB_SCOPE_COVERS_PART, /* only what the search limits (?…) let through */
    SB_SCOPE_COVERS_ALL,
} sb_scope_cover;

/* Do they give all of `rights` on resources of `type`? Rights add up over items.                            TOK-07 */
sb_scope_cover sb_scopes_cover(const sb_scopes *scopes, const char *type, unsigned rights);

/* What is in both: of `asked`, what `allowed` gives. All types (*) asked against single types give those types; search
 * limits of both sides hold. Never more than either side. Written in the style it was asked in. */
sb_status sb_scopes_intersect(const sb_scopes *asked, const sb_scopes *allowed, sb_scopes *out, sb_error *err);

/* Is there nothing in `scopes` that `allowed` does not give in full? */
bool sb_scopes_within(const sb_scopes *scopes, const sb_scopes *allowed);

/* The scope to ask for when the user gave none: read and search of each type (no types: of all), in v2 spelling if
 * `v2`. False without memory.                                                                              REAL-09 */
SB_MUST_USE bool sb_scopes_default(const char *const *types, size_t n, bool v2, sb_buf *out);

/* A resource type's name as FHIR writes them: a letter, upper case, then letters. */
bool sb_scope_is_type(sb_str name);

#endif
