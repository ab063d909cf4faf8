/* SPDX-License-Identifier: Apache-2.0 */
/* test_portal.c - who gets in at the portal, and whose forms are taken. */
#include "portal_fixture.h"

#include "payer/portal/html.h"

/* Forms */

static void send_raw(desk *d, const char *headers, const char *token, reply *out)
{
    SB_AUTOFREE body = sb_printf("form_token=%s", token);
    SB_AUTOFREE all = sb_printf("%s%s", headers, d->cookie);
    send_to(d->f, "POST", "/portal/sign-out", all, sb_str_from(body), out);
}

static bool is_signed_in(desk *d)
{
    SB_AUTO(reply) page = REPLY_INIT;
    look(d, "/portal", &page);
    return strstr(page.body, "Sign out") != NULL;
}

static void a_form_counts_only_with_the_token_of_its_session(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(reply) page = REPLY_INIT;
    sign_in(d, "mallory@aco.example", SB_PORTAL_PARTNER);
    look(d, "/portal", &page);
    SB_AUTOFREE theirs = form_token(&page);
    sign_in(d, "jane@aco.example", SB_PORTAL_PARTNER);
    look(d, "/portal", &page);
    SB_AUTOFREE ours = form_token(&page);
    assert_string_not_equal(ours, theirs);
    assert_null(strstr(d->cookie, ours)); /* it is no copy of the session's secret */
    const char *const bad[] = {"", "x", theirs};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        send_raw(d, FORM FROM_US, bad[i], &r);
        assert_int_equal(r.status, 403);
        assert_string_equal(newest_event(d), "access.refused refused cross_site - jane@aco.example");
        fake_advance_s(&d->f->clock, 1); /* one line a second is told of those */
    }
    assert_true(is_signed_in(d));
    send_raw(d, FORM FROM_US, ours, &r);
    assert_int_equal(r.status, 303);
    assert_false(is_signed_in(d));
}

static void a_form_of_another_site_is_not_taken_whatever_it_knows(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(reply) page = REPLY_INIT;
    static const char *const foreign[] = {
        FORM,
        FORM "Sec-Fetch-Site: cross-site\n",
        FORM "Sec-Fetch-Site: same-site\n",
        FORM "Sec-Fetch-Site: none\n",
        FORM "Origin: null\n",
        FORM "Origin: https://evil.example\n",
        FORM "Origin: http://payer.example\n",
        FORM "Origin: https://payer.example:444\n",
        FORM "Sec-Fetch-Site: cross-site\nOrigin: https://payer.example\n",
    };
    sign_in(d, "jane@aco.example", SB_PORTAL_PARTNER);
    look(d, "/portal", &page);
    SB_AUTOFREE token = form_token(&page);
    for (size_t i = 0; i < SB_ARRAY_LEN(foreign); i++) {
        send_raw(d, foreign[i], token, &r);
        if (r.status != 403)
            fail_msg("%s: %u", foreign[i], r.status);
    }
    send_raw(d, "Content-Type: text/plain\n" FROM_US, token, &r);
    assert_int_equal(r.status, 400);
    assert_true(is_signed_in(d));
    send_raw(d, FORM "Origin: https://payer.example\n", token, &r); /* a browser without Sec-Fetch-Site */
    assert_int_equal(r.status, 303);
}

static void the_cookie_is_the_hosts_alone_and_no_scripts(void **state)
{
    desk *d = *state;
    char secret[SB_PORTAL_SECRET_SIZE];
    sb_portal_person person;
    SB_AUTO(reply) r = REPLY_INIT;
    look(d, "/portal", &r);
    assert_null(reply_header(&r, "Set-Cookie")); /* none without need */
    assert_ok(sb_portal_person_set(&person, SB_PORTAL_PARTNER, SB_STR_LIT("jane"), NULL));
    assert_ok(sb_portal_link_new(d->store, &person, 60, secret, NULL));
    SB_AUTOFREE target = sb_printf("/portal/sign-in?link=%s", secret);
    look(d, target, &r);
    assert_int_equal(r.status, 200);
    assert_null(reply_header(&r, "Set-Cookie")); /* looking at a link uses nothing up */
    SB_AUTOFREE body = sb_printf("link=%s", secret);
    send_to(d->f, "POST", "/portal/sign-in", FORM FROM_US, sb_str_from(body), &r);
    const char *cookie = reply_header(&r, "Set-Cookie");
    assert_non_null(cookie);
    assert_int_equal(strncmp(cookie, COOKIE "=", sizeof(COOKIE)), 0);
    assert_contains(cookie, "; Path=/;");
    assert_contains(cookie, "; HttpOnly");
    assert_contains(cookie, "; SameSite=Strict");
    assert_contains(cookie, "; Secure");
    assert_null(strstr(cookie, "Domain"));
    send_to(d->f, "POST", "/portal/sign-in", FORM FROM_US, sb_str_from(body), &r);
    assert_int_equal(r.status, 403); /* good once */
}

static void no_page_runs_a_script_or_is_framed(void **state)
{
    desk *d = *state;
    static const char *const targets[] = {"/portal", "/portal/clients", "/portal/nothing", "/portal/sign-in"};
    SB_AUTO(reply) r = REPLY_INIT;
    for (size_t i = 0; i < SB_ARRAY_LEN(targets); i++) {
        look(d, targets[i], &r);
        const char *policy = reply_header(&r, "Content-Security-Policy");
        assert_non_null(policy);
        assert_contains(policy, "default-src 'none'");
        assert_contains(policy, "frame-ancestors 'none'");
        assert_contains(policy, "form-action 'self'");
        assert_null(strstr(policy, "script-src"));
        assert_null(strstr(policy, "unsafe"));
        assert_string_equal(reply_header(&r, "X-Content-Type-Options"), "nosniff");
        assert_string_equal(reply_header(&r, "Cache-Control"), "no-store");
    }
}

/* A proxy that signs people in */

static void a_trusted_proxy_says_who_it_is_and_nobody_else_does(void **state)
{
    desk *d = *state;
    char *admins[] = {(char[]){"ops@payer.example"}};
    SB_AUTO(reply) r = REPLY_INIT;
    static const char ops[] = "X-User: ops@payer.example\n";
    d->options.user_header = "X-User";
    d->options.administrators = admins;
    d->options.administrator_count = 1;
    desk_reopen(d);
    get(d->f, "/portal", ops, &r); /* a stranger says so of himself */
    assert_null(strstr(r.body, "Sign out"));
    assert_null(reply_header(&r, "Set-Cookie"));
    d->f->from_proxy = true;
    get(d->f, "/portal", "X-User: a\nX-User: ops@payer.example\n", &r); /* one of them is not the proxy's */
    assert_null(strstr(r.body, "Sign out"));
    get(d->f, "/portal", "X-User: jane@aco.example\n", &r);
    assert_contains(r.body, "Sign out");
    assert_null(strstr(r.body, "/portal/admin"));
    keep_cookie(d, &r);
    SB_AUTOFREE jane = form_token(&r);
    get(d->f, "/portal", ops, &r);
    assert_contains(r.body, "/portal/admin");
    SB_AUTOFREE other = sb_printf("X-User: mary@aco.example\n%s", d->cookie);
    get(d->f, "/portal", other, &r);
    assert_non_null(reply_header(&r, "Set-Cookie"));
    SB_AUTOFREE marys = form_token(&r);
    assert_string_not_equal(marys, jane);
    SB_AUTOFREE both =
        sb_printf("%s%s", ops, d->cookie); /* the session of whoever sat there before is not gone on with */
    get(d->f, "/portal", both, &r);
    assert_non_null(reply_header(&r, "Set-Cookie"));
    SB_AUTOFREE theirs = form_token(&r);
    assert_string_not_equal(theirs, jane);
    keep_cookie(d, &r);
    SB_AUTOFREE as_before = sb_printf("%s%s", ops, d->cookie);
    get(d->f, "/portal", as_before, &r);
    assert_null(reply_header(&r, "Set-Cookie"));
    d->options.administrator_count = 0; /* from now on */
    desk_reopen(d);
    get(d->f, "/portal/admin", as_before, &r);
    assert_int_equal(r.status, 403);
    assert_non_null(reply_header(&r, "Set-Cookie"));
}

/* HTML */

static void a_value_cannot_break_out_of_its_place(void **state)
{
    (void)state;
    SB_AUTO(sb_buf) out = SB_BUF_INIT;
    sb_html html;
    sb_html_init(&html, &out);
    SB_HTML(&html, "<a href=\"/portal/{u}\" title=\"{}\">{}</a>", "\"/../x y", "\"><script>'&",
            "<b>\x01\xff\xe2\x80\xae");
    assert_true(sb_html_done(&html));
    assert_string_equal(sb_buf_cstr(&out),
                        "<a href=\"/portal/%22%2F..%2Fx%20y\" title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">"
                        "&lt;b&gt;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</a>");
}

#define FAILS(...)                                                                                                     \
    do {                                                                                                               \
        SB_AUTO(sb_buf) out = SB_BUF_INIT;                                                                             \
        sb_html html;                                                                                                  \
        sb_html_init(&html, &out);                                                                                     \
        SB_HTML(&html, __VA_ARGS__);                                                                                   \
        assert_false(sb_html_done(&html));                                                                             \
    } while (0)

static void markup_that_would_let_a_value_act_is_not_sent(void **state)
{
    (void)state;
    FAILS("<a href=\"{}\">", "javascript:x");
    FAILS("<a href=\"{u}\">", "javascript:x");
    FAILS("<a {}>", "onclick");
    FAILS("<a href={}>", "x");
    FAILS("<a onclick=\"{}\">", "x");
    FAILS("<p style=\"{}\">", "x");
    FAILS("<script>{}</script>", "x");
    FAILS("<style>{}</style>", "x");
    FAILS("<{}>", "x");
    FAILS("<p>{}{}</p>", "x");
    FAILS("<p>{}</p>", "x", "y");
    FAILS("<p");
    FAILS("<p>{u}</p>", "x");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_set_up, desk_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_form_counts_only_with_the_token_of_its_session),
        TEST(a_form_of_another_site_is_not_taken_whatever_it_knows),
        TEST(the_cookie_is_the_hosts_alone_and_no_scripts),
        TEST(no_page_runs_a_script_or_is_framed),
        TEST(a_trusted_proxy_says_who_it_is_and_nobody_else_does),
        cmocka_unit_test(a_value_cannot_break_out_of_its_place),
        cmocka_unit_test(markup_that_would_let_a_value_act_is_not_sent),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
