/* SPDX-License-Identifier: Apache-2.0 */
/* names.h - a list of texts, copied, in the order they came in. Not thread safe. */
#ifndef SB_BASE_NAMES_H
#define SB_BASE_NAMES_H

#include "base/buf.h"

typedef struct sb_names {
    char **items;
    size_t count, cap;
} sb_names;

#define SB_NAMES_INIT                                                                                                  \
    {                                                                                                                  \
        NULL, 0, 0                                                                                                     \
    }
void sb_names_cleanup(sb_names *names); /* safe to repeat */

/* A visitor of names (sb_roster_name_visit and the like): `context` is the list. SB_E_NOMEM. */
sb_status sb_names_add(void *context, const char *name, sb_error *err);
bool sb_names_have(const sb_names *names, const char *name);

#endif
