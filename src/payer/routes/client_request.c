/* SPDX-License-Identifier: Apache-2.0 */
/* client_request.c - a client's form read, and the client authenticated by its assertion: cheap checks first, and
 * everything about the form before anything about the assertion. Every refusal counts for the address it went to: a form
 * that is none costs little to refuse, but is answered, and written to logs, as often as it is sent.
 *                                                                                           TOK-04, AUTH-06, AUTH-11 */
#include "payer/routes/client_request.h"

#include "http/accept.h"

#define FIELDS_MAX        64 /* four are known; who sends more sends extensions */
#define ASSERTION_TYPE    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define GENERIC           "the client could not be authenticated" /* one text for every reason */
#define FULL_RETRY_S      5
#define TOO_OFTEN_RETRY_S 1

void sb_client_request_cleanup(sb_client_request *r)
{
    sb_form_cleanup(&r->form);
    sb_assertion_good_cleanup(&r->good);
}

void sb_client_request_refused(sb_client_request *a, sb_refusal refusal)
{
    a->visit->reason = sb_refusal_name(refusal);
    sb_failures_add(a->service->failures, a->request->peer);
}

bool sb_client_request_bad(sb_client_request *a, sb_refusal refusal, const char *code)
{
    sb_client_request_refused(a, refusal);
    sb_answer_oauth(a->answer, 400, code, sb_refusal_text(refusal));
    return false;
}

bool sb_client_request_invalid(sb_client_request *a, sb_refusal refusal)
{
    return sb_client_request_bad(a, refusal, "invalid_request");
}

/* 401 with the scheme that was used, if one was (RFC 6749 §5.2): any 401 names one.                         TOK-04 */
static bool refuse_client(sb_client_request *a, sb_refusal refusal, const char *description)
{
    bool basic = sb_server_header_count(a->request, "Authorization") > 0;
    sb_client_request_refused(a, refusal);
    sb_answer_oauth(a->answer, 401, "invalid_client", description);
    sb_answer_header(a->answer, "WWW-Authenticate", "%s realm=\"token\"", basic ? "Basic" : "Bearer");
    return false;
}

/* A client under onboarding is told why; and so is who only says that he is one: the operator who switches it on knows
 * that. */
static bool not_authenticated(sb_client_request *a, sb_refusal refusal)
{
    SB_AUTOFREE told = NULL;
    if (a->good.show_reason)
        told = sb_printf("%s: %s", sb_refusal_name(refusal), sb_refusal_text(refusal));
    return refuse_client(a, refusal, told ? told : GENERIC);
}

bool sb_client_request_unavailable(sb_client_request *a, sb_refusal refusal)
{
    a->visit->reason = sb_refusal_name(refusal);
    sb_answer_oauth(a->answer, 503, "temporarily_unavailable", "this cannot be done now; come back later");
    sb_answer_header(a->answer, "Retry-After", "%d", FULL_RETRY_S);
    return false;
}

/* Of a parameter that was sent once; empty: not sent, or sent without a value, which is the same (RFC 6749 §3.1). */
sb_str sb_client_request_field(const sb_client_request *a, const char *name)
{
    const sb_form_field *f = sb_form_find(&a->form, name);
    return f ? f->value : (sb_str){"", 0};
}

static bool repeats_itself(const sb_form *form)
{
    for (size_t i = 0; i < form->len; i++) {
        for (size_t k = 0; k < i; k++) {
            if (sb_str_eq(form->items[i].name, form->items[k].name))
                return true;
        }
    }
    return false;
}

/* Nothing is told that a stranger does not know: it is his address that failed. */
static bool too_often(sb_client_request *a)
{
    a->visit->reason = sb_refusal_name(SB_REFUSAL_TOO_OFTEN);
    sb_answer_oauth(a->answer, 429, "temporarily_unavailable", sb_refusal_text(SB_REFUSAL_TOO_OFTEN));
    sb_answer_header(a->answer, "Retry-After", "%d", TOO_OFTEN_RETRY_S);
    return false;
}

bool sb_client_request_read(sb_client_request *a)
{
    if (sb_failures_exceeded(a->service->failures, a->request->peer))
        return too_often(a);
    if (!sb_content_type_is(sb_server_header_first(a->request, "Content-Type"), "application/x-www-form-urlencoded"))
        return sb_client_request_invalid(a, SB_REFUSAL_CONTENT_TYPE);
    if (sb_form_parse(a->request->body, FIELDS_MAX, &a->form, NULL) != SB_OK)
        return sb_client_request_invalid(a, SB_REFUSAL_FORM_MALFORMED);
    return true;
}

bool sb_client_request_check(sb_client_request *a)
{
    if (repeats_itself(&a->form))
        return sb_client_request_invalid(a, SB_REFUSAL_REPEATED);
    if (a->request->target.query_text)
        return sb_client_request_invalid(a, SB_REFUSAL_IN_URL);
    return true;
}

static bool check_method(sb_client_request *a)
{
    bool header = sb_server_header_count(a->request, "Authorization") > 0;
    bool secret = sb_client_request_field(a, "client_secret").len > 0;
    bool assertion = sb_client_request_field(a, "client_assertion").len > 0;
    sb_str type = sb_client_request_field(a, "client_assertion_type");
    if (header + secret + assertion > 1)
        return sb_client_request_invalid(a, SB_REFUSAL_METHODS_MIXED);
    if (header || secret)
        return refuse_client(a, SB_REFUSAL_METHOD, GENERIC);
    if (assertion && !sb_str_eq(type, SB_STR_LIT(ASSERTION_TYPE)))
        return sb_client_request_invalid(a, SB_REFUSAL_ASSERTION_TYPE);
    if (!assertion)
        return refuse_client(a, SB_REFUSAL_NO_ASSERTION, GENERIC);
    return true;
}

/* In the name of a client that there is, and counted when it was refused: what the audit log is told each time. */
static bool is_counted(sb_refusal refusal)
{
    if (refusal == SB_REFUSAL_INTERNAL || refusal == SB_REFUSAL_KEYS_BUSY)
        return false;
    return refusal == SB_REFUSAL_NONE || refusal > SB_REFUSAL_CLIENT_UNKNOWN; /* in the order of the checks */
}

static bool check_assertion(sb_client_request *a)
{
    sb_refusal refusal = sb_assertion_check(a->service->checker, sb_client_request_field(a, "client_assertion"),
                                            sb_client_request_field(a, "client_id"), a->visit->client, &a->good);
    a->visit->is_stranger = !is_counted(refusal);
    if (refusal == SB_REFUSAL_INTERNAL || refusal == SB_REFUSAL_KEYS_BUSY)
        return sb_client_request_unavailable(a, refusal);
    if (refusal == SB_REFUSAL_NONE)
        return true;
    return not_authenticated(a, refusal);
}

bool sb_client_request_authenticate(sb_client_request *a)
{
    return check_method(a) && check_assertion(a);
}

bool sb_client_request_take(sb_client_request *a)
{
    const sb_client *client = a->good.client;
    unsigned wait_s = sb_rates_take(a->service->o.rates, client->id, client->tokens_per_minute);
    if (wait_s == 0)
        return true;
    a->visit->reason = sb_refusal_name(SB_REFUSAL_RATE);
    sb_answer_oauth(a->answer, 429, "temporarily_unavailable",
                    "this client asks more often than it may; keep each token until it ends");
    sb_answer_header(a->answer, "Retry-After", "%u", wait_s);
    return false;
}

sb_digest sb_client_request_used(const sb_client_request *a)
{
    return sb_digest_of_pair(sb_str_from(a->good.client->id), sb_str_from(a->good.jti));
}

bool sb_client_request_used_up(sb_client_request *a, sb_issue_answer answer)
{
    switch (answer) {
    case SB_ISSUE_DONE:
        return true;
    case SB_ISSUE_REPLAYED: /* whoever has a used assertion of a client could have its allowance, too */
        sb_rates_give_back(a->service->o.rates, a->good.client->id, a->good.client->tokens_per_minute);
        return not_authenticated(a, SB_REFUSAL_REPLAYED);
    case SB_ISSUE_REPLAY_FULL:
        return sb_client_request_unavailable(a, SB_REFUSAL_REPLAY_FULL);
    case SB_ISSUE_TOKENS_FULL:
        return sb_client_request_unavailable(a, SB_REFUSAL_TOKENS_FULL);
    case SB_ISSUE_TOO_LONG: /* of a token, which has its own words for it */
    case SB_ISSUE_FAILED:
        break;
    }
    return sb_client_request_unavailable(a, SB_REFUSAL_INTERNAL);
}
