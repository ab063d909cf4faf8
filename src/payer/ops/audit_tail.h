/* SPDX-License-Identifier: Apache-2.0 */
/* audit_tail.h - the end of an audit log: its last whole line, and what a crash left behind it. */
#ifndef SB_PAYER_AUDIT_TAIL_H
#define SB_PAYER_AUDIT_TAIL_H

#include "base/buf.h"

typedef struct sb_audit_tail {
    sb_buf bytes;
    sb_str line;    /* the last whole one, without its newline; ptr NULL: there is none */
    sb_str torn;    /* what follows it */
    uint64_t whole; /* the file's size without that */
} sb_audit_tail;

#define SB_AUDIT_TAIL_INIT                                                                                             \
    {                                                                                                                  \
        .bytes = SB_BUF_INIT                                                                                           \
    }
void sb_audit_tail_cleanup(sb_audit_tail *tail);

/* SB_E_INVALID: it does not end in lines. */
sb_status sb_audit_tail_read(int fd, const char *path, sb_audit_tail *out, sb_error *err);

#endif
