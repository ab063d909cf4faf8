/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_avx2.c - NDJSON in blocks, on x86-64 with AVX2 (2013 and later). The grammar is ndjson_blocks.h's. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define BLOCKS_TARGET __attribute__((target("avx2,pclmul,popcnt,bmi")))
#define BLOCKS_RUN    sb_ndjson_run_avx2
#define REG_BYTES     32
#define OP            static inline __attribute__((always_inline)) BLOCKS_TARGET

typedef __m256i reg;

OP reg reg_load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}
OP reg reg_set(char c)
{
    return _mm256_set1_epi8(c);
}
OP reg reg_and(reg a, reg b)
{
    return _mm256_and_si256(a, b);
}
OP reg reg_or(reg a, reg b)
{
    return _mm256_or_si256(a, b);
}
OP reg reg_xor(reg a, reg b)
{
    return _mm256_xor_si256(a, b);
}
OP reg reg_minus(reg a, reg b)
{
    return _mm256_subs_epu8(a, b);
}
OP reg reg_high_nibble(reg a)
{
    return _mm256_and_si256(_mm256_srli_epi16(a, 4), _mm256_set1_epi8(0x0F));
}
OP reg reg_lookup(reg table, reg index)
{
    return _mm256_shuffle_epi8(table, index);
}
OP reg reg_table(const uint8_t *bytes)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)bytes));
}
OP uint64_t reg_top_bits(reg a)
{
    return (uint32_t)_mm256_movemask_epi8(a);
}
OP uint64_t reg_equal_bits(reg a, reg b)
{
    return reg_top_bits(_mm256_cmpeq_epi8(a, b));
}
OP uint64_t reg_below_bits(reg a, reg b)
{
    /* a < b where the larger of both is not a */
    return (uint32_t)~_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(a, b), a));
}
OP uint64_t reg_bit5_bits(reg a)
{
    return reg_top_bits(_mm256_slli_epi16(a, 2));
}
OP uint64_t prefix_xor(uint64_t bits)
{
    /* a product without carries by all ones adds up, for each bit, all bits below it */
    return (uint64_t)_mm_cvtsi128_si64(
        _mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)bits), _mm_set1_epi8((char)0xFF), 0));
}

#include "fhir/ndjson_blocks.h"
#else
typedef int sb_ndjson_avx2_is_for_x86;
#endif
