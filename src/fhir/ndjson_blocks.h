/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_blocks.h - the grammar of JSON read 64 bytes at a time, in bits. Included once by each ndjson_<machine>.c.
 *
 * A block becomes words of 64 bits, one bit a byte: here the quotes are, here the commas. Strings are found by a
 * running parity of the quotes (as simdjson does: Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).
 * From there on this is a validator of its own: it makes no list of tokens and visits none. That a token may follow the
 * one before it is asked of all tokens of a block at once: shift a set by one byte (past white space by an addition,
 * whose carry runs through it as in Parabix) and compare with what stands there. Numbers are run through in the same
 * way, all at a time. Only brackets are visited one by one, because only they need a stack; the comma's meaning,
 * element or member, follows from it.
 *
 * A block never says what is wrong or where. Whenever one is not plainly right, sb_ndjson_blocks_leave() turns the
 * state at its start into the plain engine's, which reads on from there to the end of the line; so there is one place
 * where faults are named, and being too strict here costs time, not truth. Being too lax would cost truth: each rule
 * below says which of the grammar's it stands for.
 *
 * The including file defines, for its machine:
 *   BLOCKS_TARGET             __attribute__((target(…)))
 *   BLOCKS_RUN                the name of the function made here
 *   reg, REG_BYTES            a vector register of 16, 32 or 64 bytes
 *   reg_load(p) reg_set(c) reg_and(a,b) reg_or(a,b) reg_xor(a,b)
 *   reg_minus(a,b)            of unsigned bytes, saturating
 *   reg_high_nibble(a)
 *   reg_table(bytes)          a table of 16 bytes in each 16-byte lane
 *   reg_lookup(table, index)  each index below 16
 *   reg_equal_bits(a,b) reg_below_bits(a,b) (unsigned) reg_bit5_bits(a) reg_top_bits(a)
 *                             bit i is about byte i
 *   prefix_xor(bits)          bit i is the parity of bits 0…i
 * and, where the machine is quick at them,
 *   BLOCKS_HAVE_PEXT          the instructions PEXT, PDEP and BZHI
 *   HAVE_EQUAL_BITS_OF        reg_equal_bits_of(of,a,b): the same as reg_equal_bits for the bytes in `of` alone
 *
 * Reading a block is a chain of steps in which each needs the one before. So it is done in two halves, and the first
 * half of a block goes before the second half of the one before it: the machine then has two chains to work on. */
#include <immintrin.h>

#include "fhir/ndjson_state.h"

#define BLOCKS_INLINE static inline __attribute__((always_inline)) BLOCKS_TARGET
#define BLOCKS_COLD   static __attribute__((noinline)) BLOCKS_TARGET
#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define REGS          (BLOCK / REG_BYTES)
#define ALL           (~UINT64_C(0))

typedef struct vec {
    reg r[REGS];
} vec;

/* A block while it is read. Masks have one bit a byte. */
typedef struct block {
    const uint8_t *p;
    uint64_t bad;   /* where something cannot stand */
    uint64_t wrong; /* something is, and it is not known where */
    bool ascii;
    uint64_t upto;           /* the bytes that belong to the resource: all, or up to its last brace */
    uint64_t slash;          /* backslashes */
    uint64_t quotes, inside; /* those that open or close; from the one that opens to the last byte in the string */
    uint64_t opens;          /* quotes that open */
    uint64_t open, close, curly;
    uint64_t object, top;           /* whose innermost container is an object; is the resource itself */
    uint64_t scalar, scalar_begins; /* of numbers and literals */
    uint64_t space, comma, colon;
} block;

BLOCKS_INLINE vec vec_load(const uint8_t *p)
{
    vec v;
    for (int i = 0; i < REGS; i++)
        v.r[i] = reg_load(p + i * REG_BYTES);
    return v;
}

BLOCKS_INLINE uint64_t vec_equal(vec v, char c)
{
    uint64_t bits = 0;
    for (int i = 0; i < REGS; i++)
        bits |= reg_equal_bits(v.r[i], reg_set(c)) << (i * REG_BYTES % BLOCK);
    return bits;
}

/* Bytes equal to `c`, which is a lower-case letter or bracket, or to its upper-case form 0x20 below. */
BLOCKS_INLINE uint64_t vec_equal_folded(vec v, char c)
{
    uint64_t bits = 0;
    for (int i = 0; i < REGS; i++)
        bits |= reg_equal_bits(reg_or(v.r[i], reg_set(0x20)), reg_set(c)) << (i * REG_BYTES % BLOCK);
    return bits;
}

/* The same of the bytes in `of` alone. */
#ifdef HAVE_EQUAL_BITS_OF
BLOCKS_INLINE uint64_t vec_equal_of(uint64_t of, vec v, char c)
{
    return reg_equal_bits_of(of, v.r[0], reg_set(c));
}
BLOCKS_INLINE uint64_t vec_equal_folded_of(uint64_t of, vec v, char c)
{
    return reg_equal_bits_of(of, reg_or(v.r[0], reg_set(0x20)), reg_set(c));
}
#else
BLOCKS_INLINE uint64_t vec_equal_of(uint64_t of, vec v, char c)
{
    return vec_equal(v, c) & of;
}
BLOCKS_INLINE uint64_t vec_equal_folded_of(uint64_t of, vec v, char c)
{
    return vec_equal_folded(v, c) & of;
}
#endif

BLOCKS_INLINE uint64_t vec_below(vec v, char c)
{
    uint64_t bits = 0;
    for (int i = 0; i < REGS; i++)
        bits |= reg_below_bits(v.r[i], reg_set(c)) << (i * REG_BYTES % BLOCK);
    return bits;
}

/* Bytes from `low` to `high`; the subtraction saturates, so what is below `low` is seen by the second comparison. */
BLOCKS_INLINE uint64_t vec_between(vec v, char low, char high)
{
    return vec_below(v, (char)(high + 1)) & ~vec_below(v, low);
}

BLOCKS_INLINE uint64_t vec_bit5(vec v)
{
    uint64_t bits = 0;
    for (int i = 0; i < REGS; i++)
        bits |= reg_bit5_bits(v.r[i]) << (i * REG_BYTES % BLOCK);
    return bits;
}

BLOCKS_INLINE bool vec_is_ascii(vec v)
{
    reg all = v.r[0];
    for (int i = 1; i < REGS; i++)
        all = reg_or(all, v.r[i]);
    return reg_top_bits(all) == 0;
}

/* ---- strings ---- */

/* \u escapes: `ends` has a bit at each last digit, all digits being hexadecimal. Halves of pairs must meet, and none is
 * 0000. */
BLOCKS_COLD bool pairs_are_wrong(const uint8_t *p, uint64_t ends, uint32_t *high_ago)
{
    enum { NONE = -100 };
    int high = *high_ago > 0 ? -(int)*high_ago : NONE;
    for (; ends != 0; ends &= ends - 1) {
        int end = __builtin_ctzll(ends);
        const uint8_t *digits = p + end - 3;
        bool d = (digits[0] | 0x20) == 'd', low_half = d && (digits[1] | 0x20) >= 'c';
        if (high == NONE ? low_half : !low_half || end != high + 6)
            return true;
        high = d && !low_half && digits[1] >= '8' ? end : NONE;
        if (memcmp(digits, "0000", 4) == 0)
            return true;
    }
    if (high != NONE && high + 6 < BLOCK)
        return true; /* its other half should have ended by now */
    *high_ago = high == NONE ? 0 : (uint32_t)(BLOCK - high);
    return false;
}

/* Which bytes are escaped: those after an odd number of backslashes (the subtraction's borrow runs along each series;
 * odd and even starts are told apart by the alternating bits). All must be what may follow a backslash. */
BLOCKS_INLINE uint64_t read_escapes(block *b, const sb_ndjson_carry *before, sb_ndjson_carry *next)
{
    static const sb_ndjson_carry none = {0};
    const sb_ndjson_carry *c = before->escapes ? before : &none;
    const uint64_t odd = UINT64_C(0xAAAAAAAAAAAAAAAA);
    uint64_t begins = b->slash & ~c->escaped;
    uint64_t codes = (((begins << 1) | odd) - begins) ^ odd;
    uint64_t escaped = codes ^ (b->slash | c->escaped);
    next->escaped = (codes & b->slash) >> 63;

    vec v = vec_load(b->p);
    uint64_t u = escaped & vec_equal(v, 'u');
    uint64_t fits = vec_equal(v, '"') | b->slash | vec_equal(v, '/') | vec_equal(v, 'b') | vec_equal(v, 'f') |
                    vec_equal(v, 'n') | vec_equal(v, 'r') | vec_equal(v, 't') | u;
    b->bad |= escaped & ~fits;
    next->u = u & UINT64_C(0xF) << 60;
    next->high_ago = c->high_ago;
    if (u | c->u | c->high_ago) {
        uint64_t hex = vec_between(v, '0', '9') | vec_between(v, 'a', 'f') | vec_between(v, 'A', 'F');
        uint64_t ends = u << 4 | c->u >> 60;
        uint64_t digits = ends | u << 3 | c->u >> 61 | u << 2 | c->u >> 62 | u << 1 | c->u >> 63;
        b->bad |= digits & ~hex;
        b->wrong |= pairs_are_wrong(b->p, ends, &next->high_ago);
    }
    next->escapes = (next->escaped | next->u | next->high_ago) != 0;
    return escaped;
}

/* UTF-8 by Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte" (2020): three lookups on two
 * neighbouring bytes leave a bit for each way in which they cannot be neighbours. */
#define TOO_SHORT      1
#define TOO_LONG       2
#define OVERLONG_3     4
#define TOO_LARGE      8
#define SURROGATE      16
#define OVERLONG_2     32
#define TOO_LARGE_1000 64
#define OVERLONG_4     64
#define TWO_CONTS      128
#define CARRY          (TOO_SHORT | TOO_LONG | TWO_CONTS)

BLOCKS_INLINE reg utf8_errors(const uint8_t *p)
{
    static const uint8_t first_high[16] = {TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TOO_LONG,
                                           TWO_CONTS,
                                           TWO_CONTS,
                                           TWO_CONTS,
                                           TWO_CONTS,
                                           TOO_SHORT | OVERLONG_2,
                                           TOO_SHORT,
                                           TOO_SHORT | OVERLONG_3 | SURROGATE,
                                           TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4};
    static const uint8_t first_low[16] = {CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
                                          CARRY | OVERLONG_2,
                                          CARRY,
                                          CARRY,
                                          CARRY | TOO_LARGE,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000 | SURROGATE,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000,
                                          CARRY | TOO_LARGE | TOO_LARGE_1000};
    static const uint8_t second_high[16] = {TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_1000 |
                                                OVERLONG_4,
                                            TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE,
                                            TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
                                            TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
                                            TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_SHORT,
                                            TOO_SHORT};
    reg now = reg_load(p), before = reg_load(p - 1);
    reg odd = reg_and(reg_and(reg_lookup(reg_table(first_high), reg_high_nibble(before)),
                              reg_lookup(reg_table(first_low), reg_and(before, reg_set(0x0F)))),
                      reg_lookup(reg_table(second_high), reg_high_nibble(now)));
    /* the third byte of three, the third and fourth of four: their top bit is set here, and TWO_CONTS above */
    reg third = reg_minus(reg_load(p - 2), reg_set((char)(0xE0 - 0x80)));
    reg fourth = reg_minus(reg_load(p - 3), reg_set((char)(0xF0 - 0x80)));
    return reg_xor(reg_and(reg_or(third, fourth), reg_set((char)0x80)), odd);
}

/* A sequence that is not complete at the block's end is found in the next block, or never if no next one comes: it is
 * then inside a string that does not end either. */
BLOCKS_COLD bool utf8_is_wrong(const uint8_t *p, bool is_first)
{
    uint8_t alone[LOOKBACK + BLOCK] = {0};
    if (is_first) { /* what stands before is another line, or nothing */
        memcpy(alone + LOOKBACK, p, BLOCK);
        p = alone + LOOKBACK;
    }
    reg errors = utf8_errors(p);
    for (int i = 1; i < REGS; i++)
        errors = reg_or(errors, utf8_errors(p + i * REG_BYTES));
    return (reg_equal_bits(errors, reg_set(0)) << (BLOCK - REG_BYTES)) != ALL << (BLOCK - REG_BYTES);
}

/* ---- containers ---- */

/* The bracket at `bit`, or none where it is 0: what is open after it. A '}' or ']' must be of its container's kind. */
BLOCKS_INLINE uint64_t visit_bracket(const block *b, uint64_t bit, uint64_t types, uint64_t *object, uint64_t *bad)
{
    uint64_t opens = (b->open & bit) != 0, closes = (b->close & bit) != 0, curly = (b->curly & bit) != 0;
    uint64_t now = (types >> opens | (opens & curly) << 63) << closes;
    *bad |= bit & (0 - (closes & (types >> 63 ^ curly)));
    *object ^= (0 - ((types ^ now) >> 63)) & (0 - bit);
    return now;
}

static uint64_t reversed(uint64_t x)
{
    x = __builtin_bswap64(x);
    x = (x >> 4 & UINT64_C(0x0F0F0F0F0F0F0F0F)) | (x & UINT64_C(0x0F0F0F0F0F0F0F0F)) << 4;
    x = (x >> 2 & UINT64_C(0x3333333333333333)) | (x & UINT64_C(0x3333333333333333)) << 2;
    return (x >> 1 & UINT64_C(0x5555555555555555)) | (x & UINT64_C(0x5555555555555555)) << 1;
}

/* Near the top, or deeper than the window: the depth is watched, and the resource's end found. */
BLOCKS_INLINE void visit_brackets_slowly(block *b, const sb_ndjson_carry *c, sb_ndjson_carry *next, uint32_t *lowest)
{
    uint64_t bits = b->open | b->close, types = c->types;
    uint32_t depth = c->depth;
    b->upto = ALL;
    b->object = 0 - (types >> 63);
    b->top = depth == 1 ? ALL : 0;
    *lowest = depth;
    if (b->open == ALL) {
        types = b->curly;
        depth += BLOCK;
        bits = 0;
    } else if (b->close == ALL && depth > BLOCK) {
        b->wrong |= reversed(b->curly) != types;
        depth -= BLOCK;
        *lowest = depth;
        bits = 0;
    }
    while (bits != 0) {
        uint64_t bit = bits & (0 - bits);
        bool was_top = depth == 1;
        depth += (b->open & bit) != 0 ? 1 : UINT32_MAX;
        types = visit_bracket(b, bit, types, &b->object, &b->bad);
        bits &= bits - 1;
        *lowest = SB_MIN(*lowest, depth);
        b->top ^= (0 - (uint64_t)(was_top != (depth == 1))) & (0 - bit);
        if (depth == 0) {
            b->upto = bit | (bit - 1);
            break;
        }
    }
    next->types = types;
    next->depth = depth;
}

/* The same with more than the window's 64 containers: what is pushed out of the window is in n->is_object. */
BLOCKS_COLD void visit_deep_brackets(sb_ndjson *n, block *b, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    uint32_t lowest;
    if (c->depth + BLOCK >= SB_NDJSON_MAX_DEPTH) {
        next->types = c->types;
        b->wrong = true; /* the plain engine knows exactly how deep is too deep */
        return;
    }
    sb_ndjson_set_window(n->is_object, c->depth, c->types);
    visit_brackets_slowly(b, c, next, &lowest);
    /* of the window, what this block has opened; below that, what was there before */
    uint32_t ours = next->depth - lowest;
    uint64_t theirs = ours >= BLOCK ? 0 : ALL >> ours;
    next->types = (next->types & ~theirs) | (sb_ndjson_window(n->is_object, next->depth) & theirs);
    sb_ndjson_set_window(n->is_object, next->depth, next->types);
}

#ifdef BLOCKS_HAVE_PEXT
/* The brackets of a block that are not dealt with yet, side by side: bit i is about the i-th of `count`. */
typedef struct brackets {
    uint64_t at;           /* where they stand in the block */
    uint64_t opens, kinds; /* those that open; those that are curly */
    unsigned count;
    uint64_t covered, object; /* the bytes that are dealt with; those of them in an object */
} brackets;

BLOCKS_INLINE void gather(const block *b, uint64_t at, brackets *k)
{
    k->at = at;
    k->opens = _pext_u64(b->open, at);
    k->kinds = _pext_u64(b->curly, at);
    k->count = (unsigned)__builtin_popcountll(at);
}

/* Take out the containers that begin and end here and hold no others. The resource itself is none of them. */
BLOCKS_INLINE uint64_t take_out_inner(block *b, const sb_ndjson_carry *c, brackets *k)
{
    uint64_t begins = k->opens & _bzhi_u64(~k->opens, k->count) >> 1 & (ALL - (c->depth == 0));
    uint64_t from = _pdep_u64(begins, k->at), to = _pdep_u64(begins << 1, k->at);
    uint64_t objects_to = _pdep_u64((begins & k->kinds) << 1, k->at);
    b->wrong |= (k->kinds ^ k->kinds >> 1) & begins;
    k->object |= (objects_to - (from & b->curly)) & ~k->covered; /* 2^to - 2^from is just the bits from one to other */
    k->covered |= to - from;
    gather(b, k->at & ~(from | to), k);
    return begins;
}

/* From what holds after each of the brackets at `where`, and held before the first (`base`): where it holds, which is
 * from where it rises to where it falls. */
BLOCKS_INLINE uint64_t spread(uint64_t where, uint64_t after, uint64_t base)
{
    uint64_t before = after << 1 | base;
    return _pdep_u64(before & ~after, where) - _pdep_u64(after & ~before, where) - base;
}

/* Many brackets, or the end of the resource: more are taken out as long as there are some, then one goes after the
 * other. Returns whether the top comes into it. */
BLOCKS_COLD bool visit_each(block *b, brackets k, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    while (take_out_inner(b, c, &k) & (k.opens - 1))
        ;
    uint64_t types = c->types, objects = 0, tops = 0, wrong = 0, opens = k.opens, kinds = k.kinds;
    uint32_t depth = c->depth;
    b->upto = ALL;
    for (unsigned i = 0; i < k.count; i++) {
        uint64_t pushed = types >> 1 | kinds << 63, popped = types << 1;
        wrong |= ~opens & (types >> 63 ^ kinds);
        types = opens & 1 ? pushed : popped;
        depth += opens & 1 ? 1 : UINT32_MAX;
        objects |= types >> 63 << i;
        tops |= (uint64_t)(depth == 1) << i;
        opens >>= 1;
        kinds >>= 1;
        if (depth == 0) {
            uint64_t end = _pdep_u64(UINT64_C(1) << i, k.at);
            b->upto = end | (end - 1);
            break;
        }
    }
    b->wrong |= wrong & 1;
    b->object = (spread(k.at, objects, c->types >> 63) & ~k.covered) | k.object;
    b->top = spread(k.at, tops, c->depth == 1) & ~k.covered;
    next->types = types;
    next->depth = depth;
    return b->top != 0 || depth == 0;
}

/* Shallow enough for the window: what is left without the innermost is mostly some containers that end, then some that
 * begin. Returns whether the top comes into it. */
BLOCKS_INLINE bool visit_brackets(block *b, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    static const uint8_t reversed_byte[256] = {
#define R1(x) x, x + 128, x + 64, x + 192
#define R2(x) R1(x), R1(x + 32), R1(x + 16), R1(x + 48)
#define R3(x) R2(x), R2(x + 8), R2(x + 4), R2(x + 12)
        R3(0), R3(2), R3(1), R3(3)
#undef R1
#undef R2
#undef R3
    };
    brackets k = {.covered = 0};
    gather(b, b->open | b->close, &k);
    (void)take_out_inner(b, c, &k);
    unsigned ended = (unsigned)_tzcnt_u64(k.opens | ~_bzhi_u64(ALL, k.count)), begun = k.count - ended;
    if (unlikely(ended > 7 || _bzhi_u64(~k.opens, k.count) >> ended != 0 || ended >= c->depth))
        return visit_each(b, k, c, next);
    uint64_t types = c->types, enclosing = reversed_byte[types >> 56], those = _bzhi_u64(ALL, ended);
    uint64_t objects = (enclosing >> 1 & those) | (k.kinds & ~those);
    b->wrong |= (enclosing ^ k.kinds) & those;
    b->object = (spread(k.at, objects, types >> 63) & ~k.covered) | k.object;
    next->types = types << ended >> begun | k.kinds >> ended << 1 << (63 - begun);
    if (likely(c->depth != ended + 1))
        return false;
    b->top = spread(k.at, (UINT64_C(1) << ended) >> 1, ended == 0) & ~k.covered; /* reached with the last that ends */
    b->upto = ALL;
    return true;
}
#else
BLOCKS_COLD void visit_top_brackets(block *b, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    uint32_t lowest;
    visit_brackets_slowly(b, c, next, &lowest);
}

/* Shallow enough for the window: four at a time, for most blocks have a few. Returns whether the top may come into it. */
BLOCKS_INLINE bool visit_brackets(block *b, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    if (unlikely(c->depth <= (uint32_t)__builtin_popcountll(b->close) + 1)) {
        visit_top_brackets(b, c, next);
        return true;
    }
    uint64_t bits = b->open | b->close, types = c->types, object = 0 - (types >> 63), bad = 0;
    while (bits != 0)
        for (int i = 0; i < 4; i++) {
            types = visit_bracket(b, bits & (0 - bits), types, &object, &bad);
            bits &= bits - 1;
        }
    next->types = types;
    b->object = object;
    b->bad |= bad;
    return false;
}
#endif

/* ---- numbers and literals ---- */

/* Literals, which begin at the bits of `begins`; one may have begun in the block before. */
BLOCKS_COLD void read_words(block *b, uint64_t begins, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    if (c->in_scalar && c->literal != NULL) {
        size_t len = strlen(c->literal);
        b->wrong |= memcmp(b->p, c->literal, len) != 0 || (b->scalar >> len & 1);
    }
    for (; begins != 0; begins &= begins - 1) {
        unsigned at = (unsigned)__builtin_ctzll(begins);
        uint8_t first = b->p[at];
        const char *word = first == 't' ? "true" : first == 'f' ? "false" : "null"; /* any other is no 'n' */
        size_t len = first == 'f' ? 5 : 4, here = SB_MIN(len, (size_t)(BLOCK - at));
        bool same = memcmp(b->p + at, word, here) == 0;
        if (at + len < BLOCK)
            same = same && !(b->scalar >> (at + len) & 1);
        else
            next->literal = word + here;
        b->bad |= same ? 0 : UINT64_C(1) << at;
    }
}

/* Where a run of `through` that begins at the bits of `from` is left; `carry` goes in and out. */
BLOCKS_INLINE uint64_t run_through(uint64_t from, uint64_t through, uint64_t *carry)
{
    unsigned long long sum;
    *carry = _addcarry_u64((unsigned char)*carry, from, through, &sum);
    return sum & ~through;
}

/* Shift by one byte, with what comes from the block before at `flag` of `in`, and goes to the next in `*out`. */
BLOCKS_INLINE uint64_t advance(uint64_t bits, uint64_t in, uint64_t flag, uint64_t *out)
{
    *out |= bits >> 63 ? flag : 0;
    return bits << 1 | ((in & flag) != 0);
}

BLOCKS_INLINE uint64_t run_digits(uint64_t from, uint64_t digits, uint64_t in, uint64_t flag, uint64_t *out)
{
    uint64_t carry = (in & flag) != 0, end = run_through(from, digits, &carry);
    *out |= carry ? flag : 0;
    return end;
}

/* All numbers of the block take each step together: [-] (0 | 1-9 digits) [. digits] [e [+-] digits]       RFC 8259 §6
 */
BLOCKS_INLINE void read_scalars(block *b, uint64_t begins, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    vec v = vec_load(b->p);
    uint64_t in = c->in_scalar ? c->number : 0, out = 0;
    uint64_t digit = vec_between(v, '0', '9') & b->scalar;
    if (likely(digit == b->scalar && !c->in_scalar)) { /* whole numbers alone */
        uint64_t leading = begins & vec_equal(v, '0');
        b->bad |= leading << 1 & digit;
        next->number = (leading >> 63) * CARRY_ZERO | (digit >> 63) * CARRY_INTEGER;
        next->literal = NULL;
        return;
    }
    uint64_t minus = vec_equal(v, '-');
    uint64_t sign = minus | vec_equal(v, '+'), point = vec_equal(v, '.'), e = vec_equal_folded(v, 'e');
    uint64_t numbers = begins & (digit | minus), words = begins & ~numbers;

    uint64_t first = (numbers & ~minus) | advance(numbers & minus, in, CARRY_MINUS, &out);
    uint64_t zeros = first & vec_equal(v, '0');
    b->bad |= (first & ~digit) | (advance(zeros, in, CARRY_ZERO, &out) & digit);
    uint64_t integer_end = run_digits(first, digit, in, CARRY_INTEGER, &out);

    uint64_t fraction = advance(integer_end & point, in, CARRY_POINT, &out);
    b->bad |= fraction & ~digit;
    uint64_t fraction_end = run_digits(fraction, digit, in, CARRY_FRACTION, &out);

    uint64_t after_e = advance((integer_end | fraction_end) & e, in, CARRY_E, &out);
    uint64_t exponent = (after_e & ~sign) | advance(after_e & sign, in, CARRY_E_SIGN, &out);
    b->bad |= exponent & ~digit;
    uint64_t exponent_end = run_digits(exponent, digit, in, CARRY_EXPONENT, &out);

    b->bad |= ((integer_end & ~(point | e)) | (fraction_end & ~e) | exponent_end) & b->scalar;
    next->number = out;
    next->literal = NULL;
    if (words != 0 || (c->in_scalar && c->literal != NULL))
        read_words(b, words, c, next);
}

/* ---- a block ---- */

/* The first byte that is not white space after each of `tokens`. */
BLOCKS_INLINE uint64_t following(uint64_t tokens, uint64_t space, uint64_t *carry)
{
    uint64_t sum, from = tokens << 1 | *carry;
    if (__builtin_constant_p(space) && space == 0) {
        *carry = tokens >> 63;
        return from;
    }
    bool over = __builtin_add_overflow(from, space, &sum);
    *carry = tokens >> 63 | over;
    return sum & ~space;
}

enum verdict { GOES_ON, ENDS, GIVE_UP };

/* Is no name at the top as long as `id` or `resourceType`, none escaped, none still open? */
BLOCKS_INLINE bool names_cannot_matter(const block *b, uint64_t key_opens)
{
    enum {
        ID = sizeof "id",
        RESOURCE_TYPE = sizeof "resourceType"
    }; /* from the quote that opens to that which closes */
    uint64_t closes_there = b->quotes >> ID | b->quotes >> RESOURCE_TYPE | ALL << (BLOCK - RESOURCE_TYPE);
    return b->slash == 0 && (key_opens & b->top & closes_there) == 0;
}

/* The resource's strings, and its end. */
BLOCKS_COLD enum verdict read_top(sb_ndjson *n, block *b, uint64_t key_opens, uint64_t values, const sb_ndjson_carry *c,
                                  const sb_ndjson_carry *next)
{
    sb_ndjson_strings strings = {.quotes = b->quotes,
                                 .key_opens = key_opens,
                                 .opens = b->opens,
                                 .values = values,
                                 .top = b->top,
                                 .in_key = c->in_key != 0,
                                 .any_slash = b->slash != 0};
    if (((b->bad & b->upto) | b->wrong) != 0)
        return GIVE_UP;
    if (next->depth != 0 && !n->m.capturing && n->m.member == MEMBER_OTHER && names_cannot_matter(b, key_opens))
        return GOES_ON;
    sb_ndjson_blocks_remember(n);
    if (sb_ndjson_blocks_members(n, b->p, &strings) ||
        (next->depth == 0 && ((next->escapes && next->high_ago > 0) || sb_ndjson_container_ends(n) != NO_FAULT))) {
        sb_ndjson_blocks_restore(n);
        return GIVE_UP;
    }
    return next->depth == 0 ? ENDS : GOES_ON;
}

/* The first half: what is in strings, and what the tokens outside of them are. Needs nothing of the second half. */
BLOCKS_INLINE void read_tokens(block *b, const uint8_t *p, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    vec v = vec_load(p);
    b->p = p;
    b->bad = 0;
    b->wrong = 0;

    uint64_t escaped = 0;
    next->escapes = 0;
    b->slash = vec_equal(v, '\\');
    if (unlikely(b->slash | c->escapes))
        escaped = read_escapes(b, c, next);
    b->quotes = vec_equal(v, '"') & ~escaped;
    b->inside = prefix_xor(b->quotes) ^ c->in_string;
    next->in_string = 0 - (b->inside >> 63);

    uint64_t out = ~(b->inside | b->quotes), control = vec_below(v, ' ');
    b->space = vec_equal_of(out, v, ' ');
    b->comma = vec_equal_of(out, v, ',');
    b->colon = vec_equal_of(out, v, ':');
    b->open = vec_equal_folded_of(out, v, '{');
    b->close = vec_equal_folded_of(out, v, '}');
    b->curly = vec_bit5(v);
    if (unlikely(control)) { /* a newline is no white space: it ends the line */
        b->bad |= control & b->inside;
        b->space |= (vec_equal(v, '\t') | vec_equal(v, '\r')) & out;
    }
    b->scalar = out & ~(b->open | b->close | b->comma | b->colon | b->space);
    b->ascii = vec_is_ascii(v);
}

/* What may follow what. Every token but the first has one before it: either it is one of { [ , : (`after_either`, and
 * then a value, a name or an end follows), or it ends a value or a name. Returns the quotes that open names. */
BLOCKS_INLINE uint64_t read_order(block *b, uint64_t space, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    uint64_t comma = b->comma, colon = b->colon, sep = comma | colon;
    uint64_t after_sep_ = c->after_sep, after_open_ = c->after_open, wants_key_ = c->wants_key;
    uint64_t after_sep = following(sep, space, &after_sep_);
    uint64_t after_either = following(sep | b->open, space, &after_open_);
    uint64_t wants_key = following((b->open & b->curly) | (comma & b->object), space, &wants_key_);
    uint64_t scalar_or_open = b->scalar_begins | b->open;
    next->after_sep = after_sep_;
    next->after_open = after_open_;
    next->wants_key = wants_key_;
    uint64_t bad = (b->opens | scalar_or_open) & ~after_either; /* "a" "b"   1 "a"   ] 1 */
    bad |= comma & after_either;                                /* [ ,   , ,   : , */
    bad |= b->close & after_sep;                                /* , ]   : } */
    bad |= wants_key & scalar_or_open;                          /* { 1   {"a":1, [ */

    /* A name, and only a name, is followed by a colon. */
    uint64_t key_opens = wants_key & b->opens, in_key = c->in_key, wants_colon_ = c->wants_colon;
    uint64_t key_ends = run_through(key_opens, b->inside, &in_key);
    bad |= following(key_ends, space, &wants_colon_) ^ colon;
    next->in_key = in_key;
    next->wants_colon = wants_colon_;
    b->bad |= bad;
    return key_opens;
}

/* The second half: what is open, and what may follow what. */
BLOCKS_INLINE enum verdict read_block(sb_ndjson *n, block *b, const sb_ndjson_carry *c, sb_ndjson_carry *next)
{
    /* containers */
    uint32_t opens = (uint32_t)__builtin_popcountll(b->open), closes = (uint32_t)__builtin_popcountll(b->close);
    bool near_top;
    b->opens = b->quotes & b->inside;
    b->scalar_begins = b->scalar & ~(b->scalar << 1 | c->in_scalar);
    next->in_scalar = b->scalar >> 63;
    next->depth = c->depth + opens - closes;
    if (unlikely(c->depth + opens > BLOCK)) {
        visit_deep_brackets(n, b, c, next);
        near_top = c->depth <= closes + 1;
    } else {
        near_top = visit_brackets(b, c, next);
    }
    if (unlikely(near_top)) { /* what follows the resource is none of our business */
        b->scalar &= b->upto;
        b->scalar_begins &= b->upto;
    }

    /* most payers' JSON has no white space between tokens, and most blocks of others' have some */
    uint64_t key_opens = likely(b->space == 0) ? read_order(b, 0, c, next) : read_order(b, b->space, c, next);

    if (b->scalar | c->in_scalar)
        read_scalars(b, b->scalar_begins, c, next);
    next->not_ascii = 0;
    if (unlikely(!b->ascii || c->not_ascii)) {
        b->wrong |= utf8_is_wrong(b->p, n->block_is_first);
        next->not_ascii = (b->p[BLOCK - 1] | b->p[BLOCK - 2] | b->p[BLOCK - 3]) >> 7;
    }
    if (unlikely(near_top))
        return read_top(n, b, key_opens, b->opens | b->scalar_begins | b->open, c, next);
    return unlikely((b->bad | b->wrong) != 0) ? GIVE_UP : GOES_ON;
}

/* What is only written where it matters is put in order for others. */
static sb_ndjson_carry tidy(sb_ndjson_carry c)
{
    if (!c.escapes) {
        c.escaped = c.u = 0;
        c.high_ago = 0;
    }
    if (!c.in_scalar) {
        c.number = 0;
        c.literal = NULL;
    }
    return c;
}

const uint8_t *BLOCKS_RUN(sb_ndjson *n, const uint8_t *p, const uint8_t *end);

BLOCKS_TARGET const uint8_t *BLOCKS_RUN(sb_ndjson *n, const uint8_t *p, const uint8_t *end)
{
    /* Three that take turns, each written field by field: a copy of the whole would wait for every single store. The
     * first half is one block ahead of the second, so that the one can go on while the other waits: each is a chain of
     * steps in which little can be done at once. */
    sb_ndjson_carry carry[3], *c = &carry[0], *next = &carry[1], *after = &carry[2];
    *c = n->carry;
    uint64_t used = n->offset + (uint64_t)(p - n->fed) - n->line_start, room = n->max_line - used;
    const uint8_t *limit = (uint64_t)(end - p) > room ? p + room : end;
    block blocks[2], *b = &blocks[0], *ahead = &blocks[1];
    if (limit - p >= BLOCK)
        read_tokens(b, p, c, next);
    /* not before the first block is done where lines are so short that it will hardly be needed */
    for (bool in_time = !n->lines_are_short; limit - p >= BLOCK; p += BLOCK, in_time = true) {
        if (likely(in_time && limit - p >= 2 * BLOCK))
            read_tokens(ahead, p + BLOCK, next, after);
        enum verdict verdict = read_block(n, b, c, next);
        if (unlikely(verdict == GIVE_UP)) {
            n->carry = tidy(*c);
            return sb_ndjson_blocks_leave(n, p);
        }
        if (unlikely(verdict == ENDS)) {
            n->lines_are_short = n->block_is_first;
            n->in_blocks = false;
            n->at = AT_DONE;
            n->depth = 0;
            return p + __builtin_popcountll(b->upto);
        }
        n->block_is_first = false;
        if (unlikely(!in_time) && limit - p >= 2 * BLOCK)
            read_tokens(ahead, p + BLOCK, next, after);
        sb_ndjson_carry *was = c;
        c = next;
        next = after;
        after = was;
        block *done = b;
        b = ahead;
        ahead = done;
    }
    n->carry = tidy(*c);
    if (end - p >= BLOCK) /* the line may not be that long: let the plain engine find where it is too long */
        return sb_ndjson_blocks_leave(n, p);
    return p;
}
