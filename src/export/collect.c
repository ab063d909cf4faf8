/* SPDX-License-Identifier: Apache-2.0 */
/* collect.c - follows a manifest from page to page. Owns the list of pages it has seen. */
#include "export/collect.h"

#include <openssl/sha.h>

#include "base/json.h"

/* The journal's ten million files in pages of a hundred; an endless chain must not go on for ever. */
#define PAGES_MAX 100000

/* Hashes of the URLs of pages that were asked for: a payer whose links lead in a circle is found out at once. */
typedef struct trail {
    uint64_t *hashes;
    size_t len, cap;
} trail;

static inline void trail_cleanup(trail *t)
{
    free(t->hashes);
}

static sb_status step_on(trail *t, const char *url, sb_error *err)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    uint64_t hash;
    (void)SHA256((const unsigned char *)url, strlen(url), digest);
    memcpy(&hash, digest, sizeof(hash));
    for (size_t i = 0; i < t->len; i++)
        if (t->hashes[i] == hash)
            return sb_error_set(err, SB_E_SERVER, "the manifest's pages lead in a circle",
                                "page %zu leads back to page %zu", "tell the payer", t->len, i + 1);
    if (t->len == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        uint64_t *grown = realloc(t->hashes, cap * sizeof(*grown));
        if (!grown)
            return sb_error_nomem(err);
        t->hashes = grown;
        t->cap = cap;
    }
    t->hashes[t->len++] = hash;
    return SB_OK;
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static sb_status tell_page(const sb_export_context *context, const sb_manifest_found *found, sb_error *err)
{
    SB_AUTOFREE time = NULL;
    SB_TRY(sb_journal_get(context->journal, "transaction_time", &time, err));
    const sb_export_event event = {.kind = SB_EXPORT_MANIFEST_PAGE,
                                   .text = time ? time : "",
                                   .files = found->output + found->deleted + found->error};
    context->on_event(context->on_event_impl, &event);
    sb_event_log_add(context->log, "status_page_complete",
                     json_pack("{s:o, s:o, s:o, s:o}", "transactionTime", sb_event_text(time), "outputFileCount",
                               number(found->output), "deletedFileCount", number(found->deleted), "errorFileCount",
                               number(found->error)));
    if (found->urls_mended)
        sb_context_warn(context, "the payer lists file URLs as http; https is used");
    if (found->token_unsaid && event.files > 0)
        sb_context_warn(context, "the manifest does not say whether files need the token: it goes to the payer's own "
                                 "servers, and nowhere else");
    if (found->repeated > 0)
        sb_context_warn(context, "the manifest lists %llu file%s once more, by type and URL: each is taken once",
                        (unsigned long long)found->repeated, found->repeated == 1 ? "" : "s");
    if (found->types_unfit > 0)
        sb_context_warn(context, "%llu files are listed without a usable type: they are named Unknown",
                        (unsigned long long)found->types_unfit);
    return SB_OK;
}

/* The URL leads to whom we trust, or it is not followed: the token goes along.                                USE-03 */
static sb_status check_next(const sb_export_context *context, const char *url, sb_error *err)
{
    SB_AUTO(sb_url) parsed = SB_URL_INIT;
    SB_TRY(sb_url_parse(url, &parsed, err));
    return sb_payer_require_trust(context->payer, &parsed, "the manifest's next page", err);
}

typedef struct counts {
    uint64_t output, deleted, error;
} counts;

static sb_status count_one(void *impl, const sb_journal_file *file, sb_error *err)
{
    counts *c = impl;
    (void)err;
    ++*(file->kind == SB_FILE_OUTPUT ? &c->output : file->kind == SB_FILE_DELETED ? &c->deleted : &c->error);
    return SB_OK;
}

static sb_status log_complete(const sb_export_context *context, sb_error *err)
{
    counts c = {0, 0, 0};
    uint64_t pages;
    SB_AUTOFREE next = NULL;
    SB_AUTOFREE time = NULL;
    SB_TRY(sb_journal_each(context->journal, count_one, &c, err));
    SB_TRY(sb_journal_pages(context->journal, &pages, &next, err));
    SB_TRY(sb_journal_get(context->journal, "transaction_time", &time, err));
    sb_event_log_add(context->log, "manifest_complete",
                     json_pack("{s:o, s:o, s:o, s:o, s:o}", "transactionTime", sb_event_text(time),
                               "totalOutputFileCount", number(c.output), "totalDeletedFileCount", number(c.deleted),
                               "totalErrorFileCount", number(c.error), "totalManifests", number(pages)));
    if (!time)
        sb_context_warn(context, "the payer gave no usable transactionTime: no later export can go on from this one");
    return SB_OK;
}

static sb_status first_page(const sb_export_context *context, const char *poll_url, char **next,
                            sb_job_verdict *verdict, sb_error *err)
{
    SB_AUTO(sb_manifest_found) found = SB_MANIFEST_FOUND_INIT;
    SB_TRY(sb_poll(context, poll_url, 0, &found, verdict, err));
    sb_event_log_add(context->log, "status_complete",
                     json_pack("{s:o}", "transactionTime", sb_event_text(found.transaction_time)));
    SB_TRY(tell_page(context, &found, err));
    *next = found.next;
    found.next = NULL;
    return SB_OK;
}

/* All pages behind `*next`, which is page `page`. */
static sb_status other_pages(const sb_export_context *context, trail *seen, uint64_t page, char **next,
                             sb_job_verdict *verdict, sb_error *err)
{
    while (*next) {
        SB_AUTO(sb_manifest_found) found = SB_MANIFEST_FOUND_INIT;
        if (page == PAGES_MAX)
            return sb_error_set(err, SB_E_SERVER, "the manifest has more pages than it can honestly need",
                                "more than %d", "tell the payer", PAGES_MAX);
        SB_TRY(step_on(seen, *next, err));
        SB_TRY(check_next(context, *next, err));
        SB_TRY(sb_poll(context, *next, page, &found, verdict, err));
        SB_TRY(tell_page(context, &found, err));
        free(*next);
        *next = found.next;
        found.next = NULL;
        page++;
    }
    return SB_OK;
}

sb_status sb_collect(const sb_export_context *context, const char *poll_url, bool again, sb_job_verdict *verdict,
                     sb_error *err)
{
    SB_AUTO(trail) seen = {NULL, 0, 0};
    SB_AUTOFREE next = NULL;
    uint64_t pages;
    *verdict = SB_JOB_LIVES;
    SB_TRY(sb_journal_pages(context->journal, &pages, &next, err));
    SB_TRY(step_on(&seen, poll_url, err));
    if (pages > 0 && next && !again) { /* a kill between two pages: go on behind the last that is known */
        sb_error inner = SB_ERROR_INIT;
        sb_status status = other_pages(context, &seen, pages, &next, verdict, &inner);
        if (status == SB_OK)
            return log_complete(context, err);
        if (*verdict != SB_JOB_GONE) {
            if (err)
                *err = inner;
            return status;
        }
        seen.len = 1; /* the link has expired, the job perhaps not */
    } else if (pages > 0 && !again) {
        return SB_OK;
    }
    free(next);
    next = NULL;
    SB_TRY(first_page(context, poll_url, &next, verdict, err));
    SB_TRY(other_pages(context, &seen, 1, &next, verdict, err));
    return log_complete(context, err);
}
