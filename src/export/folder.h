/* SPDX-License-Identifier: Apache-2.0 */
/* folder.h - an export's output folder, held open: everything in it is reached from its descriptor.
 *
 * Names are paths below the folder, of our own making ("deleted/Patient.000.ndjson"): no step of them may be a symbolic
 * link, so that one planted in the folder is never followed, nor may it be somebody else's. Files are 0600, folders
 * 0700, whatever the umask. Knows nothing of what the files hold. Any thread, but for lock and free. */
#ifndef SB_EXPORT_FOLDER_H
#define SB_EXPORT_FOLDER_H

#include <sys/types.h>

#include "base/buf.h"

#define SB_FOLDER_STATE    ".smartbulk"       /* our own state, 0700 */
#define SB_FOLDER_PARTS    ".smartbulk/parts" /* files that are not complete yet */
#define SB_FOLDER_REJECTED "rejected"
#define SB_FOLDER_DELETED  "deleted"
#define SB_FOLDER_ERROR    "error"

typedef struct sb_folder sb_folder;

typedef enum sb_folder_use {
    SB_FOLDER_LOOK,  /* to read alone; its lock is not taken */
    SB_FOLDER_GO_ON, /* to write what an export lacks */
    SB_FOLDER_BEGIN  /* to begin one: missing folders are made, .smartbulk too */
} sb_folder_use;

/* Who writes here is the only one who may: a folder of somebody else's is refused (SB_E_USAGE), and of one that was made
 * before, writing is taken from all but its owner; those who may read its names still may. .smartbulk is made 0700 again
 * whatever it was, and refused when it is somebody else's. SB_E_NOT_FOUND when it is missing and not to be made. */
sb_status sb_folder_open(const char *dir, sb_folder_use use, sb_folder **out, sb_error *err);
void sb_folder_free(sb_folder *folder); /* gives the lock back */
SB_DEFINE_FREEP(sb_folder)

/* Take DIR/.smartbulk/lock until the folder is freed. SB_E_BUSY when another process has it. */
sb_status sb_folder_lock(sb_folder *folder, sb_error *err);

int sb_folder_fd(const sb_folder *folder);
const char *sb_folder_path(const sb_folder *folder); /* as the kernel names it: absolute, without links */

/* A descriptor of the folder that `name` lies in (borrowed, kept open) and the last step of `name` (inside `name`).
 * With `make`, missing folders are made. SB_E_NOT_FOUND when missing. */
sb_status sb_folder_at(sb_folder *folder, const char *name, bool make, int *dir_fd, const char **leaf, sb_error *err);

/* open() with O_NOFOLLOW | O_CLOEXEC and `flags`; regular files alone. With O_CREAT: our own alone, mode 0600.
 * SB_E_NOT_FOUND when missing. */
sb_status sb_folder_open_file(sb_folder *folder, const char *name, int flags, int *fd, sb_error *err);

/* Move a file to another name, never over an existing one: SB_E_USAGE then. SB_E_NOT_FOUND when `from` is missing. */
sb_status sb_folder_rename_new(sb_folder *folder, const char *from, const char *to, sb_error *err);

/* Replace `name` by these bytes or leave it alone (written, fsynced, renamed; the folder itself is not synced). */
sb_status sb_folder_write(sb_folder *folder, const char *name, sb_str bytes, sb_error *err);

sb_status sb_folder_remove(sb_folder *folder, const char *name, sb_error *err); /* missing is fine */
sb_status sb_folder_sync(sb_folder *folder, const char *name, sb_error *err);   /* fsync of the folder `name` lies in */

#endif
