/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_schedules.c - what holds of the token source whatever happens, under thousands of random schedules: threads
 * that ask and refuse, time that goes on, a payer that is slow, down, refuses, and gives tokens of any lifetime.
 *
 * One schedule is one seed; a failure names it. How the threads meet is the machine's to say, so a seed brings back the
 * payer and the time, not the very interleaving. SB_SOAK=1 runs many more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smart/token_internal.h"

#include "fake_clock.h"
#include "schedules.h"

#define ASKERS       4
#define STEPS        60 /* of time, in one schedule */
#define SCHEDULES    400
#define SOAK         40
#define FAILURE_WAIT (SB_NS_PER_S / 2)  /* the least that backoff, or a failure that is remembered, makes of it … */
#define WAIT_MAX     (15 * SB_NS_PER_S) /* … and what it has grown to by doubling, when nobody has a token */

typedef struct world {
    fake_clock clock;
    sb_token_source *source;
    uint64_t seed;
    unsigned min_left_s, shortest_s; /* what askers want to be left; the shortest life a token has */
    _Atomic uint64_t random;
    atomic_bool over;
    pthread_mutex_t lock;
    /* under lock: the payer, and what it knows of its tokens */
    unsigned requests, inside, issued, failures, in_vain; /* failures in a row that left nobody a token */
    int64_t down_until_ns;
    unsigned lifetime_s;       /* of the tokens it gives now */
    int64_t good_until_ns;     /* the newest token that nobody refused; 0: none */
    int64_t last_ns, last_due; /* when it was asked last, and before when it must not be asked again; 0: any time */
    char newest[32];
    _Atomic unsigned served, refused;
} world;

/* A step of splitmix64, shared by all threads. */
static uint64_t draw(world *w, uint64_t below)
{
    uint64_t x = atomic_fetch_add(&w->random, UINT64_C(0x9E3779B97F4A7C15)) + UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (x ^ (x >> 31)) % below;
}

/* The payer */

/* What must go by at least. One less than there were: with the last token's end and the failure at once, who is to say
 * whether somebody had it? */
static int64_t vain_wait(const world *w)
{
    unsigned doublings = w->in_vain > 2 ? w->in_vain - 2 : 0;
    return SB_MIN((int64_t)FAILURE_WAIT << SB_MIN(doublings, 10u), WAIT_MAX);
}

static sb_status answer(world *w, int64_t asked_ns, sb_token **out, sb_error *err)
{
    int64_t now = fake_monotonic_ns(&w->clock);
    if (now < w->down_until_ns || draw(w, 12) == 0) {
        bool refuses = draw(w, 4) == 0;
        w->failures++;
        w->in_vain = now < w->good_until_ns ? 0 : w->in_vain + 1;
        w->last_due = now + vain_wait(w);
        return sb_error_set(err, refuses ? SB_E_AUTH : SB_E_NETWORK, "the payer says no", "it is down", NULL);
    }
    w->in_vain = 0;
    (void)snprintf(w->newest, sizeof(w->newest), "token-%u", ++w->issued);
    w->good_until_ns = asked_ns + (int64_t)w->lifetime_s * SB_NS_PER_S;
    w->last_due = asked_ns + (int64_t)w->lifetime_s * SB_NS_PER_S / 100 * 70; /* a little before its renewal is due */
    return sb_token_new(w->newest, strlen(w->newest), asked_ns, w->lifetime_s, "system/*.rs", out, err);
}

static sb_status payer_fetch(void *impl, bool renewal, sb_token **out, sb_error *err)
{
    world *w = impl;
    (void)renewal;
    (void)pthread_mutex_lock(&w->lock);
    int64_t asked_ns = fake_monotonic_ns(&w->clock);
    HOLDS(w, "the payer is asked by one at a time", w->inside == 0);
    HOLDS(w, "the payer is asked no sooner than a token's life and the failures before it want",
          w->last_due == 0 || asked_ns >= w->last_due);
    w->inside++;
    w->requests++;
    w->last_ns = asked_ns;
    (void)pthread_mutex_unlock(&w->lock);
    if (draw(w, 3) == 0) /* it takes its time */
        fake_advance_ns(&w->clock, (int64_t)draw(w, 3000) * SB_NS_PER_MS);
    (void)sched_yield();
    (void)pthread_mutex_lock(&w->lock);
    w->inside--;
    sb_status status = answer(w, asked_ns, out, err);
    (void)pthread_mutex_unlock(&w->lock);
    return status;
}

/* Those who ask */

typedef struct seen {
    int64_t now_ns, good_until_ns;
    unsigned requests;
} seen;

static seen look(world *w)
{
    (void)pthread_mutex_lock(&w->lock);
    seen s = {fake_monotonic_ns(&w->clock), w->good_until_ns, w->requests};
    (void)pthread_mutex_unlock(&w->lock);
    return s;
}

/* Somebody got a 401 for it. A payer forgets a token rarely. */
static void refuse(world *w, const sb_token *token)
{
    (void)pthread_mutex_lock(&w->lock);
    if (strcmp(w->newest, sb_token_text(token)) == 0) {
        w->good_until_ns = 0;
        w->last_due = 0; /* that is worth a request at once */
    }
    (void)pthread_mutex_unlock(&w->lock);
    sb_token_source_reject(w->source, token);
    (void)atomic_fetch_add(&w->refused, 1);
}

static void ask(world *w)
{
    sb_token *token = NULL;
    sb_error err = SB_ERROR_INIT;
    seen before = look(w);
    sb_status status = sb_token_source_get(w->source, w->min_left_s, &token, &err);
    seen after = look(w);
    if (status == SB_OK) {
        HOLDS(w, "no token is handed out after its end", sb_token_expires_ns(token) > before.now_ns);
        (void)atomic_fetch_add(&w->served, 1);
        if (draw(w, 200) == 0)
            refuse(w, token);
        sb_token_release(token);
        return;
    }
    /* The same token was good before and after: its payer's outage is nobody's matter. */
    HOLDS(w, "an outage shorter than a token's life is invisible",
          before.good_until_ns == 0 || before.good_until_ns != after.good_until_ns ||
              before.good_until_ns <= after.now_ns);
}

static void *asker(void *impl)
{
    world *w = impl;
    while (!atomic_load(&w->over)) {
        ask(w);
        (void)sched_yield();
    }
    return NULL;
}

/* Time */

static void pass_time(world *w)
{
    static const int64_t most_ms[] = {10, 1000, 20000, 200000};
    fake_advance_ns(&w->clock, (int64_t)draw(w, (uint64_t)most_ms[draw(w, SB_ARRAY_LEN(most_ms))]) * SB_NS_PER_MS);
    (void)pthread_mutex_lock(&w->lock);
    if (draw(w, 6) == 0)
        w->down_until_ns = fake_monotonic_ns(&w->clock) + (int64_t)draw(w, 400) * SB_NS_PER_S;
    if (draw(w, 4) == 0)
        w->lifetime_s = w->shortest_s + (unsigned)draw(w, draw(w, 2) ? 10 : 900);
    (void)pthread_mutex_unlock(&w->lock);
    (void)nanosleep(&(struct timespec){0, 50000}, NULL); /* others get the processor; nothing depends on how long */
}

static void run_schedule(uint64_t seed, unsigned *requests, unsigned *served, unsigned *failures)
{
    world w = {.seed = seed, .lifetime_s = 300, .shortest_s = 1};
    pthread_t threads[ASKERS];
    if (seed % 2) { /* a token's last quarter is never wanted to be left */
        w.min_left_s = 2;
        w.shortest_s = 8;
    }
    fake_clock_init(&w.clock);
    atomic_init(&w.random, seed * UINT64_C(0xD1342543DE82EF95) + 1);
    assert_int_equal(pthread_mutex_init(&w.lock, NULL), 0);
    sb_token_provider provider = {&w, payer_fetch, NULL};
    assert_int_equal(sb_token_source_new(provider, &w.clock.clock, &w.source, NULL), SB_OK);
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, asker, &w), 0);
    for (unsigned step = 0; step < STEPS; step++)
        pass_time(&w);
    atomic_store(&w.over, true);
    for (size_t i = 0; i < ASKERS; i++)
        (void)pthread_join(threads[i], NULL);
    sb_token_source_free(w.source);
    *requests += w.requests;
    *served += atomic_load(&w.served);
    *failures += w.failures;
    (void)pthread_mutex_destroy(&w.lock);
}

static void what_is_promised_holds_in_every_schedule(void **state)
{
    (void)state;
    unsigned schedules = schedules_count(SCHEDULES, SOAK);
    unsigned requests = 0, served = 0, failures = 0;
    schedules_be_quiet();
    for (unsigned i = 0; i < schedules; i++)
        run_schedule(schedules_seed(i), &requests, &served, &failures);
    print_message(
        "token schedules: %u schedules, %u tokens handed out, %u requests of which %u failed, 0 broken promises\n",
        schedules, served, requests, failures);
    assert_true(served > schedules && requests > schedules && failures > 0); /* else nothing was tried */
}

/* Storms */

typedef struct storm {
    world *w;
    sb_token *token;
    pthread_barrier_t *start;
} storm;

static void *refuse_and_ask(void *impl)
{
    storm *s = impl;
    sb_token *fresh = NULL;
    (void)pthread_barrier_wait(s->start);
    refuse(s->w, s->token);
    HOLDS(s->w, "a fresh token comes", sb_token_source_get(s->w->source, 0, &fresh, NULL) == SB_OK);
    HOLDS(s->w, "it is another one", strcmp(sb_token_text(fresh), sb_token_text(s->token)) != 0);
    sb_token_release(fresh);
    return NULL;
}

static sb_status honest_fetch(void *impl, bool renewal, sb_token **out, sb_error *err)
{
    world *w = impl;
    (void)renewal;
    (void)pthread_mutex_lock(&w->lock);
    w->requests++;
    (void)snprintf(w->newest, sizeof(w->newest), "token-%u", w->requests);
    sb_status status =
        sb_token_new(w->newest, strlen(w->newest), fake_monotonic_ns(&w->clock), 300, "system/*.rs", out, err);
    (void)pthread_mutex_unlock(&w->lock);
    return status;
}

/* All hold the token that the payer has forgotten, and all are told so at once. */
static void a_storm_of_401s_costs_one_request(void **state)
{
    (void)state;
    enum { MANY = 16, ROUNDS = 50 };
    world w = {.seed = 1};
    pthread_barrier_t start;
    fake_clock_init(&w.clock);
    assert_int_equal(pthread_mutex_init(&w.lock, NULL), 0);
    assert_int_equal(pthread_barrier_init(&start, NULL, MANY), 0);
    sb_token_provider provider = {&w, honest_fetch, NULL};
    assert_int_equal(sb_token_source_new(provider, &w.clock.clock, &w.source, NULL), SB_OK);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_t threads[MANY];
        storm s = {.w = &w, .start = &start};
        assert_int_equal(sb_token_source_get(w.source, 0, &s.token, NULL), SB_OK);
        for (size_t i = 0; i < MANY; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, refuse_and_ask, &s), 0);
        for (size_t i = 0; i < MANY; i++)
            (void)pthread_join(threads[i], NULL);
        assert_int_equal(w.requests, round + 2); /* the first, and one a storm */
        sb_token_release(s.token);
    }
    sb_token_source_free(w.source);
    (void)pthread_barrier_destroy(&start);
    (void)pthread_mutex_destroy(&w.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_promised_holds_in_every_schedule),
        cmocka_unit_test(a_storm_of_401s_costs_one_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
