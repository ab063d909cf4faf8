/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets at the payer's side: what passes has no segment that could leave its folder, and no hidden NUL. */
#include "fuzz.h"
#include "http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_target) target = SB_TARGET_INIT;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_target_parse((sb_str){(const char *)data, size}, &target, &err);
    fuzz_check_error(status, &err);
    if (status != SB_OK)
        return 0;
    fuzz_check_shown(target.path);
    FUZZ_REQUIRE("segments are bounded", target.segment_count <= SB_TARGET_SEGMENTS_MAX);
    for (size_t i = 0; i < target.segment_count; i++) {
        sb_str s = target.segments[i];
        FUZZ_REQUIRE("no segment is empty", s.len > 0);
        FUZZ_REQUIRE("no segment hides a NUL or a slash", strlen(s.ptr) == s.len && !memchr(s.ptr, '/', s.len));
        FUZZ_REQUIRE("no segment leads elsewhere", !sb_target_at(&target, i, "..") && !sb_target_at(&target, i, "."));
    }
    FUZZ_REQUIRE("fields are bounded", target.query.len <= SB_TARGET_FIELDS_MAX);
    for (size_t i = 0; i < target.query.len; i++) {
        FUZZ_REQUIRE("no name hides a NUL", strlen(target.query.items[i].name.ptr) == target.query.items[i].name.len);
        FUZZ_REQUIRE("each field is found by its name", sb_form_find(&target.query, target.query.items[i].name.ptr));
    }
    return 0;
}
