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

/* Is the captured string, decoded, this name? */
static bool captured_is(const sb_ndjson *n, const char *name, size_t len)
{
    if (n->captured > SB_NDJSON_CAPTURE_MAX)
        return false;
    if (n->captured == len)
        return memcmp(n->capture, name, len) == 0;
    if (n->captured < len)
        return false;
    size_t at = 0, matched = 0;
    while (at < n->captured && matched < len) {
        size_t used = 1;
        int c = n->capture[at] == '\\' ? unescape(n->capture + at, &used) : (unsigned char)n->capture[at];
        if (c != (unsigned char)name[matched])
            return false;
        at += used;
        matched++;
    }
    return at == n->captured && matched == len;
}

#define CAPTURED_IS(n, lit) captured_is((n), "" lit, sizeof(lit) - 1)

static bool watched(const sb_ndjson *n)
{
    return n->depth <= n->watched_depth && n->depth == n->path + 1;
}

void sb_ndjson_string_begins(sb_ndjson *n, bool is_key)
{
    n->string_is_key = is_key;
    n->captured = 0;
    if (is_key)
        n->capturing = watched(n);
}

void sb_ndjson_key_ends(sb_ndjson *n, const uint8_t *where)
{
    n->capturing = false;
    n->member = MEMBER_OTHER;
    if (n->path == 0) {
        if (CAPTURED_IS(n, "resourceType")) {
            n->member = MEMBER_RESOURCE_TYPE;
            if (n->seen_resource_type)
                sb_ndjson_fault(n, where, SB_NDJSON_TWO_RESOURCE_TYPES);
            n->seen_resource_type = true;
        } else if (CAPTURED_IS(n, "id")) {
            n->member = MEMBER_ID;
            if (n->seen_id)
                sb_ndjson_fault(n, where, SB_NDJSON_TWO_IDS);
            n->seen_id = true;
        } else if (n->require_deletes && CAPTURED_IS(n, "entry")) {
            n->member = MEMBER_ENTRY;
        }
    } else if (n->path == 2 && CAPTURED_IS(n, "request")) {
        n->member = MEMBER_REQUEST;
    } else if (n->path == 3 && CAPTURED_IS(n, "method")) {
        n->member = MEMBER_METHOD;
    }
}

void sb_ndjson_string_value_ends(sb_ndjson *n, const uint8_t *where)
{
    n->capturing = false;
    switch (n->member) {
    case MEMBER_RESOURCE_TYPE:
        if (n->captured == 0)
            sb_ndjson_fault(n, where, SB_NDJSON_RESOURCE_TYPE_FORM);
        else if (n->resource_type_len > 0 && !captured_is(n, n->resource_type, n->resource_type_len))
            sb_ndjson_fault(n, where, SB_NDJSON_OTHER_RESOURCE_TYPE);
        break;
    case MEMBER_ID:
        if (n->captured == 0)
            sb_ndjson_fault(n, where, SB_NDJSON_ID_FORM);
        break;
    case MEMBER_METHOD:
        if (CAPTURED_IS(n, "DELETE"))
            n->entry_deletes = true;
        else
            sb_ndjson_fault(n, where, SB_NDJSON_NOT_A_DELETE);
        break;
    case MEMBER_OTHER:
    case MEMBER_ENTRY:
    case MEMBER_REQUEST:
        break;
    }
    n->member = MEMBER_OTHER;
}

/* The ladder of a `deleted` file: entry [ { request { method */
static void deletes_value_begins(sb_ndjson *n, const uint8_t *where, char kind)
{
    if (n->path == 0 && n->member == MEMBER_ENTRY && kind == '[') {
        n->path = 1;
    } else if (n->path == 1 && kind == '{') {
        n->path = 2;
        n->entry_deletes = false;
    } else if (n->path == 2 && n->member == MEMBER_REQUEST && kind == '{') {
        n->path = 3;
    } else if (n->path == 3 && n->member == MEMBER_METHOD && kind == '"') {
        n->capturing = true;
        return; /* still needed at its end */
    } else if (n->path == 1 || n->member != MEMBER_OTHER) {
        sb_ndjson_fault(n, where, SB_NDJSON_NOT_A_DELETE);
    }
    n->member = MEMBER_OTHER;
}

void sb_ndjson_value_begins(sb_ndjson *n, const uint8_t *where, char kind)
{
    if (!watched(n))
        return;
    switch (n->member) {
    case MEMBER_RESOURCE_TYPE:
    case MEMBER_ID:
        if (kind == '"')
            n->capturing = true;
        else
            sb_ndjson_fault(n, where, n->member == MEMBER_ID ? SB_NDJSON_ID_FORM : SB_NDJSON_RESOURCE_TYPE_FORM);
        break;
    case MEMBER_OTHER:
    case MEMBER_ENTRY:
    case MEMBER_REQUEST:
    case MEMBER_METHOD:
        if (n->require_deletes)
            deletes_value_begins(n, where, kind);
        break;
    }
}

void sb_ndjson_container_ends(sb_ndjson *n, const uint8_t *where)
{
    if (!watched(n))
        return;
    if (n->path == 0) {
        if (!n->seen_resource_type)
            sb_ndjson_fault(n, where, SB_NDJSON_NO_RESOURCE_TYPE);
        else if (n->require_id && !n->seen_id)
            sb_ndjson_fault(n, where, SB_NDJSON_NO_ID);
        return;
    }
    if (n->path == 2 && !n->entry_deletes)
        sb_ndjson_fault(n, where, SB_NDJSON_NOT_A_DELETE);
    n->path--;
}
