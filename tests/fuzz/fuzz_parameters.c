/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters, the body of a kick-off: what passes the check can be walked to its end. */
#include "base/json.h"
#include "fhir/parameters.h"
#include "fuzz.h"

static void walk(const json_t *list, unsigned depth)
{
    sb_parameter p, found;
    FUZZ_REQUIRE("parts are not nested beyond the bound", depth <= SB_PARAMETERS_MAX_NESTING + 1);
    for (size_t at = 0; sb_parameters_next(list, &at, &p);) {
        FUZZ_REQUIRE("every parameter has a name", p.name);
        FUZZ_REQUIRE("and is found by it", sb_parameters_find(list, p.name, &found) && strcmp(found.name, p.name) == 0);
        FUZZ_REQUIRE("an empty one has no value", (p.kind == SB_PARAMETER_EMPTY) == (p.value == NULL));
        if (p.kind >= SB_PARAMETER_STRING && p.kind <= SB_PARAMETER_CANONICAL)
            FUZZ_REQUIRE("a text has a text", p.text);
        if (p.kind == SB_PARAMETER_PARTS)
            walk(p.value, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTOJSON document = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_parameters_parse((sb_str){(const char *)data, size}, &document, &err);
    fuzz_check_error(status, &err);
    if (status == SB_OK)
        walk(sb_parameters_list(document), 0);
    return 0;
}
