/* SPDX-License-Identifier: Apache-2.0 */
/* token_answer.c - see the header. Wipes what it parsed; owns no state. */
#include "smart/token_answer.h"

#include <math.h>

#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "smart/foreign_text.h"
#include "smart/scopes.h"

static sb_status not_usable(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_SERVER, "the payer's token answer is not usable", "%s",
                        "tell the payer; check that token_url is its token endpoint", why);
}

/* Whole seconds; 0 for what makes no sense. */
static int64_t lifetime_of(const json_t *value)
{
    if (json_is_integer(value))
        return json_integer_value(value);
    if (json_is_real(value)) {
        double seconds = json_real_value(value);
        return isfinite(seconds) && seconds > 0 && seconds < 1e15 ? (int64_t)seconds : 0;
    }
    if (json_is_string(value)) { /* REAL-01: "1200"; others write "1200.0" */
        sb_str text = sb_str_trim((sb_str){json_string_value(value), json_string_length(value)});
        const char *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
        uint64_t seconds = 0;
        if (dot)
            text.len = (size_t)(dot - text.ptr);
        return sb_str_to_u64(text, INT64_MAX, &seconds) ? (int64_t)seconds : 0;
    }
    return 0;
}

static unsigned read_lifetime(const json_t *answer)
{
    const json_t *value = json_object_get(answer, "expires_in");
    int64_t seconds = lifetime_of(value);
    if (seconds > SB_TOKEN_LIFETIME_MAX_S)
        return SB_TOKEN_LIFETIME_MAX_S;
    if (seconds > 0)
        return (unsigned)seconds;
    if (value && !json_is_null(value))
        sb_log_warn("the payer's expires_in makes no sense; %d s are assumed", SB_TOKEN_LIFETIME_DEFAULT_S);
    return SB_TOKEN_LIFETIME_DEFAULT_S;
}

/* A list as text: a string (RFC 6749), or an array as some servers send it. *out NULL: not said, or not readable. */
static sb_status read_scope(const json_t *answer, char **out, sb_error *err)
{
    const json_t *value = json_object_get(answer, "scope");
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    size_t i;
    json_t *item;
    *out = NULL;
    if (json_is_string(value) && !sb_buf_add(&text, json_string_value(value), json_string_length(value)))
        return sb_error_nomem(err);
    json_array_foreach (value, i, item) {
        if (json_is_string(item) &&
            !(sb_buf_add(&text, json_string_value(item), json_string_length(item)) && sb_buf_add_char(&text, ' ')))
            return sb_error_nomem(err);
    }
    if (text.len == 0)
        return SB_OK;
    if (strlen(text.ptr) != text.len || sb_scopes_parse(text.ptr, &scopes, NULL) != SB_OK) {
        sb_log_warn("the payer's granted scope is not readable; it is taken as: as asked");
        return SB_OK;
    }
    sb_buf_clear(&text);
    if (!sb_scopes_format(&scopes, &text) || !(*out = sb_str_dup(sb_buf_str(&text))))
        return sb_error_nomem(err);
    return SB_OK;
}

static sb_status check_type(const json_t *answer, sb_error *err)
{
    const json_t *value = json_object_get(answer, "token_type");
    const char *type = sb_json_str(answer, "token_type");
    char shown[60];
    if (!value || json_is_null(value)) {
        sb_log_info("the payer's token answer has no token_type; bearer is assumed");
        return SB_OK;
    }
    if (type && sb_str_eq_nocase(sb_str_from(type), SB_STR_LIT("bearer")))
        return SB_OK;
    return sb_error_set(err, SB_E_SERVER, "the payer's token is of a kind that is not spoken here",
                        "its token_type is %s; only bearer tokens are used", "ask the payer for bearer tokens",
                        type ? sb_foreign_text(sb_str_from(type), shown, sizeof(shown)) : "no text");
}

static sb_status read_object(const json_t *answer, int64_t requested_ns, sb_token **out, sb_error *err)
{
    const json_t *token = json_object_get(answer, "access_token");
    SB_AUTOFREE scope = NULL;
    sb_error why = SB_ERROR_INIT;
    if (!json_is_string(token))
        return not_usable(err, "it has no access_token");
    SB_TRY(check_type(answer, err));
    SB_TRY(read_scope(answer, &scope, err));
    sb_status status = sb_token_new(json_string_value(token), json_string_length(token), requested_ns,
                                    read_lifetime(answer), scope, out, &why);
    if (status == SB_E_INVALID)
        return not_usable(err, why.why);
    if (status != SB_OK && err)
        *err = why;
    return status;
}

/* The parser's own copy; it is freed next, and its length stays. */
static void wipe_string(const json_t *value)
{
    if (json_is_string(value))
        sb_wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
}

sb_status sb_token_answer_read(sb_str body, int64_t requested_ns, sb_token **out, bool *has_error, sb_error *err)
{
    SB_AUTOJSON answer = NULL;
    *out = NULL;
    *has_error = false;
    sb_status status = sb_json_parse_object(body, "the payer's token answer", &answer, err);
    if (status == SB_E_INVALID && err)
        err->code = SB_E_SERVER;
    if (status != SB_OK)
        return status == SB_E_INVALID ? SB_E_SERVER : status;
    *has_error = json_is_string(json_object_get(answer, "error"));
    status = read_object(answer, requested_ns, out, err);
    wipe_string(json_object_get(answer, "access_token"));
    wipe_string(json_object_get(answer, "refresh_token")); /* not ours to have (TOK-02) */
    return status;
}
