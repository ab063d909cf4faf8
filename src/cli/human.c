/* SPDX-License-Identifier: Apache-2.0 */
/* human.c - numbers as people read them. */
#include "human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

human human_bytes(uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    human h;
    if (bytes < 1000) {
        (void)snprintf(h.text, sizeof(h.text), "%" PRIu64 " B", bytes);
        return h;
    }
    double value = (double)bytes / 1000;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    (void)snprintf(h.text, sizeof(h.text), "%.*f %s", decimals, value, units[unit]);
    return h;
}

human human_count(uint64_t count)
{
    char digits[HUMAN_SIZE];
    human h;
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            h.text[at++] = ',';
        h.text[at++] = digits[i];
    }
    h.text[at] = '\0'; /* 20 digits and 6 commas fit */
    return h;
}

static human two_units(int64_t a, const char *a_unit, int64_t b, const char *b_unit)
{
    human h;
    if (b == 0)
        (void)snprintf(h.text, sizeof(h.text), "%" PRId64 " %s", a, a_unit);
    else
        (void)snprintf(h.text, sizeof(h.text), "%" PRId64 " %s %" PRId64 " %s", a, a_unit, b, b_unit);
    return h;
}

human human_duration(int64_t seconds)
{
    if (seconds < 60)
        return two_units(seconds > 0 ? seconds : 0, "s", 0, "");
    if (seconds < 3600)
        return two_units(seconds / 60, "min", seconds % 60, "s");
    if (seconds < 86400)
        return two_units(seconds / 3600, "h", seconds % 3600 / 60, "min");
    return two_units(seconds / 86400, "d", seconds % 86400 / 3600, "h");
}

human human_about(int64_t seconds)
{
    if (seconds < 55)
        return two_units(seconds <= 10 ? 10 : (seconds + 5) / 10 * 10, "s", 0, "");
    if (seconds < 90 * 60)
        return two_units((seconds + 30) / 60, "min", 0, "");
    if (seconds < 36 * 3600)
        return two_units((seconds + 1800) / 3600, "h", 0, "");
    return two_units((seconds + 43200) / 86400, "d", 0, "");
}

human human_rate(double bytes_per_s)
{
    human h = human_bytes(bytes_per_s > 0 ? (uint64_t)bytes_per_s : 0);
    size_t len = strlen(h.text);
    (void)snprintf(h.text + len, sizeof(h.text) - len, "/s");
    return h;
}

human human_instant(int64_t unix_s)
{
    human h = {""};
    time_t at = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&at, &tm) || strftime(h.text, sizeof(h.text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)snprintf(h.text, sizeof(h.text), "%" PRId64, unix_s);
    return h;
}
