/* SPDX-License-Identifier: Apache-2.0 */
/* test_frame.c - the live picture and the closing table at several widths: exact, and never wider than the window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/closing.h"
#include "cli/frame.h"

static locale_t utf8;

static int set_up(void **state)
{
    (void)state;
    utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return utf8 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    freelocale(utf8);
    return 0;
}

static void add_type(sb_export_snapshot *s, const char *name, uint64_t files, uint64_t done, uint64_t resources,
                     uint64_t expected, uint64_t bytes)
{
    sb_export_type_totals *t = &s->types[s->n_types++];
    (void)snprintf(t->type, sizeof(t->type), "%s", name);
    t->files = files;
    t->files_done = done;
    t->resources = resources;
    t->resources_expected = expected;
    t->bytes = bytes;
    s->files += files;
    s->files_done += done;
    s->resources += resources;
    s->bytes += bytes;
}

static sb_export_snapshot half_way(void)
{
    sb_export_snapshot s = {.phase = SB_EXPORT_PHASE_DOWNLOAD, .token_fetches = 4};
    add_type(&s, "ExplanationOfBenefit", 32, 16, 600000, 1200000, 1560000000);
    add_type(&s, "Patient", 1, 1, 1000, 1000, 4020000);
    return s;
}

static char *draw(const sb_export_snapshot *s, unsigned width, unsigned rows, locale_t locale, unsigned *lines)
{
    char *text = NULL;
    size_t len = 0;
    pace nothing = {0};
    term_look look = {.width = width, .rows = rows, .utf8 = locale};
    frame_view view = {.payer = "acme", .dir = "claims", .now = s, .pace = &nothing, .elapsed_s = 124};
    FILE *to = open_memstream(&text, &len);
    *lines = frame_draw(&view, &look, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void assert_fits(const char *text, const term_look *look, unsigned lines)
{
    unsigned n = 0;
    while (*text) {
        char line[2048];
        size_t len = strcspn(text, "\n");
        assert_true(len < sizeof(line));
        memcpy(line, text, len);
        line[len] = '\0';
        assert_true(look_columns(look, line) < look->width);
        text += len + 1;
        n++;
    }
    assert_int_equal(n, lines);
}

static void at_80_columns_it_has_all(void **state)
{
    (void)state;
    unsigned lines;
    sb_export_snapshot s = half_way();
    char *text = draw(&s, 80, 24, utf8, &lines);
    assert_string_equal(text, "acme: downloading and checking                                        2 min 4 s\n"
                              "  ExplanationOfBenefit  ━━━━━━━━━━━━━━━━━─────────────────  16 of 32    1.56 GB\n"
                              "  Patient               ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    1 of 1    4.02 MB\n"
                              "  17 of 33 files · 1.56 GB · token renewed 3 times\n"
                              "  Ctrl-C stops; 'smartbulk resume claims' goes on\n");
    assert_int_equal(lines, 5);
    free(text);
}

static void at_40_columns_it_has_what_matters(void **state)
{
    (void)state;
    unsigned lines;
    sb_export_snapshot s = half_way();
    char *text = draw(&s, 40, 24, utf8, &lines);
    assert_string_equal(text, "acme: downloading and checking\n"
                              "  ExplanationOfBenefit  ━━━━────  16/32\n"
                              "  Patient               ━━━━━━━━    1/1\n"
                              "  17 of 33 files · 1.56 GB\n"
                              "  Ctrl-C stops; resume goes on\n");
    free(text);
}

static void without_utf8_it_is_ascii(void **state)
{
    (void)state;
    unsigned lines;
    sb_export_snapshot s = half_way();
    char *text = draw(&s, 80, 24, (locale_t)0, &lines);
    for (const char *c = text; *c; c++)
        assert_true((unsigned char)*c < 0x80);
    assert_non_null(strstr(text, "#################-----------------  16 of 32"));
    free(text);
    s = (sb_export_snapshot){.phase = SB_EXPORT_PHASE_WAITING, .next_poll_s = 28};
    (void)snprintf(s.progress, sizeof(s.progress), "fertig in 3 Minuten \u2014 gut");
    text = draw(&s, 80, 24, (locale_t)0, &lines);
    assert_non_null(strstr(text, "it says: fertig in 3 Minuten ? gut\n  next poll in 28 s"));
    free(text);
}

static void no_line_is_ever_wider_than_the_window(void **state)
{
    (void)state;
    sb_export_snapshot s = half_way();
    add_type(&s, "AnExtraordinarilyLongResourceTypeNameThatNobodyHasSeenYet", 123456, 99999, 5, 0, UINT64_MAX / 4);
    add_type(&s, "\u533b\u7642\u6587\u66f8", 10, 3, 5, 0, 5);
    s.files_bad = 3;
    s.bad_lines = 1234567;
    memset(s.progress, 'w', sizeof(s.progress) - 1);
    for (unsigned width = 20; width <= 200; width++)
        for (unsigned rows = 1; rows <= 24; rows++)
            for (int phase = SB_EXPORT_PHASE_NEW; phase <= SB_EXPORT_PHASE_DOWNLOAD; phase++) {
                unsigned lines;
                term_look look = {.width = width, .rows = rows, .utf8 = width % 2 ? utf8 : (locale_t)0};
                s.phase = (sb_export_phase)phase;
                char *text = draw(&s, width, rows, look.utf8, &lines);
                assert_fits(text, &look, lines);
                assert_true(lines < rows || lines == 1);
                free(text);
            }
}

static void too_many_types_leave_the_finished_ones_out(void **state)
{
    (void)state;
    unsigned lines;
    sb_export_snapshot s = {.phase = SB_EXPORT_PHASE_DOWNLOAD};
    for (int i = 0; i < 30; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "Type%02d", i);
        add_type(&s, name, 2, i < 25 ? 2 : 1, 0, 0, 10);
    }
    char *text = draw(&s, 80, 24, utf8, &lines);
    for (int i = 25; i < 30; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "Type%02d", i);
        assert_non_null(strstr(text, name));
    }
    assert_non_null(strstr(text, "Type06"));
    assert_null(strstr(text, "Type07"));
    assert_non_null(strstr(text, "and 18 more types"));
    free(text);
}

static void what_a_payer_says_cannot_move_the_cursor(void **state)
{
    (void)state;
    unsigned lines;
    sb_export_snapshot s = {.phase = SB_EXPORT_PHASE_WAITING, .next_poll_s = 28};
    (void)snprintf(s.progress, sizeof(s.progress), "a\033[2Jb\rc\xff\xc3");
    char *text = draw(&s, 80, 24, utf8, &lines);

    assert_non_null(strstr(text, "it says: a?[2Jb?c??\n"));
    free(text);
}

static char *close_with(const closing *what, unsigned width)
{
    char *text = NULL;
    size_t len = 0;
    term_look look = {.width = width, .rows = 24, .utf8 = utf8};
    FILE *to = open_memstream(&text, &len);
    closing_draw(what, &look, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void the_closing_table_adds_up(void **state)
{
    (void)state;
    sb_export_snapshot s = half_way();
    s.phase = SB_EXPORT_PHASE_DONE;
    s.types[0].files_done = 32;
    s.files_done = 33;
    s.elapsed_ns = INT64_C(124000000000);
    s.wire_bytes = 124000000;
    (void)snprintf(s.transaction_time, sizeof(s.transaction_time), "2026-11-25T02:26:50.123Z");
    closing what = {.dir = "my claims", .payer = "acme", .now = &s, .ran = true};
    char *text = close_with(&what, 80);
    assert_string_equal(text, "my claims: complete and verified\n"
                              "type                        files    resources        bytes\n"
                              "ExplanationOfBenefit           32      600,000      1.56 GB\n"
                              "Patient                         1        1,000      4.02 MB\n"
                              "in all                         33      601,000      1.56 GB\n"
                              "\n"
                              "as of     2026-11-25T02:26:50.123Z\n"
                              "time      2 min 4 s, 124 MB received, 1.00 MB/s\n"
                              "token     renewed 3 times\n"
                              "next      smartbulk verify 'my claims'\n"
                              "later     smartbulk export acme --since last\n");
    free(text);
}

static void the_closing_table_says_what_is_bad_and_how_to_go_on(void **state)
{
    (void)state;
    sb_export_snapshot s = half_way();
    static const char *const bad[] = {"Patient.000.ndjson: 3 bad lines, listed in rejected/Patient.000.json", NULL};
    s.types[1].files_bad = s.files_bad = 1;
    s.bad_lines = 3;
    closing what = {.dir = "claims", .now = &s, .bad = bad, .bad_more = 7, .ran = true, .stopped = true};
    char *text = close_with(&what, 60);
    assert_non_null(strstr(text, "claims: stopped; what is done is kept\n"));
    assert_non_null(strstr(text, "bad       1 bad file, 3 bad lines; see claims/rejected/\n"
                                 "          Patient.000.ndjson: 3 bad lines, listed in rejected/Patient.000.json\n"
                                 "          and 7 more\n"
                                 "to go on  smartbulk resume claims\n"));
    assert_non_null(strstr(text, "16/32"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_80_columns_it_has_all),
        cmocka_unit_test(at_40_columns_it_has_what_matters),
        cmocka_unit_test(without_utf8_it_is_ascii),
        cmocka_unit_test(no_line_is_ever_wider_than_the_window),
        cmocka_unit_test(too_many_types_leave_the_finished_ones_out),
        cmocka_unit_test(what_a_payer_says_cannot_move_the_cursor),
        cmocka_unit_test(the_closing_table_adds_up),
        cmocka_unit_test(the_closing_table_says_what_is_bad_and_how_to_go_on),
    };
    return cmocka_run_group_tests_name("cli_frame", tests, set_up, tear_down);
}
