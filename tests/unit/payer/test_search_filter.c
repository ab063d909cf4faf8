/* SPDX-License-Identifier: Apache-2.0 */
/* test_search_filter.c - searches held against resources: one row a promise. */
#include "scratch.h"

#include "payer/data/line.h"
#include "payer/data/search_filter.h"
#include "payer/export/type_filter.h"

typedef struct expectation {
    const char *query;
    bool matches;
} expectation;

static void read_line(const char *json, sb_line_space *space, sb_str *type, sb_data_line *line)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_line_read(sb_str_from(json), space, type, line, &err) != SB_OK)
        fail_msg("%s", err.why);
}

static void expect_all(const char *json, const expectation *rows, size_t count)
{
    sb_line_space space;
    sb_str type;
    sb_data_line line;
    read_line(json, &space, &type, &line);
    for (size_t i = 0; i < count; i++) {
        SB_AUTOPTR(sb_search) search = NULL;
        sb_error err = SB_ERROR_INIT;
        if (sb_search_parse(type, sb_str_from(rows[i].query), NULL, NULL, &search, &err) != SB_OK)
            fail_msg("%s: %s", rows[i].query, err.why);
        if (sb_search_matches(search, &line) != rows[i].matches)
            fail_msg("%s %s", rows[i].query, rows[i].matches ? "does not match" : "matches");
    }
}

#define EXPECT_ALL(json, rows) expect_all(json, rows, SB_ARRAY_LEN(rows))

static const char claim[] =
    "{\"resourceType\":\"ExplanationOfBenefit\",\"id\":\"e1\",\"meta\":{\"lastUpdated\":\"2026-03-01T10:00:00Z\","
    "\"security\":[{\"system\":\"urn:s\",\"code\":\"R\"}]},\"status\":\"active\",\"use\":\"claim\","
    "\"identifier\":[{\"system\":\"urn:claims\",\"value\":\"C\\/1\"}],"
    "\"type\":{\"coding\":[{\"system\":\"urn:other\",\"code\":\"40\"},{\"system\":\"urn:types\",\"code\":"
    "\"institutional\"}]},\"patient\":{\"reference\":\"Patient/p1\"},\"created\":\"2025-07-04\","
    "\"billablePeriod\":{\"start\":\"2025-01-10\",\"end\":\"2025-02-20\"},\"item\":[{\"sequence\":1,\"servicedDate\":"
    "\"2025-01-12\"},{\"sequence\":2,\"servicedPeriod\":{\"start\":\"2025-06-01\",\"end\":\"2025-06-03\"}}]}";

static void dates_compare_by_their_prefix(void **state)
{
    (void)state;
    static const expectation rows[] = {
        {"created=2025-07-04", true},
        {"created=eq2025-07-04", true},
        {"created=2025-07", true}, /* the day is within the month */
        {"created=2025", true},
        {"created=2025-07-05", false},
        {"created=2025-07-04T00:00:00Z", false}, /* the day is not within the second */
        {"created=ne2025-07-04", false},
        {"created=ne2025-07-05", true},
        {"created=gt2025-07-03", true},
        {"created=gt2025-07-04", false},
        {"created=gt2025", false},
        {"created=lt2025-07-05", true},
        {"created=lt2025-07-04", false},
        {"created=ge2025-07-04", true},
        {"created=ge2025-07-05", false},
        {"created=le2025-07-04", true},
        {"created=le2025-07-03", false},
        {"created=ge2025-07-04T00:00:00Z", true},
        {"created=ge2025-07-04T23:00:00-05:00", false}, /* which is the 5th in UTC */
        {"created=ge2025-07-04T01:00:00%2B05:00", true},
        {"created=ge2025-07-04T01:00:00+05:00", true}, /* a plus is itself: the URL was decoded before */
        {"created=2020,2025-07-04,2021", true},        /* any of the values */
        {"created=2020,2021", false},
        {"created=ge2025&created=lt2026", true}, /* all of the parameters */
        {"created=ge2025&created=lt2025", false},
    };
    EXPECT_ALL(claim, rows);
}

static void periods_match_when_any_of_them_does(void **state)
{
    (void)state;
    static const expectation rows[] = {
        {"billable-period-start=2025-01-10", true},
        {"billable-period-start=gt2025-01-10", false},
        {"service-date=ge2025-06-03", true}, /* an item's period reaches it */
        {"service-date=ge2025-06-04", false},
        {"service-date=gt2025-06-02", true},
        {"service-date=lt2025-01-11", true}, /* the claim's period begins before it */
        {"service-date=lt2025-01-10", false},
        {"service-date=2025-01-12", true}, /* an item's day */
        {"service-date=2025-01", true},
        {"service-date=2025-03", false},
        {"service-date=ge2025-03-01&service-date=le2025-03-31", true}, /* each by a value of its own, as FHIR says */
        {"service-date=le2024", false},
    };
    EXPECT_ALL(claim, rows);
    static const char open[] = "{\"resourceType\":\"Encounter\",\"id\":\"1\",\"period\":{\"start\":\"2025-05-05\"}}";
    static const expectation open_rows[] = {
        {"date=ge2099", true},
        {"date=le2025-05-04", false},
        {"date=le2025-05-05", true},
        {"date=2025", false},
    };
    EXPECT_ALL(open, open_rows);
    static const char none[] =
        "{\"resourceType\":\"Encounter\",\"id\":\"1\",\"period\":{},\"class\":{\"code\":\"IMP\"}}";
    static const expectation none_rows[] = {
        {"date=ge1900", false}, {"date=le2999", false}, {"date=ne1900", false},
        {"class=IMP", true},    {"class=|IMP", true},
    };
    EXPECT_ALL(none, none_rows);
}

static void tokens_match_code_and_system(void **state)
{
    (void)state;
    static const expectation rows[] = {
        {"type=institutional", true},
        {"type=Institutional", false},
        {"type=urn:types|institutional", true},
        {"type=urn%3Atypes%7Cinstitutional", true},
        {"type=urn:types%7C40", false}, /* system and code are of one coding */
        {"type=urn:other|", true},
        {"type=urn:nobody|", false},
        {"type=|institutional", false}, /* it has a system */
        {"type=oral,institutional", true},
        {"type=oral", false},
        {"type:not=oral", true},
        {"type:not=institutional", false},
        {"type:not=oral,40", false},
        {"status=active", true},
        {"status=cancelled,active", true},
        {"status=cancelled", false},
        {"status:not=entered-in-error", true},
        {"use=claim&status=active&type=40", true},
        {"use=claim&status=draft&type=40", false},
        {"outcome=complete", false}, /* there is no such element */
        {"outcome:not=complete", true},
        {"identifier=urn:claims|C/1", true},
        {"identifier=C/1", true},
        {"identifier=C/2", false},
        {"_security=R", true},
        {"_security:not=urn:s|R", false},
        {"_tag=R", false},
    };
    EXPECT_ALL(claim, rows);
}

static void arrays_of_concepts_and_escaped_values_are_looked_through(void **state)
{
    (void)state;
    static const char observation[] =
        "{\"resourceType\":\"Observation\",\"id\":\"o\",\"status\":\"final\",\"category\":[{\"text\":\"x\"},"
        "{\"coding\":[{\"system\":\"http://c.example/cat\",\"code\":\"laboratory\"}]},{\"coding\":[{\"code\":"
        "\"a,b|c\"}]}],\"subject\":{\"reference\":\"https://fhir.example/Patient/p7\"},"
        "\"effectivePeriod\":{\"end\":\"2024-02\"}}";
    static const expectation rows[] = {
        {"category=laboratory", true},
        {"category=http://c.example/cat|laboratory", true},
        {"category=vital-signs", false},
        {"category=a\\,b\\|c", true}, /* FHIR escapes what separates */
        {"category=a,b", false},
        {"patient=p7", true},
        {"patient=Patient/p7", true},
        {"patient=p1,Patient/p7", true},
        {"patient=p1", false},
        {"date=le2023", true}, /* it has no start */
        {"date=ge2024-03", false},
        {"date=ge2024-02-29", true},
        {"", true},
        {"&&", true},
    };
    EXPECT_ALL(observation, rows);
    static const char boolean[] = "{\"resourceType\":\"Patient\",\"id\":\"p\",\"active\":true,\"gender\":\"female\"}";
    static const expectation boolean_rows[] = {
        {"active=true", true},
        {"active=false", false},
        {"gender=female", true},
        {"birthdate=ne1900", false},
    };
    EXPECT_ALL(boolean, boolean_rows);
}

static void what_every_resource_has_can_be_asked_for(void **state)
{
    (void)state;
    static const expectation rows[] = {
        {"_id=e1", true},
        {"_id=e2,e1", true},
        {"_id=e2", false},
        {"_lastUpdated=ge2026-03-01", true},
        {"_lastUpdated=gt2026-03-01T10:00:00Z", false},
        {"_lastUpdated=2026-03-01T10:00:00Z", true},
        {"_lastUpdated=lt2026-03-01T10:00:01Z", true},
        {"_lastUpdated=lt2026-03-01", false},
        {"patient=p1&_id=e1", true},
    };
    EXPECT_ALL(claim, rows);
    static const expectation undated[] = {{"_lastUpdated=ge1900", false}, {"_lastUpdated=ne1900", false}};
    EXPECT_ALL("{\"resourceType\":\"Patient\",\"id\":\"p\"}", undated);
}

typedef struct reported {
    char what[64];
    bool unsupported;
    unsigned count;
} reported;

static sb_status report(void *context, const sb_search_problem *problem, sb_error *err)
{
    reported *r = context;
    (void)err;
    r->count++;
    r->unsupported = problem->unsupported;
    (void)snprintf(r->what, sizeof(r->what), "%.*s", (int)problem->what.len,
                   problem->what.ptr ? problem->what.ptr : "");
    return problem->unsupported ? SB_OK : SB_E_INVALID;
}

static void what_is_not_understood_is_told_apart_from_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *query, *what;
        bool unsupported;
    } rows[] = {
        {"unheard-of=1", "unheard-of", true},
        {"_include=Patient", "_include", true},
        {"status:exact=active", "status:exact", true},
        {"created:not=2025", "created:not", true},
        {"vaccine-code=1", "vaccine-code", true}, /* of another type */
        {"", "", false},
        {"status", "", false},
        {"status=", "", false},
        {"=x", "", true},
        {"status=%4", "", false},
        {"status=%zz", "", false},
        {"status=a%00b", "", false},
        {"status=a%0ab", "", false},
        {"status=a,,b", "status", false},
        {"status=urn:x|active", "status", false},
        {"type=|", "type", false},
        {"type=a|b|c", "type", false},
        {"created=sa2025", "created", false},
        {"created=2025-02-30", "created", false},
        {"created=GE2025", "created", false},
        {"_lastUpdated=yesterday", "_lastUpdated", false},
        {"patient=Practitioner/1", "patient", false},
        {"patient=", "", false},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(rows); i++) {
        SB_AUTOPTR(sb_search) search = NULL;
        reported r = {.count = 0};
        sb_error err = SB_ERROR_INIT;
        bool fine = rows[i].query[0] == '\0';
        sb_status status =
            sb_search_parse(SB_STR_LIT("ExplanationOfBenefit"), sb_str_from(rows[i].query), report, &r, &search, &err);
        if (status != (rows[i].unsupported || fine ? SB_OK : SB_E_INVALID) || r.count != !fine ||
            r.unsupported != rows[i].unsupported || strcmp(r.what, rows[i].what) != 0)
            fail_msg("'%s': status %d, %u problems, '%s'", rows[i].query, (int)status, r.count, r.what);
    }
}

static void bounds_hold(void **state)
{
    (void)state;
    SB_AUTO(sb_buf) values = SB_BUF_INIT;
    SB_AUTO(sb_buf) params = SB_BUF_INIT;
    SB_AUTOFREE longest = sb_printf("status=%0*d", (int)SB_SEARCH_TEXT_MAX, 1);
    for (int i = 0; i <= SB_SEARCH_VALUES_MAX; i++)
        assert_true(sb_buf_add_cstr(&values, i == 0 ? "status=a" : ",a"));
    for (int i = 0; i <= SB_SEARCH_PARAMS_MAX; i++)
        assert_true(sb_buf_add_cstr(&params, "status=a&"));
    const char *queries[] = {sb_buf_cstr(&values), sb_buf_cstr(&params), longest};
    for (size_t i = 0; i < SB_ARRAY_LEN(queries); i++) {
        sb_search *search = NULL;
        assert_int_equal(sb_search_parse(SB_STR_LIT("Coverage"), sb_str_from(queries[i]), NULL, NULL, &search, NULL),
                         SB_E_INVALID);
        assert_null(search);
    }
    values.len -= 2; /* one less of each is fine */
    params.len -= strlen("status=a&");
    sb_str fine[] = {sb_buf_str(&values), sb_buf_str(&params)};
    for (size_t i = 0; i < SB_ARRAY_LEN(fine); i++) {
        SB_AUTOPTR(sb_search) search = NULL;
        assert_ok(sb_search_parse(SB_STR_LIT("Coverage"), fine[i], NULL, NULL, &search, NULL));
    }
}

/* What a token may see of the claim. EXP-06 */
static void scopes_add_up_for_each_resource(void **state)
{
    (void)state;
    static const struct {
        const char *scopes;
        bool covered, lets;
    } rows[] = {
        {"system/*.rs", true, true},
        {"system/ExplanationOfBenefit.read", true, true},
        {"system/Patient.rs", false, false},
        {"system/ExplanationOfBenefit.r", false, false},
        {"system/ExplanationOfBenefit.rs?use=claim", true, true},
        {"system/ExplanationOfBenefit.rs?use=preauthorization", true, false},
        {"system/ExplanationOfBenefit.rs?use=preauthorization system/ExplanationOfBenefit.rs?type=40", true, true},
        {"system/ExplanationOfBenefit.r system/ExplanationOfBenefit.s?use=claim", true, true},
        {"system/ExplanationOfBenefit.r system/ExplanationOfBenefit.s?use=other", true, false},
        {"system/ExplanationOfBenefit.r?use=claim system/ExplanationOfBenefit.s?use=other", true, false},
        {"system/ExplanationOfBenefit.r?use=claim system/ExplanationOfBenefit.s?type=40", true, true},
        {"system/*.rs?_security:not=R", true, false},
        {"system/*.rs?_security:not=V", true, true},
        {"system/ExplanationOfBenefit.rs?unheard-of=1", false, false}, /* what is not understood lets nothing through */
        {"system/ExplanationOfBenefit.rs?use=claim&unheard-of=1", false, false},
        {"system/ExplanationOfBenefit.rs?created=nonsense", false, false},
        {"system/ExplanationOfBenefit.rs?", false, false},
    };
    sb_line_space space;
    sb_str type;
    sb_data_line line;
    read_line(claim, &space, &type, &line);
    for (size_t i = 0; i < SB_ARRAY_LEN(rows); i++) {
        SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
        SB_AUTO(sb_type_filter) filter = {.limited = false};
        bool covered;
        assert_ok(sb_scopes_parse(rows[i].scopes, &scopes, NULL));
        assert_ok(sb_type_filter_init(&filter, &scopes, "ExplanationOfBenefit", &covered, NULL));
        if (covered != rows[i].covered || sb_type_filter_lets(&filter, &line) != rows[i].lets)
            fail_msg("%s: covered %d, lets %d", rows[i].scopes, covered, sb_type_filter_lets(&filter, &line));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_compare_by_their_prefix),
        cmocka_unit_test(periods_match_when_any_of_them_does),
        cmocka_unit_test(tokens_match_code_and_system),
        cmocka_unit_test(arrays_of_concepts_and_escaped_values_are_looked_through),
        cmocka_unit_test(what_every_resource_has_can_be_asked_for),
        cmocka_unit_test(what_is_not_understood_is_told_apart_from_what_is_wrong),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(scopes_add_up_for_each_resource),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
