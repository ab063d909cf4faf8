/* SPDX-License-Identifier: Apache-2.0 */
/* test_download_bad.c - files with bad lines or wrong counts, and disks and folders that do not let us write. FILE-02,
 * FILE-03 */
#include <signal.h>
#include <sys/resource.h>

#include "download_test.h"

#define GOOD "{\"resourceType\":\"Patient\",\"id\":\"c\"}\n"
#define BAD  "{\"resourceType\":\"Patient\",\"id\":\"c\",}\n"
#define LIST "rejected/Patient.000.ndjson.bad-lines.ndjson"

static void a_bad_line_sends_the_file_to_rejected_as_it_came_and_the_rest_goes_on(void **state)
{
    engine *e = *state;
    static const char text[] = GOOD "\n" BAD GOOD "no json\n" GOOD;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = text});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = GOOD});
    list(e, (listing){.type = "Patient", .path = "/1"});
    list(e, (listing){.type = "Patient", .path = "/2"});
    run_all(e);
    assert_content(e, "rejected/Patient.000.ndjson", text, strlen(text));
    assert_false(is_there(e, "Patient.000.ndjson"));
    assert_content(e, "Patient.001.ndjson", GOOD, strlen(GOOD));
    static const char bad_lines[] =
        "{\"line\": 3, \"offset\": 37, \"column\": 36, \"reason\": \"a character that cannot stand here in JSON\"}\n"
        "{\"line\": 5, \"offset\": 110, \"column\": 1, \"reason\": \"the line is not a JSON object\"}\n";
    assert_content(e, LIST, bad_lines, strlen(bad_lines));
    SB_AUTO(sb_journal_file) file = row(&e->base, 0);
    assert_int_equal(file.state, SB_FILE_REJECTED);
    assert_int_equal(file.bad_lines, 2);
    assert_int_equal(file.resources, 3);
    assert_non_null(strstr(file.problem, "2 bad lines, listed in "));
    assert_non_null(strstr(file.problem, "; the first is line "));
    assert_int_equal(e->rejected, 1);
    assert_int_equal(e->done, 1);
    no_parts_are_left(e);
}

static void so_many_bad_lines_as_allowed_are_listed_and_the_file_is_kept_whole(void **state)
{
    engine *e = *state;
    e->options.allow_bad_lines = 1;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = GOOD BAD GOOD});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = BAD GOOD BAD});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 3});
    list(e, (listing){.type = "Patient", .path = "/2", .count = 3});
    run_all(e);
    assert_content(e, "Patient.000.ndjson", GOOD BAD GOOD, strlen(GOOD BAD GOOD));
    assert_true(is_there(e, LIST));
    assert_state(e, 0, SB_FILE_DONE);
    assert_state(e, 1, SB_FILE_REJECTED);
    no_parts_are_left(e);
}

static void a_wrong_count_is_rejected_and_says_so(void **state)
{
    engine *e = *state;
    static const char bad_lines[] = "{\"reason\": \"the manifest says 3 resources, and 2 came\"}\n";
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = GOOD GOOD});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 3});
    run_all(e);
    assert_content(e, "rejected/Patient.000.ndjson", GOOD GOOD, strlen(GOOD GOOD));
    assert_content(e, LIST, bad_lines, strlen(bad_lines));
    assert_int_equal(e->rejected, 1);
}

static void a_list_of_bad_lines_has_an_end(void **state)
{
    engine *e = *state;
    size_t n = 30000;
    char *text = keep(e, malloc(2 * n + 1));
    for (size_t i = 0; i < n; i++)
        memcpy(text + 2 * i, "x\n", 2);
    text[2 * n] = '\0';
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = text});
    list(e, (listing){.type = "Patient", .path = "/1"});
    run_all(e);
    assert_content(e, "rejected/Patient.000.ndjson", text, 2 * n);
    sb_buf seen = slurp(e, LIST);
    size_t lines = 0;
    for (size_t i = 0; i < seen.len; i++)
        lines += seen.ptr[i] == '\n';
    assert_int_equal(lines, 10001);
    assert_non_null(strstr(seen.ptr, "and 20000 more bad lines"));
    sb_buf_cleanup(&seen);
    SB_AUTO(sb_journal_file) file = row(&e->base, 0);
    assert_int_equal(file.bad_lines, n);
}

static void a_line_longer_than_allowed_is_bad_and_never_held_in_memory(void **state)
{
    engine *e = *state;
    size_t len = 8 * 1024 * 1024;
    char *text = keep(e, malloc(len + 1));
    memset(text, ' ', len);
    memcpy(text, "{\"resourceType\":\"Patient\",\"id\":\"c\"", 34);
    memcpy(text + len - 2, "}\n", 3);
    e->options.max_line_bytes = 1024 * 1024;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = text});
    list(e, (listing){.type = "Patient", .path = "/1"});
    run_all(e);
    assert_state(e, 0, SB_FILE_REJECTED);
    e->options.max_line_bytes = 0;
    list(e, (listing){.type = "Patient", .path = "/1"});
    run_all(e);
    assert_state(e, 1, SB_FILE_DONE);
}

static void a_strangers_file_is_never_overwritten(void **state)
{
    engine *e = *state;
    SB_AUTOFREE path = sb_path_join(e->base.dir, "out/Patient.000.ndjson");
    must(&e->base, sb_file_create_new(path, 0600, SB_STR_LIT("mine"), &e->base.err));
    hosted *f = file_host_add(&e->host, &(hosted){.path = "/1", .bytes = GOOD});
    list(e, (listing){.type = "Patient", .path = "/1"});
    assert_int_equal(run(e), SB_E_USAGE);
    assert_content(e, "Patient.000.ndjson", "mine", 4);
    assert_int_equal(run(e), SB_E_USAGE); /* settling finds it too */
    assert_int_equal(unlink(path), 0);
    run_all(e);
    assert_content(e, "Patient.000.ndjson", GOOD, strlen(GOOD));
    assert_int_equal(f->requests, 1); /* it was complete all along */
}

static void a_full_disk_ends_the_run_with_everything_resumable(void **state)
{
    engine *e = *state;
    size_t len;
    char *many = keep(e, patients(60000, &len));
    struct rlimit old, small;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = GOOD});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = many, .len = len});
    list(e, (listing){.type = "Coverage", .path = "/1", .any_type = true});
    list(e, (listing){.type = "Patient", .path = "/2", .count = 60000});
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){(rlim_t)len / 2, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    sb_status status = run(e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, SB_E_IO);
    assert_string_not_equal(e->err.fix, "");
    assert_false(is_there(e, "Patient.000.ndjson"));
    assert_state(e, 1, SB_FILE_PENDING);
    no_parts_are_left(e);
    run_all(e);
    assert_content(e, "Patient.000.ndjson", many, len);
    assert_content(e, "Coverage.000.ndjson", GOOD, strlen(GOOD));
}

static void a_folder_that_cannot_be_written_to_is_told(void **state)
{
    engine *e = *state;
    SB_AUTOFREE path = sb_path_join(e->base.dir, "out/.smartbulk/parts");
    must(&e->base, sb_file_create_new(path, 0600, SB_STR_LIT("a file in its place"), &e->base.err));
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = GOOD});
    list(e, (listing){.type = "Patient", .path = "/1"});
    assert_int_equal(run(e), SB_E_IO);
    assert_string_not_equal(e->err.fix, "");
    assert_state(e, 0, SB_FILE_PENDING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TE(a_bad_line_sends_the_file_to_rejected_as_it_came_and_the_rest_goes_on),
        TE(so_many_bad_lines_as_allowed_are_listed_and_the_file_is_kept_whole),
        TE(a_wrong_count_is_rejected_and_says_so),
        TE(a_list_of_bad_lines_has_an_end),
        TE(a_line_longer_than_allowed_is_bad_and_never_held_in_memory),
        TE(a_strangers_file_is_never_overwritten),
        TE(a_full_disk_ends_the_run_with_everything_resumable),
        TE(a_folder_that_cannot_be_written_to_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
