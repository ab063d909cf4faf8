/* SPDX-License-Identifier: Apache-2.0 */
/* Groups that a payer loads: what is taken can stand in a URL and in a list that people read. */
#include "base/json.h"
#include "fuzz.h"
#include "payer/data/group_resource.h"

static void check_identifiers(const sb_group_resource *group)
{
    sb_group_identifier one;
    sb_error err = SB_ERROR_INIT;
    FUZZ_REQUIRE("identifiers are few", sb_group_identifier_count(group) <= SB_ROSTER_IDENTIFIERS_MAX);
    for (size_t i = 0; i < sb_group_identifier_count(group); i++) {
        sb_status status = sb_group_identifier_at(group, i, &one, &err);
        fuzz_check_error(status, &err);
        if (status != SB_OK)
            continue;
        FUZZ_REQUIRE("an identifier has a value", one.value[0] && strlen(one.value) <= SB_ROSTER_TEXT_MAX);
        fuzz_check_shown(one.value);
        fuzz_check_shown(one.system);
    }
}

static void check_members(const sb_group_resource *group)
{
    sb_group_member one;
    sb_error err = SB_ERROR_INIT;
    for (size_t i = 0; i < sb_group_member_count(group); i++) {
        sb_status status = sb_group_member_at(group, i, &one, &err);
        fuzz_check_error(status, &err);
        if (status != SB_OK)
            continue;
        FUZZ_REQUIRE("a member has an id", one.patient.len > 0 && one.patient.len <= SB_DATA_ID_MAX &&
                                               !memchr(one.patient.ptr, '/', one.patient.len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTOJSON document = NULL;
    sb_group_resource group;
    sb_error err = SB_ERROR_INIT;
    if (sb_json_parse((sb_str){(const char *)data, size}, "a group", &document, NULL) != SB_OK)
        return 0;
    sb_status status = sb_group_read(document, &group, &err);
    fuzz_check_error(status, &err);
    if (status != SB_OK)
        return 0;
    FUZZ_REQUIRE("its id is good", sb_group_id_is_good(group.id));
    FUZZ_REQUIRE("its name is short", group.name[0] && strlen(group.name) <= SB_ROSTER_NAME_MAX);
    fuzz_check_shown(group.name);
    check_identifiers(&group);
    check_members(&group);
    return 0;
}
