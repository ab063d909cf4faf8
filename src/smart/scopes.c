/* SPDX-License-Identifier: Apache-2.0 */
/* scopes.c - SMART v1 and v2 scopes. Owns no state; what it returns is the caller's. */
#include "smart/scopes.h"

static const char letters[] = "cruds"; /* bit i of the rights is letter i */

#define ALL_RIGHTS 31u
#define V1_READ    (unsigned)SB_SCOPE_EXPORT
#define V1_WRITE   (unsigned)(SB_SCOPE_CREATE | SB_SCOPE_UPDATE | SB_SCOPE_DELETE)
#define TYPE_MAX   64 /* the longest FHIR type has 36 letters */

static void scope_cleanup(sb_scope *scope)
{
    free(scope->text);
    free(scope->type);
    free(scope->query);
    *scope = (sb_scope){.kind = SB_SCOPE_OTHER};
}

void sb_scopes_cleanup(sb_scopes *scopes)
{
    for (size_t i = 0; i < scopes->len; i++)
        scope_cleanup(&scopes->items[i]);
    free(scopes->items);
    *scopes = (sb_scopes)SB_SCOPES_INIT;
}

bool sb_scope_is_type(sb_str name)
{
    if (name.len == 0 || name.len > TYPE_MAX || name.ptr[0] < 'A' || name.ptr[0] > 'Z')
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!((name.ptr[i] >= 'a' && name.ptr[i] <= 'z') || (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')))
            return false;
    return true;
}

/* RFC 6749 §3.3: %x21 / %x23-5B / %x5D-7E */
static bool is_scope_token(sb_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= 0x20 || s.ptr[i] == 0x7F || s.ptr[i] == '"' || s.ptr[i] == '\\')
            return false; /* bytes over 0x7F are negative */
    return s.len > 0;
}

/* "rs" into bits; NULL or why not. */
static const char *read_v2_rights(sb_str s, unsigned *rights)
{
    const char *last = NULL;
    *rights = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char *at = memchr(letters, s.ptr[i], sizeof(letters) - 1);
        if (!at)
            return "the permission is none of read, write, * or letters of cruds";
        if (last && at <= last)
            return "the permission letters come once each, in the order c r u d s";
        *rights |= 1u << (unsigned)(at - letters);
        last = at;
    }
    return s.len > 0 ? NULL : "there is no permission after the dot";
}

/* What follows "system/": "Patient.rs?category=x". Fills all but text; NULL or why not. */
static const char *read_system(sb_str rest, sb_str *type, sb_str *query, sb_scope *scope)
{
    const char *mark = memchr(rest.ptr, '?', rest.len);
    sb_str head = {rest.ptr, mark ? (size_t)(mark - rest.ptr) : rest.len};
    *query = mark ? (sb_str){mark + 1, rest.len - head.len - 1} : SB_STR_NULL;
    const char *dot = head.len ? memchr(head.ptr, '.', head.len) : NULL;
    if (!dot)
        return "there is no permission: write .rs (or .read) after the type";
    *type = (sb_str){head.ptr, (size_t)(dot - head.ptr)};
    sb_str permission = {dot + 1, head.len - type->len - 1};
    if (!sb_str_eq(*type, SB_STR_LIT("*")) && !sb_scope_is_type(*type))
        return "the type is neither * nor the name of a resource type, such as Patient";
    if (mark && query->len == 0)
        return "there is no search limit after the question mark";
    scope->v1 = true;
    if (sb_str_eq(permission, SB_STR_LIT("read")))
        scope->rights = V1_READ;
    else if (sb_str_eq(permission, SB_STR_LIT("write")))
        scope->rights = V1_WRITE;
    else if (sb_str_eq(permission, SB_STR_LIT("*")))
        scope->rights = ALL_RIGHTS;
    else
        scope->v1 = false;
    if (scope->v1)
        return mark ? "search limits go with letters (.rs?…), not with .read, .write or .*" : NULL;
    return read_v2_rights(permission, &scope->rights);
}

/* system/bulk-submit (SUB-01) and their like are not resource scopes: a lower-case word and no dot. */
static bool is_operation(sb_str rest)
{
    return rest.len > 0 && rest.ptr[0] >= 'a' && rest.ptr[0] <= 'z' && !memchr(rest.ptr, '.', rest.len);
}

static bool read_scope(sb_str token, sb_scope *out)
{
    sb_scope scope = {.kind = SB_SCOPE_OTHER};
    sb_str type = SB_STR_NULL, query = SB_STR_NULL;
    bool is_system = token.ptr && sb_str_starts_with(token, SB_STR_LIT("system/"));
    sb_str rest = is_system ? (sb_str){token.ptr + 7, token.len - 7} : SB_STR_NULL;
    if (sb_str_starts_with(token, SB_STR_LIT("patient/")) || sb_str_starts_with(token, SB_STR_LIT("user/"))) {
        scope.kind = SB_SCOPE_PERSON;
    } else if (is_system && !is_operation(rest)) {
        scope.problem = read_system(rest, &type, &query, &scope);
        scope.kind = scope.problem ? SB_SCOPE_MALFORMED : SB_SCOPE_SYSTEM;
    }
    scope.text = sb_str_dup(token);
    bool ok = scope.text != NULL;
    if (scope.kind == SB_SCOPE_SYSTEM) {
        scope.type = sb_str_dup(type);
        scope.query = query.ptr ? sb_str_dup(query) : NULL;
        ok = ok && scope.type && (scope.query || !query.ptr);
    }
    if (ok)
        *out = scope;
    else
        scope_cleanup(&scope);
    return ok;
}

static bool has_text(const sb_scopes *scopes, sb_str text)
{
    for (size_t i = 0; i < scopes->len; i++)
        if (sb_str_eq(sb_str_from(scopes->items[i].text), text))
            return true;
    return false;
}

static sb_status add_token(sb_scopes *scopes, sb_str token, sb_error *err)
{
    if (has_text(scopes, token))
        return SB_OK;
    if (scopes->len >= SB_SCOPES_MAX)
        return sb_error_set(err, SB_E_INVALID, "a scope is not usable", "it has more than %d items",
                            "name fewer types, or use system/*.rs", SB_SCOPES_MAX);
    if ((scopes->len & (scopes->len - 1)) == 0) { /* grow at each power of two */
        size_t cap = scopes->len ? scopes->len * 2 : 1;
        sb_scope *items = realloc(scopes->items, cap * sizeof(*items));
        if (!items)
            return sb_error_nomem(err);
        scopes->items = items;
    }
    if (!read_scope(token, &scopes->items[scopes->len]))
        return sb_error_nomem(err);
    scopes->len++;
    return SB_OK;
}

static sb_status parse_into(sb_str text, sb_scopes *scopes, sb_error *err)
{
    if (text.len > SB_SCOPES_MAX_TEXT)
        return sb_error_set(err, SB_E_INVALID, "a scope is not usable", "it is longer than 64 KB",
                            "name fewer types, or use system/*.rs");
    sb_str token;
    while (sb_str_split(&text, ' ', &token)) {
        token = sb_str_trim(token); /* a YAML block or a pasted line brings newlines */
        if (token.len == 0)
            continue;
        if (!is_scope_token(token))
            return sb_error_set(err, SB_E_INVALID, "a scope is not usable",
                                "it holds control characters, quotes, backslashes or letters outside of ASCII",
                                "separate scopes by single spaces: \"system/Patient.rs system/Coverage.rs\"");
        SB_TRY(add_token(scopes, token, err));
    }
    return SB_OK;
}

sb_status sb_scopes_parse(const char *text, sb_scopes *out, sb_error *err)
{
    sb_scopes scopes = SB_SCOPES_INIT;
    sb_status status = parse_into(sb_str_from(text), &scopes, err);
    sb_scopes_cleanup(out);
    if (status == SB_OK)
        *out = scopes;
    else
        sb_scopes_cleanup(&scopes);
    return status;
}

bool sb_scopes_format(const sb_scopes *scopes, sb_buf *out)
{
    for (size_t i = 0; i < scopes->len; i++)
        if ((i > 0 && !sb_buf_add_char(out, ' ')) || !sb_buf_add_cstr(out, scopes->items[i].text))
            return false;
    return true;
}

static sb_status person_scope(const sb_scope *scope, sb_error *err)
{
    const char *rest = strchr(scope->text, '/') + 1; /* SB_SCOPE_PERSON has one */
    sb_error_set(err, SB_E_USAGE, "a scope is for people, not for programs",
                 "%.200s asks for what a logged-in person may see; a backend client has no such person", NULL,
                 scope->text);
    sb_error_fix(err, "ask for system/%.200s", rest);
    return SB_E_USAGE;
}

sb_status sb_scopes_check_configured(const sb_scopes *scopes, sb_error *err)
{
    for (size_t i = 0; i < scopes->len; i++) {
        const sb_scope *scope = &scopes->items[i];
        if (scope->kind == SB_SCOPE_PERSON)
            return person_scope(scope, err);
        if (strchr(scope->text, ',') && !strchr(scope->text, '?'))
            return sb_error_set(err, SB_E_USAGE, "a scope is misspelt", "%.200s holds a comma",
                                "separate scopes by spaces: \"system/Patient.rs system/Coverage.rs\"", scope->text);
        if (scope->kind == SB_SCOPE_MALFORMED)
            return sb_error_set(err, SB_E_USAGE, "a scope is misspelt", "%.200s: %s",
                                "write it as system/Patient.rs (SMART v2) or system/Patient.read (v1); * stands for "
                                "all types",
                                scope->text, scope->problem);
    }
    return SB_OK;
}

static bool is_for_type(const sb_scope *scope, const char *type)
{
    return scope->kind == SB_SCOPE_SYSTEM && (strcmp(scope->type, "*") == 0 || strcmp(scope->type, type) == 0);
}

sb_scope_cover sb_scopes_cover(const sb_scopes *scopes, const char *type, unsigned rights)
{
    unsigned full = 0, any = 0;
    for (size_t i = 0; i < scopes->len; i++) {
        const sb_scope *scope = &scopes->items[i];
        if (!is_for_type(scope, type))
            continue;
        any |= scope->rights;
        if (!scope->query)
            full |= scope->rights;
    }
    if ((full & rights) == rights)
        return SB_SCOPE_COVERS_ALL;
    return (any & rights) == rights ? SB_SCOPE_COVERS_PART : SB_SCOPE_COVERS_NOT;
}

/* "system/Patient.rs?query" from its parts; as v1 when asked for and when v1 has a word for these rights. */
static bool write_system(const char *type, unsigned rights, const char *query, bool v1, sb_buf *out)
{
    if (!sb_buf_printf(out, "system/%s.", type))
        return false;
    if (v1 && !query && (rights == V1_READ || rights == V1_WRITE || rights == ALL_RIGHTS))
        return sb_buf_add_cstr(out, rights == V1_READ ? "read" : rights == V1_WRITE ? "write" : "*");
    for (unsigned i = 0; i < sizeof(letters) - 1; i++)
        if ((rights & (1u << i)) && !sb_buf_add_char(out, letters[i]))
            return false;
    return !query || (sb_buf_add_char(out, '?') && sb_buf_add_cstr(out, query));
}

/* The limits of both: FHIR joins search parameters by AND. */
static char *join_queries(const char *a, const char *b)
{
    if (a && b && strcmp(a, b) != 0)
        return sb_printf("%s&%s", a, b);
    return sb_str_dup(sb_str_from(a ? a : b));
}

static sb_status add_system(sb_scopes *out, const sb_scope *asked, const char *type, unsigned rights, const char *limit,
                            sb_error *err)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTOFREE query = asked->query || limit ? join_queries(asked->query, limit) : NULL;
    if (((asked->query || limit) && !query) || !write_system(type, rights, query, asked->v1, &text))
        return sb_error_nomem(err);
    return add_token(out, sb_buf_str(&text), err);
}

/* The rights on `type` that `allowed` gives without limits, whatever number of items they come from. */
static unsigned unlimited_rights(const sb_scopes *allowed, const char *type)
{
    unsigned rights = 0;
    for (size_t i = 0; i < allowed->len; i++)
        if (is_for_type(&allowed->items[i], type) && !allowed->items[i].query)
            rights |= allowed->items[i].rights;
    return rights;
}

/* What `allowed` gives of `asked` for one type ("*" is one here): all rights without limits together, then each limited
 * item for what it gives beyond those. */
static sb_status intersect_type(const sb_scope *asked, const char *type, const sb_scopes *allowed, sb_scopes *out,
                                sb_error *err)
{
    unsigned full = unlimited_rights(allowed, type) & asked->rights;
    if (full)
        SB_TRY(add_system(out, asked, type, full, NULL, err));
    for (size_t i = 0; i < allowed->len; i++) {
        const sb_scope *item = &allowed->items[i];
        unsigned more = is_for_type(item, type) && item->query ? item->rights & asked->rights & ~full : 0;
        if (more)
            SB_TRY(add_system(out, asked, type, more, item->query, err));
    }
    return SB_OK;
}

static sb_status intersect_system(const sb_scope *asked, const sb_scopes *allowed, sb_scopes *out, sb_error *err)
{
    SB_TRY(intersect_type(asked, asked->type, allowed, out, err));
    if (strcmp(asked->type, "*") != 0)
        return SB_OK;
    unsigned by_star = unlimited_rights(allowed, "*") & asked->rights;
    for (size_t i = 0; i < allowed->len; i++) { /* single types, where they give more than * does */
        const sb_scope *item = &allowed->items[i];
        if (item->kind != SB_SCOPE_SYSTEM || strcmp(item->type, "*") == 0 || !(item->rights & asked->rights & ~by_star))
            continue;
        SB_TRY(intersect_type(asked, item->type, allowed, out, err));
    }
    return SB_OK;
}

sb_status sb_scopes_intersect(const sb_scopes *asked, const sb_scopes *allowed, sb_scopes *out, sb_error *err)
{
    sb_scopes both = SB_SCOPES_INIT;
    sb_status status = SB_OK;
    for (size_t i = 0; i < asked->len && status == SB_OK; i++) {
        const sb_scope *scope = &asked->items[i];
        if (scope->kind == SB_SCOPE_SYSTEM)
            status = intersect_system(scope, allowed, &both, err);
        else if (scope->kind == SB_SCOPE_OTHER && has_text(allowed, sb_str_from(scope->text)))
            status = add_token(&both, sb_str_from(scope->text), err);
    }
    sb_scopes_cleanup(out);
    if (status == SB_OK)
        *out = both;
    else
        sb_scopes_cleanup(&both);
    return status;
}

/* One item with a search limit is within the same item with the same limit, or without one. */
static bool scope_within(const sb_scope *scope, const sb_scopes *allowed)
{
    if (scope->kind == SB_SCOPE_OTHER)
        return has_text(allowed, sb_str_from(scope->text));
    if (scope->kind != SB_SCOPE_SYSTEM)
        return false;
    unsigned given = unlimited_rights(allowed, scope->type);
    for (size_t i = 0; i < allowed->len; i++) {
        const sb_scope *item = &allowed->items[i];
        if (scope->query && is_for_type(item, scope->type) && item->query && strcmp(item->query, scope->query) == 0)
            given |= item->rights;
    }
    return (given & scope->rights) == scope->rights;
}

bool sb_scopes_within(const sb_scopes *scopes, const sb_scopes *allowed)
{
    for (size_t i = 0; i < scopes->len; i++)
        if (!scope_within(&scopes->items[i], allowed))
            return false;
    return true;
}

bool sb_scopes_default(const char *const *types, size_t n, bool v2, sb_buf *out)
{
    static const char *const every[] = {"*"};
    if (n == 0) {
        types = every;
        n = 1;
    }
    for (size_t i = 0; i < n; i++)
        if ((i > 0 && !sb_buf_add_char(out, ' ')) || !write_system(types[i], SB_SCOPE_EXPORT, NULL, !v2, out))
            return false;
    return true;
}
