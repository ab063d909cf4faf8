/* SPDX-License-Identifier: Apache-2.0 */
/* test_audit.c - the audit log: what is written is chained, what was changed is found, a crash loses nothing. */
#include <smartbulk/audit.h>

#include "scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "../smart/fake_clock.h"
#include "base/json.h"
#include "payer/ops/audit.h"
#include "payer/ops/audit_line.h"
#include "payer/ops/audit_search.h"

typedef struct fixture {
    void *dir;
    char *path;
    fake_clock clock;
    sb_audit *audit;
    unsigned problems;
    char problem[512];
    uint64_t line;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    if (!f || scratch_make(&f->dir) != 0)
        return -1;
    f->path = sb_path_join(f->dir, "audit.ndjson");
    fake_clock_init(&f->clock);
    *state = f;
    return f->path ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sb_audit_free(f->audit);
    free(f->path);
    void *dir = f->dir;
    free(f);
    return scratch_remove(&dir);
}

static void open_log(fixture *f)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_audit_open(f->path, false, &f->clock.clock, &f->audit, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

static void close_log(fixture *f)
{
    sb_audit_free(f->audit);
    f->audit = NULL;
}

static bool add(fixture *f, const char *client)
{
    sb_audit_event event = SB_AUDIT_EVENT_INIT;
    event.event = "token.issued";
    event.outcome = "ok";
    event.client = client;
    return sb_audit_add(f->audit, &event);
}

static void write_lines(fixture *f, unsigned count)
{
    open_log(f);
    for (unsigned i = 0; i < count; i++)
        assert_true(add(f, "client-1"));
    close_log(f);
}

static void read_log(fixture *f, sb_buf *out)
{
    assert_ok(sb_file_read(f->path, 1 << 20, out, NULL));
}

static void replace_log(fixture *f, sb_str bytes)
{
    assert_int_equal(unlink(f->path), 0);
    assert_ok(sb_file_create_new(f->path, 0600, bytes, NULL));
}

static void on_problem(void *impl, const char *file, uint64_t line, const char *text)
{
    fixture *f = impl;
    (void)file;
    f->problems++;
    f->line = line;
    (void)snprintf(f->problem, sizeof(f->problem), "%s", text);
}

static sb_status verify_with(fixture *f, const char *head, sb_audit_verify_result *out)
{
    const char *files[] = {f->path}, *heads[] = {head, NULL};
    sb_error err = SB_ERROR_INIT;
    f->problems = 0;
    return sb_audit_verify(files, 1, heads, on_problem, NULL, f, NULL, out, &err);
}

static sb_status verify(fixture *f)
{
    sb_audit_verify_result result;
    return verify_with(f, NULL, &result);
}

/* Line `number` from 1, with its newline. */
static sb_str line_at(const sb_buf *log, unsigned number)
{
    sb_str rest = sb_buf_str(log), line = SB_STR_NULL;
    for (unsigned i = 0; i < number; i++)
        assert_true(sb_str_split(&rest, '\n', &line));
    return (sb_str){line.ptr, line.len + 1};
}

static void every_line_holds_the_hash_of_the_one_before(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    sb_audit_head first, second;
    char prev[SB_AUDIT_HASH_SIZE];
    write_lines(f, 2);
    read_log(f, &log);
    sb_str one = line_at(&log, 1), two = line_at(&log, 2);
    assert_ok(sb_audit_line_read((sb_str){one.ptr, one.len - 1}, &first, prev, NULL, NULL));
    assert_int_equal(first.seq, 1);
    assert_int_equal(strspn(prev, "0"), 64);
    assert_ok(sb_audit_line_read((sb_str){two.ptr, two.len - 1}, &second, prev, NULL, NULL));
    assert_int_equal(second.seq, 2);
    assert_string_equal(prev, first.hash);
}

static void an_event_is_told_with_all_its_parts(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    sb_audit_event event = {.event = "export.started",
                            .outcome = "ok",
                            .reason = "granted",
                            .client = "client-1",
                            .actor = "command line",
                            .peer = "192.0.2.1",
                            .group = "roster-7",
                            .job = "0123",
                            .detail = "types Patient, Coverage",
                            .members = 42,
                            .durable = true};
    open_log(f);
    assert_true(sb_audit_add(f->audit, &event));
    close_log(f);
    read_log(f, &log);
    assert_contains(sb_buf_cstr(&log), "{\"seq\":1,\"time\":\"2026-09-21T14:13:20.000Z\",\"event\":\"export.started\","
                                       "\"outcome\":\"ok\",\"reason\":\"granted\",\"client\":\"client-1\","
                                       "\"actor\":\"command line\",\"peer\":\"192.0.2.1\",\"group\":\"roster-7\","
                                       "\"job\":\"0123\",\"members\":42,\"detail\":\"types Patient, Coverage\","
                                       "\"prev\":\"0000");
}

static void what_a_stranger_claims_cannot_forge_a_line_or_hold_a_secret(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    open_log(f);
    assert_true(add(f, "x\",\"outcome\":\"ok\n{\"seq\":9}\\\x1b[2J\xff"));
    assert_true(add(f, "eyJhbGciOiJSUzM4NCJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl"));
    close_log(f);
    read_log(f, &log);
    assert_int_equal(verify(f), SB_OK);
    assert_null(memchr(log.ptr, '\x1b', log.len));
    assert_contains(sb_buf_cstr(&log), "x\\\",\\\"outcome\\\":\\\"ok");
    assert_null(strstr(sb_buf_cstr(&log), "eyJpc3MiOiJ4In0"));
}

static void the_chain_goes_on_after_a_restart(void **state)
{
    fixture *f = *state;
    sb_audit_verify_result result;
    write_lines(f, 3);
    write_lines(f, 2);
    assert_int_equal(verify_with(f, NULL, &result), SB_OK);
    assert_int_equal(result.lines, 5);
    assert_true(sb_str_starts_with(sb_str_from(result.head), SB_STR_LIT("5:")));
}

static void a_changed_letter_is_found(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    write_lines(f, 5);
    read_log(f, &log);
    char *third = (char *)(uintptr_t)line_at(&log, 3).ptr;
    *strstr(third, "client-1") = 'C';
    replace_log(f, sb_buf_str(&log));
    assert_int_equal(verify(f), SB_E_PARTIAL);
    assert_int_equal(f->problems, 1);
    assert_int_equal(f->line, 3);
}

static void a_line_taken_out_is_found(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    SB_AUTO(sb_buf) cut = SB_BUF_INIT;
    write_lines(f, 5);
    read_log(f, &log);
    for (unsigned i = 1; i <= 5; i++)
        assert_true(i == 3 || sb_buf_add_str(&cut, line_at(&log, i)));
    replace_log(f, sb_buf_str(&cut));
    assert_int_equal(verify(f), SB_E_PARTIAL);
    assert_int_equal(f->problems, 1);
    assert_int_equal(f->line, 3);
}

static void a_line_put_in_by_somebody_who_can_count_hashes_is_found(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    SB_AUTO(sb_buf) forged = SB_BUF_INIT;
    char prev[SB_AUDIT_HASH_SIZE];
    sb_audit_head two, next;
    sb_audit_event event = SB_AUDIT_EVENT_INIT;
    write_lines(f, 4);
    read_log(f, &log);
    sb_str second = line_at(&log, 2);
    assert_ok(sb_audit_line_read((sb_str){second.ptr, second.len - 1}, &two, prev, NULL, NULL));
    event.event = "client.approved";
    assert_true(sb_buf_add(&forged, log.ptr, (size_t)(second.ptr + second.len - log.ptr)) &&
                sb_audit_line_write(&event, 0, &two, &forged, &next) && sb_buf_add_str(&forged, line_at(&log, 3)) &&
                sb_buf_add_str(&forged, line_at(&log, 4)));
    replace_log(f, sb_buf_str(&forged));
    assert_int_equal(verify(f), SB_E_PARTIAL);
    assert_int_equal(f->line, 4);
}

static void a_log_that_is_cut_off_or_written_anew_shows_against_a_noted_head(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    sb_audit_verify_result before, after;
    char time[40], head[SB_AUDIT_POINT_SIZE];
    write_lines(f, 3);
    assert_int_equal(verify_with(f, NULL, &before), SB_OK);
    assert_ok(sb_audit_head_of(f->path, head, time, NULL));
    assert_string_equal(head, before.head);
    assert_string_equal(time, "2026-09-21T14:13:20.000Z");
    write_lines(f, 1);
    assert_int_equal(verify_with(f, before.head, &after), SB_OK);
    read_log(f, &log);
    replace_log(f, (sb_str){log.ptr, (size_t)(line_at(&log, 3).ptr - log.ptr)});
    assert_int_equal(verify(f), SB_OK); /* by itself it is whole */
    assert_int_equal(verify_with(f, before.head, &after), SB_E_PARTIAL);
    assert_contains(f->problem, "the line 3 that was noted is not there");
    assert_int_equal(verify_with(f, "3:12", &after), SB_E_USAGE);
}

static void what_a_crash_cut_off_is_moved_aside_and_said(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    SB_AUTO(sb_buf) torn = SB_BUF_INIT;
    SB_AUTOFREE torn_path = sb_printf("%s.torn", f->path);
    sb_audit_verify_result result;
    write_lines(f, 3);
    read_log(f, &log);
    replace_log(f, (sb_str){log.ptr, log.len - 20});
    assert_int_equal(verify_with(f, NULL, &result), SB_OK);
    assert_true(result.unfinished > 100);
    write_lines(f, 1);
    sb_buf_clear(&log);
    read_log(f, &log);
    assert_int_equal(verify_with(f, NULL, &result), SB_OK);
    assert_int_equal(result.lines, 4); /* two, the repair, and one */
    assert_int_equal(result.unfinished, 0);
    assert_contains(sb_buf_cstr(&log), "\"seq\":3,\"time\":\"2026-09-21T14:13:20.000Z\",\"event\":\"audit.repaired\"");
    assert_ok(sb_file_read(torn_path, 1 << 20, &torn, NULL));
    assert_contains(sb_buf_cstr(&torn), "{\"seq\":3,");
}

static void a_log_whose_last_line_was_changed_is_not_gone_on_with(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    write_lines(f, 2);
    read_log(f, &log);
    log.ptr[log.len - 5] = log.ptr[log.len - 5] == '0' ? '1' : '0';
    replace_log(f, sb_buf_str(&log));
    assert_int_equal(sb_audit_open(f->path, false, &f->clock.clock, &f->audit, &err), SB_E_INVALID);
    assert_contains(err.why, "hash");
    replace_log(f, SB_STR_LIT("this is somebody's letter\n"));
    assert_int_equal(sb_audit_open(f->path, false, &f->clock.clock, &f->audit, &err), SB_E_INVALID);
}

static void two_processes_cannot_have_one_log(void **state)
{
    fixture *f = *state;
    sb_audit *second = NULL;
    open_log(f);
    assert_int_equal(sb_audit_open(f->path, false, &f->clock.clock, &second, NULL), SB_E_BUSY);
}

/* "FILE:LINES:HEAD;" for each chain, into the buffer that is `impl`. */
static void on_chain(void *impl, const char *file, uint64_t lines, const char *head)
{
    assert_true(sb_buf_printf(impl, "%s:%d:%s;", file, (int)lines, head));
}

static void each_chain_of_several_has_its_head_told(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE old = sb_printf("%s.1", f->path);
    SB_AUTOFREE other = sb_printf("%s.2", f->path);
    SB_AUTO(sb_buf) told = SB_BUF_INIT;
    const char *files[] = {old, f->path, other};
    char heads[3][SB_AUDIT_POINT_SIZE], time[40];
    sb_audit_verify_result result;
    open_log(f);
    assert_true(add(f, "a") && add(f, "b"));
    close_log(f);
    assert_int_equal(rename(f->path, other), 0);
    open_log(f); /* another chain */
    assert_true(add(f, "c"));
    assert_int_equal(rename(f->path, old), 0);
    assert_ok(sb_audit_reopen(f->audit, NULL));
    assert_true(add(f, "d"));
    close_log(f);
    for (size_t i = 0; i < 3; i++)
        assert_ok(sb_audit_head_of(files[i], heads[i], time, NULL));
    assert_ok(sb_audit_verify(files, 3, NULL, NULL, on_chain, &told, NULL, &result, NULL));
    SB_AUTOFREE both = sb_printf("%s:2:%s;%s:2:%s;", f->path, heads[1], other, heads[2]);
    assert_string_equal(sb_buf_cstr(&told), both);
    assert_string_equal(result.head, heads[2]);
}

static void a_log_that_was_renamed_is_gone_on_with_in_a_new_file(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE old = sb_printf("%s.1", f->path);
    const char *parts[] = {old, f->path}, *wrong[] = {f->path, old};
    sb_audit_verify_result result;
    open_log(f);
    assert_true(add(f, "a") && add(f, "b"));
    assert_ok(sb_audit_reopen(f->audit, NULL)); /* the same file */
    assert_int_equal(rename(f->path, old), 0);
    assert_true(add(f, "c"));
    assert_ok(sb_audit_reopen(f->audit, NULL));
    assert_true(add(f, "d"));
    close_log(f);
    assert_ok(sb_audit_verify(parts, 2, NULL, on_problem, NULL, f, NULL, &result, NULL));
    assert_int_equal(result.lines, 4);
    assert_string_equal(result.goes_on, "");
    assert_ok(sb_audit_verify(&parts[1], 1, NULL, on_problem, NULL, f, NULL, &result, NULL));
    assert_true(sb_str_starts_with(sb_str_from(result.goes_on), SB_STR_LIT("3:")));
    open_log(f); /* and after a restart */
    assert_true(add(f, "e"));
    close_log(f);
    assert_ok(sb_audit_verify(parts, 2, NULL, on_problem, NULL, f, NULL, &result, NULL));
    assert_int_equal(sb_audit_verify(wrong, 2, NULL, on_problem, NULL, f, NULL, &result, NULL), SB_OK); /* two chains */
    assert_int_equal(result.lines, 5);
}

/* The limit of a file's size stands for a disk that is full: a line is written in part, then no more. */
static void a_full_disk_lets_nobody_in_and_leaves_whole_lines(void **state)
{
    fixture *f = *state;
    struct rlimit before, tight;
    sb_audit_verify_result result;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    open_log(f);
    assert_true(add(f, "a"));
    read_log(f, &log);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = (struct rlimit){log.len + 100, before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    bool added = add(f, "b");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(added);
    assert_int_equal(verify_with(f, NULL, &result), SB_OK);
    assert_int_equal(result.lines, 1);
    assert_int_equal(result.unfinished, 0);
    assert_true(add(f, "c")); /* and goes on when there is room again */
    assert_true(sb_audit_writable(f->audit));
    close_log(f);
    assert_int_equal(verify_with(f, NULL, &result), SB_OK);
    assert_int_equal(result.lines, 2);
}

/* Searching */

typedef struct hits {
    size_t count, doubted;
    int64_t first, last;
} hits;

static sb_status on_hit(void *context, const json_t *event, bool believed, sb_error *err)
{
    hits *h = context;
    (void)err;
    h->last = json_integer_value(json_object_get(event, "seq"));
    h->first = h->count++ ? h->first : h->last;
    h->doubted += !believed;
    return SB_OK;
}

static hits look_for(fixture *f, sb_audit_query query, uint64_t *next)
{
    hits h = {.count = 0};
    sb_error err = SB_ERROR_INIT;
    if (sb_audit_search(f->path, &query, on_hit, &h, next, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return h;
}

static void write_many(fixture *f)
{
    open_log(f);
    for (unsigned i = 1; i <= 3000; i++) {
        sb_audit_event event = SB_AUDIT_EVENT_INIT;
        event.event = i % 2 ? "token.issued" : "export.started";
        event.outcome = "ok";
        event.client = i % 100 ? "client-1" : "a\"b";
        event.detail = i % 7 ? "client-2" : NULL; /* a word that is looked for, but not where it stands */
        assert_true(sb_audit_add(f->audit, &event));
        fake_advance_s(&f->clock, 1);
    }
    close_log(f);
}

static void events_are_found_newest_first_and_in_pieces(void **state)
{
    fixture *f = *state;
    uint64_t next = 0, again = 0;
    write_many(f);
    hits all = look_for(f, (sb_audit_query){.limit = 10}, &next);
    assert_int_equal(all.count, 10);
    assert_int_equal(all.first, 3000);
    assert_int_equal(all.last, 2991);
    hits more = look_for(f, (sb_audit_query){.limit = 10, .before = next}, &again);
    assert_int_equal(more.first, 2990);
    hits odd = look_for(f, (sb_audit_query){.client = "a\"b"}, &next);
    assert_int_equal(odd.count, 30);
    assert_int_equal(odd.doubted, 0);
    assert_int_equal(next, 0);
    assert_int_equal(look_for(f, (sb_audit_query){.client = "client-2"}, &next).count, 0);
    hits exports = look_for(f, (sb_audit_query){.event = "export", .since_s = 1790000000 + 2990}, &next);
    assert_int_equal(exports.count, 5); /* 2992 … 3000: the first was written at second 0 */
    assert_int_equal(exports.last, 2992);
    hits early = look_for(f, (sb_audit_query){.until_s = 1790000000 + 3}, &next);
    assert_int_equal(early.count, 3);
    assert_int_equal(early.first, 3);
}

static void an_event_that_was_changed_is_found_and_doubted(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    uint64_t next;
    write_lines(f, 3);
    read_log(f, &log);
    *strstr(line_at(&log, 2).ptr, "client-1") = 'C';
    replace_log(f, sb_buf_str(&log));
    hits h = look_for(f, (sb_audit_query){.client = "Client-1"}, &next);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.doubted, 1);
    replace_log(f, SB_STR_LIT(""));
    assert_int_equal(look_for(f, (sb_audit_query){.limit = 1}, &next).count, 0);
    assert_int_equal(next, 0);
}

static void *write_some(void *arg)
{
    fixture *f = arg;
    for (unsigned i = 0; i < 100; i++) {
        sb_audit_event event = SB_AUDIT_EVENT_INIT;
        event.event = "token.issued";
        event.durable = i % 10 == 0;
        if (!sb_audit_add(f->audit, &event))
            return NULL;
    }
    return f;
}

static void many_threads_make_one_chain(void **state)
{
    fixture *f = *state;
    pthread_t threads[8];
    void *ok;
    sb_audit_verify_result result;
    SB_AUTOFREE old = sb_printf("%s.1", f->path);
    const char *parts[] = {old, f->path};
    open_log(f);
    for (size_t i = 0; i < SB_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, f), 0);
    assert_int_equal(rename(f->path, old), 0);
    assert_ok(sb_audit_reopen(f->audit, NULL));
    for (size_t i = 0; i < SB_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_non_null(ok);
    }
    close_log(f);
    assert_ok(sb_audit_verify(parts, 2, NULL, on_problem, NULL, f, NULL, &result, NULL));
    assert_int_equal(result.lines, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(every_line_holds_the_hash_of_the_one_before),
        T(an_event_is_told_with_all_its_parts),
        T(what_a_stranger_claims_cannot_forge_a_line_or_hold_a_secret),
        T(the_chain_goes_on_after_a_restart),
        T(each_chain_of_several_has_its_head_told),
        T(a_changed_letter_is_found),
        T(a_line_taken_out_is_found),
        T(a_line_put_in_by_somebody_who_can_count_hashes_is_found),
        T(a_log_that_is_cut_off_or_written_anew_shows_against_a_noted_head),
        T(what_a_crash_cut_off_is_moved_aside_and_said),
        T(a_log_whose_last_line_was_changed_is_not_gone_on_with),
        T(two_processes_cannot_have_one_log),
        T(a_log_that_was_renamed_is_gone_on_with_in_a_new_file),
        T(a_full_disk_lets_nobody_in_and_leaves_whole_lines),
        T(events_are_found_newest_first_and_in_pieces),
        T(an_event_that_was_changed_is_found_and_doubted),
        T(many_threads_make_one_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
