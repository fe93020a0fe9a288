#include "graph/graph.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "graph/op_json.h"

/* Beyond any network; it bounds the work that a hostile file can cause. */
enum { MOST_OPS = 1 << 15 };
#define MOST_LOSS_WEIGHT 1e6

static ps_status parse_input_shape(const cJSON *document, const char *where, ps_shape *shape) {
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(document, "input");
    int rank = cJSON_IsArray(input) ? cJSON_GetArraySize(input) : 0;
    int side[4], count = 0;
    const cJSON *item;
    if (rank == 3 || rank == 4) cJSON_ArrayForEach(item, input) {
            double value = cJSON_IsNumber(item) ? item->valuedouble : 0;
            if (value < 1 || value > INT_MAX || value != floor(value)) break;
            side[count++] = (int)value;
        }
    if (count != rank || rank == 0)
        return ps_fail(PS_ERR_INPUT, "%s: needs \"input\": [c, h, w] or [c, d, h, w], whole numbers from 1 on", where);
    *shape = (ps_shape){1, side[0], rank == 4 ? side[1] : 1, side[rank - 2], side[rank - 1]};
    return PS_OK;
}

static const char *name_of(const cJSON *op) {
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(op, "name");
    return cJSON_IsString(name) ? name->valuestring : NULL;
}

/* An input that is not found is either unknown or stands at or after the operation that reads it (a cycle, or a wrong
 * order). */
static ps_status input_unknown(const cJSON *op, const char *input, const char *where) {
    for (const cJSON *later = op; later != NULL; later = later->next) {
        const char *name = name_of(later);
        if (name == NULL || strcmp(name, input) != 0) continue;
        if (later == op) return ps_fail(PS_ERR_INPUT, "%s: reads itself; a graph has no cycles", where);
        return ps_fail(PS_ERR_INPUT,
                       "%s: reads \"%s\", which stands after it; operations stand in forward order, without cycles",
                       where, input);
    }
    return ps_fail(PS_ERR_INPUT,
                   "%s: reads \"%s\", which is no operation of this graph; use \"input\" for the network's input",
                   where, input);
}

static ps_status parse_inputs(const ps_graph *graph, const cJSON *op, const char *where, ps_op_spec *spec) {
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(op, "inputs");
    if (inputs == NULL) {
        spec->inputs = 1;
        spec->input[0] = graph->count - 1;
        return PS_OK;
    }
    if (!cJSON_IsArray(inputs))
        return ps_fail(PS_ERR_INPUT, "%s: \"inputs\" must be an array of operation names", where);
    const cJSON *item;
    cJSON_ArrayForEach(item, inputs) {
        if (!cJSON_IsString(item))
            return ps_fail(PS_ERR_INPUT, "%s: \"inputs\" must be an array of operation names", where);
        if (spec->inputs == PS_LAYER_MAX_INPUTS)
            return ps_fail(PS_ERR_INPUT, "%s: has more than %d inputs", where, PS_LAYER_MAX_INPUTS);
        int from = strcmp(item->valuestring, "input") == 0 ? -1 : ps_graph_find(graph, item->valuestring);
        if (from < 0 && strcmp(item->valuestring, "input") != 0) return input_unknown(op, item->valuestring, where);
        spec->input[spec->inputs++] = from;
    }
    return PS_OK;
}

static ps_status parse_loss_weight(const cJSON *op, const char *where, ps_op_spec *spec) {
    const cJSON *weight = cJSON_GetObjectItemCaseSensitive(op, "loss_weight");
    if (weight == NULL) return PS_OK;
    if (!cJSON_IsNumber(weight) || !(weight->valuedouble >= 0 && weight->valuedouble <= MOST_LOSS_WEIGHT))
        return ps_fail(PS_ERR_INPUT, "%s: \"loss_weight\" must be a number from 0 to %g", where, MOST_LOSS_WEIGHT);
    spec->output = true;
    spec->loss_weight = weight->valuedouble;
    return PS_OK;
}

static ps_status parse_op(ps_graph *graph, const cJSON *op, const char *where) {
    ps_op_spec spec = {0};
    char place[512];
    snprintf(place, sizeof place, "%s: nodes[%d]", where, graph->count);
    if (!cJSON_IsObject(op)) return ps_fail(PS_ERR_INPUT, "%s: must be a JSON object {...}", place);
    PS_TRY(ps_json_get_text(op, "name", true, place, &spec.name));
    snprintf(place, sizeof place, "%.200s: operation \"%.200s\"", where, spec.name);
    PS_TRY(ps_json_get_text(op, "type", true, place, &spec.type));
    PS_TRY(ps_json_get_text(op, "file_name", false, place, &spec.file_name));
    PS_TRY(ps_json_get_text(op, "stage", false, place, &spec.stage));
    PS_TRY(ps_json_get_text(op, "gate", false, place, &spec.gate));
    PS_TRY(ps_json_get_bool(op, "module", false, place, &spec.module));
    PS_TRY(ps_json_get_int(op, "pool_size_asked", false, 0, INT_MAX, place, &spec.pool_size_asked));
    PS_TRY(parse_loss_weight(op, place, &spec));
    PS_TRY(parse_inputs(graph, op, place, &spec));
    return ps_graph_add_json(graph, &spec, op, where, NULL);
}

/* An operation that nobody reads would be trained without ever getting a gradient: surely a mistake in the file. */
static ps_status check_all_read(const ps_graph *graph, const char *where) {
    int *readers;
    PS_TRY(PS_ALLOC((size_t)graph->count, &readers, "graph"));
    ps_graph_count_readers(graph, readers);
    ps_status status = PS_OK;
    for (int i = 0; i < graph->count && status == PS_OK; i++)
        if (readers[i] == 0)
            status =
                ps_fail(PS_ERR_INPUT,
                        "%s: operation \"%s\" is read by no other and is not the last; remove it, read it, or give "
                        "it a \"loss_weight\"",
                        where, graph->op[i].name);
    ps_free(readers);
    return status;
}

static ps_status parse_ops(ps_graph *graph, const cJSON *document, const char *where) {
    const cJSON *ops = cJSON_GetObjectItemCaseSensitive(document, "nodes"), *op;
    if (!cJSON_IsArray(ops) || ops->child == NULL)
        return ps_fail(PS_ERR_INPUT, "%s: needs \"nodes\": [{...}, ...] with at least one operation", where);
    if (cJSON_GetArraySize(ops) > MOST_OPS)
        return ps_fail(PS_ERR_INPUT, "%s: has more than %d operations", where, MOST_OPS);
    cJSON_ArrayForEach(op, ops) PS_TRY(parse_op(graph, op, where));
    return check_all_read(graph, where);
}

ps_status ps_graph_parse(const cJSON *document, const char *where, ps_graph **out) {
    static const char *const known[] = {"format", "version", "name", "input", "leaky_control", "nodes", NULL};
    const char *format = NULL, *name = "network";
    int version = 1;
    bool leaky_control = false;
    ps_shape input;
    *out = NULL;
    PS_TRY(ps_json_check_keys(document, known, where));
    PS_TRY(ps_graph_check_keys(document, where));
    PS_TRY(ps_json_get_text(document, "format", true, where, &format));
    if (strcmp(format, "poolscope-graph") != 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"format\" is \"%.60s\"; a network file says \"poolscope-graph\"", where,
                       format);
    PS_TRY(ps_json_get_int(document, "version", true, 1, INT_MAX, where, &version));
    if (version != 1)
        return ps_fail(PS_ERR_INPUT,
                       "%s: is of graph version %d, but this program knows version 1; use a newer poolscope", where,
                       version);
    PS_TRY(ps_json_get_text(document, "name", false, where, &name));
    PS_TRY(parse_input_shape(document, where, &input));
    PS_TRY(ps_json_get_bool(document, "leaky_control", false, where, &leaky_control));
    ps_graph *graph;
    PS_TRY(ps_graph_create(name, input, &graph));
    graph->leaky_control = leaky_control;
    ps_status status = parse_ops(graph, document, where);
    if (status == PS_OK) *out = graph;
    else ps_graph_destroy(graph);
    return status;
}

ps_status ps_graph_read(const char *path, ps_graph **out) {
    cJSON *document;
    *out = NULL;
    if (ps_file_is_weights(path))
        return ps_fail(PS_ERR_INPUT,
                       "%s: is a file of weights (safetensors), and the network itself is wanted here, as JSON; write "
                       "it with `poolscope inspect --model NAME --json`, and edit it where it is your own",
                       path);
    if (ps_file_is_pickle(path))
        return ps_fail(
            PS_ERR_INPUT,
            "%s: is a file of torch.save, and the network itself is wanted here, as JSON; write it in Python "
            "with poolscope.export(model, example_input, \"net.json\", \"weights.safetensors\") "
            "(`poolscope python-path` says where poolscope.py is)",
            path);
    PS_TRY(ps_json_read(path, &document));
    ps_status status = ps_graph_parse(document, path, out);
    cJSON_Delete(document);
    return status;
}

static void write_text(FILE *stream, const char *key, const char *value) {
    fprintf(stream, ", \"%s\": ", key);
    ps_json_print_text(stream, value);
}

static void write_inputs(const ps_graph *graph, const ps_op *op, FILE *stream) {
    fputs(", \"inputs\": [", stream);
    for (int i = 0; i < op->inputs; i++) {
        if (i > 0) fputs(", ", stream);
        ps_json_print_text(stream, op->input[i] < 0 ? "input" : graph->op[op->input[i]].name);
    }
    putc(']', stream);
}

static ps_status write_attributes(const ps_op *op, FILE *stream) {
    for (const cJSON *item = op->attributes->child; item != NULL; item = item->next) {
        char *value;
        PS_TRY(ps_json_text(item, &value));
        fputs(", ", stream);
        ps_json_print_text(stream, item->string);
        fprintf(stream, ": %s", value);
        cJSON_free(value);
    }
    return PS_OK;
}

static ps_status write_op(const ps_graph *graph, int index, FILE *stream) {
    const ps_op *op = &graph->op[index];
    fputs("  {\"name\": ", stream);
    ps_json_print_text(stream, op->name);
    write_text(stream, "type", op->type->name);
    if (op->inputs != 1 || op->input[0] != index - 1) write_inputs(graph, op, stream);
    if (strcmp(op->file_name, op->name) != 0) write_text(stream, "file_name", op->file_name);
    if (op->stage[0] != '\0') write_text(stream, "stage", op->stage);
    if (op->module) fputs(", \"module\": true", stream);
    if (op->gate != NULL && strcmp(op->gate, op->name) != 0) write_text(stream, "gate", op->gate);
    if (op->pool_size_asked != 0) fprintf(stream, ", \"pool_size_asked\": %d", op->pool_size_asked);
    if (op->output) fprintf(stream, ", \"loss_weight\": %.17g", op->loss_weight);
    PS_TRY(write_attributes(op, stream));
    fputs(index + 1 < graph->count ? "},\n" : "}\n", stream);
    return PS_OK;
}

ps_status ps_graph_write(const ps_graph *graph, FILE *stream) {
    fputs("{\"format\": \"poolscope-graph\", \"version\": 1, \"name\": ", stream);
    ps_json_print_text(stream, graph->name);
    fprintf(stream, ", \"input\": [%d, ", graph->input.c);
    if (graph->input.d != 1) fprintf(stream, "%d, ", graph->input.d);
    fprintf(stream, "%d, %d],\n", graph->input.h, graph->input.w);
    if (graph->leaky_control) fputs(" \"leaky_control\": true,\n", stream);
    fputs(" \"nodes\": [\n", stream);
    for (int i = 0; i < graph->count; i++) PS_TRY(write_op(graph, i, stream));
    fputs(" ]}\n", stream);
    if (ferror(stream) && !ps_file_reader_is_gone(stream))
        return ps_fail(PS_ERR_IO, "graph \"%s\": could not be written; is the disk full?", graph->name);
    return PS_OK;
}
