/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.c - numbers in option values. */
#include "numbers.h"

#include <string.h>
#include <strings.h>

static bool digits_read(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool number_read(const char *text, uint64_t max, uint64_t *out)
{
    return digits_read(text, strlen(text), max, out);
}

bool size_read(const char *text, uint64_t max, uint64_t *out)
{
    static const char letters[] = "KMGT";
    size_t len = strspn(text, "0123456789");
    const char *unit = text + len;
    uint64_t factor = 1;
    if (unit[0] != '\0') {
        const char *letter = strchr(letters, unit[0] == 'k' ? 'K' : unit[0]);
        if (!letter || (strcmp(unit + 1, "") != 0 && strcmp(unit + 1, "B") != 0 && strcmp(unit + 1, "iB") != 0))
            return false;
        for (long i = 0; i <= letter - letters; i++)
            factor *= strcmp(unit + 1, "B") == 0 ? 1000 : 1024;
    }
    if (!digits_read(text, len, max / factor, out))
        return false;
    *out *= factor;
    return true;
}
