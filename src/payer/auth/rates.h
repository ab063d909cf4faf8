/* SPDX-License-Identifier: Apache-2.0 */
/* rates.h - how often a client may ask for a token, or end one: a bucket each, that fills up again by the minute's allowance.
 *
 * Taken from only by who proved to be that client, so that no stranger can use up another's. Buckets are this process's:
 * of several on one database each allows as many. Any thread. */
#ifndef SB_PAYER_RATES_H
#define SB_PAYER_RATES_H

#include <smartbulk/clock.h>

#include "base/buf.h"

typedef struct sb_rates sb_rates;

/* `per_minute`: for clients without a number of their own; 0: no limit. `clock` is borrowed. */
sb_status sb_rates_new(const sb_clock *clock, unsigned per_minute, sb_rates **out, sb_error *err);
void sb_rates_free(sb_rates *rates); /* NULL is fine */
SB_DEFINE_FREEP(sb_rates)

/* Another allowance from now on, for those without one of their own. */
void sb_rates_set(sb_rates *rates, unsigned per_minute);

/* Take one of the client's. 0: it may; else after so many seconds it may. `own`: the client's own number a minute, 0: as
 * the server's. NULL rates: it may. */
unsigned sb_rates_take(sb_rates *rates, const char *client_id, unsigned own);
/* What was taken came to nothing: as if it had not been. */
void sb_rates_give_back(sb_rates *rates, const char *client_id, unsigned own);

#endif
