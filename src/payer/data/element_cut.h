/* SPDX-License-Identifier: Apache-2.0 */
/* element_cut.h - `_elements`: a resource without what was not asked for.                                   EXP-03
 *
 * Works on the text: what stays keeps its bytes (1.50 stays 1.50). Any thread. */
#ifndef SB_PAYER_ELEMENT_CUT_H
#define SB_PAYER_ELEMENT_CUT_H

#include "base/buf.h"

typedef struct sb_element {
    char type[65]; /* "": of every type */
    char name[65];
} sb_element;

/* "status" or "Patient.birthDate"; false for anything else. */
bool sb_element_parse(sb_str text, sb_element *out);
/* Does any of them concern this type? */
bool sb_element_any(const sb_element *elements, size_t count, sb_str type);
/* Append the resource with these elements, and `resourceType`, `id`, `meta` (with the tag SUBSETTED) and the elements
 * that FHIR says may not be missing. False without memory. */
SB_MUST_USE bool sb_element_cut(const sb_element *elements, size_t count, sb_str type, sb_str json, sb_buf *out);

#endif
