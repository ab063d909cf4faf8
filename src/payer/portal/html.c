/* SPDX-License-Identifier: Apache-2.0 */
/* html.c - follows the markup byte by byte:
 *
 *   TEXT ──<──► TAG_NAME ──space──► TAG ──a──► ATTR_NAME ──="──► VALUE
 *    ▲              └──────>─────────┴────>──────┘                 │
 *    └──────────────────────────>─────────── TAG ◄────── " ────────┘
 */
#include "payer/portal/html.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/url.h"

enum { TEXT, TAG_NAME, TAG, ATTR_NAME, ATTR_EQUALS, VALUE };

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void sb_html_init(sb_html *html, sb_buf *out)
{
    *html = (sb_html){.out = out, .where = TEXT};
}

static void put(sb_html *html, const char *bytes, size_t len)
{
    if (!html->failed && !sb_buf_add(html->out, bytes, len))
        html->failed = true;
}

/* Following the markup */

static bool name_is(const sb_html *html, const char *name)
{
    return sb_str_eq((sb_str){html->name, html->name_len}, sb_str_from(name));
}

static void name_add(sb_html *html, char c)
{
    if (html->name_len < sizeof(html->name))
        html->name[html->name_len++] = c;
}

/* The browser's other languages are not for us to escape in. */
static void tag_named(sb_html *html)
{
    if (name_is(html, "script") || name_is(html, "style") || html->name_len == 0)
        html->failed = true;
}

static void follow_tag(sb_html *html, char c)
{
    if (c == '>') {
        html->where = TEXT;
    } else if (c != ' ' && c != '/') {
        html->where = ATTR_NAME;
        html->name_len = 0;
        name_add(html, c);
    }
}

static void follow(sb_html *html, char c)
{
    switch (html->where) {
    case TEXT:
        if (c == '<') {
            html->where = TAG_NAME;
            html->name_len = 0;
        }
        break;
    case TAG_NAME:
        if (c != ' ' && c != '>') {
            name_add(html, c);
            break;
        }
        tag_named(html);
        html->where = c == '>' ? TEXT : TAG;
        break;
    case TAG:
        follow_tag(html, c);
        break;
    case ATTR_NAME:
        if (c == '=')
            html->where = ATTR_EQUALS;
        else if (c == ' ' || c == '>')
            html->where = c == '>' ? TEXT : TAG;
        else
            name_add(html, c);
        break;
    case ATTR_EQUALS: /* nothing but a quote */
        html->where = VALUE;
        html->value_len = 0;
        html->failed |= c != '"';
        break;
    case VALUE:
        html->value_len++;
        if (c == '"')
            html->where = TAG;
        break;
    }
}

/* Values */

static bool in_address(const sb_html *html)
{
    return html->where == VALUE &&
           (name_is(html, "href") || name_is(html, "src") || name_is(html, "action") || name_is(html, "formaction"));
}

static bool takes_text(const sb_html *html)
{
    if (html->where == TEXT)
        return true;
    bool script = html->name_len > 2 && memcmp(html->name, "on", 2) == 0;
    return html->where == VALUE && !in_address(html) && !script && !name_is(html, "style") && !name_is(html, "srcdoc");
}

/* The length of the UTF-8 character at `s`, or 0: it is none, or one that no page has.                     RFC 3629 */
static size_t character(const unsigned char *s, size_t left)
{
    static const unsigned char least[] = {0, 0, 0xc2, 0xe0, 0xf0};
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f ? 1 : s[0] == '\n' || s[0] == '\t';
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < least[len] || s[0] > 0xf4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] > 0x9f, beyond = s[0] == 0xf4 && s[1] > 0x8f;
    bool c1 = s[0] == 0xc2 && s[1] < 0xa0; /* control characters, too */
    bool bidi =
        s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
                         (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)); /* turns what stands beside it round */
    return overlong || surrogate || beyond || c1 || bidi ? 0 : len;
}

static void put_escaped(sb_html *html, sb_str text)
{
    for (size_t i = 0; i < text.len;) {
        size_t len = character((const unsigned char *)text.ptr + i, text.len - i);
        const char *as = NULL;
        switch (text.ptr[i]) {
        case '&':
            as = "&amp;";
            break;
        case '<':
            as = "&lt;";
            break;
        case '>':
            as = "&gt;";
            break;
        case '"':
            as = "&quot;";
            break;
        case '\'':
            as = "&#39;";
            break;
        default:
            as = len == 0 ? REPLACEMENT : NULL;
        }
        if (as)
            put(html, as, strlen(as));
        else
            put(html, text.ptr + i, len);
        i += SB_MAX(len, 1u);
    }
}

static void put_value(sb_html *html, const char *value)
{
    if (!takes_text(html))
        html->failed = true;
    put_escaped(html, sb_str_from(value));
}

static void put_address_part(sb_html *html, const char *value)
{
    if (!in_address(html) || html->value_len == 0 || !sb_url_encode(sb_str_from(value), html->out))
        html->failed = true;
}

void sb_html_add(sb_html *html, const char *markup, const char *const *values, size_t count)
{
    size_t used = 0;
    for (const char *p = markup; *p; p++) {
        bool text = strncmp(p, "{}", 2) == 0, address = strncmp(p, "{u}", 3) == 0;
        if (!text && !address) {
            put(html, p, 1);
            follow(html, *p);
            continue;
        }
        if (++used > count)
            break;
        if (text)
            put_value(html, values[used]);
        else
            put_address_part(html, values[used]);
        p += address ? 2 : 1;
    }
    html->failed |= used != count;
}

void sb_html_text(sb_html *html, sb_str text)
{
    html->failed |= html->where != TEXT;
    put_escaped(html, text);
}

void sb_html_number(sb_html *html, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    sb_html_text(html, sb_str_from(text));
}

bool sb_html_done(const sb_html *html)
{
    return !html->failed && html->where == TEXT;
}
