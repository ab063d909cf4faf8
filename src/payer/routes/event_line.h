/* SPDX-License-Identifier: Apache-2.0 */
/* event_line.h - an event of the service as one line of a log, secrets replaced: words for people, or JSON. */
#ifndef SB_PAYER_EVENT_LINE_H
#define SB_PAYER_EVENT_LINE_H

#include "payer/routes/service.h"

/* Without a newline. False without memory. */
SB_MUST_USE bool sb_event_line(const sb_service_event *event, int64_t now_s, bool json, sb_buf *out);

#endif
