/* SPDX-License-Identifier: Apache-2.0 */
/* admin_clients.c - the register of clients and its rosters, as JSON. */
#include <inttypes.h>
#include <stdio.h>

#include "fhir/instant.h"
#include "payer/admin/admin_internal.h"
#include "payer/data/roster_db.h"
#include "payer/ops/register.h"

static sb_status open_register(const sb_admin_turn *t, sb_register **out, sb_error *err)
{
    sb_register_parts parts = {.pool = t->admin->o.pool,
                               .clients = t->admin->o.clients,
                               .audit = t->admin->o.audit,
                               .clock = t->admin->o.clock,
                               .actor = SB_ADMIN_ACTOR,
                               .peer = t->request->peer};
    return sb_register_over(&parts, out, err);
}

static const char *instant(int64_t s, char out[SB_INSTANT_SIZE])
{
    (void)sb_instant_format((sb_instant){s, 0}, out);
    return out;
}

#define TAG_SIZE 24

/* Each change has a second of its own.                                                                     RFC 7592 */
static void tag_of(int64_t changed_s, char out[TAG_SIZE])
{
    (void)snprintf(out, TAG_SIZE, "\"%" PRId64 "\"", changed_s);
}

static json_t *keys_of(const sb_client_info *c)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < c->key_count; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s, s:s}", "kid", c->keys[i].kid, "alg", c->keys[i].alg,
                                              "kind", c->keys[i].kind, "thumbprint", c->keys[i].thumbprint));
    return list;
}

static json_t *groups_of(const sb_client_info *c)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < c->group_count; i++)
        (void)json_array_append_new(list, json_string(c->groups[i]));
    return list;
}

/* The same members as `smartbulk clients show --json` prints, and what If-Match takes. */
static sb_status add_client(void *impl, const sb_client_info *c, sb_error *err)
{
    char created[SB_INSTANT_SIZE], changed[SB_INSTANT_SIZE], version[TAG_SIZE];
    tag_of(c->changed_s, version);
    SB_AUTOJSON keys = keys_of(c);
    SB_AUTOJSON groups = groups_of(c);
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:O, s:O, s:b, s:i, s:s, s:s, s:b, s:s?, s:s}", "id", c->id, "state",
        c->state, "name", c->name, "contact", c->contact, "scope", c->scope, "profile", c->profile, "jwksUrl",
        c->jwks_url, "keys", keys, "groups", groups, "showReasons", (int)c->show_reasons, "tokensPerMinute",
        (int)c->tokens_per_minute, "created", instant(c->created_s, created), "changed", instant(c->changed_s, changed),
        "managesItself", (int)c->manages_itself, "changedItself", c->changed_itself, "version", version);
    return object && json_array_append_new(impl, object) == 0 ? SB_OK : sb_error_nomem(err);
}

void sb_admin_clients(sb_admin_turn *t)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    SB_AUTOJSON list = json_array();
    sb_error err = SB_ERROR_INIT;
    if (open_register(t, &reg, &err) != SB_OK ||
        sb_register_each(reg, sb_admin_asked(t, "state"), add_client, list, &err) != SB_OK) {
        sb_admin_error(t, &err);
        return;
    }
    SB_AUTOJSON body = json_pack("{s:O}", "clients", list);
    sb_admin_json(t, 200, body);
}

void sb_admin_client(sb_admin_turn *t)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    SB_AUTOJSON list = json_array();
    sb_error err = SB_ERROR_INIT;
    if (open_register(t, &reg, &err) != SB_OK ||
        sb_register_show(reg, t->request->target.segments[1].ptr, add_client, list, &err) != SB_OK)
        sb_admin_error(t, &err);
    else
        sb_admin_json(t, 200, json_array_get(list, 0));
    const char *version = sb_json_str(json_array_get(list, 0), "version");
    if (version)
        sb_answer_header(t->answer, "ETag", "%s", version);
}

typedef sb_status change_fn(sb_register *reg, const char *id, sb_error *err);

static void change(sb_admin_turn *t, change_fn *run)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    sb_error err = SB_ERROR_INIT;
    if (open_register(t, &reg, &err) != SB_OK || run(reg, t->request->target.segments[1].ptr, &err) != SB_OK)
        sb_admin_error(t, &err);
    else
        t->answer->status = 204;
}

static bool is_seen(void *impl, const sb_client *client)
{
    const sb_admin_turn *t = impl;
    char tag[TAG_SIZE];
    tag_of(client->changed_s, tag);
    return sb_str_eq(sb_server_header_first(t->request, "If-Match"), sb_str_from(tag));
}

/* Without If-Match: one that came in before, and was suspended. */
static void approve_again(sb_admin_turn *t)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    sb_error err = SB_ERROR_INIT;
    const char *id = t->request->target.segments[1].ptr;
    if (open_register(t, &reg, &err) == SB_OK && sb_register_approve(reg, id, NULL, NULL, &err) == SB_OK)
        t->answer->status = 204;
    else if (err.code == SB_E_USAGE)
        sb_admin_refuse(t, 428, "not_looked_at", "it registered itself: say what was looked at, by If-Match");
    else
        sb_admin_error(t, &err);
}

/* With If-Match only what was looked at: one that waits may change itself meanwhile, keys and all. */
void sb_admin_approve(sb_admin_turn *t)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    sb_error err = SB_ERROR_INIT;
    const char *id = t->request->target.segments[1].ptr;
    if (sb_server_header_count(t->request, "If-Match") == 0) {
        approve_again(t);
        return;
    }
    if (open_register(t, &reg, &err) == SB_OK && sb_register_approve_seen(reg, id, NULL, is_seen, t, &err) == SB_OK)
        t->answer->status = 204;
    else if (err.code == SB_E_BUSY)
        sb_admin_refuse(t, 412, "changed_meanwhile", "the client was changed since: look at it again");
    else
        sb_admin_error(t, &err);
}

void sb_admin_suspend(sb_admin_turn *t)
{
    change(t, sb_register_suspend);
}

void sb_admin_remove(sb_admin_turn *t)
{
    change(t, sb_register_remove);
}

/* Rosters */

static sb_status add_roster(void *context, const sb_roster_row *row, sb_error *err)
{
    char changed[SB_INSTANT_SIZE];
    json_t *object = json_pack("{s:s, s:s, s:I, s:s}", "id", row->id, "name", row->name, "members",
                               (json_int_t)row->members, "changed", instant(row->changed_s, changed));
    return object && json_array_append_new(context, object) == 0 ? SB_OK : sb_error_nomem(err);
}

void sb_admin_rosters(sb_admin_turn *t)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTOJSON list = json_array();
    sb_error err = SB_ERROR_INIT;
    int64_t opted_out = 0;
    if (sb_lease_take(&lease, t->admin->o.pool, &err) != SB_OK ||
        sb_roster_each(lease.db, add_roster, list, &err) != SB_OK ||
        sb_opt_out_count(lease.db, &opted_out, &err) != SB_OK) {
        sb_admin_error(t, &err);
        return;
    }
    SB_AUTOJSON body = json_pack("{s:O, s:I}", "rosters", list, "optedOut", (json_int_t)opted_out);
    sb_admin_json(t, 200, body);
}
