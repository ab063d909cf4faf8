/* SPDX-License-Identifier: Apache-2.0 */
/* gunzip.h - a gzip stream taken apart as it comes, within bounds; one that is cut off or has garbage behind it is
 * refused, which libcurl's own decoder does not do.
 *
 * Knows nothing of HTTP and files. Not thread safe. */
#ifndef SB_EXPORT_GUNZIP_H
#define SB_EXPORT_GUNZIP_H

#include <stdbool.h>

#include "base/buf.h"

typedef struct sb_gunzip sb_gunzip;

/* Where decoded bytes go. */
typedef sb_status sb_bytes_fn(void *impl, sb_str bytes, sb_error *err);

sb_status sb_gunzip_new(sb_gunzip **out, sb_error *err);
void sb_gunzip_free(sb_gunzip *gunzip);
SB_DEFINE_FREEP(sb_gunzip)

void sb_gunzip_reset(sb_gunzip *gunzip); /* another stream, with the same memory */

/* The next bytes of the stream. SB_E_INVALID: not gzip, damaged, followed by something else, or so much larger decoded
 * that it is made to fill disks; else what `fn` returned. */
sb_status sb_gunzip_feed(sb_gunzip *gunzip, sb_str bytes, sb_bytes_fn *fn, void *impl, sb_error *err);
/* Did it fail for that last reason? Then it is what the server means to send. */
bool sb_gunzip_is_bomb(const sb_gunzip *gunzip);
/* The stream has ended: SB_E_INVALID unless it was whole. */
sb_status sb_gunzip_finish(const sb_gunzip *gunzip, sb_error *err);

#endif
