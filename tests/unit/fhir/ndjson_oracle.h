/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_oracle.h - jansson's verdict on a line of NDJSON, for tests and fuzzers to hold ours against. */
#ifndef SB_TEST_NDJSON_ORACLE_H
#define SB_TEST_NDJSON_ORACLE_H

#include <jansson.h>

#include "base/json.h"
#include "fhir/ndjson.h"

static inline bool is_text_member(const json_t *object, const char *name)
{
    return json_is_string(json_object_get(object, name)) && json_string_length(json_object_get(object, name)) > 0;
}

/* What jansson and the rules for members say of one line of a Patient with an id; `ours` is the fault that we found,
 * 0: none. -1: they cannot be compared. */
static inline int ndjson_oracle(sb_str line, sb_ndjson_reason ours)
{
    json_error_t error;
    if (memchr(line.ptr, '\0', line.len) != NULL)
        return 0; /* jansson loses a NUL byte where it looks one byte ahead, as after `false`; no grammar has it */
    SB_AUTOJSON json = json_loadb(line.ptr, line.len, 0, &error);
    if (json == NULL)
        return json_error_code(&error) == json_error_numeric_overflow ? -1 : 0;
    if (ours == SB_NDJSON_TWO_IDS || ours == SB_NDJSON_TWO_RESOURCE_TYPES) {
        SB_AUTOJSON once = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &error);
        return once != NULL;
    }
    if (ours == SB_NDJSON_ID_FORM || ours == SB_NDJSON_RESOURCE_TYPE_FORM || ours == SB_NDJSON_OTHER_RESOURCE_TYPE) {
        /* the first of two may be the bad one, and jansson keeps the last */
        SB_AUTOJSON once = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &error);
        if (once == NULL)
            return -1;
    }
    const char *type = json_string_value(json_object_get(json, "resourceType"));
    return json_is_object(json) && type != NULL && strcmp(type, "Patient") == 0 && is_text_member(json, "id");
}

#endif
