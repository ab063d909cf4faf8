/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin.c - pieces of the administrators' pages. */
#include "payer/portal/page_admin.h"

#include <inttypes.h>
#include <stdio.h>

#include "jose/base64url.h"

/* Pieces */

bool sb_admin_fits(const char *text, const char *words)
{
    return words[0] == '\0' || strcasestr(text, words) != NULL;
}

void sb_admin_number(sb_turn *t, int64_t number)
{
    char digits[24], text[40];
    size_t out = 0;
    int len = snprintf(digits, sizeof(digits), "%" PRId64, number);
    for (int i = 0; i < len; i++) {
        text[out++] = digits[i];
        if (digits[i] != '-' && i + 1 < len && (len - i - 1) % 3 == 0)
            text[out++] = ',';
    }
    sb_html_text(&t->html, (sb_str){text, out});
}

void sb_admin_figure(sb_turn *t, int64_t number, const char *what)
{
    SB_HTML(&t->html, "<div><b>");
    sb_admin_number(t, number);
    SB_HTML(&t->html, "</b><span>{}</span></div>", what);
}

void sb_admin_option(sb_turn *t, const char *value, const char *text, const char *chosen)
{
    if (strcmp(value, chosen) == 0)
        SB_HTML(&t->html, "<option value=\"{}\" selected=\"\">{}</option>", value, text);
    else
        SB_HTML(&t->html, "<option value=\"{}\">{}</option>", value, text);
}

void sb_admin_search_field(sb_turn *t, const char *name, const char *label, const char *value)
{
    SB_HTML(&t->html,
            "<div><label for=\"f-{}\">{}</label><input type=\"text\" id=\"f-{}\" name=\"{}\" value=\"{}\"></div>", name,
            label, name, name, value);
}

void sb_admin_client_link(sb_turn *t, const char *id, const char *name)
{
    SB_HTML(&t->html, "<a href=\"/portal/admin/client?id={u}\">{}</a>", id, name && name[0] ? name : id);
}

void sb_admin_client_named(sb_turn *t, const char *id)
{
    SB_AUTOPTR(sb_client) client = NULL;
    sb_status status = sb_clients_find(t->service->o.clients, sb_str_from(id), &client, NULL);
    sb_admin_client_link(t, id, status == SB_OK && client ? client->name : NULL);
}

void sb_admin_scopes(sb_turn *t, const sb_scopes *scopes)
{
    SB_HTML(&t->html, "<ul class=\"chips\">");
    for (size_t i = 0; i < scopes->len; i++)
        SB_HTML(&t->html, "<li>{}</li>", scopes->items[i].text);
    SB_HTML(&t->html, "</ul>");
}

void sb_admin_key_table(sb_turn *t, const sb_jwks *jwks)
{
    SB_HTML(&t->html, "<div class=\"table\"><table><thead><tr><th>Key</th><th>Kind</th><th>Thumbprint (RFC 7638)</th>"
                      "</tr></thead><tbody>");
    for (size_t i = 0; i < sb_jwks_count(jwks); i++) {
        const sb_key *key = sb_jwks_at(jwks, i);
        SB_HTML(&t->html,
                "<tr><td data-label=\"Key\"><code>{}</code></td><td data-label=\"Kind\">{}, {}</td>"
                "<td data-label=\"Thumbprint\"><code>{}</code></td></tr>",
                sb_key_kid(key), sb_key_kind(key), sb_key_alg(key), sb_key_thumbprint(key));
    }
    SB_HTML(&t->html, "</tbody></table></div>");
}

void sb_admin_keys(sb_turn *t, const sb_client *client)
{
    if (client->jwks_url)
        SB_HTML(&t->html, "<p>Fetched from <code>{}</code>, and again as they change there.</p>", client->jwks_url);
    else
        sb_admin_key_table(t, client->jwks);
}

bool sb_admin_seen(const sb_client *client, char out[SB_PORTAL_SECRET_SIZE])
{
    SB_AUTO(sb_buf) all = SB_BUF_INIT;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    SB_AUTOFREE jwks = client->jwks ? sb_jwks_json(client->jwks, false) : NULL;
    if ((client->jwks && !jwks) || !sb_scopes_format(&client->scopes, &scope))
        return false;
    const char *const texts[] = {client->id,
                                 client->name,
                                 client->contact,
                                 client->jwks_url ? client->jwks_url : "",
                                 jwks ? jwks : "",
                                 sb_buf_cstr(&scope),
                                 sb_client_state_name(client->state),
                                 sb_client_profile_name(client->profile)};
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        if (!sb_buf_add(&all, texts[i], strlen(texts[i]) + 1)) /* each with its NUL: no two lists look alike */
            return false;
    }
    sb_digest digest = sb_digest_of(sb_buf_str(&all));
    sb_base64url_encode_to(digest.bytes, sizeof(digest.bytes), out);
    out[SB_PORTAL_SECRET_SIZE - 1] = '\0';
    return true;
}
