/* SPDX-License-Identifier: Apache-2.0 */
/* page_offer.c - all that a partner's engineer has to know of this payer: addresses, what assertions and keys must look
 * like, scopes, exports, limits. Each number is the one that is in force.                                      DISC-02 */
#include <stdarg.h>
#include <stdio.h>

#include "jose/jws.h"
#include "payer/portal/portal_internal.h"

static void section(sb_turn *t, const char *title)
{
    SB_HTML(&t->html, "<section class=\"card\"><h2>{}</h2><dl>", title);
}

static void end_section(sb_turn *t)
{
    SB_HTML(&t->html, "</dl></section>");
}

static void address(sb_turn *t, const char *what, const char *base, const char *path)
{
    SB_HTML(&t->html, "<dt>{}</dt><dd><code>{}{}</code></dd>", what, base, path);
}

static void words(sb_turn *t, const char *what, const char *text)
{
    SB_HTML(&t->html, "<dt>{}</dt><dd>{}</dd>", what, text);
}

SB_PRINTF(3, 4) static void say(sb_turn *t, const char *what, const char *fmt, ...)
{
    char text[512]; /* sentences of ours, with some numbers */
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    words(t, what, text);
}

/* Sections */

static void addresses(sb_turn *t)
{
    const sb_service *s = t->service;
    section(t, "Addresses");
    address(t, "FHIR base", s->fhir_url, "");
    address(t, "SMART configuration", s->fhir_url, "/.well-known/smart-configuration");
    address(t, "Server metadata (RFC 8414)", s->base_url, "/.well-known/oauth-authorization-server");
    address(t, "CapabilityStatement", s->fhir_url, "/metadata");
    address(t, "Issuer", s->base_url, "");
    address(t, "Token endpoint", s->token_url, "");
    address(t, "Revocation (RFC 7009)", s->revoke_url, "");
    if (s->o.registration)
        address(t, "Registration (RFC 7591)", s->register_url, "");
    if (s->o.server_keys)
        address(t, "Keys that sign tokens", s->jwks_url, "");
    if (s->o.introspector_count > 0)
        address(t, "Introspection (RFC 7662)", s->introspect_url, "");
    end_section(t);
}

static void assertions(sb_turn *t)
{
    const char *const *algs = t->service->o.algs;
    section(t, "Client assertions");
    SB_HTML(&t->html, "<dt>Signed with</dt><dd>");
    for (const char *const *alg = algs; *alg; alg++)
        SB_HTML(&t->html, "{}<code>{}</code>", alg == algs ? "" : ", ", *alg);
    SB_HTML(&t->html,
            "</dd><dt>Header</dt><dd><code>alg</code>, <code>kid</code> of a registered key, <code>typ</code> "
            "<code>JWT</code>. No <code>crit</code>; keys in the header are not looked at.</dd>"
            "<dt>Claims</dt><dd><code>iss</code> and <code>sub</code>: the client id. <code>aud</code>: the token "
            "endpoint. "
            "<code>jti</code>: new every time. <code>exp</code>, <code>iat</code>.</dd>"
            "<dt>By RFC 7523bis</dt><dd>For clients that the payer set so: <code>aud</code> is the issuer alone, "
            "<code>typ</code> is <code>client-authentication+jwt</code>.</dd>");
    say(t, "They live", "%d seconds at most from now; clocks may differ by %d", SB_ASSERTION_AGE_MAX_S,
        SB_ASSERTION_SKEW_S);
    say(t, "Bounds", "jti has at most %d bytes, the whole at most %d KiB", SB_ASSERTION_JTI_MAX,
        SB_JWS_MAX_BYTES / 1024);
    words(t, "Refused", "invalid_client, and no more: the token debugger of this portal says why");
    end_section(t);
}

static void keys(sb_turn *t)
{
    section(t, "Keys");
    say(t, "Kinds", "RSA of %d bits or more, EC on P-384 or P-256, Ed25519: as far as their algorithm is accepted",
        SB_KEY_RSA_BITS_MIN);
    say(t, "A JWK Set", "at most %d KiB and %d keys, public halves alone, each with a kid of its own",
        SB_JWKS_MAX_BYTES / 1024, SB_JWKS_MAX_KEYS);
    if (t->service->o.keys && t->service->o.guard) {
        say(t, "At an address", "https without redirects and signing in, answered within %d seconds",
            SB_GUARDED_TIMEOUT_S);
        say(t, "It is kept", "as long as Cache-Control says, from %d to %d seconds; %d when it says nothing",
            SB_JWKS_FRESH_MIN_S, SB_JWKS_FRESH_MAX_S, SB_JWKS_FRESH_DEFAULT_S);
        say(t, "A new kid", "is looked for at once, at most every %d seconds", SB_JWKS_AGAIN_S);
        words(t, "To rotate", "publish old and new together, sign with the new one after a while, then drop the old");
    } else {
        words(t, "At an address", "not here: the set itself is registered");
    }
    end_section(t);
}

static void scopes(sb_turn *t)
{
    size_t count = 0;
    const sb_data_type *list = sb_data_types(t->service->o.data, &count);
    section(t, "Scopes");
    SB_HTML(
        &t->html,
        "<dt>At most</dt><dd><code>{}</code></dd><dt>Of each type</dt><dd><code>system/Patient.rs</code> (SMART v2) or "
        "<code>system/Patient.read</code> (v1)</dd><dt>Part of a type</dt><dd><code>system/Observation.rs?category="
        "laboratory</code>: held in exports</dd><dt>Rosters</dt><dd><code>system/Group.rs</code></dd>"
        "<dt>More than granted</dt><dd>What is granted is given, and listed in the answer; nothing of it: "
        "<code>invalid_scope</code></dd><dt>Types</dt><dd><ul class=\"chips\">",
        t->portal->o.registration_scope);
    for (size_t i = 0; i < count; i++)
        SB_HTML(&t->html, "<li>{}</li>", list[i].name);
    SB_HTML(&t->html, "</ul></dd>");
    end_section(t);
}

static void exports(sb_turn *t)
{
    section(t, "Exports");
    SB_HTML(
        &t->html,
        "<dt>Kick-off</dt><dd>GET or POST, <code>Prefer: respond-async</code>: <code>$export</code>, "
        "<code>Patient/$export</code>, <code>Group/{}/$export</code>, <code>Group/{}/$davinci-data-export</code></dd>"
        "<dt>Parameters</dt><dd><code>_type</code> <code>_since</code> <code>_until</code> <code>_elements</code> "
        "<code>_typeFilter</code> <code>_outputFormat</code> <code>patient</code> (in a POST) <code>exportType</code> "
        "<code>allowPartialManifests</code></dd>"
        "<dt>Others</dt><dd>400; with <code>handling=lenient</code> they are passed over</dd>"
        "<dt>Rosters</dt><dd><code>GET Group</code> lists yours; members who opted out are left out</dd>"
        "<dt>Files</dt><dd><code>application/fhir+ndjson</code>; gzip, <code>Range</code> and <code>ETag</code> are "
        "offered; {}</dd>",
        "{id}", "{id}", t->service->o.open_files ? "fetched without a token" : "fetched with a token");
    end_section(t);
}

static void limits(sb_turn *t)
{
    const sb_portal_options *o = &t->portal->o;
    const sb_service_options *s = &t->service->o;
    section(t, "Limits");
    SB_HTML(&t->html, "<dt>A token lives</dt><dd>");
    sb_span(t, o->token_lifetime_s);
    SB_HTML(&t->html, "</dd><dt>Files are kept</dt><dd>");
    sb_span(t, o->export_keep_s);
    SB_HTML(&t->html, " from the end of the export; DELETE frees their room at once</dd>");
    if (o->tokens_per_minute > 0)
        say(t, "Tokens", "%u a minute for each client, unless agreed otherwise", o->tokens_per_minute);
    if (o->exports_per_client > 0)
        say(t, "Exports at once", "%u of each client", o->exports_per_client);
    if (s->failures_burst > 0)
        say(t, "Failed authentications", "%u of one address at once, then %u a minute; no client is ever locked out",
            s->failures_burst, s->failures_per_minute);
    words(t, "Beyond", "429 with Retry-After: wait so long, and go on");
    end_section(t);
}

static void example(sb_turn *t)
{
    SB_HTML(&t->html,
            "<section class=\"card\"><h2>smartbulk.yaml</h2><pre tabindex=\"0\">payers:\n  here:\n    fhir_url: {}\n"
            "    client_id: (yours)\n    key: keys/payer.jwk\n    scope: {}</pre>"
            "<p class=\"soft small\">Then <code>smartbulk export here --patients --to claims</code> does it all, and "
            "says what is "
            "wrong "
            "with the first that fails.</p></section>",
            t->service->fhir_url, t->portal->o.registration_scope);
}

void sb_page_offer(sb_turn *t)
{
    sb_page_begin(t, "Endpoints and limits", "Endpoints and limits");
    SB_HTML(&t->html,
            "<h1>Endpoints and limits</h1><p class=\"lead\">SMART Backend Services (SMART App Launch 2.2) and FHIR "
            "Bulk Data Access, FHIR R4. Programs find the same in the SMART configuration.</p>");
    addresses(t);
    SB_HTML(&t->html, "<div class=\"grid\">");
    assertions(t);
    keys(t);
    scopes(t);
    exports(t);
    limits(t);
    example(t);
    SB_HTML(&t->html, "</div>");
    sb_page_end(t, 200);
}
