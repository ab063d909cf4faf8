/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin.h - what the administrators' pages share; of it, page_client.c shows scopes and keys in the same way.
 *
 *   /portal/admin            the clients, those that wait for a decision first
 *   /portal/admin/client     one of them: by ?id=, for an id may hold what a path may not
 *   /portal/admin/rosters    who is in how many, and for whom they are
 *   /portal/admin/exports    under way and kept
 *   /portal/admin/audit      what happened */
#ifndef SB_PAYER_PAGE_ADMIN_H
#define SB_PAYER_PAGE_ADMIN_H

#include "base/names.h"
#include "payer/ops/audit_search.h"
#include "payer/portal/portal_internal.h"

#define SB_ADMIN_ROWS 100 /* of a table on one page: what a person looks through */

/* Do these words stand in that text, however they are spelt? Empty: always. */
bool sb_admin_fits(const char *text, const char *words);
/* "1,234,567" */
void sb_admin_number(sb_turn *turn, int64_t number);
/* A box with a number and what it counts. */
void sb_admin_figure(sb_turn *turn, int64_t number, const char *what);
/* <option>; the one whose value is `chosen` is chosen. */
void sb_admin_option(sb_turn *turn, const char *value, const char *text, const char *chosen);
void sb_admin_search_field(sb_turn *turn, const char *name, const char *label, const char *value);
/* A link to the client's page, by its name; to its id where it has none. */
void sb_admin_client_link(sb_turn *turn, const char *id, const char *name);
/* The same by the name that it has in the register. Not while a connection is held: it may take one. */
void sb_admin_client_named(sb_turn *turn, const char *id);
/* Scopes as chips. */
void sb_admin_scopes(sb_turn *turn, const sb_scopes *scopes);
/* Keys, each with its thumbprint.                                                                         KEY-04 */
void sb_admin_key_table(sb_turn *turn, const sb_jwks *jwks);
/* Those that were registered, or where they are fetched from. */
void sb_admin_keys(sb_turn *turn, const sb_client *client);

/* Rows of the audit log that fit, or a word on why there are none. *next as of sb_audit_search(). */
sb_status sb_admin_events(sb_turn *turn, const char *file, const sb_audit_query *query, uint64_t *next, sb_error *err);

/* What a form of a client's page led to, besides the page. */
typedef struct sb_admin_outcome {
    unsigned status;
    const sb_error *refused; /* NULL: nothing was */
    const sb_jwks *fetched;  /* the keys behind its URL, now; NULL: they were not asked for */
} sb_admin_outcome;

/* The client's page. */
void sb_admin_client_page(sb_turn *turn, const char *id, const sb_admin_outcome *outcome);

/* page_admin_forms.c: what can be done about a client. */
sb_status sb_admin_decide(sb_turn *turn, const sb_client *client, const sb_names *given, sb_error *err);
/* The rosters that it has, each with a way to take it back. */
void sb_admin_given(sb_turn *turn, const sb_client *client, const sb_names *given);
/* <form method="post" action="/portal/admin/{what}"> with the session's token and the id of what it is about. */
void sb_admin_form(sb_turn *turn, const char *what, const char *id);
/* A page that asks before something is done that cannot be taken back. */
typedef struct sb_admin_question {
    const char *section, *title, *text, *name, *id; /* of what it is about, by name and id; name NULL: none */
    const char *what, *button;                      /* as of sb_admin_form() */
} sb_admin_question;
void sb_admin_ask(sb_turn *turn, const sb_admin_question *question);

/* Stands for all that can be seen of a client: another text, another client.                               RFC 7592 */
bool sb_admin_seen(const sb_client *client, char out[SB_PORTAL_SECRET_SIZE]);

#endif
