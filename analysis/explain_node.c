/* The story of one node: from the trace of a run, or from the tables of a comparison and the traces they name. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/explain.h"
#include "analysis/compare.h"
#include "analysis/explain_internal.h"
#include "analysis/story.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "trace/trace_input.h"

/* ---- sentences ---- */

enum { TEXT_WIDTH = 110 };

/* Words from column `indent` on, in lines of TEXT_WIDTH. */
static void print_wrapped(const char *text, int indent, FILE *stream) {
    int column = indent;
    for (const char *word = text + strspn(text, " "); *word != '\0'; word += strspn(word, " ")) {
        int length = (int)strcspn(word, " ");
        if (column > indent && column + 1 + length > TEXT_WIDTH) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
        }
        column += fprintf(stream, "%s%.*s", column > indent ? " " : "", length, word);
        word += length;
    }
    fputc('\n', stream);
}

static void print_labelled(const char *label, const char *text, FILE *stream) {
    if (text[0] == '\0') return;
    fprintf(stream, "  %-12s", label);
    print_wrapped(text, 14, stream);
}

static void print_cause(ps_condition condition, ps_cause cause, const char *evidence, FILE *stream) {
    fprintf(stream, "  %-12s%s: %s\n", "condition", ps_condition_name(condition), ps_condition_text(condition));
    if (cause == PS_CAUSE_NONE) return;
    print_labelled("cause", ps_cause_name(cause), stream);
    print_labelled("rule", ps_cause_rule(cause), stream);
    print_labelled("evidence", evidence, stream);
    print_labelled("may help", ps_cause_remedy(cause), stream);
}

void ps_explain_causes(FILE *stream) {
    fprintf(stream, "Conditions, in the order in which they are decided\n");
    for (int i = 0; i < PS_CONDITION_COUNT; i++) {
        fprintf(stream, "  %-20s", ps_condition_name((ps_condition)i));
        print_wrapped(ps_condition_text((ps_condition)i), 22, stream);
    }
    fprintf(stream, "\nCauses, in the order in which the rules are asked; the first that holds names the cause\n");
    for (int i = PS_CAUSE_NONE + 1; i < PS_CAUSE_COUNT; i++) {
        ps_cause cause = (ps_cause)i;
        fprintf(stream, "  %-20s", ps_cause_name(cause));
        print_wrapped(ps_cause_rule(cause), 22, stream);
        fprintf(stream, "%22s", "asked of: ");
        print_wrapped(ps_cause_nodes(cause), 22, stream);
        if (ps_cause_remedy(cause)[0] == '\0') continue;
        fprintf(stream, "%22s", "may help: ");
        print_wrapped(ps_cause_remedy(cause), 22, stream);
    }
}

/* ---- the story in a trace ---- */

typedef struct {
    const ps_run *run;
    int node;
    FILE *stream;
    ps_node_moment last;             /* the latest probe; its frame is not kept */
    uint64_t last_line, window_line; /* of the latest probe, of the window before it */
    double path, decay;              /* of the window before the latest probe, over the weights' norm */
    int probes, alike;               /* alike: probes passed over since the last row */
    char passed[256];                /* the row passed over last */
} telling;

static const char *number(double value, char text[32]) {
    if (ps_is_absent(value)) snprintf(text, 32, "-");
    else ps_text_number(value, 4, text);
    return text;
}

static void flush_alike(telling *t) {
    if (t->alike > 1) fprintf(t->stream, "  %8s %s\n", "...", "alike");
    if (t->alike > 0) fputs(t->passed, t->stream);
    t->alike = 0;
}

/* A row where something changes, and the rows before and after. */
static void tell_probe(telling *t, const ps_node_moment *m) {
    char row[256], images[32], largest[32], path[32], decay[32];
    int layer = t->run->node_layer[t->node];
    double active = ps_frame_value(m->frame, PS_Q_images_active, t->node);
    bool same = t->probes > 0 && m->condition == t->last.condition && m->cause == t->last.cause &&
                (m->evidence.state & (PS_STATE_DEAD | PS_STATE_NEAR)) ==
                    (t->last.evidence.state & (PS_STATE_DEAD | PS_STATE_NEAR));
    const char *state = ps_activity_name(m->evidence.state);
    t->last_line = m->frame->line[layer];
    snprintf(row, sizeof row, "  %8lld %-10s %-10s %-18s %8s %11s %11s %11s  %llu\n",
             t->run->probes[m->frame->index].step, state != NULL ? state : "?", ps_condition_name(m->condition),
             ps_cause_name(m->cause), number(active, images), number(m->evidence.pre_max, largest),
             number(t->path, path), number(t->decay, decay), (unsigned long long)t->last_line);
    if (!same) {
        flush_alike(t);
        fputs(row, t->stream);
    } else {
        t->alike++;
        snprintf(t->passed, sizeof t->passed, "%s", row);
    }
    t->last = *m;
    t->probes++;
    t->path = t->decay = ps_absent();
}

static ps_status tell(void *self, const ps_node_moment *moment) {
    telling *t = self;
    if (!moment->frame->is_window) {
        tell_probe(t, moment);
        return PS_OK;
    }
    double start = ps_frame_value(moment->frame, PS_Q_weight_start_l2, t->node);
    t->path = ps_ratio(ps_frame_value(moment->frame, PS_Q_path_gradient, t->node), start);
    t->decay = ps_ratio(ps_frame_value(moment->frame, PS_Q_path_decay, t->node), start);
    t->window_line = moment->frame->line[t->run->node_layer[t->node]];
    return PS_OK;
}

static void print_layer(const ps_run *run, int node, FILE *stream) {
    const ps_trace_layer *layer = &run->layers[run->node_layer[node]];
    fprintf(stream, "  %-12snode %d of %d; %s; %s%s%s%s\n", "layer", node - layer->first_node, layer->channels,
            layer->shared ? "a shared gate, without weights of its own" : "a gate of its own",
            layer->norm != NULL ? "normalised by " : "not normalised", layer->norm != NULL ? layer->norm : "",
            layer->pool_skip != NULL ? "; behind " : "", layer->pool_skip != NULL ? layer->pool_skip : "");
    if (layer->frozen[0] != '\0') fprintf(stream, "  %-12s%s (not trained)\n", "frozen", layer->frozen);
    if (run->planted[node] != NULL) fprintf(stream, "  %-12s%s\n", "planted", run->planted[node]);
}

static ps_status tell_run(ps_run *run, const char *path, const char *name, int node, FILE *stream) {
    telling t = {.run = run, .node = node, .stream = stream, .path = ps_absent(), .decay = ps_absent()};
    char evidence[256];
    fprintf(stream, "%s in %s%s%s, seed %lld\n", name, path, run->header->arm[0] != '\0' ? ": arm " : "",
            run->header->arm, run->header->seed);
    print_layer(run, node, stream);
    fprintf(stream, "\n  %8s %-10s %-10s %-18s %8s %11s %11s %11s  %s\n", "step", "state", "condition", "cause",
            "images", "pre_max", "moved", "decayed", "line");
    PS_TRY(ps_node_story(run, node, tell, &t));
    flush_alike(&t);
    if (t.probes == 0) return ps_fail(PS_ERR_INPUT, "%s: holds no probe record, so nothing is known of %s", path, name);
    fprintf(stream,
            "  (images: with an output that is not 0; pre_max: largest value that enters the gate; moved, decayed: "
            "paths of\n  its weights in the window before, by gradient and by decay, over their norm; line: of the "
            "trace)\n\n");
    ps_cause_explain(&t.last.evidence, t.last.cause, evidence, sizeof evidence);
    fprintf(stream, "  At the last probe\n");
    print_cause(t.last.condition, t.last.cause, evidence, stream);
    int channel = node - run->layers[run->node_layer[node]].first_node;
    fputc('\n', stream);
    if (t.last_line > 0) PS_TRY(ps_explain_show_values(run->header->path, t.last_line, channel, stream));
    if (t.window_line == 0) return PS_OK;
    fputc('\n', stream);
    return ps_explain_show_values(run->header->path, t.window_line, channel, stream);
}

/* "LAYER:CHANNEL"; names of layers may have colons themselves. */
static ps_status find_node(const ps_run *run, const char *path, const char *name, int *node) {
    const char *colon = strrchr(name, ':');
    char *end;
    long channel = strtol(colon + 1, &end, 10);
    const char *nearest = NULL;
    int best = 8;
    if (end == colon + 1 || *end != '\0' || channel < 0)
        return ps_fail(PS_ERR_USAGE, "\"%s\": behind the colon stands the number of a channel, as in conv1:3", name);
    for (int l = 0; l < run->layer_count; l++) {
        const ps_trace_layer *layer = &run->layers[l];
        char wanted[256];
        snprintf(wanted, sizeof wanted, "%.*s", (int)(colon - name), name);
        int distance = ps_text_distance(wanted, layer->name);
        if (distance == 0 && channel >= layer->channels)
            return ps_fail(PS_ERR_USAGE, "%s: layer \"%s\" has channels 0 to %d", path, layer->name,
                           layer->channels - 1);
        if (distance == 0) *node = layer->first_node + (int)channel;
        if (distance == 0) return PS_OK;
        if (distance < best) nearest = layer->name;
        if (distance < best) best = distance;
    }
    if (nearest != NULL)
        return ps_fail(PS_ERR_USAGE, "%s: has no layer \"%.*s\"; did you mean \"%s\"?", path, (int)(colon - name), name,
                       nearest);
    return ps_fail(PS_ERR_USAGE, "%s: has no layer \"%.*s\"; `poolscope inspect` names those of a network", path,
                   (int)(colon - name), name);
}

static ps_status explain_in_trace(const char *path, const char *name, FILE *stream) {
    ps_run *run;
    int node;
    PS_TRY(ps_run_open(path, "", &run));
    ps_status status = find_node(run, path, name, &node);
    if (status == PS_OK) status = tell_run(run, path, name, node, stream);
    ps_run_close(run);
    return status;
}

/* ---- in a comparison ---- */

typedef struct {
    const ps_explain_place *at;
    const ps_explain_node *what;
    FILE *stream;
    int rows;
    char arm[128], seed[32]; /* of the row found last */
} search;

static bool is_wanted(const search *s, const ps_explain_rows *t) {
    return (s->what->arm == NULL || strcmp(ps_explain_cell(t, "arm"), s->what->arm) == 0) &&
           (s->what->seed == NULL || strcmp(ps_explain_cell(t, "seed"), s->what->seed) == 0);
}

static void show_row(search *s, const ps_explain_rows *t) {
    if (s->rows++ == 0)
        fprintf(s->stream, "%s in %s\n\n  %-16s %6s %-10s %-10s %-18s %11s %8s  %s\n", s->what->node, t->path, "arm",
                "seed", "state", "condition", "cause", "first death", "revivals", "life, a letter a probe");
    fprintf(s->stream, "  %-16s %6s %-10s %-10s %-18s %11s %8s  %s\n", ps_explain_cell(t, "arm"),
            ps_explain_cell(t, "seed"), ps_explain_cell(t, "state"), ps_explain_cell(t, "condition"),
            ps_explain_cell(t, "cause"), ps_explain_cell(t, "first_death"), ps_explain_cell(t, "revivals"),
            ps_explain_cell(t, "lifeline"));
    snprintf(s->arm, sizeof s->arm, "%s", ps_explain_cell(t, "arm"));
    snprintf(s->seed, sizeof s->seed, "%s", ps_explain_cell(t, "seed"));
}

static ps_status show_rows(search *s) {
    ps_explain_rows *t;
    PS_TRY(PS_ALLOC(1, &t, "rows of a table"));
    ps_status status = ps_explain_open_table(s->at, "nodes", t);
    while (status == PS_OK && ps_explain_next_row(t))
        if (strcmp(ps_explain_cell(t, "node"), s->what->node) == 0 && is_wanted(s, t)) show_row(s, t);
    if (status == PS_OK && s->rows == 0)
        status =
            ps_fail(PS_ERR_USAGE, "%s: has no node \"%s\"%s%s%s%s; look at its columns arm, seed and node", t->path,
                    s->what->node, s->what->arm != NULL ? " of arm " : "", s->what->arm != NULL ? s->what->arm : "",
                    s->what->seed != NULL ? " at seed " : "", s->what->seed != NULL ? s->what->seed : "");
    ps_explain_close_table(t);
    ps_free(t);
    return status;
}

/* The trace of the run whose row was found last. */
static ps_status find_run(const search *s, char **trace) {
    ps_explain_rows *t;
    *trace = NULL;
    PS_TRY(PS_ALLOC(1, &t, "rows of a table"));
    ps_status status = ps_explain_open_table(s->at, "runs", t);
    while (status == PS_OK && *trace == NULL && ps_explain_next_row(t))
        if (strcmp(ps_explain_cell(t, "arm"), s->arm) == 0 && strcmp(ps_explain_cell(t, "seed"), s->seed) == 0)
            status = ps_explain_find_trace(s->at, ps_explain_cell(t, "trace"), trace);
    if (status == PS_OK && *trace == NULL)
        status = ps_fail(PS_ERR_INPUT, "%s: has no run of arm %s at seed %s; compare the runs again", t->path, s->arm,
                         s->seed);
    ps_explain_close_table(t);
    ps_free(t);
    return status;
}

static ps_status explain_in_comparison(const char *verdict, const ps_explain_node *what, FILE *stream) {
    cJSON *document;
    char *trace = NULL;
    PS_TRY(ps_file_set_check(what->directory, PS_COMPARE_SET, PS_COMPARE_REMEDY, NULL));
    PS_TRY(ps_json_read(verdict, &document));
    const cJSON *from = cJSON_GetObjectItemCaseSensitive(document, "traces_from");
    const ps_explain_place at = {what->directory, cJSON_IsString(from) ? from->valuestring : ""};
    search s = {.at = &at, .what = what, .stream = stream};
    ps_status status = show_rows(&s);
    if (status == PS_OK && s.rows > 1)
        fprintf(stream, "\n  With --arm NAME and --seed N that leave one run, its story is told probe by probe.\n");
    if (status == PS_OK && s.rows == 1) {
        fputc('\n', stream);
        status = find_run(&s, &trace);
        if (status == PS_OK) status = explain_in_trace(trace, what->node, stream);
        free(trace);
    }
    cJSON_Delete(document);
    return status;
}

static ps_status explain(const ps_explain_node *what, FILE *stream) {
    char *trace = NULL, *verdict = NULL;
    ps_status status = PS_OK;
    bool is_run = !ps_file_is_directory(what->directory);
    PS_TRY_CLEANUP(ps_trace_find(what->directory, &trace));
    PS_TRY_CLEANUP(ps_file_join(what->directory, "verdict.json", &verdict));
    is_run = is_run || (ps_file_exists(trace) && !ps_file_exists(verdict));
    if (is_run && (what->arm != NULL || what->seed != NULL))
        status =
            ps_fail(PS_ERR_USAGE, "%s: is one run; --arm and --seed choose among those of a comparison, leave them out",
                    what->directory);
    else if (is_run) status = explain_in_trace(what->directory, what->node, stream);
    else status = explain_in_comparison(verdict, what, stream);
cleanup:
    free(trace);
    free(verdict);
    return status;
}

/* Names and tables may hold what a terminal would obey. */
ps_status ps_explain_node_story(const ps_explain_node *what, FILE *stream) {
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for an explanation");
    ps_status status = explain(what, memory);
    ps_status closed = ps_memory_stream_close(memory, &text, "an explanation");
    if (status == PS_OK) status = closed;
    if (status == PS_OK) {
        ps_text_make_showable(text, true);
        fputs(text, stream);
    }
    free(text);
    return status;
}
