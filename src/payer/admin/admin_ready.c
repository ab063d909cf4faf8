/* SPDX-License-Identifier: Apache-2.0 */
/* admin_ready.c - can this process do its work now? Each thing it needs is tried, not asked about. */
#include <errno.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "payer/admin/admin_internal.h"

#define KEEP_NS       (SB_NS_PER_S)                /* probes of several watchers cost one try a second */
#define CLOCK_FIRST_S INT64_C(1735689600)          /* 2025-01-01: no clock that is right is before that */
#define CLOCK_SKEW_S  60                           /* what assertions are forgiven, too */
#define ROOM_MIN      ((uint64_t)64 * 1024 * 1024) /* bytes of the exports' disk: less does not hold one file */

#define WHY_SIZE (sizeof(((sb_error *)NULL)->what) + sizeof(((sb_error *)NULL)->why) + 4)

typedef bool ready_check(const sb_admin *admin, char why[WHY_SIZE]);

static bool fails(const sb_error *err, char why[WHY_SIZE])
{
    (void)snprintf(why, WHY_SIZE, "%s: %s", err->what, err->why);
    return false;
}

/* The replay store and the tokens are in it: what cannot be written there lets nobody in.                   AUTH-10 */
static bool database_is_writable(const sb_admin *admin, char why[WHY_SIZE])
{
    static const char sql[] = "INSERT INTO versions (name, version) VALUES ('ready', ?1)"
                              " ON CONFLICT (name) DO UPDATE SET version = excluded.version";
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_error err = SB_ERROR_INIT;
    sb_stmt *stmt = NULL;
    if (sb_lease_take(&lease, admin->o.pool, &err) != SB_OK || sb_db_cached(lease.db, sql, &stmt, &err) != SB_OK)
        return fails(&err, why);
    sb_stmt_bind_i64(stmt, 1, admin->o.clock->wall_s(admin->o.clock->impl));
    return sb_stmt_run(stmt, &err) == SB_OK || fails(&err, why);
}

static sb_status any_client(void *context, sb_client *client, sb_error *err)
{
    (void)client;
    *(bool *)context = true;
    return sb_error_set(err, SB_E_INTERRUPTED, "", "one is enough", NULL);
}

/* That they can be read and understood; a payer without one is ready all the same. */
static bool clients_keys_are_loaded(const sb_admin *admin, char why[WHY_SIZE])
{
    sb_error err = SB_ERROR_INIT;
    bool any = false;
    sb_status status = sb_clients_each(admin->o.clients, any_client, &any, &err);
    return status == SB_OK || any || fails(&err, why);
}

/* A clock that went back lets old assertions in again; one that is wrong refuses all. */
static bool clock_is_sane(const sb_admin *admin, char why[WHY_SIZE])
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_error err = SB_ERROR_INIT;
    sb_stmt *stmt = NULL;
    bool row = false;
    int64_t now_s = admin->o.clock->wall_s(admin->o.clock->impl);
    if (now_s < CLOCK_FIRST_S) {
        (void)snprintf(why, WHY_SIZE, "it is before 2025");
        return false;
    }
    if (sb_lease_take(&lease, admin->o.pool, &err) != SB_OK ||
        sb_db_cached(lease.db, "SELECT expires_s FROM tokens ORDER BY expires_s DESC LIMIT 1", &stmt, &err) != SB_OK ||
        sb_stmt_step(stmt, &row, &err) != SB_OK)
        return fails(&err, why);
    int64_t ahead_s = row ? sb_stmt_i64(stmt, 0) - (int64_t)admin->o.token_lifetime_s - now_s : 0;
    sb_stmt_reset(stmt);
    if (ahead_s > CLOCK_SKEW_S)
        (void)snprintf(why, WHY_SIZE, "a token was issued %lld s from now: it went back, or another process' is ahead",
                       (long long)ahead_s);
    return ahead_s <= CLOCK_SKEW_S;
}

static bool audit_is_writable(const sb_admin *admin, char why[WHY_SIZE])
{
    if (!admin->o.audit || sb_audit_writable(admin->o.audit))
        return true;
    (void)snprintf(why, WHY_SIZE, "the log says why; until it can be written nobody is let in");
    return false;
}

static bool exports_have_room(const sb_admin *admin, char why[WHY_SIZE])
{
    struct statvfs disk;
    const char *folder = admin->o.exports_folder;
    if (access(folder, W_OK | X_OK) != 0 || statvfs(folder, &disk) != 0) {
        (void)snprintf(why, WHY_SIZE, "%s: %s", folder, strerror(errno));
        return false;
    }
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (room < ROOM_MIN)
        (void)snprintf(why, WHY_SIZE, "%s: %llu bytes are free on its disk", folder, (unsigned long long)room);
    return room >= ROOM_MIN;
}

static const struct {
    const char *name;
    ready_check *run;
} checks[] = {{"database", database_is_writable},
              {"keys", clients_keys_are_loaded},
              {"clock", clock_is_sane},
              {"audit", audit_is_writable},
              {"exports", exports_have_room}};

/* NULL without memory. */
static json_t *try_all(const sb_admin *admin, bool *ready)
{
    SB_AUTOJSON found = json_object();
    *ready = true;
    for (size_t i = 0; i < SB_ARRAY_LEN(checks); i++) {
        char why[WHY_SIZE] = "";
        bool good = checks[i].run(admin, why);
        if (json_object_set_new(found, checks[i].name, json_string(good ? "ok" : why)) != 0)
            return NULL;
        *ready = *ready && good;
    }
    return json_pack("{s:b, s:O}", "ready", *ready, "checks", found);
}

void sb_admin_readyz(sb_admin *admin, sb_server_request *request, sb_answer *answer)
{
    const sb_clock *clock = admin->o.clock;
    (void)request;
    (void)pthread_mutex_lock(&admin->ready_lock);
    int64_t now_ns = clock->monotonic_ns(clock->impl);
    if (!admin->ready || now_ns - admin->ready_ns >= KEEP_NS) {
        json_decref(admin->ready);
        admin->ready = try_all(admin, &admin->is_ready);
        admin->ready_ns = clock->monotonic_ns(clock->impl);
    }
    sb_admin_json(answer, admin->is_ready ? 200 : 503, admin->ready);
    (void)pthread_mutex_unlock(&admin->ready_lock);
}

void sb_admin_healthz(sb_admin *admin, sb_server_request *request, sb_answer *answer)
{
    SB_AUTOJSON body = json_pack("{s:b}", "healthy", 1);
    (void)admin, (void)request;
    sb_admin_json(answer, 200, body);
}
