/* SPDX-License-Identifier: Apache-2.0 */
/* generator_text.h - how the generator draws numbers and writes JSON. For generator*.c alone. */
#ifndef SB_PAYER_GENERATOR_TEXT_H
#define SB_PAYER_GENERATOR_TEXT_H

#include "payer/data/data.h"

/* Fixed, so that nobody depends on how many there are: everything refers to these. */
#define GEN_FACILITIES    24
#define GEN_PHARMACIES    8
#define GEN_PRACTITIONERS 60

/* One sequence of random numbers, and the text that is being written with it. */
typedef struct gen {
    uint64_t state;
    sb_buf text;
    bool failed; /* memory ran out somewhere: looked at once a resource */
} gen;

typedef struct gen_code {
    const char *code, *display;
} gen_code;

/* A sequence of its own for the `index`-th thing of a `kind`: the same whatever else is generated. */
void gen_seed(gen *g, uint64_t kind, uint64_t index);
uint64_t gen_below(gen *g, uint64_t bound);             /* 0 … bound - 1 */
int64_t gen_between(gen *g, int64_t low, int64_t high); /* both included */
#define gen_pick(g, table) (&(table)[gen_below((g), SB_ARRAY_LEN(table))])

/* Append, printf-like. Every ' of the result becomes ": so that JSON can be read in C. No argument may hold either. */
void gen_put(gen *g, const char *fmt, ...) SB_PRINTF(2, 3);

#define GEN_DATE_SIZE 12
/* Days since 1970 as "2025-03-01". */
const char *gen_date(int64_t day, char out[GEN_DATE_SIZE]);
/* The first members of every resource, with the comma: type, id, and a meta with a profile and a time on that day. */
void gen_head(gen *g, const char *type, const char *id, const char *profile, int64_t updated_day);

/* generator_claims.c: one ExplanationOfBenefit and its newline. `member` is "p00000017"; the claim is its `number`-th.
 */
void gen_claim(gen *g, const char *member, unsigned number, int64_t first_day, int64_t last_day);

#endif
