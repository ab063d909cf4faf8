/* SPDX-License-Identifier: Apache-2.0 */
/* test_settle.c - what is in a file's place when its part is gone is believed for what it holds alone. */
#include "export/settle.h"
#include "journal_test.h"

#define HELLO     "hello\n"
#define HELLO_SHA "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

static void warned(void *impl, const char *text)
{
    unsigned *n = impl;
    (void)text;
    (*n)++;
}

/* One file that the journal says is complete, and this in its place. */
static sb_status settle(fixture *f, sb_file_state state, const char *place, const char *text, unsigned *warnings)
{
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}));
    SB_AUTO(sb_journal_file) file = row(f, 0);
    file.state = state;
    file.bytes = strlen(HELLO);
    (void)snprintf(file.sha256, sizeof(file.sha256), "%s", HELLO_SHA);
    must(f, sb_journal_record(f->journal, &file, 1, &f->err));
    if (text)
        must(f, sb_folder_write(sb_journal_folder(f->journal), place, sb_str_from(text), &f->err));
    *warnings = 0;
    return sb_settle_all(f->journal, warned, warnings, &f->err);
}

static void the_file_that_was_received_is_settled(void **state)
{
    fixture *f = *state;
    unsigned warnings;
    must(f, settle(f, SB_FILE_KEEPING, "Patient.000.ndjson", HELLO, &warnings));
    SB_AUTO(sb_journal_file) file = row(f, 0);
    assert_int_equal(file.state, SB_FILE_DONE);
}

static void another_file_is_not_believed(fixture *f, sb_file_state state, const char *place, const char *text)
{
    unsigned warnings;
    assert_int_equal(settle(f, state, place, text, &warnings), SB_E_USAGE);
    assert_non_null(strstr(f->err.why, place));
    SB_AUTO(sb_journal_file) file = row(f, 0);
    assert_int_equal(file.state, state); /* once it is moved away, the file is fetched again */
    must(f, sb_folder_remove(sb_journal_folder(f->journal), place, &f->err));
    must(f, sb_settle_all(f->journal, warned, &warnings, &f->err));
    assert_int_equal(warnings, 1);
    SB_AUTO(sb_journal_file) again = row(f, 0);
    assert_int_equal(again.state, SB_FILE_PENDING);
}

static void one_of_another_size_is_not_believed(void **state)
{
    another_file_is_not_believed(*state, SB_FILE_KEEPING, "Patient.000.ndjson", "hello, more\n");
}

static void one_of_the_same_size_is_not_believed(void **state)
{
    another_file_is_not_believed(*state, SB_FILE_KEEPING, "Patient.000.ndjson", "jello\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_file_that_was_received_is_settled),
        T(one_of_another_size_is_not_believed),
        T(one_of_the_same_size_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
