/* SPDX-License-Identifier: Apache-2.0 */
/* test_portal_admin.c - the administrators' pages: whose they are, what they show and of whom, what their forms do. */
#include "portal_fixture.h"

#include "payer/data/roster_db.h"

#define OPS "ops@payer.example"

/* The desk of an administrator: clients and rosters are in the database. */

static void exec(desk *d, const char *sql)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_error err = SB_ERROR_INIT;
    assert_ok(sb_lease_take(&lease, d->pool, NULL));
    if (sb_db_exec(lease.db, sql, &err) != SB_OK)
        fail_msg("%s: %s", sql, err.why);
}

static int admin_set_up(void **state)
{
    if (desk_set_up(state) != 0)
        return -1;
    desk *d = *state;
    d->f->pool = d->pool;
    desk_reopen(d);
    exec(d, "INSERT INTO rosters VALUES ('roster-7', 'North <clinic>', '{}', 5), ('roster-8', 'South', '{}', 5);"
            "INSERT INTO roster_members VALUES ('roster-7', 'member-1', 0, 9), ('roster-7', 'member-2', 0, 9);"
            "INSERT INTO opt_outs VALUES ('member-2', 5)");
    sign_in(d, OPS, SB_PORTAL_ADMINISTRATOR);
    return 0;
}

static void add(desk *d, const char *id, const char *name, sb_client_state state, const char *url)
{
    sb_jwks *jwks = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    if (!url) {
        assert_ok(sb_jwks_new(&jwks, NULL));
        assert_ok(sb_jwks_add(jwks, d->f->other, NULL));
    }
    sb_client_spec spec = {.id = id,
                           .name = name,
                           .contact = "jane@aco.example",
                           .scope = "system/Patient.rs",
                           .jwks = jwks,
                           .jwks_url = url,
                           .state = state,
                           .created_s = 100,
                           .changed_s = 100};
    assert_ok(sb_client_new(&spec, &client, NULL));
    assert_ok(sb_clients_add(d->f->clients, client, NULL));
}

/* "active roster-7 system/Patient.rs" */
static sb_status note(void *context, const char *name, sb_error *err)
{
    (void)err;
    return sb_buf_printf(context, " %s", name) ? SB_OK : SB_E_NOMEM;
}

static void expect_client(desk *d, const char *id, const char *words)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTOPTR(sb_client) client = NULL;
    assert_ok(sb_clients_find(d->f->clients, sb_str_from(id), &client, NULL));
    assert_true(sb_buf_add_cstr(&text, client ? sb_client_state_name(client->state) : "none"));
    assert_ok(sb_lease_take(&lease, d->pool, NULL));
    assert_ok(sb_roster_each_of_client(lease.db, id, note, &text, NULL));
    assert_string_equal(sb_buf_cstr(&text), words);
}

/* The form's fields of the client with this id, with what was seen of it on its page; malloc'ed. */
static char *decision(desk *d, const char *id, const char *more)
{
    static const char before[] = "name=\"seen\" value=\"";
    SB_AUTO(reply) page = REPLY_INIT;
    SB_AUTO(sb_buf) form = SB_BUF_INIT;
    SB_AUTO(sb_buf) encoded = SB_BUF_INIT;
    assert_true(sb_url_encode(sb_str_from(id), &encoded));
    SB_AUTOFREE target = sb_printf("/portal/admin/client?id=%s", sb_buf_cstr(&encoded));
    look(d, target, &page);
    assert_int_equal(page.status, 200);
    const char *at = strstr(page.body, before);
    assert_non_null(at);
    at += sizeof(before) - 1;
    SB_AUTOFREE seen = sb_str_dup((sb_str){at, strcspn(at, "\"")});
    assert_true(add_field(&form, "id", id) && add_field(&form, "seen", seen) && sb_buf_add_cstr(&form, more));
    return sb_buf_steal(&form);
}

/* Whose they are */

static const char *const looks[] = {"/portal/admin",         "/portal/admin/client?id=client-1",
                                    "/portal/admin/rosters", "/portal/admin/client/remove?id=client-1",
                                    "/portal/admin/exports", "/portal/admin/exports/cancel?id=x",
                                    "/portal/admin/audit"};
static const char *const deeds[] = {"client/approve", "client/suspend", "client/remove", "client/give",
                                    "client/take",    "client/change",  "client/keys",   "exports/cancel"};

static void the_pages_are_the_administrators_alone(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sign_in(d, "jane@aco.example", SB_PORTAL_PARTNER);
    for (size_t i = 0; i < SB_ARRAY_LEN(looks); i++) {
        look(d, looks[i], &r);
        assert_int_equal(r.status, 403);
        assert_null(strstr(r.body, "client-1"));
        get(d->f, looks[i], NULL, &r);
        assert_int_equal(r.status, 403);
        fake_advance_s(&d->f->clock, 1); /* of those that knock, one line a second is told */
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(deeds); i++) {
        SB_AUTOFREE target = sb_printf("/portal/admin/%s", deeds[i]);
        send_form(d, target, "id=client-1&roster=roster-7&scope=system/Patient.rs", &r);
        assert_int_equal(r.status, 403);
        assert_string_equal(newest_event(d), "access.refused refused not_administrator - jane@aco.example");
        fake_advance_s(&d->f->clock, 1);
    }
    expect_client(d, "client-1", "active");
}

static void no_form_does_anything_without_the_token_of_its_session(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE headers = sb_printf(FORM FROM_US "%s", d->cookie);
    for (size_t i = 0; i < SB_ARRAY_LEN(deeds); i++) {
        SB_AUTOFREE target = sb_printf("/portal/admin/%s", deeds[i]);
        send_to(d->f, "POST", target, headers, SB_STR_LIT("id=client-1&roster=roster-7&scope=system/Patient.rs"), &r);
        assert_int_equal(r.status, 403);
        get(d->f, target, d->cookie, &r); /* and a look changes nothing */
        assert_true(r.status == 405 || r.status == 404);
    }
    expect_client(d, "client-1", "active");
}

/* Deciding */

static void who_is_approved_gets_the_rosters_that_were_chosen(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    add(d, "acme", "Acme", SB_CLIENT_PENDING, NULL);
    SB_AUTOFREE form = decision(d, "acme", "&roster=roster-7&more=+roster-8++");
    send_form(d, "/portal/admin/client/approve", form, &r);
    assert_int_equal(r.status, 303);
    assert_string_equal(reply_header(&r, "Location"), "/portal/admin/client?id=acme");
    assert_string_equal(newest_event(d), "client.approved ok - acme " OPS);
    expect_client(d, "acme", "active roster-7 roster-8");
    look(d, "/portal/admin/client?id=acme", &r);
    assert_null(strstr(r.body, "type=\"checkbox\" name=\"roster\" value=\"roster-7\"")); /* it has it */
    assert_contains(r.body, "type=\"checkbox\" name=\"roster\" value=\"*\"");
    send_form(d, "/portal/admin/client/take", "id=acme&roster=roster-7", &r);
    assert_int_equal(r.status, 303);
    assert_string_equal(newest_event(d), "client.changed ok - acme " OPS);
    expect_client(d, "acme", "active roster-8");
    send_form(d, "/portal/admin/client/give", "id=acme&roster=*", &r);
    assert_int_equal(r.status, 303);
    expect_client(d, "acme", "active * roster-8");
}

/* In the same second, behind the administrator's back. `jwks` NULL: its keys stay; else taken over. */
static void change_behind(desk *d, const char *id, sb_jwks *jwks, unsigned self_changed)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTOPTR(sb_client) other = NULL;
    SB_AUTOFREE scope = NULL;
    sb_client_spec spec;
    assert_ok(sb_clients_find(d->f->clients, sb_str_from(id), &client, NULL));
    assert_ok(sb_client_respec(client, &scope, &spec, NULL));
    if (jwks) {
        sb_jwks_free(spec.jwks);
        spec.jwks = jwks;
    }
    spec.self_changed = self_changed;
    assert_ok(sb_client_new(&spec, &other, NULL));
    assert_ok(sb_clients_replace(d->f->clients, other, NULL));
}

static void what_changed_since_it_was_looked_at_is_not_approved(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sb_jwks *jwks = NULL;
    add(d, "acme", "Acme", SB_CLIENT_PENDING, NULL);
    send_form(d, "/portal/admin/client/give", "id=acme&roster=roster-7", &r);
    expect_client(d, "acme", "pending roster-7");
    SB_AUTOFREE form = decision(d, "acme", "&roster=roster-7&roster=roster-8");
    assert_ok(sb_jwks_new(&jwks, NULL));
    assert_ok(sb_jwks_add(jwks, d->f->rsa, NULL));
    change_behind(d, "acme", jwks, 0); /* other keys, and nothing else */
    send_form(d, "/portal/admin/client/approve", form, &r);
    assert_int_equal(r.status, 409);
    assert_contains(r.body, "it was changed since it was looked at");
    assert_string_equal(newest_event(d), "access.refused refused changed_meanwhile acme " OPS);
    expect_client(d, "acme", "pending roster-7");                /* which it had */
    send_form(d, "/portal/admin/client/approve", "id=acme", &r); /* nothing was looked at */
    assert_int_equal(r.status, 409);
    SB_AUTOFREE again = decision(d, "acme", "");
    send_form(d, "/portal/admin/client/approve", again, &r);
    assert_int_equal(r.status, 303);
    expect_client(d, "acme", "active roster-7");
}

static void who_decides_anew_is_told_what_changed(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    add(d, "acme", "Acme", SB_CLIENT_PENDING, NULL);
    look(d, "/portal/admin/client?id=acme", &r);
    assert_null(strstr(r.body, "It changed itself"));
    change_behind(d, "acme", NULL, SB_CLIENT_KEYS | SB_CLIENT_CONTACT);
    look(d, "/portal/admin/client?id=acme", &r);
    assert_contains(r.body, "It changed itself since it was approved");
    assert_contains(r.body, "keys, contact");
    SB_AUTOFREE form = decision(d, "acme", "");
    send_form(d, "/portal/admin/client/approve", form, &r);
    look(d, "/portal/admin/client?id=acme", &r);
    assert_null(strstr(r.body, "It changed itself"));
}

static void who_is_to_get_a_roster_that_there_is_not_is_not_let_in(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    add(d, "acme", "Acme", SB_CLIENT_PENDING, NULL);
    SB_AUTOFREE form = decision(d, "acme", "&roster=roster-7&roster=roster-9");
    send_form(d, "/portal/admin/client/approve", form, &r);
    assert_int_equal(r.status, 404);
    assert_contains(r.body, "there is no roster with this id");
    expect_client(d, "acme", "pending");
}

static void who_is_shut_out_can_be_let_in_again_and_who_is_removed_cannot(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    send_form(d, "/portal/admin/client/suspend", "id=client-1", &r);
    assert_int_equal(r.status, 303);
    assert_string_equal(newest_event(d), "client.suspended ok - client-1 " OPS);
    expect_client(d, "client-1", "suspended");
    SB_AUTOFREE form = decision(d, "client-1", "");
    send_form(d, "/portal/admin/client/approve", form, &r);
    expect_client(d, "client-1", "active");
    look(d, "/portal/admin/client/remove?id=client-1", &r);
    assert_int_equal(r.status, 200);
    expect_client(d, "client-1", "active"); /* it was asked, not done */
    send_form(d, "/portal/admin/client/remove", "id=client-1", &r);
    assert_int_equal(r.status, 303);
    assert_string_equal(newest_event(d), "client.removed ok - client-1 " OPS);
    expect_client(d, "client-1", "none");
    for (size_t i = 0; i < SB_ARRAY_LEN(deeds); i++) {
        SB_AUTOFREE target = sb_printf("/portal/admin/%s", deeds[i]);
        send_form(d, target, "id=client-1&roster=roster-7&scope=system/Patient.rs", &r);
        assert_int_equal(r.status, 404);
    }
    look(d, "/portal/admin/client?id=client-1", &r);
    assert_int_equal(r.status, 404);
    look(d, "/portal/admin/client/remove?id=client-1", &r);
    assert_int_equal(r.status, 404);
}

static void what_a_client_may_have_can_be_changed_and_a_mistake_changes_nothing(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    static const char *const wrong[] = {"&scope=&rate=", "&scope=system/Patient.rs&rate=many",
                                        "&scope=system/Patient.rs&rate=1000001", "&scope=patient/*.rs&rate="};
    add(d, "acme", "Acme", SB_CLIENT_ACTIVE, NULL);
    send_form(d, "/portal/admin/client/change", "id=acme&scope=system/Coverage.rs&rate=30&reasons=1", &r);
    assert_int_equal(r.status, 303);
    assert_string_equal(newest_event(d), "client.changed ok - acme " OPS);
    for (size_t i = 0; i < SB_ARRAY_LEN(wrong); i++) {
        SB_AUTOFREE form = sb_printf("id=acme%s", wrong[i]);
        send_form(d, "/portal/admin/client/change", form, &r);
        assert_int_equal(r.status, 409);
    }
    look(d, "/portal/admin/client?id=acme", &r);
    assert_contains(r.body, "<li>system/Coverage.rs</li>");
    assert_contains(r.body, "<dt>Tokens a minute</dt><dd>30</dd>");
    assert_contains(r.body, "<dt>Told why it was refused</dt><dd>yes");
}

/* Showing */

static void what_a_client_says_of_itself_does_nothing_on_a_page(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    static const char id[] = "https://aco.example/c?x=\"><script>1</script>&y='";
    add(d, id, "</td><img src=x onerror=alert(1)> \xe2\x80\xae", SB_CLIENT_PENDING, NULL);
    SB_AUTOFREE form = decision(d, id, "&roster=roster-7");
    look(d, "/portal/admin", &r);
    assert_null(strstr(r.body, "<img src=x"));
    assert_null(strstr(r.body, "<script"));
    assert_contains(r.body, "&lt;/td&gt;&lt;img src=x onerror=alert(1)&gt;");
    assert_contains(r.body, "/portal/admin/client?id=https%3A%2F%2Faco.example%2Fc%3Fx%3D%22%3E%3Cscript%3E1");
    send_form(d, "/portal/admin/client/approve", form, &r);
    assert_int_equal(r.status, 303);
    expect_client(d, id, "active roster-7");
}

static void rosters_are_counted_and_nobody_in_them_is_named(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    add(d, "acme", "Acme & Sons", SB_CLIENT_ACTIVE, NULL);
    send_form(d, "/portal/admin/client/give", "id=acme&roster=roster-7", &r);
    look(d, "/portal/admin/rosters", &r);
    assert_contains(r.body, "North &lt;clinic&gt;");
    assert_contains(r.body, "data-label=\"Members\">2</td>");
    assert_contains(r.body, "data-label=\"Opted out\">1</td>");
    assert_contains(r.body, "<a href=\"/portal/admin/client?id=acme\">Acme &amp; Sons</a>");
    assert_contains(r.body, "<b>1</b><span>members who opted out</span>");
    assert_null(strstr(r.body, "member-1"));
    look(d, "/portal/admin/rosters?words=south", &r);
    assert_contains(r.body, "roster-8");
    assert_null(strstr(r.body, "roster-7"));
}

static void rosters_that_are_too_many_to_list_are_given_by_their_ids(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    for (int i = 0; i < 105; i++) {
        SB_AUTOFREE sql = sb_printf("INSERT INTO rosters VALUES ('a-%03d', 'A', '{}', 5)", i);
        exec(d, sql);
    }
    look(d, "/portal/admin/client?id=client-1", &r);
    assert_contains(r.body, "value=\"a-099\"");
    assert_null(strstr(r.body, "value=\"a-100\""));
    assert_contains(r.body, "name=\"more\"");
    send_form(d, "/portal/admin/client/give", "id=client-1&roster=a-001&more=a-104", &r);
    assert_int_equal(r.status, 303);
    expect_client(d, "client-1", "active a-001 a-104");
    SB_AUTO(sb_buf) many = SB_BUF_INIT;
    assert_true(sb_buf_add_cstr(&many, "id=client-1&more="));
    for (int i = 0; i < 300; i++)
        assert_true(sb_buf_add_cstr(&many, "x+"));
    send_form(d, "/portal/admin/client/give", sb_buf_cstr(&many), &r);
    assert_int_equal(r.status, 409);
    assert_contains(r.body, "too many for one form");
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

static void many_clients_come_in_pages_and_can_be_searched(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    char id[16];
    for (int i = 0; i < 130; i++) {
        (void)snprintf(id, sizeof(id), "many-%03d", i);
        add(d, id, i == 77 ? "Seventy-seven" : "", i < 12 ? SB_CLIENT_PENDING : SB_CLIENT_ACTIVE, NULL);
    }
    look(d, "/portal/admin", &r);
    assert_contains(r.body, "<b>12</b><span>waiting</span>");
    assert_int_equal(count_of(r.body, ">Decide</a>"), 10);
    assert_contains(r.body, "state=pending\">All that wait");
    assert_int_equal(count_of(r.body, "data-label=\"Client\""), 100);
    const char *more = strstr(r.body, "after=");
    assert_non_null(more);
    SB_AUTOFREE target = sb_printf("/portal/admin?%.*s", (int)strcspn(more, "\""), more);
    look(d, target, &r);
    assert_int_equal(count_of(r.body, "data-label=\"Client\""), 32);
    assert_null(strstr(r.body, "after="));
    look(d, "/portal/admin?words=SEVENTY", &r);
    assert_int_equal(count_of(r.body, "data-label=\"Client\""), 1);
    look(d, "/portal/admin?state=pending&words=many-01", &r);
    assert_int_equal(count_of(r.body, "data-label=\"Client\""), 2);
}

static sb_status fetch(void *impl, const char *url, sb_jwks_answer *out, sb_error *err)
{
    const sb_key *key = impl;
    SB_AUTOPTR(sb_jwks) jwks = NULL;
    SB_TRY(sb_jwks_new(&jwks, err));
    SB_TRY(sb_jwks_add(jwks, key, err));
    SB_AUTOFREE text = sb_jwks_json(jwks, false);
    if (strstr(url, "gone"))
        return sb_error_set(err, SB_E_NETWORK, "the key set could not be fetched", "nobody answers", "try again");
    return text && sb_buf_add_cstr(&out->body, text) ? SB_OK : sb_error_nomem(err);
}

static void keys_behind_a_url_are_fetched_to_be_looked_at(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sb_jwks_cache *cache = NULL;
    sb_jwks_fetcher fetcher = {.impl = d->f->rsa, .fetch = fetch};
    assert_ok(sb_jwks_cache_new(&fetcher, &d->f->clock.clock, 1, &cache, NULL));
    d->f->options.keys = cache;
    desk_reopen(d);
    sign_in(d, OPS, SB_PORTAL_ADMINISTRATOR);
    add(d, "acme", "Acme", SB_CLIENT_PENDING, "https://aco.example/jwks");
    add(d, "lost", "Lost", SB_CLIENT_PENDING, "https://aco.example/gone");
    look(d, "/portal/admin/client?id=acme", &r);
    assert_contains(r.body, "https://aco.example/jwks");
    assert_null(strstr(r.body, sb_key_thumbprint(d->f->rsa))); /* a look fetches nothing */
    send_form(d, "/portal/admin/client/keys", "id=acme", &r);
    assert_int_equal(r.status, 200);
    assert_contains(r.body, sb_key_thumbprint(d->f->rsa));
    send_form(d, "/portal/admin/client/keys", "id=lost", &r);
    assert_contains(r.body, "nobody answers");
    fixture_close(d->f);
    d->f->options.keys = NULL;
    fixture_open(d->f);
    sb_jwks_cache_free(cache);
}

/* Exports */

static void an_export_is_seen_and_ended_whosever_it_is(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    char id[SB_JOB_ID_SIZE];
    sb_job_request request = SB_JOB_REQUEST_INIT;
    request.client_id = "client-1";
    request.request_url = BASE "/fhir/$export";
    assert_ok(sb_jobs_create(d->f->jobs, &request, id, &(sb_job_refusal){.retry_after_s = 0}, NULL));
    look(d, "/portal/admin/exports", &r);
    assert_contains(r.body, id);
    look(d, "/portal/admin/exports?client=client-2", &r);
    assert_null(strstr(r.body, id));
    SB_AUTOFREE ask = sb_printf("/portal/admin/exports/cancel?id=%s", id);
    look(d, ask, &r);
    assert_int_equal(r.status, 200);
    assert_contains(r.body, "client-1");
    SB_AUTOFREE form = sb_printf("id=%s", id);
    send_form(d, "/portal/admin/exports/cancel", form, &r);
    assert_int_equal(r.status, 303);
    assert_string_equal(newest_event(d), "export.deleted ok - client-1 " OPS);
    sb_job_status status;
    assert_int_equal(sb_jobs_status(d->f->jobs, "client-1", sb_str_from(id), &status, NULL), SB_E_NOT_FOUND);
    send_form(d, "/portal/admin/exports/cancel", form, &r);
    assert_int_equal(r.status, 404);
}

/* Audit log */

static void tell(desk *d, const char *event, const char *outcome, const char *client, int count)
{
    for (int i = 0; i < count; i++) {
        sb_audit_event e = SB_AUDIT_EVENT_INIT;
        e.event = event;
        e.outcome = outcome;
        e.client = client;
        assert_true(sb_audit_add(d->f->options.audit, &e));
    }
}

static size_t found(desk *d, const char *query)
{
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE target = sb_printf("/portal/admin/audit%s", query);
    look(d, target, &r);
    assert_int_equal(r.status, 200);
    return count_of(r.body, "data-label=\"Event\"");
}

static void the_audit_log_is_searched_page_by_page_from_its_end(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    tell(d, "token.issued", "ok", "acme", 130);
    tell(d, "token.refused", "refused", "acme", 3);
    tell(d, "export.started", "ok", "other", 2);
    assert_int_equal(found(d, "?client=acme&event=token.refused"), 3);
    assert_int_equal(found(d, "?client=other"), 2);
    assert_int_equal(found(d, "?event=export"), 2);
    assert_int_equal(found(d, "?outcome=refused"), 3);
    assert_int_equal(found(d, "?actor=" OPS), 1); /* the signing in */
    assert_int_equal(found(d, "?log=commands"), 0);
    look(d, "/portal/admin/audit?client=acme", &r);
    assert_int_equal(count_of(r.body, "data-label=\"Event\""), 100);
    const char *older = strstr(r.body, "before=");
    assert_non_null(older);
    SB_AUTOFREE query = sb_printf("?client=acme&%.*s", (int)strcspn(older, "\""), older);
    assert_int_equal(found(d, query), 33);
    SB_AUTOFREE today = sb_str_dup(sb_str_from("1970-01-01"));
    time_t now = (time_t)fake_wall_s(&d->f->clock);
    struct tm tm;
    assert_non_null(gmtime_r(&now, &tm));
    assert_int_equal(strftime(today, strlen(today) + 1, "%Y-%m-%d", &tm), 10);
    SB_AUTOFREE on_that_day = sb_printf("?client=other&since=%s&until=%s", today, today);
    assert_int_equal(found(d, on_that_day), 2);
    assert_int_equal(found(d, "?client=other&until=1999-12-31"), 0);
    static const char *const wrong[] = {"since=yesterday", "until=2026-02-31", "before=-1",
                                        "since=2026-01-01T00:00:00Z"};
    for (size_t i = 0; i < SB_ARRAY_LEN(wrong); i++) {
        SB_AUTOFREE target = sb_printf("/portal/admin/audit?%s", wrong[i]);
        look(d, target, &r);
        assert_int_equal(r.status, 400);
    }
}

static void a_line_that_was_changed_is_said_to_be(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    char text[8192];
    tell(d, "token.issued", "ok", "acme", 1);
    look(d, "/portal/admin/audit?client=acme", &r);
    assert_null(strstr(r.body, "changed since it was written"));
    FILE *file = fopen(d->audit_file, "r+");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    char *at = strstr(text, "acme");
    assert_non_null(at);
    assert_int_equal(fseek(file, at - text, SEEK_SET), 0);
    assert_true(fputs("evil", file) >= 0 && fclose(file) == 0);
    look(d, "/portal/admin/audit?client=evil", &r);
    assert_contains(r.body, "changed since it was written");
}

static void without_an_audit_log_that_is_said_and_all_else_works(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE file = d->audit_file;
    sb_audit *audit = d->f->options.audit;
    d->audit_file = NULL;
    d->f->options.audit = NULL;
    desk_reopen(d);
    for (size_t i = 0; i < 2; i++) {
        look(d, i ? "/portal/admin/audit" : "/portal/admin/client?id=client-1", &r);
        assert_int_equal(r.status, 200);
        assert_contains(r.body, "No audit log is kept");
    }
    send_form(d, "/portal/admin/client/suspend", "id=client-1", &r);
    assert_int_equal(r.status, 303);
    d->f->options.audit = audit;
    d->audit_file = file;
    file = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_set_up, desk_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_pages_are_the_administrators_alone),
        TEST(no_form_does_anything_without_the_token_of_its_session),
        TEST(who_is_approved_gets_the_rosters_that_were_chosen),
        TEST(what_changed_since_it_was_looked_at_is_not_approved),
        TEST(who_decides_anew_is_told_what_changed),
        TEST(who_is_to_get_a_roster_that_there_is_not_is_not_let_in),
        TEST(who_is_shut_out_can_be_let_in_again_and_who_is_removed_cannot),
        TEST(what_a_client_may_have_can_be_changed_and_a_mistake_changes_nothing),
        TEST(what_a_client_says_of_itself_does_nothing_on_a_page),
        TEST(rosters_are_counted_and_nobody_in_them_is_named),
        TEST(rosters_that_are_too_many_to_list_are_given_by_their_ids),
        TEST(many_clients_come_in_pages_and_can_be_searched),
        TEST(keys_behind_a_url_are_fetched_to_be_looked_at),
        TEST(an_export_is_seen_and_ended_whosever_it_is),
        TEST(the_audit_log_is_searched_page_by_page_from_its_end),
        TEST(a_line_that_was_changed_is_said_to_be),
        TEST(without_an_audit_log_that_is_said_and_all_else_works),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
