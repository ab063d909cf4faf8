/* SPDX-License-Identifier: Apache-2.0 */
/* search_filter.h - a FHIR search as a filter of lines: what _typeFilter asks for, and what a scope's limits let through.
 *                                                                                            EXP-03, EXP-06, PDEX-05
 *
 *   service-date=ge2021-01-01&status=active,completed      all of the parameters (&), any of the values (,)
 *
 * Dates have the prefixes eq, ne, gt, lt, ge, le; one without a time is that day (month, year) in UTC. A resource's
 * period is compared as FHIR says: gt and ge ask whether any of it is after (or not before) the value. Tokens are code,
 * system|code, |code or system|, with the modifier :not. A resource that lacks the element matches nothing but :not.
 * Immutable once made, so any thread may ask. */
#ifndef SB_PAYER_SEARCH_FILTER_H
#define SB_PAYER_SEARCH_FILTER_H

#include "payer/data/data.h"

#define SB_SEARCH_TEXT_MAX   ((size_t)16 * 1024) /* of one search: some hundred ids or codes */
#define SB_SEARCH_PARAMS_MAX 32                  /* FHIR's longest documented searches have five */
#define SB_SEARCH_VALUES_MAX 256                 /* of one search: each is compared with every line */

/* What is wrong with a search. */
typedef struct sb_search_problem {
    sb_str what; /* the parameter's name, never a value, which may be somebody's number; a stranger's text; may be "" */
    const char *why, *fix; /* constants */
    bool unsupported;      /* not wrong, but not understood here: the search can go on without this parameter */
} sb_search_problem;

/* Called for each problem. SB_OK, for one that is unsupported, passes the parameter over: more resources match then. */
typedef sb_status sb_search_report(void *context, const sb_search_problem *problem, sb_error *err);

typedef struct sb_search sb_search;

/* `query` as in a URL: values may be percent-encoded ('+' is itself), commas in values are written \, . An empty one
 * matches everything. SB_E_INVALID, or what `report` returned (NULL: every problem ends it). */
sb_status sb_search_parse(sb_str type, sb_str query, sb_search_report *report, void *context, sb_search **out,
                          sb_error *err);
void sb_search_free(sb_search *search); /* NULL is fine */
SB_DEFINE_FREEP(sb_search)

/* Does this resource, of the search's type, match? */
bool sb_search_matches(const sb_search *search, const sb_data_line *line);

#endif
