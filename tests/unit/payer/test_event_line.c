/* SPDX-License-Identifier: Apache-2.0 */
/* test_event_line.c - the log of requests shows where a request went, and not about whom, nor by which token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "payer/routes/event_line.h"

#define TOKEN "7rd6CCkGEGhxT5ZyI57wIZOrNy8h6x1nOzXVr7m5MWs"
#define JOB   "00112233445566778899aabbccddeeff"

static void expect_shown(const char *path, const char *shown)
{
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    SB_AUTOFREE wanted = sb_printf(" GET %s 404 ", shown);
    const sb_service_event event = {
        .method = "GET", .path = sb_str_from(path), .peer = "", .status = 404, .client = "", .reason = ""};
    assert_true(sb_event_line(&event, 0, false, &line));
    if (!strstr(sb_buf_cstr(&line), wanted))
        fail_msg("%s is shown as %s", path, sb_buf_cstr(&line));
}

static void where_a_request_went_is_shown(void **state)
{
    (void)state;
    static const char *const same[] = {"/",
                                       "/token",
                                       "/fhir/$export",
                                       "/fhir/Patient/$export",
                                       "/fhir/Group/north/$export",
                                       "/fhir/jobs/" JOB,
                                       "/fhir/jobs/" JOB "/Patient.000.ndjson",
                                       "/fhir//",
                                       "/.well-known/oauth-authorization-server",
                                       "/portal/style.css"};
    for (size_t i = 0; i < SB_ARRAY_LEN(same); i++)
        expect_shown(same[i], same[i]);
}

static void whom_it_is_about_is_not(void **state)
{
    (void)state;
    expect_shown("/fhir/Patient/member", "/fhir/Patient/…");
    expect_shown("/fhir/Patient/member/$everything", "/fhir/Patient/…/$everything");
    expect_shown("/r4/Coverage/c1/_history/1", "/…/Coverage/…/_history/…");
    expect_shown("/member-7", "/…");
    expect_shown("/fhir/Patient/" JOB, "/fhir/Patient/…"); /* an id may be a hash */
    expect_shown("/fhir/Coverage/Patient.000.ndjson", "/fhir/Coverage/…");
    expect_shown("/fhir/patient/smith", "/fhir/patient/…");
    expect_shown("/fhir/Patient/" JOB "/smith.ndjson/jones", "/fhir/Patient/…/…/…");
    expect_shown("/fhir/%50atient/smith", "/fhir/…/…");
}

static void a_token_at_the_wrong_place_is_not(void **state)
{
    (void)state;
    expect_shown("/" TOKEN, "/…");
    expect_shown("/" TOKEN ".ndjson", "/…");
    expect_shown("/fhir/jobs/" JOB "/" TOKEN ".ndjson", "/fhir/jobs/" JOB "/…");
    expect_shown("/fhir/$" TOKEN, "/fhir/…");
    expect_shown("/fhir/jobs/" TOKEN, "/fhir/jobs/…");
    expect_shown("/fhir/jobs/" JOB "/" TOKEN, "/fhir/jobs/" JOB "/…");
    expect_shown("/fhir/Group/abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq", "/fhir/Group/…");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_a_request_went_is_shown),
        cmocka_unit_test(whom_it_is_about_is_not),
        cmocka_unit_test(a_token_at_the_wrong_place_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
