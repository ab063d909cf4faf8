/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson_state.h - what the parts of the NDJSON validator share. For ndjson*.c and their tests alone.
 *
 *   ndjson.c          lines: where they begin and end, what is counted, which engine runs
 *   ndjson_plain.c    the grammar, a byte at a time: the reference that says what is right, and where exactly a fault
 * is ndjson_members.c  the members we look at: resourceType, id, and the entries of a `deleted` file */
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
    uint32_t depth;                               /* containers open */
    uint64_t is_object[SB_NDJSON_MAX_DEPTH / 64]; /* bit d: the container at depth d + 1 is an object */

    /* the members we look at */
    bool capturing; /* the string in progress may be one of them */
    bool seen_resource_type, seen_id;
    sb_ndjson_member member; /* whose value comes next */
    uint32_t watched_depth;  /* no member deeper than this matters: 1, or 4 where require_deletes */
    uint32_t path;           /* 0 in the resource, 1 in `entry`, 2 in an entry, 3 in its `request` */
    bool entry_deletes;      /* this entry's request.method has been seen, and is DELETE */
    uint32_t captured; /* raw bytes of the string in progress; may exceed the buffer, which then holds the first */
    char capture[SB_NDJSON_CAPTURE_MAX];
};

/* ndjson.c */

/* The line has a fault at `where`: report it, and pass over the rest. */
void sb_ndjson_fault(sb_ndjson *n, const uint8_t *where, sb_ndjson_reason reason);
/* Forget the line and its grammar; the next byte is a line's first. */
void sb_ndjson_line_begin(sb_ndjson *n);

/* ndjson_plain.c */

/* Read on until just before a newline or `end`; returns where it stopped. */
const uint8_t *sb_ndjson_plain_run(sb_ndjson *n, const uint8_t *p, const uint8_t *end);

/* ndjson_members.c: each may find a fault, which is then at `where`. */

void sb_ndjson_string_begins(sb_ndjson *n, bool is_key);
void sb_ndjson_key_ends(sb_ndjson *n, const uint8_t *where);
void sb_ndjson_string_value_ends(sb_ndjson *n, const uint8_t *where);
/* A value begins: a string ('"'), a container ('{' or '[') or anything else. Called before the depth changes. */
void sb_ndjson_value_begins(sb_ndjson *n, const uint8_t *where, char kind);
/* A container is about to close, at the depth it has. */
void sb_ndjson_container_ends(sb_ndjson *n, const uint8_t *where);

static inline void sb_ndjson_capture(sb_ndjson *n, const uint8_t *from, size_t len)
{
    if (n->captured < SB_NDJSON_CAPTURE_MAX)
        memcpy(n->capture + n->captured, from, SB_MIN(len, (size_t)SB_NDJSON_CAPTURE_MAX - n->captured));
    /* one byte too many says "too long": more need not be counted */
    n->captured =
        (uint32_t)SB_MIN((size_t)n->captured + SB_MIN(len, SB_NDJSON_CAPTURE_MAX + 1), SB_NDJSON_CAPTURE_MAX + 1);
}

static inline bool sb_ndjson_in_object(const sb_ndjson *n)
{
    return n->depth > 0 && (n->is_object[(n->depth - 1) / 64] >> ((n->depth - 1) % 64) & 1);
}

#endif
