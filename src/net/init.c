#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/keep.h"
#include "net/net.h"

/* PyTorch's Conv and Linear modules start with kaiming_uniform(a = sqrt 5), which is uniform with bound 1 /
 * sqrt(fan_in), for the weight and the same bound for the bias. "he" is He et al. 2015: normal with variance 2 /
 * fan_in, biases zero. "transformer" is what the public code of ViT, CVT and CCT does: convolutions as He with
 * PyTorch's biases, all else normal with standard deviation 0.02 and biases zero (its trunc_normal_ cuts off at -2 and
 * 2, a hundred deviations away). An inserted module is what its authors published, which starts as PyTorch's default
 * does, whatever the backbone's scheme. */
typedef enum { SCHEME_TORCH, SCHEME_HE, SCHEME_TRANSFORMER } scheme;

enum { INIT_GRAIN = 1 << 12 };

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

/* What `drawn` gives where it is uniform, many numbers at a time: most networks start with nothing else. */
static void init_uniform(ps_param *p, ps_rng_key key, size_t first, size_t end) {
    double width = p->spec.fan_in > 0 ? 1.0 / sqrt((double)p->spec.fan_in) : 0.0;
    ps_keep_uniforms(key, first, end - first, p->value + first);
    for (size_t i = first; i < end; i++) p->value[i] = (float)(width * (2.0 * (double)p->value[i] - 1.0));
}

typedef struct {
    ps_param *param;
    scheme scheme;
    bool conv;
    ps_rng_key key;
    size_t first, count, chunks;
} init_job;

static void init_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const init_job *job = context;
    ps_param *p = job->param;
    ps_rng_key key = job->key;
    scheme s = p->module ? SCHEME_TORCH : job->scheme;
    bool random = p->spec.init == PS_INIT_WEIGHT || p->spec.init == PS_INIT_BIAS;
    size_t first = job->first + ps_threads_chunk_start(job->count, job->chunks, chunk),
           end = job->first + ps_threads_chunk_start(job->count, job->chunks, chunk + 1);
    if (random && s == SCHEME_TORCH) {
        init_uniform(p, key, first, end);
        return;
    }
    for (size_t i = first; i < end; i++) {
        if (p->spec.init == PS_INIT_ONES) p->value[i] = 1.0f;
        else if (p->spec.init == PS_INIT_ZEROS) p->value[i] = 0.0f;
        else if (p->spec.init == PS_INIT_EMBEDDING) p->value[i] = normal(embedding_std, key, i);
        else if (p->spec.init == PS_INIT_SLOPE) p->value[i] = 0.25f;
        else p->value[i] = drawn(p, s, job->conv, key, i);
    }
}

static void init_elements(const ps_net *net, ps_param *p, scheme s, ps_rng_key key, size_t first, size_t count) {
    init_job job = {.param = p, .scheme = s, .key = key, .first = first, .count = count};
    job.conv = ps_net_graph(net)->op[p->op].type->role == PS_ROLE_CONV;
    job.chunks = ps_threads_chunks(count, INIT_GRAIN);
    ps_threads_run(ps_net_threads(net), job.chunks, init_chunk, &job);
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
