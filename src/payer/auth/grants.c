/* SPDX-License-Identifier: Apache-2.0 */
/* grants.c - drawing tokens, and what is the same wherever they are kept. */
#include "payer/auth/grants.h"

#include "base/random.h"
#include "base/secret.h"
#include "jose/base64url.h"

struct sb_grants {
    const sb_grants_ops *ops;
    void *impl;
    unsigned lifetime_s;
};

sb_status sb_grant_new(sb_client *client, sb_scopes *scopes, int64_t issued_s, int64_t expires_s, sb_grant **out,
                       sb_error *err)
{
    sb_grant *grant = calloc(1, sizeof(*grant));
    if (!grant)
        return sb_error_nomem(err);
    atomic_init(&grant->refs, 1);
    grant->client = sb_client_ref(client);
    grant->scopes = *scopes;
    grant->issued_s = issued_s;
    grant->expires_s = expires_s;
    grant->epoch = client->epoch;
    *scopes = (sb_scopes)SB_SCOPES_INIT;
    *out = grant;
    return SB_OK;
}

sb_grant *sb_grant_ref(sb_grant *grant)
{
    (void)atomic_fetch_add_explicit(&grant->refs, 1, memory_order_relaxed);
    return grant;
}

void sb_grant_free(sb_grant *grant)
{
    if (!grant || atomic_fetch_sub_explicit(&grant->refs, 1, memory_order_acq_rel) > 1)
        return;
    sb_client_free(grant->client);
    sb_scopes_cleanup(&grant->scopes);
    free(grant);
}

sb_status sb_grants_new(const sb_grants_ops *ops, void *impl, unsigned lifetime_s, sb_grants **out, sb_error *err)
{
    sb_grants *grants = malloc(sizeof(*grants));
    if (!grants) {
        ops->free(impl);
        return sb_error_nomem(err);
    }
    *grants = (sb_grants){ops, impl, lifetime_s};
    *out = grants;
    return SB_OK;
}

void sb_grants_free(sb_grants *grants)
{
    if (!grants)
        return;
    grants->ops->free(grants->impl);
    free(grants);
}

unsigned sb_grants_lifetime_s(const sb_grants *grants)
{
    return grants->lifetime_s;
}

bool sb_grants_draw(sb_buf *token, sb_digest *digest)
{
    unsigned char random[32];
    sb_random_bytes(random, sizeof(random));
    bool ok = sb_base64url_encode(random, sizeof(random), token);
    sb_wipe(random, sizeof(random));
    if (ok)
        *digest = sb_digest_of(sb_buf_str(token)); /* a table of digests tells a timer nothing of the tokens */
    return ok;
}

/* The register is asked each time, for it is in memory: who was suspended a moment ago has no token any more. One of a
 * later epoch than the register knows was issued by a process that knows more. */
sb_status sb_grant_client_is_active(sb_clients *clients, const sb_grant *grant, bool *active, sb_error *err)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_TRY(sb_clients_find(clients, sb_str_from(grant->client->id), &client, err));
    *active = client && client->state == SB_CLIENT_ACTIVE && grant->epoch >= client->epoch;
    return SB_OK;
}

sb_issue_answer sb_grants_issue(sb_grants *grants, const sb_issue *issue, sb_buf *token)
{
    sb_issue_answer answer = grants->ops->issue(grants->impl, issue, grants->lifetime_s, token);
    if (answer != SB_ISSUE_DONE)
        sb_buf_wipe(token);
    return answer;
}

sb_issue_answer sb_grants_use(sb_grants *grants, const sb_issue *use)
{
    return grants->ops->issue(grants->impl, use, 0, NULL);
}

sb_status sb_grants_find(sb_grants *grants, sb_str token, sb_grant **out, sb_error *err)
{
    *out = NULL;
    return grants->ops->find(grants->impl, token, out, err);
}

bool sb_grants_revoke(sb_grants *grants, sb_str token, sb_str client_id)
{
    return grants->ops->revoke(grants->impl, token, client_id);
}

size_t sb_grants_revoke_all(sb_grants *grants)
{
    return grants->ops->revoke_all(grants->impl);
}
