/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a file: together they are the file, each ends where a newline is. */
#include "fuzz.h"
#include "payer/data/line_reader.h"
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH_SIZE];
    int fd = fuzz_file(data, size, path);
    sb_line_reader reader;
    sb_error err = SB_ERROR_INIT;
    sb_str line;
    bool more = true;
    size_t at = 0;
    uint64_t lines = 0;
    sb_line_reader_init(&reader, fd, path);
    for (;;) {
        FUZZ_REQUIRE("a file in memory can be read", sb_line_reader_next(&reader, &line, &more, &err) == SB_OK);
        if (!more)
            break;
        FUZZ_REQUIRE("a line is the file's next bytes",
                     line.len > 0 && line.len <= size - at && memcmp(line.ptr, data + at, line.len) == 0);
        const char *newline = memchr(line.ptr, '\n', line.len);
        FUZZ_REQUIRE("its newline is its end", newline ? newline == line.ptr + line.len - 1 : at + line.len == size);
        sb_str content = sb_line_reader_content(&reader, line);
        FUZZ_REQUIRE("its content is within it",
                     content.len == 0 || (content.ptr >= line.ptr && content.ptr + content.len <= line.ptr + line.len));
        at += line.len;
        FUZZ_REQUIRE("lines are numbered from 1", reader.line == ++lines);
    }
    FUZZ_REQUIRE("nothing is left out", at == size);
    FUZZ_REQUIRE("the checksum is the file's", reader.checksum == crc32(crc32(0, NULL, 0), data, (uInt)size));
    sb_line_reader_cleanup(&reader);
    (void)close(fd);
    return 0;
}
