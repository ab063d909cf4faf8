/* SPDX-License-Identifier: Apache-2.0 */
/* test_failures.c - whose failures count for whom: an address's own, and nobody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../smart/fake_clock.h"
#include "payer/auth/failures.h"

#define BURST 5

static fake_clock fake;

static sb_failures *failures_new(void)
{
    sb_failures *f = NULL;
    fake_clock_init(&fake);
    assert_int_equal(sb_failures_new(&fake.clock, BURST, 60, &f, NULL), SB_OK);
    return f;
}

static void fail_at(sb_failures *f, const char *address, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        sb_failures_add(f, address);
}

static void who_fails_waits_until_there_is_room_again(void **state)
{
    SB_AUTOPTR(sb_failures) f = failures_new();
    (void)state;
    fail_at(f, "192.0.2.1", BURST - 1);
    assert_false(sb_failures_exceeded(f, "192.0.2.1"));
    fail_at(f, "192.0.2.1", 1);
    assert_true(sb_failures_exceeded(f, "192.0.2.1"));
    assert_true(sb_failures_exceeded(f, "::ffff:192.0.2.1"));
    fake_advance_s(&fake, 1);
    assert_false(sb_failures_exceeded(f, "192.0.2.1"));
}

static void addresses_never_seen_before_wait_for_nobody(void **state)
{
    SB_AUTOPTR(sb_failures) f = failures_new();
    char address[64];
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(address, sizeof(address), "2001:db8:%x:%x::1", i >> 12, i & 0xfff);
        fail_at(f, address, BURST);
    }
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(address, sizeof(address), "198.51.%u.%u", i / 250, i % 250);
        assert_false(sb_failures_exceeded(f, address));
        sb_failures_add(f, address); /* nor after a failure of their own */
        assert_false(sb_failures_exceeded(f, address));
    }
}

static void who_failed_most_is_remembered_while_thousands_fail_once(void **state)
{
    SB_AUTOPTR(sb_failures) f = failures_new();
    char address[64];
    (void)state;
    fail_at(f, "203.0.113.7", BURST);
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, (i >> 8) & 0xff, i & 0xff);
        sb_failures_add(f, address);
    }
    assert_true(sb_failures_exceeded(f, "203.0.113.7"));
}

static void an_ipv6_network_is_one_and_no_ipv4_address(void **state)
{
    SB_AUTOPTR(sb_failures) f = failures_new();
    (void)state;
    fail_at(f, "2001:db8::1", BURST);
    assert_true(sb_failures_exceeded(f, "2001:db8::ffff:2"));
    assert_false(sb_failures_exceeded(f, "2001:db8:0:1::1"));
    assert_false(sb_failures_exceeded(f, "32.1.13.184")); /* the same first bytes */
}

static void without_a_burst_nothing_is_limited(void **state)
{
    SB_AUTOPTR(sb_failures) f = NULL;
    (void)state;
    fake_clock_init(&fake);
    assert_int_equal(sb_failures_new(&fake.clock, 0, 60, &f, NULL), SB_OK);
    fail_at(f, "192.0.2.1", 1000);
    assert_false(sb_failures_exceeded(f, "192.0.2.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_fails_waits_until_there_is_room_again),
        cmocka_unit_test(addresses_never_seen_before_wait_for_nobody),
        cmocka_unit_test(who_failed_most_is_remembered_while_thousands_fail_once),
        cmocka_unit_test(an_ipv6_network_is_one_and_no_ipv4_address),
        cmocka_unit_test(without_a_burst_nothing_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
