/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - log.ndjson: whole lines, no secrets, mended after a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../smart/fake_clock.h"
#include "../smart/scratch_dir.h"
#include "base/json.h"
#include "export/log.h"

typedef struct fixture {
    char *dir;
    sb_folder *folder;
    sb_event_log *log;
    fake_clock clock;
    sb_error err;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    fake_clock_init(&f->clock);
    f->dir = scratch_dir_new();
    return f->dir && sb_folder_open(f->dir, SB_FOLDER_BEGIN, &f->folder, &f->err) == SB_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sb_event_log_free(f->log);
    sb_folder_free(f->folder);
    scratch_dir_free(f->dir);
    free(f);
    return 0;
}

static void open_log(fixture *f)
{
    sb_event_log_free(f->log);
    f->log = NULL;
    assert_int_equal(sb_event_log_open(f->folder, &f->clock.clock, "id-1", &f->log, &f->err), SB_OK);
}

static void assert_log(fixture *f, const char *want)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTOFREE path = sb_path_join(f->dir, "log.ndjson");
    assert_int_equal(sb_file_read(path, 1 << 20, &text, &f->err), SB_OK);
    assert_string_equal(sb_buf_cstr(&text), want);
}

#define LINE(id, detail)                                                                                               \
    "{\"exportId\":\"id-1\",\"timestamp\":\"2026-09-21T14:13:20.000Z\",\"eventId\":\"" id "\",\"eventDetail\":" detail \
    "}\n"

static void an_event_is_a_line(void **state)
{
    fixture *f = *state;
    open_log(f);
    sb_event_log_add(f->log, "status_complete", json_pack("{s:s}", "transactionTime", "2026"));
    sb_event_log_add(f->log, "other", NULL);
    open_log(f); /* a resume goes on behind it */
    sb_event_log_add(f->log, "again", NULL);
    assert_log(f, LINE("status_complete", "{\"transactionTime\":\"2026\"}") LINE("other", "{}") LINE("again", "{}"));
    struct stat st;
    SB_AUTOFREE path = sb_path_join(f->dir, "log.ndjson");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    sb_event_log_add(NULL, "nowhere", json_object());
}

static void a_line_that_a_crash_tore_is_cut_off(void **state)
{
    fixture *f = *state;
    static const char whole[] = "{\"a\":1}\n";
    for (size_t tear = 0; tear < sizeof(whole) - 1; tear++) {
        SB_AUTOFREE text = sb_printf("%s%.*s", whole, (int)tear, whole);
        assert_true(scratch_write(f->dir, "log.ndjson", 0600, text));
        open_log(f);
        sb_event_log_add(f->log, "x", NULL);
        assert_log(f, "{\"a\":1}\n" LINE("x", "{}"));
        assert_true(scratch_write(f->dir, "log.ndjson", 0600, text + sizeof(whole) - 1)); /* the first line, torn */
        open_log(f);
        assert_log(f, "");
    }
}

static void a_long_torn_line_is_found_too(void **state)
{
    fixture *f = *state;
    char text[30001] = "{}\n";
    memset(text + 3, 'x', 29990);
    assert_true(scratch_write(f->dir, "log.ndjson", 0600, text));
    open_log(f);
    assert_log(f, "{}\n");
}

static void the_log_is_never_a_link(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE link = sb_path_join(f->dir, "log.ndjson");
    assert_int_equal(symlink("/dev/null", link), 0);
    assert_int_equal(sb_event_log_open(f->folder, &f->clock.clock, "id-1", &f->log, &f->err), SB_E_IO);
}

static void assert_json(json_t *value, const char *want)
{
    SB_AUTOJSON owned = value;
    SB_AUTOFREE text = sb_json_dump(owned);
    assert_string_equal(text, want);
}

static void what_is_foreign_is_made_safe(void **state)
{
    (void)state;
    assert_json(sb_event_text(NULL), "null");
    assert_json(sb_event_text("a\x1b[31m Bearer abcdefghijkl"), "\"a?[31m Bearer [redacted]\"");
    assert_json(sb_event_url("https://p.example/f?sig=secret"), "\"https://p.example/f?…\"");
    assert_json(sb_event_url(NULL), "null");
    char name[] = "set-cookie", cookie[] = "s=1", id_name[] = "x-request-id", id[] = "42";
    sb_http_headers headers = {.len = 2};
    headers.items = calloc(2, sizeof(*headers.items));
    headers.items[0].name = name;
    headers.items[0].value = cookie;
    headers.items[1].name = id_name;
    headers.items[1].value = id;
    assert_json(sb_event_headers(&headers), "{\"X-Request-Id\":\"42\"}");
    free(headers.items);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_event_is_a_line),      T(a_line_that_a_crash_tore_is_cut_off), T(a_long_torn_line_is_found_too),
        T(the_log_is_never_a_link), T(what_is_foreign_is_made_safe),
    };
    return cmocka_run_group_tests_name("export_log", tests, NULL, NULL);
}
