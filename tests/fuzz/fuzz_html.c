/* SPDX-License-Identifier: Apache-2.0 */
/* Values in HTML: whatever they hold, there are as many tags and quotes as the program wrote, in UTF-8 without control
 * characters. */
#include "fuzz.h"
#include "payer/portal/html.h"

static size_t count(sb_str text, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == c;
    return n;
}

static void check(sb_str page, size_t tags, size_t quotes)
{
    FUZZ_REQUIRE("no value opens a tag", count(page, '<') == tags && count(page, '>') == tags);
    FUZZ_REQUIRE("no value ends an attribute", count(page, '"') == quotes && count(page, '\'') == 0);
    for (size_t i = 0; i < page.len; i++) {
        unsigned char c = (unsigned char)page.ptr[i];
        FUZZ_REQUIRE("no control characters", (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_html html;
    SB_AUTO(sb_buf) out = SB_BUF_INIT;
    char *value = fuzz_cstr(data, size);
    sb_html_init(&html, &out);
    SB_HTML(&html, "<a href=\"/x?id={u}\" title=\"{}\">{}</a>", value, value, value);
    FUZZ_REQUIRE("the page is whole", sb_html_done(&html));
    check(sb_buf_str(&out), 2, 4);
    sb_buf_clear(&out);
    sb_html_text(&html, (sb_str){(const char *)data, size});
    FUZZ_REQUIRE("the page is whole", sb_html_done(&html));
    check(sb_buf_str(&out), 0, 0);
    free(value);
    return 0;
}
