/* SPDX-License-Identifier: Apache-2.0 */
/* validator_peers.c - see the header. Owns nothing between calls. */
#include "validator_peers.h"

#include <jansson.h>
#include <stdio.h>

#include "fhir/ndjson_state.h"

static const struct {
    sb_ndjson_engine engine;
    const char *name;
} engines[] = {
    {SB_NDJSON_AVX512, "avx512"}, {SB_NDJSON_AVX2, "avx2"}, {SB_NDJSON_SSE42, "sse42"}, {SB_NDJSON_PLAIN, "plain"}};

const char *peer_engines[SB_ARRAY_LEN(engines) + 1];
static sb_ndjson_engine found[SB_ARRAY_LEN(engines)];

void peer_engines_find(void)
{
    size_t n = 0;
    for (size_t i = 0; i < SB_ARRAY_LEN(engines); i++)
        if (sb_ndjson_has_engine(engines[i].engine)) {
            found[n] = engines[i].engine;
            peer_engines[n++] = engines[i].name;
        }
    peer_engines[n] = NULL;
}

uint64_t peer_smartbulk(size_t engine, const char *text, size_t len, size_t piece)
{
    sb_ndjson_options options = {.require_id = true};
    sb_ndjson_counts counts;
    SB_AUTOPTR(sb_ndjson) n = NULL;
    if (sb_ndjson_new(&options, &n, NULL) != SB_OK)
        return 0;
    sb_ndjson_use_engine(n, found[engine]);
    for (size_t at = 0; at < len; at += piece)
        sb_ndjson_feed(n, text + at, SB_MIN(piece, len - at));
    sb_ndjson_finish(n, &counts);
    return counts.resources;
}

uint64_t peer_jansson(const char *text, size_t len)
{
    uint64_t lines = 0;
    const char *end = text + len;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t line = (size_t)((stop ? stop : end) - text);
        json_t *json = json_loadb(text, line, 0, NULL);
        lines += json != NULL;
        json_decref(json);
        text += line + 1;
    }
    return lines;
}

uint64_t peer_memchr(const char *text, size_t len)
{
    uint64_t lines = 0;
    const char *end = text + len;
    while (text < end && (text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        lines++;
        text++;
    }
    return lines;
}
