/* SPDX-License-Identifier: Apache-2.0 */
/* search_filter.c - reading a search, and holding a resource against it.
 *
 * Reading keeps the decoded text in one piece of memory that never moves, and slices of it. Holding looks only into the
 * members that a parameter is about; a value is decoded where it was written with escapes, and not at all elsewhere. */
#include "payer/data/search_filter.h"

#include "payer/data/instant.h"
#include "payer/data/line.h"
#include "payer/data/search_params.h"
#include "payer/data/slice.h"

#define FIRST_US    INT64_MIN /* before and after all time: where a period has no start or end */
#define LAST_US     INT64_MAX
#define CODE_MAX    512 /* of a system or code that was written with escapes: systems are URLs */
#define DATE_MAX    64
#define PERCENT_LEN 3 /* "%2C" */

typedef enum prefix { EQ, NE, GT, LT, GE, LE } prefix;

typedef struct range {
    int64_t low, high; /* microseconds since 1970: from low to just before high */
} range;

/* One of the values that a parameter may have. */
typedef struct wanted {
    prefix prefix;
    range when;
    sb_str system; /* ptr NULL: any */
    sb_str code;   /* or id; ptr NULL: any */
} wanted;

typedef struct criterion {
    const sb_search_param *param;
    bool negated; /* :not */
    size_t first, count;
} criterion;

struct sb_search {
    char *text; /* decoded values: slices point into it */
    size_t text_len;
    criterion criteria[SB_SEARCH_PARAMS_MAX];
    size_t criterion_count;
    wanted values[SB_SEARCH_VALUES_MAX];
    size_t value_count;
};

void sb_search_free(sb_search *search)
{
    if (!search)
        return;
    free(search->text);
    free(search);
}

/* Reading */

typedef struct reader {
    sb_search *search;
    sb_str type;
    sb_search_report *report;
    void *context;
} reader;

static sb_status problem(const reader *r, bool unsupported, sb_str what, const char *why, const char *fix,
                         sb_error *err)
{
    sb_search_problem it = {what, why, fix, unsupported};
    if (!r->report)
        return sb_error_set(err, SB_E_INVALID, "a search cannot be understood", "a parameter or value %s", fix, why);
    sb_status status = r->report(r->context, &it, err);
    return status == SB_OK && !unsupported ? SB_E_INVALID : status;
}

static sb_status wrong(const reader *r, sb_str what, const char *why, const char *fix, sb_error *err)
{
    return problem(r, false, what, why, fix, err);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Undo percent-encoding into the search's text. */
static bool decode(sb_search *search, sb_str raw, sb_str *out)
{
    char *to = search->text + search->text_len;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '%') {
            int high = i + 2 < raw.len ? hex(raw.ptr[i + 1]) : -1, low = i + 2 < raw.len ? hex(raw.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += PERCENT_LEN - 1;
        }
        to[len++] = c;
    }
    search->text_len += len;
    *out = (sb_str){to, len};
    return sb_str_is_text(*out);
}

/* Cut the text before the next `sep` that no backslash precedes off the front. */
static bool take(sb_str *rest, char sep, sb_str *token)
{
    if (!rest->ptr)
        return false;
    size_t i = 0;
    while (i < rest->len && rest->ptr[i] != sep)
        i += rest->ptr[i] == '\\' ? 2 : 1;
    if (i >= rest->len) {
        *token = *rest;
        *rest = SB_STR_NULL;
        return true;
    }
    *token = (sb_str){rest->ptr, i};
    *rest = (sb_str){rest->ptr + i + 1, rest->len - i - 1};
    return true;
}

/* Take FHIR's backslashes away, in place: the text is ours. */
static sb_str unescape(const sb_search *search, sb_str text)
{
    char *to = search->text + (text.ptr - search->text);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len)
            i++;
        to[len++] = text.ptr[i];
    }
    return (sb_str){to, len};
}

static int64_t to_us(sb_instant instant)
{
    return instant.s * SB_US_PER_S + instant.ns / 1000;
}

static bool read_range(sb_str text, range *out)
{
    sb_instant first, after;
    if (sb_instant_parse_period(text, &first, &after, NULL) != SB_OK)
        return false;
    *out = (range){to_us(first), SB_MAX(to_us(after), to_us(first) + 1)}; /* finer than we tell apart: one of ours */
    return true;
}

static sb_status read_date(const reader *r, const sb_search_param *param, sb_str text, wanted *out, sb_error *err)
{
    static const struct {
        sb_str text;
        prefix prefix;
    } prefixes[] = {{SB_STR_LIT("eq"), EQ}, {SB_STR_LIT("ne"), NE}, {SB_STR_LIT("gt"), GT},
                    {SB_STR_LIT("lt"), LT}, {SB_STR_LIT("ge"), GE}, {SB_STR_LIT("le"), LE}};
    sb_str date = text;
    out->prefix = EQ;
    for (size_t i = 0; i < SB_ARRAY_LEN(prefixes); i++) {
        if (!sb_str_starts_with(text, prefixes[i].text))
            continue;
        out->prefix = prefixes[i].prefix;
        date = (sb_str){text.ptr + 2, text.len - 2};
        break;
    }
    if (read_range(date, &out->when))
        return SB_OK;
    return wrong(r, sb_str_from(param->name), "is no date with one of the prefixes eq, ne, gt, lt, ge and le",
                 "write ge2025-01-31, or an instant with its zone: ge2025-01-31T00:00:00Z", err);
}

static sb_status read_token(const reader *r, const sb_search_param *param, sb_str text, wanted *out, sb_error *err)
{
    sb_str rest = text, system, code;
    (void)take(&rest, '|', &system);
    bool has_system = take(&rest, '|', &code);
    if (!has_system)
        code = system;
    if (text.len == 0 || rest.ptr || (has_system && system.len == 0 && code.len == 0))
        return wrong(r, sb_str_from(param->name), "is no code, and no system|code",
                     "write code, system|code, |code or system|", err);
    if (has_system && param->kind == SB_SEARCH_CODE)
        return wrong(r, sb_str_from(param->name), "has a system, and this element holds a code alone",
                     "leave the system and its | out", err);
    if (has_system)
        out->system = unescape(r->search, system);
    if (!has_system || code.len > 0)
        out->code = unescape(r->search, code);
    return SB_OK;
}

static sb_status read_reference(const reader *r, const sb_search_param *param, sb_str text, wanted *out, sb_error *err)
{
    text = unescape(r->search, text);
    out->code = text;
    if (param->kind == SB_SEARCH_PATIENT && memchr(text.ptr, '/', text.len))
        out->code = sb_line_patient_id(text);
    if (out->code.len > 0 && out->code.len <= SB_DATA_ID_MAX)
        return SB_OK;
    return wrong(r, sb_str_from(param->name), "is no id and no reference to a patient", "write the id, or Patient/123",
                 err);
}

static sb_status read_value(const reader *r, const sb_search_param *param, sb_str text, sb_error *err)
{
    sb_search *search = r->search;
    if (search->value_count == SB_SEARCH_VALUES_MAX)
        return wrong(r, SB_STR_NULL, "has more values than this server takes (256)", "ask in several exports", err);
    wanted *value = &search->values[search->value_count];
    *value = (wanted){.prefix = EQ};
    switch (param->kind) {
    case SB_SEARCH_DATE:
    case SB_SEARCH_UPDATED:
        SB_TRY(read_date(r, param, text, value, err));
        break;
    case SB_SEARCH_TOKEN:
    case SB_SEARCH_CODE:
        SB_TRY(read_token(r, param, text, value, err));
        break;
    case SB_SEARCH_ID:
    case SB_SEARCH_PATIENT:
        SB_TRY(read_reference(r, param, text, value, err));
        break;
    }
    search->value_count++;
    return SB_OK;
}

/* "status:not": status, and whether it is turned round. Empty when the modifier is none of ours. */
static sb_str read_name(sb_str name, bool *negated)
{
    sb_str rest = name, plain = SB_STR_NULL;
    *negated = false;
    (void)sb_str_split(&rest, ':', &plain);
    if (plain.len == name.len)
        return plain;
    *negated = sb_str_eq(rest, SB_STR_LIT("not"));
    return *negated ? plain : SB_STR_NULL;
}

static sb_status read_criterion(const reader *r, sb_str text, sb_error *err)
{
    sb_search *search = r->search;
    sb_str rest = text, name = SB_STR_NULL, value;
    (void)sb_str_split(&rest, '=', &name);
    bool has_value = name.len < text.len;
    if (!has_value || rest.len == 0)
        return wrong(r, SB_STR_NULL, "has a parameter without a value", "write name=value", err);
    if (!decode(search, name, &name) || !decode(search, rest, &value))
        return wrong(r, SB_STR_NULL, "is not percent-encoded text", "write % as %25", err);
    criterion it = {.first = search->value_count};
    sb_str plain = read_name(name, &it.negated);
    it.param = sb_search_param_find(r->type, plain);
    bool is_token = it.param && (it.param->kind == SB_SEARCH_TOKEN || it.param->kind == SB_SEARCH_CODE);
    if (!it.param || (it.negated && !is_token))
        return problem(r, true, name, "is no search parameter of this type that is understood here",
                       "docs/payer.md lists them; leave it out", err);
    if (search->criterion_count == SB_SEARCH_PARAMS_MAX)
        return wrong(r, SB_STR_NULL, "has more parameters than this server takes (32)", "ask for less at once", err);
    sb_str item;
    while (take(&value, ',', &item))
        SB_TRY(read_value(r, it.param, item, err));
    it.count = search->value_count - it.first;
    search->criteria[search->criterion_count++] = it;
    return SB_OK;
}

sb_status sb_search_parse(sb_str type, sb_str query, sb_search_report *report, void *context, sb_search **out,
                          sb_error *err)
{
    SB_AUTOPTR(sb_search) search = calloc(1, sizeof(*search));
    if (!search || !(search->text = malloc(query.len + 1)))
        return sb_error_nomem(err);
    reader r = {search, type, report, context};
    if (query.len > SB_SEARCH_TEXT_MAX)
        return wrong(&r, SB_STR_NULL, "is longer than this server takes (16 KB)", "ask in several exports", err);
    sb_str item;
    while (sb_str_split(&query, '&', &item)) {
        if (item.len > 0)
            SB_TRY(read_criterion(&r, item, err));
    }
    *out = search;
    search = NULL;
    return SB_OK;
}

/* Holding */

static bool holds_range(const wanted *value, range its)
{
    const range *it = &value->when;
    bool within = it->low <= its.low && its.high <= it->high;
    switch (value->prefix) {
    case EQ:
        return within;
    case NE:
        return !within;
    case GT:
        return its.high > it->high;
    case LT:
        return its.low < it->low;
    case GE:
        return its.high > it->low;
    case LE:
        return its.low < it->high;
    }
    return false;
}

static bool find_date(sb_str period, sb_str name, range *out)
{
    char space[DATE_MAX];
    sb_str value, text;
    return sb_slice_find(period, name, &value) && sb_slice_text(value, space, sizeof(space), &text) &&
           read_range(text, out);
}

/* A date or a Period; false when it is neither, or has no end at all. */
static bool range_of(sb_str value, range *out)
{
    char space[DATE_MAX];
    sb_str text;
    if (sb_slice_text(value, space, sizeof(space), &text))
        return read_range(text, out);
    range start, end;
    bool has_start = find_date(value, SB_STR_LIT("start"), &start), has_end = find_date(value, SB_STR_LIT("end"), &end);
    *out = (range){has_start ? start.low : FIRST_US, has_end ? end.high : LAST_US};
    return has_start || has_end;
}

static bool text_is(sb_str value, sb_str wanted_text)
{
    char space[CODE_MAX];
    sb_str text;
    if (sb_slice_text(value, space, sizeof(space), &text))
        return sb_str_eq(text, wanted_text);
    return (value.ptr[0] == 't' || value.ptr[0] == 'f') && sb_str_eq(value, wanted_text); /* a boolean */
}

/* A Coding, or an Identifier, whose code is named `value`. */
static bool holds_coding(const wanted *it, sb_str object)
{
    sb_str system = SB_STR_NULL, code = SB_STR_NULL;
    if (!sb_slice_find(object, SB_STR_LIT("code"), &code) && !sb_slice_find(object, SB_STR_LIT("value"), &code))
        code = SB_STR_NULL;
    if (it->code.ptr && (!code.ptr || !text_is(code, it->code)))
        return false;
    if (!it->system.ptr)
        return true;
    bool has_system = sb_slice_find(object, SB_STR_LIT("system"), &system);
    return it->system.len == 0 ? !has_system : has_system && text_is(system, it->system);
}

static bool holds_token(const wanted *it, sb_str value)
{
    sb_str codings, coding;
    if (!sb_slice_find(value, SB_STR_LIT("coding"), &codings))
        return holds_coding(it, value);
    if (!sb_slice_enter(codings, '[', &codings))
        return false;
    while (sb_slice_element(&codings, &coding)) {
        if (holds_coding(it, coding))
            return true;
    }
    return false;
}

/* Does this value of an element, or of an array of them, hold for any of the criterion's? */
static bool holds_value(const sb_search *search, const criterion *c, sb_str value)
{
    sb_str rest, element;
    if (sb_slice_enter(value, '[', &rest)) {
        while (sb_slice_element(&rest, &element)) {
            if (holds_value(search, c, element))
                return true;
        }
        return false;
    }
    range when = {0, 0};
    if (c->param->kind == SB_SEARCH_DATE && !range_of(value, &when))
        return false;
    for (size_t i = c->first; i < c->first + c->count; i++) {
        const wanted *it = &search->values[i];
        bool holds = c->param->kind == SB_SEARCH_DATE    ? holds_range(it, when)
                     : c->param->kind == SB_SEARCH_TOKEN ? holds_token(it, value)
                                                         : text_is(value, it->code);
        if (holds)
            return true;
    }
    return false;
}

/* Follow "item.servicedDate" down, through arrays. */
static bool holds_path(const sb_search *search, const criterion *c, sb_str value, sb_str path)
{
    sb_str rest, element, name;
    if (path.len == 0)
        return holds_value(search, c, value);
    if (sb_slice_enter(value, '[', &rest)) {
        while (sb_slice_element(&rest, &element)) {
            if (holds_path(search, c, element, path))
                return true;
        }
        return false;
    }
    (void)sb_str_split(&path, '.', &name);
    return sb_slice_find(value, name, &element) && holds_path(search, c, element, path);
}

static bool holds_paths(const sb_search *search, const criterion *c, sb_str json)
{
    sb_str paths = sb_str_from(c->param->paths), path;
    while (sb_str_split(&paths, '|', &path)) {
        if (holds_path(search, c, json, path))
            return true;
    }
    return false;
}

/* What is no member of the resource's text but known of the line. */
static bool holds_line(const sb_search *search, const criterion *c, const sb_data_line *line)
{
    range updated = {line->updated_us, line->updated_us + 1};
    for (size_t i = c->first; i < c->first + c->count; i++) {
        const wanted *it = &search->values[i];
        bool holds = c->param->kind == SB_SEARCH_ID ? sb_str_eq(it->code, line->id)
                     : c->param->kind == SB_SEARCH_PATIENT
                         ? sb_str_eq(it->code, line->patient)
                         : line->updated_us != SB_UPDATED_NONE && holds_range(it, updated);
        if (holds)
            return true;
    }
    return false;
}

bool sb_search_matches(const sb_search *search, const sb_data_line *line)
{
    for (size_t i = 0; i < search->criterion_count; i++) {
        const criterion *c = &search->criteria[i];
        bool holds = c->param->paths ? holds_paths(search, c, line->json) : holds_line(search, c, line);
        if (holds == c->negated)
            return false;
    }
    return true;
}
