/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h - the audit log of `smartbulk serve`, checked by somebody who need not trust the machine that wrote it.
 *
 * Each line holds the hash of the one before, so nothing can be changed, taken out or put in without every later hash
 * changing. What is cut off at the end, or written anew from some line on, shows against a head (number and hash of a
 * line) that was noted elsewhere earlier. Any thread. */
#ifndef SMARTBULK_AUDIT_H
#define SMARTBULK_AUDIT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <smartbulk/error.h>

/* "12:9f86d0…", and a NUL */
#define SB_AUDIT_POINT_SIZE 88

typedef struct sb_audit_verify_result {
    uint64_t lines, problems;
    uint64_t unfinished;               /* bytes after the last whole line: being written, or cut off by a crash */
    char first[40], last[40];          /* when the first and the last event were; "": there is none */
    char head[SB_AUDIT_POINT_SIZE];    /* of the last line: note it elsewhere, and those of other chains; "": none */
    char goes_on[SB_AUDIT_POINT_SIZE]; /* what the first line goes on from, in a file that is not given; "": nothing */
} sb_audit_verify_result;

/* Something that must not be: where and what. Borrowed for the call. */
typedef void sb_audit_problem_fn(void *impl, const char *file, uint64_t line, const char *text);

/* A chain is at its end: the file that holds its last line, how many lines it has in the files that were given, and its
 * head. Borrowed for the call. */
typedef void sb_audit_chain_fn(void *impl, const char *file, uint64_t lines, const char *head);

/* Read the files, which are the parts of one log in their order (or the whole logs of several processes), and check every
 * line. Each of the `heads` (NULL-terminated; NULL: none) must be among the lines. `each` hears of every problem, `chain`
 * of every chain (either may be NULL).
 * SB_E_PARTIAL: there are problems; SB_E_USAGE: a head that is none; SB_E_IO, SB_E_NOT_FOUND: a file cannot be read;
 * SB_E_INTERRUPTED: `cancel` (may be NULL) became true. */
SB_PUBLIC sb_status sb_audit_verify(const char *const *files, size_t count, const char *const *heads,
                                    sb_audit_problem_fn *each, sb_audit_chain_fn *chain, void *impl,
                                    const atomic_bool *cancel, sb_audit_verify_result *out, sb_error *err);

/* The head of one file, by its last whole line alone, which is checked. SB_E_NOT_FOUND: there is no line. */
SB_PUBLIC sb_status sb_audit_head_of(const char *file, char head[SB_AUDIT_POINT_SIZE], char time[40], sb_error *err);

#endif
