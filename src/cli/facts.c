/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - what a snapshot says, in words. */
#include "facts.h"

#include <stdio.h>
#include <string.h>

#include "human.h"

const char *phase_words(sb_export_phase phase)
{
    switch (phase) {
    case SB_EXPORT_PHASE_NEW:
        return "asking for the export";
    case SB_EXPORT_PHASE_WAITING:
        return "the payer is preparing the files";
    case SB_EXPORT_PHASE_DOWNLOAD:
        return "downloading and checking";
    case SB_EXPORT_PHASE_DONE:
        return "complete and verified";
    case SB_EXPORT_PHASE_PARTIAL:
        return "done in part";
    case SB_EXPORT_PHASE_FAILED:
        return "failed at the payer";
    case SB_EXPORT_PHASE_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

const char *phase_name(sb_export_phase phase)
{
    static const char *const names[] = {"new", "waiting", "download", "done", "partial", "failed", "cancelled"};
    return (size_t)phase < sizeof(names) / sizeof(names[0]) ? names[phase] : "unknown";
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

fact fact_files(const sb_export_snapshot *s)
{
    fact f;
    if (s->files_done >= s->files)
        (void)snprintf(f.text, sizeof(f.text), "%s file%s", human_count(s->files).text, plural(s->files));
    else
        (void)snprintf(f.text, sizeof(f.text), "%s of %s files", human_count(s->files_done).text,
                       human_count(s->files).text);
    return f;
}

fact fact_bad(const sb_export_snapshot *s)
{
    fact f = {""};
    int at = 0;
    if (s->files_bad > 0)
        at = snprintf(f.text, sizeof(f.text), "%s bad file%s", human_count(s->files_bad).text, plural(s->files_bad));
    if (s->bad_lines > 0)
        (void)snprintf(f.text + at, sizeof(f.text) - (size_t)at, "%s%s bad line%s", at > 0 ? ", " : "",
                       human_count(s->bad_lines).text, plural(s->bad_lines));
    return f;
}

fact fact_renewals(const sb_export_snapshot *s)
{
    fact f = {""};
    if (s->token_fetches == 2)
        (void)snprintf(f.text, sizeof(f.text), "token renewed once");
    else if (s->token_fetches > 2)
        (void)snprintf(f.text, sizeof(f.text), "token renewed %s times", human_count(s->token_fetches - 1).text);
    return f;
}

fact fact_resumed(const sb_export_snapshot *s)
{
    fact f = {""};
    if (s->resumed_files == 1)
        (void)snprintf(f.text, sizeof(f.text), "1 file was here already");
    else if (s->resumed_files > 1)
        (void)snprintf(f.text, sizeof(f.text), "%s files were here already", human_count(s->resumed_files).text);
    return f;
}

shell_word shell_quote(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    shell_word w;
    size_t at = 0;
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        (void)snprintf(w.text, sizeof(w.text), "%s", text);
        return w;
    }
    w.text[at++] = '\'';
    for (; *text && at + 6 < sizeof(w.text); text++) {
        if (*text == '\'') {
            memcpy(w.text + at, "'\\''", 4);
            at += 4;
        } else {
            w.text[at++] = *text;
        }
    }
    w.text[at++] = '\'';
    w.text[at] = '\0';
    return w;
}
