/* SPDX-License-Identifier: Apache-2.0 */
/* test_download_token.c - who sees the token and who does not, and what a 401 means.        USE-01 … USE-05 */
#include "../smart/fake_clock.h"
#include "download_test.h"

#define LINE "{\"resourceType\":\"Patient\",\"id\":\"c\"}\n"

static void tokens(engine *e, const char *first, const char *then)
{
    if (first)
        fake_add(&e->tokens, (fake_answer){.url = "/token", .status = 200, .body = first, .once = true});
    if (then)
        fake_add(&e->tokens, (fake_answer){.url = "/token", .status = 200, .body = then});
}

static void the_token_goes_along_only_where_the_page_says_so(void **state)
{
    engine *e = *state;
    tokens(e, NULL, TOKEN("token-1", 300));
    hosted *with = file_host_add(&e->host, &(hosted){.path = "/1", .bytes = LINE, .needs_token = true});
    hosted *without = file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE});
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    list(e, (listing){.type = "Patient", .path = "/2", .needs_token = false}); /* a capability URL         USE-02 */
    run_all(e);
    assert_true(with->saw_token);
    assert_false(without->saw_token);
    assert_int_equal(fake_count(&e->tokens, "/token"), 1);
}

static void without_need_no_token_is_asked_for(void **state)
{
    engine *e = *state;
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE});
    list(e, (listing){.type = "Patient", .path = "/2"});
    run_all(e);
    assert_int_equal(e->tokens.n_seen, 0);
}

static void a_refused_token_is_replaced_without_a_word(void **state)
{
    engine *e = *state;
    tokens(e, TOKEN("token-0", 300), TOKEN("token-1", 300));
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = LINE, .needs_token = true});
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    run_all(e);
    assert_int_equal(e->host.refused, 1);
    assert_int_equal(e->retries, 0);
    assert_int_equal(fake_count(&e->tokens, "/token"), 2);
}

static void a_storm_of_refusals_makes_one_token_request(void **state)
{
    engine *e = *state;
    tokens(e, TOKEN("token-0", 300), TOKEN("token-1", 300));
    e->options.connections = 16;
    e->host.hold_until = 16; /* all are asked for with the same token before the first is refused */
    for (int i = 0; i < 16; i++) {
        char path[16];
        (void)snprintf(path, sizeof(path), "/%d", i);
        file_host_add(&e->host, &(hosted){.path = strdup(path), .bytes = LINE, .needs_token = true});
        list(e, (listing){.type = "Patient", .path = path, .needs_token = true});
    }
    run_all(e);
    assert_int_equal(e->host.refused, 16);
    assert_int_equal(fake_count(&e->tokens, "/token"), 2);
    assert_int_equal(totals(&e->base).files_done, 16);
    for (unsigned i = 0; i < e->host.n; i++)
        free((char *)(uintptr_t)e->host.files[i].path);
}

static void a_second_refusal_is_final_and_everything_stays_pending(void **state)
{
    engine *e = *state;
    tokens(e, TOKEN("wrong-1", 300), TOKEN("wrong-2", 300));
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = LINE, .needs_token = true});
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    assert_int_equal(run(e), SB_E_AUTH);
    assert_int_equal(e->err.http_status, 401);
    assert_string_equal(e->err.oauth_code, "invalid_token");
    assert_int_equal(e->host.refused, 2);
    assert_state(e, 0, SB_FILE_PENDING);
    assert_false(strstr(e->err.why, "wrong-") != NULL || strstr(e->log, "wrong-") != NULL);
    no_parts_are_left(e);
}

static void a_token_that_a_file_server_repeats_is_not_shown(void **state)
{
    engine *e = *state;
    static const char words[] = "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\","
                                "\"code\":\"value\",\"diagnostics\":\"who is repeated-token-1\"}]}";
    tokens(e, NULL, TOKEN("repeated-token-1", 300));
    (void)snprintf(e->host.token, sizeof(e->host.token), "repeated-token-1");
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 400, .words = words, .needs_token = true});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = words, .needs_token = true}); /* a 200 that is no file */
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    list(e, (listing){.type = "Patient", .path = "/2", .needs_token = true});
    assert_int_equal(run(e), SB_E_SERVER);
    assert_null(strstr(e->err.why, "repeated-token"));
    assert_non_null(strstr(e->log, "who is *"));
    assert_null(strstr(e->log, "repeated-token"));
}

static void a_token_that_cannot_be_had_ends_the_run(void **state)
{
    engine *e = *state;
    fake_add(&e->tokens, (fake_answer){.url = "/token",
                                       .status = 401,
                                       .body = "{\"error\":\"invalid_client\",\"error_description\":\"unknown\"}"});
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = LINE, .needs_token = true});
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    assert_int_equal(run(e), SB_E_AUTH);
    assert_int_equal(e->host.requests, 0);
    assert_state(e, 0, SB_FILE_PENDING);
}

static void a_foreign_host_does_not_see_the_token_and_the_other_files_come(void **state)
{
    engine *e = *state;
    file_host other;
    file_host_start(&other, NULL);
    tokens(e, NULL, TOKEN("token-1", 300));
    hosted *theirs = file_host_add(&other, &(hosted){.path = "/1", .bytes = LINE});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE, .needs_token = true});
    SB_AUTOFREE url = file_host_url(&other, "/1");
    list_url(e, &(listing){.type = "Patient", .needs_token = true}, url);
    list(e, (listing){.type = "Patient", .path = "/2", .needs_token = true});
    assert_int_equal(run(e), SB_E_SERVER);
    assert_non_null(strstr(e->err.fix, "token_hosts"));
    assert_int_equal(theirs->requests, 0);
    assert_state(e, 0, SB_FILE_PENDING);
    assert_state(e, 1, SB_FILE_DONE);
    /* allowed, it comes */
    e->token_hosts[0] = fake_server_url(other.server);
    engine_open_payer(e);
    run_all(e);
    assert_true(theirs->saw_token);
    file_host_stop(&other);
}

static void a_redirect_takes_the_token_nowhere_else(void **state)
{
    engine *e = *state;
    file_host other;
    file_host_start(&other, NULL);
    tokens(e, NULL, TOKEN("token-1", 300));
    e->extra_headers[0] = "X-Extra: mine";
    engine_open_payer(e);
    hosted *there = file_host_add(&other, &(hosted){.path = "/signed", .bytes = LINE});
    hosted *here = file_host_add(&e->host, &(hosted){.path = "/here", .bytes = LINE, .needs_token = true});
    SB_AUTOFREE location = sb_printf("Location: %s/signed?sig=1\r\n", fake_server_url(other.server));
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 307, .headers = location, .needs_token = true});
    file_host_add(&e->host,
                  &(hosted){.path = "/2", .status = 302, .headers = "Location: /here\r\n", .needs_token = true});
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true}); /* REAL-03 */
    list(e, (listing){.type = "Patient", .path = "/2", .needs_token = true});
    run_all(e);
    assert_int_equal(there->requests, 1);
    assert_false(there->saw_token);
    assert_false(there->saw_extra);
    assert_true(here->saw_token);
    assert_true(here->saw_extra);
    assert_content(e, "Patient.000.ndjson", LINE, strlen(LINE));
    file_host_stop(&other);
}

static void a_refusal_behind_a_redirect_says_nothing_of_the_token(void **state)
{
    engine *e = *state;
    file_host other;
    file_host_start(&other, NULL);
    tokens(e, NULL, TOKEN("token-1", 300));
    file_host_add(&other, &(hosted){.path = "/signed", .status = 401, .bytes = LINE});
    SB_AUTOFREE location = sb_printf("Location: %s/signed\r\n", fake_server_url(other.server));
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 307, .headers = location, .needs_token = true});
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    assert_int_equal(run(e), SB_E_SERVER);
    assert_non_null(strstr(e->err.fix, "redirect"));
    assert_int_equal(fake_count(&e->tokens, "/token"), 1); /* it was not thrown away */
    file_host_stop(&other);
}

static void https_never_leads_to_http(void **state)
{
    engine *e = *state;
    file_host plain;
    file_host_start(&plain, NULL);
    hosted *there = file_host_add(&plain, &(hosted){.path = "/1", .bytes = LINE});
    SB_AUTOFREE location = sb_printf("Location: %s/1\r\n", fake_server_url(plain.server));
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 302, .headers = location});
    list(e, (listing){.type = "Patient", .path = "/1"});
    assert_int_equal(run(e), SB_E_SERVER);
    assert_int_equal(there->requests, 0);
    file_host_stop(&plain);
}

static void circles_of_redirects_end(void **state)
{
    engine *e = *state;
    hosted *f = file_host_add(&e->host, &(hosted){.path = "/1", .status = 302, .headers = "Location: /1\r\n"});
    list(e, (listing){.type = "Patient", .path = "/1"});
    assert_int_equal(run(e), SB_E_SERVER);
    assert_int_equal(f->requests, REDIRECTS_MAX + 1);
}

/* The first request is answered; from then on only the next token is good. */
static void expire_after_the_first(void *impl, file_host *host, hosted *file)
{
    (void)impl;
    if (file->requests == 1)
        (void)snprintf(host->token, sizeof(host->token), "token-2");
}

static void a_transfer_goes_on_when_its_token_expires_and_its_rest_takes_a_new_one(void **state)
{
    engine *e = *state;
    size_t len;
    char *many = keep(e, patients(20000, &len));
    tokens(e, TOKEN("token-1", 300), TOKEN("token-2", 300));
    hosted *f = file_host_add(&e->host, &(hosted){.path = "/1",
                                                  .bytes = many,
                                                  .len = len,
                                                  .etag = "\"v1\"",
                                                  .needs_token = true,
                                                  .cut_after = len / 2,
                                                  .cuts = 1,
                                                  .cut_how = FAKE_CUT});
    e->host.on_request = expire_after_the_first;
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    run_all(e);
    assert_int_equal(f->requests, 3); /* the file, its rest with the old token, its rest with the new one */
    assert_int_equal(e->host.refused, 1);
    assert_int_equal(f->ranges, 2);
    assert_content(e, "Patient.000.ndjson", many, len);
}

/* The token endpoint does not answer before a file that needs no token is there. */
static void wait_for_a_file(void *impl, const sb_http_request *request)
{
    engine *e = impl;
    if (strstr(request->url, "/token"))
        assert_true(eventually(totals(&e->base).files_done == 1));
}

static void who_needs_no_token_does_not_wait_for_one(void **state)
{
    engine *e = *state;
    tokens(e, NULL, TOKEN("token-1", 300));
    e->options.threads = 1;
    e->tokens.on_request = wait_for_a_file;
    e->tokens.on_request_impl = e;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = LINE, .needs_token = true});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE});
    list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    list(e, (listing){.type = "Patient", .path = "/2"});
    run_all(e);
    assert_int_equal(totals(&e->base).files_done, 2);
}

static void tokens_that_live_a_second_are_enough(void **state)
{
    engine *e = *state;
    tokens(e, NULL, TOKEN("token-1", 1));
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = LINE, .needs_token = true});
    for (int i = 0; i < 200; i++)
        list(e, (listing){.type = "Patient", .path = "/1", .needs_token = true});
    run_all(e);
    assert_int_equal(totals(&e->base).files_done, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TE(the_token_goes_along_only_where_the_page_says_so),
        TE(without_need_no_token_is_asked_for),
        TE(a_refused_token_is_replaced_without_a_word),
        TE(a_storm_of_refusals_makes_one_token_request),
        TE(a_second_refusal_is_final_and_everything_stays_pending),
        TE(a_token_that_a_file_server_repeats_is_not_shown),
        TE(a_token_that_cannot_be_had_ends_the_run),
        TE(a_foreign_host_does_not_see_the_token_and_the_other_files_come),
        TE(a_redirect_takes_the_token_nowhere_else),
        TE(a_refusal_behind_a_redirect_says_nothing_of_the_token),
        TLS(https_never_leads_to_http),
        TE(circles_of_redirects_end),
        TE(a_transfer_goes_on_when_its_token_expires_and_its_rest_takes_a_new_one),
        TE(who_needs_no_token_does_not_wait_for_one),
        TE(tokens_that_live_a_second_are_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
