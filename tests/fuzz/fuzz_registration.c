/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger says of himself when he registers: who is taken has keys, one way or the other, no more scope than may
 * be had, and names that can be shown; and is a client. */
#include "base/json.h"
#include "fuzz.h"
#include "payer/auth/registration.h"

#define MOST "system/Patient.rs system/Coverage.read"

static const char *const algs[] = {"RS384", "ES384", NULL};

static void check_scope(const char *text)
{
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    FUZZ_REQUIRE("its scope can be read", sb_scopes_parse(text, &scopes, NULL) == SB_OK && scopes.len > 0);
    FUZZ_REQUIRE("it has no more than there is",
                 sb_scopes_cover(&scopes, "Group", SB_SCOPE_READ) == SB_SCOPE_COVERS_NOT &&
                     sb_scopes_cover(&scopes, "Patient", SB_SCOPE_CREATE) == SB_SCOPE_COVERS_NOT);
}

static void check_client(sb_registration *r)
{
    SB_AUTOPTR(sb_client) client = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_client_spec spec = {.id = "id",
                           .name = r->name,
                           .contact = r->contact,
                           .scope = r->scope,
                           .jwks = r->jwks,
                           .jwks_url = r->jwks_url};
    FUZZ_REQUIRE("it is a client", sb_client_new(&spec, &client, &err) == SB_OK);
    r->jwks = NULL; /* the client's now */
    SB_AUTOJSON metadata = sb_registration_json(client);
    SB_AUTOFREE text = sb_json_dump(metadata);
    FUZZ_REQUIRE("it can be told what was registered", text && !strstr(text, "\"d\":"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sb_guard *guard;
    SB_AUTO(sb_registration) r = SB_REGISTRATION_INIT;
    SB_AUTOJSON metadata = NULL;
    sb_error err = SB_ERROR_INIT;
    if (!guard)
        FUZZ_REQUIRE("a guard", sb_guard_new(&(sb_guard_options){.networks = NULL}, &guard, NULL) == SB_OK);
    sb_registration_policy policy = {.scope = MOST, .algs = algs, .guard = guard};
    if (sb_json_parse_object((sb_str){(const char *)data, size}, "metadata", &metadata, NULL) != SB_OK)
        return 0;
    sb_status status = sb_registration_read(metadata, &policy, &r, &err);
    fuzz_check_error(status, &err);
    if (status != SB_OK)
        return 0;
    FUZZ_REQUIRE("it has keys or says where they are", !r.jwks != !r.jwks_url);
    fuzz_check_shown(r.name);
    fuzz_check_shown(r.contact);
    check_scope(r.scope);
    check_client(&r);
    return 0;
}
