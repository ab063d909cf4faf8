/* SPDX-License-Identifier: Apache-2.0 */
/* admin_metrics.c - /metrics: the counters, and what can only be asked for at the time. A database that hangs takes
 * nothing from it but its own numbers. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "payer/admin/admin_internal.h"
#include "payer/auth/refusal.h"

#define TYPE "text/plain; version=0.0.4; charset=utf-8"

static bool one(sb_buf *out, const char *name, const char *type, const char *help, double value)
{
    return sb_metrics_head(out, name, type, help) && sb_buf_printf(out, "%s %.15g\n", name, value);
}

/* Tokens */

static bool tokens(const sb_metrics *m, sb_buf *out)
{
    return one(out, "smartbulk_tokens_issued_total", "counter", "Access tokens that were given out.",
               (double)sb_metrics_answers(m, "token", 200)) &&
           one(out, "smartbulk_replays_total", "counter", "Assertions that came a second time.",
               (double)sb_metrics_refusals(m, sb_refusal_name(SB_REFUSAL_REPLAYED)));
}

/* Readiness, and what the database counts */

static bool checks(const sb_ready_report *r, bool ending, sb_buf *out)
{
    bool ok = one(out, "smartbulk_ready", "gauge", "Could it do its work? As /readyz.", r->all && !ending) &&
              sb_metrics_head(out, "smartbulk_check", "gauge", "Each thing that it needs: 1 good, 0 not.");
    for (size_t i = 0; ok && i < SB_READY_CHECKS; i++)
        ok = sb_buf_printf(out, "smartbulk_check{check=\"%s\"} %d\n", sb_ready_name((sb_ready_check)i),
                           r->checks[i].ok && !r->late);
    return ok;
}

static bool labelled(sb_buf *out, const char *name, const char *label, int64_t value)
{
    return sb_buf_printf(out, "%s{state=\"%s\"} %" PRId64 "\n", name, label, value);
}

static bool counts(const sb_ready_report *r, int64_t now_s, sb_buf *out)
{
    static const char jobs[] = "smartbulk_exports", clients[] = "smartbulk_clients";
    const sb_state_counts *c = &r->counts;
    if (!r->counted || r->late)
        return true; /* rather none than those of a time that is past */
    int64_t waits = c->oldest_queued_s > 0 ? SB_MAX(now_s - c->oldest_queued_s, (int64_t)0) : 0;
    return sb_metrics_head(out, jobs, "gauge", "Exports of the database, of all processes.") &&
           labelled(out, jobs, "queued", c->jobs_queued) && labelled(out, jobs, "running", c->jobs_running) &&
           labelled(out, jobs, "done", c->jobs_done) && labelled(out, jobs, "failed", c->jobs_failed) &&
           one(out, "smartbulk_export_queue_seconds", "gauge", "How long the oldest queued export waits.",
               (double)waits) &&
           sb_metrics_head(out, clients, "gauge", "Clients; pending ones wait for a person.") &&
           labelled(out, clients, "pending", c->clients_pending) &&
           labelled(out, clients, "active", c->clients_active) &&
           labelled(out, clients, "suspended", c->clients_suspended);
}

static bool database(sb_pool *pool, bool up, sb_buf *out)
{
    sb_pool_counts c;
    sb_pool_count(pool, &c);
    return one(out, "smartbulk_database_up", "gauge", "Did it take a row just now?", up) &&
           one(out, "smartbulk_database_errors_total", "counter", "Statements of the database that failed.",
               (double)c.errors) &&
           one(out, "smartbulk_database_unreachable_total", "counter", "Times that no connection to it could be had.",
               (double)c.unopened) &&
           one(out, "smartbulk_database_connections", "gauge", "Connections to it that are open.", c.open) &&
           one(out, "smartbulk_database_connections_in_use", "gauge", "Those that somebody has.", c.lent) &&
           one(out, "smartbulk_database_connections_max", "gauge", "As many as there may be.", c.max);
}

/* The process and its machine */

static double open_files(void)
{
    double count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return -1;
    for (const struct dirent *it = readdir(dir); it; it = readdir(dir))
        count += it->d_name[0] != '.';
    (void)closedir(dir);
    return count - 1; /* this folder */
}

static double resident_bytes(void)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_str rest, word = SB_STR_NULL;
    uint64_t pages = 0;
    if (sb_file_read("/proc/self/statm", 256, &text, NULL) != SB_OK)
        return -1;
    rest = sb_buf_str(&text);
    (void)sb_str_split(&rest, ' ', &word);
    (void)sb_str_split(&rest, ' ', &word);
    return sb_str_to_u64(word, INT64_MAX, &pages) ? (double)pages * (double)sysconf(_SC_PAGESIZE) : -1;
}

static bool process(sb_buf *out)
{
    struct rusage usage;
    struct rlimit limit;
    double cpu = -1, files = -1;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
              (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        files = (double)limit.rlim_cur;
    return one(out, "process_cpu_seconds_total", "counter", "Processor time it took.", cpu) &&
           one(out, "process_resident_memory_bytes", "gauge", "Memory it has.", resident_bytes()) &&
           one(out, "process_open_fds", "gauge", "Descriptors it has open.", open_files()) &&
           one(out, "process_max_fds", "gauge", "As many as it may have.", files);
}

static bool machine(const sb_admin *admin, int64_t now_s, sb_buf *out)
{
    struct statvfs fs;
    int64_t ends_s = admin->o.certificate_ends_s ? admin->o.certificate_ends_s(admin->o.impl) : 0;
    if (statvfs(admin->o.exports_folder, &fs) == 0 &&
        !one(out, "smartbulk_exports_free_bytes", "gauge", "Room for exports on their disk.",
             (double)fs.f_bavail * (double)fs.f_frsize))
        return false;
    if (ends_s > 0 && !one(out, "smartbulk_certificate_expiry_seconds", "gauge",
                           "When the TLS certificate in use ends, since 1970.", (double)ends_s))
        return false;
    if (admin->o.audit && !one(out, "smartbulk_audit_writable", "gauge", "Could a line of the audit log be written?",
                               sb_audit_writable(admin->o.audit)))
        return false;
    return one(out, "smartbulk_uptime_seconds", "gauge", "How long it runs.",
               (double)SB_MAX(now_s - sb_metrics_began_s(admin->o.metrics), (int64_t)0));
}

void sb_admin_metrics(sb_admin_turn *t)
{
    const sb_admin *admin = t->admin;
    sb_buf *out = &t->answer->body;
    sb_ready_report report;
    int64_t now_s = admin->o.clock->wall_s(admin->o.clock->impl);
    sb_ready_ask(admin->o.ready, &report);
    t->answer->status = 200;
    t->answer->content_type = TYPE;
    if (!sb_metrics_write(admin->o.metrics, out) || !tokens(admin->o.metrics, out) ||
        !checks(&report, atomic_load(&admin->ending), out) || !counts(&report, now_s, out) ||
        !database(admin->o.pool, report.checks[SB_READY_DATABASE].ok && !report.late, out) ||
        !machine(admin, now_s, out) || !process(out))
        t->answer->broken = true;
}
