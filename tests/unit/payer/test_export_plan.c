/* SPDX-License-Identifier: Apache-2.0 */
/* test_export_plan.c - who gets what: of each resource, whether it goes to somebody who may have some members, all, or
 * all but those who opted out.                                                              PDEX-01, PDEX-07, EXP-06 */
#include "scratch.h"

#include "payer/data/data.h"
#include "payer/data/line.h"
#include "payer/export/export_plan.h"

#define R(type, members) "{\"resourceType\":\"" type "\",\"id\":\"x\"" members "}\n"
#define P1               "{\"reference\":\"Patient/p1\"}"
#define P2               "{\"reference\":\"Patient/p2\"}"

static const char everything[] =
    "{\"resourceType\":\"Patient\",\"id\":\"p1\"}\n"
    "{\"resourceType\":\"Patient\",\"id\":\"p2\"}\n" R("Coverage", ",\"beneficiary\":" P1)
        R("Account", ",\"subject\":[" P1 "]") R("Appointment", ",\"participant\":[{\"actor\":" P1 "}]")
            R("AppointmentResponse", "") R("EnrollmentRequest", "") R("ResearchSubject", "") R("SupplyRequest", "")
                R("Observation", "") R("Organization", "") R("Person", "") R("Provenance", "") R("Task", "");

typedef struct fixture {
    void *dir;
    sb_data *data;
    sb_scopes scopes;
    sb_idset *some, *all, *no;
    sb_plan *plan;
} fixture;

static sb_idset *ids(const char *one, const char *two)
{
    sb_idset *set = sb_idset_new();
    assert_true(set && sb_idset_add(set, sb_str_from(one)) && (!two || sb_idset_add(set, sb_str_from(two))));
    sb_idset_seal(set);
    return set;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    if (!f || scratch_make(&f->dir) != 0)
        return -1;
    sb_str rest = sb_str_from(everything), line;
    for (unsigned i = 0; sb_str_split(&rest, '\n', &line) && line.len > 0; i++) { /* a file a type, as payers have */
        char name[20];
        (void)snprintf(name, sizeof(name), "%02u.ndjson", i);
        scratch_write(f->dir, name, line);
    }
    assert_ok(sb_data_ndjson_open(f->dir, &f->data, NULL));
    assert_ok(sb_scopes_parse("system/*.rs", &f->scopes, NULL));
    f->some = ids("p1", NULL);
    f->all = ids("p1", "p2");
    f->no = ids("p2", NULL);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sb_plan_free(f->plan);
    sb_data_free(f->data);
    sb_scopes_cleanup(&f->scopes);
    sb_idset_free(f->some);
    sb_idset_free(f->all);
    sb_idset_free(f->no);
    int rc = scratch_remove(&f->dir);
    free(f);
    return rc;
}

static void plan_for(fixture *f, const sb_members *members, sb_job_level level)
{
    sb_job_request request = {.client_id = "c", .level = level, .scopes = &f->scopes};
    sb_plan_free(f->plan);
    f->plan = NULL;
    assert_ok(sb_plan_new(f->data, members, &request, &f->plan, &(sb_export_refusal){0}, NULL));
}

static const sb_data_type *planned(const fixture *f, sb_str name)
{
    for (size_t i = 0; i < sb_plan_type_count(f->plan); i++) {
        if (sb_str_eq(name, sb_str_from(sb_plan_type(f->plan, i)->name)))
            return sb_plan_type(f->plan, i);
    }
    return NULL;
}

/* Does this line go out? A part that goes as it is lets every line go. */
static bool gives(const fixture *f, const char *json)
{
    sb_line_space space;
    sb_data_line line;
    sb_str type;
    assert_ok(sb_line_read(sb_str_from(json), &space, &type, &line, NULL));
    const sb_data_type *planned_type = planned(f, type);
    return planned_type &&
           (sb_plan_part_use(f->plan, planned_type, 0) == SB_PART_WHOLE || sb_plan_wants(f->plan, planned_type, &line));
}

static void who_may_have_some_gets_nothing_about_others(void **state)
{
    static const char *const theirs[] = {
        R("Coverage", ",\"beneficiary\":" P1),
        R("Account", ",\"subject\":[" P2 "," P1 "]"), /* hers as well */
        R("Appointment", ",\"participant\":[{\"actor\":{\"reference\":\"Practitioner/1\"}},{\"actor\":" P1 "}]"),
        R("AppointmentResponse", ",\"actor\":" P1),
        R("EnrollmentRequest", ",\"candidate\":" P1),
        R("ResearchSubject", ",\"individual\":" P1),
        R("SupplyRequest", ",\"requester\":{\"reference\":\"Practitioner/1\"},\"deliverTo\":" P1),
        R("Observation", ",\"subject\":{\"reference\":\"https://x/fhir/Patient\\/p1/_history/2\"}"),
        R("Organization", ""),
    };
    static const char *const others[] = {
        R("Coverage", ",\"beneficiary\":" P2),
        R("Account", ",\"subject\":[" P2 "]"),
        R("Appointment", ",\"participant\":[{\"actor\":" P2 "}]"),
        R("Observation", ",\"subject\":{\"reference\":\"Group/1\"},\"performer\":[" P1 "]"),
        R("Observation", ""),
        R("Person", ""),
        R("Person", ",\"link\":[{\"target\":" P1 "}]"),
        R("Provenance", ",\"target\":[" P2 "]"),
        R("Task", ",\"for\":" P2),
    };
    fixture *f = *state;
    const sb_members members = {.ids = f->some};
    plan_for(f, &members, SB_JOB_SYSTEM);
    for (size_t i = 0; i < SB_ARRAY_LEN(theirs); i++) {
        if (!gives(f, theirs[i]))
            fail_msg("withheld: %s", theirs[i]);
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(others); i++) {
        if (gives(f, others[i]))
            fail_msg("given: %s", others[i]);
    }
    assert_null(planned(f, SB_STR_LIT("Person"))); /* nor a file that says that there are none */
}

static void who_opted_out_is_named_to_nobody(void **state)
{
    static const char *const given[] = {
        R("Coverage", ",\"beneficiary\":" P1),
        R("Task", ",\"for\":" P1),
        R("Task", ",\"for\":{\"reference\":\"Patient/p22\"},\"note\":\"Patient: p2\""),
        R("Organization", ",\"name\":\"Patient/p2\""), /* about nobody */
        R("Person", ",\"name\":[{\"family\":\"M\\u00fcller\"}]"),
    };
    static const char *const withheld[] = {
        "{\"resourceType\":\"Patient\",\"id\":\"p2\"}",
        R("Coverage", ",\"beneficiary\":" P2),
        R("Coverage", ",\"beneficiary\":" P1 ",\"subscriber\":" P2),
        R("Coverage", ""), /* whose? */
        R("Account", ",\"subject\":[" P1 "," P2 "]"),
        R("Appointment", ",\"participant\":[{\"actor\":" P2 "}]"),
        R("Task", ",\"for\":" P2),
        R("Task", ",\"for\":{\"reference\":\"https://x/Patient/p2/_history/7\"}"),
        R("Task", ",\"for\":{\"reference\":\"Patient\\/p2\"}"),
        R("Task", ",\"for\":{\"reference\":\"\\u0050atient/p2\"}"),
        R("Task", ",\"for\":{\"reference\":\"Patient/p\\u0032\"}"),
        R("Person", ",\"link\":[{\"target\":" P2 "}]"),
        R("Task", ",\"text\":{\"div\":\"<a href='Patient/p2'>her</a>\"}"),
        R("Task", ",\"description\":\"for Patient/p2, or Patient/p1\""),
        R("Task", ",\"description\":\"It is for Patient/p2.\""),
        R("Provenance", ",\"target\":[{\"reference\":\"Patient/p1\"}," P2 "]"),
    };
    fixture *f = *state;
    const sb_members members = {.opted_out = f->no};
    plan_for(f, &members, SB_JOB_SYSTEM);
    for (size_t i = 0; i < SB_ARRAY_LEN(given); i++) {
        if (!gives(f, given[i]))
            fail_msg("withheld: %s", given[i]);
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(withheld); i++) {
        if (gives(f, withheld[i]))
            fail_msg("given: %s", withheld[i]);
    }
}

static void who_may_have_all_gets_all_as_it_is(void **state)
{
    fixture *f = *state;
    const sb_members members[] = {{.ids = NULL}, {.ids = f->all, .everyone = true}};
    for (size_t m = 0; m < SB_ARRAY_LEN(members); m++) {
        plan_for(f, &members[m], SB_JOB_SYSTEM);
        assert_non_null(planned(f, SB_STR_LIT("Person")));
        for (size_t i = 0; i < sb_plan_type_count(f->plan); i++)
            assert_int_equal(sb_plan_part_use(f->plan, sb_plan_type(f->plan, i), 0), SB_PART_WHOLE);
    }
}

static void a_type_about_anybody_is_refused_to_who_may_have_some(void **state)
{
    fixture *f = *state;
    const sb_members members = {.ids = f->some};
    const sb_str type = SB_STR_LIT("Person");
    sb_error err = SB_ERROR_INIT;
    sb_job_request request = {
        .client_id = "c", .level = SB_JOB_SYSTEM, .scopes = &f->scopes, .types = {.items = &type, .count = 1}};
    sb_export_refusal refusal;
    assert_int_equal(sb_plan_new(f->data, &members, &request, &f->plan, &refusal, &err), SB_E_INVALID);
    assert_int_equal(refusal, SB_EXPORT_REFUSAL_TYPE);
    assert_int_equal(err.http_status, 400);
    assert_contains(err.why, "Person");
    request.lenient = true;
    size_t warnings;
    assert_ok(sb_plan_new(f->data, &members, &request, &f->plan, &(sb_export_refusal){0}, NULL));
    assert_int_equal(sb_plan_type_count(f->plan), 0);
    (void)sb_plan_warnings(f->plan, &warnings);
    assert_int_equal(warnings, 1);
}

static void deletions_are_told_as_the_resources_would_be(void **state)
{
    static const struct {
        const char *type, *patient;
        bool to_some, to_all_but_one;
        const char *others;
    } cases[] = {
        {"Account", "p3", true, true, "p1"},    {"Account", "p3", false, true, "p4/p5"},
        {"Account", "p1", true, false, "p2"},   {"Account", "p2", true, false, "p3/p1"},
        {"Account", "p3", true, true, "p4/p1"}, {"Coverage", "p1", true, true},
        {"Coverage", "p2", false, false},       {"Coverage", "", false, false},
        {"Organization", "", true, true},       {"Person", "", false, true},
    };
    fixture *f = *state;
    const sb_members some = {.ids = f->some}, all_but_one = {.opted_out = f->no};
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        const sb_data_deletion deletion = {.type = sb_str_from(cases[i].type),
                                           .id = SB_STR_LIT("gone"),
                                           .patient = sb_str_from(cases[i].patient),
                                           .others = sb_str_from(cases[i].others ? cases[i].others : "")};
        plan_for(f, &some, SB_JOB_SYSTEM);
        assert_int_equal(sb_plan_wants_deletion(f->plan, &deletion), cases[i].to_some);
        plan_for(f, &all_but_one, SB_JOB_SYSTEM);
        assert_int_equal(sb_plan_wants_deletion(f->plan, &deletion), cases[i].to_all_but_one);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(who_may_have_some_gets_nothing_about_others),  T(who_opted_out_is_named_to_nobody),
        T(who_may_have_all_gets_all_as_it_is),           T(a_type_about_anybody_is_refused_to_who_may_have_some),
        T(deletions_are_told_as_the_resources_would_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
