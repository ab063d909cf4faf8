/* SPDX-License-Identifier: Apache-2.0 */
/* gunzip.c - gzip members (RFC 1952), one after the other, on zlib. Owns zlib's state and one output buffer.
 *
 *   START ──► MEMBER ──► BETWEEN
 *                ▲           │
 *                └───────────┘ another member
 *
 * A stream may end in BETWEEN, and in START: then it was empty, which is for the caller to judge. */
#include "export/gunzip.h"

#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

#define OUT_BYTES (64 * 1024) /* fits the second-level cache beside what hashes and validates it */

/* Claims compress 10 to 30 times; deflate cannot do better than 1032. What is far beyond claims after so many bytes was
 * made to fill a disk. */
#define RATIO_MAX        300
#define RATIO_GRACE      ((uint64_t)64 * 1024 * 1024)
#define WINDOW_BITS_GZIP (15 + 16) /* the largest window; gzip's header and trailer, nothing else */

struct sb_gunzip {
    z_stream z;
    enum { AT_START, IN_MEMBER, BETWEEN } at;
    uint64_t taken, given;
    bool is_bomb;
    unsigned char out[OUT_BYTES];
};

static sb_status damaged(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_INVALID, "the compressed answer is damaged", "gzip: %s",
                        "try again; if it stays, tell the payer", why);
}

sb_status sb_gunzip_new(sb_gunzip **out, sb_error *err)
{
    sb_gunzip *gunzip = malloc(sizeof(*gunzip));
    if (!gunzip)
        return sb_error_nomem(err);
    gunzip->z = (z_stream){.next_in = NULL};
    if (inflateInit2(&gunzip->z, WINDOW_BITS_GZIP) != Z_OK) {
        free(gunzip);
        return sb_error_nomem(err);
    }
    sb_gunzip_reset(gunzip);
    *out = gunzip;
    return SB_OK;
}

void sb_gunzip_free(sb_gunzip *gunzip)
{
    if (!gunzip)
        return;
    (void)inflateEnd(&gunzip->z); /* frees; its code only tells whether the stream was whole */
    free(gunzip);
}

void sb_gunzip_reset(sb_gunzip *gunzip)
{
    (void)inflateReset2(&gunzip->z, WINDOW_BITS_GZIP); /* cannot fail with a state that was initialised */
    gunzip->at = AT_START;
    gunzip->taken = gunzip->given = 0;
    gunzip->is_bomb = false;
}

static sb_status give(sb_gunzip *g, size_t len, sb_bytes_fn *fn, void *impl, sb_error *err)
{
    g->given += len;
    g->is_bomb = g->given > RATIO_GRACE && g->given / RATIO_MAX > g->taken;
    if (g->is_bomb)
        return sb_error_set(err, SB_E_INVALID, "the compressed answer is made to fill disks",
                            "gzip: %llu bytes became more than %d times as many", "tell the payer",
                            (unsigned long long)g->taken, RATIO_MAX);
    return len > 0 ? fn(impl, (sb_str){(const char *)g->out, len}, err) : SB_OK;
}

/* One call of inflate: a buffer full, or what the input yields. */
static sb_status step(sb_gunzip *g, sb_bytes_fn *fn, void *impl, sb_error *err)
{
    if (g->at == BETWEEN) {
        if (g->z.next_in[0] != 0x1F) /* another member, or garbage */
            return damaged(err, "something follows its end");
        (void)inflateReset(&g->z);
    }
    g->at = IN_MEMBER;
    g->z.next_out = g->out;
    g->z.avail_out = OUT_BYTES;
    unsigned before = g->z.avail_in;
    int rc = inflate(&g->z, Z_NO_FLUSH);
    g->taken += before - g->z.avail_in;
    if (rc == Z_MEM_ERROR)
        return sb_error_nomem(err);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return damaged(err, g->z.msg ? g->z.msg : "it is no gzip stream");
    if (rc == Z_STREAM_END)
        g->at = BETWEEN;
    return give(g, OUT_BYTES - g->z.avail_out, fn, impl, err);
}

sb_status sb_gunzip_feed(sb_gunzip *gunzip, sb_str bytes, sb_bytes_fn *fn, void *impl, sb_error *err)
{
    z_stream *z = &gunzip->z;
    while (bytes.len > 0) {
        size_t piece = SB_MIN(bytes.len, (size_t)1 << 30); /* zlib counts in unsigned int */
        z->next_in = (const unsigned char *)bytes.ptr;
        z->avail_in = (unsigned)piece;
        do {
            SB_TRY(step(gunzip, fn, impl, err));
        } while (z->avail_in > 0 || (gunzip->at == IN_MEMBER && z->avail_out == 0));
        bytes.ptr += piece;
        bytes.len -= piece;
    }
    return SB_OK;
}

bool sb_gunzip_is_bomb(const sb_gunzip *gunzip)
{
    return gunzip->is_bomb;
}

sb_status sb_gunzip_finish(const sb_gunzip *gunzip, sb_error *err)
{
    return gunzip->at == IN_MEMBER ? damaged(err, "it ends too early") : SB_OK;
}
