/* SPDX-License-Identifier: Apache-2.0 */
/* data.h - the payer's data behind one small table of functions: which types there are, and every resource of a type as
 * the bytes it was stored in.
 *
 * A source is a list of types; a type is a list of parts (an NDJSON file; later, a range of a table); a part is a list
 * of lines. A part that is a file can be given away whole, byte for byte, without being read. Knows nothing of clients,
 * groups, jobs or HTTP. All functions may be called from any thread at the same time. */
#ifndef SB_PAYER_DATA_H
#define SB_PAYER_DATA_H

#include "base/buf.h"

/* One line's bound: what a PostgreSQL jsonb value can hold is below it, and a scan holds one line in memory. */
#define SB_DATA_LINE_MAX  ((size_t)256 * 1024 * 1024)
#define SB_DATA_ID_MAX    128 /* FHIR allows 64; real payers go a little beyond */
#define SB_DATA_TYPES_MAX 256 /* FHIR R5 has 157 resource types */

#define SB_UPDATED_NONE INT64_MIN /* no meta.lastUpdated */

/* One resource as it lies in the source. All pointers are borrowed and live until the visitor returns. */
typedef struct sb_data_line {
    sb_str json;        /* the resource without its line end */
    sb_str id;          /* never empty */
    sb_str patient;     /* logical id of the patient whose compartment it is in (a Patient: its own); empty: none */
    int64_t updated_us; /* meta.lastUpdated in microseconds since 1970, finer digits cut off; SB_UPDATED_NONE */
} sb_data_line;

/* A part of a type. Constant for the life of the source. */
typedef struct sb_data_part {
    const char *name;   /* for people: "Coverage.000.ndjson" */
    uint64_t bytes;     /* of the whole file; 0 when the part is no file */
    uint64_t resources; /* lines that hold one */
    int64_t modified_s; /* when the file was last changed, seconds since 1970 */
    int64_t oldest_us;  /* least and greatest meta.lastUpdated; SB_UPDATED_NONE when no line has one */
    int64_t newest_us;
    bool all_dated; /* every line has a meta.lastUpdated */
    bool is_file;   /* sb_data_open() works */
    char etag[48];  /* of the file's bytes: strong, changes whenever the file does; without quotes */
} sb_data_part;

/* A resource type. Constant for the life of the source. */
typedef struct sb_data_type {
    const char *name;    /* "ExplanationOfBenefit" */
    bool in_compartment; /* its resources belong to patients (Patient itself included) */
    uint64_t resources;
    const sb_data_part *parts; /* in the order of their names */
    size_t part_count;
} sb_data_type;

/* Called for each resource in its stored order. Anything but SB_OK ends the scan, which returns it (fill `err`). */
typedef sb_status sb_data_visit(void *context, const sb_data_line *line, sb_error *err);

/* A resource that the source once had. Borrowed until the visitor returns. */
typedef struct sb_data_deletion {
    sb_str type, id;
    sb_str patient; /* in whose compartment it was; empty: none */
    int64_t deleted_us;
    sb_str others; /* whom it was about besides: ids, with '/' between them */
} sb_data_deletion;

typedef sb_status sb_data_deletion_visit(void *context, const sb_data_deletion *deletion, sb_error *err);

/* What a source implements. `free` ends it; no other function is then running. */
typedef struct sb_data_ops {
    const sb_data_type *(*types)(void *impl, size_t *count);
    sb_status (*scan)(void *impl, const sb_data_type *type, size_t part, sb_data_visit *visit, void *context,
                      sb_error *err);
    sb_status (*open)(void *impl, const sb_data_type *type, size_t part, int *fd, sb_error *err);
    void (*free)(void *impl);
    /* NULL: it does not know of any. */
    sb_status (*deletions)(void *impl, int64_t after_us, int64_t until_us, sb_data_deletion_visit *visit, void *context,
                           sb_error *err);
} sb_data_ops;

typedef struct sb_data sb_data;

/* Takes `impl` over, also on failure. For those who implement a source. */
sb_status sb_data_new(const sb_data_ops *ops, void *impl, sb_data **out, sb_error *err);
void sb_data_free(sb_data *data); /* NULL is fine */
SB_DEFINE_FREEP(sb_data)

/* The types in alphabetical order; lives as long as the source. */
const sb_data_type *sb_data_types(const sb_data *data, size_t *count);
/* NULL when the source holds none of this type. */
const sb_data_type *sb_data_find(const sb_data *data, sb_str type_name);
/* The greatest meta.lastUpdated of all; SB_UPDATED_NONE when there is none. */
int64_t sb_data_newest_us(const sb_data *data);
/* Every resource of one part. Holds one line in memory. SB_E_IO; or whatever the visitor returned. */
sb_status sb_data_scan(const sb_data *data, const sb_data_type *type, size_t part, sb_data_visit *visit, void *context,
                       sb_error *err);
/* A descriptor (read only, close-on-exec) on the very bytes that were indexed; the caller closes it. SB_E_IO when the
 * file is gone or has changed since: what was promised can then no longer be delivered. */
sb_status sb_data_open(const sb_data *data, const sb_data_type *type, size_t part, int *fd, sb_error *err);

/* What was deleted later than `after_us`, and not later than `until_us`; nothing where the source keeps no such record.
 * A visitor must not use the source. Errors as sb_data_scan(). */
sb_status sb_data_deletions(const sb_data *data, int64_t after_us, int64_t until_us, sb_data_deletion_visit *visit,
                            void *context, sb_error *err);

/* Is this a type whose resources carry a patient, by the R4 patient compartment as payers use it? */
bool sb_data_type_in_compartment(sb_str type_name);

/* A folder of `*.ndjson` files (not its sub-folders). The type of a file is what its lines say, and one file holds one
 * type. Reads everything once, to check and to count: a line that is not JSON, is no resource, has no id, or is of
 * another type than the lines before it makes the source unusable: SB_E_INVALID names file, line and reason. So do two
 * resources' faults that matter later (an id or a lastUpdated that is not one). Empty files are passed over. SB_E_USAGE
 * when there is no `*.ndjson` file at all. */
sb_status sb_data_ndjson_open(const char *dir, sb_data **out, sb_error *err);

#endif
