/* SPDX-License-Identifier: Apache-2.0 */
/* answers.c - documents made, and an error of ours told without its paths. */
#include "payer/routes/answers.h"

#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "fhir/operation_outcome.h"

void sb_answer_json(sb_answer *answer, unsigned status, const char *content_type, const json_t *json)
{
    SB_AUTOFREE text = json ? sb_json_dump(json) : NULL;
    answer->status = status;
    answer->content_type = content_type;
    if (!text || !sb_buf_add_cstr(&answer->body, text))
        answer->broken = true;
}

void sb_answer_oauth(sb_answer *answer, unsigned status, const char *error, const char *description)
{
    SB_AUTOJSON body = json_pack("{s:s, s:s}", "error", error, "error_description", description);
    sb_answer_json(answer, status, SB_JSON, body);
    sb_answer_header(answer, "Cache-Control", "no-store"); /* TOK-04 */
    sb_answer_header(answer, "Pragma", "no-cache");
}

void sb_answer_outcome(sb_answer *answer, unsigned status, const char *code, const char *diagnostics)
{
    SB_AUTOJSON outcome = sb_outcome_new(SB_OUTCOME_ERROR, code, diagnostics);
    if (!outcome) /* a stranger's text that is not UTF-8 */
        outcome = sb_outcome_new(SB_OUTCOME_ERROR, code, NULL);
    sb_answer_json(answer, status, SB_FHIR_JSON, outcome);
    sb_answer_header(answer, "Cache-Control", "no-store");
}

static const char *issue_code(unsigned status)
{
    switch (status) {
    case 400:
        return "invalid";
    case 403:
        return "forbidden";
    case 404:
        return "not-found";
    case 429:
        return "throttled";
    case 503:
        return "transient";
    default:
        return "exception";
    }
}

void sb_answer_error(sb_answer *answer, const sb_error *err)
{
    char text[sizeof(err->what) + sizeof(err->why) + sizeof(err->fix) + 16];
    unsigned status = err->http_status >= 400 && err->http_status < 600 ? (unsigned)err->http_status : 500;
    if (status == 500) { /* paths and the like are for the log */
        (void)snprintf(text, sizeof(text), "the server failed");
        sb_log(SB_LOG_ERROR, "%s: %s", err->what, err->why);
    } else {
        (void)snprintf(text, sizeof(text), "%s: %s; %s", err->what, err->why, err->fix);
    }
    sb_answer_outcome(answer, status, issue_code(status), text);
}
