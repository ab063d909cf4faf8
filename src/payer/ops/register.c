/* SPDX-License-Identifier: Apache-2.0 */
/* register.c - the register as an operator looks at it; register_change.c changes it. */
#include "base/names.h"
#include "fhir/safe_line.h"
#include "payer/data/roster_db.h"
#include "payer/ops/register_internal.h"

#define SHOWN_MAX (SB_CLIENT_NAME_MAX * 2) /* a byte that is no UTF-8 may become several */

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

sb_status sb_register_view(sb_register *reg, const sb_client *client, sb_client_info_fn *each, void *impl,
                           sb_error *err)
{
    SB_AUTO(sb_names) groups = SB_NAMES_INIT;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    char name[SHOWN_MAX], contact[SHOWN_MAX], changes[SB_CLIENT_CHANGES_SIZE];
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
        keys[i] = (sb_client_key){sb_key_kid(key), sb_key_alg(key), sb_key_kind(key), sb_key_thumbprint(key)};
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
                           .changed_s = client->changed_s,
                           .manages_itself = client->has_registration,
                           .changed_itself =
                               client->self_changed ? sb_client_changes(client->self_changed, changes) : NULL};
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
    return sb_register_view(l->reg, client, l->each, l->impl, err);
}

sb_status sb_register_each(sb_register *reg, const char *state, sb_client_info_fn *each, void *impl, sb_error *err)
{
    listing l = {.reg = reg, .any_state = !state, .each = each, .impl = impl};
    if (state && !sb_client_state_parse(state, &l.state))
        return sb_error_set(err, SB_E_USAGE, "no client can be in that state", "there is no such state",
                            "it is pending, active or suspended");
    return sb_clients_each(reg->p.clients, list_one, &l, err);
}

sb_status sb_register_find(sb_register *reg, const char *id, sb_client **out, sb_error *err)
{
    SB_TRY(sb_clients_find_now(reg->p.clients, id, out, err));
    return *out ? SB_OK
                : sb_error_set(err, SB_E_NOT_FOUND, "there is no such client", "none has this id",
                               "list the clients, and look at the spelling");
}

sb_status sb_register_show(sb_register *reg, const char *id, sb_client_info_fn *each, void *impl, sb_error *err)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_TRY(sb_register_find(reg, id, &client, err));
    return sb_register_view(reg, client, each, impl, err);
}
