/* SPDX-License-Identifier: Apache-2.0 */
/* admin.h - what machines that watch and people who administer ask a serve that runs, on a listener of its own:
 *
 *   GET /healthz                  it answers
 *   GET /readyz                   it can do its work: ready.h; 503 when a check fails, or it is about to end
 *   GET /metrics                  for Prometheus
 *   GET /clients[?state=]  /clients/{id}     POST /clients/{id}/approve|suspend     DELETE /clients/{id}
 *   GET /rosters
 *   GET /exports           DELETE /exports/{id}
 *   GET /audit?event=&outcome=&reason=&client=&actor=&group=&job=&peer=&before=&limit=
 *
 * Knows no settings, no listener, no OAuth: whoever reaches it and has the token, where one is asked for, administers.
 * What a browser was made to send by some other page is refused (admin_guard.c). Never gives out a key's private half
 * (it has none), a token, or a member's data. Holds no socket: the server of http/ calls it, and so can tests. */
#ifndef SB_PAYER_ADMIN_H
#define SB_PAYER_ADMIN_H

#include "payer/admin/ready.h"
#include "payer/routes/service.h"

/* Borrowed for its life. */
typedef struct sb_admin_options {
    sb_ready *ready;
    sb_pool *pool;
    sb_clients *clients;
    sb_jobs *jobs;
    sb_audit *audit;        /* NULL: none is kept */
    const char *audit_file; /* to search; NULL: none */
    sb_metrics *metrics;
    const sb_clock *clock;
    const char *exports_folder;
    /* When the certificate ends, seconds since 1970; 0: there is none. May be NULL. */
    int64_t (*certificate_ends_s)(void *impl);
    void (*on_event)(void *impl, const sb_service_event *event); /* for the log; may be NULL */
    void *impl;                                                  /* of these two */
} sb_admin_options;

typedef struct sb_admin sb_admin;

sb_status sb_admin_new(const sb_admin_options *options, sb_admin **out, sb_error *err);
void sb_admin_free(sb_admin *admin); /* no request is under way; NULL is fine */
SB_DEFINE_FREEP(sb_admin)

sb_server_handler sb_admin_handler(sb_admin *admin);

/* From now on the token of this digest is asked for in Authorization: Bearer; without it /healthz and /readyz alone
 * answer, and say no more than yes or no. NULL: none is. Any thread. */
void sb_admin_set_token(sb_admin *admin, const sb_digest *digest);
/* It is about to end: not ready any more, whatever the checks say. Any thread. */
void sb_admin_set_ending(sb_admin *admin);

#endif
