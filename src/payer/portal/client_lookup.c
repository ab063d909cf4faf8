/* SPDX-License-Identifier: Apache-2.0 */
/* client_lookup.c - clients as the database has them now: what a register holds in memory may be some seconds old, and
 * who approves or waits for it must not see what was. */
#include "payer/portal/portal_internal.h"

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

sb_status sb_client_fresh(sb_service *service, const char *id, sb_client **out, sb_error *err)
{
    wanted w = {.id = id};
    SB_TRY(sb_clients_each(service->o.clients, is_it, &w, err));
    *out = w.found;
    return SB_OK;
}
