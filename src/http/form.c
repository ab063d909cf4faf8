/* SPDX-License-Identifier: Apache-2.0 */
/* form.c - reading forms: one pass to count, one to decode into a single allocation. */
#include "http/form.h"

#include "base/url.h"

void sb_form_cleanup(sb_form *form)
{
    free(form->items);
    free(form->storage);
    *form = (sb_form)SB_FORM_INIT;
}

static size_t count_fields(sb_str text)
{
    size_t count = 0;
    sb_str field;
    while (sb_str_split(&text, '&', &field))
        count += field.len > 0;
    return count;
}

/* Decode onto the end of `storage`, which has room: a decoded text is never longer than its code. */
static bool decode(sb_str code, sb_buf *storage, sb_str *out)
{
    size_t start = storage->len;
    if (!sb_url_decode(code, true, storage))
        return false;
    *out = (sb_str){storage->ptr + start, storage->len - start};
    return (out->len == 0 || !memchr(out->ptr, '\0', out->len)) && sb_buf_add_char(storage, '\0');
}

static bool decode_field(sb_str field, sb_buf *storage, sb_form_field *out)
{
    const char *equals = memchr(field.ptr, '=', field.len);
    sb_str name = {field.ptr, equals ? (size_t)(equals - field.ptr) : field.len};
    sb_str value = equals ? (sb_str){equals + 1, field.len - name.len - 1} : (sb_str){"", 0};
    return decode(name, storage, &out->name) && decode(value, storage, &out->value);
}

static sb_status decode_fields(sb_str text, sb_form *form, sb_error *err)
{
    SB_AUTO(sb_buf) storage = SB_BUF_INIT;
    size_t count = count_fields(text);
    form->items = calloc(count + 1, sizeof(*form->items));
    if (!form->items || !sb_buf_reserve(&storage, text.len + 2 * count + 1))
        return sb_error_nomem(err);
    sb_str field;
    while (sb_str_split(&text, '&', &field)) {
        if (field.len == 0)
            continue;
        if (!decode_field(field, &storage, &form->items[form->len]))
            return sb_error_set(err, SB_E_INVALID, "a form could not be read", "a field has a malformed %%-escape",
                                "percent-encode every byte that is not a letter, a digit or one of -._~");
        form->len++;
    }
    form->storage = sb_buf_steal(&storage);
    return form->storage ? SB_OK : sb_error_nomem(err);
}

sb_status sb_form_parse(sb_str text, size_t max_fields, sb_form *out, sb_error *err)
{
    sb_form_cleanup(out);
    if (count_fields(text) > max_fields)
        return sb_error_set(err, SB_E_INVALID, "a form could not be read", "it has more than %zu fields",
                            "send fewer fields", max_fields);
    SB_AUTO(sb_form) form = SB_FORM_INIT;
    SB_TRY(decode_fields(text, &form, err));
    *out = form;
    form = (sb_form)SB_FORM_INIT;
    return SB_OK;
}

size_t sb_form_count(const sb_form *form, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < form->len; i++)
        count += sb_str_eq(form->items[i].name, sb_str_from(name));
    return count;
}

const sb_form_field *sb_form_find(const sb_form *form, const char *name)
{
    for (size_t i = 0; i < form->len; i++) {
        if (sb_str_eq(form->items[i].name, sb_str_from(name)))
            return &form->items[i];
    }
    return NULL;
}
