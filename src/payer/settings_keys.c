/* SPDX-License-Identifier: Apache-2.0 */
/* settings_keys.c - every key there is. docs/serve.yaml explains them to people: a test holds the two together. */
#include "payer/settings_keys.h"

#include <arpa/inet.h>
#include <stdio.h>

static const char *const registrations[] = {"off", "pending", "token", "open", NULL};
static const char *const formats[] = {"opaque", "jwt", NULL};
static const char *const logs[] = {"json", "text", NULL};
static const char *const levels[] = {"error", "warning", "info", "debug", NULL}; /* in the order of sb_log_level */

#define AT(member) offsetof(sb_settings, member)
#define DAY        86400

const sb_settings_key sb_settings_keys[] = {
    {"", "base_url", SB_SETTINGS_TEXT, AT(base_url), 0, 0, NULL, true},
    {"", "listen", SB_SETTINGS_TEXT, AT(listen), 0, 0, NULL, true},
    {"", "database", SB_SETTINGS_TEXT, AT(database), 0, 0, NULL, true},
    {"", "database_file", SB_SETTINGS_PATH, AT(database_file), 0, 0, NULL, true},
    {"", "trusted_proxies", SB_SETTINGS_LIST, AT(trusted_proxies), 0, 0, NULL, true},
    {"", "threads", SB_SETTINGS_NUMBER, AT(threads), 1, 64, NULL, true},
    {"", "connections", SB_SETTINGS_NUMBER, AT(connections), 1, 100000, NULL, true},
    {"", "connections_per_address", SB_SETTINGS_NUMBER, AT(connections_per_address), 0, 100000, NULL, true},
    {"", "drain", SB_SETTINGS_NUMBER, AT(drain_s), 0, 3600, NULL, true},
    {"tls", "certificate", SB_SETTINGS_PATH, AT(tls_certificate), 0, 0, NULL},
    {"tls", "key", SB_SETTINGS_PATH, AT(tls_key), 0, 0, NULL},
    {"admin", "listen", SB_SETTINGS_TEXT, AT(admin_listen), 0, 0, NULL, true},
    {"admin", "token_file", SB_SETTINGS_PATH, AT(admin_token_file), 0, 0, NULL},
    {"auth", "registration", SB_SETTINGS_WORD, AT(registration), 0, 0, registrations},
    {"auth", "registration_token_file", SB_SETTINGS_PATH, AT(registration_token_file), 0, 0, NULL},
    {"auth", "registration_scope", SB_SETTINGS_TEXT, AT(registration_scope), 0, 0, NULL},
    {"auth", "registration_pending_days", SB_SETTINGS_NUMBER, AT(registration_pending_days), 1, 3650, NULL},
    {"auth", "algorithms", SB_SETTINGS_LIST, AT(algorithms), 0, 0, NULL},
    {"auth", "token_lifetime", SB_SETTINGS_NUMBER, AT(token_lifetime_s), 1, 3600, NULL, true},
    {"auth", "token_format", SB_SETTINGS_WORD, AT(token_format), 0, 0, formats, true},
    {"auth", "token_key_file", SB_SETTINGS_PATH, AT(token_key_file), 0, 0, NULL, true},
    {"auth", "token_audience", SB_SETTINGS_TEXT, AT(token_audience), 0, 0, NULL, true},
    {"auth", "token_key_days", SB_SETTINGS_NUMBER, AT(token_key_days), 1, 365, NULL, true},
    {"auth", "tokens_per_minute", SB_SETTINGS_NUMBER, AT(tokens_per_minute), 0, 1000000, NULL},
    {"auth", "failures_burst", SB_SETTINGS_NUMBER, AT(failures_burst), 0, 1000000, NULL},
    {"auth", "failures_per_minute", SB_SETTINGS_NUMBER, AT(failures_per_minute), 1, 1000000, NULL},
    {"auth", "jwks_networks", SB_SETTINGS_LIST, AT(jwks_networks), 0, 0, NULL},
    {"auth", "jwks_ca_file", SB_SETTINGS_PATH, AT(jwks_ca_file), 0, 0, NULL},
    {"auth", "resource_servers", SB_SETTINGS_SERVERS, AT(resource_servers), 0, 0, NULL},
    {"data", "folder", SB_SETTINGS_PATH, AT(data_folder), 0, 0, NULL, true},
    {"exports", "folder", SB_SETTINGS_PATH, AT(exports_folder), 0, 0, NULL, true},
    {"exports", "keep", SB_SETTINGS_NUMBER, AT(export_keep_s), 60, 90 * DAY, NULL, true},
    {"exports", "per_client", SB_SETTINGS_NUMBER, AT(exports_per_client), 0, 1000, NULL, true},
    {"exports", "per_client_kept", SB_SETTINGS_NUMBER, AT(exports_per_client_kept), 1, 1000, NULL, true},
    {"exports", "workers", SB_SETTINGS_NUMBER, AT(export_workers), 1, 64, NULL, true},
    {"exports", "retry_after", SB_SETTINGS_NUMBER, AT(export_retry_after_s), 1, 3600, NULL, true},
    {"exports", "file_bytes", SB_SETTINGS_LONG_NUMBER, AT(export_file_bytes), 1, UINT64_C(1) << 40, NULL, true},
    {"exports", "open_files", SB_SETTINGS_BOOL, AT(open_files), 0, 0, NULL, true},
    {"audit", "file", SB_SETTINGS_PATH, AT(audit_file), 0, 0, NULL, true},
    {"log", "format", SB_SETTINGS_WORD, AT(log_format), 0, 0, logs},
    {"log", "level", SB_SETTINGS_WORD, AT(log_level), 0, 0, levels},
    {"log", "requests", SB_SETTINGS_BOOL, AT(log_requests), 0, 0, NULL},
    {"portal", "enabled", SB_SETTINGS_BOOL, AT(portal), 0, 0, NULL},
    {"portal", "user_header", SB_SETTINGS_TEXT, AT(portal_user_header), 0, 0, NULL},
    {"portal", "administrators", SB_SETTINGS_LIST, AT(portal_administrators), 0, 0, NULL},
};
const size_t sb_settings_key_count = SB_ARRAY_LEN(sb_settings_keys);
_Static_assert(SB_ARRAY_LEN(sb_settings_keys) <= SB_SETTINGS_KEYS_MAX, "a line is kept for each key");

static const char *const sections[] = {"tls", "admin", "auth", "data", "exports", "audit", "log", "portal"};

size_t sb_settings_find_key(const char *section, sb_str name)
{
    for (size_t i = 0; i < sb_settings_key_count; i++) {
        const sb_settings_key *key = &sb_settings_keys[i];
        if (strcmp(key->section, section) == 0 && sb_str_eq(sb_str_from(key->name), name))
            return i;
    }
    return SIZE_MAX;
}

const char *sb_settings_find_section(sb_str name)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(sections); i++) {
        if (sb_str_eq(sb_str_from(sections[i]), name))
            return sections[i];
    }
    return NULL;
}

static bool texts_differ(const char *a, const char *b)
{
    return !a != !b || (a && strcmp(a, b) != 0);
}

static bool lists_differ(const sb_settings_list *a, const sb_settings_list *b)
{
    if (a->count != b->count)
        return true;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return true;
    }
    return false;
}

static bool servers_differ(const sb_settings *a, const sb_settings *b)
{
    if (a->resource_server_count != b->resource_server_count)
        return true;
    for (size_t i = 0; i < a->resource_server_count; i++) {
        if (texts_differ(a->resource_servers[i].id, b->resource_servers[i].id) ||
            texts_differ(a->resource_servers[i].secret_file, b->resource_servers[i].secret_file))
            return true;
    }
    return false;
}

bool sb_settings_differ(const sb_settings_key *key, const sb_settings *a, const sb_settings *b)
{
    const void *left = (const char *)a + key->at, *right = (const char *)b + key->at;
    switch (key->kind) {
    case SB_SETTINGS_TEXT:
    case SB_SETTINGS_PATH:
        return texts_differ(*(char *const *)left, *(char *const *)right);
    case SB_SETTINGS_NUMBER:
        return *(const unsigned *)left != *(const unsigned *)right;
    case SB_SETTINGS_LONG_NUMBER:
        return *(const uint64_t *)left != *(const uint64_t *)right;
    case SB_SETTINGS_BOOL:
        return *(const bool *)left != *(const bool *)right;
    case SB_SETTINGS_WORD:
        return *(const int *)left != *(const int *)right;
    case SB_SETTINGS_LIST:
        return lists_differ(left, right);
    case SB_SETTINGS_SERVERS:
        return servers_differ(a, b);
    }
    return true;
}

unsigned long sb_settings_line_at(const sb_settings *settings, size_t offset)
{
    for (size_t i = 0; i < sb_settings_key_count; i++) {
        if (sb_settings_keys[i].at == offset)
            return settings->lines[i] ? settings->lines[i] : 1;
    }
    return 1;
}

/* A stranger's text in a message: short, and without what a terminal would obey. */
const char *sb_settings_shown(sb_str text, char out[64])
{
    size_t n = 0;
    for (; n < text.len && n < 60; n++)
        out[n] = text.ptr[n] >= 0x20 && text.ptr[n] != 0x7f ? text.ptr[n] : '?';
    out[n] = '\0';
    return out;
}

/* Nearness */

#define NAME_MAX_LEN 32

/* How many letters must be changed, added or taken away. */
static size_t distance(sb_str a, sb_str b)
{
    size_t row[NAME_MAX_LEN + 1];
    if (a.len > NAME_MAX_LEN || b.len > NAME_MAX_LEN)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t changed = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            row[j] = SB_MIN(changed, SB_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

bool sb_settings_nearest(const char *section, sb_str name, char *out, size_t size)
{
    size_t best = SB_MAX(name.len / 3, (size_t)1) + 1;
    bool found = false;
    for (size_t i = 0; i < sb_settings_key_count; i++) {
        const sb_settings_key *key = &sb_settings_keys[i];
        size_t d = distance(name, sb_str_from(key->name));
        bool here = strcmp(key->section, section) == 0;
        if (d < best || (d == best && here && !found)) { /* at another place the name may be whole */
            best = d;
            found = true;
            (void)snprintf(out, size, "%s%s%s", here ? "" : key->section, here || !key->section[0] ? "" : ".",
                           key->name);
        }
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(sections); i++) {
        size_t d = section[0] ? SIZE_MAX : distance(name, sb_str_from(sections[i]));
        if (d < best) {
            best = d;
            found = true;
            (void)snprintf(out, size, "%s", sections[i]);
        }
    }
    return found;
}

/* Addresses */

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

bool sb_settings_is_network(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    sb_str rest = sb_str_from(text), host = SB_STR_NULL;
    uint64_t bits = 0;
    if (!sb_str_split(&rest, '/', &host) || host.len == 0 || host.len >= sizeof(address))
        return false;
    memcpy(address, host.ptr, host.len);
    address[host.len] = '\0';
    bool v4 = inet_pton(AF_INET, address, bytes) == 1, v6 = inet_pton(AF_INET6, address, bytes) == 1;
    bool has_bits = strchr(text, '/') != NULL;
    return (v4 || v6) && (!has_bits || sb_str_to_u64(rest, v4 ? 32 : 128, &bits));
}

bool sb_settings_is_algorithm(const char *text)
{
    static const char *const all[] = {"RS384", "ES384", "RS256", "ES256", "PS384", "EdDSA"};
    for (size_t i = 0; i < SB_ARRAY_LEN(all); i++) {
        if (strcmp(all[i], text) == 0)
            return true;
    }
    return false;
}

bool sb_settings_is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}
