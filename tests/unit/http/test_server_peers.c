/* SPDX-License-Identifier: Apache-2.0 */
/* test_server_peers.c - connections counted by address: whose they are, who is not counted, who is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "http/server_peers.h"

#define EACH 2

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static address at(const char *text)
{
    address a = {.v4 = {.sin_family = AF_INET}};
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1)
        return a;
    a = (address){.v6 = {.sin6_family = AF_INET6}};
    assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
    return a;
}

static sb_peers *peers_new(const sb_proxies *proxies)
{
    sb_peers *peers = NULL;
    assert_int_equal(sb_peers_new(EACH, proxies, &peers, NULL), SB_OK);
    return peers;
}

static bool has_room(sb_peers *peers, const char *text)
{
    address a = at(text);
    return sb_peers_has_room(peers, &a.any);
}

static sb_peer *enter(sb_peers *peers, const char *text)
{
    address a = at(text);
    return sb_peers_enter(peers, &a.any);
}

static void an_address_has_no_more_than_its_share(void **state)
{
    SB_AUTOPTR(sb_peers) peers = peers_new(NULL);
    (void)state;
    sb_peer *first = enter(peers, "192.0.2.1");
    assert_true(has_room(peers, "192.0.2.1"));
    sb_peer *second = enter(peers, "192.0.2.1");
    assert_false(has_room(peers, "192.0.2.1"));
    assert_true(has_room(peers, "192.0.2.2"));
    sb_peers_leave(peers, first);
    assert_true(has_room(peers, "192.0.2.1"));
    sb_peers_leave(peers, second);
}

static void an_ipv6_network_is_one_address(void **state)
{
    SB_AUTOPTR(sb_peers) peers = peers_new(NULL);
    (void)state;
    sb_peer *first = enter(peers, "2001:db8:0:1::1"), *second = enter(peers, "2001:db8:0:1:ffff::2");
    assert_false(has_room(peers, "2001:db8:0:1::3"));
    assert_true(has_room(peers, "2001:db8:0:2::1"));
    sb_peers_leave(peers, first);
    sb_peers_leave(peers, second);
}

static void an_ipv4_address_is_the_same_in_its_mapped_form_and_no_ipv6_network(void **state)
{
    SB_AUTOPTR(sb_peers) peers = peers_new(NULL);
    (void)state;
    sb_peer *first = enter(peers, "::ffff:32.1.13.184"), *second = enter(peers, "32.1.13.184");
    assert_false(has_room(peers, "32.1.13.184"));
    assert_true(has_room(peers, "::ffff:32.1.13.185"));
    assert_true(has_room(peers, "2001:db8::1")); /* whose first bytes are 32.1.13.184 */
    assert_true(has_room(peers, "::2001:db8:0:0:1"));
    sb_peers_leave(peers, first);
    sb_peers_leave(peers, second);
}

static void a_proxy_is_not_counted(void **state)
{
    char network[] = "10.0.0.0/8", *networks[] = {network};
    SB_AUTOPTR(sb_proxies) proxies = NULL;
    (void)state;
    assert_int_equal(sb_proxies_new(networks, 1, &proxies, NULL), SB_OK);
    SB_AUTOPTR(sb_peers) peers = peers_new(proxies);
    for (int i = 0; i < EACH + 1; i++)
        assert_null(enter(peers, "10.1.2.3"));
    assert_true(has_room(peers, "10.1.2.3"));
}

static void many_addresses_are_kept_apart(void **state)
{
    enum { MANY = 20000 };
    SB_AUTOPTR(sb_peers) peers = peers_new(NULL);
    sb_peer **all = calloc(MANY, sizeof(sb_peer *));
    (void)state;
    assert_non_null(all);
    for (uint32_t i = 0; i < MANY; i++) {
        address a = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(i)}};
        assert_true(sb_peers_has_room(peers, &a.any));
        all[i] = sb_peers_enter(peers, &a.any);
    }
    for (size_t i = 0; i < MANY; i++) /* in the order in which they came: from the chains' ends */
        sb_peers_leave(peers, all[i]);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_no_more_than_its_share),
        cmocka_unit_test(an_ipv6_network_is_one_address),
        cmocka_unit_test(an_ipv4_address_is_the_same_in_its_mapped_form_and_no_ipv6_network),
        cmocka_unit_test(a_proxy_is_not_counted),
        cmocka_unit_test(many_addresses_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
