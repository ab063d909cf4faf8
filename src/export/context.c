/* SPDX-License-Identifier: Apache-2.0 */
/* context.c - waiting, telling, and reading refusals: what all steps of an export share. Owns no state. */
#include "export/context.h"

#include <stdio.h>

#include "base/log.h"
#include "http/retry.h"
#include "smart/foreign_text.h"

#define CANCEL_LOOK_NS (100 * SB_NS_PER_MS) /* nothing wakes us when a signal sets the flag: a person feels no more */
#define TEXT_MAX       512
#define SHOWN_MAX      200 /* of a body that is no OperationOutcome */

int64_t sb_context_now_ns(const sb_export_context *context)
{
    const sb_clock *clock = sb_payer_clock(context->payer);
    return clock->monotonic_ns(clock->impl);
}

int64_t sb_context_wall_s(const sb_export_context *context)
{
    const sb_clock *clock = sb_payer_clock(context->payer);
    return clock->wall_s(clock->impl);
}

sb_status sb_context_pause(const sb_export_context *context, int64_t ns, sb_error *err)
{
    const sb_clock *clock = sb_payer_clock(context->payer);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never;
    if (sb_cond_init(&never) != 0)
        return sb_error_nomem(err);
    int64_t until = sb_context_now_ns(context) + ns;
    (void)pthread_mutex_lock(&mutex);
    for (int64_t now = sb_context_now_ns(context); now < until && !sb_payer_cancelled(context->payer);
         now = sb_context_now_ns(context))
        clock->wait_until(clock->impl, &never, &mutex, SB_MIN(until, now + CANCEL_LOOK_NS));
    (void)pthread_mutex_unlock(&mutex);
    (void)pthread_cond_destroy(&never);
    (void)pthread_mutex_destroy(&mutex);
    if (!sb_payer_cancelled(context->payer))
        return SB_OK;
    return sb_error_set(err, SB_E_INTERRUPTED, "interrupted", "the export was told to stop while it waited",
                        "smartbulk resume goes on where it stopped: what is complete is kept");
}

int64_t sb_context_wait_ns(const sb_http_response *response, unsigned attempt, const sb_wait_bounds *bounds)
{
    unsigned seconds;
    /* the payer's own clock dates its date, whatever ours says */
    int64_t now_s = response->date_s ? response->date_s : response->received_s;
    if (sb_http_retry_after(&response->headers, now_s, bounds->max_s, &seconds))
        return SB_MAX(seconds, bounds->min_s) * SB_NS_PER_S;
    return sb_backoff_ns(attempt, bounds->first_ms, bounds->cap_ms);
}

void sb_context_tell(const sb_export_context *context, sb_export_event_kind kind, const char *text, int64_t wait_ns)
{
    char safe[TEXT_MAX];
    const sb_export_event event = {.kind = kind,
                                   .text = sb_foreign_text(sb_str_from(text), safe, sizeof(safe)),
                                   .seconds = (unsigned)((wait_ns + SB_NS_PER_S - 1) / SB_NS_PER_S)};
    context->on_event(context->on_event_impl, &event);
}

void sb_context_warn(const sb_export_context *context, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    sb_context_tell(context, SB_EXPORT_WARNING, text, 0);
}

static bool is_of_an_id(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_';
}

/* Blot out an id where it stands alone, not as a piece of a longer word. */
static void hide_id(char *text, const char *id)
{
    size_t len = strlen(id);
    for (char *at = text; len > 0 && (at = strstr(at, id)) != NULL; at += len)
        if ((at == text || !is_of_an_id(at[-1])) && !is_of_an_id(at[len]))
            memset(at, '*', len);
}

void sb_context_hide(const sb_export_context *context, char *text)
{
    const json_t *patients = json_object_get(context->request, "patients");
    for (size_t i = 0; i < json_array_size(patients) && text[0]; i++) {
        const char *reference = json_string_value(json_array_get(patients, i));
        const char *slash = strrchr(reference, '/');
        hide_id(text, slash ? slash + 1 : reference);
    }
}

const char *sb_context_says(const sb_export_context *context, sb_str body, sb_outcome *outcome, char *out, size_t size)
{
    if (sb_outcome_parse(body, outcome, NULL) == SB_OK)
        (void)sb_foreign_text(sb_str_from(outcome->text), out, size);
    else
        (void)sb_foreign_text(body, out, SB_MIN(size, (size_t)SHOWN_MAX));
    sb_context_hide(context, out);
    return out;
}

sb_status sb_context_send(const sb_export_context *context, sb_http_request *request, sb_http_response *response,
                          sb_error *err)
{
    sb_status status = sb_payer_send(context->payer, request, response, err);
    for (size_t i = 0; i < response->headers.len; i++)
        sb_context_hide(context, response->headers.items[i].value);
    if (status != SB_OK && err)
        sb_context_hide(context, err->why);
    return status;
}
