/* SPDX-License-Identifier: Apache-2.0 */
/* payer.c - one payer: settings, key, connection and token source held together. Owns all of them.
 *
 * The source is made when the first token is asked for, because the types that the scope must cover come until then.
 *
 *   sb_payer_token ─► source (memory) ─► cache (file between runs) ─► client (discovery, assertion, POST) */
#include "smart/payer_internal.h"

#include "base/file.h"
#include "smart/scopes.h"

#define SECRET_MAX 4096 /* client secrets have 32 to 128 characters */
#define TYPES_MAX  512  /* FHIR has 150 */

static void freep_text(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

/* The first line of a private file, as a secret. */
static sb_status read_secret(const char *path, sb_secret **out, sb_error *err)
{
    sb_buf text = SB_BUF_INIT;
    sb_status status = sb_buf_reserve(&text, 16 * 1024) ? SB_OK : sb_error_nomem(err); /* one piece: no copies left */
    if (status == SB_OK)
        status = sb_file_read_private(path, SECRET_MAX, &text, err);
    sb_str line = sb_str_trim(sb_buf_str(&text));
    if (status == SB_OK && line.len == 0)
        status =
            sb_error_set(err, SB_E_USAGE, "a secret file is empty", "%s holds nothing", "put the secret into it", path);
    if (status == SB_OK)
        status = sb_secret_new(line, out, err);
    if (status == SB_E_NOT_FOUND || status == SB_E_INVALID) {
        if (err)
            err->code = SB_E_USAGE;
        status = SB_E_USAGE;
    }
    sb_buf_wipe(&text);
    return status;
}

/* sb_passphrase_fn over passphrase_file. */
static int passphrase_from_file(void *impl, char *buf, size_t size)
{
    sb_secret *secret = NULL;
    int len = -1;
    if (read_secret(impl, &secret, NULL) == SB_OK && sb_secret_str(secret).len <= size) {
        memcpy(buf, sb_secret_str(secret).ptr, sb_secret_str(secret).len);
        len = (int)sb_secret_str(secret).len; /* at most SECRET_MAX */
    }
    sb_secret_free(secret);
    return len;
}

static sb_status load_key(sb_payer *payer, const sb_key_load_options *given, sb_error *err)
{
    sb_key_load_options load = given ? *given : (sb_key_load_options){.kid = NULL};
    load.kid = payer->settings.kid;
    if (payer->settings.passphrase_file) {
        load.passphrase = passphrase_from_file;
        load.passphrase_impl = payer->settings.passphrase_file;
    }
    return sb_key_load(payer->settings.key_file, &load, &payer->key, err);
}

static sb_status open_http(sb_payer *payer, sb_error *err)
{
    const sb_settings *s = &payer->settings;
    const sb_http_options http = {
        .ca_file = s->ca_file,
        .client_cert = s->client_cert,
        .client_key = s->client_cert_key,
        .proxy = s->proxy,
        .headers = (const char *const *)s->headers,
        .headers_origin = s->fhir_url,
        .cancel = payer->cancel,
    };
    SB_TRY(sb_http_new(&http, &payer->http, err));
    payer->transport = sb_http_transport(payer->http);
    return SB_OK;
}

static sb_status open_all(sb_payer *payer, const sb_payer_options *options, const sb_transport *transport,
                          sb_error *err)
{
    SB_TRY(sb_settings_read(options, &payer->settings, err));
    if (payer->settings.method == SB_AUTH_PRIVATE_KEY_JWT)
        SB_TRY(load_key(payer, options->key_load, err));
    if (payer->settings.method == SB_AUTH_CLIENT_SECRET_BASIC)
        SB_TRY(read_secret(payer->settings.client_secret_file, &payer->secret, err));
    SB_TRY(open_http(payer, err));
    if (transport)
        payer->transport = *transport;
    return SB_OK;
}

sb_status sb_payer_new_over(const sb_payer_options *options, const sb_transport *transport, sb_payer **out,
                            sb_error *err)
{
    *out = NULL;
    sb_payer *payer = calloc(1, sizeof(*payer));
    if (!payer)
        return sb_error_nomem(err);
    if (pthread_mutex_init(&payer->lock, NULL) != 0) {
        free(payer);
        return sb_error_nomem(err);
    }
    payer->clock = options->clock ? options->clock : sb_clock_system();
    payer->cancel = options->cancel;
    sb_status status = open_all(payer, options, transport, err);
    if (status != SB_OK) {
        sb_payer_free(payer);
        return status;
    }
    *out = payer;
    return SB_OK;
}

sb_status sb_payer_new(const sb_payer_options *options, sb_payer **out, sb_error *err)
{
    return sb_payer_new_over(options, NULL, out, err);
}

void sb_payer_free(sb_payer *payer)
{
    if (!payer)
        return;
    atomic_store(&payer->closing, true); /* a renewal under way waits for nothing more */
    sb_token_source_free(atomic_load(&payer->source));
    sb_token_cache_free(payer->cache);
    sb_token_client_free(payer->client);
    sb_http_free(payer->http);
    sb_key_free(payer->key);
    sb_secret_free(payer->secret);
    freep_text(payer->types, payer->n_types);
    sb_settings_cleanup(&payer->settings);
    (void)pthread_mutex_destroy(&payer->lock);
    free(payer);
}

const char *sb_payer_fhir_url(const sb_payer *payer)
{
    return payer->settings.fhir_url;
}

const char *sb_payer_name(const sb_payer *payer)
{
    return payer->settings.name;
}

char *sb_payer_settings(const sb_payer *payer)
{
    return sb_settings_json(&payer->settings);
}

unsigned sb_payer_connections(const sb_payer *payer)
{
    return payer->settings.connections;
}

static sb_status add_type(sb_payer *payer, const char *type, sb_error *err)
{
    for (size_t i = 0; i < payer->n_types; i++)
        if (strcmp(payer->types[i], type) == 0)
            return SB_OK; /* no news, and so never too late */
    if (atomic_load(&payer->source))
        return sb_error_set(err, SB_E_INTERNAL, "types came too late", "a token was asked for already",
                            "report this as a mistake of smartbulk");
    if (!sb_scope_is_type(sb_str_from(type)))
        return sb_error_set(err, SB_E_USAGE, "this is no resource type", "%.100s is not the name of one",
                            "write it as FHIR does: Patient, Coverage, ExplanationOfBenefit", type);
    if (payer->n_types == TYPES_MAX)
        return sb_error_set(err, SB_E_USAGE, "too many resource types", "there are more than %d",
                            "leave the types out to ask for all", TYPES_MAX);
    char **grown = realloc(payer->types, (payer->n_types + 1) * sizeof(*grown));
    if (!grown)
        return sb_error_nomem(err);
    payer->types = grown;
    payer->types[payer->n_types] = sb_str_dup(sb_str_from(type));
    if (!payer->types[payer->n_types])
        return sb_error_nomem(err);
    payer->n_types++;
    return SB_OK;
}

sb_status sb_payer_want_types(sb_payer *payer, const char *const *types, size_t n, sb_error *err)
{
    sb_status status = SB_OK;
    (void)pthread_mutex_lock(&payer->lock);
    for (size_t i = 0; i < n && status == SB_OK; i++)
        status = add_type(payer, types[i], err);
    (void)pthread_mutex_unlock(&payer->lock);
    return status;
}

static sb_status make_client(sb_payer *payer, sb_error *err)
{
    const sb_settings *s = &payer->settings;
    const sb_token_client_options options = {
        .transport = payer->transport,
        .clock = payer->clock,
        .cancel = payer->cancel,
        .closing = &payer->closing,
        .method = s->method,
        .key = payer->key,
        .secret = payer->secret,
        .wish = {.fhir_url = s->fhir_url,
                 .client_id = s->client_id,
                 .token_url = s->token_url,
                 .audience = s->audience,
                 .scope = s->scope,
                 .types = (const char *const *)payer->types,
                 .n_types = payer->n_types,
                 .profile = s->profile,
                 .wants_scope = s->method == SB_AUTH_PRIVATE_KEY_JWT,
                 .wants_audience = s->method == SB_AUTH_PRIVATE_KEY_JWT,
                 .state_dir = s->state_dir},
        .jwks_url = s->jwks_url,
        .assertion_lifetime_s = s->assertion_lifetime_s,
        .clock_skew_s = s->clock_skew_s,
    };
    if (payer->client) { /* a try before this one got so far, and types may have come since */
        sb_token_client_want_types(payer->client, options.wish.types, options.wish.n_types);
        return SB_OK;
    }
    return sb_token_client_new(&options, &payer->client, err);
}

/* What must be equal for another run's token to be ours: whom we ask, as whom, by what, and for what. */
static sb_status make_cache(sb_payer *payer, sb_error *err)
{
    const sb_settings *s = &payer->settings;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    if (!s->cache_dir || payer->cache)
        return SB_OK;
    bool ok = sb_buf_add_cstr(&scope, s->scope ? s->scope : "default:") &&
              (s->scope || sb_scopes_default((const char *const *)payer->types, payer->n_types, true, &scope));
    if (!ok)
        return sb_error_nomem(err);
    const char *const key[] = {s->fhir_url,
                               s->client_id,
                               sb_buf_cstr(&scope),
                               payer->key ? sb_key_thumbprint(payer->key) : "",
                               s->method == SB_AUTH_PRIVATE_KEY_JWT ? "private_key_jwt" : "client_secret_basic",
                               s->token_url ? s->token_url : "",
                               s->audience ? s->audience : "",
                               NULL};
    const sb_token_cache_options options = {
        .dir = s->cache_dir, .key = key, .clock = payer->clock, .cancel = payer->cancel, .closing = &payer->closing};
    return sb_token_cache_new(&options, sb_token_client_provider(payer->client), &payer->cache, err);
}

/* Under lock. */
static sb_status make_source(sb_payer *payer, sb_token_source **out, sb_error *err)
{
    SB_TRY(make_client(payer, err));
    SB_TRY(make_cache(payer, err));
    sb_token_provider provider =
        payer->cache ? sb_token_cache_provider(payer->cache) : sb_token_client_provider(payer->client);
    SB_TRY(sb_token_source_new(provider, payer->clock, out, err));
    atomic_store_explicit(&payer->source, *out, memory_order_release);
    return SB_OK;
}

static sb_status source_of(sb_payer *payer, sb_token_source **out, sb_error *err)
{
    *out = atomic_load_explicit(&payer->source, memory_order_acquire);
    if (*out)
        return SB_OK;
    (void)pthread_mutex_lock(&payer->lock);
    sb_status status = SB_OK;
    *out = atomic_load_explicit(&payer->source, memory_order_relaxed);
    if (!*out)
        status = make_source(payer, out, err);
    (void)pthread_mutex_unlock(&payer->lock);
    return status;
}

sb_status sb_payer_token(sb_payer *payer, unsigned min_left_s, sb_token **out, sb_error *err)
{
    sb_token_source *source = NULL;
    *out = NULL;
    if (payer->settings.method == SB_AUTH_NONE)
        return SB_OK;
    SB_TRY(source_of(payer, &source, err));
    return sb_token_source_get(source, min_left_s, out, err);
}

void sb_payer_reject_token(sb_payer *payer, const sb_token *refused)
{
    sb_token_source *source = atomic_load_explicit(&payer->source, memory_order_acquire);
    if (!source)
        return;
    sb_token_source_reject(source, refused);
    if (payer->cache) /* constant since the source is there */
        sb_token_cache_reject(payer->cache, refused);
}

uint64_t sb_payer_token_fetches(const sb_payer *payer)
{
    const sb_token_source *source = atomic_load_explicit(&payer->source, memory_order_acquire);
    return source ? sb_token_source_fetches(source) : 0;
}

static const sb_agreement *agreement_of(sb_payer *payer)
{
    bool ready = atomic_load_explicit(&payer->source, memory_order_acquire) != NULL;
    return ready ? sb_token_client_agreement(payer->client) : NULL;
}

const char *sb_payer_token_url(sb_payer *payer)
{
    const sb_agreement *agreement = agreement_of(payer);
    return agreement ? agreement->token_url : NULL;
}

const char *sb_payer_scope(sb_payer *payer)
{
    const sb_agreement *agreement = agreement_of(payer);
    return agreement ? agreement->scope : NULL;
}
