/* SPDX-License-Identifier: Apache-2.0 */
/* audit_verify.c - audit logs checked line by line. A break is told once: the lines behind it are judged by what they
 * say of themselves. */
#include <smartbulk/audit.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "payer/data/line_reader.h"
#include "payer/ops/audit_line.h"
#include "payer/ops/audit_tail.h"

#define HEADS_MAX  1000 /* three years of daily ones */
#define ASK_EVERY  1024 /* lines, between two looks at `cancel` */
#define SEQ_DIGITS 20

typedef struct checker {
    sb_audit_problem_fn *each;
    sb_audit_chain_fn *chain;
    void *impl;
    const char *const *heads;
    bool seen[HEADS_MAX];
    const char *file;
    sb_audit_head last; /* of the line before; seq 0: there was none */
    const char *last_file;
    uint64_t chain_lines;
    bool any;
    bool lost; /* the line before could not be read: what follows it has nothing to go on from */
    sb_audit_verify_result *out;
} checker;

static void problem(checker *c, uint64_t line, const char *text)
{
    c->out->problems++;
    if (c->each)
        c->each(c->impl, c->file, line, text);
}

static void name_point(const sb_audit_head *head, char out[SB_AUDIT_POINT_SIZE])
{
    (void)snprintf(out, SB_AUDIT_POINT_SIZE, "%" PRIu64 ":%s", head->seq, head->hash);
}

static sb_status read_point(const char *text, sb_audit_head *out, sb_error *err)
{
    sb_str rest = sb_str_from(text), seq = SB_STR_NULL;
    if (!sb_str_split(&rest, ':', &seq) || !sb_str_to_u64(seq, INT64_MAX, &out->seq) || !sb_audit_is_hash(rest))
        return sb_error_set(err, SB_E_USAGE, "a head cannot be understood",
                            "it is not a number, a colon and 64 hexadecimal digits",
                            "give it as 'smartbulk audit head' printed it");
    memcpy(out->hash, rest.ptr, SB_AUDIT_HASH_SIZE);
    return SB_OK;
}

/* Heads */

static sb_status check_heads(const char *const *heads, sb_error *err)
{
    sb_audit_head head;
    for (size_t i = 0; heads && heads[i]; i++) {
        if (i == HEADS_MAX)
            return sb_error_set(err, SB_E_USAGE, "there are too many heads", "%d are looked for at once",
                                "give the latest", HEADS_MAX);
        SB_TRY(read_point(heads[i], &head, err));
    }
    return SB_OK;
}

static void meet_heads(checker *c, const sb_audit_head *self)
{
    char point[SB_AUDIT_POINT_SIZE];
    if (!c->heads || !c->heads[0])
        return;
    name_point(self, point);
    for (size_t i = 0; c->heads[i]; i++) {
        if (strcmp(c->heads[i], point) == 0)
            c->seen[i] = true;
    }
}

static void miss_heads(checker *c)
{
    for (size_t i = 0; c->heads && c->heads[i]; i++) {
        char text[SB_AUDIT_POINT_SIZE + 128];
        sb_audit_head head;
        if (c->seen[i] || read_point(c->heads[i], &head, NULL) != SB_OK)
            continue;
        (void)snprintf(text, sizeof(text),
                       "the line %" PRIu64 " that was noted is not there: the log was cut off or written anew",
                       head.seq);
        problem(c, 0, text);
    }
}

/* Lines */

static void end_chain(checker *c)
{
    char head[SB_AUDIT_POINT_SIZE];
    if (!c->any)
        return;
    name_point(&c->last, head);
    if (c->chain)
        c->chain(c->impl, c->last_file, c->chain_lines, head);
    c->chain_lines = 0;
}

/* Does it follow the line before? The first of a file may begin a chain: zeros before it, or a file that is not given. */
static void check_follows(checker *c, uint64_t line, const sb_audit_head *self, const char *prev)
{
    sb_audit_head none;
    char text[160];
    sb_audit_head_init(&none);
    bool begins = self->seq == 1 && strcmp(prev, none.hash) == 0;
    if (line == 1 && begins) {
        end_chain(c);
        return;
    }
    if (!c->any) {
        sb_audit_head before = {.seq = self->seq - 1};
        memcpy(before.hash, prev, SB_AUDIT_HASH_SIZE);
        name_point(&before, c->out->goes_on);
    } else if (!c->lost && strcmp(prev, c->last.hash) != 0) {
        problem(c, line, "it does not go on from the line before: something was taken out, put in or moved");
    } else if (!c->lost && self->seq != c->last.seq + 1) {
        (void)snprintf(text, sizeof(text), "its number is %" PRIu64 " after %" PRIu64, self->seq, c->last.seq);
        problem(c, line, text);
    }
}

static void note_time(checker *c, const json_t *object)
{
    const char *time = sb_json_str(object, "time");
    if (!c->any)
        (void)snprintf(c->out->first, sizeof(c->out->first), "%s", time ? time : "");
    (void)snprintf(c->out->last, sizeof(c->out->last), "%s", time ? time : "");
}

static void check_line(checker *c, uint64_t number, sb_str line)
{
    sb_audit_head self;
    char prev[SB_AUDIT_HASH_SIZE];
    sb_error reason = SB_ERROR_INIT;
    SB_AUTOJSON object = NULL;
    c->out->lines++;
    if (sb_audit_line_read(line, &self, prev, &object, &reason) != SB_OK) {
        problem(c, number, reason.why);
        c->lost = true;
        return;
    }
    check_follows(c, number, &self, prev);
    note_time(c, object);
    meet_heads(c, &self);
    c->last = self;
    c->last_file = c->file;
    c->chain_lines++;
    c->any = true;
    c->lost = false;
}

static sb_status check_file(checker *c, const atomic_bool *cancel, sb_error *err)
{
    SB_AUTO(sb_line_reader) reader;
    sb_str line;
    bool more;
    SB_AUTOFD fd = open(c->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    sb_line_reader_init(&reader, fd, c->file);
    if (fd < 0) {
        sb_status status = errno == ENOENT ? SB_E_NOT_FOUND : SB_E_IO;
        (void)sb_error_errno(err, "an audit log could not be opened", c->file, errno);
        if (err)
            err->code = status;
        return status;
    }
    for (;;) {
        SB_TRY(sb_line_reader_next(&reader, &line, &more, err));
        if (!more)
            return SB_OK;
        if (cancel && reader.line % ASK_EVERY == 0 && atomic_load(cancel))
            return sb_error_set(err, SB_E_INTERRUPTED, "the audit log was not checked whole", "it was interrupted",
                                "run the same command again");
        if (line.ptr[line.len - 1] == '\n')
            check_line(c, reader.line, (sb_str){line.ptr, line.len - 1});
        else
            c->out->unfinished = line.len;
    }
}

sb_status sb_audit_verify(const char *const *files, size_t count, const char *const *heads, sb_audit_problem_fn *each,
                          sb_audit_chain_fn *chain, void *impl, const atomic_bool *cancel, sb_audit_verify_result *out,
                          sb_error *err)
{
    checker c = {.each = each, .chain = chain, .impl = impl, .heads = heads, .out = out};
    *out = (sb_audit_verify_result){.lines = 0};
    SB_TRY(check_heads(heads, err));
    for (size_t i = 0; i < count; i++) {
        c.file = files[i];
        if (out->unfinished > 0) { /* of the file before */
            problem(&c, 0, "the file before ends in an unfinished line");
            out->unfinished = 0;
        }
        SB_TRY(check_file(&c, cancel, err));
    }
    miss_heads(&c);
    end_chain(&c);
    if (c.any)
        name_point(&c.last, out->head);
    if (out->problems == 0)
        return SB_OK;
    return sb_error_set(err, SB_E_PARTIAL, "the audit log is not whole", "%" PRIu64 " problem%s",
                        "find out who could write to it; compare with a copy", out->problems,
                        out->problems == 1 ? "" : "s");
}

sb_status sb_audit_head_of(const char *file, char head[SB_AUDIT_POINT_SIZE], char time[40], sb_error *err)
{
    SB_AUTO(sb_audit_tail) tail = SB_AUDIT_TAIL_INIT;
    SB_AUTOJSON object = NULL;
    SB_AUTOFD fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    sb_audit_head self;
    char prev[SB_AUDIT_HASH_SIZE];
    if (fd < 0)
        return sb_error_errno(err, "an audit log could not be opened", file, errno);
    SB_TRY(sb_audit_tail_read(fd, file, &tail, err));
    if (!tail.line.ptr)
        return sb_error_set(err, SB_E_NOT_FOUND, "the audit log has no head", "%s holds no line",
                            "nothing was written to it yet", file);
    SB_TRY(sb_audit_line_read(tail.line, &self, prev, &object, err));
    const char *its_time = sb_json_str(object, "time");
    name_point(&self, head);
    (void)snprintf(time, 40, "%s", its_time ? its_time : "");
    return SB_OK;
}
