/* SPDX-License-Identifier: Apache-2.0 */
/* A Parameters resource says to the server what the client put in, and nothing malformed gets through.      EXP-02,
 * EXP-03 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "fhir/parameters.h"

static void a_kick_off_is_written_as_fhir_has_it(void **state)
{
    (void)state;
    SB_AUTOJSON p = sb_parameters_new();
    assert_true(sb_parameters_add_string(p, "_type", "Patient"));
    assert_true(sb_parameters_add_instant(p, "_since", "2026-01-31T00:00:00.000Z"));
    assert_true(sb_parameters_add_code(p, "includeAssociatedData", "LatestProvenanceResources"));
    assert_true(sb_parameters_add_boolean(p, "allowPartialManifests", true));
    assert_true(sb_parameters_add_reference(p, "patient", "Patient/1"));
    assert_true(sb_parameters_add_canonical(p, "exportType", "hl7.fhir.us.davinci-pdex#provider-download"));
    assert_true(sb_parameters_add_coding(p, "c", "http://s", "x"));
    assert_true(sb_parameters_add_coding(p, "c", NULL, "y"));
    assert_true(sb_parameters_add_integer(p, "n", -7));
    SB_AUTOFREE text = sb_json_dump(p);
    assert_string_equal(text,
                        "{\"resourceType\":\"Parameters\",\"parameter\":["
                        "{\"name\":\"_type\",\"valueString\":\"Patient\"},"
                        "{\"name\":\"_since\",\"valueInstant\":\"2026-01-31T00:00:00.000Z\"},"
                        "{\"name\":\"includeAssociatedData\",\"valueCode\":\"LatestProvenanceResources\"},"
                        "{\"name\":\"allowPartialManifests\",\"valueBoolean\":true},"
                        "{\"name\":\"patient\",\"valueReference\":{\"reference\":\"Patient/1\"}},"
                        "{\"name\":\"exportType\",\"valueCanonical\":\"hl7.fhir.us.davinci-pdex#provider-download\"},"
                        "{\"name\":\"c\",\"valueCoding\":{\"system\":\"http://s\",\"code\":\"x\"}},"
                        "{\"name\":\"c\",\"valueCoding\":{\"code\":\"y\"}},"
                        "{\"name\":\"n\",\"valueInteger\":-7}]}");
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    SB_AUTOJSON p = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_parameter got;
    size_t at = 0;
    const char *body = "{\"resourceType\":\"Parameters\",\"id\":\"x\",\"parameter\":["
                       "{\"name\":\"_type\",\"valueString\":\"Patient\",\"_valueString\":{\"id\":\"1\"}},"
                       "{\"name\":\"patient\",\"valueReference\":{\"reference\":\"Patient/1\"}},"
                       "{\"name\":\"patient\",\"valueReference\":{\"identifier\":{\"value\":\"1\"}}},"
                       "{\"name\":\"b\",\"valueBoolean\":false},{\"name\":\"b\",\"valueBoolean\":true},"
                       "{\"name\":\"c\",\"valueCoding\":{\"system\":\"s\",\"code\":\"k\"}},"
                       "{\"name\":\"n\",\"valueInteger\":42},{\"name\":\"alone\"},"
                       "{\"name\":\"q\",\"valueQuantity\":{\"value\":1}}]}";
    assert_int_equal(sb_parameters_parse(sb_str_from(body), &p, &err), SB_OK);
    const json_t *list = sb_parameters_list(p);
    assert_true(sb_parameters_next(list, &at, &got));
    assert_int_equal(got.kind, SB_PARAMETER_STRING);
    assert_string_equal(got.name, "_type");
    assert_string_equal(got.text, "Patient");
    assert_true(sb_parameters_next(list, &at, &got));
    assert_int_equal(got.kind, SB_PARAMETER_REFERENCE);
    assert_string_equal(got.text, "Patient/1");
    assert_true(sb_parameters_next(list, &at, &got));
    assert_null(got.text);
    assert_true(sb_parameters_next(list, &at, &got));
    assert_int_equal(got.kind, SB_PARAMETER_BOOLEAN);
    assert_false(got.boolean);
    assert_true(sb_parameters_next(list, &at, &got));
    assert_true(got.boolean);
    assert_true(sb_parameters_next(list, &at, &got));
    assert_int_equal(got.kind, SB_PARAMETER_CODING);
    assert_string_equal(got.text, "k");
    assert_string_equal(got.system, "s");
    assert_true(sb_parameters_next(list, &at, &got));
    assert_int_equal(got.integer, 42);
    assert_true(sb_parameters_next(list, &at, &got));
    assert_int_equal(got.kind, SB_PARAMETER_EMPTY);
    assert_true(sb_parameters_next(list, &at, &got));
    assert_int_equal(got.kind, SB_PARAMETER_OTHER);
    assert_non_null(json_object_get(got.value, "value"));
    assert_false(sb_parameters_next(list, &at, &got));
    assert_true(sb_parameters_find(list, "n", &got));
    assert_false(sb_parameters_find(list, "N", &got));
}

static void parts_are_built_and_walked(void **state)
{
    (void)state;
    SB_AUTOJSON p = sb_parameters_new();
    SB_AUTOJSON patient = json_pack("{s:s}", "resourceType", "Patient");
    json_t *parts = sb_parameters_add_parts(p, "MemberBundle");
    assert_non_null(parts);
    assert_true(sb_parameters_add_resource(parts, "MemberPatient", patient));
    SB_AUTOFREE text = sb_json_dump(p);
    assert_string_equal(text, "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"MemberBundle\",\"part\":["
                              "{\"name\":\"MemberPatient\",\"resource\":{\"resourceType\":\"Patient\"}}]}]}");
    sb_parameter bundle, member;
    assert_true(sb_parameters_find(sb_parameters_list(p), "MemberBundle", &bundle));
    assert_int_equal(bundle.kind, SB_PARAMETER_PARTS);
    assert_true(sb_parameters_find(bundle.value, "MemberPatient", &member));
    assert_int_equal(member.kind, SB_PARAMETER_RESOURCE);
    assert_ptr_equal(member.value, patient);
}

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"resourceType\":\"Patient\"}",
        "{\"resourceType\":\"Parameters\",\"parameter\":{}}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[1]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":1}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"a\",\"valueString\":1}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"a\",\"valueBoolean\":\"true\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"a\",\"valueReference\":\"Patient/1\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"a\",\"valueString\":\"x\",\"valueCode\":\"x\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"a\",\"part\":[{\"valueString\":\"x\"}]}]}",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(bodies); i++) {
        json_t *p = NULL;
        sb_error err = SB_ERROR_INIT;
        if (sb_parameters_parse(sb_str_from(bodies[i]), &p, &err) != SB_E_INVALID)
            fail_msg("accepted: %s", bodies[i]);
        assert_null(p);
        assert_string_not_equal(err.why, "");
    }
}

static void parts_nested_without_end_are_refused(void **state)
{
    (void)state;
    SB_AUTO(sb_buf) body = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&body, "{\"resourceType\":\"Parameters\",\"parameter\":["));
    for (int i = 0; i < 500; i++)
        assert_true(sb_buf_add_cstr(&body, "{\"name\":\"a\",\"part\":["));
    for (int i = 0; i < 500; i++)
        assert_true(sb_buf_add_cstr(&body, "]}"));
    assert_true(sb_buf_add_cstr(&body, "]}"));
    json_t *p = NULL;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_parameters_parse(sb_buf_str(&body), &p, &err), SB_E_INVALID);
    assert_non_null(strstr(err.why, "nested"));
}

static void what_cannot_be_added_leaves_the_document_alone(void **state)
{
    (void)state;
    SB_AUTOJSON p = sb_parameters_new();
    assert_false(sb_parameters_add_string(p, "a", "\xFF"));
    assert_false(sb_parameters_add_string(p, "\xFF", "a"));
    assert_false(sb_parameters_add_text(p, "a", SB_PARAMETER_BOOLEAN, "true"));
    assert_false(sb_parameters_add_reference(p, "a", "\xFF"));
    assert_int_equal(json_array_size(sb_parameters_list(p)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kick_off_is_written_as_fhir_has_it),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(parts_are_built_and_walked),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(parts_nested_without_end_are_refused),
        cmocka_unit_test(what_cannot_be_added_leaves_the_document_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
