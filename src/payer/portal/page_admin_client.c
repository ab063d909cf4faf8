/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin_client.c - one client, as who decides about it wants to see it: who it is and by which keys, what it may
 * have, what it did last. */
#include <stdio.h>

#include "payer/data/roster_db.h"
#include "payer/portal/page_admin.h"

#define EVENTS_SHOWN 10

/* Who */

static sb_status who(sb_turn *t, const sb_client *client, sb_error *err)
{
    char owner[SB_PORTAL_WHO_MAX + 1] = "";
    char rate[16];
    SB_TRY(sb_portal_owner_of(t->portal->o.store, client, owner, err));
    (void)snprintf(rate, sizeof(rate), "%u", client->tokens_per_minute);
    SB_HTML(&t->html,
            "<section class=\"card\"><h2>Who</h2><dl><dt>Client id</dt><dd><code>{}</code></dd><dt>Name</dt><dd>{}</dd>"
            "<dt>Contact</dt><dd>{}</dd><dt>Belongs to</dt><dd>{}</dd><dt>Registered</dt><dd>",
            client->id, client->name[0] ? client->name : "–", client->contact[0] ? client->contact : "–",
            owner[0] ? owner : "nobody of the portal");
    sb_time(t, client->created_s);
    SB_HTML(&t->html, "</dd><dt>Last changed</dt><dd>");
    sb_time(t, client->changed_s);
    SB_HTML(&t->html,
            "</dd><dt>Assertions</dt><dd>as <code>{}</code> has them</dd><dt>Tokens a minute</dt><dd>{}</dd>"
            "<dt>Told why it was refused</dt><dd>{}</dd></dl></section>",
            sb_client_profile_name(client->profile), client->tokens_per_minute ? rate : "as the configuration says",
            client->show_reasons ? "yes, it is under onboarding" : "no");
    return SB_OK;
}

/* What it may have */

static void may_have(sb_turn *t, const sb_client *client, const sb_names *given)
{
    SB_HTML(&t->html, "<section class=\"card\"><h2>{}</h2><h3>Scopes, at most</h3>",
            client->state == SB_CLIENT_PENDING ? "What it asks for" : "What it may have");
    sb_admin_scopes(t, &client->scopes);
    sb_admin_given(t, client, given);
    SB_HTML(&t->html, "</section>");
}

/* What it did */

static sb_status lately(sb_turn *t, const sb_client *client, sb_error *err)
{
    uint64_t next;
    sb_audit_query query = {.client = client->id, .limit = EVENTS_SHOWN};
    SB_HTML(&t->html, "<section class=\"card\"><h2>Lately</h2>");
    SB_TRY(sb_admin_events(t, t->portal->o.audit_file, &query, &next, err));
    SB_HTML(
        &t->html,
        "<div class=\"actions\"><a class=\"button second\" href=\"/portal/admin/audit?client={u}\">All in the audit "
        "log</a><a class=\"button second\" href=\"/portal/admin/exports?client={u}\">Its exports</a></div></section>",
        client->id, client->id);
    return SB_OK;
}

/* The page */

static sb_status given_to(sb_turn *t, const char *id, sb_names *out, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, t->portal->o.pool, err));
    return sb_roster_each_of_client(lease.db, id, sb_names_add, out, err);
}

static void keys(sb_turn *t, const sb_client *client, const sb_jwks *fetched)
{
    SB_HTML(&t->html, "<section class=\"card\"><h2>Keys</h2>");
    sb_admin_keys(t, client);
    if (fetched)
        sb_admin_key_table(t, fetched);
    if (client->jwks_url) {
        SB_HTML(&t->html, "<div class=\"actions\">");
        sb_admin_form(t, "client/keys", client->id);
        SB_HTML(&t->html, "<button class=\"second\">Fetch them now</button></form></div>");
    }
    SB_HTML(&t->html, "</section>");
}

static sb_status show(sb_turn *t, const sb_client *client, const sb_names *given, const sb_admin_outcome *outcome,
                      sb_error *err)
{
    const char *name = client->name[0] ? client->name : client->id;
    sb_page_begin(t, name, "Clients");
    SB_HTML(&t->html, "<div class=\"head\"><h1>{}</h1>", name);
    sb_client_badge(t, client);
    SB_HTML(&t->html, "</div>");
    if (outcome->refused)
        sb_error_box(t, outcome->refused);
    if (client->self_changed) {
        char words[SB_CLIENT_CHANGES_SIZE];
        sb_notice(t, SB_TONE_WARN, "It changed itself since it was approved: look at it anew",
                  sb_client_changes(client->self_changed, words));
    }
    SB_HTML(&t->html, "<div class=\"grid\">");
    SB_TRY(who(t, client, err));
    may_have(t, client, given);
    SB_HTML(&t->html, "</div>");
    keys(t, client, outcome->fetched);
    SB_TRY(sb_admin_decide(t, client, given, err));
    SB_TRY(lately(t, client, err));
    sb_page_end(t, outcome->status);
    return SB_OK;
}

static sb_status page(sb_turn *t, const char *id, const sb_admin_outcome *outcome, sb_error *err)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTO(sb_names) given = SB_NAMES_INIT;
    SB_TRY(sb_clients_find_now(t->service->o.clients, id, &client, err));
    if (!client && outcome->refused) {
        sb_page_say(t, outcome->status, outcome->refused->what, outcome->refused->why);
        return SB_OK;
    }
    if (!client)
        return sb_error_set(err, SB_E_NOT_FOUND, "there is no such client", "none has this id",
                            "look at the list of clients");
    SB_TRY(given_to(t, id, &given, err));
    return show(t, client, &given, outcome, err);
}

void sb_admin_client_page(sb_turn *t, const char *id, const sb_admin_outcome *outcome)
{
    sb_error err = SB_ERROR_INIT;
    if (page(t, id, outcome, &err) != SB_OK)
        sb_page_fail(t, &err);
}

void sb_page_admin_client(sb_turn *t)
{
    sb_admin_client_page(t, sb_turn_query(t, "id"), &(sb_admin_outcome){.status = 200});
}
