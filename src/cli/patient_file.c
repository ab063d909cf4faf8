/* SPDX-License-Identifier: Apache-2.0 */
/* patient_file.c - see patient_file.h. */
#include "patient_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define PATIENTS_MAX 200000 /* of one request: the library's own bound */
#define LINE_MAX_LEN 2048   /* the longest absolute Reference that a payer takes */

static char *trim(char *line)
{
    static const char blank[] = " \t\r\n";
    line += strspn(line, blank);
    size_t len = strlen(line);
    while (len > 0 && strchr(blank, line[len - 1]))
        line[--len] = '\0';
    return line;
}

static sb_status bad_line(sb_error *err, const char *path, size_t number, const char *why)
{
    return sb_error_set(err, SB_E_USAGE, "the list of patients cannot be used", "%s, line %zu: %s",
                        "one Patient reference (Patient/123) or id a line", path, number, why);
}

static sb_status read_lines(FILE *from, const char *path, string_list *out, sb_error *err)
{
    char line[LINE_MAX_LEN + 2];
    size_t number = 0;
    while (fgets(line, sizeof(line), from)) {
        number++;
        if (strlen(line) > LINE_MAX_LEN)
            return bad_line(err, path, number, "too long");
        char *patient = trim(line);
        if (patient[0] == '\0' || patient[0] == '#')
            continue;
        if (strpbrk(patient, " \t,;"))
            return bad_line(err, path, number, "more than one word");
        if (out->len >= PATIENTS_MAX)
            return bad_line(err, path, number, "more than 200000 patients; split the list");
        if (!list_add(out, patient))
            return sb_error_set(err, SB_E_NOMEM, "out of memory", "an allocation failed", "try again");
    }
    if (ferror(from))
        return sb_error_set(err, SB_E_IO, "the list of patients could not be read", "%s: %s", "check the file", path,
                            strerror(errno));
    return SB_OK;
}

sb_status patient_file_read(const char *path, string_list *out, sb_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    size_t before = out->len;
    FILE *from = is_stdin ? stdin : fopen(path, "re");
    if (!from)
        return sb_error_set(err, SB_E_USAGE, "the list of patients could not be read", "%s: %s",
                            "check the name behind --patient-file", path, strerror(errno));
    sb_status status = read_lines(from, is_stdin ? "standard input" : path, out, err);
    if (!is_stdin)
        (void)fclose(from);
    if (status == SB_OK && out->len == before) /* else it would ask for everybody */
        return sb_error_set(err, SB_E_USAGE, "the list of patients is empty", "%s names nobody",
                            "leave --patient-file out to ask for all patients", path);
    return status;
}
