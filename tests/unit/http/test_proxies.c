/* SPDX-License-Identifier: Apache-2.0 */
/* test_proxies.c - whose request it is: a stranger's word about it never counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/proxies.h"

static char *const networks[] = {(char *)(uintptr_t) "10.0.0.0/8", (char *)(uintptr_t) "192.0.2.7",
                                 (char *)(uintptr_t) "fd00::/9", (char *)(uintptr_t) "127.0.0.1"};

static void expect(const char *peer, const char *forwarded, const char *client)
{
    SB_AUTOPTR(sb_proxies) proxies = NULL;
    char address[INET6_ADDRSTRLEN];
    sb_str header = sb_str_from(forwarded);
    assert_int_equal(sb_proxies_new(networks, SB_ARRAY_LEN(networks), &proxies, NULL), SB_OK);
    (void)snprintf(address, sizeof(address), "%s", peer);
    sb_proxies_resolve(proxies, &header, forwarded ? 1 : 0, address);
    assert_string_equal(address, client);
}

static void a_stranger_is_who_he_is(void **state)
{
    (void)state;
    expect("203.0.113.5", "198.51.100.1", "203.0.113.5");
    expect("192.0.2.8", "198.51.100.1", "192.0.2.8");
    expect("2001:db8::1", "198.51.100.1", "2001:db8::1");
    expect("fd80::1", "198.51.100.1", "fd80::1"); /* beyond the ninth bit */
}

static void a_port_and_brackets_are_passed_over(void **state)
{
    (void)state;
    expect("10.1.2.3", "198.51.100.1:4711", "198.51.100.1");
    expect("10.1.2.3", "[2001:db8::2]:443", "2001:db8::2");
    expect("10.1.2.3", "[2001:db8::2]", "2001:db8::2");
    expect("10.1.2.3", "203.0.113.5, 198.51.100.1:4711, 10.9.9.9:80", "198.51.100.1");
    expect("10.1.2.3", "198.51.100.1:", "10.1.2.3"); /* and what is none is nobody's word */
    expect("10.1.2.3", "198.51.100.1:99999", "10.1.2.3");
    expect("10.1.2.3", "198.51.100.1:80:80", "10.1.2.3");
    expect("10.1.2.3", "[198.51.100.1]:80", "10.1.2.3");
    expect("10.1.2.3", "[2001:db8::2]443", "10.1.2.3");
    expect("10.1.2.3", "[2001:db8::2", "10.1.2.3");
    expect("10.1.2.3", "[]", "10.1.2.3");
}

static void a_trusted_proxy_is_believed(void **state)
{
    (void)state;
    expect("10.1.2.3", "198.51.100.1", "198.51.100.1");
    expect("192.0.2.7", "2001:db8::2", "2001:db8::2");
    expect("fd7f::1", "198.51.100.1", "198.51.100.1");
    expect("::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1");
}

static void what_came_before_a_stranger_is_not_read(void **state)
{
    (void)state;
    expect("10.1.2.3", "1.2.3.4, 198.51.100.1, 10.9.9.9", "198.51.100.1");
    expect("10.1.2.3", "127.0.0.1, 203.0.113.9", "203.0.113.9");
    expect("10.1.2.3", "10.0.0.1,10.0.0.2", "10.0.0.1");
}

static void what_is_no_address_ends_it(void **state)
{
    (void)state;
    expect("10.1.2.3", "198.51.100.1, unknown", "10.1.2.3");
    expect("10.1.2.3", "198.51.100.1, nonsense, 10.0.0.9", "10.0.0.9");
    expect("10.1.2.3", "", "10.1.2.3");
    expect("10.1.2.3", ",", "10.1.2.3");
    expect("10.1.2.3", "localhost:80", "10.1.2.3");
    expect("10.1.2.3", NULL, "10.1.2.3");
}

static void headers_are_read_from_the_last(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_proxies) proxies = NULL;
    char address[INET6_ADDRSTRLEN] = "10.1.2.3";
    const sb_str headers[] = {SB_STR_LIT("198.51.100.1"), SB_STR_LIT("203.0.113.4, 10.0.0.1")};
    assert_int_equal(sb_proxies_new(networks, SB_ARRAY_LEN(networks), &proxies, NULL), SB_OK);
    sb_proxies_resolve(proxies, headers, 2, address);
    assert_string_equal(address, "203.0.113.4");
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "10.0.0.0/33", "10.0.0", "::/129", "10.0.0.0/", "host", "10.0.0.0/-1"};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        SB_AUTOPTR(sb_proxies) proxies = NULL;
        char *one = (char *)(uintptr_t)bad[i];
        assert_int_equal(sb_proxies_new(&one, 1, &proxies, NULL), SB_E_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_is_who_he_is),
        cmocka_unit_test(a_trusted_proxy_is_believed),
        cmocka_unit_test(a_port_and_brackets_are_passed_over),
        cmocka_unit_test(what_came_before_a_stranger_is_not_read),
        cmocka_unit_test(what_is_no_address_ends_it),
        cmocka_unit_test(headers_are_read_from_the_last),
        cmocka_unit_test(what_is_no_network_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
