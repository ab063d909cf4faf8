/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls.c - certificates: only good ones are accepted, and of the others a person learns what is wrong.   DISC-05 */
#include "http_test.h"

#define DONE "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"

static const fake_reply done[] = {{DONE}};

/* GET from a server with this certificate, trusting `ca_file`. */
static sb_status get_with(fake_ca *server_ca, const fake_cert *cert, const char *ca_file, sb_error *err)
{
    fake_server *s = fake_server_start(server_ca, cert, done, 1);
    SB_AUTOPTR(sb_http) http = new_http(ca_file);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_status status = get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, "tok", &r, err);
    if (status != SB_OK) {
        char port[32];
        (void)snprintf(port, sizeof(port), "127.0.0.1:%u", fake_server_port(s));
        assert_true(has(err->why, port)); /* names the server */
        assert_string_not_equal(err->fix, "");
        assert_int_equal(fake_server_requests(s), 0); /* and nothing was sent to it */
    }
    fake_server_stop(s);
    return status;
}

static void a_good_certificate_is_accepted(void **state)
{
    sb_error err;
    assert_int_equal(get_with(*state, NULL, fake_ca_file(*state), &err), SB_OK);
}

static void an_expired_one_is_refused_with_its_date(void **state)
{
    sb_error err;
    const fake_cert cert = {.valid_from_s = -40 * 86400, .valid_for_s = 86400};
    assert_int_equal(get_with(*state, &cert, fake_ca_file(*state), &err), SB_E_NETWORK);
    assert_true(has(err.what, "has expired"));
    assert_true(has(err.why, "was valid until "));
    assert_true(has(err.why, "GMT; this machine's clock says ")); /* the date itself, by OpenSSL */
    assert_true(has(err.fix, "clock"));
}

static void one_from_the_future_is_refused_with_its_date(void **state)
{
    sb_error err;
    const fake_cert cert = {.valid_from_s = 86400, .valid_for_s = 86400};
    assert_int_equal(get_with(*state, &cert, fake_ca_file(*state), &err), SB_E_NETWORK);
    assert_true(has(err.what, "not valid yet"));
    assert_true(has(err.why, "is valid from "));
    assert_true(has(err.fix, "clock"));
}

static void an_unknown_ca_is_refused_with_its_name(void **state)
{
    sb_error err;
    fake_ca *other = fake_ca_new("another CA");
    fake_ca *namesake = fake_ca_new("throw-away test CA"); /* made anew: same name, new key */
    const char *const trusted[] = {fake_ca_file(other), fake_ca_file(namesake), NULL}; /* NULL: the system's */
    for (size_t i = 0; i < SB_ARRAY_LEN(trusted); i++) {
        assert_int_equal(get_with(*state, NULL, trusted[i], &err), SB_E_NETWORK);
        assert_true(has(err.what, "unknown CA"));
        assert_true(has(err.why, "throw-away test CA"));
        assert_true(has(err.fix, "--ca-file"));
    }
    fake_ca_free(other);
    fake_ca_free(namesake);
}

static void one_for_another_host_is_refused_with_its_names(void **state)
{
    sb_error err;
    const fake_cert cert = {.names = "DNS:payer.example,DNS:*.payer.example,IP:10.0.0.1"};
    assert_int_equal(get_with(*state, &cert, fake_ca_file(*state), &err), SB_E_NETWORK);
    assert_true(has(err.what, "another host"));
    assert_true(has(err.why, "payer.example, *.payer.example"));
}

static void a_client_certificate_is_shown_when_asked(void **state)
{
    fake_ca *ca = *state;
    const fake_cert cert = {.wants_client_cert = true};
    sb_error err;
    fake_server *s = fake_server_start(ca, &cert, done, 1);
    sb_http_options options = {.ca_file = fake_ca_file(ca), .client_cert = fake_ca_client_file(ca)};
    SB_AUTOPTR(sb_http) with = NULL;
    SB_AUTOPTR(sb_http) without = new_http(fake_ca_file(ca));
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    assert_int_equal(sb_http_new(&options, &with, &err), SB_OK);
    assert_int_equal(get_from(with, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_OK);
    assert_int_equal(get_from(without, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, &err), SB_E_NETWORK);
    assert_true(has(err.why, "client certificate")); /* whatever libcurl says of the socket */
    assert_true(has(err.fix, "client certificate"));
    fake_server_stop(s);
}

static void a_key_of_another_certificate_is_refused_at_once(void **state)
{
    fake_ca *ca = *state, *other = fake_ca_new("another CA");
    sb_http *http = NULL;
    sb_error err;
    sb_http_options options = {.client_cert = fake_ca_file(ca), .client_key = fake_ca_client_file(other)};
    assert_int_equal(sb_http_new(&options, &http, &err), SB_E_USAGE);
    assert_true(has(err.what, "key"));
    options.client_key = NULL; /* a certificate without a key */
    assert_int_equal(sb_http_new(&options, &http, &err), SB_E_USAGE);
    fake_ca_free(other);
}

static void a_tls_url_for_a_plain_port_says_so(void **state)
{
    (void)state;
    SERVER(s, NULL, {"HTTP/1.1 400 Plain\r\n\r\n", 0, FAKE_CLOSE});
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", fake_server_port(s));
    SB_AUTOPTR(sb_http) http = new_http(NULL);
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    sb_http_request request = {.method = "GET", .url = url, .timeout_s = 5};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_NETWORK);
    assert_true(has(err.fix, "does not speak TLS"));
    fake_server_stop(s);
}

static sb_status ignore(void *impl, sb_str bytes, sb_error *err)
{
    (void)impl, (void)bytes, (void)err;
    return SB_OK;
}

static void the_end_of_an_answer_without_length_is_what_tls_says(void **state)
{
    fake_ca *ca = *state;
    SERVER(s, ca, {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", 0, FAKE_CLOSE},
           {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", 0, FAKE_CLOSE},
           {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", 0, FAKE_CUT});
    SB_AUTOPTR(sb_http) http = new_http(fake_ca_file(ca));
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    sb_error err;
    assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, NULL, &r, NULL), SB_OK);
    assert_string_equal(sb_buf_cstr(&r.body), "{}");
    char url[128];
    (void)snprintf(url, sizeof(url), "%s/file", fake_server_url(s));
    sb_http_request request = {.method = "GET", .url = url, .on_body = ignore};
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_OK);
    assert_int_equal(sb_http_send(http, &request, &r, &err), SB_E_NETWORK);
    assert_true(has(err.what, "ended before the answer did"));
    fake_server_stop(s);
}

static void connections_are_kept_over_tls(void **state)
{
    SERVER(s, *state, {DONE});
    SB_AUTOPTR(sb_http) http = new_http(fake_ca_file(*state));
    SB_AUTO(sb_http_response) r = SB_HTTP_RESPONSE_INIT;
    for (int i = 0; i < 4; i++)
        assert_int_equal(get_from(http, s, "/", SB_HTTP_REDIRECTS_NEVER, "tok", &r, NULL), SB_OK);
    assert_int_equal(fake_server_connections(s), 1);
    fake_server_stop(s);
}

static void tls_older_than_1_2_is_refused(void **state)
{
    sb_error err;
    const fake_cert old = {.tls_1_1_only = true};
    assert_int_equal(get_with(*state, &old, fake_ca_file(*state), &err), SB_E_NETWORK);
    assert_true(has(err.what, "no secure connection"));
}

static int set_up(void **state)
{
    *state = fake_ca_new("throw-away test CA");
    return 0;
}

static int tear_down(void **state)
{
    fake_ca_free(*state);
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_good_certificate_is_accepted),
        T(an_expired_one_is_refused_with_its_date),
        T(one_from_the_future_is_refused_with_its_date),
        T(an_unknown_ca_is_refused_with_its_name),
        T(one_for_another_host_is_refused_with_its_names),
        T(a_client_certificate_is_shown_when_asked),
        T(a_key_of_another_certificate_is_refused_at_once),
        T(a_tls_url_for_a_plain_port_says_so),
        T(the_end_of_an_answer_without_length_is_what_tls_says),
        T(connections_are_kept_over_tls),
        T(tls_older_than_1_2_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
