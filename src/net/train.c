#include "net/train.h"

#include <math.h>

#include "core/clock.h"
#include "core/memory.h"
#include "kernels/pointwise.h"

/* A run that produced no finite step for this many windows has nothing more to say. */
enum { HOPELESS_WINDOWS = 3 };

typedef struct {
    ps_net *net;
    ps_optimiser *optimiser;
    const ps_train_options *options;
    float *x;
    int32_t *label;
    ps_rng_key dropout;
    uint64_t broken_steps; /* consecutive steps whose loss or gradient was not finite */
} loop;

static ps_status call_begin(const loop *l) {
    for (int i = 0; i < l->options->hook_count; i++) {
        const ps_train_hooks *h = &l->options->hooks[i];
        if (h->begin != NULL) PS_TRY(h->begin(h->self, l->options->start));
    }
    return PS_OK;
}

static ps_status call_after_backward(const loop *l, uint64_t step) {
    for (int i = 0; i < l->options->hook_count; i++) {
        const ps_train_hooks *h = &l->options->hooks[i];
        if (h->after_backward != NULL) PS_TRY(h->after_backward(h->self, step));
    }
    return PS_OK;
}

static ps_status call_after_step(const loop *l, const ps_train_step *step) {
    for (int i = 0; i < l->options->hook_count; i++) {
        const ps_train_hooks *h = &l->options->hooks[i];
        if (h->after_step != NULL) PS_TRY(h->after_step(h->self, step));
    }
    return PS_OK;
}

static ps_status call_end_window(const loop *l, uint64_t first, uint64_t last) {
    for (int i = 0; i < l->options->hook_count; i++) {
        const ps_train_hooks *h = &l->options->hooks[i];
        if (h->end_window != NULL) PS_TRY(h->end_window(h->self, first, last));
    }
    return PS_OK;
}

static ps_status call_end(const loop *l, uint64_t steps, bool diverged) {
    for (int i = 0; i < l->options->hook_count; i++) {
        const ps_train_hooks *h = &l->options->hooks[i];
        if (h->end != NULL) PS_TRY(h->end(h->self, steps, diverged));
    }
    return PS_OK;
}

bool ps_train_step_finite(const ps_train_step *step) {
    return (step->loss.counted == 0 || isfinite(step->loss.loss)) && step->update.finite;
}

static int parts_of(const ps_train_source *source) { return source->parts > 1 ? source->parts : 1; }

int ps_train_images(const ps_net *net, const ps_train_source *source) { return ps_net_batch(net) * parts_of(source); }

/* Parts count by their labels, so that the loss is the mean over the labels of all, and so the gradient. */
static void add_loss(ps_loss *whole, const ps_loss *part, size_t all) {
    if (part->counted == 0) return;
    double before = whole->counted > 0 ? whole->loss : 0;
    whole->loss = before + part->loss * ((double)part->counted / (double)all);
    whole->counted += part->counted;
}

/* How labels from number `first` on become targets. */
static ps_soft_labels soft_of(const ps_train_source *source, size_t first) {
    ps_soft_labels soft = {.other = NULL};
    if (source->soft != NULL) soft = *source->soft;
    if (soft.other != NULL) soft.other += first;
    return soft;
}

/* Adds what has passed since *since to *part, and goes on from now. */
static void clock_part(uint64_t *since, uint64_t *part) {
    uint64_t now = ps_clock_ns();
    *part += now - *since;
    *since = now;
}

static void run_parts(ps_net *net, const ps_train_source *source, ps_rng_key dropout, uint64_t step, const float *x,
                      const int32_t *label, ps_loss *loss, ps_step_time *time) {
    int parts = parts_of(source);
    size_t batch = (size_t)ps_net_batch(net), elements = batch * ps_shape_elements(ps_net_graph(net)->input),
           labels = batch * ps_net_labels_per_sample(net), all = ps_softmax_count(label, labels * (size_t)parts);
    uint64_t since = ps_clock_ns();
    *loss = (ps_loss){.loss = (double)NAN};
    for (int part = 0; part < parts; part++, x += elements, label += labels) {
        uint64_t pass = step * (uint64_t)parts + (uint64_t)part;
        ps_net_forward(net, x, PS_MODE_TRAIN, ps_rng_key_fold(dropout, pass), NULL);
        clock_part(&since, &time->forward);
        ps_soft_labels soft = soft_of(source, (size_t)part * labels);
        ps_loss own = ps_net_soft_loss(net, source->loss, label, &soft, true);
        ps_net_scale_loss(net, all > 0 ? (double)own.counted / (double)all : 0);
        clock_part(&since, &time->loss);
        ps_net_backward(net);
        ps_net_add_part(net, part, parts);
        clock_part(&since, &time->backward);
        add_loss(loss, &own, all);
    }
}

ps_status ps_train_gradient(ps_net *net, const ps_train_source *source, ps_rng_key dropout, uint64_t step, float *x,
                            int32_t *label, ps_loss *loss, ps_step_time *time) {
    uint64_t since = ps_clock_ns();
    PS_TRY(source->train_batch(source->self, step, x, label));
    clock_part(&since, &time->input);
    if (parts_of(source) > 1) {
        run_parts(net, source, dropout, step, x, label, loss, time);
        return PS_OK;
    }
    ps_net_forward(net, x, PS_MODE_TRAIN, ps_rng_key_fold(dropout, step), NULL);
    clock_part(&since, &time->forward);
    *loss = ps_net_soft_loss(net, source->loss, label, source->soft, true);
    clock_part(&since, &time->loss);
    ps_net_backward(net);
    clock_part(&since, &time->backward);
    return PS_OK;
}

static ps_status run_step(loop *l, uint64_t step) {
    uint64_t start = ps_clock_ns();
    const ps_train_options *o = l->options;
    ps_train_step done = {.step = step};
    PS_TRY(ps_train_gradient(l->net, &o->source, l->dropout, step, l->x, l->label, &done.loss, &done.time));
    PS_TRY(call_after_backward(l, step));
    uint64_t since = ps_clock_ns();
    done.update = ps_optimiser_step(l->optimiser, step, o->steps);
    clock_part(&since, &done.time.update);
    done.step_ns = ps_clock_ns() - start;
    bool finite = ps_train_step_finite(&done);
    l->broken_steps = finite ? 0 : l->broken_steps + 1;
    return call_after_step(l, &done);
}

static bool weights_finite(ps_net *net) {
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        double squares = p->learned ? ps_vector_sum_squares(p->value, p->count, ps_net_threads(net)) : 0.0;
        if (isnan(squares) || isinf(squares)) return false;
    }
    return true;
}

static ps_status run_window(loop *l, uint64_t first, uint64_t last) {
    ps_optimiser_begin_window(l->optimiser);
    for (uint64_t step = first; step <= last; step++) PS_TRY(run_step(l, step));
    ps_optimiser_end_window(l->optimiser);
    return call_end_window(l, first, last);
}

static bool hopeless(const loop *l) {
    return l->broken_steps >= HOPELESS_WINDOWS * l->options->window || !weights_finite(l->net);
}

static ps_status run(loop *l, uint64_t *diverged_at) {
    const ps_train_options *o = l->options;
    PS_TRY(call_begin(l));
    uint64_t first = o->start;
    /* The checkpoint may have been the last one before the run was found to have diverged. */
    if (first > 0 && hopeless(l)) *diverged_at = first - 1;
    while (first < o->steps && *diverged_at == UINT64_MAX) {
        uint64_t last = first + o->window - 1;
        if (last >= o->steps) last = o->steps - 1;
        PS_TRY(run_window(l, first, last));
        first = last + 1;
        if (hopeless(l)) *diverged_at = last;
        else if (o->stop != NULL && *o->stop != 0 && first < o->steps)
            return ps_fail(PS_ERR_STOPPED, "stopped after step %llu of %llu", (unsigned long long)last,
                           (unsigned long long)o->steps);
    }
    return call_end(l, first, *diverged_at != UINT64_MAX);
}

ps_status ps_train_run(ps_net *net, ps_optimiser *optimiser, const ps_train_options *options, uint64_t *diverged_at) {
    loop l = {.net = net,
              .optimiser = optimiser,
              .options = options,
              .dropout = ps_rng_key_of(options->seed, "dropout"),
              .broken_steps = options->broken_steps};
    ps_status status = PS_OK;
    *diverged_at = UINT64_MAX;
    if (options->window < 1 || (options->start % options->window != 0 && options->start != options->steps))
        return ps_fail(PS_ERR_USAGE,
                       "a window must be at least one step, and training starts at a window's first step");
    PS_TRY(ps_net_check_statistics(net));
    size_t batch = (size_t)ps_train_images(net, &options->source);
    if (parts_of(&options->source) > 1) PS_TRY(ps_net_prepare_parts(net));
    PS_TRY_CLEANUP(PS_ALLOC(batch * ps_shape_elements(ps_net_graph(net)->input), &l.x, "training batch"));
    PS_TRY_CLEANUP(PS_ALLOC(batch * ps_net_labels_per_sample(net), &l.label, "training batch"));
    status = run(&l, diverged_at);
cleanup:
    ps_free(l.x);
    ps_free(l.label);
    return status;
}
