/* SPDX-License-Identifier: Apache-2.0 */
/* validator_peers.h - what bench/validator.cc measures that is written in C: our validator by each of its engines,
 * jansson, and memchr as the limit of what looking at every byte can cost. Knows nothing of time. */
#ifndef SB_BENCH_VALIDATOR_PEERS_H
#define SB_BENCH_VALIDATOR_PEERS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL-terminated: "avx512", "avx2", "sse42", "plain", as far as this machine has them; the first is what is used. */
extern const char *peer_engines[5];
void peer_engines_find(void);

/* Good lines of `text`, by our validator with that engine, fed `piece` bytes at a time. */
uint64_t peer_smartbulk(size_t engine, const char *text, size_t len, size_t piece);
uint64_t peer_jansson(const char *text, size_t len); /* lines that json_loadb reads */
uint64_t peer_memchr(const char *text, size_t len);  /* newlines */

#ifdef __cplusplus
}
#endif

#endif
