/* SPDX-License-Identifier: Apache-2.0 */
/* instant.c - dates and instants, by the calendar alone. Owns nothing. */
#include "fhir/instant.h"

#include <stdio.h>

#define DAY_S      INT64_C(86400)
#define YEAR_MAX   9999
#define FIRST_S    INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_S     INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define ZONE_MAX_S (14 * 3600)           /* FHIR: up to 14:00 either way */

/* Days since 1970-01-01. Counted in years that begin in March, so that the leap day comes last: then a month's first
 * day is (153 m + 2) / 5 days into the year, and 400 years have 146,097 days. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t in_era = year - era * 400;
    int64_t in_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

/* The inverse. */
static void date_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t in_era = days - era * 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;
    *day = (unsigned)(in_year - (153 * m + 2) / 5 + 1);
    *month = (unsigned)(m < 10 ? m + 3 : m - 9);
    *year = (unsigned)(y + era * 400 + (*month <= 2));
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Cut exactly `count` digits off the front; false when they are not there, or outside least…most. */
static bool take_number(sb_str *text, size_t count, unsigned least, unsigned most, unsigned *out)
{
    if (text->len < count)
        return false;
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(text->ptr[i] - '0');
    }
    text->ptr += count;
    text->len -= count;
    return *out >= least && *out <= most;
}

static bool take_char(sb_str *text, const char *any_of)
{
    if (text->len == 0 || *text->ptr == '\0' || strchr(any_of, *text->ptr) == NULL)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

/* ".123" after the seconds: `unit` becomes what the last digit is worth. */
static bool take_fraction(sb_str *text, int32_t *ns, int64_t *unit)
{
    *ns = 0;
    *unit = SB_NS_PER_S;
    if (!take_char(text, "."))
        return true;
    unsigned digit, digits = 0;
    for (; take_number(text, 1, 0, 9, &digit); digits++) {
        if (*unit == 1)
            continue; /* finer than we tell apart */
        *unit /= 10;
        *ns += (int32_t)(digit * *unit);
    }
    return digits > 0;
}

/* Z, +05:30, -0500: seconds east of UTC. */
static bool take_zone(sb_str *text, int64_t *east)
{
    *east = 0;
    if (take_char(text, "Zz"))
        return true;
    bool west = text->len > 0 && *text->ptr == '-';
    unsigned hours, minutes;
    if (!take_char(text, "+-") || !take_number(text, 2, 0, 14, &hours))
        return false;
    (void)take_char(text, ":");
    if (!take_number(text, 2, 0, 59, &minutes))
        return false;
    *east = hours * 3600 + minutes * 60;
    if (*east > ZONE_MAX_S)
        return false;
    if (west)
        *east = -*east;
    return true;
}

/* The time of day, added to `first`; `length_ns` becomes its precision. */
static bool take_time(sb_str *text, sb_instant *first, int64_t *length_ns)
{
    unsigned hour, minute, second;
    int64_t east;
    if (!take_char(text, "Tt") || !take_number(text, 2, 0, 23, &hour) || !take_char(text, ":") ||
        !take_number(text, 2, 0, 59, &minute) || !take_char(text, ":") || !take_number(text, 2, 0, 60, &second) ||
        !take_fraction(text, &first->ns, length_ns) || !take_zone(text, &east))
        return false;
    first->s += hour * 3600 + minute * 60 + second - east;
    return true;
}

static bool in_range(sb_instant instant)
{
    return instant.s >= FIRST_S && instant.s <= LAST_S;
}

/* Everything FHIR writes. `whole`: a time is required. */
static bool parse(sb_str text, bool whole, sb_instant *first, sb_instant *after)
{
    unsigned year, month = 1, day = 1;
    *first = *after = (sb_instant){0, 0};
    if (!take_number(&text, 4, 1, YEAR_MAX, &year))
        return false;
    bool has_month = take_char(&text, "-");
    if (has_month && !take_number(&text, 2, 1, 12, &month))
        return false;
    bool has_day = has_month && take_char(&text, "-");
    if (has_day && !take_number(&text, 2, 1, days_in_month(year, month), &day))
        return false;
    first->s = days_from_date(year, month, day) * DAY_S;
    if (has_day && text.len > 0) {
        int64_t length_ns;
        if (!take_time(&text, first, &length_ns))
            return false;
        int64_t end_ns = first->ns + length_ns;
        *after = (sb_instant){first->s + end_ns / SB_NS_PER_S, (int32_t)(end_ns % SB_NS_PER_S)};
    } else if (whole) {
        return false;
    } else if (has_day) {
        after->s = first->s + DAY_S;
    } else if (has_month) {
        after->s = first->s + days_in_month(year, month) * DAY_S;
    } else {
        after->s = days_from_date((int64_t)year + 1, 1, 1) * DAY_S;
    }
    return text.len == 0 && in_range(*first);
}

/* What was given, if it can be shown. */
static sb_status malformed(sb_error *err, sb_str text, const char *fix)
{
    bool shown = sb_str_is_text(text);
    return sb_error_set(err, SB_E_INVALID, "a date or time could not be understood", "%s%.*s%s", fix,
                        shown ? "\"" : "it holds control characters", shown ? (int)SB_MIN(text.len, (size_t)64) : 0,
                        shown ? text.ptr : "", shown ? "\" is not one" : "");
}

sb_status sb_instant_parse(sb_str text, sb_instant *out, sb_error *err)
{
    sb_instant after;
    if (parse(text, true, out, &after))
        return SB_OK;
    return malformed(err, text, "write it as 2026-01-31T15:04:05Z or 2026-01-31T15:04:05.000-05:00");
}

sb_status sb_instant_parse_period(sb_str text, sb_instant *first, sb_instant *after, sb_error *err)
{
    sb_instant unused_first, unused_after;
    if (parse(text, false, first ? first : &unused_first, after ? after : &unused_after))
        return SB_OK;
    return malformed(err, text, "write it as 2026-01-31 (in UTC) or 2026-01-31T15:04:05-05:00");
}

const char *sb_instant_format(sb_instant instant, char out[SB_INSTANT_SIZE])
{
    if (instant.s < FIRST_S)
        instant = (sb_instant){FIRST_S, 0};
    else if (instant.s > LAST_S)
        instant = (sb_instant){LAST_S, 999999999};
    int64_t days = instant.s / DAY_S - (instant.s % DAY_S < 0);
    unsigned of_day = (unsigned)(instant.s - days * DAY_S), year, month, day;
    date_from_days(days, &year, &month, &day);
    /* the moduli tell the compiler that the text fits */
    (void)snprintf(out, SB_INSTANT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000, month % 100, day % 100,
                   of_day / 3600 % 100, of_day / 60 % 60, of_day % 60, (unsigned)instant.ns / 1000000 % 1000);
    return out;
}
