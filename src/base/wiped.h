/* SPDX-License-Identifier: Apache-2.0 */
/* wiped.h - the heap, but what is given back is wiped first: for libraries through which secrets pass (libcurl, jansson,
 * OpenSSL). Mixes with malloc() and free() as one likes. Any thread. */
#ifndef SB_BASE_WIPED_H
#define SB_BASE_WIPED_H

#include <stddef.h>

void sb_wiped_free(void *memory);
void *sb_wiped_realloc(void *memory, size_t size); /* leaves nothing where it was */
char *sb_wiped_strdup(const char *text);

#endif
