#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "net/net.h"

/* PyTorch's Conv and Linear modules start with kaiming_uniform(a = sqrt 5), which is uniform with bound 1 / sqrt(fan_in), for the
 * weight and the same bound for the bias. "he" is He et al. 2015: normal with variance 2 / fan_in, biases zero. An inserted module is
 * what its authors published, which starts as PyTorch's default does, whatever the backbone's scheme. */
typedef enum { SCHEME_TORCH, SCHEME_HE } scheme;

static float drawn(scheme s, ps_init_kind kind, int fan_in, ps_rng_key key, size_t index) {
    double width = fan_in > 0 ? 1.0 / sqrt((double)fan_in) : 0.0;
    if (s == SCHEME_TORCH) return (float)(width * (2.0 * (double)ps_rng_uniform(key, index) - 1.0));
    return kind == PS_INIT_BIAS ? 0.0f : (float)(sqrt(2.0) * width * (double)ps_rng_normal(key, index));
}

static ps_status init_param(ps_param *p, scheme s, uint64_t seed) {
    if (p->spec.init == PS_INIT_ONES || p->spec.init == PS_INIT_ZEROS) {
        for (size_t i = 0; i < p->count; i++) p->value[i] = p->spec.init == PS_INIT_ONES ? 1.0f : 0.0f;
        return PS_OK;
    }
    char name[512];
    snprintf(name, sizeof name, "init/%s", p->name);
    ps_rng_key key = ps_rng_key_of(seed, name);
    for (size_t i = 0; i < p->count; i++) p->value[i] = drawn(p->module ? SCHEME_TORCH : s, p->spec.init, p->spec.fan_in, key, i);
    return PS_OK;
}

ps_status ps_net_init(ps_net *net, const char *name, uint64_t seed) {
    scheme s;
    if (strcmp(name, "torch") == 0) s = SCHEME_TORCH;
    else if (strcmp(name, "he") == 0) s = SCHEME_HE;
    else return ps_fail(PS_ERR_USAGE, "initialisation scheme \"%s\" is unknown; choose torch or he", name);
    for (int i = 0; i < ps_net_param_count(net); i++) PS_TRY(init_param(ps_net_param(net, i), s, seed));
    return PS_OK;
}
