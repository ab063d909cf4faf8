/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin_audit.c - events of the audit log: looked for by client, kind, time, outcome and who did it; the newest
 * first, a page at a time. A line whose words were changed is shown, and said to be no longer believed.       PDEX-08 */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "fhir/instant.h"
#include "payer/ops/register.h"
#include "payer/portal/page_admin.h"

#define DAY_S 86400

/* Rows */

typedef struct rows {
    sb_turn *turn;
    bool of_one; /* client alone, which need not be named; of what was refused it is not known who asked */
    size_t count;
} rows;

static const char *text_of(const json_t *event, const char *name)
{
    const char *text = sb_json_str(event, name);
    return text ? text : "";
}

/* To the second, as it stands in the log. */
static void when(sb_turn *t, const json_t *event)
{
    char text[32];
    const char *time = text_of(event, "time");
    (void)snprintf(text, sizeof(text), "%.10s %.8s", time, strlen(time) > 11 ? time + 11 : "");
    SB_HTML(&t->html, "<td data-label=\"Time (UTC)\"><time datetime=\"{}\">{}</time></td>", time, text);
}

static void what(sb_turn *t, const json_t *event, bool believed)
{
    const char *outcome = text_of(event, "outcome");
    sb_tone tone = strcmp(outcome, "ok") == 0        ? SB_TONE_GOOD
                   : strcmp(outcome, "refused") == 0 ? SB_TONE_WARN
                                                     : SB_TONE_BAD;
    SB_HTML(&t->html, "<td class=\"whole\" data-label=\"Event\"><div><code>{}</code> ", text_of(event, "event"));
    sb_badge(t, tone, outcome);
    if (!believed)
        sb_badge(t, SB_TONE_BAD, "changed since it was written");
    SB_HTML(&t->html, "</div></td>");
}

static void who(sb_turn *t, const json_t *event, bool of_one)
{
    const char *client = text_of(event, "client"), *actor = text_of(event, "actor"), *peer = text_of(event, "peer");
    SB_HTML(&t->html, "<td data-label=\"Who\"><div>");
    if (actor[0])
        SB_HTML(&t->html, "{}{}", actor, client[0] && !of_one ? ", of client " : "");
    else if (of_one)
        SB_HTML(&t->html, "{}", strcmp(text_of(event, "outcome"), "ok") == 0 ? "the client" : "in its name");
    if (client[0] && !of_one)
        sb_admin_client_link(t, client, NULL);
    SB_HTML(&t->html, "<br><span class=\"soft small\">{}</span></div></td>", peer);
}

static void fact(sb_turn *t, const char *name, const char *text, size_t *count)
{
    if (text[0])
        SB_HTML(&t->html, "{}{} <code>{}</code>", (*count)++ ? ", " : "", name, text);
}

static void about(sb_turn *t, const json_t *event)
{
    size_t count = 0;
    char members[24] = "";
    const json_t *number = json_object_get(event, "members");
    if (json_is_integer(number))
        (void)snprintf(members, sizeof(members), "%" PRId64, (int64_t)json_integer_value(number));
    SB_HTML(&t->html, "<td data-label=\"About\"><div>");
    fact(t, "", text_of(event, "reason"), &count);
    fact(t, "group", text_of(event, "group"), &count);
    fact(t, "members", members, &count);
    fact(t, "export", text_of(event, "job"), &count);
    SB_HTML(&t->html, "{}{}</div></td>", count && text_of(event, "detail")[0] ? "; " : "", text_of(event, "detail"));
}

static sb_status on_event(void *context, const json_t *event, bool believed, sb_error *err)
{
    rows *r = context;
    sb_turn *t = r->turn;
    (void)err;
    if (r->count++ == 0)
        SB_HTML(&t->html, "<div class=\"table\"><table><thead><tr><th>Time (UTC)</th><th>Event</th><th>Who</th>"
                          "<th>About</th></tr></thead><tbody>");
    SB_HTML(&t->html, "<tr>");
    when(t, event);
    what(t, event, believed);
    who(t, event, r->of_one);
    about(t, event);
    SB_HTML(&t->html, "</tr>");
    return SB_OK;
}

sb_status sb_admin_events(sb_turn *t, const char *file, const sb_audit_query *query, uint64_t *next, sb_error *err)
{
    rows r = {.turn = t, .of_one = query->client && query->client[0]};
    *next = 0;
    if (!file) {
        SB_HTML(&t->html,
                "<p class=\"soft\">No audit log is kept: <code>audit.file</code> says where one is to be.</p>");
        return SB_OK;
    }
    sb_status status = sb_audit_search(file, query, on_event, &r, next, err);
    if (status != SB_OK && status != SB_E_NOT_FOUND)
        return status;
    if (r.count > 0)
        SB_HTML(&t->html, "</tbody></table></div>");
    else
        SB_HTML(&t->html, "<p class=\"soft\">{}</p>",
                *next > 0 ? "There is nothing that fits in the part that was looked through."
                          : "There is nothing that fits.");
    return SB_OK;
}

/* Searching */

typedef struct asked {
    const char *log, *event, *outcome, *client, *actor, *since, *until;
    bool of_commands;  /* the command line's log, which is another file */
    const char *wrong; /* what of it cannot be read; NULL: nothing */
    sb_audit_query query;
} asked;

/* A day's beginning; false: that is none. "" is 0. */
static bool read_day(const char *text, int64_t *out)
{
    sb_instant at;
    *out = 0;
    if (!text[0])
        return true;
    SB_AUTOFREE instant = sb_printf("%sT00:00:00Z", text);
    if (!instant || strlen(text) != strlen("2026-01-31") || sb_instant_parse(sb_str_from(instant), &at, NULL) != SB_OK)
        return false;
    *out = at.s;
    return true;
}

static void read_question(sb_turn *t, asked *a)
{
    *a = (asked){.log = sb_turn_query(t, "log"),
                 .event = sb_turn_query(t, "event"),
                 .outcome = sb_turn_query(t, "outcome"),
                 .client = sb_turn_query(t, "client"),
                 .actor = sb_turn_query(t, "actor"),
                 .since = sb_turn_query(t, "since"),
                 .until = sb_turn_query(t, "until")};
    const char *before = sb_turn_query(t, "before");
    a->of_commands = strcmp(a->log, "commands") == 0;
    a->query = (sb_audit_query){
        .event = a->event, .outcome = a->outcome, .client = a->client, .actor = a->actor, .limit = SB_ADMIN_ROWS};
    if (!read_day(a->since, &a->query.since_s) || !read_day(a->until, &a->query.until_s))
        a->wrong = "A day is written as 2026-01-31.";
    else if (before[0] && !sb_str_to_u64(sb_str_from(before), INT64_MAX, &a->query.before))
        a->wrong = "The place to go on from is no number.";
    if (a->until[0])
        a->query.until_s += DAY_S; /* that day is meant, too */
}

static void field_of_day(sb_turn *t, const char *name, const char *label, const char *value)
{
    SB_HTML(&t->html,
            "<div><label for=\"f-{}\">{}</label><input type=\"date\" id=\"f-{}\" name=\"{}\" value=\"{}\"></div>", name,
            label, name, name, value);
}

static void choices(sb_turn *t, const asked *a)
{
    SB_HTML(&t->html, "<div><label for=\"f-outcome\">Outcome</label><select id=\"f-outcome\" name=\"outcome\">");
    sb_admin_option(t, "", "any", a->outcome);
    sb_admin_option(t, "ok", "ok", a->outcome);
    sb_admin_option(t, "refused", "refused", a->outcome);
    sb_admin_option(t, "failed", "failed", a->outcome);
    SB_HTML(&t->html, "</select></div><div><label for=\"f-log\">Log of</label><select id=\"f-log\" name=\"log\">");
    sb_admin_option(t, "", "this server", a->log);
    sb_admin_option(t, "commands", "the command line", a->log);
    SB_HTML(&t->html, "</select></div>");
}

static void form(sb_turn *t, const asked *a)
{
    static const char *const kinds[] = {"access", "client", "export", "group", "portal", "token"};
    SB_HTML(&t->html, "<form class=\"search\" method=\"get\" action=\"/portal/admin/audit\">");
    sb_admin_search_field(t, "client", "Client id", a->client);
    SB_HTML(&t->html,
            "<div><label for=\"f-event\">Event begins with</label><input type=\"text\" id=\"f-event\" "
            "name=\"event\" list=\"kinds\" value=\"{}\"><datalist id=\"kinds\">",
            a->event);
    for (size_t i = 0; i < SB_ARRAY_LEN(kinds); i++)
        SB_HTML(&t->html, "<option value=\"{}.\"></option>", kinds[i]);
    SB_HTML(&t->html, "</datalist></div>");
    sb_admin_search_field(t, "actor", "Done by", a->actor);
    field_of_day(t, "since", "From (UTC)", a->since);
    field_of_day(t, "until", "Until, with that day", a->until);
    choices(t, a);
    SB_HTML(&t->html, "<div><button>Search</button></div></form>");
}

static void go_on(sb_turn *t, const asked *a, uint64_t next)
{
    char at[24];
    (void)snprintf(at, sizeof(at), "%" PRIu64, next);
    SB_HTML(&t->html,
            "<div class=\"actions\"><a class=\"button second\" href=\"/portal/admin/audit?client={u}&amp;event={u}&amp;"
            "actor={u}&amp;since={u}&amp;until={u}&amp;outcome={u}&amp;log={u}&amp;before={u}\">Older</a></div>",
            a->client, a->event, a->actor, a->since, a->until, a->outcome, a->log, at);
}

static sb_status page(sb_turn *t, sb_error *err)
{
    asked a;
    uint64_t next = 0;
    const char *file = t->portal->o.audit_file;
    read_question(t, &a);
    SB_AUTOFREE commands = file ? sb_printf("%s" SB_REGISTER_AUDIT_SUFFIX, file) : NULL;
    if (file && !commands)
        return sb_error_nomem(err);
    sb_page_begin(t, "Audit log", "Audit log");
    SB_HTML(&t->html,
            "<h1>Audit log</h1><p class=\"lead\">Who did what, about which group, and how it ended; the newest "
            "first. It is a chain: <code>smartbulk audit verify</code> proves that none is missing.</p>"
            "<section class=\"card\">");
    form(t, &a);
    SB_HTML(&t->html, "</section><section class=\"card\">");
    if (a.wrong)
        sb_notice(t, SB_TONE_BAD, "This cannot be looked for", a.wrong);
    else
        SB_TRY(sb_admin_events(t, a.of_commands ? commands : file, &a.query, &next, err));
    if (next > 0)
        go_on(t, &a, next);
    SB_HTML(&t->html,
            "</section><p class=\"soft small\">Each process of <code>smartbulk serve</code> keeps a log of its "
            "own; this is the one of the process that answered you.</p>");
    sb_page_end(t, a.wrong ? 400 : 200);
    return SB_OK;
}

void sb_page_admin_audit(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    if (page(t, &err) != SB_OK)
        sb_page_fail(t, &err);
}
