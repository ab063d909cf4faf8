/* SPDX-License-Identifier: Apache-2.0 */
/* idset.h - a set of ids: filled once, then only asked. Sorted, so that no choice of ids by a stranger makes it slow.
 */
#ifndef SB_PAYER_IDSET_H
#define SB_PAYER_IDSET_H

#include "base/buf.h"

typedef struct sb_idset sb_idset;

sb_idset *sb_idset_new(void); /* NULL without memory */
void sb_idset_free(sb_idset *set);
SB_DEFINE_FREEP(sb_idset)

SB_MUST_USE bool sb_idset_add(sb_idset *set, sb_str id); /* copies; false without memory */
void sb_idset_seal(sb_idset *set); /* sorts and drops doubles: after the last add, before anything below */
size_t sb_idset_size(const sb_idset *set);
sb_str sb_idset_at(const sb_idset *set, size_t index); /* in sorted order; before the seal, in the order of adding */
bool sb_idset_has(const sb_idset *set, sb_str id);     /* any thread */

#endif
