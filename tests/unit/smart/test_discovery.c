/* SPDX-License-Identifier: Apache-2.0 */
/* test_discovery.c - where tokens are: as the standard says, as older servers say, and as nobody should say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "smart/discovery.h"

#include "fake_payer.h"

#define BASE       "https://fhir.payer.example/r4"
#define WELL_KNOWN "/r4/.well-known/smart-configuration"

static void quiet(void *impl, sb_log_level level, const char *line)
{
    (void)impl, (void)level, (void)line;
}

typedef struct fixture {
    fake_payer payer;
    sb_discovery found;
    sb_error err;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    sb_log_set(SB_LOG_DEBUG, quiet, NULL);
    fake_payer_init(&f->payer);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    sb_discovery_cleanup(&f->found);
    fake_payer_free(&f->payer);
    free(f);
    return 0;
}

static sb_status fetch(fixture *f, const char *base)
{
    sb_transport transport = fake_transport(&f->payer);
    return sb_discovery_fetch(&transport, base, &f->found, &f->err);
}

static void the_smart_configuration_is_asked_for_without_credentials(void **state)
{
    fixture *f = *state;
    fake_add(&f->payer, (fake_answer){.url = WELL_KNOWN,
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"https://auth.payer.example/token\","
                                              "\"issuer\":\"https://auth.payer.example\","
                                              "\"capabilities\":[\"permission-v2\"]}"});
    assert_int_equal(fetch(f, BASE "/"), SB_OK); /* DISC-01: the slash means nothing */
    assert_string_equal(f->found.token_url, "https://auth.payer.example/token");
    assert_string_equal(f->found.issuer, "https://auth.payer.example");
    assert_true(sb_discovery_wants_v2(&f->found));
    const fake_seen *seen = fake_last(&f->payer, WELL_KNOWN);
    assert_string_equal(seen->accept, "application/json");
    assert_null(seen->bearer);
    assert_null(seen->authorization);
    assert_int_equal(f->payer.n_seen, 1);
}

static void relative_urls_are_resolved_against_the_document(void **state)
{
    fixture *f = *state;
    fake_add(&f->payer,
             (fake_answer){.url = WELL_KNOWN, .status = 200, .body = "{\"token_endpoint\":\"/auth/token\"}"});
    assert_int_equal(fetch(f, BASE), SB_OK); /* DISC-03 */
    assert_string_equal(f->found.token_url, "https://fhir.payer.example/auth/token");
    fake_clear(&f->payer);
    fake_add(&f->payer, (fake_answer){.url = WELL_KNOWN,
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"token\"}",
                                      .from = "https://other.payer.example/a/b/smart-configuration"});
    assert_int_equal(fetch(f, BASE), SB_OK); /* after a redirect, the document's URL is another */
    assert_string_equal(f->found.token_url, "https://other.payer.example/a/b/token");
}

#define CAPABILITIES                                                                                                   \
    "{\"resourceType\":\"CapabilityStatement\",\"rest\":[{\"security\":{\"extension\":[{\"url\":\"http://x\"},"        \
    "{\"url\":\"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris\",\"extension\":["               \
    "{\"url\":\"authorize\",\"valueUri\":\"https://a.example/auth\"},"                                                 \
    "{\"url\":\"token\",\"valueUri\":\"https://a.example/token\"}]}]}}]}"

static void older_servers_say_it_in_their_capability_statement(void **state)
{
    fixture *f = *state;
    static const fake_answer first[] = {
        {.url = WELL_KNOWN, .status = 404},
        {.url = WELL_KNOWN, .status = 401},
        {.url = WELL_KNOWN, .status = 500},
        {.url = WELL_KNOWN, .status = 200, .body = "<html>Not here</html>"}, /* REAL-06 */
        {.url = WELL_KNOWN, .status = 200, .body = "{\"issuer\":\"x\"}"},
        {.url = WELL_KNOWN, .status = 200, .body = "[]"},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(first); i++) { /* DISC-04 */
        fake_clear(&f->payer);
        fake_add(&f->payer, first[i]);
        fake_add(&f->payer, (fake_answer){.url = "/r4/metadata", .status = 200, .body = CAPABILITIES});
        assert_int_equal(fetch(f, BASE), SB_OK);
        assert_string_equal(f->found.token_url, "https://a.example/token");
        assert_null(f->found.issuer);
        assert_false(sb_discovery_wants_v2(&f->found));
    }
    assert_string_equal(fake_last(&f->payer, "/metadata")->accept, "application/fhir+json");
}

static void a_payer_that_says_nothing_is_reported_with_both_answers(void **state)
{
    fixture *f = *state;
    fake_add(&f->payer,
             (fake_answer){.url = "/r4/metadata", .status = 200, .body = "{\"rest\":[{\"security\":{}},7]}"});
    assert_int_equal(fetch(f, BASE), SB_E_SERVER);
    assert_int_equal(f->err.http_status, 404);
    assert_non_null(strstr(f->err.why, "answered 404"));
    assert_non_null(strstr(f->err.why, "no oauth-uris extension"));
    assert_non_null(strstr(f->err.fix, "token_url"));
}

static void no_answer_is_a_network_failure_and_asked_no_further(void **state)
{
    fixture *f = *state;
    fake_add(&f->payer, (fake_answer){.url = WELL_KNOWN, .status = 0});
    assert_int_equal(fetch(f, BASE), SB_E_NETWORK);
    assert_int_equal(f->payer.n_seen, 1);
}

static void token_endpoints_that_are_not_safe_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const bad[] = {
        "{\"token_endpoint\":\"http://auth.payer.example/token\"}", /* DISC-05 */
        "{\"token_endpoint\":\"http://127.0.0.1/token\"}",          /* a remote server names our own machine */
        "{\"token_endpoint\":\"https://user:pw@auth.payer.example/token\"}",
        "{\"token_endpoint\":\"ftp://auth.payer.example/token\"}",
        "{\"token_endpoint\":\"https://a b/\"}",
        "{\"token_endpoint\":\"\\u001b[31mhttps://x/\"}",
        "{\"token_endpoint\":\"javascript:alert(1)\"}",
        "{\"token_endpoint\":\"\"}",
        "{\"token_endpoint\":17}",
        "{\"token_endpoint\":\"https://a/\\u0000.example\"}",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        fake_clear(&f->payer);
        fake_add(&f->payer, (fake_answer){.url = WELL_KNOWN, .status = 200, .body = bad[i]});
        assert_int_equal(fetch(f, BASE), SB_E_SERVER);
        assert_null(strchr(f->err.why, 0x1b));
    }
}

static void loopback_may_speak_plain_http(void **state)
{
    fixture *f = *state;
    fake_add(&f->payer, (fake_answer){.url = WELL_KNOWN,
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"http://127.0.0.1:8080/token\"}"});
    assert_int_equal(fetch(f, "http://localhost:8080/r4"), SB_OK);
}

static void what_came_over_tls_never_leads_to_plain_http(void **state)
{
    fixture *f = *state;
    fake_add(&f->payer, (fake_answer){.url = "https://localhost:8443/r4/.well-known/smart-configuration",
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"http://localhost:8080/token\"}"});
    assert_int_equal(fetch(f, "https://localhost:8443/r4"), SB_E_SERVER); /* DISC-05 */
}

static void badly_advertised_capabilities_are_no_error(void **state)
{
    fixture *f = *state;
    char list[100];
    bool known = true;
    fake_add(&f->payer, (fake_answer){.url = WELL_KNOWN,
                                      .status = 200,
                                      .body = "{\"token_endpoint\":\"https://a.example/t\",\"capabilities\":\"x\","
                                              "\"scopes_supported\":[\"system/*.rs\",7,\"a\\u001bb\"]}"});
    assert_int_equal(fetch(f, BASE), SB_OK); /* REAL-08 */
    assert_false(sb_discovery_lists(&f->found, "capabilities", "permission-v2", &known));
    assert_false(known);
    assert_true(sb_discovery_lists(&f->found, "scopes_supported", "system/*.rs", &known));
    assert_true(known);
    sb_discovery_list_text(&f->found, "scopes_supported", list, sizeof(list));
    assert_non_null(strstr(list, "system/*.rs, a"));
    assert_null(strchr(list, 0x1b));
}

static void v1_is_asked_for_unless_only_v2_is_advertised(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *capabilities;
        bool v2;
    } cases[] = {{"[]", false},
                 {"[\"permission-v1\"]", false},
                 {"[\"permission-v2\"]", true},
                 {"[\"permission-v1\",\"permission-v2\"]", false}};
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        char body[200];
        (void)snprintf(body, sizeof(body), "{\"token_endpoint\":\"https://a/t\",\"capabilities\":%s}",
                       cases[i].capabilities);
        assert_int_equal(sb_discovery_parse(sb_str_from(body), BASE, &f->found, &f->err), SB_OK);
        assert_int_equal(sb_discovery_wants_v2(&f->found), cases[i].v2); /* REAL-09 */
    }
}

#define DISCOVERY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISCOVERY_TEST(the_smart_configuration_is_asked_for_without_credentials),
        DISCOVERY_TEST(relative_urls_are_resolved_against_the_document),
        DISCOVERY_TEST(older_servers_say_it_in_their_capability_statement),
        DISCOVERY_TEST(a_payer_that_says_nothing_is_reported_with_both_answers),
        DISCOVERY_TEST(no_answer_is_a_network_failure_and_asked_no_further),
        DISCOVERY_TEST(token_endpoints_that_are_not_safe_are_refused),
        DISCOVERY_TEST(loopback_may_speak_plain_http),
        DISCOVERY_TEST(what_came_over_tls_never_leads_to_plain_http),
        DISCOVERY_TEST(badly_advertised_capabilities_are_no_error),
        DISCOVERY_TEST(v1_is_asked_for_unless_only_v2_is_advertised),
    };
    return cmocka_run_group_tests_name("discovery", tests, NULL, NULL);
}
