/* SPDX-License-Identifier: Apache-2.0 */
/* failures.h - how often an address may fail to authenticate before its next try is not even looked at.   AUTH-11
 *
 * A form that is none counts too. A signature costs us more to refuse than a stranger to send. Each address has a bucket of `burst` failures that fills
 * up again at `per_minute`; while it is empty, requests of that address wait. Clients are never counted: so nobody can
 * lock one out by failing in its name. The number of buckets is fixed: memory is bounded. Where there are more addresses than
 * buckets, one is forgotten, and none is taken for another. Any thread. */
#ifndef SB_PAYER_FAILURES_H
#define SB_PAYER_FAILURES_H

#include <smartbulk/clock.h>

#include "base/buf.h"

typedef struct sb_failures sb_failures;

/* `clock` is borrowed. `burst` 0: nothing is ever limited. */
sb_status sb_failures_new(const sb_clock *clock, unsigned burst, unsigned per_minute, sb_failures **out, sb_error *err);
void sb_failures_free(sb_failures *failures); /* NULL is fine */
SB_DEFINE_FREEP(sb_failures)

/* Is this address to wait? An IPv6 address stands for its /64, which is one customer's. */
bool sb_failures_exceeded(sb_failures *failures, const char *address);
void sb_failures_add(sb_failures *failures, const char *address);

/* What stands for that address wherever its network is counted: not 0. */
int64_t sb_failures_network(const char *address);

#endif
