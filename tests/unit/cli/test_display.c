/* SPDX-License-Identifier: Apache-2.0 */
/* test_display.c - plain lines and JSON from a scripted sequence of events, on a clock that the test owns; and what the
 * screen sends to a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "cli/display.h"

typedef struct fixture {
    sb_clock clock;
    int64_t now_s;
    FILE *out, *err; /* files, as a display asks for their descriptors */
    display *d;
} fixture;

static int64_t monotonic_ns(void *impl)
{
    return ((fixture *)impl)->now_s * INT64_C(1000000000);
}

static int64_t wall_s(void *impl)
{
    return INT64_C(1790000000) + ((fixture *)impl)->now_s;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->now_s = 1000;
    f->clock = (sb_clock){.impl = f, .monotonic_ns = monotonic_ns, .wall_s = wall_s};
    f->out = tmpfile();
    f->err = tmpfile();
    return f->out && f->err ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    display_free(f->d);
    (void)fclose(f->out);
    (void)fclose(f->err);
    free(f);
    return 0;
}

static void open_display(fixture *f, display_kind kind, bool verbose)
{
    display_options o = {.kind = kind,
                         .verbose = verbose,
                         .out = f->out,
                         .err = f->err,
                         .clock = &f->clock,
                         .payer = "acme",
                         .dir = "claims"};
    f->d = display_new(&o);
    assert_non_null(f->d);
}

static char *written(FILE *file)
{
    static char text[64 * 1024];
    (void)fflush(file);
    rewind(file);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    return text;
}

static void send(fixture *f, sb_export_event_kind kind, const char *text, unsigned seconds)
{
    sb_export_event event = {.kind = kind,
                             .text = text,
                             .file = "Patient.000.ndjson",
                             .type = "Patient",
                             .files = 12,
                             .bytes = 4020000,
                             .resources = 1000,
                             .bad_lines = 3,
                             .seconds = seconds};
    display_event(f->d, &event);
}

static void play(fixture *f)
{
    sb_export_snapshot s = {.phase = SB_EXPORT_PHASE_DOWNLOAD, .files = 12, .files_done = 3, .bytes = 1200000000};
    display_begin(f->d, false);
    send(f, SB_EXPORT_KICKOFF, "https://fhir.acme.example/r4/Patient/$export", 0);
    send(f, SB_EXPORT_ACCEPTED, NULL, 0);
    for (int i = 0; i < 70; i++) { /* polls each second: two lines a minute, not seventy */
        char text[32];
        (void)snprintf(text, sizeof(text), "%d %%", i);
        send(f, SB_EXPORT_PROGRESS, text, 1);
        f->now_s++;
    }
    send(f, SB_EXPORT_MANIFEST_PAGE, "2026-09-21T14:00:00Z", 0);
    send(f, SB_EXPORT_FILE_DONE, NULL, 0);
    f->now_s += 40;
    display_tick(f->d, &s);
    display_tick(f->d, &s);
    display_log(f->d, SB_LOG_WARN, "a \033line");
    send(f, SB_EXPORT_FILE_REJECTED, "the manifest says 9 resources, and 4 came", 0);
    send(f, SB_EXPORT_FILE_FAILED, "404", 0);
    send(f, SB_EXPORT_RETRY, "Patient.000.ndjson: connection closed", 5);
    send(f, SB_EXPORT_RETRY, "Patient.000.ndjson: connection closed", 5);
    send(f, SB_EXPORT_REMOTE_DELETED, NULL, 0);
}

static void plain_lines_are_few_and_dated(void **state)
{
    fixture *f = *state;
    open_display(f, DISPLAY_PLAIN, false);
    play(f);
    assert_string_equal(written(f->err),
                        "2026-09-21T14:30:00Z export from acme into claims\n"
                        "2026-09-21T14:30:00Z asked for the export: https://fhir.acme.example/r4/Patient/$export\n"
                        "2026-09-21T14:30:00Z the payer accepted it\n"
                        "2026-09-21T14:30:00Z waiting for the payer, which says: 0 %\n"
                        "2026-09-21T14:30:30Z waiting for the payer, which says: 30 %\n"
                        "2026-09-21T14:31:00Z waiting for the payer, which says: 60 %\n"
                        "2026-09-21T14:31:10Z the payer lists 12 files, as of 2026-09-21T14:00:00Z\n"
                        "2026-09-21T14:31:50Z downloading: 3 of 12 files, 1.20 GB\n"
                        "2026-09-21T14:31:50Z warning: a ?line\n"
                        "2026-09-21T14:31:50Z rejected: Patient.000.ndjson: the manifest says 9 resources, and 4 "
                        "came\n"
                        "2026-09-21T14:31:50Z failed: Patient.000.ndjson: 404\n"
                        "2026-09-21T14:31:50Z Patient.000.ndjson: connection closed; again in 5 s\n"
                        "2026-09-21T14:31:50Z the payer's copy is deleted\n");
    assert_string_equal(written(f->out), "");
}

static void a_payer_that_is_busy_all_day_fills_no_log(void **state)
{
    fixture *f = *state;
    open_display(f, DISPLAY_PLAIN, false);
    for (int i = 0; i < 59; i++) { /* a kick-off and a 429 each second: two lines of each a minute */
        send(f, SB_EXPORT_KICKOFF, "https://a.example/$export", 0);
        send(f, SB_EXPORT_RETRY, "busy (429)", 1);
        f->now_s++;
    }
    assert_string_equal(written(f->err), "2026-09-21T14:30:00Z asked for the export: https://a.example/$export\n"
                                         "2026-09-21T14:30:00Z busy (429); again in 1 s\n"
                                         "2026-09-21T14:30:30Z asked for the export: https://a.example/$export\n"
                                         "2026-09-21T14:30:30Z busy (429); again in 1 s\n");
}

static void verbose_tells_each_file(void **state)
{
    fixture *f = *state;
    open_display(f, DISPLAY_PLAIN, true);
    send(f, SB_EXPORT_FILE_DONE, NULL, 0);
    display_log(f->d, SB_LOG_DEBUG, "a detail");
    assert_string_equal(written(f->err), "2026-09-21T14:30:00Z Patient.000.ndjson: 1,000 resources, 4.02 MB\n"
                                         "2026-09-21T14:30:00Z a detail\n");
}

static void a_flood_of_bad_files_is_counted_not_told(void **state)
{
    fixture *f = *state;
    open_display(f, DISPLAY_PLAIN, false);
    for (int i = 0; i < 100; i++)
        send(f, SB_EXPORT_FILE_FAILED, "404", 0);
    sb_export_snapshot s = {.phase = SB_EXPORT_PHASE_PARTIAL, .files = 100, .files_bad = 100};
    display_end(f->d);
    display_closing(f->d, &s, SB_E_PARTIAL, NULL, NULL);
    const char *text = written(f->err);
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_true(lines < 60);
    assert_non_null(strstr(text, "more files are bad"));
    assert_non_null(strstr(text, "and 80 more\n"));
}

static void quiet_says_errors_alone(void **state)
{
    fixture *f = *state;
    open_display(f, DISPLAY_QUIET, false);
    play(f);
    sb_export_snapshot s = {.phase = SB_EXPORT_PHASE_DONE};
    display_closing(f->d, &s, SB_OK, NULL, NULL);
    assert_string_equal(written(f->err), "");
    display_log(f->d, SB_LOG_ERROR, "it broke");
    assert_non_null(strstr(written(f->err), "error: it broke\n"));
    assert_string_equal(written(f->out), "");
}

static json_t *next_line(char **text)
{
    char *end = strchr(*text, '\n');
    assert_non_null(end);
    *end = '\0';
    json_t *object = json_loads(*text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    *text = end + 1;
    return object;
}

static void each_json_line_is_an_event(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {
        "start",         "kickoff",     "accepted", "manifest_page", "file_done",      "snapshot", "log",
        "file_rejected", "file_failed", "retry",    "retry",         "remote_deleted", "finish"};
    sb_error err = SB_ERROR_INIT;
    sb_export_snapshot s = {.phase = SB_EXPORT_PHASE_PARTIAL, .files = 12, .files_done = 12, .n_types = 1};
    open_display(f, DISPLAY_JSON, false);
    play(f);
    (void)sb_error_set(&err, SB_E_PARTIAL, "some files are bad", "%d", "see rejected/", 2);
    display_closing(f->d, &s, SB_E_PARTIAL, &err, NULL);
    char *text = written(f->out);
    size_t progress = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]);) {
        json_t *event = next_line(&text);
        const char *name = json_string_value(json_object_get(event, "event"));
        assert_non_null(json_string_value(json_object_get(event, "time")));
        if (strcmp(name, "progress") == 0)
            progress++;
        else
            assert_string_equal(name, names[i++]);
        if (strcmp(name, "file_done") == 0)
            assert_int_equal(json_integer_value(json_object_get(event, "bytes")), 4020000);
        if (strcmp(name, "finish") == 0) {
            assert_int_equal(json_integer_value(json_object_get(event, "exit")), 6);
            assert_string_equal(json_string_value(json_object_get(event, "status")), "partial");
            assert_string_equal(json_string_value(json_object_get(event, "phase")), "partial");
            assert_int_equal(json_array_size(json_object_get(event, "types")), 1);
            assert_string_equal(json_string_value(json_object_get(json_object_get(event, "error"), "fix")),
                                "see rejected/");
        }
        json_decref(event);
    }
    assert_int_equal(progress, 70);
    assert_string_equal(text, "");
    assert_string_equal(written(f->err), "");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(plain_lines_are_few_and_dated),
        T(verbose_tells_each_file),
        T(a_flood_of_bad_files_is_counted_not_told),
        T(a_payer_that_is_busy_all_day_fills_no_log),
        T(verbose_tells_each_file),
        T(a_flood_of_bad_files_is_counted_not_told),
        T(quiet_says_errors_alone),
        T(each_json_line_is_an_event),
    };
    return cmocka_run_group_tests_name("cli_display", tests, NULL, NULL);
}
