/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_state.h - what the parts of the NDJSON validator share. For ndjson*.c and their tests alone.
 *
 *   ndjson.c          lines: where they begin and end, what is counted, which engine runs
 *   ndjson_plain.c    the grammar, a byte at a time: the reference that says what is right, and where exactly a fault is
 *   ndjson_blocks.h   the same grammar, 64 bytes at a time: says "nothing wrong here" fast, and leaves the rest to the
 *                     reference
 *   ndjson_blocks.c   going over from blocks to bytes; which engine this machine can run
 *   ndjson_sse42.c, ndjson_avx2.c, ndjson_avx512.c
 *                     how a block becomes bits on each kind of machine
 *   ndjson_members.c  the members we look at: resourceType, id, and the entries of a `deleted` file */
#ifndef SB_FHIR_NDJSON_STATE_H
#define SB_FHIR_NDJSON_STATE_H

#include <string.h>

#include "fhir/ndjson.h"

/* Where in the grammar the next byte stands.
 *
 *            '{'            '"'…'"'        ':'
 *   LINE ──────────► KEY_OR_END ──────► COLON ──────► VALUE ──────► AFTER_VALUE ──'}' or ']' at the top──► DONE
 *                     ▲ KEY ◄───────────── ',' in an object ─────────┘   │
 *                            ELEMENT_OR_END ◄── '['      VALUE ◄── ',' in an array
 * A string, number or literal is a detour out of these and back; any fault leads to SKIP, where the line's rest is
 * passed over. */
typedef enum sb_ndjson_at {
    AT_LINE, /* nothing of the line but white space so far */
    AT_KEY_OR_END,
    AT_KEY,
    AT_COLON,
    AT_VALUE,
    AT_ELEMENT_OR_END,
    AT_AFTER_VALUE,
    AT_DONE,
    AT_STRING,     /* inside quotes */
    AT_ESCAPE,     /* after a backslash */
    AT_HEX,        /* in the digits of \uXXXX */
    AT_PAIR_SLASH, /* after \ud83d: a backslash must follow */
    AT_PAIR_U,     /* … and then a 'u' */
    AT_UTF8,       /* inside a sequence: `utf8_left` bytes to come, the next within utf8_low…utf8_high */
    AT_MINUS,      /* numbers: after '-' */
    AT_ZERO,       /* a leading 0: no digit may follow */
    AT_INTEGER,    /* */
    AT_POINT,      /* after '.': a digit must follow */
    AT_FRACTION,   /* */
    AT_E,          /* after e or E */
    AT_E_SIGN,     /* after its sign: a digit must follow */
    AT_EXPONENT,   /* */
    AT_LITERAL,    /* in true, false or null: `literal` points at what must follow */
    AT_BOM,        /* in the byte order mark of the first line */
    AT_SKIP        /* the line is bad: on to its end */
} sb_ndjson_at;

typedef enum sb_ndjson_member {
    MEMBER_OTHER,
    MEMBER_RESOURCE_TYPE,
    MEMBER_ID,
    MEMBER_ENTRY, /* these three only where require_deletes */
    MEMBER_REQUEST,
    MEMBER_METHOD
} sb_ndjson_member;

/* A name of SB_NDJSON_MAX_TYPE_NAME letters, each written as \uXXXX: a longer raw text cannot be one we look for. */
#define SB_NDJSON_CAPTURE_MAX (SB_NDJSON_MAX_TYPE_NAME * 6)

/* What is known of the line's resource. */
typedef struct sb_ndjson_members {
    bool capturing; /* the string in progress may be one of them */
    bool seen_resource_type, seen_id;
    bool entry_deletes;      /* this entry's request.method has been seen, and is DELETE */
    sb_ndjson_member member; /* whose value comes next */
    uint32_t path;           /* 0 in the resource, 1 in `entry`, 2 in an entry, 3 in its `request` */
    uint32_t captured; /* raw bytes of the string in progress; may exceed the buffer, which then holds the first */
} sb_ndjson_members;

typedef enum sb_ndjson_engine {
    SB_NDJSON_PLAIN,
    SB_NDJSON_SSE42,
    SB_NDJSON_AVX2,
    SB_NDJSON_AVX512,
    SB_NDJSON_ENGINES
} sb_ndjson_engine;

#define BLOCK    64 /* bytes looked at together: one bit each in a machine word */
#define LOOKBACK 16 /* bytes before a block that may be looked at again: a pair of \u escapes has 12 */
/* A bridge joins what was left of the last piece with enough of the next that a block within the next has its LOOKBACK.
 */
#define BRIDGE_MAX (LOOKBACK + (BLOCK - 1) + (BLOCK + LOOKBACK))

/* What one block tells the next: the state of the line at a block's first byte. Flags are 0 or 1. */
typedef struct sb_ndjson_carry {
    uint64_t in_string;   /* all ones inside quotes */
    uint64_t in_key;      /* that string is a name */
    uint64_t escapes;     /* one of `escaped`, `u`, `high_ago` is not 0; else they may hold anything */
    uint64_t escaped;     /* the first byte follows a backslash */
    uint64_t after_open;  /* the next token follows { or [ or , or : */
    uint64_t after_sep;   /* … follows , or : */
    uint64_t wants_key;   /* … follows { or a comma in an object */
    uint64_t wants_colon; /* … follows a name */
    uint64_t in_scalar; /* the byte before belongs to a number or literal; else `number`, `literal` may hold anything */
    uint64_t number;    /* CARRY_… flags: where in a number */
    uint64_t not_ascii; /* the last three bytes may hold an unfinished sequence */
    uint64_t u;         /* the 'u' of \u escapes whose digits go on here: the last block's last four bits */
    uint32_t high_ago;  /* a high surrogate waits for its pair: its last digit is this far before the block; 0: none */
    const char *literal; /* what must follow of true, false or null; NULL: none in progress */
    uint64_t types;      /* the innermost 64 containers, the innermost in the highest bit: 1 is an object */
    uint32_t depth;
} sb_ndjson_carry;

enum {
    CARRY_MINUS = 1,
    CARRY_ZERO = 2,
    CARRY_INTEGER = 4,
    CARRY_POINT = 8,
    CARRY_FRACTION = 16,
    CARRY_E = 32,
    CARRY_E_SIGN = 64,
    CARRY_EXPONENT = 128
};

struct sb_ndjson {
    /* what was asked */
    char resource_type[SB_NDJSON_MAX_TYPE_NAME + 1]; /* "": any */
    size_t resource_type_len;
    bool require_id;
    bool require_deletes;
    uint64_t max_line;
    void (*on_bad_line)(void *impl, const sb_ndjson_bad_line *bad);
    void *impl;

    /* the stream */
    sb_ndjson_counts counts;
    uint64_t line;       /* number of the line in progress */
    uint64_t line_start; /* its offset in the stream */
    uint64_t offset;     /* of the bytes that are being fed: where `fed` is in the stream */
    const uint8_t *fed;

    /* the grammar, within the line */
    sb_ndjson_at at;
    bool string_is_key;
    uint8_t hex_left;
    uint8_t bom_left;
    uint8_t utf8_left, utf8_low, utf8_high;
    uint32_t code_unit; /* of \uXXXX, as far as read */
    bool pair_open;     /* a high surrogate stands before this \u */
    const char *literal;
    uint32_t depth; /* containers open */
    /* Bit 64 + d says that the container at depth d + 1 is an object; the first word is there for blocks, whose window
     * of 64 may reach below the outermost. */
    uint64_t is_object[SB_NDJSON_MAX_DEPTH / 64 + 2];

    uint32_t watched_depth; /* no member deeper than this matters: 1, or 4 where require_deletes */
    sb_ndjson_members m;
    char capture[SB_NDJSON_CAPTURE_MAX];

    /* blocks: while `in_blocks`, `carry` says where the line stands, not `at` and `depth` */
    const uint8_t *(*run_blocks)(sb_ndjson *n, const uint8_t *p, const uint8_t *end); /* NULL: the plain engine alone */
    bool in_blocks;
    bool block_is_first;  /* of its line */
    bool lines_are_short; /* the last one ended in its first block */
    bool by_bytes;        /* the plain engine has this line */
    sb_ndjson_carry carry;
    sb_ndjson_members m_before; /* members and capture at the start of the block, where it may change them */
    char capture_before[SB_NDJSON_CAPTURE_MAX];
    uint64_t fallbacks; /* how often a block went to the plain engine; for tests */

    /* LOOKBACK bytes, then what of the last piece was too short for a block */
    uint8_t bridge[BRIDGE_MAX];
    size_t tail_len;
};

/* ndjson.c */

/* The line has a fault at `where`: report it, and pass over the rest. */
void sb_ndjson_fault(sb_ndjson *n, const uint8_t *where, sb_ndjson_reason reason);
/* Forget the line and its grammar; the next byte is a line's first. */
void sb_ndjson_line_begin(sb_ndjson *n);

/* ndjson_plain.c */

/* Read on until just before a newline or `end`; returns where it stopped. */
const uint8_t *sb_ndjson_plain_run(sb_ndjson *n, const uint8_t *p, const uint8_t *end);

/* ndjson_blocks.c */

/* The most capable engine of this machine; whether it can run a given one; use that from here on (at a stream's start).
 */
sb_ndjson_engine sb_ndjson_best_engine(void);
bool sb_ndjson_has_engine(sb_ndjson_engine engine);
void sb_ndjson_use_engine(sb_ndjson *n, sb_ndjson_engine engine);

/* A line begins with the '{' at the next byte: take it in blocks. */
void sb_ndjson_blocks_enter(sb_ndjson *n);
/* Go over to the plain engine before the block at `p`, whose state is n->carry. Returns where that is to begin: at `p`,
 * or up to LOOKBACK bytes before, at the start of an escape or character that is not complete. */
const uint8_t *sb_ndjson_blocks_leave(sb_ndjson *n, const uint8_t *p);

/* The strings of a block at the top of the resource, each mask with one bit a byte. */
typedef struct sb_ndjson_strings {
    uint64_t quotes;    /* all that open or close a string */
    uint64_t key_opens; /* that open a name */
    uint64_t opens;     /* that open any string */
    uint64_t values;    /* where any value begins, names included */
    uint64_t top;       /* what is in the outermost object alone */
    bool in_key;        /* the block begins inside a name */
    bool any_slash;     /* there is a backslash in the block */
} sb_ndjson_strings;
/* Look at them; true when there is a fault. */
bool sb_ndjson_blocks_members(sb_ndjson *n, const uint8_t *p, const sb_ndjson_strings *s);
/* Before that, keep what it may change; when the block is given up, put it back. */
void sb_ndjson_blocks_remember(sb_ndjson *n);
void sb_ndjson_blocks_restore(sb_ndjson *n);

const uint8_t *sb_ndjson_run_sse42(sb_ndjson *n, const uint8_t *p, const uint8_t *end);
const uint8_t *sb_ndjson_run_avx2(sb_ndjson *n, const uint8_t *p, const uint8_t *end);
const uint8_t *sb_ndjson_run_avx512(sb_ndjson *n, const uint8_t *p, const uint8_t *end);

/* The innermost 64 containers at this depth, as in sb_ndjson_carry.types; and put them back. */
static inline uint64_t sb_ndjson_window(const uint64_t *is_object, uint32_t depth)
{
    uint32_t word = depth / 64, shift = depth % 64;
    return shift == 0 ? is_object[word] : is_object[word] >> shift | is_object[word + 1] << (64 - shift);
}
static inline void sb_ndjson_set_window(uint64_t *is_object, uint32_t depth, uint64_t types)
{
    uint32_t word = depth / 64, shift = depth % 64;
    if (shift == 0) {
        is_object[word] = types;
        return;
    }
    uint64_t low = (UINT64_C(1) << shift) - 1;
    is_object[word] = (is_object[word] & low) | types << shift;
    is_object[word + 1] = (is_object[word + 1] & ~low) | types >> (64 - shift);
}

/* ndjson_members.c: each returns what is wrong, or NO_FAULT. */

#define NO_FAULT ((sb_ndjson_reason)0)

void sb_ndjson_string_begins(sb_ndjson *n, bool is_key);
/* A string that matters ends: its raw text, escapes and all, or as much of it as was captured. */
sb_ndjson_reason sb_ndjson_key_ends(sb_ndjson *n, const char *raw, size_t len);
sb_ndjson_reason sb_ndjson_string_value_ends(sb_ndjson *n, const char *raw, size_t len);
/* A value begins: a string ('"'), a container ('{' or '[') or anything else. Called before the depth changes. */
sb_ndjson_reason sb_ndjson_value_begins(sb_ndjson *n, char kind);
/* A container is about to close, at the depth it has. */
sb_ndjson_reason sb_ndjson_container_ends(sb_ndjson *n);

static inline void sb_ndjson_capture(sb_ndjson *n, const uint8_t *from, size_t len)
{
    if (n->m.captured < SB_NDJSON_CAPTURE_MAX)
        memcpy(n->capture + n->m.captured, from, SB_MIN(len, (size_t)SB_NDJSON_CAPTURE_MAX - n->m.captured));
    /* one byte too many says "too long": more need not be counted */
    n->m.captured =
        (uint32_t)SB_MIN((size_t)n->m.captured + SB_MIN(len, SB_NDJSON_CAPTURE_MAX + 1), SB_NDJSON_CAPTURE_MAX + 1);
}

static inline bool sb_ndjson_in_object(const sb_ndjson *n)
{
    return n->depth > 0 && (n->is_object[(n->depth + 63) / 64] >> ((n->depth + 63) % 64) & 1);
}

#endif
