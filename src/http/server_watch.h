/* SPDX-License-Identifier: Apache-2.0 */
/* server_watch.h - closes connections that take too long to send their request.
 *
 * An idle timeout alone lets a client hold a connection for ever by a byte now and then. Here each connection is on a
 * list from its beginning, or the end of its last answer, until a whole request has come; who is on it for too long has
 * its socket shut down. All wait equally long, so the list is in the order of deadlines. */
#ifndef SB_HTTP_SERVER_WATCH_H
#define SB_HTTP_SERVER_WATCH_H

#include "base/defs.h"

typedef struct sb_watch sb_watch;

/* What a connection is to its watch; embedded in the caller's structure. */
typedef struct sb_watched {
    struct sb_watched *next, *prev; /* NULL: not on the list */
    int fd;
    int64_t deadline_ns;
} sb_watched;

sb_status sb_watch_new(unsigned limit_ms, sb_watch **out, sb_error *err);
void sb_watch_free(sb_watch *watch); /* nobody is watched any more; NULL is fine */
SB_DEFINE_FREEP(sb_watch)

/* Any thread. `fd` must stay open until sb_watch_off() has returned. */
void sb_watch_on(sb_watch *watch, sb_watched *connection); /* the time begins anew */
void sb_watch_off(sb_watch *watch, sb_watched *connection);

#endif
