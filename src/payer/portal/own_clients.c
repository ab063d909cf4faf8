/* SPDX-License-Identifier: Apache-2.0 */
/* own_clients.c - from the owner to the clients, never the other way: no id of a request is looked up in the register
 * before it is known to be its sender's. */
#include "payer/portal/own_clients.h"

void sb_own_clients_cleanup(sb_own_clients *own)
{
    for (size_t i = 0; i < own->count; i++)
        sb_client_free(own->items[i]);
    free(own->items);
    *own = (sb_own_clients)SB_OWN_CLIENTS_INIT;
}

/* The very client that was registered: one of that id which was made later is another's. */
static void take(sb_client *client, int64_t created_s, sb_client **out)
{
    *out = client && client->created_s == created_s ? client : NULL;
    if (!*out)
        sb_client_free(client);
}

static int newest_first(const void *a, const void *b)
{
    const sb_client *x = *(sb_client *const *)a, *y = *(sb_client *const *)b;
    return x->created_s != y->created_s ? (x->created_s < y->created_s) - (x->created_s > y->created_s)
                                        : strcmp(x->id, y->id);
}

sb_status sb_own_clients_load(const sb_turn *t, sb_own_clients *out, sb_error *err)
{
    SB_AUTO(sb_portal_owned) owned = SB_PORTAL_OWNED_INIT;
    SB_TRY(sb_portal_owned_of(t->portal->o.store, t->person.who, &owned, err));
    out->items = calloc(owned.count + 1, sizeof(sb_client *));
    if (!out->items)
        return sb_error_nomem(err);
    for (size_t i = 0; i < owned.count; i++) {
        sb_client *client = NULL;
        SB_TRY(sb_clients_find(t->service->o.clients, sb_str_from(owned.items[i].client_id), &client, err));
        take(client, owned.items[i].created_s, &client);
        if (client)
            out->items[out->count++] = client;
    }
    qsort(out->items, out->count, sizeof(sb_client *), newest_first);
    return SB_OK;
}

sb_status sb_own_client_find(const sb_turn *t, const char *id, sb_client **out, sb_error *err)
{
    SB_AUTO(sb_portal_owned) owned = SB_PORTAL_OWNED_INIT;
    *out = NULL;
    SB_TRY(sb_portal_owned_of(t->portal->o.store, t->person.who, &owned, err));
    for (size_t i = 0; i < owned.count && !*out; i++) {
        sb_client *client = NULL;
        if (strcmp(owned.items[i].client_id, id) != 0)
            continue;
        SB_TRY(sb_clients_find_now(t->service->o.clients, id, &client, err));
        take(client, owned.items[i].created_s, out);
    }
    return *out ? SB_OK
                : sb_error_set(err, SB_E_NOT_FOUND, "there is no such client", "none of yours has this id",
                               "look at the list of your clients");
}
