/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - a table of all keys, and a walk through the YAML document along it.
 *
 * What one key's value says is checked where the key is met; what keys say together, afterwards (settings_check.c). */
#include "payer/settings.h"

#include <libgen.h>
#include <stdio.h>
#include <yaml.h>

#include <smartbulk/log.h>

#include "base/file.h"
#include "payer/settings_keys.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024) /* a commented file of all keys has some 8 KB */
#define TEXT_MAX       4096
#define WORDS_MAX      400

typedef struct reader {
    sb_settings *settings;
    yaml_document_t document;
    bool has_document;
    char *dir;
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
                node->type == YAML_SCALAR_NODE ? sb_settings_shown(scalar(node), text) : "a list or a group");
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
                    sb_settings_shown(scalar(key), text));
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
        if (r->settings->lines[index]) {
            mistake(r, line_of(key), "%s is given twice: the first time in line %lu", sb_settings_keys[index].name,
                    r->settings->lines[index]);
            return;
        }
        r->settings->lines[index] = line_of(key);
        take_value(r, value, &sb_settings_keys[index]);
        return;
    }
    const char *inner = section[0] ? NULL : sb_settings_find_section(scalar(key));
    if (inner && value->type == YAML_MAPPING_NODE)
        walk(r, value, inner);
    else if (inner)
        mistake(r, line_of(key), "%s is a group of keys", inner);
    else if (sb_settings_nearest(section, scalar(key), meant, sizeof(meant)))
        mistake(r, line_of(key), "there is no key '%s' here; is '%s' meant?", sb_settings_shown(scalar(key), text),
                meant);
    else
        mistake(r, line_of(key), "there is no key '%s' here", sb_settings_shown(scalar(key), text));
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

/* What the checks of what keys say together find. */
static void take_mistake(void *impl, unsigned long line, const char *text)
{
    mistake(impl, line, "%s", text);
}

/* Beginning and end */

static void set_defaults(sb_settings *s)
{
    s->threads = 16;
    s->connections = 10000;
    s->connections_per_address = 256;
    s->drain_s = 30;
    s->token_lifetime_s = 300; /* TOK-02 */
    s->token_key_days = 30;
    s->registration_pending_days = 14;
    s->tokens_per_minute = 600;
    s->failures_burst = 50;
    s->failures_per_minute = 300;
    s->export_keep_s = 86400;
    s->exports_per_client = 10; /* STAT-08 */
    s->exports_per_client_kept = 100;
    s->export_workers = 2;
    s->export_retry_after_s = 5;
    s->export_file_bytes = (uint64_t)256 * 1024 * 1024;
    s->log_level = SB_LOG_INFO;
    s->log_requests = true;
    s->portal = true;
}

sb_settings *sb_settings_new(const char *path)
{
    SB_AUTOPTR(sb_settings) settings = calloc(1, sizeof(*settings));
    if (!settings)
        return NULL;
    set_defaults(settings);
    settings->path = sb_str_dup(sb_str_from(path));
    if (!settings->path)
        return NULL;
    sb_settings *made = settings;
    settings = NULL;
    return made;
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
        sb_settings_check(r->settings, take_mistake, r);
    return r->mistakes ? SB_E_USAGE : SB_OK;
}

sb_status sb_settings_load(const char *path, sb_settings_mistake *each, void *impl, sb_settings **out, sb_error *err)
{
    SB_AUTOPTR(sb_settings) settings = sb_settings_new(path);
    if (!settings)
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
