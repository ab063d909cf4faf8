/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin_rosters.c - rosters: how many members each has, when it was loaded, for whom it is. Names no member.
 *                                                                                                PDEX-01, PDEX-07 */
#include "payer/data/roster_db.h"
#include "payer/portal/page_admin.h"

#define CLIENTS_SHOWN 10 /* of one roster; more are told by their number */

typedef struct roster {
    char *id, *name;
    int64_t members, opted_out, changed_s;
    sb_names clients; /* the first that it is for */
    int64_t more;     /* of them */
} roster;

typedef struct listing {
    const char *words, *after;
    roster rows[SB_ADMIN_ROWS];
    size_t count;
    bool more;
    int64_t all;
} listing;

static void listing_cleanup(listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->rows[i].id);
        free(l->rows[i].name);
        sb_names_cleanup(&l->rows[i].clients);
    }
}

/* Copies: the connection is the visit's. */
static sb_status look_at(void *context, const sb_roster_row *row, sb_error *err)
{
    listing *l = context;
    l->all++;
    if (strcmp(row->id, l->after) <= 0 || !(sb_admin_fits(row->id, l->words) || sb_admin_fits(row->name, l->words)))
        return SB_OK;
    l->more = l->count == SB_ADMIN_ROWS;
    if (l->more)
        return SB_OK;
    roster *r = &l->rows[l->count++];
    *r = (roster){.id = sb_str_dup(sb_str_from(row->id)),
                  .name = sb_str_dup(sb_str_from(row->name)),
                  .members = row->members,
                  .opted_out = row->opted_out,
                  .changed_s = row->changed_s};
    return r->id && r->name ? SB_OK : sb_error_nomem(err);
}

static sb_status is_for(void *context, const char *client, sb_error *err)
{
    roster *r = context;
    if (r->clients.count < CLIENTS_SHOWN)
        return sb_names_add(&r->clients, client, err);
    r->more++;
    return SB_OK;
}

static sb_status read_all(sb_turn *t, listing *l, int64_t *opted_out, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, t->portal->o.pool, err));
    SB_TRY(sb_roster_each(lease.db, look_at, l, err));
    for (size_t i = 0; i < l->count; i++)
        SB_TRY(sb_roster_each_client(lease.db, sb_str_from(l->rows[i].id), is_for, &l->rows[i], err));
    return sb_opt_out_count(lease.db, opted_out, err);
}

/* The page */

static void for_whom(sb_turn *t, const roster *r)
{
    if (r->clients.count == 0)
        SB_HTML(&t->html, "<span class=\"soft\">nobody</span>");
    for (size_t i = 0; i < r->clients.count; i++) {
        SB_HTML(&t->html, "{}", i ? ", " : "");
        sb_admin_client_named(t, r->clients.items[i]);
    }
    if (r->more > 0) {
        SB_HTML(&t->html, " and ");
        sb_admin_number(t, r->more);
        SB_HTML(&t->html, " more");
    }
}

static void row(sb_turn *t, const roster *r)
{
    SB_HTML(&t->html,
            "<tr><td data-label=\"Roster\"><div>{}<br><code class=\"soft\">{}</code></div></td>"
            "<td class=\"number\" data-label=\"Members\">",
            r->name, r->id);
    sb_admin_number(t, r->members);
    SB_HTML(&t->html, "</td><td class=\"number\" data-label=\"Opted out\">");
    sb_admin_number(t, r->opted_out);
    SB_HTML(&t->html, "</td><td data-label=\"For\"><div>");
    for_whom(t, r);
    SB_HTML(&t->html, "</div></td><td data-label=\"Loaded\">");
    sb_time(t, r->changed_s);
    SB_HTML(&t->html, "</td></tr>");
}

static void list(sb_turn *t, const listing *l)
{
    SB_HTML(&t->html,
            "<section class=\"card\"><form class=\"search\" method=\"get\" action=\"/portal/admin/rosters\">");
    sb_admin_search_field(t, "words", "Name or id", l->words);
    SB_HTML(&t->html, "<div><button class=\"second\">Search</button></div></form>");
    if (l->count == 0) {
        SB_HTML(&t->html, "<p class=\"soft\">There is none{}.</p></section>",
                l->all > 0 ? " that fits" : ". Load them with: smartbulk load --groups");
        return;
    }
    SB_HTML(&t->html, "<div class=\"table\"><table><thead><tr><th>Roster</th><th class=\"number\">Members</th><th "
                      "class=\"number\">Opted out</th><th>For</th>"
                      "<th>Loaded</th></tr></thead><tbody>");
    for (size_t i = 0; i < l->count; i++)
        row(t, &l->rows[i]);
    SB_HTML(&t->html, "</tbody></table></div>");
    if (l->more)
        SB_HTML(
            &t->html,
            "<div class=\"actions\"><a class=\"button second\" href=\"/portal/admin/rosters?words={u}&amp;after={u}\">"
            "More</a></div>",
            l->words, l->rows[l->count - 1].id);
    SB_HTML(&t->html, "</section>");
}

static sb_status page(sb_turn *t, sb_error *err)
{
    SB_AUTO(listing) l = {.words = sb_turn_query(t, "words"), .after = sb_turn_query(t, "after")};
    int64_t opted_out = 0;
    SB_TRY(read_all(t, &l, &opted_out, err));
    sb_page_begin(t, "Rosters", "Rosters");
    SB_HTML(&t->html,
            "<h1>Rosters</h1><p class=\"lead\">Groups of members, and the clients that may export them. Members "
            "who opted out are left out of every export, whoever asks.</p><div class=\"numbers\">");
    sb_admin_figure(t, l.all, "rosters");
    sb_admin_figure(t, opted_out, "members who opted out");
    SB_HTML(&t->html, "</div>");
    if (t->portal->o.open_groups)
        sb_notice(t, SB_TONE_WARN, "This is a demonstration", "Every client may use every group that its data has.");
    list(t, &l);
    sb_page_end(t, 200);
    return SB_OK;
}

void sb_page_admin_rosters(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    if (page(t, &err) != SB_OK)
        sb_page_fail(t, &err);
}
