/* SPDX-License-Identifier: Apache-2.0 */
/* export_choice.c - what a plan lets through: of the source's parts, lines and deletions. Any thread; changes nothing. */
#include "payer/export/export_plan_internal.h"

#include "payer/data/fhir_types.h"
#include "payer/data/line.h"

bool sb_plan_is_limited(const sb_plan *plan)
{
    return plan->members && sb_members_are_limited(plan->members);
}

sb_type_filter *sb_plan_filter(const sb_plan *plan, sb_str type)
{
    for (size_t i = 0; i < plan->type_count; i++) {
        if (sb_str_eq(sb_str_from(plan->types[i]->name), type))
            return &plan->filters[i];
    }
    return NULL;
}

size_t sb_plan_type_count(const sb_plan *plan)
{
    return plan->type_count;
}

const sb_data_type *sb_plan_type(const sb_plan *plan, size_t index)
{
    return plan->types[index];
}

bool sb_plan_cuts(const sb_plan *plan, const sb_data_type *type)
{
    return sb_element_any(plan->elements, plan->element_count, sb_str_from(type->name));
}

bool sb_plan_cut(const sb_plan *plan, const sb_data_type *type, sb_str json, sb_buf *out)
{
    return sb_element_cut(plan->elements, plan->element_count, sb_str_from(type->name), json, out);
}

/* A line without lastUpdated cannot be proved old: it is always given. So is nothing ever lost by `_since`. */
static bool in_time(const sb_plan *plan, int64_t updated_us)
{
    return updated_us == SB_UPDATED_NONE || (updated_us > plan->since_us && updated_us <= plan->until_us);
}

static const sb_type_filter *type_filter(const sb_plan *plan, const sb_data_type *type)
{
    for (size_t i = 0; i < plan->type_count; i++) {
        if (plan->types[i] == type)
            return &plan->filters[i];
    }
    return NULL;
}

static bool is_meant(const sb_plan *plan, sb_str patient)
{
    return (!plan->members || sb_members_have(plan->members, patient)) &&
           (!plan->patients || sb_idset_has(plan->patients, patient));
}

typedef struct search_of_one {
    const sb_plan *plan;
    bool found;
} search_of_one;

static bool look_for_one(void *impl, sb_str id)
{
    search_of_one *s = impl;
    s->found = is_meant(s->plan, id);
    return !s->found;
}

/* One of those whom it is about is enough for it to be theirs; … */
static bool is_about_meant(const sb_plan *plan, const sb_data_type *type, const sb_data_line *line)
{
    sb_str name = sb_str_from(type->name);
    if (is_meant(plan, line->patient))
        return true;
    search_of_one s = {plan, false};
    if (sb_line_has_many_patients(name))
        sb_line_patients(line->json, name, look_for_one, &s);
    return s.found;
}

/* … and one who opted out is enough for nobody to have it. PDEX-07 */
static bool is_for_asker(const sb_plan *plan, const sb_data_type *type, const sb_data_line *line)
{
    if (type->in_compartment) {
        if (!is_about_meant(plan, type, line))
            return false;
    } else if (sb_fhir_type_shared(sb_str_from(type->name))) {
        return true;
    } else if (sb_plan_is_limited(plan)) {
        return false;
    }
    return !plan->members || !plan->members->opted_out || !sb_line_mentions(line->json, plan->members->opted_out);
}

bool sb_plan_wants(const sb_plan *plan, const sb_data_type *type, const sb_data_line *line)
{
    if (!in_time(plan, line->updated_us) || !is_for_asker(plan, type, line))
        return false;
    const sb_type_filter *filter = type_filter(plan, type);
    return filter && sb_type_filter_lets(filter, line); /* last: it costs most */
}

/* Without _since everything that is there is given: what is not is not there. */
bool sb_plan_wants_deletions(const sb_plan *plan, int64_t *after_us, int64_t *until_us)
{
    *after_us = plan->since_us;
    *until_us = plan->until_us;
    return plan->since_us != SB_UPDATED_NONE;
}

/* As of the resource itself, of whom its compartment's members alone are remembered: one of those whom it was about is enough,
 * and one who opted out is enough for nobody. */
static bool was_about_meant(const sb_plan *plan, const sb_data_deletion *deletion)
{
    const sb_idset *out = plan->members ? plan->members->opted_out : NULL;
    bool meant = is_meant(plan, deletion->patient), no = out && sb_idset_has(out, deletion->patient);
    sb_str rest = deletion->others, id;
    while (!no && rest.len > 0 && sb_str_split(&rest, '/', &id)) {
        meant = meant || is_meant(plan, id);
        no = out && sb_idset_has(out, id);
    }
    return meant && !no;
}

bool sb_plan_wants_deletion(const sb_plan *plan, const sb_data_deletion *deletion)
{
    const sb_type_filter *filter = sb_plan_filter(plan, deletion->type);
    if (!filter || filter->limited)
        return false;
    if (!sb_data_type_in_compartment(deletion->type))
        return sb_fhir_type_shared(deletion->type) || !sb_plan_is_limited(plan);
    return was_about_meant(plan, deletion);
}

sb_part_use sb_plan_part_use(const sb_plan *plan, const sb_data_type *type, size_t index)
{
    const sb_data_part *part = &type->parts[index];
    bool none_in_time = part->all_dated && (part->newest_us <= plan->since_us || part->oldest_us > plan->until_us);
    if (none_in_time)
        return SB_PART_SKIP;
    bool all_in_time =
        part->newest_us == SB_UPDATED_NONE || (part->oldest_us > plan->since_us && part->newest_us <= plan->until_us);
    bool by_patient =
        (type->in_compartment && plan->patients) ||
        (!sb_fhir_type_shared(sb_str_from(type->name)) && plan->members && sb_members_leave_out(plan->members));
    const sb_type_filter *filter = type_filter(plan, type);
    bool whole = all_in_time && !by_patient && part->is_file && !sb_plan_cuts(plan, type) && filter &&
                 sb_type_filter_is_open(filter);
    return whole ? SB_PART_WHOLE : SB_PART_SCAN;
}

sb_str sb_plan_warnings(const sb_plan *plan, size_t *count)
{
    *count = plan->warning_count;
    return sb_buf_str(&plan->warnings);
}
