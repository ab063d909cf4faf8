/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - reading request targets. */
#include "http/target.h"

#include "base/url.h"

void sb_target_cleanup(sb_target *target)
{
    free(target->path);
    free(target->query_text);
    free(target->storage);
    sb_form_cleanup(&target->query);
    *target = (sb_target)SB_TARGET_INIT;
}

static sb_status bad(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_INVALID, "the request's address could not be read", "%s", "mend the URL", why);
}

/* RFC 9112 §3.2.2: a server takes the absolute form, too. */
static sb_str strip_authority(sb_str text)
{
    size_t scheme = sb_str_starts_with(text, SB_STR_LIT("http://"))    ? 7
                    : sb_str_starts_with(text, SB_STR_LIT("https://")) ? 8
                                                                       : 0;
    if (scheme == 0)
        return text;
    const char *host = text.ptr + scheme, *end = text.ptr + text.len;
    while (host < end && *host != '/' && *host != '?')
        host++;
    return (sb_str){host, (size_t)(end - host)};
}

static sb_status add_segment(sb_str code, sb_buf *storage, sb_target *out, sb_error *err)
{
    size_t start = storage->len;
    if (out->segment_count == SB_TARGET_SEGMENTS_MAX)
        return bad(err, "its path has more segments than any of ours");
    if (!sb_url_decode(code, false, storage))
        return bad(err, "its path has a malformed %-escape");
    sb_str segment = {storage->ptr + start, storage->len - start};
    if (segment.len == 0 || memchr(segment.ptr, '/', segment.len) || memchr(segment.ptr, '\0', segment.len) ||
        sb_str_eq(segment, SB_STR_LIT(".")) || sb_str_eq(segment, SB_STR_LIT("..")))
        return bad(err, "its path has an empty segment, a dot segment, or an escaped slash or NUL");
    out->segments[out->segment_count++] = segment;
    return sb_buf_add_char(storage, '\0') ? SB_OK : sb_error_nomem(err);
}

static sb_status parse_path(sb_str path, sb_target *out, sb_error *err)
{
    SB_AUTO(sb_buf) storage = SB_BUF_INIT;
    sb_str rest = {path.ptr + 1, path.len - 1}, code;
    if (!sb_buf_reserve(&storage, path.len + SB_TARGET_SEGMENTS_MAX + 1)) /* at once: segments point into it */
        return sb_error_nomem(err);
    while (sb_str_split(&rest, '/', &code)) {
        if (code.len == 0 && !rest.ptr)
            break; /* a slash at the end means the same as none                                           DISC-01 */
        SB_TRY(add_segment(code, &storage, out, err));
    }
    out->storage = sb_buf_steal(&storage);
    return out->storage ? SB_OK : sb_error_nomem(err);
}

/* RFC 3986 §2: a URL is visible ASCII. */
static bool is_visible(sb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e)
            return false;
    }
    return true;
}

static sb_status parse_into(sb_str text, sb_target *out, sb_error *err)
{
    text = strip_authority(text);
    if (!is_visible(text))
        return bad(err, "it has characters that a URL has percent-encoded");
    const char *mark = text.len ? memchr(text.ptr, '?', text.len) : NULL;
    sb_str path = {text.ptr, mark ? (size_t)(mark - text.ptr) : text.len};
    if (path.len == 0)
        path = SB_STR_LIT("/");
    if (path.ptr[0] != '/')
        return bad(err, "its path does not begin with a slash");
    out->path = sb_str_dup(path);
    if (!out->path)
        return sb_error_nomem(err);
    SB_TRY(parse_path(path, out, err));
    if (!mark)
        return SB_OK;
    sb_str query = {mark + 1, text.len - (size_t)(mark + 1 - text.ptr)};
    out->query_text = sb_str_dup(query);
    return out->query_text ? sb_form_parse(query, SB_TARGET_FIELDS_MAX, &out->query, err) : sb_error_nomem(err);
}

sb_status sb_target_parse(sb_str text, sb_target *out, sb_error *err)
{
    sb_status status = parse_into(text, out, err);
    if (status != SB_OK)
        sb_target_cleanup(out);
    return status;
}

bool sb_target_at(const sb_target *target, size_t index, const char *text)
{
    return index < target->segment_count && sb_str_eq(target->segments[index], sb_str_from(text));
}
