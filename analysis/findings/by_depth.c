#include "analysis/findings/by_depth.h"

#include <math.h>

#include "analysis/findings/curve.h"

static double gradient_of(const ps_layer_facts *layer) {
    double rms = ps_curve_tail(&layer->series[PS_FACT_grad_rms], 0.5);
    return layer->own_gate && isfinite(rms) && rms > 0 && layer->fan_in > 0 ? rms / sqrt(layer->fan_in) : ps_absent();
}

static double mean_log(const ps_facts *facts, int from, int to) {
    double sum = 0;
    int seen = 0;
    for (int l = 0; l < facts->layer_count; l++) {
        double rms = gradient_of(&facts->layers[l]);
        if (ps_is_absent(rms)) continue;
        if (seen >= from && seen < to) sum += log(rms);
        seen++;
    }
    return sum / (to - from);
}

ps_depth_gradients ps_depth_gradients_of(const ps_facts *facts) {
    ps_depth_gradients out = {0, -1, -1, ps_absent(), ps_absent(), ps_absent()};
    for (int l = 0; l < facts->layer_count; l++) {
        double rms = gradient_of(&facts->layers[l]);
        if (ps_is_absent(rms)) continue;
        if (out.layers++ == 0) out.first = l;
        out.last = l;
    }
    if (out.layers < 3) return out;
    int third = out.layers / 3;
    out.first_rms = exp(mean_log(facts, 0, third));
    out.last_rms = exp(mean_log(facts, out.layers - third, out.layers));
    out.ratio = out.first_rms / out.last_rms;
    return out;
}
