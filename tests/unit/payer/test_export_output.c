/* SPDX-License-Identifier: Apache-2.0 */
/* test_export_output.c - what an export gives, and says, for what it was asked. */
#include "export_job_fixture.h"

static void an_unfiltered_export_gives_back_the_very_files(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON manifest = manifest_of(f, "a", id);
    assert_string_equal(sb_json_str(manifest, "request"), request.request_url);
    assert_string_equal(sb_json_str(manifest, "transactionTime"), "2026-11-18T11:06:40.000Z");
    assert_true(json_is_true(json_object_get(manifest, "requiresAccessToken")));
    assert_int_equal(json_array_size(json_object_get(manifest, "deleted")), 0);
    assert_int_equal(json_array_size(json_object_get(manifest, "error")), 0);
    size_t i;
    json_t *item;
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), scratch_count(f->data_dir));
    json_array_foreach (json_object_get(manifest, "output"), i, item) {
        SB_AUTO(sb_buf) served = SB_BUF_INIT;
        SB_AUTO(sb_buf) source = SB_BUF_INIT;
        const char *name = strrchr(sb_json_str(item, "url"), '/') + 1;
        SB_AUTOFREE path = sb_path_join(f->data_dir, name); /* the generator's names are numbered as ours */
        append_file(f, "a", id, name, &served);
        assert_ok(sb_file_read(path, 64 << 20, &source, NULL));
        assert_true(served.len > 0 && sb_str_eq(sb_buf_str(&served), sb_buf_str(&source)));
    }
    SB_AUTOFREE jobs = sb_path_join(f->state_dir, "jobs");
    assert_int_equal(scratch_count(jobs), 0); /* nothing was copied, but to be had compressed */
}

static void the_next_export_since_the_transaction_time_is_empty(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    atomic_store(&f->clock.wall_s, NOW_S - INT64_C(400) * 86400); /* now the data's stamps are in the future */
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON first = manifest_of(f, "a", id);
    request.since = sb_str_from(sb_json_str(first, "transactionTime"));
    id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON second = manifest_of(f, "a", id);
    assert_int_equal(json_array_size(json_object_get(second, "output")), 0);
}

static void since_and_until_divide_the_data(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) all = SB_BUF_INIT;
    SB_AUTO(sb_buf) older = SB_BUF_INIT;
    SB_AUTO(sb_buf) newer = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    (void)export_type(f, &request, "ExplanationOfBenefit", &all);
    request.until = SB_STR_LIT("2023-01-01T00:00:00Z");
    (void)export_type(f, &request, "ExplanationOfBenefit", &older);
    request.until = SB_STR_NULL;
    request.since = SB_STR_LIT("2023-01-01T00:00:00Z");
    (void)export_type(f, &request, "ExplanationOfBenefit", &newer);
    assert_true(count_lines(&older) > 0 && count_lines(&newer) > 0);
    assert_int_equal(count_lines(&older) + count_lines(&newer), count_lines(&all));
    assert_int_equal(older.len + newer.len, all.len);
    assert_null(strstr(sb_buf_cstr(&older), "\"lastUpdated\":\"2024"));
    assert_null(strstr(sb_buf_cstr(&newer), "\"lastUpdated\":\"2022"));
}

static void groups_divide_the_patients(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) all = SB_BUF_INIT;
    SB_AUTO(sb_buf) first = SB_BUF_INIT;
    SB_AUTO(sb_buf) second = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("all");
    (void)export_type(f, &request, "ExplanationOfBenefit", &all);
    request.group_id = SB_STR_LIT("first-half");
    (void)export_type(f, &request, "ExplanationOfBenefit", &first);
    request.group_id = SB_STR_LIT("second-half");
    (void)export_type(f, &request, "ExplanationOfBenefit", &second);
    assert_int_equal(first.len + second.len, all.len);
    assert_non_null(strstr(sb_buf_cstr(&first), "Patient/p00000001\""));
    assert_null(strstr(sb_buf_cstr(&second), "Patient/p00000001\""));
    request.group_id = SB_STR_LIT("../all");
    expect_refusal(f, &request, 404, "not this client's");
}

static void a_patient_export_holds_what_belongs_to_patients(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    assert_int_equal(export_type(f, &request, "Practitioner", &text), 0);
    sb_str types[] = {SB_STR_LIT("Practitioner")};
    request.types = (sb_job_list){types, 1};
    assert_int_equal(export_type(f, &request, "Practitioner", &text), 1); /* claims refer to them */
    types[0] = SB_STR_LIT("Provenance");                                  /* may be about anybody */
    expect_refusal(f, &request, 400, "belongs to no patient");
}

static void listed_patients_are_all_that_is_given(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    sb_str patients[] = {SB_STR_LIT("Patient/p00000003"), SB_STR_LIT("https://p.example/fhir/Patient/p00000004")};
    request.patients = (sb_job_list){patients, 2};
    (void)export_type(f, &request, "Patient", &text);
    assert_int_equal(count_lines(&text), 2);
    sb_str strangers[] = {SB_STR_LIT("Patient/nobody")};
    request.patients = (sb_job_list){strangers, 1};
    expect_refusal(f, &request, 400, "patient");
    request.lenient = true; /* nobody is left: that must not become everybody */
    sb_buf_clear(&text);
    assert_int_equal(export_type(f, &request, "Patient", &text), 0);
    request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("second-half");
    sb_str outside[] = {SB_STR_LIT("Patient/p00000001")};
    request.patients = (sb_job_list){outside, 1};
    expect_refusal(f, &request, 400, "patient");
    request = request_of("a", SB_JOB_SYSTEM);
    request.patients = (sb_job_list){patients, 2};
    request.lenient = true;
    expect_refusal(f, &request, 400, "patient");
}

static void elements_leave_the_rest_out_and_say_so(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    sb_str elements[] = {SB_STR_LIT("Patient.birthDate,ExplanationOfBenefit.total")};
    request.elements = (sb_job_list){elements, 1};
    (void)export_type(f, &request, "Patient", &text);
    sb_str first = sb_buf_str(&text), line;
    assert_true(sb_str_split(&first, '\n', &line));
    SB_AUTOJSON patient = NULL;
    assert_ok(sb_json_parse_object(line, "a cut patient", &patient, NULL));
    assert_int_equal(json_object_size(patient), 4); /* resourceType, id, meta, birthDate */
    assert_string_equal(sb_json_str(patient, "id"), "p00000001");
    json_t *meta = json_object_get(patient, "meta");
    assert_non_null(json_object_get(meta, "lastUpdated"));
    assert_string_equal(sb_json_str(json_array_get(json_object_get(meta, "tag"), 0), "code"), "SUBSETTED");
    sb_buf_clear(&text);
    (void)export_type(f, &request, "ExplanationOfBenefit", &text);
    first = sb_buf_str(&text);
    assert_true(sb_str_split(&first, '\n', &line));
    SB_AUTOJSON claim = NULL;
    assert_ok(sb_json_parse_object(line, "a cut claim", &claim, NULL));
    assert_non_null(json_object_get(claim, "total"));
    assert_non_null(json_object_get(claim, "insurance")); /* may not be missing */
    assert_null(json_object_get(claim, "item"));
    sb_buf_clear(&text);
    (void)export_type(f, &request, "Coverage", &text); /* nothing was said of it: whole */
    assert_null(strstr(sb_buf_cstr(&text), "SUBSETTED"));
    elements[0] = SB_STR_LIT("birthDate, na me");
    expect_refusal(f, &request, 400, "_elements 'na me'");
}

static void filtered_output_is_cut_into_files(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) whole = SB_BUF_INIT;
    SB_AUTO(sb_buf) cut = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half");
    assert_int_equal(export_type(f, &request, "ExplanationOfBenefit", &whole), 1);
    f->options.file_bytes = 20000;
    restart(f);
    unsigned files = export_type(f, &request, "ExplanationOfBenefit", &cut);
    assert_in_range(files, whole.len / 20000, whole.len / 10000);
    assert_true(sb_str_eq(sb_buf_str(&whole), sb_buf_str(&cut)));
    f->options.file_bytes = 1; /* shorter than any line: a resource a file */
    restart(f);
    sb_buf_clear(&cut);
    assert_int_equal(export_type(f, &request, "ExplanationOfBenefit", &cut), count_lines(&whole));
}

static void wrong_parameters_are_refused_and_named(void **state)
{
    fixture *f = *state;
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    request.since = SB_STR_LIT("2026-01-01");
    expect_refusal(f, &request, 400, "_since '2026-01-01' is not an instant");
    request.since = SB_STR_LIT("2026-01-01T00:00:00Z");
    request.until = SB_STR_LIT("2025-01-01T00:00:00Z");
    expect_refusal(f, &request, 400, "_until");
    request = request_of("a", SB_JOB_SYSTEM);
    request.output_format = SB_STR_LIT("text/csv");
    expect_refusal(f, &request, 400, "_outputFormat 'text/csv'");
    request.output_format = SB_STR_LIT("ndjson");
    sb_str types[] = {SB_STR_LIT("Patient,Pateint")};
    request.types = (sb_job_list){types, 1};
    expect_refusal(f, &request, 400, "_type 'Pateint' is no resource type");
    types[0] = SB_STR_LIT("x\x1b[31m");
    expect_refusal(f, &request, 400, "_type '?'"); /* nothing of it reaches a terminal */
    request = request_of("a", SB_JOB_SYSTEM);
    sb_str filters[] = {SB_STR_LIT("ExplanationOfBenefit?service-date=sa2025")};
    request.type_filters = (sb_job_list){filters, 1};
    expect_refusal(f, &request, 400, "_typeFilter");
}

static void types_beyond_the_token_are_refused(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_str types[] = {SB_STR_LIT("ExplanationOfBenefit")};
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    assert_ok(sb_scopes_parse("system/Patient.rs system/Coverage.read", &scopes, NULL));
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    request.scopes = &scopes;
    assert_int_equal(export_type(f, &request, "ExplanationOfBenefit", &text), 0); /* not asked for, not given */
    request.types = (sb_job_list){types, 1};
    expect_refusal(f, &request, 403, "ExplanationOfBenefit");
    request.lenient = true;
    expect_refusal(f, &request, 403, "ExplanationOfBenefit");
    request.types.count = 0;
    assert_ok(sb_scopes_parse("", &scopes, NULL));
    expect_refusal(f, &request, 403, "covers no resource type");
}

static void what_a_lenient_request_misses_is_in_an_error_file(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str types[] = {SB_STR_LIT("Patient"), SB_STR_LIT("Pateint"), SB_STR_LIT("Observation")};
    request.types = (sb_job_list){types, 3};
    request.lenient = true;
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON manifest = manifest_of(f, "a", id);
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), 1); /* and nobody has an Observation */
    json_t *item = json_array_get(json_object_get(manifest, "error"), 0);
    assert_string_equal(sb_json_str(item, "type"), "OperationOutcome");
    assert_int_equal(json_integer_value(json_object_get(item, "count")), 1);
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    append_file(f, "a", id, strrchr(sb_json_str(item, "url"), '/') + 1, &text);
    assert_contains(sb_buf_cstr(&text), "Pateint");
    assert_contains(sb_buf_cstr(&text), "\"resourceType\":\"OperationOutcome\"");
}

static void a_request_full_of_mistakes_leaves_a_file_that_can_be_read(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str *others = calloc(SB_JOB_LIST_MAX, sizeof(*others));
    assert_non_null(others);
    for (size_t i = 0; i < SB_JOB_LIST_MAX; i++)
        others[i] = SB_STR_LIT("organizeOutputBy");
    request.others = (sb_job_list){others, SB_JOB_LIST_MAX};
    request.lenient = true;
    sb_str id = kick_off(f, &request, space);
    free(others);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON manifest = manifest_of(f, "a", id);
    json_t *item = json_array_get(json_object_get(manifest, "error"), 0);
    assert_int_equal(json_integer_value(json_object_get(item, "count")), 100);
    append_file(f, "a", id, strrchr(sb_json_str(item, "url"), '/') + 1, &text);
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    assert_int_equal(lines, 100); /* the manifest counts right */
    assert_contains(sb_buf_cstr(&text), "more than is listed here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served(an_unfiltered_export_gives_back_the_very_files),
        served(the_next_export_since_the_transaction_time_is_empty),
        served(since_and_until_divide_the_data),
        served(groups_divide_the_patients),
        served(a_patient_export_holds_what_belongs_to_patients),
        served(listed_patients_are_all_that_is_given),
        served(elements_leave_the_rest_out_and_say_so),
        served(filtered_output_is_cut_into_files),
        served(wrong_parameters_are_refused_and_named),
        served(types_beyond_the_token_are_refused),
        served(what_a_lenient_request_misses_is_in_an_error_file),
        served(a_request_full_of_mistakes_leaves_a_file_that_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
