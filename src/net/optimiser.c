#include "net/optimiser.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "kernels/pointwise.h"

typedef struct {
    ps_param *param;
    float *first, *second; /* SGD: momentum, NULL; AdamW: m, v */
    ps_update_account *account;
    bool frozen; /* never updated */
    bool exempt; /* from weight decay */
    double rate; /* factor on the learning rate */
} slot;

struct ps_optimiser {
    ps_net *net;
    const ps_optimiser_options *options;
    bool sgd;
    int count; /* learned parameters; they come first in the net */
    slot *slot;
};

/* ---- options ---- */

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static ps_status check_range(const char *what, double value, double low, double high) {
    if (value >= low && value <= high) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "%s must be from %g to %g, not %g", what, low, high, value);
}

ps_status ps_optimiser_check(const ps_optimiser_options *o) {
    if (!is(o->name, "sgd") && !is(o->name, "adamw"))
        return ps_fail(PS_ERR_USAGE, "optimiser \"%s\" is unknown; choose sgd or adamw", o->name);
    PS_TRY(check_range("momentum", o->momentum, 0, 0.999999));
    PS_TRY(check_range("weight decay", o->weight_decay, 0, 1e3));
    PS_TRY(check_range("beta1", o->beta1, 0, 0.9999999));
    PS_TRY(check_range("beta2", o->beta2, 0, 0.9999999));
    PS_TRY(check_range("eps", o->eps, 0, 1));
    PS_TRY(check_range("the clipping norm", o->clip, 0, 1e30));
    if (o->nesterov && (!is(o->name, "sgd") || o->momentum == 0))
        return ps_fail(PS_ERR_USAGE, "Nesterov needs sgd with a momentum above 0; set momentum or leave nesterov out");
    return PS_OK;
}

/* ---- life ---- */

static ps_status set_rates(ps_optimiser *optimiser, double backbone) {
    static const char prefix[] = "backbone.";
    int matches = 0;
    for (int i = 0; i < optimiser->count; i++) {
        slot *s = &optimiser->slot[i];
        bool slower = backbone > 0 && strncmp(s->param->name, prefix, strlen(prefix)) == 0;
        s->rate = slower ? backbone : 1;
        matches += slower;
    }
    if (matches > 0 || backbone == 0 || backbone == 1) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "backbone_lr_factor is for parameters whose names begin with \"backbone.\", and this "
                   "network has none; leave it out");
}

/* Whose name one of the patterns fits. */
static ps_status freeze_matching(ps_optimiser *optimiser, const char *pattern) {
    int matches = 0;
    for (int i = 0; i < optimiser->count; i++) {
        slot *s = &optimiser->slot[i];
        if (!ps_text_matches(pattern, s->param->name)) continue;
        s->frozen = true;
        matches++;
    }
    if (matches > 0) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "no parameter matches \"%s\", which is to be frozen; `poolscope inspect` lists the layers, whose "
                   "parameters are "
                   "named as LAYER.weight and LAYER.bias",
                   pattern);
}

static ps_status freeze(ps_optimiser *optimiser, const char *patterns) {
    char *list, *save = NULL;
    if (patterns == NULL || patterns[0] == '\0') return PS_OK;
    PS_TRY(ps_string_copy(patterns, &list));
    ps_status status = PS_OK;
    for (char *p = strtok_r(list, ",", &save); p != NULL && status == PS_OK; p = strtok_r(NULL, ",", &save))
        status = freeze_matching(optimiser, p);
    free(list);
    return status;
}

/* ---- groups ---- */

/* The parameter's own, of a normalisation, counts as that, whatever it is called. */
static bool is_norms(const ps_net *net, const ps_param *p) {
    ps_role role = ps_net_graph(net)->op[p->op].type->role;
    return role == PS_ROLE_NORM || role == PS_ROLE_NORM_ACROSS;
}

static bool is_biases(const ps_net *net, const ps_param *p) {
    size_t length = strlen(p->spec.suffix), bias = strlen("bias");
    return !is_norms(net, p) && length >= bias && is(p->spec.suffix + length - bias, "bias");
}

static bool is_embeddings(const ps_net *net, const ps_param *p) {
    (void)net;
    return p->spec.embedding;
}

static const struct {
    const char *name;
    bool (*holds)(const ps_net *net, const ps_param *param);
} groups[] = {{"norms", is_norms}, {"biases", is_biases}, {"embeddings", is_embeddings}};
enum { GROUPS = sizeof groups / sizeof *groups };

static ps_status exempt_group(ps_optimiser *optimiser, const char *name) {
    for (int g = 0; g < GROUPS; g++) {
        if (!is(name, groups[g].name)) continue;
        for (int i = 0; i < optimiser->count; i++)
            optimiser->slot[i].exempt |= groups[g].holds(optimiser->net, optimiser->slot[i].param);
        return PS_OK;
    }
    return ps_fail(PS_ERR_USAGE,
                   "\"%s\" is no group of parameters that can go without weight decay; choose none, or some of norms, "
                   "biases and embeddings with commas between",
                   name);
}

static ps_status exempt(ps_optimiser *optimiser, const char *names) {
    char *list, *save = NULL;
    if (names == NULL || is(names, "none")) return PS_OK;
    PS_TRY(ps_string_copy(names, &list));
    ps_status status = list[0] != '\0' ? PS_OK : exempt_group(optimiser, "");
    for (char *p = strtok_r(list, ",", &save); p != NULL && status == PS_OK; p = strtok_r(NULL, ",", &save))
        status = exempt_group(optimiser, p);
    free(list);
    return status;
}

ps_status ps_optimiser_create(ps_net *net, const ps_optimiser_options *options, ps_optimiser **out) {
    ps_optimiser *optimiser = NULL;
    ps_status status = PS_OK;
    *out = NULL;
    PS_TRY(ps_optimiser_check(options));
    PS_TRY(PS_ALLOC(1, &optimiser, "optimiser"));
    optimiser->net = net;
    optimiser->options = options;
    optimiser->sgd = is(options->name, "sgd");
    while (optimiser->count < ps_net_param_count(net) && ps_net_param(net, optimiser->count)->learned)
        optimiser->count++;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)optimiser->count, &optimiser->slot, "optimiser"));
    for (int i = 0; i < optimiser->count; i++) {
        slot *s = &optimiser->slot[i];
        s->param = ps_net_param(net, i);
        PS_TRY_CLEANUP(PS_ALLOC(s->param->count, &s->first, s->param->name));
        if (!optimiser->sgd) PS_TRY_CLEANUP(PS_ALLOC(s->param->count, &s->second, s->param->name));
    }
    PS_TRY_CLEANUP(set_rates(optimiser, options->backbone_factor));
    PS_TRY_CLEANUP(freeze(optimiser, options->freeze));
    PS_TRY_CLEANUP(exempt(optimiser, options->decay_exempt));
    *out = optimiser;
    return PS_OK;
cleanup:
    ps_optimiser_destroy(optimiser);
    return status;
}

void ps_optimiser_destroy(ps_optimiser *optimiser) {
    if (optimiser == NULL) return;
    for (int i = 0; optimiser->slot != NULL && i < optimiser->count; i++) {
        ps_free(optimiser->slot[i].first);
        ps_free(optimiser->slot[i].second);
        ps_update_account_destroy(optimiser->slot[i].account);
    }
    ps_free(optimiser->slot);
    ps_free(optimiser);
}

/* ---- one step ---- */

typedef struct {
    double backbone, module; /* sums of squares */
} gradient_squares;

static gradient_squares measure(const ps_optimiser *optimiser) {
    gradient_squares sum = {0, 0};
    for (int i = 0; i < optimiser->count; i++) {
        const ps_param *p = optimiser->slot[i].param;
        if (optimiser->slot[i].frozen) continue;
        double squares = ps_vector_sum_squares(p->grad, p->count, ps_net_threads(optimiser->net));
        *(p->module ? &sum.module : &sum.backbone) += squares;
    }
    return sum;
}

/* As torch.nn.utils.clip_grad_norm_: a small constant keeps the quotient finite. */
static double clip_factor(double limit, double norm) {
    if (limit <= 0) return 1.0;
    double factor = limit / (norm + 1e-6);
    return factor < 1.0 ? factor : 1.0;
}

static double decay_of(const ps_optimiser *optimiser, const slot *s) {
    return s->exempt ? 0 : optimiser->options->weight_decay;
}

static void update(const ps_optimiser *optimiser, slot *s, double lr, double clip, uint64_t step) {
    const ps_optimiser_options *o = optimiser->options;
    const ps_param *p = s->param;
    ps_threads *threads = ps_net_threads(optimiser->net);
    size_t rows = (size_t)p->spec.rows;
    double decay = decay_of(optimiser, s);
    if (optimiser->sgd) {
        ps_update_sgd_step sgd = {lr, o->momentum, decay, clip, o->nesterov};
        ps_update_sgd(&sgd, rows, p->row_length, p->grad, p->value, s->first, s->account, threads);
    } else {
        ps_update_adamw_step adamw = {lr, o->beta1, o->beta2, o->eps, decay, clip, step + 1};
        ps_update_adamw(&adamw, rows, p->row_length, p->grad, p->value, s->first, s->second, s->account, threads);
    }
}

ps_update_report ps_optimiser_step(ps_optimiser *optimiser, uint64_t step, uint64_t steps) {
    const ps_optimiser_options *o = optimiser->options;
    gradient_squares squares = measure(optimiser);
    ps_update_report report = {.lr = ps_lr_of(&o->rate, step, steps),
                               .grad_norm = sqrt(squares.backbone),
                               .grad_norm_module = sqrt(squares.module)};
    report.clip = clip_factor(o->clip, report.grad_norm);
    report.clip_module = clip_factor(o->clip, report.grad_norm_module);
    report.finite = isfinite(squares.backbone) && isfinite(squares.module);
    for (int i = 0; i < optimiser->count; i++) {
        slot *s = &optimiser->slot[i];
        /* A frozen parameter has a gradient, which is accounted for, and a step of length 0. */
        if (s->frozen && (s->account == NULL || !report.finite)) continue;
        update(optimiser, s, s->frozen ? 0 : s->rate * report.lr, s->param->module ? report.clip_module : report.clip,
               step);
    }
    return report;
}

bool ps_optimiser_freezes(const ps_optimiser *optimiser, int param) {
    return param >= 0 && param < optimiser->count && optimiser->slot[param].frozen;
}

void ps_optimiser_forget_row(ps_optimiser *optimiser, int param, int row) {
    if (param < 0 || param >= optimiser->count) return;
    const slot *s = &optimiser->slot[param];
    size_t length = s->param->row_length, first = (size_t)row * length;
    /* The share of weight decay in the momentum is accounted for apart, and goes with it. */
    float *const buffers[] = {s->first, s->second,
                              s->account != NULL ? ps_update_account_decay_share(s->account) : NULL};
    for (int i = 0; i < 3; i++)
        if (buffers[i] != NULL) memset(buffers[i] + first, 0, length * sizeof *buffers[i]);
}

/* ---- accounting ---- */

ps_status ps_optimiser_track(ps_optimiser *optimiser, int param) {
    if (param < 0 || param >= optimiser->count)
        return ps_fail(PS_ERR_INTERNAL, "parameter %d is not learned, so it cannot be tracked", param);
    slot *s = &optimiser->slot[param];
    if (s->account != NULL) return PS_OK;
    return ps_update_account_create((size_t)s->param->spec.rows, s->param->row_length, optimiser->sgd,
                                    decay_of(optimiser, s) > 0, &s->account);
}

ps_update_account *ps_optimiser_account(ps_optimiser *optimiser, int param) {
    return param >= 0 && param < optimiser->count ? optimiser->slot[param].account : NULL;
}

void ps_optimiser_begin_window(ps_optimiser *optimiser) {
    for (int i = 0; i < optimiser->count; i++) {
        slot *s = &optimiser->slot[i];
        if (s->account != NULL)
            ps_update_account_begin(s->account, s->param->value, optimiser->sgd ? s->first : NULL,
                                    ps_net_threads(optimiser->net));
    }
}

void ps_optimiser_end_window(ps_optimiser *optimiser) {
    for (int i = 0; i < optimiser->count; i++) {
        slot *s = &optimiser->slot[i];
        if (s->account != NULL)
            ps_update_account_close(s->account, s->param->value, optimiser->sgd ? s->first : NULL,
                                    ps_net_threads(optimiser->net));
    }
}

/* ---- state for checkpoints ---- */

/* Arrays of one slot, in order; false past its last. Of an account only the decay's share outlives a window. */
static bool slot_array(const slot *s, bool sgd, int which, ps_state_array *array) {
    float *decay = s->account != NULL ? ps_update_account_decay_share(s->account) : NULL;
    float *data[3] = {s->first, s->second, decay};
    const char *name[3] = {sgd ? "momentum" : "m", "v", "decay"};
    for (int i = 0; i < 3; i++) {
        if (data[i] == NULL || which-- > 0) continue;
        snprintf(array->name, sizeof array->name, "%s.%s", s->param->name, name[i]);
        array->data = data[i];
        array->count = s->param->count;
        return true;
    }
    return false;
}

bool ps_optimiser_state(ps_optimiser *optimiser, int index, ps_state_array *array) {
    for (int i = 0; i < optimiser->count; i++)
        for (int which = 0; slot_array(&optimiser->slot[i], optimiser->sgd, which, array); which++)
            if (index-- == 0) return true;
    return false;
}
