/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin_clients.c - all clients: who waits for a decision, oldest first, and a list to search in.   KEY-05, KEY-07 */
#include <stdio.h>

#include "payer/data/roster_db.h"
#include "payer/portal/page_admin.h"

#define WAITING_ROWS 10 /* in full at the top; the rest is found by the list */

typedef struct listing {
    const char *words, *state, *after; /* what is looked for, and behind which id to go on */
    sb_client *rows[SB_ADMIN_ROWS];
    size_t count;
    bool more;
    sb_client *waiting[WAITING_ROWS]; /* the oldest */
    size_t waiting_count;
    int64_t by_state[SB_CLIENT_SUSPENDED + 1];
} listing;

static void listing_cleanup(listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        sb_client_free(l->rows[i]);
    for (size_t i = 0; i < l->waiting_count; i++)
        sb_client_free(l->waiting[i]);
}

/* Kept in the order of their registration; of too many, the youngest goes. */
static void keep_waiting(listing *l, sb_client *client)
{
    size_t at = l->waiting_count;
    while (at > 0 && l->waiting[at - 1]->created_s > client->created_s)
        at--;
    if (at == WAITING_ROWS)
        return;
    if (l->waiting_count == WAITING_ROWS)
        sb_client_free(l->waiting[--l->waiting_count]);
    memmove(&l->waiting[at + 1], &l->waiting[at], (l->waiting_count - at) * sizeof(*l->waiting));
    l->waiting[at] = sb_client_ref(client);
    l->waiting_count++;
}

static bool is_wanted(const listing *l, const sb_client *client)
{
    if (l->state[0] && strcmp(l->state, sb_client_state_name(client->state)) != 0)
        return false;
    return sb_admin_fits(client->id, l->words) || sb_admin_fits(client->name, l->words) ||
           sb_admin_fits(client->contact, l->words);
}

static sb_status look_at(void *context, sb_client *client, sb_error *err)
{
    listing *l = context;
    (void)err;
    l->by_state[client->state]++;
    if (client->state == SB_CLIENT_PENDING)
        keep_waiting(l, client);
    if (!is_wanted(l, client) || strcmp(client->id, l->after) <= 0)
        return SB_OK;
    l->more = l->count == SB_ADMIN_ROWS;
    if (!l->more)
        l->rows[l->count++] = sb_client_ref(client);
    return SB_OK;
}

/* Who waits */

static void waiting_one(sb_turn *t, const sb_client *client)
{
    SB_HTML(&t->html, "<section class=\"card\"><div class=\"head\"><h3>");
    sb_admin_client_link(t, client->id, client->name);
    SB_HTML(&t->html,
            "</h3><a class=\"button\" href=\"/portal/admin/client?id={u}\">Decide</a></div><dl><dt>Client id</dt><dd>"
            "<code>{}</code></dd><dt>Contact</dt><dd>{}</dd><dt>Registered</dt><dd>",
            client->id, client->id, client->contact[0] ? client->contact : "–");
    sb_time(t, client->created_s);
    SB_HTML(&t->html, "</dd><dt>Asks for</dt><dd>");
    sb_admin_scopes(t, &client->scopes);
    SB_HTML(&t->html, "</dd></dl>");
    sb_admin_keys(t, client);
    SB_HTML(&t->html, "</section>");
}

static void waiting(sb_turn *t, const listing *l)
{
    if (l->waiting_count == 0)
        return;
    SB_HTML(&t->html, "<h2>Waiting for you</h2>");
    for (size_t i = 0; i < l->waiting_count; i++)
        waiting_one(t, l->waiting[i]);
    if (l->by_state[SB_CLIENT_PENDING] > WAITING_ROWS)
        SB_HTML(&t->html, "<p><a href=\"/portal/admin?state=pending\">All that wait</a></p>");
}

/* The list */

static void search(sb_turn *t, const listing *l)
{
    SB_HTML(&t->html, "<form class=\"search\" method=\"get\" action=\"/portal/admin\">");
    sb_admin_search_field(t, "words", "Name, id or contact", l->words);
    SB_HTML(&t->html, "<div><label for=\"f-state\">State</label><select id=\"f-state\" name=\"state\">");
    sb_admin_option(t, "", "any", l->state);
    for (sb_client_state state = SB_CLIENT_PENDING; state <= SB_CLIENT_SUSPENDED; state++)
        sb_admin_option(t, sb_client_state_name(state), sb_client_state_name(state), l->state);
    SB_HTML(&t->html, "</select></div><div><button class=\"second\">Search</button></div></form>");
}

static void row(sb_turn *t, const sb_client *client, const sb_names *rosters)
{
    char keys[32];
    size_t count = client->jwks ? sb_jwks_count(client->jwks) : 0;
    (void)snprintf(keys, sizeof(keys), "%zu %s", count, count == 1 ? "key" : "keys");
    SB_HTML(&t->html, "<tr><td data-label=\"Client\"><div>");
    sb_admin_client_link(t, client->id, client->name);
    SB_HTML(&t->html, "<br><code class=\"soft\">{}</code></div></td><td data-label=\"State\"><div>",
            client->name[0] ? client->id : "");
    sb_client_badge(t, client);
    SB_HTML(&t->html, "</div></td><td data-label=\"Rosters\"><div>");
    for (size_t i = 0; i < rosters->count && i < 3; i++)
        SB_HTML(&t->html, "{}{}", i ? ", " : "",
                strcmp(rosters->items[i], SB_ROSTER_ALL) == 0 ? "all members" : rosters->items[i]);
    if (rosters->count > 3)
        SB_HTML(&t->html, " …");
    else if (rosters->count == 0)
        SB_HTML(&t->html, "<span class=\"soft\">–</span>");
    SB_HTML(&t->html, "</div></td><td data-label=\"Keys\">{}</td><td data-label=\"Registered\">",
            client->jwks_url ? "by URL" : keys);
    sb_time(t, client->created_s);
    SB_HTML(&t->html, "</td></tr>");
}

/* The rosters of those that are shown, on one connection, which no visitor holds. */
static sb_status rows(sb_turn *t, const listing *l, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, t->portal->o.pool, err));
    for (size_t i = 0; i < l->count; i++) {
        SB_AUTO(sb_names) rosters = SB_NAMES_INIT;
        SB_TRY(sb_roster_each_of_client(lease.db, l->rows[i]->id, sb_names_add, &rosters, err));
        row(t, l->rows[i], &rosters);
    }
    return SB_OK;
}

static sb_status list(sb_turn *t, const listing *l, sb_error *err)
{
    SB_HTML(&t->html, "<section class=\"card\"><h2>All clients</h2>");
    search(t, l);
    if (l->count == 0) {
        SB_HTML(&t->html, "<p class=\"soft\">There is none that fits.</p></section>");
        return SB_OK;
    }
    SB_HTML(&t->html,
            "<div class=\"table\"><table><thead><tr><th>Client</th><th>State</th><th>Rosters</th><th>Keys</th>"
            "<th>Registered</th></tr></thead><tbody>");
    SB_TRY(rows(t, l, err));
    SB_HTML(&t->html, "</tbody></table></div>");
    if (l->more)
        SB_HTML(&t->html,
                "<div class=\"actions\"><a class=\"button second\" href=\"/portal/admin?words={u}&amp;state={u}&amp;"
                "after={u}\">More</a></div>",
                l->words, l->state, l->rows[l->count - 1]->id);
    SB_HTML(&t->html, "</section>");
    return SB_OK;
}

static sb_status page(sb_turn *t, sb_error *err)
{
    SB_AUTO(listing)
    l = {.words = sb_turn_query(t, "words"), .state = sb_turn_query(t, "state"), .after = sb_turn_query(t, "after")};
    SB_TRY(sb_clients_each(t->service->o.clients, look_at, &l, err));
    sb_page_begin(t, "Clients", "Clients");
    SB_HTML(&t->html, "<h1>Clients</h1><p class=\"lead\">Who may ask for tokens, and who would like to.</p>"
                      "<div class=\"numbers\">");
    sb_admin_figure(t, l.by_state[SB_CLIENT_PENDING], "waiting");
    sb_admin_figure(t, l.by_state[SB_CLIENT_ACTIVE], "active");
    sb_admin_figure(t, l.by_state[SB_CLIENT_SUSPENDED], "suspended");
    SB_HTML(&t->html, "</div>");
    if (!l.words[0] && !l.state[0] && !l.after[0])
        waiting(t, &l);
    SB_TRY(list(t, &l, err));
    sb_page_end(t, 200);
    return SB_OK;
}

void sb_page_admin_clients(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    if (page(t, &err) != SB_OK)
        sb_page_fail(t, &err);
}
