/* SPDX-License-Identifier: Apache-2.0 */
/* group_resource.h - a FHIR Group read as a roster: what it is called, and who is in it from when to when.     PDEX-01
 *
 * Judges everything before anything of it is kept. Knows nothing of databases or clients. */
#ifndef SB_PAYER_GROUP_RESOURCE_H
#define SB_PAYER_GROUP_RESOURCE_H

#include <jansson.h>

#include "payer/data/data.h"

#define SB_ROSTER_NAME_MAX        255     /* bytes; for a list that people read */
#define SB_ROSTER_IDENTIFIERS_MAX 16      /* a payer's own, the contract's, the tax number: real ones have three */
#define SB_ROSTER_TEXT_MAX        1024    /* bytes of an identifier's system or value: URLs are not longer */
#define SB_ROSTER_MEMBERS_MAX     1000000 /* some 300 bytes each while it is read; greater ones are several groups */

/* Borrowed from the document. */
typedef struct sb_group_resource {
    sb_str id;
    const char *name;          /* its id when it has none */
    const json_t *identifiers; /* may be NULL */
    const json_t *members;     /* may be NULL */
} sb_group_resource;

/* An entry of `identifier`. */
typedef struct sb_group_identifier {
    const char *system; /* "": none */
    const char *value;
} sb_group_identifier;

/* An entry of `member`. */
typedef struct sb_group_member {
    sb_str patient;          /* logical id */
    int64_t from_s, until_s; /* seconds since 1970, `until_s` not included; INT64_MIN, INT64_MAX: no bound */
    bool inactive;           /* no longer a member */
} sb_group_member;

/* Can it be a roster? SB_E_INVALID, with the reason as err->why: it is no Group of actual persons, its id cannot stand
 * in a URL, or a name is too long. Its lists are looked at below. */
sb_status sb_group_read(const json_t *group, sb_group_resource *out, sb_error *err);
size_t sb_group_identifier_count(const sb_group_resource *group);
sb_status sb_group_identifier_at(const sb_group_resource *group, size_t index, sb_group_identifier *out, sb_error *err);
size_t sb_group_member_count(const sb_group_resource *group);
/* SB_E_INVALID: it names no patient by reference, or its period is none. */
sb_status sb_group_member_at(const sb_group_resource *group, size_t index, sb_group_member *out, sb_error *err);

/* 1 to SB_DATA_ID_MAX of letters, digits, '-', '_' and '.', with a letter or digit first: what FHIR allows and a little
 * more, and never a path's "." or "..". */
bool sb_group_id_is_good(sb_str id);

#endif
