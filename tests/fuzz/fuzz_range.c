/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges and conditions: whatever is asked for, what is sent lies within the file. The input is four header values, a
 * line each: Range, If-Range, If-None-Match, If-Modified-Since; and lists of the other headers are read on the way. */
#include "fuzz.h"
#include "http/accept.h"
#include "http/conditional.h"

static void check(uint64_t size, const sb_conditions *conditions)
{
    sb_selection s;
    const sb_entity entity = {size, "\"tag\"", 784111777};
    sb_conditional_select(&entity, conditions, &s);
    FUZZ_REQUIRE("it is one of four", s.status == 200 || s.status == 206 || s.status == 304 || s.status == 416);
    FUZZ_REQUIRE("a part lies within", s.first <= size && s.length <= size - s.first);
    FUZZ_REQUIRE("the whole is whole", s.status != 200 || (s.first == 0 && s.length == size));
    FUZZ_REQUIRE("a part is not empty", s.status != 206 || s.length > 0);
    FUZZ_REQUIRE("without a body there is none", s.status == 200 || s.status == 206 || s.length == 0);
    FUZZ_REQUIRE("a part was asked for", s.status != 206 || conditions->range.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTOFREE text = fuzz_cstr(data, size);
    sb_str rest = {text, size}, lines[4] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};
    for (size_t i = 0; i < SB_ARRAY_LEN(lines) && sb_str_split(&rest, '\n', &lines[i]); i++)
        ;
    sb_conditions conditions = {lines[0], lines[1], lines[2], lines[3]};
    check(0, &conditions);
    check(1000, &conditions);
    check(UINT64_MAX / 2, &conditions);
    bool all = sb_accept_media(lines[0], "application/fhir+json");
    FUZZ_REQUIRE("a coding that is taken is admitted", !sb_accept_coding(lines[0], "application/fhir+json") || all);
    (void)sb_prefer_has(lines[0], "respond-async", NULL);
    (void)sb_prefer_has(lines[0], "handling", "lenient");
    (void)sb_content_type_is(lines[0], "application/json");
    return 0;
}
