/* SPDX-License-Identifier: Apache-2.0 */
/* page_clients.c - a partner's clients: which there are, and how each stands. */
#include <stdio.h>

#include "payer/portal/own_clients.h"

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
