/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of an audit log, of which anybody may have written any; and events made of a stranger's text, which must come
 * back as one line that is believed. */
#include "base/json.h"
#include "fuzz.h"
#include "payer/ops/audit_line.h"

static void check_read(sb_str line)
{
    sb_audit_head self;
    char prev[SB_AUDIT_HASH_SIZE];
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_audit_line_read(line, &self, prev, NULL, &err);
    fuzz_check_error(status, &err);
    if (status == SB_OK)
        FUZZ_REQUIRE("what is believed has hashes",
                     self.seq > 0 && sb_audit_is_hash(sb_str_from(prev)) && sb_audit_is_hash(sb_str_from(self.hash)));
}

static void check_written(const char *text)
{
    sb_audit_head head, next, self;
    char prev[SB_AUDIT_HASH_SIZE];
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    SB_AUTOJSON object = NULL;
    sb_audit_event event = {.event = "token.refused", .client = text, .detail = text, .group = text, .members = -1};
    sb_audit_head_init(&head);
    FUZZ_REQUIRE("a line is made", sb_audit_line_write(&event, 0, &head, &line, &next));
    FUZZ_REQUIRE("it is one line", memchr(line.ptr, '\n', line.len) == line.ptr + line.len - 1);
    FUZZ_REQUIRE("it is believed",
                 sb_audit_line_read((sb_str){line.ptr, line.len - 1}, &self, prev, &object, NULL) == SB_OK);
    FUZZ_REQUIRE("and is what was written", self.seq == next.seq && strcmp(self.hash, next.hash) == 0 &&
                                                strcmp(prev, head.hash) == 0 &&
                                                strcmp(sb_json_str(object, "event"), "token.refused") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_cstr(data, size);
    check_read((sb_str){text, size});
    check_written(text);
    free(text);
    return 0;
}
