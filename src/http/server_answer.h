/* SPDX-License-Identifier: Apache-2.0 */
/* server_answer.h - an answer handed to libmicrohttpd. For server.c alone. */
#ifndef SB_HTTP_SERVER_ANSWER_H
#define SB_HTTP_SERVER_ANSWER_H

#include <microhttpd.h>

#include "http/server.h"

typedef struct sb_sent {
    unsigned status;
    uint64_t bytes; /* of the body */
} sb_sent;

/* Queue it; takes the body or the file. False: the connection is to be closed. */
bool sb_answer_queue(struct MHD_Connection *connection, const sb_server_request *request, sb_answer *answer,
                     sb_sent *sent);
/* What it will say, worked out before it is queued (so that it can be logged first). */
void sb_answer_settle(const sb_server_request *request, sb_answer *answer, sb_sent *sent);

#endif
