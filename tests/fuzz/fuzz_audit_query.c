/* SPDX-License-Identifier: Apache-2.0 */
/* Events that an administrator looks for, by any query in any file: the answer is JSON, ends, and what follows it goes
 * on before where it stopped. The input is a query, a newline, and the log. */
#include "base/json.h"
#include "fuzz.h"
#include "payer/admin/admin.h"

static void check_answer(const sb_answer *answer, size_t log_size)
{
    SB_AUTOJSON body = json_loadb(answer->body.ptr, answer->body.len, 0, NULL);
    FUZZ_REQUIRE("an answer has a status that is meant", answer->status == 200 || answer->status == 400);
    FUZZ_REQUIRE("it is JSON", body);
    if (answer->status != 200)
        return;
    const json_t *events = json_object_get(body, "events"), *before = json_object_get(body, "before");
    FUZZ_REQUIRE("events are a list that ends", json_is_array(events) && json_array_size(events) <= 1000);
    FUZZ_REQUIRE("what is left is in the file", !before || json_integer_value(before) < (json_int_t)log_size);
}

static void ask(sb_admin *admin, sb_str query, size_t log_size)
{
    SB_AUTO(sb_buf) target = SB_BUF_INIT;
    sb_answer answer = SB_ANSWER_INIT;
    sb_server_header host = {"Host", SB_STR_LIT("127.0.0.1:1")};
    sb_server_request request = {.method = "GET", .headers = &host, .header_count = 1, .peer = "127.0.0.1"};
    sb_server_handler handler = sb_admin_handler(admin);
    size_t body_max = 0;
    FUZZ_REQUIRE("there is memory", sb_buf_add_cstr(&target, "/audit?") && sb_buf_add_str(&target, query));
    request.raw_target = sb_buf_cstr(&target);
    if (sb_target_parse(sb_buf_str(&target), &request.target, NULL) == SB_OK) {
        FUZZ_REQUIRE("it may be asked", handler.begin(handler.impl, &request, &body_max, &answer));
        handler.respond(handler.impl, &request, &answer);
        check_answer(&answer, log_size);
        handler.release(handler.impl, &request);
    }
    sb_answer_cleanup(&answer);
    sb_target_cleanup(&request.target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH_SIZE];
    sb_admin *admin = NULL;
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    if (!end)
        return 0;
    size_t query = (size_t)(end - data), log = size - query - 1;
    int fd = fuzz_file(end + 1, log, path);
    FUZZ_REQUIRE("there is a listener", sb_admin_new(&(sb_admin_options){.audit_file = path}, &admin, NULL) == SB_OK);
    ask(admin, (sb_str){(const char *)data, query}, log);
    sb_admin_free(admin);
    (void)close(fd);
    return 0;
}
