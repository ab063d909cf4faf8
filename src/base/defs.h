/* SPDX-License-Identifier: Apache-2.0 */
/* defs.h - the few macros that every file uses. Knows nothing of anything else. */
#ifndef SB_BASE_DEFS_H
#define SB_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <smartbulk/error.h>

/* Freed on every way out of the scope. SB_AUTO is for values (`sb_buf` has sb_buf_cleanup(sb_buf *)), SB_AUTOPTR for
 * pointers to opaque types (`sb_jwk` has sb_jwk_freep(sb_jwk **), which SB_DEFINE_FREEP makes from sb_jwk_free). */
#define SB_AUTO(type)    __attribute__((cleanup(type##_cleanup))) type
#define SB_AUTOPTR(type) __attribute__((cleanup(type##_freep))) type *
#define SB_DEFINE_FREEP(type)                                                                                          \
    static inline void type##_freep(type **p)                                                                          \
    {                                                                                                                  \
        type##_free(*p);                                                                                               \
        *p = NULL;                                                                                                     \
    }

static inline void sb_charp_cleanup(char **p)
{
    free(*p);
    *p = NULL;
}
#define SB_AUTOFREE __attribute__((cleanup(sb_charp_cleanup))) char * /* for malloc'ed text */

/* Return from the calling function when a step fails; the step has filled `err`. */
#define SB_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        sb_status sb_try_status_ = (expr);                                                                             \
        if (sb_try_status_ != SB_OK)                                                                                   \
            return sb_try_status_;                                                                                     \
    } while (0)

#define SB_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SB_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define SB_MAX(a, b)    ((a) > (b) ? (a) : (b))
#define SB_UNUSED       __attribute__((unused))

#define SB_NS_PER_S  INT64_C(1000000000)
#define SB_NS_PER_MS INT64_C(1000000)

/* The one way to report that memory ran out. */
static inline sb_status sb_error_nomem(sb_error *err)
{
    return sb_error_set(err, SB_E_NOMEM, "out of memory", "an allocation failed", "free some memory and try again");
}

#endif
