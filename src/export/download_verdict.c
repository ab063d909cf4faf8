/* SPDX-License-Identifier: Apache-2.0 */
/* download_verdict.c - what to make of an answer that has come to its end: the file is kept, rejected, asked for again,
 * given up, or left for a run that has new URLs.
 *
 *   200, 206 whole ─┬─ lines good, count right ──────► KEEPING
 *                   ├─ bad lines, wrong count ───────► REJECTING: as received, with its list        FILE-02, FILE-03
 *                   └─ HTML, an OperationOutcome ────► words; again while it may pass, else given up        REAL-06
 *   3xx ──────────────── policy ─────────────────────► the next hop                                         USE-03
 *   401 ──────────────── that token is rejected ─────► once more with a new one; twice: SB_E_AUTH           USE-04
 *   403 404 410 ─────────────────────────────────────► the URL has expired                                 FILE-04
 *   416 ──────────────── what we have is of no use ──► from the beginning                                   FILE-05
 *   a bomb ──────────────────────────────────────────► FAILED: the next answer would be the same
 *   408 425 429 5xx, no answer, a broken one ────────► again after a while, going on where it broke off when
 *                                                      that can be proved
 *   other ───────────────────────────────────────────► FAILED */
#include <stdio.h>

#include "base/secret.h"
#include "export/download_internal.h"
#include "fhir/operation_outcome.h"
#include "fhir/safe_line.h"
#include "http/headers.h"
#include "http/retry.h"

#define PROGRESS_MIN (64 * 1024) /* a try that brought so much more of the file was not in vain */

/* This file will not be had in this run, nor, as it looks, in the next one. */
static void give_up(sb_transfer *t, const sb_error *err)
{
    int status = sb_transfer_http_status(t);
    sb_content_discard(&t->content);
    sb_download_log(t->worker->download, "download_error", &t->file, status, err->why);
    sb_download_give_up(t->worker->download, &t->file, status, true, err);
    sb_transfer_idle(t);
}

static void fatal(sb_transfer *t, sb_status status, const sb_error *err)
{
    sb_download_fatal(t->worker->download, status, err);
}

static bool is_ours(sb_status status)
{
    return status == SB_E_IO || status == SB_E_NOMEM || status == SB_E_INTERNAL || status == SB_E_INTERRUPTED ||
           status == SB_E_USAGE || status == SB_E_BUSY || status == SB_E_AUTH;
}

/* How long before the next try: as told, or longer each time. */
static int64_t patience_ns(sb_transfer *t)
{
    sb_download *d = t->worker->download;
    unsigned told_s;
    int64_t wait = sb_backoff_ns(t->tries - 1, d->tuning.backoff_first_ms, d->tuning.backoff_cap_ms);
    if (!sb_http_retry_after(&t->headers, d->clock->wall_s(d->clock->impl), d->tuning.retry_after_max_s, &told_s))
        return wait;
    int64_t until = sb_download_now(d) + told_s * SB_NS_PER_S, others = atomic_load(&d->pause_until_ns);
    while (until > others && !atomic_compare_exchange_weak(&d->pause_until_ns, &others, until))
        continue; /* all transfers wait: more requests would only be refused, too */
    return SB_MAX(wait, told_s * SB_NS_PER_S);
}

static void tell_retry(sb_transfer *t, int64_t wait_ns, const sb_error *err)
{
    SB_AUTOFREE text = sb_printf("%s: %s (%s)", t->file.name, err->what, err->why);
    const sb_export_event event = {.kind = SB_EXPORT_RETRY,
                                   .text = text ? text : err->what,
                                   .file = t->file.name,
                                   .type = t->file.type,
                                   .seconds = (unsigned)((wait_ns + SB_NS_PER_S - 1) / SB_NS_PER_S)};
    sb_download_event(t->worker->download, &event);
}

/* It may succeed later. `status` says who failed when it does not: the network, or the payer. */
static void again_later(sb_transfer *t, sb_status status, const sb_error *err)
{
    sb_download *d = t->worker->download;
    if (t->validator[0] && t->encoded >= t->encoded_at_start + PROGRESS_MIN)
        t->tries = 0; /* on a bad line a large file comes in many pieces */
    t->tries++;
    sb_download_log(d, "download_error", &t->file, sb_transfer_http_status(t), err->what);
    if (t->tries < d->tuning.tries_max) {
        int64_t wait_ns = patience_ns(t);
        tell_retry(t, wait_ns, err);
        if (sb_transfer_first_hop(t, NULL) == SB_OK) /* it was parsed before */
            sb_transfer_again(t, wait_ns);
        return;
    }
    if (!t->recorded)
        sb_content_discard(&t->content);
    if (status == SB_E_NETWORK)
        sb_download_unreachable(d, err);
    else
        sb_download_give_up(d, &t->file, sb_transfer_http_status(t), false, err);
    sb_transfer_idle(t);
}

/* The words of an error's body that a person can use: an OperationOutcome's, else none. May be compressed. */
static sb_status add_plain(void *impl, sb_str bytes, sb_error *err)
{
    sb_buf *plain = impl;
    size_t room = plain->max - plain->len - 1;
    return room == 0 || sb_buf_add(plain, bytes.ptr, SB_MIN(room, bytes.len)) ? SB_OK : sb_error_nomem(err);
}

static void decode_words(sb_transfer *t)
{
    SB_AUTOPTR(sb_gunzip) gunzip = NULL;
    SB_AUTO(sb_buf) plain = SB_BUF_BOUNDED(SB_OUTCOME_MAX_BYTES);
    if (t->words.len < 2 || (unsigned char)t->words.ptr[0] != 0x1F || sb_gunzip_new(&gunzip, NULL) != SB_OK)
        return;
    if (sb_gunzip_feed(gunzip, sb_buf_str(&t->words), add_plain, &plain, NULL) != SB_OK)
        return;
    sb_buf_cleanup(&t->words);
    t->words = plain;
    plain = (sb_buf)SB_BUF_INIT;
}

/* The patients that were asked for: a file server may know them, and name them. */
static void hide_words(const sb_transfer *t, char *text)
{
    const sb_download_options *o = &t->worker->download->options;
    if (o->hide)
        o->hide(o->hide_impl, text);
}

/* "404: not-found: no such file" */
static void explain_status(sb_transfer *t, int status, const char *fix, sb_error *err)
{
    sb_outcome outcome;
    SB_AUTOFREE url = sb_url_redacted(t->url.text);
    decode_words(t);
    bool says = sb_outcome_parse(sb_buf_str(&t->words), &outcome, NULL) == SB_OK && outcome.text[0];
    if (says)
        hide_words(t, outcome.text);
    sb_error_set(err, SB_E_SERVER, NULL, "%.300s answered %d%s%.500s", fix, url ? url : t->url.host, status,
                 says ? ": " : "", says ? outcome.text : "");
    sb_error_what(err, "%s could not be had (%d)", t->file.name, status);
    err->http_status = status;
}

/* Worth to be read as JSON? Small files come by the ten thousand, and are what they should be. */
static bool may_be_outcome(sb_str head)
{
    static const char name[] = "OperationOutcome";
    return head.len > 0 && memmem(head.ptr, head.len, name, sizeof(name) - 1) != NULL;
}

/* A 200 that is no file: a login page, a gateway's error. The head of the body tells.                       REAL-06 */
static bool is_no_file(sb_transfer *t, const sb_ndjson_counts *counts, bool *passing, sb_error *err)
{
    sb_str head = sb_str_trim(sb_buf_str(&t->content.head));
    sb_outcome outcome;
    *passing = true; /* a gateway's page is often gone a minute later */
    if (counts->resources == 0 && head.len > 0 && head.ptr[0] == '<') {
        sb_error_set(err, SB_E_SERVER, NULL, "the answer is HTML or XML: a page of a proxy, a gateway or a login",
                     "open the file's URL in a browser, or ask the payer what stands before its file server");
    } else if (counts->resources == 0 && head.len > 1 && (unsigned char)head.ptr[0] == 0x1F) {
        *passing = false;
        sb_error_set(err, SB_E_SERVER, NULL, "the answer is compressed, and does not say so (Content-Encoding)",
                     "tell the payer");
    } else if (counts->bytes < SB_CONTENT_HEAD && t->file.kind != SB_FILE_ERROR &&
               strcmp(t->file.type, "OperationOutcome") != 0 && may_be_outcome(head) &&
               sb_outcome_parse(head, &outcome, NULL) == SB_OK &&
               (counts->resources == 0 || sb_outcome_is_error(&outcome))) {
        *passing = sb_outcome_is_transient(&outcome);
        hide_words(t, outcome.text);
        sb_error_set(err, SB_E_SERVER, NULL, "the payer sent an error instead of the file: %.600s",
                     "ask the payer; `smartbulk resume` tries again", outcome.text);
    } else {
        return false;
    }
    sb_error_what(err, "%s is not NDJSON", t->file.name);
    return true;
}

/* The file goes to the committer, with all that is known of it. */
static void hand_over(sb_transfer *t, sb_file_state state, const sb_ndjson_counts *counts)
{
    sb_download *d = t->worker->download;
    sb_finished finished = {.http_status = sb_transfer_http_status(t), .part_fd = -1, .list_fd = -1};
    (void)pthread_mutex_lock(&t->worker->lock);
    t->file.state = state;
    t->file.bytes = counts->bytes;
    t->file.resources = counts->resources;
    t->file.bad_lines = counts->bad;
    finished.file = t->file;
    t->file = (sb_journal_file){.id = 0};
    t->state = TRANSFER_IDLE;
    (void)pthread_mutex_unlock(&t->worker->lock);
    sb_content_release(&t->content, &finished.part_fd, &finished.list_fd);
    sb_download_went_well(d);
    sb_committer_put(d->committer, &finished);
    sb_transfer_idle(t);
}

/* The manifest's count is a promise about output files; about others payers differ in what they count.       FILE-03 */
static sb_status check_count(sb_transfer *t, const sb_ndjson_counts *counts, bool *wrong, sb_error *err)
{
    char text[128];
    *wrong = t->file.count >= 0 && (uint64_t)t->file.count != counts->lines;
    if (!*wrong)
        return SB_OK;
    (void)snprintf(text, sizeof(text), "the manifest says %lld resources, and %llu came", (long long)t->file.count,
                   (unsigned long long)counts->lines);
    if (t->file.kind != SB_FILE_OUTPUT) {
        SB_AUTOFREE warning = sb_printf("%s: %s", t->file.name, text);
        sb_download_warn(t->worker->download, warning ? warning : text);
        *wrong = false;
        return SB_OK;
    }
    free(t->file.problem);
    t->file.problem = sb_printf("%s", text);
    if (!t->file.problem)
        return sb_error_nomem(err);
    return sb_bad_lines_note(&t->content.bad, text, err);
}

static sb_status note_bad_lines(sb_transfer *t, const sb_ndjson_counts *counts, sb_error *err)
{
    if (counts->bad == 0 || t->file.problem)
        return SB_OK;
    const sb_ndjson_bad_line *first = &t->content.bad.first;
    t->file.problem = sb_printf("%llu bad line%s, listed in " SB_FOLDER_REJECTED "/%s.bad-lines.ndjson%s line %llu: %s",
                                (unsigned long long)counts->bad, counts->bad == 1 ? "" : "s", t->file.name,
                                counts->bad == 1 ? ":" : "; the first is", (unsigned long long)first->line,
                                sb_ndjson_reason_text(first->reason));
    return t->file.problem ? SB_OK : sb_error_nomem(err);
}

/* The whole file is here. */
static void judge_file(sb_transfer *t)
{
    sb_download *d = t->worker->download;
    sb_ndjson_counts counts;
    sb_error err = SB_ERROR_INIT;
    bool wrong_count = false, passing;
    sb_status status = sb_content_finish(&t->content, &counts, t->file.sha256, &err);
    if (status == SB_OK && is_no_file(t, &counts, &passing, &err)) {
        sb_transfer_forget_validator(t);
        if (passing)
            again_later(t, SB_E_SERVER, &err);
        else
            give_up(t, &err);
        return;
    }
    if (status == SB_OK)
        status = check_count(t, &counts, &wrong_count, &err);
    if (status == SB_OK)
        status = note_bad_lines(t, &counts, &err);
    if (status == SB_OK && (wrong_count || counts.bad > 0)) /* the list may have got its note just now */
        status = sb_part_flush(&t->content.bad.part, &err);
    if (status != SB_OK) {
        sb_transfer_failed(t, status, &err);
        return;
    }
    bool keep = !wrong_count && counts.bad <= d->options.allow_bad_lines;
    hand_over(t, keep ? SB_FILE_KEEPING : SB_FILE_REJECTING, &counts);
}

void sb_transfer_failed(sb_transfer *t, sb_status status, const sb_error *err)
{
    if (is_ours(status)) {
        fatal(t, status, err);
        return;
    }
    if (t->lasting) {
        sb_transfer_forget_validator(t);
        give_up(t, err);
        return;
    }
    if (status == SB_E_INVALID) /* it cannot be decoded: what we have of it is worth nothing */
        sb_transfer_forget_validator(t);
    again_later(t, status == SB_E_NETWORK ? SB_E_NETWORK : SB_E_SERVER, err);
}

/* A server may repeat the token in its words: they are shown and logged. */
static void hide_token(sb_transfer *t, const sb_token *token)
{
    sb_str text = sb_str_from(sb_token_text(token));
    decode_words(t);
    sb_http_headers_hide(&t->headers, text);
    sb_secret_hide(t->words.ptr, t->words.len, text);
    sb_secret_hide(t->content.head.ptr, t->content.head.len, text);
}

static void follow(sb_transfer *t)
{
    SB_AUTO(sb_url) next = SB_URL_INIT;
    sb_error err = SB_ERROR_INIT;
    bool same_origin;
    const char *location = sb_http_header_get(&t->headers, "Location");
    sb_status status = SB_OK;
    if (!location)
        status = sb_error_set(&err, SB_E_SERVER, "a redirect leads nowhere", "%s: it has no Location", "tell the payer",
                              t->url.host);
    else if (t->hops == REDIRECTS_MAX)
        status = sb_error_set(&err, SB_E_SERVER, "the server redirects in circles", "%s: more than %d redirects",
                              "tell the payer: its URL leads nowhere", t->url.host, REDIRECTS_MAX);
    else
        status = sb_http_redirect(&t->url, location, &next, &same_origin, &err);
    if (status != SB_OK) {
        give_up(t, &err);
        return;
    }
    t->hops++;
    t->credentials = t->credentials && same_origin;
    sb_url_cleanup(&t->url);
    t->url = next;
    next = (sb_url)SB_URL_INIT;
    sb_transfer_again(t, 0);
}

static bool has_expired(const sb_download *d, const sb_token *token)
{
    return sb_download_now(d) >= sb_token_expires_ns(token);
}

/* A token's refusal is silent once, and final the second time; one that died on its way counts for nothing.  USE-04 */
static void refused(sb_transfer *t, sb_token *token)
{
    sb_download *d = t->worker->download;
    sb_error err = SB_ERROR_INIT;
    if (!token) {
        const char *fix = "leave out `auth: none`, and give a client id and a key";
        if (!t->file.needs_token)
            fix = "tell the payer: its manifest says that files need no token";
        else if (!t->credentials) /* USE-03 */
            fix = "tell the payer: its redirect should lead to a URL that needs no token";
        explain_status(t, 401, fix, &err);
        give_up(t, &err);
        return;
    }
    t->refusals += !has_expired(d, token);
    t->token_tries++;
    sb_token_desk_reject(d->desk, token);
    if (t->refusals < 2 && t->token_tries < d->tuning.tries_max) {
        sb_transfer_again(t, 0);
        return;
    }
    decode_words(t);
    const sb_http_request request = {.method = "GET", .url = t->url.text};
    const sb_http_response response = {.status = 401, .headers = t->headers, .body = t->words};
    sb_status status = sb_payer_explain_refusal(d->options.payer, &request, &response, &err);
    hide_words(t, err.why);
    sb_download_log(d, "download_error", &t->file, 401, err.what);
    fatal(t, status, &err);
}

static void judge_expired(sb_transfer *t, int status)
{
    sb_download *d = t->worker->download;
    sb_error err = SB_ERROR_INIT;
    explain_status(t, status, "ask the payer; `smartbulk resume` tries again", &err);
    sb_download_log(d, "download_error", &t->file, status, err.why);
    if (d->options.urls_are_final) {
        sb_content_discard(&t->content);
        sb_download_fail_file(d, &t->file, status, &err);
        sb_transfer_idle(t);
        return;
    }
    if (!t->recorded)
        sb_content_discard(&t->content);
    sb_download_expired(d);
    sb_transfer_idle(t);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void judge_status(sb_transfer *t, int status, sb_token *token)
{
    sb_error err = SB_ERROR_INIT;
    if (status == 200 || (status == 206 && t->ranged)) {
        judge_file(t);
    } else if (is_redirect(status)) {
        follow(t);
    } else if (status == 401) {
        refused(t, token);
    } else if (status == 403 || status == 404 || status == 410) {
        judge_expired(t, status);
    } else if (status == 416 && t->ranged) {
        sb_transfer_forget_validator(t);
        explain_status(t, status, "it is fetched from its beginning", &err);
        again_later(t, SB_E_SERVER, &err);
    } else if (status >= 500 || status == 408 || status == 425 || status == 429) {
        explain_status(t, status, "ask the payer; `smartbulk resume` tries again", &err);
        again_later(t, SB_E_SERVER, &err);
    } else {
        explain_status(t, status, "ask the payer; `smartbulk resume` tries again", &err);
        give_up(t, &err);
    }
}

/* libcurl takes a head that was cut off for a whole answer, and an end of the connection for the end of the file. Over
 * TLS the peer must have said that it is; and a rest must have brought all that was missing. */
static bool was_cut(const sb_transfer *t)
{
    return !t->head_done || (t->until_close && !t->peer_closed) || (t->total > 0 && t->encoded != t->total);
}

/* Trying again does not mend a certificate. */
static bool is_lasting(CURLcode rc)
{
    return rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE || rc == CURLE_SSL_CERTPROBLEM ||
           rc == CURLE_SSL_ISSUER_ERROR;
}

void sb_transfer_judge(sb_transfer *t, CURLcode rc)
{
    sb_error err = SB_ERROR_INIT;
    int status = sb_transfer_http_status(t);
    sb_token *token = t->token ? sb_token_ref(t->token) : NULL;
    sb_transfer_forget_request(t);
    rc = sb_http_true_code(rc, t->easy, t->head_done, t->detail);
    if (token)
        hide_token(t, token);
    if (rc == CURLE_OK && t->status == SB_OK && t->body == BODY_NONE && t->head_done)
        t->status = sb_transfer_begin_body(t); /* it has no body */
    if (rc == CURLE_OK && was_cut(t))
        rc = CURLE_PARTIAL_FILE;
    if (t->not_the_same)
        sb_transfer_forget_validator(t);
    if (t->status != SB_OK) {
        err = t->err;
        sb_transfer_failed(t, t->status, &err);
    } else if (rc != CURLE_OK) {
        sb_status failed = sb_http_explain(rc, t->detail, t->url.text, &t->tls, &err);
        if (is_lasting(rc))
            t->tries = t->worker->download->tuning.tries_max;
        sb_transfer_failed(t, failed, &err);
    } else {
        judge_status(t, status, token);
    }
    sb_token_release(token);
}
