/* SPDX-License-Identifier: Apache-2.0 */
/* NDJSON: every engine finds what the plain one finds, however the stream is cut; and the plain one says of each line
 * what jansson says.
 * The first byte chooses the options, the second how the stream is cut; the rest is the stream. */
#include "fhir/ndjson_state.h"
#include "fuzz.h"
#include "ndjson_oracle.h"

#define BAD_MAX 64

typedef struct verdict {
    sb_ndjson_counts counts;
    size_t bad_len;
    sb_ndjson_bad_line bad[BAD_MAX];
} verdict;

static void note_bad_line(void *impl, const sb_ndjson_bad_line *bad)
{
    verdict *v = impl;
    if (v->bad_len < BAD_MAX)
        v->bad[v->bad_len++] = *bad;
}

static void judge(sb_ndjson_engine engine, uint8_t options, uint8_t cut, sb_str text, verdict *v)
{
    sb_ndjson_options o = {.resource_type = options & 1 ? "Patient" : NULL,
                           .require_id = options & 2,
                           .require_deletes = options & 4,
                           .max_line = options & 8 ? 100 : 0,
                           .on_bad_line = note_bad_line,
                           .impl = v};
    sb_ndjson *n = NULL;
    sb_error err = SB_ERROR_INIT;
    memset(v, 0, sizeof(*v));
    FUZZ_REQUIRE("there is a validator", sb_ndjson_new(&o, &n, &err) == SB_OK);
    sb_ndjson_use_engine(n, engine);
    for (size_t at = 0, turn = cut; at < text.len;) {
        size_t len = fuzz_piece(cut, &turn, text.len - at);
        sb_ndjson_feed(n, text.ptr + at, len);
        at += len;
        if (options & 16)
            sb_ndjson_settle(n);
    }
    sb_ndjson_finish(n, &v->counts);
    sb_ndjson_free(n);
}

static void compare(const verdict *plain, const verdict *other)
{
    FUZZ_REQUIRE("the counts are the same", plain->counts.lines == other->counts.lines &&
                                                plain->counts.resources == other->counts.resources &&
                                                plain->counts.bad == other->counts.bad);
    FUZZ_REQUIRE("as many faults are found", plain->bad_len == other->bad_len);
    for (size_t i = 0; i < plain->bad_len; i++) {
        const sb_ndjson_bad_line *a = &plain->bad[i], *b = &other->bad[i];
        FUZZ_REQUIRE("the same fault is found at the same place",
                     a->line == b->line && a->offset == b->offset && a->column == b->column && a->reason == b->reason);
    }
}

static bool is_blank(sb_str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!memchr(" \t\r", line.ptr[i], 3))
            return false;
    return true;
}

/* Lines behind a fault that is not on the list any more are not looked at. */
static void compare_with_jansson(sb_str rest)
{
    static verdict ours;
    static const sb_str mark = SB_STR_LIT("\xEF\xBB\xBF");
    size_t bad = 0;
    judge(SB_NDJSON_PLAIN, 1 | 2, 0, rest, &ours);
    if (sb_str_starts_with(rest, mark))
        rest = (sb_str){rest.ptr + mark.len, rest.len - mark.len};
    sb_str line;
    for (uint64_t number = 1; bad < BAD_MAX && sb_str_split(&rest, '\n', &line); number++) {
        bool is_bad = bad < ours.bad_len && ours.bad[bad].line == number;
        sb_ndjson_reason reason = is_bad ? ours.bad[bad++].reason : (sb_ndjson_reason)0;
        int expected = is_blank(line) ? 1 : ndjson_oracle(line, reason);
        FUZZ_REQUIRE("jansson says the same of the line", expected < 0 || expected == !is_bad);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static verdict plain, other;
    if (size < 2)
        return 0;
    sb_str text = {(const char *)data + 2, size - 2};
    judge(SB_NDJSON_PLAIN, data[0], 0, text, &plain);
    FUZZ_REQUIRE("a line is good or bad", plain.counts.lines == plain.counts.resources + plain.counts.bad);
    compare_with_jansson(text);
    FUZZ_REQUIRE("every byte is counted", plain.counts.bytes == text.len);
    for (int engine = 0; engine < SB_NDJSON_ENGINES; engine++) {
        if (!sb_ndjson_has_engine((sb_ndjson_engine)engine))
            continue;
        judge((sb_ndjson_engine)engine, data[0], 0, text, &other);
        compare(&plain, &other);
        judge((sb_ndjson_engine)engine, data[0], data[1], text, &other);
        compare(&plain, &other);
    }
    return 0;
}
