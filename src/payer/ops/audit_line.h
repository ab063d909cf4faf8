/* SPDX-License-Identifier: Apache-2.0 */
/* audit_line.h - one line of the audit log: an event made into it, and it read and checked again.
 *
 *   {"seq":7,"time":"2026-01-31T00:00:00.000Z","event":"token.issued", … ,"prev":"<hash of line 6>","hash":"<64 hex>"}
 *
 * The hash is SHA-256 over the line's bytes before `,"hash":`. `prev` is among them, so each line vouches for all that
 * came before. The first line's prev is zeros. Knows no file. Any thread. */
#ifndef SB_PAYER_AUDIT_LINE_H
#define SB_PAYER_AUDIT_LINE_H

#include <jansson.h>

#include "payer/ops/audit.h"

#define SB_AUDIT_HASH_SIZE 65          /* SHA-256 in hex, and a NUL */
#define SB_AUDIT_LINE_MAX  (16 * 1024) /* our own longest has some 3 KB: every field is cut */

/* Where a chain stands. */
typedef struct sb_audit_head {
    uint64_t seq; /* 0: nothing was written yet */
    char hash[SB_AUDIT_HASH_SIZE];
} sb_audit_head;

void sb_audit_head_init(sb_audit_head *head);
bool sb_audit_is_hash(sb_str text); /* 64 lower case hexadecimal digits */

/* Append the line after `head`, its newline included; *next is where the chain stands then. False without memory. */
SB_MUST_USE bool sb_audit_line_write(const sb_audit_event *event, int64_t now_s, const sb_audit_head *head, sb_buf *out,
                                     sb_audit_head *next);

/* A line without its newline: *self is what it says of itself, *prev what of the one before. `object` may be NULL;
 * otherwise the caller's. SB_E_INVALID: it is not such a line, or its hash is not that of its bytes. */
sb_status sb_audit_line_read(sb_str line, sb_audit_head *self, char prev[SB_AUDIT_HASH_SIZE], json_t **object,
                             sb_error *err);

#endif
