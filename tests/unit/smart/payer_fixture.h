/* SPDX-License-Identifier: Apache-2.0 */
/* payer_fixture.h - an sb_payer over a transport and a clock that the test owns. */
#ifndef SB_TEST_PAYER_FIXTURE_H
#define SB_TEST_PAYER_FIXTURE_H

#include "base/log.h"
#include "smart/authorized.h"
#include "smart/payer_internal.h"

#include "fake_clock.h"
#include "fake_payer.h"
#include "scratch_dir.h"

#define BASE "https://fhir.payer.example/r4"

typedef struct fixture {
    fake_clock clock;
    fake_payer fake;
    char *dir, *key_file;
    sb_payer_options options;
    sb_payer *payer;
    sb_error err;
    char logged[4000];
} fixture;

static inline void fixture_keep_log(void *impl, sb_log_level level, const char *line)
{
    fixture *f = impl;
    size_t len = strlen(f->logged);
    if (level <= SB_LOG_WARN)
        (void)snprintf(f->logged + len, sizeof(f->logged) - len, "%s\n", line);
}

static inline int fixture_setup(void **state)
{
    sb_key *key = NULL;
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    sb_log_set(SB_LOG_DEBUG, fixture_keep_log, f);
    fake_clock_init(&f->clock);
    fake_payer_init(&f->fake);
    f->dir = scratch_dir_new();
    f->key_file = f->dir ? sb_path_join(f->dir, "key.jwk") : NULL;
    if (!f->key_file || sb_key_generate("ES384", 0, NULL, &key, NULL) != SB_OK)
        return -1;
    sb_status status = sb_key_save_new(key, f->key_file, NULL);
    sb_key_free(key);
    f->options = (sb_payer_options){.fhir_url = BASE "/",
                                    .client_id = "client-1",
                                    .key_file = f->key_file,
                                    .no_token_cache = true,
                                    .state_dir = f->dir,
                                    .clock = &f->clock.clock};
    fake_add(&f->fake, (fake_answer){.url = "/smart-configuration",
                                     .status = 200,
                                     .body = "{\"token_endpoint\":\"https://auth.payer.example/token\","
                                             "\"capabilities\":[\"permission-v2\"]}"});
    return status == SB_OK ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
    fixture *f = *state;
    sb_payer_free(f->payer);
    sb_log_set(SB_LOG_WARN, NULL, NULL);
    fake_payer_free(&f->fake);
    scratch_dir_free(f->dir);
    free(f->key_file);
    free(f);
    return 0;
}

static inline sb_status fixture_open(fixture *f)
{
    sb_transport transport = fake_transport(&f->fake);
    sb_payer_free(f->payer);
    f->payer = NULL;
    return sb_payer_new_over(&f->options, &transport, &f->payer, &f->err);
}

/* The token endpoint hands out these, one after the other, for 300 s each; the last one for ever. */
static inline void fixture_issues(fixture *f, const char *body, bool once)
{
    fake_add(&f->fake, (fake_answer){.url = "/token", .status = 200, .body = body, .once = once});
}

#define TOKEN_BODY(text) "{\"access_token\":\"" text "\",\"token_type\":\"bearer\",\"expires_in\":300}"

#endif
