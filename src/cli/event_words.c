/* SPDX-License-Identifier: Apache-2.0 */
/* event_words.c - an event as a sentence. */
#include <stdarg.h>

#include "display_internal.h"
#include "human.h"

static bool say(said *out, style how, const char *word, char *text, size_t size, const char *fmt, ...) SB_PRINTF(6, 7);
static bool say(said *out, style how, const char *word, char *text, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, size, fmt, args);
    va_end(args);
    *out = (said){how, word, text};
    return true;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static bool routine(const sb_export_event *e, char *text, size_t size, said *out)
{
    switch (e->kind) {
    case SB_EXPORT_KICKOFF:
        return say(out, STYLE_PLAIN, "", text, size, "asked for the export: %s", or_empty(e->text));
    case SB_EXPORT_ACCEPTED:
        return say(out, STYLE_PLAIN, "", text, size, "the payer accepted it");
    case SB_EXPORT_PROGRESS:
        if (e->text && e->text[0])
            return say(out, STYLE_PLAIN, "", text, size, "waiting for the payer, which says: %s", e->text);
        return say(out, STYLE_PLAIN, "", text, size, "waiting for the payer");
    case SB_EXPORT_MANIFEST_PAGE:
        return say(out, STYLE_PLAIN, "", text, size, "the payer lists %s file%s, as of %s", human_count(e->files).text,
                   e->files == 1 ? "" : "s", or_empty(e->text));
    case SB_EXPORT_FILE_DONE:
        return say(out, STYLE_PLAIN, "", text, size, "%s: %s resource%s, %s", or_empty(e->file),
                   human_count(e->resources).text, e->resources == 1 ? "" : "s", human_bytes(e->bytes).text);
    case SB_EXPORT_REMOTE_DELETED:
        return say(out, STYLE_PLAIN, "", text, size, "the payer's copy is deleted");
    default:
        return false;
    }
}

bool event_words(const display *d, const sb_export_event *e, char *text, size_t size, said *out)
{
    (void)d;
    switch (e->kind) {
    case SB_EXPORT_FILE_REJECTED:
        return say(out, STYLE_BAD, "rejected: ", text, size, "%s: %s", or_empty(e->file), or_empty(e->text));
    case SB_EXPORT_FILE_FAILED:
        return say(out, STYLE_BAD, "failed: ", text, size, "%s: %s", or_empty(e->file), or_empty(e->text));
    case SB_EXPORT_WARNING:
        return say(out, STYLE_WARN, "warning: ", text, size, "%s", or_empty(e->text));
    case SB_EXPORT_RETRY:
        if (e->seconds > 0)
            return say(out, STYLE_WARN, "", text, size, "%s; again in %s", or_empty(e->text),
                       human_duration(e->seconds).text);
        return say(out, STYLE_WARN, "", text, size, "%s; again now", or_empty(e->text));
    default:
        return routine(e, text, size, out);
    }
}
