/* SPDX-License-Identifier: Apache-2.0 */
/* What the sandbox reads of a resource: a line that the validator passes is served or refused with a reason. */
#include "fhir/ndjson.h"
#include "fuzz.h"
#include "payer/data/line.h"

static bool is_resource(sb_str line)
{
    sb_ndjson *validator = NULL;
    sb_ndjson_counts counts;
    sb_error err = SB_ERROR_INIT;
    FUZZ_REQUIRE("there is a validator", sb_ndjson_new(NULL, &validator, &err) == SB_OK);
    sb_ndjson_feed(validator, line.ptr, line.len);
    sb_ndjson_finish(validator, &counts);
    sb_ndjson_free(validator);
    return counts.resources == 1 && counts.bad == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_str line = {(const char *)data, size}, type = SB_STR_NULL;
    sb_line_space space;
    sb_data_line out;
    sb_error err = SB_ERROR_INIT;
    if (memchr(data, '\n', size) || !is_resource(line))
        return 0;
    sb_status status = sb_line_read(line, &space, &type, &out, &err);
    fuzz_check_error(status, &err);
    if (status != SB_OK)
        return 0;
    FUZZ_REQUIRE("it has a type", type.len > 0 && type.len <= 64);
    FUZZ_REQUIRE("and an id", out.id.len > 0 && out.id.len <= SB_DATA_ID_MAX);
    FUZZ_REQUIRE("its patient's id is bounded", out.patient.len <= SB_DATA_ID_MAX);
    return 0;
}
