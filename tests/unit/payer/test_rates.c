/* SPDX-License-Identifier: Apache-2.0 */
/* test_rates.c - a client's allowance: what a minute gives, and that nobody uses up another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../smart/fake_clock.h"
#include "payer/auth/rates.h"

static fake_clock fake;

static sb_rates *rates_new(unsigned per_minute)
{
    sb_rates *rates = NULL;
    fake_clock_init(&fake);
    assert_int_equal(sb_rates_new(&fake.clock, per_minute, &rates, NULL), SB_OK);
    return rates;
}

static void a_minutes_allowance_may_come_at_once_and_fills_up_again(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_rates) rates = rates_new(6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(sb_rates_take(rates, "a", 0), 0);
    assert_int_equal(sb_rates_take(rates, "a", 0), 10);
    assert_int_equal(sb_rates_take(rates, "a", 0), 10); /* who asks in vain waits no longer for it */
    fake_advance_s(&fake, 9);
    assert_int_equal(sb_rates_take(rates, "a", 0), 1);
    fake_advance_s(&fake, 1);
    assert_int_equal(sb_rates_take(rates, "a", 0), 0);
    assert_int_equal(sb_rates_take(rates, "a", 0), 10);
    fake_advance_s(&fake, 60);
    for (int i = 0; i < 6; i++)
        assert_int_equal(sb_rates_take(rates, "a", 0), 0);
    assert_true(sb_rates_take(rates, "a", 0) > 0);
}

static void what_is_given_back_was_not_taken(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_rates) rates = rates_new(2);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sb_rates_take(rates, "a", 0), 0);
        sb_rates_give_back(rates, "a", 0);
    }
    sb_rates_give_back(rates, "a", 0); /* and no more than there was */
    assert_int_equal(sb_rates_take(rates, "a", 0), 0);
    assert_int_equal(sb_rates_take(rates, "a", 0), 0);
    assert_int_equal(sb_rates_take(rates, "a", 0), 30);
    sb_rates_give_back(NULL, "a", 5);
}

static void clients_have_buckets_of_their_own(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_rates) rates = rates_new(1);
    assert_int_equal(sb_rates_take(rates, "a", 0), 0);
    assert_int_equal(sb_rates_take(rates, "a", 0), 60);
    assert_int_equal(sb_rates_take(rates, "b", 0), 0);
}

static void a_clients_own_number_goes_before_the_servers(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_rates) rates = rates_new(1);
    assert_int_equal(sb_rates_take(rates, "a", 2), 0);
    assert_int_equal(sb_rates_take(rates, "a", 2), 0);
    assert_int_equal(sb_rates_take(rates, "a", 2), 30);
}

static void without_a_number_there_is_no_limit(void **state)
{
    (void)state;
    SB_AUTOPTR(sb_rates) rates = rates_new(0);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(sb_rates_take(rates, "a", 0), 0);
    assert_int_equal(sb_rates_take(NULL, "a", 1), 0);
    sb_rates_set(rates, 1);
    assert_int_equal(sb_rates_take(rates, "a", 0), 0);
    assert_int_equal(sb_rates_take(rates, "a", 0), 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minutes_allowance_may_come_at_once_and_fills_up_again),
        cmocka_unit_test(what_is_given_back_was_not_taken),
        cmocka_unit_test(clients_have_buckets_of_their_own),
        cmocka_unit_test(a_clients_own_number_goes_before_the_servers),
        cmocka_unit_test(without_a_number_there_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
