/* SPDX-License-Identifier: Apache-2.0 */
/* test_links.c - a payer's URLs are resolved, and never lead from https to plain http. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "export/links.h"

static void assert_link(const char *base_text, const char *text, const char *want, bool want_mended)
{
    SB_AUTO(sb_url) base = SB_URL_INIT;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    bool mended;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_url_parse(base_text, &base, NULL), SB_OK);
    sb_status status = sb_link_resolve(&base, text, "the link", &url, &mended, &err);
    if (!want) {
        assert_int_equal(status, SB_E_SERVER);
        assert_string_equal(err.what, "the link cannot be used");
        assert_true(err.why[0] && err.fix[0]);
        return;
    }
    assert_int_equal(status, SB_OK);
    assert_string_equal(url.text, want);
    assert_int_equal(mended, want_mended);
}

#define BASE "https://p.example/r4/$export-status/1"

static void absolute_and_relative_urls_are_resolved(void **state)
{
    (void)state;
    assert_link(BASE, "https://files.example/a?sig=1#x", "https://files.example/a?sig=1", false);
    assert_link(BASE, "../files/a", "https://p.example/r4/files/a", false);
    assert_link(BASE, "/a", "https://p.example/a", false);
    assert_link(BASE, "?page=2", "https://p.example/r4/$export-status/1?page=2", false);
    assert_link("http://127.0.0.1:8080/s", "f", "http://127.0.0.1:8080/f", false);
    assert_link("http://127.0.0.1:8080/s", "https://files.example/f", "https://files.example/f", false);
}

static void plain_http_of_the_same_host_is_read_as_https(void **state)
{
    (void)state;
    assert_link(BASE, "http://p.example/f?a=b", "https://p.example:443/f?a=b", true); /* REAL-06 */
    assert_link("https://p.example:8443/s", "http://P.example:8443/f", "https://p.example:8443/f", true);
    assert_link("https://[::1]:8443/s", "http://[::1]/f", "https://[::1]:8443/f", true);
}

static void nothing_else_leads_to_plain_http(void **state)
{
    (void)state;
    assert_link(BASE, "http://q.example/f", NULL, false);
    assert_link(BASE, "http://p.example:8080/f", NULL, false);
    assert_link(BASE, "http://127.0.0.1/f", NULL, false);
    assert_link("http://127.0.0.1:8080/s", "http://q.example/f", NULL, false);
}

static void what_is_no_url_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "file:///etc/passwd",
                                      "ftp://p.example/f",
                                      "javascript:alert(1)",
                                      "https://user:pw@p.example/",
                                      "https://p.example/a\r\nX: y",
                                      "https://p.example/a b",

                                      "https://p.example:99999/"};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++)
        assert_link(BASE, bad[i], NULL, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absolute_and_relative_urls_are_resolved),
        cmocka_unit_test(plain_http_of_the_same_host_is_read_as_https),
        cmocka_unit_test(nothing_else_leads_to_plain_http),
        cmocka_unit_test(what_is_no_url_is_refused),
    };
    return cmocka_run_group_tests_name("export_links", tests, NULL, NULL);
}
