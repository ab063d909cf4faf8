/* SPDX-License-Identifier: Apache-2.0 */
/* What the payer's side reads of a resource: a line that the validator passes is served or refused with a reason; whom
 * it is about is found when it is asked whether it names them. */
#include "fhir/ndjson.h"
#include "fuzz.h"
#include "payer/data/line.h"

#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

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

static bool check_mention(void *impl, sb_str id)
{
    const sb_str *line = impl;
    SB_AUTOPTR(sb_idset) patients = sb_idset_new();
    for (size_t i = 0; i < id.len; i++) {
        if (!memchr(ID_CHARACTERS, id.ptr[i], sizeof(ID_CHARACTERS) - 1))
            return true;
    }
    FUZZ_REQUIRE("there is memory", patients && sb_idset_add(patients, id));
    sb_idset_seal(patients);
    FUZZ_REQUIRE("whom it is about is named", sb_line_mentions(*line, patients));
    return true;
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
    sb_line_patients(line, type, check_mention, &line);
    return 0;
}
