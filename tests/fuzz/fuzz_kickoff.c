/* SPDX-License-Identifier: Apache-2.0 */
/* A kick-off's parameters, as a query (the first byte is even) or as a Parameters resource: what is taken lies within
 * what came, and the same request fills the same job. */
#include "base/json.h"
#include "fhir/parameters.h"
#include "fuzz.h"
#include "payer/export/kickoff_request.h"

#define FIELDS 200

static void check_list(const sb_kickoff_list *list)
{
    FUZZ_REQUIRE("a list has what it counts", list->count == 0 || list->items);
    for (size_t i = 0; i < list->count; i++)
        FUZZ_REQUIRE("each text is one", list->items[i].ptr && strlen(list->items[i].ptr) >= list->items[i].len);
}

static void check_kickoff(sb_status status, const sb_kickoff *kickoff, const sb_error *err)
{
    sb_job_request request = {.client_id = NULL};
    fuzz_check_error(status, err);
    if (status != SB_OK) {
        FUZZ_REQUIRE("a refusal is the asker's fault", err->http_status == 400 || status == SB_E_NOMEM);
        return;
    }
    check_list(&kickoff->types);
    check_list(&kickoff->elements);
    check_list(&kickoff->patients);
    check_list(&kickoff->type_filters);
    check_list(&kickoff->others);
    sb_kickoff_fill(kickoff, &request);
    FUZZ_REQUIRE("the job is asked for what came", request.types.count == kickoff->types.count &&
                                                       request.type_filters.count == kickoff->type_filters.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_kickoff) kickoff = SB_KICKOFF_INIT;
    SB_AUTO(sb_form) query = SB_FORM_INIT;
    SB_AUTOJSON document = NULL;
    sb_error err = SB_ERROR_INIT;
    if (size < 1)
        return 0;
    SB_AUTOFREE text = fuzz_cstr(data + 1, size - 1);
    kickoff.davinci = data[0] & 2;
    if (data[0] & 1) {
        if (sb_parameters_parse((sb_str){text, size - 1}, &document, &err) == SB_OK)
            check_kickoff(sb_kickoff_from_parameters(document, &kickoff, &err), &kickoff, &err);
    } else if (sb_form_parse((sb_str){text, size - 1}, FIELDS, &query, &err) == SB_OK) {
        check_kickoff(sb_kickoff_from_query(&query, &kickoff, &err), &kickoff, &err);
    }
    return 0;
}
