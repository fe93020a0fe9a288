#include "graph/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* One run of channels of an operation's output: which unit's gate they come from, and how many features stand for one
 * of its channels. */
typedef struct {
    int unit; /* -1: none */
    int channels, stride;
    ps_channel_way way; /* from the gate to here */
} segment;

typedef struct {
    segment *segment;
    size_t capacity;
    int count;
} origin;

typedef struct {
    const ps_graph *graph;
    int *readers; /* per operation */
    int *depth;   /* per operation */
    int *unit_of; /* per operation: the unit whose gate's output this is, or -1 */
    origin *from; /* per operation: where its output's channels come from */
    ps_units *units;
} build;

static bool hands_on(const ps_op *op) { return op->type->role == PS_ROLE_HANDS_ON; }

/* No channel enters another. */
static bool keeps_channels(const ps_op *op) {
    bool alone = op->inputs == 1 && (op->type->role == PS_ROLE_NORM || op->type->role == PS_ROLE_GATE);
    return alone || hands_on(op);
}

/* The rest of the inputs only say where the values go. */
static int value_inputs(const ps_op *op) {
    int stated = op->type->value_inputs;
    return stated > 0 && stated < op->inputs ? stated : op->inputs;
}

/* Of an operation that keeps channels. */
static ps_channel_way way_through(const ps_op *op) {
    const ps_channel_way kept = {PS_CHANNEL_ZERO, PS_CHANNEL_CONSTANT}, lost = {PS_CHANNEL_ZERO, PS_CHANNEL_OPEN},
                         moved = {PS_CHANNEL_CONSTANT, PS_CHANNEL_CONSTANT};
    ps_gate gate;
    if (hands_on(op) && !op->type->shifts) return value_inputs(op) < op->inputs && !op->type->sizes_only ? lost : kept;
    if (hands_on(op) || op->type->role == PS_ROLE_NORM) return moved;
    op->type->gate(op->config, &gate);
    return gate.keeps_zero ? kept : moved;
}

static ps_channel pass(ps_channel_way way, ps_channel channel) {
    if (channel == PS_CHANNEL_OPEN) return channel;
    return channel == PS_CHANNEL_ZERO ? way.of_zero : way.of_constant;
}

static ps_channel_way join(ps_channel_way first, ps_channel_way second) {
    return (ps_channel_way){pass(second, first.of_zero), pass(second, first.of_constant)};
}

/* Output channels that one input channel of an operation that keeps channels becomes. */
static int features_of(const ps_graph *graph, const ps_op *op) {
    int channels = 0;
    for (int k = 0; k < value_inputs(op); k++)
        channels += (op->input[k] < 0 ? graph->input : graph->op[op->input[k]].shape).c;
    return channels > 0 ? op->shape.c / channels : 0;
}

static void find_depths(build *b) {
    for (int i = 0; i < b->graph->count; i++) {
        const ps_op *op = &b->graph->op[i];
        int deepest = 0;
        for (int k = 0; k < op->inputs; k++)
            if (op->input[k] >= 0 && b->depth[op->input[k]] > deepest) deepest = b->depth[op->input[k]];
        b->depth[i] = deepest + (ps_layer_has_weights(op->type) && !op->module);
        if (op->type->role == PS_ROLE_ATTENTION) b->depth[i] = deepest + 2; /* its queries', and its projection */
    }
}

/* What an operation between source and gate means for the gate; notes a normalisation and a Pool Skip. */
static ps_sharing pass_op(const build *b, int at, ps_unit *unit) {
    const ps_op *op = &b->graph->op[at];
    if (op->gate != NULL) return PS_SHARING_GATE;
    switch (op->type->role) {
        case PS_ROLE_NORM:
            if (op->inputs != 1) return PS_SHARING_SUM;
            if (unit->norm_op >= 0) return PS_SHARING_SECOND;
            unit->norm_op = at;
            return PS_SHARING_NONE;
        case PS_ROLE_POOL_SKIP:
            if (unit->pool_skip_op >= 0) return PS_SHARING_SECOND;
            unit->pool_skip_op = at;
            return PS_SHARING_NONE;
        case PS_ROLE_HANDS_ON:
            if (op->type->shifts) return PS_SHARING_SHIFT;
            if (value_inputs(op) != 1) return PS_SHARING_JOIN;
            return features_of(b->graph, op) == 1 ? PS_SHARING_NONE : PS_SHARING_SPREAD;
        case PS_ROLE_SUM: return PS_SHARING_SUM;
        default: return PS_SHARING_OTHER;
    }
}

/* Walks from a gate to the layer that feeds it, over at most one normalisation and one Pool Skip and any layers that
 * hand channels on. Each operation on the way must be read by the next alone: else something besides the gate hands
 * gradient to the source, and the gate is not its own. */
static ps_sharing find_source(const build *b, int gate, ps_unit *unit) {
    const ps_graph *graph = b->graph;
    const ps_op *op = &graph->op[gate];
    int at = unit->sharing_op = gate;
    if (op->type->role == PS_ROLE_NORM) unit->norm_op = gate;
    if (op->inputs != 1) return PS_SHARING_SUM;
    for (at = op->input[0]; at >= 0; at = graph->op[at].input[0]) {
        unit->sharing_op = at;
        if (b->readers[at] != 1) return PS_SHARING_READ;
        if (ps_layer_has_weights(graph->op[at].type) && graph->op[at].gate == NULL) {
            unit->source_op = at;
            return PS_SHARING_NONE;
        }
        ps_sharing sharing = pass_op(b, at, unit);
        if (sharing != PS_SHARING_NONE) return sharing;
    }
    unit->sharing_op = -1;
    return PS_SHARING_INPUT;
}

static int find_entry(const build *b, int gate, const ps_unit *unit) {
    bool before = !unit->shared && unit->norm_op >= 0 && unit->norm_op == b->graph->op[gate].input[0];
    return before ? unit->norm_op : gate;
}

void ps_unit_sharing_text(const ps_graph *graph, const ps_unit *unit, char *text, size_t size) {
    static const char *const meaning[] = {
        [PS_SHARING_NONE] = "",
        [PS_SHARING_INPUT] = "",
        [PS_SHARING_SUM] = "behind %s (%s), which adds several nodes up",
        [PS_SHARING_JOIN] = "behind %s (%s), which joins the channels of several nodes",
        [PS_SHARING_SPREAD] = "behind %s (%s), which makes several features of a channel",
        [PS_SHARING_SHIFT] = "behind %s (%s), which adds learned values of its own",
        [PS_SHARING_READ] = "%s (%s) before it is read otherwise too",
        [PS_SHARING_GATE] = "behind %s (%s), which ends in a gate itself",
        [PS_SHARING_SECOND] = "behind %s (%s), the second of its kind before this gate",
        [PS_SHARING_OTHER] = "behind %s (%s), whose outputs are no node's own",
    };
    _Static_assert(sizeof meaning / sizeof *meaning == PS_SHARING_OTHER + 1, "one text a reason");
    text[0] = '\0';
    if (unit->sharing == PS_SHARING_INPUT) snprintf(text, size, "no weights between the network's input and it");
    else if (unit->sharing != PS_SHARING_NONE) {
        const ps_op *op = &graph->op[unit->sharing_op];
        snprintf(text, size, meaning[unit->sharing], op->name, op->type->name);
    }
}

static void describe_source(const ps_graph *graph, ps_unit *unit) {
    const ps_op *source = &graph->op[unit->source_op];
    ps_shape in[PS_LAYER_MAX_INPUTS];
    ps_param_spec spec[PS_LAYER_MAX_PARAMS];
    ps_graph_input_shapes(graph, unit->source_op, in);
    int count = source->type->params(source->config, in, source->shape, spec);
    for (int i = 0; i < count; i++) {
        if (strcmp(spec[i].suffix, "weight") == 0) {
            size_t weights = 1;
            for (int d = 0; d < spec[i].rank; d++) weights *= (size_t)spec[i].dims[d];
            unit->fan_in = (int)(weights / (size_t)spec[i].rows);
            unit->groups = in[0].c / ps_param_inputs(&spec[i]);
        }
        if (strcmp(spec[i].suffix, "bias") == 0) unit->bias = true;
    }
    unit->name = source->name;
}

static int find_gain(const ps_graph *graph, int gate) {
    const ps_op *op = &graph->op[gate];
    bool alone = op->type->role == PS_ROLE_GATE && op->inputs == 1 && op->input[0] >= 0;
    return alone && graph->op[op->input[0]].type->role == PS_ROLE_NORM_ACROSS ? op->input[0] : -1;
}

static void describe_unit(const build *b, int gate, ps_unit *unit) {
    const ps_op *op = &b->graph->op[gate];
    *unit = (ps_unit){.gate = op->gate,
                      .name = op->gate,
                      .gate_op = gate,
                      .source_op = -1,
                      .sharing_op = -1,
                      .norm_op = -1,
                      .gain_op = find_gain(b->graph, gate),
                      .pool_skip_op = -1,
                      .channels = op->shape.c,
                      .depth = b->depth[gate],
                      .stage = op->stage};
    unit->elements = op->shape.d * op->shape.h * op->shape.w;
    ps_gate found;
    op->type->gate(op->config, &found);
    unit->activation = found.activation;
    unit->rectifies = found.rectifies;
    unit->tells_dead = found.rectifies || (b->graph->leaky_control && strcmp(found.activation, "leaky_relu") == 0);
    unit->ceiling = found.ceiling;
    unit->groups = 1;
    unit->sharing = find_source(b, gate, unit);
    unit->shared = unit->sharing != PS_SHARING_NONE;
    if (unit->shared) unit->norm_op = unit->pool_skip_op = -1;
    else describe_source(b->graph, unit);
    unit->entry_op = find_entry(b, gate, unit);
}

static void describe_heads(const build *b, int index, ps_unit *unit) {
    const ps_op *op = &b->graph->op[index];
    ps_shape in[PS_LAYER_MAX_INPUTS];
    ps_param_spec spec[PS_LAYER_MAX_PARAMS] = {{0}};
    ps_graph_input_shapes(b->graph, index, in);
    (void)op->type->params(op->config, in, op->shape, spec);
    *unit = (ps_unit){.name = op->name,
                      .gate = op->name,
                      .gate_op = index,
                      .source_op = index,
                      .entry_op = index,
                      .norm_op = -1,
                      .gain_op = -1,
                      .pool_skip_op = -1,
                      .sharing_op = -1,
                      .heads = true,
                      .activation = op->type->name,
                      .ceiling = INFINITY,
                      .channels = spec[0].rows,
                      .elements = op->shape.d * op->shape.h * op->shape.w,
                      .depth = b->depth[index] - 1,
                      .stage = op->stage,
                      .fan_in = spec[0].dims[0] / spec[0].rows * spec[0].dims[1],
                      .groups = 1};
}

static ps_status append(origin *to, segment piece) {
    PS_TRY(PS_GROW(&to->segment, &to->capacity, (size_t)to->count + 1, "units"));
    to->segment[to->count++] = piece;
    return PS_OK;
}

static const ps_channel_way no_way = {PS_CHANNEL_ZERO, PS_CHANNEL_CONSTANT};

/* Appends the origin of `from` (an operation or -1), each channel becoming `features` ones. */
static ps_status append_origin(const build *b, origin *to, int from, int features, ps_channel_way way) {
    if (from < 0) return append(to, (segment){-1, b->graph->input.c * features, features, no_way});
    for (int i = 0; i < b->from[from].count; i++) {
        segment piece = b->from[from].segment[i];
        piece.channels *= features;
        piece.stride *= features;
        piece.way = join(piece.way, way);
        PS_TRY(append(to, piece));
    }
    return PS_OK;
}

static ps_status find_origin(build *b, int index) {
    const ps_op *op = &b->graph->op[index];
    origin *to = &b->from[index];
    if (b->unit_of[index] >= 0) return append(to, (segment){b->unit_of[index], op->shape.c, 1, no_way});
    if (!keeps_channels(op)) return append(to, (segment){-1, op->shape.c, 1, no_way});
    for (int k = 0; k < value_inputs(op); k++)
        PS_TRY(append_origin(b, to, op->input[k], features_of(b->graph, op), way_through(op)));
    return PS_OK;
}

static ps_status add_reader(ps_unit *unit, ps_unit_reader reader) {
    size_t capacity = (size_t)unit->readers;
    PS_TRY(PS_GROW(&unit->reader, &capacity, (size_t)unit->readers + 1, "units"));
    unit->reader[unit->readers++] = reader;
    return PS_OK;
}

/* Everything but a convolution, a linear layer or an operation that keeps channels is a way past all weights. */
static ps_status find_readers(build *b, int index) {
    const ps_op *op = &b->graph->op[index];
    if (keeps_channels(op)) return PS_OK;
    for (int k = 0; k < op->inputs; k++) {
        const origin *from = op->input[k] >= 0 ? &b->from[op->input[k]] : NULL;
        int first = 0;
        for (int i = 0; from != NULL && i < from->count; first += from->segment[i].channels, i++) {
            if (from->segment[i].unit < 0) continue;
            ps_unit *unit = &b->units->unit[from->segment[i].unit];
            if (ps_layer_has_weights(op->type))
                PS_TRY(add_reader(unit, (ps_unit_reader){index, first, from->segment[i].stride, from->segment[i].way}));
            else unit->identity_path = true;
        }
    }
    return PS_OK;
}

/* Whoever reads a gate that keeps channels reads the gates before it, too. */
static ps_status hand_readers_back(build *b, const ps_unit *unit) {
    const ps_op *op = &b->graph->op[unit->gate_op];
    if (!keeps_channels(op) || op->input[0] < 0) return PS_OK;
    const origin *from = &b->from[op->input[0]];
    for (int i = 0, first = 0; i < from->count; first += from->segment[i++].channels) {
        const segment *piece = &from->segment[i];
        if (piece->unit < 0) continue;
        ps_unit *before = &b->units->unit[piece->unit];
        before->identity_path |= unit->identity_path;
        for (int k = 0; k < unit->readers; k++) {
            const ps_unit_reader *r = &unit->reader[k];
            PS_TRY(add_reader(before,
                              (ps_unit_reader){r->op, r->first_input + first * r->stride, r->stride * piece->stride,
                                               join(join(piece->way, way_through(op)), r->way)}));
        }
    }
    return PS_OK;
}

static ps_status find_feeds(const build *b, ps_unit *unit) {
    if (unit->shared) return PS_OK;
    int input = b->graph->op[unit->source_op].input[0], first = 0;
    origin from = {0};
    ps_status status = append_origin(b, &from, input, 1, no_way);
    if (status == PS_OK) status = PS_ALLOC((size_t)from.count, &unit->feed, "units");
    for (int i = 0; status == PS_OK && i < from.count; i++) {
        unit->feed[unit->feeds++] =
            (ps_unit_feed){from.segment[i].unit, first, from.segment[i].channels, from.segment[i].way.of_zero};
        first += from.segment[i].channels;
    }
    ps_free_array(from.segment);
    return status;
}

static void read_past_weights(build *b, const origin *output) {
    for (int i = 0; i < output->count; i++)
        if (output->segment[i].unit >= 0) b->units->unit[output->segment[i].unit].identity_path = true;
}

static ps_status find_units(build *b) {
    const ps_graph *graph = b->graph;
    int gates = 0;
    for (int i = 0; i < graph->count; i++)
        gates += graph->op[i].gate != NULL || graph->op[i].type->role == PS_ROLE_ATTENTION;
    PS_TRY(PS_ALLOC((size_t)gates, &b->units->unit, "units"));
    for (int i = 0; i < graph->count; i++) {
        b->unit_of[i] = -1;
        if (graph->op[i].type->role == PS_ROLE_ATTENTION) describe_heads(b, i, &b->units->unit[b->units->count++]);
        if (graph->op[i].gate == NULL) continue;
        b->unit_of[i] = b->units->count;
        describe_unit(b, i, &b->units->unit[b->units->count++]);
    }
    for (int i = 0; i < graph->count; i++) PS_TRY(find_origin(b, i));
    for (int i = 0; i < graph->count; i++) PS_TRY(find_readers(b, i));
    /* What leaves the network is read by the loss, past all weights. */
    for (int i = 0; i < graph->count; i++)
        if (ps_graph_is_output(graph, i)) read_past_weights(b, &b->from[i]);
    for (int i = b->units->count - 1; i >= 0; i--) PS_TRY(hand_readers_back(b, &b->units->unit[i]));
    for (int i = 0; i < b->units->count; i++) PS_TRY(find_feeds(b, &b->units->unit[i]));
    return PS_OK;
}

ps_status ps_units_create(const ps_graph *graph, ps_units *out) {
    ps_status status;
    build b = {.graph = graph, .units = out};
    *out = (ps_units){0};
    if (graph->count == 0) return PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &b.readers, "units"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &b.depth, "units"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &b.unit_of, "units"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)graph->count, &b.from, "units"));
    ps_graph_count_readers(graph, b.readers);
    find_depths(&b);
    status = find_units(&b);
cleanup:
    for (int i = 0; b.from != NULL && i < graph->count; i++) ps_free_array(b.from[i].segment);
    ps_free(b.readers);
    ps_free(b.depth);
    ps_free(b.unit_of);
    ps_free(b.from);
    if (status != PS_OK) ps_units_clear(out);
    return status;
}

void ps_units_clear(ps_units *units) {
    for (int i = 0; i < units->count; i++) {
        ps_free(units->unit[i].feed);
        ps_free_array(units->unit[i].reader);
    }
    ps_free(units->unit);
    *units = (ps_units){0};
}

int ps_units_find(const ps_units *units, const char *name) {
    for (int i = 0; i < units->count; i++)
        if (strcmp(units->unit[i].name, name) == 0) return i;
    return -1;
}
