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

static void rosters(sb_turn *t, const sb_names *given)
{
    SB_HTML(&t->html, "<h3>Rosters</h3>");
    if (t->portal->o.open_groups) {
        SB_HTML(&t->html, "<p class=\"soft\">This is a demonstration: every client may use every group.</p>");
        return;
    }
    if (given->count == 0) {
        SB_HTML(&t->html, "<p class=\"soft\">None: it can export nothing yet.</p>");
        return;
    }
    SB_HTML(&t->html, "<ul class=\"chips\">");
    for (size_t i = 0; i < given->count; i++)
        SB_HTML(&t->html, "<li>{}</li>", strcmp(given->items[i], SB_ROSTER_ALL) == 0 ? "all members" : given->items[i]);
    SB_HTML(&t->html, "</ul>");
}

static void may_have(sb_turn *t, const sb_client *client, const sb_names *given)
{
    SB_HTML(&t->html, "<section class=\"card\"><h2>{}</h2><h3>Scopes, at most</h3>",
            client->state == SB_CLIENT_PENDING ? "What it asks for" : "What it may have");
    sb_admin_scopes(t, &client->scopes);
    rosters(t, given);
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

static sb_status page(sb_turn *t, const char *id, unsigned status, const sb_error *refused, sb_error *err)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTO(sb_names) given = SB_NAMES_INIT;
    SB_TRY(sb_client_fresh(t->service, id, &client, err));
    if (!client)
        return sb_error_set(err, SB_E_NOT_FOUND, "there is no such client", "none has this id",
                            "look at the list of clients");
    SB_TRY(given_to(t, id, &given, err));
    sb_page_begin(t, client->name[0] ? client->name : client->id, "Clients");
    SB_HTML(&t->html, "<div class=\"head\"><h1>{}</h1>", client->name[0] ? client->name : client->id);
    sb_client_badge(t, client);
    SB_HTML(&t->html, "</div>");
    if (refused)
        sb_error_box(t, refused);
    SB_HTML(&t->html, "<div class=\"grid\">");
    SB_TRY(who(t, client, err));
    may_have(t, client, &given);
    SB_HTML(&t->html, "</div><section class=\"card\"><h2>Keys</h2>");
    sb_admin_keys(t, client);
    SB_HTML(&t->html, "</section>");
    SB_TRY(lately(t, client, err));
    sb_page_end(t, status);
    return SB_OK;
}

void sb_admin_client_page(sb_turn *t, const char *id, unsigned status, const sb_error *refused)
{
    sb_error err = SB_ERROR_INIT;
    if (page(t, id, status, refused, &err) != SB_OK)
        sb_page_fail(t, &err);
}

void sb_page_admin_client(sb_turn *t)
{
    sb_admin_client_page(t, sb_turn_query(t, "id"), 200, NULL);
}
