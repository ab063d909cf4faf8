/* SPDX-License-Identifier: Apache-2.0 */
/* throwaway_ca.h - a certificate for a trial server, and the CA that vouches for it. The CA's key is never written and
 * gone when the certificate is signed: nobody can ever sign with it again. */
#ifndef SB_PAYER_THROWAWAY_CA_H
#define SB_PAYER_THROWAWAY_CA_H

#include "base/buf.h"

#define SB_THROWAWAY_DAYS 30

typedef struct sb_throwaway {
    sb_buf ca;   /* PEM: what clients trust */
    sb_buf cert; /* PEM: the server's */
    sb_buf key;  /* PEM: the server's, secret */
} sb_throwaway;

#define SB_THROWAWAY_INIT                                                                                              \
    {                                                                                                                  \
        SB_BUF_INIT, SB_BUF_INIT, SB_BUF_INIT                                                                          \
    }
void sb_throwaway_cleanup(sb_throwaway *t); /* wipes */

/* For `host` (a name or a numeric address), localhost and the loopback addresses. Good from an hour before `now_s`. */
sb_status sb_throwaway_make(const char *host, int64_t now_s, sb_throwaway *out, sb_error *err);

#endif
