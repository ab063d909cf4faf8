/* SPDX-License-Identifier: Apache-2.0 */
/* test_folder.c - who may write where an export is, whatever the umask and whatever was there before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "../smart/scratch_dir.h"
#include "export/folder.h"

typedef struct fixture {
    char *scratch, *dir; /* dir: inside scratch, not made yet */
    sb_folder *folder;
    sb_error err;
    mode_t umask;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    f->scratch = scratch_dir_new();
    f->dir = sb_path_join(f->scratch, "a/out");
    f->umask = umask(022);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    (void)umask(f->umask);
    sb_folder_free(f->folder);
    scratch_dir_free(f->scratch);
    free(f->dir);
    free(f);
    return 0;
}

static sb_status open_folder(fixture *f, sb_folder_use use)
{
    sb_folder_free(f->folder);
    f->folder = NULL;
    return sb_folder_open(f->dir, use, &f->folder, &f->err);
}

static void have(fixture *f, const char *name, mode_t mode)
{
    SB_AUTOFREE path = sb_path_join(f->dir, name);
    assert_int_equal(sb_dir_make(path, 0700, &f->err), SB_OK);
    assert_int_equal(chmod(path, mode), 0);
}

static unsigned mode_of(fixture *f, const char *name)
{
    struct stat st;
    SB_AUTOFREE path = sb_path_join(f->dir, name);
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static void make_all(fixture *f)
{
    SB_AUTOFD fd = -1;
    int dir_fd;
    const char *leaf;
    assert_int_equal(open_folder(f, SB_FOLDER_BEGIN), SB_OK);
    assert_int_equal(sb_folder_lock(f->folder, &f->err), SB_OK);
    assert_int_equal(sb_folder_at(f->folder, SB_FOLDER_PARTS "/1.part", true, &dir_fd, &leaf, &f->err), SB_OK);
    assert_int_equal(sb_folder_open_file(f->folder, SB_FOLDER_REJECTED "/x", O_WRONLY | O_CREAT, &fd, &f->err), SB_OK);
    assert_int_equal(sb_folder_write(f->folder, "manifest.json", SB_STR_LIT("{}"), &f->err), SB_OK);
}

static void what_we_make_is_ours_alone_whatever_the_umask(void **state)
{
    static const mode_t masks[] = {0, 0777, 0277};
    fixture *f = *state;
    for (size_t i = 0; i < SB_ARRAY_LEN(masks); i++) {
        free(f->dir);
        f->dir = sb_printf("%s/%zu/out", f->scratch, i);
        (void)umask(masks[i]);
        make_all(f);
        (void)umask(022);
        assert_int_equal(mode_of(f, ".."), 0700);
        assert_int_equal(mode_of(f, ""), 0700);
        assert_int_equal(mode_of(f, SB_FOLDER_STATE), 0700);
        assert_int_equal(mode_of(f, SB_FOLDER_PARTS), 0700);
        assert_int_equal(mode_of(f, SB_FOLDER_REJECTED), 0700);
        assert_int_equal(mode_of(f, SB_FOLDER_STATE "/lock"), 0600);
        assert_int_equal(mode_of(f, SB_FOLDER_REJECTED "/x"), 0600);
        assert_int_equal(mode_of(f, "manifest.json"), 0600);
    }
}

static void a_folder_that_others_may_write_to_is_closed_to_their_writing(void **state)
{
    static const struct {
        mode_t before, after;
    } cases[] = {{0777, 0755}, {0775, 0755}, {0770, 0750}, {0702, 0700}, {02775, 02755}, {0755, 0755}, {0700, 0700}};
    fixture *f = *state;
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        have(f, "", cases[i].before);
        assert_int_equal(open_folder(f, SB_FOLDER_BEGIN), SB_OK);
        assert_int_equal(mode_of(f, ""), cases[i].after);
        have(f, "", cases[i].before);
        assert_int_equal(open_folder(f, SB_FOLDER_LOOK), SB_OK);
        assert_int_equal(mode_of(f, ""), cases[i].before);
        assert_int_equal(open_folder(f, SB_FOLDER_GO_ON), SB_OK);
        assert_int_equal(mode_of(f, ""), cases[i].after);
    }
}

static void a_folder_that_users_share_is_refused_and_left_as_it_is(void **state)
{
    fixture *f = *state;
    have(f, "", 01777);
    assert_int_equal(open_folder(f, SB_FOLDER_BEGIN), SB_E_USAGE);
    assert_non_null(strstr(f->err.why, f->dir));
    assert_non_null(strstr(f->err.fix, "new folder"));
    assert_int_equal(mode_of(f, ""), 01777);
}

static void the_state_is_ours_alone_however_it_was_left(void **state)
{
    static const sb_folder_use uses[] = {SB_FOLDER_LOOK, SB_FOLDER_GO_ON, SB_FOLDER_BEGIN};
    fixture *f = *state;
    for (size_t i = 0; i < SB_ARRAY_LEN(uses); i++) {
        int dir_fd;
        const char *leaf;
        have(f, SB_FOLDER_PARTS, 0777);
        have(f, SB_FOLDER_STATE, 0777);
        assert_int_equal(open_folder(f, uses[i]), SB_OK);
        assert_int_equal(mode_of(f, SB_FOLDER_STATE), 0700);
        assert_int_equal(sb_folder_at(f->folder, SB_FOLDER_PARTS "/x", false, &dir_fd, &leaf, &f->err), SB_OK);
        assert_int_equal(mode_of(f, SB_FOLDER_PARTS), 0700);
    }
}

static void a_folder_of_data_keeps_its_readers_and_loses_other_writers(void **state)
{
    fixture *f = *state;
    int dir_fd;
    const char *leaf;
    have(f, SB_FOLDER_STATE, 0700);
    have(f, SB_FOLDER_REJECTED, 0775);
    assert_int_equal(open_folder(f, SB_FOLDER_LOOK), SB_OK);
    assert_int_equal(sb_folder_at(f->folder, SB_FOLDER_REJECTED "/x", false, &dir_fd, &leaf, &f->err), SB_OK);
    assert_int_equal(mode_of(f, SB_FOLDER_REJECTED), 0775);
    assert_int_equal(open_folder(f, SB_FOLDER_GO_ON), SB_OK);
    assert_int_equal(sb_folder_at(f->folder, SB_FOLDER_REJECTED "/x", false, &dir_fd, &leaf, &f->err), SB_OK);
    assert_int_equal(mode_of(f, SB_FOLDER_REJECTED), 0755);
}

/* Root alone can give things away. */
static void give_away(fixture *f, const char *name)
{
    SB_AUTOFREE path = sb_path_join(f->dir, name);
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 12345, 12345), 0);
}

static void somebody_elses_folder_is_refused(void **state)
{
    fixture *f = *state;
    have(f, SB_FOLDER_REJECTED, 0700);
    have(f, SB_FOLDER_STATE, 0700);
    give_away(f, "");
    assert_int_equal(open_folder(f, SB_FOLDER_BEGIN), SB_E_USAGE);
    assert_non_null(strstr(f->err.why, "belongs to user 12345"));
    assert_int_equal(open_folder(f, SB_FOLDER_GO_ON), SB_E_USAGE);
    assert_int_equal(open_folder(f, SB_FOLDER_LOOK), SB_OK);
    give_away(f, SB_FOLDER_REJECTED);
    int dir_fd;
    const char *leaf;
    assert_int_equal(sb_folder_at(f->folder, SB_FOLDER_REJECTED "/x", true, &dir_fd, &leaf, &f->err), SB_E_USAGE);
    give_away(f, SB_FOLDER_STATE);
    assert_int_equal(open_folder(f, SB_FOLDER_LOOK), SB_E_USAGE);
    assert_non_null(strstr(f->err.why, SB_FOLDER_STATE " belongs to user 12345"));
}

static void somebody_elses_file_is_neither_written_nor_cut(void **state)
{
    fixture *f = *state;
    SB_AUTOFD fd = -1;
    struct stat st;
    assert_int_equal(open_folder(f, SB_FOLDER_BEGIN), SB_OK);
    assert_true(scratch_write(f->dir, "log.ndjson", 0644, "theirs"));
    give_away(f, "log.ndjson");
    assert_int_equal(sb_folder_open_file(f->folder, "log.ndjson", O_WRONLY | O_CREAT | O_TRUNC, &fd, &f->err),
                     SB_E_USAGE);
    assert_non_null(strstr(f->err.why, "log.ndjson belongs to user 12345"));
    SB_AUTOFREE path = sb_path_join(f->dir, "log.ndjson");
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_size, 6);
    assert_int_equal(mode_of(f, "log.ndjson"), 0644);
}

static void a_link_in_place_of_a_folder_is_called_one(void **state)
{
    fixture *f = *state;
    have(f, "elsewhere", 0700);
    SB_AUTOFREE link = sb_path_join(f->dir, SB_FOLDER_STATE);
    assert_int_equal(symlink("elsewhere", link), 0);
    assert_int_equal(open_folder(f, SB_FOLDER_BEGIN), SB_E_IO);
    assert_non_null(strstr(f->err.why, SB_FOLDER_STATE));
    assert_non_null(strstr(f->err.fix, "symbolic link"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_we_make_is_ours_alone_whatever_the_umask),
        T(a_folder_that_others_may_write_to_is_closed_to_their_writing),
        T(a_folder_that_users_share_is_refused_and_left_as_it_is),
        T(the_state_is_ours_alone_however_it_was_left),
        T(a_folder_of_data_keeps_its_readers_and_loses_other_writers),
        T(somebody_elses_folder_is_refused),
        T(somebody_elses_file_is_neither_written_nor_cut),
        T(a_link_in_place_of_a_folder_is_called_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
