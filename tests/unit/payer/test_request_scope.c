/* SPDX-License-Identifier: Apache-2.0 */
/* test_request_scope.c - what a request to a FHIR server needs: each interaction its rights, and nothing by accident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "payer/auth/request_scope.h"

/* "never", "open", "Patient 16", "* 18" … */
static void describe(const char *method, const char *uri, const char *base_text, char out[200])
{
    SB_AUTO(sb_target) target = SB_TARGET_INIT;
    SB_AUTO(sb_target) base = SB_TARGET_INIT;
    sb_request_need need = {.access = SB_REQUEST_NEVER};
    assert_int_equal(sb_target_parse(sb_str_from(base_text), &base, NULL), SB_OK);
    if (sb_target_parse(sb_str_from(uri), &target, NULL) == SB_OK)
        sb_request_scope(method, &target, &base, &need);
    size_t len = (size_t)snprintf(out, 200, "%s",
                                  need.access == SB_REQUEST_OPEN    ? "open"
                                  : need.access == SB_REQUEST_NEVER ? "never"
                                                                    : "");
    for (size_t i = 0; need.access == SB_REQUEST_SCOPED && i < need.type_count; i++)
        len += (size_t)snprintf(out + len, 200 - len, "%.*s ", (int)need.types[i].len, need.types[i].ptr);
    if (need.access == SB_REQUEST_SCOPED)
        (void)snprintf(out + len, 200 - len, "%u", need.rights);
}

static void expect(const char *method, const char *uri, const char *wanted)
{
    char got[200];
    describe(method, uri, "/fhir", got);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s %s needs '%s', not '%s'", method, uri, wanted, got);
}

static void each_interaction_needs_its_rights(void **state)
{
    (void)state;
    expect("GET", "/fhir/Patient/1", "Patient 2");
    expect("HEAD", "/fhir/Patient/1", "Patient 2");
    expect("GET", "/fhir/Patient/1/_history", "Patient 2");
    expect("GET", "/fhir/Patient/1/_history/3", "Patient 2");
    expect("GET", "/fhir/Patient/_history", "Patient 18");
    expect("GET", "/fhir/Patient?name=x", "Patient 16");
    expect("GET", "/fhir/Patient/1/Observation?code=x", "Observation 16");
    expect("POST", "/fhir/Patient", "Patient 1");
    expect("PUT", "/fhir/Patient/1", "Patient 4");
    expect("PATCH", "/fhir/Patient/1", "Patient 4");
    expect("DELETE", "/fhir/Patient/1", "Patient 8");
    expect("GET", "/fhir/metadata", "open");
    expect("GET", "/fhir/.well-known/smart-configuration", "open");
}

static void an_export_needs_what_it_gives(void **state)
{
    (void)state;
    expect("GET", "/fhir/$export", "* 18");
    expect("GET", "/fhir/%24export", "* 18");
    expect("GET", "/fhir/Patient/$export?_type=Patient,Coverage", "Patient Coverage 18");
    expect("GET", "/fhir/Group/a/$export?_type=Patient&_type=Coverage", "Patient Coverage 18");
    expect("GET", "/fhir/Group/a/$export?_type=patient", "* 18");
    expect("GET", "/fhir/Group/a/$export?_type=", "* 18");
    expect("POST", "/fhir/Group/a/$davinci-data-export?_type=Patient", "* 18");
    expect("DELETE", "/fhir/$export", "never");
    expect("GET", "/fhir/Practitioner/$export", "never");
}

static void what_brings_others_along_needs_all(void **state)
{
    (void)state;
    expect("GET", "/fhir/Patient?_include=Patient:general-practitioner", "* 18");
    expect("GET", "/fhir/Patient?_revinclude%3Aiterate=Observation:subject", "* 18");
    expect("GET", "/fhir/Patient?_has:Observation:patient:code=1", "* 18");
    expect("GET", "/fhir/Observation?subject.name=x", "* 18");
    expect("POST", "/fhir/Patient/_search", "* 18");
}

static void what_is_not_known_is_not_let_through(void **state)
{
    (void)state;
    static const char *const uris[] = {"/fhir",
                                       "/fhir/",
                                       "/",
                                       "/fhirx/Patient/1",
                                       "/other/Patient/1",
                                       "/fhir/patient/1",
                                       "/fhir/Patient/$everything",
                                       "/fhir/Patient/1/$everything",
                                       "/fhir/$graphql",
                                       "/fhir/Patient/_search",
                                       "/fhir/a/b/c/d/e",
                                       "/fhir/Patient/1/2",
                                       "/fhir/Patient/$export/x",
                                       "/fhir/_history",
                                       "/fhir/Patient/_x/_history/1"};
    for (size_t i = 0; i < SB_ARRAY_LEN(uris); i++)
        expect("GET", uris[i], "never");
    static const char *const no_ids[] = {"..;",  "%2e%2e;", "..%3B", ";x",   "1;x", "1%5C..%5C..%5CObservation%5C1",
                                         "1%3F", "1%23",    "%20",   "1%20", "a:b", "a%25b",
                                         "$x",   "_x",      "%C3%A9"};
    for (size_t i = 0; i < SB_ARRAY_LEN(no_ids); i++) {
        static const char *const shapes[] = {"/fhir/Patient/%s",
                                             "/fhir/Patient/%s/_history",
                                             "/fhir/Patient/%s/Observation",
                                             "/fhir/Patient/%s/_history/1",
                                             "/fhir/Patient/1/_history/%s",
                                             "/fhir/Group/%s/$export"};
        for (size_t k = 0; k < SB_ARRAY_LEN(shapes); k++) {
            const char *hole = strstr(shapes[k], "%s");
            SB_AUTOFREE uri = sb_printf("%.*s%s%s", (int)(hole - shapes[k]), shapes[k], no_ids[i], hole + 2);
            expect("GET", uri, "never");
        }
    }
    expect("POST", "/fhir", "never");
    expect("POST", "/fhir/", "never");
    expect("TRACE", "/fhir/Patient/1", "never");
    expect("get", "/fhir/Patient/1", "never");
    expect("POST", "/fhir/metadata", "never");
    expect("PUT", "/fhir/Patient", "never");
}

/* Two readers of a path must not come to two different ends: what is ambiguous is refused. */
static void tricks_with_paths_lead_nowhere(void **state)
{
    (void)state;
    static const char *const uris[] = {"/fhir/metadata/../Patient/1",
                                       "/fhir/metadata/%2e%2e/Patient/1",
                                       "/fhir//Patient/1",
                                       "//fhir/Patient/1",
                                       "/fhir/Patient%2f1",
                                       "/fhir/./Patient/1",
                                       "/fhir/Patient/1%00",
                                       "/fhir/Patient;x=1/1",
                                       "/fhir/metadata;x",
                                       "/fhir/metadata%00",
                                       "/fhir/Patient/1%",
                                       ""};
    for (size_t i = 0; i < SB_ARRAY_LEN(uris); i++)
        expect("GET", uris[i], "never");
}

static void a_base_may_be_anywhere(void **state)
{
    (void)state;
    char got[200];
    describe("GET", "/a/b/r4/Patient/1", "/a/b/r4", got);
    assert_string_equal(got, "Patient 2");
    describe("GET", "/Patient/1", "/", got);
    assert_string_equal(got, "Patient 2");
    describe("GET", "/a/Patient/1", "/", got);
    assert_string_equal(got, "never");
}

static bool covered(const char *method, const char *uri, const char *scope)
{
    SB_AUTO(sb_target) target = SB_TARGET_INIT;
    SB_AUTO(sb_target) base = SB_TARGET_INIT;
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    sb_request_need need;
    assert_int_equal(sb_target_parse(SB_STR_LIT("/fhir"), &base, NULL), SB_OK);
    assert_int_equal(sb_target_parse(sb_str_from(uri), &target, NULL), SB_OK);
    assert_int_equal(sb_scopes_parse(scope, &scopes, NULL), SB_OK);
    sb_request_scope(method, &target, &base, &need);
    return sb_request_covered(&need, &scopes);
}

static void a_scope_covers_its_own_alone(void **state)
{
    (void)state;
    assert_true(covered("GET", "/fhir/Patient/1", "system/Patient.r"));
    assert_true(covered("GET", "/fhir/Patient/1", "system/*.read"));
    assert_false(covered("GET", "/fhir/Patient/1", "system/Patient.s"));
    assert_false(covered("GET", "/fhir/Patient/1", "system/Coverage.rs"));
    assert_false(covered("DELETE", "/fhir/Patient/1", "system/Patient.rs"));
    assert_false(covered("GET", "/fhir/Observation/1", "system/Observation.rs?category=laboratory"));
    assert_false(covered("GET", "/fhir/Patient/$export?_type=Patient,Coverage", "system/Patient.rs"));
    assert_true(covered("GET", "/fhir/Patient/$export?_type=Patient,Coverage", "system/Patient.rs system/Coverage.rs"));
    assert_false(covered("GET", "/fhir/$export", "system/Patient.rs system/Coverage.rs"));
    assert_false(covered("GET", "/fhir/$graphql", "system/*.cruds"));
    assert_true(covered("GET", "/fhir/metadata", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_interaction_needs_its_rights),  cmocka_unit_test(an_export_needs_what_it_gives),
        cmocka_unit_test(what_brings_others_along_needs_all), cmocka_unit_test(what_is_not_known_is_not_let_through),
        cmocka_unit_test(tricks_with_paths_lead_nowhere),     cmocka_unit_test(a_base_may_be_anywhere),
        cmocka_unit_test(a_scope_covers_its_own_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
