/* SPDX-License-Identifier: Apache-2.0 */
/* register_manage.c - /register/{id}: a client looks at, changes or ends its registration, by the token that it got when
 * it registered (RFC 7592). What was agreed is never widened by it: scope shrinks or stays; and a client that a person let
 * in, by its keys and its name, waits for a person again when it changes them. A client that is not there and one whose
 * token is another are one answer.                                                                            KEY-07 */
#include <stdio.h>

#include "base/json.h"
#include "payer/routes/register_internal.h"

#define THUMBPRINT_ROOM 64 /* one, and the words before the first */

/* The client of the address, if the request has its token. False: `answer` says no. */
static bool open_registration(sb_service *service, const sb_server_request *request, sb_visit *visit,
                              sb_client **client, sb_answer *answer)
{
    static const sb_digest nobodys;
    sb_error err = SB_ERROR_INIT;
    if (sb_register_too_often(service->failures, request, visit, answer))
        return false;
    if (sb_clients_find(service->o.clients, request->target.segments[1], client, &err) != SB_OK) {
        sb_register_unavailable(visit, answer, &err);
        return false;
    }
    bool has = *client && (*client)->has_registration;
    if (!sb_register_token_is(sb_bearer_of(request), has ? &(*client)->registration_digest : &nobodys) || !has) {
        sb_register_unauthorized(service, request, visit, answer);
        return false;
    }
    memcpy(visit->client, (*client)->id, strlen((*client)->id) + 1); /* SB_CLIENT_ID_MAX */
    return true;
}

/* The token as it came: it is kept by digest alone. */
static void answer_with(const sb_service *service, const sb_server_request *request, const sb_client *client,
                        sb_answer *answer)
{
    SB_AUTOFREE token = sb_str_dup(sb_bearer_of(request));
    if (token)
        sb_register_answer(service, 200, client, token, answer);
    else
        answer->broken = true;
}

void sb_route_registration_get(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    SB_AUTOPTR(sb_client) client = NULL;
    if (open_registration(service, request, visit, &client, answer))
        answer_with(service, request, client, answer);
}

/* NULL: the metadata may change this client (RFC 7592 §2.2). */
static const char *check_update(const json_t *metadata, const sb_client *client)
{
    static const char *const ours[] = {"registration_access_token", "registration_client_uri",
                                       "client_secret_expires_at", "client_id_issued_at", "client_secret"};
    const char *id = sb_json_str(metadata, "client_id");
    if (!id || strcmp(id, client->id) != 0)
        return "client_id must be the one of this registration";
    for (size_t i = 0; i < SB_ARRAY_LEN(ours); i++) {
        if (json_object_get(metadata, ours[i]))
            return "what the server said (tokens, addresses, times) must not be sent back (RFC 7592)";
    }
    return NULL;
}

/* Does what changed end what a person confirmed? */
static bool ends_approval(const sb_client *was, unsigned changed)
{
    return was->state == SB_CLIENT_ACTIVE && was->admission != SB_ADMISSION_ITSELF && changed != 0;
}

static sb_status replace(sb_service *service, const sb_client *was, sb_registration *registration, unsigned *changed,
                         sb_client **out, sb_error *err)
{
    int64_t now = service->o.clock->wall_s(service->o.clock->impl);
    sb_client_spec spec = {.id = was->id,
                           .name = registration->name,
                           .contact = registration->contact,
                           .scope = registration->scope,
                           .jwks = registration->jwks,
                           .jwks_url = registration->jwks_url,
                           .state = was->state,
                           .admission = was->admission,
                           .profile = was->profile,
                           .show_reasons = was->show_reasons,
                           .tokens_per_minute = was->tokens_per_minute,
                           .created_s = was->created_s,
                           .changed_s = SB_MAX(now, was->changed_s + 1), /* no two changes look like one */
                           .before = was,
                           .registration_digest = &was->registration_digest,
                           .self_changed = was->self_changed,
                           .registered_from = was->registered_from};
    *changed = sb_client_differs(was, &spec);
    if (ends_approval(was, *changed))
        spec.state = SB_CLIENT_PENDING;
    if (spec.state != was->state || was->self_changed)
        spec.self_changed |= *changed;
    SB_TRY(sb_client_new(&spec, out, err));
    registration->jwks = NULL; /* the client's now */
    return sb_clients_replace_if(service->o.clients, was, *out, err);
}

static bool may_change(const sb_client *client, sb_visit *visit, sb_answer *answer)
{
    if (client->state != SB_CLIENT_SUSPENDED)
        return true;
    visit->reason = sb_refusal_name(SB_REFUSAL_CLIENT_SUSPENDED);
    sb_answer_oauth(answer, 403, "access_denied", "the client is suspended; ask the operator");
    return false;
}

/* "keys, name; its keys were …": those that who approved it had looked at. A URL is not told: it is a stranger's text. */
static void name_old_keys(const sb_client *was, char *out, size_t size)
{
    size_t len = strlen(out), count = was->jwks ? sb_jwks_count(was->jwks) : 0;
    for (size_t i = 0; i < count && len + THUMBPRINT_ROOM < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s %s", i ? "" : "; its keys were",
                                sb_key_thumbprint(sb_jwks_at(was->jwks, i)));
}

/* What the audit log is to know of it. */
static void tell(sb_visit *visit, const sb_client *was, const sb_client *now, unsigned changed)
{
    char words[SB_CLIENT_CHANGES_SIZE];
    visit->audit = changed & SB_CLIENT_KEYS ? "client.keys_changed" : "client.changed";
    (void)snprintf(visit->detail, sizeof(visit->detail), "%s", sb_client_changes(changed, words));
    if (changed & SB_CLIENT_KEYS)
        name_old_keys(was, visit->detail, sizeof(visit->detail));
    if (now->state != was->state)
        visit->reason = "registration_pending";
}

void sb_route_registration_put(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON metadata = NULL;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    SB_AUTO(sb_registration) registration = SB_REGISTRATION_INIT;
    SB_AUTOPTR(sb_client) was = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    unsigned changed = 0;
    if (!open_registration(service, request, visit, &was, answer) || !may_change(was, visit, answer))
        return;
    if (!sb_scopes_format(&was->scopes, &scope)) {
        (void)sb_error_nomem(&err);
        sb_register_unavailable(visit, answer, &err);
        return;
    }
    if (!sb_register_read(service, request, visit, sb_buf_cstr(&scope), was->state == SB_CLIENT_ACTIVE, &metadata,
                          &registration, answer))
        return;
    const char *wrong = check_update(metadata, was);
    sb_status status = wrong ? sb_error_set(&err, SB_E_INVALID, "the registration cannot be changed", "%s", NULL, wrong)
                             : replace(service, was, &registration, &changed, &client, &err);
    if (status != SB_OK) {
        sb_register_refuse(visit, answer, &err);
        return;
    }
    tell(visit, was, client, changed);
    answer_with(service, request, client, answer);
}

void sb_route_registration_delete(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOPTR(sb_client) client = NULL;
    if (!open_registration(service, request, visit, &client, answer) || !may_change(client, visit, answer))
        return;
    sb_status status = sb_clients_remove_if(service->o.clients, client, &err); /* nor one that was suspended just now */
    if (status != SB_OK && status != SB_E_NOT_FOUND) {
        sb_register_unavailable(visit, answer, &err);
        return;
    }
    visit->audit = "client.removed";
    answer->status = 204;
    sb_answer_header(answer, "Cache-Control", "no-store");
    sb_answer_header(answer, "Pragma", "no-cache");
}
