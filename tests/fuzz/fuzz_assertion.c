/* SPDX-License-Identifier: Apache-2.0 */
/* Client assertions: no stranger's text gets in, whatever it is; and of what the client itself signed, only what is
 * within AUTH-06's bounds. The input is an assertion; or a header, a newline, and claims, which are then signed. */
#include "base/json.h"
#include "fuzz.h"
#include "jose/jws.h"
#include "payer/auth/assertion_explain.h"

#define NOW       INT64_C(1790000000)
#define TOKEN_URL "https://payer.example/token"

static int64_t stopped_wall(void *impl)
{
    (void)impl;
    return NOW;
}

static const sb_clock stopped = {.wall_s = stopped_wall};
static const char *const algs[] = {"EdDSA", NULL}; /* the quickest to sign */

static sb_key *key;
static sb_assertion_checker *checker;

static void make_checker(void)
{
    sb_clients *clients = NULL;
    sb_client *client = NULL;
    sb_jwks *jwks = NULL;
    bool ok =
        sb_key_generate("EdDSA", 0, "k", &key, NULL) == SB_OK && sb_jwks_new(&jwks, NULL) == SB_OK &&
        sb_jwks_add(jwks, key, NULL) == SB_OK &&
        sb_client_new(&(sb_client_spec){.id = "me", .scope = "system/*.rs", .jwks = jwks, .state = SB_CLIENT_ACTIVE},
                      &client, NULL) == SB_OK &&
        sb_clients_memory(1, &clients, NULL) == SB_OK && sb_clients_add(clients, client, NULL) == SB_OK;
    sb_client_free(client);
    sb_assertion_policy policy = {
        .token_url = TOKEN_URL, .issuer = "https://payer.example", .algs = algs, .clients = clients, .clock = &stopped};
    FUZZ_REQUIRE("there is a checker", ok && sb_assertion_checker_new(&policy, &checker, NULL) == SB_OK);
}

/* What is explained is what is checked. */
static void check_explained(sb_str assertion, sb_refusal refusal)
{
    sb_explanation e;
    sb_assertion_explain(checker, assertion, (sb_str){"", 0}, NULL, &e);
    FUZZ_REQUIRE("the explanation is of the refusal", e.refusal == refusal);
    for (size_t i = 0; i < SB_CHECK_COUNT; i++) {
        fuzz_check_shown(e.steps[i].detail);
        FUZZ_REQUIRE("what failed has its reason",
                     (e.steps[i].result == SB_CHECK_FAILED) == (e.steps[i].refusal != SB_REFUSAL_NONE));
    }
}

static sb_refusal check(sb_str assertion, sb_assertion_good *good)
{
    char claimed[SB_CLIENT_ID_MAX + 1];
    sb_refusal refusal = sb_assertion_check(checker, assertion, (sb_str){"", 0}, claimed, good);
    fuzz_check_shown(claimed);
    FUZZ_REQUIRE("a refusal has a name", strcmp(sb_refusal_name(refusal), "unknown") != 0);
    check_explained(assertion, refusal);
    FUZZ_REQUIRE("who is refused is nobody", (refusal == SB_REFUSAL_NONE) == (good->client != NULL));
    return refusal;
}

static void check_good(const sb_assertion_good *good)
{
    FUZZ_REQUIRE("the client is known", strcmp(good->client->id, "me") == 0);
    FUZZ_REQUIRE("there is a jti within bounds", good->jti[0] && strlen(good->jti) <= SB_ASSERTION_JTI_MAX);
    FUZZ_REQUIRE("it is good now", good->dead_s > NOW);
    FUZZ_REQUIRE("and not for long", good->dead_s <= NOW + SB_ASSERTION_AGE_MAX_S + 2 * SB_ASSERTION_SKEW_S);
}

static void check_signed(sb_str header_text, sb_str claims_text)
{
    SB_AUTOJSON header = NULL;
    SB_AUTOJSON claims = NULL;
    SB_AUTO(sb_assertion_good) good = SB_ASSERTION_GOOD_INIT;
    sb_secret *jws = NULL;
    if (sb_json_parse_object(header_text, "a header", &header, NULL) != SB_OK ||
        sb_json_parse_object(claims_text, "claims", &claims, NULL) != SB_OK)
        return;
    (void)json_object_del(header, "alg");
    (void)json_object_del(header, "kid");
    if (sb_jws_sign(key, header, claims_text, &jws, NULL) != SB_OK)
        return;
    if (check(sb_secret_str(jws), &good) == SB_REFUSAL_NONE)
        check_good(&good);
    sb_secret_free(jws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTOFREE text = fuzz_cstr(data, size);
    SB_AUTO(sb_assertion_good) good = SB_ASSERTION_GOOD_INIT;
    if (!checker)
        make_checker();
    FUZZ_REQUIRE("nobody gets in without the key", check((sb_str){text, size}, &good) != SB_REFUSAL_NONE);
    char *newline = memchr(text, '\n', size);
    if (newline)
        check_signed((sb_str){text, (size_t)(newline - text)},
                     (sb_str){newline + 1, size - (size_t)(newline - text) - 1});
    return 0;
}
