/* SPDX-License-Identifier: Apache-2.0 */
/* test_program.c - the program as a person or a script meets it: what it says, where, and its exit codes. The export
 * behind it is a script (fake_export.c). */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "remove_tree.h"

#define TEXT_MAX (256 * 1024)

static const char *program; /* the one under test */

typedef struct fixture {
    char dir[64], script[96], asked[96];
    char out[TEXT_MAX], err[TEXT_MAX];
    int out_fd, err_fd;
    size_t err_len;
    pid_t pid;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/sb-cli-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->script, sizeof(f->script), "%s/script", f->dir);
    (void)snprintf(f->asked, sizeof(f->asked), "%s/asked", f->dir);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    remove_tree(f->dir);
    free(f);
    return 0;
}

static void write_script(fixture *f, const char *text)
{
    FILE *file = fopen(f->script, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void exec_child(const fixture *f, int out, int err, const char *command)
{
    char *argv[64] = {(char *)(uintptr_t) "smartbulk"};
    char words[1024];
    size_t n = 1;
    (void)snprintf(words, sizeof(words), "%s", command);
    char *rest = words;
    for (char *word = strsep(&rest, " "); word && n < 63; word = strsep(&rest, " "))
        if (word[0])
            argv[n++] = word;
    if (dup2(out, 1) < 0 || dup2(err, 2) < 0 || chdir(f->dir) != 0)
        _exit(99);
    (void)setenv("SMARTBULK_SCRIPT", f->script, 1);
    (void)setenv("SMARTBULK_ASKED", f->asked, 1);
    (void)setenv("LC_ALL", "C.UTF-8", 1);
    (void)unsetenv("NO_COLOR");
    (void)signal(SIGINT, SIG_DFL); /* whoever runs the tests may have them ignored: nohup, a shell's "&" */
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    (void)execv(program, argv);
    _exit(98);
}

/* Words of `command` are split at blanks. */
static void start(fixture *f, const char *command)
{
    int out[2], err[2];
    assert_int_equal(pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
    f->err_len = 0;
    f->pid = fork();
    if (f->pid == 0)
        exec_child(f, out[1], err[1], command);
    assert_true(f->pid > 0);
    (void)close(out[1]);
    (void)close(err[1]);
    f->out_fd = out[0];
    f->err_fd = err[0];
}

/* Reads what comes until `text` was there; NULL: until the end. */
static void read_err(fixture *f, const char *text)
{
    for (;;) {
        f->err[f->err_len] = '\0';
        if (text && strstr(f->err, text))
            return;
        ssize_t n = read(f->err_fd, f->err + f->err_len, TEXT_MAX - 1 - f->err_len);
        if (n <= 0)
            break;
        f->err_len += (size_t)n;
    }
    if (text)
        fail_msg("never said '%s' but: %s", text, f->err);
}

/* The exit code, or minus the signal. */
static int end(fixture *f)
{
    size_t len = 0;
    int status;
    ssize_t n;
    read_err(f, NULL);
    while ((n = read(f->out_fd, f->out + len, TEXT_MAX - 1 - len)) > 0)
        len += (size_t)n;
    f->out[len] = '\0';
    (void)close(f->out_fd);
    (void)close(f->err_fd);
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run(fixture *f, const char *command)
{
    start(f, command);
    return end(f);
}

static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static void help_begins_with_an_example(void **state)
{
    fixture *f = *state;
    static const char *const commands[] = {"export", "resume", "status", "verify", "cancel", "key", "token", "sandbox"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char command[64];
        (void)snprintf(command, sizeof(command), "%s --help", commands[i]);
        assert_int_equal(run(f, command), 0);
        assert_int_equal(strncmp(f->out, "Example: smartbulk", 8), 0);
        if (i < 5)
            assert_says(f->out, "Exit status:");
        assert_string_equal(f->err, "");
    }
    assert_int_equal(run(f, "--help"), 0);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        assert_says(f->out, commands[i]);
}

static void mistakes_name_what_is_right(void **state)
{
    fixture *f = *state;
    static const char *const table[][2] = {
        {"exprot acme", "there is no command 'exprot'; did you mean 'export'?"},
        {"frobnicate", "there is no command 'frobnicate'"},
        {"export", "which payer?"},
        {"export acme beta", "what is 'beta'?"},
        {"export acme --pateints", "there is no option --pateints; did you mean --patients?"},
        {"export acme --output x", "the folder is given with --to DIR"},
        {"export acme --insecure", "trust the payer's own CA with --ca-file"},
        {"export acme --zzzzzzzzzzzzz", "there is no option --zzzzzzzzzzzzz"},
        {"export acme -x", "there is no option -x"},
        {"export acme --client-c x", "--client-c may mean --client-cert or --client-cert-key"},
        {"export acme --json=yes", "--json takes no value"},
        {"export acme --client", "there is no option --client: it is called --client-id"},
        {"export acme --to", "--to needs a value behind it"},
        {"export acme --group 1 --system", "choose one of --patients, --group ID and --system"},
        {"export acme --get --post", "choose one of --get and --post"},
        {"export acme --get --patient 1", "leave --get out"},
        {"export acme --type Patient,,Coverage", "--type takes names with commas between"},
        {"export acme --allow-bad-lines many", "--allow-bad-lines takes a number of lines, not 'many'"},
        {"export acme --max-line-bytes 12Q", "--max-line-bytes takes a size such as 64M, not '12Q'"},
        {"export acme --threads 0", "--threads takes a number from 1 to 256"},
        {"export acme --connections 65", "--connections takes a whole number from 1 to 64"},
        {"export acme -q -v", "choose one of --quiet and --verbose"},
        {"export acme --patient-file missing", "check the name behind --patient-file"},
        {"resume", "which export? Give its folder"},
        {"resume a b", "one folder at a time"},
        {"status --jsno a", "did you mean --json?"},
        {"verify a b", "one folder at a time"},
        {"cancel a b", "one folder at a time"},
    };
    write_script(f, "");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int code = run(f, table[i][0]);
        assert_says(f->err, table[i][1]);
        assert_int_equal(code, 2);
        assert_string_equal(f->out, "");
    }
}

static char *asked(const fixture *f)
{
    static char text[4096];
    FILE *file = fopen(f->asked, "re");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[len] = '\0';
    if (file)
        (void)fclose(file);
    return text;
}

static void options_become_the_request(void **state)
{
    fixture *f = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/list", f->dir);
    FILE *list = fopen(path, "we");
    assert_non_null(list);
    (void)fputs("# members\nPatient/7\r\n\n  8  \n", list);
    (void)fclose(list);
    write_script(f, "phase 3\n");
    assert_int_equal(run(f, "export acme --group 42 --type Patient,Coverage --type Practitioner "
                            "--type-filter Coverage?status=active --since last --until 2026-01-01 --patient 1 "
                            "--patient-file list --elements id,status --include-associated-data "
                            "LatestProvenanceResources --lenient --post --to claims --keep-remote --allow-bad-lines 5 "
                            "--max-line-bytes 64M --threads 3"),
                     0);
    assert_string_equal(asked(f), "level=2\ngroup=42\ntype=Patient\ntype=Coverage\ntype=Practitioner\n"
                                  "type-filter=Coverage?status=active\npatient=1\npatient=Patient/7\npatient=8\n"
                                  "elements=id\nelements=status\ninclude=LatestProvenanceResources\nsince=last\n"
                                  "until=2026-01-01\nmethod=2\nlenient=1\ndir=claims\nallow-bad-lines=5\n"
                                  "max-line-bytes=67108864\nthreads=3\nkeep-remote=1\n");
}

static void a_list_of_nobody_is_not_everybody(void **state)
{
    fixture *f = *state;
    write_script(f, "phase 3\n");
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/list", f->dir);
    FILE *list = fopen(path, "we");
    assert_non_null(list);
    (void)fputs("# nobody\n", list);
    (void)fclose(list);
    assert_int_equal(run(f, "export acme --patient-file list --to claims"), 2);
    assert_says(f->err, "the list of patients is empty");
    assert_string_equal(asked(f), "");
}

static const char *dir_asked(const fixture *f)
{
    static char dir[256];
    const char *at = strstr(asked(f), "dir=");
    assert_non_null(at);
    (void)snprintf(dir, sizeof(dir), "%.*s", (int)strcspn(at + 4, "\n"), at + 4);
    return dir;
}

static void the_default_folder_is_new_each_time(void **state)
{
    fixture *f = *state;
    char first[256], path[400];
    struct stat st;
    write_script(f, "phase 3\n");
    assert_int_equal(run(f, "export https://fhir.acme.example/r4 --auth none"), 0);
    (void)snprintf(first, sizeof(first), "%s", dir_asked(f));
    assert_int_equal(strncmp(first, "fhir.acme.example-20", 20), 0);
    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, first);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(remove(f->asked), 0);
    assert_int_equal(run(f, "export https://fhir.acme.example/r4 --auth none"), 0);
    (void)snprintf(path, sizeof(path), "%s-2", first);
    assert_string_equal(dir_asked(f), path);
}

static void a_request_that_is_wrong_leaves_no_folder(void **state)
{
    fixture *f = *state;
    write_script(f, "start-fails usage a type is wrong\n");
    assert_int_equal(run(f, "export acme"), 2);
    assert_says(f->err, "smartbulk: a type is wrong\n  why: the script says so\n  fix: do as it says\n");
    DIR *dir = opendir(f->dir);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        assert_null(strstr(entry->d_name, "acme"));
    (void)closedir(dir);
}

static void each_failure_has_its_exit_code(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *name;
        int code;
    } table[] = {{"usage", 2}, {"refused", 3}, {"payer", 4}, {"network", 5}, {"partial", 6}, {"io", 1}, {"busy", 1}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char script[64];
        (void)snprintf(script, sizeof(script), "fails %s it failed\n", table[i].name);
        write_script(f, script);
        assert_int_equal(run(f, "export acme --to claims"), table[i].code);
        assert_says(f->err, "smartbulk: it failed\n  why: the script says so\n  fix: do as it says\n");
        assert_says(f->err, "smartbulk resume claims");
        assert_string_equal(f->out, "");
        assert_int_equal(run(f, "export acme --to claims --quiet"), table[i].code);
        assert_says(f->err, "smartbulk: it failed\n");
    }
    assert_int_equal(run(f, "export wrong --to claims"), 2);
}

static void a_signal_stops_it_resumable(void **state)
{
    fixture *f = *state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    write_script(f, "phase 1\nevent 1 - - 0 0 0 0 0 -\nuntil-cancelled\n");
    for (size_t i = 0; i < 3; i++) {
        start(f, "export acme --to claims");
        read_err(f, "the payer accepted it");
        (void)kill(f->pid, signals[i]);
        assert_int_equal(end(f), 7);
        assert_says(f->err, "stopping; what is done is kept");
        assert_says(f->err, "to go on  smartbulk resume claims\n");
    }
}

static void the_second_signal_ends_it(void **state)
{
    fixture *f = *state;
    write_script(f, "phase 1\nevent 1 - - 0 0 0 0 0 -\nforever\n");
    start(f, "export acme --to claims");
    read_err(f, "the payer accepted it");
    (void)kill(f->pid, SIGINT);
    read_err(f, "stopping");
    (void)kill(f->pid, SIGINT);
    assert_int_equal(end(f), -SIGINT);
}

static void json_goes_to_stdout_line_by_line(void **state)
{
    fixture *f = *state;
    write_script(f, "event 0 - - 0 0 0 0 0 https://a.example/$export\ntype Patient 1 0 1 5 5 100\nphase 4\n"
                    "event 5 P.ndjson Patient 0 0 0 2 0 rejected/P\nfails partial some files are bad\n");
    assert_int_equal(run(f, "export acme --to claims --json"), 6);
    char *line = f->out;
    size_t n = 0;
    for (char *next; (next = strchr(line, '\n')) != NULL; line = next + 1, n++) {
        *next = '\0';
        json_t *event = json_loads(line, 0, NULL);
        assert_non_null(json_object_get(event, "event"));
        json_decref(event);
    }
    assert_true(n >= 4);
    json_t *error = json_loads(f->err, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(error, "what")), "some files are bad");
    json_decref(error);
}

static void resume_takes_the_payer_from_the_folder(void **state)
{
    fixture *f = *state;
    write_script(f, "phase 3\ntype Patient 1 1 0 5 5 100\n");
    assert_int_equal(run(f, "resume claims --threads 2"), 0);
    assert_says(asked(f), "resume=claims\n");
    assert_says(f->err, "going on with the export from acme in claims\n");
    assert_says(f->err, "claims: complete and verified\n");
    assert_int_equal(run(f, "resume nothing"), 1);
    assert_says(f->err, "there is no export in this folder");
}

static void status_is_a_table_or_json(void **state)
{
    fixture *f = *state;
    write_script(f, "phase 2\ntype Patient 4 1 0 5 20 100\nas-of 2026-01-01T00:00:00Z\n");
    assert_int_equal(run(f, "status claims"), 0);
    assert_says(f->out, "claims: downloading and checking\n");
    assert_says(f->out, "Patient ");
    assert_says(f->out, "next      smartbulk resume claims\n");
    assert_int_equal(run(f, "status claims --json"), 0);
    json_t *status = json_loads(f->out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(status, "phase")), "download");
    assert_string_equal(json_string_value(json_object_get(status, "dir")), "claims");
    assert_int_equal(json_integer_value(json_object_get(status, "filesDone")), 1);
    json_decref(status);
    assert_int_equal(run(f, "status nothing"), 1);
}

static void verify_lists_what_is_wrong(void **state)
{
    fixture *f = *state;
    write_script(f, "");
    assert_int_equal(run(f, "verify claims"), 0);
    assert_string_equal(f->out, "claims: 3 files, 12,345 resources, 67.9 MB: all as they were verified\n");
    write_script(f, "problem Patient.000.ndjson its SHA-256 is another\n");
    assert_int_equal(run(f, "verify claims"), 6);
    assert_says(f->out, "Patient.000.ndjson: its SHA-256 is another\n");
    assert_says(f->out, ": 1 problem\n");
    assert_int_equal(run(f, "verify claims --json"), 6);
    assert_says(f->out,
                "{\"event\":\"problem\",\"file\":\"Patient.000.ndjson\",\"text\":\"its SHA-256 is another\"}\n");
    assert_says(f->out, "\"problems\":1,\"status\":\"partial\",\"exit\":6}\n");
    assert_int_equal(run(f, "verify nothing"), 1);
}

static void cancel_says_that_it_is_done(void **state)
{
    fixture *f = *state;
    write_script(f, "");
    assert_int_equal(run(f, "cancel claims"), 0);
    assert_says(f->err, "claims: cancelled");
    write_script(f, "phase 3\n"); /* done: there is nothing left to give up but the payer's copy */
    assert_int_equal(run(f, "cancel claims"), 0);
    assert_says(f->err, "claims: it was finished already");
    write_script(f, "fails network the payer cannot be reached\n");
    assert_int_equal(run(f, "cancel claims"), 5);
}

/* The program with a terminal behind its stderr; what that terminal was sent is in f->out. */
static int run_on_terminal(fixture *f, const char *term, const char *command)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
    assert_true(master >= 0);
    assert_int_equal(grantpt(master) | unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setenv("TERM", term, 1);
        exec_child(f, slave, slave, command);
    }
    (void)close(slave);
    size_t len = 0;
    ssize_t n;
    while ((n = read(master, f->out + len, TEXT_MAX - 1 - len)) > 0)
        len += (size_t)n;
    f->out[len] = '\0';
    (void)close(master);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void a_terminal_gets_a_picture_and_is_left_clean(void **state)
{
    fixture *f = *state;
    write_script(f, "phase 2\ntype Patient 4 1 0 5 20 100\nevent 8 - - 0 0 0 0 0 take care\npause 450\n"
                    "type Patient 4 4 0 20 20 400\nphase 3\n");
    assert_int_equal(run_on_terminal(f, "xterm", "export acme --to claims"), 0);
    const char *picture = strstr(f->out, "downloading and checking");
    assert_non_null(picture);
    assert_says(f->out, "Ctrl-C stops; 'smartbulk resume claims' goes on");
    assert_says(f->out, "take care");
    assert_null(strstr(f->out, "\033[?25l")); /* the cursor is never hidden */
    const char *closing_words = strstr(f->out, "complete and verified");
    assert_non_null(closing_words);
    assert_null(strstr(closing_words, "\033[J"));
    assert_string_equal(f->out + strlen(f->out) - 2, "\r\n");
}

static void a_dumb_terminal_gets_plain_lines(void **state)
{
    fixture *f = *state;
    write_script(f, "phase 2\ntype Patient 4 1 0 5 20 100\nevent 1 - - 0 0 0 0 0 -\nphase 3\n");
    assert_int_equal(run_on_terminal(f, "dumb", "export acme --to claims"), 0);
    assert_null(strchr(f->out, '\033'));
    assert_says(f->out, "Z the payer accepted it\r\n");
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(help_begins_with_an_example),
        T(mistakes_name_what_is_right),
        T(options_become_the_request),
        T(a_list_of_nobody_is_not_everybody),
        T(the_default_folder_is_new_each_time),
        T(a_request_that_is_wrong_leaves_no_folder),
        T(each_failure_has_its_exit_code),
        T(a_signal_stops_it_resumable),
        T(the_second_signal_ends_it),
        T(json_goes_to_stdout_line_by_line),
        T(resume_takes_the_payer_from_the_folder),
        T(status_is_a_table_or_json),
        T(verify_lists_what_is_wrong),
        T(cancel_says_that_it_is_done),
        T(a_terminal_gets_a_picture_and_is_left_clean),
        T(a_dumb_terminal_gets_plain_lines),
    };
    if (argc != 2)
        return 2;
    program = argv[1];
    return cmocka_run_group_tests_name("cli_program", tests, NULL, NULL);
}
