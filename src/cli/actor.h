/* SPDX-License-Identifier: Apache-2.0 */
/* actor.h - who is at the command line, for the audit log: "command line (mary)". */
#ifndef SB_CLI_ACTOR_H
#define SB_CLI_ACTOR_H

#include <stddef.h>

#define ACTOR_SIZE 256

/* The system's name for them, and whom sudo says it acts for. */
void actor_name(char out[ACTOR_SIZE]);

#endif
