/* SPDX-License-Identifier: Apache-2.0 */
/* page_home.c - what this payer offers, to everybody; the style sheet and the icon. */
#include <inttypes.h>
#include <stdio.h>

#include "payer/portal/portal_internal.h"

void sb_page_root(sb_turn *t)
{
    sb_page_redirect(t, "/portal", NULL);
}

/* Files of ours */

static void file(sb_turn *t, const char *content_type, const char *bytes, size_t len)
{
    t->answer->status = 200;
    t->answer->content_type = content_type;
    t->answer->broken |= !sb_buf_add(&t->answer->body, bytes, len);
    sb_answer_header(t->answer, "Cache-Control", "public, max-age=600"); /* a new version is seen soon */
}

void sb_page_style(sb_turn *t)
{
    file(t, "text/css; charset=utf-8", sb_portal_style, sb_portal_style_len);
}

void sb_page_icon(sb_turn *t)
{
    file(t, "image/svg+xml", sb_portal_icon, sb_portal_icon_len);
}

/* The overview */

static void addresses(sb_turn *t)
{
    const sb_service *s = t->service;
    SB_HTML(&t->html,
            "<section class=\"card\"><h2>Addresses</h2><dl>"
            "<dt>FHIR base</dt><dd><code>{}</code></dd>"
            "<dt>SMART configuration</dt><dd><code>{}/.well-known/smart-configuration</code></dd>"
            "<dt>Token endpoint</dt><dd><code>{}</code></dd>",
            s->fhir_url, s->fhir_url, s->token_url);
    if (s->o.registration)
        SB_HTML(&t->html, "<dt>Registration</dt><dd><code>{}</code> <span class=\"soft\">(RFC 7591)</span></dd>",
                s->register_url);
    SB_HTML(&t->html, "</dl></section>");
}

static void rule(sb_turn *t, const char *what, int64_t number, const char *unit)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    SB_HTML(&t->html, "<dt>{}</dt><dd>{} {}</dd>", what, text, unit);
}

static void rules(sb_turn *t)
{
    const sb_portal_options *o = &t->portal->o;
    SB_HTML(&t->html, "<section class=\"card\"><h2>Rules</h2><dl><dt>Who you are</dt><dd>A client assertion "
                      "(<code>private_key_jwt</code>) for every token request, signed with ");
    const char *const *algs = t->service->o.algs;
    for (const char *const *alg = algs; *alg; alg++)
        SB_HTML(&t->html, "{}<code>{}</code>", alg == algs ? "" : " or ", *alg);
    SB_HTML(&t->html, "; <code>exp</code> at most 300 s ahead, <code>jti</code> never twice</dd>");
    SB_HTML(&t->html, "<dt>A token lives</dt><dd>");
    sb_span(t, o->token_lifetime_s);
    SB_HTML(&t->html, "</dd>");
    if (o->tokens_per_minute > 0)
        rule(t, "Tokens", o->tokens_per_minute, "a minute for each client");
    if (o->exports_per_client > 0)
        rule(t, "Exports at once", o->exports_per_client, "for each client; then 429 and Retry-After");
    SB_HTML(&t->html, "<dt>Files are kept</dt><dd>");
    sb_span(t, o->export_keep_s);
    SB_HTML(&t->html, " from the end of the export</dd></dl><p class=\"small\"><a href=\"/portal/offer\">All endpoints "
                      "and limits</a></p></section>");
}

static void types(sb_turn *t)
{
    size_t count = 0;
    const sb_data_type *list = sb_data_types(t->service->o.data, &count);
    SB_HTML(&t->html,
            "<section class=\"card\"><h2>What there is</h2><p>Bulk exports at three levels (<code>$export</code>, "
            "<code>Patient/$export</code>, <code>Group/{id}/$export</code>) of these types, as far as your scopes "
            "and rosters go. At most: <code>{}</code></p><ul class=\"chips\">",
            t->portal->o.registration_scope);
    for (size_t i = 0; i < count; i++)
        SB_HTML(&t->html, "<li>{}</li>", list[i].name);
    SB_HTML(&t->html, "</ul></section>");
}

static void registration(sb_turn *t)
{
    const char *how = "You are registered by the payer's team: send them your public key set.";
    if (t->portal->o.registration == SB_PORTAL_REGISTRATION_PENDING)
        how = "You register here, or by the registration endpoint; a person at the payer approves.";
    else if (t->portal->o.registration == SB_PORTAL_REGISTRATION_OPEN)
        how = "You register here, or by the registration endpoint, and are in at once.";
    SB_HTML(
        &t->html,
        "<section class=\"card\"><h2>The first export</h2><ol class=\"steps\">"
        "<li>Make a key; its public half is printed. <pre>smartbulk key new -o payer.jwk &gt; public.json</pre></li>"
        "<li>{}</li>"
        "<li>Get the data. <pre>smartbulk export {} --client-id ID --key payer.jwk --patients --to claims</pre></li>"
        "</ol><p class=\"soft small\">Any client of SMART Backend Services will do as well.</p>",
        how, t->service->fhir_url);
    if (t->signed_in && t->portal->o.registration != SB_PORTAL_REGISTRATION_OFF)
        SB_HTML(&t->html,
                "<div class=\"actions\"><a class=\"button\" href=\"/portal/clients/new\">Register a client</a>"
                "<a class=\"button second\" href=\"/portal/clients\">My clients</a></div>");
    else if (!t->signed_in)
        SB_HTML(&t->html, "<p class=\"soft small\">To register, and to see why a token was refused, sign in: the "
                          "payer's team sends you a link.</p>");
    SB_HTML(&t->html, "</section>");
}

void sb_page_home(sb_turn *t)
{
    sb_page_begin(t, "Overview", "Overview");
    SB_HTML(&t->html,
            "<h1>Claims in bulk, from {}</h1><p class=\"lead\">This is the payer's side of SMART Backend "
            "Services and FHIR Bulk Data: your program proves who it is with a key, asks for an export, and "
            "fetches it as NDJSON.</p><div class=\"grid\">",
            t->portal->host);
    addresses(t);
    rules(t);
    SB_HTML(&t->html, "</div><div class=\"grid\">");
    registration(t);
    types(t);
    SB_HTML(&t->html, "</div>");
    sb_page_end(t, 200);
}
