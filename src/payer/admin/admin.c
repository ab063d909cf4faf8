/* SPDX-License-Identifier: Apache-2.0 */
/* admin.c - who may ask, and what answers. */
#include "payer/admin/admin_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "base/secret.h"

#define HOST_MAX 255

typedef struct admin_route {
    const char *method, *path; /* "*" is any segment */
    sb_admin_route *run;
    bool open; /* no token is asked for */
} admin_route;

static const admin_route routes[] = {
    {"GET", "healthz", sb_admin_healthz, true},
    {"GET", "readyz", sb_admin_readyz, true},
    {"GET", "metrics", sb_admin_metrics, false},
    {"GET", "clients", sb_admin_clients, false},
    {"GET", "clients/*", sb_admin_client, false},
    {"POST", "clients/*/approve", sb_admin_approve, false},
    {"POST", "clients/*/suspend", sb_admin_suspend, false},
    {"DELETE", "clients/*", sb_admin_remove, false},
    {"GET", "rosters", sb_admin_rosters, false},
    {"GET", "exports", sb_admin_exports, false},
    {"DELETE", "exports/*", sb_admin_export_delete, false},
    {"GET", "audit", sb_admin_audit, false},
};

/* Answers */

void sb_admin_json(sb_answer *answer, unsigned status, const json_t *json)
{
    SB_AUTOFREE text = json ? sb_json_dump(json) : NULL;
    answer->status = status;
    answer->content_type = "application/json";
    sb_answer_header(answer, "Cache-Control", "no-store");
    sb_answer_header(answer, "X-Content-Type-Options", "nosniff");
    if (!text || !sb_buf_printf(&answer->body, "%s\n", text))
        answer->broken = true;
}

void sb_admin_refuse(sb_answer *answer, unsigned status, const char *why)
{
    SB_AUTOJSON body = json_pack("{s:s}", "error", why);
    sb_admin_json(answer, status, body);
}

void sb_admin_error(sb_answer *answer, const sb_error *err)
{
    SB_AUTOJSON body = json_pack("{s:s, s:s, s:s}", "error", err->what, "why", err->why, "fix", err->fix);
    unsigned status = 500;
    if (err->code == SB_E_NOT_FOUND)
        status = 404;
    else if (err->code == SB_E_USAGE || err->code == SB_E_INVALID)
        status = 400;
    else if (err->code == SB_E_BUSY || err->code == SB_E_NETWORK)
        status = 503;
    sb_admin_json(answer, status, body);
}

/* Who may ask */

/* An address, or localhost: a name that some site made point here is not ours. */
static bool host_is_ours(sb_str host)
{
    char name[HOST_MAX + 1];
    struct in6_addr six;
    struct in_addr four;
    if (host.len == 0 || host.len > HOST_MAX)
        return false;
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    char *end = name[0] == '[' ? strchr(name, ']') : strchr(name, ':');
    if (name[0] == '[' && !end)
        return false;
    if (end)
        *end = '\0';
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &four) == 1 ||
           (name[0] == '[' && inet_pton(AF_INET6, name + 1, &six) == 1);
}

static bool is_of_another_site(const sb_server_request *request)
{
    sb_str fetched = sb_server_header_first(request, "Sec-Fetch-Site");
    if (sb_server_header_count(request, "Origin") > 0)
        return true; /* none of our pages sends anything here: there is none */
    return fetched.len > 0 && !sb_str_eq(fetched, SB_STR_LIT("none"));
}

static bool has_token(const sb_admin *admin, const sb_server_request *request)
{
    static const sb_str scheme = SB_STR_LIT("Bearer ");
    sb_str value = sb_server_header_first(request, "Authorization");
    if (!admin->o.token)
        return true;
    if (sb_server_header_count(request, "Authorization") != 1 || !sb_str_starts_with(value, scheme))
        return false;
    sb_digest digest = sb_digest_of((sb_str){value.ptr + scheme.len, value.len - scheme.len});
    return sb_secret_equal(&digest, admin->o.token, sizeof(digest));
}

static bool may(const sb_admin *admin, const sb_server_request *request, const admin_route *route, sb_answer *answer)
{
    if (is_of_another_site(request)) {
        sb_admin_refuse(answer, 403, "no web page may ask here");
        return false;
    }
    if (route->open)
        return true;
    if (!admin->o.token &&
        (sb_server_header_count(request, "Host") != 1 || !host_is_ours(sb_server_header_first(request, "Host")))) {
        sb_admin_refuse(answer, 421, "ask by the address, not by a name");
        return false;
    }
    if (!has_token(admin, request)) {
        sb_admin_refuse(answer, 401, "the administration's token is missing, or another");
        sb_answer_header(answer, "WWW-Authenticate", "Bearer realm=\"smartbulk administration\"");
        return false;
    }
    return true;
}

/* What answers */

static bool path_fits(const char *path, const sb_target *target)
{
    sb_str rest = sb_str_from(path), part;
    size_t i = 0;
    for (bool more = true; more; i++) {
        more = memchr(rest.ptr, '/', rest.len) != NULL;
        if (more)
            (void)sb_str_split(&rest, '/', &part);
        else
            part = rest;
        if (i >= target->segment_count || (!sb_str_eq(part, SB_STR_LIT("*")) && !sb_str_eq(part, target->segments[i])))
            return false;
    }
    return i == target->segment_count;
}

static bool method_fits(const char *method, const char *asked)
{
    return strcmp(method, asked) == 0 || (strcmp(method, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

static const admin_route *find_route(const sb_server_request *request, bool *path_known)
{
    *path_known = false;
    for (size_t i = 0; i < SB_ARRAY_LEN(routes); i++) {
        if (!path_fits(routes[i].path, &request->target))
            continue;
        *path_known = true;
        if (method_fits(routes[i].method, request->method))
            return &routes[i];
    }
    return NULL;
}

static bool on_begin(void *impl, sb_server_request *request, size_t *body_max, sb_answer *answer)
{
    (void)impl, (void)request, (void)answer;
    *body_max = 0;
    return true;
}

static void on_respond(void *impl, sb_server_request *request, sb_answer *answer)
{
    sb_admin *admin = impl;
    bool path_known;
    const admin_route *route = find_route(request, &path_known);
    if (route && may(admin, request, route, answer))
        route->run(admin, request, answer);
    else if (!route)
        sb_admin_refuse(answer, path_known ? 405 : 404, path_known ? "not by this method" : "there is nothing here");
}

static void on_refuse(void *impl, sb_server_request *request, const char *why, sb_answer *answer)
{
    (void)impl, (void)request;
    sb_admin_refuse(answer, answer->status, why);
}

sb_server_handler sb_admin_handler(sb_admin *admin)
{
    return (sb_server_handler){.impl = admin, .begin = on_begin, .respond = on_respond, .refuse = on_refuse};
}

sb_status sb_admin_new(const sb_admin_options *options, sb_admin **out, sb_error *err)
{
    sb_admin *admin = calloc(1, sizeof(*admin));
    if (!admin || pthread_mutex_init(&admin->ready_lock, NULL) != 0) {
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
    json_decref(admin->ready);
    (void)pthread_mutex_destroy(&admin->ready_lock);
    free(admin);
}
