/* SPDX-License-Identifier: Apache-2.0 */
/* serve.yaml: it is right, or each mistake is told with a line that is there, and none of it can steer a terminal. */
#include "fuzz.h"
#include "payer/settings.h"

typedef struct told {
    size_t lines, count;
} told;

static void hear(void *impl, unsigned long line, const char *text)
{
    told *t = impl; /* the end of a file without a newline is a line to libyaml */
    FUZZ_REQUIRE("a mistake has a line of the file", line >= 1 && line <= t->lines + 2);
    FUZZ_REQUIRE("and words", text[0]);
    fuzz_check_shown(text);
    t->count++;
}

static void check_right(const sb_settings *s)
{
    FUZZ_REQUIRE("what cannot be done without is there", s->base_url && s->listen);
    FUZZ_REQUIRE("lists are bounded", s->trusted_proxies.count <= SB_SETTINGS_LIST_MAX &&
                                          s->algorithms.count <= SB_SETTINGS_LIST_MAX &&
                                          s->resource_server_count <= SB_SETTINGS_LIST_MAX);
    FUZZ_REQUIRE("tokens live", s->token_lifetime_s > 0);
    for (size_t i = 0; i < s->resource_server_count; i++)
        FUZZ_REQUIRE("who may ask has a secret", s->resource_servers[i].id && s->resource_servers[i].secret_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH_SIZE];
    int fd = fuzz_file(data, size, path);
    SB_AUTOPTR(sb_settings) settings = NULL;
    sb_error err = SB_ERROR_INIT;
    told t = {0, 0};
    for (size_t i = 0; i < size; i++)
        t.lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80; /* YAML knows ends beyond ASCII */
    sb_status status = sb_settings_load(path, hear, &t, &settings, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("it is wrong if a mistake was told", (status == SB_OK) == (t.count == 0) || status == SB_E_IO);
    if (status == SB_OK)
        check_right(settings);
    (void)close(fd);
    return 0;
}
