/* SPDX-License-Identifier: Apache-2.0 */
/* test_scopes.c - scopes are read as SMART writes them, mistakes are named, and less is never taken for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smart/scopes.h"

static void parse(const char *text, sb_scopes *out)
{
    assert_int_equal(sb_scopes_parse(text, out, NULL), SB_OK);
}

static unsigned rights_of(const char *text)
{
    SB_AUTO(sb_scopes) s = SB_SCOPES_INIT;
    parse(text, &s);
    assert_int_equal(s.len, 1);
    return s.items[0].kind == SB_SCOPE_SYSTEM ? s.items[0].rights : 0;
}

static void both_versions_are_read(void **state)
{
    (void)state;
    assert_int_equal(rights_of("system/Patient.read"), SB_SCOPE_EXPORT);
    assert_int_equal(rights_of("system/Patient.rs"), SB_SCOPE_EXPORT);
    assert_int_equal(rights_of("system/*.write"), SB_SCOPE_CREATE | SB_SCOPE_UPDATE | SB_SCOPE_DELETE);
    assert_int_equal(rights_of("system/*.*"), 31); /* REAL-02 */
    assert_int_equal(rights_of("system/*.cruds"), 31);
    assert_int_equal(rights_of("system/Observation.r"), SB_SCOPE_READ);
    SB_AUTO(sb_scopes) s = SB_SCOPES_INIT;
    parse("system/Observation.rs?category=http://x.example/y|lab&code=1", &s);
    assert_int_equal(s.items[0].kind, SB_SCOPE_SYSTEM);
    assert_string_equal(s.items[0].type, "Observation");
    assert_string_equal(s.items[0].query, "category=http://x.example/y|lab&code=1");
}

static void odd_scopes_pass_through(void **state)
{
    (void)state;
    const char *match = "http://hl7.org/fhir/us/davinci-pdex/OperationDefinition/BulkMemberMatch"; /* PDEX-06 */
    SB_AUTO(sb_scopes) s = SB_SCOPES_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTOFREE list = sb_printf("  %s system/bulk-submit\n system/Group.rs  system/Group.rs ", match);
    parse(list, &s);
    assert_int_equal(s.len, 3); /* repeated ones once */
    assert_int_equal(s.items[0].kind, SB_SCOPE_OTHER);
    assert_int_equal(s.items[1].kind, SB_SCOPE_OTHER);
    assert_int_equal(sb_scopes_check_configured(&s, NULL), SB_OK);
    assert_true(sb_scopes_format(&s, &text));
    SB_AUTOFREE want = sb_printf("%s system/bulk-submit system/Group.rs", match);
    assert_string_equal(sb_buf_cstr(&text), want);
}

static void mistakes_are_named_before_the_server_does(void **state)
{
    (void)state;
    static const struct {
        const char *scope, *says;
    } mistakes[] = {
        {"patient/Patient.read", "ask for system/Patient.read"},
        {"user/*.rs", "ask for system/*.rs"},
        {"system/Patient", NULL},
        {"system/Patient.sr", NULL},
        {"system/Patient.rr", NULL},
        {"system/Patient.", NULL},
        {"system/patient.rs", NULL},
        {"system/Pati3nt.rs", NULL},
        {"system/.rs", NULL},
        {"system/", NULL},
        {"system/Patient.read?x=1", NULL},
        {"system/Patient.rs?", NULL},
        {"system/Patient.Read", NULL},
        {"system/Patient.rs,system/Coverage.rs", "separate scopes by spaces"},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(mistakes); i++) {
        SB_AUTO(sb_scopes) s = SB_SCOPES_INIT;
        sb_error err = SB_ERROR_INIT;
        parse(mistakes[i].scope, &s);
        assert_int_equal(sb_scopes_check_configured(&s, &err), SB_E_USAGE);
        if (mistakes[i].says)
            assert_non_null(strstr(err.fix, mistakes[i].says));
        assert_non_null(strstr(err.why, mistakes[i].scope));
    }
}

static void hostile_text_is_refused(void **state)
{
    (void)state;
    SB_AUTO(sb_scopes) s = SB_SCOPES_INIT;
    assert_int_equal(sb_scopes_parse("system/Patient.rs\x1b[31m", &s, NULL), SB_E_INVALID);
    assert_int_equal(sb_scopes_parse("a\"b", &s, NULL), SB_E_INVALID);
    assert_int_equal(sb_scopes_parse("caf\xc3\xa9", &s, NULL), SB_E_INVALID);
    SB_AUTO(sb_buf) many = SB_BUF_INIT;
    for (int i = 0; i < SB_SCOPES_MAX + 1; i++)
        assert_true(sb_buf_printf(&many, "s%d ", i));
    assert_int_equal(sb_scopes_parse(many.ptr, &s, NULL), SB_E_INVALID);
    sb_buf_clear(&many);
    while (many.len <= SB_SCOPES_MAX_TEXT)
        assert_true(sb_buf_add_cstr(&many, "a "));
    assert_int_equal(sb_scopes_parse(many.ptr, &s, NULL), SB_E_INVALID);
    assert_int_equal(s.len, 0);
    parse("", &s);
    parse(NULL, &s);
    assert_int_equal(s.len, 0);
}

static sb_scope_cover cover(const char *granted, const char *type)
{
    SB_AUTO(sb_scopes) s = SB_SCOPES_INIT;
    parse(granted, &s);
    return sb_scopes_cover(&s, type, SB_SCOPE_EXPORT);
}

static void less_is_not_taken_for_more(void **state)
{
    (void)state;
    assert_int_equal(cover("system/*.read", "Patient"), SB_SCOPE_COVERS_ALL);
    assert_int_equal(cover("system/Patient.rs", "Patient"), SB_SCOPE_COVERS_ALL);
    assert_int_equal(cover("system/Patient.r system/Patient.s", "Patient"), SB_SCOPE_COVERS_ALL);
    assert_int_equal(cover("system/Patient.r", "Patient"), SB_SCOPE_COVERS_NOT);
    assert_int_equal(cover("system/Patient.write", "Patient"), SB_SCOPE_COVERS_NOT);
    assert_int_equal(cover("system/Patient.rs", "Coverage"), SB_SCOPE_COVERS_NOT);
    assert_int_equal(cover("system/PatientX.rs", "Patient"), SB_SCOPE_COVERS_NOT);
    assert_int_equal(cover("patient/Patient.rs", "Patient"), SB_SCOPE_COVERS_NOT);
    assert_int_equal(cover("system/Observation.rs?category=lab", "Observation"), SB_SCOPE_COVERS_PART);
    assert_int_equal(cover("", "Patient"), SB_SCOPE_COVERS_NOT);
}

static void assert_both(const char *asked, const char *allowed, const char *want)
{
    SB_AUTO(sb_scopes) a = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) b = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) both = SB_SCOPES_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    parse(asked, &a);
    parse(allowed, &b);
    assert_int_equal(sb_scopes_intersect(&a, &b, &both, NULL), SB_OK);
    assert_true(sb_scopes_format(&both, &text));
    assert_string_equal(sb_buf_cstr(&text), want);
    assert_true(sb_scopes_within(&both, &a) || both.len > 0); /* limits joined from both sides are their own text */
}

static void an_intersection_is_never_more_than_either_side(void **state)
{
    (void)state;
    assert_both("system/Patient.rs", "system/Patient.rs", "system/Patient.rs");
    assert_both("system/Patient.cruds", "system/Patient.rs", "system/Patient.rs");
    assert_both("system/Patient.read", "system/Patient.cruds", "system/Patient.read");
    assert_both("system/Patient.*", "system/Patient.rs", "system/Patient.read");
    assert_both("system/Patient.*", "system/Patient.r", "system/Patient.r");
    assert_both("system/*.read", "system/Patient.rs system/Coverage.rs", "system/Patient.read system/Coverage.read");
    assert_both("system/Patient.rs system/Claim.rs", "system/*.rs", "system/Patient.rs system/Claim.rs");
    assert_both("system/*.rs", "system/*.r system/Patient.rs", "system/*.r system/Patient.rs");
    assert_both("system/Observation.rs", "system/Observation.rs?category=lab", "system/Observation.rs?category=lab");
    assert_both("system/Observation.rs?category=lab", "system/*.rs", "system/Observation.rs?category=lab");
    assert_both("system/Observation.rs?a=1", "system/Observation.rs?b=2", "system/Observation.rs?a=1&b=2");
    assert_both("system/Observation.rs?a=1", "system/Observation.rs?a=1", "system/Observation.rs?a=1");
    assert_both("system/Patient.rs", "system/Coverage.rs", "");
    assert_both("patient/Patient.rs system/Patient.xyz", "patient/Patient.rs system/*.cruds system/Patient.xyz", "");
    assert_both("http://x.example/op system/bulk-submit", "http://x.example/op", "http://x.example/op");
}

static bool within(const char *scopes, const char *allowed)
{
    SB_AUTO(sb_scopes) a = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) b = SB_SCOPES_INIT;
    parse(scopes, &a);
    parse(allowed, &b);
    return sb_scopes_within(&a, &b);
}

static void within_means_nothing_beyond(void **state)
{
    (void)state;
    assert_true(within("system/Patient.rs", "system/*.read"));
    assert_true(within("system/Patient.rs", "system/Patient.r system/Patient.s"));
    assert_true(within("system/Patient.rs?a=1", "system/Patient.rs?a=1"));
    assert_true(within("system/Patient.rs?a=1", "system/Patient.rs"));
    assert_false(within("system/Patient.rs", "system/Patient.rs?a=1"));
    assert_false(within("system/*.rs", "system/Patient.rs"));
    assert_false(within("system/Patient.cruds", "system/Patient.rs"));
    assert_false(within("x", "y"));
    assert_true(within("", ""));
}

static void the_default_is_written_as_the_payer_reads_it(void **state)
{
    (void)state;
    static const char *const types[] = {"Patient", "ExplanationOfBenefit"};
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_true(sb_scopes_default(types, 2, true, &text));
    assert_string_equal(text.ptr, "system/Patient.rs system/ExplanationOfBenefit.rs");
    sb_buf_clear(&text);
    assert_true(sb_scopes_default(types, 2, false, &text));
    assert_string_equal(text.ptr, "system/Patient.read system/ExplanationOfBenefit.read");
    sb_buf_clear(&text);
    assert_true(sb_scopes_default(NULL, 0, false, &text));
    assert_string_equal(text.ptr, "system/*.read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_are_read),
        cmocka_unit_test(odd_scopes_pass_through),
        cmocka_unit_test(mistakes_are_named_before_the_server_does),
        cmocka_unit_test(hostile_text_is_refused),
        cmocka_unit_test(less_is_not_taken_for_more),
        cmocka_unit_test(an_intersection_is_never_more_than_either_side),
        cmocka_unit_test(within_means_nothing_beyond),
        cmocka_unit_test(the_default_is_written_as_the_payer_reads_it),
    };
    return cmocka_run_group_tests_name("scopes", tests, NULL, NULL);
}
