/* SPDX-License-Identifier: Apache-2.0 */
/* download_request.c - a transfer's request: whom to ask, with or without the token, for all of the file or for what is
 * missing. Looks at no answer.                                                      USE-01, USE-02, USE-03, FILE-01 */
#include <stdio.h>

#include "base/secret.h"
#include "export/download_internal.h"
#include "http/headers.h"

/* A read is one TLS record of 16 KB at most; four of them are what is hashed and judged in one go where there is no
 * TLS. Larger ones fall out of the cache. */
#define READ_BYTES        (64L * 1024)
#define STALL_BYTES_PER_S 16L /* slower than this for the whole time-out is a stall: a page takes 5 minutes */

static CURLcode set_callbacks(sb_transfer *t)
{
    CURLcode rc = curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, sb_transfer_on_header);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, sb_transfer_on_body);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_XFERINFOFUNCTION, sb_transfer_on_progress);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, t);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_NOPROGRESS, 0L);
    return rc != CURLE_OK ? rc : curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
}

sb_status sb_transfer_set_up(sb_transfer *t, sb_error *err)
{
    sb_download *d = t->worker->download;
    t->easy = curl_easy_init();
    if (!t->easy)
        return sb_error_nomem(err);
    SB_TRY(sb_http_prepare(d->http, t->easy, err));
    sb_tls_watch(t->easy, &t->tls);
    CURLcode rc = set_callbacks(t);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->detail);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, READ_BYTES);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, (long)d->tuning.stall_s);
    if (rc == CURLE_OK) /* we decode, for libcurl does not notice a stream that was cut off: gunzip.h */
        rc = curl_easy_setopt(t->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    return sb_http_curl_error(rc, NULL, NULL, err);
}

void sb_transfer_forget_request(sb_transfer *t)
{
    (void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
    for (struct curl_slist *line = t->list; line; line = line->next)
        sb_wipe(line->data, strlen(line->data)); /* the token is in one of them */
    curl_slist_free_all(t->list);
    t->list = NULL;
    sb_token_release(t->token);
    t->token = NULL;
}

sb_status sb_transfer_first_hop(sb_transfer *t, sb_error *err)
{
    t->hops = 0;
    t->credentials = true;
    return sb_url_parse(t->file.url, &t->url, err);
}

static sb_status add_line(sb_transfer *t, const char *name, const char *value, sb_error *err)
{
    sb_buf line = SB_BUF_INIT;
    bool ok = sb_buf_printf(&line, "%s: %s", name, value);
    struct curl_slist *grown = ok ? curl_slist_append(t->list, line.ptr) : NULL;
    sb_buf_wipe(&line);
    if (!grown)
        return sb_error_nomem(err);
    t->list = grown;
    return SB_OK;
}

static sb_status add_token(sb_transfer *t, sb_error *err)
{
    sb_buf value = SB_BUF_INIT;
    bool ok = sb_buf_printf(&value, "Bearer %s", sb_token_text(t->token));
    sb_status status = ok ? add_line(t, "Authorization", value.ptr, err) : sb_error_nomem(err);
    sb_buf_wipe(&value);
    return status;
}

/* What is missing, from the last byte that we have: a range is never empty then, and that byte must come again.
 * FILE-05 */
static sb_status add_range(sb_transfer *t, sb_error *err)
{
    char range[48];
    t->range_from = t->encoded - 1;
    (void)snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)t->range_from);
    SB_TRY(add_line(t, "Range", range, err));
    return add_line(t, "If-Range", t->validator, err);
}

static sb_status build_headers(sb_transfer *t, sb_error *err)
{
    SB_TRY(add_line(t, "Accept", "application/fhir+ndjson", err));
    t->ranged = t->validator[0] && t->encoded > 0;
    /* the beginning we have is in one coding: the rest must come in the same */
    SB_TRY(add_line(t, "Accept-Encoding", t->ranged && !t->content.gzip ? "identity" : "gzip", err));
    if (t->ranged)
        SB_TRY(add_range(t, err));
    if (t->token)
        SB_TRY(add_token(t, err));
    return t->credentials ? sb_http_extra_headers(t->worker->download->http, &t->url, &t->list, err) : SB_OK;
}

/* The token, when this hop is to have one. *ready false: it is awaited.                                     USE-02 */
static sb_status take_token(sb_transfer *t, bool *ready, sb_error *err)
{
    sb_download *d = t->worker->download;
    *ready = true;
    if (!t->file.needs_token || !t->credentials)
        return SB_OK;
    SB_TRY(sb_token_desk_get(d->desk, ready, &t->token, err));
    if (!t->token)
        return SB_OK; /* awaited, or the payer wants none */
    return sb_payer_require_trust(d->options.payer, &t->url, "a file", err);
}

static void begin_answer(sb_transfer *t)
{
    sb_http_headers_clear(&t->headers);
    t->header_bytes = 0;
    t->head_done = t->peer_closed = t->until_close = t->skip_one = t->not_the_same = false;
    t->lasting = false;
    t->body = BODY_NONE;
    t->body_bytes = t->total = 0;
    sb_buf_clear(&t->words);
    t->status = SB_OK;
    t->detail[0] = '\0';
    t->encoded_at_start = t->encoded;
}

sb_status sb_transfer_request(sb_transfer *t, sb_error *err)
{
    bool ready;
    SB_TRY(sb_url_require_secure(&t->url, "the file's address", err)); /* DISC-05 */
    sb_status status = take_token(t, &ready, err);
    if (status == SB_OK && !ready)
        return SB_OK;
    begin_answer(t);
    if (status == SB_OK)
        status = build_headers(t, err);
    CURLcode rc = CURLE_OK;
    if (status == SB_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_URL, t->url.text);
    if (status == SB_OK && rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->list);
    if (status == SB_OK && rc == CURLE_OK && curl_multi_add_handle(t->worker->multi, t->easy) != CURLM_OK)
        rc = CURLE_FAILED_INIT;
    if (status == SB_OK)
        status = sb_http_curl_error(rc, NULL, t->url.text, err);
    if (status == SB_OK)
        t->state = TRANSFER_RUNNING;
    else
        sb_transfer_forget_request(t);
    return status;
}
