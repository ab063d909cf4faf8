/* SPDX-License-Identifier: Apache-2.0 */
/* token_desk.h - hands the payer's token to threads that must not wait for one: they are woken when it is there.
 *
 * A worker drives many transfers, which go on while the payer is asked for a new token; so one thread of its own does
 * the asking. Knows nothing of transfers. Any thread, but for new and free. */
#ifndef SB_EXPORT_TOKEN_DESK_H
#define SB_EXPORT_TOKEN_DESK_H

#include <smartbulk/payer.h>

#include "base/defs.h"

typedef struct sb_token_desk sb_token_desk;

/* Where a desk has its tokens from: a payer, or a test. */
typedef struct sb_token_giver {
    void *impl;
    const sb_clock *clock;
    sb_status (*get)(void *impl, unsigned min_left_s, sb_token **out, sb_error *err);
    void (*reject)(void *impl, const sb_token *refused);
} sb_token_giver;

/* `wake` is called from the desk's thread whenever an answer has come. */
sb_status sb_token_desk_new(sb_payer *payer, void (*wake)(void *impl), void *impl, sb_token_desk **out, sb_error *err);
/* `giver` is copied, what it leads to is borrowed. */
sb_status sb_token_desk_new_over(const sb_token_giver *giver, void (*wake)(void *impl), void *impl, sb_token_desk **out,
                                 sb_error *err);
void sb_token_desk_free(sb_token_desk *desk); /* waits for a request under way; NULL is fine */
SB_DEFINE_FREEP(sb_token_desk)

/* A reference to a token, NULL when the payer wants none. *ready false: not yet, `wake` will come. Once it failed it
 * goes on failing: SB_E_AUTH, SB_E_NETWORK, SB_E_SERVER …                                                  USE-01 */
sb_status sb_token_desk_get(sb_token_desk *desk, bool *ready, sb_token **out, sb_error *err);
/* The payer answered 401 to this very token: nobody is handed it again, whoever else is being given it just now.
 *                                                                                                            USE-04 */
void sb_token_desk_reject(sb_token_desk *desk, const sb_token *refused);

#endif
