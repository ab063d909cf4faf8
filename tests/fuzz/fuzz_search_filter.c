/* SPDX-License-Identifier: Apache-2.0 */
/* _typeFilter and scopes' limits: what may be asked, held against what a resource may say. The input is a type, a
 * question mark and a search, a newline, and a resource. */
#include "base/json.h"
#include "fuzz.h"
#include "payer/data/line.h"
#include "payer/data/search_filter.h"

/* Pass over what may be passed over. */
static sb_status report(void *context, const sb_search_problem *problem, sb_error *err)
{
    (void)context, (void)err;
    FUZZ_REQUIRE("a problem says why and what to do", problem->why[0] && problem->fix[0]);
    return problem->unsupported ? SB_OK : SB_E_INVALID;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_str rest = {(const char *)data, size}, query = SB_STR_NULL, type = SB_STR_NULL, line_type;
    SB_AUTOPTR(sb_search) strict = NULL;
    SB_AUTOPTR(sb_search) lenient = NULL;
    SB_AUTOJSON resource = NULL;
    sb_error err = SB_ERROR_INIT;
    (void)sb_str_split(&rest, '\n', &query);
    (void)sb_str_split(&query, '?', &type);
    sb_status lenient_status = sb_search_parse(type, query, report, NULL, &lenient, &err);
    sb_status strict_status = sb_search_parse(type, query, NULL, NULL, &strict, &err);
    fuzz_check_error(strict_status, &err);
    FUZZ_REQUIRE("what is understood strictly is understood", strict_status != SB_OK || lenient_status == SB_OK);
    sb_line_space space;
    sb_data_line line;
    if (lenient_status != SB_OK || sb_json_parse_object(rest, "the input", &resource, &err) != SB_OK ||
        sb_line_read(rest, &space, &line_type, &line, &err) != SB_OK)
        return 0; /* the grammar was checked before */
    bool matches = sb_search_matches(lenient, &line);
    FUZZ_REQUIRE("an answer does not change", sb_search_matches(lenient, &line) == matches);
    FUZZ_REQUIRE("both understand alike", !strict || sb_search_matches(strict, &line) == matches);
    return 0;
}
