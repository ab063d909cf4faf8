/* SPDX-License-Identifier: Apache-2.0 */
/* key_memory.h - where OpenSSL has private keys, and what it computes from them.
 *
 * OpenSSL puts EC and Ed25519 keys into its secure heap by itself; RSA's numbers it does not. So whatever it asks for in a
 * thread that works on a private key comes from there. */
#ifndef SB_BASE_KEY_MEMORY_H
#define SB_BASE_KEY_MEMORY_H

#include <stdbool.h>

/* 1 MiB of secure heap: locked where the limit allows, never dumped; and whatever OpenSSL frees, of this heap or the
 * ordinary one, is wiped. Works only before OpenSSL asked for anything; else, and without memory, all stays as it was. */
void sb_key_memory_init(void);

/* For the rest of the block, if `is_private`: what OpenSSL asks for in this thread is of the secure heap while that has
 * room, else of the ordinary one; without sb_key_memory_init() it is of the ordinary one. */
#define SB_KEY_WORK(is_private)                                                                                        \
    __attribute__((cleanup(sb_key_work_cleanup), unused)) const bool is_key_work = sb_key_work_begin(is_private)

bool sb_key_work_begin(bool is_private); /* as it was given */
void sb_key_work_cleanup(const bool *is_private);

#endif
