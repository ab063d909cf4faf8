/* SPDX-License-Identifier: Apache-2.0 */
/* What a log line never holds, in the forms that secrets come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

static void expect(const char *text, const char *logged)
{
    SB_AUTO(sb_buf) out = SB_BUF_INIT;
    assert_true(sb_redact(sb_str_from(text), &out));
    assert_string_equal(sb_buf_cstr(&out), logged);
}

static void a_bearer_token_is_replaced_and_the_word_bearer_is_not(void **state)
{
    (void)state;
    expect("Authorization: Bearer abcdefgh.ijk", "Authorization: [redacted]");
    expect("sent Bearer abcdefgh.ijk to it", "sent Bearer [redacted] to it");
    expect("a bearer token was sent", "a bearer token was sent");
}

static void a_query_or_fragment_of_a_url_is_replaced_to_its_end(void **state)
{
    (void)state;
    expect("GET https://h.example/a?b=c&d=e: 200", "GET https://h.example/a?[redacted] 200");
    expect("https://h.example/?n=\xC3\xA9&sig=x y", "https://h.example/?[redacted] y");
    expect("GET https://h.example/a?…: 200 in 5 ms", "GET https://h.example/a?…: 200 in 5 ms");
    expect("HTTPS://h.example/a?b=c", "HTTPS://h.example/a?[redacted]");
    expect("https://h.example/a#access_token=b", "https://h.example/a#[redacted]");
}

static void a_named_secret_is_replaced_in_json_and_in_forms(void **state)
{
    (void)state;
    expect("{\"access_token\": \"a b\", \"expires_in\": 5}", "{\"access_token\": \"[redacted]\", \"expires_in\": 5}");
    expect("a=1&client_assertion=eyJ.b.c&d=2", "a=1&client_assertion=[redacted]&d=2");
    expect("patient=Patient/17 is unknown", "patient=[redacted] is unknown");
}

static void a_name_in_the_place_of_a_value_does_not_save_its_own_value(void **state)
{
    (void)state;
    expect("code: access_token: abc d", "code: [redacted] d");
    expect("patient = \"access_token\": \"abc\" d", "patient = \"[redacted]\" d");
    expect("patient=y(Bearer abcdefghi d", "patient=[redacted] d");
}

static void a_line_break_of_a_peer_is_not_one_of_the_log(void **state)
{
    (void)state;
    expect("a\r\nb\x1b[2J", "a??b?[2J");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bearer_token_is_replaced_and_the_word_bearer_is_not),
        cmocka_unit_test(a_query_or_fragment_of_a_url_is_replaced_to_its_end),
        cmocka_unit_test(a_named_secret_is_replaced_in_json_and_in_forms),
        cmocka_unit_test(a_name_in_the_place_of_a_value_does_not_save_its_own_value),
        cmocka_unit_test(a_line_break_of_a_peer_is_not_one_of_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
