/* SPDX-License-Identifier: Apache-2.0 */
/* page_clients.c - a partner's clients: which there are, how each stands, what to configure it with. */
#include <stdio.h>

#include "payer/portal/own_clients.h"
#include "payer/portal/page_admin.h"

/* All of them */

static void row(sb_turn *t, const sb_client *client)
{
    char count[32] = "at an address";
    if (client->jwks)
        (void)snprintf(count, sizeof(count), "%zu registered", sb_jwks_count(client->jwks));
    SB_HTML(&t->html,
            "<tr><td data-label=\"Client\"><a href=\"/portal/client?id={u}\">{}</a><br><code class=\"small\">{}</code>"
            "</td><td data-label=\"Status\"><span>",
            client->id, client->name[0] ? client->name : "Unnamed", client->id);
    sb_client_badge(t, client);
    SB_HTML(&t->html, "</span></td><td data-label=\"Keys\">{}</td><td data-label=\"Registered\">", count);
    sb_time(t, client->created_s);
    SB_HTML(&t->html, "</td></tr>");
}

static void table(sb_turn *t, const sb_own_clients *own)
{
    SB_HTML(&t->html, "<section class=\"card\"><div class=\"table\"><table><thead><tr><th>Client</th><th>Status</th>"
                      "<th>Keys</th><th>Registered</th></tr></thead><tbody>");
    for (size_t i = 0; i < own->count; i++)
        row(t, own->items[i]);
    SB_HTML(&t->html, "</tbody></table></div></section>");
}

static void none(sb_turn *t)
{
    SB_HTML(&t->html,
            "<section class=\"card\"><h2>None yet</h2><p>A client is a program of yours that gets data here: it has an "
            "id, keys and a scope.</p><p class=\"soft\">{}</p></section>",
            t->portal->o.registration == SB_PORTAL_REGISTRATION_OFF
                ? "The payer's team registers clients. One that you should see here and do not was not made yours: ask "
                  "them."
                : "One that the payer's team registered for you is seen here when they made it yours.");
}

void sb_page_clients(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(sb_own_clients) own = SB_OWN_CLIENTS_INIT;
    if (sb_own_clients_load(t, &own, &err) != SB_OK) {
        sb_page_fail(t, &err);
        return;
    }
    sb_page_begin(t, "My clients", "My clients");
    SB_HTML(&t->html, "<div class=\"head\"><h1>My clients</h1>");
    if (t->portal->o.registration != SB_PORTAL_REGISTRATION_OFF)
        SB_HTML(&t->html, "<a class=\"button\" href=\"/portal/clients/new\">Register a client</a>");
    SB_HTML(&t->html, "</div>");
    if (own.count > 0)
        table(t, &own);
    else
        none(t);
    sb_page_end(t, 200);
}

/* One */

static void say_state(sb_turn *t, const sb_client *client)
{
    switch (client->state) {
    case SB_CLIENT_PENDING:
        sb_notice(t, SB_TONE_WARN, "Waits for approval",
                  "A person at the payer looks at it, compares the keys with you, and says which rosters it may have. "
                  "Until then it gets no tokens.");
        break;
    case SB_CLIENT_ACTIVE:
        sb_notice(t, SB_TONE_GOOD, "It may ask for tokens", "With the keys and the scope below.");
        break;
    case SB_CLIENT_SUSPENDED:
        sb_notice(t, SB_TONE_BAD, "Suspended", "It gets no tokens, and those it has have ended. Ask the payer's team.");
        break;
    }
}

static void configure(sb_turn *t, const sb_client *client)
{
    bool bis = client->profile == SB_PROFILE_RFC7523BIS;
    SB_HTML(&t->html,
            "<section class=\"card\"><h2>To configure</h2><dl><dt>Client id</dt><dd><code>{}</code></dd>"
            "<dt>FHIR base</dt><dd><code>{}</code></dd><dt>Token endpoint</dt><dd><code>{}</code></dd>"
            "<dt><code>aud</code></dt><dd><code>{}</code></dd><dt><code>typ</code></dt><dd><code>{}</code></dd>"
            "<dt>Contact</dt><dd>{}</dd><dt>Registered</dt><dd>",
            client->id, t->service->fhir_url, t->service->token_url,
            bis ? t->service->o.base_url : t->service->token_url, bis ? "client-authentication+jwt" : "JWT",
            client->contact[0] ? client->contact : "–");
    sb_time(t, client->created_s);
    SB_HTML(&t->html, "</dd></dl></section>");
}

void sb_page_client(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_client) client = NULL;
    if (sb_own_client_find(t, sb_turn_query(t, "id"), &client, &err) != SB_OK) {
        sb_page_fail(t, &err);
        return;
    }
    const char *name = client->name[0] ? client->name : client->id;
    sb_page_begin(t, name, "My clients");
    SB_HTML(&t->html, "<div class=\"head\"><h1>{}</h1>", name);
    sb_client_badge(t, client);
    SB_HTML(&t->html, "</div>");
    say_state(t, client);
    SB_HTML(&t->html, "<div class=\"grid\">");
    configure(t, client);
    SB_HTML(&t->html, "<section class=\"card\"><h2>Scope, at most</h2>");
    sb_admin_scopes(t, &client->scopes);
    SB_HTML(&t->html, "</section></div><section class=\"card\"><h2>Keys</h2>");
    sb_admin_keys(t, client);
    SB_HTML(&t->html, "</section>");
    sb_page_end(t, 200);
}
