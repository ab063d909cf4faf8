/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin_do.c - an administrator's changes of clients. The register does them and tells the audit log, by whom; what
 * was refused is told by the hook of all requests. */
#include <stdio.h>

#include "base/log.h"
#include "base/secret.h"
#include "payer/ops/register.h"
#include "payer/portal/page_admin.h"

#define RATE_MAX UINT64_C(1000000) /* tokens a minute: more no server makes */

/* The id of the client that the form is about, which the audit log is to know whatever becomes of it. */
static const char *client_of(sb_turn *t)
{
    const char *id = sb_turn_field(t, "id");
    (void)snprintf(t->visit->client, sizeof(t->visit->client), "%s", id);
    return id;
}

static sb_status open_register(sb_turn *t, sb_register **out, sb_error *err)
{
    sb_register_parts parts = {.pool = t->portal->o.pool,
                               .clients = t->service->o.clients,
                               .audit = t->service->o.audit,
                               .clock = t->service->o.clock,
                               .actor = t->person.who,
                               .peer = t->request->peer};
    return sb_register_over(&parts, out, err);
}

static void refuse(sb_turn *t, const char *id, const sb_error *err)
{
    sb_admin_outcome outcome = {.status = 409, .refused = err};
    switch (err->code) {
    case SB_E_NOT_FOUND:
        outcome.status = 404;
        t->visit->reason = "not_found";
        break;
    case SB_E_BUSY:
        t->visit->reason = "changed_meanwhile";
        break;
    case SB_E_USAGE:
    case SB_E_INVALID:
        t->visit->reason = "request_invalid";
        break;
    default:
        sb_log(SB_LOG_ERROR, "portal: %s: %s", err->what, err->why);
        outcome.status = 503;
        t->visit->reason = "server_failed";
    }
    sb_admin_client_page(t, id, &outcome);
}

static void end(sb_turn *t, const char *id, sb_status status, const sb_error *err)
{
    if (status == SB_OK)
        sb_page_redirect(t, "/portal/admin/client?id=", id);
    else
        refuse(t, id, err);
}

/* Rosters of a form */

typedef struct picked {
    const char *items[2 * SB_PORTAL_FIELDS_MAX + 1]; /* NULL-terminated */
    size_t count;
    char *typed; /* what `items` that were typed lie in */
} picked;

static void picked_cleanup(picked *p)
{
    free(p->typed);
}

static sb_status pick_typed(sb_turn *t, picked *p, sb_error *err)
{
    p->typed = sb_str_dup(sb_str_from(sb_turn_field(t, "more")));
    if (!p->typed)
        return sb_error_nomem(err);
    for (char *rest = p->typed, *id = strsep(&rest, " "); id; id = strsep(&rest, " ")) {
        if (id[0] == '\0')
            continue;
        if (p->count == SB_ARRAY_LEN(p->items) - 1)
            return sb_error_set(err, SB_E_USAGE, "the rosters were not given", "they are too many for one form",
                                "give some now, and the others then");
        p->items[p->count++] = id;
    }
    return SB_OK;
}

static sb_status pick(sb_turn *t, picked *p, sb_error *err)
{
    for (size_t i = 0; i < t->form.len && p->count < SB_PORTAL_FIELDS_MAX; i++) {
        if (sb_str_eq(t->form.items[i].name, SB_STR_LIT("roster")))
            p->items[p->count++] = t->form.items[i].value.ptr;
    }
    return pick_typed(t, p, err);
}

/* Letting in */

static bool is_seen(void *impl, const sb_client *client)
{
    const sb_turn *t = impl;
    char now[SB_PORTAL_SECRET_SIZE];
    return sb_admin_seen(client, now) && strcmp(now, sb_turn_field(t, "seen")) == 0;
}

static sb_status approve(sb_turn *t, const char *id, sb_error *err)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    SB_AUTO(picked) rosters = {.count = 0};
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    SB_TRY(pick(t, &rosters, err));
    SB_TRY(open_register(t, &reg, err));
    change.give = rosters.items;
    return sb_register_approve_seen(reg, id, rosters.count > 0 ? &change : NULL, is_seen, t, err);
}

void sb_page_admin_approve_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    const char *id = client_of(t);
    end(t, id, approve(t, id, &err), &err);
}

/* Shutting out */

static sb_status suspend(sb_turn *t, const char *id, sb_error *err)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    SB_TRY(open_register(t, &reg, err));
    return sb_register_suspend(reg, id, err);
}

void sb_page_admin_suspend_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    const char *id = client_of(t);
    end(t, id, suspend(t, id, &err), &err);
}

void sb_page_admin_remove(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_client) client = NULL;
    const char *id = sb_turn_query(t, "id");
    sb_status status = sb_clients_find_now(t->service->o.clients, id, &client, &err);
    if (status == SB_OK && !client)
        status = sb_error_set(&err, SB_E_NOT_FOUND, "there is no such client", "none has this id", "look at the list");
    if (status != SB_OK) {
        sb_page_fail(t, &err);
        return;
    }
    sb_admin_ask(t,
                 &(sb_admin_question){.section = "Clients",
                                      .title = "Remove this client?",
                                      .text = "Its tokens end at once, its rosters are taken from it, and it has to "
                                              "register again. What it did stays in the audit log. To shut it out for "
                                              "a while, suspend it.",
                                      .name = client->name[0] ? client->name : NULL,
                                      .id = client->id,
                                      .what = "client/remove",
                                      .button = "Remove it"});
}

static sb_status remove_client(sb_turn *t, const char *id, sb_error *err)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    SB_TRY(open_register(t, &reg, err));
    return sb_register_remove(reg, id, err);
}

void sb_page_admin_remove_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    const char *id = client_of(t);
    if (remove_client(t, id, &err) == SB_OK)
        sb_page_redirect(t, "/portal/admin", NULL);
    else
        refuse(t, id, &err);
}

/* Changing */

static sb_status change_rosters(sb_turn *t, const char *id, bool give, sb_error *err)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    SB_AUTO(picked) rosters = {.count = 0};
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    SB_TRY(pick(t, &rosters, err));
    if (rosters.count == 0)
        return sb_error_set(err, SB_E_USAGE, "nothing was changed", "no roster was chosen", "choose one");
    change.give = give ? rosters.items : NULL;
    change.take = give ? NULL : rosters.items;
    SB_TRY(open_register(t, &reg, err));
    return sb_register_change(reg, id, &change, err);
}

void sb_page_admin_give_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    const char *id = client_of(t);
    end(t, id, change_rosters(t, id, true, &err), &err);
}

void sb_page_admin_take_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    const char *id = client_of(t);
    end(t, id, change_rosters(t, id, false, &err), &err);
}

/* What of the form is another than the client has. */
static sb_status read_change(sb_turn *t, const sb_client *client, sb_client_change *out, bool *any, sb_error *err)
{
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    const char *wanted = sb_turn_field(t, "scope"), *rate = sb_turn_field(t, "rate");
    bool reasons = sb_turn_field(t, "reasons")[0] != '\0';
    uint64_t number = 0;
    if (!sb_scopes_format(&client->scopes, &scope))
        return sb_error_nomem(err);
    if (wanted[0] == '\0')
        return sb_error_set(err, SB_E_USAGE, "nothing was changed", "there is no scope",
                            "say what it may have, or suspend it");
    if (rate[0] && !sb_str_to_u64(sb_str_from(rate), RATE_MAX, &number))
        return sb_error_set(err, SB_E_USAGE, "nothing was changed", "the tokens a minute are no number up to a million",
                            "give a number, or nothing");
    if (strcmp(wanted, sb_buf_cstr(&scope)) != 0)
        out->scope = wanted;
    if (reasons != client->show_reasons)
        out->show_reasons = reasons;
    if (number != client->tokens_per_minute)
        out->tokens_per_minute = (int64_t)number;
    *any = out->scope || out->show_reasons >= 0 || out->tokens_per_minute >= 0;
    return SB_OK;
}

static sb_status change_client(sb_turn *t, const char *id, sb_error *err)
{
    SB_AUTOPTR(sb_register) reg = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    sb_client_change change = SB_CLIENT_CHANGE_INIT;
    bool any = false;
    SB_TRY(sb_clients_find_now(t->service->o.clients, id, &client, err));
    if (client)
        SB_TRY(read_change(t, client, &change, &any, err));
    SB_TRY(open_register(t, &reg, err));
    return any || !client ? sb_register_change(reg, id, &change, err) : SB_OK;
}

void sb_page_admin_change_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    const char *id = client_of(t);
    end(t, id, change_client(t, id, &err), &err);
}

/* Looking at what is behind a URL: a POST, for it makes this server fetch something. */

static sb_status fetch_keys(sb_turn *t, const char *id, sb_keyset **out, sb_error *err)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_TRY(sb_clients_find_now(t->service->o.clients, id, &client, err));
    if (!client || !client->jwks_url || !t->service->o.keys)
        return sb_error_set(err, SB_E_NOT_FOUND, "there are no keys to be fetched",
                            "this client is gone, or registered its keys themselves", "look at the list of clients");
    return sb_jwks_cache_check(t->service->o.keys, client->jwks_url, out, err);
}

void sb_page_admin_keys_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_keyset) set = NULL;
    const char *id = client_of(t);
    sb_status status = fetch_keys(t, id, &set, &err);
    sb_admin_outcome outcome = {.status = 200, .fetched = set ? set->jwks : NULL};
    if (status != SB_OK)
        outcome.refused = &err; /* which says what the client's engineer has to mend */
    if (status == SB_E_NOT_FOUND)
        refuse(t, id, &err);
    else
        sb_admin_client_page(t, id, &outcome);
}
