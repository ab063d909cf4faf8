/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_sse42.c - NDJSON in blocks, on x86-64 with SSE4.2 and PCLMUL (2010 and later). The grammar is
 * ndjson_blocks.h's. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define BLOCKS_TARGET __attribute__((target("sse4.2,pclmul,popcnt")))
#define BLOCKS_RUN    sb_ndjson_run_sse42
#define REG_BYTES     16
#define OP            static inline __attribute__((always_inline)) BLOCKS_TARGET

typedef __m128i reg;

OP reg reg_load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i_u *)p);
}
OP reg reg_set(char c)
{
    return _mm_set1_epi8(c);
}
OP reg reg_and(reg a, reg b)
{
    return _mm_and_si128(a, b);
}
OP reg reg_or(reg a, reg b)
{
    return _mm_or_si128(a, b);
}
OP reg reg_xor(reg a, reg b)
{
    return _mm_xor_si128(a, b);
}
OP reg reg_minus(reg a, reg b)
{
    return _mm_subs_epu8(a, b);
}
OP reg reg_high_nibble(reg a)
{
    return _mm_and_si128(_mm_srli_epi16(a, 4), _mm_set1_epi8(0x0F));
}
OP reg reg_lookup(reg table, reg index)
{
    return _mm_shuffle_epi8(table, index);
}
OP reg reg_table(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i_u *)bytes);
}
OP uint64_t reg_top_bits(reg a)
{
    return (uint16_t)_mm_movemask_epi8(a);
}
OP uint64_t reg_equal_bits(reg a, reg b)
{
    return reg_top_bits(_mm_cmpeq_epi8(a, b));
}
OP uint64_t reg_below_bits(reg a, reg b)
{
    /* a < b where the larger of both is not a */
    return (uint16_t)~_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(a, b), a));
}
OP uint64_t reg_bit5_bits(reg a)
{
    return reg_top_bits(_mm_slli_epi16(a, 2));
}
OP uint64_t prefix_xor(uint64_t bits)
{
    /* a product without carries by all ones adds up, for each bit, all bits below it */
    return (uint64_t)_mm_cvtsi128_si64(
        _mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)bits), _mm_set1_epi8((char)0xFF), 0));
}

#include "fhir/ndjson_blocks.h"
#else
typedef int sb_ndjson_sse42_is_for_x86;
#endif
