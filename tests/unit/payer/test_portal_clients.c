/* SPDX-License-Identifier: Apache-2.0 */
/* test_portal_clients.c - a partner's clients in the portal: registered and checked there, seen by whose they are. */
#include "portal_fixture.h"

#define JANE    "jane@aco.example"
#define MALLORY "mallory@rival.example"
#define HOSTILE "\"><script>x()</script>'&"

static char *set_of(const sb_key *key)
{
    sb_jwks *jwks = NULL;
    assert_ok(sb_jwks_new(&jwks, NULL));
    assert_ok(sb_jwks_add(jwks, key, NULL));
    char *text = sb_jwks_json(jwks, false);
    assert_non_null(text);
    sb_jwks_free(jwks);
    return text;
}

typedef struct entry {
    const char *name, *contact, *scope, *url, *set, *what;
} entry;

static void fill_in(desk *d, const entry *e, reply *out)
{
    SB_AUTO(sb_buf) form = SB_BUF_INIT;
    assert_true(add_field(&form, "name", e->name ? e->name : "Acme ACO") &&
                add_field(&form, "contact", e->contact ? e->contact : JANE) &&
                add_field(&form, "scope", e->scope ? e->scope : "system/Patient.rs") &&
                add_field(&form, "url", e->url ? e->url : "") && add_field(&form, "set", e->set ? e->set : "") &&
                add_field(&form, "do", e->what ? e->what : "register"));
    send_form(d, "/portal/clients/new", sb_buf_cstr(&form), out);
}

/* The client it became; malloc'ed. */
static char *registered_id(const reply *r)
{
    static const char before[] = "/portal/client?id=";
    const char *where = reply_header(r, "Location");
    if (r->status != 303 || !where)
        fail_msg("it was not registered: %u %s", r->status, r->body);
    assert_int_equal(strncmp(where, before, sizeof(before) - 1), 0);
    return sb_str_dup(sb_str_from(where + sizeof(before) - 1));
}

static sb_client *client_of(desk *d, const char *id)
{
    sb_client *client = NULL;
    assert_ok(sb_clients_find(d->f->clients, sb_str_from(id), &client, NULL));
    return client;
}

/* Registering */

static void who_registers_waits_and_is_told_so(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE set = set_of(d->f->rsa);
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    fill_in(d, &(entry){.set = set, .scope = "system/*.rs system/Patient.cruds"}, &r);
    SB_AUTOFREE id = registered_id(&r);
    SB_AUTOPTR(sb_client) client = client_of(d, id);
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    SB_AUTOFREE told = sb_printf("client.registered ok registration_pending %s " JANE, id);
    assert_string_equal(newest_event(d), told);
    assert_non_null(client);
    assert_int_equal(client->state, SB_CLIENT_PENDING);
    assert_string_equal(client->name, "Acme ACO");
    assert_string_equal(client->contact, JANE);
    assert_false(client->has_registration);
    assert_true(sb_scopes_format(&client->scopes, &scope));
    assert_string_equal(sb_buf_cstr(&scope), "system/*.rs system/Patient.rs"); /* what can be had, not what was asked */
    SB_AUTOFREE page = sb_printf("/portal/client?id=%s", id);
    look(d, page, &r);
    assert_int_equal(r.status, 200);
    assert_contains(r.body, "Waits for approval");
    assert_contains(r.body, sb_key_thumbprint(d->f->rsa));
    look(d, "/portal/clients", &r);
    assert_contains(r.body, id);
}

static void where_registration_is_open_one_is_in_at_once_and_where_it_is_off_not_at_all(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE set = set_of(d->f->rsa);
    d->options.registration = SB_PORTAL_REGISTRATION_OPEN;
    desk_reopen(d);
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    fill_in(d, &(entry){.set = set}, &r);
    SB_AUTOFREE id = registered_id(&r);
    SB_AUTOPTR(sb_client) client = client_of(d, id);
    assert_int_equal(client->state, SB_CLIENT_ACTIVE);
    d->options.registration = SB_PORTAL_REGISTRATION_OFF;
    desk_reopen(d);
    fill_in(d, &(entry){.set = set}, &r);
    assert_int_equal(r.status, 403);
    look(d, "/portal/clients/new", &r);
    assert_int_equal(r.status, 403);
}

static void every_mistake_of_a_form_is_named_at_once_and_nothing_is_kept(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(sb_portal_owned) owned = SB_PORTAL_OWNED_INIT;
    SB_AUTOFREE set = set_of(d->f->rsa);
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    fill_in(d, &(entry){.name = "", .contact = "two\nlines", .scope = "user/Patient.rs", .set = "{\"keys\":[]}"}, &r);
    assert_int_equal(r.status, 400);
    assert_contains(r.body, "The client needs a name");
    assert_contains(r.body, "This is one line");
    assert_contains(r.body, "a backend client has no such person: ask for system/Patient.rs.");
    assert_contains(r.body, "JWK Set holds no key");
    assert_string_equal(newest_event(d), "client.registration_refused refused invalid_client_metadata - " JANE);
    const entry alone[] = {{.set = set, .name = ""},
                           {.set = set, .contact = ""},
                           {.set = set, .scope = "user/Patient.rs"},
                           {.set = set, .scope = "system/Patient.d"},
                           {.set = ""}};
    for (size_t i = 0; i < SB_ARRAY_LEN(alone); i++) {
        fill_in(d, &alone[i], &r);
        assert_int_equal(r.status, 400);
        assert_contains(r.body, "class=\"problem\"");
    }
    assert_contains(r.body, "The keys are missing");
    assert_ok(sb_portal_owned_of(d->store, JANE, &owned, NULL));
    assert_int_equal(owned.count, 0);
}

static void what_was_typed_comes_back_as_text_and_never_as_markup(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    fill_in(d, &(entry){.name = HOSTILE, .contact = HOSTILE, .scope = HOSTILE, .set = "</textarea>" HOSTILE}, &r);
    assert_int_equal(r.status, 400);
    assert_null(strstr(r.body, "<script"));
    assert_null(strstr(r.body, "</textarea>\""));
    assert_contains(r.body, "&quot;&gt;&lt;script&gt;x()");
}

static void checking_keeps_nothing(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(sb_portal_owned) owned = SB_PORTAL_OWNED_INIT;
    SB_AUTOFREE set = set_of(d->f->rsa);
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    fill_in(d, &(entry){.set = set, .what = "check"}, &r);
    assert_int_equal(r.status, 200);
    assert_contains(r.body, "These keys can be registered");
    assert_contains(r.body, "Key 1: RSA 2048 for RS384, kid rsa");
    assert_contains(r.body, sb_key_kid(d->f->rsa)); /* the set is in the form again */
    assert_ok(sb_portal_owned_of(d->store, JANE, &owned, NULL));
    assert_int_equal(owned.count, 0);
}

static void a_private_key_is_called_one_and_not_shown_again(void **state)
{
    desk *d = *state;
    static const char *const leaks[] = {
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\",\"d\":\"c2VjcmV0LXBhcnQ\"}]}",
        "{\"kty\":\"oct\",\"k\":\"c2VjcmV0LXBhcnQ\"}",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXBhcnQ\n-----END PRIVATE KEY-----",
        "{\"kty\":\"EC\",\"d\":\"c2VjcmV0LXBhcnQ\"",
    };
    SB_AUTO(reply) r = REPLY_INIT;
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    for (size_t i = 0; i < SB_ARRAY_LEN(leaks); i++) {
        fill_in(d, &(entry){.set = leaks[i]}, &r);
        assert_int_equal(r.status, 400);
        assert_contains(r.body, "private or secret key");
        assert_null(strstr(r.body, "c2VjcmV0LXBhcnQ"));
    }
}

static void one_person_does_not_fill_the_register(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE set = set_of(d->f->rsa);
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    for (int i = 0; i < 100; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "old-%d", i);
        sb_client gone = {.id = id, .created_s = 1};
        assert_ok(sb_portal_own(d->store, JANE, &gone, NULL));
    }
    fill_in(d, &(entry){.set = set}, &r);
    assert_int_equal(r.status, 400);
    assert_contains(r.body, "you have registered 100 clients");
}

static void a_form_that_is_sent_twice_makes_one_client(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTOFREE set = set_of(d->f->rsa);
    SB_AUTOFREE other_set = set_of(d->f->other);
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    fill_in(d, &(entry){.set = set}, &r);
    SB_AUTOFREE first = registered_id(&r);
    fill_in(d, &(entry){.set = set}, &r);
    SB_AUTOFREE again = registered_id(&r);
    assert_string_equal(again, first);
    fill_in(d, &(entry){.set = other_set}, &r);
    SB_AUTOFREE with_other_keys = registered_id(&r);
    assert_string_not_equal(with_other_keys, first);
    fake_advance_s(&d->f->clock, 60);
    fill_in(d, &(entry){.set = set}, &r);
    SB_AUTOFREE later = registered_id(&r);
    assert_string_not_equal(later, first);
}

/* Keys at a URL */

static sb_status fetch(void *impl, const char *url, sb_jwks_answer *out, sb_error *err)
{
    atomic_uint *fetches = impl;
    (void)atomic_fetch_add(fetches, 1);
    (void)url;
    return sb_buf_add_cstr(&out->body, "{\"keys\":[]}") ? SB_OK : sb_error_nomem(err);
}

static void one_address_has_so_many_urls_fetched_and_no_more(void **state)
{
    desk *d = *state;
    atomic_uint fetches = 0;
    sb_jwks_fetcher fetcher = {&fetches, fetch};
    sb_guard *guard = NULL;
    SB_AUTO(reply) r = REPLY_INIT;
    assert_ok(sb_guard_new(&(sb_guard_options){.networks = NULL}, &guard, NULL));
    assert_ok(sb_jwks_cache_new(&fetcher, &d->f->clock.clock, 2, &d->f->options.keys, NULL));
    d->f->options.guard = guard;
    desk_reopen(d);
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    for (int i = 0; i < 25; i++) {
        char url[64];
        (void)snprintf(url, sizeof(url), "https://jwks.example/%d", i);
        fill_in(d, &(entry){.url = url, .what = "check"}, &r);
        assert_contains(r.body, i < 20 ? "holds no key that can be used" : "The address was not fetched");
    }
    assert_int_equal(atomic_load(&fetches), 20);
    fill_in(d, &(entry){.url = "https://127.0.0.1/x", .what = "check"}, &r);
    assert_contains(r.body, "The URL cannot be used");
    sb_jwks_cache *keys = d->f->options.keys;
    d->f->options.keys = NULL;
    d->f->options.guard = NULL;
    desk_reopen(d);
    sb_jwks_cache_free(keys);
    sb_guard_free(guard);
}

/* Whose */

static void anothers_client_is_not_there(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    SB_AUTO(reply) none = REPLY_INIT;
    SB_AUTOFREE set = set_of(d->f->rsa);
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    fill_in(d, &(entry){.set = set}, &r);
    SB_AUTOFREE id = registered_id(&r);
    SB_AUTOFREE page = sb_printf("/portal/client?id=%s", id);
    SB_AUTOPTR(sb_client) second = client_of(d, "client-2"); /* as old as client-1 */
    assert_ok(sb_portal_own(d->store, MALLORY, second, NULL));
    sign_in(d, MALLORY, SB_PORTAL_PARTNER);
    look(d, "/portal/client?id=client-2", &none);
    assert_int_equal(none.status, 200);
    look(d, "/portal/client?id=nobody", &none);
    assert_int_equal(none.status, 404);
    const char *others[] = {page, "/portal/client?id=client-1", "/portal/client"};
    for (size_t i = 0; i < SB_ARRAY_LEN(others); i++) {
        look(d, others[i], &r);
        assert_int_equal(r.status, 404);
        assert_string_equal(r.body, none.body);
    }
    look(d, "/portal/clients", &r);
    assert_null(strstr(r.body, id));
    d->cookie[0] = '\0';
    look(d, page, &r);
    assert_int_equal(r.status, 403);
    assert_contains(r.body, "Please sign in");
}

static void a_client_that_was_made_again_with_its_id_is_another(void **state)
{
    desk *d = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    sb_client before = {.id = (char[]){"client-1"}, .created_s = 12345};
    assert_ok(sb_portal_own(d->store, JANE, &before, NULL));
    sign_in(d, JANE, SB_PORTAL_PARTNER);
    look(d, "/portal/client?id=client-1", &r);
    assert_int_equal(r.status, 404);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_set_up, desk_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_registers_waits_and_is_told_so),
        TEST(where_registration_is_open_one_is_in_at_once_and_where_it_is_off_not_at_all),
        TEST(every_mistake_of_a_form_is_named_at_once_and_nothing_is_kept),
        TEST(what_was_typed_comes_back_as_text_and_never_as_markup),
        TEST(checking_keeps_nothing),
        TEST(a_private_key_is_called_one_and_not_shown_again),
        TEST(one_person_does_not_fill_the_register),
        TEST(a_form_that_is_sent_twice_makes_one_client),
        TEST(one_address_has_so_many_urls_fetched_and_no_more),
        TEST(anothers_client_is_not_there),
        TEST(a_client_that_was_made_again_with_its_id_is_another),
    };
    return cmocka_run_group_tests(tests, fixture_keys, fixture_keys_free);
}
