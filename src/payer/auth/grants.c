/* SPDX-License-Identifier: Apache-2.0 */
/* grants.c - a table from the digest of a token to what it stands for. */
#include "payer/auth/grants.h"

#include <pthread.h>

#include "base/random.h"
#include "base/secret.h"
#include "jose/base64url.h"
#include "payer/auth/expiring.h"

struct sb_grants {
    pthread_mutex_t lock;
    sb_expiring *table;
    const sb_clock *clock;
    unsigned lifetime_s;
};

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

static void free_value(void *value)
{
    sb_grant_free(value);
}

sb_status sb_grants_new(const sb_clock *clock, unsigned lifetime_s, size_t max, sb_grants **out, sb_error *err)
{
    sb_grants *grants = calloc(1, sizeof(*grants));
    if (!grants || pthread_mutex_init(&grants->lock, NULL) != 0) {
        free(grants);
        return sb_error_nomem(err);
    }
    grants->clock = clock;
    grants->lifetime_s = lifetime_s;
    sb_status status = sb_expiring_new(max, free_value, &grants->table, err);
    if (status != SB_OK) {
        sb_grants_free(grants);
        return status;
    }
    *out = grants;
    return SB_OK;
}

void sb_grants_free(sb_grants *grants)
{
    if (!grants)
        return;
    sb_expiring_free(grants->table);
    (void)pthread_mutex_destroy(&grants->lock);
    free(grants);
}

unsigned sb_grants_lifetime_s(const sb_grants *grants)
{
    return grants->lifetime_s;
}

static int64_t now_ns(const sb_grants *grants)
{
    return grants->clock->monotonic_ns(grants->clock->impl);
}

static void draw(char token[SB_ACCESS_TOKEN_SIZE])
{
    unsigned char random[32];
    sb_random_bytes(random, sizeof(random));
    sb_base64url_encode_to(random, sizeof(random), token);
    token[SB_ACCESS_TOKEN_SIZE - 1] = '\0';
    sb_wipe(random, sizeof(random));
}

static sb_status put(sb_grants *grants, sb_grant *grant, const char *token, sb_error *err)
{
    sb_digest key = sb_digest_of(sb_str_from(token));
    (void)pthread_mutex_lock(&grants->lock);
    sb_expiring_put_result result = sb_expiring_put(grants->table, &key, grant->expires_ns, now_ns(grants), grant);
    (void)pthread_mutex_unlock(&grants->lock);
    if (result == SB_EXPIRING_ADDED)
        return SB_OK;
    if (result == SB_EXPIRING_FULL)
        return sb_error_set(err, SB_E_BUSY, "no further token can be issued", "as many are live as this server keeps",
                            "come back later");
    return sb_error_nomem(err); /* that 256 random bits were drawn before is not what happened */
}

sb_status sb_grants_issue(sb_grants *grants, sb_client *client, sb_scopes *scopes, char token[SB_ACCESS_TOKEN_SIZE],
                          sb_error *err)
{
    sb_grant *grant = calloc(1, sizeof(*grant));
    if (!grant)
        return sb_error_nomem(err);
    atomic_init(&grant->refs, 1);
    grant->client = sb_client_ref(client);
    grant->scopes = *scopes;
    grant->expires_ns = now_ns(grants) + (int64_t)grants->lifetime_s * SB_NS_PER_S;
    draw(token);
    sb_status status = put(grants, grant, token, err);
    if (status != SB_OK) {
        grant->scopes = (sb_scopes)SB_SCOPES_INIT; /* still the caller's */
        sb_grant_free(grant);
        return status;
    }
    *scopes = (sb_scopes)SB_SCOPES_INIT;
    return SB_OK;
}

sb_grant *sb_grants_find(sb_grants *grants, sb_str token)
{
    bool found;
    sb_digest key = sb_digest_of(token); /* a table of digests tells a timer nothing of the tokens */
    (void)pthread_mutex_lock(&grants->lock);
    sb_grant *grant = sb_expiring_get(grants->table, &key, now_ns(grants), &found);
    if (grant)
        (void)sb_grant_ref(grant);
    (void)pthread_mutex_unlock(&grants->lock);
    return grant;
}

size_t sb_grants_revoke_all(sb_grants *grants)
{
    (void)pthread_mutex_lock(&grants->lock);
    size_t count = sb_expiring_clear(grants->table);
    (void)pthread_mutex_unlock(&grants->lock);
    return count;
}
