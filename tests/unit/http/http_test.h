/* SPDX-License-Identifier: Apache-2.0 */
/* http_test.h - what the tests of src/http/ begin with. */
#ifndef SB_TEST_HTTP_TEST_H
#define SB_TEST_HTTP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_server.h"
#include "http/client.h"

static inline sb_http *new_http(const char *ca_file)
{
    sb_http *http = NULL;
    sb_http_options options = {.ca_file = ca_file};
    assert_int_equal(sb_http_new(&options, &http, NULL), SB_OK);
    return http;
}

/* GET `server` + `path` into `response`. */
static inline sb_status get_from(sb_http *http, fake_server *server, const char *path, sb_http_redirects redirects,
                                 const char *bearer, sb_http_response *response, sb_error *err)
{
    char url[512];
    (void)snprintf(url, sizeof(url), "%s%s", fake_server_url(server), path);
    sb_http_request request = {.method = "GET",
                               .url = url,
                               .accept = "application/json",
                               .redirects = redirects,
                               .bearer = bearer,
                               .timeout_s = 20};
    sb_status status = sb_http_send(http, &request, response, err);
    if (err && status != SB_OK) { /* whatever fails says what, why and how to mend it */
        assert_string_not_equal(err->what, "");
        assert_string_not_equal(err->why, "");
    }
    return status;
}

static inline bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

#define SERVER(name, ca, ...)                                                                                          \
    const fake_reply name##_replies[] = {__VA_ARGS__};                                                                 \
    fake_server *name = fake_server_start(ca, NULL, name##_replies, sizeof(name##_replies) / sizeof(name##_replies[0]))

#endif
