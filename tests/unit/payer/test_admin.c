/* SPDX-License-Identifier: Apache-2.0 */
/* test_admin.c - who may ask the admin listener and who may not, before any route is called; what it tells of itself. */
#include "payer/admin/admin.h"

#include "portal_fixture.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

typedef struct office {
    desk *d;
    sb_ready *ready;
    sb_metrics *metrics;
    sb_admin *admin;
    char logged[128]; /* the last request of the log: "route status reason" */
} office;

static void on_logged(void *impl, const sb_service_event *event)
{
    office *o = impl;
    (void)snprintf(o->logged, sizeof(o->logged), "%s %u %s", event->route, event->status, event->reason);
}

static int64_t ends_s(void *impl)
{
    (void)impl;
    return 1800000000;
}

static int office_set_up(void **state)
{
    office *o = calloc(1, sizeof(*o));
    void *d = NULL;
    if (!o || desk_set_up(&d) != 0)
        return -1;
    o->d = d;
    fixture *f = o->d->f;
    sb_ready_options ready = {.pool = o->d->pool, .exports_folder = f->state_dir, .clock = &f->clock.clock};
    assert_ok(sb_ready_new(&ready, &o->ready, NULL));
    assert_ok(sb_metrics_new(&f->clock.clock, &o->metrics, NULL));
    sb_admin_options options = {.ready = o->ready,
                                .pool = o->d->pool,
                                .clients = f->clients,
                                .jobs = f->jobs,
                                .audit = f->options.audit,
                                .audit_file = o->d->audit_file,
                                .metrics = o->metrics,
                                .clock = &f->clock.clock,
                                .exports_folder = f->state_dir,
                                .certificate_ends_s = ends_s,
                                .on_event = on_logged,
                                .impl = o};
    assert_ok(sb_admin_new(&options, &o->admin, NULL));
    *state = o;
    return 0;
}

static int office_tear_down(void **state)
{
    office *o = *state;
    void *d = o->d;
    sb_admin_free(o->admin);
    sb_metrics_free(o->metrics);
    sb_ready_free(o->ready);
    free(o);
    return desk_tear_down(&d);
}

static void ask(office *o, const char *method, const char *target, const char *headers, reply *out)
{
    sb_server_handler handler = sb_admin_handler(o->admin);
    fake_advance_s(&o->d->f->clock, 1); /* the audit log is told of one refusal a second */
    send_by(&handler, o->d->f, method, target, headers, SB_STR_NULL, out);
}

static void expect(office *o, const char *method, const char *target, const char *headers, unsigned status)
{
    SB_AUTO(reply) r = REPLY_INIT;
    ask(o, method, target, headers, &r);
    if (r.status != status)
        fail_msg("%s %s\n%s: %u, not %u: %s", method, target, headers, r.status, status, r.body);
    assert_string_equal(reply_header(&r, "Cache-Control"), "no-store");
    assert_string_equal(reply_header(&r, "X-Content-Type-Options"), "nosniff");
}

#define HERE "Host: 127.0.0.1:9443\n"

static void a_web_page_is_refused_whatever_it_is_made_to_send(void **state)
{
    office *o = *state;
    static const char *const pages[] = {
        "Origin: https://evil.example\n",
        "Origin: null\n",
        "Origin: http://127.0.0.1:9443\n",
        "Sec-Fetch-Site: cross-site\n",
        "Sec-Fetch-Site: same-site\n",
        "Sec-Fetch-Site: same-origin\n",
        "Sec-Fetch-Site: None\n",
        "Content-Type: text/plain\n",
        "Content-Type: multipart/form-data; boundary=x\n",
        "Content-Type: Application/X-www-form-urlencoded\n",
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(pages); i++) {
        SB_AUTOFREE headers = sb_printf(HERE "%s", pages[i]);
        expect(o, "POST", "/clients/client-1/suspend", headers, 403);
        expect(o, "DELETE", "/clients/client-1", headers, 403);
        expect(o, "GET", "/readyz", headers, 403);
        assert_string_equal(newest_event(o->d), "admin.refused refused cross_site - -");
        assert_string_equal(o->logged, "admin_readyz 403 cross_site");
    }
    expect(o, "GET", "/healthz", HERE "Sec-Fetch-Site: none\n", 200); /* a person typed it */
}

static void a_name_that_leads_here_is_no_address_of_ours(void **state)
{
    office *o = *state;
    static const char *const foreign[] = {
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1].evil.example",
        "[::1",
        "1",
        "0x7f.1",
        "127.0.0.1, evil.example",
        "evil.example:127001",
        "[evil.example]",
        "localhost@evil.example",
        "::1",
    };
    static const char *const ours[] = {"127.0.0.1", "127.0.0.1:9443", "localhost",  "LOCALHOST:1",
                                       "[::1]",     "[::1]:9443",     "10.1.2.3:80"};
    for (size_t i = 0; i < SB_ARRAY_LEN(foreign); i++) {
        SB_AUTOFREE headers = sb_printf("Host: %s\n", foreign[i]);
        expect(o, "GET", "/healthz", headers, 421);
        assert_string_equal(newest_event(o->d), "admin.refused refused host_unknown - -");
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(ours); i++) {
        SB_AUTOFREE headers = sb_printf("Host: %s\n", ours[i]);
        expect(o, "GET", "/healthz", headers, 200);
    }
    expect(o, "GET", "/healthz", "", 421);
    expect(o, "GET", "/healthz", HERE HERE, 421);
}

static void without_the_token_nothing_but_yes_or_no_is_told(void **state)
{
    office *o = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sb_digest digest = sb_digest_of(SB_STR_LIT(TOKEN));
    static const char *const wrong[] = {"",
                                        "Authorization: Bearer\n",
                                        "Authorization: Bearer 0123\n",
                                        "Authorization: Basic " TOKEN "\n",
                                        "Authorization: Bearer " TOKEN "\nAuthorization: Bearer " TOKEN "\n",
                                        "Authorization: Bearer " TOKEN "0\n"};
    sb_admin_set_token(o->admin, &digest);
    for (size_t i = 0; i < SB_ARRAY_LEN(wrong); i++) {
        expect(o, "GET", "/metrics", wrong[i], 401);
        assert_string_equal(newest_event(o->d), wrong[i][0] ? "admin.refused refused token_invalid - -"
                                                            : "admin.refused refused token_missing - -");
        expect(o, "GET", "/nowhere", wrong[i], 401); /* a stranger need not know which addresses there are */
        expect(o, "POST", "/clients/client-1/suspend", wrong[i], 401);
        ask(o, "GET", "/readyz", wrong[i], &r);
        assert_string_equal(r.body, "{\"ready\": true}\n");
    }
    expect(o, "GET", "/metrics", "Authorization: Bearer " TOKEN "\n", 200);
    expect(o, "GET", "/metrics", "Host: watched.example\nAuthorization: bearer " TOKEN "\n", 200);
    expect(o, "GET", "/metrics", "Authorization: Bearer " TOKEN "\nOrigin: null\n", 403);
    ask(o, "GET", "/readyz", "Authorization: Bearer " TOKEN "\n", &r);
    assert_non_null(strstr(r.body, "\"database\": \"ok\""));
    sb_admin_set_token(o->admin, NULL);
    expect(o, "GET", "/metrics", HERE, 200);
}

static sb_status count_event(void *context, const json_t *event, bool believed, sb_error *err)
{
    (void)event, (void)err;
    assert_true(believed);
    ++*(unsigned *)context;
    return SB_OK;
}

static void a_flood_of_refusals_is_one_line_a_second_of_the_audit_log(void **state)
{
    office *o = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sb_server_handler handler = sb_admin_handler(o->admin);
    unsigned lines = 0;
    uint64_t next;
    for (int i = 0; i < 100; i++)
        send_by(&handler, o->d->f, "GET", "/metrics", "Host: evil.example\n", SB_STR_NULL, &r);
    sb_audit_query query = {.event = "admin.refused"};
    assert_ok(sb_audit_search(o->d->audit_file, &query, count_event, &lines, &next, NULL));
    assert_int_equal(lines, 1);
    expect(o, "GET", "/metrics", "Host: evil.example\n", 421);
    lines = 0;
    assert_ok(sb_audit_search(o->d->audit_file, &query, count_event, &lines, &next, NULL));
    assert_int_equal(lines, 2);
}

static void readiness_has_a_line_a_check_and_ends_before_the_server_does(void **state)
{
    office *o = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    ask(o, "GET", "/readyz", HERE, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{\"ready\": true, \"checks\": {\n  \"keys\": \"ok\",\n  \"database\": \"ok\",\n"
                                "  \"clock\": \"ok\",\n  \"audit\": \"ok\",\n  \"exports\": \"ok\",\n"
                                "  \"serving\": \"ok\"\n}}\n");
    sb_admin_set_ending(o->admin);
    ask(o, "GET", "/readyz", HERE, &r);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.body, "\"serving\": \"it is about to end"));
    assert_string_equal(o->logged, "admin_readyz 503 not_ready");
    expect(o, "GET", "/healthz", HERE, 200);
}

static void metrics_count_tokens_replays_and_refusals(void **state)
{
    office *o = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    static const char *const lines[] = {
        "\nsmartbulk_tokens_issued_total 2\n",
        "\nsmartbulk_replays_total 3\n",
        "\nsmartbulk_refusals_total{route=\"token\",reason=\"aud_wrong\"} 1\n",
        "\nsmartbulk_ready 1\n",
        "\nsmartbulk_check{check=\"exports\"} 1\n",
        "\nsmartbulk_database_up 1\n",
        "\nsmartbulk_exports{state=\"queued\"} 0\n",
        "\nsmartbulk_certificate_expiry_seconds 1800000000\n",
        "\nsmartbulk_uptime_seconds 1\n",
        "\nsmartbulk_audit_writable 1\n",
    };
    sb_metrics_answer(o->metrics, "token", 200, 100, 1, NULL);
    sb_metrics_answer(o->metrics, "token", 200, 100, 1, NULL);
    sb_metrics_answer(o->metrics, "token", 401, 100, 1, "aud_wrong");
    for (int i = 0; i < 3; i++)
        sb_metrics_answer(o->metrics, "token", 401, 100, 1, "jti_replayed");
    ask(o, "GET", "/metrics", HERE, &r);
    assert_string_equal(r.answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
    for (size_t i = 0; i < SB_ARRAY_LEN(lines); i++) {
        if (!strstr(r.body, lines[i]))
            fail_msg("no line%sin:\n%s", lines[i], r.body);
    }
    assert_null(strstr(r.body, " nan\n"));
}

static void what_is_not_there_is_said_in_the_way_of_http(void **state)
{
    office *o = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    expect(o, "GET", "/", HERE, 404);
    expect(o, "GET", "/clients/none", HERE, 404);
    expect(o, "GET", "/clients?state=odd", HERE, 400);
    expect(o, "GET", "/audit?limit=0", HERE, 400);
    expect(o, "GET", "/audit?before=-1", HERE, 400);
    expect(o, "DELETE", "/exports/none", HERE, 404);
    ask(o, "PUT", "/clients/client-1", HERE, &r);
    assert_int_equal(r.status, 405);
    assert_string_equal(reply_header(&r, "Allow"), "GET, DELETE");
}

static void what_is_approved_is_what_was_looked_at(void **state)
{
    office *o = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    expect(o, "POST", "/clients/client-1/suspend", HERE, 204);
    assert_string_equal(newest_event(o->d), "client.suspended ok - client-1 admin listener");
    ask(o, "GET", "/clients/client-1", HERE, &r);
    SB_AUTOFREE tag = sb_str_dup(sb_str_from(reply_header(&r, "ETag")));
    expect(o, "POST", "/clients/client-1/approve", HERE, 204);
    expect(o, "POST", "/clients/client-1/suspend", HERE, 204); /* it is as it was, and was changed twice */
    SB_AUTOFREE before = sb_printf(HERE "If-Match: %s\n", tag);
    expect(o, "POST", "/clients/client-1/approve", before, 412);
    ask(o, "GET", "/clients/client-1", HERE, &r);
    SB_AUTOFREE now = sb_printf(HERE "If-Match: %s\n", reply_header(&r, "ETag"));
    expect(o, "POST", "/clients/client-1/approve", now, 204);
    assert_string_equal(newest_event(o->d), "client.approved ok - client-1 admin listener");
    expect(o, "DELETE", "/clients/client-1", HERE, 204);
    expect(o, "GET", "/clients/client-1", HERE, 404);
}

#define WITH_OFFICE(test) cmocka_unit_test_setup_teardown(test, office_set_up, office_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_OFFICE(a_web_page_is_refused_whatever_it_is_made_to_send),
        WITH_OFFICE(a_name_that_leads_here_is_no_address_of_ours),
        WITH_OFFICE(without_the_token_nothing_but_yes_or_no_is_told),
        WITH_OFFICE(a_flood_of_refusals_is_one_line_a_second_of_the_audit_log),
        WITH_OFFICE(readiness_has_a_line_a_check_and_ends_before_the_server_does),
        WITH_OFFICE(metrics_count_tokens_replays_and_refusals),
        WITH_OFFICE(what_is_not_there_is_said_in_the_way_of_http),
        WITH_OFFICE(what_is_approved_is_what_was_looked_at),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
