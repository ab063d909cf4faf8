/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.h - numbers in option values. */
#ifndef SB_CLI_NUMBERS_H
#define SB_CLI_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

/* Digits alone, at most `max`. False for anything else: signs, spaces, empty, too large. */
bool number_read(const char *text, uint64_t max, uint64_t *out);

/* A number of bytes with a unit as GNU programs write it: 1048576, 1024K, 1M, 1MiB are the same, 1MB is 1000000. */
bool size_read(const char *text, uint64_t max, uint64_t *out);

#endif
