/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - a table of all keys, and a walk through the YAML document along it.
 *
 * What one key's value says is checked where the key is met; what keys say together, afterwards. Both name lines. */
#include "payer/settings.h"

#include <arpa/inet.h>
#include <libgen.h>
#include <stdio.h>
#include <yaml.h>

#include "base/file.h"
#include "base/url.h"
#include "payer/settings_keys.h"
#include "smart/scopes.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024) /* a commented file of all keys has some 8 KB */
#define TEXT_MAX       4096
#define WORDS_MAX      400

typedef struct reader {
    sb_settings *settings;
    yaml_document_t document;
    bool has_document;
    char *dir;
    unsigned long lines[SB_SETTINGS_KEYS_MAX]; /* of each key; 0: not given */
    sb_settings_mistake *each;
    void *impl;
    const char *path;
    unsigned mistakes;
    bool no_memory;
    sb_error *err;
} reader;

/* Mistakes */

__attribute__((format(printf, 3, 4))) static void mistake(reader *r, unsigned long line, const char *fmt, ...)
{
    char text[WORDS_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (r->each)
        r->each(r->impl, line, text);
    if (r->mistakes++ == 0)
        (void)sb_error_set(r->err, SB_E_USAGE, "the configuration is not right", "%s, line %lu: %s",
                           "correct the file; smartbulk serve --check-config FILE lists every mistake", r->path, line,
                           text);
}

static unsigned long line_of(const yaml_node_t *node)
{
    return (unsigned long)node->start_mark.line + 1;
}

/* A stranger's text in a message: short, and without what a terminal would obey. */
static const char *shown(sb_str text, char out[64])
{
    size_t n = 0;
    for (; n < text.len && n < 60; n++)
        out[n] = text.ptr[n] >= 0x20 && text.ptr[n] != 0x7f ? text.ptr[n] : '?';
    out[n] = '\0';
    return out;
}

/* Values */

static sb_str scalar(const yaml_node_t *node)
{
    return (sb_str){(const char *)node->data.scalar.value, node->data.scalar.length};
}

/* A copy of a value that is text, or NULL and a mistake. */
static char *take_text(reader *r, const yaml_node_t *node, const char *name)
{
    if (node->type != YAML_SCALAR_NODE) {
        mistake(r, line_of(node), "%s takes one value, not a list or a group", name);
        return NULL;
    }
    sb_str text = scalar(node);
    if (text.len == 0 || text.len > TEXT_MAX || !sb_str_is_text(text)) {
        mistake(r, line_of(node), "%s is empty, too long, or has control characters", name);
        return NULL;
    }
    char *copy = sb_str_dup(text);
    r->no_memory |= copy == NULL;
    return copy;
}

/* Relative to the configuration's folder. */
static char *take_path(reader *r, const yaml_node_t *node, const char *name)
{
    char *text = take_text(r, node, name);
    if (!text || text[0] == '/')
        return text;
    char *whole = sb_path_join(r->dir, text);
    free(text);
    r->no_memory |= whole == NULL;
    return whole;
}

static void take_number(reader *r, const yaml_node_t *node, const sb_settings_key *key, uint64_t *out)
{
    char text[64];
    if (node->type != YAML_SCALAR_NODE || !sb_str_to_u64(scalar(node), key->max, out) || *out < key->min)
        mistake(r, line_of(node), "%s takes a whole number from %llu to %llu, not '%s'", key->name,
                (unsigned long long)key->min, (unsigned long long)key->max,
                node->type == YAML_SCALAR_NODE ? shown(scalar(node), text) : "a list or a group");
}

static void take_word(reader *r, const yaml_node_t *node, const sb_settings_key *key, int *out)
{
    char all[200] = "";
    size_t len = 0;
    for (int i = 0; key->words[i]; i++) {
        if (node->type == YAML_SCALAR_NODE && sb_str_eq(scalar(node), sb_str_from(key->words[i]))) {
            *out = i;
            return;
        }
        len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? ", " : "", key->words[i]);
    }
    mistake(r, line_of(node), "%s is one of: %s", key->name, all);
}

static void take_bool(reader *r, const yaml_node_t *node, const sb_settings_key *key, bool *out)
{
    bool yes = node->type == YAML_SCALAR_NODE && sb_str_eq(scalar(node), SB_STR_LIT("true"));
    bool no = node->type == YAML_SCALAR_NODE && sb_str_eq(scalar(node), SB_STR_LIT("false"));
    if (!yes && !no)
        mistake(r, line_of(node), "%s is true or false", key->name);
    *out = yes;
}

static void take_list(reader *r, const yaml_node_t *node, const sb_settings_key *key, sb_settings_list *out)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        mistake(r, line_of(node), "%s is a list: [a, b]", key->name);
        return;
    }
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > SB_SETTINGS_LIST_MAX) {
        mistake(r, line_of(node), "%s has more than %d entries", key->name, SB_SETTINGS_LIST_MAX);
        return;
    }
    out->items = calloc(count + 1, sizeof(char *));
    r->no_memory |= out->items == NULL;
    for (size_t i = 0; out->items && i < count; i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, node->data.sequence.items.start[i]);
        out->items[out->count] = item ? take_text(r, item, key->name) : NULL;
        out->count += out->items[out->count] != NULL;
    }
}

static void take_server(reader *r, const yaml_node_t *node, sb_resource_server *out)
{
    if (node->type != YAML_MAPPING_NODE) {
        mistake(r, line_of(node), "a resource server is a group of id and secret_file");
        return;
    }
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        char text[64];
        const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);
        if (!key || !value || key->type != YAML_SCALAR_NODE)
            mistake(r, line_of(node), "a resource server has an id and a secret_file, nothing else");
        else if (sb_str_eq(scalar(key), SB_STR_LIT("id")) && !out->id)
            out->id = take_text(r, value, "id");
        else if (sb_str_eq(scalar(key), SB_STR_LIT("secret_file")) && !out->secret_file)
            out->secret_file = take_path(r, value, "secret_file");
        else
            mistake(r, line_of(key), "a resource server has one id and one secret_file, not '%s'",
                    shown(scalar(key), text));
    }
    if (!out->id || !out->secret_file)
        mistake(r, line_of(node), "a resource server needs an id and a secret_file");
}

static void take_servers(reader *r, const yaml_node_t *node)
{
    sb_settings *s = r->settings;
    size_t count = node->type == YAML_SEQUENCE_NODE
                       ? (size_t)(node->data.sequence.items.top - node->data.sequence.items.start)
                       : SB_SETTINGS_LIST_MAX + 1;
    if (count > SB_SETTINGS_LIST_MAX) {
        mistake(r, line_of(node), "resource_servers is a list of at most %d groups of id and secret_file",
                SB_SETTINGS_LIST_MAX);
        return;
    }
    s->resource_servers = calloc(count + 1, sizeof(*s->resource_servers));
    r->no_memory |= s->resource_servers == NULL;
    for (size_t i = 0; s->resource_servers && i < count; i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, node->data.sequence.items.start[i]);
        if (item)
            take_server(r, item, &s->resource_servers[s->resource_server_count++]);
    }
}

static void take_value(reader *r, const yaml_node_t *node, const sb_settings_key *key)
{
    void *to = (char *)r->settings + key->at;
    uint64_t number = 0;
    int word = 0;
    switch (key->kind) {
    case SB_SETTINGS_TEXT:
        *(char **)to = take_text(r, node, key->name);
        break;
    case SB_SETTINGS_PATH:
        *(char **)to = take_path(r, node, key->name);
        break;
    case SB_SETTINGS_NUMBER:
        take_number(r, node, key, &number);
        *(unsigned *)to = (unsigned)number;
        break;
    case SB_SETTINGS_LONG_NUMBER:
        take_number(r, node, key, to);
        break;
    case SB_SETTINGS_BOOL:
        take_bool(r, node, key, to);
        break;
    case SB_SETTINGS_WORD:
        take_word(r, node, key, &word);
        *(int *)to = word; /* enums have an int's size */
        break;
    case SB_SETTINGS_LIST:
        take_list(r, node, key, to);
        break;
    case SB_SETTINGS_SERVERS:
        take_servers(r, node);
        break;
    }
}

/* The walk */

static void walk(reader *r, const yaml_node_t *map, const char *section);

static void take_pair(reader *r, const char *section, const yaml_node_t *key, const yaml_node_t *value)
{
    char text[64], meant[80];
    if (key->type != YAML_SCALAR_NODE) {
        mistake(r, line_of(key), "a key is a word");
        return;
    }
    size_t index = sb_settings_find_key(section, scalar(key));
    if (index != SIZE_MAX) {
        if (r->lines[index]) {
            mistake(r, line_of(key), "%s is given twice: the first time in line %lu", sb_settings_keys[index].name,
                    r->lines[index]);
            return;
        }
        r->lines[index] = line_of(key);
        take_value(r, value, &sb_settings_keys[index]);
        return;
    }
    const char *inner = section[0] ? NULL : sb_settings_find_section(scalar(key));
    if (inner && value->type == YAML_MAPPING_NODE)
        walk(r, value, inner);
    else if (inner)
        mistake(r, line_of(key), "%s is a group of keys", inner);
    else if (sb_settings_nearest(section, scalar(key), meant, sizeof(meant)))
        mistake(r, line_of(key), "there is no key '%s' here; is '%s' meant?", shown(scalar(key), text), meant);
    else
        mistake(r, line_of(key), "there is no key '%s' here", shown(scalar(key), text));
}

static void walk(reader *r, const yaml_node_t *map, const char *section)
{
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);
        if (key && value)
            take_pair(r, section, key, value);
    }
}

static sb_status parse(reader *r, sb_str text, sb_error *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return sb_error_nomem(err);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
    r->has_document = yaml_parser_load(&parser, &r->document) != 0;
    const yaml_node_t *root = r->has_document ? yaml_document_get_root_node(&r->document) : NULL;
    if (!r->has_document)
        mistake(r, (unsigned long)parser.problem_mark.line + 1, "this is not YAML: %s",
                parser.problem ? parser.problem : "no memory");
    else if (!root || root->type != YAML_MAPPING_NODE)
        mistake(r, 1, "the file is not a group of keys");
    else
        walk(r, root, "");
    yaml_parser_delete(&parser);
    return r->no_memory ? sb_error_nomem(err) : SB_OK;
}

/* What keys say together */

static unsigned long line_at(const reader *r, size_t offset)
{
    for (size_t i = 0; i < sb_settings_key_count; i++) {
        if (sb_settings_keys[i].at == offset)
            return r->lines[i] ? r->lines[i] : 1;
    }
    return 1;
}

#define LINE(member) line_at(r, offsetof(sb_settings, member))

static void check_base_url(reader *r)
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
    r->no_memory |= named == NULL;
    if (!named || sb_url_parse(named, &url, NULL) != SB_OK || strcmp(url.path, "/") != 0 || url.query)
        mistake(r, LINE(base_url), "base_url is a scheme and a host: https://payer.example");
    else if (sb_url_require_secure(&url, "base_url", NULL) != SB_OK)
        mistake(r, LINE(base_url), "base_url is https, but for loopback addresses"); /* DISC-05 */
}

bool sb_settings_split_listen(const char *listen, char address[INET6_ADDRSTRLEN], unsigned *port)
{
    const char *colon = strrchr(listen, ':');
    unsigned char bytes[16];
    uint64_t number;
    if (!colon || !sb_str_to_u64(sb_str_from(colon + 1), 65535, &number))
        return false;
    sb_str host = {listen, (size_t)(colon - listen)};
    bool v6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (v6)
        host = (sb_str){host.ptr + 1, host.len - 2};
    if (host.len == 0 || host.len >= INET6_ADDRSTRLEN)
        return false;
    memcpy(address, host.ptr, host.len);
    address[host.len] = '\0';
    *port = (unsigned)number;
    return inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes) == 1;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static void check_listen(reader *r)
{
    const sb_settings *s = r->settings;
    char address[INET6_ADDRSTRLEN];
    unsigned port;
    if (!s->listen)
        mistake(r, LINE(listen), "listen is missing: an address and a port, such as 127.0.0.1:8443");
    else if (!sb_settings_split_listen(s->listen, address, &port))
        mistake(r, LINE(listen), "listen is a numeric address and a port: 127.0.0.1:8443, [::1]:8443");
    else if (!s->tls_certificate && !is_loopback(address))
        mistake(r, LINE(listen),
                "without tls it would send tokens and claims over a network for all to read: give tls.certificate and "
                "tls.key, or listen on 127.0.0.1 behind a proxy that has TLS"); /* DISC-05 */
    if (s->admin_listen && !sb_settings_split_listen(s->admin_listen, address, &port))
        mistake(r, LINE(admin_listen), "admin.listen is a numeric address and a port: 127.0.0.1:9443");
    else if (s->admin_listen && !is_loopback(address))
        mistake(r, LINE(admin_listen), "admin.listen is a loopback address: who reaches it may administer");
    if (!s->tls_certificate != !s->tls_key)
        mistake(r, LINE(tls_certificate), "tls.certificate and tls.key belong together");
}

static void check_networks(reader *r, const sb_settings_list *list, unsigned long line, const char *name)
{
    char text[64];
    for (size_t i = 0; i < list->count; i++) {
        if (!sb_settings_is_network(list->items[i]))
            mistake(r, line, "%s: '%s' is no address or network: 10.1.2.3, 10.0.0.0/8, fd00::/8", name,
                    shown(sb_str_from(list->items[i]), text));
    }
}

static void check_scope(reader *r)
{
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    sb_error err = SB_ERROR_INIT;
    const char *text = r->settings->registration_scope;
    if (text && (sb_scopes_parse(text, &scopes, &err) != SB_OK || sb_scopes_check_configured(&scopes, &err) != SB_OK))
        mistake(r, LINE(registration_scope), "auth.registration_scope: %s", err.why);
}

static void check_auth(reader *r)
{
    const sb_settings *s = r->settings;
    char text[64];
    for (size_t i = 0; i < s->algorithms.count; i++) {
        if (!sb_settings_is_algorithm(s->algorithms.items[i]))
            mistake(r, LINE(algorithms),
                    "auth.algorithms: '%s' is none that is offered: RS384, ES384, RS256, ES256, PS384, EdDSA",
                    shown(sb_str_from(s->algorithms.items[i]), text));
    }
    if (s->registration == SB_REGISTRATION_TOKEN && !s->registration_token_file)
        mistake(r, LINE(registration), "auth.registration is token: give auth.registration_token_file, too");
    check_scope(r);
    check_networks(r, &s->jwks_networks, LINE(jwks_networks), "auth.jwks_networks");
}

/* scheme://user:password@host… */
static bool holds_password(const char *uri)
{
    const char *authority = strstr(uri, "://");
    if (!authority)
        return false;
    sb_str text = {authority + 3, strcspn(authority + 3, "/?")};
    const char *at = memchr(text.ptr, '@', text.len);
    return (at && memchr(text.ptr, ':', (size_t)(at - text.ptr))) || strstr(uri, "password=");
}

static void check_together(reader *r)
{
    const sb_settings *s = r->settings;
    check_base_url(r);
    check_listen(r);
    check_auth(r);
    check_networks(r, &s->trusted_proxies, LINE(trusted_proxies), "trusted_proxies");
    if (!s->database == !s->database_file)
        mistake(r, LINE(database),
                "database is missing (or given twice): a file, or postgresql://…; database_file names a file that "
                "holds it");
    if (s->database && holds_password(s->database))
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

/* Beginning and end */

static void set_defaults(sb_settings *s)
{
    s->threads = 16;
    s->connections = 10000;
    s->drain_s = 30;
    s->token_lifetime_s = 300; /* TOK-02 */
    s->tokens_per_minute = 600;
    s->failures_burst = 50;
    s->failures_per_minute = 300;
    s->export_keep_s = 86400;
    s->exports_per_client = 10; /* STAT-08 */
    s->export_workers = 2;
    s->export_retry_after_s = 5;
    s->export_file_bytes = (uint64_t)256 * 1024 * 1024;
    s->log_requests = true;
    s->portal = true;
}

static sb_status read_folder(reader *r, const char *path, sb_error *err)
{
    SB_AUTOFREE copy = sb_str_dup(sb_str_from(path));
    if (!copy)
        return sb_error_nomem(err);
    r->dir = sb_str_dup(sb_str_from(dirname(copy)));
    return r->dir ? SB_OK : sb_error_nomem(err);
}

static sb_status read_all(reader *r, const char *path, sb_error *err)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_TRY(read_folder(r, path, err));
    SB_TRY(sb_file_read(path, FILE_MAX_BYTES, &text, err));
    SB_TRY(parse(r, sb_buf_str(&text), err));
    if (r->has_document) /* what a file that cannot be read lacks is no news */
        check_together(r);
    return r->mistakes ? SB_E_USAGE : SB_OK;
}

sb_status sb_settings_load(const char *path, sb_settings_mistake *each, void *impl, sb_settings **out, sb_error *err)
{
    SB_AUTOPTR(sb_settings) settings = calloc(1, sizeof(*settings));
    if (!settings)
        return sb_error_nomem(err);
    set_defaults(settings);
    settings->path = sb_str_dup(sb_str_from(path));
    if (!settings->path)
        return sb_error_nomem(err);
    reader r = {.settings = settings, .each = each, .impl = impl, .path = path, .err = err};
    sb_status status = read_all(&r, path, err);
    if (r.has_document)
        yaml_document_delete(&r.document);
    free(r.dir);
    SB_TRY(status);
    *out = settings;
    settings = NULL;
    return SB_OK;
}

char *sb_settings_resolve(const sb_settings *settings, const char *path)
{
    SB_AUTOFREE copy = sb_str_dup(sb_str_from(settings->path));
    if (path[0] == '/')
        return sb_str_dup(sb_str_from(path));
    return copy ? sb_path_join(dirname(copy), path) : NULL;
}

static void free_list(sb_settings_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

void sb_settings_free(sb_settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < sb_settings_key_count; i++) {
        void *at = (char *)s + sb_settings_keys[i].at;
        if (sb_settings_keys[i].kind == SB_SETTINGS_TEXT || sb_settings_keys[i].kind == SB_SETTINGS_PATH)
            free(*(char **)at);
        if (sb_settings_keys[i].kind == SB_SETTINGS_LIST)
            free_list(at);
    }
    for (size_t i = 0; i < s->resource_server_count; i++) {
        free(s->resource_servers[i].id);
        free(s->resource_servers[i].secret_file);
    }
    free(s->resource_servers);
    free(s->path);
    free(s);
}
