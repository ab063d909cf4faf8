/* SPDX-License-Identifier: Apache-2.0 */
/* download_answer.c - a transfer's answer as libcurl hands it over: the head within bounds, then a body that is the
 * file, its missing rest, or words about why there is none. Judges nothing but whether the file is the same. */
#include <stdio.h>

#include "export/download_internal.h"
#include "http/headers.h"
#include "http/retry.h"

#define WORDS_MAX      (64 * 1024)   /* of an error's body: OperationOutcomes have a KB or two, we show one line */
#define WORDS_READ_MAX (1024 * 1024) /* no error is longer: an endless one is not listened to */
/* a Last-Modified this much older than Date is not of a file still changing.                RFC 9110 §8.8.2.2 */
#define STRONG_AGE_S 60

int sb_transfer_http_status(const sb_transfer *t)
{
    long status = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

size_t sb_transfer_on_header(char *bytes, size_t size, size_t n, void *impl)
{
    sb_transfer *t = impl;
    sb_str line = {bytes, size * n};
    if (t->body != BODY_NONE)
        return line.len;                                 /* trailers: nothing here looks at them */
    if (sb_str_starts_with(line, SB_STR_LIT("HTTP/"))) { /* the head after a 1xx */
        sb_http_headers_clear(&t->headers);
        t->head_done = false;
        t->header_bytes += line.len;
    } else if (sb_str_trim(line).len == 0) {
        t->head_done = true;
    } else if (!t->head_done) {
        t->status = sb_http_headers_add(&t->headers, line, &t->header_bytes, &t->err);
    }
    return t->status == SB_OK ? line.len : 0;
}

int sb_transfer_on_progress(void *impl, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    (void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
    sb_transfer *t = impl;
    if (t->until_close) /* the end of the connection is the end of the file: whose doing is it? */
        t->peer_closed |= sb_tls_peer_closed(t->easy);
    return 0;
}

void sb_transfer_forget_validator(sb_transfer *t)
{
    if (t->recorded) { /* before the part becomes another: the journal must not vouch for it */
        sb_error err = SB_ERROR_INIT;
        const sb_journal_part none = {.id = t->file.id};
        sb_status status = sb_journal_part_set(t->worker->download->options.journal, &none, &err);
        if (status != SB_OK && t->status == SB_OK) {
            t->status = status;
            t->err = err;
        }
    }
    t->recorded = false;
    t->validator[0] = '\0';
    t->encoded = 0;
}

/* What a later If-Range can ask with: a strong ETag, or a date that is strong by its age.                   FILE-06 */
static void take_validator(sb_transfer *t)
{
    const char *etag = sb_http_header_get(&t->headers, "ETag");
    const char *modified = sb_http_header_get(&t->headers, "Last-Modified");
    const char *date = sb_http_header_get(&t->headers, "Date");
    int64_t modified_s, date_s;
    const char *chosen = NULL;
    if (etag && etag[0] == '"')
        chosen = etag;
    else if (!etag && modified && date && sb_http_date_parse(sb_str_from(modified), &modified_s) &&
             sb_http_date_parse(sb_str_from(date), &date_s) && date_s - modified_s >= STRONG_AGE_S)
        chosen = modified;
    if (chosen && strlen(chosen) < sizeof(t->validator))
        (void)snprintf(t->validator, sizeof(t->validator), "%s", chosen);
}

/* "", "identity": not compressed; "gzip": compressed; anything else was not asked for. */
static sb_status read_encoding(sb_transfer *t, bool *gzip)
{
    const char *text = sb_http_header_get(&t->headers, "Content-Encoding");
    const char *transfer = sb_http_header_get(&t->headers, "Transfer-Encoding");
    sb_str coding = sb_str_trim(sb_str_from(text ? text : ""));
    *gzip = sb_str_eq_nocase(coding, SB_STR_LIT("gzip")) || sb_str_eq_nocase(coding, SB_STR_LIT("x-gzip"));
    if (!*gzip && coding.len > 0 && !sb_str_eq_nocase(coding, SB_STR_LIT("identity")))
        return sb_error_set(&t->err, SB_E_SERVER, "the file comes in a coding that was not asked for",
                            "Content-Encoding: %.60s", "tell the payer: plain or gzip were asked for", text);
    if (transfer && !sb_str_eq_nocase(sb_str_trim(sb_str_from(transfer)), SB_STR_LIT("chunked")))
        return sb_error_set(&t->err, SB_E_SERVER, "the file comes in a coding that was not asked for",
                            "Transfer-Encoding: %.60s", "tell the payer: chunked is what can be read", transfer);
    return SB_OK;
}

/* A whole file: what we had of it is worth nothing. */
static sb_status begin_whole(sb_transfer *t)
{
    bool gzip;
    sb_transfer_forget_validator(t);
    SB_TRY(t->status);
    SB_TRY(read_encoding(t, &gzip));
    take_validator(t);
    t->body = BODY_FILE;
    return sb_content_restart(&t->content, gzip, &t->err);
}

/* "bytes 100-199/200" must begin where we asked, and reach the end: a piece of the rest proves nothing of the whole. */
static bool range_fits(sb_transfer *t)
{
    const char *text = sb_http_header_get(&t->headers, "Content-Range");
    sb_str rest = sb_str_from(text ? text : ""), first, last;
    uint64_t from, to;
    if (!sb_str_starts_with(rest, SB_STR_LIT("bytes ")))
        return false;
    rest = (sb_str){rest.ptr + 6, rest.len - 6};
    return sb_str_split(&rest, '-', &first) && sb_str_split(&rest, '/', &last) &&
           sb_str_to_u64(sb_str_trim(first), UINT64_MAX, &from) && from == t->range_from &&
           sb_str_to_u64(sb_str_trim(last), UINT64_MAX - 1, &to) &&
           sb_str_to_u64(sb_str_trim(rest), UINT64_MAX, &t->total) && t->total == to + 1;
}

/* The rest of the file, if it is the same file. */
static sb_status begin_rest(sb_transfer *t)
{
    bool gzip;
    const char *etag = sb_http_header_get(&t->headers, "ETag");
    SB_TRY(read_encoding(t, &gzip));
    bool same = range_fits(t) && gzip == t->content.gzip &&
                (!etag || t->validator[0] != '"' || strcmp(etag, t->validator) == 0);
    t->not_the_same = !same;
    t->skip_one = true;
    t->body = BODY_FILE;
    return same ? SB_OK
                : sb_error_set(&t->err, SB_E_SERVER, "the rest of a file is of another file",
                               "it was asked for from byte %llu on, by its validator",
                               "it is fetched from its beginning", (unsigned long long)t->range_from);
}

sb_status sb_transfer_begin_body(sb_transfer *t)
{
    int status = sb_transfer_http_status(t);
    t->until_close = strcmp(t->url.scheme, "https") == 0 && !sb_http_header_get(&t->headers, "Content-Length") &&
                     !sb_http_header_get(&t->headers, "Transfer-Encoding");
    if (status == 200)
        return begin_whole(t);
    if (status == 206 && t->ranged)
        return begin_rest(t);
    t->body = BODY_WORDS;
    return SB_OK;
}

/* From now on a later run can go on where this one ends.                                                    FILE-05 */
static sb_status record_part(sb_transfer *t)
{
    sb_download *d = t->worker->download;
    if (t->recorded || !t->validator[0] || t->content.gzip || !d->boot_id[0] ||
        t->content.part.size < d->tuning.resume_min_bytes)
        return SB_OK;
    sb_journal_part part = {.id = t->file.id, .validator = t->validator, .boot_id = d->boot_id};
    t->recorded = true;
    return sb_journal_part_set(d->options.journal, &part, &t->err);
}

static sb_status take_file(sb_transfer *t, sb_str bytes)
{
    if (t->skip_one) {
        t->not_the_same = bytes.ptr[0] != t->last_byte;
        if (t->not_the_same)
            return sb_error_set(&t->err, SB_E_SERVER, "the rest of a file is of another file",
                                "it does not begin with the byte that we have", "it is fetched from its beginning");
        t->skip_one = false;
        bytes = (sb_str){bytes.ptr + 1, bytes.len - 1};
    }
    if (bytes.len == 0)
        return SB_OK;
    sb_status status = sb_content_feed(&t->content, bytes, &t->err);
    t->lasting = t->content.gzip && sb_gunzip_is_bomb(t->content.gunzip);
    SB_TRY(status);
    t->encoded += bytes.len;
    t->last_byte = bytes.ptr[bytes.len - 1];
    return record_part(t);
}

static sb_status take_words(sb_transfer *t, sb_str bytes)
{
    size_t room = WORDS_MAX - t->words.len;
    if (t->body_bytes > WORDS_READ_MAX)
        return sb_error_set(&t->err, SB_E_SERVER, "the server's answer is longer than it can honestly be",
                            "an error of more than %d bytes", "check that the URL is the right one", WORDS_READ_MAX);
    return room == 0 || sb_buf_add(&t->words, bytes.ptr, SB_MIN(room, bytes.len)) ? SB_OK : sb_error_nomem(&t->err);
}

size_t sb_transfer_on_body(char *bytes, size_t size, size_t n, void *impl)
{
    sb_transfer *t = impl;
    sb_str piece = {bytes, size * n};
    if (piece.len == 0)
        return 0;
    if (t->body == BODY_NONE)
        t->status = sb_transfer_begin_body(t);
    t->body_bytes += piece.len;
    _Atomic uint64_t *wire = &t->worker->wire_bytes; /* this thread alone adds to it */
    atomic_store_explicit(wire, atomic_load_explicit(wire, memory_order_relaxed) + piece.len, memory_order_relaxed);
    if (t->status == SB_OK)
        t->status = t->body == BODY_FILE ? take_file(t, piece) : take_words(t, piece);
    return t->status == SB_OK ? piece.len : 0;
}
