/* SPDX-License-Identifier: Apache-2.0 */
/* portal_internal.h - what the pages share. Nobody else includes it. */
#ifndef SB_PAYER_PORTAL_INTERNAL_H
#define SB_PAYER_PORTAL_INTERNAL_H

#include "payer/portal/html.h"
#include "payer/portal/portal.h"
#include "payer/routes/service_internal.h"

#define SB_PORTAL_FIELDS_MAX 128 /* of a form: the largest has a hundred rosters to choose from */

struct sb_portal {
    sb_portal_options o;
    char *base_url, *host;
    bool secure; /* the base URL is https */
    sb_route *routes;
    sb_service_pages pages;
    char style_etag[64];
};

/* One request of a page. */
typedef struct sb_turn {
    const sb_portal *portal;
    sb_service *service; /* NULL when a request was refused before it came to a page */
    const sb_server_request *request;
    sb_visit *visit;
    sb_answer *answer;
    bool signed_in;
    sb_portal_person person;
    char form_token[SB_PORTAL_SECRET_SIZE]; /* what a form must bring back; "": not signed in */
    sb_form form;                           /* of a POST */
    sb_html html;
} sb_turn;

typedef void sb_page_fn(sb_turn *turn);

typedef enum sb_page_need {
    SB_NEED_NOTHING, /* the same for everybody: nobody is looked up, so it is there without the database */
    SB_NEED_NOBODY,
    SB_NEED_SOMEBODY,
    SB_NEED_ADMINISTRATOR,
} sb_page_need;

typedef struct sb_page {
    const char *method, *path;
    sb_page_fn *run;
    size_t body_max;
    sb_page_need need;
    const char *name;
} sb_page;

/* Who is it? visitor.c. False: the answer says why it cannot be known. */
bool sb_visitor_find(sb_turn *turn);
/* May this POST be believed to be meant by who is signed in? False: the answer says no. */
bool sb_visitor_meant(sb_turn *turn);
/* The browser's session begins or ends with this answer. */
sb_status sb_visitor_sign_in(sb_turn *turn, const sb_portal_person *person, sb_error *err);
void sb_visitor_sign_out(sb_turn *turn);
bool sb_visitor_administers(const sb_turn *turn);

/* layout.c. A page: begin, write to turn->html, end. `section` is the menu's word that is lit; NULL: none. */
void sb_page_begin(sb_turn *turn, const char *title, const char *section);
void sb_page_end(sb_turn *turn, unsigned status);
/* A page that says one thing. */
void sb_page_say(sb_turn *turn, unsigned status, const char *title, const char *text);
/* What a failure is to a person: no page, too many, the database is gone. */
void sb_page_fail(sb_turn *turn, const sb_error *err);
/* 303: by GET, so that a reload repeats nothing. `path` is ours; with `id`, that comes behind it. */
void sb_page_redirect(sb_turn *turn, const char *path, const char *id);
/* Every form's first field: SB_HTML(…"<form method=\"post\" action=\"/portal/…\">"), then this. */
void sb_form_token(sb_turn *turn);
/* A POST's field; "" when it was not sent. */
const char *sb_turn_field(const sb_turn *turn, const char *name);
/* A query's. */
const char *sb_turn_query(const sb_turn *turn, const char *name);

typedef enum sb_tone { SB_TONE_PLAIN, SB_TONE_GOOD, SB_TONE_WARN, SB_TONE_BAD } sb_tone;
void sb_badge(sb_turn *turn, sb_tone tone, const char *text);
/* A box with one thing to know. */
void sb_notice(sb_turn *turn, sb_tone tone, const char *title, const char *text);
void sb_client_badge(sb_turn *turn, const sb_client *client);
/* "25 Nov 2026, 06:54 UTC"; 0 is a dash. */
void sb_time(sb_turn *turn, int64_t seconds);
/* "90 seconds", "5 minutes", "1 day": the largest unit that says it in whole numbers. */
void sb_span(sb_turn *turn, unsigned seconds);
/* The three parts of an error that a person may see. */
void sb_error_box(sb_turn *turn, const sb_error *err);

extern const char sb_portal_style[], sb_portal_icon[]; /* made of style.css and icon.svg */
extern const size_t sb_portal_style_len, sb_portal_icon_len;

sb_page_fn sb_page_root, sb_page_home, sb_page_style, sb_page_icon;
sb_page_fn sb_page_admin_clients, sb_page_admin_client, sb_page_admin_rosters, sb_page_admin_exports,
    sb_page_admin_audit;
sb_page_fn sb_page_admin_approve_do, sb_page_admin_suspend_do, sb_page_admin_give_do, sb_page_admin_take_do,
    sb_page_admin_change_do, sb_page_admin_keys_do, sb_page_admin_remove, sb_page_admin_remove_do, sb_page_admin_cancel,
    sb_page_admin_cancel_do;
sb_page_fn sb_page_offer, sb_page_debugger, sb_page_debugger_do;
sb_page_fn sb_page_clients, sb_page_client, sb_page_register, sb_page_register_do;
sb_page_fn sb_page_sign_in, sb_page_sign_in_do, sb_page_sign_out_do;

#endif
