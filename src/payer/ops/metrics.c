/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - counters in tables that only grow: a place is claimed under a lock, and found and counted without. */
#include "payer/ops/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ROUTES_MAX  64  /* there are some thirty */
#define REASONS_MAX 256 /* of all routes; a constant word each */
#define OTHER       "other"

/* What answers there are; any other status is counted as the last. */
static const unsigned statuses[] = {200, 201, 202, 204, 206, 303, 304, 400, 401, 403, 404,
                                    405, 406, 413, 415, 416, 429, 431, 500, 503, 0};
#define STATUSES SB_ARRAY_LEN(statuses)

/* Seconds. The token endpoint's promise is 20 ms. */
static const struct {
    int64_t ns;
    const char *text;
} buckets[] = {{1 * SB_NS_PER_MS, "0.001"},  {5 * SB_NS_PER_MS, "0.005"}, {10 * SB_NS_PER_MS, "0.01"},
               {20 * SB_NS_PER_MS, "0.02"},  {50 * SB_NS_PER_MS, "0.05"}, {100 * SB_NS_PER_MS, "0.1"},
               {250 * SB_NS_PER_MS, "0.25"}, {1000 * SB_NS_PER_MS, "1"},  {5000 * SB_NS_PER_MS, "5"},
               {INT64_MAX, "+Inf"}};
#define BUCKETS SB_ARRAY_LEN(buckets)

typedef struct route_counts {
    const char *name;
    atomic_uint_fast64_t status[STATUSES], bucket[BUCKETS], took_ns, bytes;
} route_counts;

typedef struct reason_count {
    const char *route, *reason;
    atomic_uint_fast64_t count;
} reason_count;

struct sb_metrics {
    const sb_clock *clock;
    int64_t began_s;
    pthread_mutex_t lock; /* of places that are claimed */
    atomic_size_t route_count, reason_count;
    route_counts routes[ROUTES_MAX + 1]; /* the last is for all that found no place */
    reason_count reasons[REASONS_MAX + 1];
};

sb_status sb_metrics_new(const sb_clock *clock, sb_metrics **out, sb_error *err)
{
    sb_metrics *m = calloc(1, sizeof(*m));
    if (!m || pthread_mutex_init(&m->lock, NULL) != 0) {
        free(m);
        return sb_error_nomem(err);
    }
    m->clock = clock;
    m->began_s = clock->wall_s(clock->impl);
    m->routes[ROUTES_MAX].name = OTHER;
    m->reasons[REASONS_MAX].route = m->reasons[REASONS_MAX].reason = OTHER;
    *out = m;
    return SB_OK;
}

void sb_metrics_free(sb_metrics *metrics)
{
    if (!metrics)
        return;
    (void)pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* Counting */

static route_counts *look_for_route(sb_metrics *m, const char *name)
{
    size_t count = atomic_load_explicit(&m->route_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        if (m->routes[i].name == name || strcmp(m->routes[i].name, name) == 0)
            return &m->routes[i];
    }
    return NULL;
}

static route_counts *route_of(sb_metrics *m, const char *name)
{
    route_counts *found = look_for_route(m, name);
    if (found)
        return found;
    (void)pthread_mutex_lock(&m->lock);
    found = look_for_route(m, name);
    size_t count = atomic_load_explicit(&m->route_count, memory_order_relaxed);
    if (!found && count == ROUTES_MAX)
        found = &m->routes[ROUTES_MAX];
    if (!found) {
        found = &m->routes[count];
        found->name = name;
        atomic_store_explicit(&m->route_count, count + 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return found;
}

static reason_count *look_for_reason(sb_metrics *m, const char *route, const char *reason)
{
    size_t count = atomic_load_explicit(&m->reason_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        reason_count *it = &m->reasons[i];
        if (it->route == route && (it->reason == reason || strcmp(it->reason, reason) == 0))
            return it;
    }
    return NULL;
}

/* `route` is the name that route_of() keeps. */
static reason_count *reason_of(sb_metrics *m, const char *route, const char *reason)
{
    reason_count *found = look_for_reason(m, route, reason);
    if (found)
        return found;
    (void)pthread_mutex_lock(&m->lock);
    found = look_for_reason(m, route, reason);
    size_t count = atomic_load_explicit(&m->reason_count, memory_order_relaxed);
    if (!found && count == REASONS_MAX)
        found = &m->reasons[REASONS_MAX];
    if (!found) {
        found = &m->reasons[count];
        found->route = route;
        found->reason = reason;
        atomic_store_explicit(&m->reason_count, count + 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return found;
}

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
    (void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void sb_metrics_answer(sb_metrics *m, const char *route, unsigned status, uint64_t bytes, int64_t took_ns,
                       const char *reason)
{
    size_t s = 0, b = 0;
    if (!m)
        return;
    route_counts *r = route_of(m, route && route[0] ? route : "none");
    while (s < STATUSES - 1 && statuses[s] != status)
        s++;
    while (took_ns > buckets[b].ns)
        b++;
    add(&r->status[s], 1);
    add(&r->bucket[b], 1);
    add(&r->took_ns, (uint64_t)SB_MAX(took_ns, (int64_t)0));
    add(&r->bytes, bytes);
    if (reason && reason[0] && status >= 400)
        add(&reason_of(m, r->name, reason)->count, 1);
}

/* Writing */

static uint64_t get(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit((atomic_uint_fast64_t *)(uintptr_t)counter, memory_order_relaxed);
}

uint64_t sb_metrics_answers(const sb_metrics *m, const char *route, unsigned status)
{
    size_t count = atomic_load_explicit((atomic_size_t *)(uintptr_t)&m->route_count, memory_order_acquire);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t s = 0; s < STATUSES && strcmp(m->routes[i].name, route) == 0; s++)
            sum += statuses[s] == status ? get(&m->routes[i].status[s]) : 0;
    }
    return sum;
}

uint64_t sb_metrics_refusals(const sb_metrics *m, const char *reason)
{
    size_t count = atomic_load_explicit((atomic_size_t *)(uintptr_t)&m->reason_count, memory_order_acquire);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += strcmp(m->reasons[i].reason, reason) == 0 ? get(&m->reasons[i].count) : 0;
    return sum;
}

int64_t sb_metrics_began_s(const sb_metrics *m)
{
    return m->began_s;
}

bool sb_metrics_head(sb_buf *out, const char *name, const char *type, const char *help)
{
    return sb_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

typedef bool route_writer(const route_counts *r, sb_buf *out);

/* All that have counted something: the place for the rest has when it was needed. */
static bool each_route(sb_metrics *m, route_writer *write, sb_buf *out)
{
    size_t count = atomic_load_explicit(&m->route_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        if (!write(&m->routes[i], out))
            return false;
    }
    return count < ROUTES_MAX || write(&m->routes[ROUTES_MAX], out);
}

static bool write_statuses(const route_counts *r, sb_buf *out)
{
    for (size_t s = 0; s < STATUSES; s++) {
        uint64_t n = get(&r->status[s]);
        char code[16] = OTHER;
        if (statuses[s])
            (void)snprintf(code, sizeof(code), "%u", statuses[s]);
        if (n > 0 &&
            !sb_buf_printf(out, "smartbulk_requests_total{route=\"%s\",code=\"%s\"} %" PRIu64 "\n", r->name, code, n))
            return false;
    }
    return true;
}

static bool write_bytes(const route_counts *r, sb_buf *out)
{
    return sb_buf_printf(out, "smartbulk_response_bytes_total{route=\"%s\"} %" PRIu64 "\n", r->name, get(&r->bytes));
}

static bool write_times(const route_counts *r, sb_buf *out)
{
    uint64_t sum = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        sum += get(&r->bucket[b]);
        if (!sb_buf_printf(out, "smartbulk_request_seconds_bucket{route=\"%s\",le=\"%s\"} %" PRIu64 "\n", r->name,
                           buckets[b].text, sum))
            return false;
    }
    return sb_buf_printf(out,
                         "smartbulk_request_seconds_sum{route=\"%s\"} %.6f\n"
                         "smartbulk_request_seconds_count{route=\"%s\"} %" PRIu64 "\n",
                         r->name, (double)get(&r->took_ns) / (double)SB_NS_PER_S, r->name, sum);
}

static bool write_reason(const reason_count *r, sb_buf *out)
{
    return sb_buf_printf(out, "smartbulk_refusals_total{route=\"%s\",reason=\"%s\"} %" PRIu64 "\n", r->route, r->reason,
                         get(&r->count));
}

static bool write_reasons(sb_metrics *m, sb_buf *out)
{
    size_t count = atomic_load_explicit(&m->reason_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        if (!write_reason(&m->reasons[i], out))
            return false;
    }
    return count < REASONS_MAX || write_reason(&m->reasons[REASONS_MAX], out);
}

bool sb_metrics_write(sb_metrics *m, sb_buf *out)
{
    return sb_metrics_head(out, "smartbulk_build_info", "gauge", "The version that runs.") &&
           sb_buf_printf(out, "smartbulk_build_info{version=\"%s\"} 1\n", SB_VERSION) &&
           sb_metrics_head(out, "process_start_time_seconds", "gauge", "When it was started, since 1970.") &&
           sb_buf_printf(out, "process_start_time_seconds %" PRId64 "\n", m->began_s) &&
           sb_metrics_head(out, "smartbulk_requests_total", "counter", "Answers, by what answered and status.") &&
           each_route(m, write_statuses, out) &&
           sb_metrics_head(out, "smartbulk_response_bytes_total", "counter", "Bytes of answers' bodies.") &&
           each_route(m, write_bytes, out) &&
           sb_metrics_head(out, "smartbulk_request_seconds", "histogram",
                           "From a request's head to the beginning of its answer.") &&
           each_route(m, write_times, out) &&
           sb_metrics_head(out, "smartbulk_refusals_total", "counter", "Refusals, by the audit log's reason.") &&
           write_reasons(m, out);
}
