/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes: what is read is written and read again the same, and an intersection gives no more than either side.
 * The input is what is asked for, a newline, and what is allowed. */
#include "fuzz.h"
#include "smart/scopes.h"

static bool parse(sb_str text, sb_scopes *out)
{
    SB_AUTOFREE copy = fuzz_cstr((const uint8_t *)text.ptr, text.len);
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_scopes_parse(copy, out, &err);
    fuzz_check_error(status, &err);
    return status == SB_OK;
}

static void check_text(const sb_scopes *scopes)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTO(sb_buf) again_text = SB_BUF_INIT;
    SB_AUTO(sb_scopes) again = SB_SCOPES_INIT;
    FUZZ_REQUIRE("scopes can be written", sb_scopes_format(scopes, &text));
    FUZZ_REQUIRE("and read again", parse(sb_buf_str(&text), &again) && sb_scopes_format(&again, &again_text));
    FUZZ_REQUIRE("as the same text", sb_str_eq(sb_buf_str(&text), sb_buf_str(&again_text)));
}

/* sb_scopes_within() does not weigh search limits joined by AND: where there are some, covering is what can be told. */
static void check_granted(const sb_scopes *granted, const sb_scopes *side, bool limits)
{
    static const char *const types[] = {"Patient", "Observation", "Coverage"};
    FUZZ_REQUIRE("what is granted is within either side", limits || sb_scopes_within(granted, side));
    for (size_t i = 0; i < SB_ARRAY_LEN(types); i++)
        for (unsigned right = 1; right <= SB_SCOPE_SEARCH; right *= 2)
            FUZZ_REQUIRE("no more is covered than by either side",
                         sb_scopes_cover(granted, types[i], right) <= sb_scopes_cover(side, types[i], right));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_scopes) asked = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) allowed = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) both = SB_SCOPES_INIT;
    sb_error err = SB_ERROR_INIT;
    sb_str rest = {(const char *)data, size}, first = SB_STR_NULL;
    (void)sb_str_split(&rest, '\n', &first);
    if (!parse(first, &asked) || !parse(rest, &allowed))
        return 0;
    check_text(&asked);
    fuzz_check_error(sb_scopes_check_configured(&asked, &err), &err);
    FUZZ_REQUIRE("two sides have something in common, if only nothing",
                 sb_scopes_intersect(&asked, &allowed, &both, &err) == SB_OK);
    bool limits = size > 0 && memchr(data, '?', size);
    check_granted(&both, &asked, limits);
    check_granted(&both, &allowed, limits);
    return 0;
}
