/* SPDX-License-Identifier: Apache-2.0 */
/* token.c - an access token: immutable text in locked memory, counted by many counters. Knows nothing of sources.
 *
 * What callers hold is a handle. All handles of one token lie side by side in it, one a cache line, each with its own
 * counter; the token itself is counted by the handles that are in use. A thread that takes and gives back references
 * through the handle of its own shard writes no line that another core writes. */
#include "smart/token_internal.h"

#include <stdatomic.h>
#include <string.h>

#include "base/secret.h"

#define TOKEN_MAX (32 * 1024) /* servers refuse headers over 8 to 16 KB; twice that is no usable token */
#define SCOPE_MAX (64 * 1024) /* all 150 resource types with search limits stay far below */

struct token_body;

struct sb_token {
    _Alignas(SB_CACHE_LINE) _Atomic uint32_t refs;
    struct token_body *body;
};

struct token_body {
    sb_token handles[SB_TOKEN_SHARDS];
    _Alignas(SB_CACHE_LINE) _Atomic uint32_t used; /* handles whose refs is not 0 */
    sb_secret *text;
    char *scope;
    int64_t requested_ns, expires_ns;
};

static bool is_b64token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~+/=", c) != NULL);
}

static sb_status check_text(const char *text, size_t len, sb_error *err)
{
    const char *why = NULL;
    if (len == 0)
        why = "its access_token is empty";
    else if (len > TOKEN_MAX)
        why = "it is longer than 32 KB";
    for (size_t i = 0; i < len && !why; i++)
        if (!is_b64token_char(text[i]))
            why = "it holds characters that RFC 6750 does not allow in a bearer token";
    if (!why)
        return SB_OK;
    return sb_error_set(err, SB_E_INVALID, "the access token is not usable", "%s", /* never show it */
                        "tell the payer: the token endpoint's access_token cannot go into an Authorization header",
                        why);
}

static void body_free(struct token_body *body)
{
    sb_secret_free(body->text);
    free(body->scope);
    free(body);
}

/* requested + lifetime, short of the end of time. */
static int64_t expiry(int64_t requested_ns, unsigned lifetime_s)
{
    int64_t lifetime_ns = (int64_t)lifetime_s * SB_NS_PER_S; /* 2^32 s fit */
    return requested_ns > INT64_MAX - lifetime_ns ? INT64_MAX : requested_ns + lifetime_ns;
}

sb_status sb_token_new(const char *text, size_t len, int64_t requested_ns, unsigned lifetime_s, const char *scope,
                       sb_token **out, sb_error *err)
{
    *out = NULL;
    SB_TRY(check_text(text, len, err));
    if (scope && strlen(scope) > SCOPE_MAX)
        return sb_error_set(err, SB_E_INVALID, "the granted scope is not usable", "it is longer than 64 KB",
                            "tell the payer: the token endpoint's scope is no list of scopes");
    struct token_body *body = aligned_alloc(SB_CACHE_LINE, sizeof(*body)); /* the size is a multiple, by _Alignas */
    if (!body)
        return sb_error_nomem(err);
    memset(body, 0, sizeof(*body));
    for (size_t i = 0; i < SB_TOKEN_SHARDS; i++)
        body->handles[i].body = body;
    body->requested_ns = requested_ns;
    body->expires_ns = expiry(requested_ns, lifetime_s);
    if (scope)
        body->scope = sb_str_dup(sb_str_from(scope));
    sb_status status =
        scope && !body->scope ? sb_error_nomem(err) : sb_secret_new((sb_str){text, len}, &body->text, err);
    if (status != SB_OK) {
        body_free(body);
        return status;
    }
    atomic_init(&body->used, 1);
    atomic_init(&body->handles[0].refs, 1);
    *out = &body->handles[0];
    return SB_OK;
}

sb_token *sb_token_ref(sb_token *token)
{
    (void)atomic_fetch_add_explicit(&token->refs, 1, memory_order_relaxed); /* the caller's keeps it above 0 */
    return token;
}

sb_token *sb_token_ref_shard(sb_token *token, unsigned shard)
{
    sb_token *handle = &token->body->handles[shard % SB_TOKEN_SHARDS];
    /* The body stays while we count, because the caller's reference is in `used`. If this handle's last user is just
     * leaving, he takes 1 off `used` for the use that ended, and we add 1 for the use that begins: in either order the
     * sum is right. */
    if (atomic_fetch_add_explicit(&handle->refs, 1, memory_order_acq_rel) == 0)
        (void)atomic_fetch_add_explicit(&token->body->used, 1, memory_order_relaxed);
    return handle;
}

void sb_token_release(sb_token *token)
{
    if (!token || atomic_fetch_sub_explicit(&token->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct token_body *body = token->body;
    if (atomic_fetch_sub_explicit(&body->used, 1, memory_order_acq_rel) == 1)
        body_free(body);
}

const char *sb_token_text(const sb_token *token)
{
    return sb_secret_str(token->body->text).ptr;
}

const char *sb_token_scope(const sb_token *token)
{
    return token->body->scope;
}

int64_t sb_token_requested_ns(const sb_token *token)
{
    return token->body->requested_ns;
}

int64_t sb_token_expires_ns(const sb_token *token)
{
    return token->body->expires_ns;
}

int64_t sb_token_lifetime_ns(const sb_token *token)
{
    return token->body->expires_ns - token->body->requested_ns;
}

bool sb_token_same(const sb_token *a, const sb_token *b)
{
    sb_str x = sb_secret_str(a->body->text), y = sb_secret_str(b->body->text);
    return a->body == b->body || (x.len == y.len && sb_secret_equal(x.ptr, y.ptr, x.len));
}
