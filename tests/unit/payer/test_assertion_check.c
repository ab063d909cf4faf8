/* SPDX-License-Identifier: Apache-2.0 */
/* test_assertion_check.c - every way an assertion can be wrong, and the reason the log gets for it.          AUTH-06 */
#include "scratch.h"

#include "../smart/fake_clock.h"
#include "forge.h"
#include "jose/jws.h"
#include "payer/auth/assertion_check.h"

#define TOKEN_URL "https://payer.example/token"
#define ISSUER    "https://payer.example"
#define CLIENT    "client-1"

typedef struct fixture {
    fake_clock clock;
    sb_key *rsa, *ec, *stranger;
    sb_clients *clients;
    sb_assertion_checker *checker;
    forge forge;
} fixture;

static const char *const algs[] = {"RS384", "ES384", NULL};

static void add_client(fixture *f, const char *id, const sb_key *first, const sb_key *second, const char *jwks_url)
{
    sb_jwks *jwks = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    assert_ok(sb_jwks_new(&jwks, NULL));
    assert_ok(sb_jwks_add(jwks, first, NULL));
    if (second)
        assert_ok(sb_jwks_add(jwks, second, NULL));
    sb_client_spec spec = {.id = id, .scope = "system/*.rs", .jwks = jwks, .state = SB_CLIENT_ACTIVE};
    assert_ok(sb_client_new(&spec, &client, NULL));
    client->jwks_url = jwks_url ? sb_str_dup(sb_str_from(jwks_url)) : NULL;
    assert_ok(sb_clients_add(f->clients, client, NULL));
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    fake_clock_init(&f->clock);
    assert_ok(sb_key_generate("RS384", 2048, "rsa", &f->rsa, NULL));
    assert_ok(sb_key_generate("ES384", 0, "ec", &f->ec, NULL));
    assert_ok(sb_key_generate("RS384", 2048, "stranger", &f->stranger, NULL));
    assert_ok(sb_clients_memory(10, &f->clients, NULL));
    add_client(f, CLIENT, f->rsa, f->ec, NULL);
    add_client(f, "client-2", f->stranger, NULL, "https://client.example/jwks");
    sb_assertion_policy policy = {
        .token_url = TOKEN_URL, .issuer = ISSUER, .algs = algs, .clients = f->clients, .clock = &f->clock.clock};
    assert_ok(sb_assertion_checker_new(&policy, &f->checker, NULL));
    f->forge = (forge){f->rsa, "rsa", CLIENT, TOKEN_URL, fake_wall_s(&f->clock)};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sb_assertion_checker_free(f->checker);
    sb_clients_free(f->clients);
    sb_key_free(f->rsa);
    sb_key_free(f->ec);
    sb_key_free(f->stranger);
    free(f);
    return 0;
}

static sb_refusal check_text(const fixture *f, sb_str assertion, const char *client_id)
{
    SB_AUTO(sb_assertion_good) good = SB_ASSERTION_GOOD_INIT;
    sb_refusal refusal = sb_assertion_check(f->checker, assertion, sb_str_from(client_id), NULL, &good);
    assert_int_equal(refusal == SB_REFUSAL_NONE, good.client != NULL);
    return refusal;
}

static void expect(const fixture *f, const char *header, const char *claims, sb_refusal want)
{
    SB_AUTOFREE assertion = forge_assertion(&f->forge, header, claims);
    sb_refusal got = check_text(f, sb_str_from(assertion), "");
    if (got != want)
        fail_msg("%s %s: %s, not %s", header ? header : "", claims ? claims : "", sb_refusal_name(got),
                 sb_refusal_name(want));
}

static void a_good_assertion_names_its_client(void **state)
{
    fixture *f = *state;
    char claimed[SB_CLIENT_ID_MAX + 1];
    SB_AUTO(sb_assertion_good) good = SB_ASSERTION_GOOD_INIT;
    SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, "{\"jti\":\"one\"}");
    assert_int_equal(sb_assertion_check(f->checker, sb_str_from(assertion), sb_str_from(CLIENT), claimed, &good),
                     SB_REFUSAL_NONE);
    assert_string_equal(good.client->id, CLIENT);
    assert_string_equal(claimed, CLIENT);
    assert_string_equal(good.jti, "one");
    assert_int_equal(good.dead_s, f->forge.now_s + 120 + SB_ASSERTION_SKEW_S);
}

static void an_assertion_by_our_own_signer_is_good(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_secret) jws = NULL;
    SB_AUTOJSON header = json_pack("{s:s}", "typ", "JWT");
    SB_AUTOFREE claims = sb_printf("{\"iss\":\"" CLIENT "\",\"sub\":\"" CLIENT "\",\"aud\":\"" TOKEN_URL
                                   "\",\"exp\":%lld,\"jti\":\"x\"}",
                                   (long long)f->forge.now_s + 60);
    assert_ok(sb_jws_sign(f->ec, header, sb_str_from(claims), &jws, NULL));
    assert_int_equal(check_text(f, sb_secret_str(jws), ""), SB_REFUSAL_NONE);
}

static void what_may_be_missing_or_written_otherwise_is_good(void **state)
{
    const fixture *f = *state;
    expect(f, "{\"typ\":null}", NULL, SB_REFUSAL_NONE);
    expect(f, "{\"typ\":\"jwt\"}", NULL, SB_REFUSAL_NONE);
    expect(f, "{\"x\":{\"y\":1}}", "{\"z\":[1,2]}", SB_REFUSAL_NONE);
    expect(f, NULL, "{\"iat\":null}", SB_REFUSAL_NONE);
    expect(f, NULL, "{\"aud\":[\"https://other.example\",\"" TOKEN_URL "\"]}", SB_REFUSAL_NONE);
    expect(f, NULL, "{\"nbf\":\"@-10\"}", SB_REFUSAL_NONE);
}

/* Heads */

static void a_head_that_is_not_ours_is_refused(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *header;
        sb_refusal why;
    } cases[] = {
        {"{\"typ\":\"at+jwt\"}", SB_REFUSAL_TYP},
        {"{\"typ\":\"client-authentication+jwt\"}", SB_REFUSAL_TYP},
        {"{\"typ\":7}", SB_REFUSAL_TYP},
        {"{\"alg\":\"none\"}", SB_REFUSAL_ALG},
        {"{\"alg\":\"None\"}", SB_REFUSAL_ALG},
        {"{\"alg\":\"HS256\"}", SB_REFUSAL_ALG},
        {"{\"alg\":\"HS384\"}", SB_REFUSAL_ALG},
        {"{\"alg\":\"RS256\"}", SB_REFUSAL_ALG},
        {"{\"alg\":\"rs384\"}", SB_REFUSAL_ALG},
        {"{\"alg\":\"\"}", SB_REFUSAL_ALG},
        {"{\"alg\":null}", SB_REFUSAL_MALFORMED},
        {"{\"alg\":[\"RS384\"]}", SB_REFUSAL_MALFORMED},
        {"{\"crit\":[\"exp\"]}", SB_REFUSAL_CRIT},
        {"{\"crit\":[]}", SB_REFUSAL_CRIT},
        {"{\"crit\":false}", SB_REFUSAL_CRIT},
        {"{\"b64\":false}", SB_REFUSAL_CRIT},
        {"{\"kid\":null}", SB_REFUSAL_KID_MISSING},
        {"{\"kid\":\"\"}", SB_REFUSAL_KID_MISSING},
        {"{\"kid\":1}", SB_REFUSAL_MALFORMED},
        {"{\"kid\":\"other\"}", SB_REFUSAL_KEY_UNKNOWN},
        {"{\"kid\":\"stranger\"}", SB_REFUSAL_KEY_UNKNOWN}, /* another client's */
        {"{\"kid\":\"ec\"}", SB_REFUSAL_KEY_ALG},
        {"{\"alg\":\"ES384\"}", SB_REFUSAL_KEY_ALG},
        {"{\"alg\":\"ES384\",\"kid\":\"ec\"}", SB_REFUSAL_SIGNATURE}, /* an RSA signature's length */
        {"{\"jku\":\"https://evil.example/jwks\"}", SB_REFUSAL_JKU},
        {"{\"jku\":\"\"}", SB_REFUSAL_JKU},
        {"{\"jku\":7}", SB_REFUSAL_JKU},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++)
        expect(f, cases[i].header, NULL, cases[i].why);
}

static void keys_in_the_header_are_never_used(void **state)
{
    fixture *f = *state;
    SB_AUTOJSON jwk = sb_key_to_public_jwk(f->stranger);
    SB_AUTOFREE text = sb_json_dump(jwk);
    SB_AUTOFREE header = sb_printf("{\"jwk\":%s,\"x5u\":\"https://evil.example\"}", text);
    forge evil = f->forge;
    evil.key = f->stranger;
    SB_AUTOFREE assertion = forge_assertion(&evil, header, NULL);
    assert_int_equal(check_text(f, sb_str_from(assertion), ""), SB_REFUSAL_SIGNATURE);
}

static void a_jku_must_be_the_registered_one(void **state)
{
    fixture *f = *state;
    f->forge = (forge){f->stranger, "stranger", "client-2", TOKEN_URL, f->forge.now_s};
    expect(f, "{\"jku\":\"https://client.example/jwks\"}", NULL, SB_REFUSAL_NONE);
    expect(f, "{\"jku\":\"https://client.example/jwks/\"}", NULL, SB_REFUSAL_JKU);
    expect(f, "{\"jku\":\"https://evil.example/jwks\"}", NULL, SB_REFUSAL_JKU);
    expect(f, NULL, NULL, SB_REFUSAL_NONE);
}

/* Texts that are no assertion */

static void what_is_no_jws_is_malformed(void **state)
{
    const fixture *f = *state;
    static const char *const bad[] = {"",      ".",       "..",       "...",          "a.b",         "a.b.c.d",
                                      "!.!.!", "e30.e30", "e30.e30.", "e30=.e30.e30", "e30.e30.e30", "W10.e30.e30"};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        if (check_text(f, sb_str_from(bad[i]), "") != SB_REFUSAL_MALFORMED)
            fail_msg("'%s' is not malformed", bad[i]);
    }
}

static void a_member_that_occurs_twice_is_malformed(void **state)
{
    const fixture *f = *state;
    SB_AUTO(sb_buf) head = SB_BUF_INIT;
    SB_AUTO(sb_buf) body = SB_BUF_INIT;
    forge_signed_part(SB_STR_LIT("{\"alg\":\"none\",\"alg\":\"RS384\",\"kid\":\"rsa\"}"), SB_STR_LIT("{}"), &head);
    forge_sign_rsa(f->rsa, &head);
    assert_int_equal(check_text(f, sb_buf_str(&head), ""), SB_REFUSAL_MALFORMED);
    forge_signed_part(SB_STR_LIT("{\"alg\":\"RS384\",\"kid\":\"rsa\"}"),
                      SB_STR_LIT("{\"iss\":\"a\",\"iss\":\"" CLIENT "\"}"), &body);
    forge_sign_rsa(f->rsa, &body);
    assert_int_equal(check_text(f, sb_buf_str(&body), ""), SB_REFUSAL_CLAIMS_MALFORMED);
}

static void a_giant_is_refused_before_it_is_read(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    while (text.len <= SB_JWS_MAX_BYTES)
        assert_true(sb_buf_add_cstr(&text, "eyJhbGciOiJub25lIn0."));
    assert_int_equal(check_text(f, sb_buf_str(&text), ""), SB_REFUSAL_TOO_LONG);
}

static void a_signature_by_another_or_over_other_words_is_refused(void **state)
{
    fixture *f = *state;
    forge evil = f->forge;
    evil.key = f->stranger;
    SB_AUTOFREE theirs = forge_assertion(&evil, NULL, NULL);
    assert_int_equal(check_text(f, sb_str_from(theirs), ""), SB_REFUSAL_SIGNATURE);
    SB_AUTOFREE ours = forge_assertion(&f->forge, NULL, NULL);
    SB_AUTOFREE other = forge_assertion(&f->forge, NULL, NULL);
    SB_AUTOFREE mixed = sb_printf("%.*s%s", (int)(strrchr(ours, '.') - ours), ours, strrchr(other, '.'));
    assert_int_equal(check_text(f, sb_str_from(mixed), ""), SB_REFUSAL_SIGNATURE);
}

/* Claims */

static void claims_that_are_wrong_are_refused_with_their_reason(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *claims;
        sb_refusal why;
    } cases[] = {
        {"{\"iss\":null}", SB_REFUSAL_ISS_MISSING},
        {"{\"iss\":7}", SB_REFUSAL_ISS_MISSING},
        {"{\"iss\":\"\"}", SB_REFUSAL_ISS_MISSING},
        {"{\"iss\":\"client-1\\u0000\"}", SB_REFUSAL_CLAIMS_MALFORMED},
        {"{\"iss\":\"nobody\",\"sub\":\"nobody\"}", SB_REFUSAL_CLIENT_UNKNOWN},
        {"{\"iss\":\"Client-1\",\"sub\":\"Client-1\"}", SB_REFUSAL_CLIENT_UNKNOWN},
        {"{\"iss\":\"client-2\",\"sub\":\"client-2\"}", SB_REFUSAL_KEY_UNKNOWN},
        {"{\"sub\":null}", SB_REFUSAL_SUB},
        {"{\"sub\":\"client-2\"}", SB_REFUSAL_SUB},
        {"{\"sub\":\"client-1\\u0000\"}", SB_REFUSAL_CLAIMS_MALFORMED},
        {"{\"aud\":null}", SB_REFUSAL_AUD},
        {"{\"aud\":[]}", SB_REFUSAL_AUD},
        {"{\"aud\":{\"x\":\"" TOKEN_URL "\"}}", SB_REFUSAL_AUD},
        {"{\"aud\":\"https://payer.example/\"}", SB_REFUSAL_AUD},
        {"{\"aud\":\"" TOKEN_URL "/\"}", SB_REFUSAL_AUD},
        {"{\"aud\":\"https://PAYER.example/token\"}", SB_REFUSAL_AUD},
        {"{\"aud\":[\"https://a.example\",7]}", SB_REFUSAL_AUD},
        {"{\"exp\":null}", SB_REFUSAL_EXP_MISSING},
        {"{\"exp\":\"soon\"}", SB_REFUSAL_EXP_MISSING},
        {"{\"exp\":-1}", SB_REFUSAL_EXP_MISSING},
        {"{\"exp\":1e300}", SB_REFUSAL_EXP_MISSING},
        {"{\"exp\":0}", SB_REFUSAL_EXPIRED},
        {"{\"exp\":\"@-15\"}", SB_REFUSAL_EXPIRED},
        {"{\"exp\":\"@316\"}", SB_REFUSAL_EXP_TOO_FAR},
        {"{\"exp\":9007199254740993}", SB_REFUSAL_EXP_MISSING},
        {"{\"iat\":\"@16\"}", SB_REFUSAL_IAT},
        {"{\"iat\":\"now\"}", SB_REFUSAL_IAT},
        {"{\"nbf\":\"@16\"}", SB_REFUSAL_NBF},
        {"{\"nbf\":true}", SB_REFUSAL_NBF},
        {"{\"jti\":null}", SB_REFUSAL_JTI_MISSING},
        {"{\"jti\":\"\"}", SB_REFUSAL_JTI_MISSING},
        {"{\"jti\":5}", SB_REFUSAL_JTI_MISSING},
        {"{\"jti\":\"a\\u0000b\"}", SB_REFUSAL_CLAIMS_MALFORMED},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++)
        expect(f, NULL, cases[i].claims, cases[i].why);
}

static void clocks_may_differ_by_fifteen_seconds(void **state)
{
    const fixture *f = *state;
    expect(f, NULL, "{\"exp\":\"@-14\"}", SB_REFUSAL_NONE);
    expect(f, NULL, "{\"exp\":\"@300\"}", SB_REFUSAL_NONE);
    expect(f, NULL, "{\"exp\":\"@315\"}", SB_REFUSAL_NONE); /* exactly 300 s, of a clock that is ahead */
    expect(f, NULL, "{\"iat\":\"@15\",\"nbf\":\"@15\"}", SB_REFUSAL_NONE);
}

static void a_jti_has_at_most_256_bytes(void **state)
{
    const fixture *f = *state;
    char jti[258] = "", claims[300];
    memset(jti, 'j', 256);
    (void)snprintf(claims, sizeof(claims), "{\"jti\":\"%s\"}", jti);
    expect(f, NULL, claims, SB_REFUSAL_NONE);
    jti[256] = 'j';
    (void)snprintf(claims, sizeof(claims), "{\"jti\":\"%s\"}", jti);
    expect(f, NULL, claims, SB_REFUSAL_JTI_TOO_LONG);
}

static void a_client_id_that_is_sent_must_be_the_issuer(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE assertion = forge_assertion(&f->forge, NULL, NULL);
    assert_int_equal(check_text(f, sb_str_from(assertion), CLIENT), SB_REFUSAL_NONE);
    assert_int_equal(check_text(f, sb_str_from(assertion), "client-2"), SB_REFUSAL_CLIENT_ID_DIFFERS);
}

static void nothing_is_believed_before_the_signature(void **state)
{
    fixture *f = *state;
    forge evil = f->forge;
    evil.key = f->stranger;
    SB_AUTOFREE expired = forge_assertion(&evil, NULL, "{\"exp\":1,\"aud\":\"x\",\"jti\":null}");
    assert_int_equal(check_text(f, sb_str_from(expired), ""), SB_REFUSAL_SIGNATURE);
}

static void every_refusal_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < SB_REFUSAL_COUNT; i++) {
        assert_string_not_equal(sb_refusal_name((sb_refusal)i), "unknown");
        for (int k = 0; k < i; k++)
            assert_string_not_equal(sb_refusal_name((sb_refusal)i), sb_refusal_name((sb_refusal)k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_assertion_names_its_client),
        cmocka_unit_test(an_assertion_by_our_own_signer_is_good),
        cmocka_unit_test(what_may_be_missing_or_written_otherwise_is_good),
        cmocka_unit_test(a_head_that_is_not_ours_is_refused),
        cmocka_unit_test(keys_in_the_header_are_never_used),
        cmocka_unit_test(what_is_no_jws_is_malformed),
        cmocka_unit_test(a_member_that_occurs_twice_is_malformed),
        cmocka_unit_test(a_giant_is_refused_before_it_is_read),
        cmocka_unit_test(a_signature_by_another_or_over_other_words_is_refused),
        cmocka_unit_test(claims_that_are_wrong_are_refused_with_their_reason),
        cmocka_unit_test(clocks_may_differ_by_fifteen_seconds),
        cmocka_unit_test(a_jti_has_at_most_256_bytes),
        cmocka_unit_test(a_client_id_that_is_sent_must_be_the_issuer),
        cmocka_unit_test(nothing_is_believed_before_the_signature),
        cmocka_unit_test(every_refusal_has_a_name_of_its_own),
        cmocka_unit_test(a_jku_must_be_the_registered_one), /* last: it changes the fixture */
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
