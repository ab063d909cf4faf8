/* SPDX-License-Identifier: Apache-2.0 */
/* route_match.h - does a request go where a table of routes says? For every table on this side: the service's, the
 * pages', the administration's. */
#ifndef SB_PAYER_ROUTE_MATCH_H
#define SB_PAYER_ROUTE_MATCH_H

#include "http/target.h"

/* By the path's segments: "*" is any, "**" at the end any that follow, one at least. */
bool sb_path_fits(const char *path, const sb_target *target);
/* A HEAD goes where a GET goes; "*" is all. */
bool sb_method_fits(const char *method, const char *asked);

#endif
