/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_desk.c - tokens for who must not wait for one. What a moment decides is decided by the giver: it does what
 * another thread would do just then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../smart/payer_fixture.h"
#include "export/token_desk.h"
#include "smart/token_internal.h"

typedef struct counter {
    fixture *f;
    sb_token_desk *desk;
    /* Before the n-th token is with the desk, another transfer has it refused. 0: never. */
    unsigned refuse_at, given;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned woken;
} counter;

static sb_status get(void *impl, unsigned min_left_s, sb_token **out, sb_error *err)
{
    counter *c = impl;
    sb_status status = sb_payer_token(c->f->payer, min_left_s, out, err);
    if (status == SB_OK && ++c->given == c->refuse_at)
        sb_token_desk_reject(c->desk, *out);
    return status;
}

static void reject(void *impl, const sb_token *refused)
{
    const counter *c = impl;
    sb_payer_reject_token(c->f->payer, refused);
}

static void wake(void *impl)
{
    counter *c = impl;
    (void)pthread_mutex_lock(&c->lock);
    c->woken++;
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
}

static void open_desk(counter *c, fixture *f, unsigned refuse_at)
{
    const sb_token_giver giver = {c, &f->clock.clock, get, reject};
    *c = (counter){.f = f, .refuse_at = refuse_at};
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->changed, NULL);
    assert_int_equal(fixture_open(f), SB_OK);
    fixture_issues(f, TOKEN_BODY("first"), true);
    fixture_issues(f, TOKEN_BODY("second"), false);
    assert_int_equal(sb_token_desk_new_over(&giver, wake, c, &c->desk, NULL), SB_OK);
}

static void close_desk(counter *c)
{
    sb_token_desk_free(c->desk);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
}

/* As a transfer does: asks, and asks again when it is woken. */
static sb_token *await(counter *c)
{
    for (;;) {
        bool ready;
        sb_token *token;
        unsigned seen;
        (void)pthread_mutex_lock(&c->lock);
        seen = c->woken;
        (void)pthread_mutex_unlock(&c->lock);
        assert_int_equal(sb_token_desk_get(c->desk, &ready, &token, NULL), SB_OK);
        if (ready)
            return token;
        (void)pthread_mutex_lock(&c->lock);
        while (c->woken == seen)
            (void)pthread_cond_wait(&c->changed, &c->lock);
        (void)pthread_mutex_unlock(&c->lock);
    }
}

static void expect(counter *c, const char *text)
{
    sb_token *token = await(c);
    assert_string_equal(sb_token_text(token), text);
    sb_token_release(token);
}

static void a_token_is_handed_out_until_it_is_refused(void **state)
{
    counter c;
    open_desk(&c, *state, 0);
    expect(&c, "first");
    sb_token *token = await(&c);
    assert_string_equal(sb_token_text(token), "first");
    sb_token_desk_reject(c.desk, token);
    sb_token_release(token);
    expect(&c, "second");
    close_desk(&c);
}

/* Refused once by each of two transfers it is refused once; handed to one of them a second time it ends the run. */
static void a_token_that_is_refused_while_it_is_on_its_way_is_handed_to_nobody(void **state)
{
    counter c;
    open_desk(&c, *state, 1);
    expect(&c, "second");
    expect(&c, "second");
    close_desk(&c);
}

static void a_refusal_counts_whoever_gave_the_token(void **state)
{
    counter c;
    sb_token *own = NULL;
    open_desk(&c, *state, 0);
    expect(&c, "first");
    assert_int_equal(sb_payer_token(c.f->payer, 0, &own, NULL), SB_OK); /* another reference, of this thread's */
    sb_token_desk_reject(c.desk, own);
    sb_token_release(own);
    expect(&c, "second");
    close_desk(&c);
}

/* Not of the token that comes: the source is asked once more, and the payer is not. */
static void a_late_refusal_of_an_older_token_costs_no_request(void **state)
{
    counter c;
    open_desk(&c, *state, 0);
    sb_token *old = await(&c);
    sb_token_desk_reject(c.desk, old);
    expect(&c, "second");
    sb_token_desk_reject(c.desk, old);
    expect(&c, "second");
    assert_int_equal(c.given, 2);
    sb_token_release(old);
    close_desk(&c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_token_is_handed_out_until_it_is_refused),
        T(a_token_that_is_refused_while_it_is_on_its_way_is_handed_to_nobody),
        T(a_refusal_counts_whoever_gave_the_token),
        T(a_late_refusal_of_an_older_token_costs_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
