/* SPDX-License-Identifier: Apache-2.0 */
/* A token endpoint's refusal: whatever it says, a person gets three parts that are safe to show.
 * The first two bytes choose the status; the rest is the body. */
#include "fuzz.h"
#include "smart/oauth_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 302, 400, 401, 403, 404, 413, 429, 500, 503};
    if (size < 2)
        return 0;
    sb_oauth_request sent = {.token_url = "https://payer.example/token",
                             .client_id = "c1",
                             .audience = "https://payer.example/token",
                             .scope = "system/*.rs",
                             .kid = data[0] & 1 ? "k1" : NULL,
                             .alg = data[0] & 1 ? "ES384" : NULL,
                             .lifetime_s = 120};
    sb_http_response answer = SB_HTTP_RESPONSE_INIT;
    sb_error err = SB_ERROR_INIT;
    answer.status = statuses[data[1] % SB_ARRAY_LEN(statuses)];
    answer.date_s = data[0] & 2 ? 1790000000 : 0;
    answer.received_s = 1790000000 + data[0];
    if (size > 2)
        FUZZ_REQUIRE("there is memory", sb_buf_add(&answer.body, data + 2, size - 2));
    sb_status status = sb_oauth_error_explain(&sent, &answer, &err);
    FUZZ_REQUIRE("it is a failure", status != SB_OK);
    fuzz_check_error(status, &err);
    fuzz_check_shown(err.oauth_code);
    sb_http_response_cleanup(&answer);
    return 0;
}
