/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_blocks.c - the blocks engine's slow half: beginning and leaving it, the members of the resource, and which
 * engine this machine can run. Portable; the fast half is ndjson_blocks.h. */
#include "fhir/ndjson_state.h"

#if defined(__x86_64__)
bool sb_ndjson_has_engine(sb_ndjson_engine engine)
{
    __builtin_cpu_init();
    switch (engine) {
    case SB_NDJSON_PLAIN:
        return true;
    case SB_NDJSON_SSE42:
        return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt");
    case SB_NDJSON_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt") &&
               __builtin_cpu_supports("bmi");
    case SB_NDJSON_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi") &&
               __builtin_cpu_supports("bmi2");
    case SB_NDJSON_ENGINES:
        break;
    }
    return false;
}

void sb_ndjson_use_engine(sb_ndjson *n, sb_ndjson_engine engine)
{
    n->run_blocks = engine == SB_NDJSON_AVX512  ? sb_ndjson_run_avx512
                    : engine == SB_NDJSON_AVX2  ? sb_ndjson_run_avx2
                    : engine == SB_NDJSON_SSE42 ? sb_ndjson_run_sse42
                                                : NULL;
    if (n->require_deletes)
        n->run_blocks = NULL; /* blocks see the members of the resource alone; `deleted` files are small */
}
#else
bool sb_ndjson_has_engine(sb_ndjson_engine engine)
{
    return engine == SB_NDJSON_PLAIN;
}

void sb_ndjson_use_engine(sb_ndjson *n, sb_ndjson_engine engine)
{
    (void)engine;
    n->run_blocks = NULL;
}
#endif

sb_ndjson_engine sb_ndjson_best_engine(void)
{
    int engine = SB_NDJSON_ENGINES - 1;
    while (!sb_ndjson_has_engine((sb_ndjson_engine)engine))
        engine--;
    return (sb_ndjson_engine)engine;
}

void sb_ndjson_blocks_enter(sb_ndjson *n)
{
    n->in_blocks = true;
    n->block_is_first = true;
    n->depth = 1; /* the only depth at which members are looked at here */
    n->carry = (sb_ndjson_carry){.after_open = 1};
}

static sb_ndjson_at number_state(uint64_t number)
{
    static const struct {
        uint64_t flag;
        sb_ndjson_at at;
    } states[] = {
        {CARRY_MINUS, AT_MINUS},     {CARRY_ZERO, AT_ZERO}, /* before INTEGER, which is set with it */
        {CARRY_INTEGER, AT_INTEGER}, {CARRY_POINT, AT_POINT},       {CARRY_FRACTION, AT_FRACTION}, {CARRY_E, AT_E},
        {CARRY_E_SIGN, AT_E_SIGN},   {CARRY_EXPONENT, AT_EXPONENT},
    };
    for (size_t i = 0; i < SB_ARRAY_LEN(states); i++)
        if (number & states[i].flag)
            return states[i].at;
    return AT_AFTER_VALUE;
}

/* How many bytes before `p`, inside a string, belong to an escape or a character that is not complete at `p`. */
static size_t unfinished(const sb_ndjson_carry *c, const uint8_t *p)
{
    if (c->high_ago > 0)
        return c->high_ago + 5; /* from its backslash, five before its last digit */
    for (size_t back = 1; back <= 4; back++)
        if (c->u >> (BLOCK - back) & 1)
            return back + 1;
    if (c->escaped)
        return 1;
    for (size_t back = 1; back <= 3 && c->not_ascii; back++) {
        uint8_t lead = *(p - back);
        if (lead < 0x80)
            return 0;
        if (lead >= 0xC0)
            return back < (lead < 0xE0 ? 2u : lead < 0xF0 ? 3u : 4u) || lead >= 0xF8 ? back : 0;
    }
    return 0;
}

const uint8_t *sb_ndjson_blocks_leave(sb_ndjson *n, const uint8_t *p)
{
    const sb_ndjson_carry *c = &n->carry;
    n->in_blocks = false;
    n->by_bytes = true;
    n->fallbacks++;
    n->depth = c->depth;
    sb_ndjson_set_window(n->is_object, c->depth, c->types);
    if (n->block_is_first) {
        n->at = AT_LINE;
    } else if (c->in_string ||
               c->high_ago > 0) { /* half a pair before the string's end: the plain engine will find it */
        size_t back = unfinished(c, p);
        n->at = AT_STRING;
        n->string_is_key = c->in_key;
        if (n->m.capturing && n->m.captured <= SB_NDJSON_CAPTURE_MAX)
            n->m.captured -= (uint32_t)back; /* these bytes are to be read again */
        return p - back;
    } else if (c->literal != NULL) {
        n->at = AT_LITERAL;
        n->literal = c->literal;
    } else if (c->in_scalar) {
        n->at = number_state(c->number);
    } else if (c->wants_colon) {
        n->at = AT_COLON;
    } else if (c->after_sep) {
        n->at = c->wants_key ? AT_KEY : AT_VALUE;
    } else if (c->after_open) {
        n->at = c->wants_key ? AT_KEY_OR_END : AT_ELEMENT_OR_END;
    } else {
        n->at = AT_AFTER_VALUE;
    }
    return p;
}

void sb_ndjson_blocks_remember(sb_ndjson *n)
{
    n->m_before = n->m;
    if (n->m.capturing)
        memcpy(n->capture_before, n->capture, SB_MIN(n->m.captured, (uint32_t)SB_NDJSON_CAPTURE_MAX));
}

void sb_ndjson_blocks_restore(sb_ndjson *n)
{
    n->m = n->m_before;
    if (n->m.capturing)
        memcpy(n->capture, n->capture_before, SB_MIN(n->m.captured, (uint32_t)SB_NDJSON_CAPTURE_MAX));
}

static unsigned lowest(uint64_t mask)
{
    return mask != 0 ? (unsigned)__builtin_ctzll(mask) : BLOCK;
}

/* The bits above bit `i`. */
static uint64_t above(unsigned i)
{
    return i >= BLOCK - 1 ? 0 : ~UINT64_C(0) << (i + 1);
}

/* The string that opened at `open` (-1: before the block) is one to capture: to its end, or the block's. True: a fault.
 */
static bool capture_string(sb_ndjson *n, const uint8_t *p, const sb_ndjson_strings *s, int open, bool is_key)
{
    unsigned from = (unsigned)(open + 1);
    unsigned close = lowest(from < BLOCK ? s->quotes & ~UINT64_C(0) << from : 0);
    const char *raw = (const char *)p + from;
    size_t len = close - from;
    if (open < 0 || close == BLOCK) { /* it is in several blocks: what there is of it is put together */
        sb_ndjson_capture(n, p + from, len);
        if (close == BLOCK)
            return false;
        raw = n->capture;
        len = n->m.captured;
    }
    if ((is_key ? sb_ndjson_key_ends(n, raw, len) : sb_ndjson_string_value_ends(n, raw, len)) != NO_FAULT)
        return true;
    if (n->m.member == MEMBER_OTHER)
        return false;
    unsigned value = lowest(s->values & above(close)); /* of the member we look for: must be a string */
    return value < BLOCK && !(s->opens >> value & 1);
}

/* Can the name that opened at `open` be one that we look for? */
static bool may_matter(const sb_ndjson_strings *s, unsigned open)
{
    unsigned close = lowest(s->quotes & above(open)), len = close - open - 1;
    return close == BLOCK || s->any_slash || len == sizeof "id" - 1 || len == sizeof "resourceType" - 1;
}

bool sb_ndjson_blocks_members(sb_ndjson *n, const uint8_t *p, const sb_ndjson_strings *s)
{
    if (n->m.capturing) {
        if (capture_string(n, p, s, -1, s->in_key))
            return true;
    } else if (n->m.member != MEMBER_OTHER) {
        unsigned value = lowest(s->values);
        if (value < BLOCK && !(s->opens >> value & 1))
            return true;
    }
    for (uint64_t opens = s->opens & s->top; opens != 0; opens &= opens - 1) {
        unsigned open = lowest(opens);
        bool is_key = s->key_opens >> open & 1;
        if (is_key ? !may_matter(s, open) : n->m.member == MEMBER_OTHER)
            continue;
        n->m.capturing = true;
        n->m.captured = 0;
        if (capture_string(n, p, s, (int)open, is_key))
            return true;
    }
    return false;
}
