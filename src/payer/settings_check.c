/* SPDX-License-Identifier: Apache-2.0 */
/* settings_check.c - what the keys of a configuration say together, and what their texts mean. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/url.h"
#include "payer/settings_keys.h"
#include "smart/scopes.h"
#include "store/postgres_uri.h"

#define WORDS_MAX 400

typedef struct check {
    const sb_settings *settings;
    sb_settings_mistake *each;
    void *impl;
} check;

__attribute__((format(printf, 3, 4))) static void mistake(const check *r, unsigned long line, const char *fmt, ...)
{
    char text[WORDS_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->each(r->impl, line, text);
}

#define LINE(member) SB_SETTINGS_LINE(r->settings, member)

static void check_base_url(const check *r)
{
    const sb_settings *s = r->settings;
    SB_AUTO(sb_url) url = SB_URL_INIT;
    if (!s->base_url) {
        mistake(r, LINE(base_url), "base_url is missing: how clients reach this server, such as https://payer.example");
        return;
    }
    sb_str text = sb_str_from(s->base_url);
    bool any_port = sb_str_ends_with(text, SB_STR_LIT(":0")); /* whichever it listens on */
    SB_AUTOFREE named = sb_str_dup((sb_str){text.ptr, text.len - (any_port ? 2 : 0)});
    if (!named || sb_url_parse(named, &url, NULL) != SB_OK || strcmp(url.path, "/") != 0 || url.query)
        mistake(r, LINE(base_url), "base_url is a scheme and a host: https://payer.example");
    else if (sb_url_require_secure(&url, "base_url", NULL) != SB_OK)
        mistake(r, LINE(base_url), "base_url is https, but for loopback addresses"); /* DISC-05 */
}

static void check_listen(const check *r)
{
    const sb_settings *s = r->settings;
    char address[INET6_ADDRSTRLEN];
    unsigned port;
    if (!s->listen)
        mistake(r, LINE(listen), "listen is missing: an address and a port, such as 127.0.0.1:8443");
    else if (!sb_settings_split_listen(s->listen, address, &port))
        mistake(r, LINE(listen), "listen is a numeric address and a port: 127.0.0.1:8443, [::1]:8443");
    else if (!s->tls_certificate && !sb_settings_is_loopback(address))
        mistake(r, LINE(listen),
                "without tls it would send tokens and claims over a network for all to read: give tls.certificate and "
                "tls.key, or listen on 127.0.0.1 behind a proxy that has TLS"); /* DISC-05 */
    if (s->admin_listen && !sb_settings_split_listen(s->admin_listen, address, &port))
        mistake(r, LINE(admin_listen), "admin.listen is a numeric address and a port: 127.0.0.1:9443");
    else if (s->admin_listen && !sb_settings_is_loopback(address) && (!s->admin_token_file || !s->tls_certificate))
        mistake(
            r, LINE(admin_listen),
            "admin.listen is a loopback address, for who reaches it may administer; or give admin.token_file and tls");
    if (s->admin_token_file && !s->admin_listen)
        mistake(r, LINE(admin_token_file), "admin.token_file is of no use without admin.listen");
    if (!s->tls_certificate != !s->tls_key)
        mistake(r, LINE(tls_certificate), "tls.certificate and tls.key belong together");
}

static void check_networks(const check *r, const sb_settings_list *list, unsigned long line, const char *name)
{
    char text[64];
    for (size_t i = 0; i < list->count; i++) {
        if (!sb_settings_is_network(list->items[i]))
            mistake(r, line, "%s: '%s' is no address or network: 10.1.2.3, 10.0.0.0/8, fd00::/8", name,
                    sb_settings_shown(sb_str_from(list->items[i]), text));
    }
}

static void check_scope(const check *r)
{
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    sb_error err = SB_ERROR_INIT;
    const char *text = r->settings->registration_scope;
    if (text && (sb_scopes_parse(text, &scopes, &err) != SB_OK || sb_scopes_check_configured(&scopes, &err) != SB_OK))
        mistake(r, LINE(registration_scope), "auth.registration_scope: %s", err.why);
}

static void check_auth(const check *r)
{
    const sb_settings *s = r->settings;
    char text[64];
    for (size_t i = 0; i < s->algorithms.count; i++) {
        if (!sb_settings_is_algorithm(s->algorithms.items[i]))
            mistake(r, LINE(algorithms),
                    "auth.algorithms: '%s' is none that is offered: RS384, ES384, RS256, ES256, PS384, EdDSA",
                    sb_settings_shown(sb_str_from(s->algorithms.items[i]), text));
    }
    if (s->registration == SB_REGISTRATION_TOKEN && !s->registration_token_file)
        mistake(r, LINE(registration), "auth.registration is token: give auth.registration_token_file, too");
    if (s->token_format == SB_TOKEN_JWT && !s->token_key_file)
        mistake(r, LINE(token_format), "auth.token_format is jwt: give auth.token_key_file, too: what seals its keys");
    check_scope(r);
    check_networks(r, &s->jwks_networks, LINE(jwks_networks), "auth.jwks_networks");
}

void sb_settings_check(const sb_settings *s, sb_settings_mistake *each, void *impl)
{
    const check checking = {s, each, impl}, *r = &checking;
    check_base_url(r);
    check_listen(r);
    check_auth(r);
    check_networks(r, &s->trusted_proxies, LINE(trusted_proxies), "trusted_proxies");
    if (!s->database == !s->database_file)
        mistake(r, LINE(database),
                "database is missing (or given twice): a file, or postgresql://…; database_file names a file that "
                "holds it");
    if (s->database && sb_postgres_uri_has_password(s->database))
        mistake(r, LINE(database),
                "a password does not belong here: put the URI into a file, and name it in "
                "database_file");
    if (!s->exports_folder)
        mistake(r, LINE(exports_folder), "exports.folder is missing: where prepared files are kept");
    if (s->portal_user_header && s->trusted_proxies.count == 0)
        mistake(r, LINE(portal_user_header),
                "portal.user_header is believed of a trusted proxy alone: name it in "
                "trusted_proxies");
}
