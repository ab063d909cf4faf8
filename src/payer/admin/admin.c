/* SPDX-License-Identifier: Apache-2.0 */
/* admin.c - what answers where; what becomes of a request is told to the log and counted. */
#include "payer/admin/admin_internal.h"

#include "base/log.h"
#include "payer/routes/answers.h"
#include "payer/routes/route_match.h"

static const sb_admin_route routes[] = {
    {"GET", "healthz", sb_admin_healthz, true, "admin_healthz"},
    {"GET", "readyz", sb_admin_readyz, true, "admin_readyz"},
    {"GET", "metrics", sb_admin_metrics, false, "admin_metrics"},
    {"GET", "clients", sb_admin_clients, false, "admin_clients"},
    {"GET", "clients/*", sb_admin_client, false, "admin_client"},
    {"POST", "clients/*/approve", sb_admin_approve, false, "admin_approve"},
    {"POST", "clients/*/suspend", sb_admin_suspend, false, "admin_suspend"},
    {"DELETE", "clients/*", sb_admin_remove, false, "admin_remove"},
    {"GET", "rosters", sb_admin_rosters, false, "admin_rosters"},
    {"GET", "exports", sb_admin_exports, false, "admin_exports"},
    {"DELETE", "exports/*", sb_admin_export_delete, false, "admin_export_delete"},
    {"GET", "audit", sb_admin_audit, false, "admin_audit"},
};

/* Answers */

void sb_admin_json(sb_admin_turn *t, unsigned status, const json_t *json)
{
    sb_answer_json(t->answer, status, SB_JSON, json);
    if (!sb_buf_add_char(&t->answer->body, '\n')) /* people read it in a terminal */
        t->answer->broken = true;
}

void sb_admin_refuse(sb_admin_turn *t, unsigned status, const char *reason, const char *why)
{
    SB_AUTOJSON body = json_pack("{s:s}", "error", why);
    t->reason = reason;
    sb_admin_json(t, status, body);
}

static unsigned status_of(const sb_error *err, const char **reason)
{
    switch (err->code) {
    case SB_E_NOT_FOUND:
        *reason = "not_found";
        return 404;
    case SB_E_USAGE:
    case SB_E_INVALID:
        *reason = "request_invalid";
        return 400;
    default:
        *reason = "server_failed";
        return 503;
    }
}

void sb_admin_error(sb_admin_turn *t, const sb_error *err)
{
    SB_AUTOJSON body = json_pack("{s:s, s:s, s:s}", "error", err->what, "why", err->why, "fix", err->fix);
    unsigned status = status_of(err, &t->reason);
    if (status == 503)
        sb_log(SB_LOG_ERROR, "administration: %s: %s", err->what, err->why);
    sb_admin_json(t, status, body);
}

const char *sb_admin_asked(const sb_admin_turn *t, const char *name)
{
    const sb_form_field *field = sb_form_find(&t->request->target.query, name);
    return field ? field->value.ptr : NULL;
}

/* Nothing of this is for a cache, a frame or a script's guess. */
static void harden(sb_answer *answer)
{
    sb_answer_header(answer, "Cache-Control", "no-store");
    sb_answer_header(answer, "X-Content-Type-Options", "nosniff");
    sb_answer_header(answer, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    sb_answer_header(answer, "Cross-Origin-Resource-Policy", "same-origin");
}

/* What answers */

static const sb_admin_route *find_route(const sb_server_request *request, sb_buf *allow)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(routes); i++) {
        if (!sb_path_fits(routes[i].path, &request->target))
            continue;
        if (sb_method_fits(routes[i].method, request->method))
            return &routes[i];
        if (!sb_buf_printf(allow, "%s%s", allow->len ? ", " : "", routes[i].method))
            break; /* no memory: fewer are named */
    }
    return NULL;
}

static void no_route(sb_admin_turn *t, const sb_buf *allow)
{
    if (allow->len == 0) {
        sb_admin_refuse(t, 404, "not_found", "there is nothing here");
        return;
    }
    sb_admin_refuse(t, 405, "method_not_offered", "not by this method");
    sb_answer_header(t->answer, "Allow", "%s", sb_buf_cstr(allow));
}

static bool on_begin(void *impl, sb_server_request *request, size_t *body_max, sb_answer *answer)
{
    SB_AUTO(sb_buf) allow = SB_BUF_INIT;
    sb_admin_turn *t = calloc(1, sizeof(*t));
    request->user = t;
    *body_max = 0; /* nothing here reads one */
    if (!t) {
        answer->broken = true;
        return false;
    }
    harden(answer);
    *t = (sb_admin_turn){.admin = impl, .request = request, .answer = answer, .route = find_route(request, &allow)};
    if (!sb_admin_may(t))
        return false;
    if (!t->route)
        no_route(t, &allow);
    return t->route != NULL;
}

static void on_respond(void *impl, sb_server_request *request, sb_answer *answer)
{
    sb_admin_turn *t = request->user;
    (void)impl;
    t->answer = answer;
    t->route->run(t);
}

static void on_refuse(void *impl, sb_server_request *request, const char *why, sb_answer *answer)
{
    sb_admin_turn t = {.admin = impl, .request = request, .answer = answer}, *kept = request->user;
    harden(answer);
    sb_admin_refuse(&t, answer->status, "request_invalid", why);
    if (kept)
        kept->reason = t.reason;
}

static void on_answered(void *impl, const sb_server_request *request, unsigned status, uint64_t bytes, int64_t took_ns)
{
    const sb_admin *admin = impl;
    const sb_admin_turn *t = request->user;
    sb_str raw = sb_str_from(request->raw_target), path = SB_STR_NULL;
    (void)sb_str_split(&raw, '?', &path);
    sb_service_event event = {.method = request->method,
                              .path = path,
                              .peer = request->peer,
                              .status = status,
                              .bytes = bytes,
                              .took_ns = took_ns,
                              .route = t && t->route ? t->route->name : "admin_none",
                              .client = "",
                              .reason = t && t->reason ? t->reason : ""};
    sb_metrics_answer(admin->o.metrics, event.route, status, bytes, took_ns, event.reason);
    /* What machines ask every few seconds is no news; that it was refused is. */
    bool is_watching = t && t->route && (t->route->is_open || t->route->run == sb_admin_metrics) && !t->reason;
    if (admin->o.on_event && !is_watching)
        admin->o.on_event(admin->o.impl, &event);
}

static void on_release(void *impl, sb_server_request *request)
{
    (void)impl;
    free(request->user);
    request->user = NULL;
}

sb_server_handler sb_admin_handler(sb_admin *admin)
{
    return (sb_server_handler){.impl = admin,
                               .begin = on_begin,
                               .respond = on_respond,
                               .refuse = on_refuse,
                               .answered = on_answered,
                               .release = on_release};
}

/* Beginning and end */

sb_status sb_admin_new(const sb_admin_options *options, sb_admin **out, sb_error *err)
{
    sb_admin *admin = calloc(1, sizeof(*admin));
    if (!admin || pthread_mutex_init(&admin->lock, NULL) != 0) {
        free(admin);
        return sb_error_nomem(err);
    }
    admin->o = *options;
    *out = admin;
    return SB_OK;
}

void sb_admin_free(sb_admin *admin)
{
    if (!admin)
        return;
    (void)pthread_mutex_destroy(&admin->lock);
    free(admin);
}

void sb_admin_set_token(sb_admin *admin, const sb_digest *digest)
{
    (void)pthread_mutex_lock(&admin->lock);
    admin->has_token = digest != NULL;
    if (digest)
        admin->token = *digest;
    (void)pthread_mutex_unlock(&admin->lock);
}

void sb_admin_set_ending(sb_admin *admin)
{
    atomic_store(&admin->ending, true);
}
