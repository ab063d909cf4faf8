/* SPDX-License-Identifier: Apache-2.0 */
/* process.h - what a program that holds keys does with itself first. A library does not do it for its host. */
#ifndef SMARTBULK_PROCESS_H
#define SMARTBULK_PROCESS_H

#include <smartbulk/error.h>

/* Turn core dumps of this process off and refuse ptrace from other users' processes. Best effort; call it first. */
SB_PUBLIC void sb_process_harden(void);

#endif
