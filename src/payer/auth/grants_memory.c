/* SPDX-License-Identifier: Apache-2.0 */
/* grants_memory.c - tokens that end with the process: a table from digests to what they stand for. */
#include <pthread.h>

#include "payer/auth/expiring.h"
#include "payer/auth/grants.h"

typedef struct memory {
    pthread_mutex_t lock;
    sb_expiring *table; /* on the monotonic clock */
    const sb_clock *clock;
    sb_clients *clients;
    sb_replay *replay;
} memory;

static int64_t now_ns(const memory *m)
{
    return m->clock->monotonic_ns(m->clock->impl);
}

static int64_t now_s(const memory *m)
{
    return m->clock->wall_s(m->clock->impl);
}

static void free_value(void *value)
{
    sb_grant_free(value);
}

static sb_issue_answer use_assertion(memory *m, const sb_issue *issue)
{
    switch (sb_replay_use_digest(m->replay, &issue->used, issue->dead_s, now_s(m), NULL)) {
    case SB_REPLAY_FRESH:
        return SB_ISSUE_DONE;
    case SB_REPLAY_SEEN:
        return SB_ISSUE_REPLAYED;
    case SB_REPLAY_FULL:
        return SB_ISSUE_REPLAY_FULL;
    case SB_REPLAY_FAILED:
        break;
    }
    return SB_ISSUE_FAILED;
}

static sb_status copy_scopes(const sb_scopes *from, sb_scopes *out, sb_error *err)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    if (!sb_scopes_format(from, &text))
        return sb_error_nomem(err);
    return sb_scopes_parse(sb_buf_cstr(&text), out, err);
}

static sb_status make_grant(const memory *m, const sb_issue *issue, unsigned lifetime_s, sb_grant **out)
{
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    SB_TRY(copy_scopes(issue->scopes, &scopes, NULL));
    return sb_grant_new(issue->client, &scopes, now_s(m), now_s(m) + lifetime_s, out, NULL);
}

static sb_issue_answer memory_issue(void *impl, const sb_issue *issue, unsigned lifetime_s, sb_buf *token)
{
    memory *m = impl;
    sb_grant *grant = NULL;
    sb_digest digest;
    sb_issue_answer answer = use_assertion(m, issue);
    if (answer != SB_ISSUE_DONE || !token)
        return answer;
    if (!sb_grants_draw(token, &digest) || make_grant(m, issue, lifetime_s, &grant) != SB_OK)
        return SB_ISSUE_FAILED;
    int64_t expires_ns = now_ns(m) + (int64_t)lifetime_s * SB_NS_PER_S;
    (void)pthread_mutex_lock(&m->lock);
    sb_expiring_put_result result = sb_expiring_put(m->table, &digest, expires_ns, now_ns(m), grant);
    (void)pthread_mutex_unlock(&m->lock);
    if (result == SB_EXPIRING_ADDED)
        return SB_ISSUE_DONE;
    sb_grant_free(grant);
    return result == SB_EXPIRING_FULL ? SB_ISSUE_TOKENS_FULL : SB_ISSUE_FAILED;
}

static sb_status memory_find(void *impl, sb_str token, sb_grant **out, sb_error *err)
{
    memory *m = impl;
    sb_digest digest = sb_digest_of(token);
    bool found, active = false;
    (void)pthread_mutex_lock(&m->lock);
    SB_AUTOPTR(sb_grant) grant = sb_expiring_get(m->table, &digest, now_ns(m), &found);
    if (grant)
        (void)sb_grant_ref(grant);
    (void)pthread_mutex_unlock(&m->lock);
    if (!grant)
        return SB_OK;
    SB_TRY(sb_grant_client_is_active(m->clients, grant, &active, err));
    if (active)
        *out = sb_grant_ref(grant);
    return SB_OK;
}

static bool memory_revoke(void *impl, sb_str token, sb_str client_id)
{
    memory *m = impl;
    sb_digest digest = sb_digest_of(token);
    bool found;
    (void)pthread_mutex_lock(&m->lock);
    const sb_grant *grant = sb_expiring_get(m->table, &digest, now_ns(m), &found);
    if (grant && (client_id.len == 0 || sb_str_eq(client_id, sb_str_from(grant->client->id))))
        sb_expiring_remove(m->table, &digest);
    (void)pthread_mutex_unlock(&m->lock);
    return true;
}

static size_t memory_revoke_all(void *impl)
{
    memory *m = impl;
    (void)pthread_mutex_lock(&m->lock);
    size_t count = sb_expiring_clear(m->table);
    (void)pthread_mutex_unlock(&m->lock);
    return count;
}

static void memory_free(void *impl)
{
    memory *m = impl;
    sb_expiring_free(m->table);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

sb_status sb_grants_memory(const sb_clock *clock, unsigned lifetime_s, size_t max, sb_clients *clients,
                           sb_replay *replay, sb_grants **out, sb_error *err)
{
    static const sb_grants_ops ops = {.issue = memory_issue,
                                      .find = memory_find,
                                      .revoke = memory_revoke,
                                      .revoke_all = memory_revoke_all,
                                      .free = memory_free};
    memory *m = calloc(1, sizeof(*m));
    if (!m || pthread_mutex_init(&m->lock, NULL) != 0) {
        free(m);
        return sb_error_nomem(err);
    }
    m->clock = clock;
    m->clients = clients;
    m->replay = replay;
    sb_status status = sb_expiring_new(max, free_value, &m->table, err);
    if (status != SB_OK) {
        memory_free(m);
        return status;
    }
    return sb_grants_new(&ops, m, lifetime_s, out, err);
}
