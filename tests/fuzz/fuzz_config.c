/* SPDX-License-Identifier: Apache-2.0 */
/* smartbulk.yaml: read or refused with the reason; every entry can be looked up. */
#include "fuzz.h"
#include "smart/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH_SIZE], names[256];
    int fd = fuzz_file(data, size, path);
    sb_config *config = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_config_load(path, &config, &err);
    fuzz_check_error(status, &err);
    if (status == SB_OK) {
        FUZZ_REQUIRE("names are bounded", strlen(sb_config_names(config, names, sizeof(names))) < sizeof(names));
        const sb_payer_config *payer = sb_config_payer(config, "acme");
        for (unsigned i = 0; payer && i < payer->headers_count; i++)
            FUZZ_REQUIRE("a header is there", payer->headers[i]);
        char *resolved = sb_config_resolve(config, payer && payer->key ? payer->key : "keys/acme.jwk");
        FUZZ_REQUIRE("a path can be resolved", resolved);
        free(resolved);
    }
    sb_config_free(config);
    (void)close(fd);
    return 0;
}
