/* SPDX-License-Identifier: Apache-2.0 */
/* _elements: what is left of a resource is a resource, with no member that it did not have.
 * The input is a list of elements with commas, a newline, and a resource. */
#include "base/json.h"
#include "fuzz.h"
#include "payer/data/element_cut.h"

#define ELEMENTS_MAX 8

static size_t read_elements(sb_str list, sb_element elements[ELEMENTS_MAX])
{
    size_t count = 0;
    sb_str name;
    while (count < ELEMENTS_MAX && sb_str_split(&list, ',', &name))
        count += sb_element_parse(name, &elements[count]);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_element elements[ELEMENTS_MAX];
    sb_str rest = {(const char *)data, size}, first = SB_STR_NULL;
    SB_AUTOJSON before = NULL;
    SB_AUTOJSON after = NULL;
    SB_AUTO(sb_buf) out = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    (void)sb_str_split(&rest, '\n', &first);
    size_t count = read_elements(first, elements);
    if (sb_json_parse_object(rest, "the input", &before, &err) != SB_OK)
        return 0; /* the grammar was checked before */
    const char *type = sb_json_str(before, "resourceType");
    FUZZ_REQUIRE("a resource can be cut",
                 sb_element_cut(elements, count, sb_str_from(type ? type : "Patient"), sb_str_trim(rest), &out));
    FUZZ_REQUIRE("what is left is JSON", sb_json_parse_object(sb_buf_str(&out), "the output", &after, &err) == SB_OK);
    FUZZ_REQUIRE("it says that it is not whole", json_object_get(json_object_get(after, "meta"), "tag"));
    const char *name;
    json_t *value;
    json_object_foreach (after, name, value)
        FUZZ_REQUIRE("a member that is left is as it was",
                     strcmp(name, "meta") == 0 || json_equal(value, json_object_get(before, name)));
    return 0;
}
