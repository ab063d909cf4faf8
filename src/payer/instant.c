/* SPDX-License-Identifier: Apache-2.0 */
/* instant.c - the civil calendar, in proleptic Gregorian days. Owns no state. */
#include "payer/instant.h"

#include <stdio.h>
#include <time.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `count` digits and then, unless it is NUL, `after`; moves on behind both. */
static bool take(sb_str *text, size_t count, char after, int *out)
{
    size_t need = count + (after != '\0');
    if (text->len < need || (after != '\0' && text->ptr[count] != after))
        return false;
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(text->ptr[i]))
            return false;
        *out = *out * 10 + (text->ptr[i] - '0');
    }
    *text = (sb_str){text->ptr + need, text->len - need};
    return true;
}

static int64_t take_fraction(sb_str *text)
{
    int64_t us = 0, weight = SB_US_PER_S / 10;
    for (; text->len > 0 && is_digit(text->ptr[0]); text->ptr++, text->len--, weight /= 10)
        us += weight * (text->ptr[0] - '0');
    return us;
}

static bool take_zone(sb_str *text, int *offset_min)
{
    *offset_min = 0;
    if (text->len == 1 && text->ptr[0] == 'Z')
        return true;
    if (text->len != 6 || (text->ptr[0] != '+' && text->ptr[0] != '-'))
        return false;
    int sign = text->ptr[0] == '-' ? -1 : 1, hours, minutes;
    *text = (sb_str){text->ptr + 1, text->len - 1};
    if (!take(text, 2, ':', &hours) || !take(text, 2, '\0', &minutes) || minutes > 59 || hours * 60 + minutes > 14 * 60)
        return false;
    *offset_min = sign * (hours * 60 + minutes);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01: years counted from March, so that the leap day comes last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int m = month <= 2 ? month + 9 : month - 3;
    int64_t era = y / 400, year_of_era = y % 400; /* year 1 at least: nothing here is negative but -1, for year 0 */
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool parse(sb_str text, int64_t *out)
{
    int year, month, day, hour, minute, second, offset;
    int64_t fraction = 0;
    if (!take(&text, 4, '-', &year) || !take(&text, 2, '-', &month) || !take(&text, 2, 'T', &day) ||
        !take(&text, 2, ':', &hour) || !take(&text, 2, ':', &minute) || !take(&text, 2, '\0', &second))
        return false;
    if (text.len > 1 && text.ptr[0] == '.' && is_digit(text.ptr[1])) {
        text = (sb_str){text.ptr + 1, text.len - 1};
        fraction = take_fraction(&text);
    }
    if (!take_zone(&text, &offset) || year < 1 || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60) /* 60: a leap second */
        return false;
    int64_t seconds = days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset * 60;
    *out = seconds * SB_US_PER_S + fraction;
    return true;
}

sb_status sb_instant_parse_us(sb_str text, int64_t *out, sb_error *err)
{
    if (parse(text, out))
        return SB_OK;
    return sb_error_set(err, SB_E_INVALID, "a point in time could not be read", "'%.*s' is not an instant",
                        "write date, time and zone: 2026-01-31T12:00:00Z (a '+' in a URL is written %2B)",
                        (int)SB_MIN(text.len, 40), text.ptr ? text.ptr : "");
}

void sb_instant_format_us(int64_t us, char out[SB_INSTANT_SIZE])
{
    int64_t ms = us / 1000 + (us % 1000 > 0), ms_of_s = ms % 1000;
    if (ms_of_s < 0)
        ms_of_s += 1000;
    time_t seconds = (time_t)((ms - ms_of_s) / 1000);
    struct tm tm = {0};
    (void)gmtime_r(&seconds, &tm); /* years 1 to 9999 alone come here */
    (void)snprintf(out, SB_INSTANT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(tm.tm_year + 1900) % 10000,
                   (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
                   (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, (unsigned)ms_of_s);
}
