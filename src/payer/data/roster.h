/* SPDX-License-Identifier: Apache-2.0 */
/* roster.h - groups of members: which patients `Group/{id}/$export` covers.                        PDEX-01, EXP-06
 *
 * Immutable once made, so any thread may ask. Who may use which group is not decided here. */
#ifndef SB_PAYER_ROSTER_H
#define SB_PAYER_ROSTER_H

#include <jansson.h>

#include "payer/data/data.h"
#include "payer/data/idset.h"

typedef struct sb_roster sb_roster;
typedef struct sb_rosters sb_rosters;

/* The sandbox's groups, from the patients of `data`: "all", and "first-half" and "second-half" by their stored order.
 * Holds the ids of all patients in memory. */
sb_status sb_rosters_sandbox(const sb_data *data, sb_rosters **out, sb_error *err);
void sb_rosters_free(sb_rosters *rosters); /* NULL is fine */
SB_DEFINE_FREEP(sb_rosters)

size_t sb_rosters_count(const sb_rosters *rosters);
const sb_roster *sb_rosters_at(const sb_rosters *rosters, size_t index);
const sb_roster *sb_rosters_find(const sb_rosters *rosters, sb_str group_id); /* NULL: no such group */
/* Is there such a patient at all? */
bool sb_rosters_know(const sb_rosters *rosters, sb_str patient_id);

const char *sb_roster_id(const sb_roster *roster);
const char *sb_roster_name(const sb_roster *roster);
size_t sb_roster_size(const sb_roster *roster);
bool sb_roster_is_everyone(const sb_roster *roster); /* all patients of the source: nothing needs to be filtered */
bool sb_roster_has(const sb_roster *roster, sb_str patient_id);
const sb_idset *sb_roster_ids(const sb_roster *roster); /* of its members; borrowed */

/* A FHIR Group resource; its `member` list holds at most the first `members_max` (0: none; `quantity` tells all). */
sb_status sb_roster_to_fhir(const sb_roster *roster, size_t members_max, json_t **out, sb_error *err);
/* Is it what a search asks for? `identifier` is a token ("value", "|value", "system|value"), `name` the whole name;
 * empty: any. */
bool sb_roster_fits(const sb_roster *roster, sb_str identifier, sb_str name);

#endif
