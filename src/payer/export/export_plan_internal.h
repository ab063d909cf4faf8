/* SPDX-License-Identifier: Apache-2.0 */
/* export_plan_internal.h - what a plan is made of: export_plan.c makes it, export_choice.c chooses by it. */
#ifndef SB_PAYER_EXPORT_PLAN_INTERNAL_H
#define SB_PAYER_EXPORT_PLAN_INTERNAL_H

#include "payer/data/element_cut.h"
#include "payer/data/idset.h"
#include "payer/export/export_plan.h"
#include "payer/export/type_filter.h"

struct sb_plan {
    const sb_data_type **types;
    size_t type_count;
    sb_type_filter *filters; /* of types[i] */
    sb_element *elements;
    size_t element_count;
    const sb_members *members; /* NULL: everybody */
    sb_idset *patients;        /* NULL: all of them */
    int64_t since_us;          /* SB_UPDATED_NONE, the least of all, when not given */
    int64_t until_us;
    sb_buf warnings;
    size_t warning_count;
};

/* Is it for some members, so that what is not theirs and may be about others is not given? */
bool sb_plan_is_limited(const sb_plan *plan);
/* What a type is searched for; NULL: the plan has none of that type. The plan's. */
sb_type_filter *sb_plan_filter(const sb_plan *plan, sb_str type);

#endif
