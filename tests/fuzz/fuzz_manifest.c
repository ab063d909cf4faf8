/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest page, cut in two ways: the same comes of it, and the journal is left free. The first byte chooses the size
 * of the pieces; the rest is the page. Nothing is committed: that would cost a write to the disk each time. */
#include "fuzz.h"

#include <ftw.h>

#include "export/manifest.h"

static sb_journal *journal;
static char dir[] = "/tmp/sb-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void clean_up(void)
{
    sb_journal_free(journal);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static sb_status feed(const uint8_t *data, size_t size, size_t step, sb_error *err)
{
    SB_AUTOPTR(sb_manifest_page) page = NULL;
    SB_TRY(sb_manifest_page_new(journal, 0, "https://p.example/r4/status", &page, err));
    for (size_t i = 0; i < size; i += step)
        SB_TRY(sb_manifest_page_feed(page, (sb_str){(const char *)data + i, SB_MIN(step, size - i)}, err));
    return SB_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_error whole = SB_ERROR_INIT, pieces = SB_ERROR_INIT;
    if (!journal) {
        FUZZ_REQUIRE("there is a folder", mkdtemp(dir) && atexit(clean_up) == 0);
        FUZZ_REQUIRE("a journal can be made", sb_journal_open(dir, true, false, &journal, &whole) == SB_OK);
    }
    if (size < 2)
        return 0;
    sb_status status = feed(data + 1, size - 1, size, &whole);
    FUZZ_REQUIRE("how it is cut changes nothing", feed(data + 1, size - 1, data[0] % 32 + 1, &pieces) == status);
    fuzz_check_error(status, &whole);
    fuzz_check_error(status, &pieces);
    FUZZ_REQUIRE("the fault is the payer's", status == SB_OK || status == SB_E_SERVER);
    FUZZ_REQUIRE("the journal is free", sb_journal_set(journal, "x", SB_STR_NULL, NULL) == SB_OK);
    sb_export_snapshot totals = {.files = 0};
    sb_journal_totals(journal, &totals);
    FUZZ_REQUIRE("nothing of it stays", totals.files == 0);
    return 0;
}
