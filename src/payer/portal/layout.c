/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - what all pages look alike in: head, menu, foot, badges, boxes; and the ways a page ends. */
#include <stdio.h>
#include <time.h>

#include <smartbulk/version.h>

#include "base/log.h"
#include "base/url.h"
#include "payer/portal/portal_internal.h"

/* The menu */

#define ITEM(path, word)                                                                                               \
    SB_HTML(&t->html, "<a href=\"" path "\" aria-current=\"{}\">" word "</a>",                                         \
            section &&strcmp(section, word) == 0 ? "page" : "false")

static void menu(sb_turn *t, const char *section)
{
    SB_HTML(&t->html, "<nav aria-label=\"Portal\">");
    ITEM("/portal", "Overview");
    ITEM("/portal/offer", "Endpoints and limits");
    if (t->signed_in) {
        ITEM("/portal/clients", "My clients");
        ITEM("/portal/debugger", "Token debugger");
    }
    if (sb_visitor_administers(t)) {
        ITEM("/portal/admin", "Clients");
        ITEM("/portal/admin/rosters", "Rosters");
        ITEM("/portal/admin/exports", "Exports");
        ITEM("/portal/admin/audit", "Audit log");
    }
    SB_HTML(&t->html, "</nav>");
}

static void account(sb_turn *t)
{
    if (!t->signed_in)
        return;
    SB_HTML(&t->html, "<form class=\"account\" method=\"post\" action=\"/portal/sign-out\">");
    sb_form_token(t);
    SB_HTML(&t->html, "<span class=\"who\" title=\"{}\">{}</span>", t->person.who, t->person.who);
    if (sb_visitor_administers(t))
        sb_badge(t, SB_TONE_PLAIN, "administrator");
    SB_HTML(&t->html, "<button class=\"quiet\">Sign out</button></form>");
}

/* Pages */

void sb_page_begin(sb_turn *t, const char *title, const char *section)
{
    sb_buf_clear(&t->answer->body);
    sb_html_init(&t->html, &t->answer->body);
    SB_HTML(&t->html,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            "<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"robots\" content=\"noindex\">"
            "<title>{} · {}</title><link rel=\"icon\" href=\"/portal/icon.svg\" type=\"image/svg+xml\">"
            "<link rel=\"stylesheet\" href=\"/portal/style.css\"></head><body>"
            "<a class=\"skip\" href=\"#main\">Skip to the page</a>"
            "<header><div class=\"bar\"><a class=\"brand\" href=\"/portal\">"
            "<img src=\"/portal/icon.svg\" alt=\"\" width=\"28\" height=\"28\"><span>{}</span></a>",
            title, t->portal->host, t->portal->host);
    account(t);
    SB_HTML(&t->html, "</div>");
    menu(t, section);
    SB_HTML(&t->html, "</header><main id=\"main\">");
}

void sb_page_end(sb_turn *t, unsigned status)
{
    SB_HTML(&t->html,
            "</main><footer><p>smartbulk {} · SMART Backend Services and FHIR Bulk Data</p></footer></body></html>",
            sb_version());
    t->answer->status = status;
    t->answer->content_type = "text/html; charset=utf-8";
    sb_answer_header(t->answer, "Cache-Control", "no-store");
    if (!sb_html_done(&t->html)) {
        sb_log(SB_LOG_ERROR, "a page of the portal could not be made whole");
        t->answer->broken = true;
    }
}

void sb_page_say(sb_turn *t, unsigned status, const char *title, const char *text)
{
    sb_page_begin(t, title, NULL);
    SB_HTML(&t->html,
            "<div class=\"say\"><h1>{}</h1><p>{}</p><p><a class=\"button\" href=\"/portal\">To the overview"
            "</a></p></div>",
            title, text);
    sb_page_end(t, status);
}

void sb_page_fail(sb_turn *t, const sb_error *err)
{
    switch (err->code) {
    case SB_E_NOT_FOUND:
        sb_page_say(t, 404, "There is nothing here", "The address is mistyped, or what was here is gone.");
        break;
    case SB_E_USAGE:
    case SB_E_INVALID:
        sb_page_say(t, 400, "This cannot be done", err->why);
        break;
    default: /* paths and the like are for the log */
        sb_log(SB_LOG_ERROR, "portal: %s: %s", err->what, err->why);
        sb_page_say(t, 503, "This cannot be had just now",
                    "The server could not look something up. Nothing was changed. Try again in a minute; the operator "
                    "finds the reason in the log.");
    }
}

void sb_page_redirect(sb_turn *t, const char *path, const char *id)
{
    SB_AUTO(sb_buf) encoded = SB_BUF_INIT;
    if (id && !sb_url_encode(sb_str_from(id), &encoded))
        t->answer->broken = true;
    t->answer->status = 303;
    sb_answer_header(t->answer, "Location", "%s%s", path, sb_buf_cstr(&encoded));
    sb_answer_header(t->answer, "Cache-Control", "no-store");
}

/* Fields */

void sb_form_token(sb_turn *t)
{
    SB_HTML(&t->html, "<input type=\"hidden\" name=\"form_token\" value=\"{}\">", t->form_token);
}

const char *sb_turn_field(const sb_turn *turn, const char *name)
{
    const sb_form_field *field = sb_form_find(&turn->form, name);
    return field ? field->value.ptr : "";
}

const char *sb_turn_query(const sb_turn *turn, const char *name)
{
    const sb_form_field *field = sb_form_find(&turn->request->target.query, name);
    return field ? field->value.ptr : "";
}

/* Pieces */

static const char *tone_class(sb_tone tone)
{
    static const char *const names[] = {"plain", "good", "warn", "bad"};
    return names[tone];
}

void sb_badge(sb_turn *t, sb_tone tone, const char *text)
{
    SB_HTML(&t->html, "<span class=\"badge {}\">{}</span>", tone_class(tone), text);
}

void sb_notice(sb_turn *t, sb_tone tone, const char *title, const char *text)
{
    SB_HTML(&t->html, "<div class=\"notice {}\" role=\"status\"><strong>{}</strong><p>{}</p></div>", tone_class(tone),
            title, text);
}

void sb_error_box(sb_turn *t, const sb_error *err)
{
    SB_HTML(&t->html, "<div class=\"notice bad\" role=\"alert\"><strong>{}</strong><p>{}</p><p>{}</p></div>", err->what,
            err->why, err->fix);
}

void sb_client_badge(sb_turn *t, const sb_client *client)
{
    static const sb_tone tones[] = {SB_TONE_WARN, SB_TONE_GOOD, SB_TONE_BAD};
    sb_badge(t, tones[client->state], sb_client_state_name(client->state));
}

void sb_time(sb_turn *t, int64_t seconds)
{
    char text[64] = "–", machine[32] = "";
    struct tm tm;
    time_t at = (time_t)seconds;
    if (seconds > 0 && gmtime_r(&at, &tm)) {
        (void)strftime(text, sizeof(text), "%e %b %Y, %H:%M UTC", &tm);
        (void)strftime(machine, sizeof(machine), "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    SB_HTML(&t->html, "<time datetime=\"{}\">{}</time>", machine, text);
}

void sb_span(sb_turn *t, unsigned seconds)
{
    static const struct {
        unsigned seconds;
        const char *one, *many;
    } units[] = {{86400, "day", "days"}, {3600, "hour", "hours"}, {60, "minute", "minutes"}, {1, "second", "seconds"}};
    size_t i = 0;
    while (i + 1 < SB_ARRAY_LEN(units) && (seconds == 0 || seconds % units[i].seconds != 0))
        i++;
    unsigned count = seconds / units[i].seconds;
    sb_html_number(&t->html, count);
    SB_HTML(&t->html, " {}", count == 1 ? units[i].one : units[i].many);
}
