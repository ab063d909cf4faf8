/* SPDX-License-Identifier: Apache-2.0 */
/* What a request to a FHIR server needs: nothing is open but what everybody may read, and a token of nothing gets
 * nothing. The input is a method, the base and the target, each on a line. */
#include "fuzz.h"
#include "payer/auth/request_scope.h"

static void check_need(const sb_request_need *need, const sb_target *target)
{
    SB_AUTO(sb_scopes) none = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) all = SB_SCOPES_INIT;
    FUZZ_REQUIRE("scopes", sb_scopes_parse("system/*.cruds", &all, NULL) == SB_OK);
    FUZZ_REQUIRE("without a scope only what is open is let through",
                 sb_request_covered(need, &none) == (need->access == SB_REQUEST_OPEN));
    FUZZ_REQUIRE("what is never let through is not by all scopes",
                 sb_request_covered(need, &all) == (need->access != SB_REQUEST_NEVER));
    if (need->access == SB_REQUEST_OPEN) {
        sb_str last = target->segments[target->segment_count - 1];
        FUZZ_REQUIRE("open is what describes the server",
                     sb_str_eq(last, SB_STR_LIT("metadata")) || sb_str_eq(last, SB_STR_LIT("smart-configuration")));
    }
    if (need->access != SB_REQUEST_SCOPED)
        return;
    FUZZ_REQUIRE("there is something that it needs",
                 need->rights != 0 && need->type_count > 0 && need->type_count <= SB_REQUEST_TYPES_MAX);
    for (size_t i = 0; i < need->type_count; i++)
        FUZZ_REQUIRE("of types", sb_str_eq(need->types[i], SB_STR_LIT("*")) || sb_scope_is_type(need->types[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTOFREE text = fuzz_cstr(data, size);
    SB_AUTO(sb_target) target = SB_TARGET_INIT;
    SB_AUTO(sb_target) base = SB_TARGET_INIT;
    static sb_request_need need;
    sb_str rest = {text, size}, method = SB_STR_NULL, base_text = SB_STR_NULL;
    if (!sb_str_split(&rest, '\n', &method) || !sb_str_split(&rest, '\n', &base_text) || rest.len == 0)
        return 0;
    text[method.len] = '\0';
    if (sb_target_parse(base_text, &base, NULL) != SB_OK || sb_target_parse(rest, &target, NULL) != SB_OK)
        return 0;
    sb_request_scope(text, &target, &base, &need);
    check_need(&need, &target);
    return 0;
}
