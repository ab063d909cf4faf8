/* SPDX-License-Identifier: Apache-2.0 */
/* register_route.c - POST /register: a client makes itself known (RFC 7591).                                  KEY-07 */
#include "base/json.h"
#include "base/random.h"
#include "http/accept.h"
#include "payer/routes/service_internal.h"

static void refuse(sb_visit *visit, sb_answer *answer, const char *error, const char *why)
{
    visit->reason = error;
    sb_answer_oauth(answer, 400, error, why);
}

/* Is `list` (which may be missing) a list that holds `value`? */
static bool holds(const json_t *list, const char *value)
{
    size_t i;
    const json_t *item;
    if (!list)
        return true;
    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), value) == 0)
            return true;
    }
    return false;
}

/* A member that is text or missing; *out is `by_default` when missing. False: it is something else. */
static bool text_member(const json_t *object, const char *name, const char *by_default, const char **out)
{
    *out = json_object_get(object, name) ? sb_json_str(object, name) : by_default;
    return *out != NULL;
}

/* NULL: all is well. */
static const char *check_metadata(const json_t *metadata, const char **name, const char **scope)
{
    const char *method;
    if (!text_member(metadata, "token_endpoint_auth_method", "private_key_jwt", &method) ||
        strcmp(method, "private_key_jwt") != 0)
        return "token_endpoint_auth_method is private_key_jwt here";
    if (!holds(json_object_get(metadata, "grant_types"), "client_credentials"))
        return "grant_types must hold client_credentials";
    if (!text_member(metadata, "client_name", "", name))
        return "client_name is no text";
    if (!text_member(metadata, "scope", SB_SERVICE_SCOPES_MAX, scope))
        return "scope is no text";
    if (json_object_get(metadata, "jwks_uri"))
        return "this server fetches no jwks_uri; send the key set itself as jwks";
    if (!json_is_object(json_object_get(metadata, "jwks")))
        return "jwks is missing: send the public key set";
    return NULL;
}

/* What it asks for, as far as anybody may have it. */
static sb_status clip_scope(const char *asked_text, sb_buf *out, sb_error *err)
{
    SB_AUTO(sb_scopes) asked = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) most = SB_SCOPES_INIT;
    SB_AUTO(sb_scopes) both = SB_SCOPES_INIT;
    SB_TRY(sb_scopes_parse(asked_text, &asked, err));
    SB_TRY(sb_scopes_check_configured(&asked, err));
    SB_TRY(sb_scopes_parse(SB_SERVICE_SCOPES_MAX, &most, err));
    SB_TRY(sb_scopes_intersect(&asked, &most, &both, err));
    return sb_scopes_format(&both, out) ? SB_OK : sb_error_nomem(err);
}

static sb_status make_client(const json_t *metadata, const char *name, const char *scope, sb_client **out,
                             sb_error *err)
{
    char id[SB_UUID_SIZE];
    SB_AUTO(sb_buf) clipped = SB_BUF_INIT;
    SB_AUTOPTR(sb_jwks) jwks = NULL;
    SB_AUTOFREE text = sb_json_dump(json_object_get(metadata, "jwks"));
    if (!text)
        return sb_error_nomem(err);
    SB_TRY(sb_jwks_parse(sb_str_from(text), &jwks, NULL, err));
    SB_TRY(clip_scope(scope, &clipped, err));
    sb_random_uuid(id);
    sb_client_spec spec = {
        .id = id, .name = name, .scope = sb_buf_cstr(&clipped), .jwks = jwks, .state = SB_CLIENT_ACTIVE};
    SB_TRY(sb_client_new(&spec, out, err));
    jwks = NULL; /* the client's now */
    return SB_OK;
}

static void answer_registered(const sb_service *service, const sb_client *client, sb_answer *answer)
{
    const sb_clock *clock = service->o.clock;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    SB_AUTOFREE jwks_text = sb_jwks_json(client->jwks, false);
    json_t *jwks = jwks_text ? json_loads(jwks_text, 0, NULL) : NULL;
    bool ok = sb_scopes_format(&client->scopes, &scope);
    SB_AUTOJSON body = json_pack("{s:s, s:I, s:s, s:s, s:[s], s:s, s:o}", "client_id", client->id,
                                 "client_id_issued_at", (json_int_t)clock->wall_s(clock->impl), "client_name",
                                 client->name, "token_endpoint_auth_method", "private_key_jwt", "grant_types",
                                 "client_credentials", "scope", ok ? sb_buf_cstr(&scope) : "", "jwks", jwks);
    sb_answer_json(answer, 201, SB_JSON, body);
    sb_answer_header(answer, "Cache-Control", "no-store");
    sb_answer_header(answer, "Pragma", "no-cache");
}

void sb_route_register(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    const char *name, *scope;
    SB_AUTOJSON metadata = NULL;
    SB_AUTOPTR(sb_client) client = NULL;
    if (!service->o.registration) {
        visit->reason = "registration_off";
        sb_answer_oauth(answer, 403, "access_denied", "clients are registered by this server's operator");
        return;
    }
    if (!sb_content_type_is(sb_server_header_first(request, "Content-Type"), SB_JSON)) {
        refuse(visit, answer, "invalid_client_metadata", "the Content-Type is not application/json");
        return;
    }
    if (sb_json_parse_object(request->body, "the registration", &metadata, &err) != SB_OK) {
        refuse(visit, answer, "invalid_client_metadata", err.why);
        return;
    }
    const char *wrong = check_metadata(metadata, &name, &scope);
    sb_status status = wrong ? SB_E_INVALID : make_client(metadata, name, scope, &client, &err);
    if (status == SB_OK)
        status = sb_clients_add(service->o.clients, client, &err);
    if (status == SB_OK) {
        memcpy(visit->client, client->id, strlen(client->id) + 1);
        visit->reason = "registered";
        answer_registered(service, client, answer);
    } else if (status == SB_E_BUSY || status == SB_E_NOMEM) {
        visit->reason = "register_full";
        sb_answer_oauth(answer, 503, "temporarily_unavailable", "no further client can be registered now");
    } else {
        refuse(visit, answer, "invalid_client_metadata", wrong ? wrong : err.why);
    }
}
