/* SPDX-License-Identifier: Apache-2.0 */
/* test_kickoff.c - how a payer is asked for an export, and what is made of each of its answers. */
#include "bulk_fixture.h"

#include "base/json.h"
#include "export/kickoff.h"
#include "export/kickoff_form.h"
#include "export/remember.h"

#define ACCEPTED                                                                                                       \
    {                                                                                                                  \
        .status = 202, .headers = { "Content-Location: " POLL_URL }                                                    \
    }

static sb_status ask(fixture *f, const sb_export_request *request)
{
    SB_AUTOJSON json = NULL;
    SB_AUTOFREE poll_url = NULL;
    must(f, sb_request_new(request, &json, &f->err));
    f->context.request = json;
    sb_status status = sb_kickoff(&f->context, &poll_url, &f->err);
    f->context.request = NULL;
    if (status != SB_OK) {
        assert_null(poll_url);
        return status;
    }
    assert_string_equal(poll_url, POLL_URL);
    assert_fact(f, f->journal, "poll_url", POLL_URL);
    return sb_kickoff_remember_method(&f->context, &f->err);
}

static const sb_export_request patients = {.level = SB_EXPORT_PATIENT};

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_payer_is_asked_at_its_level_with_the_token(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer)ACCEPTED);
    answers(f, (bulk_answer){.status = 404});
    must(f, ask(f, &patients));
    const bulk_seen *s = last_asked(f, "/Patient/$export");
    assert_string_equal(s->url, BASE "/Patient/$export");
    assert_string_equal(s->method, "GET");
    assert_string_equal(s->bearer, "tok1");
    assert_string_equal(s->prefer, "respond-async");
    must(f, ask(f, &(sb_export_request){.level = SB_EXPORT_GROUP, .group_id = "a-1", .lenient = true}));
    assert_string_equal(last_asked(f, "$export")->url, BASE "/Group/a-1/$export");
    assert_string_equal(last_asked(f, "$export")->prefer, "respond-async, handling=lenient");
    must(f, ask(f, &(sb_export_request){.level = SB_EXPORT_SYSTEM}));
    assert_string_equal(last_asked(f, "$export")->url, BASE "/$export");
}

static const sb_export_request everything = {.level = SB_EXPORT_PATIENT,
                                             .types = LIST("Patient", "Coverage"),
                                             .type_filters = LIST("Patient?a=b&c=d", "Coverage?x=1"),
                                             .elements = LIST("id", "Patient.name"),
                                             .include_associated_data = LIST("_x", "LatestProvenanceResources"),
                                             .output_format = "ndjson",
                                             .since = "2026-01-01",
                                             .until = "2026-02-01T00:00:00Z",
                                             .organize_output_by = "Patient",
                                             .allow_partial_manifests = true};

static void every_parameter_has_its_form_in_a_query(void **state)
{
    fixture *f = *state;
    SB_AUTOJSON json = NULL;
    SB_AUTO(sb_buf) query = SB_BUF_INIT;
    must(f, sb_request_new(&everything, &json, &f->err));
    must(f, sb_kickoff_query(json, &query, &f->err));
    assert_string_equal(sb_buf_cstr(&query),
                        "_outputFormat=ndjson&_since=2026-01-01T00%3A00%3A00.000Z&_until=2026-02-01T00%3A00%3A01.000Z"
                        "&_type=Patient%2CCoverage&_elements=id%2CPatient.name"
                        "&includeAssociatedData=_x%2CLatestProvenanceResources"
                        "&_typeFilter=Patient%3Fa%3Db%26c%3Dd&_typeFilter=Coverage%3Fx%3D1"
                        "&organizeOutputBy=Patient&allowPartialManifests=true"); /* EXP-03 */
}

static void assert_body(fixture *f, const sb_export_request *request, bool repeated, const char *want)
{
    SB_AUTOJSON json = NULL;
    SB_AUTOJSON body = NULL;
    must(f, sb_request_new(request, &json, &f->err));
    must(f, sb_kickoff_body(json, repeated, &body, &f->err));
    SB_AUTOFREE text = sb_json_dump(json_object_get(body, "parameter"));
    assert_string_equal(text, want);
}

static void lists_are_entries_of_their_own_where_bulk_data_4_is_spoken(void **state)
{
    fixture *f = *state;
    const sb_export_request request = {.types = LIST("Patient", "Coverage"),
                                       .level = SB_EXPORT_PATIENT,
                                       .patients = LIST("1", "2"),
                                       .since = "2026-01-01",
                                       .include_associated_data = LIST("_x"),
                                       .allow_partial_manifests = true};
    assert_body(f, &request, false,
                "[{\"name\":\"_since\",\"valueInstant\":\"2026-01-01T00:00:00.000Z\"},"
                "{\"name\":\"_type\",\"valueString\":\"Patient,Coverage\"},"
                "{\"name\":\"patient\",\"valueReference\":{\"reference\":\"Patient/1\"}},"
                "{\"name\":\"patient\",\"valueReference\":{\"reference\":\"Patient/2\"}},"
                "{\"name\":\"includeAssociatedData\",\"valueCode\":\"_x\"},"
                "{\"name\":\"allowPartialManifests\",\"valueBoolean\":true}]");
    assert_body(f, &request, true,
                "[{\"name\":\"_since\",\"valueInstant\":\"2026-01-01T00:00:00.000Z\"},"
                "{\"name\":\"_type\",\"valueString\":\"Patient\"},{\"name\":\"_type\",\"valueString\":\"Coverage\"},"
                "{\"name\":\"patient\",\"valueReference\":{\"reference\":\"Patient/1\"}},"
                "{\"name\":\"patient\",\"valueReference\":{\"reference\":\"Patient/2\"}},"
                "{\"name\":\"includeAssociatedData\",\"valueCoding\":{\"code\":\"_x\"}},"
                "{\"name\":\"allowPartialManifests\",\"valueBoolean\":true}]");
}

static void patients_are_posted_and_never_logged(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/metadata", .status = 404});
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT,
                                        .patients = LIST("jane-doe-42"),
                                        .types = LIST("Patient"),
                                        .type_filters = LIST("Patient?_id=jane-doe-42")}));
    const bulk_seen *s = last_asked(f, "$export");
    assert_string_equal(s->method, "POST");
    assert_string_equal(s->url, BASE "/Patient/$export");
    assert_non_null(strstr(s->body, "jane-doe-42"));
    SB_AUTOFREE log = read_text(f, "log.ndjson");
    assert_null(strstr(log, "jane-doe"));
    assert_non_null(strstr(log, "\"eventId\":\"kickoff\""));
    assert_non_null(strstr(log, "\"_typeFilter\":[\"Patient?…\"]"));
    assert_null(strstr(log, "tok1"));
    assert_false(told(f, "jane-doe"));
}

static void patients_that_the_payer_repeats_are_not_shown(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/metadata", .status = 404});
    answers(f, (bulk_answer){.status = 400, .body = OUTCOME("error", "value", "Patient/jane is not jane-doe, nor 7.")});
    must_fail(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT, .patients = LIST("jane", "Patient/7")}),
              SB_E_USAGE, "Patient/**** is not jane-doe, nor *.");
    SB_AUTOFREE log = read_text(f, "log.ndjson");
    assert_non_null(strstr(log, "Patient/****"));
    assert_null(strstr(log, "Patient/jane"));
}

static void patients_are_never_left_out_for_want_of_a_post(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/metadata", .status = 404});
    answers(f, (bulk_answer){.method = "POST", .status = 405});
    answers(f, (bulk_answer)ACCEPTED);
    must_fail(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT, .patients = LIST("1")}), SB_E_SERVER, "405");
    assert_int_equal(asked(f, "GET", "$export"), 0); /* it would bring everybody */
}

static void a_request_too_long_for_a_url_is_posted(void **state)
{
    fixture *f = *state;
    char filter[5000] = "Patient?a=";
    memset(filter + strlen(filter), 'x', 4500);
    answers(f, (bulk_answer){.url = "/metadata", .status = 404});
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT, .type_filters = LIST(filter)}));
    assert_string_equal(last_asked(f, "$export")->method, "POST");
}

static void bulk_data_4_is_asked_by_post(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/metadata",
                             .status = 200,
                             .body = "{\"resourceType\":\"CapabilityStatement\",\"rest\":[{\"a\":[1]}],"
                                     "\"fhirVersion\":\"4.0.1\",\"instantiates\":[\"http://hl7.org/fhir/uv/bulkdata/"
                                     "CapabilityStatement/bulk-data|4.0.0\",\"http://other.example|1\"]}"});
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT, .types = LIST("Patient", "Coverage")}));
    const bulk_seen *s = last_asked(f, "$export");
    assert_string_equal(s->method, "POST"); /* EXP-02 */
    assert_non_null(strstr(s->body, "\"Patient\"},{"));
    assert_null(last_asked(f, "/metadata")->bearer); /* no credentials for what is public */
    SB_AUTOFREE log = read_text(f, "log.ndjson");
    assert_non_null(strstr(log, "\"fhirVersion\":\"4.0.1\""));
}

static void a_payer_with_earlier_versions_too_is_asked_by_get(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/metadata",
                             .status = 200,
                             .body = "{\"implementationGuide\":[\"http://hl7.org/fhir/uv/bulkdata/X|4.0.0\","
                                     "\"http://hl7.org/fhir/uv/bulkdata/X|2.0.0\"]}"});
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &patients));
    assert_string_equal(last_asked(f, "$export")->method, "GET");
}

static void the_other_method_is_tried_and_remembered(void **state)
{
    fixture *f = *state;
    static const bulk_answer refusals[] = {
        {.method = "GET", .url = "$export", .status = 404},
        {.method = "GET", .url = "$export", .status = 405},
        {.method = "GET", .url = "$export", .status = 501},
        {.method = "GET", .url = "$export", .status = 400, .body = OUTCOME("error", "not-supported", "POST only")}};
    for (size_t i = 0; i < SB_ARRAY_LEN(refusals); i++) {
        forget_answers(f);
        forget_seen(f);
        sb_remember_method_set(f->state, BASE, SB_EXPORT_METHOD_GET);
        answers(f, refusals[i]);
        answers(f, (bulk_answer){.method = "POST", .status = 202, .headers = {"Content-Location: " POLL_URL}});
        must(f, ask(f, &patients));
        assert_int_equal(asked(f, "GET", "$export"), 1);
        assert_int_equal(asked(f, "POST", "$export"), 1);
        assert_int_equal(sb_remember_method_get(f->state, BASE), SB_EXPORT_METHOD_POST);
        must(f, ask(f, &patients)); /* the next export begins with what worked */
        assert_int_equal(asked(f, "GET", "$export"), 1);
    }
    forget_answers(f);
    answers(f, (bulk_answer){.method = "POST", .url = "$export", .status = 415});
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &patients));
    assert_int_equal(sb_remember_method_get(f->state, BASE), SB_EXPORT_METHOD_GET);
}

static void a_method_that_was_asked_for_is_the_only_one(void **state)
{
    fixture *f = *state;
    must_fail(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT, .method = SB_EXPORT_METHOD_POST}), SB_E_USAGE,
              "404");
    assert_int_equal(asked(f, "GET", "$export"), 0);
}

static void a_relative_content_location_is_resolved(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "$export", .status = 202, .headers = {"Content-Location: ../status/1"}});
    must(f, ask(f, &patients)); /* EXP-04 */
}

static void a_job_that_is_elsewhere_never_sees_the_token(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 202, .headers = {"Content-Location: https://evil.example/status/1"}});
    must_fail(f, ask(f, &patients), SB_E_SERVER, "token_hosts"); /* USE-03 */
    forget_answers(f);
    answers(f, (bulk_answer){.status = 202, .headers = {"Content-Location: http://evil.example/status/1"}});
    must_fail(f, ask(f, &patients), SB_E_SERVER, "plain http");
    forget_answers(f);
    answers(f, (bulk_answer){.status = 202, .body = "<html>"});
    must_fail(f, ask(f, &patients), SB_E_SERVER, "Content-Location");
}

static void refused(fixture *f, int status, const char *body, sb_status want, const char *why)
{
    forget_answers(f);
    answers(f, (bulk_answer){.url = "/metadata", .status = 404});
    answers(f, (bulk_answer){.status = status, .body = body});
    must_fail(f, ask(f, &patients), want, why);
    assert_int_equal(f->err.http_status, status);
    assert_fact(f, f->journal, "kickoff_sent", NULL); /* the payer said no: no job can be lost */
}

static void every_refusal_has_its_exit_code_and_the_payers_words(void **state)
{
    fixture *f = *state;
    refused(f, 400, OUTCOME("error", "value", "_typ is unknown"), SB_E_USAGE, "_typ is unknown");
    refused(f, 403, OUTCOME("error", "forbidden", "no group for you"), SB_E_AUTH, "no group for you");
    refused(f, 404, NULL, SB_E_USAGE, "fhir_url");
    refused(f, 405, NULL, SB_E_SERVER, "405");
    refused(f, 406, NULL, SB_E_SERVER, "406");
    refused(f, 409, NULL, SB_E_SERVER, "409");
    refused(f, 422, OUTCOME("error", "invalid", "x"), SB_E_USAGE, "invalid: x");
    refused(f, 500, "<html>\x1b[31mboom", SB_E_SERVER, "boom");
    assert_null(strchr(f->err.why, '\x1b'));
    refused(f, 302, NULL, SB_E_SERVER, "302");
}

static void a_401_is_a_refusal(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "$export", .status = 401});
    must_fail(f, ask(f, &patients), SB_E_AUTH, "401");
    assert_int_equal(asked(f, NULL, "$export"), 2); /* USE-04: once more with a new token */
    assert_fact(f, f->journal, "kickoff_sent", NULL);
}

static void a_busy_payer_is_waited_for_as_it_says(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "$export",
                             .status = 429,
                             .headers = {"Retry-After: 120"},
                             .times = 3,
                             .body = OUTCOME("error", "throttled", "one at a time")});
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &patients));
    assert_int_equal(atomic_load(&f->clock.waited_ns) / SB_NS_PER_S, 360);
    assert_true(told(f, "retry|the payer has another export of ours under way"));
    assert_true(told(f, "one at a time"));
    assert_true(told(f, "|120\n"));
}

static void a_payer_that_stays_busy_for_a_day_is_given_up(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 429, .headers = {"Retry-After: 999999999"}}); /* clamped to an hour */
    must_fail(f, ask(f, &patients), SB_E_SERVER, "busy");
    assert_in_range(asked(f, NULL, "$export"), 24, 27);
}

static void a_payer_that_is_unavailable_is_tried_a_few_times(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "$export", .status = 503, .times = 2});
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &patients));
    forget_answers(f);
    forget_seen(f);
    answers(f, (bulk_answer){.status = 503, .body = OUTCOME("error", "transient", "maintenance")});
    must_fail(f, ask(f, &patients), SB_E_SERVER, "maintenance");
    assert_int_equal(asked(f, NULL, "$export"), 6);
}

static void a_request_that_never_left_is_sent_again(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "$export", .status = 0, .unsent = true, .times = 3});
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &patients));
    assert_int_equal(asked(f, NULL, "$export"), 4);
    forget_answers(f);
    forget_seen(f);
    answers(f, (bulk_answer){.status = 0, .unsent = true});
    must_fail(f, ask(f, &patients), SB_E_NETWORK, "no connection");
    assert_int_equal(asked(f, NULL, "$export"), 4);
    assert_fact(f, f->journal, "kickoff_sent", NULL);
}

static void a_lost_answer_never_starts_a_second_job_by_itself(void **state)
{
    fixture *f = *state;
    static const bulk_answer losses[] = {{.url = "$export", .status = 0},
                                         {.url = "$export", .status = 502, .body = "<html>Bad Gateway"},
                                         {.url = "$export", .status = 504}};
    for (size_t i = 0; i < SB_ARRAY_LEN(losses); i++) {
        forget_answers(f);
        forget_seen(f);
        forget_events(f);
        answers(f, losses[i]);
        must_fail(f, ask(f, &patients), SB_E_NETWORK, "resume asks again");
        assert_int_equal(asked(f, NULL, "$export"), 1);
        assert_fact(f, f->journal, "kickoff_sent", "2026-09-21T14:13:20.000Z");
        forget_answers(f);
        answers(f, (bulk_answer)ACCEPTED);
        must(f, ask(f, &patients)); /* a resume: told aloud */
        assert_true(told(f, "warning|a kick-off was sent at 2026-09-21T14:13:20.000Z and its answer was lost"));
    }
}

static void a_kickoff_is_in_the_journal_before_it_is_sent(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &patients));
    assert_fact(f, f->journal, "kickoff_sent", "2026-09-21T14:13:20.000Z"); /* forgotten together with the answer */
}

static void cancel_it(void *impl, const sb_http_request *request)
{
    fixture *f = impl;
    if (strstr(request->url, "$export"))
        atomic_store(&f->cancel, true);
}

static void a_wait_ends_at_once_when_it_is_cancelled(void **state)
{
    fixture *f = *state;
    f->payer_side.on_request = cancel_it;
    f->payer_side.on_request_impl = f;
    answers(f, (bulk_answer){.status = 429, .headers = {"Retry-After: 3600"}});
    must_fail(f, ask(f, &patients), SB_E_INTERRUPTED, "resume");
    assert_int_equal(atomic_load(&f->clock.waited_ns), 0);
}

static void types_that_the_token_lacks_are_said_before_the_payer_does(void **state)
{
    fixture *f = *state;
    f->options.scope = "system/Patient.rs";
    open_payer(f);
    f->context.payer = f->payer;
    answers(f, (bulk_answer)ACCEPTED);
    must(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT, .types = LIST("Patient", "Coverage", "Claim")}));
    assert_true(told(f, "warning|the token does not cover Coverage, Claim:")); /* TOK-07 */
    assert_fact(f, f->journal, "uncovered", "Coverage, Claim");
    must(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT, .types = LIST("Patient")}));
    assert_fact(f, f->journal, "uncovered", NULL);
    forget_seen(f);
    must_fail(f, ask(f, &(sb_export_request){.level = SB_EXPORT_PATIENT, .types = LIST("Coverage", "Claim")}),
              SB_E_AUTH, "Coverage, Claim");
    assert_int_equal(asked(f, NULL, "$export"), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_payer_is_asked_at_its_level_with_the_token),
        T(every_parameter_has_its_form_in_a_query),
        T(lists_are_entries_of_their_own_where_bulk_data_4_is_spoken),
        T(patients_are_posted_and_never_logged),
        T(patients_that_the_payer_repeats_are_not_shown),
        T(patients_are_never_left_out_for_want_of_a_post),
        T(a_request_too_long_for_a_url_is_posted),
        T(bulk_data_4_is_asked_by_post),
        T(a_payer_with_earlier_versions_too_is_asked_by_get),
        T(the_other_method_is_tried_and_remembered),
        T(a_method_that_was_asked_for_is_the_only_one),
        T(a_relative_content_location_is_resolved),
        T(a_job_that_is_elsewhere_never_sees_the_token),
        T(every_refusal_has_its_exit_code_and_the_payers_words),
        T(a_401_is_a_refusal),
        T(a_busy_payer_is_waited_for_as_it_says),
        T(a_payer_that_stays_busy_for_a_day_is_given_up),
        T(a_payer_that_is_unavailable_is_tried_a_few_times),
        T(a_request_that_never_left_is_sent_again),
        T(a_lost_answer_never_starts_a_second_job_by_itself),
        T(a_kickoff_is_in_the_journal_before_it_is_sent),
        T(a_wait_ends_at_once_when_it_is_cancelled),
        T(types_that_the_token_lacks_are_said_before_the_payer_does),
    };
    return cmocka_run_group_tests_name("export_kickoff", tests, NULL, NULL);
}
