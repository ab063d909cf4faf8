/* SPDX-License-Identifier: Apache-2.0 */
/* passphrase.h - where the passphrase of an encrypted key comes from: a file, an environment variable, or the person at
 * the terminal. */
#ifndef SB_CLI_PASSPHRASE_H
#define SB_CLI_PASSPHRASE_H

#include <stdbool.h>
#include <stddef.h>

/* All NULL: ask at the terminal, if there is one. */
typedef struct cli_passphrase {
    const char *file; /* its first line; refused when others may read it */
    const char *env;  /* the name of a variable */
} cli_passphrase;

/* An sb_passphrase_fn; `impl` is a cli_passphrase. */
int cli_passphrase_get(void *impl, char *buf, size_t size);
/* When all keys are open: nothing of it stays in memory or in the environment. */
void cli_passphrase_forget(const cli_passphrase *from);

#endif
