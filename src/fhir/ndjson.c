/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson.c - the NDJSON validator's outside: options, lines, counts, and the joints between pieces.
 *
 * A piece is read where it lies. Blocks need 64 bytes at a time: what is left of a piece waits in n->bridge until the
 * next one comes, and is read there together with just enough of it. The grammar is not here. */
#include "fhir/ndjson_state.h"

const char *sb_ndjson_reason_text(sb_ndjson_reason reason)
{
    switch (reason) {
    case SB_NDJSON_NOT_AN_OBJECT:
        return "the line is not a JSON object";
    case SB_NDJSON_UNEXPECTED:
        return "a character that cannot stand here in JSON";
    case SB_NDJSON_TRUNCATED:
        return "the line ends inside the resource";
    case SB_NDJSON_AFTER_END:
        return "something follows the end of the resource";
    case SB_NDJSON_BAD_UTF8:
        return "bytes that are not UTF-8";
    case SB_NDJSON_CONTROL_CHARACTER:
        return "a raw control character inside a string";
    case SB_NDJSON_BAD_ESCAPE:
        return "a backslash that begins no escape";
    case SB_NDJSON_LONE_SURROGATE:
        return "an escaped surrogate without its other half";
    case SB_NDJSON_NUL:
        return "an escaped NUL character (\\u0000)";
    case SB_NDJSON_BAD_NUMBER:
        return "a malformed number";
    case SB_NDJSON_BAD_LITERAL:
        return "a word that is not true, false or null";
    case SB_NDJSON_TOO_DEEP:
        return "values nested too deep";
    case SB_NDJSON_TOO_LONG:
        return "the line is too long";
    case SB_NDJSON_NO_RESOURCE_TYPE:
        return "no resourceType";
    case SB_NDJSON_RESOURCE_TYPE_FORM:
        return "resourceType is empty or not a string";
    case SB_NDJSON_TWO_RESOURCE_TYPES:
        return "resourceType is given twice";
    case SB_NDJSON_OTHER_RESOURCE_TYPE:
        return "resourceType is not the type of this file";
    case SB_NDJSON_NO_ID:
        return "no id";
    case SB_NDJSON_ID_FORM:
        return "id is empty or not a string";
    case SB_NDJSON_TWO_IDS:
        return "id is given twice";
    case SB_NDJSON_NOT_A_DELETE:
        return "an entry whose request.method is not DELETE";
    }
    return "unknown";
}

static sb_status read_options(sb_ndjson *n, const sb_ndjson_options *options, sb_error *err)
{
    static const sb_ndjson_options none = {0};
    if (options == NULL)
        options = &none;
    if (options->resource_type != NULL) {
        size_t len = strnlen(options->resource_type, SB_NDJSON_MAX_TYPE_NAME + 1);
        bool letters = len > 0 && len <= SB_NDJSON_MAX_TYPE_NAME;
        for (size_t i = 0; letters && i < len; i++)
            letters = (unsigned)(options->resource_type[i] | 0x20) - 'a' < 26;
        if (!letters)
            return sb_error_set(err, SB_E_INVALID, "the resource type of a file could not be understood",
                                "a type's name is 1 to %d letters", "check the `type` in the manifest or option",
                                SB_NDJSON_MAX_TYPE_NAME);
        memcpy(n->resource_type, options->resource_type, len);
        n->resource_type_len = len;
    }
    n->require_id = options->require_id;
    n->require_deletes = options->require_deletes;
    n->watched_depth = options->require_deletes ? 4 : 1;
    n->max_line = options->max_line > 0 ? options->max_line : SB_NDJSON_DEFAULT_MAX_LINE;
    n->on_bad_line = options->on_bad_line;
    n->impl = options->impl;
    return SB_OK;
}

sb_status sb_ndjson_reset(sb_ndjson *n, const sb_ndjson_options *options, sb_error *err)
{
    memset(n, 0, sizeof *n);
    SB_TRY(read_options(n, options, err));
    n->line = 1;
    sb_ndjson_line_begin(n);
    sb_ndjson_use_engine(n, sb_ndjson_best_engine());
    return SB_OK;
}

sb_status sb_ndjson_new(const sb_ndjson_options *options, sb_ndjson **out, sb_error *err)
{
    SB_AUTOPTR(sb_ndjson) n = malloc(sizeof *n);
    if (n == NULL)
        return sb_error_nomem(err);
    SB_TRY(sb_ndjson_reset(n, options, err));
    *out = n;
    n = NULL;
    return SB_OK;
}

void sb_ndjson_free(sb_ndjson *n)
{
    free(n);
}

void sb_ndjson_line_begin(sb_ndjson *n)
{
    n->at = AT_LINE;
    n->depth = 0;
    n->m = (sb_ndjson_members){.member = MEMBER_OTHER};
    n->by_bytes = false;
}

void sb_ndjson_fault(sb_ndjson *n, const uint8_t *where, sb_ndjson_reason reason)
{
    if (n->at == AT_SKIP)
        return; /* one line, one fault: the first */
    n->at = AT_SKIP;
    n->counts.lines++;
    n->counts.bad++;
    if (n->on_bad_line == NULL)
        return;
    sb_ndjson_bad_line bad = {.line = n->line,
                              .offset = n->line_start,
                              .column = n->offset + (uint64_t)(where - n->fed) - n->line_start + 1,
                              .reason = reason};
    n->on_bad_line(n->impl, &bad);
}

/* The line's newline, or the stream's end, is at `where`. */
static void line_ends(sb_ndjson *n, const uint8_t *where)
{
    switch (n->at) {
    case AT_DONE:
        n->counts.lines++;
        n->counts.resources++;
        break;
    case AT_LINE: /* empty */
    case AT_SKIP: /* counted when the fault was found */
        break;
    case AT_BOM:
        sb_ndjson_fault(n, where, SB_NDJSON_NOT_AN_OBJECT);
        break;
    default:
        sb_ndjson_fault(n, where, SB_NDJSON_TRUNCATED);
    }
}

/* How far the line may reach, as a place at or before `end`. */
static const uint8_t *line_limit(const sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    uint64_t used = n->offset + (uint64_t)(p - n->fed) - n->line_start;
    return n->at != AT_SKIP && (uint64_t)(end - p) > n->max_line - used ? p + (n->max_line - used) : end;
}

/* By bytes: to the end of the line or of the piece; or, where blocks can take over, to the '{' of the next line. */
static const uint8_t *read_bytes(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *limit = line_limit(n, p, end);
    if (n->at == AT_LINE && n->run_blocks != NULL && !n->by_bytes) {
        while (p < limit && (*p == ' ' || *p == '\t' || *p == '\r'))
            p++;
        if (p < limit && *p == '{') {
            sb_ndjson_blocks_enter(n);
            return p;
        }
    }
    p = sb_ndjson_plain_run(n, p, limit);
    if (p == end)
        return p;
    if (*p == '\n') {
        line_ends(n, p);
        p++;
        n->line++;
        n->line_start = n->offset + (uint64_t)(p - n->fed);
        sb_ndjson_line_begin(n);
    } else if (p == limit) {
        sb_ndjson_fault(n, p, SB_NDJSON_TOO_LONG);
    }
    return p;
}

/* Read what lies at p…end, whose first byte has n->offset. Returns what is left: fewer bytes than a block needs, or
 * none. */
static const uint8_t *read_piece(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    n->fed = p;
    while (p < end) {
        if (!n->in_blocks)
            p = read_bytes(n, p, end);
        else if (end - p >= BLOCK)
            p = n->run_blocks(n, p, end);
        else
            break;
    }
    return p;
}

/* Keep what is left, with the bytes before it that may be looked at again. `from` is the first byte that can be read.
 */
static void keep_tail(sb_ndjson *n, const uint8_t *from, const uint8_t *left, const uint8_t *end)
{
    size_t before = SB_MIN((size_t)(left - from), (size_t)LOOKBACK);
    n->tail_len = (size_t)(end - left);
    memmove(n->bridge + LOOKBACK - before, left - before, before + n->tail_len);
}

void sb_ndjson_feed(sb_ndjson *n, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    const uint8_t *p = bytes, *end = p + len, *tail = n->bridge + LOOKBACK;
    n->offset = n->counts.bytes - n->tail_len;
    n->counts.bytes += len;
    if (n->in_blocks) {
        size_t joined = SB_MIN(len, (size_t)BLOCK + LOOKBACK);
        memcpy(n->bridge + LOOKBACK + n->tail_len, p, joined);
        const uint8_t *bridge_end = tail + n->tail_len + joined;
        const uint8_t *left = read_piece(n, tail, bridge_end);
        if (joined == len) {
            keep_tail(n, n->bridge, left, bridge_end);
            return;
        }
        /* fewer than BLOCK bytes are left, so at least LOOKBACK of the new piece have been read */
        n->offset += n->tail_len;
        n->tail_len = 0;
        n->offset += joined - (size_t)(bridge_end - left);
        p += joined - (size_t)(bridge_end - left);
    }
    const uint8_t *left = read_piece(n, p, end);
    keep_tail(n, bytes, left, end);
}

/* By bytes, what blocks are waiting for more of. Returns its end. */
static const uint8_t *read_tail(sb_ndjson *n)
{
    const uint8_t *p = n->bridge + LOOKBACK, *end = p + n->tail_len;
    n->offset = n->counts.bytes - n->tail_len;
    n->fed = p;
    n->run_blocks = NULL; /* what is left is too short for them */
    if (n->in_blocks)
        p = sb_ndjson_blocks_leave(n, p);
    while (p < end)
        p = read_bytes(n, p, end);
    return end;
}

void sb_ndjson_settle(sb_ndjson *n)
{
    const uint8_t *(*run_blocks)(sb_ndjson *, const uint8_t *, const uint8_t *) = n->run_blocks;
    (void)read_tail(n);
    n->run_blocks = run_blocks;
    n->tail_len = 0;
}

void sb_ndjson_finish(sb_ndjson *n, sb_ndjson_counts *out)
{
    line_ends(n, read_tail(n));
    sb_ndjson_line_begin(n);
    sb_ndjson_so_far(n, out);
}

void sb_ndjson_so_far(const sb_ndjson *n, sb_ndjson_counts *out)
{
    *out = n->counts;
}
