/* SPDX-License-Identifier: Apache-2.0 */
/* export_plan.c - from a stranger's parameters to a plan that can only give what it should. Owns no state.
 *
 * Where a parameter narrows what is given, a wrong one is always refused, for passing it over would give more than was
 * asked for. Lenient handling passes over what merely cannot be had. */
#include "payer/export/export_plan_internal.h"

#include <stdio.h>

#include "base/json.h"
#include "fhir/operation_outcome.h"
#include "payer/data/fhir_types.h"
#include "payer/data/instant.h"
#include "payer/data/line.h"

/* What is needed while the plan is made. */
typedef struct planner {
    sb_plan *plan;
    const sb_data *data;
    const sb_job_request *request;
    sb_export_refusal refusal; /* of what was refused last */
} planner;

void sb_plan_free(sb_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; plan->filters && i < plan->type_count; i++)
        sb_type_filter_cleanup(&plan->filters[i]);
    free(plan->filters);
    free(plan->types);
    free(plan->elements);
    sb_idset_free(plan->patients);
    sb_buf_cleanup(&plan->warnings);
    free(plan);
}

#define DELTA "hl7.fhir.us.davinci-pdex#provider-delta"

/* Refusing */

#define SHOWN_MAX 80 /* of a stranger's text in an answer: enough to recognise it */

static void say(sb_error *err, sb_status code, const char *parameter, sb_str value, const char *why, const char *fix)
{
    bool text = sb_str_is_text(value);
    if (value.len == 0)
        sb_error_set(err, code, "the export request cannot be served", "%s %s", fix, parameter, why);
    else
        sb_error_set(err, code, "the export request cannot be served", "%s '%.*s' %s", fix, parameter,
                     text ? (int)SB_MIN(value.len, SHOWN_MAX) : 1, text ? value.ptr : "?", why);
}

static sb_status bad(planner *p, sb_export_refusal refusal, sb_str value, const char *why, const char *fix,
                     sb_error *err)
{
    say(err, SB_E_INVALID, sb_export_refusal_parameter(refusal), value, why, fix);
    p->refusal = refusal;
    if (err)
        err->http_status = 400;
    return SB_E_INVALID;
}

/* `parameter` asks for what the token does not cover.                                                       EXP-06 */
static sb_status uncovered(planner *p, const char *parameter, sb_str value, const char *why, const char *fix,
                           sb_error *err)
{
    say(err, SB_E_AUTH, parameter, value, why, fix);
    p->refusal = SB_EXPORT_REFUSAL_SCOPE;
    if (err)
        err->http_status = 403;
    return SB_E_AUTH;
}

#define WARNINGS_MAX 100 /* a person reads no more; a body of 16 MB of mistakes is not to be kept for an hour */

/* One line of the file of warnings. */
static sb_status warn(sb_plan *plan, const char *text, sb_error *err)
{
    SB_AUTOJSON outcome = sb_outcome_new(SB_OUTCOME_WARNING, "not-supported", text);
    SB_AUTOFREE line = outcome ? sb_json_dump(outcome) : NULL;
    if (!line || !sb_buf_add_cstr(&plan->warnings, line) || !sb_buf_add_char(&plan->warnings, '\n'))
        return sb_error_nomem(err);
    plan->warning_count++;
    return SB_OK;
}

/* 400, or a warning where the request is lenient. */
static sb_status pass_over(planner *p, sb_export_refusal refusal, sb_str value, const char *why, const char *fix,
                           sb_error *err)
{
    if (!p->request->lenient)
        return bad(p, refusal, value, why, fix, err);
    if (p->plan->warning_count == WARNINGS_MAX)
        return SB_OK; /* the last one said that there are more */
    if (p->plan->warning_count == WARNINGS_MAX - 1)
        return warn(p->plan, "passed over: more than is listed here", err);
    sb_error reason = SB_ERROR_INIT;
    say(&reason, SB_E_INVALID, sb_export_refusal_parameter(refusal), value, why, fix);
    SB_AUTOFREE text = sb_printf("passed over: %s", reason.why);
    return text ? warn(p->plan, text, err) : sb_error_nomem(err);
}

/* Lists */

/* Calls `each` for every entry; entries may hold several with commas between, as a GET may write them. */
static sb_status for_each(planner *p, sb_export_refusal refusal, const sb_job_list *list,
                          sb_status (*each)(planner *p, sb_str item, sb_error *err), sb_error *err)
{
    size_t seen = 0;
    for (size_t i = 0; i < list->count; i++) {
        sb_str rest = list->items[i], item;
        while (sb_str_split(&rest, ',', &item)) {
            item = sb_str_trim(item);
            if (item.len == 0)
                continue;
            if (++seen > SB_JOB_LIST_MAX)
                return bad(p, refusal, SB_STR_NULL, "has more entries than this server takes (10000)",
                           "ask in several exports, or for a group", err);
            SB_TRY(each(p, item, err));
        }
    }
    return SB_OK;
}

/* Types */

/* Does the token let anything of this type through?                                                          EXP-06 */
static sb_status find_covered(const planner *p, sb_str name, bool *covered, sb_error *err)
{
    sb_type_filter filter = {.limited = false};
    SB_AUTOFREE type = sb_str_dup(name);
    if (!type)
        return sb_error_nomem(err);
    sb_status status = sb_type_filter_init(&filter, p->request->scopes, type, covered, err);
    sb_type_filter_cleanup(&filter);
    return status;
}

static sb_status must_cover(planner *p, sb_export_refusal asked, sb_str type, sb_error *err)
{
    bool covered;
    SB_TRY(find_covered(p, type, &covered, err));
    if (covered)
        return SB_OK;
    return uncovered(p, sb_export_refusal_parameter(asked), type, "is not covered by the token's scope",
                     "ask for a token with system/{type}.read (or .rs), or leave the type out", err);
}

static void add_type(sb_plan *plan, const sb_data_type *type)
{
    for (size_t i = 0; i < plan->type_count; i++) {
        if (plan->types[i] == type)
            return;
    }
    plan->types[plan->type_count++] = type; /* there is room for all types of the source */
}

static sb_status ask_type(planner *p, sb_str name, sb_error *err)
{
    const sb_data_type *type = sb_data_find(p->data, name);
    if (!type && !sb_fhir_type_known(name))
        return pass_over(p, SB_EXPORT_REFUSAL_TYPE, name, "is no resource type",
                         "write FHIR R4 names: Patient,Coverage", err);
    SB_TRY(must_cover(p, SB_EXPORT_REFUSAL_TYPE, name, err));
    if (!sb_data_type_in_compartment(name) && !sb_fhir_type_shared(name)) {
        if (p->request->level != SB_JOB_SYSTEM)
            return pass_over(p, SB_EXPORT_REFUSAL_TYPE, name, "belongs to no patient, so only a system export has it",
                             "leave it out, or export the whole system", err);
        if (sb_plan_is_limited(p->plan))
            return pass_over(p, SB_EXPORT_REFUSAL_TYPE, name,
                             "may be about anybody, and goes to who may have all members alone", "leave it out", err);
    }
    if (type)
        add_type(p->plan, type);
    return SB_OK; /* a type that nobody has any of is no mistake: there are no files of it */
}

static int compare_types(const void *a, const void *b)
{
    const sb_data_type *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static sb_status plan_types(planner *p, sb_error *err)
{
    size_t count;
    const sb_data_type *types = sb_data_types(p->data, &count);
    p->plan->type_count = 0;
    p->plan->types = calloc(count + 1, sizeof(const sb_data_type *));
    if (!p->plan->types)
        return sb_error_nomem(err);
    if (p->request->types.count > 0) {
        SB_TRY(for_each(p, SB_EXPORT_REFUSAL_TYPE, &p->request->types, ask_type, err));
        qsort(p->plan->types, p->plan->type_count, sizeof(const sb_data_type *), compare_types);
        return SB_OK;
    }
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        bool covered;
        SB_TRY(find_covered(p, sb_str_from(types[i].name), &covered, err));
        if (!covered)
            continue;
        any = true;
        bool shared = sb_fhir_type_shared(sb_str_from(types[i].name));
        if (types[i].in_compartment || (p->request->level == SB_JOB_SYSTEM && (shared || !sb_plan_is_limited(p->plan))))
            add_type(p->plan, &types[i]);
    }
    if (!any)
        return uncovered(p, "the token", SB_STR_NULL, "covers no resource type that this server has",
                         "ask for a token with a scope such as system/Patient.read", err);
    return SB_OK;
}

/* Filters */

#define FILTERS_MAX 100 /* searches in one request: each may be held against every line */

static sb_status report_search(void *context, const sb_search_problem *problem, sb_error *err)
{
    planner *p = context;
    if (problem->unsupported)
        return pass_over(p, SB_EXPORT_REFUSAL_FILTER, problem->what, problem->why, problem->fix, err);
    return bad(p, SB_EXPORT_REFUSAL_FILTER, problem->what, problem->why, problem->fix, err);
}

/* "ExplanationOfBenefit?service-date=ge2025-01-01" */
static sb_status ask_filter(planner *p, sb_str text, sb_error *err)
{
    sb_str query = text, type = SB_STR_NULL;
    (void)sb_str_split(&query, '?', &type);
    if (!query.ptr || !sb_scope_is_type(type))
        return bad(p, SB_EXPORT_REFUSAL_FILTER, SB_STR_NULL, "is no search of one resource type",
                   "write Type?parameter=value, percent-encoded in a URL", err);
    if (!sb_fhir_type_known(type) && !sb_data_find(p->data, type))
        return pass_over(p, SB_EXPORT_REFUSAL_FILTER, type, "is no resource type", "write FHIR R4 names", err);
    SB_TRY(must_cover(p, SB_EXPORT_REFUSAL_FILTER, type, err));
    sb_type_filter *filter = sb_plan_filter(p->plan, type);
    if (!filter && sb_data_find(p->data, type))
        return pass_over(p, SB_EXPORT_REFUSAL_FILTER, type, "is of a type that this export leaves out",
                         "add the type to _type, or leave the filter out", err);
    SB_AUTOPTR(sb_search) search = NULL;
    SB_TRY(sb_search_parse(type, query, report_search, p, &search, err));
    if (filter && !sb_type_filter_add(filter, search))
        return sb_error_nomem(err);
    if (filter)
        search = NULL; /* the filter's now */
    return SB_OK;
}

static sb_status plan_filters(planner *p, sb_error *err)
{
    sb_plan *plan = p->plan;
    plan->filters = calloc(plan->type_count + 1, sizeof(*plan->filters));
    if (!plan->filters)
        return sb_error_nomem(err);
    for (size_t i = 0; i < plan->type_count; i++) {
        bool covered;
        SB_TRY(sb_type_filter_init(&plan->filters[i], p->request->scopes, plan->types[i]->name, &covered, err));
    }
    if (p->request->type_filters.count > FILTERS_MAX)
        return bad(p, SB_EXPORT_REFUSAL_FILTER, SB_STR_NULL, "is there more often than this server takes (100)",
                   "ask in several exports", err);
    for (size_t i = 0; i < p->request->type_filters.count; i++)
        SB_TRY(ask_filter(p, p->request->type_filters.items[i], err));
    return SB_OK;
}

/* Patients */

static sb_status ask_patient(planner *p, sb_str reference, sb_error *err)
{
    sb_str id = sb_line_patient_id(reference);
    if (id.len == 0) /* the value is not repeated: it may be somebody's name or number */
        return bad(p, SB_EXPORT_REFUSAL_PATIENT, SB_STR_NULL, "has an entry that is no reference to a patient",
                   "write references: Patient/123", err);
    if (p->plan->members && !sb_members_have(p->plan->members, id))
        return pass_over(p, SB_EXPORT_REFUSAL_PATIENT, SB_STR_NULL,
                         "has an entry for a patient that is not in what is exported",
                         "leave out those who are not in the group", err);
    return sb_idset_add(p->plan->patients, id) ? SB_OK : sb_error_nomem(err);
}

static sb_status plan_patients(planner *p, sb_error *err)
{
    const sb_job_request *request = p->request;
    if (request->patients.count == 0)
        return SB_OK;
    if (request->level == SB_JOB_SYSTEM)
        return bad(p, SB_EXPORT_REFUSAL_PATIENT, SB_STR_NULL, "has no meaning in a system export",
                   "use Patient/$export", err);
    p->plan->patients = sb_idset_new();
    if (!p->plan->patients)
        return sb_error_nomem(err);
    SB_TRY(for_each(p, SB_EXPORT_REFUSAL_PATIENT, &request->patients, ask_patient, err));
    sb_idset_seal(p->plan->patients);
    return SB_OK;
}

/* Times, elements, the rest */

static sb_status plan_instant(planner *p, sb_export_refusal refusal, sb_str text, int64_t *out, sb_error *err)
{
    if (text.len == 0 || sb_instant_parse_us(text, out, NULL) == SB_OK)
        return SB_OK;
    return bad(p, refusal, text, "is not an instant",
               "write date, time and zone: 2026-01-31T00:00:00Z (in a URL, a '+' is written %2B)", err);
}

static sb_status plan_times(planner *p, sb_error *err)
{
    p->plan->since_us = SB_UPDATED_NONE;
    p->plan->until_us = INT64_MAX;
    SB_TRY(plan_instant(p, SB_EXPORT_REFUSAL_SINCE, p->request->since, &p->plan->since_us, err));
    SB_TRY(plan_instant(p, SB_EXPORT_REFUSAL_UNTIL, p->request->until, &p->plan->until_us, err));
    if (p->plan->since_us > p->plan->until_us)
        return bad(p, SB_EXPORT_REFUSAL_UNTIL, p->request->until, "is before _since", "let _until be the later one",
                   err);
    return SB_OK;
}

static sb_status ask_element(planner *p, sb_str text, sb_error *err)
{
    sb_element *element = &p->plan->elements[p->plan->element_count];
    if (!sb_element_parse(text, element))
        return bad(p, SB_EXPORT_REFUSAL_ELEMENTS, text, "is no element's name",
                   "write names of a resource's own elements: "
                   "status,Patient.birthDate",
                   err);
    p->plan->element_count++;
    return SB_OK;
}

static sb_status count_item(planner *p, sb_str item, sb_error *err)
{
    (void)item, (void)err;
    p->plan->element_count++;
    return SB_OK;
}

static sb_status plan_elements(planner *p, sb_error *err)
{
    SB_TRY(for_each(p, SB_EXPORT_REFUSAL_ELEMENTS, &p->request->elements, count_item, err));
    p->plan->elements = calloc(p->plan->element_count + 1, sizeof(*p->plan->elements));
    if (!p->plan->elements)
        return sb_error_nomem(err);
    p->plan->element_count = 0;
    return for_each(p, SB_EXPORT_REFUSAL_ELEMENTS, &p->request->elements, ask_element, err);
}

static sb_status plan_format(planner *p, sb_error *err)
{
    static const sb_str names[] = {SB_STR_LIT("application/fhir+ndjson"), SB_STR_LIT("application/ndjson"),
                                   SB_STR_LIT("ndjson")}; /* STAT-08 */
    sb_str format = p->request->output_format;
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        if (format.len == 0 || sb_str_eq(format, names[i]))
            return SB_OK;
    }
    return bad(p, SB_EXPORT_REFUSAL_OUTPUT_FORMAT, format, "is not offered", "ask for application/fhir+ndjson", err);
}

/* What each is for is the asker's affair; what is given is the same.                                        PDEX-03 */
static sb_status plan_export_type(planner *p, sb_error *err)
{
    static const sb_str names[] = {SB_STR_LIT("hl7.fhir.us.davinci-pdex#provider-download"),
                                   SB_STR_LIT("hl7.fhir.us.davinci-pdex#provider-snapshot"), SB_STR_LIT(DELTA),
                                   SB_STR_LIT("hl7.fhir.us.davinci-pdex#payertopayer"),
                                   SB_STR_LIT("hl7.fhir.us.davinci-atr")};
    sb_str type = p->request->export_type;
    if (sb_str_eq(type, SB_STR_LIT(DELTA)) && p->request->since.len == 0)
        return bad(p, SB_EXPORT_REFUSAL_EXPORT_TYPE, type, "needs _since",
                   "say since when, or ask for provider-download", err);
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        if (type.len == 0 || sb_str_eq(type, names[i]))
            return SB_OK;
    }
    return bad(
        p, SB_EXPORT_REFUSAL_EXPORT_TYPE, type, "is not offered",
        "ask for hl7.fhir.us.davinci-pdex#provider-download, #provider-snapshot, #provider-delta or #payertopayer",
        err);
}

/* Parameters that are none of ours. */
static sb_status plan_others(planner *p, sb_error *err)
{
    for (size_t i = 0; i < p->request->others.count; i++) {
        sb_str name = p->request->others.items[i];
        bool organize = sb_str_eq(name, SB_STR_LIT("organizeOutputBy"));
        SB_TRY(pass_over(p, SB_EXPORT_REFUSAL_PARAMETER, name,
                         organize ? "is not supported: every file is of one resource type" : "is not supported",
                         "leave it out", err));
    }
    return SB_OK;
}

static sb_status make(planner *p, sb_error *err)
{
    SB_TRY(plan_format(p, err));
    SB_TRY(plan_export_type(p, err));
    SB_TRY(plan_times(p, err));
    SB_TRY(plan_patients(p, err));
    SB_TRY(plan_types(p, err));
    SB_TRY(plan_filters(p, err));
    SB_TRY(plan_elements(p, err));
    return plan_others(p, err);
}

sb_status sb_plan_new(const sb_data *data, const sb_members *members, const sb_job_request *request, sb_plan **out,
                      sb_export_refusal *refusal, sb_error *err)
{
    SB_AUTOPTR(sb_plan) plan = calloc(1, sizeof(*plan));
    *refusal = SB_EXPORT_REFUSAL_INTERNAL;
    if (!plan)
        return sb_error_nomem(err);
    plan->members = members;
    planner p = {plan, data, request, SB_EXPORT_REFUSAL_INTERNAL};
    sb_status status = make(&p, err);
    *refusal = p.refusal;
    if (status != SB_OK)
        return status;
    *out = plan;
    plan = NULL;
    return SB_OK;
}
