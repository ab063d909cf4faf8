/* SPDX-License-Identifier: Apache-2.0 */
/* Access tokens that are signed: no stranger's text is one, whatever it is; and of what the server's own key signed, only
 * an access token, for this audience, that is not over. The input is a token; or a header, a newline, and claims, which
 * are then signed. */
#include <unistd.h>

#include "base/json.h"
#include "fuzz.h"
#include "jose/jws.h"
#include "payer/auth/grants_db.h"
#include "payer/auth/grants_jwt.h"
#include "payer/state/schema.h"

#define NOW      INT64_C(1790000000)
#define ISSUER   "https://payer.example"
#define AUDIENCE ISSUER "/fhir"

static int64_t stopped_wall(void *impl)
{
    (void)impl;
    return NOW;
}

static int64_t stopped_monotonic(void *impl)
{
    (void)impl;
    return SB_NS_PER_S;
}

static const sb_clock stopped = {.monotonic_ns = stopped_monotonic, .wall_s = stopped_wall};

static char dir[] = "/tmp/sb-fuzz-XXXXXX";
static sb_grants *grants;
static sb_server_keys *keys;

static void remove_database(void)
{
    static const char *const names[] = {"x.db", "x.db-wal", "x.db-shm"};
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        SB_AUTOFREE path = sb_printf("%s/%s", dir, names[i]);
        (void)(path && unlink(path));
    }
    (void)rmdir(dir);
}

static void add_client(sb_clients *clients)
{
    sb_client *client = NULL;
    sb_client_spec spec = {
        .id = "me", .scope = "system/*.rs", .jwks_url = "https://me.example/jwks", .state = SB_CLIENT_ACTIVE};
    FUZZ_REQUIRE("there is a client",
                 sb_client_new(&spec, &client, NULL) == SB_OK && sb_clients_add(clients, client, NULL) == SB_OK);
    sb_client_free(client);
}

static void make_grants(void)
{
    sb_pool *pool = NULL;
    sb_clients *clients = NULL;
    FUZZ_REQUIRE("there is a folder", mkdtemp(dir) != NULL && atexit(remove_database) == 0);
    SB_AUTOFREE path = sb_printf("%s/x.db", dir);
    bool ok = path && sb_payer_pool(path, 2, &pool, NULL) == SB_OK && sb_clients_memory(1, &clients, NULL) == SB_OK;
    FUZZ_REQUIRE("there is a database", ok);
    add_client(clients);
    sb_server_keys_options of_keys = {
        .pool = pool, .clock = &stopped, .secret = SB_STR_LIT("0123456789abcdef0123456789abcdef"), .sign_days = 30};
    sb_grants_db_options kept = {
        .pool = pool, .clients = clients, .clock = &stopped, .lifetime_s = 300, .tokens_max = 10, .used_max = 10};
    sb_grants_jwt_options options = {
        .pool = pool, .clients = clients, .clock = &stopped, .issuer = ISSUER, .audience = AUDIENCE, .lifetime_s = 300};
    ok = sb_server_keys_new(&of_keys, &keys, NULL) == SB_OK && sb_grants_db(&kept, &options.beneath, NULL) == SB_OK;
    options.keys = keys;
    FUZZ_REQUIRE("there are grants", ok && sb_grants_jwt(&options, &grants, NULL) == SB_OK);
}

static sb_grant *find(sb_str token)
{
    sb_grant *grant = NULL;
    FUZZ_REQUIRE("it can be looked up", sb_grants_find(grants, token, &grant, NULL) == SB_OK);
    return grant;
}

static bool is_text(const json_t *object, const char *name, const char *expected)
{
    const char *text = sb_json_str(object, name);
    return text && strcmp(text, expected) == 0;
}

static void check_signed(sb_str header_text, sb_str claims_text)
{
    SB_AUTOJSON header = NULL;
    SB_AUTOJSON claims = NULL;
    SB_AUTOPTR(sb_secret) token = NULL;
    SB_AUTOPTR(sb_server_keyset) set = sb_server_keys_take(keys);
    if (sb_json_parse_object(header_text, "a header", &header, NULL) != SB_OK)
        return;
    (void)json_object_del(header, "alg");
    (void)json_object_del(header, "kid");
    if (sb_jws_sign(sb_server_keyset_signer(set, NOW), header, claims_text, &token, NULL) != SB_OK)
        return;
    SB_AUTOPTR(sb_grant) grant = find(sb_secret_str(token));
    if (!grant)
        return;
    FUZZ_REQUIRE("claims are a JSON object", sb_json_parse_object(claims_text, "claims", &claims, NULL) == SB_OK);
    FUZZ_REQUIRE("it is an access token", is_text(header, "typ", "at+jwt") && !json_object_get(header, "crit"));
    FUZZ_REQUIRE("of this server", is_text(claims, "iss", ISSUER) && is_text(claims, "aud", AUDIENCE));
    FUZZ_REQUIRE("of a client that there is", is_text(claims, "client_id", "me") && !strcmp(grant->client->id, "me"));
    FUZZ_REQUIRE("it is not over", grant->expires_s > NOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTOFREE text = fuzz_cstr(data, size);
    if (!grants)
        make_grants();
    FUZZ_REQUIRE("nobody gets in without the key", find((sb_str){text, size}) == NULL);
    FUZZ_REQUIRE("what is none can be revoked", sb_grants_revoke(grants, (sb_str){text, size}, SB_STR_LIT("me")));
    char *newline = memchr(text, '\n', size);
    if (newline)
        check_signed((sb_str){text, (size_t)(newline - text)},
                     (sb_str){newline + 1, size - (size_t)(newline - text) - 1});
    return 0;
}
