#include "tests/lib/trace_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/trace_reader.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/rng.h"
#include "trace/trace_registration.h"

enum { IMAGES = 512, POSITIONS = 16, FAN_IN = 27 };
enum { ALIVE, NEAR, DEAD };

typedef struct {
    const ps_fixture *f;
    FILE *out;
    int *state, *before;           /* per node: now, and at the window's start */
    int *recent;                   /* per layer: windows since a death in it */
    double *z;                     /* per layer: deviation of l2/l1 at the latest probe */
    double *hazard;                /* per layer: deviation of the logarithm of its death rate */
    double *speed, *dead_gradient; /* per node, of the window */
    bool *ajar;                    /* per node, of the window: dead on the probe set, and open on one batch */
    double *zero;                  /* per node, of the window: steps without gradient, with dead_steps */
    int window;
    ps_rng_key key;
    uint64_t draws;
    char *registration; /* with its digest; NULL: none */
} writer;

ps_fixture ps_fixture_default(const char *arm, uint64_t seed) {
    ps_fixture f = {.arm = arm,
                    .seed = seed,
                    .layers = 3,
                    .channels = 8,
                    .windows = 8,
                    .window_steps = 10,
                    .dead_start = 0.25,
                    .death = 0.02,
                    .revival = 0.1,
                    .near_leave = 0.9,
                    .accuracy = 0.5,
                    .inert_layer = -1};
    return f;
}

static double draw(writer *w) { return (double)ps_rng_uniform(w->key, w->draws++); }

static bool is_recorded(const ps_fixture *f, const char *name) {
    bool part = strcmp(name, "nonzero_half") == 0 || strcmp(name, "nonzero_quarter") == 0;
    if (strcmp(name, "saturated") == 0) return f->smooth;
    return strncmp(name, "pre_max_", 8) == 0 ? f->edge_known : !part || !f->no_parts;
}

static void write_quantity(FILE *out, const char *name) {
    ps_trace_quantity q = 0;
    while (strcmp(ps_quantity_name(q), name) != 0) q++;
    fprintf(out, "{\"name\":\"%s\",\"unit\":\"1\",\"per\":\"%s\",\"record\":\"%s\",\"description\":\"\"}", name,
            ps_quantity_is_layer(q) ? "layer" : "node", ps_quantity_is_window(q) ? "window" : "probe");
}

static void write_header(const writer *w) {
    const ps_fixture *f = w->f;
    FILE *out = w->out;
    ps_arm_role role = ps_arm_role_of(f->module, f->mode != NULL ? f->mode : "full", PS_CUT_NONE, false, false);
    static const char *const names[] = {"nonzero",
                                        "zeros",
                                        "shut_steps",
                                        "shut_filter_grad_steps",
                                        "shut_gamma_grad_steps",
                                        "shut_beta_grad_steps",
                                        "shut_reader_grad_steps",
                                        "grad_norm_rms",
                                        "grad_zero_steps",
                                        "path",
                                        "path_gradient",
                                        "path_carried",
                                        "path_decay",
                                        "path_residual",
                                        "net",
                                        "weight_start_l2",
                                        "weight_l2",
                                        "weight_l1",
                                        "bias",
                                        "gamma",
                                        "beta",
                                        "out_l2",
                                        "in_alive",
                                        "images_active",
                                        "mean_abs",
                                        "rms",
                                        "nonzero_eval",
                                        "pre_max",
                                        "pre_max_low",
                                        "pre_max_high",
                                        "activation_l1",
                                        "activation_l2",
                                        "nonzero_half",
                                        "nonzero_quarter",
                                        "saturated",
                                        "out_net_gradient",
                                        "out_start_l2",
                                        "pool_identity",
                                        "pool_path",
                                        "pool_output",
                                        "pool_grad_identity",
                                        "pool_grad_path",
                                        "pool_grad_total",
                                        "pool_cross",
                                        "pool_grad_cross",
                                        "shut_pool_row_grad_steps",
                                        "shut_identity_grad_steps",
                                        "pool_row_grad_rms",
                                        "pool_row_grad_zero_steps",
                                        "pool_weight_l2"};
    fprintf(out,
            "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":2,\"producer\":\"fixture\",\"arm\":\"%s\","
            "\"seed\":%llu,",
            f->arm, (unsigned long long)f->seed);
    fputs("\"config\":{\"lr\":0.1},", out);
    if (w->registration != NULL) fprintf(out, "\"registration\":%s,", w->registration);
    fprintf(out,
            "\"arm_is\":{\"role\":\"%s\",\"pool_size\":%d,\"zero_init\":false,\"cut\":\"none\",\"activation\":\"%s\","
            "\"reinit_dead\":0},",
            ps_arm_roles[role].word, f->module ? f->pool_size : 0, f->smooth ? "gelu" : "relu");
    fprintf(out, "\"pairing\":{\"backbone\":\"b%llu\",\"order\":\"", (unsigned long long)f->seed);
    if (f->order != NULL) fputs(f->order, out);
    else fprintf(out, "o%llu", (unsigned long long)f->seed);
    fprintf(out,
            "\",\"steps\":\"%d\"},\"data\":{},\"machine\":{},\"model\":{\"name\":\"made "
            "up\",\"parameters\":1000,\"module_parameters\":0,\"macs\":5},",
            f->windows * f->window_steps);
    fprintf(out, "\"window\":%d,\"steps\":%d,\"quantities\":[", f->window_steps, f->windows * f->window_steps);
    int count = f->sparse ? 1 : (int)(sizeof names / sizeof *names) - (f->module ? 0 : 13);
    for (int q = 0; q < count; q++)
        if (is_recorded(f, names[q])) {
            if (q > 0) putc(',', out);
            write_quantity(out, names[q]);
        }
    fputs("],\"layers\":[", out);
    for (int l = 0; l < f->layers; l++) {
        fprintf(out,
                "%s{\"name\":\"conv%d\",\"gate\":\"relu%d\",\"kind\":\"conv\",\"channels\":%d,\"position\":%d,"
                "\"depth\":%d,",
                l ? "," : "", l, l, f->channels, l, l);
        fprintf(out,
                "\"stage\":\"s%d\",\"activation\":%s,\"norm\":%s,\"pool_skip\":%s,\"bias\":%s,\"fan_in\":%d,"
                "\"inputs\":[",
                l / 2, f->smooth ? "\"gelu\",\"dead_means\":\"saturated\"" : "\"relu\"", f->norm ? "\"bn\"" : "null",
                f->module ? "\"ps\"" : "null", f->norm ? "false" : "true", FAN_IN);
        if (l > 0) fprintf(out, "\"conv%d\"", l - 1);
        fprintf(out, "],\"elements\":%d}", POSITIONS);
    }
    fputs("]}\n", out);
}

typedef double value_of(const writer *w, int node);

static bool blown(const writer *w) { return w->f->blown_from > 0 && w->window >= w->f->blown_from; }
static double nonzero(const writer *w, int node) {
    if (blown(w)) return IMAGES * POSITIONS;
    return w->state[node] == DEAD ? 0 : w->state[node] == NEAR ? 20 : 3000 + node;
}
static double saturated(const writer *w, int node) {
    return w->state[node] == DEAD ? 1 : w->state[node] == NEAR ? 0.99 : 0.05;
}
static double nonzero_half(const writer *w, int node) { return floor(nonzero(w, node) / 2); }
static double nonzero_quarter(const writer *w, int node) {
    return w->state[node] == NEAR && w->f->rare ? 0 : floor(nonzero(w, node) / 4);
}
/* Whether this check's contradiction is planted in this node's present record. */
static bool fault(const writer *w, const char *check, int node) {
    return w->f->fault != NULL && strcmp(w->f->fault, check) == 0 && w->window == PS_FIXTURE_FAULT_WINDOW + 1 &&
           node / w->f->channels == PS_FIXTURE_FAULT_LAYER;
}

static double images_active(const writer *w, int node) {
    if (blown(w)) return IMAGES;
    if (w->state[node] == DEAD && fault(w, "dead_is_silent", node)) return 1;
    return w->state[node] == DEAD ? 0 : w->state[node] == NEAR ? 3 : 400;
}
static double mean_abs(const writer *w, int node) {
    if (blown(w)) return INFINITY;
    return w->state[node] == DEAD ? 0 : w->state[node] == NEAR ? 1e-3 : 0.5;
}
static double rms(const writer *w, int node) { return 2 * mean_abs(w, node); }
static double pre_max(const writer *w, int node) {
    if (blown(w)) return INFINITY;
    if (w->state[node] == DEAD && fault(w, "dead_is_silent (entering)", node)) return 0.5;
    return w->state[node] == DEAD ? -0.5 : 1.5;
}
bool ps_fixture_on_edge(const ps_fixture *f, int probe, int node) {
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(f->seed, f->arm), (uint64_t)probe);
    return f->edge > 0 && (double)ps_rng_uniform(key, (uint64_t)node) < f->edge;
}
static double pre_max_low(const writer *w, int node) {
    double lowest = w->state[node] == DEAD ? -1 : -0.25;
    if (blown(w)) return INFINITY;
    if (fault(w, "edge_holds_what_enters", node)) return 2;
    return ps_fixture_on_edge(w->f, w->window, node) ? lowest : pre_max(w, node) - 0.125;
}
static double pre_max_high(const writer *w, int node) {
    if (blown(w)) return INFINITY;
    if (ps_fixture_on_edge(w->f, w->window, node)) return 2;
    return pre_max(w, node) + (fault(w, "edge_holds_what_enters", node) ? 1 : 0.125);
}
static double bias(const writer *w, int node) {
    if (w->f->norm) return NAN;
    return w->state[node] == DEAD ? -4 : 0.1;
}
static double gamma_(const writer *w, int node) { return w->f->norm ? 1 + 0.01 * node : NAN; }
static double beta(const writer *w, int node) { return w->f->norm ? (w->state[node] == DEAD ? -5 : 0.2) : NAN; }
static double weight_l2(const writer *w, int node) { return 1 + 0.001 * node + 0 * (double)w->f->seed; }
/* Of the window that is being made, or of the probe: e-folds above the middle of the run. */
static double course(const writer *w) { return w->f->trend * (0.5 - (w->window + 0.5) / w->f->windows); }
/* The layer's own curve, 1 at the start and falling, at its own pace: of deaths (0) or of l2/l1 (1). */
static double own_course(const writer *w, int layer, uint64_t which) {
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(w->f->seed, "fixture/course"), (uint64_t)layer);
    double size = w->f->own_trend * (double)ps_rng_uniform(key, 2 * which),
           pace = 1 + 7 * (double)ps_rng_uniform(key, 2 * which + 1);
    return size * exp(-pace * w->window / w->f->windows);
}
static double weight_l1(const writer *w, int node) {
    int layer = node / w->f->channels;
    double shift = 3 * layer < w->f->layers        ? w->f->concentration[0]
                   : 3 * layer >= 2 * w->f->layers ? w->f->concentration[1]
                                                   : 0;
    return weight_l2(w, node) * sqrt(FAN_IN) / (1.25 + 0.02 * (w->z[layer] + course(w) + own_course(w, layer, 1))) /
           exp(shift);
}
static double out_l2(const writer *w, int node) { return 0.7 + 0 * (double)(w->f->seed + (uint64_t)node); }

/* A window's gate is shut all through when the node is dead at both ends. */
static bool shut(const writer *w, int node) { return w->before[node] == DEAD && w->state[node] == DEAD; }
static double zeros(const writer *w, int node) {
    return shut(w, node) ? (w->ajar[node] ? 0.999 : 1) : w->state[node] == ALIVE ? 0.5 : 0.99;
}

/* ---- planted inertia ---- */

static ps_rng_key role_key(const ps_fixture *f, int node) {
    return ps_rng_key_fold(ps_rng_key_of(f->seed, "fixture/role"), (uint64_t)node);
}

ps_fixture_role ps_fixture_role_of(const ps_fixture *fixture, int node) {
    if (!fixture->inert_causes) return PS_FIXTURE_MOVING;
    uint32_t drawn = ps_rng_below(role_key(fixture, node), 0, 4 * PS_FIXTURE_ROLES);
    return drawn < PS_FIXTURE_ROLES ? (ps_fixture_role)drawn : PS_FIXTURE_MOVING;
}

/* Path over weights: 1e-6 to just below 1e-3 where inert, just above it where barely moving. */
static double role_path(const ps_fixture *f, int node) {
    double u = (double)ps_rng_uniform(role_key(f, node), 1);
    ps_fixture_role role = ps_fixture_role_of(f, node);
    if (role == PS_FIXTURE_NO_GRADIENT) return 0;
    if (role == PS_FIXTURE_BARELY_MOVING && node / f->channels != f->inert_layer) return 1.05e-3 * pow(3 / 1.05, u);
    if (role == PS_FIXTURE_MOVING && node / f->channels != f->inert_layer) return 0.02 * (0.2 + u);
    return 0.95e-3 * pow(10, -3 * u);
}

/* Decay outweighs the gradient, or is outweighed, by 5 % to a hundredfold. */
static double role_decay(const ps_fixture *f, int node) {
    double factor = 1.05 * pow(10, 2 * (double)ps_rng_uniform(role_key(f, node), 2));
    double path = role_path(f, node);
    if (ps_fixture_role_of(f, node) == PS_FIXTURE_NO_GRADIENT) return 1e-5 * factor;
    return ps_fixture_role_of(f, node) == PS_FIXTURE_DECAY ? path * factor : path / factor;
}

static double gradient(const writer *w, int node) {
    if (w->f->inert_causes) return 50 * role_path(w->f, node);
    if (shut(w, node) && !w->f->module && fault(w, "shut_gate_no_gradient (window)", node)) return 1e-6;
    if (w->f->module && w->before[node] == DEAD)
        return w->f->dead_ratio * w->dead_gradient[node]; /* those that reopen in it too */
    if (shut(w, node)) return 0;
    return w->before[node] == ALIVE ? 1 : 0.1;
}
static double zero_steps(const writer *w, int node) {
    if (w->f->dead_steps > 0 && w->before[node] == DEAD) return w->zero[node];
    if (ps_fixture_role_of(w->f, node) == PS_FIXTURE_ONE_STEP) return w->f->window_steps - 1;
    return gradient(w, node) == 0 ? w->f->window_steps : 0;
}
static double path_gradient(const writer *w, int node) {
    if (w->f->inert_causes) return weight_l2(w, node) * role_path(w->f, node);
    double moved = 0.02 * gradient(w, node) * w->speed[node];
    return w->f->dead_speed > 0 && w->before[node] == DEAD ? w->f->dead_speed * weight_l2(w, node) * moved : moved;
}
/* Of the parts of a path that no gradient makes. With a course in common they follow it too, as large a part of a
 * near-dead node's path as of an alive one's: else the mean logarithms of the two would part where as many of both turn
 * inert. */
static double steady(const writer *w, int node) {
    return w->f->trend == 0 ? 1 : exp(course(w)) * (w->before[node] == NEAR ? 0.1 : 1);
}
static double path_carried(const writer *w, int node) { return 0.001 * steady(w, node); }
static double path_decay(const writer *w, int node) {
    return w->f->inert_causes ? weight_l2(w, node) * role_decay(w->f, node) : 0.002 * steady(w, node);
}
static double path_residual(const writer *w, int node) { return fault(w, "update_parts_add_up", node) ? 0.01 : 1e-8; }
static double path(const writer *w, int node) {
    double share = fault(w, "path_within_parts", node) ? 1.1 : 0.9;
    return share * (path_gradient(w, node) + path_carried(w, node) + path_decay(w, node));
}
static double net(const writer *w, int node) { return (fault(w, "net_within_path", node) ? 1.1 : 0.5) * path(w, node); }
static double out_start(const writer *w, int node) { return out_l2(w, node); }
static double out_net_gradient(const writer *w, int node) {
    if (shut(w, node)) return 0.7 * w->f->out_dead;
    return 0.7 * (w->f->out_frozen ? 1e-5 : 0.05);
}
static double identity(const writer *w, int node) { return 1 + 0 * w->state[node]; }
static double pool_path(const writer *w, int node) { return 0.3 + 0 * w->state[node]; }
static double output(const writer *w, int node) {
    return fault(w, "pool_parts_add_up", node) ? 1.41 : 1.4 + 0 * w->state[node];
}
static double cross(const writer *w, int node) { return 0.05 + 0 * w->state[node]; }
static double grad_identity(const writer *w, int node) { return shut(w, node) ? 0 : 1; }
static double grad_path(const writer *w, int node) { return shut(w, node) ? w->f->dead_ratio : 0.5; }
/* The fault of a window shut throughout leaves the sum of the parts as it is. */
static double grad_cross(const writer *w, int node) {
    return shut(w, node) && fault(w, "shut_gate_all_by_pool", node) ? 0.1 : 0;
}
static double grad_total(const writer *w, int node) {
    double wrong = fault(w, "pool_gradient_parts_add_up", node) && !shut(w, node) ? 0.01 : 0;
    return grad_identity(w, node) + grad_path(w, node) + 2 * grad_cross(w, node) + wrong;
}
static double row_gradient(const writer *w, int node) { return shut(w, node) ? 0 : 0.2; }
static double row_zero(const writer *w, int node) {
    return shut(w, node) ? w->f->window_steps - fault(w, "shut_gate_no_row_gradient (window)", node) : 0;
}

/* ---- batches that shut a gate: all of a window, or half of one in which the node is near-dead ---- */

static double shut_steps(const writer *w, int node) {
    if (shut(w, node)) return w->f->window_steps - w->ajar[node] - fault(w, "shut_steps_agree (missed)", node);
    if (w->state[node] == ALIVE && fault(w, "shut_steps_agree", node))
        return ceil(0.6 * w->f->window_steps); /* more than its zeros */
    return w->state[node] == ALIVE ? 0 : w->f->window_steps / 2;
}
static double moved(const writer *w, int node, const char *check) {
    return shut_steps(w, node) > 0 && shut_steps(w, node) < w->f->window_steps && fault(w, check, node);
}
static double filter_moved(const writer *w, int node) {
    return w->f->module ? shut_steps(w, node) : moved(w, node, "shut_gate_no_gradient");
}
static double gamma_moved(const writer *w, int node) {
    return w->f->norm ? moved(w, node, "shut_gate_no_gamma_gradient") : NAN;
}
static double beta_moved(const writer *w, int node) {
    return w->f->norm ? moved(w, node, "shut_gate_no_beta_gradient") : NAN;
}
static double row_moved(const writer *w, int node) { return moved(w, node, "shut_gate_no_row_gradient"); }
static double identity_moved(const writer *w, int node) { return moved(w, node, "shut_gate_no_identity"); }
static double reader_moved(const writer *w, int node) { return moved(w, node, "dead_input_no_gradient"); }

static void array(const writer *w, const char *name, int layer, value_of *value, bool *first) {
    fprintf(w->out, "%s\"%s\":[", *first ? "" : ",", name);
    *first = false;
    for (int c = 0; c < w->f->channels; c++) {
        double v = value(w, layer * w->f->channels + c);
        if (c > 0) putc(',', w->out);
        if (isnan(v)) fputs("null", w->out);
        else if (isinf(v)) fputs("\"NaN\"", w->out);
        else fprintf(w->out, "%.9g", (double)(float)v);
    }
    putc(']', w->out);
}

static void write_probe(const writer *w, int step) {
    for (int l = 0; l < w->f->layers; l++) {
        bool first = true;
        fprintf(w->out,
                "{\"type\":\"probe\",\"step\":%d,\"layer\":\"conv%d\",\"images\":%d,\"elements\":%d,\"values\":{", step,
                l, IMAGES, IMAGES * POSITIONS);
        array(w, "nonzero", l, nonzero, &first);
        if (!w->f->sparse) {
            int alive = 0;
            static const struct {
                const char *name;
                value_of *value;
            } all[] = {{"nonzero_half", nonzero_half},
                       {"nonzero_quarter", nonzero_quarter},
                       {"nonzero_eval", nonzero},
                       {"saturated", saturated},
                       {"images_active", images_active},
                       {"mean_abs", mean_abs},
                       {"rms", rms},
                       {"pre_max", pre_max},
                       {"pre_max_low", pre_max_low},
                       {"pre_max_high", pre_max_high},
                       {"bias", bias},
                       {"gamma", gamma_},
                       {"beta", beta},
                       {"weight_l2", weight_l2},
                       {"weight_l1", weight_l1},
                       {"out_l2", out_l2}};
            for (size_t i = 0; i < sizeof all / sizeof *all; i++)
                if (is_recorded(w->f, all[i].name)) array(w, all[i].name, l, all[i].value, &first);
            for (int c = 0; l > 0 && c < w->f->channels; c++) alive += w->state[(l - 1) * w->f->channels + c] != DEAD;
            if (l > 0) fprintf(w->out, ",\"in_alive\":%d", alive);
            else fputs(",\"in_alive\":null", w->out);
            fprintf(w->out, ",\"activation_l1\":%d,\"activation_l2\":%d", 1000, 20);
        }
        fputs("}}\n", w->out);
    }
}

static void write_window(const writer *w, int window) {
    const ps_fixture *f = w->f;
    static const struct {
        const char *name;
        value_of *value;
    } all[] = {{"zeros", zeros},
               {"shut_steps", shut_steps},
               {"shut_filter_grad_steps", filter_moved},
               {"shut_gamma_grad_steps", gamma_moved},
               {"shut_beta_grad_steps", beta_moved},
               {"shut_reader_grad_steps", reader_moved},
               {"grad_norm_rms", gradient},
               {"grad_zero_steps", zero_steps},
               {"path", path},
               {"path_gradient", path_gradient},
               {"path_carried", path_carried},
               {"path_decay", path_decay},
               {"path_residual", path_residual},
               {"net", net},
               {"weight_start_l2", weight_l2},
               {"out_net_gradient", out_net_gradient},
               {"out_start_l2", out_start},
               {"pool_identity", identity},
               {"pool_path", pool_path},
               {"pool_output", output},
               {"pool_grad_identity", grad_identity},
               {"pool_grad_path", grad_path},
               {"pool_grad_total", grad_total},
               {"pool_cross", cross},
               {"pool_grad_cross", grad_cross},
               {"shut_pool_row_grad_steps", row_moved},
               {"shut_identity_grad_steps", identity_moved},
               {"pool_row_grad_rms", row_gradient},
               {"pool_row_grad_zero_steps", row_zero}};
    for (int l = 0; l < f->layers && !f->sparse; l++) {
        bool first = true;
        fprintf(w->out, "{\"type\":\"window\",\"window\":%d,\"first\":%d,\"last\":%d,\"layer\":\"conv%d\",\"values\":{",
                window, window * f->window_steps, (window + 1) * f->window_steps - 1, l);
        for (size_t i = 0; i < (f->module ? 29 : 17); i++) array(w, all[i].name, l, all[i].value, &first);
        fputs("}}\n", w->out);
    }
}

static void write_steps(const writer *w, int window) {
    for (int s = 0; s < w->f->window_steps; s++) {
        int step = window * w->f->window_steps + s;
        fprintf(w->out, "{\"type\":\"step\",\"step\":%d,\"loss\":%.9g,\"lr\":0.1,\"grad_norm\":1,\"clip\":1}\n", step,
                2.3 / (1 + 0.01 * step));
    }
}

static double normal(writer *w) { return (double)ps_rng_normal(w->key, w->draws++); }

static int next_state(writer *w, int node) {
    const ps_fixture *f = w->f;
    double u = draw(w), v = draw(w), rate = exp(course(w));
    int layer = node / f->channels;
    double own = exp(own_course(w, layer, 0) - f->own_trend / 4 + w->hazard[layer]);
    double death = rate * own * f->death * fmax(0, 1 + f->lead * w->z[layer]);
    double revival = rate * f->revival * (1 + (w->dead_gradient[node] > 1 && w->window > 0 ? f->reopening : 0)) *
                     (w->ajar[node] ? 4 : 1);
    switch (w->state[node]) {
        case DEAD: return u >= revival ? DEAD : v < 0.5 ? NEAR : ALIVE;
        case NEAR: return u < death ? DEAD : u >= 1 - rate * f->near_leave ? ALIVE : NEAR;
        default: return u < death ? DEAD : v < 0.1 ? NEAR : ALIVE;
    }
}

/* How fast a living node moves in this window: 1 without noise; log-normal, and now and then inert, with it. */
static double speed_of(writer *w, int node) {
    const ps_fixture *f = w->f;
    int layer = node / f->channels;
    double slow = w->before[node] == NEAR ? pow(10, -f->slowing * w->window / f->windows) : 1;
    double rate = exp(course(w)), inert = 0.05 * rate + (layer > 0 && w->recent[layer - 1] <= 2 ? f->cascade : 0);
    if (w->before[node] == DEAD) inert = 0.05; /* the course is that of the living, and so is the cascade */
    double u = draw(w), spread = exp(0.3 * normal(w));
    if (!f->noise) return slow;
    if (w->before[node] != DEAD) slow *= rate;
    return u < inert ? 1e-4 : slow * spread * 5;
}

/* Of what a layer has at random, from the window to the next. */
static void drift(writer *w, int layer) {
    const ps_fixture *f = w->f;
    int died = 0;
    for (int node = layer * f->channels; node < (layer + 1) * f->channels; node++)
        died += w->state[node] == DEAD && w->before[node] != DEAD;
    w->z[layer] = (f->memory > 0 ? w->z[layer] + 0.3 * normal(w) : normal(w)) + f->answer * died;
    if (f->memory > 0)
        w->hazard[layer] = f->memory * w->hazard[layer] + 0.7 * sqrt(1 - f->memory * f->memory) * normal(w);
}

static void move(writer *w) {
    const ps_fixture *f = w->f;
    int nodes = f->layers * f->channels;
    memcpy(w->before, w->state, (size_t)nodes * sizeof *w->state);
    for (int l = 0; l < f->layers; l++) w->recent[l]++;
    for (int node = 0; node < nodes; node++) w->speed[node] = speed_of(w, node);
    for (int node = 0; node < nodes; node++) {
        w->state[node] = next_state(w, node);
        if (w->state[node] == DEAD && w->before[node] != DEAD) w->recent[node / f->channels] = 0;
    }
    for (int node = 0; node < nodes && f->noise; node++) w->dead_gradient[node] = exp(0.5 * normal(w));
    for (int node = 0; node < nodes && f->ajar > 0; node++) {
        w->ajar[node] = shut(w, node) && draw(w) < f->ajar;
        if (w->ajar[node]) w->dead_gradient[node] *= 4;
    }
    for (int l = 0; l < f->layers && f->noise; l++) drift(w, l);
    for (int node = 0; node < nodes && f->dead_steps > 0; node++) {
        w->zero[node] = 0;
        for (int s = 0; s < f->window_steps; s++) w->zero[node] += draw(w) >= f->dead_steps;
    }
    w->window++;
}

static void write_run(writer *w) {
    const ps_fixture *f = w->f;
    int nodes = f->layers * f->channels;
    char name[64];
    write_header(w);
    w->key = ps_rng_key_of(f->seed, "fixture/start");
    snprintf(name, sizeof name, "fixture/%s", f->arm);
    if (!f->start_by_seed) w->key = ps_rng_key_of(f->seed, name);
    for (int node = 0; node < nodes; node++)
        w->state[node] = draw(w) < f->dead_start ? DEAD : draw(w) < 0.1 ? NEAR : ALIVE;
    w->key = ps_rng_key_fold(ps_rng_key_of(f->seed, name), 1);
    write_probe(w, 0);
    int windows = f->stop_after > 0 ? f->stop_after : f->windows;
    for (int window = 0; window < windows; window++) {
        move(w);
        write_steps(w, window);
        write_window(w, window);
        if (f->probe_every < 2 || (window + 1) % f->probe_every == 0) write_probe(w, (window + 1) * f->window_steps);
        fprintf(w->out, "{\"type\":\"timing\",\"step\":%d,\"record_ns\":5,\"probe_ns\":15,\"train_ns\":200}\n",
                (window + 1) * f->window_steps);
    }
    if (f->diverged)
        fprintf(w->out, "{\"type\":\"event\",\"step\":%d,\"event\":\"diverged\"}\n", windows * f->window_steps);
    fprintf(w->out, "{\"type\":\"eval\",\"step\":%d,\"split\":\"test\",\"loss\":1.5,\"accuracy\":%.9g,\"count\":%d}\n",
            windows * f->window_steps, f->accuracy, f->test_images > 0 ? f->test_images : 100);
    if (f->cut) fputs("{\"type\":\"probe\",\"step\":", w->out);
    else if (!f->no_end)
        fprintf(w->out, "{\"type\":\"end\",\"steps\":%d,\"status\":\"%s\"}\n", windows * f->window_steps,
                f->diverged ? "diverged" : "finished");
}

static ps_status make_registration(const char *text, char **whole) {
    ps_registration registration;
    cJSON *document;
    PS_TRY(ps_json_parse(text, "made-up registration", &document));
    ps_status status = ps_registration_parse(document, "made-up registration", &registration);
    if (status == PS_OK) status = ps_registration_text(&registration, whole);
    cJSON_Delete(document);
    return status;
}

static ps_status init_writer(writer *w, const ps_fixture *fixture) {
    size_t layers = (size_t)fixture->layers, nodes = layers * (size_t)fixture->channels;
    memset(w, 0, sizeof *w);
    w->f = fixture;
    PS_TRY(PS_ALLOC(nodes, &w->state, "states"));
    PS_TRY(PS_ALLOC(nodes, &w->before, "states"));
    PS_TRY(PS_ALLOC(nodes, &w->speed, "speeds"));
    PS_TRY(PS_ALLOC(nodes, &w->dead_gradient, "gradients"));
    PS_TRY(PS_ALLOC(nodes, &w->zero, "steps without gradient"));
    PS_TRY(PS_ALLOC(nodes, &w->ajar, "open batches"));
    PS_TRY(PS_ALLOC(layers, &w->recent, "deaths"));
    PS_TRY(PS_ALLOC(layers, &w->z, "deviations"));
    PS_TRY(PS_ALLOC(layers, &w->hazard, "deviations"));
    for (size_t node = 0; node < nodes; node++) w->dead_gradient[node] = 1;
    for (size_t l = 0; l < layers; l++) w->recent[l] = 1000;
    return fixture->registration != NULL ? make_registration(fixture->registration, &w->registration) : PS_OK;
}

static void clear_writer(writer *w) {
    ps_free(w->state);
    ps_free(w->before);
    ps_free(w->speed);
    ps_free(w->dead_gradient);
    ps_free(w->zero);
    ps_free(w->ajar);
    ps_free(w->recent);
    ps_free(w->z);
    ps_free(w->hazard);
    free(w->registration);
}

/* Without the fsync of ps_file_writer: calibration writes thousands of traces. */
ps_status ps_fixture_write(const ps_fixture *fixture, const char *path) {
    writer w;
    ps_status status = init_writer(&w, fixture);
    if (status == PS_OK && (w.out = fopen(path, "wb")) == NULL)
        status = ps_fail(PS_ERR_IO, "%s: cannot be written", path);
    if (status == PS_OK) {
        write_run(&w);
        if (fclose(w.out) != 0) status = ps_fail(PS_ERR_IO, "%s: could not be written", path);
    }
    clear_writer(&w);
    return status;
}
