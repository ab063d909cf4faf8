/* SPDX-License-Identifier: Apache-2.0 */
/* test_groups_db.c - rosters in a database as each client is shown them; on SQLite and PostgreSQL. */
#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "scratch.h"

#include "base/json.h"
#include "payer/data/groups_db.h"
#include "payer/data/roster_db.h"
#include "payer/state/schema.h"

#define NOW_S 1767225600 /* 2026-01-01 */

typedef struct setting {
    sb_pool *pool;
    fake_clock clock;
    sb_groups *groups;
} setting;

static void exec(setting *s, const char *sql)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_error err = SB_ERROR_INIT;
    assert_ok(sb_lease_take(&lease, s->pool, NULL));
    if (sb_db_exec(lease.db, sql, &err) != SB_OK)
        fail_msg("%s: %s", sql, err.why);
}

static void put(setting *s, const char *text)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_AUTOJSON group = json_loads(text, 0, NULL);
    sb_error err = SB_ERROR_INIT;
    assert_non_null(group);
    assert_ok(sb_lease_take(&lease, s->pool, NULL));
    assert_ok(sb_tx_begin(&tx, lease.db, NULL));
    if (sb_roster_put(lease.db, group, NOW_S, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    assert_ok(sb_tx_commit(&tx, NULL));
}

static void give(setting *s, const char *client, const char *roster)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    assert_ok(sb_lease_take(&lease, s->pool, NULL));
    assert_ok(sb_roster_give(lease.db, client, sb_str_from(roster), NULL));
}

static void opt_out(setting *s, const char *patient)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    assert_ok(sb_lease_take(&lease, s->pool, NULL));
    assert_ok(sb_opt_out_add(lease.db, sb_str_from(patient), NOW_S, NULL));
}

static void add_client(setting *s, const char *id)
{
    SB_AUTOFREE sql =
        sb_printf("INSERT INTO clients (id, state, name, contact, scope, profile, show_reasons, tokens_per_minute,"
                  " created_s, changed_s) VALUES ('%s', 'active', '', '', 'system/*.rs', 'smart', 0, 0, 0, 0)",
                  id);
    exec(s, sql);
}

/* north: 1, 2 and from 2027 on 3; south: 4. acme has north, omni has all, newcomer none. */
static void open_setting(setting *s, database *d)
{
    *s = (setting){.pool = NULL};
    fake_clock_init(&s->clock);
    atomic_store(&s->clock.wall_s, NOW_S);
    if (sb_payer_pool(d->path, 2, &s->pool, &d->err) != SB_OK)
        fail_msg("%s: %s", d->err.what, d->err.why);
    assert_ok(sb_groups_db(s->pool, &s->clock.clock, &s->groups, NULL));
    put(s, "{\"resourceType\":\"Group\",\"id\":\"north\",\"type\":\"person\",\"actual\":true,\"name\":\"The north\","
           "\"identifier\":[{\"system\":\"urn:npi\",\"value\":\"12\"}],"
           "\"characteristic\":[{\"code\":{\"coding\":[{\"system\":\"urn:c\",\"code\":\"pcp\"}]}}],"
           "\"quantity\":99,\"member\":["
           "{\"entity\":{\"reference\":\"Patient/1\"}},{\"entity\":{\"reference\":\"Patient/2\"}},"
           "{\"entity\":{\"reference\":\"Patient/3\"},\"period\":{\"start\":\"2027-01-01\"}}]}");
    put(s, "{\"resourceType\":\"Group\",\"id\":\"south\",\"type\":\"person\",\"actual\":true,"
           "\"identifier\":[{\"value\":\"12\"}],\"member\":[{\"entity\":{\"reference\":\"Patient/4\"}}]}");
    add_client(s, "acme");
    add_client(s, "omni");
    add_client(s, "newcomer");
    give(s, "acme", "north");
    give(s, "omni", SB_ROSTER_ALL);
}

static void close_setting(setting *s)
{
    sb_groups_free(s->groups);
    sb_pool_free(s->pool);
}

static void expect_found(setting *s, const char *client, const sb_group_search *search, const char *ids)
{
    SB_AUTOJSON found = json_array();
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    size_t i;
    json_t *group;
    assert_ok(sb_groups_search(s->groups, client, search, found, NULL));
    json_array_foreach (found, i, group) {
        assert_true(sb_buf_printf(&text, "%s%s", i ? "," : "", sb_json_str(group, "id")));
        assert_null(json_object_get(group, "member"));
    }
    assert_string_equal(sb_buf_cstr(&text), ids);
}

static void a_client_finds_its_groups_and_no_others(database *d)
{
    setting s;
    open_setting(&s, d);
    expect_found(&s, "acme", &(sb_group_search){.max = 9}, "north");
    expect_found(&s, "omni", &(sb_group_search){.max = 9}, "north,south");
    expect_found(&s, "omni", &(sb_group_search){.max = 1}, "north");
    expect_found(&s, "omni", &(sb_group_search){.max = 9, .after = SB_STR_LIT("north")}, "south");
    expect_found(&s, "newcomer", &(sb_group_search){.max = 9}, "");
    expect_found(&s, "nobody", &(sb_group_search){.max = 9}, "");
    close_setting(&s);
}

static void a_search_asks_for_names_identifiers_and_characteristics(database *d)
{
    static const struct {
        const char *identifier, *name, *characteristic, *ids;
    } cases[] = {{"12", "", "", "north,south"},
                 {"|12", "", "", "south"},
                 {"urn:npi|12", "", "", "north"},
                 {"urn:npi|", "", "", "north"},
                 {"urn:npi|13", "", "", ""},
                 {"1", "", "", ""},
                 {"", "The north", "", "north"},
                 {"", "the north", "", ""},
                 {"", "south", "", "south"}, /* its id is its name */
                 {"", "", "pcp", "north"},
                 {"", "", "urn:c|pcp", "north"},
                 {"", "", "|pcp", ""},
                 {"12", "The north", "urn:d|pcp", ""}};
    setting s;
    open_setting(&s, d);
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        sb_group_search search = {.identifier = sb_str_from(cases[i].identifier),
                                  .name = sb_str_from(cases[i].name),
                                  .characteristic = sb_str_from(cases[i].characteristic),
                                  .max = 9};
        expect_found(&s, "omni", &search, cases[i].ids);
    }
    close_setting(&s);
}

static void expect_group(setting *s, const char *client, const char *id, size_t max, const char *members, int quantity)
{
    SB_AUTOJSON group = NULL;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    size_t i;
    json_t *member;
    assert_ok(sb_groups_get(s->groups, client, sb_str_from(id), max, &group, NULL));
    json_array_foreach (json_object_get(group, "member"), i, member) {
        assert_true(sb_buf_printf(&text, "%s ", sb_json_str(json_object_get(member, "entity"), "reference")));
    }
    assert_string_equal(sb_buf_cstr(&text), members);
    assert_int_equal(json_integer_value(json_object_get(group, "quantity")), quantity);
}

static void a_group_shows_who_is_a_member_now_and_did_not_say_no(database *d)
{
    setting s;
    open_setting(&s, d);
    expect_group(&s, "acme", "north", 9, "Patient/1 Patient/2 ", 2);
    expect_group(&s, "acme", "north", 1, "Patient/1 ", 2);
    expect_group(&s, "acme", "north", 0, "", 2);
    opt_out(&s, "1");
    expect_group(&s, "acme", "north", 9, "Patient/2 ", 1);
    atomic_store(&s.clock.wall_s, NOW_S + 366 * 86400);
    expect_group(&s, "acme", "north", 9, "Patient/2 Patient/3 ", 2);
    close_setting(&s);
}

static void expect_refused(const setting *s, const char *client, const char *id, int http_status)
{
    SB_AUTO(sb_members) members = SB_MEMBERS_INIT;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_groups_members(s->groups, client, sb_str_from(id), &members, &err), SB_E_NOT_FOUND);
    assert_int_equal(err.http_status, http_status);
}

static void another_ones_group_is_not_there(database *d)
{
    SB_AUTOJSON group = NULL;
    sb_error err = SB_ERROR_INIT;
    setting s;
    open_setting(&s, d);
    expect_refused(&s, "acme", "south", 404);
    expect_refused(&s, "acme", "none", 404);
    expect_refused(&s, "acme", "*", 404);
    expect_refused(&s, "omni", "*", 404);
    expect_refused(&s, "newcomer", "north", 404);
    expect_refused(&s, "newcomer", "", 403);
    assert_int_equal(sb_groups_get(s.groups, "acme", SB_STR_LIT("south"), 9, &group, &err), SB_E_NOT_FOUND);
    assert_int_equal(sb_groups_any(s.groups, "newcomer", &err), SB_E_NOT_FOUND);
    assert_int_equal(err.http_status, 403);
    assert_ok(sb_groups_any(s.groups, "acme", NULL));
    close_setting(&s);
}

static void expect_members(const setting *s, const char *client, const char *id, const char *in, const char *out)
{
    SB_AUTO(sb_members) members = SB_MEMBERS_INIT;
    assert_ok(sb_groups_members(s->groups, client, sb_str_from(id), &members, NULL));
    for (; *in; in++)
        assert_true(sb_members_have(&members, (sb_str){in, 1}));
    for (; *out; out++)
        assert_false(sb_members_have(&members, (sb_str){out, 1}));
}

static void an_export_is_of_the_members_of_the_moment(database *d)
{
    SB_AUTO(sb_members) members = SB_MEMBERS_INIT;
    setting s;
    open_setting(&s, d);
    expect_members(&s, "acme", "north", "12", "345");
    expect_members(&s, "acme", "", "12", "345");
    expect_members(&s, "omni", "south", "4", "12359");
    expect_members(&s, "omni", "", "123459", "");
    assert_ok(sb_groups_members(s.groups, "omni", SB_STR_LIT(""), &members, NULL));
    assert_null(members.ids); /* nobody has to be looked for: files are given whole */
    assert_null(members.opted_out);
    opt_out(&s, "2");
    expect_members(&s, "acme", "north", "1", "2345");
    expect_members(&s, "acme", "", "1", "2345");
    expect_members(&s, "omni", "", "13459", "2");
    give(&s, "acme", "south");
    expect_members(&s, "acme", "", "14", "235");
    close_setting(&s);
}

/* "north 3/1 acme omni, south 1/0 omni" */
typedef struct overview {
    sb_buf text;
    char ids[2][8];
    size_t count;
} overview;

static sb_status on_roster(void *context, const sb_roster_row *row, sb_error *err)
{
    overview *o = context;
    (void)err;
    assert_true(o->count < 2);
    (void)snprintf(o->ids[o->count++], sizeof(o->ids[0]), "%s", row->id);
    assert_int_equal(row->changed_s, NOW_S);
    assert_true(sb_buf_printf(&o->text, "%s '%s' %d/%d, ", row->id, row->name, (int)row->members, (int)row->opted_out));
    return SB_OK;
}

static sb_status on_name(void *context, const char *name, sb_error *err)
{
    (void)err;
    assert_true(sb_buf_printf(context, "%s ", name));
    return SB_OK;
}

static void an_administrator_sees_how_many_and_for_whom(database *d)
{
    setting s;
    overview o = {.text = SB_BUF_INIT};
    open_setting(&s, d);
    opt_out(&s, "2");
    opt_out(&s, "9");
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    assert_ok(sb_lease_take(&lease, s.pool, NULL));
    assert_ok(sb_roster_each(lease.db, on_roster, &o, NULL));
    for (size_t i = 0; i < o.count; i++)
        assert_ok(sb_roster_each_client(lease.db, sb_str_from(o.ids[i]), on_name, &o.text, NULL));
    assert_string_equal(sb_buf_cstr(&o.text), "north 'The north' 3/1, south 'south' 1/0, acme omni omni ");
    sb_buf_cleanup(&o.text);
    sb_lease_cleanup(&lease);
    close_setting(&s);
}

ON_BOTH(a_client_finds_its_groups_and_no_others)
ON_BOTH(a_search_asks_for_names_identifiers_and_characteristics)
ON_BOTH(a_group_shows_who_is_a_member_now_and_did_not_say_no)
ON_BOTH(another_ones_group_is_not_there)
ON_BOTH(an_export_is_of_the_members_of_the_moment)
ON_BOTH(an_administrator_sees_how_many_and_for_whom)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_client_finds_its_groups_and_no_others),
        BOTH(a_search_asks_for_names_identifiers_and_characteristics),
        BOTH(a_group_shows_who_is_a_member_now_and_did_not_say_no),
        BOTH(another_ones_group_is_not_there),
        BOTH(an_export_is_of_the_members_of_the_moment),
        BOTH(an_administrator_sees_how_many_and_for_whom),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
