/* SPDX-License-Identifier: Apache-2.0 */
/* grants.h - access tokens as their issuer sees them: drawn, kept by digest, looked up, ended.      TOK-02, USE-06
 *
 * A token is 256 random bits and means nothing by itself; whoever reads this server's memory or disk finds digests. Or it
 * is signed, and kept nowhere (grants_jwt.h). To issue one uses an assertion up, in the same step: of two requests with
 * one assertion, one gets a token (AUTH-10). Where both are kept is behind a table of functions: in memory here, in the
 * payer's database in grants_db.h. Any thread. */
#ifndef SB_PAYER_GRANTS_H
#define SB_PAYER_GRANTS_H

#include <smartbulk/clock.h>

#include "payer/auth/client.h"
#include "payer/auth/replay.h"

/* What a token stands for. Constant and counted. */
typedef struct sb_grant {
    sb_client *client;
    sb_scopes scopes;
    int64_t issued_s, expires_s; /* on the wall clock, for those who ask about it                            RFC 7662 */
    int64_t epoch;               /* of the client it was issued to */
    atomic_uint refs;
} sb_grant;

/* A reference to `client` is taken, its epoch is the grant's; `scopes` is taken over when it succeeds. For those who
 * implement. */
sb_status sb_grant_new(sb_client *client, sb_scopes *scopes, int64_t issued_s, int64_t expires_s, sb_grant **out,
                       sb_error *err);
sb_grant *sb_grant_ref(sb_grant *grant);
void sb_grant_free(sb_grant *grant); /* lets go of one reference; NULL is fine */
SB_DEFINE_FREEP(sb_grant)

typedef enum sb_issue_answer {
    SB_ISSUE_DONE,
    SB_ISSUE_REPLAYED,    /* the assertion was used before */
    SB_ISSUE_REPLAY_FULL, /* no further assertion can be remembered: none is believed */
    SB_ISSUE_TOKENS_FULL,
    SB_ISSUE_TOO_LONG, /* the scope does not fit into a token; the assertion can be used again */
    SB_ISSUE_FAILED    /* it could not be kept; the log says why */
} sb_issue_answer;

/* All borrowed for the call. */
typedef struct sb_issue {
    sb_client *client;
    const sb_scopes *scopes; /* NULL: no token is wanted */
    sb_digest used;          /* of (iss, jti) */
    int64_t dead_s;          /* the wall clock's reading from which on nobody accepts the assertion any more */
} sb_issue;

typedef struct sb_grants_ops {
    /* Use the assertion up and append a new token to `token`; NULL: use it up alone. */
    sb_issue_answer (*issue)(void *impl, const sb_issue *issue, unsigned lifetime_s, sb_buf *token);
    /* *out is a reference, or NULL: there is none. Anything but SB_OK: it could not be looked up. */
    sb_status (*find)(void *impl, sb_str token, sb_grant **out, sb_error *err);
    bool (*revoke)(void *impl, sb_str token, sb_str client_id); /* false: it could not be written */
    size_t (*revoke_all)(void *impl);
    void (*free)(void *impl);
} sb_grants_ops;

typedef struct sb_grants sb_grants;

/* Takes `impl` over, also on failure. For those who implement. */
sb_status sb_grants_new(const sb_grants_ops *ops, void *impl, unsigned lifetime_s, sb_grants **out, sb_error *err);
/* 256 bits in base64url, and their digest; false without memory. For those who implement. */
SB_MUST_USE bool sb_grants_draw(sb_buf *token, sb_digest *digest);
/* Is the client one that may use this token: active, and ever since it got it? For those who implement. */
sb_status sb_grant_client_is_active(sb_clients *clients, const sb_grant *grant, bool *active, sb_error *err);

void sb_grants_free(sb_grants *grants); /* NULL is fine */
SB_DEFINE_FREEP(sb_grants)

unsigned sb_grants_lifetime_s(const sb_grants *grants);

/* A new token. The caller wipes `token`, which is filled on SB_ISSUE_DONE alone. */
sb_issue_answer sb_grants_issue(sb_grants *grants, const sb_issue *issue, sb_buf *token);
/* Use the assertion up for something else than a token. */
sb_issue_answer sb_grants_use(sb_grants *grants, const sb_issue *use);
/* What a live token of an active client stands for, as a reference; NULL: unknown, expired, revoked or its client
 * suspended, now or since it got it, all the same. Anything but SB_OK: it could not be looked up, which says nothing of the token. */
sb_status sb_grants_find(sb_grants *grants, sb_str token, sb_grant **out, sb_error *err);
/* End a token, if it is this client's (an empty id: whoever's). One that is not live is no failure: false is.  RFC 7009 */
SB_MUST_USE bool sb_grants_revoke(sb_grants *grants, sb_str token, sb_str client_id);
size_t sb_grants_revoke_all(sb_grants *grants);

/* In memory: at most `max` live tokens; `clock`, `clients` and `replay` are borrowed. */
sb_status sb_grants_memory(const sb_clock *clock, unsigned lifetime_s, size_t max, sb_clients *clients,
                           sb_replay *replay, sb_grants **out, sb_error *err);

#endif
