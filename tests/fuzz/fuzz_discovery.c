/* SPDX-License-Identifier: Apache-2.0 */
/* A payer's SMART configuration: a token URL fit to be posted to, or a refusal. */
#include "base/url.h"
#include "fuzz.h"
#include "smart/discovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_discovery) discovery = SB_DISCOVERY_INIT;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    char shown[128];
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_discovery_parse((sb_str){(const char *)data, size},
                                          "https://payer.example/r4/.well-known/smart-configuration", &discovery, &err);
    fuzz_check_error(status, &err);
    if (status != SB_OK)
        return 0;
    FUZZ_REQUIRE("the token URL is absolute", sb_url_parse(discovery.token_url, &url, &err) == SB_OK);
    FUZZ_REQUIRE("and secure", sb_url_require_secure(&url, "token_url", &err) == SB_OK);
    fuzz_check_shown(sb_discovery_list_text(&discovery, "capabilities", shown, sizeof(shown)));
    bool known = false;
    FUZZ_REQUIRE("only a list that is there holds something",
                 !sb_discovery_lists(&discovery, "grant_types_supported", "client_credentials", &known) || known);
    (void)sb_discovery_wants_v2(&discovery);
    return 0;
}
