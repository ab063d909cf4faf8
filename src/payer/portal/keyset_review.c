/* SPDX-License-Identifier: Apache-2.0 */
/* keyset_review.c - each key by itself, then beside those before it; the whole set last, by who judges sets. */
#include "payer/portal/keyset_review.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"

#define LINES_MAX  (SB_JWKS_MAX_KEYS + 3) /* one a key, and what is said of the whole */
#define KID_SHOWN  60                     /* bytes; a thumbprint has 43 */
#define MARK_LEAK  "Whoever saw it can act as you. Make a new key, and paste its public half: smartbulk key jwks FILE"
#define MARK_SHAPE "Paste {\"keys\": [ … ]}, as `smartbulk key jwks FILE` prints it."

typedef struct reader {
    sb_keyset_review *out;
    const char *const *algs;
    size_t total;     /* entries of the set */
    size_t of_use;    /* that may sign here */
    sb_key **keys;    /* read so far */
    bool *kid_given;  /* of each */
    size_t key_count; /* of both */
} reader;

void sb_keyset_review_cleanup(sb_keyset_review *review)
{
    free(review->lines);
    *review = (sb_keyset_review)SB_KEYSET_REVIEW_INIT;
}

/* Lines */

static sb_status begin(sb_keyset_review *out, sb_error *err)
{
    out->lines = calloc(LINES_MAX, sizeof(*out->lines));
    return out->lines ? SB_OK : sb_error_nomem(err);
}

SB_PRINTF(3, 4) static sb_review_line *add(sb_keyset_review *out, sb_review_mark mark, const char *title, ...)
{
    sb_review_line *line = &out->lines[out->count < LINES_MAX ? out->count++ : LINES_MAX - 1];
    va_list args;
    va_start(args, title);
    (void)vsnprintf(line->title, sizeof(line->title), title, args);
    va_end(args);
    line->title[0] = (char)toupper((unsigned char)line->title[0]); /* some are an error's clause */
    line->mark = mark;
    line->text[0] = '\0';
    return line;
}

/* A sentence more; a mark that is worse than the one it has. */
SB_PRINTF(3, 4) static void say(sb_review_line *line, sb_review_mark mark, const char *fmt, ...)
{
    size_t len = strlen(line->text);
    va_list args;
    if (len > 0 && len + 1 < sizeof(line->text)) {
        line->text[len++] = ' ';
        line->text[len] = '\0';
    }
    va_start(args, fmt);
    (void)vsnprintf(line->text + len, sizeof(line->text) - len, fmt, args);
    va_end(args);
    line->text[len] = (char)toupper((unsigned char)line->text[len]); /* errors are clauses */
    line->mark = SB_MAX(line->mark, mark);
}

static void say_error(sb_review_line *line, sb_review_mark mark, const sb_error *why)
{
    say(line, mark, "%.300s.", why->why);
    say(line, mark, "%.300s.", why->fix);
}

sb_status sb_keyset_review_error(const sb_error *why, sb_keyset_review *out, sb_error *err)
{
    SB_TRY(begin(out, err));
    say_error(add(out, SB_REVIEW_BAD, "%.150s", why->what), SB_REVIEW_BAD, why);
    return SB_OK;
}

/* One key */

static bool fits_any(const sb_key *key, const char *const *algs)
{
    for (; *algs; algs++) {
        if (sb_key_fits_alg(key, *algs))
            return true;
    }
    return false;
}

static void say_algs(sb_review_line *line, const sb_key *key, const char *const *algs)
{
    char list[128] = "";
    for (size_t len = 0; *algs && len < sizeof(list); algs++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", *algs);
    say(line, SB_REVIEW_WARN, "It signs %s, which is not accepted here (%s is): no token will come of it.",
        sb_key_alg(key), list);
}

static sb_review_line *describe(reader *r, const sb_key *key, size_t number)
{
    sb_review_line *line = add(r->out, SB_REVIEW_GOOD, "Key %zu: %s for %s, kid %.*s", number, sb_key_kind(key),
                               sb_key_alg(key), KID_SHOWN, sb_key_kid(key));
    if (fits_any(key, r->algs))
        r->of_use++;
    else
        say_algs(line, key, r->algs);
    return line;
}

static void compare(reader *r, sb_review_line *line, const sb_key *key, bool kid_given)
{
    if (!kid_given && r->total > 1)
        say(line, SB_REVIEW_BAD, "It has no kid: with several keys each needs one.");
    for (size_t i = 0; i < r->key_count; i++) {
        if (kid_given && r->kid_given[i] && strcmp(sb_key_kid(r->keys[i]), sb_key_kid(key)) == 0)
            say(line, SB_REVIEW_BAD, "Its kid is that of another key in the set: give one of them another.");
        else if (sb_key_same(r->keys[i], key))
            say(line, SB_REVIEW_WARN, "It is another key of the set once more.");
    }
}

static void refuse_private(reader *r, size_t number)
{
    r->out->leaked = true;
    say(add(r->out, SB_REVIEW_BAD, "Key %zu is a private or secret key", number), SB_REVIEW_BAD, "%s", MARK_LEAK);
}

static sb_status review_entry(reader *r, const json_t *entry, size_t number, sb_error *err)
{
    sb_error why = SB_ERROR_INIT;
    SB_AUTOPTR(sb_key) key = NULL;
    bool kid_given = json_object_get(entry, "kid") != NULL;
    if (json_is_object(entry) && sb_jwk_is_private(entry)) {
        refuse_private(r, number);
        return SB_OK;
    }
    switch (sb_key_from_set_entry(entry, &key, &why)) {
    case SB_OK:
        break;
    case SB_E_NOMEM:
        return sb_error_nomem(err);
    case SB_E_NOT_FOUND:
        say_error(add(r->out, SB_REVIEW_WARN, "Key %zu is passed over", number), SB_REVIEW_WARN, &why);
        return SB_OK;
    default:
        say_error(add(r->out, SB_REVIEW_BAD, "Key %zu cannot be used", number), SB_REVIEW_BAD, &why);
        return SB_OK;
    }
    sb_review_line *line = describe(r, key, number);
    compare(r, line, key, kid_given);
    if (!json_object_get(entry, "use"))
        say(line, SB_REVIEW_GOOD,
            "Other payers' servers skip keys without \"use\": \"sig\"; it does no harm to add it.");
    r->kid_given[r->key_count] = kid_given;
    r->keys[r->key_count++] = key;
    key = NULL;
    return SB_OK;
}

/* The set */

static void reader_cleanup(reader *r)
{
    for (size_t i = 0; i < r->key_count; i++)
        sb_key_free(r->keys[i]);
    free(r->keys);
    free(r->kid_given);
}

static sb_status review_entries(reader *r, const json_t *keys, sb_error *err)
{
    size_t i;
    const json_t *entry;
    r->total = json_array_size(keys);
    r->keys = calloc(r->total + 1, sizeof(sb_key *));
    r->kid_given = calloc(r->total + 1, sizeof(bool));
    if (!r->keys || !r->kid_given)
        return sb_error_nomem(err);
    json_array_foreach ((json_t *)(uintptr_t)keys, i, entry)
        SB_TRY(review_entry(r, entry, i + 1, err));
    return SB_OK;
}

static bool any_bad(const sb_keyset_review *out)
{
    for (size_t i = 0; i < out->count; i++) {
        if (out->lines[i].mark == SB_REVIEW_BAD)
            return true;
    }
    return false;
}

/* Whatever the lines say, this is what decides. */
static sb_status judge(const json_t *root, reader *r, sb_jwks **jwks, sb_error *err)
{
    sb_error why = SB_ERROR_INIT;
    SB_AUTOPTR(sb_jwks) set = NULL;
    SB_AUTOFREE text = sb_json_dump(root);
    if (!text)
        return sb_error_nomem(err);
    if (sb_jwks_parse(sb_str_from(text), &set, NULL, &why) != SB_OK) {
        if (!any_bad(r->out))
            say_error(add(r->out, SB_REVIEW_BAD, "%.150s", why.what), SB_REVIEW_BAD, &why);
        return why.code == SB_E_NOMEM ? sb_error_nomem(err) : SB_OK;
    }
    if (r->of_use == 0) {
        (void)add(r->out, SB_REVIEW_BAD, "None of these keys may sign here");
        return SB_OK;
    }
    r->out->usable = true;
    *jwks = set;
    set = NULL;
    return SB_OK;
}

/* What is no JSON: is it something that people paste by mistake? */
static void refuse_text(sb_keyset_review *out, sb_str text, const sb_error *why)
{
    bool pem = memmem(text.ptr, text.len, "-----BEGIN", 10) != NULL;
    out->leaked = memmem(text.ptr, text.len, "PRIVATE KEY", 11) || memmem(text.ptr, text.len, "\"d\"", 3) ||
                  memmem(text.ptr, text.len, "\"k\"", 3);
    if (out->leaked)
        say(add(out, SB_REVIEW_BAD, "This is a private or secret key"), SB_REVIEW_BAD, "%s", MARK_LEAK);
    else if (pem)
        say(add(out, SB_REVIEW_BAD, "This is PEM, not a JWK Set"), SB_REVIEW_BAD,
            "`smartbulk key jwks FILE` makes a JWK Set of it.");
    else
        say(add(out, SB_REVIEW_BAD, "This is no JSON"), SB_REVIEW_BAD, "%.300s. %s", why->why, MARK_SHAPE);
}

/* {"keys": […]}, of whatever it is. NULL: it is said why not. */
static json_t *as_set(json_t *root, sb_keyset_review *out)
{
    const json_t *keys = json_object_get(root, "keys");
    if (json_is_object(root) && !keys && json_object_get(root, "kty")) {
        (void)add(out, SB_REVIEW_GOOD, "This is one key; it is taken as a set of one");
        return json_pack("{s:[O]}", "keys", root);
    }
    if (!json_is_array(keys))
        say(add(out, SB_REVIEW_BAD, "This is no JWK Set"), SB_REVIEW_BAD, "It has no list \"keys\". %s", MARK_SHAPE);
    else if (json_array_size(keys) > SB_JWKS_MAX_KEYS)
        say(add(out, SB_REVIEW_BAD, "These are too many keys"), SB_REVIEW_BAD,
            "The set has %zu; at most %d are taken. Leave out those that are no longer used.", json_array_size(keys),
            SB_JWKS_MAX_KEYS);
    else
        return json_incref(root);
    return NULL;
}

sb_status sb_keyset_review_text(sb_str text, const char *const *algs, sb_keyset_review *out, sb_jwks **jwks,
                                sb_error *err)
{
    sb_error why = SB_ERROR_INIT;
    SB_AUTOJSON root = NULL;
    SB_AUTO(reader) r = {.out = out, .algs = algs};
    SB_TRY(begin(out, err));
    if (text.len > SB_JWKS_MAX_BYTES) {
        say(add(out, SB_REVIEW_BAD, "This is too long"), SB_REVIEW_BAD, "It has %zu bytes; %d are allowed.", text.len,
            SB_JWKS_MAX_BYTES);
        return SB_OK;
    }
    if (sb_json_parse(text, "the JWK Set", &root, &why) != SB_OK) {
        refuse_text(out, text, &why);
        return SB_OK;
    }
    SB_AUTOJSON set = as_set(root, out);
    if (!set)
        return SB_OK;
    SB_TRY(review_entries(&r, json_object_get(set, "keys"), err));
    return judge(set, &r, jwks, err);
}

sb_status sb_keyset_review_set(const sb_jwks *set, size_t passed_over, const char *const *algs, sb_keyset_review *out,
                               sb_error *err)
{
    reader r = {.out = out, .algs = algs};
    SB_TRY(begin(out, err));
    for (size_t i = 0; i < sb_jwks_count(set); i++)
        (void)describe(&r, sb_jwks_at(set, i), i + 1);
    if (passed_over > 0)
        (void)add(out, SB_REVIEW_WARN, "%zu more are of kinds that are not supported, and passed over", passed_over);
    if (r.of_use == 0)
        (void)add(out, SB_REVIEW_BAD, "None of these keys may sign here");
    out->usable = r.of_use > 0;
    return SB_OK;
}
