/* SPDX-License-Identifier: Apache-2.0 */
/* fake_export.c - a double of the library's exports that plays a script, so that what the commands say and draw is seen
 * without a payer. $SMARTBULK_SCRIPT names the file; one step a line:
 *
 *   phase N · type NAME FILES DONE BAD RESOURCES EXPECTED BYTES · tokens N · as-of TEXT · says TEXT · wire BYTES
 *   event KIND FILE TYPE FILES BYTES RESOURCES BAD SECONDS TEXT     ('-' for a text that is not there)
 *   pause MS · until-cancelled · forever · start-fails STATUS WHAT · fails STATUS WHAT · problem FILE TEXT
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <smartbulk/export.h>

struct sb_payer {
    const atomic_bool *cancel;
    char name[64], url[256];
};

struct sb_export {
    sb_export_options options;
    const atomic_bool *cancel;
    pthread_mutex_t lock;
    sb_export_snapshot now;
};

static struct timespec began;

static FILE *open_script(void)
{
    const char *path = getenv("SMARTBULK_SCRIPT");
    FILE *script = path ? fopen(path, "re") : NULL;
    if (!script)
        abort();
    return script;
}

sb_status sb_payer_new(const sb_payer_options *options, sb_payer **out, sb_error *err)
{
    const char *word = options->fhir_url ? options->fhir_url : options->name ? options->name : "acme";
    if (strstr(word, "wrong"))
        return sb_error_set(err, SB_E_USAGE, "the payer is not known", "%s is in no configuration file", "add it",
                            word);
    sb_payer *payer = calloc(1, sizeof(*payer));
    if (!payer)
        abort();
    payer->cancel = options->cancel;
    (void)snprintf(payer->name, sizeof(payer->name), "%s", options->fhir_url ? "fhir.acme.example" : word);
    (void)snprintf(payer->url, sizeof(payer->url), "%s", word);
    *out = payer;
    return SB_OK;
}

void sb_payer_free(sb_payer *payer)
{
    free(payer);
}

const char *sb_payer_name(const sb_payer *payer)
{
    return payer->name;
}

static sb_status status_of(const char *name)
{
    for (int i = 0; i <= SB_E_INTERNAL; i++)
        if (strcmp(sb_status_name((sb_status)i), name) == 0)
            return (sb_status)i;
    abort();
}

static bool fails(const char *line, const char *step, sb_error *err, sb_status *status)
{
    char name[32], what[200];
    size_t len = strlen(step);
    if (strncmp(line, step, len) != 0 || sscanf(line + len, " %31s %199[^\n]", name, what) != 2)
        return false;
    *status = sb_error_set(err, status_of(name), what, "%s", "do as it says", "the script says so");
    return true;
}

/* What was asked goes to a file, for tests of the command line. */
static void tell(const char *label, const char *text)
{
    const char *path = getenv("SMARTBULK_ASKED");
    FILE *asked = path ? fopen(path, "ae") : NULL;
    if (!asked)
        return;
    (void)fprintf(asked, "%s=%s\n", label, text ? text : "");
    (void)fclose(asked);
}

static void tell_list(const char *label, const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++)
        tell(label, list[i]);
}

static void tell_number(const char *label, uint64_t n)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRIu64, n);
    tell(label, text);
}

static sb_status begin(sb_payer *payer, const sb_export_options *options, sb_export **out, sb_error *err)
{
    char line[1024];
    sb_status status = SB_OK;
    FILE *script = open_script();
    while (fgets(line, sizeof(line), script))
        if (fails(line, "start-fails", err, &status))
            break;
    (void)fclose(script);
    if (status != SB_OK)
        return status;
    sb_export *e = calloc(1, sizeof(*e));
    if (!e)
        abort();
    e->options = *options;
    e->cancel = payer->cancel;
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    tell("dir", options->dir);
    tell_number("allow-bad-lines", options->allow_bad_lines);
    tell_number("max-line-bytes", options->max_line_bytes);
    tell_number("threads", options->threads);
    tell_number("keep-remote", options->keep_remote);
    *out = e;
    return SB_OK;
}

sb_status sb_export_start(sb_payer *payer, const sb_export_request *r, const sb_export_options *options,
                          sb_export **out, sb_error *err)
{
    tell_number("level", r->level);
    tell("group", r->group_id);
    tell_list("type", r->types);
    tell_list("type-filter", r->type_filters);
    tell_list("patient", r->patients);
    tell_list("elements", r->elements);
    tell_list("include", r->include_associated_data);
    tell("since", r->since);
    tell("until", r->until);
    tell_number("method", r->method);
    tell_number("lenient", r->lenient);
    return begin(payer, options, out, err);
}

sb_status sb_export_settings(const char *dir, char **out, sb_error *err)
{
    if (strstr(dir, "nothing"))
        return sb_error_set(err, SB_E_NOT_FOUND, "there is no export in this folder", "%s", "name the right one", dir);
    *out = strdup("{}");
    return SB_OK;
}

sb_status sb_export_resume(sb_payer *payer, const sb_export_options *options, sb_export **out, sb_error *err)
{
    tell("resume", options->dir);
    return begin(payer, options, out, err);
}

static void add_up(sb_export_snapshot *s)
{
    s->files = s->files_done = s->files_bad = s->resources = s->bytes = 0;
    for (size_t i = 0; i < s->n_types; i++) {
        s->files += s->types[i].files;
        s->files_done += s->types[i].files_done;
        s->files_bad += s->types[i].files_bad;
        s->resources += s->types[i].resources;
        s->bytes += s->types[i].bytes;
    }
}

static void set_type(sb_export_snapshot *s, const char *line)
{
    sb_export_type_totals t = {0};
    size_t i = 0;
    if (sscanf(line, "type %64s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, t.type, &t.files,
               &t.files_done, &t.files_bad, &t.resources, &t.resources_expected, &t.bytes) != 7)
        abort();
    while (i < s->n_types && strcmp(s->types[i].type, t.type) != 0)
        i++;
    if (i == s->n_types)
        s->n_types++;
    s->types[i] = t;
    add_up(s);
}

static const char *or_null(const char *text)
{
    return strcmp(text, "-") == 0 ? NULL : text;
}

static void send_event(sb_export *e, const char *line)
{
    char file[128], type[65], text[400];
    int kind;
    sb_export_event event = {0};
    if (sscanf(line, "event %d %127s %64s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %u %399[^\n]", &kind, file,
               type, &event.files, &event.bytes, &event.resources, &event.bad_lines, &event.seconds, text) != 9)
        abort();
    event.kind = (sb_export_event_kind)kind;
    event.file = or_null(file);
    event.type = or_null(type);
    event.text = or_null(text);
    (void)pthread_mutex_lock(&e->lock);
    e->now.next_poll_s = event.kind == SB_EXPORT_PROGRESS ? event.seconds : 0;
    (void)pthread_mutex_unlock(&e->lock);
    e->options.on_event(e->options.on_event_impl, &event);
}

static void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static void set(sb_export_snapshot *s, const char *line)
{
    unsigned phase;
    if (sscanf(line, "phase %u", &phase) == 1)
        s->phase = (sb_export_phase)phase;
    else if (strncmp(line, "type ", 5) == 0)
        set_type(s, line);
    else if (strncmp(line, "says ", 5) == 0)
        (void)snprintf(s->progress, sizeof(s->progress), "%.*s", (int)strcspn(line + 5, "\n"), line + 5);
    else if (strncmp(line, "as-of ", 6) == 0)
        (void)snprintf(s->transaction_time, sizeof(s->transaction_time), "%.*s", (int)strcspn(line + 6, "\n"),
                       line + 6);
    else
        (void)(sscanf(line, "tokens %" SCNu64, &s->token_fetches) || sscanf(line, "wire %" SCNu64, &s->wire_bytes) ||
               sscanf(line, "bad-lines %" SCNu64, &s->bad_lines) ||
               sscanf(line, "resumed %" SCNu64, &s->resumed_files));
}

static sb_status interrupted(sb_error *err)
{
    return sb_error_set(err, SB_E_INTERRUPTED, "the export was stopped", "%s", "smartbulk resume", "a signal came");
}

static sb_status step(sb_export *e, const char *line, sb_error *err)
{
    sb_status status = SB_OK;
    long ms;
    if (fails(line, "fails", err, &status))
        return status;
    if (strncmp(line, "event ", 6) == 0)
        send_event(e, line);
    else if (sscanf(line, "pause %ld", &ms) == 1)
        pause_ms(ms);
    else if (strncmp(line, "until-cancelled", 15) == 0)
        while (!atomic_load(e->cancel))
            pause_ms(5);
    else if (strncmp(line, "forever", 7) == 0)
        for (;;)
            pause_ms(1000);
    (void)pthread_mutex_lock(&e->lock);
    set(&e->now, line);
    (void)pthread_mutex_unlock(&e->lock);
    return e->cancel && atomic_load(e->cancel) ? interrupted(err) : SB_OK;
}

sb_status sb_export_run(sb_export *e, sb_error *err)
{
    char line[1024];
    sb_status status = SB_OK;
    FILE *script = open_script();
    while (status == SB_OK && fgets(line, sizeof(line), script))
        status = step(e, line, err);
    (void)fclose(script);
    return status;
}

sb_status sb_export_cancel(sb_export *e, sb_error *err)
{
    return sb_export_run(e, err);
}

void sb_export_snapshot_get(sb_export *e, sb_export_snapshot *out)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)pthread_mutex_lock(&e->lock);
    *out = e->now;
    (void)pthread_mutex_unlock(&e->lock);
    out->elapsed_ns = (now.tv_sec - began.tv_sec) * INT64_C(1000000000) + (now.tv_nsec - began.tv_nsec);
}

void sb_export_free(sb_export *e)
{
    if (e)
        (void)pthread_mutex_destroy(&e->lock);
    free(e);
}

sb_status sb_export_status(const char *dir, sb_export_snapshot *out, sb_error *err)
{
    char *settings = NULL;
    sb_status status = sb_export_settings(dir, &settings, err);
    free(settings);
    if (status != SB_OK)
        return status;
    char line[1024];
    FILE *script = open_script();
    while (fgets(line, sizeof(line), script))
        set(out, line);
    (void)fclose(script);
    return SB_OK;
}

sb_status sb_export_verify(const char *dir, void (*on_problem)(void *impl, const char *file, const char *text),
                           void *impl, const atomic_bool *cancel, sb_verify_result *out, sb_error *err)
{
    char line[1024], file[128], text[256];
    (void)cancel;
    char *settings = NULL;
    sb_status status = sb_export_settings(dir, &settings, err);
    free(settings);
    if (status != SB_OK)
        return status;
    FILE *script = open_script();
    while (fgets(line, sizeof(line), script))
        if (sscanf(line, "problem %127s %255[^\n]", file, text) == 2) {
            on_problem(impl, file, text);
            out->problems++;
        }
    (void)fclose(script);
    out->files = 3;
    out->resources = 12345;
    out->bytes = 67890000;
    return out->problems ? sb_error_set(err, SB_E_PARTIAL, "the folder has problems", "%s", "fetch them again", dir)
                         : SB_OK;
}
