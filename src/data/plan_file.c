/* Plans as text and as JSON (plan.h; the format: PLAN.md). */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "data/plan.h"

static const char format_name[] = "poolscope-plan-1";

/* ---- for people ---- */

static void show_row(FILE *stream, const char *name, const double *value, int count, int decimals) {
    fprintf(stream, "  %-12s", name);
    for (int i = 0; i < count; i++) fprintf(stream, "%s%.*f", i > 0 ? " x " : " ", decimals, value[i]);
    fputc('\n', stream);
}

static void show_network(const ps_plan_network *n, const char *title, FILE *stream) {
    int skip = 3 - n->dimensions;
    double patch[3] = {n->patch[0], n->patch[1], n->patch[2]};
    fprintf(stream, "\n%s\n", title);
    show_row(stream, "spacing, mm", n->spacing + skip, n->dimensions, 3);
    show_row(stream, "median case", n->median + skip, n->dimensions, 1);
    show_row(stream, "patch", patch + skip, n->dimensions, 0);
    fprintf(stream, "  %-12s %d samples; Dice is summed over %s\n", "batch", n->batch,
            n->batch_dice ? "the batch" : "each sample");
    fprintf(stream, "  %-12s %8s   %-9s  %-9s  %s\n", "stage", "features", "stride", "kernel", "map");
    for (int s = 0; s < n->stages; s++) {
        char text[3][40] = {{0}};
        for (int i = skip; i < 3; i++) {
            patch[i] /= n->stride[s][i];
            const double value[3] = {n->stride[s][i], n->kernel[s][i], patch[i]};
            for (int k = 0; k < 3; k++)
                snprintf(text[k] + strlen(text[k]), sizeof text[k] - strlen(text[k]), "%s%.0f", i > skip ? "x" : "",
                         value[k]);
        }
        fprintf(stream, "  %-12d %8d   %-9s  %-9s  %s\n", s, n->features[s], text[0], text[1], text[2]);
    }
    fprintf(stream, "  %-12s %.1f million values for one sample\n", "maps", n->estimate * 1e-6);
}

static void show_channel(const ps_plan *plan, int c, FILE *stream) {
    static const char *const words[PS_NORMALISATIONS] = {
        "each case by its own mean and deviation",
        "clipped to the foreground's 0.5 and 99.5 %, then its mean and deviation", "none", "each case to 0 .. 1",
        "divided by 255"};
    const ps_plan_channel *channel = &plan->channel[c];
    const ps_intensity *v = &channel->intensity;
    bool masked = plan->masked && channel->normalisation == PS_NORMALISE_Z;
    fprintf(stream, "  channel %d %s\n    normalisation %s%s\n", c, channel->name, words[channel->normalisation],
            masked ? ", of what is not zero" : "");
    fprintf(stream, "    foreground    mean %.6g, deviation %.6g, 0.5 %% %.6g, median %.6g, 99.5 %% %.6g\n", v->mean,
            v->deviation, v->percentile[0], v->percentile[1], v->percentile[2]);
}

void ps_plan_show(const ps_plan *plan, FILE *stream) {
    static const char letters[] = "dhw";
    fprintf(stream, "%d training cases, %d channel%s, %d classes\n", plan->cases, plan->channels,
            plan->channels > 1 ? "s" : "", plan->classes);
    fprintf(stream, "  axes %c, %c, %c of the files, the coarsest first\n", letters[plan->axis[0]],
            letters[plan->axis[1]], letters[plan->axis[2]]);
    for (int c = 0; c < plan->channels; c++) show_channel(plan, c, stream);
    if (plan->full.dimensions == 3) show_network(&plan->full, "In three dimensions (3d_fullres)", stream);
    show_network(&plan->flat, "In two dimensions (2d): slices across the first axis", stream);
    if (plan->low_resolution)
        fprintf(
            stream,
            "\nA patch sees less than a quarter of a case: nnU-Net would train a network of lower resolution besides "
            "(3d_lowres).\n");
}

/* ---- writing ---- */

static void write_numbers(FILE *stream, const char *name, const double *value, int count, const char *end) {
    fprintf(stream, "    \"%s\": [", name);
    for (int i = 0; i < count; i++) {
        if (i > 0) fputs(", ", stream);
        ps_json_print_double(stream, value[i]);
    }
    fprintf(stream, "]%s\n", end);
}

static void write_table(FILE *stream, const char *name, const int (*value)[3], int rows, int skip) {
    fprintf(stream, "    \"%s\": [", name);
    for (int s = 0; s < rows; s++) {
        fputs(s > 0 ? ", [" : "[", stream);
        for (int i = skip; i < 3; i++) fprintf(stream, "%s%d", i > skip ? ", " : "", value[s][i]);
        fputc(']', stream);
    }
    fputs("],\n", stream);
}

static void write_network(const ps_plan_network *n, const char *name, FILE *stream) {
    int skip = 3 - n->dimensions;
    double patch[3] = {n->patch[0], n->patch[1], n->patch[2]}, features[PS_PLAN_STAGES];
    for (int s = 0; s < n->stages; s++) features[s] = n->features[s];
    fprintf(stream, ",\n  \"%s\": {\n", name);
    write_numbers(stream, "spacing", n->spacing + skip, n->dimensions, ",");
    write_numbers(stream, "median", n->median + skip, n->dimensions, ",");
    write_numbers(stream, "patch", patch + skip, n->dimensions, ",");
    fprintf(stream, "    \"batch\": %d,\n", n->batch);
    write_table(stream, "strides", n->stride, n->stages, skip);
    write_table(stream, "kernels", n->kernel, n->stages, skip);
    write_numbers(stream, "features", features, n->stages, ",");
    fprintf(stream, "    \"batch_dice\": %s,\n    \"estimate\": ", n->batch_dice ? "true" : "false");
    ps_json_print_double(stream, n->estimate);
    fputs("\n  }", stream);
}

/* Numbers of a channel by their names, for writing and reading. */
enum { CHANNEL_NUMBERS = 7 };
static const char *const channel_names[CHANNEL_NUMBERS] = {
    "mean", "deviation", "least", "most", "percentile_00_5", "median", "percentile_99_5"};
static void channel_numbers(ps_intensity *v, double *number[CHANNEL_NUMBERS]) {
    double *const all[CHANNEL_NUMBERS] = {&v->mean,          &v->deviation,     &v->least,        &v->most,
                                          &v->percentile[0], &v->percentile[1], &v->percentile[2]};
    memcpy(number, all, sizeof all);
}

static void write_channel(const ps_plan_channel *channel, FILE *stream) {
    ps_intensity intensity = channel->intensity;
    double *number[CHANNEL_NUMBERS];
    channel_numbers(&intensity, number);
    fputs("    {\"name\": ", stream);
    ps_json_print_text(stream, channel->name);
    fprintf(stream, ", \"normalisation\": \"%s\"", ps_normalisation_name(channel->normalisation));
    for (int i = 0; i < CHANNEL_NUMBERS; i++) {
        fprintf(stream, ", \"%s\": ", channel_names[i]);
        ps_json_print_double(stream, *number[i]);
    }
    fputc('}', stream);
}

void ps_plan_write(const ps_plan *plan, FILE *stream) {
    fprintf(stream, "{\n  \"format\": \"%s\",\n  \"cases\": %d,\n  \"classes\": %d,\n", format_name, plan->cases,
            plan->classes);
    fprintf(stream, "  \"axes\": [%d, %d, %d],\n  \"masked\": %s,\n  \"low_resolution\": %s,\n  \"channels\": [\n",
            plan->axis[0], plan->axis[1], plan->axis[2], plan->masked ? "true" : "false",
            plan->low_resolution ? "true" : "false");
    for (int c = 0; c < plan->channels; c++) {
        if (c > 0) fputs(",\n", stream);
        write_channel(&plan->channel[c], stream);
    }
    fputs("\n  ]", stream);
    if (plan->full.dimensions == 3) write_network(&plan->full, "3d_fullres", stream);
    write_network(&plan->flat, "2d", stream);
    fputs("\n}\n", stream);
}

/* ---- reading ---- */

/* `count` numbers of a list in [low, high]. */
static ps_status read_list(const cJSON *list, const char *key, int count, double low, double high, const char *where,
                           double *value) {
    int i = 0;
    const cJSON *item;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != count)
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be a list of %d numbers", where, key, count);
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= low && item->valuedouble <= high))
            return ps_fail(PS_ERR_INPUT, "%s: \"%s\"[%d] must be a number from %g to %g", where, key, i, low, high);
        value[i++] = item->valuedouble;
    }
    return PS_OK;
}

static ps_status read_whole_list(const cJSON *list, const char *key, int count, int low, int high, const char *where,
                                 int *value) {
    double number[PS_PLAN_STAGES];
    PS_TRY(read_list(list, key, count, low, high, where, number));
    for (int i = 0; i < count; i++) {
        if (number[i] != rint(number[i]))
            return ps_fail(PS_ERR_INPUT, "%s: \"%s\"[%d] must be a whole number", where, key, i);
        value[i] = (int)number[i];
    }
    return PS_OK;
}

static const cJSON *member(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static ps_status read_table(const cJSON *object, const char *key, const ps_plan_network *n, int high, const char *where,
                            int (*value)[3]) {
    const cJSON *table = member(object, key), *row;
    int s = 0, skip = 3 - n->dimensions;
    if (!cJSON_IsArray(table) || cJSON_GetArraySize(table) != n->stages)
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must have one list for each of the %d stages", where, key, n->stages);
    cJSON_ArrayForEach(row, table) {
        PS_TRY(read_whole_list(row, key, n->dimensions, 1, high, where, value[s] + skip));
        for (int i = 0; i < skip; i++) value[s][i] = 1;
        s++;
    }
    return PS_OK;
}

/* What no network can be built from. */
static ps_status check_network(const ps_plan_network *n, const char *where) {
    for (int i = 0; i < 3; i++) {
        long divisor = 1;
        for (int s = 0; s < n->stages; s++) divisor *= n->stride[s][i];
        if (n->patch[i] % divisor != 0)
            return ps_fail(PS_ERR_INPUT,
                           "%s: a patch of %d along axis %d cannot be halved as \"strides\" say; take a multiple "
                           "of %ld",
                           where, n->patch[i], i, divisor);
        for (int s = 0; s < n->stages; s++)
            if (n->kernel[s][i] % 2 == 0)
                return ps_fail(PS_ERR_INPUT, "%s: kernels must be odd, not %d", where, n->kernel[s][i]);
    }
    return PS_OK;
}

static ps_status read_network(const cJSON *document, const char *name, int dimensions, const char *path,
                              ps_plan_network *n) {
    static const char *const known[] = {"spacing", "median",   "patch",      "batch",    "strides",
                                        "kernels", "features", "batch_dice", "estimate", NULL};
    char where[400];
    const cJSON *object = member(document, name);
    int skip = 3 - dimensions;
    snprintf(where, sizeof where, "%s: %s", path, name);
    if (object == NULL && dimensions == 3) return PS_OK; /* images without depth */
    if (!cJSON_IsObject(object)) return ps_fail(PS_ERR_INPUT, "%s: there is no such object; plan anew", where);
    PS_TRY(ps_json_check_keys(object, known, where));
    n->dimensions = dimensions;
    n->median[0] = n->patch[0] = 1;
    PS_TRY(read_list(member(object, "spacing"), "spacing", dimensions, 1e-4, 1e4, where, n->spacing + skip));
    PS_TRY(read_list(member(object, "median"), "median", dimensions, 1, 1e6, where, n->median + skip));
    PS_TRY(read_whole_list(member(object, "patch"), "patch", dimensions, 1, 65536, where, n->patch + skip));
    PS_TRY(ps_json_get_int(object, "batch", true, 1, 1 << 20, where, &n->batch));
    PS_TRY(ps_json_get_bool(object, "batch_dice", true, where, &n->batch_dice));
    PS_TRY(ps_json_get_double(object, "estimate", false, 0, DBL_MAX, where, &n->estimate));
    n->stages = cJSON_GetArraySize(member(object, "features"));
    if (n->stages < 1 || n->stages > PS_PLAN_STAGES)
        return ps_fail(PS_ERR_INPUT, "%s: \"features\" must have one number a stage, 1 to %d of them", where,
                       PS_PLAN_STAGES);
    PS_TRY(read_whole_list(member(object, "features"), "features", n->stages, 1, 65536, where, n->features));
    PS_TRY(read_table(object, "strides", n, 8, where, n->stride));
    PS_TRY(read_table(object, "kernels", n, 15, where, n->kernel));
    return check_network(n, where);
}

static ps_status read_channel(const cJSON *object, const char *where, ps_plan_channel *out) {
    const char *name = "", *normalisation = "";
    double *number[CHANNEL_NUMBERS];
    if (!cJSON_IsObject(object)) return ps_fail(PS_ERR_INPUT, "%s: \"channels\" must be a list of objects", where);
    PS_TRY(ps_json_get_text(object, "name", false, where, &name));
    PS_TRY(ps_json_get_text(object, "normalisation", true, where, &normalisation));
    snprintf(out->name, sizeof out->name, "%s", name);
    int i = 0;
    while (i < PS_NORMALISATIONS && strcmp(normalisation, ps_normalisation_name((ps_normalisation)i)) != 0) i++;
    if (i == PS_NORMALISATIONS)
        return ps_fail(PS_ERR_INPUT,
                       "%s: no normalisation \"%s\"; known are zscore, ct, nonorm, rescale_to_0_1 and "
                       "rgb_to_0_1",
                       where, normalisation);
    out->normalisation = (ps_normalisation)i;
    channel_numbers(&out->intensity, number);
    for (int k = 0; k < CHANNEL_NUMBERS; k++)
        PS_TRY(ps_json_get_double(object, channel_names[k], true, -DBL_MAX, DBL_MAX, where, number[k]));
    return PS_OK;
}

static ps_status read_channels(const cJSON *document, const char *path, ps_plan *out) {
    const cJSON *list = member(document, "channels"), *item;
    int count = cJSON_GetArraySize(list), c = 0;
    if (!cJSON_IsArray(list) || count < 1 || count > PS_FINGERPRINT_CHANNELS)
        return ps_fail(PS_ERR_INPUT, "%s: \"channels\" must be a list of 1 to %d objects", path,
                       PS_FINGERPRINT_CHANNELS);
    out->channels = count;
    cJSON_ArrayForEach(item, list) PS_TRY(read_channel(item, path, &out->channel[c++]));
    return PS_OK;
}

static ps_status read_document(const cJSON *document, const char *path, ps_plan *out) {
    static const char *const known[] = {"format",         "cases",    "classes",    "axes", "masked",
                                        "low_resolution", "channels", "3d_fullres", "2d",   NULL};
    const char *format = "";
    if (!cJSON_IsObject(document))
        return ps_fail(PS_ERR_INPUT, "%s: is no plan; `poolscope plan DATA --out FILE` makes one", path);
    PS_TRY(ps_json_get_text(document, "format", false, path, &format));
    if (strcmp(format, format_name) != 0)
        return ps_fail(PS_ERR_INPUT,
                       "%s: is no plan (\"format\" is not \"%s\"); `poolscope plan DATA --out FILE` makes one", path,
                       format_name);
    PS_TRY(ps_json_check_keys(document, known, path));
    PS_TRY(ps_json_get_int(document, "cases", true, 1, INT_MAX, path, &out->cases));
    PS_TRY(ps_json_get_int(document, "classes", true, 1, INT16_MAX, path, &out->classes));
    PS_TRY(ps_json_get_bool(document, "masked", true, path, &out->masked));
    PS_TRY(ps_json_get_bool(document, "low_resolution", false, path, &out->low_resolution));
    PS_TRY(read_whole_list(member(document, "axes"), "axes", 3, 0, 2, path, out->axis));
    if ((1 << out->axis[0] | 1 << out->axis[1] | 1 << out->axis[2]) != 7)
        return ps_fail(PS_ERR_INPUT, "%s: \"axes\" must be 0, 1 and 2 in some order", path);
    PS_TRY(read_channels(document, path, out));
    PS_TRY(read_network(document, "3d_fullres", 3, path, &out->full));
    return read_network(document, "2d", 2, path, &out->flat);
}

static ps_status read_and_delete(cJSON *document, const char *where, ps_plan *out) {
    memset(out, 0, sizeof *out);
    ps_status status = read_document(document, where, out);
    cJSON_Delete(document);
    return status;
}

ps_status ps_plan_read(const char *path, ps_plan *out) {
    cJSON *document;
    PS_TRY(ps_json_read(path, &document));
    return read_and_delete(document, path, out);
}

ps_status ps_plan_parse(const char *text, const char *where, ps_plan *out) {
    cJSON *document;
    PS_TRY(ps_json_parse(text, where, &document));
    return read_and_delete(document, where, out);
}
