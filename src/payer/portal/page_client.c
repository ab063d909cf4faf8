/* SPDX-License-Identifier: Apache-2.0 */
/* page_client.c - one client, as its engineer wants to see it: does it get tokens, what to configure it with, whom it may
 * export, and why it was refused. */
#include "base/json.h"
#include "base/log.h"
#include "fhir/instant.h"
#include "payer/ops/audit_search.h"
#include "payer/portal/own_clients.h"
#include "payer/portal/page_admin.h"

#define REFUSALS_SHOWN 10
#define ROSTERS_SHOWN  50 /* of one client: a page holds no more, GET Group pages through all */

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

/* Whom it may export */

static void roster_list(sb_turn *t, const json_t *groups)
{
    size_t i;
    const json_t *group;
    SB_HTML(&t->html, "<ul class=\"given\">");
    json_array_foreach ((json_t *)(uintptr_t)groups, i, group)
        SB_HTML(&t->html, "<li><span>{}</span><code>{}</code></li>", sb_json_str(group, "name"),
                sb_json_str(group, "id"));
    SB_HTML(&t->html, "</ul>");
    if (i == ROSTERS_SHOWN)
        SB_HTML(&t->html, "<p class=\"soft small\">And perhaps more: <code>GET Group</code> lists all.</p>");
}

static void rosters(sb_turn *t, const sb_client *client)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON groups = json_array();
    sb_group_search all = {.max = ROSTERS_SHOWN};
    sb_status status = groups ? sb_groups_search(t->service->o.groups, client->id, &all, groups, &err) : SB_E_NOMEM;
    SB_HTML(&t->html, "<h3>Rosters it may export</h3>");
    if (status != SB_OK && status != SB_E_NOT_FOUND) {
        sb_log(SB_LOG_ERROR, "portal: %s: %s", err.what, err.why);
        SB_HTML(&t->html, "<p class=\"soft\">They cannot be looked up just now.</p>");
    } else if (json_array_size(groups) > 0) {
        roster_list(t, groups);
    } else if (sb_groups_any(t->service->o.groups, client->id, NULL) == SB_OK) {
        SB_HTML(&t->html, "<p class=\"soft\">All members there are.</p>");
    } else {
        SB_HTML(&t->html, "<p class=\"soft\">None yet: the payer's team gives them.</p>");
    }
}

/* Why it was refused of late */

/* What its engineer may be told about a reason of the audit log. */
static const char *text_of(const char *reason)
{
    for (int i = SB_REFUSAL_NONE + 1; i < SB_REFUSAL_COUNT; i++) {
        if (strcmp(sb_refusal_name((sb_refusal)i), reason) == 0)
            return sb_refusal_text((sb_refusal)i);
    }
    return "";
}

typedef struct lately {
    sb_turn *turn;
    size_t count;
} lately;

static sb_status refusal_row(void *context, const json_t *event, bool believed, sb_error *err)
{
    lately *l = context;
    const char *reason = sb_json_str(event, "reason"), *peer = sb_json_str(event, "peer");
    const char *time = sb_json_str(event, "time");
    sb_instant at = {0, 0};
    (void)err;
    if (!believed || !reason || !time || sb_instant_parse(sb_str_from(time), &at, NULL) != SB_OK)
        return SB_OK;
    if (l->count++ == 0)
        SB_HTML(&l->turn->html, "<div class=\"table\"><table><thead><tr><th>When</th><th>Why</th><th>From</th></tr>"
                                "</thead><tbody>");
    SB_HTML(&l->turn->html, "<tr><td data-label=\"When\">");
    sb_time(l->turn, at.s);
    SB_HTML(&l->turn->html,
            "</td><td data-label=\"Why\"><span><code>{}</code><br>{}</span></td><td data-label=\"From\" "
            "class=\"whole\"><code>{}</code></td></tr>",
            reason, text_of(reason), peer);
    return SB_OK;
}

static void refusals(sb_turn *t, const sb_client *client)
{
    uint64_t next = 0;
    lately l = {.turn = t};
    sb_error err = SB_ERROR_INIT;
    sb_audit_query query = {
        .event = "token.refused", .client = client->id, .since_s = client->created_s, .limit = REFUSALS_SHOWN};
    if (!t->portal->o.audit_file)
        return;
    SB_HTML(&t->html, "<section class=\"card\"><h2>Tokens refused of late</h2>");
    sb_status status = sb_audit_search(t->portal->o.audit_file, &query, refusal_row, &l, &next, &err);
    if (l.count > 0)
        SB_HTML(&t->html, "</tbody></table></div>");
    if (status != SB_OK) {
        sb_log(SB_LOG_ERROR, "portal: %s: %s", err.what, err.why);
        SB_HTML(&t->html, "<p class=\"soft\">They cannot be looked up just now.</p>");
    } else if (l.count == 0) {
        SB_HTML(&t->html, "<p class=\"soft\">None, as far as was looked back.</p>");
    }
    SB_HTML(&t->html,
            "<p class=\"soft small\">Whatever came in this client's name, be it from others. The "
            "<a href=\"/portal/debugger\">token debugger</a> shows each check of an assertion.</p></section>");
}

/* The page */

static void show(sb_turn *t, const sb_client *client)
{
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
    rosters(t, client);
    SB_HTML(&t->html, "</section></div><section class=\"card\"><h2>Keys</h2>");
    sb_admin_keys(t, client);
    SB_HTML(&t->html, "</section>");
    refusals(t, client);
    sb_page_end(t, 200);
}

void sb_page_client(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_client) client = NULL;
    if (sb_own_client_find(t, sb_turn_query(t, "id"), &client, &err) == SB_OK)
        show(t, client);
    else
        sb_page_fail(t, &err);
}
