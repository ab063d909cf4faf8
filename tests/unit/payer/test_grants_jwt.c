/* SPDX-License-Identifier: Apache-2.0 */
/* test_grants_jwt.c - access tokens that are signed: what they say, which are good, where and how long.        RFC 9068 */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "payer/auth/client_db.h"
#include "payer/auth/grants_db.h"
#include "payer/auth/grants_jwt.h"

#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "base/json.h"
#include "jose/base64url.h"
#include "jose/jws.h"
#include "payer/state/schema.h"

#define SECRET          "0123456789abcdef0123456789abcdef"
#define ISSUER          "https://payer.example"
#define AUDIENCE        ISSUER "/fhir"
#define LIFETIME_S      300
#define CLOCKS_DIFFER_S 60 /* so far may two processes' clocks be apart */
#define SCOPE           "system/Patient.rs"

/* One process of those that share a database. */
typedef struct process {
    fake_clock clock;
    sb_pool *pool;
    sb_clients *clients;
    sb_server_keys *keys;
    sb_grants *grants;
} process;

static void begin_as(process *p, const database *d, const char *issuer, const char *audience)
{
    fake_clock_init(&p->clock);
    assert_int_equal(sb_payer_pool(d->path, 4, &p->pool, NULL), SB_OK);
    assert_int_equal(sb_clients_db(p->pool, &p->clock.clock, &p->clients, NULL), SB_OK);
    sb_server_keys_options keys = {
        .pool = p->pool, .clock = &p->clock.clock, .secret = SB_STR_LIT(SECRET), .sign_days = 30};
    assert_int_equal(sb_server_keys_new(&keys, &p->keys, NULL), SB_OK);
    sb_grants_db_options kept = {.pool = p->pool,
                                 .clients = p->clients,
                                 .clock = &p->clock.clock,
                                 .lifetime_s = LIFETIME_S,
                                 .tokens_max = 1000,
                                 .used_max = 1000};
    sb_grants_jwt_options options = {.keys = p->keys,
                                     .pool = p->pool,
                                     .clients = p->clients,
                                     .clock = &p->clock.clock,
                                     .issuer = issuer,
                                     .audience = audience,
                                     .lifetime_s = LIFETIME_S};
    assert_int_equal(sb_grants_db(&kept, &options.beneath, NULL), SB_OK);
    assert_int_equal(sb_grants_jwt(&options, &p->grants, NULL), SB_OK);
}

static void begin(process *p, const database *d)
{
    begin_as(p, d, ISSUER, AUDIENCE);
}

static void end(process *p)
{
    sb_grants_free(p->grants);
    sb_server_keys_free(p->keys);
    sb_clients_free(p->clients);
    sb_pool_free(p->pool);
}

static sb_client *make(process *p, sb_client_state state)
{
    sb_client *client = NULL;
    sb_client_spec spec = {.id = "acme",
                           .scope = "system/*.rs",
                           .jwks_url = "https://acme.example/jwks",
                           .state = state,
                           .created_s = fake_wall_s(&p->clock)};
    assert_int_equal(sb_client_new(&spec, &client, NULL), SB_OK);
    return client;
}

static void add_client(process *p)
{
    SB_AUTOPTR(sb_client) client = make(p, SB_CLIENT_ACTIVE);
    assert_int_equal(sb_clients_add(p->clients, client, NULL), SB_OK);
}

static sb_issue_answer ask_for(process *p, const char *jti, const char *scope, sb_buf *token)
{
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    assert_int_equal(sb_clients_find(p->clients, SB_STR_LIT("acme"), &client, NULL), SB_OK);
    assert_non_null(client);
    assert_int_equal(sb_scopes_parse(scope, &scopes, NULL), SB_OK);
    sb_issue issue = {.client = client,
                      .scopes = &scopes,
                      .used = sb_digest_of_pair(SB_STR_LIT("acme"), sb_str_from(jti)),
                      .dead_s = fake_wall_s(&p->clock) + 200};
    return sb_grants_issue(p->grants, &issue, token);
}

/* A new token, malloc'ed. */
static char *token_of(process *p, const char *jti)
{
    SB_AUTO(sb_buf) token = SB_BUF_INIT;
    assert_int_equal(ask_for(p, jti, SCOPE, &token), SB_ISSUE_DONE);
    return sb_buf_steal(&token);
}

static bool good_at(process *p, const char *token)
{
    SB_AUTOPTR(sb_grant) grant = NULL;
    assert_int_equal(sb_grants_find(p->grants, sb_str_from(token), &grant, NULL), SB_OK);
    if (!grant)
        return false;
    assert_string_equal(grant->client->id, "acme");
    assert_int_equal(sb_scopes_cover(&grant->scopes, "Patient", SB_SCOPE_EXPORT), SB_SCOPE_COVERS_ALL);
    assert_int_equal(sb_scopes_cover(&grant->scopes, "Coverage", SB_SCOPE_EXPORT), SB_SCOPE_COVERS_NOT);
    assert_int_equal(grant->expires_s - grant->issued_s, LIFETIME_S + 1);
    return true;
}

static void a_token_says_what_rfc_9068_asks_for(database *d)
{
    process p;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE token = token_of(&p, "1");
    SB_AUTOFREE other = token_of(&p, "2");
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    SB_AUTO(sb_jws) second = SB_JWS_INIT;
    SB_AUTOPTR(sb_server_keyset) set = sb_server_keys_take(p.keys);
    assert_int_equal(sb_jws_parse(sb_str_from(token), &jws, NULL), SB_OK);
    assert_int_equal(sb_jws_parse(sb_str_from(other), &second, NULL), SB_OK);
    SB_AUTOJSON claims = json_loads(sb_buf_cstr(&jws.payload), 0, NULL);
    SB_AUTOJSON others = json_loads(sb_buf_cstr(&second.payload), 0, NULL);
    const sb_key *signer = sb_server_keyset_signer(set, fake_wall_s(&p.clock));
    assert_string_equal(sb_json_str(jws.header, "typ"), "at+jwt");
    assert_string_equal(jws.alg, "ES256");
    assert_string_equal(jws.kid, sb_key_kid(signer));
    assert_int_equal(sb_jws_verify(&jws, signer, "ES256", NULL), SB_OK);
    assert_string_equal(sb_json_str(claims, "iss"), ISSUER);
    assert_string_equal(sb_json_str(claims, "aud"), AUDIENCE);
    assert_string_equal(sb_json_str(claims, "sub"), "acme");
    assert_string_equal(sb_json_str(claims, "client_id"), "acme");
    assert_string_equal(sb_json_str(claims, "scope"), SCOPE);
    assert_int_equal(json_integer_value(json_object_get(claims, "iat")), fake_wall_s(&p.clock));
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")), fake_wall_s(&p.clock) + LIFETIME_S + 1);
    assert_string_not_equal(sb_json_str(claims, "jti"), sb_json_str(others, "jti"));
    assert_true(json_is_integer(json_object_get(claims, "client_epoch")));
    assert_int_equal(json_object_size(claims), 9);
    end(&p);
}

static void a_token_of_one_process_is_good_at_the_others_and_after_a_restart(database *d)
{
    process here, there;
    begin(&here, d);
    begin(&there, d);
    add_client(&here);
    SB_AUTOFREE token = token_of(&here, "1");
    assert_true(good_at(&here, token) && good_at(&there, token));
    end(&here);
    begin(&here, d);
    assert_true(good_at(&here, token));
    end(&here);
    end(&there);
}

static void an_assertion_used_anywhere_is_used_everywhere(database *d)
{
    process here, there;
    SB_AUTO(sb_buf) none = SB_BUF_INIT;
    begin(&here, d);
    begin(&there, d);
    add_client(&here);
    SB_AUTOFREE token = token_of(&here, "1");
    assert_int_equal(ask_for(&here, "1", SCOPE, &none), SB_ISSUE_REPLAYED);
    assert_int_equal(ask_for(&there, "1", SCOPE, &none), SB_ISSUE_REPLAYED);
    assert_int_equal(none.len, 0);
    end(&here);
    end(&there);
}

/* Nothing is kept of a token that would tell what the clock read. */
static void a_clock_that_is_set_back_makes_nothing_good_again(database *d)
{
    process p;
    SB_AUTO(sb_buf) none = SB_BUF_INIT;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE token = token_of(&p, "1");
    fake_advance_s(&p.clock, 200 + CLOCKS_DIFFER_S);
    SB_AUTOFREE other = token_of(&p, "2"); /* and "1" is forgotten */
    end(&p);
    begin(&p, d); /* its clock is set back */
    assert_int_equal(ask_for(&p, "1", SCOPE, &none), SB_ISSUE_REPLAYED);
    end(&p);
}

static void a_token_ends_with_its_time(database *d)
{
    process p;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE token = token_of(&p, "1");
    fake_advance_s(&p.clock, LIFETIME_S);
    assert_true(good_at(&p, token));
    fake_advance_s(&p.clock, 1); /* and it is cached */
    assert_false(good_at(&p, token));
    fake_advance_s(&p.clock, SB_GRANT_STALE_S);
    assert_false(good_at(&p, token));
    end(&p);
}

static void a_token_outlives_the_days_of_the_key_that_signed_it(database *d)
{
    process p;
    begin(&p, d);
    add_client(&p);
    fake_advance_s(&p.clock, INT64_C(29) * 86400);
    SB_AUTOFREE before = token_of(&p, "0"); /* and the next key is published */
    fake_advance_s(&p.clock, INT64_C(86400) - 10);
    SB_AUTOFREE last = token_of(&p, "1");
    fake_advance_s(&p.clock, 70);
    SB_AUTOFREE first = token_of(&p, "2");
    assert_false(strncmp(last, first, strcspn(last, ".")) == 0); /* another kid */
    assert_true(good_at(&p, last) && good_at(&p, first));
    assert_false(good_at(&p, before));
    end(&p);
}

static void a_revoked_token_is_dead_at_once_here_and_soon_elsewhere(database *d)
{
    process here, there;
    begin(&here, d);
    begin(&there, d);
    add_client(&here);
    SB_AUTOFREE token = token_of(&here, "1");
    SB_AUTOFREE other = token_of(&here, "2");
    assert_true(good_at(&here, token) && good_at(&there, token));
    assert_true(sb_grants_revoke(here.grants, sb_str_from(token), SB_STR_LIT("another")));
    assert_true(good_at(&here, token));
    assert_true(sb_grants_revoke(here.grants, sb_str_from(token), SB_STR_LIT("acme")));
    assert_true(sb_grants_revoke(here.grants, sb_str_from(token), SB_STR_LIT("acme"))); /* twice is fine */
    assert_false(good_at(&here, token));
    fake_advance_s(&there.clock, SB_GRANT_STALE_S);
    assert_false(good_at(&there, token));
    assert_true(good_at(&here, other) && good_at(&there, other));
    end(&here);
    begin(&here, d);
    assert_false(good_at(&here, token));
    end(&here);
    end(&there);
}

/* The same token with n - s in the place of s: ECDSA takes both. */
static char *other_signature(const char *token)
{
    unsigned char raw[64];
    const char *dot = strrchr(token, '.');
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    assert_true(sb_base64url_decode(sb_str_from(dot + 1), raw));
    BIGNUM *s = BN_bin2bn(raw + 32, 32, NULL);
    assert_int_equal(BN_sub(s, EC_GROUP_get0_order(group), s), 1);
    assert_int_equal(BN_bn2binpad(s, raw + 32, 32), 32);
    BN_free(s);
    EC_GROUP_free(group);
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_true(sb_buf_add(&text, token, (size_t)(dot + 1 - token)) && sb_base64url_encode(raw, sizeof(raw), &text));
    return sb_buf_steal(&text);
}

static void a_revoked_token_does_not_come_back_with_another_signature(database *d)
{
    process p;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE token = token_of(&p, "1");
    SB_AUTOFREE twin = other_signature(token);
    assert_string_not_equal(token, twin);
    assert_true(good_at(&p, twin)); /* and is cached */
    assert_true(sb_grants_revoke(p.grants, sb_str_from(token), SB_STR_LIT("acme")));
    assert_false(good_at(&p, twin));
    assert_false(good_at(&p, token));
    end(&p);
}

/* It as it is, but for its state. */
static void turn(process *p, sb_client_state state)
{
    SB_AUTOPTR(sb_client) before = NULL;
    SB_AUTOPTR(sb_client) after = NULL;
    SB_AUTOFREE scope = NULL;
    sb_client_spec spec;
    assert_int_equal(sb_clients_find_now(p->clients, "acme", &before, NULL), SB_OK);
    assert_int_equal(sb_client_respec(before, &scope, &spec, NULL), SB_OK);
    spec.state = state;
    assert_int_equal(sb_client_new(&spec, &after, NULL), SB_OK);
    assert_int_equal(sb_clients_replace_if(p->clients, before, after, NULL), SB_OK);
}

static void tokens_from_before_a_suspension_are_dead_for_good(database *d)
{
    process here, there;
    begin(&here, d);
    begin(&there, d);
    add_client(&here);
    SB_AUTOFREE before = token_of(&here, "1");
    assert_true(good_at(&here, before) && good_at(&there, before));
    turn(&here, SB_CLIENT_SUSPENDED);
    turn(&here, SB_CLIENT_ACTIVE); /* in the same second */
    SB_AUTOFREE after = token_of(&here, "2");
    assert_false(good_at(&here, before));
    assert_true(good_at(&here, after) && good_at(&there, after));
    fake_advance_s(&there.clock, SB_GRANT_STALE_S);
    assert_false(good_at(&there, before));
    assert_true(good_at(&there, after));
    end(&here);
    end(&there);
}

static void a_suspended_or_removed_client_has_no_token(database *d)
{
    process p;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE token = token_of(&p, "1");
    assert_true(good_at(&p, token));
    SB_AUTOPTR(sb_client) suspended = make(&p, SB_CLIENT_SUSPENDED);
    assert_int_equal(sb_clients_replace(p.clients, suspended, NULL), SB_OK);
    assert_false(good_at(&p, token));
    assert_int_equal(sb_clients_remove(p.clients, SB_STR_LIT("acme"), NULL), SB_OK);
    assert_false(good_at(&p, token));
    end(&p);
}

static void a_client_has_no_tokens_of_one_that_had_its_id_before(database *d)
{
    process p;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE token = token_of(&p, "1");
    assert_int_equal(sb_clients_remove(p.clients, SB_STR_LIT("acme"), NULL), SB_OK);
    fake_advance_s(&p.clock, 1);
    add_client(&p);
    assert_false(good_at(&p, token));
    SB_AUTOFREE own = token_of(&p, "2");
    assert_true(good_at(&p, own));
    end(&p);
}

/* Registered at one process, by a clock that is ahead, it asks another for a token. */
static void a_token_is_never_older_than_its_client(database *d)
{
    process ahead, behind;
    begin(&ahead, d);
    begin(&behind, d);
    atomic_fetch_add(&ahead.clock.wall_s, 30);
    add_client(&ahead);
    SB_AUTOFREE token = token_of(&behind, "1");
    assert_true(good_at(&behind, token) && good_at(&ahead, token));
    end(&ahead);
    end(&behind);
}

/* What does not come from here */

/* Signed by the server's own key, as nobody can but the server. `changes` are of the claims, a NULL takes one out. */
static char *forged(process *p, const char *typ, const char *changes)
{
    SB_AUTOPTR(sb_server_keyset) set = sb_server_keys_take(p->keys);
    const sb_key *key = sb_server_keyset_signer(set, fake_wall_s(&p->clock));
    SB_AUTOJSON header = typ ? json_pack("{s:s}", "typ", typ) : json_object();
    SB_AUTOJSON claims = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "iss", ISSUER, "aud", AUDIENCE, "sub", "acme",
                                   "client_id", "acme", "scope", SCOPE, "iat", (json_int_t)fake_wall_s(&p->clock),
                                   "exp", (json_int_t)fake_wall_s(&p->clock) + LIFETIME_S + 1);
    SB_AUTOJSON more = json_loads(changes, 0, NULL);
    assert_non_null(more);
    assert_int_equal(json_object_update(claims, more), 0);
    SB_AUTOFREE text = sb_json_dump(claims);
    SB_AUTOPTR(sb_secret) token = NULL;
    assert_int_equal(sb_jws_sign(key, header, sb_str_from(text), &token, NULL), SB_OK);
    return sb_str_dup(sb_secret_str(token));
}

static void a_token_must_be_an_access_token_of_this_server_for_this_audience(database *d)
{
    static const char *const changes[] = {
        "{\"iss\":\"https://payer.example/\"}",
        "{\"iss\":[\"https://payer.example\"]}",
        "{\"iss\":null}",
        "{\"aud\":\"https://payer.example\"}",
        "{\"aud\":[\"" AUDIENCE "\"]}",
        "{\"aud\":null}",
        "{\"exp\":1}",
        "{\"exp\":-1}",
        "{\"exp\":\"9999999999\"}",
        "{\"exp\":9999999999.5}",
        "{\"exp\":null}",
        "{\"iat\":null}",
        "{\"iat\":\"1\"}",
        "{\"client_id\":null}",
        "{\"client_id\":\"another\"}",
        "{\"client_id\":[\"acme\"]}",
        "{\"scope\":null}",
        "{\"scope\":7}",
    };
    static const char *const typs[] = {"JWT", "AT+JWT", "at+jwt ", "application/at+jwt", "client-authentication+jwt",
                                       "",    NULL};
    process p;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE good = forged(&p, "at+jwt", "{}");
    assert_true(good_at(&p, good));
    for (size_t i = 0; i < SB_ARRAY_LEN(changes); i++) {
        SB_AUTOFREE token = forged(&p, "at+jwt", changes[i]);
        if (good_at(&p, token))
            fail_msg("%s was taken", changes[i]);
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(typs); i++) {
        SB_AUTOFREE token = forged(&p, typs[i], "{}");
        if (good_at(&p, token))
            fail_msg("typ %s was taken", typs[i] ? typs[i] : "(none)");
    }
    end(&p);
}

static void a_token_for_another_server_or_audience_is_not_good_here(database *d)
{
    process here, other, moved;
    begin(&here, d);
    begin_as(&other, d, ISSUER, "https://hapi.example/fhir");
    begin_as(&moved, d, "https://moved.example", AUDIENCE);
    add_client(&here);
    SB_AUTOFREE token = token_of(&here, "1");
    assert_true(good_at(&here, token));
    assert_false(good_at(&other, token) || good_at(&moved, token));
    end(&here);
    end(&other);
    end(&moved);
}

static char *with_header(const char *token, const char *header)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_true(sb_base64url_encode(header, strlen(header), &text) && sb_buf_add_cstr(&text, strchr(token, '.')));
    return sb_buf_steal(&text);
}

static void what_nobody_here_signed_is_not_good(database *d)
{
    process p;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE token = token_of(&p, "1");
    size_t len = strlen(token), first = strcspn(token, ".");
    SB_AUTOFREE none = with_header(token, "{\"alg\":\"none\",\"typ\":\"at+jwt\"}");
    SB_AUTOFREE hmac = with_header(token, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"x\"}");
    SB_AUTOFREE unsigned_one = sb_printf("%.*s.", (int)(strrchr(token, '.') - token), token);
    SB_AUTOFREE padded = sb_printf("%s=", token);
    SB_AUTOFREE longer = sb_printf("%s.x", token);
    const char *const bad[] = {none, hmac, unsigned_one, padded, longer, "", ".", "..", "a.b.c", "....."};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++)
        assert_false(good_at(&p, bad[i]));
    for (size_t i = 0; i < len; i += 7) { /* a letter that is another: of the head, the claims, the signature */
        SB_AUTOFREE changed = sb_str_dup(sb_str_from(token));
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_true(i > first || strncmp(changed, token, first) != 0 || changed[i] == token[i]);
        assert_false(good_at(&p, changed));
    }
    SB_AUTOPTR(sb_key) stranger = NULL;
    SB_AUTOPTR(sb_secret) theirs = NULL;
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    assert_int_equal(sb_jws_parse(sb_str_from(token), &jws, NULL), SB_OK);
    assert_int_equal(sb_key_generate("ES256", 0, jws.kid, &stranger, NULL), SB_OK); /* the name, but another key */
    SB_AUTOJSON header = json_pack("{s:s}", "typ", "at+jwt");
    assert_int_equal(sb_jws_sign(stranger, header, sb_buf_str(&jws.payload), &theirs, NULL), SB_OK);
    assert_false(good_at(&p, sb_secret_str(theirs).ptr));
    assert_true(good_at(&p, token));
    end(&p);
}

/* Sizes and formats */

static void a_scope_that_fits_into_no_token_uses_nothing_up(database *d)
{
    process p;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    SB_AUTO(sb_buf) token = SB_BUF_INIT;
    begin(&p, d);
    add_client(&p);
    for (int i = 0; i < 200; i++)
        assert_true(sb_buf_printf(&scope, "%ssystem/Observation.rs?category=a-category-%d", i ? " " : "", i));
    assert_int_equal(ask_for(&p, "1", sb_buf_cstr(&scope), &token), SB_ISSUE_TOO_LONG);
    assert_int_equal(token.len, 0);
    assert_int_equal(ask_for(&p, "1", SCOPE, &token), SB_ISSUE_DONE);
    scope.len = 0;
    for (int i = 0; i < 100; i++)
        assert_true(sb_buf_printf(&scope, "%ssystem/Observation.rs?category=a-category-%d", i ? " " : "", i));
    sb_buf_cleanup(&token);
    assert_int_equal(ask_for(&p, "2", sb_buf_cstr(&scope), &token), SB_ISSUE_DONE);
    assert_in_range(token.len, 5000, SB_SIGNED_TOKEN_MAX);
    SB_AUTOPTR(sb_grant) grant = NULL;
    assert_int_equal(sb_grants_find(p.grants, sb_buf_str(&token), &grant, NULL), SB_OK);
    assert_non_null(grant);
    end(&p);
}

static void a_token_of_before_they_were_signed_is_good_until_it_ends(database *d)
{
    process p;
    SB_AUTO(sb_buf) token = SB_BUF_INIT;
    begin(&p, d);
    add_client(&p);
    SB_AUTOPTR(sb_client) client = make(&p, SB_CLIENT_ACTIVE);
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    SB_AUTOPTR(sb_grants) kept = NULL;
    sb_grants_db_options options = {.pool = p.pool,
                                    .clients = p.clients,
                                    .clock = &p.clock.clock,
                                    .lifetime_s = LIFETIME_S,
                                    .tokens_max = 1000,
                                    .used_max = 1000};
    assert_int_equal(sb_grants_db(&options, &kept, NULL), SB_OK);
    assert_int_equal(sb_scopes_parse(SCOPE, &scopes, NULL), SB_OK);
    sb_issue issue = {.client = client,
                      .scopes = &scopes,
                      .used = sb_digest_of_pair(SB_STR_LIT("acme"), SB_STR_LIT("1")),
                      .dead_s = fake_wall_s(&p.clock) + 200};
    assert_int_equal(sb_grants_issue(kept, &issue, &token), SB_ISSUE_DONE);
    assert_true(good_at(&p, sb_buf_cstr(&token)));
    assert_true(sb_grants_revoke(p.grants, sb_buf_str(&token), SB_STR_LIT("acme")));
    assert_false(good_at(&p, sb_buf_cstr(&token)));
    end(&p);
}

/* An end for all that are kept must not make one live again that was revoked. */
static void a_revocation_outlives_what_else_is_deleted(database *d)
{
    process p;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE token = token_of(&p, "1");
    assert_true(sb_grants_revoke(p.grants, sb_str_from(token), SB_STR_LIT("")));
    (void)sb_grants_revoke_all(p.grants);
    assert_false(good_at(&p, token));
    assert_int_equal(sb_clients_remove(p.clients, SB_STR_LIT("acme"), NULL), SB_OK);
    add_client(&p); /* within the second */
    assert_false(good_at(&p, token));
    end(&p);
}

static void without_its_database_no_token_is_called_bad_and_none_good(void **state)
{
    (void)state;
    SKIP_WITHOUT_POSTGRES(&databases_server);
    process p;
    database *d = database_new(true);
    SB_AUTO(sb_buf) none = SB_BUF_INIT;
    SB_AUTOPTR(sb_grant) grant = NULL;
    begin(&p, d);
    add_client(&p);
    SB_AUTOFREE ended = token_of(&p, "0");
    fake_advance_s(&p.clock, LIFETIME_S + 1);
    SB_AUTOFREE token = token_of(&p, "1");
    postgres_end(&databases_server);
    assert_int_not_equal(sb_grants_find(p.grants, sb_str_from(token), &grant, NULL), SB_OK);
    assert_null(grant);
    assert_false(sb_grants_revoke(p.grants, sb_str_from(token), SB_STR_LIT("acme")));
    assert_int_equal(ask_for(&p, "2", SCOPE, &none), SB_ISSUE_FAILED);
    assert_false(good_at(&p, "a.b.c") || good_at(&p, ended)); /* which cost the database nothing */
    postgres_serve(&databases_server);
    assert_true(good_at(&p, token));
    assert_int_equal(ask_for(&p, "2", SCOPE, &none), SB_ISSUE_DONE);
    end(&p);
    database_free(d);
}

ON_BOTH(a_token_says_what_rfc_9068_asks_for)
ON_BOTH(a_token_of_one_process_is_good_at_the_others_and_after_a_restart)
ON_BOTH(an_assertion_used_anywhere_is_used_everywhere)
ON_BOTH(a_clock_that_is_set_back_makes_nothing_good_again)
ON_BOTH(a_token_ends_with_its_time)
ON_BOTH(a_token_outlives_the_days_of_the_key_that_signed_it)
ON_BOTH(a_revoked_token_is_dead_at_once_here_and_soon_elsewhere)
ON_BOTH(a_revoked_token_does_not_come_back_with_another_signature)
ON_BOTH(a_suspended_or_removed_client_has_no_token)
ON_BOTH(tokens_from_before_a_suspension_are_dead_for_good)
ON_BOTH(a_client_has_no_tokens_of_one_that_had_its_id_before)
ON_BOTH(a_token_is_never_older_than_its_client)
ON_BOTH(a_token_must_be_an_access_token_of_this_server_for_this_audience)
ON_BOTH(a_token_for_another_server_or_audience_is_not_good_here)
ON_BOTH(what_nobody_here_signed_is_not_good)
ON_BOTH(a_scope_that_fits_into_no_token_uses_nothing_up)
ON_BOTH(a_token_of_before_they_were_signed_is_good_until_it_ends)
ON_BOTH(a_revocation_outlives_what_else_is_deleted)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_token_says_what_rfc_9068_asks_for),
        BOTH(a_token_of_one_process_is_good_at_the_others_and_after_a_restart),
        BOTH(an_assertion_used_anywhere_is_used_everywhere),
        BOTH(a_clock_that_is_set_back_makes_nothing_good_again),
        BOTH(a_token_ends_with_its_time),
        BOTH(a_token_outlives_the_days_of_the_key_that_signed_it),
        BOTH(a_revoked_token_is_dead_at_once_here_and_soon_elsewhere),
        BOTH(a_revoked_token_does_not_come_back_with_another_signature),
        BOTH(a_suspended_or_removed_client_has_no_token),
        BOTH(tokens_from_before_a_suspension_are_dead_for_good),
        BOTH(a_client_has_no_tokens_of_one_that_had_its_id_before),
        BOTH(a_token_is_never_older_than_its_client),
        BOTH(a_token_must_be_an_access_token_of_this_server_for_this_audience),
        BOTH(a_token_for_another_server_or_audience_is_not_good_here),
        BOTH(what_nobody_here_signed_is_not_good),
        BOTH(a_scope_that_fits_into_no_token_uses_nothing_up),
        BOTH(a_token_of_before_they_were_signed_is_good_until_it_ends),
        BOTH(a_revocation_outlives_what_else_is_deleted),
        cmocka_unit_test(without_its_database_no_token_is_called_bad_and_none_good),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
