/* SPDX-License-Identifier: Apache-2.0 */
/* operation_outcome.c - reading and writing OperationOutcome resources. Owns nothing between calls. */
#include "fhir/operation_outcome.h"

#include "base/json.h"
#include "fhir/safe_line.h"

static const char *const severity_names[] = {
    [SB_OUTCOME_NONE] = "",           [SB_OUTCOME_INFORMATION] = "information",
    [SB_OUTCOME_WARNING] = "warning", [SB_OUTCOME_ERROR] = "error",
    [SB_OUTCOME_FATAL] = "fatal",
};

/* `transient` and its children in FHIR's issue-type code system. */
static const char *const transient_codes[] = {"transient", "lock-error", "no-store", "exception",
                                              "timeout",   "incomplete", "throttled"};

const char *sb_outcome_severity_name(sb_outcome_severity severity)
{
    return severity_names[severity == SB_OUTCOME_NONE ? SB_OUTCOME_INFORMATION : severity];
}

static sb_str member_text(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    return json_is_string(value) ? (sb_str){json_string_value(value), json_string_length(value)} : SB_STR_NULL;
}

static sb_outcome_severity issue_severity(const json_t *issue)
{
    sb_str name = member_text(issue, "severity");
    for (size_t i = SB_OUTCOME_INFORMATION; i < SB_ARRAY_LEN(severity_names); i++)
        if (sb_str_eq(name, sb_str_from(severity_names[i])))
            return (sb_outcome_severity)i;
    return SB_OUTCOME_NONE;
}

/* An issue that does not say how bad it is may be an error: it is not passed over for one that is mere information. */
static bool issue_matters(const json_t *issue)
{
    sb_outcome_severity severity = issue_severity(issue);
    return severity == SB_OUTCOME_NONE || severity >= SB_OUTCOME_ERROR;
}

static bool issue_is_transient(const json_t *issue)
{
    sb_str code = member_text(issue, "code");
    for (size_t i = 0; i < SB_ARRAY_LEN(transient_codes); i++)
        if (sb_str_eq(code, sb_str_from(transient_codes[i])))
            return true;
    return false;
}

/* Append "words" or ", words" where there are any that were not just said. */
static bool add_words(sb_outcome *out, size_t *len, size_t *said, sb_str words)
{
    words = sb_str_trim(words);
    if (words.len == 0 || (*said > 0 && *said == words.len && memcmp(out->text + *len - *said, words.ptr, *said) == 0))
        return true;
    if (*said > 0 && !sb_safe_line_add(out->text, sizeof out->text, len, SB_STR_LIT(", ")))
        return false;
    size_t from = *len;
    bool fits = sb_safe_line_add(out->text, sizeof out->text, len, words);
    *said = *len - from;
    return fits;
}

/* Append one issue as "code: text, diagnostics". False when there is no more room. */
static bool add_issue(sb_outcome *out, size_t *len, const json_t *issue)
{
    const json_t *details = json_object_get(issue, "details");
    const json_t *coding = json_array_get(json_object_get(details, "coding"), 0);
    sb_str code = member_text(issue, "code");
    sb_str display = member_text(coding, "display");
    sb_str text = member_text(details, "text");
    sb_str diagnostics = member_text(issue, "diagnostics");
    bool words = text.len > 0 || diagnostics.len > 0 || display.len > 0;
    size_t said = 0;

    if (code.len == 0 && !words)
        return true;
    if (*len > 0 && !sb_safe_line_add(out->text, sizeof out->text, len, SB_STR_LIT("; ")))
        return false;
    if (!sb_safe_line_add(out->text, sizeof out->text, len, code))
        return false;
    if (code.len > 0 && words && !sb_safe_line_add(out->text, sizeof out->text, len, SB_STR_LIT(": ")))
        return false;
    return add_words(out, len, &said, text.len > 0 ? text : display) && add_words(out, len, &said, diagnostics);
}

static void add_issues(sb_outcome *out, const json_t *issues)
{
    size_t len = 0, index;
    const json_t *issue;
    for (int severity = SB_OUTCOME_FATAL; severity >= SB_OUTCOME_NONE; severity--)
        json_array_foreach ((json_t *)(uintptr_t)issues, index, issue) {
            if (index >= SB_OUTCOME_MAX_ISSUES)
                break;
            if ((int)issue_severity(issue) == severity && !add_issue(out, &len, issue))
                return;
        }
}

sb_status sb_outcome_from_json(const json_t *resource, sb_outcome *out, sb_error *err)
{
    memset(out, 0, sizeof *out);
    if (!sb_str_eq(member_text(resource, "resourceType"), SB_STR_LIT("OperationOutcome")))
        return sb_error_set(err, SB_E_INVALID, "the server's error could not be understood",
                            "its body is not an OperationOutcome", "look at what the server sent");
    const json_t *issues = json_object_get(resource, "issue");
    bool any_matters = false, all_transient = true, matters_transient = true;
    bool first = true;
    for (size_t i = 0; i < SB_MIN(json_array_size(issues), (size_t)SB_OUTCOME_MAX_ISSUES); i++) {
        const json_t *issue = json_array_get(issues, i);
        sb_outcome_severity severity = issue_severity(issue);
        out->issues++;
        if (first || severity > out->severity) {
            size_t len = 0;
            out->severity = severity;
            (void)sb_safe_line_add(out->code, sizeof out->code, &len, member_text(issue, "code"));
            first = false;
        }
        any_matters |= issue_matters(issue);
        matters_transient &= !issue_matters(issue) || issue_is_transient(issue);
        all_transient &= issue_is_transient(issue);
    }
    out->transient = out->issues > 0 && (any_matters ? matters_transient : all_transient);
    add_issues(out, issues);
    return SB_OK;
}

sb_status sb_outcome_parse(sb_str body, sb_outcome *out, sb_error *err)
{
    SB_AUTOJSON json = NULL;
    memset(out, 0, sizeof *out);
    if (body.len > SB_OUTCOME_MAX_BYTES)
        return sb_error_set(err, SB_E_INVALID, "the server's error could not be understood",
                            "its body is longer than %zu bytes", "look at what the server sent", SB_OUTCOME_MAX_BYTES);
    SB_TRY(sb_json_parse_object(body, "the server's error", &json, err));
    return sb_outcome_from_json(json, out, err);
}

bool sb_outcome_is_transient(const sb_outcome *outcome)
{
    return outcome->transient;
}

bool sb_outcome_add(json_t *outcome, sb_outcome_severity severity, const char *code, const char *diagnostics)
{
    json_t *issue = json_pack("{s:s, s:s, s:s*}", "severity", sb_outcome_severity_name(severity), "code", code,
                              "diagnostics", diagnostics);
    return json_array_append_new(json_object_get(outcome, "issue"), issue) == 0;
}

json_t *sb_outcome_new(sb_outcome_severity severity, const char *code, const char *diagnostics)
{
    SB_AUTOJSON outcome = json_pack("{s:s, s:[]}", "resourceType", "OperationOutcome", "issue");
    if (outcome == NULL || !sb_outcome_add(outcome, severity, code, diagnostics))
        return NULL;
    return json_incref(outcome);
}
