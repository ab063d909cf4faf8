/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of src/http/ share of an sb_http. Nobody else includes it. */
#ifndef SB_HTTP_INTERNAL_H
#define SB_HTTP_INTERNAL_H

#include "http/client.h"
#include "http/tls.h"

/* A handle with its connections. Owned by the pool when idle, by one thread when lent. */
typedef struct sb_http_slot {
    CURL *easy;
    sb_tls_note tls; /* lives as long as the handle's connections, which point to it */
    char detail[CURL_ERROR_SIZE];
    struct sb_http_slot *next;
} sb_http_slot;

/* Borrow a prepared handle; give it back with sb_http_slot_put(), which forgets all of the exchange but connections. */
sb_status sb_http_slot_get(sb_http *http, sb_http_slot **out, sb_error *err);
void sb_http_slot_put(sb_http *http, sb_http_slot *slot);

bool sb_http_cancelled(const sb_http *http);

#endif
