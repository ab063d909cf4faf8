/* SPDX-License-Identifier: Apache-2.0 */
/* register.c - changes of clients as an operator means them, each told to the audit log.
 *
 * What lets somebody in and cannot be told is taken back; what shuts somebody out stays, told or not. */
#include "payer/ops/register.h"

#include "base/names.h"
#include "base/random.h"
#include "base/url.h"
#include "fhir/safe_line.h"
#include "payer/data/roster_db.h"

#define SHOWN_MAX     (SB_CLIENT_NAME_MAX * 2) /* a byte that is no UTF-8 may become several */
#define SCOPE_DEFAULT "system/*.rs"

struct sb_register {
    sb_register_parts p;
};

sb_status sb_register_over(const sb_register_parts *parts, sb_register **out, sb_error *err)
{
    sb_register *reg = calloc(1, sizeof(*reg));
    if (!reg)
        return sb_error_nomem(err);
    reg->p = *parts;
    *out = reg;
    return SB_OK;
}

void sb_register_free(sb_register *reg)
{
    if (!reg)
        return;
    if (reg->p.owns) {
        sb_clients_free(reg->p.clients);
        sb_pool_free(reg->p.pool);
        sb_audit_free(reg->p.audit);
        free((void *)(uintptr_t)reg->p.actor);
    }
    free(reg->p.audit_file);
    free(reg);
}

const char *sb_register_audit_file(const sb_register *reg)
{
    return reg->p.audit_file;
}

/* The audit log */

static bool tell(const sb_register *reg, const char *event, const char *id, const char *detail)
{
    sb_audit_event line = {.event = event,
                           .outcome = "ok",
                           .client = id,
                           .actor = reg->p.actor,
                           .peer = reg->p.peer,
                           .detail = detail,
                           .members = -1,
                           .durable = true};
    return sb_audit_add(reg->p.audit, &line);
}

static sb_status untold(sb_error *err, const char *what_became)
{
    return sb_error_set(err, SB_E_IO, "the audit log could not be written", "%s",
                        "make room on its disk, look at its permissions, and do it again", what_became);
}

static sb_status may_write(const sb_register *reg, sb_error *err)
{
    return reg->p.read_only ? sb_error_set(err, SB_E_USAGE, "the client cannot be changed",
                                           "the register was opened to look at", "open it to write")
                            : SB_OK;
}

/* Showing */

static sb_status groups_of(sb_register *reg, const char *id, sb_names *out, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, reg->p.pool, err));
    return sb_roster_each_of_client(lease.db, id, sb_names_add, out, err);
}

/* What clients say of themselves, fit for a terminal. */
static const char *safe(const char *text, char out[SHOWN_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    (void)sb_safe_line_add(out, SHOWN_MAX, &len, sb_str_from(text));
    return out;
}

static sb_status show(sb_register *reg, const sb_client *client, sb_client_info_fn *each, void *impl, sb_error *err)
{
    SB_AUTO(sb_names) groups = SB_NAMES_INIT;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    char name[SHOWN_MAX], contact[SHOWN_MAX];
    size_t key_count = client->jwks ? sb_jwks_count(client->jwks) : 0;
    if (!each)
        return SB_OK;
    if (!sb_scopes_format(&client->scopes, &scope))
        return sb_error_nomem(err);
    SB_TRY(groups_of(reg, client->id, &groups, err));
    sb_client_key *keys = calloc(key_count + 1, sizeof(*keys));
    if (!keys)
        return sb_error_nomem(err);
    for (size_t i = 0; i < key_count; i++) {
        const sb_key *key = sb_jwks_at(client->jwks, i);
        keys[i] = (sb_client_key){sb_key_kid(key), sb_key_alg(key), sb_key_kind(key)};
    }
    sb_client_info info = {.id = client->id,
                           .name = safe(client->name, name),
                           .contact = safe(client->contact, contact),
                           .state = sb_client_state_name(client->state),
                           .profile = sb_client_profile_name(client->profile),
                           .scope = sb_buf_cstr(&scope),
                           .jwks_url = client->jwks_url,
                           .keys = keys,
                           .key_count = key_count,
                           .groups = (const char *const *)groups.items,
                           .group_count = groups.count,
                           .show_reasons = client->show_reasons,
                           .tokens_per_minute = client->tokens_per_minute,
                           .created_s = client->created_s,
                           .changed_s = client->changed_s};
    sb_status status = each(impl, &info, err);
    free(keys);
    return status;
}

typedef struct listing {
    sb_register *reg;
    bool any_state;
    sb_client_state state;
    sb_client_info_fn *each;
    void *impl;
} listing;

static sb_status list_one(void *context, sb_client *client, sb_error *err)
{
    const listing *l = context;
    if (!l->any_state && client->state != l->state)
        return SB_OK;
    return show(l->reg, client, l->each, l->impl, err);
}

sb_status sb_register_each(sb_register *reg, const char *state, sb_client_info_fn *each, void *impl, sb_error *err)
{
    listing l = {.reg = reg, .any_state = !state, .each = each, .impl = impl};
    if (state && !sb_client_state_parse(state, &l.state))
        return sb_error_set(err, SB_E_USAGE, "no client can be in that state", "there is no such state",
                            "it is pending, active or suspended");
    return sb_clients_each(reg->p.clients, list_one, &l, err);
}

static sb_status find(sb_register *reg, const char *id, sb_client **out, sb_error *err)
{
    SB_TRY(sb_clients_find_now(reg->p.clients, id, out, err));
    return *out ? SB_OK
                : sb_error_set(err, SB_E_NOT_FOUND, "there is no such client", "none has this id",
                               "list the clients, and look at the spelling");
}

sb_status sb_register_show(sb_register *reg, const char *id, sb_client_info_fn *each, void *impl, sb_error *err)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_TRY(find(reg, id, &client, err));
    return show(reg, client, each, impl, err);
}

/* Rosters */

static sb_status change_groups(sb_db *db, const char *id, const sb_client_change *change, sb_error *err)
{
    for (size_t i = 0; change->give && change->give[i]; i++)
        SB_TRY(sb_roster_give(db, id, sb_str_from(change->give[i]), err));
    for (size_t i = 0; change->take && change->take[i]; i++)
        SB_TRY(sb_roster_take(db, id, sb_str_from(change->take[i]), err));
    return SB_OK;
}

static sb_status write_groups(sb_register *reg, const char *id, const sb_client_change *change, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    if ((!change->give || !change->give[0]) && (!change->take || !change->take[0]))
        return SB_OK;
    SB_TRY(sb_lease_take(&lease, reg->p.pool, err));
    SB_TRY(sb_tx_begin(&tx, lease.db, err));
    SB_TRY(change_groups(lease.db, id, change, err));
    return sb_tx_commit(&tx, err);
}

/* Changing */

static sb_status check_url(const char *text, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    SB_TRY(sb_url_parse(text, &url, err));
    if (strcmp(url.scheme, "https") != 0)
        return sb_error_set(err, SB_E_INVALID, "the key set's URL cannot be registered", "it is not https",
                            "give an https URL, or the key set itself");
    return SB_OK;
}

/* A copy: specs are taken over by the client that is made of them. */
static sb_status copy_jwks(const sb_jwks *jwks, sb_jwks **out, sb_error *err)
{
    SB_AUTOFREE text = sb_jwks_json(jwks, false);
    if (sb_jwks_count(jwks) == 0)
        return sb_error_set(err, SB_E_INVALID, "the client cannot be registered", "its key set holds no key",
                            "give a set with the partner's public keys");
    return text ? sb_jwks_parse(sb_str_from(text), out, NULL, err) : sb_error_nomem(err);
}

/* On failure spec->jwks is the caller's, as before. */
static sb_status apply(const sb_client_change *change, sb_client_spec *spec, sb_error *err)
{
    if (change->profile && !sb_client_profile_parse(change->profile, &spec->profile))
        return sb_error_set(err, SB_E_INVALID, "the client cannot be registered", "there is no such profile",
                            "it is smart or rfc7523bis");
    if (change->jwks && change->jwks_url)
        return sb_error_set(err, SB_E_INVALID, "the client cannot be registered", "it has keys and a URL of keys",
                            "give one of both");
    spec->name = change->name ? change->name : spec->name;
    spec->contact = change->contact ? change->contact : spec->contact;
    spec->scope = change->scope ? change->scope : spec->scope;
    spec->show_reasons = change->show_reasons < 0 ? spec->show_reasons : change->show_reasons > 0;
    if (change->tokens_per_minute >= 0)
        spec->tokens_per_minute = (unsigned)SB_MIN(change->tokens_per_minute, (int64_t)UINT32_MAX);
    if (!change->jwks && !change->jwks_url)
        return SB_OK;
    sb_jwks *jwks = NULL;
    SB_TRY(change->jwks ? copy_jwks(change->jwks, &jwks, err) : check_url(change->jwks_url, err));
    sb_jwks_free(spec->jwks);
    spec->jwks = jwks;
    spec->jwks_url = change->jwks_url;
    return SB_OK;
}

static sb_status make(sb_client_spec *spec, const sb_client_change *change, sb_client **out, sb_error *err)
{
    sb_status status = change ? apply(change, spec, err) : SB_OK;
    if (status == SB_OK)
        status = sb_client_new(spec, out, err);
    if (status != SB_OK)
        sb_jwks_free(spec->jwks);
    return status;
}

static int64_t now_s(const sb_register *reg)
{
    return reg->p.clock->wall_s(reg->p.clock->impl);
}

sb_status sb_register_add(sb_register *reg, const char *id, const sb_client_change *change, sb_client_info_fn *each,
                          void *impl, sb_error *err)
{
    char drawn[SB_UUID_SIZE];
    SB_AUTOPTR(sb_client) client = NULL;
    SB_TRY(may_write(reg, err));
    sb_random_uuid(drawn);
    sb_client_spec spec = {.id = id ? id : drawn,
                           .scope = SCOPE_DEFAULT,
                           .state = SB_CLIENT_ACTIVE,
                           .created_s = now_s(reg),
                           .changed_s = now_s(reg)};
    SB_TRY(make(&spec, change, &client, err));
    SB_TRY(sb_clients_add(reg->p.clients, client, err));
    sb_status status = write_groups(reg, client->id, change, err);
    if (status == SB_OK && !tell(reg, "client.added", client->id, NULL))
        status = untold(err, "so the client was not added");
    if (status != SB_OK) {
        (void)sb_clients_remove(reg->p.clients, sb_str_from(client->id), NULL);
        return status;
    }
    return show(reg, client, each, impl, err);
}

/* The client as it is, and another made of it. */
static sb_status remake(sb_register *reg, const char *id, const sb_client_change *change, const sb_client_state *state,
                        sb_client **before, sb_client **after, sb_error *err)
{
    SB_AUTOFREE scope = NULL;
    sb_client_spec spec;
    SB_TRY(may_write(reg, err));
    SB_TRY(find(reg, id, before, err));
    SB_TRY(sb_client_respec(*before, &scope, &spec, err));
    spec.changed_s = SB_MAX(now_s(reg), (*before)->changed_s + 1); /* no two changes look like one */
    if (state)
        spec.state = *state;
    return make(&spec, change, after, err);
}

static bool add_list(sb_buf *out, const char *what, const char *const *list)
{
    bool ok = true;
    for (size_t i = 0; ok && list && list[i]; i++)
        ok = sb_buf_printf(out, "%s%s %s", out->len ? ", " : "", what, list[i]);
    return ok;
}

/* "scope, keys, gives roster-7" */
static bool name_change(const sb_client_change *c, sb_buf *out)
{
    const struct {
        bool is;
        const char *name;
    } parts[] = {{c->name, "name"},
                 {c->contact, "contact"},
                 {c->scope, "scope"},
                 {c->profile, "profile"},
                 {c->jwks || c->jwks_url, "keys"},
                 {c->show_reasons >= 0, "show reasons"},
                 {c->tokens_per_minute >= 0, "tokens per minute"}};
    bool ok = true;
    for (size_t i = 0; ok && i < SB_ARRAY_LEN(parts); i++)
        ok = !parts[i].is || sb_buf_printf(out, "%s%s", out->len ? ", " : "", parts[i].name);
    return ok && add_list(out, "gives", c->give) && add_list(out, "takes", c->take);
}

sb_status sb_register_change(sb_register *reg, const char *id, const sb_client_change *change, sb_error *err)
{
    SB_AUTOPTR(sb_client) before = NULL;
    SB_AUTOPTR(sb_client) after = NULL;
    SB_AUTO(sb_buf) words = SB_BUF_INIT;
    sb_client_change back = SB_CLIENT_CHANGE_INIT;
    back.take = change->give;
    if (!name_change(change, &words))
        return sb_error_nomem(err);
    SB_TRY(remake(reg, id, change, NULL, &before, &after, err));
    SB_TRY(write_groups(reg, id, change, err));
    sb_status status = sb_clients_replace_if(reg->p.clients, before, after, err); /* a client changes itself, too */
    if (status != SB_OK) {
        (void)write_groups(reg, id, &back, NULL);
        return status;
    }
    bool keys = change->jwks || change->jwks_url;
    if (tell(reg, keys ? "client.keys_changed" : "client.changed", id, sb_buf_cstr(&words)))
        return SB_OK;
    (void)sb_clients_replace(reg->p.clients, before, NULL);
    (void)write_groups(reg, id, &back, NULL);
    return untold(err, "so the client is as it was");
}

static sb_status let_in(sb_register *reg, sb_client *before, sb_client *after, bool only_that, sb_error *err)
{
    if (before->state == SB_CLIENT_ACTIVE)
        return SB_OK;
    SB_TRY(only_that ? sb_clients_replace_if(reg->p.clients, before, after, err)
                     : sb_clients_replace(reg->p.clients, after, err));
    if (tell(reg, "client.approved", after->id, NULL))
        return SB_OK;
    (void)sb_clients_replace(reg->p.clients, before, NULL);
    return untold(err, "so the client was not let in");
}

sb_status sb_register_approve(sb_register *reg, const char *id, sb_error *err)
{
    static const sb_client_state active = SB_CLIENT_ACTIVE;
    SB_AUTOPTR(sb_client) before = NULL;
    SB_AUTOPTR(sb_client) after = NULL;
    SB_TRY(remake(reg, id, NULL, &active, &before, &after, err));
    return let_in(reg, before, after, false, err);
}

sb_status sb_register_approve_seen(sb_register *reg, const char *id,
                                   bool (*is_same)(void *impl, const sb_client *client), void *impl, sb_error *err)
{
    static const sb_client_state active = SB_CLIENT_ACTIVE;
    SB_AUTOPTR(sb_client) before = NULL;
    SB_AUTOPTR(sb_client) after = NULL;
    SB_TRY(remake(reg, id, NULL, &active, &before, &after, err));
    if (!is_same(impl, before))
        return sb_error_set(err, SB_E_BUSY, "the client was not let in", "it was changed since it was looked at",
                            "look at it again, and decide anew");
    return let_in(reg, before, after, true, err);
}

sb_status sb_register_suspend(sb_register *reg, const char *id, sb_error *err)
{
    static const sb_client_state suspended = SB_CLIENT_SUSPENDED;
    SB_AUTOPTR(sb_client) before = NULL;
    SB_AUTOPTR(sb_client) after = NULL;
    SB_TRY(remake(reg, id, NULL, &suspended, &before, &after, err));
    if (before->state == SB_CLIENT_SUSPENDED)
        return SB_OK;
    SB_TRY(sb_clients_replace(reg->p.clients, after, err));
    return tell(reg, "client.suspended", id, NULL) ? SB_OK : untold(err, "the client is shut out all the same");
}

sb_status sb_register_remove(sb_register *reg, const char *id, sb_error *err)
{
    SB_TRY(may_write(reg, err));
    SB_TRY(sb_clients_remove(reg->p.clients, sb_str_from(id), err));
    return tell(reg, "client.removed", id, NULL) ? SB_OK : untold(err, "the client is removed all the same");
}
