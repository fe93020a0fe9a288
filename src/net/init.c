#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "net/net.h"

/* PyTorch's Conv and Linear modules start with kaiming_uniform(a = sqrt 5), which is uniform with bound 1 /
 * sqrt(fan_in), for the weight and the same bound for the bias. "he" is He et al. 2015: normal with variance 2 /
 * fan_in, biases zero. "transformer" is what the public code of ViT, CVT and CCT does: convolutions as He with
 * PyTorch's biases, all else normal with standard deviation 0.02 and biases zero (its trunc_normal_ cuts off at -2 and
 * 2, a hundred deviations away). An inserted module is what its authors published, which starts as PyTorch's default
 * does, whatever the backbone's scheme. */
typedef enum { SCHEME_TORCH, SCHEME_HE, SCHEME_TRANSFORMER } scheme;

static const double transformer_std = 0.02, embedding_std = 0.2;

static float uniform(int fan_in, ps_rng_key key, size_t index) {
    double width = fan_in > 0 ? 1.0 / sqrt((double)fan_in) : 0.0;
    return (float)(width * (2.0 * (double)ps_rng_uniform(key, index) - 1.0));
}

static float normal(double std, ps_rng_key key, size_t index) {
    return (float)(std * (double)ps_rng_normal(key, index));
}

/* A weight or a bias. */
static float drawn(const ps_param *p, scheme s, bool conv, ps_rng_key key, size_t index) {
    bool bias = p->spec.init == PS_INIT_BIAS;
    int fan_in = p->spec.fan_in;
    if (s == SCHEME_TORCH || (s == SCHEME_TRANSFORMER && conv && bias)) return uniform(fan_in, key, index);
    if (bias) return 0.0f;
    if (s == SCHEME_TRANSFORMER && !conv) return normal(transformer_std, key, index);
    double width = fan_in > 0 ? 1.0 / sqrt((double)fan_in) : 0.0;
    return normal(sqrt(2.0) * width, key, index);
}

static ps_rng_key key_of(const char *purpose, const ps_param *p, uint64_t seed) {
    char name[512];
    snprintf(name, sizeof name, "%s/%s", purpose, p->name);
    return ps_rng_key_of(seed, name);
}

static void init_elements(const ps_net *net, ps_param *p, scheme s, ps_rng_key key, size_t first, size_t count) {
    bool conv = ps_net_graph(net)->op[p->op].type->role == PS_ROLE_CONV;
    for (size_t i = first; i < first + count; i++) {
        if (p->spec.init == PS_INIT_ONES) p->value[i] = 1.0f;
        else if (p->spec.init == PS_INIT_ZEROS) p->value[i] = 0.0f;
        else if (p->spec.init == PS_INIT_EMBEDDING) p->value[i] = normal(embedding_std, key, i);
        else if (p->spec.init == PS_INIT_SLOPE) p->value[i] = 0.25f;
        else p->value[i] = drawn(p, p->module ? SCHEME_TORCH : s, conv, key, i);
    }
}

static ps_status find_scheme(const char *name, scheme *s) {
    if (strcmp(name, "torch") == 0) *s = SCHEME_TORCH;
    else if (strcmp(name, "he") == 0) *s = SCHEME_HE;
    else if (strcmp(name, "transformer") == 0) *s = SCHEME_TRANSFORMER;
    else return ps_fail(PS_ERR_USAGE, "initialisation scheme \"%s\" is unknown; choose torch, he or transformer", name);
    return PS_OK;
}

ps_status ps_net_init(ps_net *net, const char *name, uint64_t seed) {
    scheme s;
    PS_TRY(find_scheme(name, &s));
    for (int i = 0; i < ps_net_param_count(net); i++) {
        ps_param *p = ps_net_param(net, i);
        init_elements(net, p, s, key_of("init", p, seed), 0, p->count);
    }
    return PS_OK;
}

ps_status ps_net_init_row(ps_net *net, const char *name, uint64_t seed, uint64_t draw, int param, int row) {
    scheme s;
    ps_param *p = ps_net_param(net, param);
    PS_TRY(find_scheme(name, &s));
    init_elements(net, p, s, ps_rng_key_fold(key_of("init-row", p, seed), draw), (size_t)row * p->row_length,
                  p->row_length);
    return PS_OK;
}
