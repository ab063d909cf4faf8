/* SPDX-License-Identifier: Apache-2.0 */
/* register_route.c - POST /register: a client makes itself known (RFC 7591). By configuration nobody may, anybody may
 * ask and a person approves, who has the initial access token is in, or (for demonstrations) anybody is.      KEY-07 */
#include <openssl/crypto.h>

#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secret.h"
#include "http/accept.h"
#include "jose/base64url.h"
#include "payer/ops/register.h"
#include "payer/routes/register_internal.h"

#define PENDING_MAX            1000 /* that wait for a person: more than anybody reads, and less than the register holds */
#define PENDING_OF_NETWORK_MAX 50 /* of them: more than one partner has, and 20 networks are not one stranger's */
#define DAY_S                  INT64_C(86400)
#define BUSY_RETRY_S           5
#define OFTEN_RETRY_S          10
#define TOKEN_BYTES            32

void sb_register_unavailable(sb_visit *visit, sb_answer *answer, const sb_error *err)
{
    sb_log(SB_LOG_ERROR, "%s: %s", err->what, err->why); /* who asked hears none of it */
    visit->reason = "registration_unavailable";
    sb_answer_oauth(answer, 503, "temporarily_unavailable", "this cannot be registered now; come back later");
    sb_answer_header(answer, "Retry-After", "%d", BUSY_RETRY_S);
}

void sb_register_refuse(sb_visit *visit, sb_answer *answer, const sb_error *err)
{
    if (err->code == SB_E_NOMEM || err->code == SB_E_BUSY || err->code == SB_E_IO || err->code == SB_E_INTERNAL) {
        sb_register_unavailable(visit, answer, err);
        return;
    }
    visit->reason = "invalid_client_metadata";
    sb_answer_oauth(answer, 400, "invalid_client_metadata", err->why);
}

void sb_register_unauthorized(sb_service *service, const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    bool sent = sb_bearer_of(request).len > 0;
    sb_failures_add(service->failures, request->peer);
    visit->reason = sent ? "registration_token_invalid" : "registration_token_missing";
    sb_answer_oauth(answer, 401, "invalid_token", "a registration needs its token: Authorization: Bearer");
    sb_answer_header(answer, "WWW-Authenticate", "Bearer realm=\"register\"%s",
                     sent ? ", error=\"invalid_token\"" : "");
}

bool sb_register_too_often(sb_failures *failures, const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    if (!sb_failures_exceeded(failures, request->peer))
        return false;
    visit->reason = sb_refusal_name(SB_REFUSAL_TOO_OFTEN);
    sb_answer_oauth(answer, 429, "temporarily_unavailable", "too many requests of this address; wait a little");
    sb_answer_header(answer, "Retry-After", "%d", OFTEN_RETRY_S);
    return true;
}

bool sb_register_token_is(sb_str token, const sb_digest *want)
{
    sb_digest got = sb_digest_of(token);
    return token.len > 0 && CRYPTO_memcmp(got.bytes, want->bytes, sizeof(got.bytes)) == 0;
}

void sb_register_answer(const sb_service *service, unsigned status, const sb_client *client, const char *token,
                        sb_answer *answer)
{
    SB_AUTOJSON body = sb_registration_json(client);
    SB_AUTOFREE url = sb_printf("%s/%s", service->register_url, client->id);
    if (!body || !url || json_object_set_new(body, "registration_client_uri", json_string(url)) != 0 ||
        json_object_set_new(body, "registration_access_token", json_string(token)) != 0) {
        answer->broken = true;
        return;
    }
    sb_answer_json(answer, status, SB_JSON, body);
    sb_answer_header(answer, "Cache-Control", "no-store");
    sb_answer_header(answer, "Pragma", "no-cache");
}

/* On the spot: what is wrong with a JWKS URL is told who registers it, not found when the first token is asked for. */
static sb_status check_url(const sb_service *service, const char *url, sb_error *err)
{
    SB_AUTOPTR(sb_keyset) set = NULL;
    return service->o.keys ? sb_jwks_cache_check(service->o.keys, url, &set, err) : SB_OK;
}

bool sb_register_read(sb_service *service, const sb_server_request *request, sb_visit *visit, const char *scope_max,
                      bool may_fetch, json_t **metadata, sb_registration *out, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    sb_registration_policy policy = {
        .scope = scope_max, .algs = service->o.algs, .guard = service->o.keys ? service->o.guard : NULL};
    if (!sb_content_type_is(sb_server_header_first(request, "Content-Type"), SB_JSON)) {
        sb_error_set(&err, SB_E_INVALID, "the client cannot be registered", "the Content-Type is not application/json",
                     NULL);
        sb_register_refuse(visit, answer, &err);
        return false;
    }
    sb_status status = sb_json_parse_object(request->body, "the registration", metadata, &err);
    if (status == SB_OK)
        status = sb_registration_read(*metadata, &policy, out, &err);
    if (status == SB_OK && out->jwks_url && may_fetch)
        status = check_url(service, out->jwks_url, &err);
    if (status == SB_OK)
        return true;
    sb_register_refuse(visit, answer, &err);
    return false;
}

/* May this request register at all? */
static bool may_register(sb_service *service, const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    const sb_service_options *o = &service->o;
    if (o->registration == SB_REGISTRATION_OFF) {
        visit->reason = "registration_off";
        sb_answer_oauth(answer, 403, "access_denied", "clients are registered by this server's operator");
        return false;
    }
    if (sb_register_too_often(service->failures, request, visit, answer) ||
        sb_register_too_often(service->registrations, request, visit, answer))
        return false;
    if (o->registration == SB_REGISTRATION_TOKEN &&
        (!o->registration_token || !sb_register_token_is(sb_bearer_of(request), o->registration_token))) {
        sb_register_unauthorized(service, request, visit, answer);
        return false;
    }
    if (o->registration != SB_REGISTRATION_TOKEN)
        sb_failures_add(service->registrations, request->peer);
    return true;
}

typedef struct waiting {
    int64_t network;
    size_t count, of_network;
} waiting;

/* One that was approved once, and changed itself, takes nobody's place. */
static sb_status count_pending(void *context, sb_client *client, sb_error *err)
{
    waiting *w = context;
    (void)err;
    if (client->state != SB_CLIENT_PENDING || client->self_changed)
        return SB_OK;
    w->count++;
    w->of_network += client->registered_from == w->network;
    return SB_OK;
}

/* Who waited too long makes room: by those whom nobody approves, nobody is kept out. */
static sb_status forget_old(const sb_service *service, sb_error *err)
{
    const sb_service_options *o = &service->o;
    SB_AUTOPTR(sb_register) reg = NULL;
    size_t count;
    unsigned days = o->registration_pending_days ? o->registration_pending_days : SB_PENDING_DAYS_DEFAULT;
    sb_register_parts parts = {.clients = o->clients, .audit = o->audit, .clock = o->clock};
    SB_TRY(sb_register_over(&parts, &reg, err));
    return sb_register_remove_pending(reg, (int64_t)days * DAY_S, &count, err);
}

void sb_service_sweep(sb_service *service)
{
    sb_error err = SB_ERROR_INIT;
    if (forget_old(service, &err) != SB_OK)
        sb_log_warn("clients that waited too long for a person could not be forgotten: %s: %s", err.what, err.why);
}

/* Strangers who ask do not crowd out those whom the operator registers, nor one of them all others. */
static sb_status check_room(const sb_service *service, sb_client_state state, int64_t network, sb_error *err)
{
    waiting w = {.network = network};
    if (state != SB_CLIENT_PENDING)
        return SB_OK;
    SB_TRY(forget_old(service, err));
    SB_TRY(sb_clients_each(service->o.clients, count_pending, &w, err));
    if (w.of_network >= PENDING_OF_NETWORK_MAX)
        return sb_error_set(err, SB_E_BUSY, "the client cannot be registered",
                            "%d clients that were registered from there wait for approval",
                            "have them approved or removed first", PENDING_OF_NETWORK_MAX);
    return w.count < PENDING_MAX ? SB_OK
                                 : sb_error_set(err, SB_E_BUSY, "the client cannot be registered",
                                                "too many clients wait for approval", "come back later");
}

sb_status sb_registration_keep(const sb_service *service, sb_registration *registration, sb_client_state state,
                               const char *peer, const sb_digest *token, sb_client **out, sb_error *err)
{
    char id[SB_UUID_SIZE];
    int64_t network = sb_failures_network(peer);
    int64_t now = service->o.clock->wall_s(service->o.clock->impl);
    sb_random_uuid(id);
    sb_client_spec spec = {.id = id,
                           .name = registration->name,
                           .contact = registration->contact,
                           .scope = registration->scope,
                           .jwks = registration->jwks,
                           .jwks_url = registration->jwks_url,
                           .state = state,
                           .admission = SB_ADMISSION_ITSELF, /* unless it waits */
                           .created_s = now,
                           .changed_s = now,
                           .registration_digest = token,
                           .registered_from = network};
    SB_TRY(check_room(service, state, network, err));
    SB_TRY(sb_client_new(&spec, out, err));
    registration->jwks = NULL; /* the client's now */
    return sb_clients_add(service->o.clients, *out, err);
}

static void draw_token(char token[SB_REGISTRATION_TOKEN_SIZE])
{
    unsigned char bytes[TOKEN_BYTES];
    sb_random_bytes(bytes, sizeof(bytes));
    sb_base64url_encode_to(bytes, sizeof(bytes), token);
    token[SB_REGISTRATION_TOKEN_SIZE - 1] = '\0';
    sb_wipe(bytes, sizeof(bytes));
}

void sb_route_register(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    char token[SB_REGISTRATION_TOKEN_SIZE];
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON metadata = NULL;
    SB_AUTO(sb_registration) registration = SB_REGISTRATION_INIT;
    SB_AUTOPTR(sb_client) client = NULL;
    bool pending = service->o.registration == SB_REGISTRATION_PENDING;
    if (!may_register(service, request, visit, answer) ||
        !sb_register_read(service, request, visit, service->o.registration_scope, !pending, &metadata, &registration,
                          answer))
        return;
    draw_token(token);
    sb_digest digest = sb_digest_of(sb_str_from(token));
    sb_status status = sb_registration_keep(service, &registration, pending ? SB_CLIENT_PENDING : SB_CLIENT_ACTIVE,
                                            request->peer, &digest, &client, &err);
    if (status == SB_OK) {
        memcpy(visit->client, client->id, strlen(client->id) + 1);
        visit->reason = pending ? "registration_pending" : "registered";
        sb_register_answer(service, 201, client, token, answer);
    } else {
        sb_register_refuse(visit, answer, &err);
    }
    sb_wipe(token, sizeof(token));
}
