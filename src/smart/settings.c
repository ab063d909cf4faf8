/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - merging and checking what was said of a payer. Owns no state; what it returns is the caller's. */
#include "smart/settings.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "smart/assertion.h"
#include "smart/config.h"
#include "smart/scopes.h"

#define HEADERS_MAX     64
#define TOKEN_HOSTS_MAX 64

static void free_list(char **list)
{
    for (char **p = list; p && *p; p++)
        free(*p);
    free(list);
}

void sb_settings_cleanup(sb_settings *s)
{
    char *const texts[] = {
        s->name,        s->fhir_url,        s->client_id, s->key_file,  s->kid,       s->passphrase_file,
        s->scope,       s->token_url,       s->audience,  s->jwks_url,  s->ca_file,   s->client_secret_file,
        s->client_cert, s->client_cert_key, s->proxy,     s->state_dir, s->cache_dir, s->config_file};
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++)
        free(texts[i]);
    free_list(s->headers);
    for (size_t i = 0; i < s->n_token_hosts; i++)
        sb_url_cleanup(&s->token_hosts[i]);
    free(s->token_hosts);
    sb_url_cleanup(&s->origin);
    memset(s, 0, sizeof(*s));
}

/* Where values come from, in order of weight: the options, the file's entry, what an earlier run wrote down. */
typedef struct sources {
    const sb_payer_options *options;
    const sb_config *config;      /* NULL: none */
    const sb_payer_config *entry; /* never NULL */
    const json_t *saved;          /* sb_settings_json(); NULL: none */
} sources;

static sb_status take(const sources *from, char **out, const char *option, const char *configured, const char *member,
                      sb_error *err)
{
    const char *text = option ? option : configured ? configured : sb_json_str(from->saved, member);
    *out = text ? sb_str_dup(sb_str_from(text)) : NULL;
    return !text || *out ? SB_OK : sb_error_nomem(err);
}

/* Absolute, so that a later run finds it from any folder. */
static sb_status take_path(const sources *from, char **out, const char *option, const char *configured,
                           const char *member, sb_error *err)
{
    SB_AUTOFREE path = NULL;
    if (!option && configured) {
        path = sb_config_resolve(from->config, configured);
        if (!path)
            return sb_error_nomem(err);
    } else {
        SB_TRY(take(from, &path, option, NULL, member, err));
    }
    if (!path || path[0] == '/' || path[0] == '\0' || strncmp(path, "pkcs11:", 7) == 0) {
        *out = path;
        path = NULL;
        return SB_OK;
    }
    SB_AUTOFREE cwd = getcwd(NULL, 0);
    if (!cwd)
        return sb_error_errno(err, "the current folder could not be found", ".", errno);
    *out = sb_path_join(cwd, path);
    return *out ? SB_OK : sb_error_nomem(err);
}

static sb_status take_texts(const sources *from, sb_settings *s, sb_error *err)
{
    const sb_payer_options *o = from->options;
    const sb_payer_config *c = from->entry;
    SB_TRY(take(from, &s->fhir_url, o->fhir_url, c->fhir_url, "fhir_url", err));
    SB_TRY(take(from, &s->client_id, o->client_id, c->client_id, "client_id", err));
    SB_TRY(take(from, &s->kid, o->key_load ? o->key_load->kid : NULL, c->kid, "kid", err));
    SB_TRY(take(from, &s->scope, o->scope, c->scope, "scope", err));
    SB_TRY(take(from, &s->token_url, o->token_url, c->token_url, "token_url", err));
    SB_TRY(take(from, &s->audience, o->audience, c->audience, "audience", err));
    SB_TRY(take(from, &s->jwks_url, o->jwks_url, c->jwks_url, "jwks_url", err));
    return take(from, &s->proxy, o->proxy, c->proxy, "proxy", err);
}

static sb_status take_paths(const sources *from, sb_settings *s, sb_error *err)
{
    const sb_payer_options *o = from->options;
    const sb_payer_config *c = from->entry;
    SB_TRY(take_path(from, &s->key_file, o->key_file, c->key, "key", err));
    SB_TRY(take_path(from, &s->passphrase_file, o->passphrase_file, c->passphrase_file, "passphrase_file", err));
    SB_TRY(take_path(from, &s->client_secret_file, o->client_secret_file, c->client_secret_file, "client_secret_file",
                     err));
    SB_TRY(take_path(from, &s->ca_file, o->ca_file, c->ca_file, "ca_file", err));
    SB_TRY(take_path(from, &s->client_cert, o->client_cert, c->client_cert, "client_cert", err));
    SB_TRY(take_path(from, &s->client_cert_key, o->client_cert_key, c->client_cert_key, "client_cert_key", err));
    if (s->passphrase_file && !s->passphrase_file[0]) {
        free(s->passphrase_file);
        s->passphrase_file = NULL;
    }
    return take_path(from, &s->state_dir, o->state_dir, c->state_dir, "state_dir", err);
}

static sb_status bad_value(const char *name, const char *value, const char *fix, sb_error *err)
{
    sb_error_set(err, SB_E_USAGE, NULL, "%s is %.200s", fix, name, value);
    sb_error_what(err, "%s has a value that cannot be used", name);
    return SB_E_USAGE;
}

/* A URL the user gave: its failure is his to mend. */
static sb_status check_url(const char *name, const char *text, sb_url *out, sb_error *err)
{
    sb_error why = SB_ERROR_INIT;
    sb_status status = sb_url_parse(text, out, &why);
    if (status == SB_E_INVALID) {
        sb_error_set(err, SB_E_USAGE, NULL, "%s: %s", "give an absolute https URL", name, why.why);
        sb_error_what(err, "%s is not a URL that can be used", name);
        return SB_E_USAGE;
    }
    if (status == SB_OK)
        status = sb_url_require_secure(out, name, &why); /* DISC-05 */
    if (status != SB_OK && err)
        *err = why;
    return status;
}

static sb_status check_fhir_url(sb_settings *s, sb_error *err)
{
    if (!s->fhir_url)
        return sb_error_set(
            err, SB_E_USAGE, "the payer's address is missing", "there is no fhir_url",
            "give the FHIR base URL, such as https://fhir.payer.example/r4, or a name in smartbulk.yaml");
    SB_TRY(check_url("fhir_url", s->fhir_url, &s->origin, err));
    if (s->origin.query || strchr(s->fhir_url, '#'))
        return bad_value("fhir_url", s->fhir_url, "leave out what follows ? or #: it is a base address", err);
    size_t len = strlen(s->fhir_url);
    while (len > 0 && s->fhir_url[len - 1] == '/') /* DISC-01 */
        s->fhir_url[--len] = '\0';
    return SB_OK;
}

static sb_status check_name(const sources *from, sb_settings *s, sb_error *err)
{
    SB_TRY(take(from, &s->name, from->options->name, NULL, "name", err));
    return s->name ? SB_OK : take(from, &s->name, s->origin.host, NULL, "", err);
}

static sb_status check_method(const sources *from, sb_settings *s, sb_error *err)
{
    SB_AUTOFREE auth = NULL;
    SB_AUTOFREE profile = NULL;
    SB_TRY(take(from, &auth, from->options->auth, from->entry->auth, "auth", err));
    SB_TRY(take(from, &profile, from->options->profile, from->entry->profile, "profile", err));
    if (!auth || strcmp(auth, "private_key_jwt") == 0)
        s->method = SB_AUTH_PRIVATE_KEY_JWT;
    else if (strcmp(auth, "client_secret_basic") == 0)
        s->method = SB_AUTH_CLIENT_SECRET_BASIC;
    else if (strcmp(auth, "none") == 0)
        s->method = SB_AUTH_NONE;
    else
        return bad_value("auth", auth, "use private_key_jwt, client_secret_basic or none", err);
    if (!profile || strcmp(profile, "smart") == 0)
        s->profile = SB_PROFILE_SMART;
    else if (strcmp(profile, "rfc7523bis") == 0)
        s->profile = SB_PROFILE_RFC7523BIS;
    else
        return bad_value("profile", profile, "use smart or rfc7523bis", err);
    return SB_OK;
}

static sb_status check_credentials(const sb_settings *s, sb_error *err)
{
    if (s->method == SB_AUTH_NONE)
        return SB_OK;
    if (!s->client_id || !s->client_id[0])
        return sb_error_set(err, SB_E_USAGE, "the client id is missing", "%.200s gives tokens to known clients alone",
                            "give the client id that the payer's portal shows (--client-id ID, or client_id:)",
                            s->name);
    if (!sb_str_is_text(sb_str_from(s->client_id)))
        return bad_value("client_id", "not plain text", "copy it again: it holds control characters", err);
    if (s->method == SB_AUTH_PRIVATE_KEY_JWT && !s->key_file)
        return sb_error_set(err, SB_E_USAGE, "the signing key is missing", "%.200s knows us by a key",
                            "make one (smartbulk key new -o acme.jwk), register its public half with the payer, then "
                            "give --key FILE (key:)",
                            s->name);
    if (s->method == SB_AUTH_CLIENT_SECRET_BASIC && !s->client_secret_file)
        return sb_error_set(err, SB_E_USAGE, "the client secret is missing", "auth is client_secret_basic",
                            "put the secret into a file of mode 0600 and give --client-secret-file FILE "
                            "(client_secret_file:)");
    if (s->method == SB_AUTH_CLIENT_SECRET_BASIC && strchr(s->client_id, ':'))
        return bad_value("client_id", s->client_id, "a client id for client_secret_basic holds no colon", err);
    return SB_OK;
}

static sb_status check_scope(sb_settings *s, sb_error *err)
{
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    if (!s->scope)
        return SB_OK;
    if (sb_scopes_parse(s->scope, &scopes, err) != SB_OK) {
        if (err && err->code == SB_E_INVALID)
            err->code = SB_E_USAGE;
        return err ? err->code : SB_E_USAGE;
    }
    SB_TRY(sb_scopes_check_configured(&scopes, err)); /* TOK-06 */
    if (scopes.len == 0) {                            /* "" is as good as none */
        free(s->scope);
        s->scope = NULL;
    }
    return SB_OK;
}

/* What was saved was checked then, and is so again by who calls: out of bounds reads as none. */
static int64_t first_number(int64_t option, int64_t configured, const json_t *saved, const char *member)
{
    int64_t number = json_integer_value(json_object_get(saved, member));
    if (number > UINT16_MAX * 2 || number < -UINT16_MAX * 2)
        number = 0;
    return option ? option : configured ? configured : number;
}

static sb_status check_numbers(const sources *from, sb_settings *s, sb_error *err)
{
    const sb_payer_options *o = from->options;
    const sb_payer_config *c = from->entry;
    int64_t connections = first_number(o->connections, c->connections, from->saved, "connections");
    int64_t lifetime = first_number(o->assertion_lifetime_s, c->assertion_lifetime, from->saved, "assertion_lifetime");
    int64_t skew = first_number(o->clock_skew_s, c->clock_skew, from->saved, "clock_skew");
    s->connections = connections ? (unsigned)connections : SB_CONNECTIONS_DEFAULT;
    if (s->connections > SB_CONNECTIONS_MAX)
        return sb_error_set(err, SB_E_USAGE, "too many connections", "connections is %u", "use 1 to 64",
                            s->connections);
    s->assertion_lifetime_s = lifetime ? (unsigned)lifetime : SB_ASSERTION_LIFETIME_S;
    if (s->assertion_lifetime_s < SB_ASSERTION_LIFETIME_MIN_S || s->assertion_lifetime_s > SB_ASSERTION_LIFETIME_MAX_S)
        return sb_error_set(err, SB_E_USAGE, "the assertion's lifetime is out of bounds", "assertion_lifetime is %u s",
                            "use 60 to 240: servers refuse more than 300, and clocks differ", s->assertion_lifetime_s);
    s->clock_skew_s = (int)skew;
    if (s->clock_skew_s > SB_CLOCK_SKEW_MAX_S || s->clock_skew_s < -SB_CLOCK_SKEW_MAX_S)
        return sb_error_set(err, SB_E_USAGE, "the clock skew is out of bounds", "clock_skew is %d s",
                            "set this machine's clock instead (timedatectl set-ntp true)", s->clock_skew_s);
    return SB_OK;
}

/* "https://files.example", or "files.example:8443", which means https. */
static sb_status add_token_host(sb_settings *s, const char *text, sb_error *err)
{
    SB_AUTOFREE url = strstr(text, "://") ? sb_str_dup(sb_str_from(text)) : sb_printf("https://%s", text);
    if (!url)
        return sb_error_nomem(err);
    sb_url *host = &s->token_hosts[s->n_token_hosts++]; /* counted first: what is refused is freed too */
    return check_url("token_hosts", url, host, err);
}

static size_t list_len(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static sb_status take_token_hosts(const sources *from, sb_settings *s, sb_error *err)
{
    const char *const *option = from->options->token_hosts;
    const json_t *saved = json_object_get(from->saved, "token_hosts");
    size_t n_entry = from->entry->token_hosts_count, n_option = list_len(option);
    size_t n = option ? n_option : n_entry ? n_entry : json_array_size(saved);
    s->token_hosts = n <= TOKEN_HOSTS_MAX ? calloc(n + 1, sizeof(*s->token_hosts)) : NULL;
    if (n > TOKEN_HOSTS_MAX)
        return sb_error_set(err, SB_E_USAGE, "too many token hosts", "there are %zu", "give at most 64", n);
    if (!s->token_hosts)
        return sb_error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const char *text = option    ? option[i]
                           : n_entry ? from->entry->token_hosts[i]
                                     : json_string_value(json_array_get(saved, i));
        SB_TRY(add_token_host(s, text ? text : "", err));
    }
    return SB_OK;
}

static sb_status take_headers(const sources *from, sb_settings *s, sb_error *err)
{
    const char *const *option = from->options->headers;
    size_t n = option ? list_len(option) : from->entry->headers_count;
    if (n > HEADERS_MAX)
        return sb_error_set(err, SB_E_USAGE, "too many extra headers", "there are %zu", "give at most 64", n);
    s->headers = calloc(n + 1, sizeof(*s->headers));
    if (!s->headers)
        return sb_error_nomem(err);
    for (size_t i = 0; i < n; i++)
        SB_TRY(take(from, &s->headers[i], option ? option[i] : from->entry->headers[i], NULL, "", err));
    return SB_OK;
}

static sb_status check_urls(const sb_settings *s, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    if (s->token_url)
        SB_TRY(check_url("token_url", s->token_url, &url, err));
    if (s->jwks_url)
        SB_TRY(check_url("jwks_url", s->jwks_url, &url, err));
    if (s->audience && (!s->audience[0] || !sb_str_is_text(sb_str_from(s->audience))))
        return bad_value("audience", "empty or not plain text", "give a URI, or the word issuer", err);
    return SB_OK;
}

/* Pins and caches. Whoever names a state folder wants everything there. */
static sb_status choose_dirs(const sources *from, sb_settings *s, sb_error *err)
{
    const char *home = getenv("HOME"), *state = getenv("XDG_STATE_HOME"), *runtime = getenv("XDG_RUNTIME_DIR");
    bool own = s->state_dir != NULL;
    s->state_dir_is_given = own;
    if (!own && state && state[0] == '/')
        s->state_dir = sb_printf("%s/smartbulk", state);
    else if (!own && home && home[0] == '/')
        s->state_dir = sb_printf("%s/.local/state/smartbulk", home);
    else if (!own && s->method != SB_AUTH_NONE)
        return sb_error_set(err, SB_E_USAGE, "there is no folder for what is agreed with the payer",
                            "neither HOME nor XDG_STATE_HOME is set", "give --state-dir DIR");
    if (from->options->no_token_cache || from->entry->no_token_cache || s->method == SB_AUTH_NONE ||
        json_is_true(json_object_get(from->saved, "no_token_cache")))
        return s->state_dir || s->method == SB_AUTH_NONE ? SB_OK : sb_error_nomem(err);
    if (!own && runtime && runtime[0] == '/')
        s->cache_dir = sb_printf("%s/smartbulk", runtime);
    else if (s->state_dir)
        s->cache_dir = sb_printf("%s/tokens", s->state_dir);
    return s->state_dir && s->cache_dir ? SB_OK : sb_error_nomem(err);
}

static sb_status read_all(const sources *from, sb_settings *s, sb_error *err)
{
    SB_TRY(take_texts(from, s, err));
    SB_TRY(take_paths(from, s, err));
    SB_TRY(check_fhir_url(s, err));
    SB_TRY(check_name(from, s, err));
    SB_TRY(check_method(from, s, err));
    SB_TRY(check_credentials(s, err));
    SB_TRY(check_scope(s, err));
    SB_TRY(check_numbers(from, s, err));
    SB_TRY(take_token_hosts(from, s, err));
    SB_TRY(take_headers(from, s, err));
    SB_TRY(check_urls(s, err));
    return choose_dirs(from, s, err);
}

static sb_status unknown_payer(const sb_config *config, const char *name, sb_error *err)
{
    char names[300];
    sb_error_set(err, SB_E_USAGE, "this payer is not known", "%.400s has no entry %.100s; it has: %s", NULL,
                 sb_config_path(config), name, sb_config_names(config, names, sizeof(names)));
    sb_error_fix(err, "check the name, or give the payer's FHIR base URL instead");
    return SB_E_USAGE;
}

/* The file's entry: by name it must be there; of an earlier run it may be gone, and what was saved stands alone. */
static sb_status find_entry(sources *from, sb_config **config, char **config_file, sb_error *err)
{
    const char *name = from->options->name, *file = from->options->config_file;
    bool must = name != NULL;
    if (!must) {
        name = sb_json_str(from->saved, "name");
        file = sb_json_str(from->saved, "config_file");
    }
    if (!name || (!must && !file))
        return SB_OK;
    sb_status status = sb_config_load(file, config, err);
    if (status == SB_E_NOT_FOUND && must && err)
        err->code = SB_E_USAGE; /* whoever asks for a name must have a file */
    if (status == SB_E_NOT_FOUND)
        return must ? SB_E_USAGE : SB_OK;
    SB_TRY(status);
    const sb_payer_config *entry = sb_config_payer(*config, name);
    if (!entry)
        return must ? unknown_payer(*config, name, err) : SB_OK;
    from->config = *config;
    from->entry = entry;
    return take_path(from, config_file, sb_config_path(*config), NULL, "", err);
}

sb_status sb_settings_read(const sb_payer_options *options, sb_settings *out, sb_error *err)
{
    static const sb_payer_config nothing = {.fhir_url = NULL};
    SB_AUTOPTR(sb_config) config = NULL;
    SB_AUTOJSON saved = NULL;
    sources from = {.options = options, .entry = &nothing};
    memset(out, 0, sizeof(*out));
    if (options->settings)
        SB_TRY(sb_json_parse_object(sb_str_from(options->settings), "what is known of the payer", &saved, err));
    from.saved = saved;
    sb_status status = find_entry(&from, &config, &out->config_file, err);
    if (status == SB_OK)
        status = read_all(&from, out, err);
    if (status != SB_OK)
        sb_settings_cleanup(out);
    return status;
}

static bool put(json_t *object, const char *member, const char *text)
{
    return !text || json_object_set_new(object, member, json_string(text)) == 0;
}

static bool put_all(json_t *object, const sb_settings *s)
{
    static const char *const methods[] = {"private_key_jwt", "client_secret_basic", "none"};
    const char *proxy = s->proxy && !strchr(s->proxy, '@') ? s->proxy : NULL; /* else it holds a password */
    const struct {
        const char *member, *text;
    } texts[] = {
        {"name", s->name},
        {"config_file", s->config_file},
        {"fhir_url", s->fhir_url},
        {"client_id", s->client_id},
        {"key", s->key_file},
        {"kid", s->kid},
        {"passphrase_file", s->passphrase_file},
        {"scope", s->scope},
        {"token_url", s->token_url},
        {"audience", s->audience},
        {"auth", methods[s->method]},
        {"profile", s->profile == SB_PROFILE_SMART ? "smart" : "rfc7523bis"},
        {"client_secret_file", s->client_secret_file},
        {"jwks_url", s->jwks_url},
        {"ca_file", s->ca_file},
        {"client_cert", s->client_cert},
        {"client_cert_key", s->client_cert_key},
        {"proxy", proxy},
        {"state_dir", s->state_dir_is_given ? s->state_dir : NULL},
    };
    bool ok = true;
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++)
        ok = ok && put(object, texts[i].member, texts[i].text);
    json_t *hosts = json_array();
    for (size_t i = 0; i < s->n_token_hosts; i++)
        ok = ok && hosts && json_array_append_new(hosts, json_string(s->token_hosts[i].text)) == 0;
    return json_object_set_new(object, "token_hosts", hosts) == 0 && ok &&
           json_object_set_new(object, "connections", json_integer(s->connections)) == 0 &&
           json_object_set_new(object, "assertion_lifetime", json_integer(s->assertion_lifetime_s)) == 0 &&
           json_object_set_new(object, "clock_skew", json_integer(s->clock_skew_s)) == 0 &&
           json_object_set_new(object, "no_token_cache", json_boolean(!s->cache_dir)) == 0;
}

char *sb_settings_json(const sb_settings *settings)
{
    SB_AUTOJSON object = json_object();
    return object && put_all(object, settings) ? sb_json_dump(object) : NULL;
}
