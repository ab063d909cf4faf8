/* SPDX-License-Identifier: Apache-2.0 */
/* cache_control.h - how long an answer may be kept, by its Cache-Control (RFC 9111 §5.2.2). */
#ifndef SB_HTTP_CACHE_CONTROL_H
#define SB_HTTP_CACHE_CONTROL_H

#include "base/buf.h"

#define SB_CACHE_AGE_MAX_S 2147483647u /* RFC 9111 §1.2.2: more means this */

/* False: the header does not say. no-store and no-cache say 0, whatever else it says. */
bool sb_cache_control_max_age(sb_str value, unsigned *out);

#endif
