/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - smartbulk.yaml by libcyaml. Owns what it read, for the caller.
 *
 * libcyaml's schema names every key. The payers' names are the user's own, so the file is looked through once (libyaml)
 * for them, and the schema is made of what was found. */
#include "smart/config.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <yaml.h>

#include "base/file.h"
#include "smart/foreign_text.h"

#define CONFIG_MAX   (1024 * 1024) /* a thousand payers of a kilobyte each */
#define PAYERS_MAX   1000
#define LIST_MAX     64 /* headers, token hosts */
#define TEXT_MAX     (16 * 1024)
#define LOG_LINE_MAX 300

struct sb_config {
    char *path, *dir;
    char **names; /* NULL-terminated */
    size_t n;
    cyaml_schema_field_t *fields; /* one a payer */
    cyaml_schema_field_t top[2];
    cyaml_schema_value_t schema;
    sb_payer_config **payers; /* where cyaml puts its pointer to the array of entries; index as in names */
    void *data;
};

#define TEXT(name)                                                                                                     \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sb_payer_config, name, 1, TEXT_MAX)

static const cyaml_schema_value_t text_entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, TEXT_MAX)};

static const cyaml_schema_field_t payer_fields[] = {
    TEXT(fhir_url),
    TEXT(client_id),
    TEXT(key),
    TEXT(kid),
    TEXT(passphrase_file),
    TEXT(scope),
    TEXT(token_url),
    TEXT(audience),
    TEXT(auth),
    TEXT(profile),
    TEXT(client_secret_file),
    TEXT(jwks_url),
    TEXT(ca_file),
    TEXT(client_cert),
    TEXT(client_cert_key),
    TEXT(proxy),
    TEXT(state_dir),
    CYAML_FIELD_SEQUENCE("headers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sb_payer_config, headers, &text_entry, 0,
                         LIST_MAX),
    CYAML_FIELD_SEQUENCE("token_hosts", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sb_payer_config, token_hosts,
                         &text_entry, 0, LIST_MAX),
    CYAML_FIELD_UINT("connections", CYAML_FLAG_OPTIONAL, sb_payer_config, connections),
    CYAML_FIELD_UINT("assertion_lifetime", CYAML_FLAG_OPTIONAL, sb_payer_config, assertion_lifetime),
    CYAML_FIELD_INT("clock_skew", CYAML_FLAG_OPTIONAL, sb_payer_config, clock_skew),
    CYAML_FIELD_BOOL("no_token_cache", CYAML_FLAG_OPTIONAL, sb_payer_config, no_token_cache),
    CYAML_FIELD_END,
};

/* libcyaml tells its troubles by a log: the first line says what, a later one where. */
typedef struct complaint {
    char what[LOG_LINE_MAX];
    unsigned long line;
} complaint;

__attribute__((format(printf, 3, 0))) static void note(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    complaint *c = ctx;
    char text[LOG_LINE_MAX];
    (void)level;
    int len = vsnprintf(text, sizeof(text), fmt, args);
    if (len < 0)
        return;
    const char *line = strstr(text, "(line: ");
    if (!line)
        line = strstr(text, "line ");
    if (line && c->line == 0)
        c->line = strtoul(line + strcspn(line, "0123456789"), NULL, 10); /* no digits: 0, which means not known */
    if (c->what[0] == '\0') {
        const char *words = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
        (void)snprintf(c->what, sizeof(c->what), "%.*s", (int)strcspn(words, "\n"), words);
    }
}

static sb_status bad_file(const sb_config *config, unsigned long line, const char *what, sb_error *err)
{
    static const char fix[] =
        "each payer may have: fhir_url client_id key kid passphrase_file scope token_url audience "
        "auth profile client_secret_file jwks_url headers connections ca_file client_cert "
        "client_cert_key proxy token_hosts clock_skew assertion_lifetime no_token_cache state_dir "
        "(man 5 smartbulk.yaml)";
    if (line)
        return sb_error_set(err, SB_E_USAGE, "the configuration file is not understood", "%.500s, line %lu: %s", fix,
                            config->path, line, what);
    return sb_error_set(err, SB_E_USAGE, "the configuration file is not understood", "%.500s: %s", fix, config->path,
                        what);
}

static sb_status add_name(sb_config *config, const char *name, size_t len, unsigned long line, sb_error *err)
{
    for (size_t i = 0; i < config->n; i++)
        if (strlen(config->names[i]) == len && memcmp(config->names[i], name, len) == 0)
            return bad_file(config, line, "this payer's name is there twice", err);
    if (config->n == PAYERS_MAX)
        return bad_file(config, line, "there are more than 1000 payers", err);
    if (len == 0 || len > 200 || !sb_str_is_text((sb_str){name, len}))
        return bad_file(config, line, "this is no name for a payer", err);
    config->names[config->n] = sb_str_dup((sb_str){name, len});
    if (!config->names[config->n])
        return sb_error_nomem(err);
    config->n++;
    return SB_OK;
}

/* Where the scan is: keys at depth 1 (payers), 2 (their names) and 3 (what is said of each). */
typedef struct scan {
    unsigned depth;
    bool in_mapping;
    bool is_key;        /* the next scalar of this mapping is a key */
    bool in_payers;     /* the value of `payers` is what is being read */
    bool key_is_payers; /* the last key of the top mapping */
} scan;

static sb_status unknown_key(const sb_config *config, const yaml_event_t *event, sb_error *err)
{
    char what[LOG_LINE_MAX], shown[100];
    (void)snprintf(what, sizeof(what), "the key %s is not known",
                   sb_foreign_text((sb_str){(const char *)event->data.scalar.value, event->data.scalar.length}, shown,
                                   sizeof(shown)));
    return bad_file(config, (unsigned long)event->start_mark.line + 1, what, err);
}

/* libcyaml refuses unknown keys too, but names the line of what is around them. */
static sb_status scan_key(sb_config *config, scan *s, const yaml_event_t *event, sb_error *err)
{
    sb_str key = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (s->depth == 1) {
        s->key_is_payers = sb_str_eq(key, SB_STR_LIT("payers"));
        return s->key_is_payers ? SB_OK : unknown_key(config, event, err);
    }
    if (s->depth == 2 && s->in_payers)
        return add_name(config, key.ptr, key.len, (unsigned long)event->start_mark.line + 1, err);
    if (s->depth != 3 || !s->in_payers)
        return SB_OK;
    for (const cyaml_schema_field_t *field = payer_fields; field->key; field++)
        if (sb_str_eq(key, sb_str_from(field->key)))
            return SB_OK;
    return unknown_key(config, event, err);
}

static sb_status scan_event(sb_config *config, scan *s, const yaml_event_t *event, sb_error *err)
{
    unsigned long line = (unsigned long)event->start_mark.line + 1;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return bad_file(config, line, "aliases (*name) are not used here", err);
    case YAML_SCALAR_EVENT:
        if (s->is_key && s->in_mapping)
            SB_TRY(scan_key(config, s, event, err));
        s->is_key = !s->is_key;
        return SB_OK;
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        s->depth++;
        if (s->depth == 2)
            s->in_payers = s->key_is_payers && event->type == YAML_MAPPING_START_EVENT;
        s->in_mapping = event->type == YAML_MAPPING_START_EVENT;
        s->is_key = true;
        return SB_OK;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        s->depth--;
        s->in_mapping = true; /* or a sequence of collections, which the schema has nowhere: libcyaml refuses it */
        s->is_key = true;     /* what ended was a value */
        return SB_OK;
    default:
        return SB_OK;
    }
}

static sb_status find_names(sb_config *config, sb_str text, sb_error *err)
{
    yaml_parser_t parser;
    scan s = {.is_key = true};
    if (!yaml_parser_initialize(&parser))
        return sb_error_nomem(err);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
    sb_status status = SB_OK;
    for (bool done = false; !done && status == SB_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = bad_file(config, (unsigned long)parser.problem_mark.line + 1,
                              parser.problem ? parser.problem : "this is not YAML", err);
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        status = scan_event(config, &s, &event, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return status;
}

/* The schema of this very file: {payers: {NAME: payer, …}}. Entries are pointers, side by side in one array. */
static sb_status make_schema(sb_config *config, sb_error *err)
{
    config->fields = calloc(config->n + 1, sizeof(*config->fields));
    if (!config->fields)
        return sb_error_nomem(err);
    for (size_t i = 0; i < config->n; i++)
        config->fields[i] = (cyaml_schema_field_t){
            .key = config->names[i],
            .data_offset = (uint32_t)(i * sizeof(sb_payer_config *)),
            .value = {.type = CYAML_MAPPING,
                      .flags = CYAML_FLAG_POINTER,
                      .data_size = sizeof(sb_payer_config),
                      .mapping = {.fields = payer_fields}},
        };
    config->top[0] = (cyaml_schema_field_t){
        .key = "payers",
        .value = {.type = CYAML_MAPPING,
                  .flags = CYAML_FLAG_DEFAULT,
                  .data_size = (uint32_t)((config->n + 1) * sizeof(sb_payer_config *)),
                  .mapping = {.fields = config->fields}},
    };
    config->schema = (cyaml_schema_value_t){
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = config->top[0].value.data_size,
        .mapping = {.fields = config->top},
    };
    return SB_OK;
}

static cyaml_config_t cyaml_settings(complaint *c)
{
    return (cyaml_config_t){
        .log_fn = note,
        .log_ctx = c,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
}

static sb_status parse(sb_config *config, sb_str text, sb_error *err)
{
    complaint c = {.line = 0};
    const cyaml_config_t settings = cyaml_settings(&c);
    config->names = calloc(PAYERS_MAX + 1, sizeof(*config->names));
    if (!config->names)
        return sb_error_nomem(err);
    SB_TRY(find_names(config, text, err));
    if (config->n == 0)
        return bad_file(config, 0, "it names no payer: `payers:` with a name below it is expected", err);
    SB_TRY(make_schema(config, err));
    cyaml_err_t rc =
        cyaml_load_data((const uint8_t *)text.ptr, text.len, &settings, &config->schema, &config->data, NULL);
    if (rc == CYAML_ERR_OOM)
        return sb_error_nomem(err);
    if (rc != CYAML_OK)
        return bad_file(config, c.line, c.what[0] ? c.what : cyaml_strerror(rc), err);
    config->payers = config->data;
    return SB_OK;
}

static sb_status set_path(sb_config *config, const char *path, sb_error *err)
{
    const char *slash = strrchr(path, '/');
    config->path = sb_str_dup(sb_str_from(path));
    config->dir = slash ? sb_str_dup((sb_str){path, (size_t)(slash - path) + (slash == path)}) : sb_printf(".");
    return config->path && config->dir ? SB_OK : sb_error_nomem(err);
}

static sb_status load(const char *path, sb_config **out, sb_error *err)
{
    SB_AUTOPTR(sb_config) config = calloc(1, sizeof(*config));
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    if (!config)
        return sb_error_nomem(err);
    SB_TRY(set_path(config, path, err));
    sb_status status = sb_file_read(path, CONFIG_MAX, &text, err);
    if (status == SB_E_INVALID) { /* too large */
        if (err)
            err->code = SB_E_USAGE;
        status = SB_E_USAGE;
    }
    SB_TRY(status);
    SB_TRY(parse(config, sb_buf_str(&text), err));
    *out = config;
    config = NULL;
    return SB_OK;
}

sb_status sb_config_load(const char *path, sb_config **out, sb_error *err)
{
    *out = NULL;
    const char *env = getenv("SMARTBULK_CONFIG"), *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
    if (!path && env && env[0])
        path = env;
    if (path)
        return load(path, out, err);
    sb_status status = load("smartbulk.yaml", out, err);
    if (status != SB_E_NOT_FOUND)
        return status;
    bool has_xdg = xdg && xdg[0] == '/';
    if (!has_xdg && !(home && home[0] == '/'))
        return status;
    SB_AUTOFREE own = has_xdg ? sb_printf("%s/smartbulk/smartbulk.yaml", xdg)
                              : sb_printf("%s/.config/smartbulk/smartbulk.yaml", home);
    if (!own)
        return sb_error_nomem(err);
    status = load(own, out, err);
    if (status == SB_E_NOT_FOUND)
        sb_error_set(err, SB_E_NOT_FOUND, "there is no configuration file",
                     "neither ./smartbulk.yaml nor %.500s exists, and SMARTBULK_CONFIG is not set",
                     "give the payer's FHIR base URL instead of a name, or write the file (man 5 smartbulk.yaml)", own);
    return status;
}

void sb_config_free(sb_config *config)
{
    if (!config)
        return;
    complaint c = {.line = 0};
    const cyaml_config_t settings = cyaml_settings(&c);
    if (config->data)
        (void)cyaml_free(&settings, &config->schema, config->data, 0); /* fails for wrong arguments alone */
    for (size_t i = 0; i < config->n; i++)
        free(config->names[i]);
    free(config->names);
    free(config->fields);
    free(config->path);
    free(config->dir);
    free(config);
}

const sb_payer_config *sb_config_payer(const sb_config *config, const char *name)
{
    for (size_t i = 0; i < config->n; i++)
        if (strcmp(config->names[i], name) == 0)
            return config->payers[i];
    return NULL;
}

const char *sb_config_names(const sb_config *config, char *out, size_t size)
{
    SB_AUTO(sb_buf) text = SB_BUF_BOUNDED(size - 1);
    for (size_t i = 0; i < config->n; i++)
        if ((i > 0 && !sb_buf_add_cstr(&text, ", ")) || !sb_buf_add_cstr(&text, config->names[i]))
            break; /* as many as fit */
    (void)snprintf(out, size, "%s", sb_buf_cstr(&text));
    return out;
}

const char *sb_config_path(const sb_config *config)
{
    return config->path;
}

char *sb_config_resolve(const sb_config *config, const char *path)
{
    const char *home = getenv("HOME");
    if (path[0] == '/' || strncmp(path, "pkcs11:", 7) == 0)
        return sb_str_dup(sb_str_from(path));
    if (strncmp(path, "~/", 2) == 0 && home && home[0] == '/')
        return sb_path_join(home, path + 2);
    return strcmp(config->dir, ".") == 0 ? sb_str_dup(sb_str_from(path)) : sb_path_join(config->dir, path);
}
