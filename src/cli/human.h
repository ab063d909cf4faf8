/* SPDX-License-Identifier: Apache-2.0 */
/* human.h - numbers as people read them: bytes, counts, durations. Pure functions; any thread. */
#ifndef SB_CLI_HUMAN_H
#define SB_CLI_HUMAN_H

#include <stdint.h>

#define HUMAN_SIZE 32

typedef struct human {
    char text[HUMAN_SIZE];
} human;

human human_bytes(uint64_t bytes);     /* "999 B", "1.05 MB": decimal units, three digits */
human human_count(uint64_t count);     /* "1,204,311" */
human human_duration(int64_t seconds); /* "42 s", "2 min 4 s", "3 h 12 min", "2 d 3 h"; negative: "0 s" */
human human_about(int64_t seconds);    /* no more exact than an estimate can be: "40 s", "12 min", "3 h" */
human human_rate(double bytes_per_s);  /* "212 MB/s" */
human human_instant(int64_t unix_s);   /* "2026-11-25T02:26:09Z" */

#endif
