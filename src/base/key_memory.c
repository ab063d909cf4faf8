/* SPDX-License-Identifier: Apache-2.0 */
/* key_memory.c - OpenSSL's memory functions. What is of the secure heap is told by its address, whoever frees it. */
#include "base/key_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/defs.h"
#include "base/wiped.h"

/* An RSA-8192 key takes 20 KB, its signing some more for an instant, and 350 KB what OpenSSL keeps for good of algorithms
 * that it looked up meanwhile. A power of two, as is the smallest piece. */
#define KEYS_SIZE  ((size_t)1024 * 1024)
#define KEYS_PIECE 32

static _Thread_local unsigned working;

bool sb_key_work_begin(bool is_private)
{
    working += is_private;
    return is_private;
}

void sb_key_work_cleanup(const bool *is_private)
{
    working -= *is_private;
}

static void *secure_or_not(size_t size, bool secure, const char *file, int line)
{
    void *memory = secure && CRYPTO_secure_malloc_initialized() ? CRYPTO_secure_malloc(size, file, line) : NULL;
    return memory ? memory : malloc(size);
}

static void *give(size_t size, const char *file, int line)
{
    return secure_or_not(size, working > 0, file, line);
}

static void take_back(void *memory, const char *file, int line)
{
    if (CRYPTO_secure_allocated(memory)) /* takes no lock */
        CRYPTO_secure_free(memory, file, line);
    else
        sb_wiped_free(memory);
}

static void *give_again(void *memory, size_t size, const char *file, int line)
{
    if (!memory)
        return give(size, file, line);
    if (size == 0) {
        take_back(memory, file, line);
        return NULL;
    }
    bool secure = CRYPTO_secure_allocated(memory);
    if (!secure && working == 0)
        return sb_wiped_realloc(memory, size);
    size_t had = secure ? CRYPTO_secure_actual_size(memory) : malloc_usable_size(memory);
    void *moved = secure_or_not(size, true, file, line);
    if (!moved)
        return NULL;
    memcpy(moved, memory, SB_MIN(had, size));
    take_back(memory, file, line);
    return moved;
}

void sb_key_memory_init(void)
{
    (void)CRYPTO_set_mem_functions(give, give_again, take_back);
    (void)CRYPTO_secure_malloc_init(KEYS_SIZE, KEYS_PIECE);
}
