/* SPDX-License-Identifier: Apache-2.0 */
/* type_filter.h - which resources of one type an export may give, by the token's scopes, and shall give, by _typeFilter.
 *                                                                                                   EXP-03, EXP-06
 *
 * Scopes add up: a resource is given when the rights of those whose limits it meets are enough together. A limit that
 * is not understood lets nothing through. Searches of _typeFilter are alternatives. */
#ifndef SB_PAYER_TYPE_FILTER_H
#define SB_PAYER_TYPE_FILTER_H

#include "payer/data/search_filter.h"
#include "smart/scopes.h"

typedef struct sb_type_limit {
    unsigned rights; /* SB_SCOPE_READ … */
    sb_search *search;
} sb_type_limit;

typedef struct sb_type_filter {
    bool limited;    /* the token's scopes do not cover the type in full */
    unsigned rights; /* without limits */
    sb_type_limit *limits;
    size_t limit_count;
    sb_search **searches; /* none: everything is asked for */
    size_t search_count;
} sb_type_filter;

void sb_type_filter_cleanup(sb_type_filter *filter);

/* What the scopes (NULL: everything) let through of a type; *covered is false when that is nothing at all. */
sb_status sb_type_filter_init(sb_type_filter *out, const sb_scopes *scopes, const char *type, bool *covered,
                              sb_error *err);
/* One more alternative of _typeFilter; takes it over. False without memory. */
SB_MUST_USE bool sb_type_filter_add(sb_type_filter *filter, sb_search *search);

/* Does it let every resource through? */
bool sb_type_filter_is_open(const sb_type_filter *filter);
bool sb_type_filter_lets(const sb_type_filter *filter, const sb_data_line *line);

/* Do a token's scopes cover what an export under other ones (NULL: everything) gave of a type? In full, or with the very
 * limits that it was made with. */
bool sb_type_scopes_cover(const sb_scopes *token, const sb_scopes *export, const char *type);

#endif
