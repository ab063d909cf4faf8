/* SPDX-License-Identifier: Apache-2.0 */
/* test_token_requests.c - what leaves for the payer, whatever happens: token source and token client together, threads
 * that ask and refuse, time that goes on, a payer that fails in every way it may. Each request is one at a time and
 * bears an assertion of its own: its jti was never seen, it lives no longer than five minutes.
 *
 * The payer and the time are a seed's; how the threads meet is the machine's to say. SB_SOAK=1 runs many more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "http/client.h"
#include "jose/base64url.h"
#include "smart/token_client.h"
#include "smart/token_internal.h"

#include "fake_clock.h"
#include "schedules.h"
#include "scratch_dir.h"

#define TOKEN_URL  "https://auth.payer.example/token"
#define ASKERS     4
#define STEPS      60
#define SCHEDULES  60
#define SOAK       50
#define JTIS_MAX   5000 /* in one schedule */
#define CLAIMS_MAX 2000

typedef struct world {
    fake_clock clock;
    sb_token_source *source;
    uint64_t random, seed;
    atomic_bool over;
    pthread_mutex_t lock;
    /* under lock */
    char jtis[JTIS_MAX][64];
    size_t requests, answered;
    unsigned inside;
} world;

static uint64_t draw(world *w, uint64_t below) /* under lock; a step of xorshift */
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % below;
}

/* The claims of the request's client_assertion; the caller's. */
static json_t *claims_of(world *w, const sb_http_request *request)
{
    unsigned char claims[CLAIMS_MAX];
    static const char name[] = "&client_assertion=";
    const char *assertion = memmem(request->body.ptr, request->body.len, name, sizeof(name) - 1);
    HOLDS(w, "a request has an assertion", assertion);
    const char *dot = strchr(assertion, '.'), *second = dot ? strchr(dot + 1, '.') : NULL;
    HOLDS(w, "it is a JWS", second);
    sb_str text = {dot + 1, (size_t)(second - dot) - 1};
    HOLDS(w, "its claims can be read",
          sb_base64url_decoded_len(text.len) <= sizeof(claims) && sb_base64url_decode(text, claims));
    json_t *object = json_loadb((const char *)claims, sb_base64url_decoded_len(text.len), 0, NULL);
    HOLDS(w, "they are JSON", object);
    return object;
}

/* Under lock. */
static void look_at(world *w, const sb_http_request *request)
{
    SB_AUTOJSON claims = claims_of(w, request);
    const char *jti = json_string_value(json_object_get(claims, "jti"));
    int64_t iat = json_integer_value(json_object_get(claims, "iat")),
            exp = json_integer_value(json_object_get(claims, "exp"));
    HOLDS(w, "aud is the token endpoint", strcmp(sb_json_str(claims, "aud"), TOKEN_URL) == 0); /* AUTH-04 */
    HOLDS(w, "it ends, within five minutes", iat > 0 && exp > iat && exp <= iat + 300);        /* AUTH-03 */
    HOLDS(w, "it has a jti", jti && strlen(jti) >= 22 && strlen(jti) < sizeof(w->jtis[0]));    /* AUTH-05 */
    HOLDS(w, "requests are bounded", w->requests < JTIS_MAX);
    for (size_t i = 0; i < w->requests; i++)
        HOLDS(w, "no jti is sent twice", strcmp(w->jtis[i], jti) != 0);
    (void)snprintf(w->jtis[w->requests++], sizeof(w->jtis[0]), "%s", jti);
}

/* Under lock. */
static sb_status answer(world *w, sb_http_response *out, sb_error *err)
{
    static const int statuses[] = {200, 200, 200, 500, 502, 503, 429, 400, 401};
    int status = statuses[draw(w, SB_ARRAY_LEN(statuses))];
    if (draw(w, 6) == 0)
        return sb_error_set(err, SB_E_NETWORK, "the connection broke", "reset", "try again");
    *out = (sb_http_response){.status = status, .received_s = fake_wall_s(&w->clock)};
    w->answered += status == 200;
    bool ok = (out->url = sb_str_dup(SB_STR_LIT(TOKEN_URL))) &&
              (status == 200 ? sb_buf_printf(&out->body,
                                             "{\"access_token\":\"token-%zu\",\"token_type\":\"bearer\","
                                             "\"expires_in\":%llu,\"scope\":\"system/*.rs\"}",
                                             w->requests, 1 + (unsigned long long)draw(w, 300))
                             : sb_buf_add_cstr(&out->body, "{\"error\":\"invalid_client\"}"));
    return ok ? SB_OK : sb_error_nomem(err);
}

static sb_status send_request(void *impl, const sb_http_request *request, sb_http_response *response, sb_error *err)
{
    world *w = impl;
    HOLDS(w, "nothing goes anywhere else", strcmp(request->url, TOKEN_URL) == 0);
    (void)pthread_mutex_lock(&w->lock);
    HOLDS(w, "the payer is asked by one at a time", w->inside == 0);
    w->inside++;
    look_at(w, request);
    (void)pthread_mutex_unlock(&w->lock);
    (void)sched_yield();
    (void)pthread_mutex_lock(&w->lock);
    w->inside--;
    sb_status status = answer(w, response, err);
    (void)pthread_mutex_unlock(&w->lock);
    return status;
}

static void *asker(void *impl)
{
    world *w = impl;
    for (unsigned turn = 0; !atomic_load(&w->over); turn++) {
        sb_token *token = NULL;
        if (sb_token_source_get(w->source, turn % 3, &token, NULL) == SB_OK && turn % 50 == 0)
            sb_token_source_reject(w->source, token); /* a 401 */
        sb_token_release(token);
        (void)sched_yield();
    }
    return NULL;
}

/* The client waits between its tries on the clock: it goes on until nobody waits any more. */
static void let_end(world *w, pthread_t *threads, atomic_bool *cancel)
{
    atomic_store(&w->over, true);
    atomic_store(cancel, true);
    for (size_t i = 0; i < ASKERS; i++)
        (void)pthread_join(threads[i], NULL);
    sb_token_source_free(w->source);
}

static void pass_time(world *w)
{
    static const int64_t most_ms[] = {10, 1000, 20000, 200000};
    (void)pthread_mutex_lock(&w->lock);
    int64_t ms = (int64_t)draw(w, (uint64_t)most_ms[draw(w, SB_ARRAY_LEN(most_ms))]);
    (void)pthread_mutex_unlock(&w->lock);
    fake_advance_ns(&w->clock, ms * SB_NS_PER_MS);
    (void)nanosleep(&(struct timespec){0, 500000}, NULL); /* others get the processor; nothing depends on how long */
}

static void run_schedule(const sb_key *key, const char *dir, uint64_t seed, size_t *requests, size_t *answered)
{
    world *w = calloc(1, sizeof(*w));
    pthread_t threads[ASKERS];
    atomic_bool cancel = false;
    sb_token_client *client = NULL;
    assert_non_null(w);
    w->seed = seed;
    w->random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
    fake_clock_init(&w->clock);
    assert_int_equal(pthread_mutex_init(&w->lock, NULL), 0);
    sb_token_client_options options = {.transport = {w, send_request},
                                       .clock = &w->clock.clock,
                                       .cancel = &cancel,
                                       .key = key,
                                       .wish = {.fhir_url = "https://fhir.payer.example/r4",
                                                .client_id = "client-1",
                                                .token_url = TOKEN_URL,
                                                .scope = "system/*.rs",
                                                .wants_scope = true,
                                                .wants_audience = true,
                                                .state_dir = dir},
                                       .assertion_lifetime_s = 120};
    assert_int_equal(sb_token_client_new(&options, &client, NULL), SB_OK);
    assert_int_equal(sb_token_source_new(sb_token_client_provider(client), &w->clock.clock, &w->source, NULL), SB_OK);
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, asker, w), 0);
    for (unsigned step = 0; step < STEPS; step++)
        pass_time(w);
    let_end(w, threads, &cancel);
    sb_token_client_free(client);
    *requests += w->requests;
    *answered += w->answered;
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

static void no_assertion_is_sent_twice_in_any_schedule(void **state)
{
    (void)state;
    unsigned schedules = schedules_count(SCHEDULES, SOAK);
    size_t requests = 0, answered = 0;
    sb_key *key = NULL;
    SB_AUTOFREE dir = scratch_dir_new();
    schedules_be_quiet();
    assert_int_equal(sb_key_generate("ES256", 0, "kid-1", &key, NULL), SB_OK);
    for (unsigned i = 0; i < schedules; i++)
        run_schedule(key, dir, schedules_seed(i), &requests, &answered);
    print_message("token requests: %u schedules, %zu requests of which %zu got a token, 0 used a jti again\n",
                  schedules, requests, answered);
    assert_true(answered > schedules && requests > 2 * schedules); /* else nothing was tried */
    sb_key_free(key);
    scratch_dir_free(dir);
    dir = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_assertion_is_sent_twice_in_any_schedule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
