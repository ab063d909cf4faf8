/* SPDX-License-Identifier: Apache-2.0 */
/* test_guarded.c - whoever names a URL makes this server speak to nobody whom he could not reach himself.    AUTH-08 */
#include "http_test.h"

#include "http/cache_control.h"
#include "http/guarded.h"
#include "http/network.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define BODY    "Content-Length: 2\r\n\r\n{}"

static fake_ca *ca;

static int set_up(void **state)
{
    (void)state;
    ca = fake_ca_new("guarded");
    return ca ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fake_ca_free(ca);
    return 0;
}

static sb_guard *new_guard(const char *network)
{
    sb_guard *guard = NULL;
    char *one = (char *)(uintptr_t)network;
    sb_guard_options options = {.networks = &one, .network_count = network ? 1 : 0, .ca_file = fake_ca_file(ca)};
    assert_int_equal(sb_guard_new(&options, &guard, NULL), SB_OK);
    return guard;
}

static sb_status fetch(const sb_guard *guard, const char *url, sb_guarded_answer *out, sb_error *err)
{
    sb_buf_cleanup(&out->body);
    return sb_guarded_get(guard, url, "application/json", 100, out, err);
}

/* From that server, which is on loopback, with loopback allowed. */
static sb_status fetch_allowed(fake_server *server, sb_guarded_answer *out, sb_error *err)
{
    SB_AUTOPTR(sb_guard) guard = new_guard("127.0.0.0/8");
    return fetch(guard, fake_server_url(server), out, err);
}

static void a_document_is_fetched_with_its_age(void **state)
{
    (void)state;
    sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
    SERVER(server, ca, {OK_HEAD "Cache-Control: public, max-age=100\r\nAge: 30\r\n" BODY, 0, FAKE_KEEP, 0});
    assert_int_equal(fetch_allowed(server, &got, NULL), SB_OK);
    assert_string_equal(sb_buf_cstr(&got.body), "{}");
    assert_true(got.has_max_age);
    assert_int_equal(got.max_age_s, 70);
    assert_true(has(fake_server_request(server, 0), "Accept: application/json\r\n"));
    assert_false(has(fake_server_request(server, 0), "Authorization"));
    sb_buf_cleanup(&got.body);
    fake_server_stop(server);
}

static void nobody_inside_is_connected_to(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost",          "[::1]", "127.1", "2130706433", "0x7f.1",
                                        "0.0.0.0",   "[::ffff:127.0.0.1]", "[::]"};
    sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
    SERVER(server, ca, {OK_HEAD BODY, 0, FAKE_KEEP, 0});
    SB_AUTOPTR(sb_guard) guard = new_guard(NULL);
    SB_AUTOPTR(sb_guard) elsewhere = new_guard("10.0.0.0/8");
    for (size_t i = 0; i < SB_ARRAY_LEN(hosts); i++) {
        char url[100];
        sb_error err = SB_ERROR_INIT;
        (void)snprintf(url, sizeof(url), "https://%s:%u/", hosts[i], fake_server_port(server));
        assert_int_not_equal(fetch(guard, url, &got, &err), SB_OK);
        assert_true(has(err.why, "public"));
        assert_int_not_equal(fetch(elsewhere, url, &got, &err), SB_OK);
    }
    assert_int_equal(fake_server_connections(server), 0);
    fake_server_stop(server);
}

static void a_name_inside_and_none_at_all_are_one_answer(void **state)
{
    (void)state;
    sb_error inside = SB_ERROR_INIT, nowhere = SB_ERROR_INIT;
    sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
    SB_AUTOPTR(sb_guard) guard = new_guard(NULL);
    assert_int_equal(fetch(guard, "https://localhost:1/", &got, &inside), SB_E_NETWORK);
    assert_int_equal(fetch(guard, "https://no-such-host.invalid/", &got, &nowhere), SB_E_NETWORK);
    assert_string_equal(inside.why, nowhere.why);
}

static void a_url_that_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://example.com/jwks",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com/#x",
        "//example.com/",
        "https://10.1.2.3/jwks",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/",
        "https://exa mple.com/",
    };
    SB_AUTOPTR(sb_guard) guard = new_guard(NULL);
    for (size_t i = 0; i < SB_ARRAY_LEN(urls); i++) {
        if (sb_guard_check_url(guard, urls[i], NULL) != SB_E_INVALID)
            fail_msg("'%s' is accepted", urls[i]);
    }
    assert_int_equal(sb_guard_check_url(guard, "https://client.example:8443/jwks?x=y", NULL), SB_OK);
}

static void plain_http_is_for_a_loopback_that_is_allowed(void **state)
{
    (void)state;
    sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
    SERVER(server, NULL, {OK_HEAD BODY, 0, FAKE_KEEP, 0});
    SB_AUTOPTR(sb_guard) guard = new_guard(NULL);
    assert_int_not_equal(fetch(guard, fake_server_url(server), &got, NULL), SB_OK);
    assert_int_equal(fetch_allowed(server, &got, NULL), SB_OK);
    sb_buf_cleanup(&got.body);
    fake_server_stop(server);
}

static void what_is_not_a_plain_200_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *why;
    } cases[] = {
        {"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "redirect"},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"},
        {"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n", "206"},
        {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "500"},
        {"SSH-2.0-OpenSSH\r\n", ""},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        sb_error err = SB_ERROR_INIT;
        sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
        SERVER(server, ca, {cases[i].reply, 0, FAKE_CLOSE, 0});
        assert_int_not_equal(fetch_allowed(server, &got, &err), SB_OK);
        assert_true(has(err.why, cases[i].why));
        assert_int_equal(fake_server_requests(server), 1);
        sb_buf_cleanup(&got.body);
        fake_server_stop(server);
    }
}

static void a_document_that_is_too_long_is_cut_off(void **state)
{
    (void)state;
    sb_error err = SB_ERROR_INIT;
    sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
    SERVER(server, ca, {OK_HEAD "Content-Length: 101\r\n\r\n", 101, FAKE_CLOSE, 0},
           {OK_HEAD "Content-Length: 100\r\n\r\n", 100, FAKE_CLOSE, 0});
    assert_int_equal(fetch_allowed(server, &got, &err), SB_E_SERVER);
    assert_true(has(err.why, "100 bytes"));
    assert_int_equal(fetch_allowed(server, &got, NULL), SB_OK);
    assert_int_equal(got.body.len, 100);
    sb_buf_cleanup(&got.body);
    fake_server_stop(server);
}

/* A byte now and then keeps any time-out of silence away: what counts is the whole time. */
static int drip(void *impl, const char *request, fake_connection *connection)
{
    (void)impl, (void)request;
    static const char head[] = OK_HEAD "Content-Length: 100\r\n\r\n";
    bool there = fake_server_send(connection, head, sizeof(head) - 1);
    for (int i = 0; there && i < 99; i++) {
        (void)nanosleep(&(struct timespec){0, 200 * SB_NS_PER_MS}, NULL);
        there = fake_server_send(connection, "x", 1);
    }
    return FAKE_STALL;
}

static void a_document_that_drips_is_given_up(void **state)
{
    (void)state;
    sb_error err = SB_ERROR_INIT;
    sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
    fake_server *server = fake_server_start_handler(ca, drip, NULL);
    assert_int_equal(fetch_allowed(server, &got, &err), SB_E_NETWORK);
    sb_buf_cleanup(&got.body);
    fake_server_stop(server);
}

/* Nobody asked for gzip: a bomb stays as small as it came. */
static void what_is_compressed_is_not_expanded(void **state)
{
    (void)state;
    static const char reply[] = OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 22\r\n\r\n"
                                        "\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0";
    sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
    SERVER(server, ca, {reply, 0, FAKE_KEEP, sizeof(reply) - 1});
    assert_int_equal(fetch_allowed(server, &got, NULL), SB_OK);
    assert_int_equal(got.body.len, 22);
    assert_false(has(fake_server_request(server, 0), "Accept-Encoding"));
    sb_buf_cleanup(&got.body);
    fake_server_stop(server);
}

static void a_certificate_of_nobody_is_refused(void **state)
{
    (void)state;
    sb_guarded_answer got = SB_GUARDED_ANSWER_INIT;
    fake_ca *other = fake_ca_new("other");
    SERVER(server, other, {OK_HEAD BODY, 0, FAKE_CLOSE, 0});
    assert_int_equal(fetch_allowed(server, &got, NULL), SB_E_NETWORK);
    assert_int_equal(fake_server_requests(server), 0);
    fake_server_stop(server);
    fake_ca_free(other);
}

static void what_is_everybodys_is_known(void **state)
{
    (void)state;
    static const char *const ours[] = {"0.0.0.0",
                                       "10.0.0.1",
                                       "100.64.0.1",
                                       "127.0.0.1",
                                       "127.255.255.255",
                                       "169.254.169.254",
                                       "172.16.0.1",
                                       "172.31.255.255",
                                       "192.168.1.1",
                                       "192.0.2.1",
                                       "198.18.0.1",
                                       "198.51.100.1",
                                       "203.0.113.1",
                                       "224.0.0.1",
                                       "240.0.0.1",
                                       "255.255.255.255",
                                       "::",
                                       "::1",
                                       "fc00::1",
                                       "fd12::1",
                                       "fe80::1",
                                       "fec0::1",
                                       "ff02::1",
                                       "2001:db8::1",
                                       "2001::1",
                                       "2002:7f00:1::",
                                       "::ffff:127.0.0.1",
                                       "::ffff:10.0.0.1",
                                       "::127.0.0.1",
                                       "64:ff9b::7f00:1",
                                       "64:ff9b:1::1",
                                       "64:ff9b::a00:1",
                                       "100::1",
                                       "3fff::1"};
    static const char *const everybodys[] = {"1.1.1.1",      "9.255.255.255",  "11.0.0.1",        "172.15.0.1",
                                             "172.32.0.1",   "192.167.1.1",    "223.255.255.1",   "2606:4700::1111",
                                             "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"};
    sb_address address;
    for (size_t i = 0; i < SB_ARRAY_LEN(ours); i++) {
        assert_true(sb_address_parse(sb_str_from(ours[i]), &address));
        if (sb_address_is_public(&address))
            fail_msg("%s is taken for everybody's", ours[i]);
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(everybodys); i++) {
        assert_true(sb_address_parse(sb_str_from(everybodys[i]), &address));
        if (!sb_address_is_public(&address))
            fail_msg("%s is taken for somebody's", everybodys[i]);
    }
}

static void cache_control_says_how_long(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t want; /* -1: it does not say */
    } cases[] = {
        {"max-age=60", 60},
        {"public, MAX-AGE = 60", 60},
        {"max-age=\"60\"", 60},
        {"max-age=60, max-age=90", 60},
        {"max-age=99999999999999999999", SB_CACHE_AGE_MAX_S},
        {"no-store, max-age=60", 0},
        {"max-age=60, no-cache", 0},
        {"no-cache=\"Set-Cookie\", max-age=60", 0},
        {"x=\"a, max-age=5\", max-age=7", 7},
        {"x=\"\\\", max-age=5\"", -1},
        {"max-age=-1", -1},
        {"max-age=1.5", -1},
        {"max-age", -1},
        {"max-age=", -1},
        {"s-maxage=60", -1},
        {"x-max-age=60", -1},
        {"", -1},
        {",,,", -1},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        unsigned got = 0;
        bool says = sb_cache_control_max_age(sb_str_from(cases[i].value), &got);
        if (says != (cases[i].want >= 0) || (says && got != cases[i].want))
            fail_msg("'%s' is %s %u", cases[i].value, says ? "read as" : "not read", got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_fetched_with_its_age),
        cmocka_unit_test(nobody_inside_is_connected_to),
        cmocka_unit_test(a_name_inside_and_none_at_all_are_one_answer),
        cmocka_unit_test(a_url_that_cannot_be_meant_is_refused),
        cmocka_unit_test(plain_http_is_for_a_loopback_that_is_allowed),
        cmocka_unit_test(what_is_not_a_plain_200_is_refused),
        cmocka_unit_test(a_document_that_is_too_long_is_cut_off),
        cmocka_unit_test(a_document_that_drips_is_given_up),
        cmocka_unit_test(what_is_compressed_is_not_expanded),
        cmocka_unit_test(a_certificate_of_nobody_is_refused),
        cmocka_unit_test(what_is_everybodys_is_known),
        cmocka_unit_test(cache_control_says_how_long),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
