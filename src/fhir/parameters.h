/* SPDX-License-Identifier: Apache-2.0 */
/* parameters.h - FHIR Parameters: the body of a kick-off by POST, built by the client, read by the server.
 *                                                                                                      EXP-02, EXP-03
 *
 * A thin layer over jansson: the client adds by name and kind, the server walks over name, kind and value without
 * knowing how value[x] is spelled. Knows no parameter's name or meaning. Any thread; one document is for one thread at
 * a time. */
#ifndef SB_FHIR_PARAMETERS_H
#define SB_FHIR_PARAMETERS_H

#include <jansson.h>

#include "base/buf.h"

/* A kick-off names at most the members of one export (`patient`, some 70 bytes each): 200,000 of them fit. */
#define SB_PARAMETERS_MAX_BYTES ((size_t)16 * 1024 * 1024)
/* `part` within `part`: the deepest operation we know (bulk-member-match) needs two. */
#define SB_PARAMETERS_MAX_NESTING 8

typedef enum sb_parameter_kind {
    SB_PARAMETER_EMPTY, /* a name alone */
    SB_PARAMETER_STRING,
    SB_PARAMETER_CODE,
    SB_PARAMETER_ID,
    SB_PARAMETER_INSTANT,
    SB_PARAMETER_DATE_TIME,
    SB_PARAMETER_DATE,
    SB_PARAMETER_URI,
    SB_PARAMETER_URL,
    SB_PARAMETER_CANONICAL,
    SB_PARAMETER_BOOLEAN,
    SB_PARAMETER_INTEGER,
    SB_PARAMETER_REFERENCE,
    SB_PARAMETER_CODING,
    SB_PARAMETER_RESOURCE, /* `value` is the resource */
    SB_PARAMETER_PARTS,    /* `value` is the list of parts: walk it with sb_parameters_next */
    SB_PARAMETER_OTHER     /* another value[x]: `value` is it, as it is */
} sb_parameter_kind;

/* One parameter. Borrows everything from the document. */
typedef struct sb_parameter {
    const char *name;
    sb_parameter_kind kind;
    const char *text; /* STRING … CANONICAL: the value; REFERENCE: `reference`; CODING: `code`. NULL when it has none */
    const char *system;  /* CODING: `system`, or NULL */
    bool boolean;        /* BOOLEAN */
    int64_t integer;     /* INTEGER */
    const json_t *value; /* the member itself; NULL for EMPTY */
} sb_parameter;

/* Read a body. SB_E_INVALID, with the place, when it is longer than SB_PARAMETERS_MAX_BYTES, is not a Parameters
 * resource, or an entry has no name, two values, or a value of the wrong JSON type. The caller owns *out. */
sb_status sb_parameters_parse(sb_str body, json_t **out, sb_error *err);
/* The same checks for a document that is already parsed. */
sb_status sb_parameters_check(const json_t *resource, sb_error *err);

/* The entries of a checked Parameters resource, to be walked; NULL when it has none. Borrowed. */
const json_t *sb_parameters_list(const json_t *resource);
/* The entry at *at (begin with 0), and step on. False at the end. `list` may be NULL. */
bool sb_parameters_next(const json_t *list, size_t *at, sb_parameter *out);
/* The first entry of that name. */
bool sb_parameters_find(const json_t *list, const char *name, sb_parameter *out);

/* An empty Parameters resource; NULL without memory. */
json_t *sb_parameters_new(void);

/* Add an entry to a Parameters resource or to parts (what sb_parameters_add_parts returned). All return false without
 * memory, or when a text is not UTF-8; the document is then unchanged. `kind` is one of STRING … CANONICAL. */
SB_MUST_USE bool sb_parameters_add_text(json_t *to, const char *name, sb_parameter_kind kind, const char *text);
SB_MUST_USE bool sb_parameters_add_boolean(json_t *to, const char *name, bool value);
SB_MUST_USE bool sb_parameters_add_integer(json_t *to, const char *name, int32_t value);
SB_MUST_USE bool sb_parameters_add_reference(json_t *to, const char *name, const char *reference);
SB_MUST_USE bool sb_parameters_add_coding(json_t *to, const char *name, const char *system, const char *code);
SB_MUST_USE bool sb_parameters_add_resource(json_t *to, const char *name, json_t *resource); /* takes a new reference */
/* An entry with parts, to be added to; borrowed; NULL without memory. */
json_t *sb_parameters_add_parts(json_t *to, const char *name);

static inline bool sb_parameters_add_string(json_t *to, const char *name, const char *text)
{
    return sb_parameters_add_text(to, name, SB_PARAMETER_STRING, text);
}
static inline bool sb_parameters_add_code(json_t *to, const char *name, const char *text)
{
    return sb_parameters_add_text(to, name, SB_PARAMETER_CODE, text);
}
static inline bool sb_parameters_add_instant(json_t *to, const char *name, const char *text)
{
    return sb_parameters_add_text(to, name, SB_PARAMETER_INSTANT, text);
}
static inline bool sb_parameters_add_canonical(json_t *to, const char *name, const char *text)
{
    return sb_parameters_add_text(to, name, SB_PARAMETER_CANONICAL, text);
}

#endif
