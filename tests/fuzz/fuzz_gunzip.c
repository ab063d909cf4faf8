/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed files: what comes out, and whether it was whole, does not depend on how the stream is cut; and what passes
 * is what zlib itself makes of it.
 * The first byte chooses the cut; the rest is the stream. */
#include <zlib.h>

#include "export/gunzip.h"
#include "fuzz.h"

#define OUT_MAX ((size_t)8 * 1024 * 1024) /* a mutated stream of 16 KB may unfold so far */

static sb_status take(void *impl, sb_str bytes, sb_error *err)
{
    sb_buf *out = impl;
    return out->len > OUT_MAX || !sb_buf_add_str(out, bytes) ? sb_error_set(err, SB_E_IO, "full", "full", "stop")
                                                             : SB_OK;
}

static sb_status unpack(sb_str text, uint8_t cut, sb_buf *out, sb_error *err)
{
    SB_AUTOPTR(sb_gunzip) g = NULL;
    FUZZ_REQUIRE("there is memory", sb_gunzip_new(&g, err) == SB_OK);
    sb_status status = SB_OK;
    for (size_t at = 0, turn = cut; at < text.len && status == SB_OK;) {
        size_t len = fuzz_piece(cut, &turn, text.len - at);
        status = sb_gunzip_feed(g, (sb_str){text.ptr + at, len}, take, out, err);
        at += len;
    }
    return status == SB_OK ? sb_gunzip_finish(g, err) : status;
}

/* What zlib makes of one or more members, one after the other. */
static bool by_zlib(sb_str text, sb_buf *out)
{
    uint8_t piece[4096];
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)text.ptr, .avail_in = (uInt)text.len};
    FUZZ_REQUIRE("there is memory", inflateInit2(&z, 15 + 16) == Z_OK);
    int rc = Z_OK;
    do {
        z.next_out = piece;
        z.avail_out = sizeof(piece);
        rc = inflate(&z, Z_NO_FLUSH);
        FUZZ_REQUIRE("there is memory", sb_buf_add(out, piece, sizeof(piece) - z.avail_out));
        if (rc == Z_STREAM_END && z.avail_in > 0)
            rc = inflateReset(&z);
    } while (rc == Z_OK && out->len <= OUT_MAX);
    (void)inflateEnd(&z);
    return rc == Z_STREAM_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_buf) whole = SB_BUF_INIT;
    SB_AUTO(sb_buf) cut = SB_BUF_INIT;
    SB_AUTO(sb_buf) peer = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT, cut_err = SB_ERROR_INIT;
    if (size < 2)
        return 0;
    sb_str text = {(const char *)data + 1, size - 1};
    sb_status status = unpack(text, 0, &whole, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("cut otherwise it ends the same", unpack(text, data[0], &cut, &cut_err) == status);
    if (status != SB_OK)
        return 0;
    FUZZ_REQUIRE("and gives the same", sb_str_eq(sb_buf_str(&whole), sb_buf_str(&cut)));
    FUZZ_REQUIRE("which is what zlib gives", by_zlib(text, &peer) && sb_str_eq(sb_buf_str(&whole), sb_buf_str(&peer)));
    return 0;
}
