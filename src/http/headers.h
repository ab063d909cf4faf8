/* SPDX-License-Identifier: Apache-2.0 */
/* headers.h - collects an answer's header lines into sb_http_headers, within bounds. Knows no header's meaning. */
#ifndef SB_HTTP_HEADERS_H
#define SB_HTTP_HEADERS_H

#include "http/client.h"

#define SB_HTTP_HEADERS_MAX      256         /* gateways add dozens; nobody's honest answer has hundreds */
#define SB_HTTP_HEADER_BYTES_MAX (64 * 1024) /* four times what common servers accept of each other */

/* Take one line as received (with or without its CRLF). Lines that are no header are ignored; control characters in a
 * value become '?', so that no header writes to a terminal. SB_E_SERVER past the bounds; `*bytes` counts. */
sb_status sb_http_headers_add(sb_http_headers *headers, sb_str line, size_t *bytes, sb_error *err);
void sb_http_headers_clear(sb_http_headers *headers);
/* Blot out a secret in all values: they are shown and logged. */
void sb_http_headers_hide(sb_http_headers *headers, sb_str secret);

#endif
