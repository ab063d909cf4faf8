/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - bytes: sb_str borrows them, sb_buf owns them and grows.
 *
 * A buffer that takes foreign bytes is given a `max`: growing past it fails, so that no peer decides our memory.
 * The bytes of a non-empty sb_buf are always followed by a NUL that is not counted. Not thread safe. */
#ifndef SB_BASE_BUF_H
#define SB_BASE_BUF_H

#include <stdarg.h>
#include <string.h>

#include "base/defs.h"

typedef struct sb_str {
    const char *ptr; /* not NUL-terminated; may be NULL when len is 0 */
    size_t len;
} sb_str;

#define SB_STR_NULL     ((sb_str){NULL, 0})
#define SB_STR_LIT(lit) ((sb_str){"" lit, sizeof(lit) - 1})

static inline sb_str sb_str_from(const char *text)
{
    return (sb_str){text, text ? strlen(text) : 0};
}
static inline bool sb_str_eq(sb_str a, sb_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
bool sb_str_eq_nocase(sb_str a, sb_str b); /* ASCII letters only */
bool sb_str_starts_with(sb_str s, sb_str prefix);
bool sb_str_ends_with(sb_str s, sb_str suffix);
sb_str sb_str_trim(sb_str s);  /* spaces, tabs, CR, LF at both ends */
bool sb_str_is_text(sb_str s); /* no control characters: fit for a header, a log line, a terminal */
/* Cut the part before `sep` off the front of *rest into *token (both borrowed). False when *rest is used up. */
bool sb_str_split(sb_str *rest, char sep, sb_str *token);
/* Decimal digits alone, at most `max`; anything else (sign, space, empty, overflow) is false. */
bool sb_str_to_u64(sb_str s, uint64_t max, uint64_t *out);
/* Lower case; 2 * len characters and a NUL. */
void sb_hex(const void *bytes, size_t len, char *out);
char *sb_str_dup(sb_str s); /* malloc'ed, NUL-terminated; NULL without memory */

typedef struct sb_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max; /* 0: as large as memory allows */
} sb_buf;

#define SB_BUF_INIT                                                                                                    \
    {                                                                                                                  \
        NULL, 0, 0, 0                                                                                                  \
    }
#define SB_BUF_BOUNDED(mx)                                                                                             \
    {                                                                                                                  \
        NULL, 0, 0, (mx)                                                                                               \
    }

void sb_buf_cleanup(sb_buf *buf); /* frees and empties; safe to repeat */
static inline void sb_buf_clear(sb_buf *buf)
{
    buf->len = 0;
}
static inline sb_str sb_buf_str(const sb_buf *buf)
{
    return (sb_str){buf->ptr, buf->len};
}
static inline const char *sb_buf_cstr(const sb_buf *buf) /* never NULL */
{
    return buf->ptr ? buf->ptr : "";
}
char *sb_buf_steal(sb_buf *buf); /* the caller frees it; "" becomes an allocated empty string; NULL without memory */

/* All return false when memory or `max` is used up; the buffer is then unchanged. */
SB_MUST_USE bool sb_buf_reserve(sb_buf *buf, size_t extra);
SB_MUST_USE bool sb_buf_add(sb_buf *buf, const void *bytes, size_t len);
SB_MUST_USE bool sb_buf_add_str(sb_buf *buf, sb_str s);
SB_MUST_USE bool sb_buf_add_cstr(sb_buf *buf, const char *text);
SB_MUST_USE bool sb_buf_add_char(sb_buf *buf, char c);
SB_MUST_USE bool sb_buf_printf(sb_buf *buf, const char *fmt, ...) SB_PRINTF(2, 3);

/* A formatted malloc'ed string, or NULL without memory. */
char *sb_printf(const char *fmt, ...) SB_PRINTF(1, 2);

#endif
