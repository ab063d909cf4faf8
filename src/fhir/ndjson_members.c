/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_members.c - the members of a resource that we look at: resourceType, id, and in a `deleted` file each entry's
 * request.method.  FILE-02, FILE-03
 *
 * The engines tell which strings and containers begin and end where one of these may stand; the raw text of such a
 * string is kept up to a bound. Knows nothing of how the grammar is read. */
#include "fhir/ndjson_state.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 0x20) - 'a' + 10;
}

/* The character that the escape at `raw` stands for (its length in *used), or -1 for one outside ASCII: in no name of
 * ours. The engine has checked the escape. */
static int unescape(const char *raw, size_t *used)
{
    static const char plain[] = "bfnrt", meant[] = "\b\f\n\r\t";
    *used = 2;
    if (raw[1] == 'u') {
        int unit = 0;
        for (int i = 2; i < 6; i++)
            unit = unit * 16 + hex_value(raw[i]);
        *used = 6;
        return unit < 0x80 ? unit : -1;
    }
    for (size_t i = 0; plain[i] != '\0'; i++)
        if (raw[1] == plain[i])
            return meant[i];
    return (unsigned char)raw[1];
}

/* Is this raw text, decoded, that name? */
static bool decodes_to(const char *raw, size_t raw_len, const char *name, size_t len)
{
    size_t at = 0, matched = 0;
    while (at < raw_len && matched < len) {
        size_t used = 1;
        int c = raw[at] == '\\' ? unescape(raw + at, &used) : (unsigned char)raw[at];
        if (c != (unsigned char)name[matched])
            return false;
        at += used;
        matched++;
    }
    return at == raw_len && matched == len;
}

/* The same, quick where nothing is escaped. A text that was too long to keep is no name of ours. */
static inline bool is_text(const char *raw, size_t raw_len, const char *name, size_t len)
{
    if (raw_len == len)
        return memcmp(raw, name, len) == 0;
    return raw_len > len && raw_len <= SB_NDJSON_CAPTURE_MAX && decodes_to(raw, raw_len, name, len);
}

#define IS(lit) is_text(raw, len, "" lit, sizeof(lit) - 1)

static bool watched(const sb_ndjson *n)
{
    return n->depth <= n->watched_depth && n->depth == n->m.path + 1;
}

void sb_ndjson_string_begins(sb_ndjson *n, bool is_key)
{
    n->string_is_key = is_key;
    n->m.captured = 0;
    if (is_key)
        n->m.capturing = watched(n);
}

sb_ndjson_reason sb_ndjson_key_ends(sb_ndjson *n, const char *raw, size_t len)
{
    n->m.capturing = false;
    n->m.member = MEMBER_OTHER;
    if (n->m.path == 0) {
        if (IS("resourceType")) {
            n->m.member = MEMBER_RESOURCE_TYPE;
            if (n->m.seen_resource_type)
                return SB_NDJSON_TWO_RESOURCE_TYPES;
            n->m.seen_resource_type = true;
        } else if (IS("id")) {
            n->m.member = MEMBER_ID;
            if (n->m.seen_id)
                return SB_NDJSON_TWO_IDS;
            n->m.seen_id = true;
        } else if (n->require_deletes && IS("entry")) {
            n->m.member = MEMBER_ENTRY;
        }
    } else if (n->m.path == 2 && IS("request")) {
        n->m.member = MEMBER_REQUEST;
    } else if (n->m.path == 3 && IS("method")) {
        n->m.member = MEMBER_METHOD;
    }
    return NO_FAULT;
}

sb_ndjson_reason sb_ndjson_string_value_ends(sb_ndjson *n, const char *raw, size_t len)
{
    n->m.capturing = false;
    switch (n->m.member) {
    case MEMBER_RESOURCE_TYPE:
        if (len == 0)
            return SB_NDJSON_RESOURCE_TYPE_FORM;
        if (n->resource_type_len > 0 && !is_text(raw, len, n->resource_type, n->resource_type_len))
            return SB_NDJSON_OTHER_RESOURCE_TYPE;
        break;
    case MEMBER_ID:
        if (len == 0)
            return SB_NDJSON_ID_FORM;
        break;
    case MEMBER_METHOD:
        if (IS("DELETE"))
            n->m.entry_deletes = true;
        else
            return SB_NDJSON_NOT_A_DELETE;
        break;
    case MEMBER_OTHER:
    case MEMBER_ENTRY:
    case MEMBER_REQUEST:
        break;
    }
    n->m.member = MEMBER_OTHER;
    return NO_FAULT;
}

/* The ladder of a `deleted` file: entry [ { request { method */
static sb_ndjson_reason deletes_value_begins(sb_ndjson *n, char kind)
{
    if (n->m.path == 0 && n->m.member == MEMBER_ENTRY && kind == '[') {
        n->m.path = 1;
    } else if (n->m.path == 1 && kind == '{') {
        n->m.path = 2;
        n->m.entry_deletes = false;
    } else if (n->m.path == 2 && n->m.member == MEMBER_REQUEST && kind == '{') {
        n->m.path = 3;
    } else if (n->m.path == 3 && n->m.member == MEMBER_METHOD && kind == '"') {
        n->m.capturing = true;
        return NO_FAULT; /* still needed at its end */
    } else if (n->m.path == 1 || n->m.member != MEMBER_OTHER) {
        return SB_NDJSON_NOT_A_DELETE;
    }
    n->m.member = MEMBER_OTHER;
    return NO_FAULT;
}

sb_ndjson_reason sb_ndjson_value_begins(sb_ndjson *n, char kind)
{
    if (!watched(n))
        return NO_FAULT;
    switch (n->m.member) {
    case MEMBER_RESOURCE_TYPE:
    case MEMBER_ID:
        if (kind == '"')
            n->m.capturing = true;
        else
            return n->m.member == MEMBER_ID ? SB_NDJSON_ID_FORM : SB_NDJSON_RESOURCE_TYPE_FORM;
        break;
    case MEMBER_OTHER:
    case MEMBER_ENTRY:
    case MEMBER_REQUEST:
    case MEMBER_METHOD:
        if (n->require_deletes)
            return deletes_value_begins(n, kind);
        break;
    }
    return NO_FAULT;
}

sb_ndjson_reason sb_ndjson_container_ends(sb_ndjson *n)
{
    if (!watched(n))
        return NO_FAULT;
    if (n->m.path == 0) {
        if (!n->m.seen_resource_type)
            return SB_NDJSON_NO_RESOURCE_TYPE;
        if (n->require_id && !n->m.seen_id)
            return SB_NDJSON_NO_ID;
        return NO_FAULT;
    }
    if (n->m.path == 2 && !n->m.entry_deletes)
        return SB_NDJSON_NOT_A_DELETE;
    n->m.path--;
    return NO_FAULT;
}
