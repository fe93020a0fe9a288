#include "tests/calibrate/diagnoses.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/spectra/rank.h"
#include "measure/diagnose.h"
#include "measure/incoming.h"
#include "run/session.h"
#include "core/file_set.h"
#include "core/memory.h"
#include "net/train.h"
#include "tests/lib/trace_fixture.h"

enum { NETWORKS = 3, SEEDS = 16, STEPS = 15 };
static const double cosine_bound = 0.999, residual_bound = 0.001; /* the defaults of `poolscope ranks` */

static const struct {
    const char *model, *batch_norm, *width;
} networks[NETWORKS] = {{"plain9", "no", "0.5"}, {"plain9", "yes", "0.5"}, {"resnet18", "", "0.0625"}};

typedef struct {
    int planted, found, unplanted, alarms,
        died; /* died: unplanted nodes that no image activates once others are planted */
    int nets, seeds;
} tally;

/* ---- the rows ---- */

/* A planting that kills or silences, and the cause that must come out. */
static const struct {
    const char *label, *plant, *planting; /* planting: its name in the list of what was planted */
    ps_cause cause;
    bool normalised, plain; /* in which networks */
} deaths[] = {
    {"silent by its bias", "count=1,cause=bias,value=-30", "bias", PS_CAUSE_NEGATIVE_BIAS, false, true},
    {"silent by batch-norm beta", "count=1,cause=bias,value=-30", "bias", PS_CAUSE_NORM_SHIFT, true, false},
    {"batch-norm gamma zero", "count=1,cause=gamma", "gamma", PS_CAUSE_GAMMA_ZERO, true, false},
    {"zero incoming weights", "count=1,cause=weights-in", "weights-in", PS_CAUSE_ZERO_INCOMING, true, true},
    {"all inputs dead", "cause=upstream,value=-30", "upstream", PS_CAUSE_INPUTS_DEAD, true, true},
    {"zero outgoing weights (unused)", "count=1,cause=weights-out", "weights-out", PS_CAUSE_ZERO_OUTGOING, true, true},
    {"near miss: one image of 512 active", "count=1,cause=near-miss", "near-miss", PS_CAUSE_NONE, true, true},
};
enum { DEATHS = sizeof deaths / sizeof *deaths };

static const double degrees[] = {0, 0.5, 1, 2, 2.5, 2.6, 3, 5, 10, 30};
static const double noises[] = {0, 0.0001, 0.0003, 0.0009, 0.0011, 0.0015, 0.003, 0.01, 0.1};
enum { ANGLES = sizeof degrees / sizeof *degrees, NOISES = sizeof noises / sizeof *noises };

typedef struct {
    tally death[DEATHS], overlap[ANGLES], dependent[NOISES];
    int narrow; /* dependent nodes planted in layers that are too narrow to be tested */
} tallies;

/* ---- a network ---- */

typedef struct {
    ps_run_config config;
    ps_session session;
    const ps_units *units;
    float **kept;  /* trained weights, by parameter */
    bool **active; /* [unit][channel]: some image has an output that is not 0, by looking at the gate itself */
    int images;    /* of the batch under way */
} bed;

static ps_status configure(bed *b, int network) {
    static const char *const common[][2] = {{"size", "8"},          {"batch", "64"},      {"probe", "512"},
                                            {"train_limit", "640"}, {"test_limit", "64"}, {"init_scheme", "he"},
                                            {"lr", "0.02"},         {"clip", "1"}};
    bool known;
    PS_TRY(ps_run_config_init(&b->config));
    PS_TRY(ps_run_config_set(&b->config, "model", networks[network].model, &known));
    PS_TRY(ps_run_config_set(&b->config, "batch_norm", networks[network].batch_norm, &known));
    PS_TRY(ps_run_config_set(&b->config, "width", networks[network].width, &known));
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        PS_TRY(ps_run_config_set(&b->config, common[i][0], common[i][1], &known));
    return PS_OK;
}

static ps_status open_bed(bed *b, int network) {
    char digest[17];
    uint64_t diverged;
    memset(b, 0, sizeof *b);
    PS_TRY(configure(b, network));
    PS_TRY(ps_session_open(&b->session, &b->config, NULL, 1));
    PS_TRY(ps_session_init_weights(&b->session, ".", digest));
    ps_train_options options = {
        .steps = STEPS, .window = STEPS, .seed = 1, .source = ps_session_train_source(&b->session)};
    PS_TRY(ps_train_run(b->session.net, b->session.optimiser, &options, &diverged));
    b->units = ps_net_units(b->session.net);
    PS_TRY(PS_ALLOC((size_t)ps_net_param_count(b->session.net), &b->kept, "weights"));
    for (int i = 0; i < ps_net_param_count(b->session.net); i++) {
        const ps_param *p = ps_net_param(b->session.net, i);
        PS_TRY(PS_ALLOC(p->count, &b->kept[i], "weights"));
        memcpy(b->kept[i], p->value, p->count * sizeof(float));
    }
    PS_TRY(PS_ALLOC((size_t)b->units->count, &b->active, "activity"));
    for (int u = 0; u < b->units->count; u++)
        PS_TRY(PS_ALLOC((size_t)b->units->unit[u].channels, &b->active[u], "activity"));
    return PS_OK;
}

static void restore(bed *b) {
    for (int i = 0; i < ps_net_param_count(b->session.net); i++) {
        ps_param *p = ps_net_param(b->session.net, i);
        memcpy(p->value, b->kept[i], p->count * sizeof *p->value);
    }
}

static void close_bed(bed *b) {
    for (int i = 0; b->kept != NULL && i < ps_net_param_count(b->session.net); i++) ps_free(b->kept[i]);
    for (int u = 0; b->active != NULL && u < b->units->count; u++) ps_free(b->active[u]);
    ps_free(b->kept);
    ps_free(b->active);
    ps_session_close(&b->session);
    ps_run_config_clear(&b->config);
}

static void note_active(void *self, int node, ps_shape shape, const float *x) {
    bed *b = self;
    (void)shape;
    for (int u = 0; u < b->units->count; u++) {
        size_t channels = (size_t)b->units->unit[u].channels,
               elements = (size_t)b->images * (size_t)b->units->unit[u].elements;
        if (b->units->unit[u].gate_op != node) continue;
        for (size_t e = 0; e < elements; e++)
            for (size_t c = 0; c < channels; c++) b->active[u][c] = b->active[u][c] || x[e * channels + c] != 0;
    }
}

static ps_status look(bed *b) {
    ps_probe_source source = ps_session_probe_source(&b->session);
    ps_net_hook hook = {b, note_active};
    for (int u = 0; u < b->units->count; u++)
        memset(b->active[u], 0, (size_t)b->units->unit[u].channels * sizeof(bool));
    for (int i = 0; i < source.batches; i++) {
        PS_TRY(source.batch(source.self, i, b->session.x, &b->images));
        ps_net_forward_plain(b->session.net, b->session.x, PS_MODE_PROBE, &hook, NULL);
    }
    return PS_OK;
}

/* ---- deadness ---- */

static const char *planted_as(const ps_planting_list *list, const char *layer, int channel) {
    for (int i = 0; i < list->count; i++)
        for (int k = 0; k < list->planting[i].channels; k++)
            if (list->planting[i].channel[k] == channel && strcmp(list->planting[i].layer, layer) == 0)
                return list->planting[i].cause;
    return NULL;
}

/* A near miss is "found" when it is called anything at all: it should not be. What is silent in evaluation mode alone
 * is no matter of what was planted. */
static void judge_node(const bed *b, int row, const ps_planting_list *list, const ps_diagnosed_node *n, tally *t) {
    const char *planted = planted_as(list, n->layer, n->channel);
    bool called = n->condition != PS_CONDITION_NONE && n->condition != PS_CONDITION_EVAL_DEAD;
    if (planted != NULL && strcmp(planted, deaths[row].planting) == 0) {
        t->planted++;
        t->found += deaths[row].cause == PS_CAUSE_NONE ? called : n->cause == deaths[row].cause;
    } else if (planted == NULL) {
        int u = ps_units_find(b->units, n->layer);
        bool active = b->active[u][n->channel];
        t->died += !active;
        t->unplanted += active;
        t->alarms += active && called;
    }
}

static ps_status plant_deaths(bed *b, int row, uint64_t seed, tally *t) {
    char text[128];
    ps_planting_list list = {0};
    ps_diagnosis d = {NULL, 0};
    ps_probe_source source = ps_session_probe_source(&b->session);
    ps_status status;
    restore(b);
    snprintf(text, sizeof text, "%s,seed=%llu", deaths[row].plant, (unsigned long long)seed);
    PS_TRY_CLEANUP(ps_plant(b->session.net, text, &source, &list));
    PS_TRY_CLEANUP(look(b));
    PS_TRY_CLEANUP(ps_diagnose(b->session.net, &source, &d));
    for (int i = 0; i < d.count; i++) judge_node(b, row, &list, &d.node[i], t);
cleanup:
    ps_planting_list_clear(&list);
    ps_diagnosis_clear(&d);
    return status;
}

/* ---- overlap and dependence ---- */

static bool is_partner(const ps_planting *p, int channel) {
    for (int i = 0; i < p->channels * p->partners; i++)
        if (p->partner[i] == channel) return true;
    return false;
}

static const ps_planting *planting_of(const ps_planting_list *list, const char *layer) {
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->planting[i].layer, layer) == 0) return &list->planting[i];
    return NULL;
}

static bool has_pair(const ps_overlap_list *pairs, int a, int b) {
    for (int i = 0; i < pairs->count; i++)
        if ((pairs->pair[i].first == a && pairs->pair[i].second == b) ||
            (pairs->pair[i].first == b && pairs->pair[i].second == a))
            return true;
    return false;
}

static bool in_pair(const ps_overlap_list *pairs, int a) {
    for (int i = 0; i < pairs->count; i++)
        if (pairs->pair[i].first == a || pairs->pair[i].second == a) return true;
    return false;
}

static ps_status judge_overlap(const ps_planting *p, const double *rows, int channels, int columns, tally *t) {
    ps_overlap_list pairs;
    PS_TRY(ps_overlap_find(rows, channels, columns, cosine_bound, &pairs, NULL));
    for (int i = 0; p != NULL && i < p->channels; i++) {
        t->planted++;
        t->found += has_pair(&pairs, p->channel[i], p->partner[i]);
    }
    for (int c = 0; c < channels; c++) {
        bool taken = p != NULL && (c == p->channel[0] || is_partner(p, c));
        t->unplanted += !taken;
        t->alarms += !taken && in_pair(&pairs, c);
    }
    ps_overlap_list_clear(&pairs);
    return PS_OK;
}

static ps_status judge_dependent(const ps_planting *p, const double *rows, int channels, int columns, tally *t,
                                 int *narrow) {
    double *residual;
    if (!ps_dependence_testable(channels, columns)) {
        *narrow += p != NULL ? p->channels : 0;
        return PS_OK;
    }
    PS_TRY(PS_ALLOC((size_t)channels, &residual, "residuals"));
    ps_status status = ps_dependence_residuals(rows, channels, columns, residual);
    for (int c = 0; status == PS_OK && c < channels; c++) {
        bool planted = p != NULL && c == p->channel[0], partner = p != NULL && is_partner(p, c);
        t->planted += planted;
        t->found += planted && residual[c] < residual_bound;
        t->unplanted += !planted && !partner; /* partners take part in the dependence: they are neither */
        t->alarms += !planted && !partner && residual[c] < residual_bound;
    }
    ps_free(residual);
    return status;
}

/* One planted node in every layer that can take one. */
static ps_status plant_rows(bed *b, bool dependent, double noise, uint64_t seed, tally *t, int *narrow) {
    char text[128];
    ps_planting_list list = {0};
    ps_status status;
    restore(b);
    snprintf(text, sizeof text, "count=1,cause=%s,noise=%.9g,seed=%llu", dependent ? "dependent" : "overlap", noise,
             (unsigned long long)seed);
    PS_TRY_CLEANUP(ps_plant(b->session.net, text, NULL, &list));
    for (int u = 0; u < b->units->count; u++) {
        const ps_unit *unit = &b->units->unit[u];
        const ps_planting *p = planting_of(&list, unit->name);
        double *rows;
        int columns;
        if (unit->shared) continue;
        PS_TRY_CLEANUP(ps_incoming_rows(b->session.net, unit, &rows, &columns));
        status = dependent ? judge_dependent(p, rows, unit->channels, columns, t, narrow)
                           : judge_overlap(p, rows, unit->channels, columns, t);
        ps_free(rows);
        if (status != PS_OK) goto cleanup;
    }
cleanup:
    ps_planting_list_clear(&list);
    return status;
}

static ps_status plant_network(bed *b, bool normalised, int seeds, tallies *all) {
    for (int row = 0; row < DEATHS; row++) {
        if (!(normalised ? deaths[row].normalised : deaths[row].plain)) continue;
        all->death[row].nets++;
        all->death[row].seeds = seeds;
        for (int s = 0; s < seeds; s++) PS_TRY(plant_deaths(b, row, (uint64_t)s, &all->death[row]));
    }
    for (int a = 0; a < ANGLES; a++)
        for (int s = 0; s < seeds; s++)
            PS_TRY(plant_rows(b, false, tan(degrees[a] * acos(-1) / 180), (uint64_t)s, &all->overlap[a], NULL));
    for (int n = 0; n < NOISES; n++)
        for (int s = 0; s < seeds; s++)
            PS_TRY(plant_rows(b, true, noises[n], (uint64_t)s, &all->dependent[n], n == 0 ? &all->narrow : &(int){0}));
    return PS_OK;
}

/* ---- inertia, from traces of made-up runs ---- */

enum { INERT_RUNS = 12, INERT_LAYERS = 3, INERT_CHANNELS = 64 }; /* runs per seed of the plantings */

/* The last row is of a layer whose nodes are all inert. */
static const struct {
    const char *label, *cause;
} inertia[PS_FIXTURE_ROLES + 1] = {
    {NULL, "none"},
    {"inert: no gradient though active", "no_gradient"},
    {"inert: weight decay outweighs the gradient", "decay"},
    {"inert: small gradient", "small_gradient"},
    {"inert: small gradient, zero on all steps but one", "small_gradient"},
    {"near miss: path 1.05 to 3 times the bound", "none"},
    {"inert with its layer", "layer_inert"},
};

static int cell_of(char *line, int column, char **cell) {
    char *p = line;
    for (int i = 0; i < column && p != NULL; i++) {
        p = strchr(p, '\t');
        if (p != NULL) p++;
    }
    *cell = p;
    return p != NULL ? (int)strcspn(p, "\t\n") : 0;
}

static int column_of(const char *header, const char *name) {
    int column = 0;
    size_t length = strlen(name);
    for (const char *p = header; p != NULL; p = strchr(p, '\t') != NULL ? strchr(p, '\t') + 1 : NULL, column++)
        if (strncmp(p, name, length) == 0 && (p[length] == '\t' || p[length] == '\n')) return column;
    return -1;
}

static void judge_inertia(const ps_fixture *f, int node, const char *cause, int length, tally *rows) {
    ps_fixture_role role = ps_fixture_role_of(f, node);
    bool layer = node / INERT_CHANNELS == f->inert_layer && role != PS_FIXTURE_NO_GRADIENT; /* the rule before it */
    int row = layer ? PS_FIXTURE_ROLES : (int)role;
    bool called = strncmp(cause, "none", 4) != 0;
    if (row == PS_FIXTURE_MOVING) {
        for (int r = 1; r <= PS_FIXTURE_ROLES; r++) {
            rows[r].unplanted++;
            rows[r].alarms += strncmp(cause, inertia[r].cause, (size_t)length) == 0 && called;
        }
        return;
    }
    rows[row].planted++;
    if (role == PS_FIXTURE_BARELY_MOVING && !layer) rows[row].found += called;
    else
        rows[row].found +=
            (int)strlen(inertia[row].cause) == length && strncmp(cause, inertia[row].cause, (size_t)length) == 0;
}

/* nodes.tsv holds a row a node, in order. */
static ps_status read_nodes(const ps_fixture *f, const char *path, tally *rows) {
    char line[4096], *cell;
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) return ps_fail(PS_ERR_IO, "%s: cannot be read", path);
    int column = column_of(line, "cause");
    for (int node = 0; fgets(line, sizeof line, file) != NULL; node++) {
        int length = cell_of(line, column, &cell);
        judge_inertia(f, node, cell, length, rows);
    }
    fclose(file);
    return PS_OK;
}

static ps_status run_inertia(uint64_t seed, const char *folder, tally *rows) {
    ps_fixture f = ps_fixture_default("inert", seed);
    char trace[128], directory[128], nodes[160];
    ps_file_set *set = NULL;
    ps_tables *tables = NULL;
    ps_run *run = NULL;
    ps_summary summary;
    ps_collector collector;
    ps_status status;
    memset(&summary, 0, sizeof summary);
    memset(&collector, 0, sizeof collector);
    f.layers = INERT_LAYERS;
    f.channels = INERT_CHANNELS;
    f.windows = 2;
    f.dead_start = f.death = 0;
    f.inert_causes = true;
    f.inert_layer = seed % 2 == 0 ? (int)(seed / 2 % INERT_LAYERS) : -1;
    snprintf(trace, sizeof trace, "%s/inert.jsonl", folder);
    snprintf(directory, sizeof directory, "%s/inert", folder);
    snprintf(nodes, sizeof nodes, "%s/tables/nodes.tsv", directory);
    PS_TRY_CLEANUP(ps_fixture_write(&f, trace));
    PS_TRY_CLEANUP(ps_run_open(trace, f.arm, &run));
    PS_TRY_CLEANUP(ps_file_set_begin(directory, "inert", "calibrate again", &set));
    PS_TRY_CLEANUP(ps_tables_open(set, &run->header->task, &tables));
    PS_TRY_CLEANUP(ps_metrics_run(run, tables, &summary, &collector));
    PS_TRY_CLEANUP(ps_tables_check(tables));
    status = ps_file_set_commit(set);
    set = NULL;
    if (status != PS_OK) goto cleanup;
    PS_TRY_CLEANUP(read_nodes(&f, nodes, rows));
cleanup:
    ps_file_set_discard(set);
    ps_tables_close(tables);
    ps_run_close(run);
    ps_summary_clear(&summary);
    ps_collect_clear(&collector);
    return status;
}

/* ---- the tables ---- */

void ps_calibrate_interval(int found, int count, double *low, double *high) {
    double n = count, p = found / n, z = 1.959963984540054, z2 = z * z;
    double middle = (p + z2 / (2 * n)) / (1 + z2 / n),
           half = z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    *low = found == 0 ? 0 : fmax(0, middle - half);
    *high = found == count ? 1 : fmin(1, middle + half);
}

static void print_row(const char *label, const tally *t) {
    double low, high, least, most;
    ps_calibrate_interval(t->found, t->planted, &low, &high);
    ps_calibrate_interval(t->alarms, t->unplanted, &least, &most);
    printf("| %s | %d of %d | %.4f | %.4f to %.4f | %d of %d | %.3f (%.3f to %.3f) |", label, t->found, t->planted,
           (double)t->found / t->planted, low, high, t->alarms, t->unplanted, 1000.0 * t->alarms / t->unplanted,
           1000 * least, 1000 * most);
}

static void print_deaths(const tallies *all, int *wrong) {
    printf(
        "| planted | found as that | recall | 95 %% interval | false alarms | per 1000 unplanted nodes | others that "
        "died | networks x seeds |\n"
        "|---|---|---|---|---|---|---|---|\n");
    for (int row = 0; row < DEATHS; row++) {
        const tally *t = &all->death[row];
        print_row(deaths[row].label, t);
        printf(" %d | %d x %d |\n", t->died, t->nets, t->seeds);
        *wrong += t->alarms > 0 || t->found != (deaths[row].cause == PS_CAUSE_NONE ? 0 : t->planted);
    }
}

/* Rows on either side of the bound are sure: the angle and the residual are exact but for the rounding of weights. */
static void print_rows(const tallies *all, int seeds, int *wrong) {
    char label[96];
    printf(
        "\n| planted | found | recall | 95 %% interval | false alarms | per 1000 unplanted nodes "
        "|\n|---|---|---|---|---|---|\n");
    for (int a = 0; a < ANGLES; a++) {
        const tally *t = &all->overlap[a];
        double cosine = cos(degrees[a] * acos(-1) / 180);
        snprintf(label, sizeof label, "overlap: %g degrees (cosine %.6f)", degrees[a], cosine);
        print_row(label, t);
        printf("\n");
        *wrong += t->alarms > 0 || t->found != (cosine >= cosine_bound ? t->planted : 0);
    }
    for (int n = 0; n < NOISES; n++) {
        const tally *t = &all->dependent[n];
        snprintf(label, sizeof label, "dependence: %g of its length added as noise", noises[n]);
        print_row(label, t);
        printf("\n");
        *wrong += t->alarms > 0 || (noises[n] < residual_bound && t->found != t->planted);
    }
    printf(
        "\nOne node in every layer that can take one, in %d networks with %d seeds each. Among the dependent ones, %d "
        "more a row\nstand in layers with fewer than %d spare weights a node, where the program tests no dependence "
        "and "
        "says so.\n",
        NETWORKS, seeds, all->narrow, PS_RANK_SPARE_COLUMNS);
}

static ps_status calibrate_inertia(int seeds, const char *folder, int *wrong) {
    tally rows[PS_FIXTURE_ROLES + 1];
    memset(rows, 0, sizeof rows);
    for (int s = 0; s < seeds * INERT_RUNS; s++) PS_TRY(run_inertia((uint64_t)s, folder, rows));
    printf(
        "\n| planted | found as that | recall | 95 %% interval | false alarms | per 1000 unplanted nodes "
        "|\n|---|---|---|---|---|---|\n");
    for (int r = 1; r <= PS_FIXTURE_ROLES; r++) {
        print_row(inertia[r].label, &rows[r]);
        printf("\n");
        *wrong += rows[r].alarms > 0 || rows[r].found != (r == PS_FIXTURE_BARELY_MOVING ? 0 : rows[r].planted);
    }
    printf("\n%d made-up runs of %d nodes; in every second one a whole layer is inert.\n", seeds * INERT_RUNS,
           INERT_LAYERS * INERT_CHANNELS);
    return PS_OK;
}

ps_status ps_calibrate_diagnoses(double scale, const char *folder, int *wrong) {
    tallies all;
    int seeds = (int)fmax(1, floor(SEEDS * scale + 0.5));
    memset(&all, 0, sizeof all);
    for (int n = 0; n < NETWORKS; n++) {
        bed b;
        ps_status status = open_bed(&b, n);
        if (status == PS_OK) status = plant_network(&b, strcmp(networks[n].batch_norm, "no") != 0, seeds, &all);
        close_bed(&b);
        PS_TRY(status);
    }
    print_deaths(&all, wrong);
    print_rows(&all, seeds, wrong);
    return calibrate_inertia(seeds, folder, wrong);
}
