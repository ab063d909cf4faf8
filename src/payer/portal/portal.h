/* SPDX-License-Identifier: Apache-2.0 */
/* portal.h - the pages that a partner's engineer and the payer's administrator meet.
 *
 *   /portal  /portal/offer                        for everybody: what this payer offers
 *   /portal/sign-in                               a one-time link becomes a session
 *   /portal/clients  …/new  /portal/client?id=  /portal/debugger    for who is signed in: theirs, and why one was refused
 *   /portal/admin/…                               for administrators: clients, rosters, exports, audit log
 *
 * HTML alone: no script, nothing from elsewhere, escaped by construction (html.h). Who somebody is says a session (a
 * cookie, made by a link that the command line prints) or a trusted proxy's header. Every POST carries a token of the
 * session, and comes from a page of ours. Any thread. */
#ifndef SB_PAYER_PORTAL_H
#define SB_PAYER_PORTAL_H

#include "payer/portal/portal_store.h"
#include "payer/routes/service.h"

typedef struct sb_portal sb_portal;

/* What becomes of who registers by a page. */
typedef enum sb_portal_registration {
    SB_PORTAL_REGISTRATION_OFF,
    SB_PORTAL_REGISTRATION_PENDING, /* an administrator approves                                             KEY-07 */
    SB_PORTAL_REGISTRATION_OPEN
} sb_portal_registration;

typedef struct sb_portal_options {
    const char *base_url; /* as the service's; copied */
    sb_portal_store *store;
    sb_pool *pool;               /* the payer's database: rosters. Borrowed */
    bool open_groups;            /* every client may use every group: there are no rosters to give */
    const char *user_header;     /* a trusted proxy's: who is signed in; NULL: none. Borrowed */
    char *const *administrators; /* of those, who may administer. Borrowed */
    size_t administrator_count;
    sb_portal_registration registration;
    const char *registration_scope; /* at most; NULL: SB_SERVICE_SCOPES_MAX. Borrowed */
    const char *audit_file;         /* where the audit log is; NULL: there is none. Borrowed */
    /* To be told: */
    unsigned token_lifetime_s, export_keep_s, exports_per_client, tokens_per_minute;
} sb_portal_options;

sb_status sb_portal_new(const sb_portal_options *options, sb_portal **out, sb_error *err);
void sb_portal_free(sb_portal *portal); /* NULL is fine */
SB_DEFINE_FREEP(sb_portal)

/* For sb_service_options; lives as long as the portal. */
const sb_service_pages *sb_portal_pages(const sb_portal *portal);

/* Where a link leads. malloc'ed, and a secret; NULL without memory. */
char *sb_portal_link_url(const char *base_url, const char *secret);

#endif
