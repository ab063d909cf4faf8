/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_avx512.c - NDJSON in blocks, on x86-64 with AVX-512 F and BW: a block is one register, and comparisons yield
 * bits. The grammar is ndjson_blocks.h's. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define BLOCKS_TARGET    __attribute__((target("avx512f,avx512bw,avx2,pclmul,popcnt,bmi,bmi2")))
#define BLOCKS_RUN       sb_ndjson_run_avx512
#define REG_BYTES        64
#define BLOCKS_HAVE_PEXT /* in one step on every machine with AVX-512; in hundreds on some with AVX2 */

#define OP static inline __attribute__((always_inline)) BLOCKS_TARGET

typedef __m512i reg;

OP reg reg_load(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}
OP reg reg_set(char c)
{
    return _mm512_set1_epi8(c);
}
OP reg reg_and(reg a, reg b)
{
    return _mm512_and_si512(a, b);
}
OP reg reg_or(reg a, reg b)
{
    return _mm512_or_si512(a, b);
}
OP reg reg_xor(reg a, reg b)
{
    return _mm512_xor_si512(a, b);
}
OP reg reg_minus(reg a, reg b)
{
    return _mm512_subs_epu8(a, b);
}
OP reg reg_high_nibble(reg a)
{
    return _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(0x0F));
}
OP reg reg_lookup(reg table, reg index)
{
    return _mm512_shuffle_epi8(table, index);
}
OP reg reg_table(const uint8_t *bytes)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i_u *)bytes));
}
OP uint64_t reg_top_bits(reg a)
{
    return _mm512_movepi8_mask(a);
}
OP uint64_t reg_equal_bits(reg a, reg b)
{
    return _mm512_cmpeq_epi8_mask(a, b);
}
#define HAVE_EQUAL_BITS_OF
OP uint64_t reg_equal_bits_of(uint64_t of, reg a, reg b)
{
    return _mm512_mask_cmpeq_epi8_mask(of, a, b);
}
OP uint64_t reg_below_bits(reg a, reg b)
{
    return _mm512_cmplt_epu8_mask(a, b);
}
OP uint64_t reg_bit5_bits(reg a)
{
    return _mm512_test_epi8_mask(a, _mm512_set1_epi8(0x20));
}
OP uint64_t prefix_xor(uint64_t bits)
{
    /* a product without carries by all ones adds up, for each bit, all bits below it */
    return (uint64_t)_mm_cvtsi128_si64(
        _mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)bits), _mm_set1_epi8((char)0xFF), 0));
}

#include "fhir/ndjson_blocks.h"
#else
typedef int sb_ndjson_avx512_is_for_x86;
#endif
