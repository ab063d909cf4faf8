/* SPDX-License-Identifier: Apache-2.0 */
/* admin_health.c - /healthz: it answers, so it lives, whatever hangs. /readyz: what each check found, a line each. */
#include "payer/admin/admin_internal.h"
#include "payer/routes/answers.h"

#define HANGS "it hangs: the checks do not come to an end"
#define ENDS  "it is about to end, and takes no more connections"

void sb_admin_healthz(sb_admin_turn *t)
{
    SB_AUTOJSON body = json_pack("{s:b}", "healthy", 1);
    sb_admin_json(t, 200, body);
}

static bool add_line(sb_buf *out, const char *name, const char *found, bool last)
{
    SB_AUTOJSON text = json_string(found);
    SB_AUTOFREE value = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
    return value && sb_buf_printf(out, "  \"%s\": %s%s\n", name, value, last ? "" : ",");
}

/* So that what a person sees in a terminal is what a program reads. */
static bool write_checks(const sb_ready_report *r, bool ready, bool ending, sb_buf *out)
{
    bool ok = sb_buf_printf(out, "{\"ready\": %s, \"checks\": {\n", ready ? "true" : "false");
    for (size_t i = 0; ok && i < SB_READY_CHECKS; i++) {
        const char *found = r->late ? HANGS : r->checks[i].ok ? "ok" : r->checks[i].why;
        ok = add_line(out, sb_ready_name((sb_ready_check)i), found, false);
    }
    return ok && add_line(out, "serving", ending ? ENDS : "ok", true) && sb_buf_add_cstr(out, "}}\n");
}

void sb_admin_readyz(sb_admin_turn *t)
{
    sb_ready_report report;
    bool ending = atomic_load(&t->admin->ending);
    sb_ready_ask(t->admin->o.ready, &report);
    bool ready = report.all && !ending;
    t->answer->status = ready ? 200 : 503;
    t->answer->content_type = SB_JSON;
    if (!ready)
        t->reason = "not_ready";
    bool ok = t->trusted ? write_checks(&report, ready, ending, &t->answer->body)
                         : sb_buf_printf(&t->answer->body, "{\"ready\": %s}\n", ready ? "true" : "false");
    if (!ok)
        t->answer->broken = true;
}
