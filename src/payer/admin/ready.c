/* SPDX-License-Identifier: Apache-2.0 */
/* ready.c - one thread tries, whoever asks waits for it for a bounded time.
 *
 *   IDLE ──ask()──► WANTED ──thread──► TRYING ──► IDLE, and all who wait have the report
 *                                        │ it hangs: whoever asks hears "late", ANSWER_MS after it began
 */
#include "payer/admin/ready.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"

#define FRESH_NS       (1 * SB_NS_PER_S)   /* nobody makes us write to the disk more often, however often he asks */
#define ANSWER_MS      2000                /* probes give up after some seconds: they are to hear why before */
#define FLOOR_S        INT64_C(1767225600) /* 2026-01-01: this program is younger; a clock before it was never set */
#define CEILING_S      INT64_C(4102444800) /* 2100-01-01 */
#define CLOCKS_APART_S 30 /* from the database's: exports are handed from one process to another by time */
#define WENT_BACK_S    60 /* a step of its being set right; more than that is a fault */
#define ROOM_MIN       ((uint64_t)64 * 1024 * 1024) /* bytes of the exports' disk: less does not hold one file */

struct sb_ready {
    sb_ready_options o;
    char *trial; /* a file in the folder of exports */
    pthread_mutex_t lock;
    pthread_cond_t wanted, done;
    bool is_wanted, is_trying, ending;
    int64_t trying_ns; /* since when */
    uint64_t finished; /* reports so far */
    int64_t finished_ns;
    sb_ready_report last;
    int64_t latest_s; /* the latest time that the clock has told; the thread's */
    pthread_t thread;
};

const char *sb_ready_name(sb_ready_check check)
{
    static const char *const names[SB_READY_CHECKS] = {"keys", "database", "clock", "audit", "exports"};
    return names[check];
}

/* Trying */

static void note(sb_ready_report *r, sb_ready_check check, sb_status status, const sb_error *err)
{
    r->checks[check].ok = status == SB_OK;
    if (status != SB_OK)
        (void)snprintf(r->checks[check].why, sizeof(r->checks[check].why), "%s: %s", err->what, err->why);
}

static sb_status try_database(const sb_ready *ready, sb_ready_report *r, int64_t *clock_s, sb_error *err)
{
    const sb_clock *clock = ready->o.clock;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, ready->o.pool, err));
    SB_TRY(sb_state_probe(lease.db, clock->wall_s(clock->impl), clock_s, err));
    SB_TRY(sb_state_count(lease.db, &r->counts, err));
    r->counted = true;
    return SB_OK;
}

/* One that went back may believe assertions again that were used, and forgotten since.                      AUTH-10 */
static sb_status judge_clock(sb_ready *ready, int64_t now_s, int64_t database_s, sb_error *err)
{
    static const char what[] = "the clock is wrong", fix[] = "set it: timedatectl set-ntp true";
    int64_t apart = now_s - database_s, back = ready->latest_s - now_s;
    ready->latest_s = SB_MAX(ready->latest_s, now_s);
    if (now_s < FLOOR_S || now_s >= CEILING_S)
        return sb_error_set(err, SB_E_IO, what, "it tells a time that cannot be", fix);
    if (apart > CLOCKS_APART_S || apart < -CLOCKS_APART_S)
        return sb_error_set(err, SB_E_IO, what, "it is %" PRId64 " s from the database server's", fix, apart);
    if (back > WENT_BACK_S)
        return sb_error_set(err, SB_E_IO, what, "it went back by %" PRId64 " s",
                            "wait until it has caught up; or, when it was wrong before, restart", back);
    return SB_OK;
}

static sb_status try_exports(const sb_ready *ready, sb_error *err)
{
    struct statvfs disk;
    (void)unlink(ready->trial); /* of one that was killed here */
    sb_status status = sb_file_create_new(ready->trial, 0600, SB_STR_LIT("trial\n"), err);
    (void)unlink(ready->trial);
    SB_TRY(status);
    if (statvfs(ready->o.exports_folder, &disk) != 0)
        return sb_error_errno(err, "the folder of exports cannot be used", ready->o.exports_folder, errno);
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (room < ROOM_MIN)
        return sb_error_set(err, SB_E_IO, "the folder of exports is full", "%" PRIu64 " bytes are free on its disk",
                            "make room, or shorten exports.keep", room);
    return SB_OK;
}

static sb_status try_audit(const sb_ready *ready, sb_error *err)
{
    if (sb_audit_writable(ready->o.audit))
        return SB_OK;
    return sb_error_set(err, SB_E_IO, "the audit log cannot be written",
                        "its disk is full or read-only, or a write failed", "make room, and reload");
}

static void try_all(sb_ready *ready, sb_ready_report *r)
{
    sb_error err = SB_ERROR_INIT;
    const sb_ready_options *o = &ready->o;
    int64_t now_s = o->clock->wall_s(o->clock->impl), database_s = now_s;
    *r = (sb_ready_report){.all = true};
    r->checks[SB_READY_KEYS].ok = !o->keys || o->keys(o->keys_impl, r->checks[SB_READY_KEYS].why);
    note(r, SB_READY_DATABASE, try_database(ready, r, &database_s, &err), &err);
    if (!r->checks[SB_READY_DATABASE].ok)
        database_s = now_s; /* nothing to compare with */
    else
        now_s = o->clock->wall_s(o->clock->impl); /* the database may have taken long */
    note(r, SB_READY_CLOCK, judge_clock(ready, now_s, database_s, &err), &err);
    note(r, SB_READY_AUDIT, try_audit(ready, &err), &err);
    note(r, SB_READY_EXPORTS, try_exports(ready, &err), &err);
    for (size_t i = 0; i < SB_READY_CHECKS; i++)
        r->all = r->all && r->checks[i].ok;
}

static int64_t now_ns(const sb_ready *ready)
{
    return ready->o.clock->monotonic_ns(ready->o.clock->impl);
}

static void *run(void *impl)
{
    sb_ready *ready = impl;
    sb_ready_report report;
    (void)pthread_mutex_lock(&ready->lock);
    while (!ready->ending) {
        if (!ready->is_wanted) {
            (void)pthread_cond_wait(&ready->wanted, &ready->lock);
            continue;
        }
        ready->is_wanted = false;
        ready->is_trying = true;
        ready->trying_ns = now_ns(ready);
        (void)pthread_mutex_unlock(&ready->lock);
        try_all(ready, &report);
        (void)pthread_mutex_lock(&ready->lock);
        ready->is_trying = false;
        ready->last = report;
        ready->finished++;
        ready->finished_ns = now_ns(ready);
        (void)pthread_cond_broadcast(&ready->done);
    }
    (void)pthread_mutex_unlock(&ready->lock);
    return NULL;
}

/* Asking */

void sb_ready_ask(sb_ready *ready, sb_ready_report *out)
{
    const sb_clock *clock = ready->o.clock;
    (void)pthread_mutex_lock(&ready->lock);
    /* Of a try that hangs already nobody hears more by waiting: who asks often does not take every thread with him. */
    int64_t until_ns = (ready->is_trying ? ready->trying_ns : now_ns(ready)) + ANSWER_MS * SB_NS_PER_MS;
    uint64_t had = ready->finished;
    bool fresh = had > 0 && now_ns(ready) - ready->finished_ns < FRESH_NS;
    if (!fresh) {
        ready->is_wanted = true;
        (void)pthread_cond_signal(&ready->wanted);
    }
    while (!fresh && ready->finished == had && now_ns(ready) < until_ns)
        clock->wait_until(clock->impl, &ready->done, &ready->lock, until_ns);
    *out = ready->last;
    out->late = !fresh && ready->finished == had;
    (void)pthread_mutex_unlock(&ready->lock);
    out->all = out->all && !out->late;
}

/* Beginning and end */

static bool init_locks(sb_ready *ready)
{
    if (pthread_mutex_init(&ready->lock, NULL) != 0)
        return false;
    if (sb_cond_init(&ready->wanted) != 0) {
        (void)pthread_mutex_destroy(&ready->lock);
        return false;
    }
    if (sb_cond_init(&ready->done) != 0) {
        (void)pthread_cond_destroy(&ready->wanted);
        (void)pthread_mutex_destroy(&ready->lock);
        return false;
    }
    return true;
}

static void dismantle(sb_ready *ready)
{
    (void)pthread_cond_destroy(&ready->done);
    (void)pthread_cond_destroy(&ready->wanted);
    (void)pthread_mutex_destroy(&ready->lock);
    free(ready->trial);
    free(ready);
}

sb_status sb_ready_new(const sb_ready_options *options, sb_ready **out, sb_error *err)
{
    char id[SB_UUID_SIZE];
    sb_random_uuid(id);
    sb_ready *ready = calloc(1, sizeof(*ready));
    if (!ready || !init_locks(ready)) {
        free(ready);
        return sb_error_nomem(err);
    }
    ready->o = *options;
    ready->trial = sb_printf("%s/.trial-%s", options->exports_folder, id);
    if (!ready->trial || pthread_create(&ready->thread, NULL, run, ready) != 0) {
        dismantle(ready);
        return sb_error_nomem(err);
    }
    *out = ready;
    return SB_OK;
}

void sb_ready_free(sb_ready *ready)
{
    if (!ready)
        return;
    (void)pthread_mutex_lock(&ready->lock);
    ready->ending = true;
    (void)pthread_cond_signal(&ready->wanted);
    (void)pthread_mutex_unlock(&ready->lock);
    (void)pthread_join(ready->thread, NULL);
    dismantle(ready);
}
