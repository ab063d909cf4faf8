/* SPDX-License-Identifier: Apache-2.0 */
/* html.h - HTML that cannot be broken out of: markup is a constant of the program, everything else is escaped.
 *
 *   SB_HTML(html, "<a href=\"/portal/clients/{u}\" title=\"{}\">{}</a>", client->id, client->name, client->name);
 *
 * The writer follows the markup, so that it knows where a value lands. {} is text: allowed between tags and inside a
 * quoted attribute that holds no address, style or script. {u} is percent-encoded: allowed inside an address, behind a
 * part that the program wrote, so that no value chooses a scheme or a host. <script> and <style> are not written at
 * all. Any other use, too few or too many values, an unfinished tag, no memory: the page has failed, and is not sent.
 * Not thread safe. */
#ifndef SB_PAYER_HTML_H
#define SB_PAYER_HTML_H

#include "base/buf.h"

typedef struct sb_html {
    sb_buf *out;
    unsigned char where; /* html.c: between tags, in a tag … */
    bool failed;
    char name[16]; /* of the tag or the attribute that is being written; cut */
    size_t name_len, value_len;
} sb_html;

/* `out` is borrowed; what is in it stays in front. */
void sb_html_init(sb_html *html, sb_buf *out);

/* Markup and its values, const char * each (NULL is written as nothing). */
#define SB_HTML(html, ...) SB_HTML_CALL(html, __VA_ARGS__)
#define SB_HTML_CALL(html, markup, ...)                                                                                \
    sb_html_add(html, "" markup "", (const char *const[]){NULL __VA_OPT__(, ) __VA_ARGS__},                            \
                SB_ARRAY_LEN(((const char *const[]){NULL __VA_OPT__(, ) __VA_ARGS__})) - 1)
/* The function behind it: values[0] is passed over. Call it by the macro alone, which takes nothing but constants. */
void sb_html_add(sb_html *html, const char *markup, const char *const *values, size_t count);

/* Text between tags: bytes of any kind. What is no UTF-8, and control characters but tab and newline, become U+FFFD. */
void sb_html_text(sb_html *html, sb_str text);
void sb_html_number(sb_html *html, int64_t number);

/* Is it whole? */
SB_MUST_USE bool sb_html_done(const sb_html *html);

#endif
