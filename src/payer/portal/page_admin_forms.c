/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin_forms.c - what an administrator can do about a client: let it in with the rosters that it is for, give and
 * take rosters, change what it may have, shut it out. Each form names the client; that of a decision also says what was
 * seen of it. */
#include <inttypes.h>
#include <stdio.h>

#include "payer/data/roster_db.h"
#include "payer/portal/page_admin.h"

#define ROSTERS_SHOWN 100 /* to choose from by a click; the rest by their ids */

void sb_admin_form(sb_turn *t, const char *what, const char *id)
{
    sb_str rest = sb_str_from(what), first;
    SB_AUTOFREE folder = sb_str_split(&rest, '/', &first) ? sb_str_dup(first) : NULL;
    SB_HTML(&t->html, "<form method=\"post\" action=\"/portal/admin/{u}/{u}\">", folder, rest.len ? rest.ptr : "");
    sb_form_token(t);
    SB_HTML(&t->html, "<input type=\"hidden\" name=\"id\" value=\"{}\">", id);
}

void sb_admin_ask(sb_turn *t, const sb_admin_question *q)
{
    sb_page_begin(t, q->title, q->section);
    SB_HTML(&t->html, "<div class=\"say\"><h1>{}</h1><p>{}{}<code>{}</code></p><p>{}</p><div class=\"actions\">",
            q->title, q->name, q->name ? ", " : "", q->id, q->text);
    sb_admin_form(t, q->what, q->id);
    SB_HTML(&t->html, "<button class=\"danger\">{}</button></form>", q->button);
    if (strcmp(q->section, "Clients") == 0)
        SB_HTML(&t->html, "<a class=\"button second\" href=\"/portal/admin/client?id={u}\">Keep it</a></div></div>",
                q->id);
    else
        SB_HTML(&t->html, "<a class=\"button second\" href=\"/portal/admin/exports\">Keep it</a></div></div>");
    sb_page_end(t, 200);
}

/* Rosters to choose from */

typedef struct choices {
    sb_turn *turn;
    const sb_names *given;
    size_t shown, left_out;
} choices;

static const char *roster_words(const char *id)
{
    return strcmp(id, SB_ROSTER_ALL) == 0 ? "all members there are" : id;
}

/* Writes alone: the connection is the visit's. */
static sb_status choice(void *context, const sb_roster_row *row, sb_error *err)
{
    choices *c = context;
    sb_turn *t = c->turn;
    (void)err;
    if (sb_names_have(c->given, row->id))
        return SB_OK;
    if (c->shown == ROSTERS_SHOWN) {
        c->left_out++;
        return SB_OK;
    }
    c->shown++;
    SB_HTML(&t->html,
            "<label class=\"choice\"><input type=\"checkbox\" name=\"roster\" value=\"{}\"><span>{} "
            "<span class=\"soft small\"><code>{}</code>, ",
            row->id, row->name, row->id);
    sb_admin_number(t, row->members);
    SB_HTML(&t->html, "{}</span></span></label>", row->members == 1 ? " member" : " members");
    return SB_OK;
}

static sb_status choose(sb_turn *t, const sb_names *given, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    choices c = {.turn = t, .given = given};
    SB_HTML(&t->html, "<fieldset class=\"choices\"><legend class=\"label\">Rosters that it may use{}</legend>",
            given->count ? " as well" : "");
    SB_TRY(sb_lease_take(&lease, t->portal->o.pool, err));
    SB_TRY(sb_roster_each(lease.db, choice, &c, err));
    if (!sb_names_have(given, SB_ROSTER_ALL))
        SB_HTML(&t->html,
                "<label class=\"choice\"><input type=\"checkbox\" name=\"roster\" value=\"" SB_ROSTER_ALL "\">"
                "<span>All members there are <span class=\"soft small\">every roster, and exports of no group"
                "</span></span></label>");
    SB_HTML(&t->html, "</fieldset>");
    if (c.left_out > 0)
        SB_HTML(&t->html, "<label for=\"f-more\">More rosters, by their ids</label><input type=\"text\" id=\"f-more\" "
                          "name=\"more\"><p class=\"hint\">With spaces between them. These are too many to list.</p>");
    return SB_OK;
}

void sb_admin_given(sb_turn *t, const sb_client *client, const sb_names *given)
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
    SB_HTML(&t->html, "<ul class=\"given\">");
    for (size_t i = 0; i < given->count; i++) {
        SB_HTML(&t->html, "<li><span>{}</span>", roster_words(given->items[i]));
        sb_admin_form(t, "client/take", client->id);
        SB_HTML(&t->html,
                "<input type=\"hidden\" name=\"roster\" value=\"{}\"><button class=\"quiet\" "
                "aria-label=\"Take {} away\">Take away</button></form></li>",
                given->items[i], roster_words(given->items[i]));
    }
    SB_HTML(&t->html, "</ul>");
}

/* Decisions */

static sb_status let_in(sb_turn *t, const sb_client *client, const sb_names *given, sb_error *err)
{
    char seen[SB_PORTAL_SECRET_SIZE];
    bool pending = client->state == SB_CLIENT_PENDING;
    if (!sb_admin_seen(client, seen))
        return sb_error_nomem(err);
    if (pending)
        SB_HTML(&t->html,
                "<p>Is it who it says it is? Compare the thumbprints of its keys with what its people tell you "
                "by another way than this.</p>");
    sb_admin_form(t, "client/approve", client->id);
    SB_HTML(&t->html, "<input type=\"hidden\" name=\"seen\" value=\"{}\">", seen);
    if (pending && !t->portal->o.open_groups)
        SB_TRY(choose(t, given, err));
    SB_HTML(&t->html, "<div class=\"actions\"><button>{}</button></div></form>",
            pending ? "Approve" : "Let it in again");
    return SB_OK;
}

static sb_status give(sb_turn *t, const sb_client *client, const sb_names *given, sb_error *err)
{
    if (t->portal->o.open_groups)
        return SB_OK;
    sb_admin_form(t, "client/give", client->id);
    SB_TRY(choose(t, given, err));
    SB_HTML(&t->html, "<div class=\"actions\"><button>Give these rosters</button></div></form>");
    return SB_OK;
}

static void shut_out(sb_turn *t, const sb_client *client)
{
    SB_HTML(&t->html, "<div class=\"actions\">");
    if (client->state == SB_CLIENT_ACTIVE) {
        sb_admin_form(t, "client/suspend", client->id);
        SB_HTML(&t->html, "<button class=\"danger\">Suspend</button></form>");
    }
    SB_HTML(&t->html, "<a class=\"button danger\" href=\"/portal/admin/client/remove?id={u}\">Remove …</a></div>",
            client->id);
}

static sb_status settings(sb_turn *t, const sb_client *client, sb_error *err)
{
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    char rate[16] = "";
    if (!sb_scopes_format(&client->scopes, &scope))
        return sb_error_nomem(err);
    if (client->tokens_per_minute > 0)
        (void)snprintf(rate, sizeof(rate), "%u", client->tokens_per_minute);
    SB_HTML(&t->html, "<details><summary>Change what it may have</summary>");
    sb_admin_form(t, "client/change", client->id);
    SB_HTML(&t->html,
            "<label for=\"f-scope\">Scopes, at most</label><input type=\"text\" id=\"f-scope\" name=\"scope\" "
            "value=\"{}\"><label for=\"f-rate\">Tokens a minute</label><p class=\"hint\">Empty: as the configuration "
            "says.</p><input type=\"text\" id=\"f-rate\" name=\"rate\" inputmode=\"numeric\" value=\"{}\">",
            sb_buf_cstr(&scope), rate);
    if (client->show_reasons)
        SB_HTML(&t->html,
                "<label class=\"choice\"><input type=\"checkbox\" name=\"reasons\" value=\"1\" checked=\"\">");
    else
        SB_HTML(&t->html, "<label class=\"choice\"><input type=\"checkbox\" name=\"reasons\" value=\"1\">");
    SB_HTML(&t->html, "<span>It is under onboarding: it is told on the wire why it was refused</span></label>"
                      "<div class=\"actions\"><button class=\"second\">Change</button></div></form></details>");
    return SB_OK;
}

sb_status sb_admin_decide(sb_turn *t, const sb_client *client, const sb_names *given, sb_error *err)
{
    bool active = client->state == SB_CLIENT_ACTIVE;
    SB_HTML(&t->html, "<section class=\"card\"><h2>{}</h2>", active ? "Give and take" : "Decide");
    SB_TRY(active ? give(t, client, given, err) : let_in(t, client, given, err));
    SB_TRY(settings(t, client, err));
    shut_out(t, client);
    SB_HTML(&t->html, "</section>");
    return SB_OK;
}
