/* SPDX-License-Identifier: Apache-2.0 */
/* oauth_routes.c - where the authorization server answers. */
#include "payer/routes/service_internal.h"

/* An assertion of the greatest length, every byte of it percent-encoded, and as much again for scopes. */
#define TOKEN_BODY_MAX    ((size_t)128 * 1024)
#define FORM_BODY_MAX     ((size_t)16 * 1024)  /* a token and a hint */
#define REGISTER_BODY_MAX ((size_t)128 * 1024) /* a JWK Set of the greatest size, and words about it */
#define DECISION_BODY_MAX ((size_t)64 * 1024)  /* what Envoy may be told to send along; it is not looked at */

const sb_route sb_oauth_routes[] = {
    {"POST", "token", sb_route_token, TOKEN_BODY_MAX, SB_ROUTE_OPEN, "token"},
    {"POST", "register", sb_route_register, REGISTER_BODY_MAX, SB_ROUTE_OPEN, "register"},
    {"GET", "register/*", sb_route_registration_get, 0, SB_ROUTE_OPEN, "registration"},
    {"PUT", "register/*", sb_route_registration_put, REGISTER_BODY_MAX, SB_ROUTE_OPEN, "registration"},
    {"DELETE", "register/*", sb_route_registration_delete, 0, SB_ROUTE_OPEN, "registration"},
    {"POST", "introspect", sb_route_introspect, FORM_BODY_MAX, SB_ROUTE_OPEN, "introspect"},
    {"POST", "revoke", sb_route_revoke, TOKEN_BODY_MAX, SB_ROUTE_OPEN, "revoke"},
    {"GET", "jwks", sb_route_jwks, 0, SB_ROUTE_OPEN, "jwks"},
    {"GET", ".well-known/oauth-authorization-server", sb_route_server_metadata, 0, SB_ROUTE_OPEN, "discovery"},
    {"GET", "authorize-request", sb_route_decision, 0, SB_ROUTE_OPEN, "decision"},
    {"*", "authorize-request/**", sb_route_decision, DECISION_BODY_MAX, SB_ROUTE_OPEN, "decision"},
    {NULL, NULL, NULL, 0, SB_ROUTE_OPEN, NULL},
};
