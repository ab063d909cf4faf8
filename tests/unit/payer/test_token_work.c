/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_work.c - whether the time to an answer tells a stranger which clients there are. No clock is asked: what
 * takes the time is a signature's verification, and those are counted, with the size of their keys. AUTH-06, AUTH-11 */
#include <dlfcn.h>

#include "service_fixture.h"

#include "payer/auth/decoy.h"
#include "vector_assertion.h"

/* What was verified since it was cleared: "EC-384 RSA-2048 ". */
static char work[256];

static void note_work(const EVP_PKEY *key)
{
    size_t len = strlen(work);
    (void)snprintf(work + len, sizeof(work) - len, "%s-%d ", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
}

/* In place of libcrypto's, for our own code; then libcrypto's. */
__attribute__((visibility("default"))) int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *signature,
                                                            size_t signature_len, const unsigned char *text,
                                                            size_t text_len)
{
    int (*real)(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "EVP_DigestVerify");
    note_work(EVP_PKEY_CTX_get0_pkey(EVP_MD_CTX_get_pkey_ctx(ctx)));
    return real(ctx, signature, signature_len, text, text_len);
}

static void add(fixture *f, const char *id, const char *key, sb_client_state state)
{
    sb_jwks *jwks = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    assert_ok(sb_jwks_new(&jwks, NULL));
    assert_ok(sb_jwks_add(jwks, vector_key(key), NULL));
    sb_client_spec spec = {.id = id, .scope = "system/*.rs", .jwks = jwks, .state = state};
    assert_ok(sb_client_new(&spec, &client, NULL));
    assert_ok(sb_clients_add(f->clients, client, NULL));
}

/* What answering cost, and the answer. */
static void ask(fixture *f, const char *id, const char *description, reply *out)
{
    vector_client client = {.id = id, .aud = TOKEN_URL, .typ = "JWT", .now_s = fake_wall_s(&f->clock)};
    SB_AUTOJSON assertion = json_loads(description, 0, NULL);
    assert_non_null(assertion);
    SB_AUTOFREE text = vector_assertion(assertion, &client);
    work[0] = '\0';
    ask_token(f, text, "system/*.rs", out);
}

/* Whoever is named: what it costs is `want`, and all hear the same. */
static void expect_same(fixture *f, const char *description, const char *want)
{
    static const char *const ids[] = {"active", "waiting", "nobody"};
    SB_AUTOFREE first = NULL;
    for (size_t i = 0; i < SB_ARRAY_LEN(ids); i++) {
        SB_AUTO(reply) r = REPLY_INIT;
        ask(f, ids[i], description, &r);
        if (strcmp(work, want) != 0)
            fail_msg("%s %s (%s): '%s', not '%s'", ids[i], description, f->reason, work, want);
        assert_int_equal(r.status, 401);
        if (!first)
            first = sb_str_dup(sb_str_from(r.body));
        assert_string_equal(r.body, first);
    }
}

static void a_token_costs_one_verification(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    add(f, "active", "ES384", SB_CLIENT_ACTIVE);
    ask(f, "active", "{}", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(work, "EC-384 ");
}

static void an_unknown_client_costs_what_a_known_one_does(void **state)
{
    fixture *f = *state;
    static const char *const spoilt[] = {
        "{\"signature\":\"flipped\"}",
        "{\"key\":\"stranger ES384\"}",                                /* a kid that is nobody's */
        "{\"key\":\"stranger ES384\",\"header\":{\"kid\":\"ES384\"}}", /* and one that is */
        "{\"signature\":\"flipped\",\"header\":{\"jku\":\"https://evil.example\"}}",
        "{\"signature\":\"flipped\",\"header\":{\"typ\":\"client-authentication+jwt\"}}",
        "{\"signature\":\"flipped\",\"claims\":{\"exp\":1,\"aud\":null,\"jti\":null}}",
    };
    add(f, "active", "ES384", SB_CLIENT_ACTIVE);
    add(f, "waiting", "ES384", SB_CLIENT_PENDING);
    for (size_t i = 0; i < SB_ARRAY_LEN(spoilt); i++)
        expect_same(f, spoilt[i], "EC-384 ");
    expect_same(f, "{\"signature\":\"zeros\"}", ""); /* cheap to refuse, whoever it is */
    expect_same(f, "{\"signature\":\"shorter\"}", "");
    expect_same(f, "{\"header\":{\"kid\":null}}", "");
    expect_same(f, "{\"header\":{\"alg\":\"none\"}}", "");
}

/* Of RSA keys the sizes differ, and a signature is as long as its key. */
static void nobody_learns_how_long_anothers_key_is(void **state)
{
    fixture *f = *state;
    add(f, "active", "RS384", SB_CLIENT_ACTIVE);
    add(f, "waiting", "RS384", SB_CLIENT_SUSPENDED);
    expect_same(f, "{\"key\":\"RS384\",\"signature\":\"flipped\"}", "RSA-2048 ");
    expect_same(f, "{\"key\":\"RS384\",\"signature\":\"shorter\"}", "RSA-2048 ");
    expect_same(f, "{\"key\":\"RS384\",\"signature\":\"half\"}", "RSA-2048 ");
    expect_same(f, "{\"key\":\"RS384\",\"signature\":\"longer\"}", "RSA-3072 ");
    expect_same(f, "{\"key\":\"stranger RS384\",\"signature\":\"longer\"}", "RSA-3072 ");
    expect_same(f, "{\"key\":\"ES384\",\"header\":{\"kid\":\"RS384\"},\"signature\":\"flipped\"}", "EC-384 ");
}

static void what_is_refused_for_its_form_costs_nothing(void **state)
{
    fixture *f = *state;
    SB_AUTO(reply) r = REPLY_INIT;
    work[0] = '\0';
    send_to(f, "POST", "/token", FORM, SB_STR_LIT("grant_type=password"), &r);
    assert_int_equal(r.status, 400);
    assert_string_equal(work, "");
}

static int free_keys(void **state)
{
    vector_keys_free();
    return fixture_keys_free(state);
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(a_token_costs_one_verification),
        WITH_SERVICE(an_unknown_client_costs_what_a_known_one_does),
        WITH_SERVICE(nobody_learns_how_long_anothers_key_is),
        WITH_SERVICE(what_is_refused_for_its_form_costs_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_keys, free_keys);
}
