/* SPDX-License-Identifier: Apache-2.0 */
/* X-Forwarded-For: whatever is in it, the client is an address, and one that the last proxy who is not ours wrote. */
#include <stdio.h>

#include "fuzz.h"
#include "http/network.h"
#include "http/proxies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *const networks[] = {(char *)(uintptr_t) "10.0.0.0/8", (char *)(uintptr_t) "fd00::/8"};
    SB_AUTOPTR(sb_proxies) proxies = NULL;
    sb_str lines[8], rest = {(const char *)data, size};
    char peer[INET6_ADDRSTRLEN] = "10.0.0.1", stranger[INET6_ADDRSTRLEN] = "192.0.2.1";
    sb_address address;
    size_t count = 0;
    while (count < SB_ARRAY_LEN(lines) && sb_str_split(&rest, '\n', &lines[count]))
        count++;
    FUZZ_REQUIRE("networks", sb_proxies_new(networks, SB_ARRAY_LEN(networks), &proxies, NULL) == SB_OK);
    sb_proxies_resolve(proxies, lines, count, peer);
    FUZZ_REQUIRE("it is an address", sb_address_parse(sb_str_from(peer), &address));
    sb_proxies_resolve(proxies, lines, count, stranger);
    FUZZ_REQUIRE("a stranger is who he is", strcmp(stranger, "192.0.2.1") == 0);
    return 0;
}
