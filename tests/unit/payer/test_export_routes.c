/* SPDX-License-Identifier: Apache-2.0 */
/* test_export_routes.c - the export server behind its tokens: kick-off, status, files, groups, and who may not.
 *                                                                                EXP-01 … EXP-06, STAT-*, USE-02, USE-06 */
#include "service_fixture.h"

#define ASYNC  "Prefer: respond-async\nAccept: application/fhir+json\n"
#define EXPORT "/fhir/Patient/$export"

static char *with(const char *bearer_header, const char *more)
{
    return sb_printf("%s%s", bearer_header, more);
}

/* Kick off and return the status URL's path, malloc'ed. */
static char *kick_off(fixture *f, const char *auth, const char *target)
{
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE headers = with(auth, ASYNC);
    get(f, target, headers, &r);
    if (r.status != 202)
        fail_msg("%s: %u %s", target, r.status, r.body);
    const char *location = reply_header(&r, "Content-Location");
    assert_non_null(location);
    assert_int_equal(strncmp(location, BASE "/fhir/jobs/", strlen(BASE "/fhir/jobs/")), 0);
    return sb_str_dup(sb_str_from(location + strlen(BASE)));
}

/* Poll until the manifest comes. */
static json_t *manifest_of(fixture *f, const char *auth, const char *status_path)
{
    SB_AUTO(reply) r = REPLY_INIT;
    assert_true(eventually((get(f, status_path, auth, &r), r.status != 202)));
    if (r.status != 200)
        fail_msg("status: %u %s", r.status, r.body);
    assert_non_null(reply_header(&r, "Expires"));
    assert_string_equal(r.answer.content_type, "application/json");
    return json_loads(r.body, 0, NULL);
}

/* The path of the first output file of a type, malloc'ed; NULL: none. */
static char *file_of(const json_t *manifest, const char *list, const char *type)
{
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(manifest, list), i, item) {
        if (strcmp(sb_json_str(item, "type"), type) == 0)
            return sb_str_dup(sb_str_from(sb_json_str(item, "url") + strlen(BASE)));
    }
    return NULL;
}

static void expect(fixture *f, const char *method, const char *target, const char *headers, const char *body,
                   unsigned status, const char *part)
{
    SB_AUTO(reply) r = REPLY_INIT;
    send_to(f, method, target, headers, sb_str_from(body), &r);
    if (r.status != status || (part && !strstr(r.body, part)))
        fail_msg("%s %s: %u %s, not %u %s", method, target, r.status, r.body, status, part ? part : "");
    if (status >= 400) {
        assert_contains(r.body, "OperationOutcome");
        assert_string_equal(r.answer.content_type, "application/fhir+json");
    }
}

/* Tokens */

static void without_a_token_there_is_nothing(void **state)
{
    fixture *f = *state;
    static const char *const targets[] = {EXPORT,         "/fhir/$export",  "/fhir/Group/all/$export", "/fhir/Group",
                                          "/fhir/jobs/x", "/fhir/jobs/x/y", "/fhir/Patient/1",         "/fhir/nothing"};
    for (size_t i = 0; i < SB_ARRAY_LEN(targets); i++) {
        SB_AUTO(reply) r = REPLY_INIT;
        get(f, targets[i], ASYNC, &r);
        assert_int_equal(r.status, 401);
        assert_contains(r.body, "OperationOutcome");
        assert_string_equal(reply_header(&r, "WWW-Authenticate"),
                            "Bearer realm=\"smartbulk\""); /* no error: none sent */
        get(f, targets[i], "Authorization: Bearer nonsense\n", &r);
        assert_int_equal(r.status, 401);
        assert_contains(reply_header(&r, "WWW-Authenticate"), "error=\"invalid_token\"");
        get(f, targets[i], "Authorization: Basic YTpi\n", &r);
        assert_int_equal(r.status, 401);
    }
    assert_string_equal(f->reason, "token_missing");
}

static void a_token_ends_with_its_lifetime(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    expect(f, "GET", "/fhir/Group", auth, "", 200, NULL);
    fake_advance_ns(&f->clock, LIFETIME * SB_NS_PER_S - 1);
    expect(f, "GET", "/fhir/Group", auth, "", 200, NULL);
    fake_advance_ns(&f->clock, 1);
    expect(f, "GET", "/fhir/Group", auth, "", 401, NULL);
    assert_string_equal(f->reason, "token_invalid");
}

static void a_revoked_token_is_unknown(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    assert_int_equal(sb_grants_revoke_all(f->grants), 1);
    expect(f, "GET", "/fhir/Group", auth, "", 401, NULL);
    SB_AUTOFREE fresh = bearer(f, 1, "system/*.read");
    expect(f, "GET", "/fhir/Group", fresh, "", 200, NULL);
}

static sb_status find_fails(void *impl, sb_str token, sb_grant **out, sb_error *err)
{
    (void)impl, (void)token, (void)out;
    return sb_error_set(err, SB_E_BUSY, "a", "b", "c");
}

static void free_nothing(void *impl)
{
    (void)impl;
}

/* A database that restarts must not look like a refusal, which clients take for final. */
static void a_token_that_cannot_be_looked_up_is_not_called_bad(void **state)
{
    static const sb_grants_ops ops = {.find = find_fails, .free = free_nothing};
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOPTR(sb_grants) failing = NULL;
    SB_AUTOPTR(sb_service) service = NULL;
    sb_service *whole = f->service;
    sb_service_options options = f->options;
    assert_ok(sb_grants_new(&ops, NULL, LIFETIME, &failing, NULL));
    options.grants = failing;
    assert_ok(sb_service_new(&options, &service, NULL));
    f->service = service;
    get(f, "/fhir/Group", "Authorization: Bearer x\n", &r);
    f->service = whole;
    assert_int_equal(r.status, 503);
    assert_contains(r.body, "\"transient\""); /* STAT-02 */
    assert_non_null(reply_header(&r, "Retry-After"));
    assert_null(reply_header(&r, "WWW-Authenticate"));
    assert_string_equal(f->reason, "internal_error");
}

static void two_tokens_in_one_request_are_refused(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE both = with(auth, auth);
    expect(f, "GET", "/fhir/Group", both, "", 400, NULL);
}

/* From kick-off to the end */

static void an_export_goes_from_kick_off_to_delete(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->jobs_options.min_seconds = 10;
    fixture_reopen(f);
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE status = kick_off(f, auth, EXPORT "?_type=Patient,Coverage");
    get(f, status, auth, &r);
    assert_int_equal(r.status, 202);
    assert_non_null(reply_header(&r, "X-Progress")); /* STAT-01 */
    assert_non_null(reply_header(&r, "Retry-After"));
    fake_advance_s(&f->clock, 10);
    SB_AUTOJSON manifest = manifest_of(f, auth, status);
    assert_string_equal(sb_json_str(manifest, "request"), BASE EXPORT "?_type=Patient,Coverage");
    assert_true(json_is_true(json_object_get(manifest, "requiresAccessToken")));
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), 2);
    SB_AUTOFREE file = file_of(manifest, "output", "Patient");
    get(f, file, auth, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.answer.content_type, "application/fhir+ndjson");
    assert_true(r.answer.fd >= 0);
    send_to(f, "DELETE", status, auth, SB_STR_NULL, &r);
    assert_int_equal(r.status, 202); /* STAT-07 */
    expect(f, "GET", status, auth, "", 404, "not-found");
    expect(f, "DELETE", status, auth, "", 404, "not-found");
    expect(f, "GET", file, auth, "", 404, "not-found");
}

static void a_file_comes_compressed_to_those_who_take_it(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE status = kick_off(f, auth, EXPORT);
    SB_AUTOJSON manifest = manifest_of(f, auth, status);
    SB_AUTOFREE file = file_of(manifest, "output", "ExplanationOfBenefit");
    SB_AUTOFREE gzip = with(auth, "Accept-Encoding: deflate, gzip\n");
    SB_AUTOFREE not_gzip = with(auth, "Accept-Encoding: gzip;q=0\n");
    get(f, file, auth, &r);
    assert_null(reply_header(&r, "Content-Encoding"));
    assert_string_equal(reply_header(&r, "Vary"), "Accept-Encoding");
    uint64_t plain = r.answer.size;
    SB_AUTOFREE etag = sb_str_dup(sb_str_from(r.answer.etag));
    sb_jobs_wait_compressed(f->jobs); /* the manifest had it made */
    SB_AUTOFREE goes_on = sb_printf("%sRange: bytes=100-\nIf-Range: %s\n", gzip, etag);
    get(f, file, goes_on, &r); /* with what it began with */
    assert_null(reply_header(&r, "Content-Encoding"));
    assert_string_equal(r.answer.etag, etag);
    get(f, file, gzip, &r);
    assert_string_equal(reply_header(&r, "Content-Encoding"), "gzip");
    assert_string_equal(reply_header(&r, "Vary"), "Accept-Encoding");
    assert_true(r.answer.size < plain);
    assert_string_not_equal(r.answer.etag, etag);
    SB_AUTOFREE goes_on_packed = sb_printf("%sRange: bytes=100-\nIf-Range: %s\n", gzip, r.answer.etag);
    get(f, file, goes_on_packed, &r);
    assert_string_equal(reply_header(&r, "Content-Encoding"), "gzip");
    get(f, file, not_gzip, &r);
    assert_int_equal(r.answer.size, plain);
    expect(f, "GET", file, "", "", 401, NULL);
}

static void a_head_of_a_kick_off_starts_nothing(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sb_service_counts counts;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE headers = with(auth, ASYNC);
    send_to(f, "HEAD", EXPORT, headers, SB_STR_NULL, &r);
    assert_int_equal(r.status, 405);
    sb_service_count(f->service, &counts);
    assert_int_equal(counts.exports, 0);
}

/* Other people's */

static void another_clients_job_is_not_there(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE mine = bearer(f, 1, "system/*.read");
    SB_AUTOFREE theirs = bearer(f, 2, "system/*.read");
    SB_AUTOFREE status = kick_off(f, mine, EXPORT "?_type=Patient");
    SB_AUTOJSON manifest = manifest_of(f, mine, status);
    SB_AUTOFREE file = file_of(manifest, "output", "Patient");
    SB_AUTO(reply) there = REPLY_INIT;
    SB_AUTO(reply) nowhere = REPLY_INIT;
    get(f, status, theirs, &there);
    get(f, "/fhir/jobs/00000000000000000000000000000000", theirs, &nowhere);
    assert_int_equal(there.status, 404);
    assert_string_equal(there.body, nowhere.body); /* nothing tells them apart */
    expect(f, "DELETE", status, theirs, "", 404, NULL);
    expect(f, "GET", file, theirs, "", 404, NULL);
    expect(f, "GET", status, mine, "", 200, NULL);
}

static void a_type_that_the_token_does_not_cover_is_403(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/Patient.read");
    SB_AUTOFREE headers = with(auth, ASYNC);
    expect(f, "GET", EXPORT "?_type=Coverage", headers, "", 403, "forbidden"); /* EXP-06 */
    expect(f, "GET", EXPORT "?_type=Patient,Coverage", headers, "", 403, "forbidden");
    SB_AUTOFREE status = kick_off(f, auth, EXPORT); /* all it may have */
    SB_AUTOJSON manifest = manifest_of(f, auth, status);
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), 1);
    SB_AUTOFREE limited = bearer(f, 1, "system/Patient.rs?unheard-of=1");
    SB_AUTOFREE limited_headers = with(limited, ASYNC);
    expect(f, "GET", EXPORT, limited_headers, "", 403, NULL); /* a limit that is not understood lets nothing through */
}

static size_t lines_of(fixture *f, const char *auth, const char *file, const char *must_have)
{
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    get(f, file, auth, &r);
    assert_int_equal(r.status, 200);
    assert_true(sb_buf_reserve(&text, r.answer.size + 1));
    text.len = (size_t)read(r.answer.fd, text.ptr, r.answer.size);
    assert_int_equal(text.len, r.answer.size);
    sb_str rest = sb_buf_str(&text), line;
    size_t count = 0;
    while (sb_str_split(&rest, '\n', &line) && line.len > 0) {
        assert_non_null(memmem(line.ptr, line.len, must_have, strlen(must_have)));
        count++;
    }
    return count;
}

/* The limit holds in the export, and for who reads its files.                                               EXP-06 */
static void a_scope_with_a_search_limit_gives_what_the_limit_lets_through(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE limited = bearer(f, 1, "system/Patient.rs?gender=male");
    SB_AUTOFREE all = bearer(f, 1, "system/*.rs");
    SB_AUTOFREE status = kick_off(f, limited, EXPORT);
    SB_AUTOJSON manifest = manifest_of(f, limited, status);
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), 1);
    SB_AUTOFREE males = file_of(manifest, "output", "Patient");
    size_t count = lines_of(f, limited, males, "\"gender\":\"male\"");
    assert_true(count > 0);
    assert_int_equal(lines_of(f, all, males, "Patient"), count); /* who may have all may have these */
    SB_AUTOFREE other = bearer(f, 1, "system/Patient.rs?gender=female");
    expect(f, "GET", males, other, "", 403, "forbidden");
    SB_AUTOFREE wide_status = kick_off(f, all, EXPORT "?_type=Patient");
    SB_AUTOJSON wide_manifest = manifest_of(f, all, wide_status);
    SB_AUTOFREE everybody = file_of(wide_manifest, "output", "Patient");
    assert_true(lines_of(f, all, everybody, "Patient") > count);
    expect(f, "GET", everybody, limited, "", 403, "forbidden");
}

static void a_type_is_known_to_be_covered_though_there_is_none_of_it(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/Observation.read");
    SB_AUTOFREE status = kick_off(f, auth, EXPORT "?_type=Observation");
    SB_AUTOJSON manifest = manifest_of(f, auth, status);
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), 0);
}

/* The token that fetches a file is judged, not the one that asked for the export. */
static void files_are_given_by_the_scope_of_the_token_that_asks(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE wide = bearer(f, 1, "system/*.read");
    SB_AUTOFREE narrow = bearer(f, 1, "system/Patient.read");
    SB_AUTOFREE status = kick_off(f, wide, EXPORT);
    SB_AUTOJSON manifest = manifest_of(f, narrow, status);
    SB_AUTOFREE patients = file_of(manifest, "output", "Patient");
    SB_AUTOFREE claims = file_of(manifest, "output", "ExplanationOfBenefit");
    get(f, patients, narrow, &r);
    assert_int_equal(r.status, 200);
    get(f, claims, narrow, &r);
    assert_int_equal(r.status, 403);
    assert_contains(reply_header(&r, "WWW-Authenticate"), "insufficient_scope");
    assert_int_equal(r.answer.fd, -1);
}

/* Kick-off requests */

static void a_kick_off_says_that_it_can_wait(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    static const struct {
        const char *headers;
        unsigned status;
    } cases[] = {
        {"Accept: application/fhir+json\n", 400}, /* EXP-05 */
        {"Prefer: return=minimal\n", 400},
        {"Prefer: respond-async\nAccept: text/html\n", 406},
        {"Prefer: respond-async\nAccept: application/fhir+json;q=0\n", 406},
        {"Prefer: respond-async\n", 202},
        {"Prefer: handling=lenient\nPrefer: respond-async\nAccept: text/html\nAccept: */*\n", 202},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTOFREE headers = with(auth, cases[i].headers);
        expect(f, "GET", EXPORT, headers, "", cases[i].status, NULL);
    }
}

static void parameters_are_judged(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE headers = with(auth, ASYNC);
    static const struct {
        const char *query;
        unsigned status;
    } cases[] = {
        {"", 202},
        {"?_type=Patient&_type=Coverage", 202},
        {"?_outputFormat=ndjson", 202},
        {"?_outputFormat=application%2Ffhir%2Bndjson&_since=2020-01-01T00:00:00Z&_elements=id", 202},
        {"?allowPartialManifests=true&_format=json", 202},
        {"?_outputFormat=csv", 400},
        {"?_outputFormat=ndjson&_outputFormat=ndjson", 400},
        {"?_since=yesterday", 400},
        {"?_since=", 400},
        {"?_since=2020-01-01T00:00:00Z&_since=2020-01-01T00:00:00Z", 400},
        {"?_until=2020-01-01T00:00:00Z&_until=2020-01-01T00:00:00Z", 400},
        {"?_type=Nonsense", 400},
        {"?_typeFilter=Patient%3Fgender%3Dmale", 202},
        {"?_typeFilter=Patient%3Fgender%3Dmale&_typeFilter=Patient%3Fbirthdate%3Dge1950%26gender%3Dfemale", 202},
        {"?_typeFilter=Patient%3Funheard-of%3Dmale", 400},
        {"?_typeFilter=Patient%3Fbirthdate%3Dlately", 400},
        {"?_typeFilter=Patient", 400},
        {"?_typeFilter=Nonsense%3Fgender%3Dmale", 400},
        {"?_type=Coverage&_typeFilter=Patient%3Fgender%3Dmale", 400},
        {"?includeAssociatedData=LatestProvenanceResources", 400},
        {"?organizeOutputBy=Patient", 400},
        {"?unheard-of=1", 400},
        {"?_type=%ff", 400},
        {"?%ff=1", 400},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTOFREE target = sb_printf(EXPORT "%s", cases[i].query);
        expect(f, "GET", target, headers, "", cases[i].status, NULL);
    }
}

static void leniency_passes_over_what_is_not_known_and_says_so(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE headers = with(auth, "Prefer: respond-async, handling=lenient\n");
    get(f, EXPORT "?_type=Patient&unheard-of=1&_typeFilter=Patient%3Fx%3D1", headers, &r);
    assert_int_equal(r.status, 202);
    expect(f, "GET", EXPORT "?%ff=1", headers, "", 400, NULL); /* of which nothing could be said */
    SB_AUTOFREE status = sb_str_dup(sb_str_from(reply_header(&r, "Content-Location") + strlen(BASE)));
    SB_AUTOJSON manifest = manifest_of(f, auth, status);
    SB_AUTOFREE errors = file_of(manifest, "error", "OperationOutcome");
    assert_non_null(errors);
    get(f, errors, auth, &r);
    char text[1000] = "";
    assert_true(read(r.answer.fd, text, sizeof(text) - 1) > 0);
    assert_contains(text, "unheard-of");
    assert_contains(text, "_typeFilter");
}

#define FHIR_TYPE "Content-Type: application/fhir+json\n"

static char *some_patient(const fixture *f)
{
    const sb_roster *all = sb_rosters_find(f->rosters, SB_STR_LIT("all"));
    SB_AUTOJSON group = NULL;
    assert_ok(sb_roster_to_fhir(all, 1, &group, NULL));
    json_t *member = json_array_get(json_object_get(group, "member"), 0);
    return sb_str_dup(sb_str_from(sb_json_str(json_object_get(member, "entity"), "reference")));
}

static void members_do_not_belong_into_urls(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE headers = with(auth, ASYNC);
    SB_AUTOFREE patient = some_patient(f);
    SB_AUTOFREE target = sb_printf(EXPORT "?patient=%s", patient);
    expect(f, "GET", target, headers, "", 400, "body of a POST");
}

static void a_post_has_its_parameters_in_its_body(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE headers = with(auth, ASYNC FHIR_TYPE);
    SB_AUTOFREE patient = some_patient(f);
    SB_AUTOFREE body = sb_printf("{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"_type\",\"valueString\":"
                                 "\"Patient\"},{\"name\":\"patient\",\"valueReference\":{\"reference\":\"%s\"}}]}",
                                 patient);
    send_to(f, "POST", EXPORT, headers, sb_str_from(body), &r);
    assert_int_equal(r.status, 202);
    SB_AUTOFREE status = sb_str_dup(sb_str_from(reply_header(&r, "Content-Location") + strlen(BASE)));
    SB_AUTOJSON manifest = manifest_of(f, auth, status);
    json_t *item = json_array_get(json_object_get(manifest, "output"), 0);
    assert_int_equal(json_integer_value(json_object_get(item, "count")), 1);
    assert_string_equal(sb_json_str(manifest, "request"), BASE EXPORT); /* and no patient in it */
    SB_AUTOFREE none = sb_printf("{\"resourceType\":\"Parameters\"}");
    expect(f, "POST", EXPORT, headers, none, 202, NULL);
}

static void a_post_that_makes_no_sense_is_refused(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE headers = with(auth, ASYNC FHIR_TYPE);
    SB_AUTOFREE form = with(auth, ASYNC FORM);
    SB_AUTOFREE untyped = with(auth, ASYNC);
    static const char *const bodies[] = {
        "",
        "[]",
        "{\"resourceType\":\"Patient\"}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"valueString\":\"x\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"patient\",\"valueString\":\"Patient/1\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"patient\",\"valueReference\":{\"reference\":\"x\"}"
        "}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"_since\",\"valueInstant\":\"2020-01-01T00:00:"
        "00Z\"},"
        "{\"name\":\"_since\",\"valueInstant\":\"2020-01-01T00:00:00Z\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"_since\",\"valueBoolean\":true}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"exportType\",\"valueCanonical\":\"x\"}]}",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(bodies); i++)
        expect(f, "POST", EXPORT, headers, bodies[i], 400, NULL);
    expect(f, "POST", EXPORT, form, "{\"resourceType\":\"Parameters\"}", 415, NULL);
    expect(f, "POST", EXPORT, untyped, "{\"resourceType\":\"Parameters\"}", 415, NULL);
    expect(f, "POST", EXPORT "?_type=Patient", headers, "{\"resourceType\":\"Parameters\"}", 400, NULL);
}

static void the_three_levels_differ(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE headers = with(auth, ASYNC);
    SB_AUTOFREE system = kick_off(f, auth, "/fhir/$export");
    SB_AUTOFREE patients = kick_off(f, auth, "/fhir/Patient/$export");
    SB_AUTOFREE half = kick_off(f, auth, "/fhir/Group/first-half/$export?_type=Patient");
    SB_AUTOJSON of_system = manifest_of(f, auth, system);
    SB_AUTOJSON of_patients = manifest_of(f, auth, patients);
    SB_AUTOJSON of_half = manifest_of(f, auth, half);
    SB_AUTOFREE organizations = file_of(of_system, "output", "Organization");
    SB_AUTOFREE none = file_of(of_patients, "output", "Organization");
    assert_non_null(organizations);
    assert_null(none);
    json_t *item = json_array_get(json_object_get(of_half, "output"), 0);
    assert_int_equal(json_integer_value(json_object_get(item, "count")), 5);
    expect(f, "GET", "/fhir/Group/nobody/$export", headers, "", 404, NULL);
    expect(f, "GET", "/fhir/Observation/$export", headers, "", 404, NULL);
    expect(f, "PUT", "/fhir/$export", auth, "", 405, NULL);
}

static void too_many_at_once_are_told_to_wait(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->jobs_options.per_client = 1;
    f->jobs_options.min_seconds = 10;
    fixture_reopen(f);
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE theirs = bearer(f, 2, "system/*.read");
    SB_AUTOFREE headers = with(auth, ASYNC);
    SB_AUTOFREE first = kick_off(f, auth, EXPORT);
    get(f, EXPORT, headers, &r);
    assert_int_equal(r.status, 429); /* EXP-04 */
    assert_non_null(reply_header(&r, "Retry-After"));
    assert_contains(r.body, "throttled");
    SB_AUTOFREE other = kick_off(f, theirs, EXPORT); /* whoever else may */
}

/* Open files */

static void open_files_take_no_token(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    f->options.open_files = true;
    fixture_reopen(f);
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE status = kick_off(f, auth, EXPORT "?_type=Patient");
    SB_AUTOJSON manifest = manifest_of(f, auth, status);
    assert_true(json_is_false(json_object_get(manifest, "requiresAccessToken")));
    SB_AUTOFREE file = file_of(manifest, "output", "Patient");
    get(f, file, NULL, &r);
    assert_int_equal(r.status, 200); /* USE-02 */
    expect(f, "GET", file, auth, "", 400, NULL);
    expect(f, "GET", status, NULL, "", 401, NULL);
    expect(f, "GET", "/fhir/jobs/00000000000000000000000000000000/Patient.000.ndjson", NULL, "", 404, NULL);
}

/* Da Vinci */

static void a_da_vinci_export_is_one_of_a_group_with_a_type_of_its_own(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE headers = with(auth, ASYNC FHIR_TYPE);
    static const struct {
        const char *target, *parameters;
        unsigned status;
    } cases[] = {
#define TYPE(x) "{\"name\":\"exportType\",\"valueCanonical\":\"hl7.fhir.us.davinci-" x "\"}"
#define SINCE   "{\"name\":\"_since\",\"valueInstant\":\"2026-01-01T00:00:00Z\"}"
#define DAVINCI "/fhir/Group/all/$davinci-data-export"
        {DAVINCI, TYPE("pdex#provider-download"), 202},
        {DAVINCI, TYPE("pdex#payertopayer"), 202},
        {DAVINCI, TYPE("atr"), 202},
        {DAVINCI, "{\"name\":\"_type\",\"valueString\":\"Patient\"}", 202},
        {DAVINCI, TYPE("pdex#provider-delta"), 400},
        {DAVINCI, TYPE("pdex#provider-delta") "," SINCE, 202},
        {DAVINCI, TYPE("pdex#everything"), 400},
        {DAVINCI, TYPE("atr") "," TYPE("atr"), 400},
        {"/fhir/Group/none/$davinci-data-export", TYPE("atr"), 404},
        {"/fhir/Group/all/$export", TYPE("atr"), 400},
        {"/fhir/Group/all/$export", "{\"name\":\"allowPartialManifests\",\"valueBoolean\":true}", 202},
        {"/fhir/Group/all/$export", "{\"name\":\"allowPartialManifests\",\"valueString\":\"maybe\"}", 400},
        {"/fhir/Group/all/$export", "{\"name\":\"organizeOutputBy\",\"valueString\":\"Patient\"}", 400},
        {"/fhir/$davinci-data-export", TYPE("atr"), 404},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTOFREE body = sb_printf("{\"resourceType\":\"Parameters\",\"parameter\":[%s]}", cases[i].parameters);
        expect(f, "POST", cases[i].target, headers, body, cases[i].status, NULL);
    }
    expect(f, "GET", DAVINCI, headers, "", 405, NULL);
}

static void a_partial_manifest_leads_to_the_next(void **state)
{
    fixture *f = *state;
    f->jobs_options.manifest_files = 2;
    fixture_reopen(f);
    SB_AUTOFREE auth = bearer(f, 1, "system/*.read");
    SB_AUTOFREE whole_status = kick_off(f, auth, EXPORT);
    SB_AUTOFREE status = kick_off(f, auth, EXPORT "?allowPartialManifests=true");
    SB_AUTOJSON whole = manifest_of(f, auth, whole_status);
    assert_null(json_object_get(whole, "link")); /* who did not allow it would not look for it */
    size_t left = json_array_size(json_object_get(whole, "output"));
    SB_AUTOFREE at = sb_str_dup(sb_str_from(status));
    while (at) {
        SB_AUTOJSON page = manifest_of(f, auth, at);
        const json_t *next = json_array_get(json_object_get(page, "link"), 0);
        size_t files = json_array_size(json_object_get(page, "output"));
        assert_true(files > 0 && files <= 2 && files <= left);
        left -= files;
        sb_charp_cleanup(&at);
        if (next)
            at = sb_str_dup(sb_str_from(sb_json_str(next, "url") + strlen(BASE)));
    }
    assert_int_equal(left, 0);
    SB_AUTOFREE beyond = sb_printf("%s?page=99", status);
    SB_AUTOFREE no_number = sb_printf("%s?page=x", status);
    expect(f, "GET", beyond, auth, "", 404, NULL);
    expect(f, "GET", no_number, auth, "", 404, NULL);
}

/* Groups */

static void groups_are_for_those_whose_scope_says_so(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/Group.rs");
    SB_AUTOFREE other = bearer(f, 2, "system/*.read");
    SB_AUTOFREE reads = bearer(f, 1, "system/Group.r");
    expect(f, "GET", "/fhir/Group", auth, "", 200, "\"total\":3");
    expect(f, "GET", "/fhir/Group?identifier=first-half", auth, "", 200, "\"total\":1");
    expect(f, "GET", "/fhir/Group?name=All%20members", auth, "", 200, "\"total\":1");
    expect(f, "GET", "/fhir/Group?identifier=x", auth, "", 200, "\"total\":0");
    expect(f, "GET", "/fhir/Group?identifier=all&name=y", auth, "", 200, "\"total\":0");
    expect(f, "GET", "/fhir/Group?characteristic=x", auth, "", 200, "\"total\":0");
    expect(f, "GET", "/fhir/Group?identifier=all&identifier=x", auth, "", 400, NULL);
    expect(f, "GET", "/fhir/Group?member=Patient/1", auth, "", 400, NULL);
    expect(f, "GET", "/fhir/Group?_count=0", auth, "", 400, NULL);
    expect(f, "GET", "/fhir/Group/all", auth, "", 200, "\"quantity\":10");
    expect(f, "GET", "/fhir/Group/nobody", auth, "", 404, NULL);
    expect(f, "GET", "/fhir/Group", other, "", 403, NULL);
    expect(f, "GET", "/fhir/Group/all", other, "", 403, NULL);
    expect(f, "GET", "/fhir/Group/all", reads, "", 200, NULL);
    expect(f, "GET", "/fhir/Group", reads, "", 403, NULL);
}

/* Every page, by its next link: the ids in the order they came. */
static void walk_groups(fixture *f, const char *auth, const char *target, sb_buf *ids)
{
    SB_AUTOFREE at = sb_str_dup(sb_str_from(target));
    while (at) {
        SB_AUTO(reply) r = REPLY_INIT;
        get(f, at, auth, &r);
        assert_int_equal(r.status, 200);
        SB_AUTOJSON bundle = json_loads(r.body, 0, NULL);
        size_t i;
        json_t *entry;
        json_array_foreach (json_object_get(bundle, "entry"), i, entry)
            assert_true(sb_buf_printf(ids, "%s ", sb_json_str(json_object_get(entry, "resource"), "id")));
        const json_t *link = json_array_get(json_object_get(bundle, "link"), 0);
        sb_charp_cleanup(&at);
        if (link) {
            assert_string_equal(sb_json_str(link, "relation"), "next");
            assert_memory_equal(sb_json_str(link, "url"), BASE, strlen(BASE));
            at = sb_str_dup(sb_str_from(sb_json_str(link, "url") + strlen(BASE)));
        }
    }
}

static void groups_come_in_pages(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE auth = bearer(f, 1, "system/Group.rs");
    for (unsigned count = 1; count <= 3; count++) {
        SB_AUTO(sb_buf) ids = SB_BUF_INIT;
        SB_AUTOFREE target = sb_printf("/fhir/Group?_count=%u", count);
        walk_groups(f, auth, target, &ids);
        assert_string_equal(sb_buf_cstr(&ids), "all first-half second-half ");
    }
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(without_a_token_there_is_nothing),
        WITH_SERVICE(a_token_ends_with_its_lifetime),
        WITH_SERVICE(a_revoked_token_is_unknown),
        WITH_SERVICE(a_token_that_cannot_be_looked_up_is_not_called_bad),
        WITH_SERVICE(two_tokens_in_one_request_are_refused),
        WITH_SERVICE(an_export_goes_from_kick_off_to_delete),
        WITH_SERVICE(a_file_comes_compressed_to_those_who_take_it),
        WITH_SERVICE(a_head_of_a_kick_off_starts_nothing),
        WITH_SERVICE(another_clients_job_is_not_there),
        WITH_SERVICE(a_type_that_the_token_does_not_cover_is_403),
        WITH_SERVICE(a_scope_with_a_search_limit_gives_what_the_limit_lets_through),
        WITH_SERVICE(a_type_is_known_to_be_covered_though_there_is_none_of_it),
        WITH_SERVICE(files_are_given_by_the_scope_of_the_token_that_asks),
        WITH_SERVICE(a_kick_off_says_that_it_can_wait),
        WITH_SERVICE(parameters_are_judged),
        WITH_SERVICE(leniency_passes_over_what_is_not_known_and_says_so),
        WITH_SERVICE(members_do_not_belong_into_urls),
        WITH_SERVICE(a_post_has_its_parameters_in_its_body),
        WITH_SERVICE(a_post_that_makes_no_sense_is_refused),
        WITH_SERVICE(the_three_levels_differ),
        WITH_SERVICE(too_many_at_once_are_told_to_wait),
        WITH_SERVICE(open_files_take_no_token),
        WITH_SERVICE(groups_are_for_those_whose_scope_says_so),
        WITH_SERVICE(groups_come_in_pages),
        WITH_SERVICE(a_da_vinci_export_is_one_of_a_group_with_a_type_of_its_own),
        WITH_SERVICE(a_partial_manifest_leads_to_the_next),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
