/* SPDX-License-Identifier: Apache-2.0 */
/* page_admin_exports.c - exports under way and kept, the newest first: whose, of which group, how far; and an end to one. */
#include <stdio.h>

#include "payer/portal/page_admin.h"

#define EXPORTS_MAX 10000 /* listed at most: a payer keeps a thousand */

typedef struct export
{
    char id[SB_JOB_ID_SIZE];
    char *client, *group, *why;
    sb_job_state state;
    unsigned percent;
    int64_t created_s, finished_s, expires_s;
}
export;

typedef struct listing {
    const char *client, *state;
    export *rows; /* from the oldest */
    size_t count, cap;
    int64_t by_state[SB_JOB_FAILED + 1];
} listing;

static void listing_cleanup(listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->rows[i].client);
        free(l->rows[i].group);
        free(l->rows[i].why);
    }
    free(l->rows);
}

static sb_status grow(listing *l, sb_error *err)
{
    size_t wider = l->cap ? l->cap * 2 : 64;
    export *rows = reallocarray(l->rows, wider, sizeof(*rows));
    if (!rows)
        return sb_error_nomem(err);
    l->rows = rows;
    l->cap = wider;
    return SB_OK;
}

static sb_status look_at(void *context, const sb_job_summary *job, sb_error *err)
{
    listing *l = context;
    l->by_state[job->state]++;
    if ((l->client[0] && strcmp(l->client, job->client) != 0) ||
        (l->state[0] && strcmp(l->state, sb_job_state_name(job->state)) != 0) || l->count == EXPORTS_MAX)
        return SB_OK;
    if (l->count == l->cap)
        SB_TRY(grow(l, err));
    export *e = &l->rows[l->count++];
    *e = (export){.client = sb_str_dup(sb_str_from(job->client)),
                  .group = sb_str_dup(sb_str_from(job->group)),
                  .why = sb_str_dup(sb_str_from(job->why)),
                  .state = job->state,
                  .percent = job->percent,
                  .created_s = job->created_s,
                  .finished_s = job->finished_s,
                  .expires_s = job->expires_s};
    (void)snprintf(e->id, sizeof(e->id), "%s", job->id);
    return e->client && e->group && e->why ? SB_OK : sb_error_nomem(err);
}

static void state(sb_turn *t, const export *e)
{
    static const sb_tone tones[] = {SB_TONE_PLAIN, SB_TONE_WARN, SB_TONE_GOOD, SB_TONE_BAD};
    char text[32];
    (void)snprintf(text, sizeof(text), e->state == SB_JOB_RUNNING ? "%s, %u %%" : "%s", sb_job_state_name(e->state),
                   e->percent);
    sb_badge(t, tones[e->state], text);
    if (e->why[0])
        SB_HTML(&t->html, "<p class=\"small\">{}</p>", e->why);
}

static void row(sb_turn *t, const export *e)
{
    SB_HTML(&t->html, "<tr><td data-label=\"Client\"><div>");
    sb_admin_client_named(t, e->client);
    SB_HTML(&t->html,
            "<br><code class=\"soft\">{}</code></div></td><td data-label=\"Group\">{}</td>"
            "<td data-label=\"State\"><div>",
            e->id, e->group[0] ? e->group : "–");
    state(t, e);
    SB_HTML(&t->html, "</div></td><td data-label=\"Asked for\">");
    sb_time(t, e->created_s);
    SB_HTML(&t->html, "</td><td data-label=\"Kept until\">");
    sb_time(t, e->expires_s);
    SB_HTML(&t->html,
            "</td><td><a class=\"button quiet\" href=\"/portal/admin/exports/cancel?id={u}\">{} …</a></td></tr>", e->id,
            e->state == SB_JOB_QUEUED || e->state == SB_JOB_RUNNING ? "Cancel" : "Delete");
}

static void search(sb_turn *t, const listing *l)
{
    SB_HTML(&t->html, "<form class=\"search\" method=\"get\" action=\"/portal/admin/exports\">");
    sb_admin_search_field(t, "client", "Client id", l->client);
    SB_HTML(&t->html, "<div><label for=\"f-state\">State</label><select id=\"f-state\" name=\"state\">");
    sb_admin_option(t, "", "any", l->state);
    for (sb_job_state i = SB_JOB_QUEUED; i <= SB_JOB_FAILED; i++)
        sb_admin_option(t, sb_job_state_name(i), sb_job_state_name(i), l->state);
    SB_HTML(&t->html, "</select></div><div><button class=\"second\">Search</button></div></form>");
}

static void list(sb_turn *t, const listing *l)
{
    uint64_t from = 0;
    char next[24];
    (void)sb_str_to_u64(sb_str_from(sb_turn_query(t, "from")), EXPORTS_MAX, &from);
    SB_HTML(&t->html, "<section class=\"card\">");
    search(t, l);
    if (from >= l->count) {
        SB_HTML(&t->html, "<p class=\"soft\">There is none that fits.</p></section>");
        return;
    }
    SB_HTML(&t->html,
            "<div class=\"table\"><table><thead><tr><th>Client</th><th>Group</th><th>State</th><th>Asked for</th>"
            "<th>Kept until</th><th></th></tr></thead><tbody>");
    for (size_t i = (size_t)from; i < l->count && i < from + SB_ADMIN_ROWS; i++)
        row(t, &l->rows[l->count - 1 - i]);
    SB_HTML(&t->html, "</tbody></table></div>");
    (void)snprintf(next, sizeof(next), "%llu", (unsigned long long)from + SB_ADMIN_ROWS);
    if (from + SB_ADMIN_ROWS < l->count)
        SB_HTML(
            &t->html,
            "<div class=\"actions\"><a class=\"button second\" href=\"/portal/admin/exports?client={u}&amp;state={u}"
            "&amp;from={u}\">Older</a></div>",
            l->client, l->state, next);
    SB_HTML(&t->html, "</section>");
}

static sb_status page(sb_turn *t, sb_error *err)
{
    SB_AUTO(listing) l = {.client = sb_turn_query(t, "client"), .state = sb_turn_query(t, "state")};
    SB_TRY(sb_jobs_each(t->service->o.jobs, NULL, look_at, &l, err));
    sb_page_begin(t, "Exports", "Exports");
    SB_HTML(&t->html, "<h1>Exports</h1><p class=\"lead\">What clients asked for, until it expires.</p>"
                      "<div class=\"numbers\">");
    for (sb_job_state i = SB_JOB_QUEUED; i <= SB_JOB_FAILED; i++)
        sb_admin_figure(t, l.by_state[i], sb_job_state_name(i));
    SB_HTML(&t->html, "</div>");
    list(t, &l);
    sb_page_end(t, 200);
    return SB_OK;
}

void sb_page_admin_exports(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    if (page(t, &err) != SB_OK)
        sb_page_fail(t, &err);
}

/* An end to one */

static sb_status find(sb_turn *t, const char *id, listing *l, export **out, sb_error *err)
{
    SB_TRY(sb_jobs_each(t->service->o.jobs, NULL, look_at, l, err));
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->rows[i].id, id) == 0) {
            *out = &l->rows[i];
            return SB_OK;
        }
    }
    return sb_error_set(err, SB_E_NOT_FOUND, "there is no such export", "it ended, or never was", "look at the list");
}

void sb_page_admin_cancel(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    export *e = NULL;
    SB_AUTO(listing) l = {.client = "", .state = ""};
    if (find(t, sb_turn_query(t, "id"), &l, &e, &err) != SB_OK) {
        sb_page_fail(t, &err);
        return;
    }
    bool under_way = e->state == SB_JOB_QUEUED || e->state == SB_JOB_RUNNING;
    SB_AUTOFREE of = sb_printf("Of %s%s%s", e->client, e->group[0] ? ", group " : "", e->group);
    sb_admin_question question = {.section = "Exports",
                                  .title = "Delete this export?",
                                  .text = "Its files are gone then; the client has to ask for another.",
                                  .name = of,
                                  .id = e->id,
                                  .what = "exports/cancel",
                                  .button = "Delete it"};
    if (under_way) {
        question.title = "Cancel this export?";
        question.text = "What was made of it is thrown away; the client is told that it is gone.";
        question.button = "Cancel it";
    }
    sb_admin_ask(t, &question);
}

static sb_status cancel(sb_turn *t, sb_error *err)
{
    export *e = NULL;
    SB_AUTO(listing) l = {.client = "", .state = ""};
    SB_TRY(find(t, sb_turn_field(t, "id"), &l, &e, err));
    SB_TRY(sb_jobs_delete(t->service->o.jobs, NULL, sb_str_from(e->id), err));
    t->visit->audit = "export.deleted";
    (void)snprintf(t->visit->job, sizeof(t->visit->job), "%s", e->id);
    (void)snprintf(t->visit->client, sizeof(t->visit->client), "%s", e->client);
    (void)snprintf(t->visit->group, sizeof(t->visit->group), "%s", e->group);
    return SB_OK;
}

void sb_page_admin_cancel_do(sb_turn *t)
{
    sb_error err = SB_ERROR_INIT;
    if (cancel(t, &err) == SB_OK)
        sb_page_redirect(t, "/portal/admin/exports", NULL);
    else
        sb_page_fail(t, &err);
}
