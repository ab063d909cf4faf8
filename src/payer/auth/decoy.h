/* SPDX-License-Identifier: Apache-2.0 */
/* decoy.h - keys that belong to nobody, to check signatures with when there is no client or no key: the work is done,
 * its result is thrown away.                                                                                AUTH-06 */
#ifndef SB_PAYER_DECOY_H
#define SB_PAYER_DECOY_H

#include "jose/jws.h"

typedef struct sb_decoy sb_decoy;

sb_status sb_decoy_new(sb_decoy **out, sb_error *err);
void sb_decoy_free(sb_decoy *decoy); /* NULL is fine */

/* Do what verifying this would cost with a key of the kind and size that its signature fits. Any thread. */
void sb_decoy_verify(const sb_decoy *decoy, const sb_jws *jws);

#endif
