/* SPDX-License-Identifier: Apache-2.0 */
/* suggest.c - see suggest.h. */
#include "suggest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define WORD_MAX    40 /* longer words are no typing mistakes of ours */
#define OPTIONS_MAX 96 /* of one command */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance, two neighbours swapped counting as one (it is the most frequent slip). */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            now[j] = min3(before[j] + 1, now[j - 1] + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_before[j - 2] + 1 < now[j])
                now[j] = two_before[j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}

const char *suggest(const char *word, const char *const *names, size_t n)
{
    size_t len = strlen(word), best = len < 4 ? 2 : len / 3 + 2; /* farther is not near */
    const char *found = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, names[i]);
        if (d < best) {
            best = d;
            found = names[i];
        }
    }
    return found;
}

/* What other programs call it, or what people try first. */
static const char *known_elsewhere(const char *name)
{
    static const struct {
        const char *name, *help;
    } table[] = {
        {"insecure", "certificates are always checked; trust the payer's own CA with --ca-file FILE"},
        {"no-verify", "certificates are always checked; trust the payer's own CA with --ca-file FILE"},
        {"cacert", "it is called --ca-file"},
        {"output", "the folder is given with --to DIR"},
        {"out", "the folder is given with --to DIR"},
        {"dir", "the folder is given with --to DIR"},
        {"directory", "the folder is given with --to DIR"},
        {"url", "the payer's FHIR base URL is given as it is, without an option"},
        {"fhir-url", "the payer's FHIR base URL is given as it is, without an option"},
        {"base-url", "the payer's FHIR base URL is given as it is, without an option"},
        {"private-key", "it is called --key"},
        {"key-file", "it is called --key"},
        {"client", "it is called --client-id"},
        {"scopes", "it is called --scope"},
        {"types", "it is called --type; it may be repeated, or list several with commas"},
        {"resource", "it is called --type"},
        {"resource-type", "it is called --type"},
        {"from", "it is called --since"},
        {"resume", "resuming is a command: smartbulk resume DIR"},
        {"force", "nothing is ever overwritten: choose another folder with --to DIR"},
        {"overwrite", "nothing is ever overwritten: choose another folder with --to DIR"},
        {"parallel", "it is called --connections"},
        {"jobs", "it is called --connections"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(name, table[i].name) == 0)
            return table[i].help;
    return NULL;
}

/* Prefixes that fit several options: getopt_long() says '?' to them too. */
static bool ambiguous(const char *name, const struct option *options, const char **a, const char **b)
{
    *a = *b = NULL;
    for (const struct option *o = options; o->name; o++)
        if (strncmp(o->name, name, strlen(name)) == 0) {
            *b = *a;
            *a = o->name;
        }
    return name[0] != '\0' && *b != NULL;
}

static int unknown_long(const char *command, const char *name, const struct option *options)
{
    const char *names[OPTIONS_MAX];
    const char *a, *b, *near;
    size_t n = 0;
    for (const struct option *o = options; o->name && n < OPTIONS_MAX; o++)
        names[n++] = o->name;
    if (ambiguous(name, options, &a, &b))
        return cli_usage(command, "--%s may mean --%s or --%s: write it out", name, b, a);
    near = suggest(name, names, n);
    if (near)
        return cli_usage(command, "there is no option --%s; did you mean --%s?", name, near);
    return cli_usage(command, "there is no option --%s", name);
}

int suggest_option(const char *command, int answer, char **argv, const struct option *options)
{
    const char *word = argv[optind - 1];
    char name[WORD_MAX + 1];
    if (answer == ':')
        return cli_usage(command, "%s needs a value behind it", word);
    if (strncmp(word, "--", 2) != 0 || (optopt != 0 && optopt < 256))
        return cli_usage(command, "there is no option -%c", optopt);
    size_t len = strcspn(word + 2, "=");
    (void)snprintf(name, sizeof(name), "%.*s", (int)(len < WORD_MAX ? len : WORD_MAX), word + 2);
    const char *help = known_elsewhere(name);
    if (help)
        return cli_usage(command, "there is no option --%s: %s", name, help);
    if (optopt != 0)
        return cli_usage(command, "--%s takes no value", name);
    return unknown_long(command, name, options);
}
