/* SPDX-License-Identifier: Apache-2.0 */
/* checked_lines.h - the resources of an NDJSON file one after the other, each judged by the whole grammar before it is
 * given out.                                                                                              FILE-02
 *
 * What a resource must be beyond that (its type, its id's length) is the visitor's to say. Holds one line. */
#ifndef SB_PAYER_CHECKED_LINES_H
#define SB_PAYER_CHECKED_LINES_H

#include <sys/stat.h>

#include "base/buf.h"

/* Anything but SB_OK ends the reading, and is returned. */
typedef struct sb_checked_visitor {
    /* A good line, without its end; empty lines are left out. */
    sb_status (*line)(void *impl, uint64_t number, sb_str content, sb_error *err);
    /* A bad one: the first fault in it. */
    sb_status (*bad)(void *impl, uint64_t number, const char *why, sb_error *err);
    void *impl;
} sb_checked_visitor;

/* From where `fd` stands to the end; `path` is for errors. *checksum (may be NULL) is the CRC-32 of the bytes. SB_E_IO;
 * SB_E_INVALID for a line above SB_DATA_LINE_MAX. */
sb_status sb_checked_lines(int fd, const char *path, const sb_checked_visitor *visitor, unsigned long *checksum,
                           sb_error *err);

/* Open a file to be read so: a regular one, and nothing that could hold who opens it for ever. SB_E_IO; SB_E_USAGE: it
 * is no file. */
sb_status sb_open_regular(const char *path, int *fd, struct stat *st, sb_error *err);

#endif
