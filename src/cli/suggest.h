/* SPDX-License-Identifier: Apache-2.0 */
/* suggest.h - what somebody who mistyped probably meant. */
#ifndef SB_CLI_SUGGEST_H
#define SB_CLI_SUGGEST_H

#include <getopt.h>
#include <stddef.h>

/* The nearest of `n` names, or NULL when none is near. */
const char *suggest(const char *word, const char *const *names, size_t n);

/* Say what is wrong with the option that getopt_long() just refused with `answer` ('?' or ':'; the short options begin
 * with ':' and opterr is 0), and name the right one. Returns the exit code 2. */
int suggest_option(const char *command, int answer, char **argv, const struct option *options);

#endif
