/* SPDX-License-Identifier: Apache-2.0 */
/* secret.c - locked, undumped, wiped memory. Each secret owns whole pages, so that unlocking one never unlocks another.
 */
#include "base/secret.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <smartbulk/process.h>

#include "base/key_memory.h"
#include "base/wiped.h"

#define HIDDEN_MIN 8 /* shorter ones are no secrets, and stand in any text */

struct sb_secret {
    size_t map_len; /* the whole mapping, this header included */
    size_t len;
    char data[];
};

void sb_wipe(void *ptr, size_t len)
{
    if (ptr && len > 0)
        OPENSSL_cleanse(ptr, len);
}

void sb_buf_wipe(sb_buf *buf)
{
    sb_wipe(buf->ptr, buf->cap);
    sb_buf_cleanup(buf);
}

void sb_secret_hide(char *text, size_t len, sb_str secret)
{
    char *at = text;
    if (!text || secret.len < HIDDEN_MIN)
        return;
    while ((at = memmem(at, len - (size_t)(at - text), secret.ptr, secret.len)) != NULL) {
        memset(at, '*', secret.len);
        at += secret.len;
    }
}

bool sb_secret_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

sb_status sb_secret_alloc(size_t len, sb_secret **out, sb_error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (len > SIZE_MAX - sizeof(sb_secret) - 1 - page)
        return sb_error_nomem(err);
    size_t map_len = (sizeof(sb_secret) + len + 1 + page - 1) / page * page;
    void *map = mmap(NULL, map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return sb_error_nomem(err);
    /* Both are best effort: RLIMIT_MEMLOCK may be tiny, and a secret we cannot lock is still one we must be able to
     * use. */
    (void)mlock(map, map_len);
    (void)madvise(map, map_len, MADV_DONTDUMP);
    sb_secret *secret = map;
    secret->map_len = map_len;
    secret->len = len;
    *out = secret;
    return SB_OK;
}

sb_status sb_secret_new(sb_str bytes, sb_secret **out, sb_error *err)
{
    SB_TRY(sb_secret_alloc(bytes.len, out, err));
    if (bytes.len > 0)
        memcpy((*out)->data, bytes.ptr, bytes.len);
    return SB_OK;
}

void sb_secret_free(sb_secret *secret)
{
    if (!secret)
        return;
    size_t map_len = secret->map_len;
    sb_wipe(secret, map_len);
    (void)munmap(secret, map_len);
}

sb_str sb_secret_str(const sb_secret *secret)
{
    return secret ? (sb_str){secret->data, secret->len} : SB_STR_NULL;
}

char *sb_secret_data(sb_secret *secret)
{
    return secret->data;
}

void sb_secret_truncate(sb_secret *secret, size_t len)
{
    if (len >= secret->len)
        return;
    sb_wipe(secret->data + len, secret->len - len);
    secret->len = len;
}

void sb_process_harden(void)
{
    sb_key_memory_init();                        /* before anything else asks OpenSSL for something */
    json_set_alloc_funcs(malloc, sb_wiped_free); /* private keys and tokens pass through JSON documents */
    /* A core file would hold keys and members' data. Failure leaves the default, which MADV_DONTDUMP softens. */
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
