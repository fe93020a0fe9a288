/* The engine's side of the parity test with PyTorch (tests/grad/parity_test.py):  parity_tool FOLDER
 * reads FOLDER/case.json and the tensors beside it, and writes what the engine makes of them to
 * FOLDER/engine.safetensors and engine.json. Tensors are in PyTorch's order (n, c, h, w) on both sides; only here are
 * they turned to channels-last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "kernels/pool_skip.h"
#include "models/model.h"
#include "net/checkpoint.h"
#include "task/task.h"
#include "tests/lib/gradcheck.h"

/* One tensor of a file as floats; *count elements. Free with ps_free. */
static ps_status read_tensor(const ps_tensor_file *file, const char *name, float **out, size_t *count) {
    int rank, index = ps_tensor_file_find(file, name);
    int64_t dims[8];
    if (index < 0) return ps_fail(PS_ERR_INPUT, "there is no tensor \"%s\"", name);
    ps_tensor_file_shape(file, index, &rank, dims);
    *count = 1;
    for (int i = 0; i < rank; i++) *count *= (size_t)dims[i];
    PS_TRY(PS_ALLOC(*count, out, name));
    return ps_tensor_file_read_float(file, index, *out, *count);
}

/* outer x c x inner -> outer x inner x c, or back. */
static void reorder(const float *from, float *to, size_t outer, size_t c, size_t inner, bool back) {
    for (size_t o = 0; o < outer; o++)
        for (size_t k = 0; k < c; k++)
            for (size_t i = 0; i < inner; i++) {
                size_t first = (o * c + k) * inner + i, last = (o * inner + i) * c + k;
                if (back) to[first] = from[last];
                else to[last] = from[first];
            }
}

static ps_status add_reordered(ps_tensor_writer *writer, const char *name, int rank, const int64_t *dims, size_t outer,
                               size_t c, size_t inner, const float *channels_last, float **keep) {
    PS_TRY(PS_ALLOC(outer * c * inner, keep, name));
    reorder(channels_last, *keep, outer, c, inner, true);
    return ps_tensor_writer_add(writer, name, rank, dims, *keep);
}

/* What lies in the order of a parameter's memory, as its file has it. */
static ps_status add_param(ps_tensor_writer *writer, const char *name, const ps_param_spec *spec, size_t count,
                           const float *memory, float **keep) {
    int64_t dims[5];
    for (int k = 0; k < spec->rank; k++) dims[k] = spec->dims[k];
    PS_TRY(PS_ALLOC(count, keep, name));
    if (ps_param_is_reordered(spec)) ps_param_to_file_order(spec, memory, *keep);
    else memcpy(*keep, memory, count * sizeof **keep);
    return ps_tensor_writer_add(writer, name, spec->rank, dims, *keep);
}

/* ---- a whole network ---- */

typedef struct {
    const char *folder, *model, *graph_file; /* graph_file: instead of a model; the folder's weights have its names */
    double width, lr, momentum, weight_decay;
    int pool_skip, size, batch, classes, steps;
    ps_graph *graph;
    ps_threads *pool;
    ps_net *net;
    float *x; /* channels-last */
    int32_t *label;
} network_case;

static ps_status parse_case(const cJSON *json, network_case *c) {
    PS_TRY(ps_json_get_text(json, "graph", false, "case", &c->graph_file));
    PS_TRY(ps_json_get_int(json, "batch", true, 1, 1024, "case", &c->batch));
    if (c->graph_file != NULL) return PS_OK;
    PS_TRY(ps_json_get_text(json, "model", true, "case", &c->model));
    PS_TRY(ps_json_get_double(json, "width", true, 0, 64, "case", &c->width));
    PS_TRY(ps_json_get_double(json, "lr", true, 0, 10, "case", &c->lr));
    PS_TRY(ps_json_get_double(json, "momentum", true, 0, 1, "case", &c->momentum));
    PS_TRY(ps_json_get_double(json, "weight_decay", true, 0, 1, "case", &c->weight_decay));
    PS_TRY(ps_json_get_int(json, "pool_skip", true, 0, 16, "case", &c->pool_skip));
    PS_TRY(ps_json_get_int(json, "size", true, 1, 1024, "case", &c->size));
    PS_TRY(ps_json_get_int(json, "classes", true, 1, 1000, "case", &c->classes));
    return ps_json_get_int(json, "steps", true, 0, 1000, "case", &c->steps);
}

static ps_status build_model(network_case *c) {
    const ps_model *model;
    ps_model_options options;
    PS_TRY(ps_model_find(c->model, &model));
    ps_model_options_init(model, &options);
    options.width = c->width;
    options.input.h = options.input.w = c->size;
    if (options.input.d > 1) options.input.d = c->size;
    options.classes = c->classes;
    options.dropout = options.drop_path = 0;
    options.pool_skip.pool_size = c->pool_skip;
    return model->build(&options, &c->graph);
}

static ps_status build_network(network_case *c) {
    char path[512];
    PS_TRY(c->graph_file != NULL ? ps_graph_read(c->graph_file, &c->graph) : build_model(c));
    if (c->graph_file != NULL) c->classes = c->graph->op[c->graph->count - 1].shape.c;
    PS_TRY(ps_threads_create(2, &c->pool));
    PS_TRY(ps_net_create(c->graph, c->batch, c->pool, &c->net));
    snprintf(path, sizeof path, "%s/weights.safetensors", c->folder);
    return ps_weights_load(path, c->net, false, NULL);
}

static ps_status read_batch(network_case *c) {
    char path[512];
    float *x = NULL, *label = NULL;
    size_t count, labels;
    ps_tensor_file *file;
    snprintf(path, sizeof path, "%s/data.safetensors", c->folder);
    PS_TRY(ps_tensor_file_open(path, &file));
    ps_status status = read_tensor(file, "x", &x, &count);
    if (status == PS_OK) status = read_tensor(file, "label", &label, &labels);
    if (status == PS_OK) status = PS_ALLOC(count, &c->x, "batch");
    if (status == PS_OK) status = PS_ALLOC(labels, &c->label, "labels");
    if (status == PS_OK) {
        ps_shape in = c->graph->input;
        reorder(x, c->x, (size_t)c->batch, (size_t)in.c, ps_shape_positions(in), false);
        for (size_t i = 0; i < labels; i++) c->label[i] = (int32_t)label[i];
    }
    ps_tensor_file_close(file);
    ps_free(x);
    ps_free(label);
    return status;
}

static size_t positions_of(const network_case *c) { return ps_net_labels_per_sample(c->net); }

static ps_status write_evaluation(network_case *c) {
    char path[512];
    ps_tensor_writer *writer;
    float *turned = NULL;
    size_t positions = positions_of(c);
    const int64_t dims[3] = {c->batch, c->classes, (int64_t)positions};
    const float *y = ps_net_forward(c->net, c->x, PS_MODE_EVAL, ps_rng_key_of(1, "parity"), NULL);
    snprintf(path, sizeof path, "%s/evaluation.safetensors", c->folder);
    PS_TRY(ps_tensor_writer_create(&writer));
    ps_status status =
        add_reordered(writer, "logits", 3, dims, (size_t)c->batch, (size_t)c->classes, positions, y, &turned);
    if (status == PS_OK) status = ps_tensor_writer_finish(writer, path);
    ps_tensor_writer_destroy(writer);
    ps_free(turned);
    return status;
}

/* logits [batch][positions][classes]: copied, because backward reuses their memory; may be NULL. */
static double forward_backward(network_case *c, float *logits) {
    const float *y = ps_net_forward(c->net, c->x, PS_MODE_TRAIN, ps_rng_key_of(1, "parity"), NULL);
    if (logits != NULL) memcpy(logits, y, (size_t)c->batch * positions_of(c) * (size_t)c->classes * sizeof *y);
    double loss = ps_net_loss(c->net, &ps_cross_entropy, c->label, true).loss;
    ps_net_backward(c->net);
    return loss;
}

static ps_status add_gradients(network_case *c, ps_tensor_writer *writer, float **keep) {
    for (int i = 0; i < ps_net_param_count(c->net); i++) {
        const ps_param *p = ps_net_param(c->net, i);
        if (!p->learned) continue;
        char name[320];
        snprintf(name, sizeof name, "grad/%s", p->file_name);
        PS_TRY(add_param(writer, name, &p->spec, p->count, p->grad, &keep[i]));
    }
    return PS_OK;
}

static ps_status write_first_step(network_case *c) {
    char path[512];
    float *logits = NULL, *turned = NULL, **keep = NULL;
    const ps_shape out = c->graph->op[c->graph->count - 1].shape;
    const int64_t dims[5] = {c->batch, c->classes, out.d, out.h, out.w}, flat[4] = {c->batch, c->classes, out.h, out.w};
    size_t positions = positions_of(c);
    ps_tensor_writer *writer = NULL;
    ps_status status;
    snprintf(path, sizeof path, "%s/engine.safetensors", c->folder);
    PS_TRY_CLEANUP(PS_ALLOC((size_t)c->batch * positions * (size_t)c->classes, &logits, "logits"));
    forward_backward(c, logits);
    PS_TRY_CLEANUP(PS_ALLOC((size_t)ps_net_param_count(c->net), &keep, "gradients"));
    PS_TRY_CLEANUP(ps_tensor_writer_create(&writer));
    PS_TRY_CLEANUP(add_reordered(writer, "logits",
                                 positions == 1 ? 2
                                 : out.d > 1    ? 5
                                                : 4,
                                 out.d > 1 ? dims : flat, (size_t)c->batch, (size_t)c->classes, positions, logits,
                                 &turned));
    PS_TRY_CLEANUP(add_gradients(c, writer, keep));
    status = ps_tensor_writer_finish(writer, path);
cleanup:
    ps_tensor_writer_destroy(writer);
    for (int i = 0; keep != NULL && i < ps_net_param_count(c->net); i++) ps_free(keep[i]);
    ps_free(keep);
    ps_free(logits);
    ps_free(turned);
    return status;
}

static ps_status write_losses(network_case *c) {
    ps_optimiser_options options = {.name = "sgd",
                                    .rate = {.lr = c->lr, .schedule = "constant"},
                                    .momentum = c->momentum,
                                    .weight_decay = c->weight_decay};
    ps_optimiser *optimiser;
    char path[512], text[32];
    ps_file_writer writer;
    PS_TRY(ps_optimiser_create(c->net, &options, &optimiser));
    snprintf(path, sizeof path, "%s/engine.json", c->folder);
    ps_status status = ps_file_writer_open(&writer, path);
    if (status == PS_OK) {
        fputs("{\"losses\": [", writer.stream);
        for (int step = 0; step < c->steps; step++) {
            ps_json_format_double(text, forward_backward(c, NULL));
            fprintf(writer.stream, "%s%s", step > 0 ? ", " : "", text);
            ps_optimiser_step(optimiser, (uint64_t)step, (uint64_t)c->steps);
        }
        fputs("]}\n", writer.stream);
        status = ps_file_writer_commit(&writer);
    }
    ps_optimiser_destroy(optimiser);
    return status;
}

static ps_status run_network(const char *folder, const cJSON *json) {
    ps_status status;
    network_case c = {.folder = folder};
    PS_TRY_CLEANUP(parse_case(json, &c));
    PS_TRY_CLEANUP(build_network(&c));
    PS_TRY_CLEANUP(read_batch(&c));
    if (c.graph_file != NULL) PS_TRY_CLEANUP(write_evaluation(&c));
    PS_TRY_CLEANUP(write_first_step(&c));
    status = c.graph_file != NULL ? PS_OK : write_losses(&c);
cleanup:
    ps_net_destroy(c.net);
    ps_graph_destroy(c.graph);
    ps_threads_destroy(c.pool);
    ps_free(c.x);
    ps_free(c.label);
    return status;
}

/* ---- Pool Skip alone ---- */

/* What is read, then what has the same size, in the same order. */
enum { Y, W, BIAS, D_O, O, DW, DBIAS, DY, ARRAYS };
typedef struct {
    float *array[ARRAYS]; /* channels-last */
    float *keep[ARRAYS];  /* in PyTorch's order */
    void *save, *workspace;
    ps_pool_skip_plan *plan;
    ps_shape shape;
} skip_case;

static ps_status read_skip(const char *path, skip_case *s) {
    static const char *const names[] = {"y", "w", "bias", "d_o"};
    size_t c = (size_t)s->shape.c, positions = (size_t)s->shape.h * (size_t)s->shape.w, count;
    ps_tensor_file *file;
    PS_TRY(ps_tensor_file_open(path, &file));
    ps_status status = PS_OK;
    for (int i = 0; i < O && status == PS_OK; i++) {
        status = read_tensor(file, names[i], &s->keep[i], &count);
        if (status == PS_OK) status = PS_ALLOC(count, &s->array[i], names[i]);
        if (status == PS_OK) status = PS_ALLOC(count, &s->array[i + O], names[i]);
        if (status != PS_OK) break;
        bool image = i == Y || i == D_O;
        size_t outer = i == BIAS ? 1 : image ? (size_t)s->shape.n : c;
        reorder(s->keep[i], s->array[i], outer, c, i == BIAS ? 1 : image ? positions : 9, false);
    }
    ps_tensor_file_close(file);
    return status;
}

static ps_status write_skip(const char *path, skip_case *s) {
    const int64_t n = s->shape.n, c = s->shape.c, h = s->shape.h, w = s->shape.w;
    size_t positions = (size_t)(h * w);
    float *out[4] = {NULL};
    ps_tensor_writer *writer;
    PS_TRY(ps_tensor_writer_create(&writer));
    ps_status status = add_reordered(writer, "o", 4, (const int64_t[]){n, c, h, w}, (size_t)n, (size_t)c, positions,
                                     s->array[O], &out[0]);
    if (status == PS_OK)
        status = add_reordered(writer, "dy", 4, (const int64_t[]){n, c, h, w}, (size_t)n, (size_t)c, positions,
                               s->array[DY], &out[1]);
    if (status == PS_OK)
        status = add_reordered(writer, "dw", 4, (const int64_t[]){c, c, 3, 3}, (size_t)c, (size_t)c, 9, s->array[DW],
                               &out[2]);
    if (status == PS_OK) status = ps_tensor_writer_add(writer, "dbias", 1, &c, s->array[DBIAS]);
    if (status == PS_OK) status = ps_tensor_writer_finish(writer, path);
    ps_tensor_writer_destroy(writer);
    for (int i = 0; i < 4; i++) ps_free(out[i]);
    return status;
}

static ps_status run_pool_skip(const char *folder, const cJSON *json) {
    ps_status status;
    skip_case s = {.shape = {.d = 1}};
    ps_pool_skip_options options = {.select = PS_POOL_SKIP_MAX, .skip = true, .conv = true};
    ps_pool_skip_sums sums = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/data.safetensors", folder);
    PS_TRY_CLEANUP(ps_json_get_int(json, "n", true, 1, 64, "case", &s.shape.n));
    PS_TRY_CLEANUP(ps_json_get_int(json, "c", true, 1, 1024, "case", &s.shape.c));
    PS_TRY_CLEANUP(ps_json_get_int(json, "h", true, 1, 1024, "case", &s.shape.h));
    PS_TRY_CLEANUP(ps_json_get_int(json, "w", true, 1, 1024, "case", &s.shape.w));
    PS_TRY_CLEANUP(ps_json_get_int(json, "e", true, 1, 16, "case", &options.e));
    PS_TRY_CLEANUP(read_skip(path, &s));
    options.shape = s.shape;
    if (options.e == 1) options.select = PS_POOL_SKIP_DENSE;
    PS_TRY_CLEANUP(ps_pool_skip_plan_create(&options, &s.plan));
    PS_TRY_CLEANUP(ps_alloc(ps_pool_skip_save_bytes(s.plan), 1, "save", &s.save));
    PS_TRY_CLEANUP(ps_alloc(ps_pool_skip_workspace_bytes(s.plan, 1), 1, "workspace", &s.workspace));
    ps_pool_skip_forward(s.plan, s.array[Y], s.array[W], s.array[BIAS], s.array[O], s.save, sums, s.workspace, NULL);
    ps_pool_skip_backward(s.plan, s.array[Y], s.array[W], s.array[D_O], s.save, s.array[DY], false, s.array[DW],
                          s.array[DBIAS], sums, s.workspace, NULL);
    snprintf(path, sizeof path, "%s/engine.safetensors", folder);
    status = write_skip(path, &s);
cleanup:
    ps_pool_skip_plan_destroy(s.plan);
    ps_free(s.save);
    ps_free(s.workspace);
    for (int i = 0; i < ARRAYS; i++) {
        ps_free(s.array[i]);
        ps_free(s.keep[i]);
    }
    return status;
}

/* ---- one layer ---- */

/* Sets an array of the rig from the tensor of that name: a map, turned to channels-last, or a parameter. */
static ps_status set_map(const ps_tensor_file *file, const char *name, ps_shape s, float *array) {
    float *values;
    size_t count;
    PS_TRY(read_tensor(file, name, &values, &count));
    ps_status status = PS_OK;
    if (count == ps_shape_elements(s))
        reorder(values, array, (size_t)s.n, (size_t)s.c, (size_t)s.d * (size_t)s.h * (size_t)s.w, false);
    else status = ps_fail(PS_ERR_INPUT, "\"%s\" has %zu values, not %zu", name, count, ps_shape_elements(s));
    ps_free(values);
    return status;
}

static ps_status set_param(const ps_tensor_file *file, const char *name, const ps_param_spec *spec, float *array) {
    float *values;
    size_t count, wanted = gradcheck_param_elements(spec);
    PS_TRY(read_tensor(file, name, &values, &count));
    ps_status status = PS_OK;
    if (count != wanted) status = ps_fail(PS_ERR_INPUT, "\"%s\" has %zu values, not %zu", name, count, wanted);
    else if (ps_param_is_reordered(spec)) ps_param_to_memory_order(spec, values, array);
    else memcpy(array, values, count * sizeof *array);
    ps_free(values);
    return status;
}

static ps_status read_layer(const char *folder, gradcheck_rig *rig) {
    char path[512], name[64];
    ps_tensor_file *file;
    snprintf(path, sizeof path, "%s/data.safetensors", folder);
    PS_TRY(ps_tensor_file_open(path, &file));
    ps_status status = set_map(file, "dy", rig->out_shape, rig->dy);
    for (int i = 0; i < rig->inputs && status == PS_OK; i++) {
        snprintf(name, sizeof name, "x%d", i);
        status = set_map(file, name, rig->in_shape[i], rig->x[i]);
    }
    for (int i = 0; i < rig->params && status == PS_OK; i++) {
        snprintf(name, sizeof name, "param/%s", rig->param_spec[i].suffix);
        status = set_param(file, name, &rig->param_spec[i], rig->param[i]);
    }
    ps_tensor_file_close(file);
    return status;
}

static ps_status add_map(ps_tensor_writer *writer, const char *name, ps_shape s, const float *values, float **keep) {
    const int64_t dims[5] = {s.n, s.c, s.d, s.h, s.w};
    return add_reordered(writer, name, 5, dims, (size_t)s.n, (size_t)s.c, (size_t)s.d * (size_t)s.h * (size_t)s.w,
                         values, keep);
}

static ps_status write_layer(const char *folder, const gradcheck_rig *rig) {
    enum { MOST = 1 + PS_LAYER_MAX_INPUTS + PS_LAYER_MAX_PARAMS };
    char path[512], name[64];
    float *keep[MOST] = {NULL};
    ps_tensor_writer *writer;
    int kept = 1;
    PS_TRY(ps_tensor_writer_create(&writer));
    ps_status status = add_map(writer, "y", rig->out_shape, rig->y, &keep[0]);
    for (int i = 0; i < rig->inputs && status == PS_OK; i++) {
        snprintf(name, sizeof name, "dx%d", i);
        status = add_map(writer, name, rig->in_shape[i], rig->dx[i], &keep[kept++]);
    }
    for (int i = 0; i < rig->params && status == PS_OK; i++) {
        const ps_param_spec *spec = &rig->param_spec[i];
        snprintf(name, sizeof name, "grad/%s", spec->suffix);
        status = add_param(writer, name, spec, gradcheck_param_elements(spec), rig->grad[i], &keep[kept++]);
    }
    snprintf(path, sizeof path, "%s/engine.safetensors", folder);
    if (status == PS_OK) status = ps_tensor_writer_finish(writer, path);
    ps_tensor_writer_destroy(writer);
    for (int i = 0; i < MOST; i++) ps_free(keep[i]);
    return status;
}

/* The first so many numbers that a layer's own randomness is made of. */
static ps_status write_numbers(const char *folder, const gradcheck_rig *rig, int count) {
    char path[512];
    float *number = NULL;
    ps_tensor_writer *writer = NULL;
    ps_status status;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)count, &number, "numbers"));
    for (int i = 0; i < count; i++) number[i] = ps_rng_uniform(rig->call.key, (uint64_t)i);
    PS_TRY_CLEANUP(ps_tensor_writer_create(&writer));
    PS_TRY_CLEANUP(ps_tensor_writer_add(writer, "numbers", 1, &(int64_t){count}, number));
    snprintf(path, sizeof path, "%s/numbers.safetensors", folder);
    status = ps_tensor_writer_finish(writer, path);
cleanup:
    ps_tensor_writer_destroy(writer);
    ps_free(number);
    return status;
}

/* "numbers": so many random numbers are written instead. "sample" is one of layers/layer.h; values come from
 * data.safetensors. */
static ps_status run_layer(const char *folder, const char *name, const cJSON *json) {
    const ps_layer_type *type;
    gradcheck_rig rig = {0};
    char *sample = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, "sample"));
    ps_status status = ps_layer_find(name, "case", &type);
    if (status == PS_OK) status = gradcheck_rig_create(type, sample, PS_MODE_TRAIN, NULL, &rig);
    int numbers = 0;
    if (status == PS_OK) status = ps_json_get_int(json, "numbers", false, 0, 1 << 24, "case", &numbers);
    if (status == PS_OK) status = numbers > 0 ? write_numbers(folder, &rig, numbers) : read_layer(folder, &rig);
    if (status == PS_OK && numbers == 0) {
        gradcheck_rig_run(&rig);
        status = write_layer(folder, &rig);
    }
    gradcheck_rig_clear(&rig);
    cJSON_free(sample);
    return status;
}

int main(int count, char **argument) {
    char path[512];
    cJSON *json = NULL;
    if (count != 2) return fprintf(stderr, "usage: parity_tool FOLDER\n"), 2;
    snprintf(path, sizeof path, "%s/case.json", argument[1]);
    ps_status status = ps_json_read(path, &json);
    const cJSON *layer = cJSON_GetObjectItemCaseSensitive(json, "layer");
    if (status == PS_OK && cJSON_IsString(layer)) status = run_layer(argument[1], layer->valuestring, json);
    else if (status == PS_OK)
        status = cJSON_GetObjectItemCaseSensitive(json, "batch") != NULL ? run_network(argument[1], json)
                                                                         : run_pool_skip(argument[1], json);
    if (status != PS_OK) fprintf(stderr, "parity_tool: %s\n", ps_status_message());
    cJSON_Delete(json);
    return status == PS_OK ? 0 : 2;
}
