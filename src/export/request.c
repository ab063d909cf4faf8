/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - checks an export request and makes its canonical form. Owns no state. EXP-01, EXP-03 */
#include "export/request.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "base/json.h"
#include "base/url.h"
#include "fhir/id.h"
#include "fhir/instant.h"
#include "smart/scopes.h"

#define TEXT_MAX    (8 * 1024)          /* one search or code; more does not fit a request line anywhere */
#define SHOWN_MAX   100                 /* of a wrong value in an error */
#define SINCE_LIMIT INT64_C(4102444800) /* 2100-01-01: a later `since` is a slip of the finger */

static sb_status wrong(const char *parameter, const char *value, const char *why, const char *fix, sb_error *err)
{
    bool shown = sb_str_is_text(sb_str_from(value));
    sb_error_set(err, SB_E_USAGE, NULL, "\"%.*s\" %s", NULL, SHOWN_MAX, shown ? value : "(control characters)", why);
    sb_error_what(err, "%s cannot be used as it is", parameter);
    sb_error_fix(err, "%s", fix);
    return SB_E_USAGE;
}

static bool is_words(sb_str text)
{
    if (text.len == 0 || text.len > TEXT_MAX || !sb_str_is_text(text))
        return false;
    SB_AUTOJSON utf8 = json_stringn(text.ptr, text.len); /* NULL when it is not UTF-8 */
    return utf8 != NULL;
}

static sb_status put(json_t *out, const char *member, json_t *value, sb_error *err)
{
    return value && json_object_set_new(out, member, value) == 0 ? SB_OK : sb_error_nomem(err);
}

/* A list under way. The set finds repetitions without comparing each with each. */
typedef struct list {
    const char *parameter;
    json_t *items, *set;
} list;

static inline void list_cleanup(list *l)
{
    json_decref(l->items);
    json_decref(l->set);
}

static sb_status list_add(list *l, sb_str text, sb_error *err)
{
    SB_AUTOFREE item = sb_str_dup(text);
    if (!item)
        return sb_error_nomem(err);
    if (json_object_get(l->set, item))
        return SB_OK;
    if (json_array_size(l->items) == SB_REQUEST_LIST_MAX)
        return sb_error_set(err, SB_E_USAGE, "one export cannot ask for so much", "%s has more than %d entries",
                            "split it into several exports", l->parameter, SB_REQUEST_LIST_MAX);
    if (json_object_set_new(l->set, item, json_true()) != 0 || json_array_append_new(l->items, json_string(item)) != 0)
        return sb_error_nomem(err);
    return SB_OK;
}

/* Each entry of `given`, through `check`, which adds what it makes of it. */
static sb_status take_list(json_t *out, const char *member, const char *parameter, const char *const *given,
                           sb_status (*check)(list *l, const char *text, sb_error *err), sb_error *err)
{
    if (!given || !given[0])
        return SB_OK;
    SB_AUTO(list) l = {parameter, json_array(), json_object()};
    if (!l.items || !l.set)
        return sb_error_nomem(err);
    for (size_t i = 0; given[i]; i++)
        SB_TRY(check(&l, given[i], err));
    return put(out, member, json_incref(l.items), err);
}

static sb_status check_types(list *l, const char *text, sb_error *err)
{
    sb_str rest = sb_str_from(text), one;
    while (sb_str_split(&rest, ',', &one)) {
        one = sb_str_trim(one);
        if (!sb_scope_is_type(one) || one.len > SB_EXPORT_TYPE_NAME_MAX)
            return wrong("_type", text, "is not the name of a resource type",
                         "write it as FHIR does: Patient, Coverage, ExplanationOfBenefit", err);
        SB_TRY(list_add(l, one, err));
    }
    return SB_OK;
}

static sb_status check_type_filter(list *l, const char *text, sb_error *err)
{
    const char *mark = strchr(text, '?');
    if (!mark || !mark[1] || !sb_scope_is_type((sb_str){text, (size_t)(mark - text)}) || !is_words(sb_str_from(text)))
        return wrong("_typeFilter", text, "is not a search for one resource type",
                     "write it as \"ExplanationOfBenefit?service-date=ge2021-01-01\", one search each", err);
    return list_add(l, sb_str_from(text), err);
}

static sb_status check_patient(list *l, const char *text, sb_error *err)
{
    sb_str ref = sb_str_from(text);
    static const sb_str prefix = {"Patient/", 8};
    sb_str id = sb_str_starts_with(ref, prefix) ? (sb_str){ref.ptr + prefix.len, ref.len - prefix.len} : ref;
    if (sb_fhir_is_id(id)) {
        SB_AUTOFREE whole = sb_printf("Patient/%.*s", (int)id.len, id.ptr);
        return whole ? list_add(l, sb_str_from(whole), err) : sb_error_nomem(err);
    }
    SB_AUTO(sb_url) url = SB_URL_INIT;
    if (sb_url_parse(text, &url, NULL) == SB_OK && strstr(url.path, "/Patient/"))
        return list_add(l, ref, err);
    return sb_error_set(err, SB_E_USAGE, "patient cannot be used as it is",
                        "entry %zu is not a reference to a patient", /* the value itself is a person's */
                        "write each as Patient/ID, or as the bare id", json_array_size(l->items) + 1);
}

static sb_status check_elements(list *l, const char *text, sb_error *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.[]";
    sb_str rest = sb_str_from(text), one;
    while (sb_str_split(&rest, ',', &one)) {
        one = sb_str_trim(one);
        bool ok = one.len > 0 && one.len <= TEXT_MAX;
        for (size_t i = 0; i < one.len && ok; i++)
            ok = memchr(allowed, one.ptr[i], sizeof(allowed) - 1) != NULL;
        if (!ok)
            return wrong("_elements", text, "is not an element's name", "write it as Patient.birthDate, or id", err);
        SB_TRY(list_add(l, one, err));
    }
    return SB_OK;
}

static sb_status check_associated(list *l, const char *text, sb_error *err)
{
    if ((strcmp(text, "LatestProvenanceResources") == 0 || strcmp(text, "RelevantProvenanceResources") == 0 ||
         text[0] == '_') &&
        is_words(sb_str_from(text)))
        return list_add(l, sb_str_from(text), err);
    return wrong("includeAssociatedData", text, "is no code for associated data",
                 "use LatestProvenanceResources, RelevantProvenanceResources, or the payer's own that begins with _",
                 err);
}

static sb_status take_lists(const sb_export_request *r, json_t *out, sb_error *err)
{
    SB_TRY(take_list(out, "types", "_type", r->types, check_types, err));
    SB_TRY(take_list(out, "typeFilters", "_typeFilter", r->type_filters, check_type_filter, err));
    SB_TRY(take_list(out, "patients", "patient", r->patients, check_patient, err));
    SB_TRY(take_list(out, "elements", "_elements", r->elements, check_elements, err));
    return take_list(out, "includeAssociatedData", "includeAssociatedData", r->include_associated_data,
                     check_associated, err);
}

/* A search for a type that is not asked for would be refused, or silently lost. */
static sb_status check_filters_fit(const json_t *out, sb_error *err)
{
    const json_t *types = json_object_get(out, "types"), *filters = json_object_get(out, "typeFilters");
    for (size_t i = 0; i < json_array_size(filters) && types; i++) {
        const char *filter = json_string_value(json_array_get(filters, i));
        sb_str type = {filter, (size_t)(strchr(filter, '?') - filter)};
        bool found = false;
        for (size_t k = 0; k < json_array_size(types) && !found; k++)
            found = sb_str_eq(type, sb_str_from(json_string_value(json_array_get(types, k))));
        if (!found)
            return wrong("_typeFilter", filter, "searches a type that is not exported", "add its type to _type", err);
    }
    return SB_OK;
}

static sb_status take_level(const sb_export_request *r, json_t *out, sb_error *err)
{
    static const char *const levels[] = {
        [SB_EXPORT_SYSTEM] = "system", [SB_EXPORT_PATIENT] = "patient", [SB_EXPORT_GROUP] = "group"};
    static const char *const methods[] = {
        [SB_EXPORT_METHOD_AUTO] = "auto", [SB_EXPORT_METHOD_GET] = "get", [SB_EXPORT_METHOD_POST] = "post"};
    if ((unsigned)r->level >= SB_ARRAY_LEN(levels) || (unsigned)r->method >= SB_ARRAY_LEN(methods))
        return sb_error_set(err, SB_E_USAGE, "the export's level or method is not known", "level %d, method %d",
                            "use the constants of smartbulk/export.h", (int)r->level, (int)r->method);
    SB_TRY(put(out, "level", json_string(levels[r->level]), err));
    if (r->level == SB_EXPORT_GROUP) {
        if (!r->group_id || !sb_fhir_is_id(sb_str_from(r->group_id)))
            return wrong("the group's id", r->group_id ? r->group_id : "", "is not an id",
                         "give the bare id of the payer's Group, without \"Group/\"", err);
        SB_TRY(put(out, "groupId", json_string(r->group_id), err));
    }
    return put(out, "method", json_string(methods[r->method]), err);
}

/* Parameters that exclude each other. */
static sb_status check_method(const sb_export_request *r, sb_error *err)
{
    if (!r->patients || !r->patients[0])
        return SB_OK;
    if (r->level == SB_EXPORT_SYSTEM)
        return sb_error_set(err, SB_E_USAGE, "a system export cannot be narrowed to patients",
                            "`patient` is for the patient and group levels", /* EXP-03 */
                            "export all patients or a group instead (--patients, --group ID)");
    if (r->method == SB_EXPORT_METHOD_GET)
        return sb_error_set(err, SB_E_USAGE, "patients cannot be sent by GET",
                            "`patient` goes into the body of a POST, so that no URL names a person",
                            "leave the method out, or ask for POST");
    return SB_OK;
}

static sb_status take_format(const sb_export_request *r, json_t *out, sb_error *err)
{
    static const char *const known[] = {"application/fhir+ndjson", "application/ndjson", "ndjson"}; /* EXP-03 */
    if (!r->output_format)
        return SB_OK;
    for (size_t i = 0; i < SB_ARRAY_LEN(known); i++)
        if (strcmp(r->output_format, known[i]) == 0)
            return put(out, "outputFormat", json_string(known[i]), err);
    return wrong("_outputFormat", r->output_format, "cannot be read here",
                 "leave it out, or ask for application/fhir+ndjson", err);
}

static sb_status take_organize(const sb_export_request *r, json_t *out, sb_error *err)
{
    if (!r->organize_output_by)
        return SB_OK;
    if (!sb_scope_is_type(sb_str_from(r->organize_output_by)))
        return wrong("organizeOutputBy", r->organize_output_by, "is not the name of a resource type",
                     "write it as FHIR does: Patient", err);
    return put(out, "organizeOutputBy", json_string(r->organize_output_by), err);
}

static sb_status take_time(const char *text, const char *parameter, bool until, char out[SB_INSTANT_SIZE],
                           sb_error *err)
{
    sb_instant first, after;
    sb_error inner = SB_ERROR_INIT;
    if (sb_instant_parse_period(sb_str_from(text), &first, &after, &inner) != SB_OK)
        return wrong(parameter, text, "is no date or time", inner.fix, err);
    if (!until && first.s > SINCE_LIMIT)
        return wrong(parameter, text, "is far in the future", "look at the year", err);
    (void)sb_instant_format(until ? after : first, out);
    return SB_OK;
}

static sb_status check_order(const json_t *out, sb_error *err)
{
    const char *since = sb_json_str(out, "since"), *until = sb_json_str(out, "until");
    if (!since || !until || sb_request_wants_last(out) || strcmp(since, until) < 0) /* one format: text order is time */
        return SB_OK;
    return sb_error_set(err, SB_E_USAGE, "there is no time between since and until", "since is %s, and until is %s",
                        "exchange them, or look at the years", since, until);
}

static sb_status take_times(const sb_export_request *r, json_t *out, sb_error *err)
{
    char instant[SB_INSTANT_SIZE];
    bool last = r->since && strcmp(r->since, SB_REQUEST_SINCE_LAST) == 0;
    if (r->since && !last)
        SB_TRY(take_time(r->since, "_since", false, instant, err));
    if (r->since)
        SB_TRY(put(out, "since", json_string(last ? SB_REQUEST_SINCE_LAST : instant), err));
    if (r->until) {
        SB_TRY(take_time(r->until, "_until", true, instant, err));
        SB_TRY(put(out, "until", json_string(instant), err));
    }
    return check_order(out, err);
}

sb_status sb_request_new(const sb_export_request *request, json_t **out, sb_error *err)
{
    SB_AUTOJSON json = json_object();
    *out = NULL;
    if (!json)
        return sb_error_nomem(err);
    SB_TRY(take_level(request, json, err));
    SB_TRY(check_method(request, err));
    SB_TRY(take_lists(request, json, err));
    SB_TRY(check_filters_fit(json, err));
    SB_TRY(take_format(request, json, err));
    SB_TRY(take_organize(request, json, err));
    SB_TRY(take_times(request, json, err));
    if (request->allow_partial_manifests)
        SB_TRY(put(json, "allowPartialManifests", json_true(), err));
    if (request->lenient)
        SB_TRY(put(json, "lenient", json_true(), err));
    *out = json_incref(json);
    return SB_OK;
}

sb_status sb_request_read(const char *text, json_t **out, sb_error *err)
{
    SB_TRY(sb_json_parse_object(sb_str_from(text), "the journal's request", out, err));
    if (sb_json_str(*out, "level") && sb_json_str(*out, "method"))
        return SB_OK;
    json_decref(*out);
    *out = NULL;
    return sb_error_set(err, SB_E_INVALID, "the journal's request could not be understood",
                        "it has no level or no method", "begin a new export in another folder");
}

bool sb_request_wants_last(const json_t *request)
{
    const char *since = sb_json_str(request, "since");
    return since && strcmp(since, SB_REQUEST_SINCE_LAST) == 0;
}

sb_status sb_request_set_since(json_t *request, const char *instant, sb_error *err)
{
    char text[SB_INSTANT_SIZE];
    SB_TRY(take_time(instant, "_since", false, text, err));
    SB_TRY(put(request, "since", json_string(text), err));
    return check_order(request, err);
}

const char **sb_request_list(const json_t *request, const char *member, size_t *n)
{
    const json_t *items = json_object_get(request, member);
    *n = json_array_size(items);
    const char **out = calloc(*n + 1, sizeof(*out));
    for (size_t i = 0; out && i < *n; i++) {
        const char *text = json_string_value(json_array_get(items, i));
        out[i] = text ? text : "";
    }
    return out;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A list in one order, whatever order it was given in. */
static sb_status add_sorted(const json_t *request, const char *member, json_t *to, sb_error *err)
{
    size_t n;
    const char **texts = sb_request_list(request, member, &n);
    json_t *sorted = json_array();
    sb_status status = texts && sorted ? SB_OK : sb_error_nomem(err);
    if (status == SB_OK)
        qsort(texts, n, sizeof(*texts), by_text);
    for (size_t i = 0; i < n && status == SB_OK; i++)
        if (json_array_append_new(sorted, json_string(texts[i])) != 0)
            status = sb_error_nomem(err);
    free(texts);
    if (status != SB_OK || n == 0)
        json_decref(sorted);
    else
        status = put(to, member, sorted, err);
    return status;
}

sb_status sb_request_fingerprint(const json_t *request, const char *fhir_url, const char *client_id,
                                 char out[SB_FINGERPRINT_SIZE], sb_error *err)
{
    static const char *const texts[] = {"level", "groupId", "organizeOutputBy"};
    static const char *const lists[] = {"types", "typeFilters", "patients", "elements", "includeAssociatedData"};
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SB_AUTOJSON json = json_pack("{s:s, s:s*}", "fhirUrl", fhir_url, "clientId", client_id);
    if (!json)
        return sb_error_nomem(err);
    for (size_t i = 0; i < SB_ARRAY_LEN(texts); i++) {
        const char *text = sb_json_str(request, texts[i]);
        if (text)
            SB_TRY(put(json, texts[i], json_string(text), err));
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(lists); i++)
        SB_TRY(add_sorted(request, lists[i], json, err));
    SB_AUTOFREE text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return sb_error_nomem(err);
    (void)SHA256((const unsigned char *)text, strlen(text), digest);
    sb_hex(digest, sizeof(digest), out);
    return SB_OK;
}
