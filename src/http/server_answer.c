/* SPDX-License-Identifier: Apache-2.0 */
/* server_answer.c - from an sb_answer to a queued response: settled first (which part of a file, with which headers),
 * then sent. */
#include "http/server_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "http/conditional.h"
#include "http/retry.h"

void sb_answer_cleanup(sb_answer *answer)
{
    sb_buf_cleanup(&answer->body);
    sb_fd_cleanup(&answer->fd);
    for (size_t i = 0; i < answer->header_count; i++)
        free(answer->headers[i].value);
    *answer = (sb_answer)SB_ANSWER_INIT;
}

void sb_answer_header(sb_answer *answer, const char *name, const char *fmt, ...)
{
    char *value = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&value, fmt, args);
    va_end(args);
    if (len < 0 || answer->header_count == SB_ANSWER_HEADERS_MAX || !sb_str_is_text(sb_str_from(value))) {
        free(len < 0 ? NULL : value);
        answer->broken = true;
        return;
    }
    answer->headers[answer->header_count].name = name;
    answer->headers[answer->header_count++].value = value;
}

/* Nothing of a broken answer goes out: half of it may be worse than none. */
static void replace_broken(sb_answer *answer)
{
    if (!answer->broken && answer->status != 0)
        return;
    sb_answer_cleanup(answer);
    answer->status = 500;
    sb_log(SB_LOG_ERROR, "an answer could not be built");
}

static void settle_file(const sb_server_request *request, sb_answer *answer, sb_sent *sent, sb_selection *part)
{
    sb_entity entity = {answer->size, answer->etag[0] ? answer->etag : NULL, answer->modified_s};
    sb_conditions conditions = {.range = sb_server_header_first(request, "Range"),
                                .if_range = sb_server_header_first(request, "If-Range"),
                                .if_none_match = sb_server_header_first(request, "If-None-Match"),
                                .if_modified_since = sb_server_header_first(request, "If-Modified-Since")};
    sb_conditional_select(&entity, &conditions, part);
    *sent = (sb_sent){part->status, part->length};
}

void sb_answer_settle(const sb_server_request *request, sb_answer *answer, sb_sent *sent)
{
    char date[SB_HTTP_DATE_SIZE];
    sb_selection part;
    replace_broken(answer);
    *sent = (sb_sent){answer->status, answer->body.len};
    if (answer->fd < 0 || answer->status != 200)
        return;
    settle_file(request, answer, sent, &part);
    sb_http_date_format(answer->modified_s, date);
    sb_answer_header(answer, "Last-Modified", "%s", date);
    sb_answer_header(answer, "Accept-Ranges", "bytes");
    if (answer->etag[0])
        sb_answer_header(answer, "ETag", "%s", answer->etag);
    if (part.status == 206)
        sb_answer_header(answer, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, part.first,
                         part.first + part.length - 1, answer->size);
    if (part.status == 416)
        sb_answer_header(answer, "Content-Range", "bytes */%" PRIu64, answer->size);
    if (answer->broken)
        replace_broken(answer);
}

static struct MHD_Response *empty_response(void)
{
    static char nothing[1];
    return MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
}

/* A file that is sent slowly: each piece waits for its time. Its connection has a thread of its own. */
typedef struct slow_file {
    int fd;
    uint64_t first, rate;
} slow_file;

#define SLOW_PIECES_PER_S 20
#define SLOW_PIECE_MAX    ((size_t)64 * 1024)

static ssize_t read_slowly(void *impl, uint64_t at, char *to, size_t max)
{
    slow_file *file = impl;
    size_t piece = SB_MIN(max, (size_t)(file->rate / SLOW_PIECES_PER_S) + 1);
    double wait_s = (double)piece / (double)file->rate;
    struct timespec wait = {(time_t)wait_s, (long)((wait_s - (double)(time_t)wait_s) * 1e9)};
    (void)nanosleep(&wait, NULL);
    ssize_t n = pread(file->fd, to, piece, (off_t)(file->first + at));
    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR; /* never an end that looks like the file's */
}

static void free_slowly(void *impl)
{
    slow_file *file = impl;
    sb_fd_cleanup(&file->fd);
    free(file);
}

static struct MHD_Response *slow_response(sb_answer *answer, const sb_selection *part)
{
    slow_file *file = malloc(sizeof(*file));
    if (!file)
        return NULL;
    *file = (slow_file){answer->fd, part->first, answer->rate};
    struct MHD_Response *response =
        MHD_create_response_from_callback(part->length, SLOW_PIECE_MAX, read_slowly, file, free_slowly);
    if (response)
        answer->fd = -1; /* its own now */
    else
        free(file);
    return response;
}

static struct MHD_Response *file_response(const sb_server_request *request, sb_answer *answer)
{
    sb_sent sent;
    sb_selection part;
    settle_file(request, answer, &sent, &part);
    answer->status = sent.status;
    if (part.length == 0)
        return empty_response();
    if (answer->rate > 0)
        return slow_response(answer, &part);
    struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(part.length, answer->fd, part.first);
    if (response)
        answer->fd = -1; /* its own now */
    return response;
}

static struct MHD_Response *make_response(const sb_server_request *request, sb_answer *answer)
{
    if (answer->fd >= 0 && answer->status == 200)
        return file_response(request, answer);
    if (answer->body.len == 0)
        return empty_response();
    size_t len = answer->body.len;
    char *bytes = sb_buf_steal(&answer->body);
    struct MHD_Response *response = bytes ? MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE) : NULL;
    if (!response)
        free(bytes);
    return response;
}

static bool add_headers(struct MHD_Response *response, const sb_answer *answer)
{
    bool has_body = answer->status != 304 && answer->status != 416;
    if (answer->content_type && has_body &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type) != MHD_YES)
        return false;
    for (size_t i = 0; i < answer->header_count; i++) {
        if (MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value) != MHD_YES)
            return false;
    }
    return true;
}

bool sb_answer_queue(struct MHD_Connection *connection, const sb_server_request *request, sb_answer *answer,
                     sb_sent *sent)
{
    struct MHD_Response *response = make_response(request, answer);
    bool ok = response && add_headers(response, answer) &&
              MHD_queue_response(connection, answer->status, response) == MHD_YES;
    if (response)
        MHD_destroy_response(response); /* the connection has its own reference */
    sent->status = answer->status;
    return ok;
}
