/* SPDX-License-Identifier: Apache-2.0 */
/* A database's URI: what is shown of it has no password, and another machine is known for one. */
#include "fuzz.h"
#include "store/postgres_uri.h"

#define SECRET "hunter2hunter2"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SB_AUTOFREE tail = fuzz_cstr(data, size);
    SB_AUTOFREE where = NULL;
    SB_AUTOFREE with_password = NULL;
    SB_AUTO(sb_buf) uri = SB_BUF_INIT;
    bool verify = false;
    if (sb_postgres_uri(tail, &where, &verify) == SB_OK)
        FUZZ_REQUIRE("it is named", where);
    FUZZ_REQUIRE("there is memory", sb_buf_printf(&uri, "postgresql://user:" SECRET "@%s", tail));
    if (sb_postgres_uri(sb_buf_cstr(&uri), &with_password, &verify) == SB_OK)
        FUZZ_REQUIRE("the password is not shown", !strstr(with_password, SECRET) || strstr(tail, SECRET));
    FUZZ_REQUIRE("that there is one is seen", sb_postgres_uri_has_password(sb_buf_cstr(&uri)));
    return 0;
}
