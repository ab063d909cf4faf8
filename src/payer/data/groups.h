/* SPDX-License-Identifier: Apache-2.0 */
/* groups.h - the groups of members that each client may use: listed, shown, and read when an export of one runs.
 *                                                                                                PDEX-01, PDEX-07
 * A group that is another's is to a client not there. Where groups are kept is behind a table of functions: made of the
 * data for a trial, in a database when a payer runs. Knows nothing of jobs or HTTP. Any thread. */
#ifndef SB_PAYER_GROUPS_H
#define SB_PAYER_GROUPS_H

#include <jansson.h>

#include "payer/data/idset.h"
#include "payer/data/roster.h"

/* Who an export is about, as it was when this was read. */
typedef struct sb_members {
    const sb_idset *ids;       /* logical ids of patients; NULL: everybody there is */
    bool everyone;             /* ids are all patients of the source: nobody has to be left out for them */
    const sb_idset *opted_out; /* who said no, whoever asks; NULL: nobody */
    sb_idset *own_ids;         /* what is freed with it; NULL: borrowed from the groups */
    sb_idset *own_opted_out;
} sb_members;

#define SB_MEMBERS_INIT                                                                                                \
    {                                                                                                                  \
        NULL, false, NULL, NULL, NULL                                                                                  \
    }
void sb_members_cleanup(sb_members *members);
bool sb_members_have(const sb_members *members, sb_str patient_id); /* and they did not opt out */
bool sb_members_are_limited(const sb_members *members);             /* to some of the source's patients */
bool sb_members_leave_out(const sb_members *members);               /* may there be patients who are not meant? */
int64_t sb_members_count(const sb_members *members);                /* who opted out included; < 0: not known */

/* Which groups; all conditions hold. */
typedef struct sb_group_search {
    sb_str identifier;     /* a token: "value", "|value", "system|value"; empty: any */
    sb_str name;           /* the whole name; empty: any */
    sb_str characteristic; /* a token, held against the codes of characteristic; empty: any */
    sb_str after;          /* those whose id follows this one; empty: from the first */
    size_t max;
} sb_group_search;

typedef struct sb_groups_ops {
    /* A Group resource with at most `members_max` members (`quantity` tells all). SB_E_NOT_FOUND: there is none that
     * this client may use. */
    sb_status (*get)(void *impl, const char *client, sb_str id, size_t members_max, json_t **out, sb_error *err);
    /* Append the client's groups, by their ids, without members, to the array `resources`. */
    sb_status (*search)(void *impl, const char *client, const sb_group_search *search, json_t *resources,
                        sb_error *err);
    /* Who is in the group now; with an empty id, everybody whom this client may have: the members of all its groups.
     * SB_E_NOT_FOUND as above; sb_groups_none(). */
    sb_status (*members)(void *impl, const char *client, sb_str id, sb_members *out, sb_error *err);
    /* May this client have anybody at all? sb_groups_none(): no group is its. Cheap. */
    sb_status (*any)(void *impl, const char *client, sb_error *err);
    void (*free)(void *impl);
} sb_groups_ops;

typedef struct sb_groups sb_groups;

/* Takes `impl` over, also on failure. For those who implement them. */
sb_status sb_groups_new(const sb_groups_ops *ops, void *impl, sb_groups **out, sb_error *err);
void sb_groups_free(sb_groups *groups); /* NULL is fine */
SB_DEFINE_FREEP(sb_groups)

sb_status sb_groups_get(const sb_groups *groups, const char *client, sb_str id, size_t members_max, json_t **out,
                        sb_error *err);
sb_status sb_groups_search(const sb_groups *groups, const char *client, const sb_group_search *search,
                           json_t *resources, sb_error *err);
sb_status sb_groups_members(const sb_groups *groups, const char *client, sb_str id, sb_members *out, sb_error *err);
sb_status sb_groups_any(const sb_groups *groups, const char *client, sb_error *err);
/* The one answer for a group that is unknown or another's: SB_E_NOT_FOUND, http_status 404. For implementors. */
sb_status sb_groups_not_found(sb_error *err);
/* The answer to a client that was given no group: SB_E_NOT_FOUND, http_status 403. For implementors. */
sb_status sb_groups_none(sb_error *err);

/* The sandbox's: every client may use all of them. Borrows `rosters`. */
sb_status sb_groups_sandbox(const sb_rosters *rosters, sb_groups **out, sb_error *err);

#endif
