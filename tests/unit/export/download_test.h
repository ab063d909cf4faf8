/* SPDX-License-Identifier: Apache-2.0 */
/* download_test.h - an engine with a journal and a payer, whose tokens come from a list and whose files from a host. */
#ifndef SB_TEST_DOWNLOAD_TEST_H
#define SB_TEST_DOWNLOAD_TEST_H

#include "../smart/fake_payer.h"
#include "export/download_internal.h"
#include "file_host.h"
#include "journal_test.h"
#include "smart/payer_internal.h"

typedef struct engine {
    fixture base;
    fake_payer tokens;
    file_host host;
    fake_ca *ca; /* NULL: plain http */
    sb_payer *payer;
    atomic_bool cancel;
    sb_download_options options;
    sb_tuning tuning;
    sb_download_end end;
    sb_error err;
    uint64_t listed;
    char *secret_file, *base_url;
    const char *token_hosts[2];
    const char *extra_headers[2];
    void *kept[32]; /* freed when the host, which sends them, has stopped */
    unsigned n_kept;
    /* told, under the engine's own lock */
    unsigned done, rejected, failed, retries, warnings, logs;
    char warning[512], retry[1024], log[8192];
} engine;

static inline void *keep(engine *e, void *bytes)
{
    assert_true(bytes && e->n_kept < SB_ARRAY_LEN(e->kept));
    e->kept[e->n_kept++] = bytes;
    return bytes;
}

static inline void engine_event(void *impl, const sb_export_event *event)
{
    engine *e = impl;
    e->done += event->kind == SB_EXPORT_FILE_DONE;
    e->rejected += event->kind == SB_EXPORT_FILE_REJECTED;
    e->failed += event->kind == SB_EXPORT_FILE_FAILED;
    if (event->kind == SB_EXPORT_RETRY) {
        e->retries++;
        (void)snprintf(e->retry, sizeof(e->retry), "%s", event->text);
    }
    if (event->kind == SB_EXPORT_WARNING) {
        e->warnings++;
        (void)snprintf(e->warning, sizeof(e->warning), "%s", event->text);
    }
}

static inline void engine_log(void *impl, const char *id, const sb_journal_file *file, int status, const char *message)
{
    engine *e = impl;
    size_t len = strlen(e->log);
    e->logs++;
    (void)snprintf(e->log + len, sizeof(e->log) - len, "%s %s %d %s\n", id, file->name, status, message ? message : "");
}

#define TOKEN(text, life) "{\"access_token\":\"" text "\",\"token_type\":\"bearer\",\"expires_in\":" #life "}"

static inline void engine_open_payer(engine *e)
{
    const sb_payer_options options = {.fhir_url = e->base_url,
                                      .client_id = "client-1",
                                      .auth = "client_secret_basic",
                                      .client_secret_file = e->secret_file,
                                      .token_url = "https://auth.payer.example/token",
                                      .ca_file = e->ca ? fake_ca_file(e->ca) : NULL,
                                      .token_hosts = e->token_hosts[0] ? e->token_hosts : NULL,
                                      .headers = e->extra_headers[0] ? e->extra_headers : NULL,
                                      .no_token_cache = true,
                                      .state_dir = e->base.dir,
                                      .cancel = &e->cancel};
    const sb_transport transport = fake_transport(&e->tokens);
    sb_payer_free(e->payer);
    e->payer = NULL;
    must(&e->base, sb_payer_new_over(&options, &transport, &e->payer, &e->base.err));
    e->options.payer = e->payer;
}

static inline int engine_start(void **state, bool tls)
{
    engine *e = calloc(1, sizeof(*e));
    *state = e;
    e->ca = tls ? fake_ca_new("engine's") : NULL;
    file_host_start(&e->host, e->ca);
    fake_payer_init(&e->tokens);
    e->base.dir = scratch_dir_new();
    (void)scratch_write(e->base.dir, "secret", 0600, "s3cret-of-the-test\n");
    e->secret_file = sb_path_join(e->base.dir, "secret");
    e->base_url = sb_printf("%s/fhir", fake_server_url(e->host.server));
    char *out = sb_path_join(e->base.dir, "out");
    must(&e->base, sb_journal_open(out, true, false, &e->base.journal, &e->base.err));
    free(out);
    e->tuning = sb_default_tuning;
    e->tuning.backoff_first_ms = 1;
    e->tuning.backoff_cap_ms = 5;
    e->tuning.resume_min_bytes = 1;
    e->options = (sb_download_options){.journal = e->base.journal,
                                       .connections = 4,
                                       .threads = 2,
                                       .on_event = engine_event,
                                       .on_event_impl = e,
                                       .on_log = engine_log,
                                       .on_log_impl = e};
    engine_open_payer(e);
    return 0;
}

static inline int engine_set_up(void **state)
{
    return engine_start(state, false);
}

static inline int engine_set_up_tls(void **state)
{
    return engine_start(state, true);
}

static inline int engine_tear_down(void **state)
{
    engine *e = *state;
    sb_journal_free(e->base.journal);
    sb_payer_free(e->payer);
    file_host_stop(&e->host);
    for (unsigned i = 0; i < e->n_kept; i++)
        free(e->kept[i]);
    if (e->ca)
        fake_ca_free(e->ca);
    fake_payer_free(&e->tokens);
    scratch_dir_free(e->base.dir);
    free(e->secret_file);
    free(e->base_url);
    free(e);
    return 0;
}

/* A page of one file whose URL is the host's. */
typedef struct listing {
    sb_file_kind kind;
    const char *type, *path;
    int64_t count; /* 0: not given */
    bool needs_token, any_type;
} listing;

static inline void list_url(engine *e, const listing *l, const char *url)
{
    must(&e->base, sb_journal_page_begin(e->base.journal, e->listed++, &e->base.err));
    must(&e->base,
         sb_journal_page_item(e->base.journal, l->kind, l->type, url, l->count ? l->count : -1, &e->base.err));
    must(&e->base, sb_journal_page_end(e->base.journal, l->needs_token, l->any_type, NULL, &e->base.err));
}

static inline void list(engine *e, listing l)
{
    SB_AUTOFREE url = file_host_url(&e->host, l.path);
    list_url(e, &l, url);
}

static inline sb_status run(engine *e)
{
    sb_download *download = NULL;
    must(&e->base, sb_download_new(&e->options, &download, &e->base.err));
    sb_download_tune(download, &e->tuning);
    e->err = (sb_error)SB_ERROR_INIT;
    sb_status status = sb_download_run(download, &e->end, &e->err);
    sb_download_free(download);
    if (status != SB_OK) { /* whatever fails says what and why */
        assert_string_not_equal(e->err.what, "");
        assert_string_not_equal(e->err.why, "");
    }
    return status;
}

static inline void run_all(engine *e)
{
    sb_status status = run(e);
    if (status != SB_OK)
        print_error("%s\n  why: %s\n  fix: %s\n", e->err.what, e->err.why, e->err.fix);
    assert_int_equal(status, SB_OK);
    assert_int_equal(e->end, SB_DOWNLOAD_ALL);
}

/* Read a file of the folder; len SIZE_MAX when it is not there. */
static inline sb_buf slurp(engine *e, const char *name)
{
    sb_buf out = SB_BUF_INIT;
    SB_AUTOFREE path = sb_path_join(sb_folder_path(sb_journal_folder(e->base.journal)), name);
    if (sb_file_read(path, (size_t)1 << 30, &out, NULL) != SB_OK)
        out.len = SIZE_MAX;
    return out;
}

static inline bool is_there(engine *e, const char *name)
{
    sb_buf b = slurp(e, name);
    bool there = b.len != SIZE_MAX;
    b.len = 0;
    sb_buf_cleanup(&b);
    return there;
}

static inline void assert_content(engine *e, const char *name, const char *bytes, size_t len)
{
    sb_buf b = slurp(e, name);
    if (b.len == SIZE_MAX)
        fail_msg("%s is missing", name);
    assert_int_equal(b.len, len);
    assert_true(len == 0 || memcmp(b.ptr, bytes, len) == 0);
    sb_buf_cleanup(&b);
}

static inline void assert_state(engine *e, int64_t id, sb_file_state expected)
{
    SB_AUTO(sb_journal_file) file = row(&e->base, id);
    if (file.state != expected && file.problem)
        print_error("%s: %s\n", file.name, file.problem);
    assert_int_equal(file.state, expected);
}

/* n Patients, one a line; malloc'ed. */
static inline char *patients(unsigned n, size_t *len)
{
    sb_buf b = SB_BUF_INIT;
    for (unsigned i = 0; i < n; i++)
        if (!sb_buf_printf(&b, "{\"resourceType\":\"Patient\",\"id\":\"p%u\",\"active\":true}\n", i))
            abort();
    *len = b.len;
    return sb_buf_steal(&b);
}

static inline void no_parts_are_left(engine *e)
{
    for (int64_t id = 0; id < (int64_t)e->listed; id++) {
        char name[SB_PART_NAME_SIZE];
        (void)snprintf(name, sizeof(name), SB_FOLDER_PARTS "/%lld.part", (long long)id);
        assert_false(is_there(e, name));
        (void)snprintf(name, sizeof(name), SB_FOLDER_PARTS "/%lld.bad", (long long)id);
        assert_false(is_there(e, name));
    }
}

#define TE(name)  cmocka_unit_test_setup_teardown(name, engine_set_up, engine_tear_down)
#define TLS(name) cmocka_unit_test_setup_teardown(name, engine_set_up_tls, engine_tear_down)

#endif
