/* SPDX-License-Identifier: Apache-2.0 */
/* token_source.c - what a cached token costs: one thread, then many at once.
 *
 *   bench-token-source [--million N] [--threads N]
 *
 * Each thread takes and gives back a token N million times (default 20). Prints one JSON object: nanoseconds a get and
 * release on one thread, and millions a second of 1, 2, 4 … threads together. The provider hands out one token that
 * lasts; no request is made while the clock runs. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <smartbulk/token.h>

static sb_status one_token(void *impl, bool renewal, sb_token **out, sb_error *err)
{
    (void)impl, (void)renewal;
    const sb_clock *clock = sb_clock_system();
    return sb_token_new("bench", 5, clock->monotonic_ns(clock->impl), 86400, NULL, out, err);
}

typedef struct worker {
    pthread_t thread;
    sb_token_source *source;
    pthread_barrier_t *start;
    long rounds;
    bool failed;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    (void)pthread_barrier_wait(w->start);
    for (long i = 0; i < w->rounds && !w->failed; i++) {
        sb_token *token = NULL;
        w->failed = sb_token_source_get(w->source, 10, &token, NULL) != SB_OK;
        sb_token_release(token);
    }
    return NULL;
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Seconds that `n` threads take for `rounds` each; negative: it failed. */
static double measure(sb_token_source *source, int n, long rounds)
{
    worker workers[64];
    pthread_barrier_t start;
    bool failed = pthread_barrier_init(&start, NULL, (unsigned)n + 1) != 0;
    for (int i = 0; i < n && !failed; i++) {
        workers[i] = (worker){.source = source, .start = &start, .rounds = rounds};
        failed = pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0;
    }
    if (failed)
        return -1;
    (void)pthread_barrier_wait(&start);
    double begin = seconds();
    for (int i = 0; i < n; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        failed |= workers[i].failed;
    }
    double took = seconds() - begin;
    (void)pthread_barrier_destroy(&start);
    return failed ? -1 : took;
}

int main(int argc, char **argv)
{
    long million = 20;
    int most = 16;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--million") == 0)
            million = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--threads") == 0)
            most = (int)strtol(argv[i + 1], NULL, 10);
    }
    sb_token_source *source = NULL;
    sb_token *token = NULL;
    if (million < 1 || most < 1 || most > 64 ||
        sb_token_source_new((sb_token_provider){.fetch = one_token}, sb_clock_system(), &source, NULL) != SB_OK ||
        sb_token_source_get(source, 10, &token, NULL) != SB_OK)
        return 1;
    sb_token_release(token);
    long rounds = million * 1000000;
    double alone = measure(source, 1, rounds);
    (void)printf("{\"ns_one_thread\": %.1f, \"million_per_s\": {", alone * 1e9 / (double)rounds);
    bool ok = alone > 0;
    for (int n = 1; n <= most && ok; n *= 2) {
        double took = measure(source, n, rounds / n);
        ok = took > 0;
        (void)printf("%s\"%d\": %.1f", n > 1 ? ", " : "", n, (double)(rounds / n * n) / took / 1e6);
    }
    (void)printf("}}\n");
    sb_token_source_free(source);
    return ok ? 0 : 1;
}
