/* SPDX-License-Identifier: Apache-2.0 */
/* test_portal_debugger.c - assertions explained by a page: to whose client it is, and nothing of others'. */
#include "portal_fixture.h"

#include "jose/jws.h"

#define JANE "jane@aco.example"

static void paste(desk *d, const char *text, reply *out)
{
    SB_AUTO(sb_buf) form = SB_BUF_INIT;
    assert_true(add_field(&form, "assertion", text));
    send_form(d, "/portal/debugger", sb_buf_cstr(&form), out);
    assert_int_equal(out->status, 200);
    assert_contains(out->body, "</html>");
}

static void give(desk *d, const char *id)
{
    SB_AUTOPTR(sb_client) client = NULL;
    assert_ok(sb_clients_find(d->f->clients, sb_str_from(id), &client, NULL));
    assert_ok(sb_portal_own(d->store, JANE, client, NULL));
}

static char *good(desk *d, int client)
{
    forge by = forge_of(d->f, client);
    return forge_assertion(&by, NULL, NULL);
}

static void ones_own_assertion_is_explained_and_not_used_up(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE assertion = good(d, 1);
    give(d, "client-1");
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    for (int i = 0; i < 2; i++) {
        paste(d, assertion, &r);
        assert_contains(r.body, "Every check passes");
        assert_contains(r.body, "kid is rsa");
        assert_null(strstr(r.body, assertion)); /* a credential for some minutes yet */
    }
    ask_token(d->f, assertion, "system/Patient.rs", &r);
    assert_int_equal(r.status, 200);
}

static void it_is_found_in_whatever_it_was_copied_from(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE assertion = good(d, 1);
    SB_AUTOFREE lines = sb_printf("\n  %.100s\r\n%s \n", assertion, assertion + 100);
    SB_AUTOFREE form = token_form(assertion, "system/*.rs");
    SB_AUTOFREE curl = sb_printf("curl -d grant_type=client_credentials \\\n -d 'client_assertion=%s' \\\n", assertion);
    SB_AUTOFREE other_id = sb_printf("client_id=someone&client_assertion=%s", assertion);
    const char *const texts[] = {lines, form, curl};
    give(d, "client-1");
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        paste(d, texts[i], &r);
        assert_contains(r.body, "Every check passes");
    }
    paste(d, other_id, &r);
    assert_contains(r.body, "client_id_differs");
}

static void a_client_that_waits_learns_whether_its_keys_will_do(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTOFREE scope = NULL;
    sb_client_spec spec;
    SB_AUTOFREE assertion = good(d, 1);
    SB_AUTOPTR(sb_client) waiting = NULL;
    assert_ok(sb_clients_find(d->f->clients, SB_STR_LIT("client-1"), &client, NULL));
    assert_ok(sb_client_respec(client, &scope, &spec, NULL));
    spec.state = SB_CLIENT_PENDING;
    assert_ok(sb_client_new(&spec, &waiting, NULL));
    assert_ok(sb_clients_replace(d->f->clients, waiting, NULL));
    give(d, "client-1");
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    paste(d, assertion, &r);
    assert_contains(r.body, "It gets no token: <code>client_pending</code>");
    assert_null(strstr(r.body, "not reached"));
    assert_null(strstr(r.body, "signature_invalid"));
}

/* The page without its header and claims, which are the sender's own words. */
static char *judgement(const reply *r)
{
    return sb_str_dup((sb_str){r->body, (size_t)(strstr(r->body, "What it says") - r->body)});
}

static void of_anothers_client_not_even_that_it_exists_is_told(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    forge by = forge_of(d->f, 1);
    SB_AUTOFREE theirs = forge_assertion(&by, NULL, NULL);
    by.client_id = "client-9"; /* there is none */
    SB_AUTOFREE nobodys = forge_assertion(&by, NULL, NULL);
    give(d, "client-2");
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    paste(d, theirs, &r);
    assert_contains(r.body, "It names no client of yours");
    assert_null(strstr(r.body, "kid is rsa; registered"));
    SB_AUTOFREE one = judgement(&r);
    paste(d, nobodys, &r);
    SB_AUTOFREE other = judgement(&r);
    for (char *at = other; (at = strstr(at, "client-9"));)
        at[7] = '1';
    assert_string_equal(one, other);
    sign_in(d, "ops@payer.example", SB_PORTAL_ADMINISTRATOR);
    paste(d, theirs, &r);
    assert_contains(r.body, "Every check passes");
}

static void whatever_is_pasted_makes_a_whole_page_of_text(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(sb_buf) long_one = SB_BUF_INIT;
    forge by = forge_of(d->f, 1);
    SB_AUTOFREE hostile =
        forge_assertion(&by, "{\"kid\":\"<script>x()</script>\",\"typ\":\"</pre><b>\"}",
                        "{\"aud\":[\"</code>\",1,null],\"jti\":\"\\u202e\\u0000\",\"<i>\":\"</pre>\"}");
    const char *const texts[] = {
        "", ".", "..", "...", "a.b.c", "e30.e30.e30", "client_assertion=", hostile, "\xff\xfe", "%"};
    give(d, "client-1");
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        paste(d, texts[i], &r);
        assert_contains(r.body, "It gets no token");
        assert_null(strstr(r.body, "<script"));
        assert_null(strstr(r.body, "<b>"));
        assert_null(strstr(r.body, "<i>"));
        assert_null(strstr(r.body, "\xe2\x80\xae"));
    }
    while (long_one.len <= SB_JWS_MAX_BYTES)
        assert_true(sb_buf_add_cstr(&long_one, "abcdefgh"));
    paste(d, sb_buf_cstr(&long_one), &r);
    assert_contains(r.body, "assertion_too_long");
}

static void who_is_not_signed_in_gets_nothing_explained(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE assertion = good(d, 1);
    SB_AUTOFREE body = sb_printf("assertion=%s", assertion);
    send_to(d->f, "POST", "/portal/debugger", FORM FROM_US, sb_str_from(body), &r);
    assert_int_equal(r.status, 403);
    assert_null(strstr(r.body, "client-1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_set_up, desk_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ones_own_assertion_is_explained_and_not_used_up),
        TEST(it_is_found_in_whatever_it_was_copied_from),
        TEST(a_client_that_waits_learns_whether_its_keys_will_do),
        TEST(of_anothers_client_not_even_that_it_exists_is_told),
        TEST(whatever_is_pasted_makes_a_whole_page_of_text),
        TEST(who_is_not_signed_in_gets_nothing_explained),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
