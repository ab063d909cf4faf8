/* SPDX-License-Identifier: Apache-2.0 */
/* portal.c - every page there is, and what happens before one is called: what the browser may do with it, who is there,
 * whether a form is meant. */
#include "payer/portal/portal.h"

#include "base/url.h"
#include "jose/jws.h"
#include "payer/portal/portal_internal.h"

#define FORM_MAX      ((size_t)16 * 1024)                        /* names, choices */
#define KEYS_MAX      (FORM_MAX + (size_t)3 * SB_JWKS_MAX_BYTES) /* and a key set, percent-encoded */
#define ASSERTION_MAX (4 * (size_t)SB_JWS_MAX_BYTES)             /* one that is too long is looked at, too */

static const sb_page pages[] = {
    {"GET", "", sb_page_root, 0, SB_NEED_NOBODY, "portal"},
    {"GET", "portal", sb_page_home, 0, SB_NEED_NOBODY, "portal"},
    {"GET", "portal/offer", sb_page_offer, 0, SB_NEED_NOBODY, "portal"},
    {"GET", "portal/style.css", sb_page_style, 0, SB_NEED_NOTHING, "portal"},
    {"GET", "portal/icon.svg", sb_page_icon, 0, SB_NEED_NOTHING, "portal"},
    {"GET", "portal/sign-in", sb_page_sign_in, 0, SB_NEED_NOBODY, "portal_sign_in"},
    {"POST", "portal/sign-in", sb_page_sign_in_do, FORM_MAX, SB_NEED_NOBODY, "portal_sign_in"},
    {"POST", "portal/sign-out", sb_page_sign_out_do, FORM_MAX, SB_NEED_SOMEBODY, "portal_sign_out"},
    {"GET", "portal/clients", sb_page_clients, 0, SB_NEED_SOMEBODY, "portal_clients"},
    {"GET", "portal/clients/new", sb_page_register, 0, SB_NEED_SOMEBODY, "portal_register"},
    {"POST", "portal/clients/new", sb_page_register_do, KEYS_MAX, SB_NEED_SOMEBODY, "portal_register"},
    {"GET", "portal/debugger", sb_page_debugger, 0, SB_NEED_SOMEBODY, "portal_debugger"},
    {"POST", "portal/debugger", sb_page_debugger_do, ASSERTION_MAX, SB_NEED_SOMEBODY, "portal_debugger"},
    {"GET", "portal/client", sb_page_client, 0, SB_NEED_SOMEBODY, "portal_client"},
    {"GET", "portal/admin", sb_page_admin_clients, 0, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"GET", "portal/admin/client", sb_page_admin_client, 0, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"GET", "portal/admin/client/remove", sb_page_admin_remove, 0, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"POST", "portal/admin/client/approve", sb_page_admin_approve_do, FORM_MAX, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"POST", "portal/admin/client/suspend", sb_page_admin_suspend_do, FORM_MAX, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"POST", "portal/admin/client/remove", sb_page_admin_remove_do, FORM_MAX, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"POST", "portal/admin/client/give", sb_page_admin_give_do, FORM_MAX, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"POST", "portal/admin/client/take", sb_page_admin_take_do, FORM_MAX, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"POST", "portal/admin/client/change", sb_page_admin_change_do, FORM_MAX, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"POST", "portal/admin/client/keys", sb_page_admin_keys_do, FORM_MAX, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"GET", "portal/admin/exports/cancel", sb_page_admin_cancel, 0, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"POST", "portal/admin/exports/cancel", sb_page_admin_cancel_do, FORM_MAX, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"GET", "portal/admin/rosters", sb_page_admin_rosters, 0, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"GET", "portal/admin/exports", sb_page_admin_exports, 0, SB_NEED_ADMINISTRATOR, "portal_admin"},
    {"GET", "portal/admin/audit", sb_page_admin_audit, 0, SB_NEED_ADMINISTRATOR, "portal_admin"},
};

/* Nothing but our own style sheet and icon, forms to us alone, in nobody's frame. */
static const char policy[] = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
                             "base-uri 'none'; frame-ancestors 'none'";

static void harden(sb_answer *answer)
{
    sb_answer_header(answer, "Content-Security-Policy", "%s", policy);
    sb_answer_header(answer, "X-Content-Type-Options", "nosniff");
    sb_answer_header(answer, "Referrer-Policy", "same-origin"); /* no-referrer would take the Origin from our forms */
    sb_answer_header(answer, "Cross-Origin-Opener-Policy", "same-origin");
    sb_answer_header(answer, "Cross-Origin-Resource-Policy", "same-origin");
}

static void turn_cleanup(sb_turn *turn)
{
    sb_form_cleanup(&turn->form);
}

typedef sb_turn turn; /* for SB_AUTO */

static void ask_to_sign_in(sb_turn *t, const sb_page *page)
{
    if (t->signed_in && page->need == SB_NEED_ADMINISTRATOR) {
        t->visit->reason = "not_administrator";
        sb_page_say(t, 403, "For administrators", "You are signed in as a partner. This page is the administrators'.");
        return;
    }
    t->visit->reason = "not_signed_in";
    sb_page_say(t, 403, "Please sign in",
                t->portal->o.user_header
                    ? "This page is for people who are signed in. Come by the address that your organisation signs you "
                      "in at, or ask the payer for a sign-in link."
                    : "This page is for people who are signed in. Ask the payer's team for a sign-in link: it opens "
                      "this page for you once, and your browser stays signed in for eight hours. If you are signed in "
                      "already and "
                      "followed a link from elsewhere, go on from the overview.");
}

static bool let_in(sb_turn *t, const sb_page *page)
{
    if (page->need == SB_NEED_NOBODY || (page->need == SB_NEED_SOMEBODY && t->signed_in) || sb_visitor_administers(t))
        return true;
    ask_to_sign_in(t, page);
    return false;
}

static void run(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    const sb_portal *portal = service->o.pages->impl;
    const sb_page *page = &pages[visit->route - portal->routes];
    SB_AUTO(turn) t = {.portal = portal, .service = service, .request = request, .visit = visit, .answer = answer};
    harden(answer);
    if (page->need == SB_NEED_NOTHING) {
        page->run(&t);
        return;
    }
    if (!sb_visitor_find(&t) || !let_in(&t, page))
        return;
    if (strcmp(page->method, "POST") == 0 && !sb_visitor_meant(&t))
        return;
    page->run(&t);
}

/* No page's request. */
static void refuse(void *impl, const sb_server_request *request, const char *why, sb_answer *answer)
{
    sb_turn t = {.portal = impl, .request = request, .answer = answer};
    harden(answer);
    switch (answer->status) {
    case 404:
        sb_page_say(&t, 404, "There is nothing here", "The address is mistyped, or what was here is gone.");
        break;
    case 413:
        sb_page_say(&t, 413, "That is too much", "What was sent is larger than anything this page can use.");
        break;
    default:
        sb_page_say(&t, answer->status, "This cannot be read", why);
    }
}

static sb_status make_routes(sb_portal *portal, sb_error *err)
{
    portal->routes = calloc(SB_ARRAY_LEN(pages) + 1, sizeof(*portal->routes));
    if (!portal->routes)
        return sb_error_nomem(err);
    for (size_t i = 0; i < SB_ARRAY_LEN(pages); i++)
        portal->routes[i] =
            (sb_route){pages[i].method, pages[i].path, run, pages[i].body_max, SB_ROUTE_OPEN, pages[i].name};
    portal->pages = (sb_service_pages){portal->routes, refuse, portal};
    return SB_OK;
}

sb_status sb_portal_new(const sb_portal_options *options, sb_portal **out, sb_error *err)
{
    SB_AUTOPTR(sb_portal) portal = calloc(1, sizeof(*portal));
    SB_AUTO(sb_url) url = SB_URL_INIT;
    if (!portal)
        return sb_error_nomem(err);
    portal->o = *options;
    SB_TRY(sb_url_parse(options->base_url, &url, err));
    portal->secure = strcmp(url.scheme, "https") == 0;
    portal->host = sb_str_dup(sb_str_from(url.host));
    portal->base_url = sb_str_dup(sb_str_from(options->base_url));
    if (!portal->host || !portal->base_url)
        return sb_error_nomem(err);
    portal->o.base_url = portal->base_url;
    if (!portal->o.registration_scope)
        portal->o.registration_scope = SB_SERVICE_SCOPES_MAX;
    SB_TRY(make_routes(portal, err));
    *out = portal;
    portal = NULL;
    return SB_OK;
}

void sb_portal_free(sb_portal *portal)
{
    if (!portal)
        return;
    free(portal->routes);
    free(portal->base_url);
    free(portal->host);
    free(portal);
}

const sb_service_pages *sb_portal_pages(const sb_portal *portal)
{
    return &portal->pages;
}

char *sb_portal_link_url(const char *base_url, const char *secret)
{
    return sb_printf("%s/portal/sign-in?link=%s", base_url, secret);
}
