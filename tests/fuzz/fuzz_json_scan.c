/* SPDX-License-Identifier: Apache-2.0 */
/* The streaming reader of manifests: what it finds does not depend on how the stream is cut.
 * The first byte chooses the cut; the rest is the document. */
#include "base/json.h"
#include "export/json_scan.h"
#include "fuzz.h"

static bool note(sb_buf *seen, const char *what, const char *name, const json_t *value)
{
    SB_AUTOFREE text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    return sb_buf_printf(seen, "%s %s %s\n", what, name, text ? text : "");
}

static sb_status on_name(void *impl, const char *name, sb_scan_want *want, sb_error *err)
{
    (void)err;
    *want = name[0] == 'o' ? SB_SCAN_ITEMS : name[0] == 's' ? SB_SCAN_SKIP : SB_SCAN_WHOLE;
    FUZZ_REQUIRE("there is memory", note(impl, "name", name, NULL));
    return SB_OK;
}

static sb_status on_member(void *impl, const char *name, const json_t *value, sb_error *err)
{
    (void)err;
    FUZZ_REQUIRE("there is memory", note(impl, "member", name, value));
    return SB_OK;
}

static sb_status on_item(void *impl, const char *name, const json_t *item, sb_error *err)
{
    (void)err;
    FUZZ_REQUIRE("there is memory", note(impl, "item", name, item));
    return SB_OK;
}

static sb_status scan(sb_str text, uint8_t cut, sb_buf *seen, sb_error *err)
{
    sb_scan_sink sink = {seen, on_name, on_member, on_item};
    SB_AUTOPTR(sb_scan) s = NULL;
    FUZZ_REQUIRE("there is a scanner", sb_scan_new(&sink, "the document", &s, err) == SB_OK);
    sb_status status = SB_OK;
    for (size_t at = 0, turn = cut; at < text.len && status == SB_OK;) {
        size_t len = fuzz_piece(cut, &turn, text.len - at);
        status = sb_scan_feed(s, (sb_str){text.ptr + at, len}, err);
        at += len;
    }
    return status == SB_OK ? sb_scan_finish(s, err) : status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_buf) whole = SB_BUF_INIT;
    SB_AUTO(sb_buf) cut = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT, cut_err = SB_ERROR_INIT;
    if (size < 1)
        return 0;
    sb_str text = {(const char *)data + 1, size - 1};
    sb_status status = scan(text, 0, &whole, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("cut otherwise it ends the same", scan(text, data[0], &cut, &cut_err) == status);
    FUZZ_REQUIRE("and finds the same", status != SB_OK || sb_str_eq(sb_buf_str(&whole), sb_buf_str(&cut)));
    return 0;
}
