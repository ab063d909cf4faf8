/* SPDX-License-Identifier: Apache-2.0 */
/* admin_events.c - exports under way, and what the audit log has, as JSON. */
#include <stdio.h>

#include "fhir/instant.h"
#include "payer/admin/admin_internal.h"
#include "payer/ops/audit_search.h"

#define EVENTS_DEFAULT 100

/* Exports */

static bool set_time(json_t *object, const char *name, int64_t s)
{
    char text[SB_INSTANT_SIZE];
    if (s == 0)
        return true;
    (void)sb_instant_format((sb_instant){s, 0}, text);
    return json_object_set_new(object, name, json_string(text)) == 0;
}

static sb_status add_export(void *context, const sb_job_summary *job, sb_error *err)
{
    static const char *const states[] = {"queued", "running", "done", "failed"};
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s}", "id", job->id, "client", job->client, "group",
                               job->group, "state", states[job->state], "percent", (int)job->percent, "why", job->why);
    bool ok = object && set_time(object, "created", job->created_s) && set_time(object, "finished", job->finished_s) &&
              set_time(object, "expires", job->expires_s);
    if (ok)
        return json_array_append_new(context, object) == 0 ? SB_OK : sb_error_nomem(err);
    json_decref(object);
    return sb_error_nomem(err);
}

void sb_admin_exports(sb_admin_turn *t)
{
    SB_AUTOJSON list = json_array();
    sb_error err = SB_ERROR_INIT;
    if (sb_jobs_each(t->admin->o.jobs, sb_admin_asked(t, "client"), add_export, list, &err) != SB_OK) {
        sb_admin_error(t, &err);
        return;
    }
    SB_AUTOJSON body = json_pack("{s:O}", "exports", list);
    sb_admin_json(t, 200, body);
}

typedef struct wanted {
    sb_str id;
    char client[SB_CLIENT_ID_MAX + 1], group[SB_DATA_ID_MAX + 1];
} wanted;

static sb_status is_it(void *context, const sb_job_summary *job, sb_error *err)
{
    wanted *w = context;
    (void)err;
    if (!sb_str_eq(w->id, sb_str_from(job->id)))
        return SB_OK;
    (void)snprintf(w->client, sizeof(w->client), "%s", job->client);
    (void)snprintf(w->group, sizeof(w->group), "%s", job->group);
    return SB_OK;
}

/* What is taken away from somebody goes whether it can be told or not; that it could not is answered. */
void sb_admin_export_delete(sb_admin_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    wanted w = {.id = t->request->target.segments[1]};
    if (sb_jobs_each(t->admin->o.jobs, NULL, is_it, &w, &err) != SB_OK ||
        sb_jobs_delete(t->admin->o.jobs, NULL, w.id, &err) != SB_OK) {
        sb_admin_error(t, &err);
        return;
    }
    sb_audit_event event = {.event = "export.deleted",
                            .outcome = "ok",
                            .client = w.client,
                            .group = w.group,
                            .actor = SB_ADMIN_ACTOR,
                            .peer = t->request->peer,
                            .job = w.id.ptr,
                            .members = -1,
                            .durable = true};
    if (sb_audit_add(t->admin->o.audit, &event))
        t->answer->status = 204;
    else
        sb_admin_refuse(t, 503, "audit_unwritable", "it is deleted, but the audit log could not be told");
}

/* Events */

static sb_status add_event(void *context, const json_t *event, bool believed, sb_error *err)
{
    SB_AUTOJSON copy = json_copy((json_t *)(uintptr_t)event); /* which changes nothing of it */
    if (!copy || (!believed && json_object_set_new(copy, "hashWrong", json_true()) != 0) ||
        json_array_append(context, copy) != 0)
        return sb_error_nomem(err);
    return SB_OK;
}

static const char *text_of(const sb_form *query, const char *name)
{
    const sb_form_field *field = sb_form_find(query, name);
    return field ? field->value.ptr : NULL;
}

static bool number_of(const sb_form *query, const char *name, uint64_t *out)
{
    const sb_form_field *field = sb_form_find(query, name);
    return !field || sb_str_to_u64(field->value, INT64_MAX, out);
}

static bool read_query(const sb_form *query, sb_audit_query *out)
{
    uint64_t limit = EVENTS_DEFAULT, before = 0, since = 0, until = 0;
    if (!number_of(query, "limit", &limit) || !number_of(query, "before", &before) ||
        !number_of(query, "since", &since) || !number_of(query, "until", &until) || limit == 0)
        return false;
    *out = (sb_audit_query){.event = text_of(query, "event"),
                            .outcome = text_of(query, "outcome"),
                            .reason = text_of(query, "reason"),
                            .client = text_of(query, "client"),
                            .actor = text_of(query, "actor"),
                            .group = text_of(query, "group"),
                            .job = text_of(query, "job"),
                            .peer = text_of(query, "peer"),
                            .since_s = (int64_t)since,
                            .until_s = (int64_t)until,
                            .before = before,
                            .limit = SB_MIN((size_t)limit, (size_t)SB_AUDIT_SEARCH_MAX)};
    return true;
}

void sb_admin_audit(sb_admin_turn *t)
{
    SB_AUTOJSON list = json_array();
    sb_error err = SB_ERROR_INIT;
    sb_audit_query query;
    uint64_t next = 0;
    if (!t->admin->o.audit_file) {
        sb_admin_refuse(t, 404, "not_found", "no audit log is kept: audit.file names one");
        return;
    }
    if (!read_query(&t->request->target.query, &query)) {
        sb_admin_refuse(t, 400, "request_invalid", "limit, before, since and until (seconds since 1970) are numbers");
        return;
    }
    if (sb_audit_search(t->admin->o.audit_file, &query, add_event, list, &next, &err) != SB_OK) {
        sb_admin_error(t, &err);
        return;
    }
    SB_AUTOJSON body = json_pack("{s:O}", "events", list);
    if (next > 0 && body && json_object_set_new(body, "before", json_integer((json_int_t)next)) != 0)
        t->answer->broken = true;
    sb_admin_json(t, 200, body);
}
