/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - clients, and the register in memory: a list under a lock. */
#include "payer/client.h"

#include <pthread.h>

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

static sb_status check_scopes(const sb_scopes *scopes, sb_error *err)
{
    if (scopes->len == 0)
        return bad(err, "its scope is empty", "name what it may have: system/*.rs");
    return sb_scopes_check_configured(scopes, err);
}

sb_status sb_client_new(const char *id, const char *name, const char *scope, sb_jwks *jwks, sb_client **out,
                        sb_error *err)
{
    if (!printable(sb_str_from(id)) || strlen(id) > SB_CLIENT_ID_MAX)
        return bad(err, "its id is empty, longer than 255 bytes, or has characters other than printable ASCII",
                   "choose another id");
    if (strlen(name) > SB_CLIENT_NAME_MAX)
        return bad(err, "its name is longer than 255 bytes", "choose a shorter name");
    sb_client *bare = calloc(1, sizeof(*bare));
    if (!bare)
        return sb_error_nomem(err);
    atomic_init(&bare->refs, 1);
    SB_AUTOPTR(sb_client) client = bare;
    SB_TRY(sb_scopes_parse(scope, &client->scopes, err));
    SB_TRY(check_scopes(&client->scopes, err));
    client->id = sb_str_dup(sb_str_from(id));
    client->name = sb_str_dup(sb_str_from(name));
    if (!client->id || !client->name)
        return sb_error_nomem(err);
    client->jwks = jwks;
    *out = client;
    client = NULL;
    return SB_OK;
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

sb_status sb_clients_add(sb_clients *clients, sb_client *client, sb_error *err)
{
    return clients->ops->add(clients->impl, client, err);
}

/* In memory */

typedef struct memory {
    pthread_mutex_t lock;
    sb_client **items;
    size_t count, max;
} memory;

static sb_client *memory_at(const memory *m, sb_str id)
{
    for (size_t i = 0; i < m->count; i++) {
        if (sb_str_eq(sb_str_from(m->items[i]->id), id))
            return m->items[i];
    }
    return NULL;
}

static sb_status memory_find(void *impl, sb_str id, sb_client **out, sb_error *err)
{
    memory *m = impl;
    (void)err;
    (void)pthread_mutex_lock(&m->lock);
    sb_client *client = memory_at(m, id);
    *out = client ? sb_client_ref(client) : NULL;
    (void)pthread_mutex_unlock(&m->lock);
    return SB_OK;
}

static sb_status memory_add(void *impl, sb_client *client, sb_error *err)
{
    memory *m = impl;
    sb_status status = SB_OK;
    (void)pthread_mutex_lock(&m->lock);
    if (memory_at(m, sb_str_from(client->id)))
        status = sb_error_set(err, SB_E_USAGE, "the client cannot be registered", "there is one with this id",
                              "choose another id");
    else if (m->count == m->max)
        status = sb_error_set(err, SB_E_BUSY, "the client cannot be registered",
                              "there are as many clients as this server keeps (%zu)", "come back later", m->max);
    else
        m->items[m->count++] = sb_client_ref(client);
    (void)pthread_mutex_unlock(&m->lock);
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
    static const sb_clients_ops ops = {memory_find, memory_add, memory_free};
    memory *m = calloc(1, sizeof(*m));
    if (!m || pthread_mutex_init(&m->lock, NULL) != 0) {
        free(m);
        return sb_error_nomem(err);
    }
    m->max = max;
    m->items = calloc(max, sizeof(sb_client *));
    if (!m->items) {
        memory_free(m);
        return sb_error_nomem(err);
    }
    return sb_clients_new(&ops, m, out, err);
}
