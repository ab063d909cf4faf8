/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_export.c - `smartbulk export`: what to ask of which payer, into which folder. What it means is the library's. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "patient_file.h"
#include "session.h"
#include "suggest.h"

static const char help_head[] =
    "Example: smartbulk export acme --type Patient,Coverage,ExplanationOfBenefit --to claims\n"
    "         smartbulk export https://fhir.acme.example/r4 --client-id 0oa8 --key acme.jwk --group 42 --since last\n"
    "\n"
    "Asks a payer for a bulk export, waits as long as it takes, downloads all files in parallel, checks every line,\n"
    "and leaves plain NDJSON in a folder. Can be stopped, killed and resumed at any instant.\n"
    "\n"
    "Usage: smartbulk export PAYER [OPTION]...\n"
    "\n"
    "PAYER is a name in smartbulk.yaml or a FHIR base URL.\n"
    "\n"
    "What to export:\n"
    "      --patients               all patients that we may see (default)\n"
    "      --group ID               the patients of a Group\n"
    "      --system                 everything, patients' data or not\n"
    "      --type T[,T...]          these resource types only; may be repeated (default: all)\n"
    "      --type-filter QUERY      'ExplanationOfBenefit?service-date=ge2020'; one type each, may be repeated\n"
    "      --since WHEN             what changed since an instant, a date, or \"last\": the last export like this one\n"
    "      --until WHEN             what changed until then\n"
    "      --patient REF            this patient only; may be repeated\n"
    "      --patient-file FILE      the same, one a line; '-' for standard input\n"
    "      --elements E[,E...]      these elements only, such as id,status or Patient.name\n"
    "      --include-associated-data CODE[,CODE...]\n"
    "                               such as LatestProvenanceResources\n"
    "      --output-format TYPE     default application/fhir+ndjson\n"
    "      --organize-output-by T   files by resource of this type, such as Patient\n"
    "      --allow-partial-manifests\n"
    "                               begin to download before the payer is done, where it can\n"
    "      --lenient                let the payer ignore parameters that it does not know\n"
    "      --get, --post            how to ask (default: as the payer can)\n"
    "\n"
    "Where to, and how:\n"
    "      --to DIR                 new or empty folder (default: PAYER-YYYY-MM-DD here, or -2, -3 ... when it "
    "exists)\n";

enum {
    OPT_PATIENTS = 1000,
    OPT_GROUP,
    OPT_SYSTEM,
    OPT_TYPE,
    OPT_TYPE_FILTER,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_PATIENT,
    OPT_PATIENT_FILE,
    OPT_ELEMENTS,
    OPT_INCLUDE_ASSOCIATED_DATA,
    OPT_OUTPUT_FORMAT,
    OPT_ORGANIZE_OUTPUT_BY,
    OPT_ALLOW_PARTIAL_MANIFESTS,
    OPT_LENIENT,
    OPT_GET,
    OPT_POST,
    OPT_TO,
    OPT_ELSEWHERE,
};

static const struct option long_options[] = {
    {"patients", no_argument, NULL, OPT_PATIENTS},
    {"group", required_argument, NULL, OPT_GROUP},
    {"system", no_argument, NULL, OPT_SYSTEM},
    {"type", required_argument, NULL, OPT_TYPE},
    {"type-filter", required_argument, NULL, OPT_TYPE_FILTER},
    {"since", required_argument, NULL, OPT_SINCE},
    {"until", required_argument, NULL, OPT_UNTIL},
    {"patient", required_argument, NULL, OPT_PATIENT},
    {"patient-file", required_argument, NULL, OPT_PATIENT_FILE},
    {"elements", required_argument, NULL, OPT_ELEMENTS},
    {"include-associated-data", required_argument, NULL, OPT_INCLUDE_ASSOCIATED_DATA},
    {"output-format", required_argument, NULL, OPT_OUTPUT_FORMAT},
    {"organize-output-by", required_argument, NULL, OPT_ORGANIZE_OUTPUT_BY},
    {"allow-partial-manifests", no_argument, NULL, OPT_ALLOW_PARTIAL_MANIFESTS},
    {"lenient", no_argument, NULL, OPT_LENIENT},
    {"get", no_argument, NULL, OPT_GET},
    {"post", no_argument, NULL, OPT_POST},
    {"to", required_argument, NULL, OPT_TO},
    {"out", no_argument, NULL, OPT_ELSEWHERE}, /* else taken for short forms of --output-format */
    {"output", no_argument, NULL, OPT_ELSEWHERE},
    SESSION_LONG_OPTIONS,
    PAYER_ARGS_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

typedef struct export_args {
    session_args session;
    sb_export_request request;
    string_list types, type_filters, patients, elements, include;
    unsigned levels, methods; /* how many were named: one at most makes sense */
} export_args;

static int take_list(string_list *list, const char *option, const char *value, bool split)
{
    if (value[0] == '\0' || (split && !list_add_split(list, value)) || (!split && !list_add(list, value))) {
        (void)cli_usage("export", "%s takes %s, not '%s'", option, split ? "names with commas between" : "a value",
                        value);
        return -1;
    }
    return 1;
}

static int take_level(export_args *a, sb_export_level level, const char *group)
{
    a->request.level = level;
    a->request.group_id = group;
    a->levels++;
    return 1;
}

static int take_method(export_args *a, sb_export_method method)
{
    a->request.method = method;
    a->methods++;
    return 1;
}

static int take_patient_file(export_args *a, const char *path)
{
    sb_error err = SB_ERROR_INIT;
    if (patient_file_read(path, &a->patients, &err) == SB_OK)
        return 1;
    (void)cli_fail(&err, a->session.json);
    return -1;
}

static int take_list_option(export_args *a, int option, const char *value)
{
    switch (option) {
    case OPT_TYPE:
        return take_list(&a->types, "--type", value, true);
    case OPT_TYPE_FILTER:
        return take_list(&a->type_filters, "--type-filter", value, false);
    case OPT_PATIENT:
        return take_list(&a->patients, "--patient", value, false);
    case OPT_PATIENT_FILE:
        return take_patient_file(a, value);
    case OPT_ELEMENTS:
        return take_list(&a->elements, "--elements", value, true);
    case OPT_INCLUDE_ASSOCIATED_DATA:
        return take_list(&a->include, "--include-associated-data", value, true);
    default:
        return session_take(&a->session, "export", option, value);
    }
}

/* 1: taken; 0: no option of ours; -1: a mistake that was reported. */
static int take(export_args *a, int option, const char *value)
{
    switch (option) {
    case OPT_PATIENTS:
        return take_level(a, SB_EXPORT_PATIENT, NULL);
    case OPT_GROUP:
        return take_level(a, SB_EXPORT_GROUP, value);
    case OPT_SYSTEM:
        return take_level(a, SB_EXPORT_SYSTEM, NULL);
    case OPT_GET:
        return take_method(a, SB_EXPORT_METHOD_GET);
    case OPT_POST:
        return take_method(a, SB_EXPORT_METHOD_POST);
    case OPT_SINCE:
        return a->request.since = value, 1;
    case OPT_UNTIL:
        return a->request.until = value, 1;
    case OPT_OUTPUT_FORMAT:
        return a->request.output_format = value, 1;
    case OPT_ORGANIZE_OUTPUT_BY:
        return a->request.organize_output_by = value, 1;
    case OPT_ALLOW_PARTIAL_MANIFESTS:
        return a->request.allow_partial_manifests = true, 1;
    case OPT_LENIENT:
        return a->request.lenient = true, 1;
    case OPT_ELSEWHERE:
        optopt = 0;
        return 0;
    case OPT_TO:
        return a->session.export_.dir = value, 1;
    default:
        return take_list_option(a, option, value);
    }
}

/* What cannot be meant, said before anything is opened. Returns 0 or the exit code. */
static int check(const export_args *a, int argc, char **argv)
{
    if (optind >= argc)
        return cli_usage("export", "which payer? Give its name in smartbulk.yaml or its FHIR base URL");
    if (optind + 1 < argc)
        return cli_usage("export", "one payer at a time: what is '%s'?%s", argv[optind + 1],
                         strstr(argv[optind + 1], "://") ? "" : " A list of types has commas and no blanks");
    if (a->levels > 1)
        return cli_usage("export", "choose one of --patients, --group ID and --system");
    if (a->methods > 1)
        return cli_usage("export", "choose one of --get and --post");
    if (a->request.method == SB_EXPORT_METHOD_GET && a->patients.len > 0)
        return cli_usage("export", "--patient goes with POST alone: leave --get out");
    if (a->session.export_.dir && a->session.export_.dir[0] == '\0')
        return cli_usage("export", "--to takes the name of a folder");
    if (a->session.quiet && a->session.verbose)
        return cli_usage("export", "choose one of --quiet and --verbose");
    return 0;
}

static int help(void)
{
    (void)printf("%s%s\n%s\n", help_head, session_help, payer_args_help);
    return cli_help(session_exit_help);
}

static void free_args(export_args *a)
{
    list_free(&a->types);
    list_free(&a->type_filters);
    list_free(&a->patients);
    list_free(&a->elements);
    list_free(&a->include);
    session_free(&a->session);
}

static int parse(export_args *a, int argc, char **argv)
{
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, SESSION_SHORT_OPTIONS, long_options, NULL)) != -1) {
        int taken = take(a, option, optarg);
        if (taken != 1)
            return taken == 0 ? suggest_option("export", option, argv, long_options) : EXIT_USAGE;
    }
    return check(a, argc, argv);
}

int cmd_export(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return help();
    export_args a = {.session.export_ = SB_EXPORT_OPTIONS_INIT, .request = SB_EXPORT_REQUEST_INIT};
    int code = parse(&a, argc, argv);
    if (code == 0) {
        a.request.types = list_view(&a.types);
        a.request.type_filters = list_view(&a.type_filters);
        a.request.patients = list_view(&a.patients);
        a.request.elements = list_view(&a.elements);
        a.request.include_associated_data = list_view(&a.include);
        code = session_run(&a.session, argv[optind], &a.request);
    }
    free_args(&a);
    return code;
}
