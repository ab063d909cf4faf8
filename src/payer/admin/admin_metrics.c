/* SPDX-License-Identifier: Apache-2.0 */
/* admin_metrics.c - what was counted, and what can only be asked for now. */
#include <inttypes.h>

#include "payer/admin/admin_internal.h"

/* One gauge of a table's rows by their state. What the database does not tell is left out, not told as zero. */
static bool write_states(const sb_admin *admin, const char *sql, const char *name, const char *help, bool *up,
                         sb_buf *out)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_buf) lines = SB_BUF_INIT;
    sb_stmt *stmt = NULL;
    bool row = true;
    *up =
        *up && sb_lease_take(&lease, admin->o.pool, NULL) == SB_OK && sb_db_cached(lease.db, sql, &stmt, NULL) == SB_OK;
    if (!*up || !sb_metrics_head(&lines, name, "gauge", help))
        return !*up;
    while ((*up = sb_stmt_step(stmt, &row, NULL) == SB_OK) && row) {
        if (sb_buf_printf(&lines, "%s{state=\"%s\"} %" PRId64 "\n", name, sb_stmt_str(stmt, 0).ptr,
                          sb_stmt_i64(stmt, 1)))
            continue;
        sb_stmt_reset(stmt);
        return false;
    }
    return !*up || sb_buf_add_str(out, sb_buf_str(&lines));
}

static bool write_database(const sb_admin *admin, sb_buf *out)
{
    bool up = true;
    return write_states(admin, "SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state", "smartbulk_exports",
                        "Exports under way and kept, of all processes.", &up, out) &&
           write_states(admin, "SELECT state, count(*) FROM clients GROUP BY state ORDER BY state", "smartbulk_clients",
                        "Registered clients.", &up, out) &&
           sb_metrics_head(out, "smartbulk_database_up", "gauge", "Whether the database answered just now.") &&
           sb_buf_printf(out, "smartbulk_database_up %d\n", up);
}

static bool write_certificate(const sb_admin *admin, sb_buf *out)
{
    int64_t ends_s = admin->o.certificate_ends_s ? admin->o.certificate_ends_s(admin->o.impl) : 0;
    return ends_s == 0 || (sb_metrics_head(out, "smartbulk_certificate_expiry_seconds", "gauge",
                                           "When the TLS certificate ends, since 1970.") &&
                           sb_buf_printf(out, "smartbulk_certificate_expiry_seconds %" PRId64 "\n", ends_s));
}

static bool write_audit(const sb_admin *admin, sb_buf *out)
{
    return !admin->o.audit ||
           (sb_metrics_head(out, "smartbulk_audit_writable", "gauge", "Whether the audit log can be written.") &&
            sb_buf_printf(out, "smartbulk_audit_writable %d\n", sb_audit_writable(admin->o.audit)));
}

void sb_admin_metrics(sb_admin *admin, sb_server_request *request, sb_answer *answer)
{
    (void)request;
    answer->status = 200;
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    sb_answer_header(answer, "Cache-Control", "no-store");
    if (!sb_metrics_write(admin->o.metrics, &answer->body) || !write_database(admin, &answer->body) ||
        !write_certificate(admin, &answer->body) || !write_audit(admin, &answer->body))
        answer->broken = true;
}
