/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - sign-in links, made beside a serve that runs on the same database. */
#include <smartbulk/link.h>

#include "payer/auth/client_db.h"
#include "payer/portal/portal.h"
#include "payer/settings_database.h"

#define MINUTES_DEFAULT 60

typedef struct desk {
    sb_settings *settings;
    sb_pool *pool;
    sb_portal_store *store;
} desk;

static void desk_cleanup(desk *d)
{
    sb_portal_store_free(d->store);
    sb_pool_free(d->pool);
    sb_settings_free(d->settings);
}

static sb_status desk_open(desk *d, const char *config, sb_error *err)
{
    SB_TRY(sb_settings_load(config, NULL, NULL, &d->settings, err));
    if (!d->settings->portal)
        return sb_error_set(err, SB_E_USAGE, "there is no portal to sign in at", "%s: portal.enabled is not true",
                            "set it, and start serve again", config);
    SB_TRY(sb_settings_pool(d->settings, 1, &d->pool, err));
    return sb_portal_store_new(d->pool, sb_clock_system(), &d->store, err);
}

static sb_status give_clients(const desk *d, const sb_link_options *o, const char *who, sb_error *err)
{
    SB_AUTOPTR(sb_clients) clients = NULL;
    SB_TRY(sb_clients_db(d->pool, sb_clock_system(), &clients, err));
    for (size_t i = 0; i < o->client_count; i++) {
        SB_AUTOPTR(sb_client) client = NULL;
        SB_TRY(sb_clients_find(clients, sb_str_from(o->clients[i]), &client, err));
        if (!client)
            return sb_error_set(err, SB_E_NOT_FOUND, "no link was made", "there is no client '%s'",
                                "see who there is: smartbulk clients list", o->clients[i]);
        SB_TRY(sb_portal_own(d->store, who, client, err));
    }
    return SB_OK;
}

sb_status sb_link_new(const sb_link_options *o, char **out, sb_error *err)
{
    SB_AUTO(desk) d = {.settings = NULL};
    sb_portal_person person;
    char secret[SB_PORTAL_SECRET_SIZE];
    SB_TRY(sb_portal_person_set(&person, o->administrator ? SB_PORTAL_ADMINISTRATOR : SB_PORTAL_PARTNER,
                                sb_str_from(o->who), err));
    SB_TRY(desk_open(&d, o->config, err));
    SB_TRY(give_clients(&d, o, person.who, err));
    SB_TRY(
        sb_portal_link_new(d.store, &person, (int64_t)(o->minutes ? o->minutes : MINUTES_DEFAULT) * 60, secret, err));
    SB_AUTOFREE base = sb_str_dup(sb_str_from(d.settings->base_url));
    for (size_t len = base ? strlen(base) : 0; len > 0 && base[len - 1] == '/'; len--)
        base[len - 1] = '\0';
    *out = base ? sb_portal_link_url(base, secret) : NULL;
    return *out ? SB_OK : sb_error_nomem(err);
}

sb_status sb_link_revoke(const char *config, const char *who, size_t *ended, sb_error *err)
{
    SB_AUTO(desk) d = {.settings = NULL};
    sb_portal_person person;
    SB_TRY(sb_portal_person_set(&person, SB_PORTAL_PARTNER, sb_str_from(who), err));
    SB_TRY(desk_open(&d, config, err));
    return sb_portal_revoke(d.store, person.who, ended, err);
}
