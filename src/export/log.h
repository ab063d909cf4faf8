/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - log.ndjson: what happened in this export, one event a line, for other tools to read (spec.md's last section).
 *
 * Appended, one write an event, so that a line is there whole or not at all; what a crash tore is cut off when the log
 * is opened again. Never holds a token, a `patient` or the query of a URL: whoever makes an event passes its foreign
 * texts through sb_event_text() and its URLs through sb_event_url(). Any thread. */
#ifndef SB_EXPORT_LOG_H
#define SB_EXPORT_LOG_H

#include <jansson.h>

#include <smartbulk/clock.h>

#include "export/folder.h"
#include "http/client.h"

#define SB_EVENT_LOG_NAME "log.ndjson"

typedef struct sb_event_log sb_event_log;

/* `folder` and `clock` are borrowed for the log's life; the caller holds the folder's lock. */
sb_status sb_event_log_open(sb_folder *folder, const sb_clock *clock, const char *export_id, sb_event_log **out,
                            sb_error *err);
void sb_event_log_free(sb_event_log *log); /* NULL is fine */
SB_DEFINE_FREEP(sb_event_log)

/* Append an event; takes `detail` over (NULL, as from an allocation that failed, is an empty one). A log that cannot be
 * written does not stop an export, whose truth is the journal: it is said once, to the program's log. `log` may be
 * NULL. */
void sb_event_log_add(sb_event_log *log, const char *event_id, json_t *detail);

/* JSON values for details; NULL without memory. A foreign text redacted, bounded and without controls; NULL gives null.
 */
json_t *sb_event_text(const char *text);
json_t *sb_event_body(sb_str body);
json_t *sb_event_url(const char *url);
/* The headers that help to find a request in a payer's own logs, and no others. */
json_t *sb_event_headers(const sb_http_headers *headers);

#endif
