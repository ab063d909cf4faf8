/* SPDX-License-Identifier: Apache-2.0 */
/* grants_jwt.c - claims out, claims in. A token is known by the digest of what is signed, not of all of it: to a signature
 * of ECDSA there is a second one that is as good, and a token that was revoked must not come back with it. */
#include "payer/auth/grants_jwt.h"

#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "jose/base64url.h"
#include "jose/jws.h"

#define EPOCH             "client_epoch" /* a claim of ours */
#define TYP               "at+jwt"       /* RFC 9068 §2.1 */
#define HEAD_AND_TAIL_MAX 256            /* header and signature of ES256, encoded: 220 */

typedef struct signer {
    sb_grants_jwt_options o;
    char *issuer, *audience;
    sb_grant_cache *cache;
} signer;

static int64_t wall_s(const signer *s)
{
    return s->o.clock->wall_s(s->o.clock->impl);
}

/* Issuing */

/* The claims as text; NULL without memory.                                                                RFC 9068 §2.2 */
static char *claims_text(const signer *s, const sb_issue *issue, const char *scope, unsigned lifetime_s)
{
    char jti[SB_UUID_SIZE];
    sb_random_uuid(jti);
    /* By a clock that is behind, a token must not seem older than its client: see is_of(). */
    int64_t issued_s = SB_MAX(wall_s(s), issue->client->created_s);
    SB_AUTOJSON claims =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:I}", "iss", s->issuer, "sub", issue->client->id, "aud",
                  s->audience, "client_id", issue->client->id, "scope", scope, "iat", (json_int_t)issued_s, "exp",
                  (json_int_t)issued_s + lifetime_s + 1, "jti", jti, EPOCH,
                  (json_int_t)issue->client->epoch); /* the second is half over, and it lives no less than it says */
    return claims ? sb_json_dump(claims) : NULL;
}

static bool sign(const sb_key *key, sb_str claims, sb_buf *token)
{
    SB_AUTOPTR(sb_secret) text = NULL;
    SB_AUTOJSON header = json_pack("{s:s}", "typ", TYP);
    sb_error err = SB_ERROR_INIT;
    if (!header || sb_jws_sign(key, header, claims, &text, &err) != SB_OK) {
        sb_log(SB_LOG_ERROR, "an access token could not be signed: %s", err.why);
        return false;
    }
    return sb_buf_add_str(token, sb_secret_str(text));
}

/* What can fail without the assertion is seen to before it is used up. */
static sb_issue_answer jwt_issue(void *impl, const sb_issue *issue, unsigned lifetime_s, sb_buf *token)
{
    signer *s = impl;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    SB_AUTOPTR(sb_server_keyset) set = NULL;
    if (!token)
        return sb_grants_use(s->o.beneath, issue);
    set = sb_server_keys_take(s->o.keys);
    const sb_key *key = sb_server_keyset_signer(set, wall_s(s));
    if (!key) {
        sb_log(SB_LOG_ERROR, "no access token can be signed: there is no key for this time");
        return SB_ISSUE_FAILED;
    }
    SB_AUTOFREE claims =
        sb_scopes_format(issue->scopes, &scope) ? claims_text(s, issue, sb_buf_cstr(&scope), lifetime_s) : NULL;
    if (!claims)
        return SB_ISSUE_FAILED;
    if (sb_base64url_encoded_len(strlen(claims)) > SB_SIGNED_TOKEN_MAX - HEAD_AND_TAIL_MAX)
        return SB_ISSUE_TOO_LONG;
    sb_issue_answer answer = sb_grants_use(s->o.beneath, issue);
    if (answer == SB_ISSUE_DONE && !sign(key, sb_str_from(claims), token))
        return SB_ISSUE_FAILED;
    return answer;
}

/* Looking up */

/* A token that was read: what is signed is in `id`. */
typedef struct reading {
    sb_digest id;
    sb_grant *grant; /* NULL: it is not good */
} reading;

/* Signed by one of our keys, as an access token? An answer that is not SB_OK says nothing of it. */
static sb_status is_signed(const signer *s, const sb_jws *jws, bool *good, sb_error *err)
{
    SB_AUTOPTR(sb_server_keyset) set = NULL;
    const sb_key *key = NULL;
    const char *typ = sb_json_str(jws->header, "typ");
    *good = false;
    if (!typ || strcmp(typ, TYP) != 0 || !jws->kid || strcmp(jws->alg, SB_SERVER_KEYS_ALG) != 0)
        return SB_OK;
    SB_TRY(sb_server_keys_find(s->o.keys, sb_str_from(jws->kid), &set, &key, err));
    *good = key && sb_jws_verify(jws, key, SB_SERVER_KEYS_ALG, NULL) == SB_OK;
    return SB_OK;
}

static bool is_text(const json_t *claims, const char *name, const char *expected)
{
    const char *text = sb_json_str(claims, name);
    return text && strcmp(text, expected) == 0;
}

/* Of the very client, not of one that had its id before and was removed. */
static bool is_of(const sb_client *client, int64_t issued_s)
{
    return client && issued_s >= client->created_s;
}

/* The signature is good, so these are claims that we wrote; for this audience, and not over, is still to be seen. */
static sb_status make_grant(const signer *s, const json_t *claims, sb_grant **out, sb_error *err)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    const char *id = sb_json_str(claims, "client_id"), *scope = sb_json_str(claims, "scope");
    const json_t *iat = json_object_get(claims, "iat"), *exp = json_object_get(claims, "exp"),
                 *epoch = json_object_get(claims, EPOCH);
    if (!is_text(claims, "iss", s->issuer) || !is_text(claims, "aud", s->audience) || !id || !scope ||
        !json_is_integer(iat) || !json_is_integer(exp) || json_integer_value(exp) <= wall_s(s))
        return SB_OK;
    SB_TRY(sb_clients_find(s->o.clients, sb_str_from(id), &client, err));
    if (!is_of(client, json_integer_value(iat)))
        return SB_OK;
    sb_status status = sb_scopes_parse(scope, &scopes, err);
    if (status != SB_OK) /* what is no scope is no token of ours either */
        return status == SB_E_NOMEM ? status : SB_OK;
    SB_TRY(sb_grant_new(client, &scopes, json_integer_value(iat), json_integer_value(exp), out, err));
    /* one that was signed before there were epochs is of the first */
    (*out)->epoch = epoch ? json_integer_value(epoch) : sb_client_first_epoch((*out)->client->created_s);
    return SB_OK;
}

/* By its signature and its claims alone. */
static sb_status read_token(const signer *s, sb_str token, reading *out, sb_error *err)
{
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    SB_AUTOJSON claims = NULL;
    bool good;
    *out = (reading){.grant = NULL};
    if (token.len > SB_SIGNED_TOKEN_MAX || sb_jws_parse(token, &jws, NULL) != SB_OK)
        return SB_OK;
    SB_TRY(is_signed(s, &jws, &good, err));
    if (!good || sb_json_parse_object(sb_buf_str(&jws.payload), "the claims", &claims, NULL) != SB_OK)
        return SB_OK;
    out->id = sb_digest_of(jws.signed_part);
    return make_grant(s, claims, &out->grant, err);
}

static sb_str bytes_of(const sb_digest *digest)
{
    return (sb_str){(const char *)digest->bytes, sizeof(digest->bytes)};
}

static sb_status is_revoked(const signer *s, const sb_digest *id, bool *revoked, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    SB_TRY(sb_lease_take(&lease, s->o.pool, err));
    SB_TRY(sb_db_cached(lease.db, "SELECT 1 FROM tokens WHERE digest = ?1 AND revoked = 1", &stmt, err));
    sb_stmt_bind_blob(stmt, 1, bytes_of(id));
    SB_TRY(sb_stmt_step(stmt, revoked, err));
    sb_stmt_reset(stmt);
    return SB_OK;
}

/* *out stays NULL when there is no such token. Strangers cost the database nothing: the signature is looked at first. */
static sb_status look_up(signer *s, sb_str token, sb_grant **out, sb_error *err)
{
    reading read;
    bool revoked = false;
    SB_TRY(read_token(s, token, &read, err));
    SB_AUTOPTR(sb_grant) grant = read.grant;
    if (!grant)
        return SB_OK;
    SB_TRY(is_revoked(s, &read.id, &revoked, err));
    if (!revoked)
        *out = sb_grant_ref(grant);
    return SB_OK;
}

static sb_status find(signer *s, sb_str token, sb_grant **out, sb_error *err)
{
    uint64_t drops;
    bool active = false;
    sb_digest digest = sb_digest_of(token);
    SB_AUTOPTR(sb_grant) grant = sb_grant_cache_get(s->cache, &digest, &drops);
    if (!grant) {
        SB_TRY(look_up(s, token, &grant, err));
        if (!grant)
            return SB_OK;
        sb_grant_cache_put(s->cache, &digest, grant, drops);
    }
    if (grant->expires_s <= wall_s(s))
        return SB_OK;
    SB_TRY(sb_grant_client_is_active(s->o.clients, grant, &active, err));
    if (active)
        *out = sb_grant_ref(grant);
    return SB_OK;
}

static bool is_signed_form(sb_str token)
{
    return token.len > 0 && memchr(token.ptr, '.', token.len) != NULL;
}

static sb_status jwt_find(void *impl, sb_str token, sb_grant **out, sb_error *err)
{
    signer *s = impl;
    sb_error reason = SB_ERROR_INIT;
    if (!is_signed_form(token))
        return sb_grants_find(s->o.beneath, token, out, err);
    sb_status status = find(s, token, out, &reason);
    if (status == SB_OK)
        return SB_OK;
    sb_log(SB_LOG_ERROR, "a token could not be looked up: %s: %s", reason.what, reason.why);
    if (err)
        *err = reason;
    return status;
}

/* Ending */

static sb_status write_revocation(const signer *s, const reading *read, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    SB_TRY(sb_lease_take(&lease, s->o.pool, err));
    SB_TRY(sb_db_cached(lease.db,
                        "INSERT INTO tokens (digest, client_id, scope, issued_s, expires_s, revoked)"
                        " VALUES (?1, ?2, '', ?3, ?4, 1) ON CONFLICT (digest) DO NOTHING",
                        &stmt, err));
    sb_stmt_bind_blob(stmt, 1, bytes_of(&read->id));
    sb_stmt_bind_cstr(stmt, 2, read->grant->client->id);
    sb_stmt_bind_i64(stmt, 3, read->grant->issued_s);
    sb_stmt_bind_i64(stmt, 4, read->grant->expires_s);
    return sb_stmt_run(stmt, err);
}

static sb_status revoke(signer *s, sb_str token, sb_str client_id, sb_error *err)
{
    reading read;
    SB_TRY(read_token(s, token, &read, err));
    SB_AUTOPTR(sb_grant) grant = read.grant;
    if (!grant || (client_id.len > 0 && !sb_str_eq(client_id, sb_str_from(grant->client->id))))
        return SB_OK;
    sb_status status = write_revocation(s, &read, err);
    sb_grant_cache_drop(s->cache, NULL); /* all: the same token may be there with its other signature, too */
    return status;
}

static bool jwt_revoke(void *impl, sb_str token, sb_str client_id)
{
    signer *s = impl;
    sb_error err = SB_ERROR_INIT;
    if (!is_signed_form(token))
        return sb_grants_revoke(s->o.beneath, token, client_id);
    sb_status status = revoke(s, token, client_id, &err);
    if (status != SB_OK)
        sb_log(SB_LOG_ERROR, "a token could not be revoked: %s: %s", err.what, err.why);
    return status == SB_OK;
}

/* Those that are kept: signed ones are not known. */
static size_t jwt_revoke_all(void *impl)
{
    signer *s = impl;
    return sb_grants_revoke_all(s->o.beneath);
}

/* Beginning and end */

static void jwt_free(void *impl)
{
    signer *s = impl;
    sb_grants_free(s->o.beneath);
    sb_grant_cache_free(s->cache);
    free(s->issuer);
    free(s->audience);
    free(s);
}

sb_status sb_grants_jwt(const sb_grants_jwt_options *options, sb_grants **out, sb_error *err)
{
    static const sb_grants_ops ops = {
        .issue = jwt_issue, .find = jwt_find, .revoke = jwt_revoke, .revoke_all = jwt_revoke_all, .free = jwt_free};
    signer *s = calloc(1, sizeof(*s));
    if (!s) {
        sb_grants_free(options->beneath);
        return sb_error_nomem(err);
    }
    s->o = *options;
    s->issuer = sb_str_dup(sb_str_from(options->issuer));
    s->audience = sb_str_dup(sb_str_from(options->audience));
    sb_status status =
        s->issuer && s->audience ? sb_grant_cache_new(options->clock, &s->cache, err) : sb_error_nomem(err);
    if (status != SB_OK) {
        jwt_free(s);
        return status;
    }
    return sb_grants_new(&ops, s, SB_MIN(options->lifetime_s, (unsigned)SB_SERVER_KEYS_TOKEN_S), out, err);
}
