/* SPDX-License-Identifier: Apache-2.0 */
/* test_redirect.c - where a redirect may lead, and what goes along: the token never reaches a second origin.  USE-03 */
#include "http_test.h"

#define FOUND(location) "HTTP/1.1 302 Found\r\nContent-Length: 5\r\nLocation: " location "\r\n\r\nmoved"
#define DONE            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

/* A reply that redirects to `server` + `path`, malloc'ed. */
static char *to_server(int status, fake_server *server, const char *path)
{
    char *text = sb_printf("HTTP/1.1 %d Moved\r\nContent-Length: 0\r\nLocation: %s%s\r\n\r\n", status,
                           fake_server_url(server), path);
    assert_non_null(text);
    return text;
}

static void the_same_origin_keeps_the_token(void **state)
{
    (void)state;
    SERVER(s, NULL, {FOUND("/b?c=d")}, {FOUND("e")}, {DONE});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    assert_int_equal(get_from(http, s, "/a", SB_HTTP_REDIRECTS_FOLLOW, "tok", &r, NULL), SB_OK);
    assert_int_equal(r.status, 200);
    assert_string_equal(sb_buf_cstr(&r.body), "done"); /* not "moved" */
    assert_true(sb_str_ends_with(sb_str_from(r.url), SB_STR_LIT("/e")));
    for (unsigned i = 0; i < 3; i++)
        assert_true(has(fake_server_request(s, i), "\r\nAuthorization: Bearer tok\r\n"));
    fake_server_stop(s);
}

static void another_origin_never_sees_the_token(void **state)
{
    (void)state;
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < SB_ARRAY_LEN(statuses); i++) {
        SERVER(b, NULL, {DONE});
        SB_AUTOFREE moved = to_server(statuses[i], b, "/presigned?sig=x");
        SERVER(a, NULL, {moved});
        const sb_http_header headers[] = {
            {"X-Api-Key", "sesame"}, {"Cookie", "sesame"}, {"Authorization", "sesame"}, {"If-Range", "\"etag\""}};
        const char *const extra[] = {"X-Payer-Key: sesame", NULL};
        sb_http_options options = {.headers = extra, .headers_origin = fake_server_url(a)};
        SB_AUTOPTR(sb_http) http = NULL;
        SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
        assert_int_equal(sb_http_new(&options, &http, NULL), SB_OK);
        sb_http_request request = {.method = "GET",
                                   .url = fake_server_url(a),
                                   .headers = headers,
                                   .n_headers = SB_ARRAY_LEN(headers),
                                   .bearer = "sesame-token",
                                   .redirects = SB_HTTP_REDIRECTS_FOLLOW};
        assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_OK);
        assert_int_equal(r.status, 200);
        assert_true(has(fake_server_request(a, 0), "sesame-token"));
        assert_true(has(fake_server_request(b, 0), "GET /presigned?sig=x "));
        assert_false(has(fake_server_request(b, 0), "sesame"));
        assert_true(has(fake_server_request(b, 0), "If-Range: \"etag\"")); /* says nothing of who we are */
        fake_server_stop(a);
        fake_server_stop(b);
    }
}

static void a_token_that_stayed_behind_does_not_come_back(void **state)
{
    (void)state;
    /* a → b → a: what b chose for us to ask of a is not asked in our name */
    fake_reply b_replies[] = {{NULL}};
    fake_reply a_replies[] = {{NULL}, {DONE}};
    fake_server *a = fake_server_start(NULL, NULL, a_replies, 2);
    fake_server *b = fake_server_start(NULL, NULL, b_replies, 1);
    SB_AUTOFREE to_b = to_server(302, b, "/");
    SB_AUTOFREE to_a = to_server(302, a, "/delete-everything");
    a_replies[0].bytes = to_b;
    b_replies[0].bytes = to_a;
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    assert_int_equal(get_from(http, a, "/", SB_HTTP_REDIRECTS_FOLLOW, "tok", &r, NULL), SB_OK);
    assert_true(has(fake_server_request(a, 1), "/delete-everything"));
    assert_false(has(fake_server_request(a, 1), "tok"));
    fake_server_stop(a);
    fake_server_stop(b);
}

static void https_never_becomes_http(void **state)
{
    (void)state;
    fake_ca *ca = fake_ca_new("throw-away test CA");
    SERVER(plain, NULL, {DONE});
    SB_AUTOFREE moved = to_server(302, plain, "/");
    SERVER(tls, ca, {moved});
    SB_AUTOPTR(sb_http) http = new_http(fake_ca_file(ca));
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, tls, "/", SB_HTTP_REDIRECTS_FOLLOW, "tok", &r, &err), SB_E_SERVER);
    assert_true(has(err.why, "from https to plain http"));
    assert_int_equal(fake_server_requests(plain), 0);
    fake_server_stop(tls);
    fake_server_stop(plain);
    fake_ca_free(ca);
}

static void loopback_http_may_become_https(void **state)
{
    (void)state;
    fake_ca *ca = fake_ca_new("throw-away test CA");
    SERVER(tls, ca, {DONE});
    SB_AUTOFREE moved = to_server(302, tls, "/");
    SERVER(plain, NULL, {moved});
    SB_AUTOPTR(sb_http) http = new_http(fake_ca_file(ca));
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    assert_int_equal(get_from(http, plain, "/", SB_HTTP_REDIRECTS_FOLLOW, "tok", &r, NULL), SB_OK);
    assert_int_equal(r.status, 200);
    assert_false(has(fake_server_request(tls, 0), "tok"));
    fake_server_stop(plain);
    fake_server_stop(tls);
    fake_ca_free(ca);
}

static void forbidden_targets_are_refused(void **state)
{
    (void)state;
    SERVER(s, NULL, {FOUND("file:///etc/passwd")}, {FOUND("http://payer.example/")}, {FOUND("ftp://127.0.0.1/")},
           {FOUND("http://127.0.0.1.evil.example/")}, {FOUND("//user:pw@127.0.0.1/")}, {FOUND("gopher://127.0.0.1/")},
           {FOUND("javascript:alert(1)")}, {FOUND("http://localhost@evil.example/")}, {FOUND("http:\\\\evil.example")});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    for (int i = 0; i < 9; i++) {
        assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_FOLLOW, "tok", &r, &err), SB_E_SERVER);
        assert_true(has(err.what, "must not go"));
    }
    assert_int_equal(fake_server_requests(s), 9);
    fake_server_stop(s);
}

static void circles_end(void **state)
{
    (void)state;
    SERVER(s, NULL, {FOUND("/again")});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_FOLLOW, NULL, &r, &err), SB_E_SERVER);
    assert_true(has(err.what, "circles"));
    assert_int_equal(fake_server_requests(s), 6); /* itself and five redirects */
    fake_server_stop(s);
}

static void a_post_is_never_sent_on(void **state)
{
    (void)state;
    SERVER(s, NULL, {"HTTP/1.1 307 Elsewhere\r\nContent-Length: 0\r\nLocation: /other\r\n\r\n"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {.method = "POST",
                               .url = fake_server_url(s),
                               .body = SB_STR_LIT("client_assertion=x"),
                               .redirects = SB_HTTP_REDIRECTS_FOLLOW}; /* even when asked for          AUTH-09 */
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_OK);
    assert_int_equal(r.status, 307);
    assert_string_equal(sb_http_header_get(&r.headers, "Location"), "/other");
    assert_int_equal(fake_server_requests(s), 1);
    fake_server_stop(s);
}

static void a_redirect_without_location_is_an_answer(void **state)
{
    (void)state;
    SERVER(s, NULL, {"HTTP/1.1 302 Where\r\nContent-Length: 2\r\n\r\n{}"},
           {"HTTP/1.1 304 Same\r\nLocation: /x\r\n\r\n"},
           {"HTTP/1.1 202 Wait\r\nContent-Length: 0\r\nLocation: /x\r\n\r\n"});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    static const int statuses[] = {302, 304, 202};
    for (size_t i = 0; i < SB_ARRAY_LEN(statuses); i++) {
        assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_FOLLOW, NULL, &r, NULL), SB_OK);
        assert_int_equal(r.status, statuses[i]);
    }
    fake_server_stop(s);
}

static void the_timeout_is_of_the_whole_exchange(void **state)
{
    (void)state;
    SERVER(s, NULL, {FOUND("/slow")}, {"", 0, FAKE_STALL});
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_http_request request = {
        .method = "GET", .url = fake_server_url(s), .redirects = SB_HTTP_REDIRECTS_FOLLOW, .timeout_s = 1};
    assert_int_equal(sb_http_send(http, &request, &r, NULL), SB_E_NETWORK);
    fake_server_stop(s);
}

static void one_step_says_whether_credentials_may_go_along(void **state)
{
    (void)state;
    static const struct {
        const char *from, *location, *to; /* to NULL: refused */
        bool keep;
    } steps[] = {
        {"https://a.example/x/y?z=1", "/b", "https://a.example/b", true},
        {"https://a.example/x/y?z=1", "b", "https://a.example/x/b", true},
        {"https://a.example/x/y?z=1", "?q=2", "https://a.example/x/y?q=2", true},
        {"https://a.example/x", "https://A.EXAMPLE:443/b#frag", "https://A.EXAMPLE:443/b", true},
        {"https://a.example/x", "https://a.example:8443/b", "https://a.example:8443/b", false},
        {"https://a.example/x", "https://b.a.example/b", "https://b.a.example/b", false},
        {"https://a.example/x", "//b.example/c", "https://b.example/c", false},
        {"https://a.example/x", "http://a.example/x", NULL, false},
        {"https://a.example/x", "http://127.0.0.1/x", NULL, false},
        {"http://127.0.0.1:1/x", "http://127.0.0.1:1/y", "http://127.0.0.1:1/y", true},
        {"http://127.0.0.1:1/x", "http://127.0.0.1:2/y", "http://127.0.0.1:2/y", false},
        {"http://127.0.0.1:1/x", "http://b.example/y", NULL, false},
        {"https://a.example/x", "https://a.example@b.example/", NULL, false},
        {"https://a.example/x", "", NULL, false},
        {"https://a.example/x", "https:///", NULL, false},
        {"https://a.example/x", "https://a.example/\x01", NULL, false},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(steps); i++) {
        SB_AUTO(sb_url) from = SB_URL_INIT;
        SB_AUTO(sb_url) to = SB_URL_INIT;
        bool keep = true;
        assert_int_equal(sb_url_parse(steps[i].from, &from, NULL), SB_OK);
        sb_status status = sb_http_redirect(&from, steps[i].location, &to, &keep, NULL);
        assert_int_equal(status, steps[i].to ? SB_OK : SB_E_SERVER);
        assert_int_equal(keep, steps[i].keep);
        if (steps[i].to)
            assert_string_equal(to.text, steps[i].to);
        else
            assert_null(to.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_origin_keeps_the_token),
        cmocka_unit_test(another_origin_never_sees_the_token),
        cmocka_unit_test(a_token_that_stayed_behind_does_not_come_back),
        cmocka_unit_test(https_never_becomes_http),
        cmocka_unit_test(loopback_http_may_become_https),
        cmocka_unit_test(forbidden_targets_are_refused),
        cmocka_unit_test(circles_end),
        cmocka_unit_test(a_post_is_never_sent_on),
        cmocka_unit_test(a_redirect_without_location_is_an_answer),
        cmocka_unit_test(the_timeout_is_of_the_whole_exchange),
        cmocka_unit_test(one_step_says_whether_credentials_may_go_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
