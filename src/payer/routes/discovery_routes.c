/* SPDX-License-Identifier: Apache-2.0 */
/* discovery_routes.c - what the server says of itself: smart-configuration and CapabilityStatement.  DISC-02, DISC-04
 */
#include "base/json.h"
#include "payer/routes/service_internal.h"

#define OAUTH_URIS     "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
#define SECURITY       "http://terminology.hl7.org/CodeSystem/restful-security-service"
#define BULK_DATA      "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
#define EXPORT         "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"
#define GROUP_EXPORT   "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export"
#define DAVINCI_EXPORT "http://hl7.org/fhir/us/davinci-atr/OperationDefinition/davinci-data-export"
#define PAT_EXPORT     "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export"
#define BEGAN          "2026-11-25" /* when these documents last changed */

static json_t *algs(const sb_service *service)
{
    json_t *list = json_array();
    for (size_t i = 0; list && service->o.algs[i]; i++)
        (void)json_array_append_new(list, json_string(service->o.algs[i])); /* a NULL is refused */
    return list;
}

/* The scopes of the types there are, in both spellings; * for all. */
static json_t *scopes_supported(const sb_service *service)
{
    size_t count;
    const sb_data_type *types = sb_data_types(service->o.data, &count);
    json_t *list = json_pack("[s, s, s, s]", "system/*.rs", "system/*.read", "system/Group.rs", "system/Group.read");
    for (size_t i = 0; list && i < count; i++) {
        SB_AUTOFREE v2 = sb_printf("system/%s.rs", types[i].name);
        SB_AUTOFREE v1 = sb_printf("system/%s.read", types[i].name);
        (void)json_array_append_new(list, v2 ? json_string(v2) : NULL);
        (void)json_array_append_new(list, v1 ? json_string(v1) : NULL);
    }
    return list;
}

/* What both documents say.                                                                  DISC-02, RFC 8414 §2 */
static json_t *common(const sb_service *service)
{
    json_t *document = json_pack("{s:s, s:s, s:s, s:[s], s:[s], s:o, s:[s], s:o, s:o}", "issuer", service->o.base_url,
                                 "token_endpoint", service->token_url, "revocation_endpoint", service->revoke_url,
                                 "grant_types_supported", "client_credentials", "token_endpoint_auth_methods_supported",
                                 "private_key_jwt", "token_endpoint_auth_signing_alg_values_supported", algs(service),
                                 "revocation_endpoint_auth_methods_supported", "private_key_jwt",
                                 "revocation_endpoint_auth_signing_alg_values_supported", algs(service),
                                 "scopes_supported", scopes_supported(service));
    bool ok = document != NULL;
    if (ok && service->o.registration)
        ok = json_object_set_new(document, "registration_endpoint", json_string(service->register_url)) == 0;
    if (ok && service->o.server_keys)
        ok = json_object_set_new(document, "jwks_uri", json_string(service->jwks_url)) == 0;
    if (ok && service->o.introspector_count > 0)
        ok = json_object_set_new(document, "introspection_endpoint", json_string(service->introspect_url)) == 0 &&
             json_object_set_new(document, "introspection_endpoint_auth_methods_supported",
                                 json_pack("[s]", "client_secret_basic")) == 0;
    if (ok)
        return document;
    json_decref(document);
    return NULL;
}

static void answer_document(sb_answer *answer, const json_t *document)
{
    sb_answer_json(answer, 200, SB_JSON, document);
    sb_answer_header(answer, "Cache-Control", "max-age=300");
}

void sb_route_smart_configuration(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    (void)request, (void)visit;
    SB_AUTOJSON document = common(service);
    if (document && json_object_set_new(document, "capabilities",
                                        json_pack("[s, s, s]", "client-confidential-asymmetric", "permission-v1",
                                                  "permission-v2")) != 0)
        answer->broken = true;
    answer_document(answer, document);
}

/* There is no authorization endpoint, so there are no response types.                                     RFC 8414 §2 */
void sb_route_server_metadata(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    (void)request, (void)visit;
    SB_AUTOJSON document = common(service);
    if (document && json_object_set_new(document, "response_types_supported", json_array()) != 0)
        answer->broken = true;
    answer_document(answer, document);
}

static json_t *operation(const char *definition)
{
    return json_pack("{s:s, s:s}", "name", "export", "definition", definition);
}

static json_t *security(const sb_service *service)
{
    return json_pack("{s:[{s:s, s:[{s:s, s:s}]}], s:[{s:[{s:s, s:s}]}]}", "extension", "url", OAUTH_URIS, "extension",
                     "url", "token", "valueUri", service->token_url, "service", "coding", "system", SECURITY, "code",
                     "SMART-on-FHIR");
}

void sb_route_metadata(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    (void)request, (void)visit;
    SB_AUTOJSON rest =
        json_pack("{s:s, s:o, s:[{s:s, s:[o]}, {s:s, s:[{s:s}, {s:s}], s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}], s:[o, "
                  "{s:s, s:s}]}], s:[o]}",
                  "mode", "server", "security", security(service), "resource", "type", "Patient", "operation",
                  operation(PAT_EXPORT), "type", "Group", "interaction", "code", "read", "code", "search-type",
                  "searchParam", "name", "identifier", "type", "token", "name", "name", "type", "string", "name",
                  "characteristic", "type", "token", "operation", operation(GROUP_EXPORT), "name",
                  "davinci-data-export", "definition", DAVINCI_EXPORT, "operation", operation(EXPORT));
    SB_AUTOJSON statement =
        rest ? json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:s, s:[s, s], s:[s], s:[O]}",
                         "resourceType", "CapabilityStatement", "status", "active", "date", BEGAN, "kind", "instance",
                         "software", "name", "smartbulk", "version", SB_VERSION, "implementation", "description",
                         "smartbulk export server", "url", service->fhir_url, "fhirVersion", "4.0.1", "format", "json",
                         SB_FHIR_JSON, "instantiates", BULK_DATA, "rest", rest)
             : NULL;
    sb_answer_json(answer, 200, SB_FHIR_JSON, statement);
    sb_answer_header(answer, "Cache-Control", "max-age=300");
}
