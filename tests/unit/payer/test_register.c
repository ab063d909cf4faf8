/* SPDX-License-Identifier: Apache-2.0 */
/* test_register.c - the register as its operator keeps it: every change told, and what lets somebody in and cannot be told
 * taken back. */
#include "payer/ops/register.h"

#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "base/json.h"
#include "payer/auth/client_db.h"
#include "payer/data/roster_db.h"
#include "payer/ops/audit_search.h"
#include "payer/state/schema.h"

#include <signal.h>
#include <sys/resource.h>

#define GROUP "{\"resourceType\":\"Group\",\"id\":\"roster-7\",\"type\":\"person\",\"actual\":true,\"name\":\"Seven\"}"

typedef struct office {
    fake_clock clock;
    sb_pool *pool;
    sb_clients *clients;
    sb_audit *audit;
    sb_register *reg;
    sb_jwks *jwks, *other;
    char audit_file[POSTGRES_URI_SIZE];
    char seen[1024]; /* of the client that was shown last */
    char event[256]; /* the newest in the audit log */
} office;

static void make_set(const char *kid, sb_jwks **out)
{
    sb_key *key = NULL;
    assert_int_equal(sb_key_generate("EdDSA", 0, kid, &key, NULL), SB_OK);
    assert_int_equal(sb_jwks_new(out, NULL), SB_OK);
    assert_int_equal(sb_jwks_add(*out, key, NULL), SB_OK);
    sb_key_free(key);
}

static void add_roster(office *o)
{
    SB_AUTOJSON group = json_loads(GROUP, 0, NULL);
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    assert_int_equal(sb_lease_take(&lease, o->pool, NULL), SB_OK);
    assert_int_equal(sb_tx_begin(&tx, lease.db, NULL), SB_OK);
    assert_int_equal(sb_roster_put(lease.db, group, 5, NULL), SB_OK);
    assert_int_equal(sb_tx_commit(&tx, NULL), SB_OK);
}

static void begin(office *o, const database *d)
{
    *o = (office){.pool = NULL};
    fake_clock_init(&o->clock);
    (void)snprintf(o->audit_file, sizeof(o->audit_file), "%s/audit.ndjson", d->dir);
    assert_int_equal(sb_payer_pool(d->path, 1, &o->pool, NULL), SB_OK);
    assert_int_equal(sb_clients_db(o->pool, &o->clock.clock, &o->clients, NULL), SB_OK);
    assert_int_equal(sb_audit_open(o->audit_file, false, &o->clock.clock, &o->audit, NULL), SB_OK);
    sb_register_parts parts = {
        .pool = o->pool, .clients = o->clients, .audit = o->audit, .clock = &o->clock.clock, .actor = "mary"};
    assert_int_equal(sb_register_over(&parts, &o->reg, NULL), SB_OK);
    make_set("k1", &o->jwks);
    make_set("k2", &o->other);
    add_roster(o);
}

static void end(office *o)
{
    sb_register_free(o->reg);
    sb_audit_free(o->audit);
    sb_clients_free(o->clients);
    sb_pool_free(o->pool);
    sb_jwks_free(o->jwks);
    sb_jwks_free(o->other);
    (void)unlink(o->audit_file);
}

static sb_status on_client(void *impl, const sb_client_info *c, sb_error *err)
{
    office *o = impl;
    (void)err;
    (void)snprintf(o->seen, sizeof(o->seen), "%s %s '%s' [%s] %s keys:%s groups:%s %u", c->id, c->state, c->name,
                   c->scope, c->profile, c->key_count ? c->keys[0].kid : c->jwks_url,
                   c->group_count ? c->groups[0] : "-", c->tokens_per_minute);
    return SB_OK;
}

static const char *shown(office *o, const char *id)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_register_show(o->reg, id, on_client, o, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return o->seen;
}

static sb_status on_event(void *impl, const json_t *event, bool believed, sb_error *err)
{
    office *o = impl;
    const char *detail = sb_json_str(event, "detail");
    (void)err;
    assert_true(believed);
    (void)snprintf(o->event, sizeof(o->event), "%s %s by %s: %s", sb_json_str(event, "event"),
                   sb_json_str(event, "client"), sb_json_str(event, "actor"), detail ? detail : "");
    return SB_OK;
}

static const char *told(office *o)
{
    uint64_t next;
    o->event[0] = '\0';
    assert_int_equal(sb_audit_search(o->audit_file, &(sb_audit_query){.limit = 1}, on_event, o, &next, NULL), SB_OK);
    return o->event;
}

static void add_acme(office *o, const char *const *give)
{
    sb_error err = SB_ERROR_INIT;
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    change.name = "Acme";
    change.jwks = o->jwks;
    change.give = give;
    if (sb_register_add(o->reg, "acme", &change, on_client, o, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

static void a_client_is_added_with_its_rosters_and_told(database *d)
{
    office o;
    const char *give[] = {"roster-7", NULL};
    begin(&o, d);
    add_acme(&o, give);
    assert_string_equal(o.seen, "acme active 'Acme' [system/*.rs] smart keys:k1 groups:roster-7 0");
    assert_string_equal(told(&o), "client.added acme by mary: ");
    end(&o);
}

static void a_client_with_a_roster_that_is_not_there_is_not_added(database *d)
{
    office o;
    const char *give[] = {"roster-8", NULL};
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    begin(&o, d);
    change.jwks = o.jwks;
    change.give = give;
    assert_int_equal(sb_register_add(o.reg, "acme", &change, on_client, &o, NULL), SB_E_NOT_FOUND);
    assert_int_equal(sb_register_show(o.reg, "acme", on_client, &o, NULL), SB_E_NOT_FOUND);
    assert_string_equal(told(&o), "");
    end(&o);
}

static void states_are_changed_and_told(database *d)
{
    office o;
    begin(&o, d);
    add_acme(&o, NULL);
    assert_int_equal(sb_register_suspend(o.reg, "acme", NULL), SB_OK);
    assert_string_equal(told(&o), "client.suspended acme by mary: ");
    assert_string_equal(shown(&o, "acme"), "acme suspended 'Acme' [system/*.rs] smart keys:k1 groups:- 0");
    assert_int_equal(sb_register_each(o.reg, "active", on_client, &o, NULL), SB_OK);
    assert_int_equal(sb_register_each(o.reg, "asleep", on_client, &o, NULL), SB_E_USAGE);
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, NULL, NULL), SB_OK);
    assert_string_equal(told(&o), "client.approved acme by mary: ");
    assert_int_equal(sb_register_remove(o.reg, "acme", NULL), SB_OK);
    assert_string_equal(told(&o), "client.removed acme by mary: ");
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, NULL, NULL), SB_E_NOT_FOUND);
    assert_int_equal(sb_register_remove(o.reg, "acme", NULL), SB_E_NOT_FOUND);
    end(&o);
}

static void keys_are_replaced_by_others_or_a_url(database *d)
{
    office o;
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    begin(&o, d);
    add_acme(&o, NULL);
    change.jwks = o.other;
    assert_int_equal(sb_register_change(o.reg, "acme", &change, NULL), SB_OK);
    assert_string_equal(shown(&o, "acme"), "acme active 'Acme' [system/*.rs] smart keys:k2 groups:- 0");
    assert_string_equal(told(&o), "client.keys_changed acme by mary: keys");
    change.jwks = NULL;
    change.jwks_url = "http://acme.example/jwks";
    assert_int_equal(sb_register_change(o.reg, "acme", &change, NULL), SB_E_INVALID);
    change.jwks_url = "https://acme.example/jwks";
    assert_int_equal(sb_register_change(o.reg, "acme", &change, NULL), SB_OK);
    assert_string_equal(shown(&o, "acme"),
                        "acme active 'Acme' [system/*.rs] smart keys:https://acme.example/jwks groups:- 0");
    end(&o);
}

static void what_is_agreed_is_changed_and_what_cannot_be_changes_nothing(database *d)
{
    office o;
    const char *seven[] = {"roster-7", NULL};
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    begin(&o, d);
    add_acme(&o, seven);
    change.scope = "system/Patient.rs";
    change.profile = "rfc7523bis";
    change.tokens_per_minute = 7;
    change.take = seven;
    assert_int_equal(sb_register_change(o.reg, "acme", &change, NULL), SB_OK);
    assert_string_equal(shown(&o, "acme"), "acme active 'Acme' [system/Patient.rs] rfc7523bis keys:k1 groups:- 7");
    assert_string_equal(told(&o), "client.changed acme by mary: scope, profile, tokens per minute, takes roster-7");
    change = (sb_client_change)SB_CLIENT_CHANGE_INIT;
    change.scope = "patient/Patient.rs";
    assert_int_equal(sb_register_change(o.reg, "acme", &change, NULL) == SB_OK, false);
    change.scope = NULL;
    change.profile = "tall";
    assert_int_equal(sb_register_change(o.reg, "acme", &change, NULL), SB_E_INVALID);
    assert_string_equal(shown(&o, "acme"), "acme active 'Acme' [system/Patient.rs] rfc7523bis keys:k1 groups:- 7");
    end(&o);
}

/* The limit of files' sizes stands for a full disk: of the audit log alone, so on PostgreSQL, whose files are others'. */
static void what_lets_somebody_in_untold_is_taken_back(void **state)
{
    office o;
    struct rlimit before;
    const char *seven[] = {"roster-7", NULL};
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    sb_error err = SB_ERROR_INIT;
    (void)state;
    SKIP_WITHOUT_POSTGRES(&databases_server);
    database *d = database_new(true);
    begin(&o, d);
    add_acme(&o, NULL);
    assert_int_equal(sb_register_suspend(o.reg, "acme", NULL), SB_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, before.rlim_max}), 0);
    sb_status approved = sb_register_approve(o.reg, "acme", NULL, NULL, &err);
    change.give = seven;
    sb_status given = sb_register_change(o.reg, "acme", &change, &err);
    change.jwks = o.jwks;
    sb_status added = sb_register_add(o.reg, "other", &change, on_client, &o, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(approved, SB_E_IO);
    assert_int_equal(given, SB_E_IO);
    assert_int_equal(added, SB_E_IO);
    assert_string_equal(shown(&o, "acme"), "acme suspended 'Acme' [system/*.rs] smart keys:k1 groups:- 0");
    assert_int_equal(sb_register_show(o.reg, "other", on_client, &o, NULL), SB_E_NOT_FOUND);
    end(&o);
    database_free(d);
}

/* A register of clients in which a client changes itself just after it was looked at. */

static sb_status meddling_each(void *impl, sb_client_visit *visit, void *context, sb_error *err)
{
    office *o = impl;
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTOPTR(sb_client) changed = NULL;
    SB_AUTOFREE scope = NULL;
    sb_client_spec spec;
    SB_TRY(sb_clients_each(o->clients, visit, context, err));
    assert_int_equal(sb_clients_find(o->clients, SB_STR_LIT("acme"), &client, NULL), SB_OK);
    assert_int_equal(sb_client_respec(client, &scope, &spec, NULL), SB_OK);
    spec.name = "Another name";
    spec.changed_s++;
    assert_int_equal(sb_client_new(&spec, &changed, NULL), SB_OK);
    return sb_clients_replace(o->clients, changed, err);
}

static sb_status meddling_replace(void *impl, const sb_client *was, sb_client *client, const sb_clients_also *also,
                                  sb_error *err)
{
    office *o = impl;
    return sb_clients_replace_with(o->clients, was, client, also, err);
}

static void leave(void *impl)
{
    (void)impl;
}

static void what_a_client_changes_meanwhile_is_not_undone(database *d)
{
    static const sb_clients_ops ops = {.each = meddling_each, .replace = meddling_replace, .free = leave};
    office o;
    SB_AUTOPTR(sb_clients) meddled = NULL;
    SB_AUTOPTR(sb_register) reg = NULL;
    const char *seven[] = {"roster-7", NULL};
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    sb_error err = SB_ERROR_INIT;
    begin(&o, d);
    add_acme(&o, NULL);
    assert_int_equal(sb_clients_new(&ops, &o, &meddled, NULL), SB_OK);
    sb_register_parts parts = {
        .pool = o.pool, .clients = meddled, .audit = o.audit, .clock = &o.clock.clock, .actor = "mary"};
    assert_int_equal(sb_register_over(&parts, &reg, NULL), SB_OK);
    change.give = seven;
    assert_int_equal(sb_register_change(reg, "acme", &change, &err), SB_E_BUSY);
    assert_string_equal(shown(&o, "acme"), "acme active 'Another name' [system/*.rs] smart keys:k1 groups:- 0");
    assert_string_equal(told(&o), "client.added acme by mary: ");
    end(&o);
}

/* What a client had before is its own, whatever becomes of a change. */
static void what_fails_takes_no_roster_that_was_there_before(database *d)
{
    static const sb_clients_ops ops = {.each = meddling_each, .replace = meddling_replace, .free = leave};
    office o;
    SB_AUTOPTR(sb_clients) meddled = NULL;
    SB_AUTOPTR(sb_register) reg = NULL;
    const char *seven[] = {"roster-7", NULL}, *both[] = {"roster-7", "*", NULL};
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    begin(&o, d);
    add_acme(&o, seven);
    assert_int_equal(sb_clients_new(&ops, &o, &meddled, NULL), SB_OK);
    sb_register_parts parts = {
        .pool = o.pool, .clients = meddled, .audit = o.audit, .clock = &o.clock.clock, .actor = "mary"};
    assert_int_equal(sb_register_over(&parts, &reg, NULL), SB_OK);
    change.give = both;
    assert_int_equal(sb_register_change(reg, "acme", &change, NULL), SB_E_BUSY);
    assert_string_equal(shown(&o, "acme"), "acme active 'Another name' [system/*.rs] smart keys:k1 groups:roster-7 0");
    change.give = NULL;
    change.take = seven;
    assert_int_equal(sb_register_change(reg, "acme", &change, NULL), SB_E_BUSY);
    assert_string_equal(shown(&o, "acme"), "acme active 'Another name' [system/*.rs] smart keys:k1 groups:roster-7 0");
    end(&o);
}

/* Registering oneself */

static void put_pending(office *o, const char *id, const sb_jwks *jwks, const char *url, int64_t created_s,
                        unsigned self_changed)
{
    static const sb_digest digest = {{7}};
    SB_AUTOPTR(sb_client) client = NULL;
    sb_jwks *copy = NULL;
    SB_AUTOFREE text = jwks ? sb_jwks_json(jwks, false) : NULL;
    if (jwks)
        assert_int_equal(sb_jwks_parse(sb_str_from(text), &copy, NULL, NULL), SB_OK);
    sb_client_spec spec = {.id = id,
                           .scope = "system/*.rs",
                           .jwks = copy,
                           .jwks_url = url,
                           .state = SB_CLIENT_PENDING,
                           .created_s = created_s,
                           .changed_s = created_s,
                           .registration_digest = &digest,
                           .self_changed = self_changed};
    assert_int_equal(sb_client_new(&spec, &client, NULL), SB_OK);
    assert_int_equal(sb_clients_add(o->clients, client, NULL), SB_OK);
}

static const char *thumbprint(const sb_jwks *jwks)
{
    return sb_key_thumbprint(sb_jwks_at(jwks, 0));
}

static void who_registered_itself_is_let_in_as_it_was_seen_alone(database *d)
{
    office o;
    const char *seven[] = {"roster-7", NULL};
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    begin(&o, d);
    put_pending(&o, "acme", o.jwks, NULL, 5, 0);
    const char *right[] = {thumbprint(o.jwks), NULL}, *other[] = {thumbprint(o.other), NULL};
    const char *more[] = {thumbprint(o.jwks), thumbprint(o.other), NULL}, *none[] = {NULL};
    const sb_client_seen wrong[] = {{other, NULL},
                                    {more, NULL},
                                    {none, NULL},
                                    {NULL, NULL},
                                    {NULL, "https://a.example/"},
                                    {right, "https://a.example/"}};
    change.give = seven;
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, NULL, NULL), SB_E_USAGE);
    assert_int_equal(sb_register_approve(o.reg, "acme", &change, NULL, NULL), SB_E_USAGE);
    for (size_t i = 0; i < SB_ARRAY_LEN(wrong); i++)
        assert_int_equal(sb_register_approve(o.reg, "acme", &change, &wrong[i], NULL), SB_E_INVALID);
    assert_string_equal(shown(&o, "acme"), "acme pending '' [system/*.rs] smart keys:k1 groups:- 0");
    assert_string_equal(told(&o), "");
    assert_int_equal(sb_register_suspend(o.reg, "acme", NULL), SB_OK); /* which is no way around */
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, NULL, NULL), SB_E_USAGE);
    assert_int_equal(sb_register_approve(o.reg, "acme", &change, &(sb_client_seen){right, NULL}, NULL), SB_OK);
    assert_string_equal(shown(&o, "acme"), "acme active '' [system/*.rs] smart keys:k1 groups:roster-7 0");
    assert_string_equal(told(&o), "client.approved acme by mary: ");
    assert_int_equal(sb_register_suspend(o.reg, "acme", NULL), SB_OK); /* whom somebody looked at comes in again */
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, NULL, NULL), SB_OK);
    end(&o);
}

static void of_several_keys_each_must_have_been_seen(database *d)
{
    office o;
    begin(&o, d);
    assert_int_equal(sb_jwks_add(o.jwks, sb_jwks_at(o.other, 0), NULL), SB_OK);
    put_pending(&o, "acme", o.jwks, NULL, 5, 0);
    const char *one[] = {thumbprint(o.jwks), NULL}, *both[] = {thumbprint(o.other), thumbprint(o.jwks), NULL};
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, &(sb_client_seen){one, NULL}, NULL), SB_E_INVALID);
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, &(sb_client_seen){both, NULL}, NULL), SB_OK);
    end(&o);
}

static void of_keys_at_a_url_the_url_must_have_been_seen(database *d)
{
    office o;
    const char *any[] = {"x", NULL};
    begin(&o, d);
    put_pending(&o, "acme", NULL, "https://acme.example/jwks", 5, 0);
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, NULL, NULL), SB_E_USAGE);
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, &(sb_client_seen){any, NULL}, NULL), SB_E_INVALID);
    assert_int_equal(
        sb_register_approve(o.reg, "acme", NULL, &(sb_client_seen){NULL, "https://rival.example/jwks"}, NULL),
        SB_E_INVALID);
    assert_int_equal(
        sb_register_approve(o.reg, "acme", NULL, &(sb_client_seen){NULL, "https://acme.example/jwks"}, NULL), SB_OK);
    end(&o);
}

static sb_status on_keys(void *impl, const sb_client_info *c, sb_error *err)
{
    office *o = impl;
    (void)err;
    (void)snprintf(o->seen, sizeof(o->seen), "%s %s %s %s", c->keys[0].kid, c->keys[0].thumbprint,
                   c->manages_itself ? "managed" : "-", c->changed_itself ? c->changed_itself : "-");
    return SB_OK;
}

static void expect_keys(office *o, const char *id, const char *kid, const sb_jwks *jwks, const char *rest)
{
    SB_AUTOFREE want = sb_printf("%s %s %s", kid, thumbprint(jwks), rest);
    assert_int_equal(sb_register_show(o->reg, id, on_keys, o, NULL), SB_OK);
    assert_string_equal(o->seen, want);
}

static void keys_are_shown_by_their_thumbprints_whatever_they_are_called(database *d)
{
    office o;
    begin(&o, d);
    sb_jwks_free(o.other);
    make_set("MlU_ggo7a5S79pQTiH0PuFPW6VEHSEPx7NDr0SDzNUc", &o.other); /* as if it were somebody else's thumbprint */
    put_pending(&o, "acme", o.other, NULL, 5, SB_CLIENT_KEYS | SB_CLIENT_CONTACT);
    expect_keys(&o, "acme", "MlU_ggo7a5S79pQTiH0PuFPW6VEHSEPx7NDr0SDzNUc", o.other, "managed keys, contact");
    end(&o);
}

static void keys_by_an_operator_end_the_token_that_could_put_the_old_ones_back(database *d)
{
    office o;
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    begin(&o, d);
    put_pending(&o, "acme", o.jwks, NULL, 5, SB_CLIENT_KEYS);
    const char *right[] = {thumbprint(o.jwks), NULL};
    assert_int_equal(sb_register_approve(o.reg, "acme", NULL, &(sb_client_seen){right, NULL}, NULL), SB_OK);
    expect_keys(&o, "acme", "k1", o.jwks, "managed -"); /* what it changed was looked at */
    change.jwks = o.other;
    change.keep_registration = true;
    assert_int_equal(sb_register_change(o.reg, "acme", &change, NULL), SB_OK);
    expect_keys(&o, "acme", "k2", o.other, "managed -");
    change.keep_registration = false;
    assert_int_equal(sb_register_change(o.reg, "acme", &change, NULL), SB_OK);
    expect_keys(&o, "acme", "k2", o.other, "- -");
    end(&o);
}

static void who_waits_for_too_long_is_removed_and_nobody_else(database *d)
{
    office o;
    size_t count = 7;
    begin(&o, d);
    int64_t now = o.clock.clock.wall_s(o.clock.clock.impl);
    add_acme(&o, NULL);
    put_pending(&o, "old", o.jwks, NULL, now - 100, 0);
    put_pending(&o, "older", o.jwks, NULL, now - 101, 0);
    put_pending(&o, "young", o.jwks, NULL, now - 99, 0);
    put_pending(&o, "known", o.jwks, NULL, now - 999, SB_CLIENT_KEYS); /* was approved once */
    assert_int_equal(sb_register_remove_pending(o.reg, 100, &count, NULL), SB_OK);
    assert_int_equal(count, 2);
    assert_string_equal(told(&o), "client.removed older by mary: waited too long");
    assert_int_equal(sb_register_show(o.reg, "old", on_client, &o, NULL), SB_E_NOT_FOUND);
    assert_int_equal(sb_register_show(o.reg, "young", on_client, &o, NULL), SB_OK);
    assert_int_equal(sb_register_show(o.reg, "known", on_client, &o, NULL), SB_OK);
    assert_int_equal(sb_register_show(o.reg, "acme", on_client, &o, NULL), SB_OK);
    end(&o);
}

static void names_of_clients_are_fit_for_a_terminal(database *d)
{
    office o;
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    begin(&o, d);
    change.name = "Acme \xe2\x80\xae"
                  "exe"; /* a right-to-left override */
    change.jwks = o.jwks;
    assert_int_equal(sb_register_add(o.reg, "acme", &change, on_client, &o, NULL), SB_OK);
    assert_non_null(strstr(o.seen, "'Acme exe'"));
    end(&o);
}

ON_BOTH(a_client_is_added_with_its_rosters_and_told)
ON_BOTH(a_client_with_a_roster_that_is_not_there_is_not_added)
ON_BOTH(states_are_changed_and_told)
ON_BOTH(keys_are_replaced_by_others_or_a_url)
ON_BOTH(what_is_agreed_is_changed_and_what_cannot_be_changes_nothing)
ON_BOTH(what_a_client_changes_meanwhile_is_not_undone)
ON_BOTH(what_fails_takes_no_roster_that_was_there_before)
ON_BOTH(who_registered_itself_is_let_in_as_it_was_seen_alone)
ON_BOTH(of_several_keys_each_must_have_been_seen)
ON_BOTH(of_keys_at_a_url_the_url_must_have_been_seen)
ON_BOTH(keys_are_shown_by_their_thumbprints_whatever_they_are_called)
ON_BOTH(keys_by_an_operator_end_the_token_that_could_put_the_old_ones_back)
ON_BOTH(who_waits_for_too_long_is_removed_and_nobody_else)
ON_BOTH(names_of_clients_are_fit_for_a_terminal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_client_is_added_with_its_rosters_and_told),
        BOTH(a_client_with_a_roster_that_is_not_there_is_not_added),
        BOTH(states_are_changed_and_told),
        BOTH(keys_are_replaced_by_others_or_a_url),
        BOTH(what_is_agreed_is_changed_and_what_cannot_be_changes_nothing),
        BOTH(what_a_client_changes_meanwhile_is_not_undone),
        BOTH(what_fails_takes_no_roster_that_was_there_before),
        BOTH(who_registered_itself_is_let_in_as_it_was_seen_alone),
        BOTH(of_several_keys_each_must_have_been_seen),
        BOTH(of_keys_at_a_url_the_url_must_have_been_seen),
        BOTH(keys_are_shown_by_their_thumbprints_whatever_they_are_called),
        BOTH(keys_by_an_operator_end_the_token_that_could_put_the_old_ones_back),
        BOTH(who_waits_for_too_long_is_removed_and_nobody_else),
        BOTH(names_of_clients_are_fit_for_a_terminal),
        cmocka_unit_test(what_lets_somebody_in_untold_is_taken_back),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
