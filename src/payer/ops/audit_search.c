/* SPDX-License-Identifier: Apache-2.0 */
/* audit_search.c - the file in blocks from its end, each divided into lines; only lines that hold all the words looked for
 * are read as JSON. */
#include "payer/ops/audit_search.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "fhir/instant.h"
#include "payer/ops/audit_line.h"

#define BLOCK ((size_t)256 * 1024)
_Static_assert(BLOCK > 2 * SB_AUDIT_LINE_MAX, "a block holds a whole line, wherever it begins");

typedef struct search {
    const sb_audit_query *query;
    sb_audit_found *found;
    void *context;
    size_t left;   /* events that may still be told */
    uint64_t next; /* the offset of the oldest line that was looked at */
} search;

/* Fits */

typedef struct word {
    const char *member, *want;
    bool prefix;
} word;

#define WORDS 8

static void words_of(const sb_audit_query *q, word out[WORDS])
{
    const word all[WORDS] = {{"event", q->event, true},    {"outcome", q->outcome, false}, {"reason", q->reason, false},
                             {"client", q->client, false}, {"actor", q->actor, false},     {"group", q->group, false},
                             {"job", q->job, false},       {"peer", q->peer, false}};
    memcpy(out, all, sizeof(all));
}

static bool is_given(const word *w)
{
    return w->want && w->want[0];
}

/* Cheap, and true for every line that fits: what JSON escapes is not looked for. */
static bool may_fit(const word words[WORDS], sb_str line)
{
    for (size_t i = 0; i < WORDS; i++) {
        const char *want = words[i].want;
        if (is_given(&words[i]) && !strpbrk(want, "\"\\") && !memmem(line.ptr, line.len, want, strlen(want)))
            return false;
    }
    return true;
}

static bool word_fits(const word *w, const json_t *event)
{
    const char *value = sb_json_str(event, w->member);
    if (!is_given(w))
        return true;
    if (!value)
        return false;
    return w->prefix ? strncmp(value, w->want, strlen(w->want)) == 0 : strcmp(value, w->want) == 0;
}

static bool time_fits(const sb_audit_query *q, const json_t *event)
{
    sb_instant at;
    const char *time = sb_json_str(event, "time");
    if (q->since_s == 0 && q->until_s == 0)
        return true;
    if (!time || sb_instant_parse(sb_str_from(time), &at, NULL) != SB_OK)
        return false;
    return at.s >= q->since_s && (q->until_s == 0 || at.s < q->until_s);
}

static sb_status look_at(search *s, const word words[WORDS], sb_str line, sb_error *err)
{
    SB_AUTOJSON event = NULL;
    sb_audit_head self;
    char prev[SB_AUDIT_HASH_SIZE];
    if (!may_fit(words, line))
        return SB_OK;
    if (sb_json_parse_object(line, "a line of the audit log", &event, NULL) != SB_OK)
        return SB_OK; /* verify tells of it */
    for (size_t i = 0; i < WORDS; i++) {
        if (!word_fits(&words[i], event))
            return SB_OK;
    }
    if (!time_fits(s->query, event))
        return SB_OK;
    s->left--;
    bool believed = sb_audit_line_read(line, &self, prev, NULL, NULL) == SB_OK;
    return s->found(s->context, event, believed, err);
}

/* Blocks */

static sb_status read_block(int fd, const char *path, uint64_t from, sb_buf *block, sb_error *err)
{
    size_t want = block->len;
    for (size_t have = 0; have < want;) {
        ssize_t n = pread(fd, block->ptr + have, want - have, (off_t)(from + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sb_error_errno(err, "the audit log could not be read", path, n < 0 ? errno : EIO);
        have += (size_t)n;
    }
    return SB_OK;
}

/* The lines of bytes that begin at `from` and end behind a newline, the last first. Those whose beginning is not here are
 * left for the next block: s->next is where it ends. */
static sb_status look_through(search *s, const word words[WORDS], uint64_t from, sb_str bytes, sb_error *err)
{
    size_t end = bytes.len;
    while (end > 0 && s->left > 0) {
        const char *newline = end > 1 ? memrchr(bytes.ptr, '\n', end - 1) : NULL;
        if (!newline && from > 0)
            break;
        size_t begin = newline ? (size_t)(newline - bytes.ptr) + 1 : 0;
        SB_TRY(look_at(s, words, (sb_str){bytes.ptr + begin, end - 1 - begin}, err));
        end = begin;
        s->next = from + begin;
    }
    return SB_OK;
}

/* Where the last whole line ends, at or before `size`. */
static sb_status find_end(int fd, const char *path, uint64_t size, sb_buf *block, uint64_t *out, sb_error *err)
{
    block->len = (size_t)SB_MIN(size, (uint64_t)BLOCK);
    SB_TRY(read_block(fd, path, size - block->len, block, err));
    const char *newline = block->len ? memrchr(block->ptr, '\n', block->len) : NULL;
    *out = newline ? size - block->len + (uint64_t)(newline - block->ptr) + 1 : 0;
    return SB_OK;
}

static sb_status run(search *s, int fd, const char *path, uint64_t size, sb_error *err)
{
    word words[WORDS];
    SB_AUTO(sb_buf) block = SB_BUF_INIT;
    words_of(s->query, words);
    if (!sb_buf_reserve(&block, BLOCK))
        return sb_error_nomem(err);
    SB_TRY(find_end(fd, path, size, &block, &s->next, err));
    uint64_t stop = s->next > SB_AUDIT_SEARCH_BYTES ? s->next - SB_AUDIT_SEARCH_BYTES : 0;
    while (s->next > stop && s->left > 0) {
        uint64_t end = s->next, from = end > BLOCK ? end - BLOCK : 0;
        block.len = (size_t)(end - from);
        SB_TRY(read_block(fd, path, from, &block, err));
        SB_TRY(look_through(s, words, from, sb_buf_str(&block), err));
        if (s->next == end) /* a line longer than any of ours: nothing before it can be found */
            s->next = 0;
    }
    return SB_OK;
}

sb_status sb_audit_search(const char *path, const sb_audit_query *query, sb_audit_found *found, void *context,
                          uint64_t *next, sb_error *err)
{
    search s = {.query = query, .found = found, .context = context, .left = query->limit};
    struct stat st;
    if (s.left == 0 || s.left > SB_AUDIT_SEARCH_MAX)
        s.left = SB_AUDIT_SEARCH_MAX;
    SB_AUTOFD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int number = errno;
        (void)sb_error_errno(err, "the audit log could not be opened", path, number);
        if (err && number == ENOENT)
            err->code = SB_E_NOT_FOUND;
        return number == ENOENT ? SB_E_NOT_FOUND : SB_E_IO;
    }
    uint64_t size = (uint64_t)st.st_size;
    SB_TRY(run(&s, fd, path, query->before > 0 ? SB_MIN(query->before, size) : size, err));
    *next = s.next;
    return SB_OK;
}
