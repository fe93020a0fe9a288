#include "core/rng.h"

#include <math.h>

#include "core/digest.h"

static void philox_round(uint32_t counter[4], const uint32_t key[2]) {
    uint64_t product0 = (uint64_t)0xD2511F53u * counter[0];
    uint64_t product1 = (uint64_t)0xCD9E8D57u * counter[2];
    uint32_t next[4] = {(uint32_t)(product1 >> 32) ^ counter[1] ^ key[0], (uint32_t)product1,
                        (uint32_t)(product0 >> 32) ^ counter[3] ^ key[1], (uint32_t)product0};
    for (int i = 0; i < 4; i++) counter[i] = next[i];
}

static void philox(ps_rng_key key, uint64_t index, uint32_t out[4]) {
    uint32_t round_key[2] = {key.word[0], key.word[1]};
    out[0] = (uint32_t)index;
    out[1] = (uint32_t)(index >> 32);
    out[2] = 0;
    out[3] = 0;
    for (int round = 0; round < 10; round++) {
        philox_round(out, round_key);
        round_key[0] += 0x9E3779B9u; /* Weyl increments of the published generator */
        round_key[1] += 0xBB67AE85u;
    }
}

ps_rng_key ps_rng_key_of(uint64_t seed, const char *name) {
    ps_digest digest = ps_digest_start();
    ps_digest_text(&digest, name);
    uint64_t hash = ps_digest_value(&digest);
    ps_rng_key named = {{(uint32_t)hash, (uint32_t)(hash >> 32)}};
    return ps_rng_key_fold(named, seed);
}

ps_rng_key ps_rng_key_fold(ps_rng_key key, uint64_t number) {
    uint32_t out[4];
    philox(key, number, out);
    return (ps_rng_key){{out[2], out[3]}};
}

uint32_t ps_rng_u32(ps_rng_key key, uint64_t index) {
    uint32_t out[4];
    philox(key, index, out);
    return out[0];
}

float ps_rng_uniform(ps_rng_key key, uint64_t index) { return (float)(ps_rng_u32(key, index) >> 8) * 0x1p-24f; }

/* Two words are a radius (its logarithm is finite: (0, 1) is open) and an angle. */
static double radius_of(uint32_t word) { return sqrt(-2.0 * log(((double)word + 0.5) * 0x1p-32)); }
static double angle_of(uint32_t word) { return 6.283185307179586 * ((double)word * 0x1p-32); }

float ps_rng_normal(ps_rng_key key, uint64_t index) {
    uint32_t out[4];
    philox(key, index, out);
    return (float)(radius_of(out[0]) * cos(angle_of(out[1])));
}

void ps_rng_normals(ps_rng_key key, uint64_t index, float out[4]) {
    uint32_t word[4];
    philox(key, index, word);
    for (int i = 0; i < 4; i += 2) {
        double radius = radius_of(word[i]), angle = angle_of(word[i + 1]);
        out[i] = (float)(radius * cos(angle));
        out[i + 1] = (float)(radius * sin(angle));
    }
}

uint32_t ps_rng_below(ps_rng_key key, uint64_t index, uint32_t bound) {
    return (uint32_t)(((uint64_t)ps_rng_u32(key, index) * bound) >> 32);
}

void ps_rng_permutation(ps_rng_key key, uint32_t count, uint32_t *order) {
    for (uint32_t i = 0; i < count; i++) order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = ps_rng_below(key, i, i);
        uint32_t held = order[i - 1];
        order[i - 1] = order[j];
        order[j] = held;
    }
}
