/* SPDX-License-Identifier: Apache-2.0 */
/* form.h - name=value&name=value, as queries and form bodies have it (WHATWG URL §5): read strictly, order and
 * repetitions kept. Knows no name's meaning. Any thread. */
#ifndef SB_HTTP_FORM_H
#define SB_HTTP_FORM_H

#include "base/buf.h"

typedef struct sb_form_field {
    sb_str name, value; /* decoded; each is followed by a NUL and holds none */
} sb_form_field;

typedef struct sb_form {
    sb_form_field *items; /* in their order */
    size_t len;
    char *storage;
} sb_form;

#define SB_FORM_INIT                                                                                                   \
    {                                                                                                                  \
        NULL, 0, NULL                                                                                                  \
    }
void sb_form_cleanup(sb_form *form); /* safe to repeat */

/* At most `max_fields`; empty ones (&&) are passed over. SB_E_INVALID for more, for a malformed %-escape and for a NUL:
 * what could be read in two ways is not read. `out` must be SB_FORM_INIT or used before. */
sb_status sb_form_parse(sb_str text, size_t max_fields, sb_form *out, sb_error *err);

size_t sb_form_count(const sb_form *form, const char *name);
/* The first of that name; NULL: none. */
const sb_form_field *sb_form_find(const sb_form *form, const char *name);

#endif
