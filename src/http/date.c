/* SPDX-License-Identifier: Apache-2.0 */
/* date.c - HTTP dates: RFC 9110 §5.6.7's three forms in, IMF-fixdate out. Knows no time zone but GMT, and no locale. */
#include <stdio.h>
#include <time.h>

#include "http/retry.h"

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char days[7][10] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

typedef struct date_parts {
    int64_t year;
    unsigned month, day, hour, minute, second; /* month 1 to 12 */
} date_parts;

/* Days since 1970-01-01 in the proleptic Gregorian calendar; the year begins in March so that leap days come last. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
    static const unsigned char len[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : len[month - 1];
}

/* Each take_…() cuts what it expects off the front of *s, or says false. */
static bool take_lit(sb_str *s, const char *lit)
{
    sb_str want = sb_str_from(lit);
    if (!sb_str_starts_with(*s, want))
        return false;
    *s = (sb_str){s->ptr + want.len, s->len - want.len};
    return true;
}

static bool take_digits(sb_str *s, size_t n, unsigned *out)
{
    uint64_t value;
    if (s->len < n || !sb_str_to_u64((sb_str){s->ptr, n}, 9999, &value))
        return false;
    *out = (unsigned)value;
    *s = (sb_str){s->ptr + n, s->len - n};
    return true;
}

static bool take_month(sb_str *s, unsigned *month)
{
    for (unsigned i = 0; i < 12; i++)
        if (take_lit(s, months[i])) {
            *month = i + 1;
            return true;
        }
    return false;
}

static bool take_time(sb_str *s, date_parts *d)
{
    return take_digits(s, 2, &d->hour) && take_lit(s, ":") && take_digits(s, 2, &d->minute) && take_lit(s, ":") &&
           take_digits(s, 2, &d->second);
}

/* After "Sun, ": 06 Nov 1994 08:49:37 GMT */
static bool imf_fixdate(sb_str s, date_parts *d)
{
    unsigned year;
    if (!take_digits(&s, 2, &d->day) || !take_lit(&s, " ") || !take_month(&s, &d->month) || !take_lit(&s, " ") ||
        !take_digits(&s, 4, &year) || !take_lit(&s, " ") || !take_time(&s, d) || !take_lit(&s, " GMT"))
        return false;
    d->year = year;
    return s.len == 0;
}

/* After "Sunday, ": 06-Nov-94 08:49:37 GMT. Two digits more than 50 years ahead are the century before. */
static bool rfc850(sb_str s, date_parts *d)
{
    unsigned year;
    if (!take_digits(&s, 2, &d->day) || !take_lit(&s, "-") || !take_month(&s, &d->month) || !take_lit(&s, "-") ||
        !take_digits(&s, 2, &year) || !take_lit(&s, " ") || !take_time(&s, d) || !take_lit(&s, " GMT"))
        return false;
    time_t now = time(NULL);
    struct tm tm;
    int64_t this_year = gmtime_r(&now, &tm) ? tm.tm_year + INT64_C(1900) : 2000;
    d->year = this_year - this_year % 100 + year;
    if (d->year > this_year + 50)
        d->year -= 100;
    return s.len == 0;
}

/* After "Sun ": Nov  6 08:49:37 1994 */
static bool asctime_date(sb_str s, date_parts *d)
{
    unsigned year;
    if (!take_month(&s, &d->month) || !take_lit(&s, " "))
        return false;
    if (!(take_lit(&s, " ") ? take_digits(&s, 1, &d->day) : take_digits(&s, 2, &d->day)))
        return false;
    if (!take_lit(&s, " ") || !take_time(&s, d) || !take_lit(&s, " ") || !take_digits(&s, 4, &year))
        return false;
    d->year = year;
    return s.len == 0;
}

static bool parse_parts(sb_str s, date_parts *d)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(days); i++) {
        sb_str rest = s;
        if (take_lit(&rest, days[i]) && take_lit(&rest, ", "))
            return rfc850(rest, d);
        rest = s;
        sb_str name = {days[i], 3};
        if (!sb_str_starts_with(rest, name))
            continue;
        rest = (sb_str){rest.ptr + 3, rest.len - 3};
        if (take_lit(&rest, ", "))
            return imf_fixdate(rest, d);
        return take_lit(&rest, " ") && asctime_date(rest, d);
    }
    return false;
}

bool sb_http_date_parse(sb_str text, int64_t *seconds)
{
    date_parts d = {0};
    if (!parse_parts(sb_str_trim(text), &d))
        return false;
    if (d.month < 1 || d.day < 1 || d.day > days_in_month(d.year, d.month) || d.hour > 23 || d.minute > 59 ||
        d.second > 60) /* 60: a leap second */
        return false;
    *seconds = days_from_civil(d.year, d.month, d.day) * 86400 + d.hour * INT64_C(3600) + d.minute * INT64_C(60) +
               SB_MIN(d.second, 59u);
    return true;
}

void sb_http_date_format(int64_t seconds, char out[SB_HTTP_DATE_SIZE])
{
    /* four digits of year are all that the format has: clamp to 0000-01-01 … 9999-12-31 */
    const int64_t first = INT64_C(-62167219200), last = INT64_C(253402300799);
    time_t t = (time_t)SB_MAX(first, SB_MIN(seconds, last));
    struct tm tm = {0};
    (void)gmtime_r(&t, &tm);
    (void)snprintf(out, SB_HTTP_DATE_SIZE, "%.3s, %02u %s %04u %02u:%02u:%02u GMT", days[(unsigned)tm.tm_wday % 7],
                   (unsigned)tm.tm_mday % 32, months[(unsigned)tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000,
                   (unsigned)tm.tm_hour % 24, (unsigned)tm.tm_min % 60, (unsigned)tm.tm_sec % 61);
}
