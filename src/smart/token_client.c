/* SPDX-License-Identifier: Apache-2.0 */
/* token_client.c - the token request, from agreement to token. Owns the agreement once it is reached.
 *
 *   AGREE ──► SEND ──► 200 with a token ──► pin, done
 *               ▲  └─► no answer, 429, 502, 503, 504; a renewal's 400 (REAL-10) ──► WAIT ──┐ (few, bounded in time)
 *               └───────────────────────── with a new assertion (AUTH-05) ────────────────┘
 *                  └─► anything else: explained, done (TOK-05) */
#include "smart/token_client.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "base/log.h"
#include "base/secret.h"
#include "http/retry.h"
#include "smart/assertion.h"
#include "smart/oauth_error.h"
#include "smart/scopes.h"
#include "smart/token_answer.h"
#include "smart/token_internal.h"

#define TRIES_FIRST       3 /* a person is waiting: two more tries, and tell */
#define TRIES_RENEWAL     5 /* nobody is: the old token lives */
#define TRIES_400         3 /* REAL-10 */
#define BACKOFF_FIRST_MS  500
#define BACKOFF_CAP_MS    8000
#define RETRY_AFTER_MAX_S 60 /* a longer one is told to the person instead */
#define POST_TIMEOUT_S    30 /* an assertion is useless after its minute or two */
_Static_assert(TRIES_RENEWAL *(POST_TIMEOUT_S + RETRY_AFTER_MAX_S) + 2 * 60 <= SB_TOKEN_FETCH_MAX_S,
               "all tries, and two documents of discovery at http's time-out");
#define CANCEL_LOOK_NS (100 * SB_NS_PER_MS) /* how fast Ctrl-C ends a wait */
#define ANSWER_MAX     (256 * 1024)         /* a token of 32 KB and every scope there is */

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define FORM_TYPE      "application/x-www-form-urlencoded" /* to the letter, no charset                   REAL-01 */

struct sb_token_client {
    sb_token_client_options options;
    pthread_mutex_t lock;
    pthread_cond_t never; /* nothing signals it: what waits on it waits for the clock */
    bool agreed;          /* under lock; what follows is constant from then on */
    sb_agreement agreement;
    bool pinned;        /* only the fetching thread */
    char *scope_warned; /* only the fetching thread: the granted scope that was warned of */
};

static bool is_cancelled(const sb_token_client *client)
{
    const sb_token_client_options *o = &client->options;
    return (o->cancel && atomic_load(o->cancel)) || (o->closing && atomic_load(o->closing));
}

static int64_t now_ns(const sb_token_client *client)
{
    return client->options.clock->monotonic_ns(client->options.clock->impl);
}

const sb_agreement *sb_token_client_agreement(sb_token_client *client)
{
    (void)pthread_mutex_lock(&client->lock);
    const sb_agreement *agreement = client->agreed ? &client->agreement : NULL;
    (void)pthread_mutex_unlock(&client->lock);
    return agreement;
}

static sb_status agree(sb_token_client *client, sb_error *err)
{
    if (sb_token_client_agreement(client))
        return SB_OK;
    SB_AUTO(sb_agreement) reached = SB_AGREEMENT_INIT;
    SB_TRY(sb_agreement_reach(&client->options.transport, &client->options.wish, &reached, err));
    (void)pthread_mutex_lock(&client->lock);
    client->agreement = reached;
    client->agreed = true;
    (void)pthread_mutex_unlock(&client->lock);
    reached = (sb_agreement)SB_AGREEMENT_INIT;
    return SB_OK;
}

/* Wait `ns`, or until somebody gives up. */
static sb_status pause_for(sb_token_client *client, int64_t ns, sb_error *err)
{
    const sb_clock *clock = client->options.clock;
    int64_t until = now_ns(client) + ns;
    (void)pthread_mutex_lock(&client->lock);
    for (int64_t now = now_ns(client); now < until && !is_cancelled(client); now = now_ns(client))
        clock->wait_until(clock->impl, &client->never, &client->lock, SB_MIN(until, now + CANCEL_LOOK_NS));
    (void)pthread_mutex_unlock(&client->lock);
    if (!is_cancelled(client))
        return SB_OK;
    return sb_error_set(err, SB_E_INTERRUPTED, "interrupted", "the token request was given up",
                        "run the command again: what is complete is kept");
}

static bool add_field(sb_buf *form, const char *name, sb_str value)
{
    return (form->len == 0 || sb_buf_add_char(form, '&')) && sb_buf_add_cstr(form, name) &&
           sb_buf_add_char(form, '=') && sb_url_encode(value, form);
}

/* TOK-01. Room is made first: growing would leave copies of the assertion behind. */
static sb_status write_form(const sb_token_client *client, sb_str assertion, sb_buf *form, sb_error *err)
{
    const char *scope = client->agreement.scope;
    bool ok = sb_buf_reserve(form, 3 * (assertion.len + strlen(scope)) + 512) &&
              add_field(form, "grant_type", SB_STR_LIT("client_credentials"));
    if (assertion.len > 0)
        ok = ok && add_field(form, "client_assertion_type", SB_STR_LIT(ASSERTION_TYPE)) &&
             add_field(form, "client_assertion", assertion);
    if (scope[0])
        ok = ok && add_field(form, "scope", sb_str_from(scope));
    return ok ? SB_OK : sb_error_nomem(err);
}

static sb_status make_assertion(const sb_token_client *client, sb_secret **out, sb_error *err)
{
    const sb_token_client_options *o = &client->options;
    const sb_assertion_claims claims = {
        .client_id = o->wish.client_id,
        .audience = client->agreement.audience,
        .jku = o->jwks_url,
        .profile = o->wish.profile,
        .now_s = o->clock->wall_s(o->clock->impl) + o->clock_skew_s,
        .lifetime_s = o->assertion_lifetime_s,
    };
    return sb_assertion_make(o->key, &claims, out, err);
}

/* "Basic " and base64 of id:secret, both form-encoded first (RFC 6749 §2.3.1). */
static sb_status basic_credentials(const sb_token_client *client, sb_buf *out, sb_error *err)
{
    sb_buf plain = SB_BUF_INIT;
    const char *id = client->options.wish.client_id;
    sb_str secret = sb_secret_str(client->options.secret);
    bool ok = sb_buf_reserve(&plain, 3 * (strlen(id) + secret.len) + 1) && sb_url_encode(sb_str_from(id), &plain) &&
              sb_buf_add_char(&plain, ':') && sb_url_encode(secret, &plain) &&
              sb_buf_reserve(out, 6 + (plain.len + 2) / 3 * 4) && sb_buf_add_cstr(out, "Basic ");
    if (ok)
        out->len += (size_t)EVP_EncodeBlock((unsigned char *)out->ptr + out->len, (const unsigned char *)plain.ptr,
                                            (int)plain.len); /* a secret file is bounded; the room was reserved */
    sb_buf_wipe(&plain);
    return ok ? SB_OK : sb_error_nomem(err);
}

/* One POST, never redirected (AUTH-09). */
static sb_status post(sb_token_client *client, const sb_buf *form, const char *credentials, sb_http_response *answer,
                      sb_error *err)
{
    const sb_http_header header = {"Authorization", credentials};
    const sb_http_request request = {
        .method = "POST",
        .url = client->agreement.token_url,
        .accept = "application/json",
        .content_type = form->len > 0 ? FORM_TYPE : NULL,
        .body = sb_buf_str(form),
        .headers = &header,
        .n_headers = credentials ? 1 : 0,
        .redirects = SB_HTTP_REDIRECTS_NEVER,
        .max_body = ANSWER_MAX,
        .timeout_s = POST_TIMEOUT_S,
    };
    return client->options.transport.send(client->options.transport.impl, &request, answer, err);
}

static sb_status send_request(sb_token_client *client, sb_http_response *answer, sb_error *err)
{
    sb_secret *assertion = NULL;
    sb_buf form = SB_BUF_INIT, credentials = SB_BUF_INIT;
    sb_status status = SB_OK;
    if (client->options.method == SB_AUTH_PRIVATE_KEY_JWT) {
        status = make_assertion(client, &assertion, err); /* AUTH-05: a new one each time */
        if (status == SB_OK)
            status = write_form(client, sb_secret_str(assertion), &form, err);
    } else {
        status = basic_credentials(client, &credentials, err);
        if (status == SB_OK && client->agreement.scope[0]) /* without a scope the body is empty: REAL-01 */
            status = write_form(client, SB_STR_NULL, &form, err);
    }
    if (status == SB_OK)
        status = post(client, &form, credentials.ptr, answer, err);
    if (assertion)
        sb_http_response_hide(answer, sb_secret_str(assertion));
    if (client->options.secret)
        sb_http_response_hide(answer, sb_secret_str(client->options.secret));
    sb_secret_free(assertion);
    sb_buf_wipe(&form);
    sb_buf_wipe(&credentials);
    return status;
}

/* TOK-07: an export that lacks types would be silent about it; so we are not. */
static void warn_of_narrow_grant(sb_token_client *client, const sb_token *token)
{
    SB_AUTO(sb_scopes) asked = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) granted = SB_SCOPES_INIT;
    const char *text = sb_token_scope(token);
    if (!text || (client->scope_warned && strcmp(client->scope_warned, text) == 0))
        return;
    if (sb_scopes_parse(client->agreement.scope, &asked, NULL) != SB_OK ||
        sb_scopes_parse(text, &granted, NULL) != SB_OK || sb_scopes_within(&asked, &granted))
        return;
    sb_log_warn("the payer granted less than was asked for. Asked: %s. Granted: %s", client->agreement.scope, text);
    free(client->scope_warned);
    client->scope_warned = sb_str_dup(sb_str_from(text)); /* NULL: warned again next time */
}

/* A first success is written down; that it cannot be does not cost us the token. */
static void confirm(sb_token_client *client)
{
    sb_error err = SB_ERROR_INIT;
    if (client->pinned)
        return;
    client->pinned = true;
    if (sb_agreement_confirm(&client->agreement, &client->options.wish, &err) != SB_OK)
        sb_log_warn("this payer's token endpoint could not be pinned (AUTH-04): %s: %s", err.what, err.why);
}

static sb_oauth_request describe(const sb_token_client *client)
{
    const sb_token_client_options *o = &client->options;
    bool signs = o->method == SB_AUTH_PRIVATE_KEY_JWT;
    return (sb_oauth_request){
        .token_url = client->agreement.token_url,
        .client_id = o->wish.client_id,
        .audience = client->agreement.audience,
        .scope = client->agreement.scope,
        .kid = signs ? sb_key_kid(o->key) : NULL,
        .alg = signs ? sb_key_alg(o->key) : NULL,
        .jwks_url = o->jwks_url,
        .lifetime_s = o->assertion_lifetime_s,
        .clock_skew_s = o->clock_skew_s,
        .discovery = &client->agreement.discovery,
    };
}

static sb_status read_answer(sb_token_client *client, int64_t requested_ns, const sb_http_response *answer,
                             sb_token **out, sb_error *err)
{
    bool refused = false;
    const sb_oauth_request sent = describe(client);
    if (answer->status != 200)
        return sb_oauth_error_explain(&sent, answer, err);
    sb_status status = sb_token_answer_read(sb_buf_str(&answer->body), requested_ns, out, &refused, err);
    if (status != SB_OK && refused)
        return sb_oauth_error_explain(&sent, answer, err); /* an error that calls itself 200 */
    if (status != SB_OK)
        return status;
    warn_of_narrow_grant(client, *out);
    confirm(client);
    return SB_OK;
}

/* Worth another try? *wait_ns is how long to wait first. */
static bool is_worth_retrying(const sb_token_client *client, sb_status status, const sb_http_response *answer,
                              bool renewal, unsigned tries, int64_t *wait_ns)
{
    unsigned seconds = 0;
    *wait_ns = sb_backoff_ns(tries - 1, BACKOFF_FIRST_MS, BACKOFF_CAP_MS);
    if (tries >= (renewal ? TRIES_RENEWAL : TRIES_FIRST))
        return false;
    if (status == SB_E_NETWORK || answer->status == 0)
        return status == SB_E_NETWORK; /* TOK-05: no answer, or one that broke off */
    if (answer->status == 400)
        return renewal && tries < TRIES_400; /* REAL-10 */
    if (!sb_http_status_is_transient(answer->status))
        return false;
    int64_t wall_s = client->options.clock->wall_s(client->options.clock->impl);
    if (!sb_http_retry_after(&answer->headers, wall_s, RETRY_AFTER_MAX_S + 1, &seconds))
        return true;
    *wait_ns = SB_MAX(*wait_ns, (int64_t)seconds * SB_NS_PER_S);
    return seconds <= RETRY_AFTER_MAX_S;
}

static sb_status fetch(void *impl, bool renewal, sb_token **out, sb_error *err)
{
    sb_token_client *client = impl;
    sb_error why = SB_ERROR_INIT;
    sb_status status = agree(client, &why);
    for (unsigned tries = 1; status == SB_OK; tries++) {
        SB_AUTO(sb_http_response) answer = SB_HTTP_RESPONSE_INIT;
        int64_t wait_ns = 0, requested_ns = now_ns(client); /* the life counts from before it was sent */
        status = send_request(client, &answer, &why);
        if (status == SB_OK)
            status = read_answer(client, requested_ns, &answer, out, &why);
        if (status == SB_OK)
            return SB_OK;
        if (!is_worth_retrying(client, status, &answer, renewal, tries, &wait_ns))
            break;
        sb_log_info("token request: %s: %s; trying again in %lld ms", why.what, why.why,
                    (long long)(wait_ns / SB_NS_PER_MS));
        status = pause_for(client, wait_ns, &why);
    }
    if (err)
        *err = why;
    return status;
}

void sb_token_client_want_types(sb_token_client *client, const char *const *types, size_t n)
{
    client->options.wish.types = types;
    client->options.wish.n_types = n;
}

sb_token_provider sb_token_client_provider(sb_token_client *client)
{
    return (sb_token_provider){client, fetch, NULL};
}

sb_status sb_token_client_new(const sb_token_client_options *options, sb_token_client **out, sb_error *err)
{
    *out = NULL;
    sb_token_client *client = calloc(1, sizeof(*client));
    if (!client)
        return sb_error_nomem(err);
    client->options = *options;
    if (pthread_mutex_init(&client->lock, NULL) != 0) {
        free(client);
        return sb_error_nomem(err);
    }
    if (sb_cond_init(&client->never) != 0) {
        (void)pthread_mutex_destroy(&client->lock);
        free(client);
        return sb_error_nomem(err);
    }
    *out = client;
    return SB_OK;
}

void sb_token_client_free(sb_token_client *client)
{
    if (!client)
        return;
    sb_agreement_cleanup(&client->agreement);
    free(client->scope_warned);
    (void)pthread_cond_destroy(&client->never);
    (void)pthread_mutex_destroy(&client->lock);
    free(client);
}
