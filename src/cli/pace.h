/* SPDX-License-Identifier: Apache-2.0 */
/* pace.h - how fast it goes, and how long it will take: measured over the last quarter of a minute, and silent as long
 * as there is no ground for an answer. Its time is the caller's. */
#ifndef SB_CLI_PACE_H
#define SB_CLI_PACE_H

#include <stddef.h>
#include <stdint.h>

#include <smartbulk/export.h>

#define PACE_SAMPLES 32

typedef struct pace {
    struct pace_sample {
        int64_t at_ns;
        uint64_t bytes, resources, files;
    } samples[PACE_SAMPLES]; /* a ring */
    size_t n, next;
} pace;

/* Call as often as you like with the monotonic clock; samples half a second apart are kept. */
void pace_note(pace *p, int64_t now_ns, const sb_export_snapshot *s);

double pace_bytes_per_s(const pace *p); /* negative: not known yet */

/* Seconds until all is there; -1: nothing that could be said would be honest. */
int64_t pace_left_s(const pace *p, const sb_export_snapshot *s);

/* How much of it is done, 0 to 1: by resources where the manifest said how many, else by files. */
double pace_part(uint64_t resources, uint64_t resources_expected, uint64_t files_done, uint64_t files);

#endif
