/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - bounded parsing of small foreign JSON documents. Owns no state. */
#include "base/json.h"

sb_status sb_json_parse(sb_str text, const char *what, json_t **out, sb_error *err)
{
    json_error_t je;
    *out = json_loadb(text.ptr ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (*out)
        return SB_OK;
    /* jansson's text quotes the bytes it met: not shown, they may be a secret's */
    sb_error_set(err, SB_E_INVALID, NULL, "it is not well-formed JSON (line %d, column %d)",
                 "look at what the server sent: it may be an error page of a proxy", je.line, je.column);
    sb_error_what(err, "%s could not be understood", what);
    return SB_E_INVALID;
}

sb_status sb_json_parse_object(sb_str text, const char *what, json_t **out, sb_error *err)
{
    SB_TRY(sb_json_parse(text, what, out, err));
    if (json_is_object(*out))
        return SB_OK;
    json_decref(*out);
    *out = NULL;
    sb_error_set(err, SB_E_INVALID, NULL, "it is JSON, but not an object",
                 "look at what the server sent: it may be an error page of a proxy");
    sb_error_what(err, "%s could not be understood", what);
    return SB_E_INVALID;
}

const char *sb_json_str(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return NULL;
    return json_string_value(value);
}

char *sb_json_dump(const json_t *json)
{
    return json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
}
