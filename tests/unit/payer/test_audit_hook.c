/* SPDX-License-Identifier: Apache-2.0 */
/* test_audit_hook.c - what the audit log is told of requests; and that nothing is given which it could not be told. */
#include <smartbulk/audit.h>

#include "service_fixture.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/json.h"
#include "payer/routes/knocks.h"

typedef struct audited {
    fixture *f;
    char *path;
    sb_audit *audit;
    sb_metrics *metrics;
} audited;

static int audited_set_up(void **state)
{
    audited *a = calloc(1, sizeof(*a));
    void *f = NULL;
    if (!a || set_up(&f) != 0)
        return -1;
    a->f = f;
    a->path = sb_path_join(a->f->dir, "audit.ndjson");
    assert_ok(sb_audit_open(a->path, false, &a->f->clock.clock, &a->audit, NULL));
    assert_ok(sb_metrics_new(&a->f->clock.clock, &a->metrics, NULL));
    a->f->options.audit = a->audit;
    a->f->options.metrics = a->metrics;
    a->f->options.failures_burst = 3;
    a->f->options.failures_per_minute = 60;
    fixture_reopen(a->f);
    *state = a;
    return 0;
}

static int audited_tear_down(void **state)
{
    audited *a = *state;
    void *f = a->f;
    int rc = tear_down(&f);
    sb_audit_free(a->audit);
    sb_metrics_free(a->metrics);
    free(a->path);
    free(a);
    return rc;
}

/* The event `back` lines before the last; the caller's. */
static json_t *event(const audited *a, unsigned back)
{
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    sb_str rest, line;
    json_t *list = json_array(), *found;
    assert_ok(sb_file_read(a->path, 1 << 20, &log, NULL));
    rest = sb_buf_str(&log);
    while (sb_str_split(&rest, '\n', &line) && line.len > 0)
        assert_int_equal(json_array_append_new(list, json_loadb(line.ptr, line.len, 0, NULL)), 0);
    assert_true(json_array_size(list) > back);
    found = json_incref(json_array_get(list, json_array_size(list) - 1 - back));
    json_decref(list);
    return found;
}

static size_t count_events(const audited *a)
{
    const char *files[] = {a->path};
    sb_audit_verify_result result;
    assert_ok(sb_audit_verify(files, 1, NULL, NULL, NULL, NULL, NULL, &result, NULL));
    return result.lines;
}

#define assert_member(object, name, value) assert_string_equal(sb_json_str(object, name), value)

static void a_token_that_is_issued_is_told(void **state)
{
    audited *a = *state;
    SB_AUTOFREE token = bearer(a->f, 1, "system/*.rs");
    SB_AUTOJSON e = event(a, 0);
    assert_member(e, "event", "token.issued");
    assert_member(e, "outcome", "ok");
    assert_member(e, "reason", "granted");
    assert_member(e, "client", "client-1");
    assert_member(e, "peer", "192.0.2.1");
}

static void a_token_that_is_refused_is_told_with_its_exact_reason(void **state)
{
    audited *a = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    forge by = forge_of(a->f, 1);
    by.key = a->f->other;
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    ask_token(a->f, assertion, "system/*.rs", &r);
    assert_int_equal(r.status, 401);
    SB_AUTOJSON e = event(a, 0);
    assert_member(e, "event", "token.refused");
    assert_member(e, "outcome", "refused");
    assert_member(e, "reason", "signature_invalid");
    assert_member(e, "client", "client-1");
    assert_null(strstr(r.body, "signature_invalid"));
}

static void an_export_is_told_with_its_group_and_what_it_was_refused_for(void **state)
{
    audited *a = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE narrow = bearer(a->f, 2, "system/Coverage.read");
    SB_AUTOFREE headers = sb_printf("%sPrefer: respond-async\nAccept: application/fhir+json\n", narrow);
    get(a->f, "/fhir/Group/all/$export?_type=Patient", headers, &r);
    assert_true(r.status >= 400);
    SB_AUTOJSON refused = event(a, 0);
    assert_member(refused, "event", "export.refused");
    assert_member(refused, "client", "client-2");
    assert_member(refused, "group", "all");
    SB_AUTOFREE wide = bearer(a->f, 1, "system/*.rs");
    SB_AUTOFREE good = sb_printf("%sPrefer: respond-async\nAccept: application/fhir+json\n", wide);
    get(a->f, "/fhir/Patient/$export", good, &r);
    assert_int_equal(r.status, 202);
    SB_AUTOJSON started = event(a, 0);
    assert_member(started, "event", "export.started");
    assert_member(started, "outcome", "ok");
    assert_member(started, "client", "client-1");
}

/* `body` NULL: a GET. */
static void expect_refused(audited *a, const char *headers, const char *target, const char *body, const char *reason)
{
    SB_AUTO(reply) r = REPLY_INIT;
    send_to(a->f, body ? "POST" : "GET", target, headers, sb_str_from(body ? body : ""), &r);
    assert_true(r.status >= 400 && r.status < 500);
    SB_AUTOJSON e = event(a, 0);
    assert_member(e, "event", "export.refused");
    assert_member(e, "client", "client-1");
    if (strcmp(sb_json_str(e, "reason"), reason) != 0)
        fail_msg("%s: '%s', not '%s'", target, sb_json_str(e, "reason"), reason);
}

#define PARAMETER(name, value) "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"" name "\"," value "}]}"

static void each_refusal_of_a_kick_off_has_its_own_reason(void **state)
{
    audited *a = *state;
    static const char *const queries[][2] = {
        {"_type=Nothing", "type_unknown"},
        {"_typeFilter=Patient%3Fx=y", "filter_invalid"},
        {"_since=now", "since_invalid"},
        {"_since=2024-01-01T00:00:00Z&_since=2024-01-01T00:00:00Z", "since_invalid"},
        {"_until=now", "until_invalid"},
        {"_elements=%3F", "elements_invalid"},
        {"_outputFormat=text/csv", "output_format_not_offered"},
        {"patient=Patient/1", "patient_invalid"},
        {"allowPartialManifests=maybe", "partial_manifests_invalid"},
        {"whatever=1", "parameter_unknown"},
        {"_type=%ff", "parameters_malformed"},
        {"_typeFilter=Nothing%3Fx=y", "filter_invalid"},
        {"_since=2024-01-02T00:00:00Z&_until=2024-01-01T00:00:00Z", "until_invalid"},
        {"_since=", "since_invalid"},
        {"organizeOutputBy=Patient", "parameter_unknown"},
        {"exportType=hl7.fhir.us.davinci-atr", "parameter_unknown"}, /* it is not $davinci-data-export */
    };
    SB_AUTOFREE token = bearer(a->f, 1, "system/*.rs");
    SB_AUTOFREE good = sb_printf("%sPrefer: respond-async\nAccept: application/fhir+json\n", token);
    SB_AUTOFREE csv = sb_printf("%sPrefer: respond-async\nAccept: text/csv\n", token);
    SB_AUTOFREE post = sb_printf("%sContent-Type: application/fhir+json\n", good);
    SB_AUTOFREE form = sb_printf("%sContent-Type: text/plain\n", good);
    for (size_t i = 0; i < SB_ARRAY_LEN(queries); i++) {
        SB_AUTOFREE target = sb_printf("/fhir/Patient/$export?%s", queries[i][0]);
        expect_refused(a, good, target, NULL, queries[i][1]);
    }
    expect_refused(a, token, "/fhir/Patient/$export", NULL, "prefer_missing");
    expect_refused(a, csv, "/fhir/Patient/$export", NULL, "accept_not_offered");
    expect_refused(a, form, "/fhir/Patient/$export", "{}", "content_type_wrong");
    expect_refused(a, post, "/fhir/Patient/$export?a=b", "{}", "parameter_in_url");
    expect_refused(a, post, "/fhir/Patient/$export", "{}", "parameters_malformed");
    expect_refused(a, post, "/fhir/Group/all/$davinci-data-export", PARAMETER("exportType", "\"valueUri\":\"x\""),
                   "export_type_invalid");
    expect_refused(a, post, "/fhir/Patient/$export", PARAMETER("patient", "\"valueString\":\"Patient/1\""),
                   "patient_invalid");
    expect_refused(a, post, "/fhir/$export", PARAMETER("patient", "\"valueReference\":{\"reference\":\"Patient/1\"}"),
                   "patient_invalid");
    expect_refused(a, good, "/fhir/Group/nobodys/$export", NULL, "group_unknown");
    SB_AUTOFREE narrow = bearer(a->f, 1, "system/Coverage.read");
    SB_AUTOFREE covers_less = sb_printf("%sPrefer: respond-async\n", narrow);
    expect_refused(a, covers_less, "/fhir/Patient/$export?_type=Patient", NULL, "scope_insufficient");
    expect_refused(a, covers_less, "/fhir/Patient/$export?_typeFilter=Patient%3F_id=1", NULL, "scope_insufficient");
}

static void what_a_client_may_not_have_more_of_has_a_reason_too(void **state)
{
    audited *a = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    a->f->jobs_options.per_client = 1;
    a->f->jobs_options.min_seconds = 100;
    fixture_reopen(a->f);
    SB_AUTOFREE token = bearer(a->f, 1, "system/*.rs");
    SB_AUTOFREE good = sb_printf("%sPrefer: respond-async\n", token);
    get(a->f, "/fhir/Patient/$export", good, &r);
    assert_int_equal(r.status, 202);
    expect_refused(a, good, "/fhir/Patient/$export", NULL, "too_many_exports");
}

static void expect_path(audited *a, const char *method, const char *target, const char *path)
{
    SB_AUTO(reply) r = REPLY_INIT;
    send_to(a->f, method, target, NULL, SB_STR_NULL, &r);
    assert_string_equal(a->f->path, path);
}

static void whom_a_proxy_asks_about_is_not_in_the_log(void **state)
{
    audited *a = *state;
    expect_path(a, "GET", "/authorize-request/fhir/Patient/member-7", "/authorize-request");
    expect_path(a, "PATCH", "/authorize-request/fhir/Patient/member-7", "/authorize-request");
    expect_path(a, "GET", "/%61uthorize-request/fhir/Patient/member-7", "/authorize-request");
    expect_path(a, "GET", "/fhir/metadata?member-7", "/fhir/metadata");
}

static void what_is_read_of_an_export_is_told_and_whose_it_is_not(void **state)
{
    audited *a = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE token = bearer(a->f, 1, "system/*.rs");
    get(a->f, "/fhir/jobs/00112233445566778899aabbccddeeff/Patient.0.ndjson", token, &r);
    assert_int_equal(r.status, 404);
    SB_AUTOJSON e = event(a, 0);
    assert_member(e, "event", "export.file");
    assert_member(e, "outcome", "refused");
    assert_member(e, "reason", "export_unknown");
    assert_member(e, "job", "00112233445566778899aabbccddeeff");
    assert_member(e, "detail", "Patient.0.ndjson");
}

static void knocking_strangers_cannot_fill_the_disk(void **state)
{
    audited *a = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    for (int i = 0; i < 50; i++)
        get(a->f, "/fhir/Group", NULL, &r);
    assert_int_equal(r.status, 401);
    assert_int_equal(count_events(a), 1);
    fake_advance_s(&a->f->clock, 1);
    get(a->f, "/fhir/Group", "Authorization: Bearer nobodys\n", &r);
    assert_int_equal(count_events(a), 2);
    SB_AUTOJSON e = event(a, 0);
    assert_member(e, "event", "access.refused");
    assert_member(e, "reason", "token_invalid");
    assert_member(e, "detail", "before it: 49 token_missing");
    SB_AUTO(sb_buf) log = SB_BUF_INIT;
    assert_ok(sb_file_read(a->path, 1 << 20, &log, NULL));
    assert_null(strstr(sb_buf_cstr(&log), "nobodys"));
}

#define FORM "Content-Type: application/x-www-form-urlencoded\n"

static void expect_post(audited *a, const char *body, unsigned status)
{
    SB_AUTO(reply) r = REPLY_INIT;
    send_to(a->f, "POST", "/token", FORM, sb_str_from(body), &r);
    if (r.status != status)
        fail_msg("%s: %u, not %u", body, r.status, status);
}

static void forms_that_are_none_cannot_fill_the_disk_and_each_reason_is_counted(void **state)
{
    audited *a = *state;
    a->f->options.failures_burst = 10;
    fixture_reopen(a->f);
    size_t before = count_events(a);
    for (int i = 0; i < 7; i++)
        expect_post(a, "grant_type=x", 400);
    for (int i = 0; i < 2; i++)
        expect_post(a, "grant_type=client_credentials", 401);
    expect_post(a, "grant_type=client_credentials&a=1&a=1", 400);
    for (int i = 0; i < 5; i++)
        expect_post(a, "grant_type=x", 429); /* AUTH-11 */
    assert_int_equal(count_events(a), before + 1);
    fake_advance_s(&a->f->clock, 1);
    expect_post(a, "grant_type=x", 400);
    assert_int_equal(count_events(a), before + 2);
    SB_AUTOJSON e = event(a, 0);
    assert_member(e, "event", "token.refused");
    assert_member(e, "reason", "grant_type_unknown");
    assert_member(e, "peer", "192.0.2.1");
    assert_member(e, "detail",
                  "before it: 6 grant_type_unknown, 2 assertion_missing, 1 parameter_repeated, 5 too_many_failures");
}

static void what_was_counted_is_told_at_the_end(void **state)
{
    audited *a = *state;
    expect_post(a, "grant_type=x", 400);
    expect_post(a, "grant_type=x", 400);
    fixture_reopen(a->f);
    SB_AUTOJSON e = event(a, 0);
    assert_member(e, "event", "access.refused");
    assert_member(e, "reason", "several");
    assert_member(e, "detail", "before it: 1 grant_type_unknown");
    size_t told = count_events(a);
    fixture_reopen(a->f);
    assert_int_equal(count_events(a), told);
}

static void try_as(audited *a, const char *id, const sb_key *key)
{
    SB_AUTO(reply) r = REPLY_INIT;
    forge by = forge_of(a->f, 1);
    by.client_id = id;
    by.key = key;
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    ask_token(a->f, assertion, "system/*.rs", &r);
    assert_int_equal(r.status, 401);
}

static void clients_that_nobody_knows_are_told_by_the_second_and_ours_each_time(void **state)
{
    audited *a = *state;
    a->f->options.failures_burst = 100;
    fixture_reopen(a->f);
    size_t before = count_events(a);
    for (int i = 0; i < 5; i++)
        try_as(a, "nobody", a->f->other);
    assert_int_equal(count_events(a), before + 1);
    SB_AUTOJSON e = event(a, 0);
    assert_member(e, "reason", "client_unknown");
    assert_member(e, "client", "nobody");
    for (int i = 0; i < 5; i++)
        try_as(a, "client-1", a->f->other);
    assert_int_equal(count_events(a), before + 6);
}

static void more_reasons_than_are_kept_are_counted_together(void **state)
{
    static const char *const words[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
                                        "j", "k", "l", "m", "n", "o", "p", "q", "r"};
    sb_knocks knocks = {.has_told = false};
    char text[SB_KNOCKS_TEXT_SIZE];
    (void)state;
    assert_true(sb_knocks_init(&knocks));
    assert_true(sb_knocks_add(&knocks, "a", 7, text));
    assert_string_equal(text, "");
    for (size_t i = 0; i < SB_ARRAY_LEN(words); i++)
        assert_false(sb_knocks_add(&knocks, words[i], 7, text));
    assert_false(sb_knocks_add(&knocks, "r", 7, text));
    assert_true(sb_knocks_add(&knocks, "a", 8, text));
    assert_string_equal(text,
                        "before it: 1 a, 1 b, 1 c, 1 d, 1 e, 1 f, 1 g, 1 h, 1 i, 1 j, 1 k, 1 l, 1 m, 1 n, 1 o, 1 p, "
                        "3 others");
    assert_false(sb_knocks_take(&knocks, text));
    sb_knocks_destroy(&knocks);
}

static void what_cannot_be_written_is_not_given(void **state)
{
    audited *a = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    struct rlimit before;
    SB_AUTOFREE token = bearer(a->f, 1, "system/*.rs");
    SB_AUTOFREE headers = sb_printf("%sPrefer: respond-async\nAccept: application/fhir+json\n", token);
    forge by = forge_of(a->f, 1);
    SB_AUTOFREE assertion = forge_assertion(&by, NULL, NULL);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit none = {0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    ask_token(a->f, assertion, "system/*.rs", &r);
    assert_int_equal(r.status, 503);
    assert_contains(r.body, "temporarily_unavailable");
    assert_null(strstr(r.body, "access_token"));
    assert_string_equal(a->f->reason, "audit_unwritable");
    get(a->f, "/fhir/Patient/$export", headers, &r);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r.status, 503);
    assert_contains(r.body, "OperationOutcome");
    assert_non_null(reply_header(&r, "Retry-After"));
    assert_null(reply_header(&r, "Content-Location"));
    get(a->f, "/fhir/Patient/$export", headers, &r); /* and all is well again */
    assert_int_equal(r.status, 202);
}

static void answers_are_counted_by_route_status_and_reason(void **state)
{
    audited *a = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(sb_buf) out = SB_BUF_INIT;
    SB_AUTOFREE token = bearer(a->f, 1, "system/*.rs");
    get(a->f, "/fhir/Group", NULL, &r);
    get(a->f, "/nowhere/\"x", NULL, &r);
    assert_true(sb_metrics_write(a->metrics, &out));
    assert_contains(sb_buf_cstr(&out), "smartbulk_requests_total{route=\"token\",code=\"200\"} 1\n");
    assert_contains(sb_buf_cstr(&out), "smartbulk_requests_total{route=\"groups\",code=\"401\"} 1\n");
    assert_contains(sb_buf_cstr(&out), "smartbulk_requests_total{route=\"none\",code=\"404\"} 1\n");
    assert_contains(sb_buf_cstr(&out), "smartbulk_refusals_total{route=\"groups\",reason=\"token_missing\"} 1\n");
    assert_contains(sb_buf_cstr(&out), "smartbulk_request_seconds_bucket{route=\"token\",le=\"+Inf\"} 1\n");
    assert_contains(sb_buf_cstr(&out), "# TYPE smartbulk_request_seconds histogram\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, audited_set_up, audited_tear_down)
        T(a_token_that_is_issued_is_told),
        T(a_token_that_is_refused_is_told_with_its_exact_reason),
        T(an_export_is_told_with_its_group_and_what_it_was_refused_for),
        T(each_refusal_of_a_kick_off_has_its_own_reason),
        T(what_a_client_may_not_have_more_of_has_a_reason_too),
        T(whom_a_proxy_asks_about_is_not_in_the_log),
        T(what_is_read_of_an_export_is_told_and_whose_it_is_not),
        T(knocking_strangers_cannot_fill_the_disk),
        T(forms_that_are_none_cannot_fill_the_disk_and_each_reason_is_counted),
        T(what_was_counted_is_told_at_the_end),
        T(clients_that_nobody_knows_are_told_by_the_second_and_ours_each_time),
        cmocka_unit_test(more_reasons_than_are_kept_are_counted_together),
        T(what_cannot_be_written_is_not_given),
        T(answers_are_counted_by_route_status_and_reason),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
