/* SPDX-License-Identifier: Apache-2.0 */
/* test_client_db.c - the register of clients in a database: what is written is found, at once here and soon elsewhere. */
#include "payer/auth/client_db.h"

#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "payer/state/schema.h"

#define JWKS                                                                                                           \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\","                                                   \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

/* One process of those that share a database. */
typedef struct process {
    fake_clock clock;
    sb_pool *pool;
    sb_clients *clients;
} process;

static void begin(process *p, const database *d)
{
    fake_clock_init(&p->clock);
    assert_int_equal(sb_payer_pool(d->path, 2, &p->pool, NULL), SB_OK);
    assert_int_equal(sb_clients_db(p->pool, &p->clock.clock, &p->clients, NULL), SB_OK);
}

static void end(process *p)
{
    sb_clients_free(p->clients);
    sb_pool_free(p->pool);
}

static sb_client *make(const char *id, sb_client_state state, bool by_url)
{
    sb_jwks *jwks = NULL;
    sb_client *client = NULL;
    sb_digest digest = sb_digest_of(sb_str_from(id));
    if (!by_url)
        assert_int_equal(sb_jwks_parse(SB_STR_LIT(JWKS), &jwks, NULL, NULL), SB_OK);
    sb_client_spec spec = {.id = id,
                           .name = "Acme \xc3\xa9",
                           .contact = "ops@acme.example",
                           .scope = "system/Patient.rs system/Observation.rs?category=laboratory",
                           .jwks = jwks,
                           .jwks_url = by_url ? "https://acme.example/jwks" : NULL,
                           .state = state,
                           .profile = SB_PROFILE_RFC7523BIS,
                           .show_reasons = true,
                           .tokens_per_minute = 7,
                           .created_s = 5,
                           .changed_s = 6,
                           .registration_digest = by_url ? &digest : NULL,
                           .admission = SB_ADMISSION_ITSELF,
                           .self_changed = SB_CLIENT_KEYS | SB_CLIENT_CONTACT,
                           .registered_from = INT64_MIN + 7};
    assert_int_equal(sb_client_new(&spec, &client, NULL), SB_OK);
    return client;
}

static void add(process *p, const char *id, sb_client_state state, bool by_url)
{
    SB_AUTOPTR(sb_client) client = make(id, state, by_url);
    sb_error err = SB_ERROR_INIT;
    if (sb_clients_add(p->clients, client, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

static sb_client *find(process *p, const char *id)
{
    sb_client *client = NULL;
    sb_error err = SB_ERROR_INIT;
    if (sb_clients_find(p->clients, sb_str_from(id), &client, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return client;
}

static void a_client_is_found_as_it_was_registered(database *d)
{
    process p;
    begin(&p, d);
    add(&p, "by-url", SB_CLIENT_PENDING, true);
    add(&p, "by-set", SB_CLIENT_ACTIVE, false);
    SB_AUTOPTR(sb_client) url = find(&p, "by-url");
    SB_AUTOPTR(sb_client) set = find(&p, "by-set");
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    assert_true(url && set);
    assert_string_equal(url->jwks_url, "https://acme.example/jwks");
    assert_null(url->jwks);
    assert_true(url->state == SB_CLIENT_PENDING && url->has_registration);
    sb_digest digest = sb_digest_of(SB_STR_LIT("by-url"));
    assert_memory_equal(&url->registration_digest, &digest, sizeof(digest));
    assert_non_null(sb_jwks_find(set->jwks, SB_STR_LIT("k")));
    assert_true(set->state == SB_CLIENT_ACTIVE && !set->has_registration && set->profile == SB_PROFILE_RFC7523BIS);
    assert_true(set->show_reasons && set->tokens_per_minute == 7 && set->created_s == 5 && set->changed_s == 6);
    assert_string_equal(set->name, "Acme \xc3\xa9");
    assert_true(url->admission == SB_ADMISSION_NONE && set->admission == SB_ADMISSION_ITSELF);
    assert_int_equal(set->self_changed, SB_CLIENT_KEYS | SB_CLIENT_CONTACT);
    assert_true(set->registered_from == INT64_MIN + 7);
    assert_string_equal(set->contact, "ops@acme.example");
    assert_true(sb_scopes_format(&set->scopes, &scope));
    assert_string_equal(sb_buf_cstr(&scope), "system/Patient.rs system/Observation.rs?category=laboratory");
    assert_null(find(&p, "by"));
    assert_null(find(&p, "by-set2"));
    end(&p);
}

/* A register is read again at every change of any client: the keys of the others are not. */
static void a_client_that_did_not_change_is_not_read_again(database *d)
{
    process here, there;
    begin(&here, d);
    begin(&there, d);
    add(&here, "acme", SB_CLIENT_ACTIVE, false);
    add(&here, "other", SB_CLIENT_ACTIVE, false);
    SB_AUTOPTR(sb_client) acme = find(&there, "acme");
    SB_AUTOPTR(sb_client) other = find(&there, "other");
    add(&here, "third", SB_CLIENT_ACTIVE, false);
    SB_AUTOPTR(sb_client) suspended = make("other", SB_CLIENT_SUSPENDED, false);
    assert_int_equal(sb_clients_replace(here.clients, suspended, NULL), SB_OK);
    fake_advance_ns(&there.clock, SB_CLIENT_DB_STALE_MS * SB_NS_PER_MS);
    SB_AUTOPTR(sb_client) third = find(&there, "third");
    SB_AUTOPTR(sb_client) acme_again = find(&there, "acme");
    SB_AUTOPTR(sb_client) other_again = find(&there, "other");
    assert_non_null(third);
    assert_ptr_equal(acme, acme_again);
    assert_ptr_not_equal(other, other_again);
    assert_int_equal(other_again->state, SB_CLIENT_SUSPENDED);
    end(&here);
    end(&there);
}

static void an_id_is_taken_once(database *d)
{
    process p;
    begin(&p, d);
    add(&p, "acme", SB_CLIENT_ACTIVE, true);
    SB_AUTOPTR(sb_client) again = make("acme", SB_CLIENT_PENDING, true);
    assert_int_equal(sb_clients_add(p.clients, again, &d->err), SB_E_USAGE);
    SB_AUTOPTR(sb_client) kept = find(&p, "acme");
    assert_int_equal(kept->state, SB_CLIENT_ACTIVE);
    end(&p);
}

static void a_change_is_seen_at_once_here_and_soon_elsewhere(database *d)
{
    process here, there;
    begin(&here, d);
    begin(&there, d);
    add(&here, "acme", SB_CLIENT_ACTIVE, true);
    sb_client_free(find(&there, "acme"));
    SB_AUTOPTR(sb_client) suspended = make("acme", SB_CLIENT_SUSPENDED, true);
    assert_int_equal(sb_clients_replace(here.clients, suspended, NULL), SB_OK);
    SB_AUTOPTR(sb_client) seen_here = find(&here, "acme");
    assert_int_equal(seen_here->state, SB_CLIENT_SUSPENDED);
    fake_advance_ns(&there.clock, SB_CLIENT_DB_STALE_MS * SB_NS_PER_MS);
    SB_AUTOPTR(sb_client) seen_there = find(&there, "acme");
    assert_int_equal(seen_there->state, SB_CLIENT_SUSPENDED);
    assert_int_equal(sb_clients_remove(here.clients, SB_STR_LIT("acme"), NULL), SB_OK);
    assert_null(find(&here, "acme"));
    fake_advance_ns(&there.clock, SB_CLIENT_DB_STALE_MS * SB_NS_PER_MS);
    assert_null(find(&there, "acme"));
    assert_int_equal(sb_clients_remove(here.clients, SB_STR_LIT("acme"), &d->err), SB_E_NOT_FOUND);
    assert_int_equal(sb_clients_replace(here.clients, suspended, &d->err), SB_E_NOT_FOUND);
    end(&here);
    end(&there);
}

/* Who sweeps what waited too long takes nobody along who was approved just then. */
static void what_was_changed_meanwhile_is_not_removed(database *d)
{
    process here;
    begin(&here, d);
    add(&here, "acme", SB_CLIENT_PENDING, true);
    SB_AUTOPTR(sb_client) waiting = find(&here, "acme");
    SB_AUTOPTR(sb_client) approved = make("acme", SB_CLIENT_ACTIVE, true);
    assert_int_equal(sb_clients_replace(here.clients, approved, NULL), SB_OK);
    assert_int_equal(sb_clients_remove_if(here.clients, waiting, NULL), SB_E_BUSY);
    SB_AUTOPTR(sb_client) now = find(&here, "acme");
    assert_int_equal(now->state, SB_CLIENT_ACTIVE);
    assert_int_equal(sb_clients_remove_if(here.clients, now, NULL), SB_OK);
    assert_null(find(&here, "acme"));
    end(&here);
}

typedef struct names {
    char text[256];
} names;

static sb_status note_name(void *context, sb_client *client, sb_error *err)
{
    names *n = context;
    size_t len = strlen(n->text);
    (void)err;
    (void)snprintf(n->text + len, sizeof(n->text) - len, "%s ", client->id);
    return SB_OK;
}

static void all_are_visited_in_order_of_their_bytes(database *d)
{
    process p;
    names n = {""};
    begin(&p, d);
    add(&p, "b", SB_CLIENT_ACTIVE, true);
    add(&p, "a", SB_CLIENT_PENDING, false);
    add(&p, "B", SB_CLIENT_SUSPENDED, true);
    assert_int_equal(sb_clients_each(p.clients, note_name, &n, NULL), SB_OK);
    assert_string_equal(n.text, "B a b ");
    end(&p);
}

static void a_damaged_row_shuts_nobody_else_out(database *d)
{
    process p;
    begin(&p, d);
    add(&p, "good", SB_CLIENT_ACTIVE, true);
    add(&p, "bad", SB_CLIENT_ACTIVE, true);
    {
        SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
        assert_int_equal(sb_lease_take(&lease, p.pool, NULL), SB_OK);
        assert_int_equal(sb_db_exec(lease.db, "UPDATE clients SET jwks = '{' WHERE id = 'bad'", NULL), SB_OK);
    }
    SB_AUTOPTR(sb_client) good = find(&p, "good");
    assert_non_null(good);
    assert_null(find(&p, "bad"));
    end(&p);
}

ON_BOTH(a_client_is_found_as_it_was_registered)
ON_BOTH(a_client_that_did_not_change_is_not_read_again)
ON_BOTH(an_id_is_taken_once)
ON_BOTH(a_change_is_seen_at_once_here_and_soon_elsewhere)
ON_BOTH(what_was_changed_meanwhile_is_not_removed)
ON_BOTH(all_are_visited_in_order_of_their_bytes)
ON_BOTH(a_damaged_row_shuts_nobody_else_out)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_client_is_found_as_it_was_registered),
        BOTH(a_client_that_did_not_change_is_not_read_again),
        BOTH(an_id_is_taken_once),
        BOTH(a_change_is_seen_at_once_here_and_soon_elsewhere),
        BOTH(what_was_changed_meanwhile_is_not_removed),
        BOTH(all_are_visited_in_order_of_their_bytes),
        BOTH(a_damaged_row_shuts_nobody_else_out),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
