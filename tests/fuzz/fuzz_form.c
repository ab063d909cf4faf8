/* SPDX-License-Identifier: Apache-2.0 */
/* Forms: what is read, written anew and read again is the same; every text ends where it says. */
#include "base/url.h"
#include "fuzz.h"
#include "http/form.h"

#define FIELDS 8

static void check_text(sb_str text)
{
    FUZZ_REQUIRE("a NUL follows", text.ptr[text.len] == '\0');
    FUZZ_REQUIRE("and none is within", strlen(text.ptr) == text.len);
}

static void write_anew(const sb_form *form, sb_buf *out)
{
    for (size_t i = 0; i < form->len; i++)
        FUZZ_REQUIRE("it can be written", sb_buf_add_cstr(out, i ? "&" : "") &&
                                              sb_url_encode(form->items[i].name, out) && sb_buf_add_char(out, '=') &&
                                              sb_url_encode(form->items[i].value, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTO(sb_form) form = SB_FORM_INIT;
    SB_AUTO(sb_form) again = SB_FORM_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTOFREE copy = fuzz_cstr(data, size);
    sb_error err = SB_ERROR_INIT;
    sb_status status = sb_form_parse((sb_str){copy, size}, FIELDS, &form, &err);
    fuzz_check_error(status, &err);
    FUZZ_REQUIRE("a form that is refused is empty", status == SB_OK || (form.len == 0 && !form.items));
    if (status != SB_OK)
        return 0;
    FUZZ_REQUIRE("there are no more fields than may be", form.len <= FIELDS);
    for (size_t i = 0; i < form.len; i++) {
        check_text(form.items[i].name);
        check_text(form.items[i].value);
        FUZZ_REQUIRE("a field is found by its name", sb_form_count(&form, form.items[i].name.ptr) > 0);
    }
    write_anew(&form, &text);
    FUZZ_REQUIRE("what was written is read", sb_form_parse(sb_buf_str(&text), FIELDS, &again, &err) == SB_OK);
    FUZZ_REQUIRE("as many", again.len == form.len);
    for (size_t i = 0; i < form.len; i++)
        FUZZ_REQUIRE("and the same", sb_str_eq(again.items[i].name, form.items[i].name) &&
                                         sb_str_eq(again.items[i].value, form.items[i].value));
    return 0;
}
