/* SPDX-License-Identifier: Apache-2.0 */
/* test_request.c - what is asked is checked before anything is made or sent, and has one form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "export/request.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_form(const sb_export_request *request, const char *want)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON json = NULL;
    sb_status status = sb_request_new(request, &json, &err);
    if (status != SB_OK)
        print_error("%s: %s\n", err.what, err.why);
    assert_int_equal(status, SB_OK);
    SB_AUTOFREE text = sb_json_dump(json);
    assert_string_equal(text, want);
}

static void assert_refused(const sb_export_request *request, const char *what)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON json = NULL;
    assert_int_equal(sb_request_new(request, &json, &err), SB_E_USAGE);
    assert_null(json);
    assert_non_null(strstr(err.what, what));
    assert_true(err.why[0] && err.fix[0]);
}

#define PATIENT(...)                                                                                                   \
    &(const sb_export_request)                                                                                         \
    {                                                                                                                  \
        .level = SB_EXPORT_PATIENT, __VA_ARGS__                                                                        \
    }

static void a_request_has_one_form(void **state)
{
    (void)state;
    assert_form(PATIENT(.types = LIST("Patient,Coverage", "Patient", "ExplanationOfBenefit")),
                "{\"level\":\"patient\",\"method\":\"auto\",\"types\":[\"Patient\",\"Coverage\","
                "\"ExplanationOfBenefit\"]}");
    assert_form(&(const sb_export_request){.level = SB_EXPORT_GROUP,
                                           .group_id = "all",
                                           .patients = LIST("1", "Patient/2", "Patient/1"),
                                           .lenient = true,
                                           .allow_partial_manifests = true},
                "{\"level\":\"group\",\"groupId\":\"all\",\"method\":\"auto\",\"patients\":[\"Patient/1\","
                "\"Patient/2\"],\"allowPartialManifests\":true,\"lenient\":true}");
    assert_form(
        &(const sb_export_request){.level = SB_EXPORT_SYSTEM,
                                   .method = SB_EXPORT_METHOD_POST,
                                   .type_filters = LIST("Patient?active=true", "Patient?active=false"),
                                   .elements = LIST("id,Patient.birthDate"),
                                   .include_associated_data = LIST("LatestProvenanceResources", "_own"),
                                   .output_format = "ndjson",
                                   .organize_output_by = "Patient"},
        "{\"level\":\"system\",\"method\":\"post\",\"typeFilters\":[\"Patient?active=true\","
        "\"Patient?active=false\"],\"elements\":[\"id\",\"Patient.birthDate\"],\"includeAssociatedData\":"
        "[\"LatestProvenanceResources\",\"_own\"],\"outputFormat\":\"ndjson\",\"organizeOutputBy\":\"Patient\"}");
}

static void dates_become_instants(void **state)
{
    (void)state;
    assert_form(PATIENT(.since = "2026-01-31", .until = "2026-02"),
                "{\"level\":\"patient\",\"method\":\"auto\",\"since\":\"2026-01-31T00:00:00.000Z\","
                "\"until\":\"2026-03-01T00:00:00.000Z\"}");
    assert_form(PATIENT(.since = "2026-01-31T12:00:00.25-05:00"),
                "{\"level\":\"patient\",\"method\":\"auto\",\"since\":\"2026-01-31T17:00:00.250Z\"}");
    assert_form(
        PATIENT(.since = "last", .until = "2020"),
        "{\"level\":\"patient\",\"method\":\"auto\",\"since\":\"last\",\"until\":\"2021-01-01T00:00:00.000Z\"}");
    assert_refused(PATIENT(.since = "yesterday"), "_since");
    assert_refused(PATIENT(.since = "2026-13-01"), "_since");
    assert_refused(PATIENT(.since = "20266-01-01"), "_since");
    assert_refused(PATIENT(.since = "9026-01-01"), "_since");
    assert_refused(PATIENT(.until = ""), "_until");
    assert_refused(PATIENT(.since = "2026-02-01", .until = "2026-01-01"), "no time between");
}

static void the_last_export_gives_since(void **state)
{
    (void)state;
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON json = NULL;
    assert_int_equal(sb_request_new(PATIENT(.since = "last", .until = "2026-02-01"), &json, &err), SB_OK);
    assert_true(sb_request_wants_last(json));
    assert_int_equal(sb_request_set_since(json, "2026-03-01T00:00:00Z", &err), SB_E_USAGE); /* until is over */
    assert_int_equal(sb_request_set_since(json, "2026-01-01T00:00:00.1234567+02:00", &err), SB_OK);
    assert_false(sb_request_wants_last(json));
    assert_string_equal(sb_json_str(json, "since"), "2025-12-31T22:00:00.123Z");
}

static void what_a_payer_would_misunderstand_is_refused(void **state)
{
    (void)state;
    assert_refused(PATIENT(.types = LIST("patient")), "_type");
    assert_refused(PATIENT(.types = LIST("Patient,,Coverage")), "_type");
    assert_refused(PATIENT(.types = LIST("../../etc")), "_type");
    assert_refused(PATIENT(.type_filters = LIST("Patient")), "_typeFilter");
    assert_refused(PATIENT(.type_filters = LIST("?a=b")), "_typeFilter");
    assert_refused(PATIENT(.type_filters = LIST("Patient?a=\r\nX: y")), "_typeFilter");
    assert_refused(PATIENT(.types = LIST("Coverage"), .type_filters = LIST("Patient?a=b")), "_typeFilter");
    assert_refused(PATIENT(.elements = LIST("a b")), "_elements");
    assert_refused(PATIENT(.include_associated_data = LIST("Provenance")), "includeAssociatedData");
    assert_refused(PATIENT(.output_format = "application/vnd.apache.parquet"), "_outputFormat");
    assert_refused(PATIENT(.organize_output_by = "patient"), "organizeOutputBy");
    assert_refused(&(const sb_export_request){.level = SB_EXPORT_GROUP}, "group");
    assert_refused(&(const sb_export_request){.level = SB_EXPORT_GROUP, .group_id = "Group/1"}, "group");
    assert_refused(&(const sb_export_request){.level = SB_EXPORT_GROUP, .group_id = ".."}, "group");
    assert_refused(&(const sb_export_request){.level = (sb_export_level)7}, "level");
}

static void a_patient_is_never_in_a_url_nor_in_an_error(void **state)
{
    (void)state;
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON json = NULL;
    assert_refused(PATIENT(.patients = LIST("1"), .method = SB_EXPORT_METHOD_GET), "GET");
    assert_refused(&(const sb_export_request){.level = SB_EXPORT_SYSTEM, .patients = LIST("1")}, "patients");
    assert_int_equal(sb_request_new(PATIENT(.patients = LIST("1", "Jane Doe")), &json, &err), SB_E_USAGE);
    assert_null(strstr(err.why, "Jane"));
    assert_non_null(strstr(err.why, "entry 2"));
}

static void print_of(const sb_export_request *request, const char *url, char out[SB_FINGERPRINT_SIZE])
{
    SB_AUTOJSON json = NULL;
    assert_int_equal(sb_request_new(request, &json, NULL), SB_OK);
    assert_int_equal(sb_request_fingerprint(json, url, "me", out, NULL), SB_OK);
    assert_int_equal(strlen(out), SB_FINGERPRINT_SIZE - 1);
}

static void assert_same_print(const sb_export_request *a, const sb_export_request *b, bool same)
{
    char x[SB_FINGERPRINT_SIZE], y[SB_FINGERPRINT_SIZE];
    print_of(a, "https://p.example/r4", x);
    print_of(b, "https://p.example/r4", y);
    assert_int_equal(strcmp(x, y) == 0, same);
    print_of(b, "https://q.example/r4", y);
    assert_string_not_equal(x, y);
}

static void the_same_request_at_another_time_has_the_same_fingerprint(void **state)
{
    (void)state;
    assert_same_print(PATIENT(.types = LIST("Patient", "Coverage")),
                      PATIENT(.types = LIST("Coverage,Patient"), .since = "last", .until = "2027", .lenient = true,
                              .method = SB_EXPORT_METHOD_GET),
                      true);
    assert_same_print(PATIENT(.types = LIST("Patient")), PATIENT(.types = LIST("Coverage")), false);
    assert_same_print(PATIENT(.patients = LIST("1")), PATIENT(.patients = LIST("2")), false);
    assert_same_print(PATIENT(), PATIENT(.elements = LIST("id")), false);
    assert_same_print(&(const sb_export_request){.level = SB_EXPORT_GROUP, .group_id = "a"},
                      &(const sb_export_request){.level = SB_EXPORT_GROUP, .group_id = "b"}, false);
}

static void the_journals_form_is_read_back(void **state)
{
    (void)state;
    SB_AUTOJSON json = NULL;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_request_read("{\"level\":\"patient\",\"method\":\"auto\",\"types\":[\"A\"]}", &json, &err),
                     SB_OK);
    size_t n;
    const char **types = sb_request_list(json, "types", &n);
    assert_int_equal(n, 1);
    assert_string_equal(types[0], "A");
    assert_null(types[1]);
    free(types);
    json_decref(json);
    json = NULL;
    assert_int_equal(sb_request_read("{}", &json, &err), SB_E_INVALID);
    assert_null(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_has_one_form),
        cmocka_unit_test(dates_become_instants),
        cmocka_unit_test(the_last_export_gives_since),
        cmocka_unit_test(what_a_payer_would_misunderstand_is_refused),
        cmocka_unit_test(a_patient_is_never_in_a_url_nor_in_an_error),
        cmocka_unit_test(the_same_request_at_another_time_has_the_same_fingerprint),
        cmocka_unit_test(the_journals_form_is_read_back),
    };
    return cmocka_run_group_tests_name("export_request", tests, NULL, NULL);
}
