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

static void draw(char token[SB_ACCESS_TOKEN_SIZE])
{
    unsigned char random[32];
    sb_random_bytes(random, sizeof(random));
    sb_base64url_encode_to(random, sizeof(random), token);
    token[SB_ACCESS_TOKEN_SIZE - 1] = '\0';
    sb_wipe(random, sizeof(random));
}

sb_issue_answer sb_grants_issue(sb_grants *grants, const sb_issue *issue, char token[SB_ACCESS_TOKEN_SIZE])
{
    draw(token);
    sb_digest digest = sb_digest_of(sb_str_from(token));
    sb_issue_answer answer = grants->ops->issue(grants->impl, issue, &digest, grants->lifetime_s);
    if (answer != SB_ISSUE_DONE)
        sb_wipe(token, SB_ACCESS_TOKEN_SIZE);
    return answer;
}

sb_issue_answer sb_grants_use(sb_grants *grants, const sb_issue *use)
{
    return grants->ops->issue(grants->impl, use, NULL, 0);
}

sb_status sb_grants_find(sb_grants *grants, sb_str token, sb_grant **out, sb_error *err)
{
    sb_digest digest = sb_digest_of(token); /* a table of digests tells a timer nothing of the tokens */
    *out = NULL;
    return grants->ops->find(grants->impl, &digest, out, err);
}

bool sb_grants_revoke(sb_grants *grants, sb_str token, sb_str client_id)
{
    sb_digest digest = sb_digest_of(token);
    return grants->ops->revoke(grants->impl, &digest, client_id);
}

size_t sb_grants_revoke_all(sb_grants *grants)
{
    return grants->ops->revoke_all(grants->impl);
}
