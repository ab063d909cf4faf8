/* SPDX-License-Identifier: Apache-2.0 */
/* clients_show.c - see clients_show.h. Texts come fit for a terminal. */
#include "clients_show.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "human.h"

void clients_show_row(const sb_client_info *c)
{
    (void)printf("%-36s %-9s %2zu %s %s\n", c->id, c->state, c->group_count,
                 c->group_count == 1 ? "roster " : "rosters", c->name);
    if (strcmp(c->state, "pending") != 0)
        return;
    for (size_t i = 0; i < c->key_count; i++)
        (void)printf("  thumbprint %s\n", c->keys[i].thumbprint);
    if (c->jwks_url)
        (void)printf("  keys at %s\n", c->jwks_url);
    if (c->changed_itself)
        (void)printf("  was approved, and changed itself since: %s\n", c->changed_itself);
}

static void show_line(const char *name, const char *value)
{
    if (value && value[0])
        (void)printf("%-12s %s\n", name, value);
}

void clients_show_all(const sb_client_info *c)
{
    show_line("id", c->id);
    show_line("state", c->state);
    show_line("name", c->name);
    show_line("contact", c->contact);
    show_line("scope", c->scope);
    show_line("profile", c->profile);
    if (c->changed_itself)
        (void)printf("%-12s %s: look at it anew, it was approved before\n", "it changed", c->changed_itself);
    if (c->jwks_url)
        (void)printf("%-12s %s\n%-12s whoever answers there: the keys are not looked at here\n", "keys at", c->jwks_url,
                     "is believed");
    for (size_t i = 0; i < c->key_count; i++)
        (void)printf("%-12s %s (%s, %s)\n%-12s %s\n", "key", c->keys[i].kid, c->keys[i].alg, c->keys[i].kind,
                     "thumbprint", c->keys[i].thumbprint);
    for (size_t i = 0; i < c->group_count; i++)
        show_line("roster", c->groups[i]);
    if (c->group_count == 0)
        show_line("rosters", "none: it can export nothing of a group");
    if (c->tokens_per_minute > 0)
        (void)printf("%-12s %u a minute\n", "tokens", c->tokens_per_minute);
    if (c->show_reasons)
        show_line("refusals", "it is told why");
    if (c->manages_itself)
        show_line("registration", "who registered it can change it, by a token");
    show_line("registered", human_instant(c->created_s).text);
    show_line("changed", human_instant(c->changed_s).text);
}

static json_t *keys_json(const sb_client_info *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->key_count; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s, s:s}", "kid", c->keys[i].kid, "alg", c->keys[i].alg,
                                              "kind", c->keys[i].kind, "thumbprint", c->keys[i].thumbprint));
    return list;
}

static json_t *groups_json(const sb_client_info *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->group_count; i++)
        (void)json_array_append_new(list, json_string(c->groups[i]));
    return list;
}

void clients_show_json(const sb_client_info *c)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:o, s:o, s:b, s:i, s:s, s:s, s:b, s:s?}", "id", c->id, "state", c->state,
        "name", c->name, "contact", c->contact, "scope", c->scope, "profile", c->profile, "jwksUrl", c->jwks_url,
        "keys", keys_json(c), "groups", groups_json(c), "showReasons", (int)c->show_reasons, "tokensPerMinute",
        (int)c->tokens_per_minute, "created", human_instant(c->created_s).text, "changed",
        human_instant(c->changed_s).text, "managesItself", (int)c->manages_itself, "changedItself", c->changed_itself);
    if (object)
        (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(object);
}
