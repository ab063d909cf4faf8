/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson.h - is every line of this NDJSON stream a FHIR resource?  Checked while it streams by.
 *                                                                                                     FILE-02, FILE-03
 *
 * Bytes go in, in pieces of any size; counts and the list of bad lines come out. How the stream is cut never changes
 * what is found. No line is ever buffered: memory is the same few KB for a line of 100 bytes and of 200 MB. Knows
 * nothing of files, sockets, gzip or hashes.
 *
 * A good line is
 *   - JSON by the whole grammar of RFC 8259, in valid UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF);
 *   - one object with exactly one member `resourceType`, a string (the expected type, where one is given), and at most
 *     one `id`, a string that is not empty (exactly one where ids are required). Names count as they decode: "i\u0064"
 *     is `id`.
 * Lines end with LF or CRLF; the last may lack its end. Lines of white space alone count as empty. A byte order mark is
 * accepted at the start of the stream and nowhere else.
 *
 * The verdict is that of jansson's json_loadb(…, JSON_REJECT_DUPLICATES not set) with these differences, each on
 * purpose:
 *   - numbers are checked by grammar alone: jansson also refuses what overflows its types (1e999,
 *     99999999999999999999);
 *   - the depth limit counts as jansson counts (SB_NDJSON_MAX_DEPTH values, the outermost included);
 *   - as in jansson, \u0000 is refused (no C string could hold it), as are lone surrogates (\ud800);
 *   - a NUL byte is refused everywhere: jansson loses one after a number or literal.
 * Other duplicate members are let through: to see them all one has to remember every name. */
#ifndef SB_FHIR_NDJSON_H
#define SB_FHIR_NDJSON_H

#include "base/defs.h"

#define SB_NDJSON_MAX_DEPTH     2048 /* what jansson, and so every reader built on it, can read back */
#define SB_NDJSON_MAX_TYPE_NAME 64   /* the longest name in R4 to R6 has 33 letters */

/* The bound on a line when none is given: the longest string PostgreSQL's jsonb can hold is just below it, so that a
 * longer line could not be loaded anyway. A bound there must be, for a line that never ends hides every bad one behind
 * it. */
#define SB_NDJSON_DEFAULT_MAX_LINE ((size_t)256 * 1024 * 1024)

typedef struct sb_ndjson sb_ndjson;

typedef enum sb_ndjson_reason {
    SB_NDJSON_NOT_AN_OBJECT = 1,   /* the line does not begin with '{' */
    SB_NDJSON_UNEXPECTED,          /* a character that cannot stand here */
    SB_NDJSON_TRUNCATED,           /* the line ends inside the resource */
    SB_NDJSON_AFTER_END,           /* something follows the resource's last brace */
    SB_NDJSON_BAD_UTF8,            /* bytes that are not UTF-8 */
    SB_NDJSON_CONTROL_CHARACTER,   /* a raw control character inside a string */
    SB_NDJSON_BAD_ESCAPE,          /* a backslash followed by what is no escape */
    SB_NDJSON_LONE_SURROGATE,      /* half of a \ud83d\ude00 pair */
    SB_NDJSON_NUL,                 /* \u0000 */
    SB_NDJSON_BAD_NUMBER,          /* 01, 1., .5, +1, - */
    SB_NDJSON_BAD_LITERAL,         /* neither true, false nor null */
    SB_NDJSON_TOO_DEEP,            /* nested beyond SB_NDJSON_MAX_DEPTH */
    SB_NDJSON_TOO_LONG,            /* longer than max_line */
    SB_NDJSON_NO_RESOURCE_TYPE,    /* no resourceType */
    SB_NDJSON_RESOURCE_TYPE_FORM,  /* resourceType is not a string, or empty */
    SB_NDJSON_TWO_RESOURCE_TYPES,  /* resourceType given twice */
    SB_NDJSON_OTHER_RESOURCE_TYPE, /* not the expected type */
    SB_NDJSON_NO_ID,               /* no id, and one is required */
    SB_NDJSON_ID_FORM,             /* id is not a string, or empty */
    SB_NDJSON_TWO_IDS,             /* id given twice */
    SB_NDJSON_NOT_A_DELETE         /* a `deleted` file's Bundle with an entry whose request.method is not DELETE */
} sb_ndjson_reason;

/* The reason in words, for lists of rejected lines: "the line ends inside the resource". A constant; never NULL. */
const char *sb_ndjson_reason_text(sb_ndjson_reason reason);

typedef struct sb_ndjson_bad_line {
    uint64_t line;   /* 1-based, empty lines counted: what an editor shows */
    uint64_t offset; /* of the line's first byte in the stream */
    uint64_t column; /* 1-based byte of the line where the fault was found (a missing member: the closing brace) */
    sb_ndjson_reason reason;
} sb_ndjson_bad_line;

typedef struct sb_ndjson_options {
    const char *resource_type; /* what every resource must be; NULL: any. Copied. */
    bool require_id;           /* each resource has an `id` */
    bool require_deletes; /* a `deleted` file: every entry of the Bundle has a request.method DELETE         FILE-03 */
    size_t max_line;      /* bytes without the line's end; longer lines are bad. 0: SB_NDJSON_DEFAULT_MAX_LINE */
    /* Called once a bad line, at the first fault in it, from inside feed or finish. May be NULL. */
    void (*on_bad_line)(void *impl, const sb_ndjson_bad_line *bad);
    void *impl;
} sb_ndjson_options;

typedef struct sb_ndjson_counts {
    uint64_t lines;     /* that are not empty: resources + bad */
    uint64_t resources; /* good lines */
    uint64_t bad;
    uint64_t bytes; /* fed in all */
} sb_ndjson_counts;

/* A validator for one stream. `options` may be NULL (any type, no id needed). SB_E_INVALID when resource_type is not 1
 * to SB_NDJSON_MAX_TYPE_NAME ASCII letters (a hostile manifest may say anything), else SB_E_NOMEM. Not thread safe. */
sb_status sb_ndjson_new(const sb_ndjson_options *options, sb_ndjson **out, sb_error *err);

/* The next bytes of the stream. The last 63 of them may be judged later, with those that follow. */
void sb_ndjson_feed(sb_ndjson *validator, const void *bytes, size_t len);

/* Judge what was fed so far to its last byte: for who hands lines on one by one, and must know of each before. */
void sb_ndjson_settle(sb_ndjson *validator);

/* The stream has ended: judges a last line that lacks its newline. Then only reset or free may follow. */
void sb_ndjson_finish(sb_ndjson *validator, sb_ndjson_counts *out);

/* What has been counted so far, for a progress display. The line in progress is not in it. */
void sb_ndjson_so_far(const sb_ndjson *validator, sb_ndjson_counts *out);

/* Begin another stream with the same memory. Fails as sb_ndjson_new does, and then leaves the validator unusable but to
 * free. */
sb_status sb_ndjson_reset(sb_ndjson *validator, const sb_ndjson_options *options, sb_error *err);

void sb_ndjson_free(sb_ndjson *validator); /* NULL is fine */
SB_DEFINE_FREEP(sb_ndjson)

#endif
