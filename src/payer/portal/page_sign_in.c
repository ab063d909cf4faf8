/* SPDX-License-Identifier: Apache-2.0 */
/* page_sign_in.c - a one-time link becomes a session. Opening it uses nothing up: mail programs open links to look at
 * them; the button is what counts. */
#include "payer/portal/portal_internal.h"

static void no_good(sb_turn *t)
{
    t->visit->reason = "link_unknown";
    sb_page_say(t, 403, "This link is used up",
                "A sign-in link is good once, and not for long. Ask the payer's team for another.");
}

static void ask(sb_turn *t, const sb_portal_person *person, const char *link)
{
    sb_page_begin(t, "Sign in", NULL);
    SB_HTML(&t->html,
            "<div class=\"say\"><h1>Sign in</h1><p>As <strong>{}</strong>, {}. Your browser keeps one cookie for "
            "eight hours, or until you sign out.</p><form method=\"post\" action=\"/portal/sign-in\">",
            person->who, sb_portal_role_name(person->role));
    sb_form_token(t);
    SB_HTML(&t->html, "<input type=\"hidden\" name=\"link\" value=\"{}\"><button>Sign in</button></form></div>", link);
    sb_page_end(t, 200);
}

void sb_page_sign_in(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    sb_portal_person person;
    const char *link = sb_turn_query(t, "link");
    sb_status status = sb_portal_link_look(t->portal->o.store, sb_str_from(link), &person, &err);
    if (status == SB_OK)
        ask(t, &person, link);
    else if (status == SB_E_NOT_FOUND)
        no_good(t);
    else
        sb_page_fail(t, &err);
}

void sb_page_sign_in_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    sb_portal_person person;
    sb_status status = sb_portal_link_use(t->portal->o.store, sb_str_from(sb_turn_field(t, "link")), &person, &err);
    if (status == SB_OK)
        status = sb_visitor_sign_in(t, &person, &err);
    t->visit->audit = "portal.signed_in";
    if (status == SB_OK)
        sb_page_redirect(t, "/portal", NULL);
    else if (status == SB_E_NOT_FOUND)
        no_good(t);
    else
        sb_page_fail(t, &err);
}

void sb_page_sign_out_do(sb_turn *t)
{
    sb_visitor_sign_out(t);
}
