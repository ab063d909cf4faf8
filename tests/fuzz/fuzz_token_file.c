/* SPDX-License-Identifier: Apache-2.0 */
/* The file by which runs share a token, whatever was written into it: a token comes, from it or from the payer; one
 * that comes from it lives. */
#include <glob.h>
#include <sys/stat.h>

#include "base/log.h"
#include "fuzz.h"
#include "smart/token_cache.h"
#include "smart/token_internal.h"

static const char *const key[] = {"payer", "client", NULL};
static char dir[] = "/dev/shm/sb-fuzz-XXXXXX"; /* each token is made durable, which a disk takes milliseconds for */
static char file[300];

static sb_status payer_fetch(void *impl, bool renewal, sb_token **out, sb_error *err)
{
    const sb_clock *clock = impl;
    (void)renewal;
    return sb_token_new("from-the-payer", 14, clock->monotonic_ns(clock->impl), 300, "system/*.rs", out, err);
}

static sb_token *ask(void)
{
    const sb_clock *clock = sb_clock_system();
    sb_token_cache *cache = NULL;
    sb_token *token = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_token_provider payer = {(void *)(uintptr_t)clock, payer_fetch, NULL};
    FUZZ_REQUIRE("there is a cache",
                 sb_token_cache_new(&(sb_token_cache_options){.dir = dir, .key = key, .clock = clock}, payer, &cache,
                                    &err) == SB_OK);
    sb_token_provider provider = sb_token_cache_provider(cache);
    FUZZ_REQUIRE("a token comes", provider.fetch(provider.impl, false, &token, &err) == SB_OK);
    FUZZ_REQUIRE("it lives", sb_token_expires_ns(token) > clock->monotonic_ns(clock->impl));
    FUZZ_REQUIRE("it can be sent", sb_str_is_text(sb_str_from(sb_token_text(token))) && sb_token_text(token)[0]);
    sb_token_cache_free(cache);
    return token;
}

static void remove_dir(void)
{
    glob_t found;
    SB_AUTOFREE pattern = sb_printf("%s/*", dir);
    if (pattern && glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            (void)unlink(found.gl_pathv[i]);
        globfree(&found);
    }
    (void)rmdir(dir);
}

static void quiet(void *impl, sb_log_level level, const char *line)
{
    (void)impl, (void)level;
    fuzz_check_shown(line);
}

/* The name of the file is the cache's own: the first token's. */
static void find_file(void)
{
    glob_t found;
    SB_AUTOFREE pattern = NULL;
    sb_log_set(SB_LOG_DEBUG, quiet, NULL);
    FUZZ_REQUIRE("there is a folder", mkdtemp(dir) && atexit(remove_dir) == 0);
    sb_token_release(ask());
    pattern = sb_printf("%s/token-*.json", dir);
    FUZZ_REQUIRE("the token is kept", pattern && glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1);
    (void)snprintf(file, sizeof(file), "%s", found.gl_pathv[0]);
    globfree(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!file[0])
        find_file();
    FILE *f = fopen(file, "wb");
    FUZZ_REQUIRE("the file can be written", f && fchmod(fileno(f), 0600) == 0);
    FUZZ_REQUIRE("whole", fwrite(data, 1, size, f) == size && fclose(f) == 0);
    sb_token_release(ask());
    return 0;
}
