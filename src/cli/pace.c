/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - see pace.h. */
#include "pace.h"

#define SAMPLE_EVERY_NS (INT64_C(500) * 1000000)  /* 32 of them: a window of 16 s */
#define GAP_NS          (INT64_C(5) * 1000000000) /* we were stopped (Ctrl-Z): what was measured is about the past */
#define RATE_AFTER_NS   (INT64_C(1500) * 1000000) /* a rate over less is noise */
#define LEFT_AFTER_NS   (INT64_C(5) * 1000000000) /* and a forecast over less is a guess */
#define LEFT_FILES_MIN  3                         /* files differ in size: a forecast needs a few in the window */

static const struct pace_sample *newest(const pace *p)
{
    return &p->samples[(p->next + PACE_SAMPLES - 1) % PACE_SAMPLES];
}

static const struct pace_sample *oldest(const pace *p)
{
    return &p->samples[p->n < PACE_SAMPLES ? 0 : p->next];
}

void pace_note(pace *p, int64_t now_ns, const sb_export_snapshot *s)
{
    if (p->n > 0 && now_ns - newest(p)->at_ns < SAMPLE_EVERY_NS)
        return;
    if (p->n > 0 && (now_ns - newest(p)->at_ns > GAP_NS || s->bytes < newest(p)->bytes))
        p->n = p->next = 0;
    p->samples[p->next] = (struct pace_sample){now_ns, s->bytes, s->resources, s->files_done};
    p->next = (p->next + 1) % PACE_SAMPLES;
    p->n += p->n < PACE_SAMPLES;
}

static double seconds(const pace *p)
{
    return (double)(newest(p)->at_ns - oldest(p)->at_ns) / 1e9;
}

double pace_bytes_per_s(const pace *p)
{
    if (p->n < 2 || newest(p)->at_ns - oldest(p)->at_ns < RATE_AFTER_NS)
        return -1;
    return (double)(newest(p)->bytes - oldest(p)->bytes) / seconds(p);
}

/* All resources that will come; 0 when the manifest did not say so of each type. */
static uint64_t resources_expected(const sb_export_snapshot *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_types; i++) {
        if (s->types[i].files > 0 && s->types[i].resources_expected == 0)
            return 0;
        sum += s->types[i].resources_expected;
    }
    return sum;
}

int64_t pace_left_s(const pace *p, const sb_export_snapshot *s)
{
    if (p->n < 2 || newest(p)->at_ns - oldest(p)->at_ns < LEFT_AFTER_NS || s->files_done >= s->files)
        return -1;
    uint64_t expected = resources_expected(s);
    uint64_t resources = newest(p)->resources - oldest(p)->resources, files = newest(p)->files - oldest(p)->files;
    double left = -1;
    if (expected > s->resources && newest(p)->resources > oldest(p)->resources)
        left = (double)(expected - s->resources) * seconds(p) / (double)resources;
    else if (expected == 0 && newest(p)->files >= oldest(p)->files + LEFT_FILES_MIN)
        left = (double)(s->files - s->files_done) * seconds(p) / (double)files;
    return left >= 0 && left < 1e9 ? (int64_t)left : -1;
}

double pace_part(uint64_t resources, uint64_t expected, uint64_t files_done, uint64_t files)
{
    if (files > 0 && files_done >= files)
        return 1;
    double part = expected > 0 ? (double)resources / (double)expected
                  : files > 0  ? (double)files_done / (double)files
                               : 0;
    return part < 0.999 ? part : 0.999; /* not all files are done: then it is not all, whatever the counts say */
}
