/* SPDX-License-Identifier: Apache-2.0 */
/* process.h - what a program that holds keys does with itself first. A library does not do it for its host. */
#ifndef SMARTBULK_PROCESS_H
#define SMARTBULK_PROCESS_H

#include <smartbulk/error.h>

/* Turn core dumps of this process off, let its own user not look into it, give OpenSSL 1 MiB of locked memory for private
 * keys, and have what OpenSSL and jansson free wiped. Best effort; call it first, before anything of theirs. */
SB_PUBLIC void sb_process_harden(void);

/* From now on all threads of this process, and those to come, may call of the system what a server needs and nothing
 * else: files, sockets of the internet and of this machine, memory, time, threads. Another program, another process, a
 * look into one, a mount, a kernel module: none. What is not allowed fails with EPERM; starting a program or looking into
 * another process ends this one. For `serve`, once it has what it needs. Cannot be undone. SB_E_USAGE: the kernel does not
 * filter, or this is a build that could not live with it (a sanitizer's); nothing is changed. */
SB_PUBLIC sb_status sb_process_confine(sb_error *err);

#endif
