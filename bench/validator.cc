/* SPDX-License-Identifier: Apache-2.0 */
/* validator.cc - how fast NDJSON is checked: our validator against simdjson's parse_many, jansson and memchr.
 *
 *   bench-validator [--runs N] [--mb N] FILE...
 *
 * The files are read into memory, at most N MB in all (default 256), and looked at by one thread, the contestants in
 * turn, N times (default 5); after them, the worst cases that could be thought of. Prints one JSON object: for each case
 * the MB of its text and each contestant's median MB/s. All must find the same number of lines, or it fails.
 *
 * simdjson keeps to its documented use: one parser for all, the text padded, batches of the default size or of the
 * longest line. It is written in C++, and therefore so is this program. */
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <simdjson.h>

#include "validator_peers.h"

namespace
{

const size_t PIECE = 64 * 1024; /* what the download engine feeds at a time */

struct input {
    std::string name;
    simdjson::padded_string text;
    uint64_t lines;
    size_t longest;
};

struct contestant {
    std::string name;
    std::function<uint64_t(const input &)> run;
};

uint64_t run_simdjson(const input &in)
{
    static simdjson::dom::parser parser;
    uint64_t lines = 0;
    size_t batch = std::max(in.longest + 64, simdjson::dom::DEFAULT_BATCH_SIZE);
    simdjson::dom::document_stream stream;
    if (parser.parse_many(in.text, batch).get(stream))
        return 0;
    for (auto doc : stream) {
        std::string_view type;
        lines += doc["resourceType"].get(type) == simdjson::SUCCESS;
    }
    return lines;
}

std::vector<contestant> contestants(bool all)
{
    std::vector<contestant> list;
    for (size_t i = 0; peer_engines[i]; i++)
        list.push_back({std::string("smartbulk ") + peer_engines[i],
                        [i](const input &in) { return peer_smartbulk(i, in.text.data(), in.text.size(), PIECE); }});
    list.push_back({"simdjson parse_many", run_simdjson});
    if (all) {
        list.push_back({"jansson", [](const input &in) { return peer_jansson(in.text.data(), in.text.size()); }});
        list.push_back({"memchr", [](const input &in) { return peer_memchr(in.text.data(), in.text.size()); }});
    }
    return list;
}

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

bool measure(const input &in, bool all, int runs, bool last)
{
    std::vector<contestant> list = contestants(all);
    std::vector<std::vector<double>> speeds(list.size());
    for (int run = 0; run < runs; run++)
        for (size_t i = 0; i < list.size(); i++) {
            auto begin = std::chrono::steady_clock::now();
            uint64_t lines = list[i].run(in);
            std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
            if (lines != in.lines) {
                std::fprintf(stderr, "%s: %s finds %" PRIu64 " lines, not %" PRIu64 "\n", in.name.c_str(),
                             list[i].name.c_str(), lines, in.lines);
                return false;
            }
            speeds[i].push_back((double)in.text.size() / 1e6 / took.count());
        }
    std::printf("  \"%s\": {\"mb\": %.1f", in.name.c_str(), (double)in.text.size() / 1e6);
    for (size_t i = 0; i < list.size(); i++)
        std::printf(", \"%s\": %.0f", list[i].name.c_str(), median(speeds[i]));
    std::printf("}%s\n", last ? "" : ",");
    return true;
}

input make_input(const std::string &name, const std::string &text)
{
    size_t longest = 0, begin = 0;
    uint64_t lines = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1, lines++)
        longest = std::max(longest, end - begin);
    return {name, simdjson::padded_string(text), lines, longest};
}

/* Lines of one resource whose member "x" is `make()`, until there are `size` bytes. */
std::string repeat(size_t size, const std::function<std::string()> &make)
{
    std::string text;
    while (text.size() < size)
        text += "{\"resourceType\":\"Basic\",\"id\":\"1\",\"x\":" + make() + "}\n";
    return text;
}

std::string many(const char *piece, size_t times, const char *between)
{
    std::string text;
    for (size_t i = 0; i < times; i++)
        text += (i ? between : "") + std::string(piece);
    return text;
}

std::vector<input> worst_cases(size_t size)
{
    const size_t N = 4000;
    auto nested = [](size_t depth, const char *open, const char *close) {
        return many(open, depth, "") + "1" + many(close, depth, "");
    };
    std::vector<input> list;
    list.push_back(make_input("deep arrays (1,000)", repeat(size, [&] { return nested(1000, "[", "]"); })));
    list.push_back(make_input("deep objects (500)", repeat(size, [&] { return nested(500, "{\"a\":", "}"); })));
    list.push_back(make_input("ups and downs", repeat(size, [&] { return "[" + many("[[[[1]]]]", N, ",") + "]"; })));
    list.push_back(make_input("one-digit numbers", repeat(size, [&] { return "[" + many("1", N, ",") + "]"; })));
    list.push_back(
        make_input("numbers with exponents", repeat(size, [&] { return "[" + many("-1.5e-7", N, ",") + "]"; })));
    list.push_back(make_input("literals", repeat(size, [&] { return "[" + many("true,null", N, ",") + "]"; })));
    list.push_back(make_input("empty strings", repeat(size, [&] { return "[" + many("\"\"", N, ",") + "]"; })));
    list.push_back(make_input("empty containers", repeat(size, [&] { return "[" + many("{},[]", N, ",") + "]"; })));
    list.push_back(make_input("escapes", repeat(size, [&] { return "\"" + many("\\n\\\\\\\"", N, "") + "\""; })));
    list.push_back(make_input("unicode escapes", repeat(size, [&] { return "\"" + many("\\u00e9", N, "") + "\""; })));
    list.push_back(
        make_input("surrogate pairs", repeat(size, [&] { return "\"" + many("\\ud83d\\ude00", N, "") + "\""; })));
    list.push_back(make_input("UTF-8 of 2 to 4 bytes", repeat(size, [&] {
                                  return "\"" + many("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", N, "") + "\"";
                              })));
    list.push_back(make_input("short keys", repeat(size, [&] { return "[" + many("{\"a\":1}", N, ",") + "]"; })));
    list.push_back(make_input("short lines", repeat(size, [] { return "1"; })));
    list.push_back(make_input("white space", repeat(size, [&] { return "[" + many("1", N, " , ") + "]"; })));
    return list;
}

} // namespace

int main(int argc, char **argv)
{
    int runs = 5, first = 1;
    size_t max_bytes = 256u * 1000 * 1000;
    for (; first + 1 < argc && std::strncmp(argv[first], "--", 2) == 0; first += 2) {
        long value = std::strtol(argv[first + 1], nullptr, 10);
        if (std::strcmp(argv[first], "--runs") == 0)
            runs = (int)std::max(value, 1L);
        else if (std::strcmp(argv[first], "--mb") == 0)
            max_bytes = (size_t)std::max(value, 1L) * 1000 * 1000;
    }
    if (first >= argc) {
        std::fprintf(stderr, "usage: bench-validator [--runs N] [--mb N] FILE...\n");
        return 2;
    }
    peer_engines_find();
    std::string claims;
    for (int i = first; i < argc && claims.size() < max_bytes; i++) {
        std::ifstream file(argv[i], std::ios::binary);
        claims.append(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    if (claims.size() > max_bytes)
        claims.resize(claims.rfind('\n', max_bytes) + 1);
    std::printf("{\n");
    bool ok = measure(make_input("claims", claims), true, runs, false);
    std::vector<input> worst = worst_cases(std::min(max_bytes / 4, (size_t)32 * 1000 * 1000));
    for (size_t i = 0; ok && i < worst.size(); i++)
        ok = measure(worst[i], false, runs, i + 1 == worst.size());
    std::printf("}\n");
    return ok ? 0 : 1;
}
