/* SPDX-License-Identifier: Apache-2.0 */
/* data.c - what all data sources have in common: finding a type, the newest stamp, handing calls on. */
#include "payer/data/data.h"

struct sb_data {
    const sb_data_ops *ops;
    void *impl;
};

sb_status sb_data_new(const sb_data_ops *ops, void *impl, sb_data **out, sb_error *err)
{
    sb_data *data = calloc(1, sizeof(*data));
    if (!data) {
        ops->free(impl);
        return sb_error_nomem(err);
    }
    *data = (sb_data){ops, impl};
    *out = data;
    return SB_OK;
}

void sb_data_free(sb_data *data)
{
    if (!data)
        return;
    data->ops->free(data->impl);
    free(data);
}

const sb_data_type *sb_data_types(const sb_data *data, size_t *count)
{
    return data->ops->types(data->impl, count);
}

const sb_data_type *sb_data_find(const sb_data *data, sb_str type_name)
{
    size_t count;
    const sb_data_type *types = sb_data_types(data, &count);
    for (size_t i = 0; i < count; i++) {
        if (sb_str_eq(sb_str_from(types[i].name), type_name))
            return &types[i];
    }
    return NULL;
}

int64_t sb_data_newest_us(const sb_data *data)
{
    size_t count;
    const sb_data_type *types = sb_data_types(data, &count);
    int64_t newest = SB_UPDATED_NONE; /* the least of all numbers */
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < types[i].part_count; j++)
            newest = SB_MAX(newest, types[i].parts[j].newest_us);
    }
    return newest;
}

sb_status sb_data_scan(const sb_data *data, const sb_data_type *type, size_t part, sb_data_visit *visit, void *context,
                       sb_error *err)
{
    return data->ops->scan(data->impl, type, part, visit, context, err);
}

sb_status sb_data_open(const sb_data *data, const sb_data_type *type, size_t part, int *fd, sb_error *err)
{
    return data->ops->open(data->impl, type, part, fd, err);
}

sb_status sb_data_deletions(const sb_data *data, int64_t after_us, int64_t until_us, sb_data_deletion_visit *visit,
                            void *context, sb_error *err)
{
    if (!data->ops->deletions)
        return SB_OK;
    return data->ops->deletions(data->impl, after_us, until_us, visit, context, err);
}
