/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h - looking into a JSON resource without building a tree: members and elements as slices of its text.
 *
 * For lines whose grammar has been checked (fhir/ndjson.h): what is not JSON is never read beyond its end, but how it
 * is cut means nothing then. Numbers keep the digits they were written with, which a parsed tree would lose. */
#ifndef SB_PAYER_SLICE_H
#define SB_PAYER_SLICE_H

#include "base/buf.h"

/* The inside of an object ('{') or array ('['), to be walked with the two functions below. False for other values. */
bool sb_slice_enter(sb_str value, char kind, sb_str *rest);
/* The next member of an object: its name as written between the quotes, its value. False at the end. */
bool sb_slice_member(sb_str *rest, sb_str *name, sb_str *value);
/* The next element of an array. False at the end. */
bool sb_slice_element(sb_str *rest, sb_str *value);
/* The value of the member `name` of an object. False when it has none or is no object. */
bool sb_slice_find(sb_str object, sb_str name, sb_str *value);

/* The text of a string value: a slice when it holds no escapes, else decoded into `space`. False when it is no string,
 * does not fit, or holds an escape of a character outside ASCII (nothing we compare has one). */
bool sb_slice_text(sb_str value, char *space, size_t size, sb_str *text);

#endif
