#include "tests/lib/gradcheck.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "tests/ref/ref_layers.h"
#include "layers/attributes.h"

enum { EVERY_ELEMENT_UP_TO = 700, SAMPLED_ELEMENTS = 64, DIRECTIONS = 3, GUARD = 16 };
static const double step = 1e-5;
static const float poison = NAN; /* what is not written shows up */
static const float guard_value = 1234.5f;

/* ---- The rig ---- */

size_t gradcheck_param_elements(const ps_param_spec *spec) {
    size_t count = 1;
    for (int i = 0; i < spec->rank; i++) count *= (size_t)spec->dims[i];
    return count;
}

static void fill(float *array, size_t count, float value) {
    for (size_t i = 0; i < count; i++) array[i] = value;
}

/* Arrays end in a guard that must stay as it is. */
static ps_status make_array(size_t count, float value, float **out) {
    PS_TRY(PS_ALLOC(count + GUARD, out, "gradient check"));
    fill(*out, count, value);
    fill(*out + count, GUARD, guard_value);
    return PS_OK;
}

static bool guard_whole(const float *array, size_t count) {
    for (size_t i = 0; i < GUARD; i++)
        if (array[count + i] != guard_value) return false;
    return true;
}

static void fill_spaced(float *x, size_t count, const char *name, int number, double within) {
    uint32_t *order = malloc(count * sizeof *order);
    ps_rng_permutation(ps_rng_key_fold(ps_rng_key_of(7, name), (uint64_t)number), (uint32_t)count, order);
    for (size_t i = 0; i < count; i++) x[i] = (float)(((double)order[i] + 0.5) / (double)count * 2.0 * within - within);
    free(order);
}

static void fill_normal(float *x, size_t count, const char *name, int number, float scale) {
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(11, name), (uint64_t)number);
    for (size_t i = 0; i < count; i++) x[i] = scale * ps_rng_normal(key, i);
}

static ps_shape shape_of(const cJSON *list) {
    int v[5] = {0};
    for (int i = 0; i < 5; i++) v[i] = cJSON_GetArrayItem(list, i)->valueint;
    return (ps_shape){v[0], v[1], v[2], v[3], v[4]};
}

/* Input 1 of max_unpool: runs a max_pool layer, keeps its save, and describes it as the producer. */
static ps_status make_pool(gradcheck_rig *rig, const cJSON *attributes, ps_layer_input *in, void **config) {
    const ps_layer_type *type;
    PS_TRY(ps_layer_find("max_pool", "sample", &type));
    PS_TRY(ps_attributes_read(type, attributes, "sample", config));
    rig->pool_shape = in[0].shape;
    ps_shape pooled;
    PS_TRY(type->infer(*config, in, 1, "sample", &pooled));
    void *plan;
    ps_layer_sizes sizes;
    PS_TRY(type->plan(*config, &rig->pool_shape, 1, pooled, 1, &plan, &sizes));
    PS_TRY(ps_alloc(sizes.save_bytes, 1, "gradient check", &rig->pool_save));
    PS_TRY(make_array(ps_shape_elements(rig->pool_shape), 0, &rig->pool_x));
    fill_spaced(rig->pool_x, ps_shape_elements(rig->pool_shape), "pool", 0, 2.0);
    float *values;
    PS_TRY(make_array(ps_shape_elements(pooled), 0, &values));
    double *no_sums[PS_SUMS] = {NULL};
    type->forward(&(ps_layer_call){.type = type,
                                   .config = *config,
                                   .plan = plan,
                                   .inputs = 1,
                                   .in_shape = &rig->pool_shape,
                                   .out_shape = pooled,
                                   .x = (const float *const[]){rig->pool_x},
                                   .y = values,
                                   .save = rig->pool_save,
                                   .sums = no_sums});
    ps_free(values);
    in[1] = (ps_layer_input){
        .shape = pooled, .producer = type, .producer_config = *config, .producer_input = rig->pool_shape};
    in[0].shape = pooled;
    rig->inputs = 2;
    rig->in_save[1] = rig->pool_save;
    return PS_OK;
}

static ps_status infer(gradcheck_rig *rig) {
    ps_layer_input in[PS_LAYER_MAX_INPUTS] = {0};
    const cJSON *shape, *pool = cJSON_GetObjectItemCaseSensitive(rig->document, "pool");
    cJSON_ArrayForEach(shape, cJSON_GetObjectItemCaseSensitive(rig->document, "inputs")) in[rig->inputs++].shape =
        shape_of(shape);
    void *pool_config = NULL;
    ps_status status = pool != NULL ? make_pool(rig, pool, in, &pool_config) : PS_OK;
    if (status == PS_OK) status = rig->type->infer(rig->config, in, rig->inputs, "sample", &rig->out_shape);
    ps_free(pool_config);
    for (int i = 0; i < rig->inputs; i++) rig->in_shape[i] = in[i].shape;
    return status;
}

static ps_status make_arrays(gradcheck_rig *rig) {
    size_t outputs = ps_shape_elements(rig->out_shape);
    const cJSON *within = cJSON_GetObjectItemCaseSensitive(rig->document, "within");
    PS_TRY(make_array(outputs, poison, &rig->y));
    PS_TRY(make_array(outputs, 0, &rig->dy));
    fill_normal(rig->dy, outputs, "dy", 0, 1.0f);
    for (int i = 0; i < rig->inputs; i++) {
        size_t count = ps_shape_elements(rig->in_shape[i]);
        PS_TRY(make_array(count, 0, &rig->x[i]));
        PS_TRY(make_array(count, poison, &rig->dx[i]));
        fill_spaced(rig->x[i], count, "x", i, cJSON_IsNumber(within) ? within->valuedouble : 2.0);
    }
    for (int i = 0; i < rig->params; i++) {
        size_t count = gradcheck_param_elements(&rig->param_spec[i]);
        PS_TRY(make_array(count, 0, &rig->param[i]));
        PS_TRY(make_array(count, poison, &rig->grad[i]));
        fill_normal(rig->param[i], count, "param", i, 0.5f);
    }
    for (int i = 0; i < rig->states; i++) {
        size_t count = gradcheck_param_elements(&rig->state_spec[i]);
        PS_TRY(make_array(count, 0, &rig->state[i]));
        fill_normal(rig->state[i], count, "state", i, 0.4f);
        for (size_t j = 0; j < count && strcmp(rig->state_spec[i].suffix, "running_var") == 0; j++)
            rig->state[i][j] = 0.5f + fabsf(rig->state[i][j]);
    }
    for (int i = 0; i < PS_SUMS; i++)
        if (rig->type->fused_sums & 1u << i)
            PS_TRY(PS_ALLOC((size_t)rig->out_shape.c, &rig->sums[i], "gradient check"));
    return PS_OK;
}

static ps_status make_scratch(gradcheck_rig *rig) {
    if (rig->sizes.save_bytes > 0) {
        PS_TRY(ps_alloc(rig->sizes.save_bytes, 1, "gradient check", &rig->save));
        memset(rig->save, 0xff, rig->sizes.save_bytes);
    }
    if (rig->sizes.workspace_bytes == 0) return PS_OK;
    PS_TRY(ps_alloc(rig->sizes.workspace_bytes, 1, "gradient check", &rig->workspace));
    memset(rig->workspace, 0xff, rig->sizes.workspace_bytes);
    return PS_OK;
}

ps_status gradcheck_rig_create(const ps_layer_type *type, const char *sample, ps_mode mode, ps_threads *pool,
                               gradcheck_rig *rig) {
    *rig = (gradcheck_rig){.type = type};
    PS_TRY(ps_json_parse(sample, "sample", &rig->document));
    rig->attributes = cJSON_GetObjectItemCaseSensitive(rig->document, "attributes");
    PS_TRY(ps_attributes_read(type, rig->attributes, "sample", &rig->config));
    PS_TRY(infer(rig));
    if (type->params != NULL) rig->params = type->params(rig->config, rig->in_shape, rig->out_shape, rig->param_spec);
    if (type->states != NULL) rig->states = type->states(rig->config, rig->in_shape, rig->out_shape, rig->state_spec);
    if (type->plan != NULL)
        PS_TRY(type->plan(rig->config, rig->in_shape, rig->inputs, rig->out_shape, ps_threads_count(pool), &rig->plan,
                          &rig->sizes));
    PS_TRY(make_arrays(rig));
    PS_TRY(make_scratch(rig));
    rig->call = (ps_layer_call){.type = type,
                                .config = rig->config,
                                .plan = rig->plan,
                                .threads = pool,
                                .mode = mode,
                                .inputs = rig->inputs,
                                .in_shape = rig->in_shape,
                                .out_shape = rig->out_shape,
                                .x = (const float *const *)rig->x,
                                .y = rig->y,
                                .dy = rig->dy,
                                .dx = rig->dx,
                                .accumulate = rig->accumulate,
                                .param = rig->param,
                                .grad = rig->grad,
                                .state = rig->state,
                                .save = rig->save,
                                .in_save = rig->in_save,
                                .workspace = rig->workspace,
                                .sums = rig->sums,
                                .key = ps_rng_key_of(5, "dropout")};
    return PS_OK;
}

void gradcheck_rig_clear(gradcheck_rig *rig) {
    if (rig->plan != NULL && rig->type->unplan != NULL) rig->type->unplan(rig->plan);
    ps_free(rig->config);
    for (int i = 0; i < PS_LAYER_MAX_INPUTS; i++) ps_free(rig->x[i]), ps_free(rig->dx[i]);
    for (int i = 0; i < PS_LAYER_MAX_PARAMS; i++) ps_free(rig->param[i]), ps_free(rig->grad[i]);
    for (int i = 0; i < PS_LAYER_MAX_STATES; i++) ps_free(rig->state[i]);
    for (int i = 0; i < PS_SUMS; i++) ps_free(rig->sums[i]);
    ps_free(rig->y), ps_free(rig->dy), ps_free(rig->pool_x), ps_free(rig->save), ps_free(rig->workspace),
        ps_free(rig->pool_save);
    cJSON_Delete(rig->document);
    *rig = (gradcheck_rig){0};
}

/* ---- Results ---- */

static void refuse(gradcheck_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse(gradcheck_result *result, const char *format, ...) {
    if (!result->passed) return; /* the first thing is the one to mend */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->message, sizeof result->message, format, arguments);
    va_end(arguments);
    result->passed = false;
}

static double largest(const double *x, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++) most = fmax(most, fabs(x[i]));
    return most;
}

/* Errors over the reference's largest value (1e-3 at least: an array of zeros has no scale). NaN never passes. */
static double compare(const char *what, const float *got, const double *wanted, size_t count, double tolerance,
                      gradcheck_result *result) {
    double scale = fmax(largest(wanted, count), 1e-3), worst = 0;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - wanted[i]) / scale;
        if (!(error <= tolerance))
            refuse(result, "%s[%zu] is %.9g, the reference says %.9g (error %.2g of the largest, allowed %.2g)", what,
                   i, (double)got[i], wanted[i], error, tolerance);
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

/* ---- The reference's side ---- */

typedef struct {
    ref_call call;
    double *x[PS_LAYER_MAX_INPUTS], *base_x[PS_LAYER_MAX_INPUTS], *param[PS_LAYER_MAX_PARAMS],
        *state[PS_LAYER_MAX_STATES], *pool_x, *y;
} reference;

static double *widen(const float *x, size_t count) {
    double *wide = calloc(count + 1, sizeof *wide);
    for (size_t i = 0; i < count; i++) wide[i] = (double)x[i];
    return wide;
}

static void reference_create(const gradcheck_rig *rig, reference *ref) {
    *ref = (reference){0};
    for (int i = 0; i < rig->inputs; i++) {
        ref->x[i] = widen(rig->x[i], ps_shape_elements(rig->in_shape[i]));
        ref->base_x[i] = widen(rig->x[i], ps_shape_elements(rig->in_shape[i]));
    }
    for (int i = 0; i < rig->params; i++)
        ref->param[i] = widen(rig->param[i], gradcheck_param_elements(&rig->param_spec[i]));
    for (int i = 0; i < rig->states; i++)
        ref->state[i] = widen(rig->state[i], gradcheck_param_elements(&rig->state_spec[i]));
    if (rig->pool_x != NULL) ref->pool_x = widen(rig->pool_x, ps_shape_elements(rig->pool_shape));
    ref->y = calloc(ps_shape_elements(rig->out_shape), sizeof *ref->y);
    ref->call = (ref_call){.type = rig->type->name,
                           .attributes = rig->attributes,
                           .train = rig->call.mode == PS_MODE_TRAIN,
                           .eval = rig->call.mode == PS_MODE_EVAL,
                           .inputs = rig->inputs,
                           .in_shape = rig->in_shape,
                           .out_shape = rig->out_shape,
                           .x = (const double *const *)ref->x,
                           .param = (const double *const *)ref->param,
                           .state = (const double *const *)ref->state,
                           .key = rig->call.key,
                           .pool = cJSON_GetObjectItemCaseSensitive(rig->document, "pool"),
                           .pool_shape = rig->pool_shape,
                           .pool_x = ref->pool_x};
}

static void reference_clear(reference *ref) {
    for (int i = 0; i < PS_LAYER_MAX_INPUTS; i++) free(ref->x[i]), free(ref->base_x[i]);
    for (int i = 0; i < PS_LAYER_MAX_PARAMS; i++) free(ref->param[i]);
    for (int i = 0; i < PS_LAYER_MAX_STATES; i++) free(ref->state[i]);
    free(ref->pool_x), free(ref->y);
}

static double loss(reference *ref, const gradcheck_rig *rig) {
    double sum = 0;
    ref_forward(&ref->call, ref->y);
    for (size_t i = 0; i < ps_shape_elements(rig->out_shape); i++) sum += (double)rig->dy[i] * ref->y[i];
    return sum;
}

/* dL along `direction` from the point's present values, which come back unchanged. */
static double derivative(reference *ref, const gradcheck_rig *rig, double *point, const double *direction,
                         size_t count) {
    double *origin = malloc(count * sizeof *origin), side[2];
    memcpy(origin, point, count * sizeof *origin);
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < count; i++) point[i] = origin[i] + (s ? -step : step) * direction[i];
        side[s] = loss(ref, rig);
    }
    memcpy(point, origin, count * sizeof *origin);
    free(origin);
    return (side[0] - side[1]) / (2 * step);
}

static double element_derivative(reference *ref, const gradcheck_rig *rig, double *point, size_t i) {
    double origin = point[i];
    point[i] = origin + step;
    double above = loss(ref, rig);
    point[i] = origin - step;
    double below = loss(ref, rig);
    point[i] = origin;
    return (above - below) / (2 * step);
}

static void check_directions(const char *what, reference *ref, const gradcheck_rig *rig, double *point,
                             const float *gradient, size_t count, gradcheck_result *result) {
    double *direction = malloc(count * sizeof *direction);
    for (int d = 0; d < DIRECTIONS; d++) {
        ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(13, what), (uint64_t)d);
        double got = 0, scale = 0;
        for (size_t i = 0; i < count; i++) {
            direction[i] = (double)ps_rng_normal(key, i) / sqrt((double)count);
            got += (double)gradient[i] * direction[i];
            scale += pow((double)gradient[i] * direction[i], 2);
        }
        double wanted = derivative(ref, rig, point, direction, count),
               error = fabs(got - wanted) / fmax(sqrt(scale), 1e-3);
        if (!(error <= GRADCHECK_GRADIENT_TOLERANCE))
            refuse(result, "the derivative of %s along direction %d is %.9g, the reference says %.9g", what, d, got,
                   wanted);
        result->worst_gradient = fmax(result->worst_gradient, error);
        result->compared++;
    }
    free(direction);
}

static void check_gradient(const char *what, reference *ref, const gradcheck_rig *rig, double *point,
                           const float *gradient, size_t count, gradcheck_result *result) {
    bool all = count <= EVERY_ELEMENT_UP_TO;
    size_t picked = all ? count : SAMPLED_ELEMENTS;
    double *wanted = malloc(picked * sizeof *wanted);
    float *got = malloc(picked * sizeof *got);
    ps_rng_key key = ps_rng_key_of(17, what);
    for (size_t i = 0; i < picked; i++) {
        size_t element = all ? i : ps_rng_below(key, i, (uint32_t)count);
        wanted[i] = element_derivative(ref, rig, point, element);
        got[i] = gradient[element];
    }
    double worst = compare(what, got, wanted, picked, GRADCHECK_GRADIENT_TOLERANCE, result);
    result->worst_gradient = fmax(result->worst_gradient, worst);
    result->compared += (int)picked;
    free(wanted), free(got);
    if (!all) check_directions(what, ref, rig, point, gradient, count, result);
}

static void check_gradients(reference *ref, const gradcheck_rig *rig, gradcheck_result *result) {
    char what[64];
    ref->call.base_x = (const double *const *)ref->base_x;
    for (int i = 0; i < rig->inputs; i++) {
        snprintf(what, sizeof what, "dx%d", i);
        check_gradient(what, ref, rig, ref->x[i], rig->dx[i], ps_shape_elements(rig->in_shape[i]), result);
    }
    for (int i = 0; i < rig->params; i++) {
        snprintf(what, sizeof what, "gradient of %s", rig->param_spec[i].suffix);
        check_gradient(what, ref, rig, ref->param[i], rig->grad[i], gradcheck_param_elements(&rig->param_spec[i]),
                       result);
    }
    ref->call.base_x = NULL;
}

/* ---- Sums ---- */

static void check_sum(const gradcheck_rig *rig, ps_sum sum, const char *what, const double *wanted,
                      gradcheck_result *result) {
    const double *got = rig->sums[sum];
    for (int c = 0; got != NULL && c < rig->out_shape.c; c++)
        if (!(fabs(got[c] - wanted[c]) <= 1e-5 * fabs(wanted[c]) + 1e-9))
            refuse(result, "sum %s of channel %d is %.9g, recomputed %.9g", what, c, got[c], wanted[c]);
}

/* Per-channel sum of squares of a + b x (b may be 0), the arrays being float or double. */
static void squares(const gradcheck_rig *rig, const float *a, const float *minus, const double *wide, double *sum) {
    int c = rig->out_shape.c;
    for (int k = 0; k < c; k++) sum[k] = 0;
    for (size_t i = 0; i < ps_shape_elements(rig->out_shape); i++) {
        double v = wide != NULL ? wide[i] : a != NULL ? (double)a[i] : 0.0;
        if (minus != NULL) v -= (double)minus[i];
        sum[i % (size_t)c] += v * v;
    }
}

/* Sum of identity times path, whose terms cancel: the tolerance is of their sizes. path: wide, or what is left of
 * whole. */
static void check_cross(const gradcheck_rig *rig, ps_sum sum, const char *what, const float *identity,
                        const double *wide, const float *whole, gradcheck_result *result) {
    size_t c = (size_t)rig->out_shape.c;
    for (size_t k = 0; rig->sums[sum] != NULL && k < c; k++) {
        double wanted = 0, size = 1e-9, got = rig->sums[sum][k];
        for (size_t i = k; identity != NULL && i < ps_shape_elements(rig->out_shape); i += c) {
            double own = (double)identity[i], term = own * (wide != NULL ? wide[i] : (double)whole[i] - own);
            wanted += term;
            size += fabs(term) + own * own;
        }
        if (!(fabs(got - wanted) <= 1e-5 * size))
            refuse(result, "sum %s of channel %d is %.9g, recomputed %.9g", what, (int)k, got, wanted);
    }
}

static void check_pool_skip_sums(reference *ref, const gradcheck_rig *rig, double *wanted, gradcheck_result *result) {
    const cJSON *mode = cJSON_GetObjectItemCaseSensitive(rig->attributes, "mode");
    bool skip = mode == NULL || strcmp(mode->valuestring, "pool+conv") != 0;
    squares(rig, skip ? rig->x[0] : NULL, NULL, NULL, wanted);
    check_sum(rig, PS_SUM_POOL_IDENTITY, "identity", wanted, result);
    ref_pool_skip_path(&ref->call, ref->y);
    squares(rig, NULL, NULL, ref->y, wanted);
    check_sum(rig, PS_SUM_POOL_PATH, "path", wanted, result);
    const cJSON *cut = cJSON_GetObjectItemCaseSensitive(rig->attributes, "cut");
    bool added = cut == NULL || strcmp(cut->valuestring, "forward") != 0;
    check_cross(rig, PS_SUM_POOL_CROSS, "cross term", skip && added ? rig->x[0] : NULL, ref->y, NULL, result);
    squares(rig, rig->y, NULL, NULL, wanted);
    check_sum(rig, PS_SUM_POOL_OUTPUT, "output", wanted, result);
    squares(rig, skip ? rig->dy : NULL, NULL, NULL, wanted);
    check_sum(rig, PS_SUM_POOL_GRAD_IDENTITY, "identity gradient", wanted, result);
    squares(rig, rig->dx[0], skip ? rig->dy : NULL, NULL, wanted);
    check_sum(rig, PS_SUM_POOL_GRAD_PATH, "path gradient", wanted, result);
    squares(rig, rig->dx[0], NULL, NULL, wanted);
    check_sum(rig, PS_SUM_POOL_GRAD_TOTAL, "total gradient", wanted, result);
    check_cross(rig, PS_SUM_POOL_GRAD_CROSS, "cross term of the gradient", skip ? rig->dy : NULL, NULL, rig->dx[0],
                result);
}

/* Behind an activation with this slope (no activation: 1) stands dy, or slope dy where the output is not positive. */
static void check_entering_squares(const gradcheck_rig *rig, double *wanted, gradcheck_result *result) {
    ps_gate gate = {.slope = 1};
    size_t c = (size_t)rig->out_shape.c;
    if (!rig->type->gate(rig->config, &gate)) gate.slope = 1;
    for (size_t k = 0; k < c; k++) wanted[k] = 0;
    for (size_t i = 0; i < ps_shape_elements(rig->out_shape); i++) {
        double g = (rig->y[i] > 0 ? 1 : (double)gate.slope) * (double)rig->dy[i];
        wanted[i % c] += g * g;
    }
    check_sum(rig, PS_SUM_ENTERING_GRAD_SQUARES, "gradient of what enters the gate", wanted, result);
}

static void check_sums(reference *ref, const gradcheck_rig *rig, gradcheck_result *result) {
    int c = rig->out_shape.c;
    double *wanted = calloc((size_t)c, sizeof *wanted);
    for (size_t i = 0; i < ps_shape_elements(rig->out_shape); i++) wanted[i % (size_t)c] += rig->y[i] == 0.0f;
    check_sum(rig, PS_SUM_ZEROS, "zeros", wanted, result);
    if (rig->sums[PS_SUM_INPUT_GRAD_SQUARES] != NULL) {
        squares(rig, rig->dx[0], NULL, NULL, wanted);
        check_sum(rig, PS_SUM_INPUT_GRAD_SQUARES, "input gradient squares", wanted, result);
    }
    if (rig->sums[PS_SUM_ENTERING_GRAD_SQUARES] != NULL) check_entering_squares(rig, wanted, result);
    if (strcmp(rig->type->name, "pool_skip") == 0) check_pool_skip_sums(ref, rig, wanted, result);
    free(wanted);
}

/* ---- Variants: other ways to call the same layer ---- */

static void same_bits(const char *what, const float *a, const float *b, size_t count, gradcheck_result *result) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0) {
            refuse(result, "%s[%zu] is %.9g here and %.9g in the plain call", what, i, (double)b[i], (double)a[i]);
            return;
        }
}

static void same_results(const char *how, const gradcheck_rig *plain, const gradcheck_rig *other, bool dx_too,
                         gradcheck_result *result) {
    char what[96];
    snprintf(what, sizeof what, "%s: y", how);
    same_bits(what, plain->call.y, other->call.y, ps_shape_elements(plain->out_shape), result);
    for (int i = 0; i < plain->inputs && dx_too; i++) {
        snprintf(what, sizeof what, "%s: dx%d", how, i);
        same_bits(what, plain->call.dx[i], other->call.dx[i], ps_shape_elements(plain->in_shape[i]), result);
    }
    for (int i = 0; i < plain->params; i++) {
        snprintf(what, sizeof what, "%s: gradient of %s", how, plain->param_spec[i].suffix);
        same_bits(what, plain->grad[i], other->grad[i], gradcheck_param_elements(&plain->param_spec[i]), result);
    }
    for (int i = 0; i < plain->states; i++)
        same_bits("running statistics", plain->state[i], other->state[i],
                  gradcheck_param_elements(&plain->state_spec[i]), result);
    for (int i = 0; i < PS_SUMS; i++)
        for (int c = 0; dx_too && plain->sums[i] != NULL && c < plain->out_shape.c; c++)
            if (memcmp(&plain->sums[i][c], &other->sums[i][c], sizeof(double)) != 0)
                refuse(result, "%s: sum %d differs", how, i);
}

/* Backward gets only the arrays that the type says it reads. */
static void run_backward(gradcheck_rig *rig) {
    const float *hidden[PS_LAYER_MAX_INPUTS] = {NULL};
    ps_layer_call call = rig->call;
    if (!rig->type->needs_input) call.x = hidden;
    if (!rig->type->needs_output) call.y = NULL;
    rig->type->backward(&call);
}

void gradcheck_rig_run(gradcheck_rig *rig) {
    rig->type->forward(&rig->call);
    run_backward(rig);
}

void gradcheck_rig_compare(const char *how, const gradcheck_rig *plain, const gradcheck_rig *other,
                           gradcheck_result *result) {
    same_results(how, plain, other, true, result);
}

static ps_status variant_threads(const gradcheck_rig *plain, const char *sample, gradcheck_result *result) {
    ps_threads *pool;
    gradcheck_rig rig;
    PS_TRY(ps_threads_create(3, &pool));
    ps_status status = gradcheck_rig_create(plain->type, sample, plain->call.mode, pool, &rig);
    if (status == PS_OK) {
        gradcheck_rig_run(&rig);
        same_results("3 threads", plain, &rig, true, result);
    }
    gradcheck_rig_clear(&rig);
    ps_threads_destroy(pool);
    return status;
}

static ps_status variant_unwanted(const gradcheck_rig *plain, const char *sample, gradcheck_result *result) {
    gradcheck_rig rig;
    float *nothing[PS_LAYER_MAX_INPUTS] = {NULL};
    ps_status status = gradcheck_rig_create(plain->type, sample, plain->call.mode, NULL, &rig);
    if (status == PS_OK) {
        double *no_sums[PS_SUMS] = {NULL};
        rig.call.dx = nothing;
        rig.call.sums = no_sums;
        gradcheck_rig_run(&rig);
        same_results("no dx, no sums", plain, &rig, false, result);
    }
    gradcheck_rig_clear(&rig);
    return status;
}

/* Where the gradient is added to 3: input `which` alone, the others overwritten. */
static ps_status variant_accumulate(const gradcheck_rig *plain, const char *sample, int which,
                                    gradcheck_result *result) {
    gradcheck_rig rig;
    ps_status status = gradcheck_rig_create(plain->type, sample, plain->call.mode, NULL, &rig);
    if (status == PS_OK) {
        size_t count = ps_shape_elements(rig.in_shape[which]);
        fill(rig.dx[which], count, 3.0f);
        rig.accumulate[which] = true;
        gradcheck_rig_run(&rig);
        double *wanted = widen(plain->dx[which], count);
        for (size_t i = 0; i < count; i++) wanted[i] += 3.0;
        compare("accumulated dx", rig.dx[which], wanted, count, 2e-6, result);
        free(wanted);
        for (int i = 0; i < rig.inputs; i++)
            if (i != which)
                same_bits("dx beside the accumulated one", plain->dx[i], rig.dx[i], ps_shape_elements(rig.in_shape[i]),
                          result);
        for (int i = 0; i < PS_SUMS; i++) /* sums are of the contribution, not of the total */
            for (int c = 0; plain->sums[i] != NULL && c < rig.out_shape.c; c++)
                if (!(fabs(plain->sums[i][c] - rig.sums[i][c]) <= 1e-5 * fabs(plain->sums[i][c]) + 1e-9))
                    refuse(result, "sum %d changes when dx%d is accumulated", i, which);
    }
    gradcheck_rig_clear(&rig);
    return status;
}

/* Input gradient `which` unwanted, the others as ever. */
static ps_status variant_one_unwanted(const gradcheck_rig *plain, const char *sample, int which,
                                      gradcheck_result *result) {
    gradcheck_rig rig;
    ps_status status = gradcheck_rig_create(plain->type, sample, plain->call.mode, NULL, &rig);
    if (status == PS_OK) {
        float *dx[PS_LAYER_MAX_INPUTS];
        for (int i = 0; i < rig.inputs; i++) dx[i] = i == which ? NULL : rig.dx[i];
        rig.call.dx = dx;
        gradcheck_rig_run(&rig);
        for (int i = 0; i < rig.inputs; i++)
            if (i != which)
                same_bits("dx beside the unwanted one", plain->dx[i], rig.dx[i], ps_shape_elements(rig.in_shape[i]),
                          result);
    }
    gradcheck_rig_clear(&rig);
    return status;
}

static ps_status variant_in_place(const gradcheck_rig *plain, const char *sample, gradcheck_result *result) {
    gradcheck_rig rig;
    ps_status status = gradcheck_rig_create(plain->type, sample, plain->call.mode, NULL, &rig);
    if (status == PS_OK) {
        float *dx[PS_LAYER_MAX_INPUTS];
        memcpy(dx, rig.dx, sizeof dx);
        dx[0] = rig.dy;
        if (rig.type->in_place) rig.call.y = rig.x[0];
        rig.call.dx = dx;
        gradcheck_rig_run(&rig);
        same_results("in place", plain, &rig, true, result);
    }
    gradcheck_rig_clear(&rig);
    return status;
}

static void check_guards(const gradcheck_rig *rig, gradcheck_result *result) {
    bool whole = guard_whole(rig->y, ps_shape_elements(rig->out_shape)) &&
                 guard_whole(rig->dy, ps_shape_elements(rig->out_shape));
    for (int i = 0; i < rig->inputs; i++)
        whole = whole && guard_whole(rig->x[i], ps_shape_elements(rig->in_shape[i])) &&
                guard_whole(rig->dx[i], ps_shape_elements(rig->in_shape[i]));
    for (int i = 0; i < rig->params; i++)
        whole = whole && guard_whole(rig->grad[i], gradcheck_param_elements(&rig->param_spec[i]));
    for (int i = 0; i < rig->states; i++)
        whole = whole && guard_whole(rig->state[i], gradcheck_param_elements(&rig->state_spec[i]));
    if (!whole) refuse(result, "something is written past the end of an array");
}

static ps_status run_variants(const gradcheck_rig *rig, const char *sample, gradcheck_result *result) {
    PS_TRY(variant_threads(rig, sample, result));
    PS_TRY(variant_unwanted(rig, sample, result));
    if (rig->type->in_place || rig->type->gradient_in_place) PS_TRY(variant_in_place(rig, sample, result));
    for (int i = 0; i < rig->inputs; i++) {
        PS_TRY(variant_accumulate(rig, sample, i, result));
        PS_TRY(variant_one_unwanted(rig, sample, i, result));
    }
    return PS_OK;
}

static void check_against_reference(gradcheck_rig *rig, gradcheck_result *result) {
    reference ref;
    reference_create(rig, &ref); /* before forward: running statistics change */
    ps_shape wanted = ref_out_shape(&ref.call);
    if (!ps_shape_equal(wanted, rig->out_shape)) {
        refuse(result, "the output shape is %dx%dx%dx%dx%d, the reference says %dx%dx%dx%dx%d", rig->out_shape.n,
               rig->out_shape.c, rig->out_shape.d, rig->out_shape.h, rig->out_shape.w, wanted.n, wanted.c, wanted.d,
               wanted.h, wanted.w);
    } else if (!ref_forward(&ref.call, ref.y)) {
        refuse(result, "tests/ref/ref_layers.c does not know the type \"%s\"", rig->type->name);
    } else {
        rig->type->forward(&rig->call);
        result->worst_forward =
            compare("y", rig->y, ref.y, ps_shape_elements(rig->out_shape), GRADCHECK_FORWARD_TOLERANCE, result);
        run_backward(rig);
        check_gradients(&ref, rig, result);
        check_sums(&ref, rig, result);
        check_guards(rig, result);
    }
    reference_clear(&ref);
}

void gradcheck_run(const ps_layer_type *type, const char *sample, ps_mode mode, gradcheck_result *result) {
    gradcheck_rig rig;
    *result = (gradcheck_result){.passed = true};
    ps_status status = gradcheck_rig_create(type, sample, mode, NULL, &rig);
    if (status == PS_OK) check_against_reference(&rig, result);
    if (status == PS_OK && result->passed) status = run_variants(&rig, sample, result);
    if (status != PS_OK) refuse(result, "the sample could not be set up: %s", ps_status_message());
    gradcheck_rig_clear(&rig);
}

bool gradcheck_modes_agree(const ps_layer_type *type, const char *sample, ps_mode a, ps_mode b) {
    gradcheck_rig rig[2];
    gradcheck_result result = {.passed = true};
    for (int i = 0; i < 2; i++) {
        ps_status status = gradcheck_rig_create(type, sample, i == 0 ? a : b, NULL, &rig[i]);
        if (status != PS_OK) refuse(&result, "%s", ps_status_message());
        else gradcheck_rig_run(&rig[i]);
    }
    if (result.passed) gradcheck_rig_compare("other mode", &rig[0], &rig[1], &result);
    for (int i = 0; i < 2; i++) gradcheck_rig_clear(&rig[i]);
    return result.passed;
}
