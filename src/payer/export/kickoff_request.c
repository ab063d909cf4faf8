/* SPDX-License-Identifier: Apache-2.0 */
/* kickoff_request.c - one table of names says where each parameter goes. */
#include "payer/export/kickoff_request.h"

#include <stddef.h>

#include "fhir/parameters.h"

typedef enum parameter_kind { LIST, SINGLE, TRUTH, PASSED } parameter_kind;

/* PASSED: what changes nothing of what is given, and may be passed over without a word: _format is about answers that
 * are JSON anyway. */
static const struct {
    const char *name;
    parameter_kind kind;
    size_t offset;
    sb_export_refusal refusal; /* when it is wrong */
} known[] = {
    {"_type", LIST, offsetof(sb_kickoff, types), SB_EXPORT_REFUSAL_TYPE},
    {"_elements", LIST, offsetof(sb_kickoff, elements), SB_EXPORT_REFUSAL_ELEMENTS},
    {"patient", LIST, offsetof(sb_kickoff, patients), SB_EXPORT_REFUSAL_PATIENT},
    {"_typeFilter", LIST, offsetof(sb_kickoff, type_filters), SB_EXPORT_REFUSAL_FILTER},
    {"_since", SINGLE, offsetof(sb_kickoff, since), SB_EXPORT_REFUSAL_SINCE},
    {"_until", SINGLE, offsetof(sb_kickoff, until), SB_EXPORT_REFUSAL_UNTIL},
    {"_outputFormat", SINGLE, offsetof(sb_kickoff, output_format), SB_EXPORT_REFUSAL_OUTPUT_FORMAT},
    {"_format", PASSED, 0, SB_EXPORT_REFUSAL_PARAMETER},
    {"exportType", SINGLE, offsetof(sb_kickoff, export_type), SB_EXPORT_REFUSAL_EXPORT_TYPE},
    {"allowPartialManifests", TRUTH, offsetof(sb_kickoff, partial), SB_EXPORT_REFUSAL_PARTIAL},
};

void sb_kickoff_cleanup(sb_kickoff *k)
{
    free(k->types.items);
    free(k->elements.items);
    free(k->patients.items);
    free(k->type_filters.items);
    free(k->others.items);
    *k = (sb_kickoff)SB_KICKOFF_INIT;
}

/* `name`: a constant, or one that is known here. */
static sb_status bad(sb_kickoff *k, sb_export_refusal refusal, const char *name, const char *why, sb_error *err)
{
    sb_error_set(err, SB_E_INVALID, "the export request cannot be served", "%s %s", "mend the parameter", name, why);
    k->refusal = refusal;
    if (err)
        err->http_status = 400;
    return SB_E_INVALID;
}

static sb_status list_add(sb_kickoff_list *list, sb_str value, bool *full, sb_error *err)
{
    *full = list->count == SB_JOB_LIST_MAX;
    if (*full)
        return SB_OK;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        sb_str *items = realloc(list->items, cap * sizeof(*items));
        if (!items)
            return sb_error_nomem(err);
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = value;
    return SB_OK;
}

static sb_status add_entry(sb_kickoff *k, sb_kickoff_list *list, sb_export_refusal refusal, const char *name,
                           sb_str value, sb_error *err)
{
    bool full;
    SB_TRY(list_add(list, value, &full, err));
    return full ? bad(k, refusal, name, "is there more often than this server takes (10000)", err) : SB_OK;
}

static sb_status set_truth(sb_kickoff *k, size_t i, sb_str value, sb_error *err)
{
    bool *truth = (bool *)((char *)k + known[i].offset);
    *truth = sb_str_eq(value, SB_STR_LIT("true"));
    return *truth || sb_str_eq(value, SB_STR_LIT("false"))
               ? SB_OK
               : bad(k, known[i].refusal, known[i].name, "is neither true nor false", err);
}

static sb_status set_single(sb_kickoff *k, size_t i, sb_str value, sb_error *err)
{
    sb_str *single = (sb_str *)(void *)((char *)k + known[i].offset);
    if (single->ptr)
        return bad(k, known[i].refusal, known[i].name, "is given more than once", err);
    *single = value;
    return value.len > 0 ? SB_OK : bad(k, known[i].refusal, known[i].name, "has no value", err);
}

static bool is_known(const sb_kickoff *k, size_t i, const char *name)
{
    bool davincis = known[i].refusal == SB_EXPORT_REFUSAL_EXPORT_TYPE;
    return strcmp(known[i].name, name) == 0 && (k->davinci || !davincis);
}

static sb_status add(sb_kickoff *k, const char *name, sb_str value, sb_error *err)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(known); i++) {
        if (!is_known(k, i, name))
            continue;
        void *at = (char *)k + known[i].offset;
        switch (known[i].kind) {
        case LIST:
            return add_entry(k, at, known[i].refusal, name, value, err);
        case SINGLE:
            return set_single(k, i, value, err);
        case TRUTH:
            return set_truth(k, i, value, err);
        case PASSED:
            return SB_OK;
        }
    }
    return add_entry(k, &k->others, SB_EXPORT_REFUSAL_PARAMETER, "a parameter that is not known here",
                     sb_str_from(name), err);
}

/* What is said of a parameter is JSON, and so is the manifest: neither can repeat anything else. */
static bool is_utf8(sb_str text)
{
    json_t *string = json_stringn(text.ptr, text.len);
    json_decref(string);
    return string != NULL;
}

sb_status sb_kickoff_from_query(const sb_form *query, sb_kickoff *out, sb_error *err)
{
    for (size_t i = 0; i < query->len; i++) {
        if (sb_str_eq(query->items[i].name, SB_STR_LIT("patient"))) /* URLs end up in logs */
            return bad(out, SB_EXPORT_REFUSAL_PATIENT, "patient", "belongs into the body of a POST, not into a URL",
                       err);
        if (!is_utf8(query->items[i].name) || !is_utf8(query->items[i].value))
            return bad(out, SB_EXPORT_REFUSAL_MALFORMED, "a parameter", "is not UTF-8", err);
        SB_TRY(add(out, query->items[i].name.ptr, query->items[i].value, err));
    }
    return SB_OK;
}

static sb_str text_of(const sb_parameter *parameter)
{
    if (parameter->kind == SB_PARAMETER_BOOLEAN)
        return parameter->boolean ? SB_STR_LIT("true") : SB_STR_LIT("false");
    return sb_str_from(parameter->text ? parameter->text : "");
}

/* Only numbers and resources have no text: none of what is known here is one, but PASSED. */
sb_status sb_kickoff_from_parameters(const json_t *document, sb_kickoff *out, sb_error *err)
{
    size_t at = 0;
    sb_parameter parameter;
    while (sb_parameters_next(sb_parameters_list(document), &at, &parameter)) {
        bool reference = strcmp(parameter.name, "patient") == 0;
        if (reference && parameter.kind != SB_PARAMETER_REFERENCE)
            return bad(out, SB_EXPORT_REFUSAL_PATIENT, "patient", "is not a valueReference", err);
        SB_TRY(add(out, parameter.name, text_of(&parameter), err));
    }
    return SB_OK;
}

static sb_job_list as_list(const sb_kickoff_list *list)
{
    return (sb_job_list){list->items, list->count};
}

void sb_kickoff_fill(const sb_kickoff *k, sb_job_request *request)
{
    request->types = as_list(&k->types);
    request->elements = as_list(&k->elements);
    request->patients = as_list(&k->patients);
    request->type_filters = as_list(&k->type_filters);
    request->others = as_list(&k->others);
    request->since = k->since;
    request->until = k->until;
    request->output_format = k->output_format;
    request->export_type = k->export_type;
    request->partial = k->partial;
}
