/* SPDX-License-Identifier: Apache-2.0 */
/* manifest_get.c - fetches a status or a page. Owns the page under way. */
#include "export/manifest_get.h"

#include "base/secret.h"

#define STALL_S 120 /* a large manifest is put together while it is sent */
/* A status of 202 may carry what there is of a partial manifest. It is not used, since the 200 has all of it, but it
 * must not break the poll either; this much nobody sends. */
#define PASSED_OVER_MAX (UINT64_C(4) << 30)

typedef struct getter {
    const sb_export_context *context;
    uint64_t number, passed_over;
    sb_manifest_answer *answer;
    sb_manifest_page *page;
} getter;

void sb_manifest_answer_cleanup(sb_manifest_answer *answer)
{
    sb_http_response_cleanup(&answer->response);
    sb_buf_cleanup(&answer->body);
    sb_manifest_found_cleanup(&answer->found);
    *answer = (sb_manifest_answer)SB_MANIFEST_ANSWER_INIT;
}

static int job_status(const sb_http_response *response)
{
    uint64_t code;
    const char *header = sb_http_header_get(&response->headers, "X-Export-Status"); /* STAT-03 */
    if (response->status == 200 && header && sb_str_to_u64(sb_str_trim(sb_str_from(header)), 599, &code) && code >= 100)
        return (int)code;
    return response->status;
}

static sb_status open_page(getter *g, sb_error *err)
{
    return sb_manifest_page_new(g->context->journal, g->number, g->answer->response.url, &g->page, err);
}

static sb_status on_body(void *impl, sb_str bytes, sb_error *err)
{
    getter *g = impl;
    if (job_status(&g->answer->response) == 200) {
        if (!g->page)
            SB_TRY(open_page(g, err));
        return sb_manifest_page_feed(g->page, bytes, err);
    }
    g->passed_over += bytes.len;
    if (g->passed_over > PASSED_OVER_MAX)
        return sb_error_set(err, SB_E_SERVER, "the payer's status answer does not end", "more than %llu bytes came",
                            "tell the payer", (unsigned long long)PASSED_OVER_MAX);
    size_t room = SB_OUTCOME_MAX_BYTES - SB_MIN(g->answer->body.len, SB_OUTCOME_MAX_BYTES);
    return sb_buf_add(&g->answer->body, bytes.ptr, SB_MIN(room, bytes.len)) ? SB_OK : sb_error_nomem(err);
}

static void on_token(void *impl, sb_str token)
{
    getter *g = impl;
    sb_secret_hide(g->answer->body.ptr, g->answer->body.len, token);
    if (g->page)
        sb_manifest_page_hide(g->page, token);
}

static sb_status finish_page(getter *g, sb_error *err)
{
    sb_manifest_answer *a = g->answer;
    if (!g->page) /* nothing came: let the page say so */
        SB_TRY(open_page(g, err));
    SB_TRY(sb_manifest_page_finish(g->page, &a->found, err));
    a->is_page = !a->found.is_outcome;
    if (!a->is_page) {
        a->outcome = a->found.outcome;
        (void)sb_context_says(g->context, sb_str_from(a->outcome.text), &(sb_outcome){.issues = 0}, a->says,
                              sizeof(a->says));
    }
    return SB_OK;
}

static sb_status take_answer(getter *g, sb_error *err)
{
    sb_manifest_answer *a = g->answer;
    a->status = job_status(&a->response);
    if (a->status == 200)
        return finish_page(g, err);
    sb_str body = a->body.len > 0 ? sb_buf_str(&a->body) : sb_buf_str(&a->response.body);
    (void)sb_context_says(g->context, body, &a->outcome, a->says, sizeof(a->says));
    return SB_OK;
}

sb_status sb_manifest_get(const sb_export_context *context, const char *url, uint64_t page, sb_manifest_answer *answer,
                          sb_error *err)
{
    getter g = {.context = context, .number = page, .answer = answer};
    sb_http_request request = {.method = "GET",
                               .url = url,
                               .accept = "application/json",
                               .redirects = SB_HTTP_REDIRECTS_FOLLOW,
                               .timeout_s = STALL_S,
                               .on_body = on_body,
                               .on_body_impl = &g,
                               .on_token = on_token};
    sb_manifest_answer_cleanup(answer);
    sb_status status = sb_context_send(context, &request, &answer->response, err);
    if (status == SB_OK)
        status = take_answer(&g, err);
    if (status != SB_OK && err)
        sb_context_hide(context, err->why); /* it may show how what the payer sent begins */
    sb_manifest_page_free(g.page);
    return status;
}
