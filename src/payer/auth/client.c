/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - clients, and the register in memory: a sorted list under a lock. */
#include "payer/auth/client.h"

#include <pthread.h>
#include <stdio.h>

struct sb_clients {
    const sb_clients_ops *ops;
    void *impl;
};

/* Clients */

static sb_status bad(sb_error *err, const char *why, const char *fix)
{
    return sb_error_set(err, SB_E_INVALID, "the client cannot be registered", "%s", fix, why);
}

static bool printable(sb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e)
            return false;
    }
    return text.len > 0;
}

/* A line for people, or nothing. */
static bool label(const char *text)
{
    return !text || (strlen(text) <= SB_CLIENT_NAME_MAX && sb_str_is_text(sb_str_from(text)));
}

static sb_status check_scopes(const sb_scopes *scopes, sb_error *err)
{
    if (scopes->len == 0)
        return bad(err, "its scope is empty", "name what it may have: system/*.rs");
    return sb_scopes_check_configured(scopes, err);
}

static sb_status check_texts(const sb_client_spec *spec, sb_error *err)
{
    if (!spec->id || !printable(sb_str_from(spec->id)) || strlen(spec->id) > SB_CLIENT_ID_MAX)
        return bad(err, "its id is empty, longer than 255 bytes, or has characters other than printable ASCII",
                   "choose another id");
    if (!label(spec->name) || !label(spec->contact))
        return bad(err, "its name or contact is longer than 255 bytes, or has control characters",
                   "write a short line of text");
    if (!spec->jwks == !spec->jwks_url)
        return bad(err, "it needs a key set, or the URL of one: one of both",
                   "register the JWK Set itself (jwks), or its URL (jwks_uri)");
    return SB_OK;
}

static sb_status copy_texts(sb_client *client, const sb_client_spec *spec, sb_error *err)
{
    client->id = sb_str_dup(sb_str_from(spec->id));
    client->name = sb_str_dup(sb_str_from(spec->name ? spec->name : ""));
    client->contact = sb_str_dup(sb_str_from(spec->contact ? spec->contact : ""));
    client->jwks_url = spec->jwks_url ? sb_str_dup(sb_str_from(spec->jwks_url)) : NULL;
    bool all = client->id && client->name && client->contact && (client->jwks_url || !spec->jwks_url);
    return all ? SB_OK : sb_error_nomem(err);
}

static int64_t find_epoch(const sb_client_spec *spec)
{
    bool leaves = spec->before && spec->before->state == SB_CLIENT_ACTIVE && spec->state != SB_CLIENT_ACTIVE;
    if (spec->before)
        return spec->before->epoch + leaves;
    return spec->epoch ? spec->epoch : sb_client_first_epoch(spec->created_s);
}

sb_status sb_client_new(const sb_client_spec *spec, sb_client **out, sb_error *err)
{
    SB_TRY(check_texts(spec, err));
    sb_client *bare = calloc(1, sizeof(*bare));
    if (!bare)
        return sb_error_nomem(err);
    atomic_init(&bare->refs, 1);
    SB_AUTOPTR(sb_client) client = bare;
    SB_TRY(sb_scopes_parse(spec->scope, &client->scopes, err));
    SB_TRY(check_scopes(&client->scopes, err));
    SB_TRY(copy_texts(client, spec, err));
    client->state = spec->state;
    client->admission = spec->state == SB_CLIENT_PENDING ? SB_ADMISSION_NONE : spec->admission;
    client->profile = spec->profile;
    client->show_reasons = spec->show_reasons;
    client->tokens_per_minute = spec->tokens_per_minute;
    client->created_s = spec->created_s;
    client->changed_s = spec->changed_s;
    client->epoch = find_epoch(spec);
    client->has_registration = spec->registration_digest != NULL;
    if (spec->registration_digest)
        client->registration_digest = *spec->registration_digest;
    client->self_changed = spec->self_changed;
    client->registered_from = spec->registered_from;
    client->jwks = spec->jwks;
    *out = client;
    client = NULL;
    return SB_OK;
}

static sb_status copy_jwks(const sb_client *client, sb_jwks **out, sb_error *err)
{
    *out = NULL;
    if (!client->jwks)
        return SB_OK;
    SB_AUTOFREE text = sb_jwks_json(client->jwks, false);
    return text ? sb_jwks_parse(sb_str_from(text), out, NULL, err) : sb_error_nomem(err);
}

sb_status sb_client_respec(const sb_client *client, char **scope, sb_client_spec *out, sb_error *err)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    *scope = NULL;
    if (!sb_scopes_format(&client->scopes, &text))
        return sb_error_nomem(err);
    *out = (sb_client_spec){.id = client->id,
                            .name = client->name,
                            .contact = client->contact,
                            .jwks_url = client->jwks_url,
                            .state = client->state,
                            .admission = client->admission,
                            .profile = client->profile,
                            .show_reasons = client->show_reasons,
                            .tokens_per_minute = client->tokens_per_minute,
                            .created_s = client->created_s,
                            .changed_s = client->changed_s,
                            .before = client,
                            .registration_digest = client->has_registration ? &client->registration_digest : NULL,
                            .self_changed = client->self_changed,
                            .registered_from = client->registered_from};
    SB_TRY(copy_jwks(client, &out->jwks, err));
    out->scope = *scope = sb_buf_steal(&text);
    return SB_OK;
}

/* Kids are unique in a set. */
static bool has_key(const sb_jwks *set, const sb_key *key)
{
    for (size_t i = 0; i < sb_jwks_count(set); i++) {
        const sb_key *one = sb_jwks_at(set, i);
        if (strcmp(sb_key_kid(one), sb_key_kid(key)) == 0)
            return strcmp(sb_key_thumbprint(one), sb_key_thumbprint(key)) == 0 &&
                   strcmp(sb_key_alg(one), sb_key_alg(key)) == 0;
    }
    return false;
}

static bool same_keys(const sb_client *client, const sb_client_spec *spec)
{
    if (client->jwks_url || spec->jwks_url)
        return client->jwks_url && spec->jwks_url && strcmp(client->jwks_url, spec->jwks_url) == 0;
    if (!client->jwks || !spec->jwks || sb_jwks_count(client->jwks) != sb_jwks_count(spec->jwks))
        return false;
    for (size_t i = 0; i < sb_jwks_count(spec->jwks); i++) {
        if (!has_key(client->jwks, sb_jwks_at(spec->jwks, i)))
            return false;
    }
    return true;
}

unsigned sb_client_differs(const sb_client *client, const sb_client_spec *spec)
{
    unsigned bits = same_keys(client, spec) ? 0 : SB_CLIENT_KEYS;
    bits |= strcmp(client->name, spec->name ? spec->name : "") == 0 ? 0 : SB_CLIENT_NAME;
    bits |= strcmp(client->contact, spec->contact ? spec->contact : "") == 0 ? 0 : SB_CLIENT_CONTACT;
    return bits;
}

const char *sb_client_changes(unsigned bits, char out[SB_CLIENT_CHANGES_SIZE])
{
    static const char *const names[] = {"keys", "name", "contact"};
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        if (bits & (1u << i))
            len += (size_t)snprintf(out + len, SB_CLIENT_CHANGES_SIZE - len, "%s%s", len ? ", " : "", names[i]);
    }
    return out;
}

static const char *const admission_names[] = {
    [SB_ADMISSION_PERSON] = "person", [SB_ADMISSION_ITSELF] = "itself", [SB_ADMISSION_NONE] = "none"};
static const char *const state_names[] = {
    [SB_CLIENT_PENDING] = "pending", [SB_CLIENT_ACTIVE] = "active", [SB_CLIENT_SUSPENDED] = "suspended"};
static const char *const profile_names[] = {[SB_PROFILE_SMART] = "smart", [SB_PROFILE_RFC7523BIS] = "rfc7523bis"};

const char *sb_admission_name(sb_admission admission)
{
    return admission_names[admission];
}

const char *sb_client_state_name(sb_client_state state)
{
    return state_names[state];
}

const char *sb_client_profile_name(sb_client_profile profile)
{
    return profile_names[profile];
}

static bool find_name(const char *const *names, size_t count, const char *text, unsigned *out)
{
    for (unsigned i = 0; text && i < count; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool sb_admission_parse(const char *text, sb_admission *out)
{
    unsigned index = 0;
    bool found = find_name(admission_names, SB_ARRAY_LEN(admission_names), text, &index);
    *out = (sb_admission)index;
    return found;
}

bool sb_client_state_parse(const char *text, sb_client_state *out)
{
    unsigned index = 0;
    bool found = find_name(state_names, SB_ARRAY_LEN(state_names), text, &index);
    *out = (sb_client_state)index;
    return found;
}

bool sb_client_profile_parse(const char *text, sb_client_profile *out)
{
    unsigned index = 0;
    bool found = find_name(profile_names, SB_ARRAY_LEN(profile_names), text, &index);
    *out = (sb_client_profile)index;
    return found;
}

sb_client *sb_client_ref(sb_client *client)
{
    (void)atomic_fetch_add_explicit(&client->refs, 1, memory_order_relaxed);
    return client;
}

void sb_client_free(sb_client *client)
{
    if (!client || atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel) > 1)
        return;
    free(client->id);
    free(client->name);
    free(client->contact);
    free(client->jwks_url);
    sb_jwks_free(client->jwks);
    sb_scopes_cleanup(&client->scopes);
    free(client);
}

/* The register */

sb_status sb_clients_new(const sb_clients_ops *ops, void *impl, sb_clients **out, sb_error *err)
{
    sb_clients *clients = malloc(sizeof(*clients));
    if (!clients) {
        ops->free(impl);
        return sb_error_nomem(err);
    }
    *clients = (sb_clients){ops, impl};
    *out = clients;
    return SB_OK;
}

void sb_clients_free(sb_clients *clients)
{
    if (!clients)
        return;
    clients->ops->free(clients->impl);
    free(clients);
}

sb_status sb_clients_find(sb_clients *clients, sb_str id, sb_client **out, sb_error *err)
{
    return clients->ops->find(clients->impl, id, out, err);
}

sb_status sb_clients_add_with(sb_clients *clients, sb_client *client, const sb_clients_also *also, sb_error *err)
{
    return clients->ops->add(clients->impl, client, also, err);
}

sb_status sb_clients_add(sb_clients *clients, sb_client *client, sb_error *err)
{
    return sb_clients_add_with(clients, client, NULL, err);
}

sb_status sb_clients_replace_with(sb_clients *clients, const sb_client *was, sb_client *client,
                                  const sb_clients_also *also, sb_error *err)
{
    return clients->ops->replace(clients->impl, was, client, also, err);
}

sb_status sb_clients_replace(sb_clients *clients, sb_client *client, sb_error *err)
{
    return sb_clients_replace_with(clients, NULL, client, NULL, err);
}

sb_status sb_clients_replace_if(sb_clients *clients, const sb_client *was, sb_client *client, sb_error *err)
{
    return sb_clients_replace_with(clients, was, client, NULL, err);
}

sb_status sb_clients_remove_with(sb_clients *clients, const sb_client *was, sb_str id, const sb_clients_also *also,
                                 sb_error *err)
{
    return clients->ops->remove(clients->impl, was, id, also, err);
}

sb_status sb_clients_remove(sb_clients *clients, sb_str id, sb_error *err)
{
    return sb_clients_remove_with(clients, NULL, id, NULL, err);
}

sb_status sb_clients_remove_if(sb_clients *clients, const sb_client *was, sb_error *err)
{
    return sb_clients_remove_with(clients, was, sb_str_from(was->id), NULL, err);
}

sb_status sb_clients_each(sb_clients *clients, sb_client_visit *visit, void *context, sb_error *err)
{
    return clients->ops->each(clients->impl, visit, context, err);
}

typedef struct wanted {
    const char *id;
    sb_client *found;
} wanted;

static sb_status is_it(void *context, sb_client *client, sb_error *err)
{
    wanted *w = context;
    (void)err;
    if (strcmp(client->id, w->id) == 0)
        w->found = sb_client_ref(client);
    return SB_OK;
}

sb_status sb_clients_find_now(sb_clients *clients, const char *id, sb_client **out, sb_error *err)
{
    wanted w = {.id = id};
    SB_TRY(sb_clients_each(clients, is_it, &w, err)); /* which asks first whether something changed */
    *out = w.found;
    return SB_OK;
}

sb_status sb_clients_no_such(sb_error *err)
{
    return sb_error_set(err, SB_E_NOT_FOUND, "the client cannot be changed", "there is none with this id",
                        "list the clients, and look at the spelling");
}

sb_status sb_clients_changed(sb_error *err)
{
    return sb_error_set(err, SB_E_BUSY, "the client cannot be changed", "somebody else changed it meanwhile",
                        "look at it again");
}

/* In memory: sorted by id */

typedef struct memory {
    pthread_mutex_t lock;
    sb_client **items;
    size_t count, max;
} memory;

static int compare_ids(sb_str a, sb_str b)
{
    int order = memcmp(a.ptr, b.ptr, SB_MIN(a.len, b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where that id is, or would be. */
static size_t place_of(const memory *m, sb_str id, bool *there)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_ids(sb_str_from(m->items[middle]->id), id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < m->count && sb_str_eq(sb_str_from(m->items[low]->id), id);
    return low;
}

static sb_status memory_find(void *impl, sb_str id, sb_client **out, sb_error *err)
{
    memory *m = impl;
    bool there;
    (void)err;
    (void)pthread_mutex_lock(&m->lock);
    size_t at = place_of(m, id, &there);
    *out = there ? sb_client_ref(m->items[at]) : NULL;
    (void)pthread_mutex_unlock(&m->lock);
    return SB_OK;
}

/* There is no transaction to write it in: it comes first, under the lock. */
static sb_status bring(const sb_clients_also *also, sb_error *err)
{
    return also ? also->run(also->impl, NULL, err) : SB_OK;
}

static sb_status memory_add(void *impl, sb_client *client, const sb_clients_also *also, sb_error *err)
{
    memory *m = impl;
    bool there;
    sb_status status = SB_OK;
    (void)pthread_mutex_lock(&m->lock);
    size_t at = place_of(m, sb_str_from(client->id), &there);
    if (there) {
        status = sb_error_set(err, SB_E_USAGE, "the client cannot be registered", "there is one with this id",
                              "choose another id");
    } else if (m->count == m->max) {
        status = sb_error_set(err, SB_E_BUSY, "the client cannot be registered",
                              "there are as many clients as this server keeps (%zu)", "come back later", m->max);
    } else if ((status = bring(also, err)) == SB_OK) {
        memmove(&m->items[at + 1], &m->items[at], (m->count - at) * sizeof(*m->items));
        m->items[at] = sb_client_ref(client);
        m->count++;
    }
    (void)pthread_mutex_unlock(&m->lock);
    return status;
}

static bool is_as_it_was(const sb_client *was, const sb_client *now)
{
    return !was || (was->state == now->state && was->changed_s == now->changed_s);
}

static sb_status memory_replace(void *impl, const sb_client *was, sb_client *client, const sb_clients_also *also,
                                sb_error *err)
{
    memory *m = impl;
    bool there;
    sb_status status = SB_OK;
    sb_client *old = NULL;
    (void)pthread_mutex_lock(&m->lock);
    size_t at = place_of(m, sb_str_from(client->id), &there);
    bool same = there && is_as_it_was(was, m->items[at]);
    if (same && (status = bring(also, err)) == SB_OK) {
        old = m->items[at];
        m->items[at] = sb_client_ref(client);
    }
    (void)pthread_mutex_unlock(&m->lock);
    sb_client_free(old);
    if (!there)
        return sb_clients_no_such(err);
    return same ? status : sb_clients_changed(err);
}

static sb_status memory_remove(void *impl, const sb_client *was, sb_str id, const sb_clients_also *also, sb_error *err)
{
    memory *m = impl;
    bool there;
    sb_status status = SB_OK;
    sb_client *old = NULL;
    (void)pthread_mutex_lock(&m->lock);
    size_t at = place_of(m, id, &there);
    bool same = there && is_as_it_was(was, m->items[at]);
    if (same && (status = bring(also, err)) == SB_OK) {
        old = m->items[at];
        memmove(&m->items[at], &m->items[at + 1], (--m->count - at) * sizeof(*m->items));
    }
    (void)pthread_mutex_unlock(&m->lock);
    sb_client_free(old);
    if (!there)
        return sb_clients_no_such(err);
    return same ? status : sb_clients_changed(err);
}

/* A copy of the list is visited: visitors may change the register. */
static sb_status memory_each(void *impl, sb_client_visit *visit, void *context, sb_error *err)
{
    memory *m = impl;
    sb_status status = SB_OK;
    (void)pthread_mutex_lock(&m->lock);
    size_t count = m->count;
    sb_client **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++)
        copy[i] = sb_client_ref(m->items[i]);
    (void)pthread_mutex_unlock(&m->lock);
    if (!copy)
        return sb_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (status == SB_OK)
            status = visit(context, copy[i], err);
        sb_client_free(copy[i]);
    }
    free(copy);
    return status;
}

static void memory_free(void *impl)
{
    memory *m = impl;
    for (size_t i = 0; i < m->count; i++)
        sb_client_free(m->items[i]);
    (void)pthread_mutex_destroy(&m->lock);
    free(m->items);
    free(m);
}

sb_status sb_clients_memory(size_t max, sb_clients **out, sb_error *err)
{
    static const sb_clients_ops ops = {.find = memory_find,
                                       .add = memory_add,
                                       .replace = memory_replace,
                                       .remove = memory_remove,
                                       .each = memory_each,
                                       .free = memory_free};
    memory *m = calloc(1, sizeof(*m));
    sb_client **items = m ? calloc(max, sizeof(sb_client *)) : NULL;
    if (!items || pthread_mutex_init(&m->lock, NULL) != 0) {
        free(items);
        free(m);
        return sb_error_nomem(err);
    }
    m->items = items;
    m->max = max;
    return sb_clients_new(&ops, m, out, err);
}
