/* SPDX-License-Identifier: Apache-2.0 */
/* json_scan.c - a state machine over the outermost object and its lists; what is inside a value goes to jansson, whole
 * and bounded, or is skipped. Owns one value's bytes.
 *
 *   START ─{─► NAME_OR_END ─"…"─► COLON ─:─► VALUE ─────────────► AFTER_VALUE ─}─► END
 *                   ▲ (NAME after a comma)     │ [ of a list          │ ,
 *                   └──────────────────────────┼──────────────────────┘
 *                                              ▼
 *                         ITEM_OR_END ─ value ─► AFTER_ITEM ─]─► AFTER_VALUE
 *                              (ITEM after a comma)   │ ,
 *
 * A value under way is `in_value`: until its bracket, its quote, or (numbers, literals) what follows it. */
#include "export/json_scan.h"

#include "base/json.h"

typedef enum state { START, NAME_OR_END, NAME, COLON, VALUE, AFTER_VALUE, ITEM_OR_END, ITEM, AFTER_ITEM, END } state;

struct sb_scan {
    sb_scan_sink sink;
    const char *what;
    state state;
    uint64_t offset;
    unsigned bom; /* how much of a byte order mark was seen at the start */
    char *name;   /* of the member under way, decoded */
    sb_scan_want want;
    /* The value under way. */
    bool in_value, in_string, escaped, is_scalar;
    unsigned depth;
    unsigned char brackets[SB_SCAN_DEPTH_MAX / 8]; /* a bit each: is it a list? */
    sb_buf text;
    size_t text_max;
};

sb_status sb_scan_new(const sb_scan_sink *sink, const char *what, sb_scan **out, sb_error *err)
{
    sb_scan *scan = calloc(1, sizeof(*scan));
    *out = scan;
    if (!scan)
        return sb_error_nomem(err);
    scan->sink = *sink;
    scan->what = what;
    return SB_OK;
}

void sb_scan_free(sb_scan *scan)
{
    if (!scan)
        return;
    free(scan->name);
    sb_buf_cleanup(&scan->text);
    free(scan);
}

static sb_status malformed(const sb_scan *scan, const char *why, sb_error *err)
{
    sb_error_set(err, SB_E_INVALID, NULL, "at byte %llu %s",
                 "look at what the server sent: it may be an error page of a proxy", (unsigned long long)scan->offset,
                 why);
    sb_error_what(err, "%s could not be understood", scan->what);
    return SB_E_INVALID;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_kept(const sb_scan *scan)
{
    return scan->text_max > 0;
}

static sb_status keep(sb_scan *scan, sb_str bytes, sb_error *err)
{
    if (!is_kept(scan))
        return SB_OK;
    if (bytes.len > scan->text_max - scan->text.len)
        return malformed(scan, "is something longer than it can honestly be", err);
    return sb_buf_add_str(&scan->text, bytes) ? SB_OK : sb_error_nomem(err);
}

static sb_status push(sb_scan *scan, bool list, sb_error *err)
{
    if (scan->depth == SB_SCAN_DEPTH_MAX)
        return malformed(scan, "it is nested deeper than it can honestly be", err);
    unsigned char bit = (unsigned char)(1u << scan->depth % 8);
    unsigned char *byte = &scan->brackets[scan->depth / 8];
    *byte = list ? (unsigned char)(*byte | bit) : (unsigned char)(*byte & ~bit);
    scan->depth++;
    return SB_OK;
}

static bool pop(sb_scan *scan, bool list)
{
    scan->depth--;
    return ((scan->brackets[scan->depth / 8] >> scan->depth % 8) & 1) == list;
}

/* A value begins with `c`, which is still to be fed to it. `max` 0: it is not kept. */
static void begin_value(sb_scan *scan, char c, size_t max)
{
    scan->in_value = true;
    scan->in_string = scan->escaped = false;
    scan->is_scalar = c != '"' && c != '{' && c != '[';
    scan->depth = 0;
    scan->text_max = max;
    sb_buf_clear(&scan->text);
}

static sb_status take_name(sb_scan *scan, sb_error *err)
{
    SB_AUTOJSON json = NULL;
    sb_error inner = SB_ERROR_INIT;
    if (sb_json_parse(sb_buf_str(&scan->text), scan->what, &json, &inner) != SB_OK)
        return malformed(scan, "a member's name is malformed", err);
    free(scan->name);
    scan->name = sb_str_dup(sb_str_from(json_string_value(json))); /* jansson lets no NUL into it */
    scan->state = COLON;
    scan->want = SB_SCAN_SKIP;
    return scan->name ? scan->sink.on_name(scan->sink.impl, scan->name, &scan->want, err) : sb_error_nomem(err);
}

static sb_status take_value(sb_scan *scan, bool item, sb_error *err)
{
    SB_AUTOJSON json = NULL;
    sb_error inner = SB_ERROR_INIT;
    if (sb_json_parse(sb_buf_str(&scan->text), scan->what, &json, &inner) != SB_OK)
        return malformed(scan, item ? "ends an item that is malformed" : "ends a value that is malformed", err);
    if (item)
        return scan->sink.on_item(scan->sink.impl, scan->name, json, err);
    if (scan->want == SB_SCAN_WHOLE)
        return scan->sink.on_member(scan->sink.impl, scan->name, json, err);
    return json_is_null(json) ? SB_OK : malformed(scan, "something else is where a list should be", err);
}

/* The value is complete. */
static sb_status end_value(sb_scan *scan, sb_error *err)
{
    scan->in_value = false;
    if (scan->state == NAME || scan->state == NAME_OR_END)
        return take_name(scan, err);
    bool item = scan->state == ITEM || scan->state == ITEM_OR_END;
    scan->state = item ? AFTER_ITEM : AFTER_VALUE;
    return is_kept(scan) ? take_value(scan, item, err) : SB_OK;
}

/* One character inside a value that is an object or a list, outside of strings. */
static sb_status bracket(sb_scan *scan, char c, bool *done, sb_error *err)
{
    if (c == '{' || c == '[')
        return push(scan, c == '[', err);
    if (c != '}' && c != ']')
        return SB_OK;
    if (scan->depth == 0 || !pop(scan, c == ']'))
        return malformed(scan, "is a bracket that closes nothing", err);
    *done = scan->depth == 0;
    return SB_OK;
}

/* As much of `bytes` as belongs to the value; *used tells how much. */
static sb_status feed_value(sb_scan *scan, sb_str bytes, size_t *used, sb_error *err)
{
    size_t i = 0;
    bool done = false;
    uint64_t begin = scan->offset;
    while (i < bytes.len && !done) {
        char c = bytes.ptr[i];
        scan->offset = begin + i;
        if (scan->in_string) {
            if (scan->escaped)
                scan->escaped = false;
            else if (c == '\\')
                scan->escaped = true;
            else if (c == '"') {
                scan->in_string = false;
                done = scan->depth == 0;
            }
        } else if (scan->is_scalar) {
            if (is_blank(c) || c == ',' || c == ']' || c == '}') /* not its own any more */
                break;
        } else if (c == '"') {
            scan->in_string = true;
        } else {
            SB_TRY(bracket(scan, c, &done, err));
        }
        i++;
    }
    SB_TRY(keep(scan, (sb_str){bytes.ptr, i}, err));
    *used = i;
    scan->offset = begin + i;
    if (done || (scan->is_scalar && i < bytes.len))
        return end_value(scan, err);
    return SB_OK;
}

/* What may begin a value in this state? False: this character may not. */
static bool begin_if_value(sb_scan *scan, char c)
{
    if (c == ',' || c == ':' || c == ']' || c == '}')
        return false;
    if (scan->state == VALUE)
        begin_value(scan, c, scan->want == SB_SCAN_SKIP ? 0 : SB_SCAN_WHOLE_MAX);
    else if (scan->state == ITEM || scan->state == ITEM_OR_END)
        begin_value(scan, c, SB_SCAN_ITEM_MAX);
    else if ((scan->state == NAME || scan->state == NAME_OR_END) && c == '"')
        begin_value(scan, c, SB_SCAN_NAME_MAX);
    return scan->in_value;
}

/* One character between values. Sets in_value, without taking it, when a value begins. */
static sb_status between(sb_scan *scan, char c, sb_error *err)
{
    static const struct {
        state in;
        char c;
        state out;
    } steps[] = {
        {START, '{', NAME_OR_END},      {NAME_OR_END, '}', END},         {COLON, ':', VALUE},
        {AFTER_VALUE, ',', NAME},       {AFTER_VALUE, '}', END},         {AFTER_ITEM, ',', ITEM},
        {AFTER_ITEM, ']', AFTER_VALUE}, {ITEM_OR_END, ']', AFTER_VALUE},
    };
    if (scan->state == VALUE && c == '[' && scan->want == SB_SCAN_ITEMS) {
        scan->state = ITEM_OR_END;
        return SB_OK;
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(steps); i++)
        if (steps[i].in == scan->state && steps[i].c == c && scan->bom % 3 == 0) {
            scan->state = steps[i].out;
            return SB_OK;
        }
    if (begin_if_value(scan, c))
        return SB_OK;
    return malformed(scan,
                     scan->state == END     ? "something follows its end"
                     : scan->state == START ? "it is no JSON object"
                                            : "is a character that cannot stand there",
                     err);
}

/* Bytes of a byte order mark at the very start: tolerated, though JSON has none (RFC 8259 §8.1). */
static bool is_bom(sb_scan *scan, char c)
{
    static const char bom[] = "\xEF\xBB\xBF";
    if (scan->state != START || scan->offset != scan->bom || scan->bom == 3 || c != bom[scan->bom])
        return false;
    scan->bom++;
    return true;
}

sb_status sb_scan_feed(sb_scan *scan, sb_str bytes, sb_error *err)
{
    size_t i = 0;
    while (i < bytes.len) {
        if (scan->in_value) {
            size_t used = 0;
            SB_TRY(feed_value(scan, (sb_str){bytes.ptr + i, bytes.len - i}, &used, err));
            i += used;
            continue;
        }
        char c = bytes.ptr[i];
        if (!is_bom(scan, c) && !is_blank(c)) {
            SB_TRY(between(scan, c, err));
            if (scan->in_value)
                continue; /* the value takes it */
        }
        scan->offset++;
        i++;
    }
    return SB_OK;
}

sb_status sb_scan_finish(sb_scan *scan, sb_error *err)
{
    if (scan->state == END)
        return SB_OK;
    return malformed(scan, scan->offset == 0 ? "it is empty" : "it ends in the middle: it was cut off", err);
}
