/* SPDX-License-Identifier: Apache-2.0 */
/* standalone.c - drives one fuzz target without libFuzzer: every file of a corpus, then mutations of them.
 *
 *   fuzz_NAME CORPUS [COUNT [SEED [FIRST]]]      COUNT mutations (0: none) by SEED, from number FIRST on
 *   fuzz_NAME FILE                               that one input
 *
 * Deterministic: mutation K of a seed is the same bytes on every machine, whatever came before. No clock decides
 * anything. The target runs in a child; when that dies, the parent says which input did it, and keeps it in a file. */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fuzz.h"

#define CORPUS_MAX    1024                /* files; a corpus that is larger belongs to libFuzzer */
#define INPUT_MAX     ((size_t)16 * 1024) /* a mutated input; parsers' bounds are met by unit tests */
#define FILE_MAX      ((size_t)1024 * 1024)
#define STEPS_MAX     8 /* accidents to one input */
#define DEFAULT_COUNT 10000

typedef struct input {
    uint8_t *bytes;
    size_t len;
} input;

/* Shared with the child: what it was busy with when it died. */
typedef struct progress {
    uint64_t done, mutation;
    bool mutating;
    size_t len;
    uint8_t bytes[FILE_MAX];
} progress;

static input corpus[CORPUS_MAX];
static size_t corpus_len;

static uint64_t next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t bound)
{
    return bound ? (size_t)(next(state) % bound) : 0;
}

static void load(const char *path)
{
    FILE *file = fopen(path, "rb");
    FUZZ_REQUIRE("a corpus file can be read", file && corpus_len < CORPUS_MAX);
    uint8_t *bytes = malloc(FILE_MAX);
    FUZZ_REQUIRE("there is memory", bytes);
    size_t len = fread(bytes, 1, FILE_MAX, file);
    (void)fclose(file);
    corpus[corpus_len++] = (input){bytes, len};
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void load_corpus(const char *path)
{
    struct stat st;
    FUZZ_REQUIRE("the corpus is there", stat(path, &st) == 0);
    if (!S_ISDIR(st.st_mode)) {
        load(path);
        return;
    }
    struct dirent **names = NULL;
    int n = scandir(path, &names, not_hidden, alphasort);
    FUZZ_REQUIRE("the corpus holds a seed", n > 0);
    for (int i = 0; i < n; i++) {
        char file[4096];
        (void)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
        load(file);
        free(names[i]);
    }
    free(names);
}

static void insert(uint8_t *buf, size_t *len, size_t at, const uint8_t *bytes, size_t n)
{
    if (n > INPUT_MAX - *len)
        n = INPUT_MAX - *len;
    memmove(buf + at + n, buf + at, *len - at);
    memcpy(buf + at, bytes, n);
    *len += n;
}

/* One small accident. */
static void step(uint64_t *rnd, uint8_t *buf, size_t *len)
{
    static const char *const tokens[] = {"\"",      "\\",
                                         "{",       "}",
                                         "[",       "]",
                                         ":",       ",",
                                         "\n",      "\r",
                                         "?",       "%",
                                         "=",       "&",
                                         ".",       "/",
                                         "\\u0000", "\\ud800",
                                         "-",       "0",
                                         "1e",      "null",
                                         "true",    "\xF0",
                                         "\xC2",    "\xEF\xBB\xBF",
                                         " ",       "99999999999999999999",
                                         "\x1b[2J", "\xE2\x80\xAE"};
    const input *other = &corpus[below(rnd, corpus_len)];
    size_t at = below(rnd, *len + 1), n = below(rnd, 32) + 1;
    uint8_t copy[64], byte = (uint8_t)next(rnd);
    switch (below(rnd, 8)) {
    case 0:
        if (at < *len)
            buf[at] ^= (uint8_t)(1u << below(rnd, 8));
        break;
    case 1:
        if (at < *len)
            buf[at] = byte;
        break;
    case 2:
        insert(buf, len, at, &byte, 1);
        break;
    case 3:
        n = n < *len - at ? n : *len - at;
        memmove(buf + at, buf + at + n, *len - at - n);
        *len -= n;
        break;
    case 4: /* a piece of itself again */
        n = n < *len - at ? n : *len - at;
        memcpy(copy, buf + at, n);
        insert(buf, len, below(rnd, *len + 1), copy, n);
        break;
    case 5: {
        const char *token = tokens[below(rnd, SB_ARRAY_LEN(tokens))];
        insert(buf, len, at, (const uint8_t *)token, strlen(token));
        break;
    }
    case 6: /* goes on as another seed does */
        if (other->len > 0) {
            size_t from = below(rnd, other->len);
            *len = at;
            insert(buf, len, at, other->bytes + from, other->len - from);
        }
        break;
    default:
        *len = at;
    }
}

static void mutate(uint64_t seed, uint64_t number, uint8_t *buf, size_t *len)
{
    uint64_t rnd = seed * UINT64_C(0xD1342543DE82EF95) + number;
    const input *from = &corpus[below(&rnd, corpus_len)];
    *len = from->len < INPUT_MAX ? from->len : INPUT_MAX;
    memcpy(buf, from->bytes, *len);
    for (size_t steps = below(&rnd, STEPS_MAX) + 1; steps > 0; steps--)
        step(&rnd, buf, len);
}

/* On a copy of exactly its size, so that the sanitizer sees one byte too far. */
static void run(progress *p, const uint8_t *bytes, size_t len)
{
    p->len = len;
    if (len > 0)
        memcpy(p->bytes, bytes, len);
    uint8_t *exact = malloc(len ? len : 1);
    FUZZ_REQUIRE("there is memory", exact);
    if (len > 0)
        memcpy(exact, bytes, len);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    p->done++;
}

static void child(progress *p, uint64_t count, uint64_t seed, uint64_t first)
{
    static uint8_t buf[INPUT_MAX];
    for (size_t i = 0; i < corpus_len; i++)
        run(p, corpus[i].bytes, corpus[i].len);
    p->mutating = true;
    for (uint64_t k = first; k < first + count; k++) {
        size_t len;
        p->mutation = k;
        mutate(seed, k, buf, &len);
        run(p, buf, len);
    }
    for (size_t i = 0; i < corpus_len; i++)
        free(corpus[i].bytes);
}

static void tell(const progress *p, const char *program, uint64_t seed)
{
    const char *slash = strrchr(program, '/');
    char path[256];
    (void)snprintf(path, sizeof(path), "%s.crash", slash ? slash + 1 : program);
    FILE *file = fopen(path, "wb");
    bool kept = file && fwrite(p->bytes, 1, p->len, file) == p->len;
    if (file)
        kept = fclose(file) == 0 && kept;
    if (p->mutating)
        (void)fprintf(stderr, "died at mutation %llu of seed %llu", (unsigned long long)p->mutation,
                      (unsigned long long)seed);
    else
        (void)fprintf(stderr, "died at a file of the corpus, or at the end (a leak)");
    (void)fprintf(stderr, ", %zu bytes%s%s\n", p->len, kept ? ", kept in " : "", kept ? path : "");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s CORPUS [COUNT [SEED [FIRST]]]\n", argv[0]);
        return 2;
    }
    load_corpus(argv[1]);
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : DEFAULT_COUNT;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1, first = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    progress *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FUZZ_REQUIRE("there is memory", p != MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        child(p, count, seed, first);
        return 0; /* through main's end: the leak checker looks now */
    }
    int status = 0;
    bool well = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well)
        tell(p, argv[0], seed);
    (void)printf("%llu inputs\n%d passed, %d failed\n", (unsigned long long)p->done, well, !well);
    for (size_t i = 0; i < corpus_len; i++)
        free(corpus[i].bytes);
    return well ? 0 : 1;
}
