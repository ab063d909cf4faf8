/* SPDX-License-Identifier: Apache-2.0 */
/* audit_line.c - events as lines. What a stranger chose is made safe, cut, and searched for secrets first. */
#include "payer/ops/audit_line.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "fhir/instant.h"
#include "fhir/safe_line.h"
#include "payer/auth/digest.h"

#define FIELD_MAX 600 /* the longest we have is a client's id, of 255 bytes */
#define HASH_AT   ",\"hash\":\""
#define HASH_LEN  (SB_AUDIT_HASH_SIZE - 1)
#define TAIL_LEN  (sizeof(HASH_AT) - 1 + HASH_LEN + 2) /* and "} */

static void hash_of(sb_str bytes, char out[SB_AUDIT_HASH_SIZE])
{
    sb_digest digest = sb_digest_of(bytes);
    sb_hex(digest.bytes, sizeof(digest.bytes), out);
}

void sb_audit_head_init(sb_audit_head *head)
{
    head->seq = 0;
    memset(head->hash, '0', HASH_LEN);
    head->hash[HASH_LEN] = '\0';
}

bool sb_audit_is_hash(sb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!strchr("0123456789abcdef", text.ptr[i]) || text.ptr[i] == '\0')
            return false;
    }
    return text.len == HASH_LEN;
}

/* Writing */

/* A safe line has no control characters: quotes and backslashes are all that JSON wants escaped. */
static bool add_text(sb_buf *out, const char *name, const char *text)
{
    char safe[FIELD_MAX];
    size_t len = 0;
    SB_AUTO(sb_buf) hidden = SB_BUF_INIT;
    if (!text || !text[0])
        return true;
    (void)sb_safe_line_add(safe, sizeof(safe), &len, sb_str_from(text));
    bool ok = sb_redact((sb_str){safe, len}, &hidden) && sb_buf_printf(out, ",\"%s\":\"", name);
    for (size_t i = 0; ok && i < hidden.len; i++) {
        if (hidden.ptr[i] == '"' || hidden.ptr[i] == '\\')
            ok = sb_buf_add_char(out, '\\');
        ok = ok && sb_buf_add_char(out, hidden.ptr[i]);
    }
    return ok && sb_buf_add_char(out, '"');
}

static bool add_fields(sb_buf *out, const sb_audit_event *e)
{
    bool ok = add_text(out, "event", e->event) && add_text(out, "outcome", e->outcome) &&
              add_text(out, "reason", e->reason) && add_text(out, "client", e->client) &&
              add_text(out, "actor", e->actor) && add_text(out, "peer", e->peer) && add_text(out, "group", e->group) &&
              add_text(out, "job", e->job);
    if (ok && e->members >= 0)
        ok = sb_buf_printf(out, ",\"members\":%" PRId64, e->members);
    return ok && add_text(out, "detail", e->detail);
}

bool sb_audit_line_write(const sb_audit_event *event, int64_t now_s, const sb_audit_head *head, sb_buf *out,
                         sb_audit_head *next)
{
    char time[SB_INSTANT_SIZE];
    size_t began = out->len;
    uint64_t seq = head->seq + 1;
    (void)sb_instant_format((sb_instant){now_s, 0}, time);
    if (!sb_buf_printf(out, "{\"seq\":%" PRIu64 ",\"time\":\"%s\"", seq, time) || !add_fields(out, event) ||
        !sb_buf_printf(out, ",\"prev\":\"%s\"", head->hash))
        return false;
    next->seq = seq;
    hash_of((sb_str){out->ptr + began, out->len - began}, next->hash);
    return sb_buf_printf(out, HASH_AT "%s\"}\n", next->hash);
}

/* Reading */

static sb_status bad_line(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_INVALID, "a line of the audit log cannot be believed", "%s",
                        "find out who could write to the file; compare with a copy", why);
}

static bool read_seq(const json_t *object, uint64_t *out)
{
    const json_t *seq = json_object_get(object, "seq");
    if (!json_is_integer(seq) || json_integer_value(seq) < 1)
        return false;
    *out = (uint64_t)json_integer_value(seq);
    return true;
}

sb_status sb_audit_line_read(sb_str line, sb_audit_head *self, char prev[SB_AUDIT_HASH_SIZE], json_t **object,
                             sb_error *err)
{
    SB_AUTOJSON json = NULL;
    char hash[SB_AUDIT_HASH_SIZE];
    if (line.len <= TAIL_LEN || line.len > SB_AUDIT_LINE_MAX)
        return bad_line(err, "it is too short or too long to be one");
    sb_str before = {line.ptr, line.len - TAIL_LEN}, tail = {line.ptr + before.len, TAIL_LEN};
    sb_str said = {tail.ptr + sizeof(HASH_AT) - 1, HASH_LEN};
    if (!sb_str_starts_with(tail, SB_STR_LIT(HASH_AT)) || !sb_str_ends_with(tail, SB_STR_LIT("\"}")) ||
        !sb_audit_is_hash(said))
        return bad_line(err, "it does not end in a hash");
    hash_of(before, hash);
    if (memcmp(hash, said.ptr, HASH_LEN) != 0)
        return bad_line(err, "its hash is not that of its words: they were changed");
    if (sb_json_parse_object(line, "a line of the audit log", &json, err) != SB_OK)
        return bad_line(err, "it is not JSON, though its hash fits");
    const char *its_prev = sb_json_str(json, "prev");
    if (!read_seq(json, &self->seq) || !its_prev || !sb_audit_is_hash(sb_str_from(its_prev)))
        return bad_line(err, "seq or prev are missing");
    memcpy(self->hash, hash, sizeof(hash));
    memcpy(prev, its_prev, SB_AUDIT_HASH_SIZE);
    if (object) {
        *object = json;
        json = NULL;
    }
    return SB_OK;
}
