#include "tests/ref/ref_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number(const cJSON *a, const char *key, double fallback) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(a, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static const char *text(const cJSON *a, const char *key, const char *fallback) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(a, key);
    return cJSON_IsString(item) ? item->valuestring : fallback;
}

static bool truth(const cJSON *a, const char *key, bool fallback) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(a, key);
    return item == NULL ? fallback : cJSON_IsTrue(item);
}

static int list_length(const cJSON *a, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(a, key);
    return cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 0;
}

/* Value along dimension i (0 d, 1 h, 2 w). */
static int along(const cJSON *a, const char *key, int i, int dims, int flat, int fallback) {
    if (i == 0 && dims == 2) return flat;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(a, key);
    if (item == NULL) return fallback;
    if (!cJSON_IsArray(item)) return item->valueint;
    return cJSON_GetArrayItem(item, i - (cJSON_GetArraySize(item) == 2))->valueint;
}

static size_t at(ps_shape s, int n, int z, int y, int x, int c) {
    return ((((size_t)n * (size_t)s.d + (size_t)z) * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x) * (size_t)s.c +
           (size_t)c;
}

typedef struct {
    int kernel[3], stride[3], pad[3], dilation[3];
} window;

static window window_of(const cJSON *a, ps_shape in, bool conv) {
    static const char *const keys[] = {"kernel", "stride", "padding", "dilation"};
    int dims = (int)number(a, "dims", 0);
    for (int i = 0; i < 4 && dims == 0; i++) dims = list_length(a, keys[i]);
    if (dims == 0) dims = in.d > 1 ? 3 : 2;
    window w;
    for (int i = 0; i < 3; i++) {
        w.kernel[i] = along(a, "kernel", i, dims, 1, conv ? 3 : 2);
        w.stride[i] = along(a, "stride", i, dims, 1, conv ? 1 : w.kernel[i]);
        w.pad[i] = along(a, "padding", i, dims, 0, 0);
        w.dilation[i] = along(a, "dilation", i, dims, 1, 1);
    }
    return w;
}

static ps_shape window_out(window w, ps_shape in, int channels) {
    int size[3] = {in.d, in.h, in.w};
    for (int i = 0; i < 3; i++) {
        /* Count the starts that fit instead of using the closed formula. */
        int starts = 0;
        for (int s = -w.pad[i]; s + (w.kernel[i] - 1) * w.dilation[i] < size[i] + w.pad[i]; s += w.stride[i]) starts++;
        size[i] = starts;
    }
    return (ps_shape){in.n, channels, size[0], size[1], size[2]};
}

/* kernel 2 and stride as the kernel where they are left out; more: of output_padding. */
static window transposed_of(const cJSON *a, ps_shape in, int more[3]) {
    static const char *const keys[] = {"kernel", "stride", "padding", "dilation", "output_padding"};
    int dims = (int)number(a, "dims", 0);
    for (int i = 0; i < 5 && dims == 0; i++) dims = list_length(a, keys[i]);
    if (dims == 0) dims = in.d > 1 ? 3 : 2;
    window w;
    for (int i = 0; i < 3; i++) {
        w.kernel[i] = along(a, "kernel", i, dims, 1, 2);
        w.stride[i] = along(a, "stride", i, dims, 1, w.kernel[i]);
        w.pad[i] = along(a, "padding", i, dims, 0, 0);
        w.dilation[i] = along(a, "dilation", i, dims, 1, 1);
        more[i] = along(a, "output_padding", i, dims, 0, 0);
    }
    return w;
}

static ps_shape transposed_out(const cJSON *a, ps_shape in, int channels) {
    int size[3] = {in.d, in.h, in.w}, more[3];
    window w = transposed_of(a, in, more);
    /* One past the last position that the last input adds to. */
    for (int i = 0; i < 3; i++)
        size[i] = (size[i] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1 - 2 * w.pad[i] + more[i];
    return (ps_shape){in.n, channels, size[0], size[1], size[2]};
}

static ps_shape resized(const ref_call *call) {
    ps_shape in = call->in_shape[0], out = in;
    if (call->inputs > 1) in = call->in_shape[1];
    int dims = list_length(call->attributes, "scale") > 0 ? list_length(call->attributes, "scale") : in.d > 1 ? 3 : 2;
    out.d = in.d * along(call->attributes, "scale", 0, dims, 1, 1);
    out.h = in.h * along(call->attributes, "scale", 1, dims, 1, 1);
    out.w = in.w * along(call->attributes, "scale", 2, dims, 1, 1);
    return out;
}

/* before: how many positions the first of the input is moved by. */
static ps_shape padded(const ref_call *call, int before[3]) {
    ps_shape in = call->in_shape[0], out = in;
    int size[3] = {in.d, in.h, in.w}, dims = list_length(call->attributes, "before");
    if (list_length(call->attributes, "after") > dims) dims = list_length(call->attributes, "after");
    if (dims == 0) dims = in.d > 1 ? 3 : 2;
    for (int i = 0; i < 3; i++) {
        before[i] = along(call->attributes, "before", i, dims, 0, 0);
        size[i] += before[i] + along(call->attributes, "after", i, dims, 0, before[i]);
    }
    out.d = size[0], out.h = size[1], out.w = size[2];
    if (call->inputs < 2) return out;
    ps_shape as = call->in_shape[1];
    before[0] = (as.d - in.d) / 2, before[1] = (as.h - in.h) / 2, before[2] = (as.w - in.w) / 2;
    return (ps_shape){in.n, in.c, as.d, as.h, as.w};
}

ps_shape ref_out_shape(const ref_call *call) {
    ps_shape in = call->in_shape[0];
    if (strcmp(call->type, "conv") == 0)
        return window_out(window_of(call->attributes, in, true), in, (int)number(call->attributes, "channels", 0));
    if (strcmp(call->type, "conv_transpose") == 0)
        return transposed_out(call->attributes, in, (int)number(call->attributes, "channels", 0));
    if (strcmp(call->type, "resize") == 0) return resized(call);
    if (strcmp(call->type, "pad") == 0) return padded(call, (int[3]){0, 0, 0});
    if (strcmp(call->type, "max_pool") == 0 || strcmp(call->type, "avg_pool") == 0)
        return window_out(window_of(call->attributes, in, false), in, in.c);
    if (strcmp(call->type, "max_unpool") == 0) return call->pool_shape;
    if (strcmp(call->type, "global_avg_pool") == 0) return (ps_shape){in.n, in.c, 1, 1, 1};
    if (strcmp(call->type, "linear") == 0)
        return (ps_shape){in.n, (int)number(call->attributes, "features", 0), in.d, in.h, in.w};
    if (strcmp(call->type, "class_token") == 0) return (ps_shape){in.n, in.c, 1, 1, in.d * in.h * in.w + 1};
    if (strcmp(call->type, "token") == 0 || strcmp(call->type, "sequence_pool") == 0)
        return (ps_shape){in.n, in.c, 1, 1, 1};
    if (strcmp(call->type, "flatten") == 0) return (ps_shape){in.n, in.c * in.d * in.h * in.w, 1, 1, 1};
    if (strcmp(call->type, "concat") == 0)
        for (int i = 1; i < call->inputs; i++) in.c += call->in_shape[i].c;
    return in;
}

/* The general correlation behind conv and pool_skip. */
static void correlate(const double *x, ps_shape in, const double *w, const double *bias, window win, int groups,
                      ps_shape out, double *y) {
    int cg = in.c / groups, kg = out.c / groups;
    for (int n = 0; n < out.n; n++)
        for (int z = 0; z < out.d; z++)
            for (int r = 0; r < out.h; r++)
                for (int q = 0; q < out.w; q++)
                    for (int k = 0; k < out.c; k++) {
                        double sum = bias != NULL ? bias[k] : 0.0;
                        for (int tz = 0; tz < win.kernel[0]; tz++)
                            for (int ty = 0; ty < win.kernel[1]; ty++)
                                for (int tx = 0; tx < win.kernel[2]; tx++) {
                                    int iz = z * win.stride[0] - win.pad[0] + tz * win.dilation[0];
                                    int iy = r * win.stride[1] - win.pad[1] + ty * win.dilation[1];
                                    int ix = q * win.stride[2] - win.pad[2] + tx * win.dilation[2];
                                    if (iz < 0 || iz >= in.d || iy < 0 || iy >= in.h || ix < 0 || ix >= in.w) continue;
                                    size_t tap = ((size_t)((k * win.kernel[0] + tz) * win.kernel[1] + ty) *
                                                      (size_t)win.kernel[2] +
                                                  (size_t)tx) *
                                                 (size_t)cg;
                                    for (int c = 0; c < cg; c++)
                                        sum += x[at(in, n, iz, iy, ix, k / kg * cg + c)] * w[tap + (size_t)c];
                                }
                        y[at(out, n, z, r, q, k)] = sum;
                    }
}

static void ref_conv(const ref_call *call, double *y) {
    ps_shape in = call->in_shape[0];
    bool bias = truth(call->attributes, "bias", true);
    correlate(call->x[0], in, call->param[0], bias ? call->param[1] : NULL, window_of(call->attributes, in, true),
              (int)number(call->attributes, "groups", 1), call->out_shape, y);
}

/* Every input adds to the outputs its taps reach. */
static void ref_conv_transpose(const ref_call *call, double *y) {
    ps_shape in = call->in_shape[0], out = call->out_shape;
    int groups = (int)number(call->attributes, "groups", 1), cg = in.c / groups, kg = out.c / groups, more[3];
    window win = transposed_of(call->attributes, in, more);
    bool bias = truth(call->attributes, "bias", true);
    int taps = win.kernel[0] * win.kernel[1] * win.kernel[2];
    for (size_t i = 0; i < ps_shape_elements(out); i++) y[i] = bias ? call->param[1][i % (size_t)out.c] : 0.0;
    for (size_t i = 0; i < ps_shape_elements(in); i++) {
        int c = (int)(i % (size_t)in.c);
        size_t position = i / (size_t)in.c;
        int q = (int)(position % (size_t)in.w), r = (int)(position / (size_t)in.w % (size_t)in.h);
        int z = (int)(position / (size_t)in.w / (size_t)in.h % (size_t)in.d);
        int n = (int)(position / (size_t)in.w / (size_t)in.h / (size_t)in.d);
        for (int t = 0; t < taps; t++) {
            int tx = t % win.kernel[2], ty = t / win.kernel[2] % win.kernel[1], tz = t / win.kernel[2] / win.kernel[1];
            int oz = z * win.stride[0] - win.pad[0] + tz * win.dilation[0];
            int oy = r * win.stride[1] - win.pad[1] + ty * win.dilation[1];
            int ox = q * win.stride[2] - win.pad[2] + tx * win.dilation[2];
            if (oz < 0 || oz >= out.d || oy < 0 || oy >= out.h || ox < 0 || ox >= out.w) continue;
            for (int k = c / cg * kg; k < (c / cg + 1) * kg; k++)
                y[at(out, n, oz, oy, ox, k)] +=
                    call->x[0][i] * call->param[0][(size_t)(k * taps + t) * (size_t)cg + (size_t)(c % cg)];
        }
    }
}

static void moments(const double *x, ps_shape s, int c, double *mean, double *variance) {
    size_t rows = ps_shape_positions(s);
    double sum = 0, squares = 0;
    for (size_t r = 0; r < rows; r++) sum += x[r * (size_t)s.c + (size_t)c];
    *mean = sum / (double)rows;
    for (size_t r = 0; r < rows; r++) squares += pow(x[r * (size_t)s.c + (size_t)c] - *mean, 2);
    *variance = squares / (double)rows;
}

static void ref_batch_norm(const ref_call *call, double *y) {
    ps_shape s = call->out_shape;
    const char *activation = text(call->attributes, "activation", "none");
    double slope = strcmp(activation, "none") == 0   ? 1.0
                   : strcmp(activation, "relu") == 0 ? 0.0
                                                     : (double)(float)number(call->attributes, "slope", 0.01);
    for (int c = 0; c < s.c; c++) {
        double mean = 0, variance = 0;
        if (call->eval) mean = call->state[0][c], variance = call->state[1][c];
        else moments(call->x[0], s, c, &mean, &variance);
        for (size_t i = (size_t)c; i < ps_shape_elements(s); i += (size_t)s.c) {
            double v =
                call->param[0][c] * (call->x[0][i] - mean) / sqrt(variance + number(call->attributes, "eps", 1e-5)) +
                call->param[1][c];
            if (call->inputs > 1) v += call->x[1][i];
            y[i] = v > 0 ? v : slope * v;
        }
    }
}

/* As batch_norm, a sample at a time. */
static void ref_instance_norm(const ref_call *call, double *y) {
    size_t image = ps_shape_elements(call->out_shape) / (size_t)call->out_shape.n;
    const double ones = 1, zeros = 0;
    bool affine = truth(call->attributes, "affine", true);
    for (int n = 0; n < call->out_shape.n; n++)
        for (int c = 0; c < call->out_shape.c; c++) {
            const double *x[2] = {call->x[0] + (size_t)n * image + c,
                                  call->inputs > 1 ? call->x[1] + (size_t)n * image + c : NULL};
            const char *activation = text(call->attributes, "activation", "none");
            double slope = strcmp(activation, "none") == 0   ? 1.0
                           : strcmp(activation, "relu") == 0 ? 0.0
                                                             : (double)(float)number(call->attributes, "slope", 0.01);
            double mean, variance, gain = affine ? call->param[0][c] : ones, shift = affine ? call->param[1][c] : zeros;
            moments(call->x[0] + (size_t)n * image, ps_shape_with_batch(call->out_shape, 1), c, &mean, &variance);
            for (size_t i = 0; i < image; i += (size_t)call->out_shape.c) {
                double v = gain * (x[0][i] - mean) / sqrt(variance + number(call->attributes, "eps", 1e-5)) + shift;
                if (x[1] != NULL) v += x[1][i];
                y[(size_t)n * image + (size_t)c + i] = v > 0 ? v : slope * v;
            }
        }
}

static void ref_slope(const ref_call *call, double slope, double *y) {
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++)
        y[i] = call->x[0][i] > 0 ? call->x[0][i] : slope * call->x[0][i];
}

static void ref_curve(const ref_call *call, double *y) {
    double alpha = (double)(float)number(call->attributes, "alpha", 1);
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) {
        double x = call->x[0][i];
        if (strcmp(call->type, "gelu") == 0) y[i] = x * erfc(-x / sqrt(2)) / 2;
        else if (strcmp(call->type, "silu") == 0) y[i] = x / (1 + exp(-x));
        else if (strcmp(call->type, "elu") == 0) y[i] = x > 0 ? x : alpha * (exp(x) - 1);
        else y[i] = fmin(fmax(x, 0), 6);
    }
}

static void ref_prelu(const ref_call *call, double *y) {
    size_t slopes = truth(call->attributes, "shared", true) ? 1 : (size_t)call->out_shape.c;
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) {
        double x = call->x[0][i];
        y[i] = x > 0 ? x : call->param[0][i % (size_t)call->out_shape.c % slopes] * x;
    }
}

static void ref_layer_norm(const ref_call *call, double *y) {
    size_t c = (size_t)call->out_shape.c;
    for (size_t first = 0; first < ps_shape_elements(call->out_shape); first += c) {
        const double *x = call->x[0] + first;
        double mean = 0, variance = 0;
        for (size_t k = 0; k < c; k++) mean += x[k] / (double)c;
        for (size_t k = 0; k < c; k++) variance += pow(x[k] - mean, 2) / (double)c;
        for (size_t k = 0; k < c; k++)
            y[first + k] = call->param[0][k] * (x[k] - mean) / sqrt(variance + number(call->attributes, "eps", 1e-5)) +
                           call->param[1][k];
    }
}

static bool inside(ps_shape s, int z, int y, int x) {
    return z >= 0 && z < s.d && y >= 0 && y < s.h && x >= 0 && x < s.w;
}

/* One window of one channel: its maximum, the flat element that holds it, and its sum. */
static double window_scan(const double *x, ps_shape in, window w, int n, const int o[3], int c, size_t *winner,
                          double *sum) {
    double best = -INFINITY;
    *sum = 0;
    for (int tz = 0; tz < w.kernel[0]; tz++)
        for (int ty = 0; ty < w.kernel[1]; ty++)
            for (int tx = 0; tx < w.kernel[2]; tx++) {
                int z = o[0] * w.stride[0] - w.pad[0] + tz, r = o[1] * w.stride[1] - w.pad[1] + ty,
                    q = o[2] * w.stride[2] - w.pad[2] + tx;
                if (!inside(in, z, r, q)) continue;
                size_t i = at(in, n, z, r, q, c);
                *sum += x[i];
                if (x[i] > best) best = x[i], *winner = i;
            }
    return best;
}

/* y: maxima or means of the windows; winner (may be NULL): flat element of each maximum. */
static void pool_windows(const double *x, ps_shape in, window w, ps_shape out, bool maximum, double *y,
                         size_t *winner) {
    double size = (double)w.kernel[0] * w.kernel[1] * w.kernel[2];
    for (int n = 0; n < out.n; n++)
        for (int z = 0; z < out.d; z++)
            for (int r = 0; r < out.h; r++)
                for (int q = 0; q < out.w; q++)
                    for (int c = 0; c < out.c; c++) {
                        size_t i = at(out, n, z, r, q, c), place = 0;
                        double sum, best = window_scan(x, in, w, n, (int[]){z, r, q}, c, &place, &sum);
                        if (y != NULL) y[i] = maximum ? best : sum / size;
                        if (winner != NULL) winner[i] = place;
                    }
}

static void ref_max_unpool(const ref_call *call, double *y) {
    ps_shape in = call->pool_shape, pooled = call->in_shape[0];
    size_t count = ps_shape_elements(pooled);
    size_t *winner = calloc(count, sizeof *winner);
    pool_windows(call->pool_x, in, window_of(call->pool, in, false), pooled, true, NULL, winner);
    memset(y, 0, ps_shape_elements(in) * sizeof *y);
    for (size_t i = 0; i < count; i++) y[winner[i]] = call->x[0][i];
    free(winner);
}

static void ref_pad(const ref_call *call, double *y) {
    int before[3];
    ps_shape in = call->in_shape[0], out = padded(call, before);
    for (int n = 0; n < out.n; n++)
        for (int z = 0; z < out.d; z++)
            for (int r = 0; r < out.h; r++)
                for (int q = 0; q < out.w; q++)
                    for (int c = 0; c < out.c; c++) {
                        int iz = z - before[0], iy = r - before[1], ix = q - before[2];
                        *y++ = inside(in, iz, iy, ix) ? call->x[0][at(in, n, iz, iy, ix, c)] : 0;
                    }
}

/* How much input i has of output o along an axis: a hat around where the output lies. */
static double hat(const ref_call *call, int i, int o, int in, int out) {
    bool corners = truth(call->attributes, "align_corners", false);
    if (strcmp(text(call->attributes, "mode", "linear"), "nearest") == 0) return i == o * in / out;
    double place = corners ? out > 1 ? (double)o * (in - 1) / (out - 1) : 0 : (o + 0.5) / out * in - 0.5;
    return fmax(0, 1 - fabs(fmin(fmax(place, 0), in - 1) - i));
}

static void ref_resize(const ref_call *call, double *y) {
    ps_shape in = call->in_shape[0], out = call->out_shape;
    for (size_t e = 0; e < ps_shape_elements(out); e++) {
        size_t p = e / (size_t)out.c;
        int c = (int)(e % (size_t)out.c), q = (int)(p % (size_t)out.w), r = (int)(p / (size_t)out.w % (size_t)out.h);
        int z = (int)(p / (size_t)out.w / (size_t)out.h % (size_t)out.d);
        int n = (int)(p / (size_t)out.w / (size_t)out.h / (size_t)out.d);
        y[e] = 0;
        for (int iz = 0; iz < in.d; iz++)
            for (int iy = 0; iy < in.h; iy++)
                for (int ix = 0; ix < in.w; ix++)
                    y[e] += hat(call, iz, z, in.d, out.d) * hat(call, iy, r, in.h, out.h) *
                            hat(call, ix, q, in.w, out.w) * call->x[0][at(in, n, iz, iy, ix, c)];
    }
}

static void ref_linear(const ref_call *call, double *y) {
    size_t c = (size_t)call->in_shape[0].c, k = (size_t)call->out_shape.c;
    for (size_t n = 0; n < ps_shape_positions(call->out_shape); n++)
        for (size_t j = 0; j < k; j++) {
            y[n * k + j] = truth(call->attributes, "bias", true) ? call->param[1][j] : 0.0;
            for (size_t i = 0; i < c; i++) y[n * k + j] += call->x[0][n * c + i] * call->param[0][j * c + i];
        }
}

static void ref_concat(const ref_call *call, double *y) {
    size_t offset = 0;
    for (int i = 0; i < call->inputs; i++) {
        size_t c = (size_t)call->in_shape[i].c;
        for (size_t e = 0; e < ps_shape_elements(call->in_shape[i]); e++)
            y[e / c * (size_t)call->out_shape.c + offset + e % c] = call->x[i][e];
        offset += c;
    }
}

static void ref_flatten(const ref_call *call, double *y) {
    ps_shape s = call->in_shape[0];
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int z = 0; z < s.d; z++)
                for (int r = 0; r < s.h; r++)
                    for (int q = 0; q < s.w; q++) *y++ = call->x[0][at(s, n, z, r, q, c)];
}

static void ref_dropout(const ref_call *call, double *y) {
    float p = (float)number(call->attributes, "p", 0.5);
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) {
        size_t image = ps_shape_elements(call->out_shape) / (size_t)call->out_shape.n, c = (size_t)call->out_shape.c;
        bool whole = truth(call->attributes, "channels", false);
        bool dropped = call->train && ps_rng_uniform(call->key, whole ? i / image * c + i % c : i) < p;
        y[i] = dropped ? 0.0 : call->train ? call->x[0][i] / (1.0 - (double)p) : call->x[0][i];
    }
}

static void ref_drop_path(const ref_call *call, double *y) {
    float p = (float)number(call->attributes, "p", 0.1);
    size_t image = ps_shape_elements(call->out_shape) / (size_t)call->out_shape.n;
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) {
        bool dropped = call->train && ps_rng_uniform(call->key, i / image) < p;
        double kept = 1.0 - number(call->attributes, "p", 0.1);
        y[i] = dropped ? 0.0 : call->train ? call->x[0][i] / kept : call->x[0][i];
    }
}

static void ref_position_embedding(const ref_call *call, double *y) {
    size_t image = ps_shape_elements(call->out_shape) / (size_t)call->out_shape.n;
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) y[i] = call->x[0][i] + call->param[0][i % image];
}

static void ref_class_token(const ref_call *call, double *y) {
    size_t c = (size_t)call->out_shape.c, tokens = (size_t)call->out_shape.w;
    for (size_t n = 0; n < (size_t)call->out_shape.n; n++)
        for (size_t t = 0; t < tokens; t++)
            for (size_t j = 0; j < c; j++)
                *y++ = t == 0 ? call->param[0][j] : call->x[0][(n * (tokens - 1) + t - 1) * c + j];
}

static void ref_token(const ref_call *call, double *y) {
    ps_shape s = call->in_shape[0];
    int index = (int)number(call->attributes, "index", 0);
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            *y++ = call->x[0][at(s, n, index / (s.h * s.w), index / s.w % s.h, index % s.w, c)];
}

static void ref_softmax(double *a, size_t count) {
    double sum = 0, most = a[0];
    for (size_t i = 1; i < count; i++) most = fmax(most, a[i]);
    for (size_t i = 0; i < count; i++) sum += a[i] = exp(a[i] - most);
    for (size_t i = 0; i < count; i++) a[i] /= sum;
}

/* qkv's rows head by head: [heads][3][size][c]. */
static void ref_attention(const ref_call *call, double *y) {
    size_t c = (size_t)call->out_shape.c, n = (size_t)call->out_shape.n,
           heads = (size_t)number(call->attributes, "heads", 1);
    size_t tokens = ps_shape_positions(call->out_shape) / n, size = c / heads;
    bool bias = truth(call->attributes, "qkv_bias", true);
    float p = (float)number(call->attributes, "dropout", 0);
    double *qkv = malloc(tokens * 3 * c * sizeof *qkv), *a = malloc(tokens * sizeof *a),
           *o = calloc(tokens * c, sizeof *o);
    for (size_t i = 0; i < n; i++) {
        const double *x = call->x[0] + i * tokens * c;
        for (size_t t = 0; t < tokens; t++)
            for (size_t r = 0; r < 3 * c; r++) {
                qkv[t * 3 * c + r] = bias ? call->param[1][r] : 0.0;
                for (size_t j = 0; j < c; j++) qkv[t * 3 * c + r] += x[t * c + j] * call->param[0][r * c + j];
            }
        for (size_t h = 0; h < heads; h++)
            for (size_t t = 0; t < tokens; t++) {
                for (size_t s = 0; s < tokens; s++) {
                    a[s] = 0;
                    for (size_t j = 0; j < size; j++)
                        a[s] += qkv[t * 3 * c + 3 * h * size + j] * qkv[s * 3 * c + (3 * h + 1) * size + j];
                    a[s] /= sqrt((double)size);
                }
                ref_softmax(a, tokens);
                for (size_t s = 0; s < tokens && call->train && p > 0; s++) {
                    size_t index = ((i * heads + h) * tokens + t) * tokens + s;
                    a[s] *= ps_rng_uniform(call->key, index) < p ? 0.0
                                                                 : 1.0 / (1.0 - number(call->attributes, "dropout", 0));
                }
                for (size_t j = 0; j < size; j++) {
                    double *sum = &o[t * c + h * size + j];
                    *sum = 0;
                    for (size_t s = 0; s < tokens; s++) *sum += a[s] * qkv[s * 3 * c + (3 * h + 2) * size + j];
                }
            }
        for (size_t t = 0; t < tokens; t++)
            for (size_t r = 0; r < c; r++, y++) {
                *y = call->param[2 + bias][r];
                for (size_t j = 0; j < c; j++) *y += o[t * c + j] * call->param[1 + bias][r * c + j];
            }
    }
    free(qkv), free(a), free(o);
}

static void ref_sequence_pool(const ref_call *call, double *y) {
    size_t c = (size_t)call->out_shape.c, tokens = ps_shape_elements(call->in_shape[0]) / c / (size_t)call->out_shape.n;
    double *a = malloc(tokens * sizeof *a);
    for (size_t n = 0; n < (size_t)call->out_shape.n; n++) {
        const double *x = call->x[0] + n * tokens * c;
        for (size_t t = 0; t < tokens; t++) {
            a[t] = call->param[1][0];
            for (size_t j = 0; j < c; j++) a[t] += x[t * c + j] * call->param[0][j];
        }
        ref_softmax(a, tokens);
        for (size_t j = 0; j < c; j++, y++) {
            *y = 0;
            for (size_t t = 0; t < tokens; t++) *y += a[t] * x[t * c + j];
        }
    }
    free(a);
}

/* u of Pool Skip: what the selection keeps of x in each whole e-window. scale_x: where the energy ratio is taken. */
static void select_elements(const ref_call *call, const double *x, const double *scale_x, double *u) {
    ps_shape s = call->out_shape;
    const char *mode = text(call->attributes, "mode", "full");
    int e = (int)number(call->attributes, "pool_size", 2), ed = s.d > 1 ? e : 1;
    bool grid = strncmp(mode, "grid", 4) == 0, match = strncmp(mode, "grid-energy", 11) == 0;
    if (e == 1 || strcmp(mode, "conv+skip") == 0) {
        memcpy(u, x, ps_shape_elements(s) * sizeof *u);
        return;
    }
    window w = {{ed, e, e}, {ed, e, e}, {0}, {1, 1, 1}};
    memset(u, 0, ps_shape_elements(s) * sizeof *u);
    for (int c = 0; c < s.c; c++) {
        double grid_energy = 0, max_energy = 0;
        for (int pass = match ? 0 : 1; pass < 2; pass++)
            for (int n = 0; n < s.n; n++)
                for (int z = 0; z < s.d / ed; z++)
                    for (int r = 0; r < s.h / e; r++)
                        for (int q = 0; q < s.w / e; q++) {
                            size_t first = at(s, n, z * ed, r * e, q * e, c), place = 0;
                            double sum,
                                best = window_scan(pass == 0 ? scale_x : x, s, w, n, (int[]){z, r, q}, c, &place, &sum);
                            if (pass == 0) max_energy += best * best, grid_energy += pow(scale_x[first], 2);
                            else if (grid) u[first] = x[first] * (match ? sqrt(max_energy / grid_energy) : 1.0);
                            else u[place] = best;
                        }
    }
}

static void path_at(const ref_call *call, const double *x, double *path) {
    ps_shape s = call->out_shape;
    if (strcmp(text(call->attributes, "mode", "full"), "pool+skip") == 0) {
        select_elements(call, x, x, path);
        return;
    }
    double *u = calloc(ps_shape_elements(s), sizeof *u);
    int depth = s.d > 1;
    window w = {{depth ? 3 : 1, 3, 3}, {1, 1, 1}, {depth, 1, 1}, {1, 1, 1}};
    select_elements(call, x, call->base_x != NULL ? call->base_x[0] : x, u);
    correlate(u, s, call->param[0], call->param[1], w, 1, s, path);
    free(u);
}

void ref_pool_skip_path(const ref_call *call, double *path) { path_at(call, call->x[0], path); }

static void ref_pool_skip(const ref_call *call, double *y) {
    const char *cut = text(call->attributes, "cut", "none");
    bool skip = strcmp(text(call->attributes, "mode", "full"), "pool+conv") != 0;
    bool constant = strcmp(cut, "gradient") == 0 && call->base_x != NULL;
    path_at(call, constant ? call->base_x[0] : call->x[0], y);
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) {
        if (strcmp(cut, "forward") == 0 && call->base_x == NULL) y[i] = 0;
        if (skip) y[i] += call->x[0][i];
    }
}

static void ref_add(const ref_call *call, double *y) {
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) {
        y[i] = 0;
        for (int k = 0; k < call->inputs; k++) y[i] += call->x[k][i];
    }
}

static void ref_pool(const ref_call *call, bool maximum, double *y) {
    pool_windows(call->x[0], call->in_shape[0], window_of(call->attributes, call->in_shape[0], false), call->out_shape,
                 maximum, y, NULL);
}

static void ref_global_avg_pool(const ref_call *call, double *y) {
    ps_shape s = call->in_shape[0];
    pool_windows(call->x[0], s, (window){{s.d, s.h, s.w}, {1, 1, 1}, {0}, {1, 1, 1}}, call->out_shape, false, y, NULL);
}

bool ref_forward(const ref_call *call, double *y) {
    const char *type = call->type;
    if (strcmp(type, "conv") == 0) ref_conv(call, y);
    else if (strcmp(type, "conv_transpose") == 0) ref_conv_transpose(call, y);
    else if (strcmp(type, "batch_norm") == 0) ref_batch_norm(call, y);
    else if (strcmp(type, "instance_norm") == 0) ref_instance_norm(call, y);
    else if (strcmp(type, "resize") == 0) ref_resize(call, y);
    else if (strcmp(type, "pad") == 0) ref_pad(call, y);
    else if (strcmp(type, "relu") == 0) ref_slope(call, 0.0, y);
    else if (strcmp(type, "leaky_relu") == 0)
        ref_slope(call, (double)(float)number(call->attributes, "slope", 0.01), y);
    else if (strcmp(type, "gelu") == 0 || strcmp(type, "silu") == 0 || strcmp(type, "elu") == 0 ||
             strcmp(type, "relu6") == 0)
        ref_curve(call, y);
    else if (strcmp(type, "prelu") == 0) ref_prelu(call, y);
    else if (strcmp(type, "layer_norm") == 0) ref_layer_norm(call, y);
    else if (strcmp(type, "max_pool") == 0) ref_pool(call, true, y);
    else if (strcmp(type, "avg_pool") == 0) ref_pool(call, false, y);
    else if (strcmp(type, "max_unpool") == 0) ref_max_unpool(call, y);
    else if (strcmp(type, "global_avg_pool") == 0) ref_global_avg_pool(call, y);
    else if (strcmp(type, "linear") == 0) ref_linear(call, y);
    else if (strcmp(type, "add") == 0) ref_add(call, y);
    else if (strcmp(type, "concat") == 0) ref_concat(call, y);
    else if (strcmp(type, "flatten") == 0) ref_flatten(call, y);
    else if (strcmp(type, "dropout") == 0) ref_dropout(call, y);
    else if (strcmp(type, "drop_path") == 0) ref_drop_path(call, y);
    else if (strcmp(type, "position_embedding") == 0) ref_position_embedding(call, y);
    else if (strcmp(type, "class_token") == 0) ref_class_token(call, y);
    else if (strcmp(type, "token") == 0) ref_token(call, y);
    else if (strcmp(type, "attention") == 0) ref_attention(call, y);
    else if (strcmp(type, "sequence_pool") == 0) ref_sequence_pool(call, y);
    else if (strcmp(type, "pool_skip") == 0) ref_pool_skip(call, y);
    else return false;
    return true;
}
