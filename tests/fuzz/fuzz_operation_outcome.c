/* SPDX-License-Identifier: Apache-2.0 */
/* OperationOutcomes of a payer: one safe line comes out, or a clear refusal. */
#include "fhir/operation_outcome.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_outcome outcome;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_outcome_parse((sb_str){(const char *)data, size}, &outcome, &err);
    fuzz_check_error(status, &err);
    fuzz_check_shown(outcome.text);
    fuzz_check_shown(outcome.code);
    FUZZ_REQUIRE("what could not be read says nothing", status == SB_OK || (outcome.issues == 0 && !outcome.text[0]));
    FUZZ_REQUIRE("no more issues are looked at than bounded", outcome.issues <= SB_OUTCOME_MAX_ISSUES);
    FUZZ_REQUIRE("an outcome without issues is not passing", outcome.issues > 0 || !sb_outcome_is_transient(&outcome));
    return 0;
}
