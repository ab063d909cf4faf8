/* SPDX-License-Identifier: Apache-2.0 */
/* test_manifest.c - a page of any size and any malice becomes rows and a file, or nothing at all. */
#include "journal_test.h"

#include <malloc.h>

#include "export/manifest.h"

#define URL "https://p.example/r4/status/1"

static sb_status read_page(fixture *f, uint64_t number, const char *text, size_t step, sb_manifest_found *found)
{
    SB_AUTOPTR(sb_manifest_page) page = NULL;
    size_t len = strlen(text);
    SB_TRY(sb_manifest_page_new(f->journal, number, URL, &page, &f->err));
    for (size_t i = 0; i < len; i += step)
        SB_TRY(sb_manifest_page_feed(page, (sb_str){text + i, SB_MIN(step, len - i)}, &f->err));
    return sb_manifest_page_finish(page, found, &f->err);
}

static void assert_file(fixture *f, const char *name, const char *want)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTOFREE path = sb_path_join(f->dir, name);
    sb_status status = sb_file_read(path, 1 << 20, &text, NULL);
    assert_int_equal(status, want ? SB_OK : SB_E_NOT_FOUND);
    if (want)
        assert_string_equal(sb_buf_cstr(&text), want);
}

static void assert_fact(fixture *f, const char *name, const char *want)
{
    SB_AUTOFREE value = NULL;
    must(f, sb_journal_get(f->journal, name, &value, &f->err));
    if (want)
        assert_string_equal(value, want);
    else
        assert_null(value);
}

/* Nothing of it stays, and the payer is told what it sent. */
static void assert_refused(fixture *f, const char *text, const char *why)
{
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    for (size_t step = 1; step <= 64; step *= 8) {
        assert_int_equal(read_page(f, 0, text, step, &found), SB_E_SERVER);
        assert_string_not_equal(f->err.fix, "");
    }
    if (!strstr(f->err.why, why))
        print_error("%s\n", f->err.why);
    assert_non_null(strstr(f->err.why, why));
    assert_int_equal(totals(f).files, 0);
    assert_fact(f, "transaction_time", NULL);
    assert_file(f, "manifest.json", NULL);
    assert_file(f, ".smartbulk/manifest.part", NULL);
}

#define TIME "\"transactionTime\":\"2026-01-31T10:00:00.123+01:00\""

static const char whole[] =
    "{" TIME ",\"request\":\"" URL "\",\"extension\":{\"a\":[1,{}]},\r\n"
    "\"output\":[{\"type\":\"Patient\",\"url\":\"https://files.example/1?sig=x\",\"count\":3,\"extension\":{}},"
    "{\"type\":\"Coverage\",\"url\":\"../f/2\"}],"
    "\"deleted\":[{\"type\":\"Bundle\",\"url\":\"https://p.example/3\"}],"
    "\"error\":[{\"type\":\"OperationOutcome\",\"url\":\"https://p.example/4\"}],"
    "\"link\":[{\"relation\":\"self\",\"url\":\"x\"},{\"relation\":\"next\",\"url\":\"?page=2\"}],"
    "\"requiresAccessToken\":false}\n";

static void a_page_is_the_same_at_every_chunk_size(void **state)
{
    fixture *f = *state;
    for (size_t step = 1; step <= sizeof(whole); step++) {
        sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
        must(f, read_page(f, 0, whole, step, &found)); /* the first adds, the others find what they know */
        assert_int_equal(found.output, 2);
        assert_int_equal(found.deleted, 1);
        assert_int_equal(found.error, 1);
        assert_string_equal(found.transaction_time, "2026-01-31T10:00:00.123+01:00");
        assert_string_equal(found.next, URL "?page=2");
        assert_false(found.is_outcome || found.token_unsaid || found.urls_mended);
        sb_manifest_found_cleanup(&found);
        assert_int_equal(totals(f).files, 4);
    }
    assert_row(f, 0, "Patient.000.ndjson", "https://files.example/1?sig=x", SB_FILE_PENDING);
    assert_row(f, 1, "Coverage.000.ndjson", "https://p.example/r4/f/2", SB_FILE_PENDING);
    assert_row(f, 2, "deleted/Bundle.000.ndjson", "https://p.example/3", SB_FILE_PENDING);
    assert_row(f, 3, "error/OperationOutcome.000.ndjson", "https://p.example/4", SB_FILE_PENDING);
    SB_AUTO(sb_journal_file) first = row(f, 0);
    assert_false(first.needs_token); /* said after the items */
    assert_int_equal(first.count, 3);
    assert_file(f, "manifest.json", whole);
    assert_file(f, ".smartbulk/manifest.part", NULL);
    assert_fact(f, "transaction_time", "2026-01-31T10:00:00.123+01:00");
}

static void read_ok(fixture *f, uint64_t number, const char *text, sb_manifest_found *found)
{
    must(f, read_page(f, number, text, 7, found));
}

static void later_pages_keep_their_own_files(void **state)
{
    fixture *f = *state;
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    read_ok(f, 0, "{" TIME ",\"output\":[],\"link\":[{\"relation\":\"next\",\"url\":\"2\"}]}", &found);
    sb_manifest_found_cleanup(&found);
    read_ok(f, 1, "{\"transactionTime\":\"2027-01-01T00:00:00Z\",\"output\":[],\"outcome\":[]}", &found);
    assert_null(found.next);
    assert_file(f, "manifest.001.json", "{\"transactionTime\":\"2027-01-01T00:00:00Z\",\"output\":[],\"outcome\":[]}");
    assert_fact(f, "transaction_time", "2026-01-31T10:00:00.123+01:00"); /* the first page's */
}

#define ITEM(type, name) "{\"type\":\"" type "\",\"url\":\"https://p.example/" name "\",\"count\":2}"
#define LISTING(output)  "{" TIME ",\"output\":[" output "]}"

static void assert_url(fixture *f, int64_t id, const char *url)
{
    SB_AUTO(sb_journal_file) file = row(f, id);
    assert_string_equal(file.url, url);
}

static void a_file_that_is_listed_twice_is_taken_once(void **state)
{
    fixture *f = *state;
    static const char *const first = LISTING(ITEM("Patient", "1") "," ITEM("Patient", "1") "," ITEM(
        "Coverage", "1") "," ITEM("Patient", "1?x") "," ITEM("Patient", "1"));
    static const char *const second = LISTING(ITEM("Patient", "2") "," ITEM("Patient", "1") "," ITEM("Patient", "2"));
    for (int again = 0; again < 2; again++) { /* it is asked for again, and nothing is added */
        sb_manifest_found one = SB_MANIFEST_FOUND_INIT, two = SB_MANIFEST_FOUND_INIT;
        must(f, read_page(f, 0, first, 64, &one));
        must(f, read_page(f, 1, second, 64, &two));
        assert_true(one.output == 3 && one.repeated == 2);
        assert_true(two.output == 1 && two.repeated == 2);
        assert_int_equal(totals(f).files, 4);
    }
    assert_url(f, 0, "https://p.example/1"); /* and others are others: by type, by query */
    assert_url(f, 2, "https://p.example/1?x");
    assert_url(f, 3, "https://p.example/2");
}

static void a_file_that_is_listed_twice_is_still_one_when_its_url_is_another(void **state)
{
    fixture *f = *state;
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    static const char *const pages[] = {
        LISTING(ITEM("Patient", "1?a") "," ITEM("Patient", "1?a")), LISTING(ITEM("Patient", "1?a")),
        LISTING(ITEM("Patient", "1?b") "," ITEM("Patient", "1?b")), LISTING(ITEM("Patient", "1?b"))};
    for (unsigned i = 0; i < 4; i++) {
        must(f, read_page(f, i % 2, pages[i], 64, &found));
        assert_int_equal(totals(f).files, 1);
    }
    assert_url(f, 0, "https://p.example/1?b");
}

static void the_first_transaction_time_stays_when_the_manifest_comes_again(void **state)
{
    fixture *f = *state;
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    read_ok(f, 0, "{" TIME ",\"output\":[]}", &found);
    sb_manifest_found_cleanup(&found);
    read_ok(f, 0, "{\"transactionTime\":\"2026-02-01T00:00:00Z\",\"output\":[]}", &found);
    sb_manifest_found_cleanup(&found);
    assert_fact(f, "transaction_time", "2026-01-31T10:00:00.123+01:00"); /* FILE-08: never later than the files */
}

static bool needs_token(const char *member, bool *unsaid)
{
    fixture own = {.dir = scratch_dir_new()};
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    reopen(&own, true);
    SB_AUTOFREE text = sb_printf("{\"output\":[{\"type\":\"Patient\",\"url\":\"https://p.example/1\"}]%s}", member);
    read_ok(&own, 0, text, &found);
    SB_AUTO(sb_journal_file) file = row(&own, 0);
    *unsaid = found.token_unsaid;
    sb_manifest_found_cleanup(&found);
    sb_journal_free(own.journal);
    scratch_dir_free(own.dir);
    return file.needs_token;
}

static void the_token_is_for_files_that_need_it(void **state)
{
    (void)state;
    bool unsaid;
    assert_true(needs_token(",\"requiresAccessToken\":true", &unsaid) && !unsaid);
    assert_false(needs_token(",\"requiresAccessToken\":false", &unsaid) || unsaid);
    assert_false(needs_token(",\"requiresAccessToken\":\"false\"", &unsaid) || unsaid);
    assert_true(needs_token(",\"requiresAccessToken\":\"true\"", &unsaid) && !unsaid);
    assert_true(needs_token("", &unsaid) && unsaid); /* and it only ever goes to origins that may see it */
    assert_true(needs_token(",\"requiresAccessToken\":null", &unsaid) && unsaid);
}

static void output_organized_by_something_may_hold_any_type(void **state)
{
    fixture *f = *state;
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    read_ok(f, 0,
            "{\"output\":[{\"type\":\"Patient\",\"url\":\"https://p.example/1\"}],\"outputOrganizedBy\":\"Patient\"}",
            &found);
    SB_AUTO(sb_journal_file) file = row(f, 0);
    assert_true(file.any_type);
}

static void lists_may_be_missing_or_null(void **state)
{
    fixture *f = *state;
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    read_ok(f, 0, "{" TIME ",\"output\":null,\"error\":null,\"link\":null}", &found);
    read_ok(f, 0, "{" TIME "}", &found);
    read_ok(f, 0, "{\"transactionTime\":\"soon\",\"output\":[]}", &found);
    assert_string_equal(found.transaction_time, ""); /* data are data; but no export can go on from it */
}

static void what_is_no_manifest_is_shown(void **state)
{
    fixture *f = *state;
    assert_refused(f, "<html><body>502 Bad Gateway \x1b[31m</body>", "begins with: <html><body>502 Bad Gateway");
    assert_null(strchr(f->err.why, '\x1b'));
    assert_refused(f, "[]", "no JSON object");
    assert_refused(f, "{}", "neither");
    assert_refused(f, "{\"resourceType\":\"Bundle\",\"entry\":[]}", "neither");
    assert_refused(f, "{" TIME ",\"output\":[{\"type\":\"Patient\",\"url\":\"https://p.example/1\"}", "cut off");
    assert_refused(f, "{\"access_token\":\"abcdefgh\"", "[redacted]");
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    assert_int_equal(read_page(f, 0, "", 1, &found), SB_E_SERVER);
    assert_non_null(strstr(f->err.why, "empty"));
}

static void hostile_manifests_leave_nothing(void **state)
{
    fixture *f = *state;
    assert_refused(f, "{" TIME ",\"output\":[],\"output\":[]}", "same member twice");
    assert_refused(f, "{" TIME ",\"output\":[],\"outpu\\u0074\":[]}", "same member twice");
    assert_refused(f, "{" TIME ",\"output\":{}}", "where a list should be");
    assert_refused(f, "{" TIME ",\"output\":[7]}", "without a URL");
    assert_refused(f, "{" TIME ",\"output\":[{\"type\":\"Patient\"}]}", "without a URL");
    assert_refused(f, "{" TIME ",\"output\":[{\"url\":\"https://p.example/1\",\"url\":\"https://p.example/2\"}]}",
                   "malformed");
    assert_refused(f, "{" TIME ",\"output\":[{\"url\":\"https://p.example/\\r\\nX: y\"}]}", "control characters");
    assert_refused(f, "{" TIME ",\"output\":[{\"url\":\"file:///etc/passwd\"}]}", "cannot be parsed");
    assert_refused(f, "{" TIME ",\"output\":[{\"url\":\"http://q.example/1\"}]}", "from https to plain http");
    assert_refused(f, "{" TIME ",\"link\":7}", "`link`");
    assert_refused(f, "{" TIME ",\"link\":[{\"relation\":\"next\"}]}", "next page");
    assert_refused(f,
                   "{" TIME ",\"link\":[{\"relation\":\"next\",\"url\":\"a\"},{\"relation\":\"next\",\"url\":\"b\"}]}",
                   "next page");
}

static void a_type_is_never_a_path(void **state)
{
    fixture *f = *state;
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    read_ok(f, 0,
            "{\"output\":[{\"type\":\"../x\",\"url\":\"https://p.example/1\"},{\"url\":\"https://p.example/2\"},"
            "{\"type\":7,\"url\":\"https://p.example/3\"},{\"type\":\"a/b\",\"url\":\"https://p.example/4\"},"
            "{\"type\":\"Patient\",\"url\":\"http://p.example/5\"}]}",
            &found);
    assert_int_equal(found.types_unfit, 4); /* the caller says so */
    assert_true(found.urls_mended);
    for (int64_t id = 0; id < 4; id++) {
        SB_AUTO(sb_journal_file) file = row(f, id);
        SB_AUTOFREE want = sb_printf("Unknown.%03lld.ndjson", (long long)id);
        assert_string_equal(file.name, want);
        assert_string_equal(file.type, "");
    }
    assert_row(f, 4, "Patient.000.ndjson", "https://p.example:443/5", SB_FILE_PENDING);
}

static void an_operation_outcome_instead_is_told_and_not_kept(void **state)
{
    fixture *f = *state;
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    read_ok(f, 0,
            "{\"issue\":[{\"severity\":\"error\",\"code\":\"processing\",\"diagnostics\":\"no\"}],"
            "\"resourceType\":\"OperationOutcome\"}",
            &found); /* REAL-06 */
    assert_true(found.is_outcome);
    assert_true(sb_outcome_is_error(&found.outcome));
    assert_string_equal(found.outcome.text, "processing: no");
    assert_file(f, "manifest.json", NULL);
    assert_file(f, ".smartbulk/manifest.part", NULL);
    uint64_t pages;
    SB_AUTOFREE next = NULL;
    must(f, sb_journal_pages(f->journal, &pages, &next, &f->err));
    assert_int_equal(pages, 0);
}

static void a_page_that_is_given_up_leaves_the_journal_free(void **state)
{
    fixture *f = *state;
    sb_manifest_page *page = NULL;
    must(f, sb_manifest_page_new(f->journal, 0, URL, &page, &f->err));
    must(f, sb_manifest_page_feed(page, SB_STR_LIT("{\"output\":[{\"url\":\"https://p.example/1\"}"), &f->err));
    sb_manifest_page_free(page);
    must(f, sb_journal_set(f->journal, "a", SB_STR_LIT("b"), &f->err));
    assert_int_equal(totals(f).files, 0);
    assert_file(f, ".smartbulk/manifest.part", NULL);
}

/* A hundred thousand files in chunks; what malloc holds is looked at on the way. */
static void a_hundred_thousand_files_need_no_more_memory_than_ten(void **state)
{
    fixture *f = *state;
    sb_manifest_found found = SB_MANIFEST_FOUND_INIT;
    SB_AUTOPTR(sb_manifest_page) page = NULL;
    char item[200];
    must(f, sb_manifest_page_new(f->journal, 0, URL, &page, &f->err));
    must(f, sb_manifest_page_feed(page, SB_STR_LIT("{" TIME ",\"output\":["), &f->err));
    size_t settled = 0;
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(item, sizeof(item), "%s{\"type\":\"Patient\",\"url\":\"https://p.example/f/%d\",\"count\":1}",
                       i ? "," : "", i);
        must(f, sb_manifest_page_feed(page, sb_str_from(item), &f->err));
        if (i == 20000) /* SQLite's cache and the head are full by then */
            settled = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks <= settled + 512 * 1024); /* 0 under a sanitizer's allocator */
    must(f, sb_manifest_page_feed(page, SB_STR_LIT("]}"), &f->err));
    must(f, sb_manifest_page_finish(page, &found, &f->err));
    assert_int_equal(found.output, 100000);
    assert_int_equal(totals(f).files, 100000);
    sb_manifest_found_cleanup(&found);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_page_is_the_same_at_every_chunk_size),
        T(later_pages_keep_their_own_files),
        T(a_file_that_is_listed_twice_is_taken_once),
        T(a_file_that_is_listed_twice_is_still_one_when_its_url_is_another),
        T(the_first_transaction_time_stays_when_the_manifest_comes_again),
        T(the_token_is_for_files_that_need_it),
        T(output_organized_by_something_may_hold_any_type),
        T(lists_may_be_missing_or_null),
        T(what_is_no_manifest_is_shown),
        T(hostile_manifests_leave_nothing),
        T(a_type_is_never_a_path),
        T(an_operation_outcome_instead_is_told_and_not_kept),
        T(a_page_that_is_given_up_leaves_the_journal_free),
        T(a_hundred_thousand_files_need_no_more_memory_than_ten),
    };
    return cmocka_run_group_tests_name("export_manifest", tests, NULL, NULL);
}
