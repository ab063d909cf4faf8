/* SPDX-License-Identifier: Apache-2.0 */
/* test_agreement.c - what was configured, advertised and pinned becomes one agreement, and a change of it stops us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>

#include "base/log.h"
#include "smart/agreement.h"

#include "fake_payer.h"
#include "scratch_dir.h"

#define CONFIGURATION "/smart-configuration"
#define SAYS(token, issuer)                                                                                            \
    "{\"token_endpoint\":\"" token "\",\"issuer\":\"" issuer "\",\"capabilities\":[\"permission-v2\"]}"

static void quiet(void *impl, sb_log_level level, const char *line)
{
    (void)impl, (void)level, (void)line;
}

typedef struct fixture {
    fake_payer payer;
    char *dir;
    sb_agreement_wish wish;
    sb_agreement agreed;
    sb_error err;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    sb_log_set(SB_LOG_DEBUG, quiet, NULL);
    fake_payer_init(&f->payer);
    f->dir = scratch_dir_new();
    f->wish = (sb_agreement_wish){.fhir_url = "https://fhir.payer.example/r4",
                                  .client_id = "client-1",
                                  .wants_scope = true,
                                  .wants_audience = true,
                                  .state_dir = f->dir};
    *state = f;
    return f->dir ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    sb_agreement_cleanup(&f->agreed);
    fake_payer_free(&f->payer);
    scratch_dir_free(f->dir);
    free(f);
    return 0;
}

static void payer_says(fixture *f, const char *body)
{
    fake_clear(&f->payer);
    fake_add(&f->payer, (fake_answer){.url = CONFIGURATION, .status = 200, .body = body});
}

static sb_status reach(fixture *f)
{
    sb_transport transport = fake_transport(&f->payer);
    return sb_agreement_reach(&transport, &f->wish, &f->agreed, &f->err);
}

static void confirm(fixture *f)
{
    assert_int_equal(sb_agreement_confirm(&f->agreed, &f->wish, &f->err), SB_OK);
}

static char *pin_file(fixture *f)
{
    glob_t found;
    SB_AUTOFREE pattern = sb_printf("%s/pins/*.json", f->dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    char *path = sb_str_dup(sb_str_from(found.gl_pathv[0]));
    globfree(&found);
    return path;
}

static void what_is_advertised_is_agreed(void **state)
{
    fixture *f = *state;
    static const char *const types[] = {"Patient"};
    f->wish.types = types;
    f->wish.n_types = 1;
    payer_says(f, SAYS("https://auth.payer.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK); /* another host on first use is common */
    assert_string_equal(f->agreed.token_url, "https://auth.payer.example/token");
    assert_string_equal(f->agreed.audience, "https://auth.payer.example/token"); /* AUTH-02 */
    assert_string_equal(f->agreed.scope, "system/Patient.rs");                   /* REAL-09 */
}

static void the_users_word_wins_and_then_nothing_is_asked(void **state)
{
    fixture *f = *state;
    f->wish.token_url = "https://t.example/token";
    f->wish.scope = "system/*.*";
    f->wish.audience = "urn:a urn:b";
    assert_int_equal(reach(f), SB_OK);
    assert_string_equal(f->agreed.token_url, "https://t.example/token");
    assert_string_equal(f->agreed.audience, "urn:a urn:b");
    assert_string_equal(f->agreed.scope, "system/*.*");
    assert_int_equal(f->payer.n_seen, 0);
}

static void a_configured_token_url_survives_a_payer_without_discovery(void **state)
{
    fixture *f = *state;
    f->wish.token_url = "https://t.example/token";
    assert_int_equal(reach(f), SB_OK); /* 404 everywhere: DISC-04 */
    assert_string_equal(f->agreed.scope, "system/*.read");
    assert_true(f->payer.n_seen > 0);
}

static void the_issuer_can_be_the_audience(void **state)
{
    fixture *f = *state;
    payer_says(f, SAYS("https://auth.example/token", "https://issuer.example"));
    f->wish.audience = "issuer";
    assert_int_equal(reach(f), SB_OK); /* REAL-05 */
    assert_string_equal(f->agreed.audience, "https://issuer.example");
    f->wish.audience = NULL;
    f->wish.profile = SB_PROFILE_RFC7523BIS; /* AUTH-04 */
    assert_int_equal(reach(f), SB_OK);
    assert_string_equal(f->agreed.audience, "https://issuer.example");
    payer_says(f, "{\"token_endpoint\":\"https://auth.example/token\"}");
    assert_int_equal(reach(f), SB_E_SERVER); /* never guessed */
    assert_non_null(strstr(f->err.fix, "--audience"));
}

static void the_first_success_is_pinned(void **state)
{
    fixture *f = *state;
    struct stat st;
    payer_says(f, SAYS("https://auth.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK);
    confirm(f);
    SB_AUTOFREE path = pin_file(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(reach(f), SB_OK); /* the same again */
    payer_says(f, SAYS("https://evil.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_E_AUTH); /* AUTH-04 */
    assert_non_null(strstr(f->err.why, "https://auth.example/token"));
    assert_non_null(strstr(f->err.why, "https://evil.example/token"));
    assert_non_null(strstr(f->err.fix, path));
    payer_says(f, SAYS("https://auth.example/token", "https://evil.example"));
    assert_int_equal(reach(f), SB_E_AUTH);
    assert_int_equal(unlink(path), 0); /* what the fix says works */
    assert_int_equal(reach(f), SB_OK);
}

static void nothing_is_pinned_before_a_success(void **state)
{
    fixture *f = *state;
    payer_says(f, SAYS("https://evil.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK);
    payer_says(f, SAYS("https://auth.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK);
}

static void another_client_has_a_pin_of_its_own(void **state)
{
    fixture *f = *state;
    payer_says(f, SAYS("https://auth.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK);
    confirm(f);
    f->wish.client_id = "client-2";
    payer_says(f, SAYS("https://auth2.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK);
}

static void a_configured_token_url_outweighs_the_pin_and_becomes_it(void **state)
{
    fixture *f = *state;
    payer_says(f, SAYS("https://auth.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK);
    confirm(f);
    payer_says(f, SAYS("https://new.example/token", "https://new.example"));
    f->wish.token_url = "https://new.example/token";
    assert_int_equal(reach(f), SB_OK);
    confirm(f);
    f->wish.token_url = NULL;
    assert_int_equal(reach(f), SB_OK);
}

static void an_issuer_that_is_not_asked_for_again_stays_pinned(void **state)
{
    fixture *f = *state;
    payer_says(f, SAYS("https://auth.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK);
    confirm(f);
    payer_says(f, "{\"token_endpoint\":\"https://auth.example/token\"}");
    assert_int_equal(reach(f), SB_OK);
    confirm(f);
    payer_says(f, SAYS("https://auth.example/token", "https://evil.example"));
    assert_int_equal(reach(f), SB_E_AUTH);
}

static void a_damaged_or_open_pin_is_not_taken_for_none(void **state)
{
    fixture *f = *state;
    payer_says(f, SAYS("https://auth.example/token", "https://issuer.example"));
    assert_int_equal(reach(f), SB_OK);
    confirm(f);
    SB_AUTOFREE path = pin_file(f);
    assert_int_equal(sb_file_write_atomic(path, 0600, SB_STR_LIT("{}"), NULL), SB_OK);
    assert_int_equal(reach(f), SB_E_USAGE);
    assert_int_equal(sb_file_write_atomic(path, 0600, SB_STR_LIT("garbage"), NULL), SB_OK);
    assert_int_equal(reach(f), SB_E_USAGE);
    assert_non_null(strstr(f->err.fix, path));
    assert_int_equal(sb_file_write_atomic(path, 0644, SB_STR_LIT("{}"), NULL), SB_OK);
    assert_int_equal(reach(f), SB_E_USAGE);
    assert_non_null(strstr(f->err.fix, "chmod 600"));
}

#define AGREEMENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AGREEMENT_TEST(what_is_advertised_is_agreed),
        AGREEMENT_TEST(the_users_word_wins_and_then_nothing_is_asked),
        AGREEMENT_TEST(a_configured_token_url_survives_a_payer_without_discovery),
        AGREEMENT_TEST(the_issuer_can_be_the_audience),
        AGREEMENT_TEST(the_first_success_is_pinned),
        AGREEMENT_TEST(nothing_is_pinned_before_a_success),
        AGREEMENT_TEST(another_client_has_a_pin_of_its_own),
        AGREEMENT_TEST(a_configured_token_url_outweighs_the_pin_and_becomes_it),
        AGREEMENT_TEST(an_issuer_that_is_not_asked_for_again_stays_pinned),
        AGREEMENT_TEST(a_damaged_or_open_pin_is_not_taken_for_none),
    };
    return cmocka_run_group_tests_name("agreement", tests, NULL, NULL);
}
